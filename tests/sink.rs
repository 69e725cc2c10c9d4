//! `PollSender`: the contract of a sink, and tokio-util's behaviour, put in words.
//!
//! Each test names the planted bugs that it was seen to fail with.
#![cfg(feature = "sink")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_sink::Sink;
use parshall::mpsc::{self, PollSendError, PollSender, Receiver};
use support::{Drops, Wakes, now, pending};

/// A channel whose sender is polled.
fn polled<T>(capacity: usize) -> (PollSender<T>, Receiver<T>) {
    let (tx, rx) = mpsc::channel(capacity);
    (PollSender::new(tx), rx)
}

/// One poll, by a task that nobody wakes.
fn poll<T>(tx: &mut PollSender<T>) -> Poll<Result<(), PollSendError<T>>> {
    tx.poll_reserve(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn reserve<T>(tx: &mut PollSender<T>) {
    assert!(matches!(poll(tx), Poll::Ready(Ok(()))), "room is free");
}

/// A poll that waits, and who is woken for it.
#[track_caller]
fn wait<T>(tx: &mut PollSender<T>) -> Arc<Wakes> {
    let (wakes, waker) = Wakes::new();
    assert!(tx.poll_reserve(&mut Context::from_waker(&waker)).is_pending(), "no room is free");
    wakes
}

#[track_caller]
fn refused<T>(tx: &mut PollSender<T>) {
    let Poll::Ready(Err(error)) = poll(tx) else { panic!("not refused") };
    assert!(error.into_inner().is_none(), "there was no message");
}

/// Fails if each ready poll reserves anew, and if a drop keeps the room.
#[test]
fn b27_ready_once_is_ready_until_the_room_is_used() {
    let (mut tx, mut rx) = polled(2);
    let other = tx.get_ref().unwrap().clone();
    reserve(&mut tx);
    assert_eq!(other.capacity(), 1);
    reserve(&mut tx);
    assert_eq!(other.capacity(), 1, "polled again, it takes no more");
    other.try_send(0).unwrap();
    assert!(other.try_send(9).is_err(), "nobody else gets the room");
    reserve(&mut tx);
    tx.send_item(1).unwrap();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(0), Ok(1)));
    reserve(&mut tx);
    assert_eq!(other.capacity(), 1);
    drop(tx);
    assert_eq!(other.capacity(), 2, "dropped, it gives the room back");
}

/// Fails if `send_item` takes room by itself when it has none, and if its panic gives the place up.
#[test]
fn sending_without_room_panics_and_changes_nothing() {
    let (mut tx, mut rx) = polled(1);
    let (count, message) = Drops::new();
    let panics = |tx: &mut PollSender<Drops>, n| {
        let message = message.clone();
        let error = catch_unwind(AssertUnwindSafe(|| tx.send_item(message))).unwrap_err();
        let text = error.downcast::<&str>().unwrap();
        assert!(text.contains("send_item") && text.contains("poll_reserve"), "{text}");
        assert_eq!(count.get(), n, "its message is dropped once");
    };
    panics(&mut tx, 1);
    reserve(&mut tx);
    tx.send_item(message.clone()).unwrap();
    panics(&mut tx, 2);
    let wakes = wait(&mut tx);
    panics(&mut tx, 3);
    let mut behind = tx.clone();
    wait(&mut behind);
    drop(rx.try_recv().unwrap());
    assert_eq!((wakes.count(), count.get()), (1, 4), "its place in line is kept");
    reserve(&mut tx);
    tx.send_item(message.clone()).unwrap();
}

