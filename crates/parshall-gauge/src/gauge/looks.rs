//! The looks of the gauge at its program, shared by all who ask.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use parshall::Snapshot;
use parshall::introspect::{Diagnoser, Diagnosis, Settings};

use super::say;
use super::told::Told;
#[cfg(all(feature = "metrics", feature = "serve"))]
use crate::metrics::{Exporter, Format, Program};

/// How old an answer may be, and how often the gauge looks by itself.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// How often it looks when nothing is queued and nobody waits for room, and nobody asks.
const IDLE: Duration = Duration::from_secs(5);

/// For so long somebody who has asked is taken to be there.
const ATTENTION: Duration = Duration::from_secs(10);

pub(crate) struct Looks {
    settings: Settings,
    state: Mutex<State>,
}

struct State {
    diagnoser: Diagnoser,
    latest: Option<Seen>,
    /// When somebody asked last.
    asked: Option<Instant>,
    #[cfg(all(feature = "metrics", feature = "serve"))]
    exporter: Exporter,
}

struct Seen {
    at: Instant,
    diagnosis: Arc<Diagnosis>,
    /// Nothing was queued, nobody waited for room, and nothing was found.
    calm: bool,
}

impl Looks {
    pub(crate) fn new(settings: Settings) -> Self {
        let diagnoser = Diagnoser::new(settings.clone());
        let state = State {
            diagnoser,
            latest: None,
            asked: None,
            #[cfg(all(feature = "metrics", feature = "serve"))]
            exporter: Exporter::new(),
        };
        Self { settings, state: Mutex::new(state) }
    }

    /// The answer to somebody who asks: at most [`EVERY`] old.
    #[cfg(feature = "serve")]
    pub(crate) fn asked(&self) -> Arc<Diagnosis> {
        self.lock().asked = Some(Instant::now());
        self.fresh(EVERY)
    }

    /// What a look has found that is at most so old; a new look, if there was none. Blocks for a
    /// moment, and for `Settings::apart` if nobody has looked before.
    pub(crate) fn fresh(&self, age: Duration) -> Arc<Diagnosis> {
        loop {
            let mut state = self.lock();
            if let Some(seen) = &state.latest
                && seen.at.elapsed() <= age
                && seen.diagnosis.first_look_ns != seen.diagnosis.second_look_ns
            {
                return seen.diagnosis.clone();
            }
            let (_, diagnosis) = self.look(&mut state);
            drop(state);
            if diagnosis.first_look_ns != diagnosis.second_look_ns {
                return diagnosis;
            }
            // One look says nothing.
            thread::sleep(self.settings.apart);
        }
    }

    /// Between two looks at least.
    #[cfg(all(unix, feature = "signal"))]
    pub(super) fn apart(&self) -> Duration {
        self.settings.apart
    }

    /// A scrape, of a look of its own.
    #[cfg(all(feature = "metrics", feature = "serve"))]
    pub(crate) fn scrape(&self, format: Format) -> String {
        loop {
            let mut state = self.lock();
            state.asked = Some(Instant::now());
            let (snapshot, diagnosis) = self.look(&mut state);
            if diagnosis.first_look_ns != diagnosis.second_look_ns {
                let mut text = String::new();
                let program = Program { snapshot: &snapshot, diagnosis: Some(&diagnosis) };
                state.exporter.write(&[program], format, &mut text).expect("a string takes all");
                return text;
            }
            drop(state);
            // One look says nothing.
            thread::sleep(self.settings.apart);
        }
    }

    fn look(&self, state: &mut State) -> (Snapshot, Arc<Diagnosis>) {
        let snapshot = parshall::snapshot();
        let diagnosis = loop {
            match state.diagnoser.look(&snapshot) {
                Ok(diagnosis) => break Arc::new(diagnosis),
                // The time of day was set back. All begins anew: any snapshot is right as the
                // first.
                Err(_) => state.diagnoser = Diagnoser::new(self.settings.clone()),
            }
        };
        let calm = diagnosis.findings.is_empty() && is_calm(&snapshot);
        state.latest = Some(Seen { at: Instant::now(), diagnosis: diagnosis.clone(), calm });
        (snapshot, diagnosis)
    }

    /// How long the gauge may now be without a look; `nothing` was told that is not over.
    fn pause(&self, nothing: bool) -> Duration {
        let state = self.lock();
        let attended = state.asked.is_some_and(|asked| asked.elapsed() < ATTENTION);
        let calm = state.latest.as_ref().is_some_and(|seen| seen.calm);
        if nothing && calm && !attended { IDLE } else { EVERY }
    }

    /// A look that panicked was told of by the hook. The state may be any from before.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks, and tells what is new, until `stop` is dropped.
    pub(super) fn watch(&self, stop: &Receiver<()>, log: bool) {
        let mut told = Told::default();
        loop {
            // In here runs whatever the program listens to `tracing` with: no lock is held.
            let looked = catch_unwind(AssertUnwindSafe(|| {
                let diagnosis = self.fresh(EVERY / 2);
                for news in told.look(&diagnosis).iter().filter(|_| log) {
                    say::news(news);
                }
            }));
            // What panics once may do so each time; it was told by the hook.
            let pause =
                if looked.is_ok() { self.pause(told.is_empty()) } else { Duration::from_secs(60) };
            if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

fn is_calm(snapshot: &Snapshot) -> bool {
    snapshot.channels.iter().all(|channel| {
        channel.send_waits.is_empty() && channel.stats.queue_len == 0 && channel.stats.reserved == 0
    })
}
