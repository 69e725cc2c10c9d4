//! Waits for a message, or for closing, that are dropped, forgotten, or polled from elsewhere. B14,
//! B15, B16, B18, B32.

use std::task::{Context, Poll};

use super::{channel, send, whole};
use crate::support::{Wakes, now, pending, task};

/// Seen to fail with: a dropped wait for closing that stays in its line.
#[test]
fn b14_a_dropped_wait_for_closure_leaves_nothing_behind() {
    let (tx, mut rx) = channel::<u8>(1);
    drop(task(tx.closed()));
    let (before, mut other) = (pending(tx.closed()), pending(tx.closed()));
    let (wakes, waker) = Wakes::new();
    let mut waited = task(tx.closed());
    assert!(waited.poll_with(&waker).is_pending());
    drop((before, waited));
    assert_eq!(std::sync::Arc::strong_count(&wakes), 2, "ours and the waker's");
    rx.close();
    assert_eq!((wakes.count(), other.wakes(), other.ready()), (0, 1, ()));
    // Woken, and dropped before it is polled.
    let (tx, mut rx) = channel::<u8>(1);
    let (woken, mut other) = (pending(tx.closed()), pending(tx.closed()));
    rx.close();
    assert_eq!(woken.wakes(), 1);
    drop(woken);
    other.ready();
}

/// Seen to fail with: a dropped receive that takes a message out.
#[test]
fn b15_a_dropped_receive_loses_nothing() {
    let (tx, mut rx) = channel(2);
    drop(task(rx.recv()));
    for i in 0..100 {
        let receive = pending(rx.recv());
        send(&tx, i).unwrap();
        assert_eq!(receive.wakes(), 1);
        drop(receive);
        let mut buffer = Vec::new();
        drop(task(rx.recv_many(&mut buffer, 2)));
        assert_eq!((buffer.len(), rx.try_recv()), (0, Ok(i)));
        drop(pending(rx.recv_many(&mut buffer, 2)));
        send(&tx, i).unwrap();
        assert_eq!((buffer.len(), now(rx.recv())), (0, Some(i)));
    }
}

/// Seen to fail with: a park that counts as standing though a message has ended it.
#[test]
fn b15_a_park_left_by_a_dropped_receive_hides_no_later_message() {
    let (tx, mut rx) = channel(2);
    for _ in 0..2 {
        drop(pending(rx.recv()));
        let mut receive = pending(rx.recv());
        send(&tx, 1).unwrap();
        assert_eq!((receive.wakes(), receive.ready()), (1, Some(1)));
        drop(receive);
        // Woken, and dropped: the next receive waits with a waker of its own.
        let woken = pending(rx.recv());
        send(&tx, 2).unwrap();
        drop(woken);
        assert_eq!(rx.try_recv(), Ok(2));
        let mut receive = pending(rx.recv());
        send(&tx, 3).unwrap();
        assert_eq!((receive.wakes(), receive.ready()), (1, Some(3)));
    }
}

/// Seen to fail with: a dropped receive that takes a message out.
#[tokio::test]
async fn b15_a_receive_that_always_loses_a_select_loses_no_message() {
    let (tx, mut rx) = channel(8);
    let (mut sent, mut got) = (0, Vec::new());
    for _ in 0..400 {
        tokio::select! {
            biased;
            message = rx.recv() => got.push(message.unwrap()),
            // The receive waits, is woken by this, and dropped.
            () = async { send(&tx, sent).unwrap() } => sent += 1,
        }
    }
    assert_eq!(got, (0..200).collect::<Vec<_>>());
}

/// Nothing of a receive lives in its future: the park is the receiver's, and stays usable.
///
/// Seen to fail with: `Consumer::park` trusts that a standing park was ended by a drop.
#[test]
fn b16_forgotten_receives_leave_the_receiver_usable() {
    let (tx, mut rx) = channel(2);
    for i in 0..3 {
        pending(rx.recv()).forget();
        send(&tx, i).unwrap();
        assert_eq!(now(rx.recv()), Some(i));
        let mut buffer = Vec::new();
        pending(rx.recv_many(&mut buffer, 2)).forget();
        let mut receive = pending(rx.recv());
        send(&tx, i).unwrap();
        assert_eq!((receive.wakes(), receive.ready()), (1, Some(i)));
    }
    // Woken, and then forgotten.
    let woken = pending(rx.recv());
    send(&tx, 9).unwrap();
    woken.forget();
    assert_eq!(now(rx.recv()), Some(9));
    drop(tx);
    assert_eq!(now(rx.recv()), None);
}

/// What it costs: its entry in the line, and its waker until the channel closes.
///
/// Seen to fail with: closing that wakes the first in line alone.
#[test]
fn b16_a_forgotten_wait_for_closure_harms_nobody() {
    let (tx, mut rx) = channel::<u8>(1);
    pending(tx.closed()).forget();
    let mut other = pending(tx.closed());
    pending(tx.closed()).forget();
    rx.close();
    assert_eq!((other.wakes(), other.ready()), (1, ()));
}

/// Seen to fail with: `recv_many` puts each message before those it has.
#[test]
fn b18_one_senders_messages_keep_their_order_however_they_are_received() {
    let (tx, mut rx) = channel(100);
    let mut got = Vec::new();
    for i in 0..300 {
        send(&tx, i).unwrap();
        match i % 5 {
            0 => got.extend(now(rx.recv())),
            1 => got.extend(rx.try_recv()),
            2 => {}
            3 => assert!(now(rx.recv_many(&mut got, 2)) > 0),
            _ => got.extend(rx.blocking_recv()),
        }
    }
    drop(tx);
    while rx.blocking_recv_many(&mut got, 7) > 0 {}
    assert_eq!(got, (0..300).collect::<Vec<_>>());
}

/// Seen to fail with: `publish` that wakes at each message, by a clone of the waker.
#[test]
fn b32_a_burst_wakes_the_receiver_once_and_only_with_its_last_waker() {
    let (tx, mut rx) = channel(80);
    let wakers: Vec<_> = (0..3).map(|_| Wakes::new()).collect();
    for (_, waker) in &wakers {
        assert!(rx.poll_recv(&mut Context::from_waker(waker)).is_pending());
    }
    let closed = pending(tx.closed());
    (0..70).for_each(|i| send(&tx, i).unwrap());
    let wakes: Vec<_> = wakers.iter().map(|(wakes, _)| wakes.count()).collect();
    assert_eq!((wakes, closed.wakes()), (vec![0, 0, 1], 0));
    let mut cx = Context::from_waker(&wakers[0].1);
    for i in 0..70 {
        assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(Some(i)));
    }
    assert!(rx.poll_recv(&mut cx).is_pending());
    drop(closed);
    whole(&tx);
    let other = tx.clone();
    drop(tx);
    assert_eq!(wakers[0].0.count(), 0, "a sender is left");
    drop(other);
    assert_eq!(wakers[0].0.count(), 1, "the last sender wakes it once");
}
