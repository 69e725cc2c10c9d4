//! Sending: order, fairness, who gets room that comes back, and what errors carry.

mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use parshall::mpsc;
use parshall::mpsc::error::TrySendError;
use support::{full, now, pending, rounds, task};

#[test]
fn capacity_is_exact_and_order_is_kept_over_many_laps() {
    let few = if cfg!(miri) { 4 } else { 6 };
    for capacity in [1, 2, 3, 7, 128, 65_536].into_iter().take(few) {
        let (tx, mut rx) = mpsc::channel(capacity);
        assert_eq!(
            (tx.capacity(), tx.max_capacity(), rx.max_capacity()),
            (capacity, capacity, capacity)
        );
        for lap in 0..3 {
            for i in 0..capacity {
                tx.try_send(lap * capacity + i).unwrap();
                assert_eq!((tx.capacity(), tx.len(), rx.len()), (capacity - 1 - i, i + 1, i + 1));
            }
            assert!(tx.is_full());
            assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)));
            for i in 0..capacity {
                assert_eq!(rx.try_recv(), Ok(lap * capacity + i));
            }
            assert!(tx.is_empty() && rx.is_empty());
        }
    }
}

#[test]
fn any_capacity_is_exact_up_to_tokios_limit() {
    let small = [16_777_215, 16_777_216, 100_000_000, usize::MAX >> 3];
    let beyond_32_bits = usize::try_from(1_u64 << 40);
    for capacity in small.into_iter().chain(beyond_32_bits) {
        let (tx, mut rx) = mpsc::channel(capacity);
        assert_eq!(
            (tx.max_capacity(), tx.capacity(), rx.capacity()),
            (capacity, capacity, capacity)
        );
        tx.try_send(7).unwrap();
        let permits = tx.try_reserve_many(1000).unwrap();
        assert_eq!((tx.capacity(), permits.len()), (capacity - 1001, 1000));
        drop(permits);
        assert_eq!((rx.try_recv(), rx.capacity()), (Ok(7), capacity));
    }
}

/// The words count 16,777,215 permits. More are refused, or waited for, though the channel has
/// room: the one limit that Tokio's does not have.
#[test]
fn as_many_permits_as_the_word_counts() {
    const MOST: usize = 16_777_215;
    let (tx, _rx) = mpsc::channel::<u8>(100_000_000);
    assert!(matches!(tx.try_reserve_many(MOST + 1), Err(TrySendError::Full(()))));
    assert!(now(tx.reserve_many(MOST + 1)).is_err());
    let permits = tx.try_reserve_many(MOST).unwrap();
    assert_eq!(tx.capacity(), 100_000_000 - MOST);
    assert!(matches!(tx.try_reserve(), Err(TrySendError::Full(()))));
    tx.try_send(1).expect("room for messages");
    let mut waiting = pending(tx.reserve());
    assert!(tx.try_send(2).is_err(), "nobody overtakes");
    let mut permits = permits;
    permits.next().unwrap().send(3);
    assert_eq!(waiting.wakes(), 1);
    drop(waiting.ready().unwrap());
    tx.try_send(4).unwrap();
}

#[test]
fn room_for_many_wakes_many_in_line() {
    let (tx, mut rx) = full(40);
    let mut sends: Vec<_> = (40..100).map(|i| pending(tx.send(i))).collect();
    let mut got = Vec::new();
    assert_eq!(now(rx.recv_many(&mut got, 100)), 40);
    let woken = sends.iter().take_while(|send| send.wakes() == 1).count();
    assert_eq!((woken, sends.iter().filter(|send| send.wakes() > 0).count()), (40, 40));
    sends[..40].iter_mut().for_each(|send| send.ready().unwrap());
    sends[40..].iter_mut().for_each(support::Task::still_pending);
    assert_eq!(now(rx.recv_many(&mut got, 100)), 40);
    sends[40..].iter_mut().for_each(|send| send.ready().unwrap());
    assert_eq!(now(rx.recv_many(&mut got, 100)), 20);
    assert_eq!(got, (0..100).collect::<Vec<_>>());
}

#[test]
fn try_send_does_not_overtake_who_waits_nor_who_was_granted() {
    let (tx, mut rx) = full(2);
    let mut first = pending(tx.send(10));
    let mut second = pending(tx.reserve_many(2));
    rx.try_recv().unwrap();
    // The first is granted the room, the second waits for two; nobody takes either's.
    assert_eq!((first.wakes(), second.wakes(), tx.capacity()), (1, 0, 0));
    assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)));
    rx.try_recv().unwrap();
    assert_eq!((tx.capacity(), rx.len()), (0, 0), "one unit is the first's, one the second's");
    assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)));
    assert!(matches!(tx.try_reserve(), Err(TrySendError::Full(()))));
    assert!(tx.is_full() && tx.is_empty());
    first.ready().unwrap();
    assert_eq!(rx.try_recv(), Ok(10));
    second.ready().unwrap().for_each(|permit| permit.send(20));
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(20), Ok(20)));
}

