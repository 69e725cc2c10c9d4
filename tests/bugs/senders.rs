//! Senders that wait for room, and their wakers, at every place that wakes, clones or drops one, or
//! drops a message: B6, B7, B8, B9, B14, B16, B22, B23, B32. The bounded channel's alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use parshall::mpsc::error::TryRecvError;
use parshall::mpsc::{self, Receiver, Sender};

use crate::support::hooked::{Hooked, Op};
use crate::support::watchdog::Watched;
use crate::support::{Drops, Task, Wakes, now, pending, task};

/// A channel of three, full of 0, 1, 2.
fn full() -> (Sender<u32>, Receiver<u32>) {
    let (tx, rx) = mpsc::channel(3);
    (0..3).for_each(|i| tx.try_send(i).unwrap());
    (tx, rx)
}

type Frees = fn(&mut Receiver<u32>);

/// All that lets a waiting sender in from the receiver's side.
const RECEIVES: [(&str, Frees); 9] = [
    ("try_recv", |rx| (0..3).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)))),
    ("recv", |rx| (0..3).for_each(|i| assert_eq!(now(rx.recv()), Some(i)))),
    ("blocking_recv", |rx| (0..3).for_each(|i| assert_eq!(rx.blocking_recv(), Some(i)))),
    ("recv_many", |rx| {
        let mut got = Vec::new();
        assert_eq!((now(rx.recv_many(&mut got, 9)), got), (3, vec![0, 1, 2]));
    }),
    ("blocking_recv_many", |rx| {
        let mut got = Vec::new();
        assert_eq!((rx.blocking_recv_many(&mut got, 9), got), (3, vec![0, 1, 2]));
    }),
    ("blocking_recv_timeout", |rx| {
        (0..3).for_each(|i| assert_eq!(rx.blocking_recv_timeout(std::time::Duration::ZERO), Ok(i)));
    }),
    ("try_iter", |rx| assert_eq!(rx.try_iter().take(3).collect::<Vec<_>>(), [0, 1, 2])),
    ("drain", |rx| assert_eq!(rx.drain().collect::<Vec<_>>(), [0, 1, 2])),
    ("drain dropped", |rx| drop(rx.drain())),
];

/// Seen to fail with: `serve_senders` that lets the panic through; and `wake_all` that does.
#[test]
fn b07_panicking_wake_of_a_sender_costs_the_receiver_no_message_and_others_no_wake() {
    for (name, receive) in RECEIVES {
        let (tx, mut rx) = full();
        let (trap, waker) = Hooked::trap(Op::Wake);
        let mut bad = task(tx.send(3));
        assert!(bad.poll_with(&waker).is_pending());
        let mut good = [pending(tx.send(4)), pending(tx.send(5))];
        assert!(!trap.springs(|| receive(&mut rx)), "{name}: the receiver is not to blame");
        assert_eq!(trap.runs(), 1, "{name}");
        assert_eq!(good.each_ref().map(Task::wakes), [1, 1], "{name}: nobody left asleep");
        bad.ready().unwrap();
        for send in &mut good {
            send.ready().unwrap();
        }
        assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(3), Ok(4), Ok(5)], "{name}");
        assert_eq!(tx.capacity(), 3, "{name}");
    }
}

/// Seen to fail with: `Acquire::drop` that does not serve those behind; and `wake_all` unguarded.
#[test]
fn b07_panicking_wake_when_a_wait_is_cancelled_or_a_permit_dropped_serves_the_others() {
    for cancels in [true, false] {
        let (tx, mut rx) = full();
        let many = pending(tx.reserve_many(3));
        let (trap, waker) = Hooked::trap(Op::Wake);
        let mut bad = task(tx.send(3));
        assert!(bad.poll_with(&waker).is_pending());
        let mut good = pending(tx.send(4));
        rx.try_recv().unwrap();
        rx.try_recv().unwrap();
        if cancels {
            assert!(trap.springs(|| drop(many)), "the panic reaches who gave the room back");
            assert_eq!(rx.try_recv(), Ok(2));
        } else {
            assert_eq!(rx.try_recv(), Ok(2));
            let permits = { many }.ready().unwrap();
            assert!(trap.springs(|| drop(permits)), "the panic reaches who gave the room back");
        }
        assert_eq!((trap.runs(), good.wakes()), (1, 1));
        bad.ready().unwrap();
        good.ready().unwrap();
        assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(3), Ok(4)]);
        assert_eq!((tx.capacity(), tx.stats().reserved), (3, 0));
    }
}

