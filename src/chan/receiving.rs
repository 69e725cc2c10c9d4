//! The receive that waits, the waker that lies in the channel, and the sums of receives that waited.
//!
//! The receiver writes all of it, but for [`Receiving::ends`], which is called by who ended the
//! receiver's park. That has the receiver's cell (`wait::rx_waker`), and `ended` and `waker` with
//! it, until it gives the cell back. So every word has one writer at a time, and its stores are
//! plain ones.
//!
//! | a wait | `since` | `ended` | park | `waker` |
//! |---|---|---|---|---|
//! | is about to begin, or is polled again | *t* | 0 | no | 0, or whose it is |
//! | lasts | *t* | 0 | stands | whose it is |
//! | was ended by a message, a permit that came back, or closing | *t* | *e* | no | 0 |
//! | is in the sums: given up, ended by the receiver itself, or followed by another | 0 | | stands if it was given up | whose it was, until it is taken or replaced |
//!
//! A wait that is polled again, by the same task with the same waker, for the same call, goes on: it
//! has the same number and the same beginning. Anything else begins a new one.
//!
//! # What a reader may rely on
//!
//! `id` is the number of the last attempt to wait. It is stored before what belongs to that attempt,
//! and `since` is 0 when it is stored. A reader loads it first and last, with Acquire loads between:
//! if it is the same, nothing that was read belongs to an earlier attempt or a later one.
//!
//! * `since` is stored before `want` and `waker`, and these before the park. So a reader that finds
//!   the park standing, and then reads them, finds those of the wait.
//! * `waker` is stored after the waker was put into the cell, and cleared before it is taken out or
//!   replaced. So where it is not 0, one clone of that waker was in the cell at the moment of the
//!   load: a reader claims no clone that is not there. In between it claims one too few.
//! * The reader loads `waker` before `since`, and again after it. If `since` is 0 and the two are the
//!   same, the waker lay there while nobody waited: it was left behind. So one clone is told as that
//!   of the wait or as one left behind, and never as both.
//! * `since` is cleared before a wait is added to the sums, and the reader loads the sums first: it
//!   may miss a wait that moves there, and never counts one twice. What it misses is made up for by
//!   the largest sums reported before: none falls.

use crate::ring::Occupancy;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::step;
use crate::telemetry::clock;
use crate::wait::{Call, Want};

/// See the module.
#[derive(Default)]
pub(super) struct Receiving {
    id: AtomicU64,
    since: AtomicU64,
    ended: AtomicU64,
    want: AtomicU64,
    /// Whose waker lies in the receiver's cell, of `telemetry::task::waiter`; 0: that of nobody.
    waker: AtomicU64,
    sums: Words,
    reported: Words,
}

#[derive(Default)]
struct Words {
    waits: AtomicU64,
    waited_ns: AtomicU64,
    given_up: AtomicU64,
}

/// Sums over all receives that ever waited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReceiveTotals {
    pub(crate) waits: u64,
    /// Time waited in all of them, the one that still waits included.
    pub(crate) waited_ns: u64,
    pub(crate) given_up: u64,
}

/// A receive that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveWait {
    /// Its number, from 1. Some numbers are of no wait.
    pub(crate) id: u64,
    /// Who waits, by which waker.
    pub(crate) waiter: u64,
    pub(crate) since: u64,
    pub(crate) want: Want,
}

/// What [`Receiving::look`] saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveView {
    pub(crate) occupancy: Occupancy,
    pub(crate) totals: ReceiveTotals,
    pub(crate) wait: Option<ReceiveWait>,
    /// Whose waker a receive has left in the channel; 0: none was left.
    pub(crate) left: u64,
}

/// Stores a word that one thread at a time writes.
fn set(word: &AtomicU64, value: u64) {
    // ORDERING(M8): Release. Pairs with M8 in `get`: who reads this sees what was stored before.
    word.store(value, Ordering::Release);
}

/// Loads a word for a look.
fn get(word: &AtomicU64) -> u64 {
    // ORDERING(M8): Acquire. Pairs with M8 in `set`.
    word.load(Ordering::Acquire)
}

/// Loads a word that the caller alone may write.
fn own(word: &AtomicU64) -> u64 {
    // ORDERING(M8): Relaxed. By the owner; who had it before gave it back by K2, or lent it by K1.
    word.load(Ordering::Relaxed)
}

impl Receiving {
    /// What a receive waits for.
    pub(super) const RECV: Want = Want::new(Call::Recv, 1);
    /// Likewise, for any number of messages.
    pub(super) const RECV_MANY: Want = Want::new(Call::RecvMany, 1);

    // ---------------------------------------------------------------- the receiver's

