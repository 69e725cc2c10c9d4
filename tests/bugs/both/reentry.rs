//! User code that calls back into the channel from wherever the channel runs it. B8, B29, B33.
//!
//! The lock that such a call would meet is not re-entrant: what fails here hangs, and the watchdog
//! says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::{Rx, Tx, Weak, channel, send};
use crate::support::hooked::{Hooked, Op};
use crate::support::watchdog::Watched;
use crate::support::{Task, Wakes, now, pending, task};

/// All that a caller without the receiver can do, and a look at every channel there is.
fn use_everything(weak: &Weak<u32>) {
    let _ = (weak.strong_count(), weak.weak_count(), weak.clone());
    if let Some(tx) = weak.upgrade() {
        let _ = (tx.is_closed(), tx.strong_count(), tx.clone());
        let _ = send(&tx, 100);
        // Begins a wait, and gives it up.
        let _ = task(tx.closed()).poll();
    }
    look();
}

fn look() {
    #[cfg(feature = "introspect")]
    drop(parshall::snapshot());
}

/// A waker that uses everything in one of its operations.
fn reenters(op: Op, tx: &Tx<u32>) -> (Arc<Hooked>, Waker) {
    let weak = tx.downgrade();
    Hooked::new(op, move || use_everything(&weak))
}

/// Seen to fail with: `poll` that clones the waker, and `poll` and `cancel` that drop it, under the
/// lock.
#[test]
fn b08_a_waker_may_use_its_channel_whenever_it_is_called() {
    let _watched = Watched::new();
    for op in Op::ALL {
        let (tx, mut rx) = channel(8);
        let (hook, waker) = reenters(op, &tx);
        let (_, other) = Wakes::new();
        let poll = |rx: &mut Rx<u32>, waker: &Waker| rx.poll_recv(&mut Context::from_waker(waker));
        hook.arm();
        // As the receiver: first poll, second, replaced, back, woken. A clone that sends is
        // followed by no wait at all.
        for waker in [&waker, &waker, &other, &waker] {
            (0..3).for_each(|_| _ = poll(&mut rx, waker));
        }
        let _ = send(&tx, 1);
        (0..3).for_each(|_| _ = poll(&mut rx, &waker));
        // As one who waits for closing: the same, and cancelled.
        let (mut first, mut second) = (task(tx.closed()), task(tx.closed()));
        for waker in [&waker, &waker, &other, &waker] {
            assert!(first.poll_with(waker).is_pending());
            assert!(second.poll_with(waker).is_pending());
        }
        drop(second);
        rx.close();
        assert!(first.poll().is_ready());
        while let Poll::Ready(Some(_)) = poll(&mut rx, &waker) {}
        assert!(hook.runs() >= 2, "{op:?} was called at every place");
        // As the receiver's last one, when it goes.
        let (tx, mut rx) = channel(8);
        let (hook, waker) = reenters(op, &tx);
        assert!(poll(&mut rx, &waker).is_pending());
        hook.arm();
        drop(rx);
        assert_eq!(hook.runs(), usize::from(op == Op::Drop), "{op:?}");
        // By the last sender.
        let (tx, mut rx) = channel(8);
        let (hook, waker) = reenters(op, &tx);
        assert!(poll(&mut rx, &waker).is_pending());
        hook.arm();
        drop(tx);
        assert_eq!(hook.runs(), usize::from(op == Op::Wake), "{op:?}");
    }
}

/// Those who wait for closing have a line of their own.
///
/// Seen to fail with: `WaitQueue::close` that woke under the lock which the line had then.
#[test]
fn b08_a_waker_that_closure_wakes_may_give_up_another_wait_for_it() {
    let _watched = Watched::new();
    let (tx, mut rx) = channel::<u32>(8);
    let other = tx.clone();
    let given_up = Mutex::new(Some(pending(async move { other.closed().await })));
    let (hook, waker) = Hooked::new(Op::Wake, move || drop(given_up.lock().unwrap().take()));
    let mut closed = task(tx.closed());
    assert!(closed.poll_with(&waker).is_pending());
    hook.arm();
    rx.close();
    assert_eq!((hook.runs(), closed.ready()), (1, ()));
}

/// Seen to fail with: `park` that clones after the park, into the cell.
#[test]
fn b08_a_clone_that_sends_or_closes_is_not_missed_by_the_poll_that_cloned() {
    let _watched = Watched::new();
    let (tx, mut rx) = channel(8);
    let weak = tx.downgrade();
    let (hook, waker) = Hooked::new(Op::Clone, move || {
        send(&weak.upgrade().unwrap(), 1).unwrap();
    });
    hook.arm();
    assert_eq!(rx.poll_recv(&mut Context::from_waker(&waker)), Poll::Ready(Some(1)));
    // The last sender goes while the receiver looks for a place to sleep.
    let last = Mutex::new(Some(tx));
    let (hook, waker) = Hooked::new(Op::Clone, move || drop(last.lock().unwrap().take()));
    hook.arm();
    assert_eq!(rx.poll_recv(&mut Context::from_waker(&waker)), Poll::Ready(None));
    // The receiver goes while somebody is about to wait for that, or changes its waker.
    for polls in 0..2 {
        let (tx, rx) = channel::<u32>(8);
        let rx = Mutex::new(Some(rx));
        let (hook, waker) = Hooked::new(Op::Clone, move || drop(rx.lock().unwrap().take()));
        let mut closed = task(tx.closed());
        for _ in 0..polls {
            closed.still_pending();
        }
        hook.arm();
        assert!(closed.poll_with(&waker).is_ready(), "after {polls} polls");
        assert_eq!(hook.runs(), 1);
    }
}

