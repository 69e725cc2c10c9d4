//! A relative path and a change of folder. The only test here, for the current folder is the
//! process's.
#![cfg(feature = "record")]

use std::env;

use parshall_gauge::SqliteRecorder;

/// Seen to fail with: the path kept as it was given, so that a second file began in the other
/// folder.
#[test]
fn a_relative_path_is_that_of_the_folder_it_was_given_in() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    env::set_current_dir(one.path()).unwrap();
    let mut lazy = SqliteRecorder::new("lazy.db");
    let mut recorder = SqliteRecorder::open("./app.db").unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    env::set_current_dir(two.path()).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    lazy.record(&parshall::snapshot()).unwrap();
    assert!(recorder.path().is_absolute());
    drop((recorder, lazy));
    env::set_current_dir(one.path()).unwrap();
    assert_eq!(two.path().read_dir().unwrap().count(), 0);
    let db = rusqlite::Connection::open("app.db").unwrap();
    let count: i64 = db.query_row("SELECT count(*) FROM snapshots", (), |r| r.get(0)).unwrap();
    assert_eq!((count, one.path().join("lazy.db").exists()), (2, true));
    drop(db);
    env::set_current_dir("/").unwrap();
}
