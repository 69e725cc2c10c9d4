//! A waiter's place in the row: one word that decides everything, and what belongs to whoever it
//! says.
//!
//! ```text
//!                  fills it                assigned all it needs            polls
//! Empty (taken) --------------> Waiting ------------------------> Granted ---------> over
//!   |                            |  ^  \
//!   | a server, or its owner:    |  |   \ its owner gives up, or closing
//!   v nobody waits here      new |  |    ----------------------> Gone, Closed -----> over
//!  Gone                    waker v  |
//!                           Updating ---> Granted, Closed
//! ```
//!
//! Granted, Closed and Gone are final. Every change is a compare-and-swap on the word, which also
//! counts the units that were assigned so far, so that they change hands with the state.
//!
//! | from | to | who | in | assigned |
//! |---|---|---|---|---|
//! | Empty | Waiting | its owner, who has to wait | `register` `fill` | + what it brings |
//! | Empty | Empty | its owner, first in line, with a part of its need | `register` `keep_part` | + the part, or - it |
//! | Empty | Gone | its owner, who need not wait | `register` `register_generally` | as it is: the owner's |
//! | Empty | Gone | a server or a newcomer that passes it | `serve` `pass_by`, `register` `keep_part` | as it is: that one's |
//! | Waiting, Updating | the same | a server with less than is missing | `serve` `serve_slow` | + what it gives |
//! | Waiting, Updating | Granted | a server with all that is missing | `serve` `serve_first`, `serve_slow` | + what it gives |
//! | Waiting, Granted, Closed | the same | its owner, polled with the same waker | `queue` `poll` | as it is |
//! | Waiting | Updating | its owner, polled with another waker | `queue` `poll` | as it is |
//! | Updating | Waiting | its owner, with that waker in place | `queue` `poll` | as it is |
//! | Waiting | Gone | its owner, which gives up | `early` `cancel` | as it is: released |
//! | Empty | Gone | who closes | `early` `close` | as it is: released |
//! | Waiting, Updating | Closed | who closes | `early` `close` | as it is: released by its owner |
//!
//! The waker belongs to
//!
//! * the owner of the place while it is Empty or Updating, and when the owner ended it;
//! * nobody while it is Waiting;
//! * whoever took it from Waiting to Granted or Closed, until it notes the end.
//!
//! A place is *over* when its owner has left it and the end is noted: then nobody looks at the
//! waker any more, and the row may use the memory again. It may do so while others still look at
//! the word: the word carries the number of its segment, so that their swaps fail.

use core::task::Waker;

use super::want::Want;
use crate::sync::order::PollEdge;
use crate::sync::{AtomicU64, Ordering, UnsafeCell, row};

/// Who waits, since when, for how much: what telemetry sees of a waiter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// Who waits, by which waker: of `telemetry::task::waiter`. As it is read, also [`LEFT`].
    pub(crate) task: u64,
    /// Nanoseconds on the telemetry clock, never 0.
    pub(crate) since: u64,
    pub(crate) want: Want,
}

/// In the place of the task: the owner has seen the end of its wait, and left. No task has this
/// word: the three bits that say its kind are never all set (`telemetry::task::who`).
const LEFT: u64 = u64::MAX;

/// The end of a place in which nobody has waited, and so there is no waker to be taken. Its `since`
/// is 0, and was stored before.
const NO_WAIT: u64 = 1;

impl Waiter {
    /// That of a place where nobody waits.
    pub(super) const NONE: Self = Self { task: 0, since: 0, want: Want::NONE };

    /// Whether the owner of the place has left it. May become true at any time.
    pub(super) fn has_left(self) -> bool {
        self.task == LEFT
    }
}

/// What a place is, in the low byte of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not filled by its owner yet.
    Empty = 0,
    /// Filled; a server may assign units to it.
    Waiting = 1,
    /// Likewise, while its owner changes the waker.
    Updating = 2,
    /// It has all it needs.
    Granted = 3,
    /// The channel was closed first.
    Closed = 4,
    /// Nobody waits here, or not any more.
    Gone = 5,
}

/// A place's word: `[ tag, 32 bits | assigned, 24 | kind, 8 ]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u64);

impl State {
    /// An empty place in the segment with this number.
    pub(super) fn empty(segment: u64) -> Self {
        Self(segment << 32)
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        match self.0 & 0xff {
            0 => Kind::Empty,
            1 => Kind::Waiting,
            2 => Kind::Updating,
            3 => Kind::Granted,
            4 => Kind::Closed,
            _ => Kind::Gone,
        }
    }

