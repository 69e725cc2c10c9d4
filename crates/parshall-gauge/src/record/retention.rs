//! What is deleted again, and when.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction};

/// How much of a recording stays. Each record deletes a little of what is too old or too much, and
/// gives its room back to the file system.
///
/// Ages count recorded time: between two snapshots at most a minute passes. So neither a clock that
/// is set nor a night without a recorder makes anything old.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use parshall_gauge::{Retention, SqliteRecorder};
///
/// let mut retention = Retention::default();
/// retention.full = Duration::from_secs(600);
/// retention.bytes = 64 << 20;
/// let _recorder = SqliteRecorder::new("app.db").retention(retention);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Every snapshot stays for so long. An hour by default.
    pub full: Duration,
    /// One snapshot a minute stays for so long. A day by default.
    pub minutes: Duration,
    /// The file has about so many bytes at most, its log not counted, which has some 4 MiB. 256 MiB
    /// by default. The minutes have up to half of it before the oldest of them are deleted.
    ///
    /// A program that reads the file in a transaction and leaves it open keeps the log from being
    /// used again. The log then grows to so many bytes as well, but at least to 16 MiB; after that,
    /// records fail with [`Locked`](crate::RecordErrorKind::Locked) until the transaction ends.
    pub bytes: u64,
}

impl Retention {
    /// Nothing is deleted.
    pub const ALL: Self = Self { full: Duration::MAX, minutes: Duration::MAX, bytes: u64::MAX };

    /// The log may have so many bytes.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.bytes.max(16 << 20)
    }
}

impl Default for Retention {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { full: hour, minutes: 24 * hour, bytes: 256 << 20 }
    }
}

/// So many snapshots are deleted with one record.
const PIECE: usize = 16;

/// So many pages are given back with one record.
const PAGES: i64 = 1024;

/// So many long waits are kept.
const LONG_WAITS: i64 = 100_000;

/// A snapshot that may be deleted.
#[derive(Clone, Copy, Debug)]
struct Moment {
    id: i64,
    keyframe: i64,
    session: i64,
    clock_ms: i64,
}

/// Deletes some of what is too old or too much, but not the snapshot `newest`.
pub(crate) fn apply(
    to: &Transaction<'_>,
    retention: &Retention,
    newest: i64,
) -> rusqlite::Result<()> {
    if *retention == Retention::ALL {
        return Ok(());
    }
    let (keyframe, now_ms) = to
        .prepare_cached("SELECT keyframe, clock_ms FROM moment WHERE snapshot_id = ?1")?
        .query_row([newest], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let work = Work { to, retention, keyframe, now_ms };
    let mut left = PIECE;
    while left > 0 {
        let deleted = work.step()?;
        if deleted == 0 {
            break;
        }
        left = left.saturating_sub(deleted);
    }
    to.prepare_cached(
        "DELETE FROM long_wait WHERE key IN (
             SELECT key FROM long_wait
             WHERE key <= (SELECT max(key) FROM long_wait) - ?1 ORDER BY key LIMIT 256)",
    )?
    .execute([LONG_WAITS])?;
    give_back(to)
}

struct Work<'a> {
    to: &'a Transaction<'a>,
    retention: &'a Retention,
    /// That of the newest: it stays, with all that count on it.
    keyframe: i64,
    now_ms: i64,
}

