//! Which stage held the others up, from the recorded data alone.
//!
//! A slow stage fills its channel, then the stage before it waits and its channel fills too, and so
//! on up to the source. So the fullest channel need not be the one to blame. In a snapshot, a full
//! channel is to blame if whoever drains it, at the end of the edge `rx -> task`, is not itself waiting to
//! send (an edge from that task to another channel's `tx`).
//!
//! 1. The bottleneck is the channel most often to blame, if it is so more than now and then.
//! 2. Else nobody was held up for long. If messages lay in a channel most of the time, its receiver
//!    always had work: that is the slowest part. Of several the one with most messages.
//! 3. Else, if the receiver of the first channel mostly waited, the source is slow.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use crate::report::{count, seconds};

/// Full in less of the time than this, a channel holds up nobody much.
const NOTABLE: f64 = 0.1;

/// Fewer snapshots than this prove little.
const MANY: u64 = 5;

/// The channels in all snapshots of one run.
const SEEN: &str = "
CREATE TEMP TABLE seen AS
SELECT c.*, c.q = c.cap OR c.send_waiters > 0 AS full,
    EXISTS (
        SELECT 1 FROM edges AS drain JOIN edges AS wait
            ON wait.snapshot_id = drain.snapshot_id AND wait.src_id = drain.dst_id
        WHERE drain.snapshot_id = c.snapshot_id AND drain.src_id = c.id || ':rx'
            AND wait.dst_id LIKE 'mpsc:%:tx'
    ) AS passed_on
FROM channels AS c JOIN snapshot_processes AS p USING (snapshot_id)
WHERE p.proc_key = :proc_key AND c.snapshot_id >= :first
";

/// The snapshots in which a message lay in a channel or anybody waited, once there was a message.
const BUSY: &str = "
CREATE TEMP TABLE busy AS
SELECT snapshot_id, max(q) AS q FROM seen GROUP BY snapshot_id
HAVING max(sent_total) > 0 AND max(q) + max(send_waiters) + max(recv_waiters) > 0;
";

const CHANNELS: &str = "
SELECT id, name, cap, max(high_watermark), max(sent_total), max(recv_total), max(send_wait_total_ns),
    sum(full), sum(full AND NOT passed_on), sum(seen.q > 0), sum(seen.q), sum(recv_waiters > 0)
FROM seen JOIN busy USING (snapshot_id)
GROUP BY id ORDER BY number;
";

/// The last known name, else the id, of whoever polled the receiver.
const DRAIN: &str = "
SELECT coalesce(json_extract(n.attrs_json, '$.name'), n.id)
FROM busy JOIN edges AS e USING (snapshot_id)
    JOIN nodes AS n ON n.snapshot_id = e.snapshot_id AND n.id = e.dst_id
WHERE e.src_id = ?1 || ':rx'
ORDER BY json_extract(n.attrs_json, '$.name') IS NULL, e.snapshot_id DESC LIMIT 1;
";

pub(crate) struct Recording<'a> {
    db: &'a Connection,
}

/// A channel, over all busy snapshots.
pub(crate) struct Channel {
    id: String,
    pub(crate) name: String,
    pub(crate) capacity: u64,
    pub(crate) high: u64,
    pub(crate) sent: u64,
    received: u64,
    pub(crate) send_waited: Duration,
    /// The part of the snapshots in which it was full or somebody waited to send.
    pub(crate) full: f64,
    /// The part in which it was full, and its receiver did not wait to send elsewhere.
    to_blame: f64,
    /// The part in which there was a message in it, and how many on average.
    pub(crate) backlog: f64,
    mean: f64,
    /// The part in which its receiver waited for a message.
    pub(crate) starved: f64,
}

impl<'a> Recording<'a> {
    /// The snapshots of the process with this key from `first` on: the database may hold others.
    pub(crate) fn begin(db: &'a Connection, proc_key: &str, first: i64) -> rusqlite::Result<Self> {
        db.execute(SEEN, rusqlite::named_params! { ":proc_key": proc_key, ":first": first })?;
        db.execute(BUSY, ())?;
        Ok(Self { db })
    }

    pub(crate) fn busy(&self) -> rusqlite::Result<u64> {
        self.db.query_row("SELECT count(*) FROM busy", (), |row| {
            row.get::<_, i64>(0).map(|n| n as u64)
        })
    }