/// Fails if flushing waits for room, and if closing does nothing or keeps the sender.
#[test]
fn a_sink_sends_flushes_and_closes() {
    let (mut tx, mut rx) = polled(2);
    let (_, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    for i in 0..2 {
        assert!(matches!(Pin::new(&mut tx).poll_ready(&mut cx), Poll::Ready(Ok(()))));
        Pin::new(&mut tx).start_send(i).unwrap();
        assert!(matches!(Pin::new(&mut tx).poll_flush(&mut cx), Poll::Ready(Ok(()))));
        assert_eq!(rx.len(), i + 1, "sent as soon as start_send returns");
    }
    assert!(Pin::new(&mut tx).poll_ready(&mut cx).is_pending());
    assert!(matches!(Pin::new(&mut tx).poll_flush(&mut cx), Poll::Ready(Ok(()))));
    assert!(Pin::new(&mut tx).poll_ready(&mut cx).is_pending(), "a flush makes no room");
    assert!(matches!(Pin::new(&mut tx).poll_close(&mut cx), Poll::Ready(Ok(()))));
    assert!(matches!(Pin::new(&mut tx).poll_close(&mut cx), Poll::Ready(Ok(()))), "again");
    assert!(matches!(Pin::new(&mut tx).poll_flush(&mut cx), Poll::Ready(Ok(()))));
    let error = Pin::new(&mut tx).start_send(7).unwrap_err();
    assert_eq!(error.into_inner(), Some(7));
    let got = [now(rx.recv()), now(rx.recv()), now(rx.recv())];
    assert_eq!(got, [Some(0), Some(1), None]);
}

/// Fails if each poll waits anew, and if only the first waker is kept.
#[test]
fn the_place_in_line_is_kept_across_polls_of_different_tasks() {
    let (mut tx, mut rx) = polled(1);
    reserve(&mut tx);
    tx.send_item(0).unwrap();
    let other = tx.get_ref().unwrap().clone();
    let first = wait(&mut tx);
    let mut behind = pending(other.send(9));
    let second = wait(&mut tx);
    // As another thread's task.
    let (mut tx, third) = std::thread::spawn(move || {
        let third = wait(&mut tx);
        (tx, third)
    })
    .join()
    .unwrap();
    assert_eq!(other.stats().send_waiters, 2);
    assert_eq!(rx.try_recv(), Ok(0));
    let wakes = [first.count(), second.count(), third.count(), behind.wakes()];
    assert_eq!(wakes, [0, 0, 1, 0]);
    behind.still_pending();
    reserve(&mut tx);
    tx.send_item(1).unwrap();
    assert_eq!(rx.try_recv(), Ok(1));
    behind.ready().unwrap();
    assert_eq!(rx.try_recv(), Ok(9));
}

/// Fails if `close` releases the room, and if the sender stays after the last message.
#[test]
fn closed_with_room_it_sends_one_last_message() {
    for abort in [false, true] {
        let (mut tx, mut rx) = polled(2);
        reserve(&mut tx);
        let mut receive = pending(rx.recv());
        tx.close();
        assert!(tx.is_closed() && tx.get_ref().is_none() && tx.clone().is_closed());
        receive.still_pending();
        reserve(&mut tx);
        assert_eq!(receive.wakes(), 0);
        if abort {
            assert!(tx.abort_send() && !tx.abort_send());
            assert_eq!((receive.wakes(), receive.ready()), (1, None), "the last sender went");
        } else {
            tx.send_item(5).unwrap();
            assert_eq!((receive.wakes(), receive.ready()), (1, Some(5)));
        }
        drop(receive);
        assert_eq!((rx.is_closed(), now(rx.recv())), (true, None));
        refused(&mut tx);
        assert_eq!(tx.send_item(6).unwrap_err().into_inner(), Some(6));
        tx.close();
        assert!(tx.is_closed() && !tx.abort_send());
    }
}

/// Fails if `close` or `abort_send` keeps the place in line, and if the latter forgets it.
#[test]
fn b27_a_wait_that_is_closed_aborted_or_dropped_gives_its_place_and_its_room_to_the_next() {
    type End = fn(PollSender<u8>) -> Option<PollSender<u8>>;
    let ends: [(&str, End); 3] = [
        ("closed", |mut tx| {
            tx.close();
            Some(tx)
        }),
        ("aborted", |mut tx| {
            assert!(tx.abort_send());
            Some(tx)
        }),
        ("dropped", |tx| {
            drop(tx);
            None
        }),
    ];
    for (how, end) in ends {
        for granted in [false, true] {
            let (mut tx, mut rx) = polled(1);
            reserve(&mut tx);
            tx.send_item(0).unwrap();
            let wakes = wait(&mut tx);
            let other = tx.get_ref().unwrap().clone();
            let mut behind = pending(other.send(9));
            if granted {
                assert_eq!(rx.try_recv(), Ok(0));
                assert_eq!((wakes.count(), behind.wakes()), (1, 0));
            }
            let left = end(tx);
            assert_eq!(
                (behind.wakes(), other.stats().send_waiters),
                (granted.into(), (!granted).into())
            );
            if !granted {
                assert_eq!(rx.try_recv(), Ok(0));
            }
            assert_eq!((behind.wakes(), wakes.count()), (1, granted.into()), "{how} {granted}");
            behind.ready().unwrap();
            drop(behind);
            assert_eq!((rx.try_recv(), other.capacity()), (Ok(9), 1));
            if let Some(mut tx) = left.filter(|tx| !tx.is_closed()) {
                reserve(&mut tx);
                tx.send_item(1).unwrap();
                assert_eq!(rx.try_recv(), Ok(1), "aborted, it may go on");
            }
        }
    }
}

/// Fails, by an overflow in the count of permits, if the sender goes before its place or its room
/// does.
#[test]
fn the_last_sender_may_go_while_it_waits_or_has_room() {
    for granted in 0..3 {
        for close in [false, true] {
            let (mut tx, mut rx) = polled(1);
            reserve(&mut tx);
            if granted < 2 {
                tx.send_item(0).unwrap();
                wait(&mut tx);
            }
            if granted == 1 {
                assert_eq!(rx.try_recv(), Ok(0));
            }
            let mut receive = (granted > 0).then(|| pending(rx.recv()));
            if close {
                tx.close();
            }
            drop(tx);
            if let Some(receive) = &mut receive {
                assert_eq!((receive.wakes(), receive.ready()), (1, None));
            }
            drop(receive);
            assert_eq!(rx.try_recv().is_ok(), granted == 0);
            assert_eq!(
                (rx.try_recv(), rx.capacity()),
                (Err(mpsc::error::TryRecvError::Disconnected), 1)
            );
        }
    }
}

/// Fails if an abort leaves the state at `Waiting`: the later poll would be first.
#[test]
fn an_aborted_wait_starts_at_the_end_of_the_line() {
    let (mut tx, mut rx) = polled(1);
    assert!(!tx.abort_send(), "nothing to abort");
    reserve(&mut tx);
    tx.send_item(0).unwrap();
    assert!(!tx.abort_send(), "the message is sent");
    let (wakes, mut other) = (wait(&mut tx), tx.clone());
    let behind = wait(&mut other);
    assert!(tx.abort_send());
    assert_eq!((wakes.count(), tx.get_ref().unwrap().capacity()), (0, 0));
    let anew = wait(&mut tx);
    rx.try_recv().unwrap();
    assert_eq!((behind.count(), anew.count()), (1, 0));
}

/// Fails if a refusal drops the message or is not counted, and if `is_closed` looks at the channel
/// only, or at `close` only.
#[test]
fn b28_a_closed_receiver_refuses_and_the_same_message_comes_back() {
    for end in [Receiver::close as fn(&mut _), |rx| drop(std::mem::replace(rx, polled(1).1))] {
        let (mut tx, mut rx) = polled::<Box<[u8]>>(1);
        reserve(&mut tx);
        tx.send_item([1, 2].into()).unwrap();
        let (wakes, mut idle) = (wait(&mut tx), tx.clone());
        end(&mut rx);
        assert!(wakes.count() == 1 && !tx.is_closed(), "it has not noticed yet");
        refused(&mut tx);
        assert!(tx.is_closed() && !tx.abort_send() && poll(&mut tx).is_ready());
        let message: Box<[u8]> = [3, 4].into();
        let place = message.as_ptr();
        let error = tx.send_item(message).unwrap_err();
        assert_eq!(format!("{error}|{error:?}"), "channel closed|PollSendError(Some(..))");
        let error = Pin::new(&mut tx).start_send(error.into_inner().unwrap()).unwrap_err();
        assert_eq!(error.into_inner().map(|back| back.as_ptr()), Some(place));

        // Its sender is still there, and so is what it knows; a clone finds out by itself.
        assert!(tx.get_ref().is_some_and(mpsc::Sender::is_closed));
        let mut clone = tx.clone();
        assert!(!clone.is_closed() && !idle.is_closed());
        refused(&mut clone);
        refused(&mut idle);
        assert!(clone.is_closed() && idle.is_closed());
        let refusals = tx.get_ref().unwrap().stats().closed_total;
        assert_eq!(refusals, 6, "two polls, two sends, two others");
        tx.close();
        assert!(tx.get_ref().is_none());
        assert_eq!(tx.send_item([5].into()).unwrap_err().into_inner().as_deref(), Some(&[5][..]));
        let error = PollSender::<u8>::clone(&closed()).send_item(1).unwrap_err();
        assert_eq!(error.into_inner(), Some(1));
    }
}

fn closed() -> PollSender<u8> {
    let mut tx = polled(1).0;
    tx.close();
    tx
}

/// Fails if `send_item` asks whether the channel is closed.
#[test]
fn room_taken_before_the_receiver_closed_still_sends() {
    let (mut tx, mut rx) = polled(2);
    let (count, message) = Drops::new();
    reserve(&mut tx);
    let mut late = tx.clone();
    reserve(&mut late);
    rx.close();
    reserve(&mut tx);
    tx.send_item(message.clone()).unwrap();
    drop(rx.try_recv().unwrap());
    assert_eq!(count.get(), 1);
    refused(&mut tx);
    drop(rx);
    late.send_item(message).unwrap();
    assert_eq!(count.get(), 2, "dropped at once");
    refused(&mut late);
}

/// Aborts if a clone shares the room: it is given back twice.
#[test]
fn clones_reserve_for_themselves() {
    let (mut tx, mut rx) = polled(2);
    reserve(&mut tx);
    let mut clone = tx.clone();
    assert_eq!(tx.get_ref().unwrap().strong_count(), 2);
    assert!(catch_unwind(AssertUnwindSafe(|| clone.send_item(9))).is_err());
    reserve(&mut clone);
    let mut third = clone.clone();
    wait(&mut third);
    clone.send_item(1).unwrap();
    tx.send_item(2).unwrap();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)));
    drop((tx, clone, third));
    assert_eq!(now(rx.recv()), None);
}

