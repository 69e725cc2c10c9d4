//! Waits that last: each has one row, so that the longest are found among many snapshots.

use parshall::introspect::Side;
use parshall::task::TaskRef;
use parshall::{ChannelSnapshot, Snapshot, WaitSnapshot};
use rusqlite::{CachedStatement, Transaction, params};

use super::entry;

/// A wait that was seen to last so long has a row.
const LONG_NS: i64 = 100_000_000;

/// One that has a row.
#[derive(Debug)]
pub(super) struct Long {
    side: Side,
    id: u64,
    since_ns: i64,
    key: i64,
}

impl Long {
    fn is(&self, side: Side, wait: &WaitSnapshot) -> bool {
        self.side == side && self.id == wait.id && self.since_ns == wait.since_ns
    }
}

pub(super) struct LongWaits<'a> {
    insert: CachedStatement<'a>,
    ends: CachedStatement<'a>,
    snapshot: &'a Snapshot,
    session: i64,
    /// The snapshot before the one that is written saw what has ended in this one.
    last: Option<(i64, i64)>,
}

impl<'a> LongWaits<'a> {
    pub(super) fn new(
        to: &'a Transaction<'_>,
        snapshot: &'a Snapshot,
        session: i64,
        id: i64,
    ) -> rusqlite::Result<Self> {
        let insert = to.prepare_cached(
            "INSERT INTO long_wait
                 (session, seen_at_ns, channel_id, channel, side, call, who, since_ns,
                  granted_at_ns, should_drain)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let ends =
            to.prepare_cached("UPDATE long_wait SET last_id = ?1, seen_at_ns = ?2 WHERE key = ?3")?;
        let mut last = to.prepare_cached(
            "SELECT snapshot_id, requested_at_ns FROM moment
             WHERE session = ?1 AND snapshot_id < ?2 ORDER BY snapshot_id DESC LIMIT 1",
        )?;
        let last = last.query_map([session, id], |row| Ok((row.get(0)?, row.get(1)?)))?.next();
        Ok(Self { insert, ends, snapshot, session, last: last.transpose()? })
    }

    /// Looks at the waits of a channel, of which `known` have a row.
    pub(super) fn look(
        &mut self,
        channel: &ChannelSnapshot,
        known: &mut Vec<Long>,
    ) -> rusqlite::Result<()> {
        if !known.is_empty() {
            let ended = known.extract_if(.., |long| {
                entry::waits(channel).all(|(side, wait)| !long.is(side, wait))
            });
            let ended: Vec<_> = ended.collect();
            self.end(&ended)?;
        }
        let now = self.snapshot.taken_at_ns;
        for (side, wait) in entry::waits(channel) {
            if now.saturating_sub(wait.since_ns) < LONG_NS
                || known.iter().any(|long| long.is(side, wait))
            {
                continue;
            }
            let drains = channel
                .last_receiver
                .filter(|_| side == Side::Send && wait.granted_at_ns.is_none());
            let (who, drains) = (self.name(wait.task), self.name(drains));
            let key = self.insert.insert(params![
                self.session,
                now,
                channel.id,
                &*channel.stats.label,
                side.as_str(),
                wait.call.as_str(),
                who,
                wait.since_ns,
                wait.granted_at_ns,
                drains
            ])?;
            known.push(Long { side, id: wait.id, since_ns: wait.since_ns, key });
        }
        Ok(())
    }

    /// These are over.
    pub(super) fn end(&mut self, ended: &[Long]) -> rusqlite::Result<()> {
        for long in ended {
            let (id, at_ns) = self.last.unwrap_or((0, self.snapshot.taken_at_ns));
            self.ends.execute((id, at_ns, long.key))?;
        }
        Ok(())
    }

    /// The name of a task, or its id.
    fn name(&self, task: Option<TaskRef>) -> Option<String> {
        let task = task?;
        let tasks = &self.snapshot.tasks;
        // In a snapshot they are in order.
        let known = tasks.binary_search_by_key(&task, |known| known.task).ok();
        let name = known.and_then(|at| tasks[at].name.as_deref()).map(str::to_owned);
        Some(name.unwrap_or_else(|| task.node_id_in(&self.snapshot.process)))
    }
}