    /// The last snapshot with a message in a channel; if there is none, the last with a wait.
    pub(crate) fn last_busy(&self) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT snapshot_id FROM busy ORDER BY q > 0 DESC, snapshot_id DESC LIMIT 1";
        self.db.query_row(sql, (), |row| row.get(0)).optional()
    }

    /// All channels, in the order of their creation.
    pub(crate) fn channels(&self) -> rusqlite::Result<Vec<Channel>> {
        // A channel ends before the run does; what counts is the part of the whole run.
        let busy = self.busy()?.max(1) as f64;
        let mut statement = self.db.prepare(CHANNELS)?;
        let rows = statement.query_map((), |row| {
            let number = |i: usize| row.get::<_, i64>(i).map(|n| n as u64);
            Ok(Channel {
                id: row.get(0)?,
                name: row.get(1)?,
                capacity: number(2)?,
                high: number(3)?,
                sent: number(4)?,
                received: number(5)?,
                send_waited: Duration::from_nanos(number(6)?),
                full: number(7)? as f64 / busy,
                to_blame: number(8)? as f64 / busy,
                backlog: number(9)? as f64 / busy,
                mean: number(10)? as f64 / busy,
                starved: number(11)? as f64 / busy,
            })
        })?;
        rows.collect()
    }

    /// Names the bottleneck, or says that there is none.
    pub(crate) fn sentence(&self, channels: &[Channel]) -> rusqlite::Result<String> {
        let sentence = self.verdict(channels)?;
        Ok(if self.busy()? < MANY {
            format!("{sentence} (So few snapshots are a hint at most; --hz takes more.)")
        } else {
            sentence
        })
    }

    fn verdict(&self, channels: &[Channel]) -> rusqlite::Result<String> {
        let busy = snapshots(self.busy()?);
        let blame = |channel: &&Channel| (channel.to_blame, channel.send_waited);
        let blamed = channels.iter().filter(|channel| channel.to_blame > 0.0);
        let worst = blamed.max_by(|a, b| blame(a).partial_cmp(&blame(b)).expect("no part is NaN"));
        if let Some(worst) = worst.filter(|worst| worst.to_blame >= NOTABLE) {
            let drain = self.drain(worst)?.map_or_else(
                || "who should have drained it is not known".to_owned(),
                |drain| format!("`{drain}` should have drained it"),
            );
            return Ok(format!(
                "Bottleneck: `{}` was full in {:.0} % of {busy}, and its senders waited {} \
                 in total; {drain}.",
                worst.name,
                100.0 * worst.full,
                seconds(worst.send_waited),
            ));
        }
        let seldom = worst.map_or_else(
            || format!("No channel was full in {busy}"),
            |worst| {
                let part = 100.0 * worst.full;
                format!(
                    "No channel was full for long: most often `{}`, in {part:.0} % of {busy}",
                    worst.name
                )
            },
        );
        let waited = seconds(channels.iter().map(|channel| channel.send_waited).sum());
        let seldom = format!("{seldom}, and all senders together waited {waited}");
        // What nobody has begun to receive from says nothing about its receiver.
        let piled = channels.iter().filter(|channel| channel.backlog > 0.5 && channel.received > 0);
        if let Some(piled) = piled.max_by(|a, b| a.mean.total_cmp(&b.mean)) {
            let drain = self.drain(piled)?;
            return Ok(format!(
                "{seldom}. But messages lay in `{}` in {:.0} % of them, {:.1} on average: {} is the slowest \
                 part.",
                piled.name,
                100.0 * piled.backlog,
                piled.mean,
                drain.map_or_else(|| "its receiver".to_owned(), |drain| format!("`{drain}`")),
            ));
        }
        // Channels are made from the first stage to the last: the source feeds the first.
        Ok(match channels.first().filter(|first| first.starved > 0.5) {
            Some(source) => format!(
                "{seldom}. Receivers waited instead, that of `{}` in {:.0} % of them: the source is the \
                 slowest part, the walk.",
                source.name,
                100.0 * source.starved,
            ),
            None => format!("{seldom}: no stage held up the others."),
        })
    }

    fn drain(&self, channel: &Channel) -> rusqlite::Result<Option<String>> {
        self.db.query_row(DRAIN, [&channel.id], |row| row.get(0)).optional()
    }
}

pub(crate) fn snapshots(n: u64) -> String {
    if n == 1 { "1 busy snapshot".to_owned() } else { format!("{} busy snapshots", count(n)) }
}
