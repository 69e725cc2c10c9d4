//! The tables, and the check that a file has them or may get them.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::Failure;

/// `PRAGMA user_version` of the tables below.
const VERSION: i64 = 1;

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

/// Opens `path`, which becomes a recording if it is nothing yet. Anything else is left untouched:
/// the file is only read until it is known to be ours.
pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, Failure> {
    // Without SQLITE_OPEN_URI, and never bare: ":memory:" and "file:x" are names of files here.
    let path = Path::new(".").join(path);
    check_content(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    let fresh = is_fresh(&connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(32);
    if fresh {
        create(&mut connection)?;
    }
    Ok(connection)
}

/// SQLite takes a file of a few bytes for an empty one, and would write over it.
fn check_content(path: &Path) -> Result<(), Failure> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    match path.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {}
        // To open a pipe would block.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => return Err(Failure::NoFile),
        // Nothing to lose; or SQLite cannot open it either, and says so.
        _ => return Ok(()),
    }
    let Ok(mut file) = File::open(path) else { return Ok(()) };
    let mut start = [0; MAGIC.len()];
    match file.read_exact(&mut start) {
        Ok(()) if start == MAGIC => Ok(()),
        _ => Err(Failure::NotADatabase),
    }
}

/// Whether the database is empty. An error if it is neither empty nor ours.
fn is_fresh(connection: &Connection) -> Result<bool, Failure> {
    let facts = "SELECT (SELECT count(*) FROM sqlite_schema), a.application_id, v.user_version
                 FROM pragma_application_id AS a, pragma_user_version AS v";
    let (objects, application, found): (i64, i64, i64) =
        connection.query_row(facts, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match (objects, application, found) {
        (0, 0, 0) => Ok(true),
        (_, APPLICATION, VERSION) => Ok(false),
        (_, APPLICATION, newer) if newer > VERSION => {
            Err(Failure::Newer { found: newer, known: VERSION })
        }
        _ => Err(Failure::Foreign),
    }
}

/// All tables or none.
fn create(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    if is_fresh(&transaction)? {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(transaction.commit()?)
}
