//! A thread that takes snapshots at an interval.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parshall::Snapshot;

use crate::{RecordError, SqliteRecorder};

/// Snapshots that may wait for the sampler's thread; see [`Sampler::submit`].
const MAX_SUBMITTED: usize = 64;

/// Takes a [`parshall::snapshot`] at an interval, on a thread of its own, to record it and to show
/// it.
///
/// From [`Sampler::every`]. An error of the recorder is counted and kept for
/// [`status`](Sampler::status); sampling goes on, and so does the program. Dropping the sampler
/// stops it, without a last snapshot, and waits for a record that is under way.
///
/// # Falling behind
/// Taking and recording a snapshot takes time, most of it for the rows: with thousands of channels
/// it may take longer than the interval. Then snapshots are missed: they are counted in
/// [`SamplerStatus::missed`], and in the recording, in `snapshot_processes.missed`. A longer
/// interval, or [`untracked`](parshall::mpsc::Builder::untracked) channels, mend that.
///
/// # After a `fork`
/// The thread is the parent's alone. In the child the sampler does nothing: `submit` is refused,
/// `status` and `stop` tell nothing, and dropping it neither waits nor closes the parent's
/// recording.
///
/// # Examples
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use parshall_gauge::Sampler;
///
/// let (show, shown) = mpsc::channel();
/// let sampler = Sampler::every(Duration::from_millis(5))
///     .observe(move |sample| show.send(sample.snapshot.channels.len()).unwrap_or(()))
///     .start()?;
/// let _channels = shown.recv().unwrap();
/// assert!(sampler.stop().samples >= 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Of the process that the thread is in.
    pid: u32,
}

/// One snapshot, as an observer sees it.
///
/// # Examples
/// On [`Sampler`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample<'a> {
    /// What was seen.
    pub snapshot: &'a Snapshot,
    /// Its id in the database, or why it is not there; none without a recorder.
    pub recorded: Option<Result<i64, &'a RecordError>>,
    /// How many were due since the last one, and were not taken.
    pub missed: u64,
}

/// What a sampler had done at one moment. The counts never fall, and `first_id`, once it is there,
/// never changes; `last_id` and `last_error` may at any time.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use parshall_gauge::{Sampler, SqliteRecorder};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
///
/// let recorder = SqliteRecorder::open(&path)?;
/// let sampler = Sampler::every(Duration::from_secs(1)).record(recorder).start()?;
/// // the program
/// let status = sampler.stop();
/// if let Some(error) = &status.last_error {
///     eprintln!("{} snapshots are not recorded: {error}", status.errors);
/// }
/// assert_eq!(status.recorded + status.errors, status.samples);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SamplerStatus {
    /// Snapshots taken or submitted, and dealt with.
    pub samples: u64,
    /// Snapshots that were not taken although they were due, because the one before, or the
    /// machine, took too long: `samples` and these together are as many as the interval promises.
    pub missed: u64,
    /// Snapshots recorded.
    pub recorded: u64,
    /// Snapshots that could not be recorded.
    pub errors: u64,
    /// Why the latest of them could not; it stays when later ones succeed.
    pub last_error: Option<Arc<RecordError>>,
    /// The id of the first snapshot recorded.
    pub first_id: Option<i64>,
    /// The id of the latest snapshot recorded.
    pub last_id: Option<i64>,
    /// Observers that panicked. None of them was called again.
    pub lost_observers: u64,
}