/// Seen to fail with: `wake_all` that lets a panic through at once.
#[test]
fn b07_panicking_wake_of_a_sender_does_not_keep_closure_from_the_others() {
    for drops in [false, true] {
        let (tx, mut rx) = full();
        let (trap, waker) = Hooked::trap(Op::Wake);
        let (mut bad, mut bad_closed) = (task(tx.send(9)), task(tx.closed()));
        assert!(bad.poll_with(&waker).is_pending() && bad_closed.poll_with(&waker).is_pending());
        let mut sends: Vec<_> = (0..40).map(|i| pending(tx.send(i))).collect();
        let closed: Vec<_> = (0..40).map(|_| pending(tx.closed())).collect();
        if drops {
            assert!(trap.springs(move || drop(rx)), "the panic reaches who closed");
        } else {
            assert!(trap.springs(|| rx.close()), "the panic reaches who closed");
            assert_eq!(rx.try_recv(), Ok(0));
        }
        assert_eq!(trap.runs(), 2);
        assert!(sends.iter_mut().all(|send| send.wakes() == 1 && send.ready().is_err()));
        assert!(closed.iter().all(|closed| closed.wakes() == 1));
        assert!(bad.ready().is_err());
        bad_closed.ready();
    }
}

/// The last sender finds only forgotten waits in line, and must tell the receiver all the same.
///
/// Seen to fail with: `drop_sender` that closes the line before it wakes the receiver, unguarded.
#[test]
fn b07_panicking_wake_of_a_forgotten_wait_does_not_keep_the_end_from_the_receiver() {
    let (tx, mut rx) = mpsc::channel::<u32>(1);
    tx.try_send(0).unwrap();
    let (trap, bad) = Hooked::trap(Op::Wake);
    for _ in 0..2 {
        let mut send = task(tx.send(1));
        assert!(send.poll_with(&bad).is_pending());
        send.forget();
    }
    assert_eq!(rx.try_recv(), Ok(0));
    let (wakes, good) = Wakes::new();
    assert!(rx.poll_recv(&mut Context::from_waker(&good)).is_pending());
    assert!(trap.springs(|| drop(tx)));
    assert_eq!((wakes.count(), trap.wakes()), (1, 2));
    assert_eq!(rx.poll_recv(&mut Context::from_waker(&good)), Poll::Ready(None));
}

/// Seen to fail with: a first poll that sets TX_QUEUED before it clones; and, `poll` that takes the
/// key before it clones.
#[test]
fn b07_panicking_clone_of_a_senders_waker_leaves_everything_as_it_was() {
    let (tx, mut rx) = full();
    let (trap, waker) = Hooked::trap(Op::Clone);
    // At the first poll: not in line.
    assert!(trap.springs(|| assert!(task(tx.send(9)).poll_with(&waker).is_ready())));
    assert!(trap.springs(|| assert!(task(tx.reserve_many(2)).poll_with(&waker).is_ready())));
    assert_eq!((tx.stats().send_waiters, tx.stats().reserved), (0, 0));
    rx.try_recv().unwrap();
    tx.try_send(3).unwrap();
    // At a later poll, of a waiter that has a waker: dropped by the unwinding, out of the line.
    let mut send = pending(tx.send(4));
    let mut behind = pending(tx.send(5));
    assert!(trap.springs(|| assert!(send.poll_with(&waker).is_ready())));
    rx.try_recv().unwrap();
    drop(send);
    assert_eq!((behind.wakes(), behind.ready()), (1, Ok(())));
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(2), Ok(3), Ok(5)]);
    assert_eq!((tx.capacity(), tx.stats().send_waiters), (3, 0));
}

