//! Taking out of the row what is over, so that the row is as long as those who wait make it.
//!
//! # A segment is taken out in two steps
//!
//! ```text
//! before:      P -> S -> T        all places of S are over
//! 1 freeze:    P -> S => T        S's link does not change any more
//! 2 unlink:    P ------> T        S => T, for who still stands in S
//! ```
//!
//! After Harris ("A Pragmatic Implementation of Non-Blocking Linked-Lists", DISC 2001). Each step
//! is one compare-and-swap on a link, from the word that was loaded *before* the look at what
//! makes the step right; and no location ever has a word twice ([`super::segment`]):
//!
//! * Step 1 succeeds: S had its number all the time, so it is S's places that were found over.
//!   What is over remains so.
//! * Step 2 succeeds: P's link was not frozen, so P is in the row and led to S until now. And T is
//!   still in the row: while S is frozen and linked, nobody can lead around T.
//! * The last segment is never frozen. So appending and freezing never meet.
//!
//! Whoever meets a frozen segment may do step 2. Exactly one does: it adds the waits of S to the
//! sums, and makes S spare. A thread that is stopped between the steps delays nobody.
//!
//! # When, and by how many at once
//!
//! A sweep takes out all that was over when it began. It leaves *kept* segments, which were needed
//! then, and allows the row to grow to 2 *kept* + 1 before the next sweep: so the work for each
//! segment is constant on average. Whoever finds the row as long as that allows it [`MEANWHILE`]
//! more and sweeps. So others leave the work to it; and if it is stopped, the next one sweeps when
//! the row has grown by those.
//!
//! > **With *n* segments needed at most and *k* threads under way in the row, there are at most
//! > 2 *n* + 1 segments and 4 for each of the *k*.**
//!
//! *Needed* is the last one, and one in which a place is not over. *Under way* is a thread between
//! the beginning of an append and its end, the sweep included.
//!
//! 1. What is allowed is never more than 2 *n* + 1 and [`MEANWHILE`] for each thread in a sweep:
//!    who ends one sets it to 2 *kept* + 1, so whoever has raised it since is still in its sweep.
//! 2. Who appends beyond that sweeps before it appends again. Let N be the last segment whose
//!    maker found the row short enough, and L the last one whose maker has swept to the end. Up
//!    to N there are no more segments than were allowed. Before L there are those that were needed
//!    when that sweep began. The maker of one behind both has not yet come to the end of its
//!    append: so there is one such segment for each thread under way.
//! 3. Beside the row each thread has at most one segment in its hand, and memory is made only
//!    when no segment is spare.

use super::past::Past;
use super::pool::Pool;
use super::segment::AtomicLink;
use crate::sync::row::{AtomicU64, AtomicUsize};
use crate::sync::{Ordering, step};

/// By so many segments the row may grow, beyond what is allowed, before one more thread sweeps.
const MEANWHILE: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Sweeper {
    /// How many segments were ever taken out.
    taken_out: AtomicU64,
    /// How long the row may be before somebody sweeps.
    allowed: AtomicUsize,
    pub(super) past: Past,
}

impl Sweeper {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { taken_out: AtomicU64::new(0), allowed: AtomicUsize::new(3), past: Past::new() }
    }

    /// Whether the caller, who has appended segment `number`, is to sweep.
    pub(super) fn is_due(&self, number: u64) -> bool {
        loop {
            // ORDERING(Q5): Relaxed. Numbers that decide only when to look.
            let linked = (number + 1).saturating_sub(self.taken_out.load(Ordering::Relaxed));
            let allowed = self.allowed.load(Ordering::Relaxed);
            if linked < allowed as u64 {
                return false;
            }
            // ORDERING(Q5): Relaxed. As above. A swap, or two would allow it for one of them.
            let more = self.allowed.compare_exchange(
                allowed,
                allowed + MEANWHILE,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if more.is_ok() {
                return true;
            }
        }
    }

    /// Takes out the segments before `last` whose places are all over. The row, which begins at
    /// `first`, is not empty.
    #[cold]
    pub(super) fn sweep(&self, first: &AtomicLink, pool: &Pool, last: u64) {
        step("sweep: begun");
        let kept = loop {
            if let Some(kept) = self.sweep_once(first, pool, last) {
                break kept;
            }
        };
        step("sweep: ended");
        // ORDERING(Q5): Relaxed. As in `is_due`.
        self.allowed.store(2 * kept + 1, Ordering::Relaxed);
    }

    /// One pass of a sweep. Returns how many segments it leaves, the last one included. `None`:
    /// another thread took a segment out under our feet; that was one of those before `last`.
    fn sweep_once(&self, first: &AtomicLink, pool: &Pool, last: u64) -> Option<usize> {
        let (mut link, mut at) = (first, first.load());
        let mut kept = 1;
        loop {
            debug_assert!(!at.is_end(), "nobody has appended");
            let segment = pool.at(at.id());
            let next = segment.next.load();
            // The link is of this life if the number still is.
            let number = segment.number_by(at)?;
            // Nobody does the work of those who come meanwhile.
            if next.is_end() || number >= last {
                return Some(kept);
            }
            if !next.is_frozen() {
                if !segment.is_over() {
                    (link, at) = (&segment.next, next);
                    kept += 1;
                    continue;
                }
                step("sweep: over");
                if !segment.next.swap(next, next.frozen()) {
                    // What is behind it was taken out, or it is frozen.
                    continue;
                }
                step("sweep: frozen");
            }
            if !link.swap(at, next.thawed()) {
                return None;
            }
            step("sweep: unlinked");
            // ORDERING(Q5): Relaxed. As in `is_due`.
            self.taken_out.fetch_add(1, Ordering::Relaxed);
            self.past.add(segment);
            pool.put(segment);
            at = next.thawed();
        }
    }
}
