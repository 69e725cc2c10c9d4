//! Every message is dropped once, in time, whatever its type and whatever panics. B6, B13, B24,
//! B26.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::{channel, send, whole};
use crate::support::{Drops, now, pending};

/// Notes its drop, a byte for each number, and panics in it if its number is odd.
struct Odd(usize, Arc<AtomicU64>);

impl Drop for Odd {
    fn drop(&mut self) {
        self.1.fetch_add(1 << (8 * (self.0 % 8)), Ordering::SeqCst);
        assert!(self.0.is_multiple_of(2) || thread::panicking(), "odd {}", self.0);
    }
}

/// Numbers 0 to 7, dropped once each.
const EACH_ONCE: u64 = 0x0101_0101_0101_0101;

/// Seen to fail with: a drain that calls `drop` unguarded; and one that reads a message without
/// moving the head before it is dropped.
#[test]
fn b06_panicking_drops_do_not_stop_the_drain_and_the_first_panic_goes_on() {
    let (tx, rx) = channel(8);
    let dropped = Arc::new(AtomicU64::new(0));
    (0..8).for_each(|i| assert!(send(&tx, Odd(i, dropped.clone())).is_ok()));
    let mut closed = pending(tx.closed());
    let payload = catch_unwind(AssertUnwindSafe(|| drop(rx))).unwrap_err();
    assert_eq!(*payload.downcast::<String>().unwrap(), "odd 1");
    assert_eq!(dropped.load(Ordering::SeqCst), EACH_ONCE);
    assert_eq!((closed.wakes(), closed.ready()), (1, ()));
    drop(closed);
    whole(&tx);
    drop(tx);
    assert_eq!(dropped.load(Ordering::SeqCst), EACH_ONCE);
}

/// A message that panics in every drop, with a payload that panics when it is dropped itself.
struct Nested(Arc<AtomicUsize>);

impl Drop for Nested {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::panic::panic_any(Odd(1, Arc::default()));
    }
}

/// Seen to fail with: `FirstPanic::resume` that asks for no other panic.
#[test]
#[cfg_attr(
    miri,
    ignore = "the standard library adds a backtrace to a panic in a panic: half a minute"
)]
fn b06_a_receiver_dropped_by_a_panic_does_not_abort_the_process() {
    let (tx, rx) = channel(8);
    let dropped = Arc::new(AtomicUsize::new(0));
    (0..3).for_each(|_| assert!(send(&tx, Nested(dropped.clone())).is_ok()));
    let payload = catch_unwind(AssertUnwindSafe(|| {
        let _rx = rx;
        panic!("the task's own");
    }));
    assert_eq!(*payload.unwrap_err().downcast::<&str>().unwrap(), "the task's own");
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    whole(&tx);
}

/// Seen to fail with: `FirstPanic::run` that drops the payloads it does not keep, unguarded.
#[test]
fn b06_a_payload_that_panics_when_dropped_does_not_stop_the_drain() {
    let (tx, rx) = channel(8);
    let dropped = Arc::new(AtomicUsize::new(0));
    (0..3).for_each(|_| assert!(send(&tx, Nested(dropped.clone())).is_ok()));
    let payload = catch_unwind(AssertUnwindSafe(|| drop(rx))).unwrap_err();
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    whole(&tx);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err());
}

/// Seen to fail with: `Consumer::drop` that leaves what is in the ring to the last handle.
#[test]
fn b13_what_is_left_is_dropped_with_the_receiver_not_later() {
    for senders_first in [false, true] {
        let (tx, mut rx) = channel(80);
        let (count, messages) = Drops::many::<70>();
        for message in messages {
            assert!(send(&tx, message).is_ok());
        }
        drop(rx.try_recv().unwrap());
        assert_eq!(count.get(), 1);
        let (weak, mut tx) = (tx.downgrade(), Some(tx));
        if senders_first {
            tx = None;
        }
        drop(rx);
        assert_eq!(count.get(), 70, "while a handle is left");
        drop((tx, weak));
        assert_eq!(count.get(), 70);
    }
}

/// A stack on which no message of 1 MiB has room, debug builds included.
fn on_a_small_stack<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    thread::Builder::new().stack_size(192 * 1024).spawn(f).unwrap().join().unwrap()
}

fn on_a_large_stack<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    thread::Builder::new().stack_size(64 << 20).spawn(f).unwrap().join().unwrap()
}

type Huge = [u8; 1 << 20];

/// One on the stack of its caller.
#[allow(clippy::large_stack_arrays)]
fn huge(byte: u8) -> Huge {
    [byte; 1 << 20]
}

/// Seen to fail with: `Chan::create` with an array of one message on its stack. A stack that
/// overflows ends the process.
#[test]
fn b24_a_channel_of_huge_messages_needs_no_stack_at_creation() {
    let (tx, rx) = on_a_small_stack(|| channel::<Huge>(32));
    on_a_large_stack(move || {
        send(&tx, huge(7)).unwrap();
        drop(tx);
        let mut rx = rx;
        assert_eq!(rx.try_recv().unwrap()[1 << 19], 7);
    });
}

