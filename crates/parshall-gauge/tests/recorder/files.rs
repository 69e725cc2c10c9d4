//! Files that are of another version, of somebody else, locked, replaced or not to be written.

use std::fs;
use std::path::PathBuf;

use parshall_gauge::{RecordErrorKind, Retention, SqliteRecorder, read_snapshot};
use rusqlite::Connection;

use crate::{TABLES, channel, folder, quick, rows};

#[test]
fn a_record_that_fails_leaves_nothing_behind() {
    let (_folder, path) = folder();
    let _live = channel("all or nothing", 4, 1);
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    let db = Connection::open(&path).unwrap();
    let before = TABLES.map(|table| rows(&db, table));
    // Fails after the channels are written.
    db.execute_batch(
        "CREATE TRIGGER no_end BEFORE INSERT ON moment BEGIN SELECT raise(ABORT, 'no end'); END",
    )
    .unwrap();
    let error = recorder.record(&parshall::snapshot()).unwrap_err();
    assert!(error.to_string().contains("no end"), "{error}");
    assert_eq!(TABLES.map(|table| rows(&db, table)), before);
    db.execute_batch("DROP TRIGGER no_end").unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    assert_eq!(rows(&db, "snapshots"), 2);
}

#[test]
fn a_file_that_is_no_database_stays_as_it_is() {
    for content in
        [&b"x"[..], b"SQLite format 3", &[7; 10_000], "no database ".repeat(99).as_bytes()]
    {
        let (folder, path) = folder();
        fs::write(&path, content).unwrap();
        let mut recorder = quick(&path);
        for _ in 0..2 {
            let error = recorder.record(&parshall::snapshot()).unwrap_err();
            assert_eq!(error.kind(), RecordErrorKind::NotADatabase, "{error}");
            assert_eq!(error.path(), path);
            assert!(error.to_string().contains("test.db"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something lies beside it");
        fs::remove_file(&path).unwrap();
        recorder.record(&parshall::snapshot()).unwrap();
    }
}

#[test]
fn the_database_of_another_program_stays_as_it_is() {
    for foreign in
        ["CREATE TABLE theirs (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"]
    {
        let (folder, path) = folder();
        Connection::open(&path).unwrap().execute_batch(foreign).unwrap();
        let before = fs::read(&path).unwrap();
        let error = SqliteRecorder::open(&path).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::ForeignDatabase, "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let (_folder, path) = folder();
    drop(SqliteRecorder::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 99").unwrap();
    let mut recorder = quick(&path);
    let error = recorder.record(&parshall::snapshot()).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::NewerVersion);
    let text = error.to_string();
    assert!(text.contains("test.db") && text.contains("version 99"), "{text}");
    db.execute_batch("PRAGMA user_version = 4").unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
}

/// Recordings of the former schema versions, with one snapshot in each.
const OLD: [&str; 2] = [include_str!("../recording.1.sql"), include_str!("../recording.2.sql")];

#[test]
fn a_recording_of_version_1_is_upgraded_and_kept() {
    let (_folder, path) = folder();
    let db = Connection::open(&path).unwrap();
    db.execute_batch(OLD[0]).unwrap();
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let id = recorder.record(&parshall::snapshot()).unwrap();
    let version: i64 = db.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert_eq!((version, id), (4, 8));
    let processes: Vec<(String, String, String, i64, Option<i64>)> = db
        .prepare("SELECT proc_key, short_key, process, snapshots, missed FROM processes ORDER BY first_id")
        .unwrap()
        .query_map((), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = parshall::proc_key();
    let old = ("app-7".to_owned(), "app-7".to_owned(), "app-7".to_owned(), 1, None);
    let new = (key.to_owned(), key[..8].to_owned(), parshall::process().to_owned(), 1, None);
    assert_eq!(processes, [old, new]);
    let q: i64 =
        db.query_row("SELECT q FROM channels WHERE snapshot_id = 7", (), |row| row.get(0)).unwrap();
    assert_eq!(q, 3);
    // It is done once.
    drop(recorder);
    SqliteRecorder::open(&path).unwrap().record(&parshall::snapshot()).unwrap();
}

#[test]
fn a_recording_of_version_2_is_upgraded_and_kept() {
    let (_folder, path) = folder();
    let db = Connection::open(&path).unwrap();
    db.execute_batch(OLD[1]).unwrap();
    // It is not upgraded by who only reads.
    let error = read_snapshot(&path, 7).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::OlderVersion);
    assert!(error.to_string().contains("version 2"), "{error}");
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let id = recorder.record(&parshall::snapshot()).unwrap();
    let version: i64 = db.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert_eq!((version, id), (4, 8));
    let missed: i64 =
        db.query_row("SELECT sum(missed) FROM processes", (), |row| row.get(0)).unwrap();
    let wait: (String, Option<i64>, Option<String>) = db
        .query_row("SELECT task_id, wait_id, call FROM waits WHERE snapshot_id = 7", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!((missed, wait), (4, ("task:app-7:1".to_owned(), None, None)));
    let error = read_snapshot(&path, 7).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::OlderVersion);
    assert!(error.to_string().contains("snapshot 7"), "{error}");
    assert!(read_snapshot(&path, 8).is_ok());
}

#[test]
fn what_cannot_be_read_says_why() {
    let (folder, path) = folder();
    let kind = |path: &std::path::Path, id| {
        let error = read_snapshot(path, id).unwrap_err();
        assert!(error.to_string().starts_with("cannot read a snapshot from"), "{error}");
        error.kind()
    };
    assert_eq!(kind(&path, 1), RecordErrorKind::NoSuchSnapshot);
    assert!(!path.exists());
    fs::write(&path, "no database ".repeat(99)).unwrap();
    assert_eq!(kind(&path, 1), RecordErrorKind::NotADatabase);
    fs::write(&path, "").unwrap();
    assert_eq!(kind(&path, 1), RecordErrorKind::NoSuchSnapshot);
    assert_eq!(fs::read(&path).unwrap(), b"");
    fs::remove_file(&path).unwrap();
    let _live = channel("spoilt", 4, 1);
    let id = SqliteRecorder::open(&path).unwrap().record(&parshall::snapshot()).unwrap();
    assert_eq!(kind(&path, id + 1), RecordErrorKind::NoSuchSnapshot);
    let db = Connection::open(&path).unwrap();
    let spoil = r#"UPDATE change SET channels = '{"1":[0,0,null,null,"many"]}'"#;
    db.execute_batch(spoil).unwrap();
    let error = read_snapshot(&path, id).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::Corrupt);
    assert!(error.to_string().contains("attrs.queue_len: invalid type"), "{error}");
    db.execute_batch("UPDATE session SET schema = 'parshall.snapshot/9'").unwrap();
    let text = read_snapshot(&path, id).unwrap_err().to_string();
    assert!(text.contains("/9") && text.contains("parshall.snapshot/2"), "{text}");
    db.execute_batch("PRAGMA user_version = 99").unwrap();
    assert_eq!(kind(&path, id), RecordErrorKind::NewerVersion);
    assert_eq!(kind(folder.path(), id), RecordErrorKind::Unwritable);
}

#[test]
fn a_locked_database_is_an_error_until_it_is_free() {
    let (_folder, path) = folder();
    let mut recorder = quick(&path);
    recorder.record(&parshall::snapshot()).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let error = recorder.record(&parshall::snapshot()).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::Locked, "{error}");
        assert!(error.to_string().contains("test.db"), "{error}");
    }
    db.execute_batch("ROLLBACK").unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    assert_eq!(rows(&db, "snapshots"), 2);
}

/// Seen to fail with: a log that no record looks at.
#[test]
fn a_reader_that_does_not_end_bounds_the_log_until_it_ends() {
    let (_folder, path) = folder();
    let (tx, _rx) = channel("long", 4, 1);
    let mut retention = Retention::default();
    retention.bytes = 1 << 20;
    let mut recorder = quick(&path).retention(retention);
    recorder.record(&parshall::snapshot()).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch("BEGIN").unwrap();
    assert_eq!(rows(&db, "snapshots"), 1);
    let log = || fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let mut records = 1..1000;
    let error = records.find_map(|n| {
        tx.set_name(format!("{n} {}", "x".repeat(200_000)));
        recorder.record(&parshall::snapshot()).err()
    });
    let error = error.expect("the log has a limit");
    assert_eq!(error.kind(), RecordErrorKind::Locked);
    let text = error.to_string();
    assert!(text.contains("test.db") && text.contains("transaction that does not end"), "{text}");
    assert!((16 << 20..20 << 20).contains(&log()), "{}", log());
    // The reader sees what it saw, and then all.
    assert_eq!(rows(&db, "snapshots"), 1);
    assert!(recorder.record(&parshall::snapshot()).is_err());
    db.execute_batch("COMMIT").unwrap();
    let id = recorder.record(&parshall::snapshot()).unwrap();
    assert!(log() < 5 << 20, "{}", log());
    let last = "SELECT max(snapshot_id) FROM snapshots";
    assert_eq!(db.query_row(last, (), |row| row.get::<_, i64>(0)).unwrap(), id);
    // Nothing was lost but what failed: no number is left out.
    assert_eq!(id, records.start);
}

#[test]
fn an_unwritable_path_is_an_error_until_it_can_be_written() {
    let (folder, _) = folder();
    let below = folder.path().join("later/test.db");
    let mut recorder = quick(&below);
    let error = recorder.record(&parshall::snapshot()).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::Unwritable);
    let text = error.to_string();
    assert!(text.contains("later/test.db") && text.contains("its folder is not there"), "{text}");
    fs::create_dir(folder.path().join("later")).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();

    let error = SqliteRecorder::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::Unwritable);
    assert!(error.to_string().contains("it is a folder"), "{error}");
}

