//! The line of senders that wait for room: dropped, forgotten, woken too often, too large. B14,
//! B16, B18, B22, B23, B28, B32. The bounded channel's alone.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use parshall::mpsc::error::{SendError, TryRecvError, TrySendError};
use parshall::mpsc::{self, Receiver, Sender};

use crate::support::heap::live;
use crate::support::hooked::{Hooked, Op};
use crate::support::{Drops, Task, full, leak, now, pending, task};

/// Drops a wait that `begin` begins, at three moments: nothing of it stays, and who is behind goes
/// on.
fn dropped_at_every_moment<F: Future<Output: Debug>>(
    name: &str,
    begin: impl Fn(&'static Sender<usize>) -> F,
) {
    for moment in ["unpolled", "waiting", "granted"] {
        let (tx, mut rx) = full(1);
        let weak = tx.downgrade();
        // Leaked, so that futures that borrow it and futures that own a clone can be told alike.
        let tx: &'static Sender<usize> = leak(tx);
        let mut wait = task(begin(tx));
        let strong = weak.strong_count();
        if moment == "unpolled" {
            drop(wait);
            assert_eq!((tx.stats().send_waits_total, tx.stats().send_waiters), (0, 0), "{name}");
            assert_eq!(rx.try_recv(), Ok(0));
            assert_eq!(tx.capacity(), 1, "{name}");
            continue;
        }
        wait.still_pending();
        let mut behind = pending(tx.send(7));
        if moment == "granted" {
            assert_eq!((rx.try_recv(), wait.wakes(), behind.wakes()), (Ok(0), 1, 0), "{name}");
            assert_eq!((tx.stats().granted_waiters, tx.stats().send_waiters), (1, 1));
        }
        drop(wait);
        if moment == "waiting" {
            assert_eq!((tx.stats().send_waiters, behind.wakes()), (1, 0), "{name}");
            assert_eq!(rx.try_recv(), Ok(0));
        }
        assert_eq!((behind.wakes(), behind.ready()), (1, Ok(())), "{name}, {moment}");
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(7), Err(TryRecvError::Empty)), "{name}");
        let stats = tx.stats();
        assert_eq!((tx.capacity(), stats.reserved, stats.send_waiters), (1, 0, 0), "{name}");
        assert!(weak.strong_count() <= strong, "{name}");
    }
}

/// Seen to fail with: `Acquire::drop` that does nothing; and one that keeps what was assigned.
#[test]
fn b14_each_wait_for_room_dropped_at_each_moment_lets_the_next_on() {
    dropped_at_every_moment("send", |tx| tx.send(99));
    dropped_at_every_moment("reserve", Sender::reserve);
    dropped_at_every_moment("reserve_many", |tx| tx.reserve_many(1));
    dropped_at_every_moment("reserve_owned", |tx| tx.clone().reserve_owned());
}

/// Seen to fail with: `send` that leaks the message it was given; drops are counted.
#[test]
fn b14_the_message_of_a_refused_or_dropped_send_is_dropped_once() {
    let (tx, rx) = mpsc::channel(1);
    let (count, messages) = Drops::many::<7>();
    let mut next = messages.into_iter();
    let mut next = || next.next().unwrap();
    tx.try_send(next()).unwrap();
    drop(tx.try_send(next()));
    drop(pending(tx.send(next())));
    drop(task(tx.send(next())));
    assert_eq!(count.get(), 3);
    let mut failed = pending(tx.send(next()));
    drop(rx);
    assert_eq!(count.get(), 4, "the one in the channel");
    drop(failed.ready());
    assert_eq!(count.get(), 5);
    drop(now(tx.send(next())));
    drop(tx.blocking_send(next()));
    assert_eq!(count.get(), 7);
}

