//! What is known of the programs.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use parshall::Snapshot;
use parshall::introspect::{Diagnosis, Finding, Settings};
use parshall_gauge::metrics::Exporter;
use tokio::sync::watch;

use super::history::History;
use crate::address::Address;
use crate::client::Hello;
use crate::model::{Model, look};

/// So many programs that have ended are remembered, and of each program so many findings that are
/// over.
const ENDED: usize = 16;
const OVER: usize = 32;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
pub(super) struct World {
    /// By [`Program::slug`].
    programs: Mutex<BTreeMap<String, Arc<Program>>>,
    /// What could not be looked at.
    warnings: Mutex<Vec<String>>,
    /// What stays the same from scrape to scrape.
    pub(super) exporter: Mutex<Exporter>,
    /// Counts what became known.
    changed: watch::Sender<u64>,
}

impl World {
    pub(super) fn programs(&self) -> Vec<Arc<Program>> {
        lock(&self.programs).values().cloned().collect()
    }

    pub(super) fn program(&self, slug: &str) -> Option<Arc<Program>> {
        lock(&self.programs).get(slug).cloned()
    }

    /// The program that answers there; if it is new, it becomes known.
    pub(super) fn at(&self, address: &Address, settings: &Settings) -> Arc<Program> {
        let mut programs = lock(&self.programs);
        if let Some(known) = programs.values().find(|program| program.address == *address) {
            return known.clone();
        }
        let stem = match address {
            Address::Unix(path) => {
                path.file_stem().map_or("program".into(), |stem| stem.to_string_lossy())
            }
            Address::Tcp(host) => host.as_str().into(),
        };
        // Two folders may have the same name in them.
        let slugs = (1..).map(|n| if n == 1 { stem.to_string() } else { format!("{stem}~{n}") });
        let slug = slugs.into_iter().find(|slug| !programs.contains_key(slug));
        let slug = slug.unwrap_or_default();
        let state = State::new(settings.clone());
        let program = Program { slug, address: address.clone(), state: Mutex::new(state) };
        let program = Arc::new(program);
        programs.insert(program.slug.clone(), program.clone());
        program
    }

    pub(super) fn knows(&self, address: &Address) -> bool {
        lock(&self.programs).values().any(|program| program.address == *address)
    }

    /// Of many programs that have ended, those that did so first are forgotten.
    pub(super) fn forget(&self) {
        let mut programs = lock(&self.programs);
        let since = |program: &Program| match program.state().status {
            Status::Ended { since } => Some(since),
            _ => None,
        };
        let mut ended: Vec<_> = programs
            .values()
            .filter_map(|program| Some((since(program)?, program.slug.clone())))
            .collect();
        ended.sort_unstable();
        for (_, slug) in ended.iter().rev().skip(ENDED) {
            programs.remove(slug);
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }

    pub(super) fn warn(&self, warnings: Vec<String>) {
        *lock(&self.warnings) = warnings;
    }

    /// Wakes those who show it.
    pub(super) fn tell(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[derive(Debug)]
pub(super) struct Program {
    /// What it is called in addresses of pages.
    pub(super) slug: String,
    pub(super) address: Address,
    state: Mutex<State>,
}

impl Program {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The next snapshot. Pages are answered while it is looked at.
    pub(super) fn take(&self, snapshot: Snapshot) {
        let looks = self.state().model.looks.clone();
        if let Some(diagnosis) = look(&looks, &snapshot) {
            self.state().take(snapshot, diagnosis);
        }
    }
}

#[derive(Debug)]
pub(super) enum Status {
    Answers,
    /// Since when not, and why.
    Lost {
        since: Instant,
        why: String,
    },
    Ended {
        since: Instant,
    },
}

/// A finding that is over.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) key: String,
    pub(super) finding: Finding,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) model: Model,
    pub(super) history: History,
    /// The last first.
    pub(super) over: VecDeque<Over>,
    pub(super) hello: Option<Hello>,
    pub(super) status: Status,
    /// When another process was seen to have taken its place.
    pub(super) restarted: Option<Instant>,
}

impl State {
    fn new(settings: Settings) -> Self {
        Self {
            model: Model::new(settings),
            history: History::default(),
            over: VecDeque::new(),
            hello: None,
            status: Status::Answers,
            restarted: None,
        }
    }

    /// The next snapshot, and what is wrong in it.
    fn take(&mut self, snapshot: Snapshot, diagnosis: Diagnosis) {
        let before = self.model.diagnosis.take();
        let process = self.model.snapshot.as_ref().map(|snapshot| snapshot.proc_key.clone());
        if process.as_ref().is_some_and(|process| *process != snapshot.proc_key) {
            self.restarted = Some(Instant::now());
            self.history = History::default();
        }
        self.model.show(snapshot, diagnosis);
        self.status = Status::Answers;
        self.history.take(&self.model);
        let now: HashSet<String> = self.findings().iter().map(key).collect();
        self.over.retain(|over| !now.contains(&over.key));
        for finding in before.into_iter().flat_map(|before| before.findings) {
            let key = key(&finding);
            if !now.contains(&key) && self.over.iter().all(|over| over.key != key) {
                self.over.push_front(Over { key, finding, since: Instant::now() });
            }
        }
        self.over.truncate(OVER);
    }

    pub(super) fn lost(&mut self, why: String) {
        let since = match self.status {
            Status::Lost { since, .. } => since,
            _ => Instant::now(),
        };
        self.status = Status::Lost { since, why };
    }

    pub(super) fn end(&mut self) {
        if !matches!(self.status, Status::Ended { .. }) {
            self.status = Status::Ended { since: Instant::now() };
        }
    }

    /// The worst first.
    pub(super) fn findings(&self) -> &[Finding] {
        self.model.diagnosis.as_ref().map_or(&[], |diagnosis| &diagnosis.findings)
    }

    pub(super) fn finding(&self, wanted: &str) -> Option<&Finding> {
        self.findings().iter().find(|finding| key(finding) == wanted)
    }
}

/// What a finding is called in addresses of pages: the same as long as it lasts.
pub(super) fn key(finding: &Finding) -> String {
    let mut hasher = DefaultHasher::new();
    let channel = finding.channels.first().map(|channel| &channel.id);
    channel.or(finding.tasks.first().map(|task| &task.id)).hash(&mut hasher);
    format!("{}-{:016x}", finding.kind.as_str(), hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Seen to fail with: a look under the lock of the state.
    #[test]
    fn a_page_does_not_wait_for_a_look() {
        let world = World::default();
        let program = world.at(&Address::Tcp("localhost:1".into()), &Settings::default());
        let looks = program.state().model.looks.clone();
        let long = lock(&looks);
        thread::scope(|scope| {
            let taking = scope.spawn(|| program.take(parshall::snapshot()));
            thread::sleep(Duration::from_millis(100));
            let is_free = program.state.try_lock().is_ok();
            assert!(!taking.is_finished());
            drop(long);
            taking.join().unwrap();
            assert!(is_free);
        });
        assert!(program.state().model.snapshot.is_some());
    }
}