/// Seen to fail with: `poll` and `cancel` that drop wakers unguarded.
#[test]
fn b07_panicking_drop_of_a_senders_waker_loses_nothing() {
    let (tx, mut rx) = full();
    let (trap, waker) = Hooked::trap(Op::Drop);
    let mut replaced = task(tx.send(3));
    // Half of what it needs is assigned when it goes.
    let mut cancelled = task(tx.reserve_many(3));
    let mut granted = task(tx.send(5));
    for bad in [&mut replaced, &mut granted] {
        assert!(bad.poll_with(&waker).is_pending());
    }
    assert!(cancelled.poll_with(&waker).is_pending());
    let mut behind = pending(tx.send(6));
    assert!(!trap.springs(|| assert!(replaced.poll().is_pending())));
    (0..3).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
    replaced.ready().unwrap();
    granted.ready().unwrap();
    assert_eq!((behind.wakes(), tx.stats().reserved), (0, 1), "one unit is the reserve's");
    assert!(!trap.springs(|| drop(cancelled)));
    assert_eq!((trap.runs(), behind.wakes()), (2, 1));
    behind.ready().unwrap();
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(3), Ok(5), Ok(6)]);
    assert_eq!((tx.capacity(), tx.stats().reserved), (3, 0));
}

/// What is still to be done when the waker goes: to let go of permits that are out.
///
/// Seen to fail with: `Consumer::drop` that drops the waker unguarded.
#[test]
fn b07_panicking_drop_of_the_receivers_waker_as_it_goes_forgets_no_permit() {
    let (tx, mut rx) = mpsc::channel(3);
    let (count, [message]) = Drops::many();
    let (trap, waker) = Hooked::trap(Op::Drop);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    let (permit, mut closed) = (tx.try_reserve().unwrap(), pending(tx.closed()));
    assert!(trap.springs(move || drop(rx)), "the panic goes on");
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
    permit.send(message);
    assert_eq!((count.get(), tx.capacity()), (1, 3), "dropped at once");
}

/// A waker that is not needed after all: its own clone made room, or closed, before it was in line.
///
/// Seen to fail with: `register` and `poll` that drop an unused waker unguarded; and under the
/// lock; and, `register` that does not look for room once more.
#[test]
fn b07_b08_drop_of_a_senders_waker_that_was_not_needed() {
    let _watched = Watched::new();
    for (polls, closes, panics) in (0..8).map(|i| (i & 1, i & 2 != 0, i & 4 != 0)) {
        let (tx, rx) = full();
        let (rx, weak) = (Arc::new(Mutex::new(rx)), tx.downgrade());
        let mut send = task(tx.send(3));
        (0..polls).for_each(|_| send.still_pending());
        let inside = rx.clone();
        let (hook, waker) = Hooked::of(&[Op::Clone, Op::Drop], move |op| match op {
            Op::Clone if closes => inside.lock().unwrap().close(),
            Op::Clone => assert_eq!(inside.lock().unwrap().try_recv(), Ok(0)),
            _ if panics => panic!("trap"),
            _ => drop(weak.upgrade().unwrap().stats()),
        });
        let mut result = None;
        let sprung = hook.springs(|| result = Some(send.poll_with(&waker)));
        assert!(!sprung && hook.runs() == 2, "{polls} {closes}: it is not this wait's fault");
        let expected = if closes { Err(mpsc::error::SendError(3)) } else { Ok(()) };
        assert_eq!(result, Some(Poll::Ready(expected)), "{polls} {closes}");
        let mut rx = rx.lock().unwrap();
        let expected = if closes { 0..3 } else { 1..4 };
        expected.for_each(|i| assert_eq!(rx.try_recv(), Ok(i), "{polls} {closes}"));
        assert_eq!((tx.capacity(), tx.stats().reserved), (3, 0));
    }
}

/// Calls back into the channel in one operation: a send, permits, a wait that is given up, a look.
fn reenters(op: Op, tx: &Sender<u32>) -> (Arc<Hooked>, Waker) {
    let weak = tx.downgrade();
    Hooked::new(op, move || {
        let Some(tx) = weak.upgrade() else { return };
        let _ = (tx.try_reserve().is_ok(), tx.len(), tx.capacity(), tx.stats());
        drop(tx.clone().try_reserve_owned());
        drop(task(tx.reserve_many(2)).poll());
        let _ = task(tx.send(100)).poll();
        #[cfg(feature = "introspect")]
        drop(parshall::snapshot());
    })
}