/// Seen to fail with: `unlink` that forgets the neighbour behind.
#[test]
fn b14_dropping_from_the_middle_of_a_long_line_keeps_the_order() {
    let (tx, mut rx) = full(1);
    let mut sends: Vec<_> = (1..=300).map(|i| (i, pending(tx.send(i)))).collect();
    sends.retain(|(i, _)| i % 3 != 0);
    let mut expected = vec![0];
    for (i, send) in &mut sends {
        expected.push(*i);
        assert_eq!(rx.try_recv(), Ok(expected[expected.len() - 2]));
        assert_eq!((send.wakes(), send.ready()), (1, Ok(())), "send {i}");
    }
}

/// Seen to fail with: `Acquire::drop` that keeps what was assigned.
#[test]
fn b14_room_is_conserved_whatever_is_dropped_when() {
    for (grants, dropped) in (0..16).map(|i| (i / 4, i % 4)) {
        let (tx, mut rx) = full(3);
        let mut waits: Vec<_> = [1, 2, 3, 1].map(|n| pending(tx.reserve_many(n))).into();
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

/// Seen to fail with: `Acquire::drop` that keeps what was assigned.
#[test]
fn b14_the_last_in_line_dropped_after_its_grant_gives_the_room_back() {
    let (tx, mut rx) = full(1);
    let only = pending(tx.send(1));
    rx.try_recv().unwrap();
    assert_eq!(tx.capacity(), 0);
    drop(only);
    assert_eq!((tx.capacity(), tx.try_send(2)), (1, Ok(())));
}

/// Seen to fail with: `unlink` that leaves TX_QUEUED when the last one goes.
#[test]
fn b14_the_line_is_clear_again_when_all_who_waited_are_gone() {
    let (tx, mut rx) = full(2);
    let waiting: Vec<_> = (0..5).map(|_| pending(tx.reserve_many(2))).collect();
    rx.try_recv().unwrap();
    assert_eq!(tx.capacity(), 0);
    drop(waiting);
    assert_eq!((tx.capacity(), tx.stats().send_waiters, tx.stats().reserved), (1, 0, 0));
    tx.try_send(2).unwrap();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)));
}

/// Forgets a wait that `begin` begins. What that costs, as with tokio: its turn comes, and the room
/// it is granted is never used, so that one unit of two is lost until all senders are gone. Nobody
/// behind it is passed over, and nothing is freed that somebody still points to.
fn forgotten<F: Future<Output: Debug>>(name: &str, begin: impl Fn(&'static Sender<usize>) -> F) {
    let (tx, mut rx) = full(2);
    let tx: &'static Sender<usize> = leak(tx);
    pending(begin(tx)).forget();
    let mut other = pending(tx.send(2));
    assert_eq!(rx.try_recv(), Ok(0));
    let stats = tx.stats();
    assert_eq!((stats.granted_waiters, stats.send_waiters, stats.reserved), (1, 1, 1), "{name}");
    assert_eq!((rx.try_recv(), other.wakes(), other.ready()), (Ok(1), 1, Ok(())), "{name}");
    assert_eq!(rx.try_recv(), Ok(2));
    for i in 0..10 {
        now(tx.send(i)).unwrap();
        assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)), "{name}: one unit is lost");
        assert_eq!(now(rx.recv()), Some(i));
    }
    // A future that is forgotten before its first poll costs nothing here.
    task(begin(tx)).forget();
    assert_eq!((tx.stats().granted_waiters, tx.capacity()), (1, 1), "{name}");
    rx.close();
    assert!(tx.try_send(0).is_err() && tx.is_closed());
}

/// Seen to fail with: `serve` that passes over who is first to whoever fits.
#[test]
fn b16_a_forgotten_wait_for_room_costs_its_room_and_no_more() {
    forgotten("send", |tx| tx.send(9));
    forgotten("reserve", Sender::reserve);
    forgotten("reserve_many", |tx| tx.reserve_many(1));
    forgotten("reserve_owned", |tx| tx.clone().reserve_owned());
}

