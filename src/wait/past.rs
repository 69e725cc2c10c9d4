//! What is left of the waits whose places were taken out of the row.

use super::segment::Segment;
use crate::sync::row::AtomicU64;
use crate::sync::{Ordering, step};
use crate::telemetry::waits::{LONG, LongWaits, SHORT_NS};

/// Sums over the places that were taken out.
#[derive(Debug)]
pub(super) struct Past {
    waits: AtomicU64,
    waited_ns: AtomicU64,
    long: [Long; LONG],
}

impl Past {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            waits: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
            long: core::array::from_fn(|_| Long(AtomicU64::new(0))),
        }
    }

    /// Adds the waits of a segment that the caller has just taken out.
    pub(super) fn add(&self, segment: &Segment) {
        let (mut waits, mut waited_ns) = (0, 0);
        for place in segment.places() {
            let since = place.since();
            if since > 0 {
                waits += 1;
                waited_ns += place.ended().saturating_sub(since);
            }
        }
        // Not one of them was long, unless all together were.
        if waited_ns > SHORT_NS {
            self.add_long(segment);
        }
        step("sweep: long waits added");
        // ORDERING(M3): Release. Pairs with M3 in `sums`: the segment was taken out before, and its
        // long waits were added.
        self.waits.fetch_add(waits, Ordering::Release);
        self.waited_ns.fetch_add(waited_ns, Ordering::Release);
    }

    #[cold]
    #[inline(never)]
    fn add_long(&self, segment: &Segment) {
        let mut long = LongWaits::default();
        for place in segment.places() {
            let since = place.since();
            if since > 0 {
                long.count(place.ended().saturating_sub(since));
            }
        }
        self.add_to_long(long);
    }

    /// Adds long waits that are in the row no more, or that nobody will look for there again.
    pub(super) fn add_to_long(&self, long: LongWaits) {
        for (bucket, n) in self.long.iter().zip(long.0).filter(|&(_, n)| n > 0) {
            bucket.add(n);
        }
    }

    /// How many waits there were, and the time waited in them. Whoever looks at the row after this
    /// finds none of them there.
    pub(super) fn sums(&self) -> (u64, u64) {
        // ORDERING(M3): Acquire. Pairs with M3 in `add`.
        (self.waits.load(Ordering::Acquire), self.waited_ns.load(Ordering::Acquire))
    }

    /// Those that were long. All long waits are among them that were in `sums` before; whoever
    /// looks at the row after this finds none of them there.
    pub(super) fn long(&self) -> LongWaits {
        LongWaits(core::array::from_fn(|bucket| self.long[bucket].past()))
    }

    /// Long waits to be told, where a look has found these, in the past and in the row. No bucket
    /// ever falls.
    pub(super) fn at_least(&self, found: LongWaits) -> LongWaits {
        LongWaits(core::array::from_fn(|bucket| self.long[bucket].at_least(found.0[bucket])))
    }
}

/// The long waits of one bucket.
///
/// ```text
/// [ past, 44 bits | ahead, 20 bits ]
/// ```
///
/// *past*: those that were taken out of the row. *ahead*: so many more were told by a look that
/// found them in the row; they will be in *past*. The sum is what is told. A look may miss a wait
/// that is taken out just then; but neither step below makes the sum smaller.
///
/// Of more than a million waits that have ended and are still in the row, looks tell a million.
/// *past* stops at its largest number: at a million long waits a second that is after 200 days.
#[derive(Debug)]
struct Long(AtomicU64);

const AHEAD_BITS: u32 = 20;
const MOST_AHEAD: u64 = (1 << AHEAD_BITS) - 1;
const MOST_PAST: u64 = u64::MAX >> AHEAD_BITS;

impl Long {
    fn parts(word: u64) -> (u64, u64) {
        (word >> AHEAD_BITS, word & MOST_AHEAD)
    }

    fn word(past: u64, ahead: u64) -> u64 {
        past.min(MOST_PAST) << AHEAD_BITS | ahead.min(MOST_AHEAD)
    }

    /// `n` more were taken out, by the caller.
    fn add(&self, n: u64) {
        let add = |word| {
            let (past, ahead) = Self::parts(word);
            Some(Self::word(past + n, ahead.saturating_sub(n)))
        };
        // ORDERING(M3): Release. Pairs with M3 in `past`: the segment was taken out before.
        let _ = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, add);
    }

    fn past(&self) -> u64 {
        // ORDERING(M3): Acquire. Pairs with M3 in `add`. The steps of looks in between hand on what
        // it released.
        Self::parts(self.0.load(Ordering::Acquire)).0
    }

    /// The sum, which becomes at least `found`.
    fn at_least(&self, found: u64) -> u64 {
        let more = |word| {
            let (past, ahead) = Self::parts(word);
            let new = Self::word(past, ahead.max(found.saturating_sub(past)));
            (new != word).then_some(new)
        };
        // ORDERING(M6): Relaxed. A maximum. Most looks find nothing new.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let (past, ahead) = Self::parts(self.0.load(Ordering::Relaxed));
        past + ahead
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    /// Seen to fail with: a look that puts what it found in the place of what was told before; a
    /// sweep that leaves `ahead` as it is.
    #[test]
    fn the_sum_of_a_bucket_never_falls_and_counts_no_wait_twice() {
        let bucket = Long(AtomicU64::new(0));
        // Three have ended in the row; two of them, then all, are taken out.
        assert_eq!(bucket.at_least(3), 3);
        bucket.add(2);
        assert_eq!((bucket.past(), bucket.at_least(0)), (2, 3));
        // A look that began before that has missed them.
        assert_eq!(bucket.at_least(1), 3);
        bucket.add(1);
        assert_eq!((bucket.past(), bucket.at_least(3)), (3, 3));
        // Others end, and are taken out before anybody has seen them.
        bucket.add(4);
        assert_eq!(bucket.at_least(5), 7);
    }

    #[test]
    fn a_bucket_stops_at_its_largest_number() {
        let bucket = Long(AtomicU64::new(0));
        assert_eq!(bucket.at_least(u64::MAX), MOST_AHEAD);
        bucket.add(MOST_PAST);
        bucket.add(5);
        assert_eq!(bucket.at_least(0), MOST_PAST);
    }
}
