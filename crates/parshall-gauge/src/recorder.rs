//! From a snapshot to rows.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parshall::Snapshot;
use parshall::introspect::{Diagnoser, Finding, LookError, Settings};

use crate::error::{Doing, Failure, RecordError};
use crate::record::memory::{self, About, Memory};
use crate::record::retention::{self, Retention};
use crate::recording::Recording;
use rusqlite::Transaction;

/// Writes snapshots into an SQLite database, each in one transaction: all of it, or nothing.
///
/// Of a snapshot it writes what has changed since the one before of the same process. How long
/// snapshots stay, and how large the file becomes, says [`retention`](Self::retention). One
/// recorder takes the snapshots of any number of processes; and several may record into one file.
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
    retention: Retention,
    busy_timeout: Duration,
    settings: Settings,
    /// Of each process, by its key. They have seen what was recorded before.
    diagnosers: HashMap<String, Diagnoser>,
    open: Option<Open>,
}

/// A recording that is open, and what is known of what is in it.
struct Open {
    recording: Recording,
    /// Of each process, by its key.
    memories: HashMap<String, Memory>,
}

impl SqliteRecorder {
    /// How long a record waits by default for others who have locked the file.
    pub const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(1);

    /// A recorder into `path`. The file is opened, and created if it is not there, by the first
    /// record. A relative path begins at the folder that is the current one now.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            // An error is told when the file is to be opened.
            path: std::path::absolute(&path).unwrap_or(path),
            retention: Retention::default(),
            busy_timeout: Self::DEFAULT_BUSY_TIMEOUT,
            settings: Settings::default(),
            diagnosers: HashMap::new(),
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

    /// What is deleted again, and when.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
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
        self.diagnosers.clear();
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

    /// [`record`](Self::record), and writes down that so many snapshots of this process were due
    /// since the last one and were not taken.
    ///
    /// # Errors
    /// As [`SqliteRecorder::record`].
    pub fn record_missed(&mut self, snapshot: &Snapshot, missed: u64) -> Result<i64, RecordError> {
        self.record_after(snapshot, Some(missed))
    }

    /// Writes down, in `snapshot_processes`, that a process has ended, or could not be asked, and
    /// why. `status` is a word of the caller's choice, `ended` say; that of a snapshot is `ok`.
    ///
    /// # Errors
    /// As [`SqliteRecorder::record`].
    pub fn record_absence(
        &mut self,
        (process, pid, proc_key): (&str, u32, &str),
        status: &str,
        why: &str,
    ) -> Result<i64, RecordError> {
        self.diagnosers.remove(proc_key);
        self.transact(|to, memories| {
            memories.remove(proc_key);
            memory::write_absence(to, (process, pid, proc_key), now_ns(), status, why)
        })
    }

    /// The programs of which another recorder has recorded into the file within the last ten
    /// seconds: both stand in it side by side.
    ///
    /// # Errors
    /// The file cannot be opened, or not be read.
    pub fn others(&mut self) -> Result<Vec<String>, RecordError> {
        let path = self.path.clone();
        let Open { recording, .. } = self.connect()?;
        let others = recording.read(|db| {
            let sql = "SELECT DISTINCT process FROM moment JOIN session USING (session)
                 WHERE recorder <> ?1 AND snapshot_id > (SELECT max(snapshot_id) FROM moment) - 1000
                     AND requested_at_ns > ?2";
            let since = now_ns().saturating_sub(10_000_000_000);
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map((parshall::proc_key(), since), |row| row.get(0))?;
            rows.collect()
        });
        others.map_err(|error| RecordError::new(&path, Doing::Query, Failure::Sqlite(error)))
    }

    /// `missed`: how many snapshots were not taken since the last that was recorded.
    pub(crate) fn record_after(
        &mut self,
        snapshot: &Snapshot,
        missed: Option<u64>,
    ) -> Result<i64, RecordError> {
        let findings = self.findings(snapshot);
        let about = About { findings: &findings, missed };
        let retention = self.retention;
        self.transact(|to, memories| {
            if !memories.contains_key(&snapshot.proc_key) {
                memories.insert(snapshot.proc_key.clone(), Memory::default());
            }
            let Some(memory) = memories.get_mut(&snapshot.proc_key) else {
                unreachable!("it was put there")
            };
            let id = memory.write(to, snapshot, &about)?;
            retention::apply(to, &retention, id)?;
            Ok(id)
        })
    }

    fn transact(
        &mut self,
        write: impl Fn(&Transaction<'_>, &mut HashMap<String, Memory>) -> rusqlite::Result<i64>,
    ) -> Result<i64, RecordError> {
        loop {
            let most = self.retention.log_bytes();
            let Open { recording, memories } = self.connect()?;
            if let Err(failure) = recording.bound_log(most) {
                return Err(RecordError::new(&self.path, Doing::Write, failure));
            }
            match recording.transact(|to| write(to, memories)) {
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

    /// None of a first look, nor of a snapshot that was taken before one that was recorded; but if
    /// the clock was set back, all begins anew.
    fn findings(&mut self, snapshot: &Snapshot) -> Vec<Finding> {
        let settings = &self.settings;
        let diagnoser = self
            .diagnosers
            .entry(snapshot.proc_key.clone())
            .or_insert_with(|| Diagnoser::new(settings.clone()));
        let mut look = diagnoser.look(snapshot);
        if let Err(LookError::NotLater { last_ns, this_ns }) = look
            && last_ns.saturating_sub(this_ns) > SET_BACK_NS
        {
            *diagnoser = Diagnoser::new(settings.clone());
            look = diagnoser.look(snapshot);
        }
        look.map_or_else(|_| Vec::new(), |diagnosis| diagnosis.findings)
    }

    fn connect(&mut self) -> Result<&mut Open, RecordError> {
        let error = |failure| RecordError::new(&self.path, Doing::Open, failure);
        let open = match self.open.take() {
            Some(open) if open.recording.is_inherited() => {
                self.open = Some(open);
                return Err(error(Failure::Forked));
            }
            Some(open) => open,
            None => {
                let recording = Recording::open(&self.path, self.busy_timeout).map_err(error)?;
                Open { recording, memories: HashMap::new() }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Closes a file that was moved. It stays open, if its last records cannot be put into it now.
    fn leave(&mut self) -> Result<(), RecordError> {
        if let Some(open) = &mut self.open {
            open.recording
                .complete()
                .map_err(|failure| RecordError::new(&self.path, Doing::Write, failure))?;
            self.open = None;
        }
        Ok(())
    }

    fn close(&mut self) {
        // What is remembered is ahead of the file.
        if let Some(open) = &mut self.open {
            open.memories.clear();
        }
        let moved = |open: &Open| !open.recording.is_inherited() && open.recording.has_moved();
        if self.open.as_ref().is_some_and(moved) {
            let _ = self.leave();
        } else {
            self.open = None;
        }
    }
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// Two snapshots may be submitted in the wrong order; if they are further apart, the clock was set.
const SET_BACK_NS: i64 = 10_000_000_000;

impl fmt::Debug for SqliteRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRecorder")
            .field("path", &self.path)
            .field("retention", &self.retention)
            .field("busy_timeout", &self.busy_timeout)
            .field("settings", &self.settings)
            .field("open", &self.open.is_some())
            .finish_non_exhaustive()
    }
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
        open.recording.transact(limit).unwrap().unwrap();
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
