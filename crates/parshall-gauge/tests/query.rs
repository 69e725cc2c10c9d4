//! The questions, asked of a recording.
#![cfg(feature = "record")]
#![allow(clippy::disallowed_methods)] // files that nobody has open

use std::task::{Context, Waker};

use parshall::mpsc::Builder;
use parshall::task::named;
use parshall_gauge::{Answer, Cell, Question, RecordErrorKind, SqliteRecorder};

fn ask(name: &str, path: &std::path::Path) -> Answer {
    Question::named(name).unwrap().ask(path).unwrap()
}

/// The cells of this column, in the rows of the channel.
fn of_channel(answer: &Answer, channel: &str, column: &str) -> Vec<Cell> {
    let at = |name: &str| answer.columns.iter().position(|column| column == name).unwrap();
    let is_meant = |row: &&Vec<Cell>| row[at("channel")] == Cell::Text(channel.to_owned());
    answer.rows.iter().filter(is_meant).map(|row| row[at(column)].clone()).collect()
}

/// Seen to fail with: the first and the last snapshot of all programs together.
#[test]
fn the_questions_have_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asked.db");
    let mut cx = Context::from_waker(Waker::noop());
    let (tx, mut rx) = Builder::new().name("asked").capacity(2).build();
    let mut lazy = Box::pin(named("lazy", async {
        rx.recv().await;
        std::future::pending::<()>().await;
    }));
    tx.try_send(0).unwrap();
    assert!(lazy.as_mut().poll(&mut cx).is_pending());
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    recorder.record(&parshall::snapshot()).unwrap();
    (0..2).for_each(|n| tx.try_send(n).unwrap());
    assert!(tx.try_send(3).is_err());
    let mut send = Box::pin(named("patient", async { tx.send(4).await }));
    assert!(send.as_mut().poll(&mut cx).is_pending());
    let mut snapshot = parshall::snapshot();
    let second = 1_000_000_000;
    for _ in 0..2 {
        (snapshot.taken_at_ns, snapshot.completed_at_ns) =
            (snapshot.taken_at_ns + 5 * second, snapshot.completed_at_ns + 5 * second);
        recorder.record(&snapshot).unwrap();
    }
    let mut other = snapshot.clone();
    other.proc_key.push_str("/other");
    other.channels.clear();
    recorder.record(&other).unwrap();
    recorder.record_absence(("gone", 7, "gone/7"), "ended", "it answers no more").unwrap();

    let text = |text: &str| Cell::Text(text.to_owned());
    let waits = ask("longest-waits", &path);
    assert_eq!(of_channel(&waits, "asked", "who"), [text("patient")]);
    assert_eq!(of_channel(&waits, "asked", "should_drain"), [text("lazy")]);
    let [Cell::Integer(waited)] = of_channel(&waits, "asked", "waited_ns")[..] else { panic!() };
    // And what has passed between the send and the snapshot.
    assert!((10 * second..70 * second).contains(&waited), "{waited}");
    let bottlenecks = ask("bottlenecks", &path);
    assert_eq!(of_channel(&bottlenecks, "asked", "waits"), [Cell::Integer(1)]);
    let growth = ask("growth", &path);
    assert_eq!(of_channel(&growth, "asked", "then_len"), [Cell::Integer(0)]);
    assert_eq!(of_channel(&growth, "asked", "now_len"), [Cell::Integer(2)]);
    let refused = ask("refused", &path);
    assert_eq!(of_channel(&refused, "asked", "full"), [Cell::Integer(1)]);
    let findings = ask("findings", &path);
    assert_eq!(of_channel(&findings, "asked", "kind")[0], text("stalled"));
    let programs = ask("programs", &path);
    assert_eq!(programs.rows.len(), 3);
    assert_eq!(programs.rows[0][0], text("gone"));
    for question in Question::ALL {
        assert!(question.about().len() > 20 && question.about().len() < 90, "{}", question.name);
    }
}

/// Seen to fail with: no look whether the file is there.
#[test]
fn who_cannot_answer_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let question = Question::named("programs").unwrap();
    let error = question.ask(&path).unwrap_err();
    assert_eq!(error.kind(), RecordErrorKind::NoSuchSnapshot);
    assert!(error.to_string().starts_with("cannot ask ") && !path.exists(), "{error}");
    for (content, kind) in [
        ("no database ".repeat(99), RecordErrorKind::NotADatabase),
        (String::new(), RecordErrorKind::NoSuchSnapshot),
    ] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(question.ask(&path).unwrap_err().kind(), kind);
    }
    assert!(Question::named("Programs").is_none());
}

/// Seen to fail with: recorders of its own process that count; records of any age that count.
#[test]
fn a_second_recorder_hears_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.db");
    let mut first = SqliteRecorder::open(&path).unwrap();
    first.record(&parshall::snapshot()).unwrap();
    // Its own recorders do not count.
    assert!(SqliteRecorder::open(&path).unwrap().others().unwrap().is_empty());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("UPDATE session SET recorder = 'another'").unwrap();
    // However long this takes, it is not so long ago.
    db.execute_batch("UPDATE moment SET requested_at_ns = requested_at_ns + 3600000000000")
        .unwrap();
    let others = SqliteRecorder::open(&path).unwrap().others().unwrap();
    assert_eq!(others, [parshall::process()]);
    db.execute_batch("UPDATE moment SET requested_at_ns = requested_at_ns - 3660000000000")
        .unwrap();
    assert!(SqliteRecorder::open(&path).unwrap().others().unwrap().is_empty());
}
