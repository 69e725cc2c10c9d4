//! `parshall record` and `parshall query`, against programs that only seem to be some.
#![cfg(unix)]
#![allow(clippy::disallowed_methods)] // files that nobody has open

#[allow(dead_code)] // it can do more than is asked here
mod fake;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use fake::Fake;
use tempfile::TempDir;

/// A folder that stands for `XDG_RUNTIME_DIR`, and the one in it where sockets are.
fn folders() -> (TempDir, PathBuf) {
    let runtime = tempfile::tempdir().unwrap();
    let sockets = runtime.path().join("parshall");
    fs::create_dir(&sockets).unwrap();
    (runtime, sockets)
}

fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parshall"));
    command.args(arguments).env("XDG_RUNTIME_DIR", runtime).current_dir(runtime);
    command.stdin(Stdio::null());
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