/// Fails if the room is marked as used only after the message is in.
#[test]
fn a_panicking_receiver_waker_uses_the_room_once() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the receiver's waker");
        }
    }
    let (mut tx, mut rx) = polled(2);
    for i in 0..3 {
        reserve(&mut tx);
        let waker = Waker::from(Arc::new(Panics));
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| tx.send_item(i))).is_err());
        assert_eq!((rx.len(), rx.capacity(), tx.is_closed()), (1, 1, false));
        assert!(!tx.abort_send());
        assert_eq!((rx.try_recv(), rx.capacity()), (Ok(i), 2));
    }
}

/// Fails with a bound on `T`, by not compiling, and if `close` keeps the sender.
#[test]
fn any_message_will_do() {
    let word = String::from("borrowed");
    let (mut tx, mut rx) = polled::<(&str, Rc<u8>)>(1);
    reserve(&mut tx);
    tx.send_item((&word, Rc::new(1))).unwrap();
    assert_eq!(rx.try_recv().unwrap().0, "borrowed");
    struct Silent;
    let (mut tx, _rx) = polled::<Silent>(1);
    let state = |tx: &PollSender<Silent>, state| {
        assert_eq!(format!("{tx:?}"), format!("PollSender {{ state: {state}, .. }}"));
    };
    state(&tx, "Idle");
    reserve(&mut tx);
    state(&tx, "Reserved");
    assert!(tx.send_item(Silent).is_ok());
    wait(&mut tx);
    state(&tx, "Waiting");
    tx.close();
    state(&tx, "Closed");
    let Poll::Ready(Err(error)) = poll(&mut tx) else { panic!("closed") };
    assert_eq!(format!("{error:?}"), "PollSendError(None)");
    let error: Box<dyn std::error::Error> = Box::new(error);
    assert!(error.source().is_none());
}

