//! Every message is dropped exactly once, whatever panics, whatever its type.

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parshall::mpsc::{self, Sender};
use support::{Counter, Drops, now, pending, task};

fn drops(n: usize) -> (Vec<Drops>, Counter) {
    let (count, first) = Drops::new();
    let all: Vec<_> = std::iter::repeat_with(|| first.clone()).take(n).collect();
    // The pattern is not one of the messages.
    std::mem::forget(first);
    (all, count)
}

#[test]
fn what_is_left_is_dropped_with_the_receiver_not_later() {
    let (tx, rx) = mpsc::channel(8);
    let (messages, count) = drops(5);
    for message in messages {
        tx.try_send(message).unwrap();
    }
    drop(rx);
    assert_eq!((count.get(), tx.len(), tx.stats().discarded), (5, 0, 5));
    drop(tx);
    assert_eq!(count.get(), 5);
}

#[test]
fn what_is_left_is_dropped_if_the_sender_goes_first() {
    let (tx, mut rx) = mpsc::channel(8);
    let (messages, count) = drops(5);
    for message in messages {
        tx.try_send(message).unwrap();
    }
    drop(tx);
    drop(rx.try_recv().unwrap());
    assert_eq!(count.get(), 1);
    drop(rx);
    assert_eq!(count.get(), 5);
}

#[test]
fn a_message_sent_by_permit_after_the_receiver_went_is_dropped_at_once() {
    let (tx, rx) = mpsc::channel(4);
    let (messages, count) = drops(3);
    let [a, b, c] = messages.try_into().unwrap();
    let (permit, mut many) = (tx.try_reserve().unwrap(), tx.try_reserve_many(1).unwrap());
    let owned = tx.clone().try_reserve_owned().unwrap();
    drop(rx);
    permit.send(a);
    assert_eq!((count.get(), tx.capacity()), (1, 2));
    many.next().unwrap().send(b);
    assert_eq!((count.get(), tx.capacity()), (2, 3));
    let tx = owned.send(c);
    let stats = tx.stats();
    assert_eq!((count.get(), tx.capacity(), stats.discarded, stats.sent_total), (3, 4, 3, 3));
}

/// Notes its drop, and panics in it if its number is odd.
#[derive(Debug)]
struct Odd(usize, Arc<AtomicUsize>);

impl Drop for Odd {
    fn drop(&mut self) {
        self.1.fetch_add(1 << (8 * (self.0 % 8)), Ordering::SeqCst);
        assert!(self.0.is_multiple_of(2) || std::thread::panicking(), "odd {}", self.0);
    }
}

#[test]
fn panicking_drops_do_not_stop_the_drain_and_the_first_panic_goes_on() {
    let (tx, rx) = mpsc::channel(8);
    let dropped = Arc::new(AtomicUsize::new(0));
    (0..8).for_each(|i| tx.try_send(Odd(i, dropped.clone())).unwrap());
    let mut closed = pending(tx.closed());
    let payload = catch_unwind(AssertUnwindSafe(|| drop(rx))).unwrap_err();
    assert_eq!(*payload.downcast::<String>().unwrap(), "odd 1");
    assert_eq!(dropped.load(Ordering::SeqCst), 0x0101_0101_0101_0101, "each once");
    assert_eq!((tx.capacity(), closed.wakes()), (8, 1));
    closed.ready();
    drop(closed);
    drop(tx);
    assert_eq!(dropped.load(Ordering::SeqCst), 0x0101_0101_0101_0101);
}

#[test]
fn a_panicking_drop_of_a_late_message_gives_its_room_back_once() {
    let (tx, rx) = mpsc::channel(2);
    let dropped = Arc::new(AtomicUsize::new(0));
    let permit = tx.try_reserve().unwrap();
    drop(rx);
    let late = Odd(1, dropped.clone());
    assert!(catch_unwind(AssertUnwindSafe(|| permit.send(late))).is_err());
    assert_eq!((dropped.load(Ordering::SeqCst), tx.capacity()), (1 << 8, 2));
}

