//! One monotonic clock for the process, in nanoseconds, with its place in Unix time.

use crate::sync::plain::OnceLock;
use std::time::{Instant, SystemTime};

struct Base {
    instant: Instant,
    unix_ns: i64,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let since_epoch =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Base { instant: Instant::now(), unix_ns: since_epoch.as_nanos() as i64 }
    })
}

/// Nanoseconds since the process first asked, never 0: 0 stands for "no time" in one-word fields.
pub(crate) fn now() -> u64 {
    if cfg!(parshall_loom) {
        return 1;
    }
    base().instant.elapsed().as_nanos() as u64 + 1
}

/// A reading of [`now`] as nanoseconds since the Unix epoch. The system's clock is read once a
/// process, so differences are monotonic.
pub(crate) fn unix_ns(now: u64) -> i64 {
    base().unix_ns.saturating_add(now as i64)
}
