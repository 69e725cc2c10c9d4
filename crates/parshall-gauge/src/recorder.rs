//! From a snapshot to rows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parshall::introspect::{
    Diagnoser, Edge, Finding, Graph, LookError, NodeKind, SCHEMA, Settings, Side, Subject,
};
use parshall::{Snapshot, WaitSnapshot};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Transaction, named_params, params};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Doing, Failure, RecordError};
use crate::recording::Recording;

/// Writes snapshots into an SQLite database, each in one transaction: all of it, or nothing.
///
/// The latest [500](Self::DEFAULT_KEEP) snapshots are kept; see [`keep`](Self::keep). Several
/// processes may record into one file.
///
/// After an error the file is closed, and the next [`record`](Self::record) opens it anew: it works
/// once the cause is gone.
///
/// # The file
/// It may be moved away or deleted while it is recorded into, say by a log rotation: the next
/// record begins a new one. What was recorded before is all in the moved file, as soon as each of
/// its recorders has recorded once more or was dropped; until then it may lie in the `-wal` file
/// that stays behind. If all of them were killed meanwhile, nobody does that: move the `-wal` file
/// after it, to the same name with `-wal` behind it, before a recorder begins a new file. Another
/// recording may take the file's place only while nobody has the file open. Do not truncate it.
///
/// Read it through SQLite only. If a program opens and closes the file by other means (a copy with
/// [`std::fs`], a second copy of SQLite linked into it), that drops all POSIX locks of the process,
/// and other processes may then destroy what is recorded.
///
/// # After a `fork`
/// SQLite does not bear `fork`. In the child, a recorder that its parent had opened, and a new one
/// for a file that the parent had open, return an error of kind
/// [`Forked`](crate::RecordErrorKind::Forked); dropped there, such a recorder is leaked, so that
/// the parent's file stays whole. Start recorders after the fork; if other threads were recording
/// at the fork, the child can record nothing at all before it executes another program, for it may
/// find SQLite's own locks taken for ever.
///
/// # Examples
/// ```
/// use parshall_gauge::SqliteRecorder;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// let (_tx, _rx) = parshall::mpsc::Builder::new().name("wal").capacity(8).build::<u8>();
///
/// let mut recorder = SqliteRecorder::open(&path)?;
/// let id = recorder.record(&parshall::snapshot())?;
///
/// let db = rusqlite::Connection::open(&path)?;
/// let wal: (i64, i64) = db.query_row(
///     "SELECT q, cap FROM channels WHERE snapshot_id = ?1 AND name = 'wal'",
///     [id],
///     |row| Ok((row.get(0)?, row.get(1)?)),
/// )?;
/// assert_eq!(wal, (0, 8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteRecorder {
    path: PathBuf,
    keep: u64,
    busy_timeout: Duration,
    settings: Settings,
    /// It has seen what was recorded before.
    diagnoser: Diagnoser,
    open: Option<Recording>,
}

impl SqliteRecorder {
    /// How many snapshots are kept by default: 25 seconds at 20 a second.
    pub const DEFAULT_KEEP: u64 = 500;

    /// How long a record waits by default for others who have locked the file.
    pub const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(1);

