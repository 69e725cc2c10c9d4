//! Receivers as streams: when they have ended, and how many messages they say will come.
//!
//! The shapes are those of the tests of tokio-stream's wrappers, `ReceiverStream` and
//! `UnboundedReceiverStream`, on the receiver itself, and more. Each test names the planted bugs
//! that it was seen to fail with.

mod support;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use parshall::mpsc::{self, Receiver, UnboundedReceiver};
use support::{now, pending};

/// A receiver of either flavour.
trait End: FusedStream<Item = u32> + Unpin {
    fn close(&mut self);
    fn recv_now(&mut self) -> Option<u32>;
    fn recv_many_now(&mut self) -> usize;
    fn try_recv(&mut self) -> Option<u32>;
    fn blocking_recv(&mut self) -> Option<u32>;
    fn iter_next(&mut self) -> Option<u32>;
    fn try_iter_next(&mut self) -> Option<u32>;
    fn hints_of_iterators(&mut self) -> [(usize, Option<usize>); 2];
    fn into_hint(self: Box<Self>) -> (usize, Option<usize>);
}

macro_rules! end {
    ($name:ident) => {
        impl End for $name<u32> {
            fn close(&mut self) {
                self.close();
            }
            fn recv_now(&mut self) -> Option<u32> {
                now(self.recv())
            }
            fn recv_many_now(&mut self) -> usize {
                now(self.recv_many(&mut Vec::new(), 4))
            }
            fn try_recv(&mut self) -> Option<u32> {
                self.try_recv().ok()
            }
            fn blocking_recv(&mut self) -> Option<u32> {
                self.blocking_recv()
            }
            fn iter_next(&mut self) -> Option<u32> {
                self.iter().next()
            }
            fn try_iter_next(&mut self) -> Option<u32> {
                self.try_iter().next()
            }
            fn hints_of_iterators(&mut self) -> [(usize, Option<usize>); 2] {
                [self.iter().size_hint(), self.try_iter().size_hint()]
            }
            fn into_hint(self: Box<Self>) -> (usize, Option<usize>) {
                self.into_iter().size_hint()
            }
        }
    };
}

end!(Receiver);
end!(UnboundedReceiver);

/// Sends; dropped, the channel has no sender.
type Send = Box<dyn Fn(u32)>;

