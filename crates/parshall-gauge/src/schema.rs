//! The tables, and the check that a file has them or may get them.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::Failure;

/// `PRAGMA application_id`: the letters "PRSH". It tells our files from those of other programs.
const APPLICATION: i64 = 0x5052_5348;

/// The primary keys of `nodes`, `edges` and `waits` begin with the snapshot, so they also serve to
/// delete it; that of `edges` is the index on `(snapshot_id, src_id)`.
const TABLES: &str = "
CREATE TABLE snapshots (
    snapshot_id     INTEGER PRIMARY KEY,
    requested_at_ns INTEGER NOT NULL,
    completed_at_ns INTEGER,
    timeout_ms      INTEGER NOT NULL
);
CREATE TABLE snapshot_processes (
    snapshot_id INTEGER NOT NULL,
    process     TEXT NOT NULL,
    pid         INTEGER,
    proc_key    TEXT NOT NULL,
    status      TEXT NOT NULL,
    recv_at_ns  INTEGER,
    error_text  TEXT,
    PRIMARY KEY (snapshot_id, proc_key)
);
CREATE TABLE nodes (
    snapshot_id INTEGER NOT NULL,
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    process     TEXT NOT NULL,
    proc_key    TEXT NOT NULL,
    attrs_json  TEXT NOT NULL,
    PRIMARY KEY (snapshot_id, id)
);
CREATE INDEX nodes_kind ON nodes (snapshot_id, kind);
CREATE INDEX nodes_proc_key ON nodes (snapshot_id, proc_key);
CREATE TABLE edges (
    snapshot_id INTEGER NOT NULL,
    src_id      TEXT NOT NULL,
    dst_id      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    attrs_json  TEXT NOT NULL,
    PRIMARY KEY (snapshot_id, src_id, dst_id, kind)
);
CREATE INDEX edges_kind ON edges (snapshot_id, kind);
CREATE INDEX edges_dst ON edges (snapshot_id, dst_id);
-- `channel_id` is the id of the `mpsc` node, `place` the place in line from 0, `side` send or recv.
-- `granted_at_ns`: room was granted, and the wait has not been polled since.
CREATE TABLE waits (
    snapshot_id   INTEGER NOT NULL,
    channel_id    TEXT NOT NULL,
    side          TEXT NOT NULL,
    place         INTEGER NOT NULL,
    task_id       TEXT,
    since_ns      INTEGER NOT NULL,
    need          INTEGER NOT NULL,
    granted_at_ns INTEGER,
    PRIMARY KEY (snapshot_id, channel_id, side, place)
);
CREATE VIEW channels AS SELECT
    snapshot_id,
    id,
    json_extract(attrs_json, '$.channel_id') AS number,
    json_extract(attrs_json, '$.name') AS name,
    json_extract(attrs_json, '$.queue_len') AS q,
    json_extract(attrs_json, '$.capacity') AS cap,
    json_extract(attrs_json, '$.utilization') AS utilization,
    json_extract(attrs_json, '$.high_watermark') AS high_watermark,
    json_extract(attrs_json, '$.sender_count') AS senders,
    json_extract(attrs_json, '$.send_waiters') AS send_waiters,
    json_extract(attrs_json, '$.recv_waiters') AS recv_waiters,
    json_extract(attrs_json, '$.oldest_send_wait_ns') AS oldest_send_wait_ns,
    json_extract(attrs_json, '$.oldest_recv_wait_ns') AS oldest_recv_wait_ns,
    json_extract(attrs_json, '$.sent_total') AS sent_total,
    json_extract(attrs_json, '$.recv_total') AS recv_total,
    json_extract(attrs_json, '$.send_waits_total') AS send_waits_total,
    json_extract(attrs_json, '$.send_wait_total_ns') AS send_wait_total_ns
FROM nodes WHERE kind = 'mpsc';
";

/// What 2 adds to 1: `proc_key` is the process's key and no longer its name again, and what a
/// sampler has missed since the record before; null if no sampler has recorded it.
const MISSED: &str = "
ALTER TABLE snapshot_processes ADD COLUMN missed INTEGER;
CREATE VIEW processes AS SELECT
    proc_key,
    substr(proc_key, 1, 8) AS short_key,
    process,
    pid,
    count(*) AS snapshots,
    min(snapshot_id) AS first_id,
    max(snapshot_id) AS last_id,
    sum(missed) AS missed
FROM snapshot_processes GROUP BY proc_key;
";

