//! What was last said of each channel and task of a process, and the rows of its next snapshot.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use parshall::introspect::{Finding, NodeKind, SCHEMA};
use parshall::task::{TaskKind, TaskRef};
use parshall::{ChannelSnapshot, Snapshot, Text};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, named_params, params};
use serde_json::Value;

use super::entry;
use super::long_waits::{Long, LongWaits};

/// So long a text goes into one row.
const PART: usize = 64 << 10;

/// So many times as long as a keyframe are the changes until the next one.
const CHANGES: usize = 8;

/// A keyframe is due after so much recorded time, and one of each such time is kept for long.
const MINUTE_MS: i64 = 60_000;

/// What is known of a snapshot beside itself.
#[derive(Debug, Default)]
pub(crate) struct About<'a> {
    pub(crate) findings: &'a [Finding],
    pub(crate) missed: Option<u64>,
}

/// Of one process, in one recording that is open. After an error it must be dropped: it is ahead of
/// the file.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    session: i64,
    last: Option<Last>,
    channels: HashMap<u64, Known<Named>>,
    tasks: HashMap<TaskRef, Known<TaskFacts>>,
    /// What was found last, without what changes from look to look.
    found: Vec<u8>,
    findings_at: i64,
    scratch: Vec<u8>,
}

/// The last snapshot.
#[derive(Clone, Copy, Debug)]
struct Last {
    id: i64,
    keyframe: i64,
    /// The recorded time of the last that is kept for its minute.
    minute_ms: i64,
    /// How long the keyframe is, and the changes since.
    keyframe_bytes: usize,
    changes_bytes: usize,
}

/// A channel or a task.
#[derive(Debug)]
struct Known<F> {
    key: i64,
    /// What does not change; else it is another row.
    facts: F,
    /// What was said last, as far as it is compared.
    said: Vec<u8>,
    /// The last snapshot it was in.
    seen: i64,
    long: Vec<Long>,
}

/// Of the facts of a channel those that may change: by a new name, or if the time of day was set.
#[derive(Debug, PartialEq)]
struct Named {
    created_at_ns: i64,
    name: Text,
}

/// Whether it is a root, its name, and where it was made.
type TaskFacts = (bool, Option<Text>, Option<Text>);

impl Memory {
    /// Writes the snapshot and returns its id.
    pub(crate) fn write(
        &mut self,
        to: &Transaction<'_>,
        snapshot: &Snapshot,
        about: &About<'_>,
    ) -> rusqlite::Result<i64> {
        let Next { id, clock_ms } = next(to, snapshot.taken_at_ns)?;
        if let Some(last) = self.last
            && !exists(to, last.id)?
        {
            // Another recorder has deleted it, and maybe more.
            *self = Self::default();
        }
        if self.session == 0 {
            self.session = begin_session(to, &snapshot.process, snapshot.pid, &snapshot.proc_key)?;
        }
        let last = self.last;
        let minute = last.is_none_or(|last| clock_ms - last.minute_ms >= MINUTE_MS);
        let is_long = |last: &Last| last.changes_bytes > CHANGES * last.keyframe_bytes.max(1 << 12);
        let base = last.filter(|last| !minute && !is_long(last));
        let keyframe = base.map_or(id, |last| last.keyframe);

        let mut parts = Parts::new(to, keyframe, id)?;
        let shift_ns = self.write_channels(to, id, snapshot, base.is_none(), &mut parts)?;
        self.write_tasks(to, id, snapshot, base.is_none(), &mut parts)?;
        let bytes = parts.end()?;
        let bytes = bytes + self.write_findings(to, id, about.findings, base.is_none())?;

        to.prepare_cached(
            "INSERT INTO moment
                 (snapshot_id, session, keyframe, minute, clock_ms, bytes, requested_at_ns,
                  completed_at_ns, status, error_text, missed, untracked, findings_at)
             VALUES (:id, :session, :keyframe, :minute, :clock, :bytes, :requested,
                  :completed, 'ok', :note, :missed, :untracked, :findings)",
        )?
        .execute(named_params! {
            ":id": id,
            ":session": self.session,
            ":keyframe": keyframe,
            ":minute": minute,
            ":clock": clock_ms,
            ":bytes": bytes as i64,
            ":requested": snapshot.taken_at_ns,
            ":completed": snapshot.completed_at_ns,
            ":note": (shift_ns != 0).then(|| clock_was_set(shift_ns)),
            ":missed": about.missed.map(|missed| missed as i64),
            ":untracked": snapshot.untracked as i64,
            ":findings": self.findings_at,
        })?;
        self.last = Some(Last {
            id,
            keyframe,
            minute_ms: if minute { clock_ms } else { last.map_or(clock_ms, |l| l.minute_ms) },
            keyframe_bytes: base.map_or(bytes, |last| last.keyframe_bytes),
            changes_bytes: base.map_or(0, |last| last.changes_bytes + bytes),
        });
        Ok(id)
    }