/// Seen to fail with: `serve` and `close` that woke, `poll` that cloned, and `poll` and `cancel`
/// that dropped, under the lock which the line had then.
#[test]
fn b08_a_senders_waker_may_use_its_channel_whenever_it_is_called() {
    let _watched = Watched::new();
    for op in Op::ALL {
        let (tx, mut rx) = full();
        let (hook, waker) = reenters(op, &tx);
        let (_, other) = Wakes::new();
        hook.arm();
        // First poll, second, replaced, back.
        let (mut send, mut dropped) = (task(tx.send(3)), task(tx.reserve_many(2)));
        for waker in [&waker, &waker, &other, &waker] {
            assert!(send.poll_with(waker).is_pending() && dropped.poll_with(waker).is_pending());
        }
        // Cancelled, granted by a receive, by permits that are dropped, and closed.
        drop(dropped);
        assert_eq!(rx.try_recv(), Ok(0));
        send.ready().unwrap();
        while rx.try_recv().is_ok() {}
        let permits = tx.try_reserve_many(3).unwrap();
        let mut send = task(tx.send(4));
        assert!(send.poll_with(&waker).is_pending());
        drop(permits);
        send.ready().unwrap();
        while tx.try_send(5).is_ok() {}
        let mut send = task(tx.send(6));
        assert!(send.poll_with(&waker).is_pending());
        rx.close();
        assert!(send.ready().is_err());
        assert!(hook.runs() >= 3, "{op:?} was called at every place");
    }
}

/// Seen to fail with: `release` that wakes the receiver under the senders' lock.
#[test]
fn b08_the_receivers_waker_may_use_the_channel_when_the_last_permit_wakes_it() {
    let _watched = Watched::new();
    let (tx, mut rx) = mpsc::channel(1);
    let (hook, waker) = reenters(Op::Wake, &tx);
    let permit = tx.try_reserve().unwrap();
    rx.close();
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    hook.arm();
    drop(permit);
    assert_eq!(hook.runs(), 1);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

/// Owns a sender of the channel its waker waits in.
struct Owner(#[allow(dead_code)] Sender<u32>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// Seen to fail with: a grant, and closing, that wake by a clone and keep the entry's waker.
#[test]
fn b09_a_senders_wait_that_is_over_keeps_no_waker() {
    let (tx, mut rx) = full();
    let owner = Arc::new(Owner(tx.clone()));
    let waker = owner.clone().into();
    let idle = Arc::strong_count(&owner);
    let mut sends: Vec<_> = (0..4).map(|i| task(tx.send(i))).collect();
    assert!(sends.iter_mut().all(|send| send.poll_with(&waker).is_pending()));
    assert!(sends.iter_mut().all(|send| send.poll_with(&waker).is_pending()));
    assert_eq!(Arc::strong_count(&owner), idle + 4, "one clone a wait, however often it is polled");
    drop(sends.pop());
    assert_eq!(Arc::strong_count(&owner), idle + 3, "cancelled");
    rx.try_recv().unwrap();
    assert_eq!(Arc::strong_count(&owner), idle + 2, "granted");
    rx.close();
    assert_eq!(Arc::strong_count(&owner), idle, "closed");
    drop(sends);
}

/// Notes its drop and panics in it.
struct Bad(Arc<AtomicUsize>);

impl Drop for Bad {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert!(std::thread::panicking(), "bad");
    }
}

/// The message goes with its future, and so does the wait's place, whatever the message's drop
/// does.
///
/// Seen to fail with: `Acquire::drop` that does nothing.
#[test]
fn b06_a_panicking_drop_of_a_message_that_waits_leaves_no_place_in_line() {
    for granted in [false, true] {
        let (tx, mut rx) = mpsc::channel(1);
        let count = Arc::new(AtomicUsize::new(0));
        assert!(tx.try_send(None).is_ok());
        let mut waiting = task(tx.send(Some(Bad(count.clone()))));
        assert!(waiting.poll_with(&Wakes::new().1).is_pending());
        let mut behind = task(tx.send(None));
        assert!(behind.poll_with(&Wakes::new().1).is_pending());
        if granted {
            assert!(rx.try_recv().is_ok());
        }
        assert!(catch_unwind(AssertUnwindSafe(|| drop(waiting))).is_err());
        if !granted {
            assert!(rx.try_recv().is_ok());
        }
        assert_eq!((count.load(Ordering::SeqCst), tx.stats().granted_waiters), (1, 1));
        assert!(behind.poll_with(&Wakes::new().1).is_ready());
        assert!(rx.try_recv().is_ok());
        assert_eq!((tx.capacity(), tx.stats().reserved), (1, 0));
    }
}
