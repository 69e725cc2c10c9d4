//! Waits that have ended, counted by how long they lasted.
//!
//! ```text
//! lasted    .. 10 ms | 30 ms | 100 ms | 300 ms | 1 s | 3 s | 10 s | 30 s | 60 s | longer
//!             short  |<------------------------- long ------------------------------>|
//! ```
//!
//! Waits are timed by the coarse clock ([`clock`](super::clock)), a reading of which is up to 10 ms
//! old: of shorter waits nothing can be told but that they were *short*. Nearly all are. So nobody
//! counts them: they are all waits that have ended but the *long* ones, which have counters.

use core::time::Duration;

use crate::sync::plain::{AtomicU64, Ordering};

/// The longest wait of each bucket but the last, which has no bound.
const BOUNDS_MS: [u64; LONG] = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 60_000];

/// Buckets of long waits.
pub(crate) const LONG: usize = 9;

/// Ticks of a clock are a little longer or shorter than they should be: a wait of one tick of 10 ms
/// is not to be taken for a longer one.
const SLACK_NS: u64 = 500_000;

const fn bound_ns(bucket: usize) -> u64 {
    BOUNDS_MS[bucket] * 1_000_000 + SLACK_NS
}

/// The largest sums ever reported of the waits on one side of a channel, so that they never fall.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    pub(crate) waits: AtomicU64,
    pub(crate) waited_ns: AtomicU64,
    /// Waits that have ended and were short.
    pub(crate) short: AtomicU64,
    /// Time waited in waits that have ended.
    pub(crate) ended_ns: AtomicU64,
}

/// The largest number that was ever reported here, `n` included.
pub(crate) fn at_least(reported: &AtomicU64, n: u64) -> u64 {
    // ORDERING(M6): Relaxed. Telemetry's own. Most looks find nothing new.
    let known = reported.load(Ordering::Relaxed);
    if n <= known { known } else { reported.fetch_max(n, Ordering::Relaxed).max(n) }
}

/// A wait that lasted longer is a long one.
pub(crate) const SHORT_NS: u64 = bound_ns(0);

/// Long waits, by bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LongWaits(pub(crate) [u64; LONG]);

impl LongWaits {
    /// The bucket of a long wait.
    pub(crate) fn bucket(waited_ns: u64) -> usize {
        (1..LONG).take_while(|&bucket| waited_ns > bound_ns(bucket)).count()
    }

    /// Counts a wait, if it was long.
    pub(crate) fn count(&mut self, waited_ns: u64) {
        if waited_ns > SHORT_NS {
            self.0[Self::bucket(waited_ns)] += 1;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Waits that have ended on one side of a channel, by how long they lasted.
///
/// A wait is counted when it has ended: it was granted, woken, refused by closing, or given up. One
/// that lasts is in no bucket yet, so no bucket ever falls, and neither do count and sum. A receive
/// that was given up counts from the next message, or the next receive, on.
///
/// Waits are timed by the system's coarse clock, whose ticks are 1 to 10 ms apart. So the first
/// bound is 10 ms, shorter waits are one bucket, and each bound holds to within a tick.
///
/// # Examples
/// ```
/// use std::task::{Context, Waker};
/// use std::time::Duration;
/// use std::{pin, thread};
///
/// let (tx, mut rx) = parshall::mpsc::channel(1);
/// tx.try_send(1)?;
/// let mut send = pin::pin!(tx.send(2));
/// assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// thread::sleep(Duration::from_millis(50));
/// rx.try_recv()?; // the send is let in
///
/// let waits = tx.stats().send_wait_histogram.expect("a bounded channel has one");
/// assert_eq!(waits.count(), 1);
/// for (at_most, n) in waits.buckets() {
///     println!("{n} waits of {at_most:?} or less");
/// }
/// let short = waits.buckets().next();
/// assert_eq!(short, Some((Duration::from_millis(10), 0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitHistogram {
    short: u64,
    long: LongWaits,
    total_ns: u64,
}

impl WaitHistogram {
    pub(crate) fn new(short: u64, long: LongWaits, total_ns: u64) -> Self {
        Self { short, long, total_ns }
    }

    /// Adds `count` waits, those of a channel that has ended. `long`: the long ones.
    #[inline]
    pub(crate) fn add(&mut self, count: u64, waited_ns: u64, long: impl FnOnce() -> LongWaits) {
        self.short += count;
        self.total_ns += waited_ns;
        // Not one of them was long, unless all together were.
        if waited_ns > SHORT_NS {
            let long = long();
            self.short -= long.total().min(count);
            self.long.0.iter_mut().zip(long.0).for_each(|(sum, n)| *sum += n);
        }
    }

    /// How many waits lasted at most so long: 10, 30, 100 and 300 ms, 1, 3, 10, 30 and 60 s, and
    /// last, with [`Duration::MAX`], all of them.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let bounds = BOUNDS_MS.map(Duration::from_millis).into_iter().chain([Duration::MAX]);
        bounds.zip(self.counts()).scan(0_u64, |sum, (bound, n)| {
            *sum = sum.saturating_add(n);
            Some((bound, *sum))
        })
    }

    /// How many waits have ended.
    pub fn count(&self) -> u64 {
        self.counts().into_iter().fold(0, u64::saturating_add)
    }

    /// How long they lasted together.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns)
    }