    /// Returns by how much the time of day was set since the last snapshot: then a channel seems to
    /// have been created at another moment.
    fn write_channels(
        &mut self,
        to: &Transaction<'_>,
        id: i64,
        snapshot: &Snapshot,
        all: bool,
        parts: &mut Parts<'_>,
    ) -> rusqlite::Result<i64> {
        let mut shift_ns = 0;
        let mut insert = to.prepare_cached(
            "INSERT INTO channel
                 (session, first_id, id, number, name, label, capacity, created_at_ns,
                  creator_task_id, location, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let mut gone = to.prepare_cached("UPDATE channel SET gone_id = ?1 WHERE key = ?2")?;
        let mut long_waits = LongWaits::new(to, snapshot, self.session, id)?;
        for channel in &snapshot.channels {
            let stats = &channel.stats;
            let facts = Named { created_at_ns: stats.created_at_ns, name: stats.name.clone() };
            let known = match self.channels.entry(stats.channel_id) {
                Entry::Vacant(vacant) => {
                    let key = insert_channel(&mut insert, self.session, id, channel)?;
                    vacant.insert(Known::new(key, facts))
                }
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    if known.facts != facts {
                        shift_ns = stats.created_at_ns.saturating_sub(known.facts.created_at_ns);
                        gone.execute((id, known.key))?;
                        parts.channel(known.key, b"0")?;
                        long_waits.end(&known.long)?;
                        let key = insert_channel(&mut insert, self.session, id, channel)?;
                        *known = Known::new(key, facts);
                    }
                    known
                }
            };
            known.seen = id;
            let compared = entry::channel(&mut self.scratch, channel, snapshot);
            if known.says(&self.scratch[compared.min(self.scratch.len())..]) || all {
                parts.channel(known.key, &self.scratch)?;
            }
            long_waits.look(channel, &mut known.long)?;
        }
        forget(&mut self.channels, snapshot.channels.len(), id, |known| {
            gone.execute((id, known.key))?;
            long_waits.end(&known.long)?;
            parts.channel(known.key, b"0")
        })?;
        Ok(shift_ns)
    }

    fn write_tasks(
        &mut self,
        to: &Transaction<'_>,
        id: i64,
        snapshot: &Snapshot,
        all: bool,
        parts: &mut Parts<'_>,
    ) -> rusqlite::Result<()> {
        let mut insert = to.prepare_cached(
            "INSERT INTO task (session, first_id, id, kind, name, root, location)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut gone = to.prepare_cached("UPDATE task SET gone_id = ?1 WHERE key = ?2")?;
        for task in &snapshot.tasks {
            let mut insert = || {
                insert.insert(params![
                    self.session,
                    id,
                    task.task.node_id_in(&snapshot.process),
                    task_kind(task.task).as_str(),
                    task.name.as_deref(),
                    task.root,
                    task.location.as_deref()
                ])
            };
            let facts = (task.root, task.name.clone(), task.location.clone());
            let known = match self.tasks.entry(task.task) {
                Entry::Vacant(vacant) => vacant.insert(Known::new(insert()?, facts)),
                Entry::Occupied(known) => {
                    let known = known.into_mut();
                    if known.facts != facts {
                        gone.execute((id, known.key))?;
                        parts.task(known.key, b"0")?;
                        *known = Known::new(insert()?, facts);
                    }
                    known
                }
            };
            known.seen = id;
            entry::task(&mut self.scratch, task);
            if known.says(&self.scratch) || all {
                parts.task(known.key, &self.scratch)?;
            }
        }
        forget(&mut self.tasks, snapshot.tasks.len(), id, |known| {
            gone.execute((id, known.key))?;
            parts.task(known.key, b"0")
        })
    }

    /// Writes them if others were found than last, or to a keyframe. Returns how long they are.
    fn write_findings(
        &mut self,
        to: &Transaction<'_>,
        id: i64,
        findings: &[Finding],
        all: bool,
    ) -> rusqlite::Result<usize> {
        let mut found = Vec::new();
        for finding in findings {
            found.extend_from_slice(finding.kind.as_str().as_bytes());
            found.extend_from_slice(finding.verdict.as_str().as_bytes());
            found.extend_from_slice(&finding.victims.to_le_bytes());
            let channels = finding.channels.iter().map(|channel| &channel.id);
            for name in channels.chain(finding.tasks.iter().map(|task| &task.id)) {
                found.extend_from_slice(name.as_bytes());
                found.push(0);
            }
        }
        if found == self.found && !all {
            return Ok(0);
        }
        (self.found, self.findings_at) = (found, id);
        let mut insert = to.prepare_cached(
            "INSERT INTO finding
                 (snapshot_id, place, kind, verdict, since_ns, channels, tasks, victims, assumption,
                  text)
             VALUES (:id, :place, :kind, :verdict, :since, :channels, :tasks, :victims, :assumption,
                  :text)",
        )?;
        let named = |id: &str, name: &str| serde_json::json!({ "id": id, "name": name });
        let mut bytes = 0;
        for (place, finding) in findings.iter().enumerate() {
            let channels = finding.channels.iter().map(|channel| named(&channel.id, &channel.name));
            let tasks = finding.tasks.iter().map(|task| named(&task.id, &task.name));
            let (channels, tasks) = (channels.collect::<Value>(), tasks.collect::<Value>());
            let (channels, tasks, text) = (channels.to_string(), tasks.to_string(), finding.text());
            bytes += channels.len() + tasks.len() + text.len();
            insert.execute(named_params! {
                ":id": id,
                ":place": place as i64,
                ":kind": finding.kind.as_str(),
                ":verdict": finding.verdict.as_str(),
                ":since": finding.since_ns,
                ":channels": channels,
                ":tasks": tasks,
                ":victims": finding.victims as i64,
                ":assumption": finding.assumption,
                ":text": text,
            })?;
        }
        Ok(bytes)
    }
}

impl<F> Known<F> {
    fn new(key: i64, facts: F) -> Self {
        Self { key, facts, said: Vec::new(), seen: 0, long: Vec::new() }
    }

    /// Remembers what is said now. Whether it is something new.
    fn says(&mut self, text: &[u8]) -> bool {
        if self.said == text {
            return false;
        }
        self.said.clear();
        self.said.extend_from_slice(text);
        true
    }
}

/// Forgets those that were not in the snapshot `id`, which has `now` of them.
fn forget<K: Eq + Hash, F>(
    all: &mut HashMap<K, Known<F>>,
    now: usize,
    id: i64,
    mut gone: impl FnMut(&Known<F>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    if all.len() == now {
        return Ok(());
    }
    let mut done = Ok(());
    all.retain(|_, known| {
        let stays = known.seen == id;
        if !stays && done.is_ok() {
            done = gone(known);
        }
        stays
    });
    done
}

fn insert_channel(
    insert: &mut CachedStatement<'_>,
    session: i64,
    id: i64,
    channel: &ChannelSnapshot,
) -> rusqlite::Result<i64> {
    let stats = &channel.stats;
    insert.insert(params![
        session,
        id,
        channel.id,
        stats.channel_id as i64,
        &*stats.name,
        &*stats.label,
        stats.capacity.map(|capacity| capacity as i64),
        stats.created_at_ns,
        stats.creator_task_id.as_deref(),
        &*stats.location,
        &*stats.payload
    ])
}

fn task_kind(task: TaskRef) -> NodeKind {
    match task.kind() {
        TaskKind::Thread => NodeKind::Thread,
        TaskKind::Waker => NodeKind::Waker,
        _ => NodeKind::Task,
    }
}

/// The rows of `change` of one snapshot.
struct Parts<'a> {
    insert: CachedStatement<'a>,
    keyframe: i64,
    id: i64,
    channels: Vec<u8>,
    tasks: Vec<u8>,
    bytes: usize,
}

impl<'a> Parts<'a> {
    fn new(to: &'a Transaction<'_>, keyframe: i64, id: i64) -> rusqlite::Result<Self> {
        let insert = to.prepare_cached(
            "INSERT INTO change (keyframe, snapshot_id, channels, tasks) VALUES (?1, ?2, ?3, ?4)",
        )?;
        Ok(Self { insert, keyframe, id, channels: Vec::new(), tasks: Vec::new(), bytes: 0 })
    }

    fn channel(&mut self, key: i64, said: &[u8]) -> rusqlite::Result<()> {
        entry::key(&mut self.channels, key);
        self.channels.extend_from_slice(said);
        if self.channels.len() > PART { self.flush() } else { Ok(()) }
    }

    fn task(&mut self, key: i64, said: &[u8]) -> rusqlite::Result<()> {
        entry::key(&mut self.tasks, key);
        self.tasks.extend_from_slice(said);
        if self.tasks.len() > PART { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        if self.channels.is_empty() && self.tasks.is_empty() {
            return Ok(());
        }
        for text in [&mut self.channels, &mut self.tasks] {
            text.insert(0, b'{');
            text.push(b'}');
        }
        let (channels, tasks) = (text(&self.channels), text(&self.tasks));
        self.insert.execute(params![self.keyframe, self.id, channels, tasks])?;
        self.bytes += self.channels.len() + self.tasks.len();
        self.channels.clear();
        self.tasks.clear();
        Ok(())
    }

    /// How long all of it was.
    fn end(mut self) -> rusqlite::Result<usize> {
        self.flush()?;
        Ok(self.bytes)
    }
}

fn clock_was_set(by_ns: i64) -> String {
    let direction = if by_ns < 0 { "back" } else { "forward" };
    let seconds = by_ns.unsigned_abs() as f64 / 1e9;
    format!("the clock was set {direction} by {seconds:.1} s after the snapshot before")
}

/// As SQLite has it, which copies it.
fn text(json: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(json))
}

struct Next {
    id: i64,
    clock_ms: i64,
}

/// The number of the next snapshot, and its recorded time: that of the last one, and what has
/// passed since, but a minute at most. So a clock that is set, forwards or backwards, makes nothing
/// old.
fn next(to: &Transaction<'_>, at_ns: i64) -> rusqlite::Result<Next> {
    let last = to
        .prepare_cached(
            "SELECT snapshot_id, clock_ms, requested_at_ns FROM moment
             ORDER BY snapshot_id DESC LIMIT 1",
        )?
        .query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))
        .optional()?;
    if let Some((id, clock_ms, last_ns)) = last {
        let passed_ms = at_ns.saturating_sub(last_ns) / 1_000_000;
        return Ok(Next { id: id + 1, clock_ms: clock_ms + passed_ms.clamp(0, MINUTE_MS) });
    }
    let old = "SELECT coalesce(max(snapshot_id), 0) FROM old_snapshots";
    let id: i64 = to.query_row(old, (), |row| row.get(0))?;
    Ok(Next { id: id + 1, clock_ms: 0 })
}