/// Seen to fail with: `drop_sender` that leaves the line as it is; and, that writes off no permits.
#[test]
fn b16_forgotten_waits_and_permits_do_not_keep_the_end_from_the_receiver() {
    let (tx, mut rx) = full(1);
    pending(tx.send(1)).forget();
    pending(tx.send(2)).forget();
    assert_eq!(rx.try_recv(), Ok(0));
    let mut receive = pending(rx.recv());
    drop(tx);
    assert_eq!((receive.wakes(), receive.ready()), (1, None));
    drop(receive);
    assert_eq!(rx.stats().send_waiters, 0, "nobody waits at a closed channel");
    let (tx, mut rx) = mpsc::channel::<u8>(3);
    std::mem::forget(tx.try_reserve().unwrap());
    std::mem::forget(tx.try_reserve_many(2).unwrap());
    assert_eq!(tx.capacity(), 0);
    drop(tx);
    assert_eq!(now(rx.recv()), None);
}

/// Wakers are user code, and one may not return for long: what the server could still hand out lies
/// in the channel meanwhile.
///
/// Seen to fail with: `serve_slow` that keeps units in its hand while it wakes.
#[test]
fn b17_whoever_hangs_in_a_waker_withholds_no_room_from_others() {
    let (tx, mut rx) = full(8);
    let mut first = pending(tx.send(8));
    // More than are woken in one batch, the last one out of reach of it.
    let last = Arc::new(Mutex::new(None));
    let room = Arc::new(Mutex::new(None));
    let (inside, slot, seen) = (tx.clone(), last.clone(), room.clone());
    let (hook, waker) = Hooked::new(Op::Wake, move || {
        drop(slot.lock().unwrap().take());
        *seen.lock().unwrap() = Some(inside.capacity());
    });
    let mut hangs = task(tx.send(9));
    assert!(hangs.poll_with(&waker).is_pending());
    let mut batch: Vec<_> = (10..14).map(|i| pending(tx.send(i))).collect();
    let leaked = leak(tx.clone());
    *last.lock().unwrap() = Some(pending(leaked.send(14)));
    // The first receive finds that somebody waits; the next ones hold the room for them.
    assert_eq!(rx.try_recv(), Ok(0));
    first.ready().unwrap();
    hook.arm();
    assert_eq!(now(rx.recv_many(&mut Vec::new(), 6)), 6);
    assert_eq!(hook.runs(), 1);
    assert_eq!(*room.lock().unwrap(), Some(1), "nobody waits for the room of the sixth message");
    hangs.ready().unwrap();
    for send in &mut batch {
        send.ready().unwrap();
    }
    assert_eq!((tx.capacity(), tx.stats().reserved, rx.len()), (1, 0, 7));
}

/// Seen to fail with: `push` that puts a new waiter before the others.
#[test]
fn b18_sends_of_one_sender_that_wait_keep_their_order() {
    let (tx, mut rx) = full(2);
    let mut sends: Vec<_> = (2..50).map(|i| pending(tx.send(i))).collect();
    for i in 0..50 {
        assert_eq!(rx.try_recv(), Ok(i));
        if let Some(send) = sends.get_mut(i) {
            send.ready().unwrap();
        }
    }
}

