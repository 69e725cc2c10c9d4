//! What the recording says of the run: the channels, and what the recorder's diagnosis found.
//!
//! The recorder diagnoses each snapshot and writes the findings down beside it. So what is left to
//! do is to count: the finding that stood in most of the busy snapshots names the stage at fault.
//! Where senders waited longest in sum is often elsewhere, and then it is said why that is not it.

use std::fmt::Write as _;
use std::time::Duration;

use parshall::introspect::Settings;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::cli::Args;
use crate::report::{count, seconds};

/// What is found in less of the time than this holds up nobody much.
const NOTABLE: f64 = 0.1;

/// Fewer snapshots than this prove little.
const MANY: u64 = 5;

/// The channels in all snapshots of one run.
const SEEN: &str = "
CREATE TEMP TABLE seen AS
SELECT c.*, c.q = c.cap OR c.send_waiters > 0 AS full
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
SELECT name, cap, max(high_watermark), max(sent_total), max(send_wait_total_ns), sum(full),
    sum(recv_waiters > 0)
FROM seen JOIN busy USING (snapshot_id)
GROUP BY id ORDER BY number;
";

/// Of each kind, by stage and channel, in how many snapshots it was found of the stage and of the
/// channel, and the text from when most waited. A stage is the channels that differ in a number at
/// the end of the name; a finding names the channel that is to blame first. What was found most
/// often comes first.
const FINDINGS: &str = "
WITH found AS (
    SELECT snapshot_id, kind, json_extract(channels, '$[0].name') AS channel,
        coalesce(json_extract(tasks, '$[0].name'), '?') AS receiver, victims, text
    FROM findings JOIN busy USING (snapshot_id)
), stages AS (
    SELECT *, rtrim(channel, '-0123456789') AS stage FROM found
), often AS (
    SELECT kind, stage, count(DISTINCT snapshot_id) AS stood FROM stages GROUP BY kind, stage
)
-- The text and the receiver are those of the row with the maximum: SQLite says so.
SELECT kind, stage, stood, channel, receiver, text, max(victims)
FROM stages JOIN often USING (kind, stage)
GROUP BY kind, stage, channel ORDER BY stood DESC, kind, stage, count(*) DESC, channel;
";

/// Who received last from each channel, by name. One that is still unknown has no row.
const WORKERS: &str = "
SELECT DISTINCT seen.name, tasks.name
FROM seen
    JOIN busy USING (snapshot_id)
    JOIN nodes ON nodes.snapshot_id = seen.snapshot_id AND nodes.id = seen.id
    JOIN tasks ON tasks.snapshot_id = seen.snapshot_id
        AND tasks.id = json_extract(nodes.attrs_json, '$.last_receiver')
WHERE tasks.name IS NOT NULL
ORDER BY seen.number, tasks.name;
";

/// For room in which stage those of another stage waited most often who receive there, and in how
/// many snapshots.
const BEHIND: &str = "
SELECT rtrim(next.name, '-0123456789') AS stage, count(DISTINCT waits.snapshot_id) AS stood
FROM seen
    JOIN busy USING (snapshot_id)
    JOIN nodes ON nodes.snapshot_id = seen.snapshot_id AND nodes.id = seen.id
    JOIN waits ON waits.snapshot_id = seen.snapshot_id AND waits.side = 'send'
        AND waits.task_id = json_extract(nodes.attrs_json, '$.last_receiver')
    JOIN seen AS next ON next.snapshot_id = waits.snapshot_id AND next.id = waits.channel_id
WHERE seen.name = ?1
GROUP BY stage ORDER BY stood DESC LIMIT 1;
";

/// What is usual in this program, and no sign of trouble.
pub(crate) fn in_this_program(args: &Args) -> Settings {
    let mut settings = Settings::default();
    // A sender that waits all the time waits for each worker of the next stage in turn.
    settings.saturated_from /= f64::from(args.readers.max(args.tokenisers));
    // A refusal is how `Spread` looks for a worker that has room.
    settings.refused_per_second = f64::INFINITY;
    settings
}

/// A run may be over in a second, so each look counts for itself, and the share of looks says how
/// long it lasted.
pub(crate) fn settings(args: &Args) -> Settings {
    let mut settings = in_this_program(args);
    settings.looks = 1;
    settings.trend_after = Duration::ZERO;
    settings
}

pub(crate) struct Recording<'a> {
    db: &'a Connection,
}

/// A channel, over all busy snapshots.
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) capacity: u64,
    pub(crate) high: u64,
    pub(crate) sent: u64,
    pub(crate) send_waited: Duration,
    /// The part of the snapshots in which it was full or somebody waited to send.
    pub(crate) full: f64,
    /// The part in which its receiver waited for a message.
    pub(crate) starved: f64,
}

/// What was found of one channel.
struct Found {
    kind: String,
    stage: String,
    /// In how many snapshots it was found of any channel of the stage.
    stood: u64,
    channel: String,
    receiver: String,
    text: String,
}

