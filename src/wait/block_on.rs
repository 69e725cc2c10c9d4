//! Runs a future on the calling thread, which sleeps in between.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};
use std::task::Wake;
use std::time::Instant;

use crate::runtime;
use crate::sync::plain::Arc;
use crate::sync::{AtomicBool, Ordering, thread};
use crate::telemetry::task;

/// WebAssembly without atomics: no other thread could wake this one.
const ONE_THREAD: bool = cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

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

    /// Sleeps until the next wake-up, or until `deadline`. The flag makes foreign unparks harmless.
    fn park(&self, deadline: Option<Instant>) {
        // ORDERING(K4): Acquire. Pairs with K4 in `wake_by_ref`: the poll after it sees what
        // the waker's caller did.
        while !self.woken.swap(false, Ordering::AcqRel) {
            match deadline {
                // `std`'s park returns at once there: this loop would never end.
                _ if ONE_THREAD => {
                    panic!("a blocking call would wait for ever: this target has no threads")
                }
                None => thread::park(),
                Some(deadline) if is_past(deadline) => return,
                Some(deadline) => {
                    thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
                }
            }
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING(K4): Release. Pairs with K4 in `park`.
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

fn is_past(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

/// Polls `future` on this thread until it is ready, or once more after `deadline`. The future is
/// dropped by then; `None` says no more than that it was not ready.
pub(crate) fn block_on_until<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(runtime::unlimited(future));
    let parker = ThreadWaker::new();
    let waker = parker.clone().into();
    task::blocks_with(&waker);
    let mut cx = Context::from_waker(&waker);
    let mut late = false;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if late {
            return None;
        }
        parker.park(deadline);
        // Asked after each wake-up: a future that goes on waking itself gets no more time either.
        late = deadline.is_some_and(is_past);
    }
}

/// Polls `future` on this thread until it is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    block_on_until(future, None).expect("there is no deadline")
}

#[cfg(test)]
mod tests {
    use core::future::poll_fn;
    use core::time::Duration;

    use super::*;

    /// What has become ready by the deadline is not lost: the future is polled once more after it,
    /// and not a third time.
    ///
    /// Seen to fail with: a loop that ends with the deadline.
    #[test]
    fn the_last_poll_comes_after_the_deadline() {
        for ready_at in [2, 3] {
            let deadline = Instant::now() + Duration::from_millis(2);
            let mut polls = 0;
            let future = poll_fn(|_| {
                polls += 1;
                // Nobody wakes; the first poll is longer than there is time.
                while !is_past(deadline) {
                    thread::yield_now();
                }
                if polls == ready_at { Poll::Ready(polls) } else { Poll::Pending }
            });
            assert_eq!(block_on_until(future, Some(deadline)), (ready_at == 2).then_some(2));
            assert_eq!(polls, 2);
        }
    }
}
