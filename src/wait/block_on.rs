//! Runs a future on the calling thread, which sleeps in between.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};
use std::task::Wake;

use crate::sync::{Arc, AtomicBool, Ordering, thread};

/// Unparks one thread; remembers a wake-up that came before the park.
#[derive(Debug)]
struct ThreadWaker {
    thread: thread::Thread,
    woken: AtomicBool,
}

impl ThreadWaker {
    fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    /// Sleeps until the next wake-up. The flag makes foreign unparks harmless.
    fn park(&self) {
        // ORDERING(B1): Acquire. Pairs with B1 in `wake_by_ref`: the poll after it sees what
        // the waker's caller did.
        while !self.woken.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING(B1): Release. Pairs with B1 in `park`.
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

/// Polls `future` on this thread until it is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = ThreadWaker::new();
    let waker = parker.clone().into();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.park();
    }
}
