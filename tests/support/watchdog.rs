//! Turns a hang into a failure that says who waits for whom.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long nothing may move.
const PATIENCE: Duration = Duration::from_secs(120);

/// Aborts the process with the wait-for state if [`Watchdog::moved`] is not called for
/// [`PATIENCE`].
#[derive(Clone)]
pub(crate) struct Watchdog(Arc<(AtomicUsize, AtomicBool)>);

impl Watchdog {
    fn new() -> Self {
        let state = Arc::new((AtomicUsize::new(0), AtomicBool::new(false)));
        let watched = state.clone();
        let name = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            while !watched.1.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
                let moves = watched.0.load(Ordering::Relaxed);
                if moves != last {
                    (last, since) = (moves, Instant::now());
                } else if since.elapsed() > PATIENCE {
                    say(&format!("{name}: nothing moves after {moves} moves"));
                    // Beside us: what hangs may hold a lock that a snapshot takes.
                    #[cfg(feature = "introspect")]
                    thread::spawn(|| say(&format!("{:#?}", parshall::snapshot())));
                    thread::sleep(Duration::from_secs(1));
                    std::process::abort();
                }
            }
        });
        Self(state)
    }

    pub(crate) fn moved(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Not `eprintln`, which the test harness keeps to itself, and loses when the process aborts.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A watchdog for as long as this lives: clones that were given away do not matter.
pub(crate) struct Watched(pub(crate) Watchdog);

impl Watched {
    pub(crate) fn new() -> Self {
        Self(Watchdog::new())
    }

    pub(crate) fn moved(&self) {
        self.0.moved();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.0.1.store(true, Ordering::Relaxed);
    }
}
