//! Wakers of the receiver and of those who wait for closing, at every place that wakes, clones or
//! drops one. B7, B9. The senders' wakers are `senders.rs`'s.

use std::sync::Arc;
use std::task::{Context, Poll, Wake};

use super::{Rx, Tx, channel, send, whole};
use crate::support::hooked::{Hooked, Op};
use crate::support::{Drops, Task, Wakes, now, pending, task};

/// Seen to fail with: `publish` and `drop_sender` that wake before they do their own step.
#[test]
fn b07_panicking_wake_of_the_receiver_costs_no_message_and_no_room() {
    type Act = fn(Tx<u32>);
    // Each leaves one message, or closes.
    let acts: [(&str, Option<u32>, Act); 2] =
        [("send", Some(7), |tx| send(&tx, 7).unwrap()), ("last sender", None, drop)];
    for (name, message, act) in acts {
        let (tx, mut rx) = channel(2);
        let (trap, waker) = Hooked::trap(Op::Wake);
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        let keep = message.map(|_| tx.clone());
        assert!(trap.springs(|| act(tx)), "{name}: the panic reaches who caused the wake-up");
        assert_eq!(trap.wakes(), 1, "{name}");
        assert_eq!(now(rx.recv()), message, "{name}");
        keep.iter().for_each(whole);
        drop(keep);
        assert_eq!(now(rx.recv()), None, "{name}");
    }
}

/// Seen to fail with: `wake_all` that lets a panic through at once.
#[test]
fn b07_panicking_wake_of_one_who_waits_for_closure_costs_no_other_its_own() {
    for drops in [false, true] {
        let (tx, mut rx) = channel(2);
        let (count, [message]) = Drops::many();
        assert!(send(&tx, message).is_ok());
        let (trap, waker) = Hooked::trap(Op::Wake);
        let mut bad = task(tx.closed());
        assert!(bad.poll_with(&waker).is_pending());
        // More than one batch of wakers.
        let mut good: Vec<_> = (0..40).map(|_| pending(tx.closed())).collect();
        if drops {
            assert!(trap.springs(move || drop(rx)), "the panic reaches who closed");
            assert_eq!(count.get(), 1, "and the message is dropped all the same");
        } else {
            assert!(trap.springs(|| rx.close()), "the panic reaches who closed");
            assert!(rx.try_recv().is_ok());
        }
        assert_eq!(trap.wakes(), 1);
        assert!(good.iter().all(|closed| closed.wakes() == 1));
        good.iter_mut().for_each(Task::ready);
        bad.ready();
    }
}