/// What 3 adds to 2: all that a snapshot is read back from, findings, tasks, and the longest waits.
///
/// `snapshots.schema` is that of the attributes; null before this version. An age at a snapshot is
/// the least that the wait has lasted: it may have gone on after the last one that saw it.
const WAITS: &str = "
ALTER TABLE snapshots ADD COLUMN schema TEXT;
ALTER TABLE snapshot_processes ADD COLUMN untracked INTEGER;
ALTER TABLE waits ADD COLUMN wait_id INTEGER;
ALTER TABLE waits ADD COLUMN call TEXT;
ALTER TABLE waits ADD COLUMN own_waker INTEGER;
ALTER TABLE waits ADD COLUMN deadline_ns INTEGER;
-- As in parshall.diagnosis/1. `channels` and `tasks` are lists of objects with `id` and `name`.
CREATE TABLE findings (
    snapshot_id INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    since_ns    INTEGER NOT NULL,
    channels    TEXT NOT NULL,
    tasks       TEXT NOT NULL,
    victims     INTEGER NOT NULL,
    assumption  TEXT,
    text        TEXT NOT NULL,
    PRIMARY KEY (snapshot_id, place)
);
CREATE VIEW tasks AS SELECT
    snapshot_id,
    id,
    kind,
    json_extract(attrs_json, '$.name') AS name,
    json_extract(attrs_json, '$.root') AS root,
    json_extract(attrs_json, '$.location') AS location,
    json_extract(attrs_json, '$.state') AS state,
    json_extract(attrs_json, '$.state_since_ns') AS state_since_ns,
    json_extract(attrs_json, '$.wakers') AS wakers,
    json_extract(attrs_json, '$.polls') AS polls,
    json_extract(attrs_json, '$.since') AS waiting_since_ns
FROM nodes WHERE kind IN ('task', 'thread', 'waker');
CREATE VIEW longest_waits AS
WITH seen AS (
    -- The other columns are those of the row with the maximum: SQLite says so.
    SELECT max(s.requested_at_ns - w.since_ns) AS waited_ns, w.*, p.proc_key
    FROM snapshots AS s
        JOIN snapshot_processes AS p USING (snapshot_id)
        JOIN waits AS w USING (snapshot_id)
    WHERE s.requested_at_ns >= (SELECT max(requested_at_ns) FROM snapshots) - 3600000000000
    GROUP BY p.proc_key, w.channel_id, w.side, w.wait_id, w.task_id, w.since_ns
)
SELECT
    seen.proc_key,
    seen.snapshot_id,
    seen.channel_id,
    json_extract(channel.attrs_json, '$.label') AS channel,
    seen.side,
    seen.call,
    coalesce(json_extract(who.attrs_json, '$.name'), seen.task_id) AS who,
    max(seen.waited_ns, 0) AS waited_ns,
    seen.since_ns,
    seen.granted_at_ns,
    CASE WHEN seen.side = 'send' AND seen.granted_at_ns IS NULL THEN
        coalesce(
            json_extract(drain.attrs_json, '$.name'),
            json_extract(channel.attrs_json, '$.last_receiver')
        )
    END AS should_drain
FROM seen
    LEFT JOIN nodes AS channel
        ON channel.snapshot_id = seen.snapshot_id AND channel.id = seen.channel_id
    LEFT JOIN nodes AS who ON who.snapshot_id = seen.snapshot_id AND who.id = seen.task_id
    LEFT JOIN nodes AS drain ON drain.snapshot_id = seen.snapshot_id
        AND drain.id = json_extract(channel.attrs_json, '$.last_receiver')
ORDER BY waited_ns DESC;
";

/// The n-th leads from `user_version` n to n + 1.
const STEPS: [&str; 3] = [TABLES, MISSED, WAITS];

/// `PRAGMA user_version` after all steps.
const VERSION: i64 = STEPS.len() as i64;

/// Makes the database a recording, or one of this version, if it may become that. Anything else is
/// left untouched: it is only read until it is known to be ours.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), Failure> {
    let found = version(connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(32);
    if found < VERSION {
        upgrade(connection)?;
    }
    Ok(())
}

/// An error unless the database is a recording of this version.
pub(crate) fn check(connection: &Connection) -> Result<(), Failure> {
    match version(connection)? {
        VERSION => Ok(()),
        0 => Err(Failure::Foreign),
        found => Err(Failure::Older { found, known: VERSION }),
    }
}

/// The version of a recording; 0 if the database is empty. An error if it is neither.
fn version(connection: &Connection) -> Result<i64, Failure> {
    let facts = "SELECT (SELECT count(*) FROM sqlite_schema), a.application_id, v.user_version
                 FROM pragma_application_id AS a, pragma_user_version AS v";
    let (objects, application, found): (i64, i64, i64) =
        connection.query_row(facts, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match (objects, application, found) {
        (0, 0, 0) => Ok(0),
        (_, APPLICATION, 1..=VERSION) => Ok(found),
        (_, APPLICATION, newer) if newer > VERSION => {
            Err(Failure::Newer { found: newer, known: VERSION })
        }
        _ => Err(Failure::Foreign),
    }
}

/// All steps or none.
fn upgrade(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    for step in &STEPS[version(&transaction)? as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}