/// Seen to fail with: `release` that clears CLOSED; and, a grant that closing overtook and that
/// keeps its room.
#[test]
fn b22_a_closed_channel_stays_closed_and_its_room_whole_whatever_comes_back() {
    type Ends = fn(&'static Sender<usize>, &mut Receiver<usize>) -> Box<dyn FnOnce()>;
    let ends: [(&str, Ends); 7] = [
        ("permit", |tx, _| {
            let permit = tx.try_reserve().unwrap();
            Box::new(move || drop(permit))
        }),
        ("permit sent", |tx, _| {
            let permit = tx.try_reserve().unwrap();
            Box::new(move || permit.send(1))
        }),
        ("permits", |tx, _| {
            let mut permits = tx.try_reserve_many(3).unwrap();
            Box::new(move || {
                permits.next().unwrap().send(1);
                drop(permits.next());
                drop(permits);
            })
        }),
        ("owned permit", |tx, _| {
            let permit = tx.clone().try_reserve_owned().unwrap();
            Box::new(move || drop(permit.release()))
        }),
        ("granted wait", |tx, rx| {
            (0..3).for_each(|i| tx.try_send(i).unwrap());
            let mut wait = pending(tx.reserve());
            rx.try_recv().unwrap();
            Box::new(move || assert!(wait.ready().is_err()))
        }),
        ("half granted wait", |tx, rx| {
            (0..3).for_each(|i| tx.try_send(i).unwrap());
            let mut wait = pending(tx.reserve_many(2));
            rx.try_recv().unwrap();
            Box::new(move || assert!(wait.ready().is_err()))
        }),
        ("dropped wait", |tx, rx| {
            (0..3).for_each(|i| tx.try_send(i).unwrap());
            let wait = pending(tx.send(9));
            rx.try_recv().unwrap();
            Box::new(move || drop(wait))
        }),
    ];
    for (name, end) in ends {
        for drops in [false, true] {
            let (tx, mut rx) = mpsc::channel(3);
            let tx: &'static Sender<usize> = leak(tx);
            let end = end(tx, &mut rx);
            rx.close();
            let mut rx = Some(rx).filter(|_| !drops);
            end();
            if let Some(rx) = &mut rx {
                while rx.try_recv().is_ok() {}
                assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected), "{name}");
            }
            assert_eq!((tx.capacity(), tx.stats().reserved), (3, 0), "{name}");
            assert!(tx.is_closed(), "{name}");
            assert_eq!(tx.try_send(5), Err(TrySendError::Closed(5)), "{name}");
            assert!(matches!(tx.try_reserve(), Err(TrySendError::Closed(()))), "{name}");
            assert!(now(tx.reserve()).is_err() && now(tx.send(5)).is_err(), "{name}");
            drop(tx.clone().downgrade().upgrade());
            assert!(tx.is_closed(), "{name}");
        }
    }
}

/// The memory of the largest crowd stays with the channel, and serves the next one.
///
/// Seen to fail with: a sweep that takes nothing out; and, `fresh` that never takes a spare
/// segment.
#[test]
fn b23_a_million_sends_that_are_given_up_leave_nothing() {
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send([0; 4]).unwrap();
    let stay = (pending(tx.send([0; 4])), pending(tx.reserve_many(1)));
    (0..100).for_each(|_| drop(pending(tx.send([1; 4]))));
    let before = live();
    for i in 0..1_000_000u64 {
        drop(pending(tx.send([i; 4])));
    }
    assert_eq!(live(), before, "a cancelled send leaves nothing behind");
    assert_eq!(tx.stats().send_waits_total, 1_000_102);
    drop(stay);
    let crowd = || (0..20_000).map(|i| pending(tx.send([i; 4]))).collect::<Vec<_>>();
    let waiting = crowd();
    assert_eq!(tx.stats().send_waiters, 20_000);
    drop(waiting);
    // 60 bytes a place; between two sweeps the row grows to twice what lives.
    (0..30).for_each(|_| drop(crowd()));
    let left = live() - before;
    assert!(left < 20_000 * 140, "{left} bytes are left of 30 crowds");
}

