//! A thread that does something over and over until its handle is dropped.

use std::io;
use std::time::Duration;

use crate::sync::plain::{Arc, Condvar, Mutex};
use crate::sync::thread;
use crate::telemetry::process::pid;

/// The handle. Dropped, it ends the thread before its next tick and does not wait for that: it may
/// be dropped by what the thread itself calls, and on a thread that must not block.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Arc<Stop>,
    /// Of the process that the thread is in.
    pid: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Ticker {
    /// Starts a thread that calls `tick` at once, and `interval` after each call has returned. When
    /// it ends, after a panic too, `tick` is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        name: &str,
        interval: Duration,
        mut tick: impl FnMut(&Stop) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let ticker = Self { stop: stop.clone(), pid: pid() };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            while !stop.is_stopped() {
                tick(&stop);
                stop.wait(interval);
            }
        })?;
        Ok(ticker)
    }

    /// Whether this is the child of a `fork`, which has no copy of the thread. What the thread
    /// locks may be locked here for ever.
    pub(crate) fn is_inherited(&self) -> bool {
        self.pid != pid()
    }
}

impl Stop {
    fn is_stopped(&self) -> bool {
        *self.stopped.lock()
    }

    /// Returns after `interval`, or when it is stopped.
    fn wait(&self, interval: Duration) {
        let stopped = self.stopped.lock();
        // Nothing panics with the lock held, so a poisoned one is as good as any.
        drop(self.changed.wait_timeout_while(stopped, interval, |stopped| !*stopped));
    }

    /// Calls `f` unless it was stopped. A handle that is dropped meanwhile waits until `f` returns.
    #[cfg(feature = "testing")]
    pub(crate) fn unless_stopped(&self, f: impl FnOnce()) {
        let stopped = self.stopped.lock();
        if !*stopped {
            f();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if !self.is_inherited() {
            *self.stop.stopped.lock() = true;
            self.stop.changed.notify_one();
        }
    }
}