    /// The waits of each bucket alone.
    pub(crate) fn counts(&self) -> [u64; LONG + 1] {
        let mut counts = [self.short; LONG + 1];
        counts[1..].copy_from_slice(&self.long.0);
        counts
    }

    pub(crate) fn from_counts(counts: [u64; LONG + 1], total_ns: u64) -> Self {
        let [short, long @ ..] = counts;
        Self::new(short, LongWaits(long), total_ns)
    }

    pub(crate) fn total_ns(&self) -> u64 {
        self.total_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail with: a bound that belongs to the next bucket; no slack.
    #[test]
    fn a_wait_is_in_the_bucket_of_the_first_bound_that_it_does_not_pass() {
        const MS: u64 = 1_000_000;
        for (waited, bucket) in [
            (0, None),
            (5 * MS, None),
            (10 * MS, None),
            // A tick of 10 ms that is a little long.
            (10 * MS + 40_000, None),
            (12 * MS, Some(0)),
            (30 * MS, Some(0)),
            (50 * MS, Some(1)),
            (2_000 * MS, Some(4)),
            (30_000 * MS, Some(6)),
            (60_000 * MS, Some(7)),
            (61_000 * MS, Some(8)),
            (u64::MAX, Some(8)),
        ] {
            let mut long = LongWaits::default();
            long.count(waited);
            let found = long.0.iter().position(|&n| n == 1);
            assert_eq!((found, long.total()), (bucket, bucket.is_some().into()), "{waited} ns");
        }
    }

    /// Seen to fail with: counts that are not summed.
    #[test]
    fn buckets_are_sums_and_the_last_has_all() {
        let mut long = LongWaits::default();
        for waited in [50_000_000, 2_000_000_000, 1 << 60] {
            long.count(waited);
        }
        let mut waits = WaitHistogram::default();
        waits.add(7, 70_000_000_000, || long);
        let buckets: Vec<_> = waits.buckets().map(|(_, n)| n).collect();
        assert_eq!(buckets, [4, 4, 5, 5, 5, 6, 6, 6, 6, 7]);
        assert_eq!(waits.buckets().last(), Some((Duration::MAX, waits.count())));
        waits.add(3, 3_000_000, || unreachable!("none of them was long"));
        assert_eq!((waits.count(), waits.total().as_millis()), (10, 70_003));
        assert_eq!(WaitHistogram::from_counts(waits.counts(), waits.total_ns()), waits);
    }
}