/// Fails if `abort_send` forgets the place instead of dropping it, or keeps the room: the line
/// stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_send_and_abort_and_nothing_is_lost() {
    const EACH: u32 = if cfg!(miri) { 20 } else { 5_000 };
    let (tx, mut rx) = polled(3);
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let mut tx = tx.clone();
            tokio::spawn(async move {
                for i in 0..EACH {
                    if (i + task) % 3 == 0 {
                        // A wait or a room given up.
                        let _ = std::future::poll_fn(|cx| Poll::Ready(tx.poll_reserve(cx))).await;
                        assert!(tx.abort_send());
                    }
                    std::future::poll_fn(|cx| tx.poll_reserve(cx)).await.unwrap();
                    tx.send_item((task, i)).unwrap();
                }
            })
        })
        .collect();
    drop(tx);
    let receive = async {
        let mut next = [0; 4];
        while let Some((task, i)) = rx.recv().await {
            assert_eq!(
                std::mem::replace(&mut next[task as usize], i + 1),
                i,
                "order of one sender"
            );
        }
        next
    };
    let next = tokio::time::timeout(std::time::Duration::from_secs(60), receive).await;
    assert_eq!((next.expect("the line stopped"), rx.capacity()), ([EACH; 4], 3));
    for task in tasks {
        task.await.unwrap();
    }
}

