//! From rows back to a snapshot.

use std::fmt::Write as _;
use std::path::Path;

use parshall::Snapshot;
use rusqlite::{OptionalExtension, Transaction};
use serde_json::json;

use crate::error::{Doing, Failure, RecordError};
use crate::recording::Reading;

/// Reads the snapshot of this number back from the recording at `path`, as it was recorded. Not
/// kept are the sums of dead channels, so that `retired` is empty, and histograms of waits, which
/// are none. And the time that waits have lasted is reckoned to `taken_at_ns`, if nothing else was
/// new of the channel: it is then less by what the snapshot took. The file is only read, and may be
/// recorded into meanwhile.
///
/// A [`Diagnoser`](parshall::introspect::Diagnoser) says of snapshots that were read back what it
/// says of the snapshots themselves.
///
/// # Errors
/// The file cannot be read, is no recording, or has no such snapshot; or that is from before schema
/// version 3.
///
/// # Examples
/// ```
/// use parshall_gauge::{SqliteRecorder, read_snapshot};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// let (_tx, _rx) = parshall::mpsc::Builder::new().name("wal").capacity(8).build::<u8>();
/// let snapshot = parshall::snapshot();
/// let id = SqliteRecorder::open(&path)?.record(&snapshot)?;
///
/// let again = read_snapshot(&path, id)?;
/// let [read, taken] = [&again, &snapshot].map(|is| &is.channels[0]);
/// assert_eq!((&read.stats.name, read.stats.capacity), (&taken.stats.name, taken.stats.capacity));
/// assert_eq!(read.send_waits, taken.send_waits);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_snapshot(path: impl AsRef<Path>, snapshot_id: i64) -> Result<Snapshot, RecordError> {
    let path = path.as_ref();
    let error = |failure| RecordError::new(path, Doing::Read, failure);
    let mut reading = Reading::open(path).map_err(error)?;
    let transaction = reading.begin().map_err(|e| error(e.into()))?;
    let json = as_json(&transaction, snapshot_id).map_err(error)?;
    let mut snapshot = Snapshot::from_json(json).map_err(|e| error(Failure::Unreadable(e)))?;
    snapshot.channels.sort_by_key(|channel| channel.stats.channel_id);
    snapshot.tasks.sort_by_key(|task| task.task);
    Ok(snapshot)
}

/// The snapshot in the form that [`Snapshot::from_json`] reads: the attributes of the nodes are
/// that already.
fn as_json(transaction: &Transaction<'_>, id: i64) -> Result<String, Failure> {
    let head = transaction
        .query_row(
            "SELECT s.schema, s.requested_at_ns, s.completed_at_ns, p.process, p.proc_key, p.pid,
                 p.untracked
             FROM snapshots AS s JOIN snapshot_processes AS p USING (snapshot_id)
             WHERE snapshot_id = ?1 AND status = 'ok'",
            [id],
            |row| {
                Ok(json!({
                    "schema": row.get::<_, Option<String>>(0)?,
                    "taken_at_ns": row.get::<_, i64>(1)?,
                    "completed_at_ns": row.get::<_, Option<i64>>(2)?,
                    "process": row.get::<_, String>(3)?,
                    "proc_key": row.get::<_, String>(4)?,
                    "pid": row.get::<_, Option<i64>>(5)?,
                    "untracked": row.get::<_, Option<i64>>(6)?.map(|n| n as u64),
                }))
            },
        )
        .optional()?
        .ok_or(Failure::NoSnapshot(id))?;
    if head["schema"].is_null() {
        return Err(Failure::OldSnapshot(id));
    }
    let mut json = head.to_string();
    json.pop();
    json.push_str(r#","retired":[],"nodes":["#);
    let mut statement = transaction.prepare(
        "SELECT id, kind, attrs_json FROM nodes
         WHERE snapshot_id = ?1 AND kind NOT IN ('mpsc', 'mpsc_rx')",
    )?;
    let mut rows = statement.query([id])?;
    let mut comma = "";
    while let Some(row) = rows.next()? {
        let (node, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let attrs: String = row.get(2)?;
        let _ = write!(
            json,
            r#"{comma}{{"id":{},"kind":{},"attrs":{attrs}}}"#,
            json!(node),
            json!(kind)
        );
        comma = ",";
    }
    json.push_str(r#"],"waits":["#);
    let mut statement = transaction.prepare(
        "SELECT channel_id, side, wait_id, call, task_id, own_waker, since_ns, need, granted_at_ns,
             deadline_ns
         FROM waits WHERE snapshot_id = ?1 ORDER BY channel_id, side, place",
    )?;
    let mut rows = statement.query([id])?;
    let mut comma = "";
    while let Some(row) = rows.next()? {
        let wait = json!({
            "channel": row.get::<_, String>(0)?,
            "side": row.get::<_, String>(1)?,
            "id": row.get::<_, Option<i64>>(2)?.map(|n| n as u64),
            "call": row.get::<_, Option<String>>(3)?,
            "task": row.get::<_, Option<String>>(4)?,
            "own_waker": row.get::<_, Option<bool>>(5)?,
            "since_ns": row.get::<_, i64>(6)?,
            "need": row.get::<_, i64>(7)? as u64,
            "granted_at_ns": row.get::<_, Option<i64>>(8)?,
            "deadline_ns": row.get::<_, Option<i64>>(9)?,
        });
        let _ = write!(json, "{comma}{wait}");
        comma = ",";
    }
    json.push_str("]}");
    Ok(json)
}