/// One waits all the time, and more threads than there are processors come and leave, so that each
/// is preempted now and then, wherever it is. At most `THREADS` + 1 wait at once.
///
/// Seen to fail with: the row in which one thread took out for all others (a thousand segments).
#[test]
fn b23_a_row_is_bounded_though_threads_are_preempted() {
    const THREADS: isize = 6;
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(0_u8).unwrap();
    // What a thread takes once.
    drop(pending(tx.reserve()));
    let (other, _other_rx) = mpsc::channel(1);
    other.try_send(0_u8).unwrap();
    let before = live();
    drop(pending(other.reserve()));
    let segment = live() - before;
    let stays = pending(other.reserve());
    assert!((512..=1032).contains(&segment), "{segment} bytes for a segment");

    let end = Instant::now() + Duration::from_millis(1500);
    let threads = (0..THREADS).map(|_| {
        let tx = other.clone();
        thread::spawn(move || {
            let before = live();
            while Instant::now() < end {
                (0..100).for_each(|_| drop(pending(tx.reserve())));
            }
            live() - before
        })
    });
    let threads: Vec<_> = threads.collect();
    let bytes: isize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    drop(stays);
    // A place of each may lie in a segment of its own, and the last one is needed beside those.
    // Twice that and one, and four for each thread.
    let (segments, most) = (bytes / segment, 2 * (THREADS + 2) + 1 + 4 * THREADS);
    assert!(segments <= most, "{segments} segments for {} who wait", THREADS + 1);
}

/// `T` cannot be forged in safe code, so that only the unsafe side could do this wrong.
///
/// Seen to fail with: a refused claim that gives back zeroed memory.
#[test]
fn b28_each_error_gives_back_the_very_message_and_the_very_sender() {
    let (tx, rx) = mpsc::channel::<Box<u32>>(1);
    tx.try_send(Box::new(0)).unwrap();
    let message = Box::new(1);
    let address = std::ptr::from_ref::<u32>(&message);
    let Err(TrySendError::Full(message)) = tx.try_send(message) else { panic!("full") };
    assert!(std::ptr::eq(&raw const *message, address));
    let (other, _other_rx) = mpsc::channel(1);
    let Err(TrySendError::Full(tx)) = tx.try_reserve_owned() else { panic!("full") };
    assert!(tx.same_channel(&tx.clone()) && !tx.same_channel(&other));
    let mut waiting = pending(tx.send(message));
    drop(rx);
    let SendError(message) = waiting.ready().unwrap_err();
    drop(waiting);
    assert!(std::ptr::eq(&raw const *message, address));
    let SendError(message) = now(tx.send(message)).unwrap_err();
    let SendError(message) = tx.blocking_send(message).unwrap_err();
    let Err(TrySendError::Closed(message)) = tx.try_send(message) else { panic!("closed") };
    assert!(std::ptr::eq(&raw const *message, address));
    let Err(TrySendError::Closed(tx)) = tx.try_reserve_owned() else { panic!("closed") };
    assert_eq!(tx.strong_count(), 1);
}

/// Seen to fail with: `serve` that wakes the next in line too, when there is no room for it.
#[test]
fn b32_one_slot_wakes_one_of_many_who_wait_and_in_line() {
    let (tx, mut rx) = full(1);
    let closed = pending(tx.closed());
    let mut sends: Vec<_> = (1..=20).map(|i| pending(tx.send(i))).collect();
    for i in 0..20 {
        assert_eq!(rx.try_recv(), Ok(i));
        let wakes: Vec<_> = sends.iter().map(Task::wakes).collect();
        let expected: Vec<_> = (0..20).map(|k| usize::from(k <= i)).collect();
        assert_eq!(wakes, expected, "one message out wakes one send, the next in line");
        sends[i].ready().unwrap();
    }
    assert_eq!((rx.try_recv(), closed.wakes()), (Ok(20), 0));
    // A permit that comes back, and a wait that is given up after its grant, are one slot each.
    let permit = tx.try_reserve().unwrap();
    let mut sends: Vec<_> = (0..20).map(|i| pending(tx.send(i))).collect();
    drop(permit);
    for woken in 1..=20 {
        assert_eq!(sends.iter().map(Task::wakes).sum::<usize>(), 1, "{woken}");
        drop(sends.remove(0));
    }
    assert_eq!((tx.capacity(), closed.wakes()), (1, 0));
}