/// Sending and receiving move a message over the caller's stack. Dropping need not.
///
/// Seen to fail with: a drain that moves each message out of the ring to drop it.
#[test]
fn b24_a_receiver_drops_huge_messages_where_they_are() {
    let (tx, rx) = on_a_large_stack(|| {
        let (tx, rx) = channel::<Huge>(32);
        (0..3).for_each(|i| send(&tx, huge(i)).unwrap());
        (tx, rx)
    });
    on_a_small_stack(move || drop(rx));
    whole(&tx);
    on_a_small_stack(move || drop(tx));
}

std::thread_local! {
    static WITHOUT_SIZE: Cell<usize> = const { Cell::new(0) };
}

/// Seen to fail with: a drain that passes over messages of size 0.
#[test]
fn b26_messages_without_size_are_counted_and_dropped() {
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            WITHOUT_SIZE.set(WITHOUT_SIZE.get() + 1);
        }
    }
    let before = WITHOUT_SIZE.get();
    let (tx, mut rx) = channel(40);
    (0..40).for_each(|_| assert!(send(&tx, Nothing).is_ok()));
    assert_eq!((WITHOUT_SIZE.get(), rx.len()), (before, 40));
    drop(rx.try_recv());
    let mut got = Vec::new();
    assert_eq!((now(rx.recv_many(&mut got, 2)), rx.len()), (2, 37));
    drop(got);
    assert_eq!(WITHOUT_SIZE.get(), before + 3);
    drop(rx);
    assert_eq!(WITHOUT_SIZE.get(), before + 40);
    drop(send(&tx, Nothing));
    assert_eq!(WITHOUT_SIZE.get(), before + 41);
}

/// Notes in its drop whether it lies where its type must.
#[repr(align(4096))]
struct Page([u8; 10_000], Arc<AtomicUsize>);

impl Drop for Page {
    fn drop(&mut self) {
        let address = std::ptr::from_ref(self).addr();
        self.1.fetch_add(usize::from(address.is_multiple_of(4096)), Ordering::SeqCst);
    }
}

/// Also those that the receiver's drop may drop where they lie.
///
/// Seen to fail with: a ring allocated for alignment 8; and, a slot that is read as its bytes in
/// reverse.
#[test]
fn b26_over_aligned_messages_arrive_whole_and_lie_right() {
    let (tx, mut rx) = channel(3);
    let aligned = Arc::new(AtomicUsize::new(0));
    for lap in 0..5 {
        (0..3).for_each(|i| {
            assert!(send(&tx, Page([lap * 3 + i; 10_000], aligned.clone())).is_ok());
        });
        for i in 0..3 {
            let page = rx.try_recv().unwrap();
            assert!(page.0 == [lap * 3 + i; 10_000]);
        }
    }
    (0..3).for_each(|i| assert!(send(&tx, Page([i; 10_000], aligned.clone())).is_ok()));
    drop(rx);
    assert_eq!(aligned.load(Ordering::SeqCst), 18);
}

/// A message's address, and what is known of it, go through unharmed.
///
/// Seen to fail with: a slot that is read as its bytes in reverse.
#[test]
fn b26_boxes_and_values_with_niches_keep_what_they_are() {
    let (tx, mut rx) = channel(4);
    let message = Some(Box::new((1u8, 2u64)));
    let address = message.as_deref().map(std::ptr::from_ref);
    send(&tx, message).unwrap();
    send(&tx, None).unwrap();
    let got = rx.try_recv().unwrap();
    assert_eq!(got.as_deref().map(std::ptr::from_ref), address);
    assert_eq!((got, rx.try_recv()), (Some(Box::new((1, 2))), Ok(None)));
    let (tx, mut rx) = channel(4);
    let text: &str = "text";
    let wide: Box<dyn Fn(&str) -> bool> = Box::new(move |other| std::ptr::eq(other, text));
    assert!(send(&tx, (std::num::NonZeroU8::MAX, true, 'x', wide)).is_ok());
    let Ok((number, flag, letter, wide)) = rx.try_recv() else { panic!("sent") };
    assert_eq!((number.get(), flag, letter, wide(text)), (255, true, 'x', true));
}

/// As tokio's, the channel asks for no bound: messages may borrow, and stay on one thread.
///
/// Seen to fail with: `T: 'static` on the constructor. It no longer compiles.
#[test]
fn b20_messages_may_borrow_and_need_not_be_send() {
    let text = String::from("a borrowed word");
    let cell = RefCell::new(Vec::new());
    {
        let (tx, mut rx) = channel::<(&str, std::rc::Rc<u8>, &RefCell<Vec<&str>>)>(2);
        for word in text.split(' ').take(2) {
            send(&tx, (word, std::rc::Rc::new(1), &cell)).unwrap();
        }
        while let Ok((word, _, list)) = rx.try_recv() {
            list.borrow_mut().push(word);
        }
    }
    assert_eq!(*cell.borrow(), ["a", "borrowed"]);
}