fn begin_session(
    to: &Transaction<'_>,
    process: &str,
    pid: u32,
    proc_key: &str,
) -> rusqlite::Result<i64> {
    to.prepare_cached(
        "INSERT INTO session (process, pid, proc_key, schema, recorder)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .insert(params![process, pid, proc_key, SCHEMA, parshall::proc_key()])
}

fn exists(to: &Transaction<'_>, id: i64) -> rusqlite::Result<bool> {
    to.prepare_cached("SELECT 1 FROM moment WHERE snapshot_id = ?1")?.exists([id])
}

/// Writes down that a process could not be asked, or has ended.
pub(crate) fn write_absence(
    to: &Transaction<'_>,
    (process, pid, proc_key): (&str, u32, &str),
    at_ns: i64,
    status: &str,
    text: &str,
) -> rusqlite::Result<i64> {
    let Next { id, clock_ms } = next(to, at_ns)?;
    let session = begin_session(to, process, pid, proc_key)?;
    to.prepare_cached(
        "INSERT INTO moment
             (snapshot_id, session, keyframe, minute, clock_ms, bytes, requested_at_ns, status,
              error_text)
         VALUES (?1, ?2, -1, 1, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![id, session, clock_ms, text.len() as i64, at_ns, status, text])?;
    Ok(id)
}
