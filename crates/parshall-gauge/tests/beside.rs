//! Recorders beside others: other recorders, other processes, other programs, and whoever moves the
//! file.
#![cfg(feature = "record")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use parshall_gauge::{RecordErrorKind, Retention, SqliteRecorder};
use rusqlite::Connection;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    (folder, path)
}

/// The snapshots in a recording that is whole.
fn count(path: &Path) -> i64 {
    count_in(&whole(path))
}

/// The same, and 0 if the file was moved before it became a recording.
fn count_if_begun(path: &Path) -> i64 {
    let db = whole(path);
    let begun = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'snapshots')";
    if db.query_row(begun, (), |row| row.get(0)).unwrap() { count_in(&db) } else { 0 }
}

fn whole(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(check, "ok", "{}", path.display());
    db
}

fn count_in(db: &Connection) -> i64 {
    db.query_row("SELECT count(*) FROM snapshots", (), |row| row.get(0)).unwrap()
}

fn record(recorder: &mut SqliteRecorder) -> i64 {
    recorder.record(&parshall::snapshot()).unwrap()
}

/// The environment variable by which this program knows that it is the second process.
const SECOND: &str = "PARSHALL_TEST_SECOND";

/// Another process that does as it is told: this program once more.
struct Second {
    child: Child,
    tell: Option<ChildStdin>,
    hear: BufReader<ChildStdout>,
}

impl Second {
    fn start(path: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "second", "--nocapture"])
            .env(SECOND, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let hear = BufReader::new(child.stdout.take().unwrap());
        Self { tell: child.stdin.take(), child, hear }
    }

    /// Its answer.
    fn does(&mut self, what: &str) -> String {
        writeln!(self.tell.as_ref().unwrap(), "{what}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.hear.read_line(&mut line).unwrap(), 0, "it has ended");
            // The test harness says something, too.
            if let Some((_, answer)) = line.trim_end().split_once("answer: ") {
                return answer.to_owned();
            }
        }
    }

    fn records(&mut self) -> i64 {
        self.does("record").parse().unwrap()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.tell.take());
        let _ = self.child.wait();
    }
}

/// The second process, if it is that.
#[test]
fn second() {
    let Some(path) = env::var_os(SECOND) else { return };
    let path = PathBuf::from(path);
    let new = || {
        SqliteRecorder::new(&path).retention(Retention::ALL).busy_timeout(Duration::from_secs(120))
    };
    let mut recorder = new();
    let mut db = None;
    for line in std::io::stdin().lines() {
        let answer = match &*line.unwrap() {
            "record" => match recorder.record(&parshall::snapshot()) {
                Ok(id) => id.to_string(),
                Err(error) => error.to_string(),
            },
            "count" => count(&path).to_string(),
            "close" => {
                recorder = new();
                "closed".to_owned()
            }
            // Keeps a snapshot of its own of the database, as a viewer does.
            "read" => {
                let db = db.insert(Connection::open(&path).unwrap());
                db.execute_batch("BEGIN").unwrap();
                let rows =
                    db.query_row("SELECT count(*) FROM snapshots", (), |r| r.get::<_, i64>(0));
                rows.unwrap().to_string()
            }
            "stop reading" => {
                db = None;
                "stopped".to_owned()
            }
            what => panic!("{what}?"),
        };
        println!("answer: {answer}");
    }
}

/// Other programs with an SQLite of their own, as far as they are here.
fn programs() -> Vec<(&'static str, Vec<&'static str>)> {
    const PYTHON: &str = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])";
    let all = [("sqlite3", vec![]), ("python3", vec!["-c", PYTHON])];
    let here = |program: &str| {
        let probe =
            if program == "sqlite3" { vec!["--version"] } else { vec!["-c", "import sqlite3"] };
        let ran =
            Command::new(program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let here = ran.is_ok_and(|status| status.success());
        if !here {
            println!("skipped: there is no {program} with SQLite");
        }
        here
    };
    all.into_iter().filter(|(program, _)| here(program)).collect()
}

/// What `look` sees, another program or process, while this process records, reads its own
/// recording, and makes recorders anew after each sort of error.
fn locks_hold(look: &mut dyn FnMut(&Path) -> i64, what: &str) {
    let (_folder, path) = folder();
    let mut first = SqliteRecorder::open(&path).unwrap();
    record(&mut first);
    let reader = Connection::open(&path).unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM snapshots", (), |row| row.get(0)).unwrap();
    // Made anew, as after an error.
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    // Errors that ask what is wrong with the file: it is locked, it cannot be written by the name.
    reader.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut quick = SqliteRecorder::new(&path).busy_timeout(Duration::from_millis(5));
    let error = quick.record(&parshall::snapshot()).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::Locked);
    reader.execute_batch("ROLLBACK").unwrap();
    drop((first, quick));
    // Finding no lock, it would be the last to close: it would delete the log.
    assert_eq!(look(&path), 1, "{what}");
    for n in 2..=11 {
        record(&mut recorder);
        if n % 3 == 0 {
            assert_eq!(look(&path), n, "{what}");
        }
    }
    assert_eq!(look(&path), 11, "{what}");
    drop((recorder, reader));
    assert_eq!((look(&path), count(&path)), (11, 11), "{what}");
}

