//! All that this crate asks of a runtime: a share of the running task's budget, whether this thread
//! may block, a timer, and which task runs.
//!
//! With feature `tokio`, Tokio answers. Without it nobody does: there is always a share, every
//! thread may block, timers are the caller's, and no task is known.
//!
//! # The budget
//!
//! Tokio gives each poll of a task 128 shares. An operation that succeeds spends one; without one
//! it returns `Pending`, and the task is woken. Otherwise a loop that always finds a message, or
//! room, would never let another task run. The same operations spend shares as in Tokio 1.54, and
//! the same ones are pending without.
//!
//! A share is asked for only where something will be done with it: by a receive when a message is
//! there, by a send when it does not see at once that it has to wait. A receive that finds nothing
//! only looks whether a share is left; without one it is pending as any other, and does not wait
//! for a message. A send or reserve that waited asks last: by then it has its permits, and keeps
//! them while it is pending. They count as any permit that is out does, and go back if the future
//! is dropped. Closing needs no share.

use core::future::Future;
use core::task::{Context, Poll};

#[cfg(not(parshall_loom))] // loom has a `block_on` of its own
pub(crate) use imp::unlimited;
pub(crate) use imp::{has_share, is_entered, may_block, poll_share, task_number, try_share};

/// What ends the wait of [`Sender::send_timeout`](crate::mpsc::Sender::send_timeout): a [`Timer`],
/// or with feature `tokio` a [`Duration`](core::time::Duration). An addition to Tokio's interface.
///
/// # Examples
/// On [`Timer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not limit how long a send waits",
    label = "not a timeout",
    note = "enable parshall's feature `tokio`, or wrap a timer future in `Timer`: `Timer(sleep(duration))`"
)]
pub trait Timeout: sealed::Start {}

mod sealed {
    use super::Future;

    pub trait Start {
        type Timer: Future;

        /// The timer, which runs from now on. `None`: the end is too far away to be told.
        fn start(self) -> Option<Self::Timer>;

        /// When the time will be over, if the timer tells.
        fn deadline(timer: &Self::Timer) -> Option<std::time::Instant>;
    }
}

/// Any future as a timeout: when it is ready, whatever its output, the time is over. For
/// [`Sender::send_timeout`](crate::mpsc::Sender::send_timeout) on every runtime. An addition to
/// Tokio's interface.
///
/// # Examples
/// ```
/// use parshall::mpsc::{self, Timer, error::SendTimeoutError};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use std::time::Duration;
/// # use tokio::time::sleep;
/// let (tx, _rx) = mpsc::channel(1);
/// let timer = || Timer(sleep(Duration::from_millis(5))); // your runtime's
/// assert_eq!(tx.send_timeout("first", timer()).await, Ok(()));
/// assert_eq!(tx.send_timeout("late", timer()).await, Err(SendTimeoutError::Timeout("late")));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timer<F>(pub F);

impl<F: Future> Timeout for Timer<F> {}

impl<F: Future> sealed::Start for Timer<F> {
    type Timer = F;

    fn start(self) -> Option<F> {
        Some(self.0)
    }

    fn deadline(_: &F) -> Option<std::time::Instant> {
        None
    }
}

/// Takes a share and spends it. False: none is left, and the task will be woken.
#[inline(always)]
pub(crate) fn spend_share(cx: &mut Context<'_>) -> bool {
    match poll_share(cx) {
        Poll::Ready(share) => {
            share.spend();
            true
        }
        Poll::Pending => false,
    }
}

#[cfg(feature = "tokio")]
mod imp {
    #[cfg(not(parshall_loom))]
    use core::future::Future;
    use core::hash::{Hash, Hasher};
    use core::task::{Context, Poll, Waker};
    use core::time::Duration;

    use crate::sync::plain::{AtomicU8, Ordering};

    use tokio::runtime::Handle;
    use tokio::sync::Mutex;
    use tokio::task::coop;
    use tokio::time::{Instant, Sleep, sleep_until};

    /// A share of the running task's budget; dropped unspent, it goes back.
    #[derive(Debug)]
    pub(crate) struct Share(coop::RestoreOnPending);

    impl Share {
        #[inline]
        pub(crate) fn spend(self) {
            // It owns nothing: all that its drop would do is to give the share back.
            core::mem::forget(self.0);
        }
    }

