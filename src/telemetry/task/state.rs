//! What a named task is doing, and since when, in one word.
//!
//! The two low bits say what, the others when, on the telemetry clock.
//!
//! | step | from | to | time |
//! |---|---|---|---|
//! | wake-up | Idle | Scheduled | now |
//! | wake-up | Running | Rewoken | as it is |
//! | wake-up | Scheduled, Rewoken | the same | as it is |
//! | a poll begins | Scheduled | Running | as it is |
//! | a poll begins that nobody woke | any other | Running | now |
//! | it ends | Running | Idle | now |
//! | it ends | Rewoken | Scheduled | now |
//!
//! So a task that was woken, and again while it waited to be polled, is Scheduled since the first
//! wake-up. One that runs says when it was woken, and one that is idle has been so since then: it
//! may have waited long for its poll, and that may have taken long.
//!
//! # Idle is true
//!
//! A wake-up has two steps: it changes this word, then it wakes the executor, which will poll the
//! task once more. Could a poll in between make the word Idle, although the task has to be polled
//! for what the wake-up told? Of the wake-up's step and that by which the poll begins, one comes
//! first.
//!
//! 1. The wake-up's: it releases, and the poll's acquires, also where the wake-up found the word
//!    Scheduled and wrote what was there. So that poll sees what the wake-up told, and the one that
//!    the executor still owes has nothing to do.
//! 2. The poll's: the wake-up finds Running, or what came after it. It leaves Rewoken or Scheduled,
//!    and so does the end of that poll.

use crate::sync::plain::{AtomicU64, Ordering};
use crate::telemetry::clock;

/// What a named task is doing. True at the moment of the snapshot only.
///
/// # Examples
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Waker};
///
/// use parshall::task::{TaskState, named};
///
/// let (tx, mut rx) = parshall::mpsc::channel(1);
/// let mut reader = pin!(named("reader", rx.recv()));
/// assert!(reader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
///
/// let state = || {
///     let tasks = parshall::snapshot().tasks;
///     tasks.iter().find(|task| task.name.as_deref() == Some("reader")).and_then(|task| task.state)
/// };
/// assert_eq!(state(), Some(TaskState::Idle));
/// tx.try_send("wakes it")?;
/// assert_eq!(state(), Some(TaskState::Scheduled)); // its executor has yet to poll it
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// Woken, and not polled since.
    Scheduled,
    /// Being polled, whether it was woken meanwhile or not.
    Running,
    /// Waiting to be woken.
    Idle,
}

impl TaskState {
    /// `scheduled`, `running` or `idle`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Idle => "idle",
        }
    }
}

const IDLE: u64 = 0;
const SCHEDULED: u64 = 1;
const RUNNING: u64 = 2;
const REWOKEN: u64 = 3;
const WHAT: u64 = 3;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct State(AtomicU64);

fn now(what: u64) -> u64 {
    clock::now() << 2 | what
}

impl State {
    /// Of a task that has yet to be polled for the first time.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(now(SCHEDULED)))
    }

    /// What, and since when on the telemetry clock.
    pub(super) fn get(&self) -> (TaskState, u64) {
        // A gauge.
        let word = self.0.load(Ordering::Relaxed);
        let what = match word & WHAT {
            IDLE => TaskState::Idle,
            SCHEDULED => TaskState::Scheduled,
            _ => TaskState::Running,
        };
        (what, word >> 2)
    }

    /// The executor is about to be woken.
    #[inline]
    pub(super) fn wake_up(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = match word & WHAT {
                IDLE => now(SCHEDULED),
                RUNNING => word & !WHAT | REWOKEN,
                _ => word,
            };
            // Release: pairs with the step of `poll_begins`. Not left out if nothing changes: see
            // "Idle is true".
            match self.0.compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// A poll begins. It ends as what is returned is dropped, should it panic.
    #[inline]
    pub(super) fn poll(&self) -> Polling<'_> {
        self.poll_begins();
        Polling(self)
    }

    #[inline]
    fn poll_begins(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = if word & WHAT == SCHEDULED { word & !WHAT | RUNNING } else { now(RUNNING) };
            // Acquire: pairs with the step of `wake_up`.
            match self.0.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    #[inline]
    fn poll_ends(&self) {
        let word = self.0.load(Ordering::Relaxed);
        // Relaxed: what a wake-up during the poll told, the next poll acquires.
        let order = Ordering::Relaxed;
        if word & WHAT != RUNNING || self.0.compare_exchange(word, now(IDLE), order, order).is_err()
        {
            self.rewoken();
        }
    }

    /// A poll during which the task was woken ends: no other step but wake-ups comes meanwhile.
    #[cold]
    fn rewoken(&self) {
        // Relaxed: a swap, as all steps are, goes on to tell the next poll what a wake-up released.
        self.0.swap(now(SCHEDULED), Ordering::Relaxed);
    }
}

/// A poll, until it is dropped.
pub(super) struct Polling<'a>(&'a State);

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.poll_ends();
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    /// Seen to fail with: a time that each wake-up moves forward; an end of a poll that loses one;
    /// and one that leaves the time of the wake-up.
    #[test]
    fn each_step_leads_where_the_table_says() {
        let past = |what| State(AtomicU64::new(7 << 2 | what));
        let after = |what, step: fn(&State)| {
            let state = past(what);
            step(&state);
            let word = state.0.into_inner();
            (word & WHAT, word >> 2 == 7)
        };
        for (from, to, same) in [
            (IDLE, SCHEDULED, false),
            (RUNNING, REWOKEN, true),
            (SCHEDULED, SCHEDULED, true),
            (REWOKEN, REWOKEN, true),
        ] {
            assert_eq!(after(from, State::wake_up), (to, same), "wake-up from {from}");
            let kept = from == SCHEDULED;
            assert_eq!(after(from, State::poll_begins), (RUNNING, kept), "poll from {from}");
        }
        assert_eq!(after(RUNNING, State::poll_ends), (IDLE, false));
        assert_eq!(after(REWOKEN, State::poll_ends), (SCHEDULED, false));
        for what in [IDLE, SCHEDULED, RUNNING, REWOKEN] {
            let shown = match what {
                IDLE => TaskState::Idle,
                SCHEDULED => TaskState::Scheduled,
                _ => TaskState::Running,
            };
            assert_eq!(past(what).get(), (shown, 7));
        }
    }
}
