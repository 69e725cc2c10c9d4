//! A recorder whose file may not grow further, by the system's word.
#![cfg(feature = "record")]
#![cfg(unix)]

use std::io;
use std::path::Path;

use parshall_gauge::{RecordErrorKind, Retention, SqliteRecorder, read_snapshot};
use rusqlite::Connection;

/// No file of this process may become longer.
fn limit_files(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it is read, and that is all.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// How many snapshots a reader finds, in a file that is whole.
fn snapshots(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let halves = "SELECT (SELECT count(*) FROM moment) - count(DISTINCT snapshot_id) FROM change";
    let halves: i64 = db.query_row(halves, (), |row| row.get(0)).unwrap();
    assert_eq!(halves, 0, "a snapshot without what was said in it, or the reverse");
    db.query_row("SELECT count(*) FROM snapshots", (), |row| row.get(0)).unwrap()
}

/// The only test here, since the limit is the whole process's. The recording fills up, and then
/// there is room again, twice.
///
/// Seen to fail with: an error of writing that is taken for any other.
#[test]
fn a_file_that_may_not_grow_is_an_error_until_it_may() {
    // SAFETY: no handler. A write that is refused returns an error then.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.db");
    let (tx, _rx) = parshall::mpsc::Builder::new().name("first").capacity(4).build::<u8>();
    let mut recorder = SqliteRecorder::new(&path).retention(Retention::ALL);
    let mut recorded = 0;
    for bytes in [1 << 20, 3 << 20] {
        limit_files(bytes);
        // After an error there may be room once more, since the file takes up its log.
        let mut errors = Vec::new();
        while errors.len() < 3 {
            // Each record has something new to say, and much.
            tx.set_name(format!("{recorded} {}", "x".repeat(50_000)));
            match recorder.record(&parshall::snapshot()) {
                Ok(_) => recorded += 1,
                Err(error) => errors.push(error),
            }
            assert!(recorded < 1000, "nothing keeps the file from growing");
        }
        limit_files(libc::RLIM_INFINITY);
        for error in errors {
            assert_eq!(error.kind(), RecordErrorKind::Full, "{error:?}");
            let text = error.to_string();
            assert!(text.contains("full.db") && text.contains("may not grow"), "{text}");
        }
        assert_eq!(snapshots(&path), recorded);
        let mut seen = parshall::snapshot();
        let id = recorder.record(&seen).unwrap();
        recorded += 1;
        // Of waits the sums are recorded.
        for channel in &mut seen.channels {
            let stats = &mut channel.stats;
            (stats.send_wait_histogram, stats.recv_wait_histogram) = (None, None);
        }
        assert!(read_snapshot(&path, id).unwrap() == seen);
    }
    assert!(recorded > 4);
    assert_eq!(snapshots(&path), recorded);
}