#[test]
fn a_file_deleted_or_replaced_while_it_is_open_is_opened_anew() {
    let (folder, path) = folder();
    let _live = channel("replaced", 4, 1);
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    fs::remove_file(&path).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    let db = Connection::open(&path).unwrap();
    assert_eq!(rows(&db, "snapshots"), 1);
    drop(db);

    // By another recording: the old one's log must not get into it.
    let other = folder.path().join("other.db");
    let mut recorder_of_other = SqliteRecorder::open(&other).unwrap();
    (0..5).for_each(|_| _ = recorder_of_other.record(&parshall::snapshot()).unwrap());
    drop(recorder_of_other);
    fs::rename(&other, &path).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    let db = Connection::open(&path).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!((&*check, rows(&db, "snapshots")), ("ok", 6));
    drop(db);

    let text = folder.path().join("text");
    fs::write(&text, "not a database").unwrap();
    fs::rename(&text, &path).unwrap();
    let error = recorder.record(&parshall::snapshot()).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::NotADatabase, "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"not a database");
}

#[test]
fn names_that_mean_something_to_sqlite_are_files() {
    let here = std::env::current_dir().unwrap();
    let (folder, _) = folder();
    // Relative to the folder tests run in, so by way of the names alone.
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let below = folder.path().strip_prefix("/").unwrap_or(folder.path());
    for name in [":memory:", "file:x?mode=memory", "a b'c\"d%", "🦀.db"] {
        let path = up.join(below).join(name);
        SqliteRecorder::open(&path).unwrap().record(&parshall::snapshot()).unwrap();
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    assert!(SqliteRecorder::open("").is_err());
    #[cfg(unix)]
    assert!(SqliteRecorder::open("/dev/null").is_err());
}