/// A channel of each flavour, with room for four.
fn flavours() -> [(&'static str, Send, Box<dyn End>); 2] {
    let (tx, rx) = mpsc::channel(4);
    let (unbounded_tx, unbounded_rx) = mpsc::unbounded_channel();
    [
        ("bounded", Box::new(move |i| tx.try_send(i).unwrap()), Box::new(rx)),
        ("unbounded", Box::new(move |i| unbounded_tx.send(i).unwrap()), Box::new(unbounded_rx)),
    ]
}

fn poll<S: Stream + Unpin + ?Sized>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn next<S: Stream + Unpin + ?Sized>(stream: &mut S) -> Option<S::Item> {
    match poll(stream) {
        Poll::Ready(next) => next,
        Poll::Pending => panic!("expected to be ready"),
    }
}

/// All its hints.
fn hint(rx: &mut dyn End) -> (usize, Option<usize>) {
    let hint = rx.size_hint();
    assert_eq!(rx.hints_of_iterators(), [hint; 2]);
    hint
}

/// Takes the messages, looks at the hint before each and at the end, and whether it has ended.
fn takes(what: &str, rx: &mut dyn End, hints: &[(usize, Option<usize>)]) {
    let (last, before) = hints.split_last().unwrap();
    for (i, expected) in (0..).zip(before) {
        assert_eq!((hint(rx), rx.is_terminated()), (*expected, false), "{what}");
        assert_eq!(next(rx), Some(i), "{what}");
    }
    assert_eq!((hint(rx), rx.is_terminated()), (*last, false), "{what}");
}

/// `None`, for ever, and then terminated, for ever.
fn ends(what: &str, rx: &mut dyn End) {
    assert!(!rx.is_terminated(), "{what}: before it was told");
    for _ in 0..3 {
        assert_eq!(next(rx), None, "{what}");
        assert!(rx.is_terminated(), "{what}");
        assert_eq!(hint(rx), (0, Some(0)), "{what}");
    }
}

/// Fails with an upper bound in an open channel.
#[test]
fn an_open_stream_has_no_upper_bound_and_has_not_ended() {
    for (name, send, mut rx) in flavours() {
        takes(name, &mut *rx, &[(0, None)]);
        (0..2).for_each(&send);
        takes(name, &mut *rx, &[(2, None), (1, None), (0, None)]);
        assert!(poll(&mut *rx).is_pending() && !rx.is_terminated(), "{name}");
        send(0);
        assert_eq!(rx.into_hint(), (1, None), "{name}");
    }
}

/// Fails with a hint that knows no closing, as it was; and with `is_terminated` that is drained, as
/// it was.
#[test]
fn a_stream_that_is_closed_counts_down_to_its_end() {
    let counts = [(2, Some(2)), (1, Some(1)), (0, Some(0))];
    for (name, send, mut rx) in flavours() {
        (0..2).for_each(&send);
        rx.close();
        takes(name, &mut *rx, &counts);
        ends(name, &mut *rx);
    }
    for (name, send, mut rx) in flavours() {
        (0..2).for_each(&send);
        drop(send);
        takes(name, &mut *rx, &counts);
        ends(name, &mut *rx);
    }
    for (name, send, rx) in flavours() {
        (0..2).for_each(&send);
        drop(send);
        assert_eq!(rx.into_hint(), (2, Some(2)), "{name}");
    }
}

/// Fails as the test before.
#[test]
fn a_stream_that_was_closed_at_once_ends_at_once() {
    for (name, _send, mut rx) in flavours() {
        rx.close();
        takes(name, &mut *rx, &[(0, Some(0))]);
        ends(name, &mut *rx);
    }
    for (name, send, mut rx) in flavours() {
        drop(send);
        takes(name, &mut *rx, &[(0, Some(0))]);
        ends(name, &mut *rx);
    }
}

/// Fails with a hint that knows no permits; and with one that adds them to the lower bound.
#[test]
fn permits_that_are_out_may_still_come() {
    let (tx, mut rx) = mpsc::channel(4);
    tx.try_send(0).unwrap();
    let (sent, dropped) = (tx.try_reserve().unwrap(), tx.try_reserve().unwrap());
    assert_eq!(hint(&mut rx), (1, None));
    rx.close();
    assert_eq!(hint(&mut rx), (1, Some(3)));
    sent.send(1);
    takes("a permit is out", &mut rx, &[(2, Some(3)), (1, Some(2)), (0, Some(1))]);
    assert!(poll(&mut rx).is_pending() && !rx.is_terminated());
    drop(dropped);
    takes("none is out", &mut rx, &[(0, Some(0))]);
    ends("none is out", &mut rx);
    // The last one is used.
    let (tx, mut rx) = mpsc::channel(1);
    let permit = tx.try_reserve().unwrap();
    rx.close();
    takes("the last", &mut rx, &[(0, Some(1))]);
    permit.send(0);
    takes("the last", &mut rx, &[(1, Some(1)), (0, Some(0))]);
    ends("the last", &mut rx);
}

/// Fails with permits that are not counted.
#[test]
fn permits_of_each_kind_are_bounds_while_they_are_out() {
    let (tx, mut rx) = mpsc::channel(8);
    let owned = tx.clone().try_reserve_owned().unwrap();
    let mut many = tx.try_reserve_many(3).unwrap();
    (0..4).for_each(|i| tx.try_send(i).unwrap());
    let wait = pending(tx.reserve());
    assert_eq!(next(&mut rx), Some(0));
    assert_eq!(wait.wakes(), 1);
    rx.close();
    assert_eq!(hint(&mut rx), (3, Some(3 + 1 + 3 + 1)));
    many.next().unwrap().send(4);
    assert_eq!(hint(&mut rx), (4, Some(8)));
    drop(many);
    assert_eq!(hint(&mut rx), (4, Some(6)));
    drop(wait);
    assert_eq!(hint(&mut rx), (4, Some(5)));
    std::mem::forget(tx.try_reserve());
    drop(owned.release());
    assert_eq!(hint(&mut rx), (4, Some(4)));
    // A forgotten one is out until nobody is left who could use it.
    let (tx, mut rx) = mpsc::channel::<u32>(2);
    std::mem::forget(tx.try_reserve().unwrap());
    rx.close();
    takes("forgotten", &mut rx, &[(0, Some(1))]);
    drop(tx);
    takes("forgotten", &mut rx, &[(0, Some(0))]);
    ends("forgotten", &mut rx);
}

/// Whatever happens meanwhile, as many come as the hint said. What a hint counts the tests before
/// this show.
///
/// Fails with a hint that knows no closing.
#[test]
fn a_hint_is_true_beside_senders() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 300 };
    for round in 0..ROUNDS {
        let (tx, mut rx) = mpsc::channel(64);
        thread::scope(|scope| {
            for _ in 0..2 {
                let tx = tx.clone();
                scope.spawn(move || {
                    for i in 0.. {
                        let Ok(permit) = tx.try_reserve() else { break };
                        if i % 3 == 0 { drop(permit) } else { permit.send(i) }
                    }
                });
            }
            for _ in 0..round % 50 {
                let (least, most) = rx.size_hint();
                assert!(least <= 64 && most.is_none());
                thread::yield_now();
            }
            rx.close();
            let (least, most) = rx.size_hint();
            let come = rx.iter().count();
            assert!(least <= come && come <= most.unwrap(), "{least} {come} {most:?}");
        });
    }
}

/// Fails with a flag that `poll_next` alone sets; with one that `recv_many` sets; and with one that
/// `try_recv` does.
#[test]
fn each_call_that_gives_none_for_the_end_ends_the_stream_and_no_other() {
    type Call = fn(&mut dyn End) -> bool;
    let calls: [(&str, bool, Call); 7] = [
        ("next", true, |rx| next(rx).is_none()),
        ("recv", true, |rx| rx.recv_now().is_none()),
        ("blocking_recv", true, |rx| rx.blocking_recv().is_none()),
        ("iter", true, |rx| rx.iter_next().is_none()),
        ("recv_many", false, |rx| rx.recv_many_now() == 0),
        ("try_recv", false, |rx| rx.try_recv().is_none()),
        ("try_iter", false, |rx| rx.try_iter_next().is_none()),
    ];
    for (call, ends_it, f) in calls {
        for (name, send, mut rx) in flavours() {
            send(0);
            drop(send);
            assert!(!f(&mut *rx) && !rx.is_terminated(), "{name}, {call}: a message");
            assert!(f(&mut *rx), "{name}, {call}");
            assert_eq!(rx.is_terminated(), ends_it, "{name}, {call}");
        }
    }
}

/// As `select!` polls: never a stream that says that it has terminated.
///
/// Fails with `is_terminated` that is drained, as it was: the end was never seen.
#[test]
fn a_loop_that_never_polls_what_has_terminated_sees_the_end_once() {
    for (name, send, mut rx) in flavours() {
        (0..3).for_each(&send);
        drop(send);
        let mut seen = Vec::new();
        for _turn in 0..10 {
            if !rx.is_terminated() {
                seen.push(next(&mut *rx));
            }
        }
        assert_eq!(seen, [Some(0), Some(1), Some(2), None], "{name}");
    }
}