    pub(super) fn assigned(self) -> u64 {
        self.0 >> 8 & 0xff_ffff
    }

    /// Whether the place still lies in the segment with this number.
    pub(super) fn is_of(self, segment: u64) -> bool {
        self.0 >> 32 == segment & 0xffff_ffff
    }

    /// Somebody waits: for units, or for closing.
    pub(super) fn is_waiting(self) -> bool {
        matches!(self.kind(), Kind::Waiting | Kind::Updating)
    }

    /// Nothing will change any more.
    pub(super) fn is_final(self) -> bool {
        !self.is_waiting() && self.kind() != Kind::Empty
    }

    /// The place lies in the segment with this number, and something may still change.
    pub(super) fn is_open(self, segment: u64) -> bool {
        self.is_of(segment) && !self.is_final()
    }

    pub(super) fn to(self, kind: Kind) -> Self {
        Self(self.0 & !0xff | kind as u64)
    }

    pub(super) fn assign(self, n: u64) -> Self {
        Self(self.0 + (n << 8))
    }
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}({}) in segment {}", self.kind(), self.assigned(), self.0 >> 32)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Place {
    state: AtomicU64,
    waker: UnsafeCell<Option<Waker>>,
    /// From the owner's newest poll.
    poll_edge: PollEdge,
    /// Who waits. This and the next two are written before the place is Waiting, and again by its
    /// owner only.
    task: row::AtomicU64,
    since: row::AtomicU64,
    want: row::AtomicU64,
    /// When the wait ended, once its waker was taken, or [`NO_WAIT`]; 0 before that.
    ended: row::AtomicU64,
}