    /// A recorder into `path`. The file is opened, and created if it is not there, by the first
    /// record. A relative path begins at the folder that is the current one now.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            // An error is told when the file is to be opened.
            path: std::path::absolute(&path).unwrap_or(path),
            keep: Self::DEFAULT_KEEP,
            busy_timeout: Self::DEFAULT_BUSY_TIMEOUT,
            settings: Settings::default(),
            diagnoser: Diagnoser::new(Settings::default()),
            open: None,
        }
    }

    /// [`SqliteRecorder::new`], and opens the file at once.
    ///
    /// # Errors
    /// As [`SqliteRecorder::record`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let mut recorder = Self::new(path);
        recorder.connect()?;
        Ok(recorder)
    }

    /// Keeps the latest `snapshots`, of all processes together; those before are deleted with the
    /// record that makes them too many. 0 keeps all.
    #[must_use]
    pub fn keep(mut self, snapshots: u64) -> Self {
        self.keep = snapshots;
        self
    }

    /// Waits so long for others who have locked the file. Takes effect when it is opened next.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self.close();
        self
    }

    /// What counts as a finding. The recorder diagnoses what it records, and writes down with each
    /// snapshot what that and those before it say is wrong.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.diagnoser = Diagnoser::new(settings.clone());
        self.settings = settings;
        self
    }

    /// The file, by its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records `snapshot` and returns its id in the file, larger than all ids there before.
    ///
    /// # Errors
    /// Nothing of the snapshot was recorded: the file cannot be opened or created, is not a
    /// recording of a version known here, is locked, or cannot grow. The recorder can be used on.
    pub fn record(&mut self, snapshot: &Snapshot) -> Result<i64, RecordError> {
        self.record_after(snapshot, None)
    }

    /// `missed`: how many snapshots were not taken since the last that was recorded.
    pub(crate) fn record_after(
        &mut self,
        snapshot: &Snapshot,
        missed: Option<u64>,
    ) -> Result<i64, RecordError> {
        let graph = snapshot.graph();
        let findings = self.findings(snapshot);
        let keep = self.keep;
        loop {
            let open = self.connect()?;
            match open.transact(|to| write(to, &graph, &findings, missed, keep)) {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => self.leave()?,
                Err(error) => {
                    // Whatever was wrong with the connection or the file, the next record begins
                    // afresh.
                    self.close();
                    return Err(RecordError::new(&self.path, Doing::Write, Failure::Sqlite(error)));
                }
            }
        }
    }

    /// None of a first look, nor of a snapshot that was taken before one that was recorded.
    fn findings(&mut self, snapshot: &Snapshot) -> Vec<Finding> {
        let mut look = self.diagnoser.look(snapshot);
        if let Err(LookError::OtherProcess { .. }) = look {
            self.diagnoser = Diagnoser::new(self.settings.clone());
            look = self.diagnoser.look(snapshot);
        }
        look.map_or_else(|_| Vec::new(), |diagnosis| diagnosis.findings)
    }

    fn connect(&mut self) -> Result<&mut Recording, RecordError> {
        let error = |failure| RecordError::new(&self.path, Doing::Open, failure);
        let open = match self.open.take() {
            Some(open) if open.is_inherited() => return Err(error(Failure::Forked)),
            Some(open) => open,
            None => Recording::open(&self.path, self.busy_timeout).map_err(error)?,
        };
        Ok(self.open.insert(open))
    }

    /// Closes a file that was moved. It stays open, if its last records cannot be put into it now.
    fn leave(&mut self) -> Result<(), RecordError> {
        if let Some(open) = &mut self.open {
            open.complete()
                .map_err(|failure| RecordError::new(&self.path, Doing::Write, failure))?;
            self.open = None;
        }
        Ok(())
    }

    fn close(&mut self) {
        if self.open.as_ref().is_some_and(|open| !open.is_inherited() && open.has_moved()) {
            let _ = self.leave();
        } else {
            self.open = None;
        }
    }
}

impl fmt::Debug for SqliteRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRecorder")
            .field("path", &self.path)
            .field("keep", &self.keep)
            .field("busy_timeout", &self.busy_timeout)
            .field("settings", &self.settings)
            .field("open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

fn write(
    transaction: &Transaction<'_>,
    graph: &Graph<'_>,
    findings: &[Finding],
    missed: Option<u64>,
    keep: u64,
) -> rusqlite::Result<i64> {
    let id = write_header(transaction, graph.snapshot, missed)?;
    write_nodes(transaction, id, graph)?;
    write_edges(transaction, id, graph)?;
    write_waits(transaction, id, graph.snapshot)?;
    write_findings(transaction, id, findings)?;
    if keep > 0 {
        forget(transaction, keep)?;
    }
    Ok(id)
}

fn write_header(
    transaction: &Transaction<'_>,
    snapshot: &Snapshot,
    missed: Option<u64>,
) -> rusqlite::Result<i64> {
    // No other process was asked, so nothing could time out: 0.
    transaction
        .prepare_cached(
            "INSERT INTO snapshots (requested_at_ns, completed_at_ns, timeout_ms, schema)
             VALUES (?1, ?2, 0, ?3)",
        )?
        .execute((snapshot.taken_at_ns, snapshot.completed_at_ns, SCHEMA))?;
    let id = transaction.last_insert_rowid();
    transaction
        .prepare_cached(
            "INSERT INTO snapshot_processes
                 (snapshot_id, process, pid, proc_key, status, recv_at_ns, error_text, missed,
                  untracked)
             VALUES (?1, ?2, ?3, ?4, 'ok', ?5, NULL, ?6, ?7)",
        )?
        .execute(params![
            id,
            snapshot.process,
            snapshot.pid,
            snapshot.proc_key,
            snapshot.completed_at_ns,
            missed.map(|missed| missed as i64),
            snapshot.untracked as i64
        ])?;
    Ok(id)
}

fn write_nodes(transaction: &Transaction<'_>, id: i64, graph: &Graph<'_>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO nodes (snapshot_id, id, kind, process, proc_key, attrs_json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let Snapshot { process, proc_key, .. } = graph.snapshot;
    // Both ends of a channel, one after the other, have the same attributes.
    let mut attrs = Vec::new();
    for node in &graph.nodes {
        if node.kind != NodeKind::MpscRx {
            json(&node.attrs(), &mut attrs);
        }
        let attrs = text(&attrs);
        insert.execute(params![id, &*node.id, node.kind.as_str(), process, proc_key, attrs])?;
        // The channel itself, beside its ends.
        if let (NodeKind::MpscTx, Subject::Channel(channel)) = (node.kind, node.subject) {
            insert.execute(params![id, channel.id, "mpsc", process, proc_key, attrs])?;
        }
    }
    Ok(())
}

fn write_edges(transaction: &Transaction<'_>, id: i64, graph: &Graph<'_>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO edges (snapshot_id, src_id, dst_id, kind, attrs_json)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut attrs = Vec::new();
    for edge in &graph.edges {
        json(&edge.attrs(), &mut attrs);
        insert.execute((id, &*edge.src, &*edge.dst, Edge::KIND, text(&attrs)))?;
    }
    Ok(())
}

fn write_waits(
    transaction: &Transaction<'_>,
    id: i64,
    snapshot: &Snapshot,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO waits
             (snapshot_id, channel_id, side, place, task_id, since_ns, need, granted_at_ns,
              wait_id, call, own_waker, deadline_ns)
         VALUES (:id, :channel, :side, :place, :task, :since, :need, :granted,
              :wait, :call, :own_waker, :deadline)",
    )?;
    let mut row = |channel: &str, side: Side, place: usize, wait: &WaitSnapshot| {
        insert.execute(named_params! {
            ":id": id,
            ":channel": channel,
            ":side": side.as_str(),
            ":place": place as i64,
            ":task": wait.task.map(|task| task.node_id_in(&snapshot.process)),
            ":since": wait.since_ns,
            ":need": wait.need as i64,
            ":granted": wait.granted_at_ns,
            ":wait": wait.id as i64,
            ":call": wait.call.as_str(),
            ":own_waker": wait.own_waker,
            ":deadline": wait.deadline_ns,
        })
    };
    for channel in &snapshot.channels {
        for (side, waits) in [
            (Side::Send, &channel.send_waits[..]),
            (Side::Receive, channel.recv_wait.as_slice()),
            (Side::Close, &channel.close_waits[..]),
        ] {
            for (place, wait) in waits.iter().enumerate() {
                row(&channel.id, side, place, wait)?;
            }
        }
    }
    Ok(())
}

fn write_findings(
    transaction: &Transaction<'_>,
    id: i64,
    findings: &[Finding],
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO findings
             (snapshot_id, place, kind, verdict, since_ns, channels, tasks, victims, assumption,
              text)
         VALUES (:id, :place, :kind, :verdict, :since, :channels, :tasks, :victims, :assumption,
              :text)",
    )?;
    let named = |id: &str, name: &str| serde_json::json!({ "id": id, "name": name });
    for (place, finding) in findings.iter().enumerate() {
        let channels = finding.channels.iter().map(|channel| named(&channel.id, &channel.name));
        let tasks = finding.tasks.iter().map(|task| named(&task.id, &task.name));
        insert.execute(named_params! {
            ":id": id,
            ":place": place as i64,
            ":kind": finding.kind.as_str(),
            ":verdict": finding.verdict.as_str(),
            ":since": finding.since_ns,
            ":channels": channels.collect::<Value>().to_string(),
            ":tasks": tasks.collect::<Value>().to_string(),
            ":victims": finding.victims as i64,
            ":assumption": finding.assumption,
            ":text": finding.text(),
        })?;
    }
    Ok(())
}