#[test]
fn a_new_send_waits_behind_a_granted_one_that_is_not_polled() {
    let (tx, mut rx) = full(1);
    let mut granted = pending(tx.send(1));
    rx.try_recv().unwrap();
    let mut late = pending(tx.send(2));
    assert_eq!((granted.wakes(), late.wakes()), (1, 0));
    granted.ready().unwrap();
    late.still_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    late.ready().unwrap();
    assert_eq!(rx.try_recv(), Ok(2));
}

#[test]
fn a_send_that_need_not_wait_is_ready_at_its_first_poll() {
    let (tx, mut rx) = mpsc::channel(1);
    let send = task(tx.send(1));
    assert_eq!((rx.len(), tx.capacity()), (0, 1), "nothing happens before the first poll");
    drop(send);
    now(tx.send(2)).unwrap();
    assert_eq!(now(rx.recv()), Some(2));
}

#[test]
fn blocking_async_and_try_calls_mix_on_one_channel() {
    const EACH: usize = rounds(500);
    let (tx, mut rx) = mpsc::channel(2);
    let threads: Vec<_> = (0..3)
        .map(|t| {
            let tx = tx.clone();
            std::thread::spawn(move || {
                for i in 0..EACH {
                    if i % 2 == 0 {
                        tx.blocking_send((t, i)).unwrap();
                    } else {
                        let runtime =
                            tokio::runtime::Builder::new_current_thread().build().unwrap();
                        runtime.block_on(tx.send((t, i))).unwrap();
                    }
                }
            })
        })
        .collect();
    drop(tx);
    let mut next = [0; 3];
    while let Some((t, i)) = rx.blocking_recv() {
        assert_eq!(next[t], i, "sender {t} in order");
        next[t] += 1;
        let mut more = Vec::new();
        rx.try_recv().into_iter().for_each(|message| more.push(message));
        for (t, i) in more {
            assert_eq!(next[t], i, "sender {t} in order");
            next[t] += 1;
        }
    }
    assert_eq!(next, [EACH; 3]);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn weak_senders_upgrade_only_while_a_strong_one_lives() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let weak = tx.downgrade();
    let other = weak.clone();
    assert_eq!((tx.strong_count(), tx.weak_count(), rx.sender_weak_count()), (1, 2, 2));
    let second = weak.upgrade().unwrap();
    assert!(second.same_channel(&tx));
    drop(tx);
    assert_eq!((weak.strong_count(), rx.sender_strong_count()), (1, 1));
    let permit = second.try_reserve_owned().unwrap();
    assert_eq!(weak.strong_count(), 1, "an owned permit counts as a sender");
    let third = weak.upgrade().expect("an owned permit keeps the channel open");
    drop(third);
    drop(permit);
    assert!(weak.upgrade().is_none() && other.upgrade().is_none());
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 2));
    assert_eq!(now(rx.recv()), None);
    drop((weak, other));
    assert_eq!(rx.sender_weak_count(), 0);
}

#[test]
fn same_channel_tells_channels_apart() {
    let (a, _rx_a) = mpsc::channel::<u8>(2);
    let (b, _rx_b) = mpsc::channel::<u8>(2);
    assert!(a.same_channel(&a.clone()) && !a.same_channel(&b));
    let permit = a.clone().try_reserve_owned().unwrap();
    let other = b.clone().try_reserve_owned().unwrap();
    let same = a.clone().try_reserve_owned().unwrap();
    assert!(permit.same_channel(&same) && !permit.same_channel(&other));
    assert!(permit.same_channel_as_sender(&a) && !permit.same_channel_as_sender(&b));
}

/// Seen to fail with: a send that begins to wait anew, for a permit that nobody gives back.
#[test]
fn a_send_that_is_polled_after_it_was_ready_panics_and_takes_nothing() {
    let (tx, mut rx) = mpsc::channel(1);
    let mut send = Box::pin(tx.send(1));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(send.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(catch_unwind(AssertUnwindSafe(|| send.as_mut().poll(&mut cx))).is_err());
    drop(send);
    assert_eq!(tx.capacity(), 1);
}