// SAFETY: a `Waker` may go to any thread; the module's table makes every access exclusive.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Place {
    pub(super) fn new(segment: u64) -> Self {
        Self {
            state: AtomicU64::new(State::empty(segment).0),
            waker: UnsafeCell::new(None),
            poll_edge: PollEdge::new(),
            task: row::AtomicU64::new(0),
            since: row::AtomicU64::new(0),
            want: row::AtomicU64::new(0),
            ended: row::AtomicU64::new(0),
        }
    }

    /// Makes a place that is over an empty one of another segment. The caller has it alone, but for
    /// others who look at the word for what it was.
    pub(super) fn renew(&self, segment: u64) {
        // ORDERING(Q0): Relaxed. The segment is published by Q3 in `row`. A swap by who comes late
        // fails whatever it sees.
        self.state.store(State::empty(segment).0, Ordering::Relaxed);
        self.set_waiter(Waiter::NONE);
        self.set_ended(0);
    }

    /// The word, in the order of all SeqCst steps.
    #[inline]
    pub(super) fn state(&self) -> State {
        // ORDERING(Q1, Q2): SeqCst. Acquire: pairs with Q1 in `swap`, whose units and waiter it
        // sees. SeqCst: pairs with Q2 in `swap`: of a look at who stands ahead and the end of
        // that wait, the later one sees the earlier (`mod`).
        State(self.state.load(Ordering::SeqCst))
    }

    /// Moves the word on, or returns what it is by now.
    pub(super) fn swap(&self, from: State, to: State) -> Result<(), State> {
        // ORDERING(Q1, Q2): SeqCst. Release: pairs with Q1 here and in `state`: who finds it
        // Waiting sees waker and waiter. Acquire: the other end. SeqCst: see Q2 in `state`.
        // Relaxed: a failure tells nothing but that it failed.
        self.state
            .compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Relaxed)
            .map(drop)
            .map_err(|_| self.state())
    }

    /// The word, by a step that changes nothing: who ends the wait after it sees what the caller
    /// did before.
    #[must_use = "else the step may be left out"]
    pub(super) fn confirm(&self) -> State {
        // ORDERING(Q1): AcqRel. Release: pairs with Q1 in `swap`. A load could find the place
        // Waiting that is Granted by now; and whoever granted it might take the task for one that
        // was woken already, by a word that is older than the poll. Acquire: as in `state`.
        let state = State(self.state.fetch_or(0, Ordering::AcqRel));
        if state.kind() == Kind::Waiting {
            self.poll_edge.begin();
        }
        state
    }

    /// Passes a place that is not filled, and takes over what was assigned there. Returns its word.
    pub(super) fn pass(&self, state: State, hand: &mut u64) -> State {
        let gone = state.to(Kind::Gone);
        match self.swap(state, gone) {
            Ok(()) => {
                *hand += state.assigned();
                gone
            }
            Err(now) => now,
        }
    }

    /// Puts the first waker of a wait in.
    ///
    /// # Safety
    /// The caller is the owner, and the place is Empty: who ended the wait before took its waker.
    pub(super) unsafe fn fill_waker(&self, waker: Waker) {
        // SAFETY: exclusive, by the table. There is none: nothing is to be dropped.
        self.waker.with_mut(|p| unsafe {
            debug_assert!((*p).is_none(), "the place was not left empty");
            p.write(Some(waker));
        });
        self.poll_edge.begin();
    }

    /// Puts a waker in; returns the one it replaces.
    ///
    /// # Safety
    /// The caller is the owner, and the place is Updating.
    pub(super) unsafe fn put_waker(&self, waker: Waker) -> Option<Waker> {
        self.poll_edge.begin();
        // SAFETY: exclusive, by the table.
        self.waker.with_mut(|p| unsafe { (*p).replace(waker) })
    }

    /// Takes the waker out.
    ///
    /// # Safety
    /// It belongs to the caller, by the module's table.
    pub(super) unsafe fn take_waker(&self) -> Option<Waker> {
        // SAFETY: exclusive, by the table.
        self.waker.with_mut(|p| unsafe { (*p).take() })
    }

    /// Takes the waker out, for good, and notes the end of the wait.
    ///
    /// # Safety
    /// The caller ended the wait, and the waker belongs to it.
    pub(super) unsafe fn end(&self, at: u64) -> Option<Waker> {
        // SAFETY: the caller's word.
        let waker = unsafe { self.take_waker() };
        self.poll_edge.end();
        self.set_ended(at);
        waker
    }

    /// When the wait ended: the caller, who ended it, is done with the waker. 0: it has not.
    pub(super) fn set_ended(&self, at: u64) {
        // ORDERING(Q4, M5): Release. Pairs with Q4 in `is_over`: the waker was taken before. With
        // M5 in `ended`, as M4.
        self.ended.store(at, Ordering::Release);
    }

    /// The owner, who has ended it, has not waited here, and leaves.
    pub(super) fn leave_unused(&self) {
        self.set_ended(NO_WAIT);
        self.leave();
    }

    /// The owner looks at the place no more.
    #[inline]
    pub(super) fn leave(&self) {
        // ORDERING(Q4): Release. Pairs with Q4 in `is_over`: the owner's last look came before.
        self.store_task(LEFT);
    }

    pub(super) fn is_over(&self) -> bool {
        // ORDERING(Q4): Acquire. Pairs with Q4 in `set_ended` and `store_task`.
        self.task.load(Ordering::Acquire) == LEFT && self.ended.load(Ordering::Acquire) != 0
    }

    // ---------------------------------------------------------------- for telemetry

    pub(super) fn waiter(&self) -> Waiter {
        // ORDERING(M4): Acquire. Published by the state (Q1). Pairs with M4 in `set_waiter`: who
        // reads what belongs to a later wait, and then the state, finds it of another segment.
        Waiter {
            task: self.task.load(Ordering::Acquire),
            since: self.since.load(Ordering::Acquire),
            want: Want::from_word(self.want.load(Ordering::Acquire)),
        }
    }

    /// That of the waiter.
    #[inline]
    pub(super) fn since(&self) -> u64 {
        // ORDERING(M4): Acquire. As `waiter`.
        self.since.load(Ordering::Acquire)
    }

    /// Likewise.
    #[inline]
    pub(super) fn need(&self) -> u64 {
        // ORDERING(M4): Acquire. As `waiter`.
        Want::from_word(self.want.load(Ordering::Acquire)).need()
    }

    pub(super) fn set_waiter(&self, waiter: Waiter) {
        let Waiter { task, since, want } = waiter;
        self.set_task(task);
        // ORDERING(M4): Release. As `waiter`.
        self.since.store(since, Ordering::Release);
        self.want.store(want.word(), Ordering::Release);
    }

    pub(super) fn set_task(&self, task: u64) {
        debug_assert_ne!(task, LEFT, "its memory would be used again");
        self.store_task(task);
    }

    fn store_task(&self, task: u64) {
        // ORDERING(M4, Q4): Release. As `waiter`; and `leave`.
        self.task.store(task, Ordering::Release);
    }

    pub(super) fn ended(&self) -> u64 {
        // ORDERING(M5): Acquire. Pairs with M5 in `set_ended`, as M4.
        self.ended.load(Ordering::Acquire)
    }
}
