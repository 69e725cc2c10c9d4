//! Iterators over messages.
//!
//! Each test names the planted bugs that it was seen to fail with.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parshall::mpsc;
use support::{Drops, pending};

/// Fails with `try_recv` in the place of `blocking_recv` in `Iter::next`, `IntoIter::next`.
#[test]
fn blocking_iterators_wait_for_each_message_and_end_with_the_channel() {
    let (tx, mut rx) = mpsc::channel(2);
    let (go, gate) = std::sync::mpsc::channel();
    let sender = thread::spawn(move || {
        for i in 0..300 {
            if i % 100 == 0 {
                gate.recv().unwrap();
                // So that the receiver is likely to wait by now.
                thread::sleep(std::time::Duration::from_millis(20));
            }
            tx.blocking_send(i).unwrap();
        }
    });
    go.send(()).unwrap();
    assert_eq!(rx.iter().take(100).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    go.send(()).unwrap();
    for (i, message) in (100..).zip(&mut rx) {
        assert_eq!(message, i);
        if i == 199 {
            break;
        }
    }
    go.send(()).unwrap();
    let mut rest = rx.into_iter();
    assert_eq!(rest.by_ref().collect::<Vec<_>>(), (200..300).collect::<Vec<_>>());
    assert_eq!((rest.next(), rest.next()), (None, None));
    sender.join().unwrap();
}

/// Fails if `IntoIter` does not drop its receiver.
#[test]
fn the_owning_iterator_closes_the_channel_when_it_is_dropped() {
    let (tx, rx) = mpsc::channel(4);
    let (count, message) = Drops::new();
    for _ in 0..3 {
        tx.try_send(message.clone()).unwrap();
    }
    let mut iter = rx.into_iter();
    drop(iter.next().unwrap());
    assert_eq!((tx.is_closed(), count.get()), (false, 1));
    drop(iter);
    assert_eq!((tx.is_closed(), count.get()), (true, 3));
}

/// Fails if a blocking iterator tries `try_recv` first, outside `as_thread`: nobody is known then.
#[cfg(feature = "introspect")]
#[test]
fn a_thread_that_iterates_is_known_as_the_receiver() {
    fn known(name: &str, mut messages: impl Iterator<Item = i32>) {
        assert_eq!(messages.next(), Some(0));
        let channels = parshall::snapshot().channels;
        let channel = channels.into_iter().find(|channel| channel.stats.name == name).unwrap();
        let last = channel.last_receiver.expect("it let a waiting sender in");
        assert_eq!(last.kind(), parshall::task::TaskKind::Thread);
    }
    for (name, owning) in [("iterated", false), ("iterated by value", true)] {
        let (tx, mut rx) = mpsc::Builder::new().name(name).capacity(1).build();
        tx.try_send(0).unwrap();
        let _waiting = pending(tx.send(1));
        let receiver =
            move || if owning { known(name, rx.into_iter()) } else { known(name, rx.iter()) };
        thread::spawn(receiver).join().unwrap();
    }
}

/// Hangs if `TryIter::next` blocks; fails if it remembers its first `None`.
#[test]
fn try_iter_takes_what_is_there_and_may_go_on_later() {
    let (tx, mut rx) = mpsc::channel(2);
    tx.try_send(0).unwrap();
    tx.try_send(1).unwrap();
    let mut late = pending(tx.send(2));
    let mut iter = rx.try_iter();
    assert_eq!((iter.size_hint(), iter.next()), ((2, None), Some(0)));
    late.ready().unwrap();
    drop(late);
    assert_eq!(iter.by_ref().collect::<Vec<_>>(), [1, 2], "what comes meanwhile is there");
    assert_eq!(iter.next(), None);
    tx.try_send(3).unwrap();
    assert_eq!((iter.next(), iter.next()), (Some(3), None));
    tx.try_send(4).unwrap();
    drop(tx);
    assert_eq!((iter.next(), iter.next(), iter.next()), (Some(4), None, None));
}

/// Fails if `Drain::next` goes on until `try_recv` fails.
#[test]
fn drain_takes_exactly_what_was_there() {
    let (tx, mut rx) = mpsc::channel(3);
    assert_eq!(rx.drain().len(), 0);
    assert_eq!(rx.drain().next(), None);
    let permit = tx.try_reserve().unwrap();
    tx.try_send(0).unwrap();
    tx.try_send(1).unwrap();
    let mut late = pending(tx.send(2));
    let mut drain = rx.drain();
    assert_eq!((drain.len(), drain.size_hint()), (2, (2, Some(2))), "a permit is no message");
    assert_eq!((drain.next(), drain.len(), late.wakes()), (Some(0), 1, 1));
    late.ready().unwrap();
    permit.send(3);
    drop(late);
    assert_eq!((drain.next(), drain.len()), (Some(1), 0));
    assert_eq!((drain.next(), drain.next()), (None, None));
    drop(drain);
    assert_eq!(rx.drain().collect::<Vec<_>>(), [2, 3]);
    drop(tx);
    assert_eq!(rx.drain().next(), None);
}

/// Fails without `Drop for Drain`.
#[test]
fn a_drain_dropped_early_drops_the_rest_and_lets_senders_in() {
    let (tx, mut rx) = mpsc::channel(4);
    let (count, message) = Drops::new();
    for _ in 0..4 {
        tx.try_send(message.clone()).unwrap();
    }
    let mut late = pending(tx.send(message.clone()));
    let mut drain = rx.drain();
    drop(drain.next().unwrap());
    late.ready().unwrap();
    drop(late);
    assert_eq!(count.get(), 1);
    drop(drain);
    assert_eq!((count.get(), tx.len(), tx.capacity()), (4, 1, 3), "not the one sent later");
    // A forgotten one leaves them in the channel.
    std::mem::forget(rx.drain());
    assert_eq!((count.get(), rx.len()), (4, 1));
    drop(rx.try_recv().unwrap());
    assert_eq!(count.get(), 5);
}

/// Notes its drop, and panics in it if its number is odd.
#[derive(Debug)]
struct Odd(usize, Arc<AtomicU64>);

impl Drop for Odd {
    fn drop(&mut self) {
        self.1.fetch_add(1 << (8 * self.0), Ordering::SeqCst);
        assert!(self.0.is_multiple_of(2), "odd {}", self.0);
    }
}

/// Fails if `Drain`'s drop is `self.for_each(drop)`. Without the guard in `FirstPanic::resume` the
/// second half aborts.
#[test]
#[cfg_attr(
    miri,
    ignore = "the standard library adds a backtrace to a panic in a panic: half a minute"
)]
fn panicking_drops_do_not_stop_a_drain_and_the_first_panic_goes_on() {
    const EACH_ONCE: u64 = 0x0101_0101_0101_0101;
    for unwinding in [false, true] {
        let (tx, mut rx) = mpsc::channel(8);
        let dropped = Arc::new(AtomicU64::new(0));
        (0..8).for_each(|i| tx.try_send(Odd(i, dropped.clone())).unwrap());
        let payload = catch_unwind(AssertUnwindSafe(|| {
            let mut drain = rx.drain();
            drop((drain.next(), unwinding));
            assert!(!unwinding, "the task's own");
        }));
        let text = payload.unwrap_err();
        if unwinding {
            assert_eq!(*text.downcast::<&str>().unwrap(), "the task's own");
        } else {
            assert_eq!(*text.downcast::<String>().unwrap(), "odd 1");
        }
        assert_eq!(dropped.load(Ordering::SeqCst), EACH_ONCE);
        assert_eq!((rx.len(), tx.capacity(), tx.is_closed()), (0, 8, false));
    }
}