/// The last sender sends and goes between the receiver's look for messages and its look for the
/// end: the clone of the waker is in that window.
///
/// Seen to fail with: `park` that asks whether all senders are gone before it asks for messages.
#[test]
fn b29_the_end_does_not_overtake_a_message() {
    type Polls = fn(&mut Rx<u32>, &mut Context<'_>) -> Poll<Option<u32>>;
    let polls: [Polls; 2] = [
        |rx, cx| rx.poll_recv(cx),
        |rx, cx| {
            let mut got = Vec::new();
            rx.poll_recv_many(cx, &mut got, 9).map(|_| got.pop())
        },
    ];
    for poll in polls {
        let (tx, mut rx) = channel(8);
        let last = Mutex::new(Some(tx));
        let (hook, waker) = Hooked::new(Op::Clone, move || {
            let Some(tx) = last.lock().unwrap().take() else { return };
            send(&tx, 1).unwrap();
        });
        hook.arm();
        assert_eq!(poll(&mut rx, &mut Context::from_waker(&waker)), Poll::Ready(Some(1)));
        assert_eq!(poll(&mut rx, &mut Context::from_waker(&waker)), Poll::Ready(None));
    }
}

/// A message that uses its channel when it is dropped.
struct Nosy(Option<Tx<Nosy>>, Arc<AtomicUsize>);

impl Drop for Nosy {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        if let Some(tx) = self.0.take() {
            assert!(send(&tx, Nosy(None, self.1.clone())).is_err());
            now(tx.closed());
            look();
        }
    }
}

/// Seen to fail with: `Consumer::drop` that drains under the senders' lock.
#[test]
fn b08_a_message_may_use_its_channel_when_it_is_dropped_with_the_receiver() {
    let _watched = Watched::new();
    let (tx, rx) = channel(2);
    let dropped = Arc::new(AtomicUsize::new(0));
    let weak = tx.downgrade();
    (0..2).for_each(|_| assert!(send(&tx, Nosy(Some(tx.clone()), dropped.clone())).is_ok()));
    drop(tx);
    assert_eq!(weak.strong_count(), 2, "the messages keep the channel open");
    drop(rx);
    assert_eq!((weak.strong_count(), dropped.load(Ordering::SeqCst)), (0, 4));
}

/// Telemetry calls nobody, so that what it could re-enter is the code that calls it: hooks of
/// wakers and drops, as above, and hooks that run between, as those of `tracing` do.
///
/// Seen to fail with: `wake_receiver` that wakes under the senders' lock.
#[test]
fn b33_a_snapshot_may_be_taken_in_any_hook() {
    let _watched = Watched::new();
    let (tx, mut rx) = channel(4);
    // The executor's waker under a named task, as a tracing executor has.
    for op in Op::ALL {
        let (hook, waker) = Hooked::new(op, look);
        hook.arm();
        let mut receive = task(parshall::task::named("traced", rx.recv()));
        assert!(receive.poll_with(&waker).is_pending());
        assert!(receive.poll().is_pending());
        assert!(receive.poll_with(&waker).is_pending());
        send(&tx, 1).unwrap();
        assert_eq!(receive.poll_with(&waker), Poll::Ready(Some(1)));
        drop(receive);
        assert!(hook.runs() > 0, "{op:?}");
    }
    // The panic hook, which runs where a waker panics.
    let (trap, waker) = Hooked::trap(Op::Wake);
    let mut closed: Vec<_> = (0..3).map(|_| task(tx.closed())).collect();
    assert!(closed.iter_mut().all(|closed| closed.poll_with(&waker).is_pending()));
    let mut last = pending(tx.closed());
    assert!(with_panic_hook(look, || trap.springs(|| rx.close())));
    assert_eq!(last.wakes(), 1);
    last.ready();
    closed.iter_mut().for_each(Task::ready);
}

/// Runs `f`; panics of this thread call `hook` first. Other tests' hooks are called as before.
fn with_panic_hook<R>(hook: fn(), f: impl FnOnce() -> R) -> R {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = Arc::new(std::panic::take_hook());
    let (this, next) = (std::thread::current().id(), before.clone());
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == this {
            hook();
        }
        next(info);
    }));
    let result = catch_unwind(AssertUnwindSafe(f));
    drop(std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| before(info)));
    result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}