/// Deletes all but the latest `keep` snapshots.
fn forget(transaction: &Transaction<'_>, keep: u64) -> rusqlite::Result<()> {
    let oldest = transaction
        .prepare_cached(
            "SELECT snapshot_id FROM snapshots ORDER BY snapshot_id DESC LIMIT 1 OFFSET ?1",
        )?
        .query_map([i64::try_from(keep - 1).unwrap_or(i64::MAX)], |row| row.get::<_, i64>(0))?
        .next()
        .transpose()?;
    let Some(oldest) = oldest else { return Ok(()) };
    for table in ["snapshots", "snapshot_processes", "nodes", "edges", "waits", "findings"] {
        transaction
            .prepare_cached(&format!("DELETE FROM {table} WHERE snapshot_id < ?1"))?
            .execute([oldest])?;
    }
    Ok(())
}

/// Replaces `text` by the attributes.
fn json(attrs: &impl Serialize, text: &mut Vec<u8>) {
    text.clear();
    serde_json::to_writer(text, attrs).expect("attributes are JSON, and there is memory");
}

/// As SQLite has it, which copies it.
fn text(json: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordErrorKind;
    use rusqlite::Connection;

    #[test]
    fn a_full_disk_is_an_error_until_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.db");
        let name = "x".repeat(200_000);
        let _live = parshall::mpsc::Builder::new().name(name).build::<u8>();
        let snapshot = parshall::snapshot();
        let mut recorder = SqliteRecorder::open(&path).unwrap();
        // The file may not grow, as on a full disk; the limit lasts as long as the connection.
        let open = recorder.connect().unwrap();
        let limit = |transaction: &Transaction<'_>| {
            let pages: i64 = transaction.query_row("PRAGMA page_count", (), |row| row.get(0))?;
            transaction.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(()))
        };
        open.transact(limit).unwrap().unwrap();
        let error = recorder.record(&snapshot).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::Full, "{error}");
        assert!(error.to_string().contains("full.db"), "{error}");
        let count = |db: &Connection| -> i64 {
            db.query_row("SELECT count(*) FROM snapshots", (), |row| row.get(0)).unwrap()
        };
        assert_eq!(count(&Connection::open(&path).unwrap()), 0);
        recorder.record(&snapshot).unwrap();
        assert_eq!(count(&Connection::open(&path).unwrap()), 1);
    }
}