#[test]
fn a_receiver_dropped_by_a_panic_does_not_abort_the_process() {
    let (tx, rx) = mpsc::channel(8);
    let dropped = Arc::new(AtomicUsize::new(0));
    (0..8).for_each(|i| tx.try_send(Odd(i, dropped.clone())).unwrap());
    let payload = catch_unwind(AssertUnwindSafe(|| {
        let _rx = rx;
        panic!("the task's own");
    }));
    assert_eq!(*payload.unwrap_err().downcast::<&str>().unwrap(), "the task's own");
    assert_eq!(dropped.load(Ordering::SeqCst), 0x0101_0101_0101_0101);
}

/// A message that uses its channel when it is dropped.
struct Nosy(Option<Sender<Nosy>>, Arc<AtomicUsize>);

impl Drop for Nosy {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        if let Some(tx) = self.0.take() {
            assert!(tx.try_send(Nosy(None, self.1.clone())).is_err());
            drop(now(tx.send(Nosy(None, self.1.clone()))));
            now(tx.closed());
            let _ = (tx.len(), tx.stats());
            #[cfg(feature = "introspect")]
            drop(parshall::snapshot());
        }
    }
}

#[test]
fn a_message_may_hold_a_sender_of_its_own_channel_and_use_it_when_dropped() {
    let (tx, rx) = mpsc::channel(2);
    let dropped = Arc::new(AtomicUsize::new(0));
    let weak = tx.downgrade();
    (0..2).for_each(|_| {
        assert!(tx.try_send(Nosy(Some(tx.clone()), dropped.clone())).is_ok());
    });
    drop(tx);
    assert_eq!(weak.strong_count(), 2, "the messages keep the channel open");
    drop(rx);
    assert_eq!((weak.strong_count(), dropped.load(Ordering::SeqCst)), (0, 6));
}

#[test]
fn a_refused_or_cancelled_message_is_dropped_once() {
    let (tx, rx) = mpsc::channel(1);
    let (messages, count) = drops(5);
    let mut next = messages.into_iter();
    let mut next = || next.next().unwrap();
    tx.try_send(next()).unwrap();
    drop(tx.try_send(next()));
    drop(pending(tx.send(next())));
    drop(task(tx.send(next())));
    assert_eq!(count.get(), 3);
    drop(rx);
    drop(now(tx.send(next())));
    assert_eq!(count.get(), 5);
}

thread_local! {
    static ZST: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn messages_without_size_are_counted_and_dropped() {
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            ZST.set(ZST.get() + 1);
        }
    }
    let (tx, mut rx) = mpsc::channel(3);
    (0..3).for_each(|_| assert!(tx.try_send(Nothing).is_ok()));
    assert!(tx.try_send(Nothing).is_err());
    assert_eq!((ZST.get(), rx.len()), (1, 3));
    drop(rx.try_recv());
    drop(rx);
    assert_eq!(ZST.get(), 4);
}

#[test]
fn messages_of_any_alignment_and_size_arrive_whole() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(4096))]
    struct Page([u8; 10_000]);
    let (tx, mut rx) = mpsc::channel(3);
    for lap in 0..5 {
        (0..3).for_each(|i| tx.try_send(Page([lap * 3 + i; 10_000])).unwrap());
        for i in 0..3 {
            let page = rx.try_recv().unwrap();
            assert_eq!(page, Page([lap * 3 + i; 10_000]));
        }
    }
}

#[test]
fn large_messages_need_no_stack_at_creation() {
    let with_stack = |kib: usize| std::thread::Builder::new().stack_size(kib * 1024);
    let create = || mpsc::channel::<[u8; 1 << 20]>(32);
    let (tx, rx) = with_stack(256).spawn(create).unwrap().join().unwrap();
    // Moving such a message does need stack, and so does code that would drop one.
    let rest = move || (tx.capacity(), rx.len());
    assert_eq!(with_stack(64 * 1024).spawn(rest).unwrap().join().unwrap(), (32, 0));
}

#[test]
fn messages_may_borrow_and_need_not_be_send() {
    let text = String::from("a borrowed word");
    let cell = RefCell::new(Vec::new());
    {
        let (tx, mut rx) = mpsc::channel::<(&str, std::rc::Rc<u8>, &RefCell<Vec<&str>>)>(2);
        for word in text.split(' ').take(2) {
            now(tx.send((word, std::rc::Rc::new(1), &cell))).unwrap();
        }
        while let Ok((word, _, list)) = rx.try_recv() {
            list.borrow_mut().push(word);
        }
    }
    assert_eq!(*cell.borrow(), ["a", "borrowed"]);
}