    /// Takes a share. Pending: none is left, and the task will be woken.
    #[inline]
    pub(crate) fn poll_share(cx: &mut Context<'_>) -> Poll<Share> {
        coop::poll_proceed(cx).map(Share)
    }

    /// Whether a share is left.
    #[inline]
    pub(crate) fn has_share() -> bool {
        coop::has_budget_remaining()
    }

    /// Takes a share if one is left; wakes nobody. One look at the budget, not two.
    #[inline]
    pub(crate) fn try_share() -> Option<Share> {
        match poll_share(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    /// `future` without a budget: a thread that blocks has nobody to make way for.
    #[cfg(not(parshall_loom))]
    pub(crate) fn unlimited<F: Future>(future: F) -> impl Future<Output = F::Output> {
        coop::unconstrained(future)
    }

    /// Panics with Tokio's words, at the caller's line, where Tokio forbids to block. Tokio has no
    /// public way to ask, but a lock that is free asks on our behalf, and does not wait.
    #[track_caller]
    #[inline]
    pub(crate) fn may_block() {
        // Outside any runtime there is nothing to ask. With a handle blocking may still be
        // allowed: in `spawn_blocking`, say.
        if Handle::try_current().is_ok() {
            let free = Mutex::const_new(());
            // Nobody else will lock it: it need not be unlocked, which would double the cost.
            core::mem::forget(free.blocking_lock());
        }
    }

    /// Whether this thread is in a runtime: runs a task of it, drives it, or has entered its
    /// handle.
    pub(crate) fn is_entered() -> bool {
        Handle::try_current().is_ok()
    }

    /// Keeps the last number that was hashed.
    struct Hashed(u64);

    impl Hasher for Hashed {
        fn write(&mut self, _: &[u8]) {}

        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }

    /// Whether a task hashes its number: 0 unknown, 1 yes, 2 no. Any thread may find out.
    static HASHED: AtomicU8 = AtomicU8::new(0);

    /// The number of the task that runs on this thread, if one does; never 0. Tokio shows it only
    /// as text, which takes longer than a send. It also hashes it: the first task that asks
    /// compares the two, and if they differ, text it is.
    #[inline]
    pub(crate) fn task_number() -> Option<u64> {
        let id = tokio::task::try_id()?;
        let mut hashed = Hashed(0);
        id.hash(&mut hashed);
        if HASHED.load(Ordering::Relaxed) == 1 { Some(hashed.0) } else { by_text(id, hashed.0) }
    }

    #[cold]
    fn by_text(id: tokio::task::Id, hashed: u64) -> Option<u64> {
        let number = id.to_string().parse().ok()?;
        HASHED.store(if number == hashed { 1 } else { 2 }, Ordering::Relaxed);
        Some(number)
    }

    impl super::Timeout for Duration {}

    impl super::sealed::Start for Duration {
        type Timer = Sleep;

        fn start(self) -> Option<Sleep> {
            // A closure, so that a panic is reported in this crate.
            #[allow(clippy::redundant_closure)]
            Instant::now().checked_add(self).map(|at| sleep_until(at))
        }

        fn deadline(timer: &Sleep) -> Option<std::time::Instant> {
            Some(timer.deadline().into_std())
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod imp {
    #[cfg(not(parshall_loom))]
    use core::future::Future;
    use core::task::{Context, Poll};

    /// What there is always enough of.
    #[derive(Debug)]
    pub(crate) struct Share;

    impl Share {
        #[inline(always)]
        #[allow(clippy::unused_self)] // with a runtime it is used up
        pub(crate) fn spend(self) {}
    }

    #[inline(always)]
    pub(crate) fn poll_share(_: &mut Context<'_>) -> Poll<Share> {
        Poll::Ready(Share)
    }

    #[inline(always)]
    pub(crate) fn has_share() -> bool {
        true
    }

    #[inline(always)]
    #[allow(clippy::unnecessary_wraps)] // with a runtime it may be `None`
    pub(crate) fn try_share() -> Option<Share> {
        Some(Share)
    }

    #[inline(always)]
    #[cfg(not(parshall_loom))]
    pub(crate) fn unlimited<F: Future>(future: F) -> F {
        future
    }

    #[inline(always)]
    pub(crate) fn may_block() {}

    #[inline(always)]
    pub(crate) fn is_entered() -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn task_number() -> Option<u64> {
        None
    }
}
