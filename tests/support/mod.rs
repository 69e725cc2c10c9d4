//! What the tests share: futures polled by hand, wakers that count, messages that note their drop.
#![allow(dead_code)] // no test uses all of it

pub(crate) mod heap;
pub(crate) mod hooked;
pub(crate) mod used;
pub(crate) mod watchdog;

use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use parshall::mpsc::{self, Receiver, Sender};

/// So many rounds; under Miri, which is some hundred times slower, one of 500.
pub(crate) const fn rounds(n: usize) -> usize {
    if cfg!(miri) { n.div_ceil(500) } else { n }
}

/// A channel that is full of the numbers from 0.
pub(crate) fn full(capacity: usize) -> (Sender<usize>, Receiver<usize>) {
    let (tx, rx) = mpsc::channel(capacity);
    (0..capacity).for_each(|i| tx.try_send(i).unwrap());
    (tx, rx)
}

/// A waker that counts.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::<Self>::default();
        (wakes.clone(), wakes.into())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is polled by hand, with a waker of its own.
pub(crate) struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// A future to be polled by hand; not polled yet.
pub(crate) fn task<F: Future>(future: F) -> Task<F> {
    let (wakes, waker) = Wakes::new();
    Task { future: Box::pin(future), wakes, waker }
}

/// A future that is pending after its first poll.
pub(crate) fn pending<F: Future<Output: Debug>>(future: F) -> Task<F> {
    let mut task = task(future);
    task.still_pending();
    task
}

impl<F: Future<Output: Debug>> Task<F> {
    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.poll_with(&self.waker.clone())
    }

    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    pub(crate) fn still_pending(&mut self) {
        let poll = self.poll();
        assert!(poll.is_pending(), "expected to wait, got {poll:?}");
    }

    pub(crate) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("expected to be ready"),
        }
    }

    /// How often it was woken since it was made.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.count()
    }

    /// Forgets the future as it stands.
    pub(crate) fn forget(self) {
        // SAFETY: it stays where it is, for ever.
        let future = unsafe { Pin::into_inner_unchecked(self.future) };
        keep(Box::into_raw(future).cast_const().cast());
    }
}

/// A value that lives for ever, as one that was forgotten.
pub(crate) fn leak<T: 'static>(value: T) -> &'static T {
    let leaked = Box::leak(Box::new(value));
    keep(std::ptr::from_ref(leaked).cast());
    leaked
}

/// Lets leak checkers find what a test leaks on purpose.
fn keep(leaked: *const ()) {
    struct Kept(#[allow(dead_code)] *const ());
    // SAFETY: nobody reads it but a leak checker.
    unsafe impl Send for Kept {}
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(Kept(leaked));
}

/// What a future gives at its first poll.
pub(crate) fn now<F: Future<Output: Debug>>(future: F) -> F::Output {
    task(future).ready()
}

/// Counts its own drops.
#[derive(Debug, Clone)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    /// `N` messages that count together.
    pub(crate) fn many<const N: usize>() -> (Counter, [Self; N]) {
        let count = Arc::<AtomicUsize>::default();
        (Counter(count.clone()), std::array::from_fn(|_| Self(count.clone())))
    }

    pub(crate) fn new() -> (Counter, Self) {
        let count = Arc::<AtomicUsize>::default();
        (Counter(count.clone()), Self(count))
    }
}

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads how often something happened.
#[derive(Debug, Clone)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Waits for what becomes true when no other test's snapshot holds a dead channel any more.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed().as_secs() < 60, "never: {what}");
        std::thread::yield_now();
    }
}

/// What a panic said, and where.
pub(crate) type Panic = (String, String, u32);

/// The panic of `f`, which runs on this thread. The hook is the process's: one test uses it.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> Panic {
    static SEEN: Mutex<Option<Panic>> = Mutex::new(None);
    let before = std::panic::take_hook();
    let this = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == this {
            let text = match info.payload().downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => (*info.payload().downcast_ref::<&str>().unwrap()).to_owned(),
            };
            let place = info.location().unwrap();
            *SEEN.lock().unwrap() = Some((text, place.file().to_owned(), place.line()));
        }
    }));
    let result = catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(before);
    assert!(result.is_err(), "no panic");
    SEEN.lock().unwrap().take().unwrap()
}
