//! Look after look: what is kept between them, and what each says.

use std::collections::HashMap;

use super::bound::{self, Found};
use super::liveness::{Liveness, is_accounted_for};
use super::memory::Memory;
use super::scene::Scene;
use super::trend::Trends;
use super::{Blind, Diagnosis, Finding, LeftOut, Settings};
use super::{deadlock, futurelock, rates, rooms, stalled};
use crate::Snapshot;
use crate::task::TaskKind;

/// Turns snapshots of one process, one after the other, into findings.
///
/// It keeps what a comparison with the next snapshot needs, not the snapshots. It asks nothing of
/// the process: snapshots that were read back from JSON or SQLite do as well.
///
/// # Examples
/// ```
/// use parshall::introspect::{Diagnoser, Settings};
/// let settings = Settings::default();
/// let mut diagnoser = Diagnoser::new(settings.clone());
/// diagnoser.look(&parshall::snapshot())?;
/// std::thread::sleep(settings.apart);
/// let diagnosis = diagnoser.look(&parshall::snapshot())?;
/// assert!(diagnosis.findings.is_empty());
/// # Ok::<(), parshall::introspect::LookError>(())
/// ```
#[derive(Debug)]
pub struct Diagnoser {
    settings: Settings,
    memory: Option<Memory>,
    trends: HashMap<u64, Trends>,
}

impl Diagnoser {
    /// One that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self { settings, memory: None, trends: HashMap::new() }
    }

    /// What is wrong now, as far as this snapshot and the former ones tell. Findings come from the
    /// second look on; those that are a trend or a rate, after as many as the settings say.
    ///
    /// # Errors
    /// The snapshot is of another process than the last one, or was not taken after it. It is then
    /// not looked at, and the next may be right again.
    pub fn look(&mut self, snapshot: &Snapshot) -> Result<Diagnosis, LookError> {
        let mut order: Vec<u32> = (0..snapshot.channels.len() as u32).collect();
        order.sort_unstable_by_key(|&c| snapshot.channels[c as usize].stats.channel_id);
        if let Some(memory) = &mut self.memory {
            let shift = follows(memory, snapshot)?;
            if shift != 0 {
                memory.shift(shift);
                self.trends.values_mut().for_each(|trends| *trends = trends.shifted(shift));
            }
        }
        let now = snapshot.taken_at_ns;
        let first_look_ns = self.memory.as_ref().map_or(now, |memory| memory.taken_at_ns);
        let scene = Scene::new(snapshot, &order, self.memory.as_ref());
        let (mut findings, left_out) = findings(&scene, &self.settings, &mut self.trends);
        let blind = blind(&scene);
        drop(scene);
        let memory = self.memory.get_or_insert_with(|| Memory::begun_at(now));
        // What a look says began with it or after the one before it: unless it is the first.
        for finding in &mut findings {
            finding.since_known = finding.since_ns != memory.begun_at_ns;
        }
        memory.advance(snapshot, &order);
        Ok(Diagnosis {
            process: bound::name(&snapshot.process),
            pid: snapshot.pid,
            first_look_ns,
            second_look_ns: now,
            findings,
            left_out,
            blind,
        })
    }
}

/// By how much the time line of this snapshot is ahead of that of the last one: the system's time
/// may have been set between. The same channel was created at the same moment.
fn follows(before: &Memory, snapshot: &Snapshot) -> Result<i64, LookError> {
    if before.proc_key != snapshot.proc_key {
        return Err(LookError::OtherProcess {
            expected: (before.process.clone(), before.proc_key.clone()),
            found: (snapshot.process.clone(), snapshot.proc_key.clone()),
        });
    }
    let shift = snapshot.channels.iter().find_map(|channel| {
        let row = before.channel(channel.stats.channel_id)?;
        channel.stats.created_at_ns.checked_sub(row.created_at_ns)
    });
    let shift = shift.unwrap_or(0);
    let last_ns = before.taken_at_ns.saturating_add(shift);
    if snapshot.taken_at_ns <= last_ns {
        return Err(LookError::NotLater { last_ns, this_ns: snapshot.taken_at_ns });
    }
    Ok(shift)
}

/// All of them, in their order, and of too many how many are left out.
fn findings(
    scene: &Scene<'_>,
    settings: &Settings,
    trends: &mut HashMap<u64, Trends>,
) -> (Vec<Finding>, Vec<LeftOut>) {
    let mut findings = Found::default();
    if scene.before.is_none() {
        return findings.into_order();
    }
    let life = Liveness::of(scene);
    let mut covered = deadlock::find(scene, &life, &mut findings);
    drop(life);
    rooms::lost_wakeups(scene, settings, &mut covered, &mut findings);
    futurelock::find(scene, settings, &mut covered, &mut findings);
    rooms::held_permits(scene, settings, &mut covered, &mut findings);
    stalled::find(scene, settings, &covered, &mut findings);
    rooms::starved(scene, settings, &mut findings);
    rooms::sender_kept(scene, settings, &mut findings);
    rates::find(scene, settings, trends, &mut findings);
    findings.into_order()
}

fn blind(scene: &Scene<'_>) -> Blind {
    let mut blind = Blind {
        waits: scene.waits.len() as u64,
        untracked: scene.snapshot.untracked,
        ..Blind::default()
    };
    blind.unknown_waits = scene.waits.iter().filter(|wait| wait.party.is_none()).count() as u64;
    blind.uncertain_waits = blind.unknown_waits;
    for a in 0..scene.actors.len() as u32 {
        let actor = &scene.actors[a as usize];
        let waits = scene.waits_by(a).len() as u64;
        if actor.task.kind() == TaskKind::Waker {
            blind.unknown_waits += waits;
        }
        if !is_accounted_for(scene, a) {
            blind.uncertain_waits += waits;
        }
        let is_task = matches!(actor.task.kind(), TaskKind::Named | TaskKind::Tokio);
        if waits > 0 && is_task && actor.is.is_none_or(|is| is.name.is_none()) {
            blind.nameless_tasks += 1;
        }
    }
    blind
}

/// A snapshot that cannot follow the last one.
///
/// # Examples
/// ```
/// use parshall::introspect::Diagnoser;
///
/// let (first, second) = (parshall::snapshot(), parshall::snapshot());
/// let mut diagnoser = Diagnoser::new(Default::default());
/// diagnoser.look(&second)?;
/// let error = diagnoser.look(&first).unwrap_err();
/// println!("{error}"); // it is older than the last one
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookError {
    /// It is of another process.
    OtherProcess {
        /// The process that was looked at before, and its key.
        expected: (String, String),
        /// The process of this snapshot, and its key.
        found: (String, String),
    },
    /// It was not taken after the last one.
    NotLater {
        /// When the last one was taken, in nanoseconds since the Unix epoch.
        last_ns: i64,
        /// When this one was.
        this_ns: i64,
    },
}

impl core::fmt::Display for LookError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OtherProcess { expected, found } => write!(
                f,
                "the snapshot is of process {:?} ({}), the looks before were at {:?} ({}); a \
                 Diagnoser looks at one process",
                found.0, found.1, expected.0, expected.1
            ),
            Self::NotLater { last_ns, this_ns } => write!(
                f,
                "the snapshot was taken at {this_ns} ns, the last one at {last_ns} ns; give them \
                 in the order in which they were taken, each once"
            ),
        }
    }
}

impl core::error::Error for LookError {}
