//! The recorder from outside: what is in the file, and what happens when there can be none.
#![cfg(feature = "record")]
#![allow(clippy::disallowed_methods)] // files that nobody has open

mod files;
mod told;

use std::path::PathBuf;
use std::time::Duration;

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall_gauge::SqliteRecorder;
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const TABLES: [&str; 6] =
    ["snapshots", "snapshot_processes", "nodes", "edges", "waits", "findings"];

pub(crate) fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    (folder, path)
}

/// A channel with `len` messages in it.
pub(crate) fn channel(name: &str, capacity: usize, len: u8) -> (Sender<u8>, Receiver<u8>) {
    let (tx, rx) = Builder::new().name(name).capacity(capacity).build();
    (0..len).for_each(|i| tx.try_send(i).unwrap());
    (tx, rx)
}

/// A snapshot with these channels alone. What other tests do while they are looked at is theirs.
pub(crate) fn only(names: &[&str]) -> parshall::Snapshot {
    let mut snapshot = parshall::snapshot();
    snapshot.channels.retain(|channel| names.contains(&&*channel.stats.name));
    snapshot
}

pub(crate) fn quick(path: &std::path::Path) -> SqliteRecorder {
    SqliteRecorder::new(path).busy_timeout(Duration::from_millis(20))
}

pub(crate) fn rows(db: &Connection, table: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
}
