//! A poll of a task that is woken already: it was polled for another reason, as in a `select!`
//! whose other branch was woken, or for the first time.
//!
//! An executor may do nothing in a wake-up that finds the task woken. That is right only if the
//! poll which follows finds what the wake-up was for. So who wakes must come after the beginning of
//! the newest poll that said Pending; else it may see an older word of the executor's, by which the
//! task is woken still, and the task sleeps for ever.

#![cfg(parshall_loom)]

use core::task::Waker;
use std::sync::Arc;

use loom_tests::{Bound, Boxed, Coalescing, Counting, channel, check, poll, spawn};
use parshall::mpsc::{Receiver, Sender};

/// Which poll it is that meets the step of another thread.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    First,
    /// With the waker of the poll before.
    Same,
    /// With another waker of the same task.
    Other,
}

/// Polls what `begin` returns, whose task is woken already, while another thread does `act`, which
/// is what the future waits for: it is ready, or its task is woken.
fn polled<T: 'static, O: 'static>(
    name: &str,
    which: Which,
    begin: fn() -> (Boxed<T>, O),
    act: fn(&mut O),
) {
    check(name, Bound::Preemptions(3), move || {
        let (mut future, mut other) = begin();
        let task = Arc::new(Coalescing::default());
        let waker = Waker::from(task.clone());
        if which != Which::First {
            assert!(poll(&mut future, &waker).is_pending());
        }
        waker.wake_by_ref();
        let acting = spawn(move || {
            act(&mut other);
            other
        });
        assert!(task.begin_poll());
        let new = if which == Which::Other { Counting::new(&waker).into() } else { waker };
        let got = poll(&mut future, &new);
        let other = acting.join().unwrap();
        assert!(got.is_ready() || task.is_woken(), "it sleeps for ever");
        drop((got, future, other));
    });
}

/// A channel with `n` messages in it, and no room.
fn full(n: usize) -> (Sender<u32>, Receiver<u32>) {
    let (tx, rx) = channel(n, 0);
    (0..n).for_each(|_| tx.try_send(0).unwrap());
    (tx, rx)
}

fn pop(rx: &mut Receiver<u32>, n: usize) {
    (0..n).for_each(|_| assert_eq!(rx.try_recv(), Ok(0)));
}

/// A send against the pop that makes room. Tag Q1.
fn sends(name: &str, which: Which) {
    let begin = || {
        let (tx, rx) = full(1);
        let send: Boxed<_> = Box::pin(async move { (tx.send(1).await, tx) });
        (send, rx)
    };
    polled(name, which, begin, |rx| pop(rx, 1));
}

/// Seen to fail with: in a model of a user, no edge from the poll in `fill_waker`.
#[test]
fn a_send_is_polled_first() {
    sends("first poll of send", Which::First);
}

/// Seen to fail with: a load of the word in the place of the step in `confirm`; in a model of a
/// user, no edge from the poll there.
#[test]
fn l9_a_wake_up_that_stores_nothing_is_not_lost() {
    sends("L9 woken already", Which::Same);
}

/// Seen to fail with: in a model of a user, no edge from the poll in `put_waker`.
#[test]
fn a_send_is_polled_with_another_waker() {
    sends("send, another waker", Which::Other);
}

/// A wait for two permits against two pops, of which the first ends nothing. Tag Q1.
fn reserves(name: &str, which: Which) {
    let begin = || {
        let (tx, rx) = full(2);
        let reserve: Boxed<_> = Box::pin(async move {
            let reserved = tx.reserve_many(2).await.unwrap().count();
            (reserved, tx)
        });
        (reserve, rx)
    };
    polled(name, which, begin, |rx| pop(rx, 2));
}

/// Seen to fail with: as `l9_a_wake_up_that_stores_nothing_is_not_lost`.
#[test]
fn a_reserve_is_polled_again() {
    reserves("reserve_many again", Which::Same);
}

/// Seen to fail with: as `a_send_is_polled_with_another_waker`.
#[test]
fn a_reserve_is_polled_with_another_waker() {
    reserves("reserve_many, another waker", Which::Other);
}

/// A wait for the end against `close`. Tag Q1.
fn waits_for_the_end(name: &str, which: Which) {
    let begin = || {
        let (tx, rx) = channel::<u32>(1, 0);
        let closed: Boxed<_> = Box::pin(async move {
            tx.closed().await;
            tx
        });
        (closed, rx)
    };
    polled(name, which, begin, Receiver::close);
}

/// Seen to fail with: as `a_send_is_polled_first`.
#[test]
fn closed_is_polled_first() {
    waits_for_the_end("first poll of closed", Which::First);
}

/// Seen to fail with: in a model of a user, no edge from the poll in `confirm`.
#[test]
fn closed_is_polled_again() {
    waits_for_the_end("closed again", Which::Same);
}

/// Seen to fail with: as `a_send_is_polled_with_another_waker`.
#[test]
fn closed_is_polled_with_another_waker() {
    waits_for_the_end("closed, another waker", Which::Other);
}

/// What a receiver waits for, of its only sender.
type News = fn(&mut Option<Sender<u32>>);

fn message(tx: &mut Option<Sender<u32>>) {
    tx.as_ref().unwrap().try_send(1).unwrap();
}

fn end(tx: &mut Option<Sender<u32>>) {
    *tx = None;
}

/// A receive against a message, or the end. Tag K1.
fn receives(name: &str, which: Which, news: News) {
    let begin = || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        let receive: Boxed<_> = Box::pin(async move { (rx.recv().await, rx) });
        (receive, Some(tx))
    };
    polled(name, which, begin, news);
}

/// Seen to fail with: in a model of a user, no edge from the poll in `lend`.
#[test]
fn a_receive_is_polled_first() {
    receives("first poll of recv", Which::First, message);
}

/// Seen to fail with: a load of T in the place of the step in `stays_parked`; in a model of a user,
/// no edge from the poll in `stays_lent`.
#[test]
fn l5_a_wake_up_that_stores_nothing_is_not_lost() {
    receives("L5 woken already", Which::Same, message);
}

/// Seen to fail with: as `l5_a_wake_up_that_stores_nothing_is_not_lost`.
#[test]
fn a_receive_is_polled_again_at_the_end() {
    receives("recv again, end", Which::Same, end);
}

/// Seen to fail with: as `a_receive_is_polled_first`.
#[test]
fn a_receive_is_polled_with_another_waker() {
    receives("recv, another waker", Which::Other, message);
}

/// Seen to fail with: as `a_receive_is_polled_first`.
#[test]
fn a_receive_is_polled_with_another_waker_at_the_end() {
    receives("recv, another waker, end", Which::Other, end);
}

/// Likewise of many messages, which parks anew with each poll. Tag K1.
fn receives_many(name: &str, which: Which, news: News) {
    let begin = || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        let receive: Boxed<_> = Box::pin(async move {
            let mut got = Vec::new();
            (rx.recv_many(&mut got, 4).await, rx)
        });
        (receive, Some(tx))
    };
    polled(name, which, begin, news);
}

/// Seen to fail with: as `a_receive_is_polled_first`.
#[test]
fn a_batch_is_polled_again() {
    receives_many("recv_many again", Which::Same, message);
}

/// Seen to fail with: as `a_receive_is_polled_first`.
#[test]
fn a_batch_is_polled_with_another_waker_at_the_end() {
    receives_many("recv_many, another waker, end", Which::Other, end);
}
