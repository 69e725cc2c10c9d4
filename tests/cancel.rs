//! Futures that are dropped, or forgotten, before their end: their place and their room go to others.

mod support;

use parshall::mpsc;
use parshall::mpsc::error::{TryRecvError, TrySendError};
use support::{Drops, now, pending, task};

#[test]
fn a_send_dropped_before_its_first_poll_did_nothing() {
    let (tx, mut rx) = mpsc::channel(1);
    let (drops, message) = Drops::new();
    drop(task(tx.send(message)));
    assert_eq!((drops.get(), tx.stats().send_waits_total), (1, 0));
    assert!(rx.try_recv().is_err());
}

#[test]
fn a_send_dropped_while_it_waits_was_not_sent_and_leaves_the_line() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let (mut first, second, mut third) =
        (pending(tx.send(1)), pending(tx.send(2)), pending(tx.send(3)));
    assert_eq!(tx.stats().send_waiters, 3);
    drop(second);
    assert_eq!(tx.stats().send_waiters, 2);
    assert_eq!((rx.try_recv(), first.ready()), (Ok(0), Ok(())));
    assert_eq!((rx.try_recv(), third.ready()), (Ok(1), Ok(())));
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(3), Err(TryRecvError::Empty)));
}

#[test]
fn a_send_dropped_after_its_grant_hands_the_room_to_the_next() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let (first, second, mut third) =
        (pending(tx.send(1)), pending(tx.send(2)), pending(tx.send(3)));
    rx.try_recv().unwrap();
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));
    assert_eq!((tx.stats().granted_waiters, tx.stats().send_waiters), (1, 2));
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert_eq!((third.wakes(), third.ready()), (1, Ok(())));
    assert_eq!((rx.try_recv(), tx.capacity()), (Ok(3), 1));
}

#[test]
fn the_last_in_line_dropped_after_its_grant_gives_the_room_back() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let only = pending(tx.send(1));
    rx.try_recv().unwrap();
    assert_eq!(tx.capacity(), 0);
    drop(only);
    assert_eq!((tx.capacity(), tx.try_send(2)), (1, Ok(())));
}

#[test]
fn the_line_is_clear_again_when_all_who_waited_are_gone() {
    let (tx, mut rx) = mpsc::channel(2);
    (0..2).for_each(|i| tx.try_send(i).unwrap());
    let waiting: Vec<_> = (0..5).map(|_| pending(tx.reserve_many(2))).collect();
    rx.try_recv().unwrap();
    assert_eq!(tx.capacity(), 0);
    drop(waiting);
    assert_eq!((tx.capacity(), tx.stats().send_waiters, tx.stats().reserved), (1, 0, 0));
    tx.try_send(2).unwrap();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)));
}

#[test]
fn room_is_conserved_whatever_is_dropped_when() {
    for grants in 0..4 {
        for dropped in 0..4 {
            let (tx, mut rx) = mpsc::channel(3);
            (0..3).for_each(|i| tx.try_send(i).unwrap());
            let mut waits = vec![
                pending(tx.reserve_many(1)),
                pending(tx.reserve_many(2)),
                pending(tx.reserve_many(3)),
                pending(tx.reserve_many(1)),
            ];
            (0..grants).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
            drop(waits.remove(dropped));
            while rx.try_recv().is_ok() {}
            for wait in &mut waits {
                assert_eq!(wait.wakes(), 1, "grants {grants}, dropped {dropped}: its turn comes");
                drop(wait.ready().unwrap());
            }
            assert_eq!((tx.capacity(), tx.stats().reserved), (3, 0), "{grants} {dropped}");
        }
    }
}

#[test]
fn a_forgotten_send_that_waits_lets_others_on_when_its_turn_has_room_for_them() {
    let (tx, mut rx) = mpsc::channel(2);
    (0..2).for_each(|i| tx.try_send(i).unwrap());
    pending(tx.send(9)).forget();
    let mut other = pending(tx.send(2));
    rx.try_recv().unwrap();
    // The first place in line was the forgotten one's: it keeps this room for ever, and says so.
    let stats = tx.stats();
    assert_eq!((stats.granted_waiters, stats.send_waiters, stats.reserved), (1, 1, 1));
    rx.try_recv().unwrap();
    assert_eq!((other.wakes(), other.ready()), (1, Ok(())));
    assert_eq!(rx.try_recv(), Ok(2));
    for i in 0..10 {
        now(tx.send(i)).unwrap();
        assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)), "one unit is lost");
        assert_eq!(now(rx.recv()), Some(i));
    }
    assert_eq!((tx.stats().granted_waiters, tx.capacity()), (1, 1));
}

#[test]
fn forgotten_futures_do_not_keep_a_receiver_waiting_when_all_senders_are_gone() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    pending(tx.send(1)).forget();
    pending(tx.send(2)).forget();
    assert_eq!(rx.try_recv(), Ok(0));
    let mut receive = pending(rx.recv());
    drop(tx);
    assert_eq!((receive.wakes(), receive.ready()), (1, None));
    drop(receive);
    assert_eq!(rx.stats().send_waiters, 0, "nobody waits at a closed channel");
}

#[test]
fn forgotten_permits_do_not_keep_a_receiver_waiting_when_all_senders_are_gone() {
    let (tx, mut rx) = mpsc::channel::<u8>(3);
    std::mem::forget(tx.try_reserve().unwrap());
    std::mem::forget(tx.try_reserve_many(2).unwrap());
    assert_eq!(tx.capacity(), 0);
    drop(tx);
    assert_eq!(now(rx.recv()), None);
}

#[test]
fn a_forgotten_wait_for_closure_harms_nobody() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    pending(tx.closed()).forget();
    let mut other = pending(tx.closed());
    rx.close();
    assert_eq!(other.wakes(), 1);
    other.ready();
}

#[test]
fn a_forgotten_receive_leaves_the_receiver_usable() {
    let (tx, mut rx) = mpsc::channel(1);
    pending(rx.recv()).forget();
    tx.try_send(1).unwrap();
    assert_eq!(now(rx.recv()), Some(1));
    let mut receive = pending(rx.recv());
    tx.try_send(2).unwrap();
    assert_eq!((receive.wakes(), receive.ready()), (1, Some(2)));
}

#[test]
fn cancelling_from_the_middle_of_a_long_line_keeps_the_order() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut sends: Vec<_> = (1..=300).map(|i| (i, pending(tx.send(i)))).collect();
    sends.retain(|(i, _)| i % 3 != 0);
    for (i, send) in &mut sends {
        rx.try_recv().unwrap();
        assert_eq!((send.wakes(), send.ready()), (1, Ok(())), "send {i}");
    }
}