/// Seen to fail with: the header read through a descriptor, whose closing drops the locks of all.
#[test]
fn other_programs_find_the_locks_of_this_process() {
    for (program, args) in programs() {
        let mut look = |path: &Path| -> i64 {
            let mut command = Command::new(program);
            command.args(&args).arg(path).arg("SELECT count(*) FROM snapshots");
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            said.parse().unwrap_or_else(|_| panic!("{program}: {said} {output:?}"))
        };
        locks_hold(&mut look, program);
    }
}

/// Not seen to fail with the header read: the SQLite of this crate takes more care than older ones.
#[test]
fn another_process_finds_the_locks_of_this_one() {
    let mut look = |path: &Path| Second::start(path).does("count").parse().unwrap();
    locks_hold(&mut look, "a second process");
}

/// Two recorders: of this process, or one of it and one of another.
#[allow(clippy::large_enum_variant)]
enum Two {
    Here(SqliteRecorder, SqliteRecorder),
    There(SqliteRecorder, Second),
}

impl Two {
    fn both(path: &Path) -> [Self; 2] {
        let new = || SqliteRecorder::new(path);
        [Self::Here(new(), new()), Self::There(new(), Second::start(path))]
    }

    fn records(&mut self, second: bool) -> i64 {
        match self {
            Self::Here(one, _) | Self::There(one, _) if !second => record(one),
            Self::Here(_, two) => record(two),
            Self::There(_, two) => two.records(),
        }
    }

    fn close(&mut self, second: bool) {
        match self {
            Self::Here(one, _) | Self::There(one, _) if !second => {
                *one = SqliteRecorder::new(one.path());
            }
            Self::Here(_, two) => *two = SqliteRecorder::new(two.path()),
            Self::There(_, two) => assert_eq!(two.does("close"), "closed"),
        }
    }
}

/// Both ways in which two recorders can lie, and both orders in which they notice.
fn each(test: impl Fn(&Path, &Path, Two, bool)) {
    for second_first in [false, true] {
        for way in 0..2 {
            let (folder, path) = folder();
            let [here, there] = Two::both(&path);
            let two = if way == 0 { here } else { there };
            test(&path, &folder.path().join("app.db.1"), two, second_first);
        }
    }
}

/// Seen to fail with: the log put into the moved file by each, under the name of the new one's.
#[test]
fn a_file_that_is_moved_keeps_all_and_the_new_one_gets_the_rest() {
    each(|path, moved, mut two, first| {
        for _ in 0..4 {
            two.records(false);
            two.records(true);
        }
        fs::rename(path, moved).unwrap();
        assert_eq!((two.records(first), two.records(!first)), (1, 2));
        drop(two);
        assert_eq!((count(moved), count(path)), (8, 2));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "something is left");
    });
}

/// Seen to fail with: no look at the path when a recorder is dropped.
#[test]
fn a_file_that_is_moved_and_not_recorded_into_again_keeps_all() {
    each(|path, moved, mut two, first| {
        for _ in 0..4 {
            two.records(false);
            two.records(true);
        }
        fs::rename(path, moved).unwrap();
        two.close(first);
        two.close(!first);
        assert_eq!(count(moved), 8);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "something is left");
        // As new recorders, they begin a new file.
        assert_eq!((two.records(first), two.records(!first)), (1, 2));
        drop(two);
        assert_eq!((count(moved), count(path)), (8, 2));
    });
}

/// The program is started anew while its former life still ends.
///
/// Seen to fail with: no look at what lies beside a database that is created.
#[test]
fn a_recorder_that_starts_after_the_move_takes_nothing_over() {
    each(|path, moved, mut two, first| {
        two.records(false);
        two.records(true);
        fs::rename(path, moved).unwrap();
        let mut third = SqliteRecorder::new(path);
        record(&mut third);
        let mut fourth = Second::start(path);
        assert_eq!(fourth.records(), 2);
        assert_eq!(two.records(first), 3);
        two.close(!first);
        record(&mut third);
        drop((two, third, fourth));
        assert_eq!((count(moved), count(path)), (2, 4));
    });
}

