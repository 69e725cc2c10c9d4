//! One monotonic clock for the process, in nanoseconds, with its place in Unix time.
//!
//! A wait reads the clock up to three times a message: when a sender queues, when it is granted room,
//! and when the receiver parks. At capacity 1 exact readings, or the processor's tick counter, cost a fifth
//! of everything (measured, see DESIGN.md). So waits are timed by the system's coarse clock where there is
//! one: the same time line, read without touching the hardware, up to one tick (1 to 10 ms) old. Both ends
//! of a wait lag alike, so sums over many short waits come out right; an age that is read later is never
//! too low, and too high by a tick at most.

use crate::sync::plain::OnceLock;
use std::time::SystemTime;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
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

    fn read(clock: i32) -> u64 {
        let mut time = Timespec { sec: 0, nsec: 0 };
        // SAFETY: the C library's function, linked by std; it writes one timespec. Both clocks exist
        // since Linux 2.6.32, so it cannot fail.
        unsafe { clock_gettime(clock, &raw mut time) };
        time.sec as u64 * 1_000_000_000 + time.nsec as u64
    }

    pub(super) fn exact() -> u64 {
        read(CLOCK_MONOTONIC)
    }

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
    if cfg!(parshall_loom) { 1 } else { system::coarse().max(1) }
}

/// Now, exactly.
pub(crate) fn exact() -> u64 {
    if cfg!(parshall_loom) { 1 } else { system::exact().max(1) }
}

/// A reading as nanoseconds since the Unix epoch. The system's time of day is asked once a process,
/// so differences are monotonic.
pub(crate) fn unix_ns(reading: u64) -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    let offset = OFFSET.get_or_init(|| {
        let since_epoch =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        since_epoch.as_nanos() as i64 - exact() as i64
    });
    offset.saturating_add(reading as i64)
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
    fn unix_time_is_that_of_the_system() {
        let system =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64;
        assert!((unix_ns(exact()) - system).abs() < 60_000_000_000);
    }
}
