//! How long something takes, on a machine that does much else.

use std::time::Duration;

/// What `f` uses of the processor, on this thread: others do not count, however busy the machine
/// is. Where that is not known, how long it takes.
pub(crate) fn used<R>(f: impl FnOnce() -> R) -> (Duration, R) {
    let begun = so_far();
    let result = f();
    (so_far().saturating_sub(begun), result)
}

/// What this thread has used.
fn so_far() -> Duration {
    #[cfg(all(unix, not(miri)))]
    {
        // SAFETY: numbers, which are 0 then.
        let mut used: libc::timespec = unsafe { std::mem::zeroed() };
        // SAFETY: it writes there, and that is all.
        let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used) };
        assert_eq!(done, 0);
        Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
    }
    #[cfg(not(all(unix, not(miri))))]
    {
        static BEGIN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        BEGIN.elapsed()
    }
}