/// Again and again, while the recorders go on: what is said to be recorded is somewhere, once.
///
/// Seen to fail with: the folder not locked (in 150 rounds); a checkpoint that is busy not tried
/// again.
#[test]
fn files_moved_while_recorders_record_hold_all_together() {
    let (folder, path) = folder();
    let rounds = 12;
    let mut there = Second::start(&path);
    let recorded = std::thread::scope(|scope| {
        let here: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut recorder = SqliteRecorder::new(&path)
                        .retention(Retention::ALL)
                        .busy_timeout(Duration::from_secs(120));
                    for _ in 0..rounds * 5 {
                        record(&mut recorder);
                    }
                    rounds * 5
                })
            })
            .collect();
        let mut recorded = 0;
        for round in 0..rounds {
            for _ in 0..5 {
                there.records();
                recorded += 1;
            }
            if path.exists() {
                fs::rename(&path, folder.path().join(format!("app.db.{round}"))).unwrap();
            }
        }
        recorded + here.into_iter().map(|thread| thread.join().unwrap()).sum::<i64>()
    });
    drop(there);
    let files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let beside = |path: &PathBuf| path.to_string_lossy().ends_with(['l', 'm']);
    assert!(!files.iter().any(beside), "something is left: {files:?}");
    assert_eq!(files.iter().map(|path| count_if_begun(path)).sum::<i64>(), recorded);
}

/// Whoever opens it begins anew with a new file. While it is opened, one file is deleted at most.
///
/// Seen to fail with: an `open` that returns what SQLite says of a file that has lost its name.
#[test]
fn a_file_that_is_deleted_while_it_is_opened_is_no_error() {
    let (_folder, path) = folder();
    std::thread::scope(|scope| {
        let (opens, opened) = mpsc::sync_channel(0);
        scope.spawn(|| {
            for after in opened {
                std::thread::sleep(after);
                fs::remove_file(&path).ok();
            }
        });
        for n in 0..200 {
            opens.send(Duration::from_micros(n % 50 * 100)).unwrap();
            SqliteRecorder::open(&path).unwrap();
        }
        drop(opens);
    });
}

/// As the documentation says.
#[test]
fn the_log_of_recorders_that_were_killed_can_be_moved_after_the_file() {
    let (folder, path) = folder();
    let mut killed = Second::start(&path);
    (1..=4).for_each(|n| assert_eq!(killed.records(), n));
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let moved = folder.path().join("app.db.1");
    fs::rename(&path, &moved).unwrap();
    fs::rename(folder.path().join("app.db-wal"), folder.path().join("app.db.1-wal")).unwrap();
    let mut next = SqliteRecorder::new(&path);
    record(&mut next);
    drop(next);
    assert_eq!((count(&moved), count(&path)), (4, 1));
}

/// A reader that still looks at an earlier state of the file keeps the log from being put into it.
/// Nothing is acknowledged until that is done.
#[test]
fn a_reader_of_the_moved_file_delays_the_new_one() {
    let (folder, path) = folder();
    let mut recorder = SqliteRecorder::new(&path).busy_timeout(Duration::from_millis(20));
    record(&mut recorder);
    let mut viewer = Second::start(&path);
    assert_eq!(viewer.does("read"), "1");
    record(&mut recorder);
    let moved = folder.path().join("app.db.1");
    fs::rename(&path, &moved).unwrap();
    for _ in 0..2 {
        let error = recorder.record(&parshall::snapshot()).unwrap_err();
        assert_eq!(error.kind(), RecordErrorKind::Locked, "{error}");
        assert!(error.to_string().contains("moved away"), "{error}");
    }
    assert_eq!(viewer.does("stop reading"), "stopped");
    assert_eq!(record(&mut recorder), 1);
    drop(recorder);
    assert_eq!((count(&moved), count(&path)), (2, 1));
}

/// Deleted by hand, say, by somebody who takes them for rubbish.
///
/// Seen to fail with: only the database's own name looked at; then nobody else sees a record any
/// more.
#[cfg(unix)]
#[test]
fn a_log_that_is_deleted_is_begun_anew() {
    let (_folder, path) = folder();
    let mut two = (SqliteRecorder::new(&path), Second::start(&path));
    record(&mut two.0);
    assert_eq!(two.1.records(), 2);
    for beside in ["app.db-wal", "app.db-shm"] {
        fs::remove_file(path.with_file_name(beside)).unwrap();
    }
    assert_eq!((record(&mut two.0), two.1.records()), (3, 4));
    assert_eq!(Second::start(&path).does("count"), "4");
    drop(two);
    assert_eq!(count(&path), 4);
}

/// Sidecars lie beside the file that a link leads to.
#[cfg(unix)]
#[test]
fn a_file_behind_a_link_may_be_moved() {
    let (folder, path) = folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let (file, moved) = (data.join("real.db"), data.join("real.db.1"));
    std::os::unix::fs::symlink(&file, &path).unwrap();
    let (mut one, mut two) = (SqliteRecorder::new(&path), SqliteRecorder::new(&file));
    record(&mut one);
    record(&mut two);
    fs::rename(&file, &moved).unwrap();
    record(&mut one);
    record(&mut two);
    drop((one, two));
    assert_eq!((count(&moved), count(&path)), (2, 2));
    assert_eq!(fs::read_dir(&data).unwrap().count(), 2, "something is left");
}
