//! Recorders and samplers in the child of a `fork`.
#![cfg(feature = "record")]
#![cfg(unix)]

mod support;

use std::thread;
use std::time::Duration;

use parshall_gauge::{RecordErrorKind, Sampler, SqliteRecorder};
use rusqlite::Connection;
use support::fork;

fn count(path: &std::path::Path) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("SELECT count(*) FROM snapshots", (), |row| row.get(0)).unwrap()
}

/// The only test here, so that nobody else runs while it forks.
///
/// Seen to fail with: a sampler that joins its thread, a recorder that closes or goes on in the
/// child.
#[test]
fn a_child_leaves_what_its_parent_records_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");

    // A recorder of the parent: the child must not record by it, nor by a new one into its file.
    let mut recorder = Some(SqliteRecorder::open(&path).unwrap());
    recorder.as_mut().unwrap().record(&parshall::snapshot()).unwrap();
    fork(|| {
        let mut inherited = recorder.take().unwrap();
        let error = inherited.record(&parshall::snapshot()).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::Forked, "{error}");
        assert!(error.to_string().contains("app.db"), "{error}");
        let error = SqliteRecorder::open(&path).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::Forked, "{error}");
        drop(inherited);
        // Still so, and a file of its own is fine.
        assert!(SqliteRecorder::open(&path).is_err());
        let own = path.with_extension("child");
        SqliteRecorder::open(&own).unwrap().record(&parshall::snapshot()).unwrap();
    });
    fork(|| drop(recorder.take()));
    let mut recorder = recorder.unwrap();
    for _ in 0..3 {
        recorder.record(&parshall::snapshot()).unwrap();
    }
    assert_eq!(count(&path), 4);
    drop(recorder);
    assert_eq!((count(&path), count(&path.with_extension("child"))), (4, 1));

    // A sampler.
    let start = || {
        // They record into one file, each in turn: an error would be counted.
        let recorder = SqliteRecorder::new(&path).busy_timeout(Duration::from_secs(60));
        Sampler::every(Duration::from_millis(1)).record(recorder).start().unwrap()
    };
    let mut samplers = vec![start(), start(), start()];
    while samplers.iter().any(|sampler| sampler.status().recorded < 3) {
        thread::sleep(Duration::from_millis(1));
    }
    let snapshot = parshall::snapshot();
    for _ in 0..10 {
        fork(|| {
            let sampler = samplers.pop().unwrap();
            assert!(!sampler.submit(snapshot.clone()));
            assert_eq!(sampler.status().samples, 0);
            let _ = format!("{sampler:?}");
            assert_eq!(samplers.pop().unwrap().stop().samples, 0);
            drop(sampler);
            drop(samplers.pop());
        });
        thread::sleep(Duration::from_millis(2));
    }
    let recorded: u64 = samplers
        .into_iter()
        .map(|sampler| {
            let status = sampler.stop();
            assert_eq!(status.errors, 0, "{:?}", status.last_error);
            status.recorded
        })
        .sum();
    assert_eq!(count(&path), 4 + recorded as i64);
}
