//! `parshall record` and `parshall query`, against programs that only seem to be some.
#![cfg(unix)]
#![allow(clippy::disallowed_methods)] // files that nobody has open

#[allow(dead_code)] // it can do more than is asked here
mod fake;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use fake::{Answer, Fake, folders};
use parshall_gauge::SqliteRecorder;

/// In the folder of the recordings.
fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = fake::command(runtime, arguments);
    command.current_dir(runtime);
    command
}

/// Exit code, stdout, stderr.
fn parshall(runtime: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = command(runtime, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A recorder that runs.
struct Recorder {
    child: Child,
    says: BufReader<ChildStderr>,
}

impl Recorder {
    fn start(runtime: &Path) -> Self {
        let arguments = ["record", "--to", "night.db", "--every", "0.05"];
        let mut command = command(runtime, &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stderr.take().unwrap());
        Self { child, says }
    }

    /// Waits until it says this.
    fn until(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert_ne!(self.says.read_line(&mut line).unwrap(), 0, "it has not said {what}");
        }
    }

    /// Its exit code and its last words.
    fn interrupt(self) -> (i32, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().expect("it was killed"), String::from_utf8(output.stdout).unwrap())
    }
}

/// Seen to fail with: an end that is not written down.
#[test]
fn programs_come_and_go_and_the_recording_is_asked() {
    let (runtime, sockets) = folders();
    Fake::stuck("ingest-2", 2).listen(&sockets, "ingest-2");
    let mut recorder = Recorder::start(runtime.path());
    recorder.until("is recorded");
    let (_, mut other) =
        (Fake::stuck("api", 7).listen(&sockets, "api"), Recorder::start(runtime.path()));
    other.until("another recorder writes into night.db");
    (0..2).for_each(|_| other.until("is recorded"));
    recorder.until("is recorded");
    fs::remove_file(sockets.join("api.sock")).unwrap();
    recorder.until("has ended");
    other.until("has ended");
    assert_eq!(other.interrupt().0, 0);
    let (code, said) = recorder.interrupt();
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("recorded ") && said.contains("2 programs in night.db"), "{said}");

    let ask = |arguments: &[&str]| {
        parshall(runtime.path(), &[&["query", "--from", "night.db"], arguments].concat())
    };
    let (code, out, err) = ask(&["bottlenecks"]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert!(out.starts_with("PROCESS ") && out.contains("  wal "), "{out}");
    let (_, json, _) = ask(&["programs", "--format", "json"]);
    let programs: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(programs.as_array().unwrap().iter().any(|row| row["said"] == "it answers no more"));
    let (_, csv, _) = ask(&["findings", "--format", "csv"]);
    assert!(csv.starts_with("process,kind,verdict,channel,"), "{csv}");
    for name in ["longest-waits", "growth", "refused"] {
        assert_eq!(ask(&[name]).0, 0);
    }
}