    /// Whether the wait that the receiver has just taken back goes on.
    #[inline]
    pub(super) fn goes_on(&self, waiter: u64, want: Want) -> bool {
        own(&self.since) != 0 && own(&self.waker) == waiter && own(&self.want) == want.word()
    }

    /// The receiver, which has its cell, is about to park. The one before is in the sums.
    #[inline]
    pub(super) fn begins(&self, want: Want, now: u64) {
        set(&self.id, own(&self.id) + 1);
        set(&self.ended, 0);
        set(&self.since, now);
        set(&self.want, want.word());
    }

    /// It did not park after all: that was no wait.
    pub(super) fn never_began(&self) {
        set(&self.since, 0);
    }

    /// Puts the last wait into the sums, if it is not there yet: it has ended, or ends now.
    #[inline]
    pub(super) fn is_over(&self, given_up: bool) {
        let since = own(&self.since);
        if since != 0 {
            self.settle(since, given_up);
        }
    }

    #[inline(never)]
    fn settle(&self, since: u64, given_up: bool) {
        // Who ended the park may be about to say so: then it was given up before that.
        let ended = get(&self.ended);
        let end = if ended == 0 { clock::now() } else { ended };
        let add = |sum: &AtomicU64, n: u64| set(sum, own(sum) + n);
        set(&self.since, 0);
        add(&self.sums.waited_ns, end.saturating_sub(since));
        if given_up && ended == 0 {
            add(&self.sums.given_up, 1);
        }
        add(&self.sums.waits, 1);
    }

    /// The waker in the cell is about to be taken out or replaced, by who has the cell.
    #[inline]
    pub(super) fn waker_goes(&self) {
        set(&self.waker, 0);
    }

    /// A waker of `waiter` was put into the cell.
    #[inline]
    pub(super) fn waker_lies(&self, waiter: u64) {
        set(&self.waker, waiter);
    }

    // ---------------------------------------------------------------- who ends a park

    /// The caller, who has ended the park, is about to take the waker.
    #[inline]
    pub(super) fn ends(&self) {
        // If nobody waits any more there is nothing to time. It is as well if that is about to be.
        if own(&self.since) != 0 {
            set(&self.ended, clock::now());
        }
        self.waker_goes();
    }

    // ---------------------------------------------------------------- a look

    /// Looks at it all, and at the ring in the middle.
    pub(super) fn look(&self, occupancy: impl Fn() -> Occupancy) -> ReceiveView {
        let mut tries = 4;
        loop {
            let id = get(&self.id);
            step("stats: wait read");
            let sums = &self.sums;
            let (waits, waited_ns, given_up) =
                (get(&sums.waits), get(&sums.waited_ns), get(&sums.given_up));
            let occupancy = occupancy();
            let (waiter, want) = (get(&self.waker), Want::from_word(get(&self.want)));
            let (since, ended) = (get(&self.since), get(&self.ended));
            let is_one = get(&self.waker) == waiter && get(&self.id) == id;
            tries -= 1;
            if !is_one && tries > 0 {
                continue;
            }
            let is_parked = occupancy.tail.is_parked();
            let lasts = is_one && since != 0 && ended == 0 && is_parked && waiter != 0;
            let mut totals = ReceiveTotals { waits, waited_ns, given_up };
            if lasts || is_one && since != 0 && ended != 0 {
                let end = if lasts { clock::exact() } else { ended };
                totals.waits += 1;
                totals.waited_ns += end.saturating_sub(since);
            }
            return ReceiveView {
                occupancy,
                totals: self.at_least_reported(totals),
                wait: lasts.then_some(ReceiveWait { id, waiter, since, want }),
                left: if is_one && since == 0 { waiter } else { 0 },
            };
        }
    }

    fn at_least_reported(&self, now: ReceiveTotals) -> ReceiveTotals {
        let at_least = |reported: &AtomicU64, n: u64| {
            // ORDERING(M6): Relaxed. Telemetry's own. Most looks find nothing new.
            let known = reported.load(Ordering::Relaxed);
            if n <= known { known } else { reported.fetch_max(n, Ordering::Relaxed).max(n) }
        };
        ReceiveTotals {
            waits: at_least(&self.reported.waits, now.waits),
            waited_ns: at_least(&self.reported.waited_ns, now.waited_ns),
            given_up: at_least(&self.reported.given_up, now.given_up),
        }
    }

    /// The sums when nobody is there any more: the receiver has put its last wait into them.
    pub(super) fn final_totals(&mut self) -> ReceiveTotals {
        let sum = |sum: &AtomicU64, reported: &AtomicU64| own(sum).max(own(reported));
        ReceiveTotals {
            waits: sum(&self.sums.waits, &self.reported.waits),
            waited_ns: sum(&self.sums.waited_ns, &self.reported.waited_ns),
            given_up: sum(&self.sums.given_up, &self.reported.given_up),
        }
    }
}
