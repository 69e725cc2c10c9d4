//! Senders that wait for room, in the order in which they came, without a lock. The argument is in
//! [`super`].
//!
//! A queue is a [row](super::row) of numbered places and a [line](super::line), two numbers that
//! say which of them are in use. Here is how a waiter looks after its wait. How it comes to wait is
//! in [`register`](super::register), how it is served in [`serve`](super::serve), and how a wait
//! ends before that in [`early`](super::early).
//!
//! Wakers are user code: they are cloned before the first step, and woken and dropped after the
//! last one, or after each [`super::batch`] of them. A waker that does not return is a thread
//! stopped there.

use core::ptr::NonNull;
use core::task::Waker;

use super::line::Line;
use super::place::{Kind, Place};
use super::row::{Hint, Row};
use super::waker_id::WakerId;
use super::walk::Walk;
use crate::sync::{plain, step};
use crate::telemetry::clock;
use crate::telemetry::waits::Reported;
use crate::unwind::FirstPanic;

/// A place in the row, and the waker that was put there. Its owner is the only one who has it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) place: NonNull<Place>,
    /// While the place is Waiting that waker is alive, so nobody else has this identity.
    pub(super) waker: WakerId,
}

// SAFETY: the place is shared between threads.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

/// How far a wait is, as its owner learns it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WaitStatus {
    /// All units are its own; the wait has ended.
    Granted,
    /// Closed; the wait has ended, and these units are to be released.
    Closed(u64),
    Pending,
}

/// See the module. The line comes first: a channel in which nobody waits has nothing but that.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WaitQueue {
    pub(super) line: Line,
    pub(super) row: Row,
    /// Where the last one came.
    pub(super) newest: Hint,
    /// Where the last one was served.
    pub(super) oldest: Hint,
    pub(super) reported: Reported,
    /// Waits that their owners gave up.
    pub(super) given_up: plain::AtomicU64,
}

impl WaitQueue {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            line: Line::new(),
            row: Row::new(),
            newest: Hint::new(),
            oldest: Hint::new(),
            reported: Reported::default(),
            given_up: plain::AtomicU64::new(0),
        }
    }

    /// Whether nobody waits. Whoever began to wait before the caller's last acquired step is seen;
    /// it may change at any time.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty(|arrivals| self.is_empty_slow(arrivals))
    }

    /// Moves the front over the places that are final by now, so that the next claim need not walk.
    #[inline]
    pub(super) fn advance_front(&self) {
        self.is_empty();
    }

    /// Whether nobody waits or is about to; if so, whoever comes later sees what the caller did by
    /// a SeqCst step.
    #[inline]
    pub(crate) fn is_empty_sc(&self) -> bool {
        self.line.is_empty_sc()
    }

    /// A walk along the places that may not be final, to the place `end`.
    #[inline]
    pub(super) fn walk_to(&self, end: u64) -> Walk<'_> {
        Walk::to(&self.line, &self.row, &self.oldest, end)
    }

    /// Whether nobody waits, where so many have arrived.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_empty_slow(&self, arrivals: u64) -> bool {
        !self.anybody_before(arrivals)
    }

    /// Whether anybody waits in a place before `index`.
    pub(super) fn anybody_before(&self, index: u64) -> bool {
        let mut walk = self.walk_to(index);
        let mut found = false;
        while let Some((_, _, state)) = walk.next() {
            if state.is_waiting() {
                found = true;
                break;
            }
        }
        walk.finish();
        found
    }

    /// Ends a wait that was granted, and takes its key. False: it was not, or nobody waits.
    ///
    /// # Safety
    /// The key is of a queue that lives.
    #[inline(always)]
    pub(crate) unsafe fn take_granted(key: &mut Option<Key>) -> bool {
        let Some(owned) = key else { return false };
        // SAFETY: its segment stays while the place is not left.
        let place = unsafe { owned.place.as_ref() };
        if place.state().kind() != Kind::Granted {
            return false;
        }
        *key = None;
        place.leave();
        true
    }

    /// Looks after a registered wait; while it is pending, it is that of `task`, and `waker` is
    /// woken. Takes the key when the wait has ended. A panic of the waker's `clone` leaves all as
    /// it was.
    ///
    /// # Safety
    /// The key is of this queue.
    #[allow(clippy::unused_self)] // the key lives as long
    #[inline]
    pub(crate) unsafe fn poll(
        &self,
        key: &mut Option<Key>,
        task: impl Fn() -> u64,
        waker: &Waker,
        panic: &mut FirstPanic,
    ) -> WaitStatus {
        let owned = key.as_mut().expect("polled after the wait had ended");
        // SAFETY: of this queue; its segment stays while the place is not left.
        let place = unsafe { owned.place.as_ref() };
        let is_same = owned.waker.is(waker);
        let mut state = if is_same {
            // The future may have moved to another task, under the same waker even.
            place.set_task(task());
            place.confirm()
        } else {
            place.state()
        };
        let mut spare = None;
        if state.kind() == Kind::Waiting {
            if is_same {
                return WaitStatus::Pending;
            }
            let new = waker.clone();
            owned.waker = WakerId::of(&new);
            spare = Some(new);
            while state.kind() == Kind::Waiting {
                match place.swap(state, state.to(Kind::Updating)) {
                    Ok(()) => state = state.to(Kind::Updating),
                    Err(now) => state = now,
                }
            }
            if state.kind() == Kind::Updating {
                step("update: begun");
                // While the waker changes, the word says of neither that it is the task's own.
                place.set_task(0);
                // SAFETY: ours while it is Updating, and after it ended there.
                spare = spare.and_then(|new| unsafe { place.put_waker(new) });
                place.set_task(task());
                // Units may come meanwhile, or the end of the wait.
                while state.kind() == Kind::Updating {
                    match place.swap(state, state.to(Kind::Waiting)) {
                        Ok(()) => {
                            panic.discard(spare);
                            return WaitStatus::Pending;
                        }
                        Err(now) => state = now,
                    }
                }
                // SAFETY: as above.
                panic.discard(unsafe { place.end(clock::now()) });
            }
        }
        *key = None;
        place.leave();
        panic.discard(spare);
        match state.kind() {
            Kind::Closed => WaitStatus::Closed(state.assigned()),
            _ => WaitStatus::Granted,
        }
    }
}