impl Found {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            kind: row.get(0)?,
            stage: row.get(1)?,
            stood: row.get::<_, i64>(2)? as u64,
            channel: row.get(3)?,
            receiver: row.get(4)?,
            text: row.get(5)?,
        })
    }
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
                name: row.get(0)?,
                capacity: number(1)?,
                high: number(2)?,
                sent: number(3)?,
                send_waited: Duration::from_nanos(number(4)?),
                full: number(5)? as f64 / busy,
                starved: number(6)? as f64 / busy,
            })
        })?;
        rows.collect()
    }

    /// What the diagnosis found most often, or that it found nothing.
    pub(crate) fn verdict(&self, channels: &[Channel]) -> rusqlite::Result<String> {
        let busy = self.busy()?;
        let mut statement = self.db.prepare(FINDINGS)?;
        let found: Vec<Found> = statement.query_map((), Found::read)?.collect::<Result<_, _>>()?;
        let mut verdict = match found.first() {
            Some(worst) if share(worst.stood, busy) >= NOTABLE => {
                self.at_fault(worst, &found[1..], channels)?
            }
            _ => idle(busy, channels),
        };
        if busy < MANY {
            verdict += "\n(So few snapshots are a hint at most; --hz takes more.)";
        }
        Ok(verdict)
    }

    /// The stage, its workers, what was found, and where senders waited longest.
    fn at_fault(
        &self,
        worst: &Found,
        others: &[Found],
        channels: &[Channel],
    ) -> rusqlite::Result<String> {
        let busy = self.busy()?;
        let mut statement = self.db.prepare(WORKERS)?;
        let workers = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let workers: Vec<(String, String)> = workers.collect::<Result<_, _>>()?;
        let mut its: Vec<&str> = Vec::new();
        for (channel, worker) in &workers {
            if stage(channel) == worst.stage && !its.contains(&&**worker) {
                its.push(worker);
            }
        }
        let name = stage(its.first().unwrap_or(&&*worst.receiver));
        let all = if its.len() > 1 { format!(" ({})", its.join(", ")) } else { String::new() };
        let mut verdict = format!(
            "At fault, in {:.0} % of {}: the stage {name}{all}\n  {}",
            100.0 * share(worst.stood, busy),
            snapshots(busy),
            worst.text.replace('\n', "\n  "),
        );
        let same = |other: &&Found| other.kind == worst.kind && other.stage == worst.stage;
        let also: Vec<_> = (others.iter().filter(same))
            .map(|other| format!("{} ({})", other.channel, other.receiver))
            .collect();
        if !also.is_empty() {
            let _ = write!(verdict, "\n  likewise {}", also.join(", "));
        }
        if let Some(why) = self.longest(worst, others, channels)? {
            let _ = write!(verdict, "\n  {why}");
        }
        Ok(verdict)
    }

    /// Where senders waited longest in sum, and why that is not at fault if it is elsewhere.
    fn longest(
        &self,
        worst: &Found,
        others: &[Found],
        channels: &[Channel],
    ) -> rusqlite::Result<Option<String>> {
        let longest = channels.iter().max_by_key(|channel| channel.send_waited);
        let Some(longest) = longest.filter(|channel| !channel.send_waited.is_zero()) else {
            return Ok(None);
        };
        let (name, waited) = (&longest.name, seconds(longest.send_waited));
        if stage(name) == worst.stage {
            return Ok(Some(format!("In {name} senders waited longest in sum, too: {waited}.")));
        }
        let behind = self.db.query_row(BEHIND, [name], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64))
        });
        let busy = self.busy()?;
        let percent = |stood: u64| 100.0 * share(stood, busy);
        let why = match behind.optional()? {
            Some((next, stood)) if share(stood, busy) >= NOTABLE => {
                let percent = percent(stood);
                format!("who receives there waited for room in {next} in {percent:.0} % of them")
            }
            _ => {
                let same = |other: &&Found| other.kind == worst.kind && other.stage == stage(name);
                let stood = others.iter().find(same).map_or(0, |found| found.stood);
                format!("it was found at fault in {:.0} % of them only", percent(stood))
            }
        };
        Ok(Some(format!("Not {name}, where senders waited longest in sum ({waited}):\n    {why}.")))
    }
}

/// Workers of one stage differ in a number at the end of their names, and so do their channels.
fn stage(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit())
}

/// Of so many snapshots.
fn share(stood: u64, busy: u64) -> f64 {
    stood as f64 / busy.max(1) as f64
}

/// No finding, and the numbers that are known.
fn idle(busy: u64, channels: &[Channel]) -> String {
    let waited = seconds(channels.iter().map(|channel| channel.send_waited).sum());
    // The channels are made from the first stage to the last: the source feeds the first.
    let first = channels.first().map_or_else(String::new, |first| {
        let share = 100.0 * first.starved;
        format!(", and the receiver of {} for messages in {share:.0} % of them", first.name)
    });
    format!(
        "No stage held up the others in {}:\n  all senders together waited {waited}{first}.",
        snapshots(busy)
    )
}

pub(crate) fn snapshots(n: u64) -> String {
    if n == 1 { "1 busy snapshot".to_owned() } else { format!("{} busy snapshots", count(n)) }
}