/// Seen to fail with: output that is made for a terminal.
#[test]
fn data_in_a_pipe_is_exact() {
    let (runtime, sockets) = folders();
    let name = "a\u{1b}[31mb\u{9b}0m\u{202e}é";
    let mut snapshot = parshall::snapshot();
    snapshot.process = name.into();
    let path = runtime.path().join("odd.db");
    SqliteRecorder::open(path).unwrap().record(&snapshot).unwrap();
    let run = |arguments: &[&str]| parshall(runtime.path(), arguments).1;
    let csv = run(&["query", "programs", "--from", "odd.db", "--format", "csv"]);
    assert!(csv.contains(&format!("\r\n{name},")), "{csv:?}");
    let json = run(&["query", "programs", "--from", "odd.db", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["process"], name);
    let table = run(&["query", "programs", "--from", "odd.db"]);
    assert!(table.contains("a\\u{1b}[31mb\\u{9b}0m\\u{202e}é"), "{table:?}");
    // JSON may have any character but the first 32 as it is.
    let Answer::Body(body) = &Fake::well("odd", 1).answers["/v1/snapshot"].clone() else {
        panic!()
    };
    let mut body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body["beside"] = "\u{9b}0m\u{1b}[31m\u{202e}".into();
    let body = body.to_string();
    let fake = Fake::well("odd", 1).with("/v1/snapshot", Answer::Body(body.clone().into_bytes()));
    fake.listen(&sockets, "odd");
    assert_eq!(run(&["graph", "odd", "--format", "json"]), body + "\n");
}

/// Seen to fail with: warnings that are dropped, and warnings that are told each time.
#[test]
fn what_cannot_be_looked_at_is_told_once() {
    let (runtime, sockets) = folders();
    fs::remove_dir(&sockets).unwrap();
    fs::write(&sockets, "").unwrap();
    let mut recorder = Recorder::start(runtime.path());
    recorder.until("is no folder; remove it");
    // Some rounds more.
    thread::sleep(Duration::from_millis(300));
    fs::remove_file(&sockets).unwrap();
    fs::create_dir(&sockets).unwrap();
    Fake::well("late", 1).listen(&sockets, "late");
    let mut line = String::new();
    recorder.says.read_line(&mut line).unwrap();
    assert!(line.contains("is recorded"), "{line}");
    assert_eq!(recorder.interrupt().0, 0);
}

/// Nothing is created, and what is there stays as it is.
///
/// Seen to fail with: an empty file that is called a database of another program.
#[test]
fn what_is_no_recording_is_told_and_left() {
    let (runtime, _sockets) = folders();
    let file = |name: &str| runtime.path().join(name);
    let mut recorder = SqliteRecorder::open(file("good.db")).unwrap();
    for _ in 0..3 {
        recorder.record(&parshall::snapshot()).unwrap();
    }
    drop(recorder);
    let mut bytes = fs::read(file("good.db")).unwrap();
    fs::write(file("cut.db"), &bytes[..bytes.len() / 2]).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(file("bad.db"), &bytes).unwrap();
    fs::write(file("notes.txt"), "notes".repeat(200)).unwrap();
    fs::write(file("empty.db"), "").unwrap();
    fs::create_dir(file("folder.db")).unwrap();
    // SQLite itself puts a log and its index beside a database that it reads.
    let is_beside = |path: &Path| path.to_str().is_some_and(|it| it.contains(".db-"));
    let all = || {
        let entries = fs::read_dir(runtime.path()).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| !is_beside(path));
        let mut all: Vec<_> = files.map(|path| (fs::read(&path).ok(), path)).collect();
        all.sort_by(|a, b| a.1.cmp(&b.1));
        all
    };
    let before = all();
    for (name, why) in [
        ("bad.db", "malformed"),
        ("cut.db", "malformed"),
        ("notes.txt", "it is not a database"),
        ("empty.db", "it is empty"),
        ("missing.db", "there is no such file"),
        ("no/folder.db", "there is no such file"),
        ("folder.db", "it is not a regular file"),
    ] {
        for format in ["table", "json", "csv"] {
            let ask = ["query", "findings", "--from", name, "--format", format];
            let (code, out, err) = parshall(runtime.path(), &ask);
            assert_eq!((code, &*out), (3, ""), "{name}: {err}");
            let begins = format!("parshall: cannot ask {name}: ");
            assert!(err.starts_with(&begins) && err.contains(why), "{name}: {err}");
            assert_eq!(err.lines().count(), 1, "{err}");
        }
    }
    assert!(all() == before, "something was created or changed");
}

#[test]
fn what_cannot_be_asked_or_recorded_says_why() {
    let (runtime, _sockets) = folders();
    let run = |arguments: &[&str]| parshall(runtime.path(), arguments);
    let (code, out, _) = run(&["query"]);
    assert_eq!(code, 0);
    assert!(out.contains("longest-waits  The longest waits"), "{out}");
    let (code, out, _) = run(&["query", "refused", "--sql"]);
    assert_eq!(code, 0);
    assert!(out.contains("SELECT"), "{out}");
    let (code, _, err) = run(&["query", "nonsense", "--from", "night.db"]);
    assert_eq!(code, 2);
    assert!(err.contains("no question nonsense") && err.contains("refused"), "{err}");
    let (code, _, err) = run(&["query", "refused"]);
    assert_eq!(code, 2);
    assert!(err.contains("--from"), "{err}");
    let (code, _, err) = run(&["query", "refused", "--from", "night.db"]);
    assert_eq!(code, 3);
    assert!(err.contains("cannot ask ") && err.contains("there is no such file"), "{err}");
    assert!(!runtime.path().join("night.db").exists());
    fs::write(runtime.path().join("notes.txt"), "notes".repeat(200)).unwrap();
    for arguments in
        [&["query", "refused", "--from", "notes.txt"], &["record", "--to", "notes.txt"][..]]
    {
        let (code, _, err) = run(arguments);
        assert_eq!(code, 3, "{err}");
        assert!(err.contains("notes.txt: it is not a database"), "{err}");
    }
    assert_eq!(run(&["record", "--to", "x.db", "--every", "0"]).0, 2);
}