type Observer = Box<dyn FnMut(Sample<'_>) + Send>;

/// A sampler to be; from [`Sampler::every`].
///
/// # Examples
/// On [`Sampler`].
#[must_use = "nothing is sampled before `start`"]
pub struct SamplerBuilder {
    interval: Duration,
    recorder: Option<SqliteRecorder>,
    observers: Vec<Observer>,
}

impl SamplerBuilder {
    /// Records every snapshot.
    pub fn record(mut self, recorder: SqliteRecorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Shows every snapshot to `observer`, after it was recorded, on the sampler's thread: while it
    /// looks, no other snapshot is taken. An observer that panics is not called again.
    pub fn observe(mut self, observer: impl FnMut(Sample<'_>) + Send + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Starts the thread, named `parshall-sampler`. The first snapshot is taken at once.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(self) -> io::Result<Sampler> {
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            interval: self.interval,
            recorder: self.recorder,
            observers: self.observers,
            unrecorded: 0,
            unseen: 0,
            shared: shared.clone(),
        };
        let thread = thread::Builder::new()
            .name("parshall-sampler".to_owned())
            .spawn(move || worker.run())?;
        Ok(Sampler { shared, thread: Some(thread), pid: std::process::id() })
    }
}

impl Sampler {
    /// A sampler that takes a snapshot every `interval`. One that takes longer than that, to be
    /// recorded and shown, delays the next; what was missed is counted and not made up for.
    pub fn every(interval: Duration) -> SamplerBuilder {
        SamplerBuilder { interval, recorder: None, observers: Vec::new() }
    }

    /// Has a snapshot recorded and shown that the caller took at a moment of its own choice. Does
    /// not wait for it. `false`: too many wait already, because recording is slow or blocked, and
    /// this one was dropped.
    pub fn submit(&self, snapshot: Snapshot) -> bool {
        if self.is_inherited() {
            return false;
        }
        let mut state = self.shared.lock();
        let room = state.submitted.len() < MAX_SUBMITTED;
        if room {
            state.submitted.push_back(snapshot);
        }
        drop(state);
        self.shared.changed.notify_one();
        room
    }

    /// What was done so far. May change at any time; [`SamplerStatus`] says how.
    pub fn status(&self) -> SamplerStatus {
        if self.is_inherited() {
            return SamplerStatus::default();
        }
        self.shared.lock().status.clone()
    }

    /// Deals with what was submitted, ends the thread, and says what was done.
    pub fn stop(mut self) -> SamplerStatus {
        self.end();
        self.status()
    }

    /// Whether this is a child of the process in which the thread runs. There the lock may be taken
    /// for ever.
    fn is_inherited(&self) -> bool {
        self.pid != std::process::id()
    }

    fn end(&mut self) {
        if self.is_inherited() {
            // There is no thread to join, nor to detach.
            std::mem::forget(self.thread.take());
            return;
        }
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened; there is nothing left to undo here.
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    submitted: VecDeque<Snapshot>,
    status: SamplerStatus,
}

impl Shared {
    /// Nothing panics with the lock held, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    interval: Duration,
    recorder: Option<SqliteRecorder>,
    observers: Vec<Observer>,
    /// What was missed since the last snapshot that was recorded.
    unrecorded: u64,
    /// What was missed since the last snapshot.
    unseen: u64,
    shared: Arc<Shared>,
}

enum Next {
    Take,
    Submitted(Snapshot),
    Stop,
}

impl Worker {
    fn run(mut self) {
        let mut due = Some(Instant::now());
        loop {
            match self.wait(due) {
                Next::Take => {
                    self.deal_with(&parshall::snapshot());
                    let (next, missed) = next(due, self.interval, Instant::now());
                    due = next;
                    self.unrecorded += missed;
                    self.unseen = missed;
                    self.shared.lock().status.missed += missed;
                }
                Next::Submitted(snapshot) => self.deal_with(&snapshot),
                Next::Stop => return,
            }
        }
    }

    /// `due`: none, if the interval leads out of all time.
    fn wait(&self, due: Option<Instant>) -> Next {
        let mut state = self.shared.lock();
        loop {
            if let Some(snapshot) = state.submitted.pop_front() {
                return Next::Submitted(snapshot);
            }
            if state.stop {
                return Next::Stop;
            }
            let left =
                due.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Next::Take;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn deal_with(&mut self, snapshot: &Snapshot) {
        let recorded =
            self.recorder.as_mut().map(|to| to.record_after(snapshot, Some(self.unrecorded)));
        if let Some(Ok(_)) = recorded {
            self.unrecorded = 0;
        }
        let sample = Sample {
            snapshot,
            recorded: recorded.as_ref().map(|r| r.as_ref().copied()),
            missed: mem::take(&mut self.unseen),
        };
        let before = self.observers.len();
        self.observers.retain_mut(|observer| {
            // It is dropped if it panics, so nobody sees what it left half-done.
            catch_unwind(AssertUnwindSafe(|| observer(sample))).is_ok()
        });
        let lost = before - self.observers.len();

        let mut state = self.shared.lock();
        let status = &mut state.status;
        status.samples += 1;
        status.lost_observers += lost as u64;
        match recorded {
            Some(Ok(id)) => {
                status.recorded += 1;
                status.first_id.get_or_insert(id);
                status.last_id = Some(id);
            }
            Some(Err(error)) => {
                status.errors += 1;
                status.last_error = Some(Arc::new(error));
            }
            None => {}
        }
    }
}

/// When a snapshot is due after that of `due`, and how many are missed: those that are due `now`,
/// but for the latest. None: the interval leads out of all time.
fn next(due: Option<Instant>, interval: Duration, now: Instant) -> (Option<Instant>, u64) {
    let Some(next) = due.and_then(|due| due.checked_add(interval)) else { return (None, 0) };
    let late = now.saturating_duration_since(next).as_nanos();
    // Without an interval nothing is promised.
    let Some(missed) = late.checked_div(interval.as_nanos()) else { return (Some(now), 0) };
    let since = Duration::from_nanos((late - missed * interval.as_nanos()) as u64);
    (if late == 0 { Some(next) } else { now.checked_sub(since) }, missed as u64)
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SamplerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplerBuilder")
            .field("interval", &self.interval)
            .field("recorder", &self.recorder)
            .field("observers", &self.observers.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_missed_is_what_the_interval_promises() {
        let ms = Duration::from_millis;
        let begin = Instant::now();
        for (interval, takes) in [(10, 3), (10, 10), (10, 12), (10, 35), (7, 500), (1000, 1)] {
            let (mut due, mut now, mut taken, mut missed) = (Some(begin), begin, 0, 0);
            while now < begin + ms(10_000) {
                now = now.max(due.unwrap());
                taken += 1;
                now += ms(takes);
                let more;
                (due, more) = next(due, ms(interval), now);
                missed += more;
            }
            // The latest that was due by now may not have been taken yet.
            let promised = (now - begin).as_millis() as u64 / interval + 1;
            assert!(
                (promised - 1..=promised).contains(&(taken + missed)),
                "{taken} and {missed} of {promised}, every {interval} ms, each takes {takes}"
            );
            assert_eq!(missed > 0, takes > interval);
        }
        assert_eq!(next(Some(begin), ms(0), begin + ms(5)), (Some(begin + ms(5)), 0));
        assert_eq!(next(Some(begin), Duration::MAX, begin), (None, 0));
        assert_eq!(next(None, ms(1), begin), (None, 0));
    }
}