/// Fails if it says that it is ready after closing, or loses the message.
#[test]
fn b27_an_unbounded_sink_is_always_ready_until_the_receiver_goes() {
    let (tx, mut rx) = parshall::mpsc::unbounded_channel();
    let mut sink = Box::pin(parshall::mpsc::UnboundedSink::new(tx));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(Sink::poll_ready(sink.as_mut(), &mut cx), Poll::Ready(Ok(()))));
    Sink::start_send(sink.as_mut(), 1).unwrap();
    assert!(matches!(Sink::poll_flush(sink.as_mut(), &mut cx), Poll::Ready(Ok(()))));
    assert_eq!(rx.try_recv(), Ok(1));
    rx.close();
    assert!(matches!(Sink::poll_ready(sink.as_mut(), &mut cx), Poll::Ready(Err(_))));
    assert_eq!(Sink::start_send(sink.as_mut(), 2).unwrap_err().into_inner(), Some(2));
    assert!(matches!(Sink::poll_close(sink.as_mut(), &mut cx), Poll::Ready(Ok(()))));
    assert!(sink.get_ref().is_none() && rx.sender_strong_count() == 0);
    assert_eq!(Sink::start_send(sink.as_mut(), 3).unwrap_err().into_inner(), Some(3));
}

/// `SinkExt::send` in scope must not go before the sender's own `send`. Fails to compile, or leaves
/// the channel empty, if `UnboundedSender` is a sink itself.
#[test]
fn an_unbounded_sender_sends_though_a_sinks_send_is_in_scope() {
    trait SinkLike<Item>: Sink<Item> {
        #[allow(dead_code)]
        fn send(&mut self, _: Item) -> Option<()> {
            None
        }
    }
    impl<T: Sink<Item>, Item> SinkLike<Item> for T {}
    let (tx, mut rx) = mpsc::unbounded_channel();
    let tx = &mut tx.clone();
    let sent: Result<(), mpsc::error::SendError<u8>> = tx.send(1);
    assert_eq!((sent, rx.try_recv()), (Ok(()), Ok(1)));
}
