//! One monotonic clock for the process, in nanoseconds, with its offset to Unix time.
//!
//! A wait reads the clock up to three times a message: when a sender queues, when it is granted
//! room, and when the receiver parks. At capacity 1 exact readings, or the processor's tick
//! counter, cost a fifth of everything (measured, see DESIGN.md). So waits are timed by the
//! system's coarse clock where there is one: the same time line, read without touching the
//! hardware, up to one tick (1 to 10 ms) old. Both ends of a wait lag alike, so sums over many
//! short waits come out right; an age that is read later is never too low, and too high by a tick
//! at most.
//!
//! The monotonic clock is the truth. What it says becomes a point in Unix time only when it is
//! shown, by an [`Anchor`].
//!
//! Some targets have no clock. There every reading is the same, no wait takes time, points in time
//! are told as 0 and ages as `None`.

use crate::sync::plain::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

/// Whether there is a clock: `std`'s panics on `wasm32-unknown-unknown`.
pub(crate) const EXISTS: bool = !cfg!(all(target_family = "wasm", target_os = "unknown"));

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
    use core::mem::MaybeUninit;

    /// `struct timespec` of 64-bit Linux.
    #[repr(C)]
    struct Timespec {
        sec: i64,
        nsec: i64,
    }

    const CLOCK_MONOTONIC: i32 = 1;
    const CLOCK_MONOTONIC_COARSE: i32 = 6;

    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }

    #[inline]
    fn read(clock: i32) -> u64 {
        let mut time = MaybeUninit::<Timespec>::uninit();
        // SAFETY: the C library's function, linked by std; it writes one timespec. Both clocks
        // exist since Linux 2.6.32, so it cannot fail.
        let time = unsafe {
            clock_gettime(clock, time.as_mut_ptr());
            time.assume_init()
        };
        time.sec as u64 * 1_000_000_000 + time.nsec as u64
    }

    pub(super) fn exact() -> u64 {
        read(CLOCK_MONOTONIC)
    }

    #[inline]
    pub(super) fn coarse() -> u64 {
        read(CLOCK_MONOTONIC_COARSE)
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod system {
    use crate::sync::plain::OnceLock;
    use std::time::Instant;

    pub(super) fn exact() -> u64 {
        static BASE: OnceLock<Instant> = OnceLock::new();
        let elapsed = BASE.get_or_init(Instant::now).elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }

    pub(super) fn coarse() -> u64 {
        exact()
    }
}

/// Now, up to one tick old. Never 0, which stands for "no time" in one-word fields.
#[inline]
pub(crate) fn now() -> u64 {
    if cfg!(parshall_loom) || !EXISTS { 1 } else { stopped::or(system::coarse) | 1 }
}

/// Now, exactly.
pub(crate) fn exact() -> u64 {
    if cfg!(parshall_loom) || !EXISTS { 1 } else { stopped::or(system::exact).max(1) }
}

/// For unit tests, which do not wait for the clock: a thread may stop its own, and put it ahead.
#[cfg(test)]
pub(crate) mod stopped {
    use core::time::Duration;

    use crate::sync::plain::{Cell, thread_local};
    use crate::telemetry::clock;

    thread_local! {
        /// What the clock of this thread says; 0: it goes.
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn or(read: fn() -> u64) -> u64 {
        match NOW.try_with(Cell::get) {
            Ok(now) if now != 0 => now,
            _ => read(),
        }
    }

    /// Stops the clock of the calling thread, if it goes, and puts it ahead.
    pub(crate) fn advance(by: Duration) {
        NOW.set(clock::exact() + by.as_nanos() as u64);
    }
}

#[cfg(not(test))]
mod stopped {
    #[inline(always)]
    pub(super) fn or(read: fn() -> u64) -> u64 {
        read()
    }
}

/// What the clock will say at `instant`; now if that is past.
pub(crate) fn at(instant: Instant) -> u64 {
    let left = instant.saturating_duration_since(Instant::now());
    exact().saturating_add(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX))
}

/// The time from one reading to another, in nanoseconds; `None` without a clock.
pub(crate) fn age(since: u64, now: u64) -> Option<u64> {
    EXISTS.then(|| now.saturating_sub(since))
}

/// Where the monotonic clock stands in Unix time. Times that are told by one anchor compare
/// exactly, whatever happens to the system's time of day meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor(i64);

/// An anchor stays while the time of day agrees with it this well. Readings of the coarse clock are
/// up to 10 ms old, so times are no better than that anyway. Where the monotonic clock is
/// disciplined with the time of day, as on Linux, only a step of the latter is larger, or a
/// suspended machine.
const TOLERATED_NS: i64 = 10_000_000;

impl Anchor {
    /// The anchor of today: the one before, unless the time of day has left it.
    pub(crate) fn now() -> Self {
        /// The bits of the latest anchor; 0 stands for none.
        static LATEST: AtomicU64 = AtomicU64::new(0);
        if !EXISTS {
            return Self(0);
        }
        // Each value is whole in itself, and a thread that uses or stores an older one agrees with
        // the time of day as it was a moment ago. So nothing is ordered by this word.
        let latest = LATEST.load(Ordering::Relaxed);
        let anchor = Self::renewed((latest != 0).then_some(Self(latest as i64)), &both_clocks);
        if anchor.0 as u64 != latest {
            LATEST.store(anchor.0 as u64, Ordering::Relaxed);
        }
        anchor
    }

    /// `read`: the time of day between two readings of the monotonic clock.
    fn renewed(latest: Option<Self>, read: &dyn Fn() -> (u64, i64, u64)) -> Self {
        // Whoever is preempted between the readings knows little; few are so several times in a
        // row.
        const NARROW_NS: u64 = 100_000;
        let mut best = read();
        for _ in 0..8 {
            if best.2 - best.0 <= NARROW_NS {
                break;
            }
            let again = read();
            if again.2 - again.0 < best.2 - best.0 {
                best = again;
            }
        }
        let (before, time_of_day, after) = best;
        let (least, most) = (time_of_day - after as i64, time_of_day - before as i64);
        match latest {
            Some(latest) if (least - TOLERATED_NS..=most + TOLERATED_NS).contains(&latest.0) => {
                latest
            }
            _ => Self(least + (most - least) / 2),
        }
    }

    /// A reading as nanoseconds since the Unix epoch; 0 without a clock.
    pub(crate) fn unix_ns(self, reading: u64) -> i64 {
        if EXISTS { self.0.saturating_add(reading as i64) } else { 0 }
    }
}

fn both_clocks() -> (u64, i64, u64) {
    let before = exact();
    let time_of_day = time_of_day();
    (before, time_of_day, exact())
}

/// The system's time of day, in nanoseconds since the Unix epoch. Miri has none unless its
/// isolation is off: there it is the time on Miri's own clock, which begins with the program.
fn time_of_day() -> i64 {
    if cfg!(miri) {
        return exact() as i64;
    }
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_never_ahead_and_at_most_some_ticks_behind() {
        let mut closest = u64::MAX;
        for _ in 0..10_000 {
            let before = exact();
            let now = now();
            let after = exact();
            assert!(now <= after, "{now} is ahead of {after}");
            closest = closest.min(before.saturating_sub(now));
        }
        assert!(closest < 100_000_000, "always {closest} ns behind");
    }

    #[test]
    #[cfg_attr(miri, ignore = "isolation has no time of day")]
    fn unix_time_is_that_of_the_system() {
        // A thread that is stopped between the two readings is off by that: not each time.
        let off = || (Anchor::now().unix_ns(exact()) - time_of_day()).abs();
        let least = (0..100).map(|_| off()).min().unwrap();
        assert!(least < 1_000_000_000, "always {least} ns off");
    }

    const S: i64 = 1_000_000_000;

    /// The clocks at one moment: the time of day is `offset` ahead of the monotonic one.
    fn at(reading: u64, offset: i64) -> impl Fn() -> (u64, i64, u64) {
        move || (reading - 20, offset + reading as i64, reading + 20)
    }

    /// Seen to fail with: the time of day asked once a process.
    #[test]
    fn a_step_of_the_time_of_day_is_followed() {
        let reading = 5 * S as u64;
        let mut anchor = Anchor::renewed(None, &at(reading, 100 * S));
        assert_eq!(anchor.unix_ns(reading), 105 * S);
        for offset in [160 * S, 159 * S, 40 * S, 40 * S + 2 * TOLERATED_NS, -3 * S] {
            anchor = Anchor::renewed(Some(anchor), &at(reading, offset));
            assert_eq!(anchor.unix_ns(reading), offset + reading as i64);
        }
    }

    /// So times of different snapshots differ by what the monotonic clock says, step by step.
    #[test]
    fn what_is_no_step_moves_nothing() {
        let anchor = Anchor::renewed(None, &at(1_000_000, 100 * S));
        for (reading, error) in [(2, 0), (3, 900_000), (4, -TOLERATED_NS), (5, TOLERATED_NS)] {
            let read = at(reading * 1_000_000, 100 * S + error);
            assert_eq!(Anchor::renewed(Some(anchor), &read), anchor);
        }
    }

    /// Slow drift adds up, and is followed once it is more than is tolerated.
    #[test]
    fn drift_is_followed_in_small_steps() {
        let mut anchor = Anchor::renewed(None, &at(1_000_000, 100 * S));
        for second in 1..=2_000_u64 {
            let (reading, offset) = (second * S as u64, 100 * S + second as i64 * 50_000);
            anchor = Anchor::renewed(Some(anchor), &at(reading, offset));
            let off = anchor.unix_ns(reading) - (offset + reading as i64);
            assert!(off.abs() <= TOLERATED_NS + 20, "{off} ns off after {second} s");
        }
    }

    /// A thread that is stopped between two readings cannot tell a step from its own sleep.
    #[test]
    fn a_reading_of_a_thread_that_was_stopped_is_taken_again() {
        use core::cell::Cell;
        let anchor = Anchor::renewed(None, &at(10_000, 100 * S));
        for stopped in 0..20 {
            let left = Cell::new(stopped);
            let read = || {
                let sleep = if left.get() > 0 { S } else { 0 };
                left.set(left.get().max(1) - 1);
                (10_000, 100 * S + 10_000 + sleep, 10_040 + sleep as u64)
            };
            assert_eq!(Anchor::renewed(Some(anchor), &read), anchor, "stopped {stopped} times");
        }
    }
}