/// Seen to fail with: `park` that ends the earlier park before it clones.
#[test]
fn b07_panicking_clone_of_the_receivers_waker_leaves_an_earlier_park_as_it_stands() {
    let polls: [fn(&mut Rx<u32>, &mut Context<'_>) -> bool; 2] = [
        |rx, cx| rx.poll_recv(cx).is_ready(),
        |rx, cx| rx.poll_recv_many(cx, &mut Vec::new(), 9).is_ready(),
    ];
    for poll in polls {
        let (tx, mut rx) = channel(2);
        let (trap, bad) = Hooked::trap(Op::Clone);
        let (wakes, good) = Wakes::new();
        // At the first poll: nobody waits.
        assert!(trap.springs(|| assert!(poll(&mut rx, &mut Context::from_waker(&bad)))));
        assert!(!poll(&mut rx, &mut Context::from_waker(&good)));
        // At a later one: the waker it had still counts.
        assert!(trap.springs(|| assert!(poll(&mut rx, &mut Context::from_waker(&bad)))));
        send(&tx, 5).unwrap();
        assert_eq!((wakes.count(), trap.wakes()), (1, 0));
        assert_eq!(now(rx.recv()), Some(5));
        whole(&tx);
    }
}

/// A future that panics is over, and its wait with it.
///
/// Seen to fail with: `poll` that takes the key before it clones: the entry stays for ever.
#[test]
fn b07_panicking_clone_by_one_who_waits_for_closure_ends_that_wait_alone() {
    let (tx, mut rx) = channel::<u32>(2);
    let (trap, bad) = Hooked::trap(Op::Clone);
    assert!(trap.springs(|| assert!(task(tx.closed()).poll_with(&bad).is_ready())));
    let (mut closed, mut other) = (pending(tx.closed()), pending(tx.closed()));
    assert!(trap.springs(|| assert!(closed.poll_with(&bad).is_ready())));
    rx.close();
    assert_eq!((closed.wakes(), other.wakes(), trap.wakes()), (0, 1, 0));
    other.ready();
}

/// Seen to fail with: `park` that drops the old waker before it parks under the new one.
#[test]
fn b07_panicking_drop_of_a_receivers_waker_that_is_replaced_loses_no_wake() {
    let (tx, mut rx) = channel(2);
    let (trap, bad) = Hooked::trap(Op::Drop);
    let (wakes, good) = Wakes::new();
    assert!(rx.poll_recv(&mut Context::from_waker(&bad)).is_pending());
    let poll = || assert!(rx.poll_recv(&mut Context::from_waker(&good)).is_pending());
    assert!(trap.springs(poll), "it reaches who polls");
    send(&tx, 7).unwrap();
    assert_eq!((wakes.count(), rx.try_recv()), (1, Ok(7)));
    // The same with a drop on the way to `None`.
    assert!(rx.poll_recv(&mut Context::from_waker(&bad)).is_pending());
    rx.close();
    let poll = || assert_eq!(rx.poll_recv(&mut Context::from_waker(&good)), Poll::Ready(None));
    assert!(!trap.springs(poll), "the end is owed");
    assert_eq!(rx.poll_recv(&mut Context::from_waker(&good)), Poll::Ready(None));
}

/// Seen to fail with: `Consumer::drop` that drops the waker unguarded, before it closes.
#[test]
fn b07_panicking_drop_of_the_receivers_waker_as_it_goes_stops_nothing_else() {
    let (tx, mut rx) = channel(3);
    let (trap, waker) = Hooked::trap(Op::Drop);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    let mut closed = pending(tx.closed());
    assert!(trap.springs(move || drop(rx)), "the panic goes on");
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
    assert_eq!(send(&tx, 1), Err(1));
    whole(&tx);
}

/// Seen to fail with: `cancel` and `poll` that drop wakers unguarded; each lets the panic through.
#[test]
fn b07_panicking_drop_of_a_waker_of_one_who_waits_for_closure() {
    let (tx, mut rx) = channel::<u32>(1);
    let (trap, bad) = Hooked::trap(Op::Drop);
    let (mut replaced, mut cancelled) = (task(tx.closed()), task(tx.closed()));
    let mut other = pending(tx.closed());
    assert!(replaced.poll_with(&bad).is_pending() && cancelled.poll_with(&bad).is_pending());
    assert!(!trap.springs(|| assert!(replaced.poll().is_pending())));
    assert!(!trap.springs(move || drop(cancelled)));
    assert_eq!(trap.runs(), 2);
    rx.close();
    assert_eq!((replaced.wakes(), other.wakes()), (1, 1));
    replaced.ready();
    other.ready();
}

/// The wrapper owns a clone of the executor's waker, and calls it in all three ways.
///
/// Seen to fail with: `Hook::wake_by_ref` that wakes nobody; and, `Named::poll` that leaves its
/// task current when the poll panics.
#[test]
fn b07_panicking_waker_under_a_named_task() {
    use parshall::task::named;
    let (tx, mut rx) = channel(2);
    let (trap, bad) = Hooked::trap(Op::Clone);
    let mut receive = task(named("receiver", rx.recv()));
    assert!(trap.springs(|| assert!(receive.poll_with(&bad).is_ready())));
    receive.still_pending();
    drop(receive);
    let (trap, bad) = Hooked::trap(Op::Wake);
    let mut receive = task(named("receiver", rx.recv()));
    assert!(receive.poll_with(&bad).is_pending());
    let mut sender = task(named("sender", async { send(&tx, 1) }));
    assert!(trap.springs(|| sender.ready().unwrap()), "in the midst of a named poll");
    assert_eq!((trap.wakes(), receive.ready()), (1, Some(1)));
    // The sender's poll is over, however it ended: what is made now is not its.
    let (tx, _rx) = parshall::mpsc::channel::<u8>(1);
    assert!(tx.stats().creator_task_id.unwrap().starts_with("thread:"));
}

/// A message that `recv` has taken must reach its caller: nothing that may unwind comes after.
///
/// Seen to fail as it stands, see `Named::poll`: the executor's waker is dropped after the poll.
#[test]
fn b07_panicking_drop_of_a_waker_under_a_named_task_loses_no_message() {
    use parshall::task::named;
    let (tx, mut rx) = channel(2);
    send(&tx, 1).unwrap();
    let (trap, bad) = Hooked::trap(Op::Drop);
    let mut got = None;
    let mut receive = task(named("receiver", rx.recv()));
    trap.springs(|| got = Some(receive.poll_with(&bad)));
    drop(receive);
    let got = got.map_or(rx.try_recv().ok(), |poll| match poll {
        Poll::Ready(message) => message,
        Poll::Pending => None,
    });
    assert_eq!(got, Some(1));
}

/// Owns a sender of the channel its waker waits in.
struct Owner(#[allow(dead_code)] Tx<u32>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// Seen to fail with: `Consumer::drop` that leaves the waker in its cell.
#[test]
fn b09_dropping_the_receiver_lets_go_of_its_waker() {
    for polls in 1..=2 {
        let (tx, mut rx) = channel(1);
        let owner = Arc::new(Owner(tx.clone()));
        let watch = Arc::downgrade(&owner);
        let waker = owner.into();
        for _ in 0..polls {
            assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(waker);
        assert!(watch.upgrade().is_some());
        drop(rx);
        assert!(watch.upgrade().is_none(), "a task that owns a sender must not live by it");
        assert_eq!(tx.strong_count(), 1);
    }
}

/// Nor does a receiver that parks only to find that all is over.
///
/// Seen to fail with: a park that finds the end and keeps its waker.
#[test]
fn b09_a_receiver_that_finds_the_end_keeps_no_waker() {
    let (tx, mut rx) = channel::<u32>(1);
    let (wakes, waker) = Wakes::new();
    rx.close();
    let cx = &mut Context::from_waker(&waker);
    assert_eq!(rx.poll_recv_many(cx, &mut Vec::new(), 9), Poll::Ready(0));
    drop(waker);
    assert_eq!(Arc::strong_count(&wakes), 1);
    drop((rx, tx));
}

/// Seen to fail with: closing that wakes by a clone and keeps the entry's waker.
#[test]
fn b09_a_wait_that_is_over_keeps_no_waker() {
    let (tx, mut rx) = channel::<u32>(2);
    let owner = Arc::new(Owner(tx.clone()));
    let waker = owner.clone().into();
    let idle = Arc::strong_count(&owner);
    let mut waits: Vec<_> = (0..3).map(|_| task(tx.closed())).collect();
    for wait in &mut waits {
        assert!(wait.poll_with(&waker).is_pending() && wait.poll_with(&waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&owner), idle + 3, "one clone a wait, however often it is polled");
    drop(waits.pop());
    assert_eq!(Arc::strong_count(&owner), idle + 2, "cancelled");
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(Arc::strong_count(&owner), idle + 3, "one clone, however often it is polled");
    send(&tx, 1).unwrap();
    assert_eq!(Arc::strong_count(&owner), idle + 2, "woken");
    rx.close();
    assert_eq!(Arc::strong_count(&owner), idle, "closed");
    drop(waits);
}
