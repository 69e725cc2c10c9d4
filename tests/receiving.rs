//! Receiving: one, many, by poll, as a stream, by blocking; wake-ups and the emptiness of the
//! channel.

mod support;

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use parshall::mpsc;
use parshall::mpsc::error::TryRecvError;
use support::{Wakes, now, pending, task};

#[test]
fn a_waker_that_changes_between_polls_of_a_send_is_followed() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut send = task(tx.send(1));
    let wakers: Vec<_> = (0..3).map(|_| Wakes::new()).collect();
    for (_, waker) in &wakers {
        assert!(send.poll_with(waker).is_pending());
    }
    rx.try_recv().unwrap();
    let wakes: Vec<_> = wakers.iter().map(|(wakes, _)| wakes.count()).collect();
    assert_eq!(wakes, [0, 0, 1]);
}

#[test]
fn recv_many_appends_at_most_the_limit_and_never_waits_for_it() {
    let (tx, mut rx) = mpsc::channel(8);
    let mut buffer = vec![100, 101];
    (0..5).for_each(|i| tx.try_send(i).unwrap());
    assert_eq!(now(rx.recv_many(&mut buffer, 3)), 3);
    assert_eq!(buffer, [100, 101, 0, 1, 2]);
    assert_eq!(now(rx.recv_many(&mut buffer, usize::MAX)), 2);
    assert_eq!(buffer, [100, 101, 0, 1, 2, 3, 4]);
    let mut receive = pending(rx.recv_many(&mut buffer, 8));
    tx.try_send(5).unwrap();
    tx.try_send(6).unwrap();
    assert_eq!((receive.wakes(), receive.ready()), (1, 2));
    drop(receive);
    assert_eq!(buffer.len(), 9);
}

#[test]
fn recv_many_frees_room_for_everybody_at_once() {
    let (tx, mut rx) = mpsc::channel(3);
    (0..3).for_each(|i| tx.try_send(i).unwrap());
    let mut all = pending(tx.reserve_many(3));
    let mut buffer = Vec::new();
    assert_eq!(now(rx.recv_many(&mut buffer, 3)), 3);
    assert_eq!((all.wakes(), all.ready().unwrap().len()), (1, 3));
}

#[test]
fn poll_recv_and_poll_recv_many_say_the_same_as_their_futures() {
    let (tx, mut rx) = mpsc::channel(4);
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    assert_eq!(rx.poll_recv(&mut cx), Poll::Pending);
    (0..4).for_each(|i| tx.try_send(i).unwrap());
    assert_eq!((wakes.count(), rx.poll_recv(&mut cx)), (1, Poll::Ready(Some(0))));
    let mut buffer = Vec::new();
    assert_eq!(rx.poll_recv_many(&mut cx, &mut buffer, 0), Poll::Ready(0));
    assert_eq!(rx.poll_recv_many(&mut cx, &mut buffer, 2), Poll::Ready(2));
    assert_eq!(rx.poll_recv_many(&mut cx, &mut buffer, 9), Poll::Ready(1));
    assert_eq!(rx.poll_recv_many(&mut cx, &mut buffer, 9), Poll::Pending);
    drop(tx);
    assert_eq!((wakes.count(), rx.poll_recv_many(&mut cx, &mut buffer, 9)), (2, Poll::Ready(0)));
    assert_eq!((rx.poll_recv(&mut cx), buffer), (Poll::Ready(None), vec![1, 2, 3]));
}

#[test]
fn the_receiver_is_a_stream_that_ends() {
    let (tx, mut rx) = mpsc::channel(4);
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    assert_eq!(Pin::new(&mut rx).poll_next(&mut cx), Poll::Pending);
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    assert_eq!((wakes.count(), rx.size_hint()), (1, (2, None)));
    drop(tx);
    let all: Vec<_> = std::iter::from_fn(|| match Pin::new(&mut rx).poll_next(&mut cx) {
        Poll::Ready(item) => item,
        Poll::Pending => panic!("closed"),
    })
    .collect();
    assert_eq!((all, Pin::new(&mut rx).poll_next(&mut cx)), (vec![1, 2], Poll::Ready(None)));
}

#[test]
fn blocking_receives_wait_and_end() {
    let (tx, mut rx) = mpsc::channel(2);
    let thread = std::thread::spawn(move || {
        let mut got = vec![rx.blocking_recv().unwrap()];
        while rx.blocking_recv_many(&mut got, 2) > 0 {}
        (got, rx.blocking_recv(), rx.try_recv())
    });
    (0..50).for_each(|i| tx.blocking_send(i).unwrap());
    drop(tx);
    let expected = ((0..50).collect(), None, Err(TryRecvError::Disconnected));
    assert_eq!(thread.join().unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_ends_meet_on_a_runtime() {
    const EACH: usize = support::rounds(10_000);
    let (tx, mut rx) = mpsc::channel(3);
    let sender = tokio::spawn(async move {
        for i in 0..EACH {
            tx.send(i).await.unwrap();
        }
    });
    for i in 0..EACH {
        assert_eq!(rx.recv().await, Some(i));
    }
    assert_eq!(rx.recv().await, None);
    sender.await.unwrap();
}