/// Fails if `try_recv` says `Empty` while a claim is on its way.
#[test]
fn drain_awaits_what_is_on_its_way_and_misses_nothing() {
    const EACH: usize = if cfg!(miri) { 50 } else { 100_000 };
    let (tx, mut rx) = mpsc::channel(7);
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let tx = tx.clone();
            thread::spawn(move || (0..EACH).for_each(|i| tx.blocking_send((thread, i)).unwrap()))
        })
        .collect();
    drop(tx);
    let mut next = [0; 3];
    while let Some(first) = rx.blocking_recv() {
        let drain = rx.drain();
        let promised = drain.len();
        let got: Vec<_> = drain.collect();
        assert_eq!(got.len(), promised);
        for (thread, i) in std::iter::once(first).chain(got) {
            assert_eq!(std::mem::replace(&mut next[thread], i + 1), i, "order of one sender");
        }
    }
    assert_eq!(next, [EACH; 3]);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Fails if a `Debug` derive asks for `T: Debug`, by not compiling.
#[test]
fn iterators_print_nothing_of_the_messages() {
    struct Silent;
    let (tx, mut rx) = mpsc::channel::<Silent>(4);
    assert!(tx.try_send(Silent).is_ok());
    assert_eq!(format!("{:?}", rx.iter()), "Iter { chan: .. }");
    assert_eq!(format!("{:?}", rx.try_iter()), "TryIter { chan: .. }");
    assert_eq!(format!("{:?}", rx.drain()), "Drain { chan: .., left: 1 }");
    assert_eq!(format!("{:?}", rx.into_iter()), "IntoIter { chan: .. }");
}

/// Fails if the unbounded receiver's forward to something else.
#[test]
fn an_unbounded_receiver_has_the_same_iterators() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    (0..8).for_each(|i| tx.send(i).unwrap());
    let mut drain = rx.drain();
    assert_eq!((drain.len(), drain.next()), (8, Some(0)));
    tx.send(8).unwrap();
    drop(drain);
    tx.send(9).unwrap();
    assert_eq!(rx.try_iter().collect::<Vec<_>>(), [8, 9]);
    tx.send(10).unwrap();
    drop(tx);
    assert_eq!(rx.iter().next(), Some(10));
    assert_eq!((&mut rx).into_iter().next(), None);
    assert_eq!(rx.into_iter().next(), None);
}