impl Work<'_> {
    /// Deletes something, and says how many snapshots that was.
    fn step(&self) -> rusqlite::Result<usize> {
        let is_old = |moment: &Moment, after: Duration| {
            u128::from(self.now_ms.abs_diff(moment.clock_ms)) > after.as_millis()
        };
        let is_over = self.is_over()?;
        let long_ago = u128::from(self.now_ms as u64) > self.retention.minutes.as_millis();
        if (is_over || long_ago) && self.delete_former()? {
            return Ok(PIECE);
        }
        let full = self.first("minute = 0")?;
        if let Some(full) = full.filter(|full| is_old(full, self.retention.full)) {
            return self.thin(full.keyframe);
        }
        let minute = self.first("minute = 1")?;
        if let Some(minute) = minute.filter(|minute| is_old(minute, self.retention.minutes)) {
            return self.delete_minute(minute);
        }
        match (full, minute) {
            _ if !is_over => Ok(0),
            (full, Some(minute)) if full.is_none() || self.are_minutes_many()? => {
                self.delete_minute(minute)
            }
            (Some(full), _) => self.thin(full.keyframe),
            (None, _) => Ok(0),
        }
    }

    /// The oldest for which `what` holds.
    fn first(&self, what: &str) -> rusqlite::Result<Option<Moment>> {
        let sql = format!(
            "SELECT snapshot_id, keyframe, session, clock_ms FROM moment
             WHERE {what} AND keyframe <> ?1 ORDER BY snapshot_id LIMIT 1"
        );
        let mut statement = self.to.prepare_cached(&sql)?;
        statement.query_row([self.keyframe], moment).optional()
    }

    fn is_over(&self) -> rusqlite::Result<bool> {
        let [pages, free, size] = ["page_count", "freelist_count", "page_size"].map(|name| {
            let mut statement = self.to.prepare_cached(&format!("PRAGMA {name}"))?;
            statement.query_row((), |row| row.get::<_, i64>(0))
        });
        Ok((pages? - free?) as u64 * size? as u64 > self.retention.bytes)
    }

    /// Whether the minutes have more than their half.
    fn are_minutes_many(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT coalesce(sum(bytes), 0) FROM moment WHERE minute = 1";
        let bytes: i64 = self.to.prepare_cached(sql)?.query_row((), |row| row.get(0))?;
        Ok(bytes as u64 > self.retention.bytes / 2)
    }

    /// Deletes snapshots of this keyframe, from the last to the first.
    fn thin(&self, keyframe: i64) -> rusqlite::Result<usize> {
        let sql = format!(
            "SELECT snapshot_id, keyframe, session, clock_ms FROM moment
             WHERE keyframe = ?1 AND minute = 0
             ORDER BY snapshot_id DESC LIMIT {PIECE}"
        );
        let mut statement = self.to.prepare_cached(&sql)?;
        let rows = statement.query_map([keyframe], moment)?;
        let moments = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        for moment in &moments {
            self.delete(*moment)?;
        }
        if let Some(moment) = moments.last() {
            self.sweep(*moment)?;
        }
        Ok(moments.len())
    }

    fn delete_minute(&self, minute: Moment) -> rusqlite::Result<usize> {
        let thinned = self.thin(minute.id)?;
        if thinned > 0 {
            return Ok(thinned);
        }
        self.delete(minute)?;
        self.sweep(minute)?;
        Ok(1)
    }

    fn delete(&self, moment: Moment) -> rusqlite::Result<()> {
        let run = |sql: &str, id: (i64, i64)| self.to.prepare_cached(sql)?.execute(id);
        let both = (moment.keyframe, moment.id);
        run("DELETE FROM change WHERE keyframe = ?1 AND snapshot_id = ?2", both)?;
        let run = |sql: &str| self.to.prepare_cached(sql)?.execute([moment.id]);
        run("DELETE FROM finding WHERE snapshot_id = ?1")?;
        run("DELETE FROM moment WHERE snapshot_id = ?1")?;
        Ok(())
    }

    /// Deletes what is known of channels and tasks that were in no snapshot but this one and those
    /// near it.
    fn sweep(&self, near: Moment) -> rusqlite::Result<()> {
        let neighbour = |sql: &str| -> rusqlite::Result<Option<i64>> {
            let mut statement = self.to.prepare_cached(sql)?;
            statement.query_row((near.session, near.id), |row| row.get(0))
        };
        let before = neighbour(
            "SELECT max(snapshot_id) FROM moment WHERE session = ?1 AND snapshot_id < ?2",
        )?;
        let after = neighbour(
            "SELECT min(snapshot_id) FROM moment WHERE session = ?1 AND snapshot_id > ?2",
        )?;
        for table in ["channel", "task"] {
            match (before, after) {
                (None, None) => {
                    let sql = format!("DELETE FROM {table} WHERE session = ?1");
                    self.to.prepare_cached(&sql)?.execute([near.session])?;
                }
                (before, after) => {
                    let sql = format!(
                        "DELETE FROM {table}
                         WHERE session = ?1 AND gone_id > ?2 AND gone_id <= ?3 AND first_id > ?2"
                    );
                    let between = (near.session, before.unwrap_or(0), after.unwrap_or(i64::MAX));
                    self.to.prepare_cached(&sql)?.execute(between)?;
                }
            }
        }
        if before.or(after).is_none() {
            self.to
                .prepare_cached("DELETE FROM session WHERE session = ?1")?
                .execute([near.session])?;
        }
        Ok(())
    }

    /// Deletes one snapshot that a former version has recorded. Whether there was one.
    fn delete_former(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT min(snapshot_id) FROM old_snapshots";
        let id: Option<i64> = self.to.prepare_cached(sql)?.query_row((), |row| row.get(0))?;
        let Some(id) = id else { return Ok(false) };
        for table in ["snapshots", "snapshot_processes", "nodes", "edges", "waits", "findings"] {
            let sql = format!("DELETE FROM old_{table} WHERE snapshot_id = ?1");
            self.to.prepare_cached(&sql)?.execute([id])?;
        }
        Ok(true)
    }
}

fn moment(row: &rusqlite::Row<'_>) -> rusqlite::Result<Moment> {
    Ok(Moment {
        id: row.get(0)?,
        keyframe: row.get(1)?,
        session: row.get(2)?,
        clock_ms: row.get(3)?,
    })
}

/// Makes the file shorter, if much of it is free. Does nothing to a file that a former version has
/// made: what is free there is used again.
fn give_back(to: &Transaction<'_>) -> rusqlite::Result<()> {
    let [free, pages] = ["freelist_count", "page_count"].map(|name| {
        let mut statement = to.prepare_cached(&format!("PRAGMA {name}"))?;
        statement.query_row((), |row| row.get::<_, i64>(0))
    });
    let (free, pages) = (free?, pages?);
    if free > pages / 8 && free > 64 {
        let mut statement = to.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut rows = statement.query(())?;
        // A page each.
        while rows.next()?.is_some() {}
    }
    Ok(())
}
