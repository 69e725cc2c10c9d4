//! What all stages of a run share.

use std::fmt::Display;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::cli::{Args, Stage};
use crate::report::shown;

/// Warnings told in full; further ones are counted.
const MAX_WARNINGS: usize = 10;

pub(crate) struct Run {
    pub(crate) started: Instant,
    pub(crate) min_letters: usize,
    slow: Option<(Stage, Duration)>,
    interrupted: AtomicBool,
    /// Told when a result is in `counts`, or one thread less will send any.
    pub(crate) counts_changed: Notify,
    // Gauges for the progress line; the result is counted by the aggregator.
    pub(crate) found: AtomicU64,
    pub(crate) walked: AtomicBool,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) done: AtomicU64,
    /// Links, sockets, devices: things that are no regular file.
    pub(crate) skipped: AtomicU64,
    warnings: Mutex<Warnings>,
}

#[derive(Clone, Default)]
pub(crate) struct Warnings {
    pub(crate) count: u64,
    pub(crate) first: Vec<String>,
}

impl Run {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            started: Instant::now(),
            min_letters: args.min_letters,
            slow: args.slow.map(|stage| (stage, Duration::from_millis(args.delay_ms))),
            interrupted: AtomicBool::new(false),
            counts_changed: Notify::new(),
            found: AtomicU64::new(0),
            walked: AtomicBool::new(false),
            bytes_read: AtomicU64::new(0),
            done: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            warnings: Mutex::default(),
        }
    }

    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Relaxed);
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.load(Relaxed)
    }

    /// How long `stage` should dawdle over an item. After Ctrl-C nobody dawdles.
    fn delay(&self, stage: Stage) -> Option<Duration> {
        self.slow.filter(|(slow, _)| *slow == stage && !self.interrupted()).map(|(_, delay)| delay)
    }

    pub(crate) async fn dawdle(&self, stage: Stage) {
        if let Some(delay) = self.delay(stage) {
            tokio::time::sleep(delay).await;
        }
    }

    pub(crate) fn dawdle_blocking(&self, stage: Stage) {
        if let Some(delay) = self.delay(stage) {
            std::thread::sleep(delay);
        }
    }

    pub(crate) fn warn(&self, path: &Path, what: impl Display) {
        let mut warnings = self.warnings.lock().expect("nobody panics while warning");
        warnings.count += 1;
        if warnings.first.len() < MAX_WARNINGS {
            warnings.first.push(format!("{}: {what}", shown(path)));
        }
    }

    pub(crate) fn warnings(&self) -> Warnings {
        self.warnings.lock().expect("nobody panics while warning").clone()
    }
}
