//! A gauge with canned answers, made by the library, on a Unix socket. A path that has none is
//! answered by 404. And `parshall`, which asks such gauges.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use parshall::introspect::{Diagnoser, Diagnosis, Settings};
use parshall::mpsc::Builder;
use parshall::{Snapshot, task};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a path is answered with.
#[derive(Clone)]
pub(crate) enum Answer {
    Body(Vec<u8>),
    /// The connection ends after the head and half of the body.
    Half(Vec<u8>),
    /// Nothing, for a long time.
    Nothing,
    /// These bytes, and no more.
    Raw(Vec<u8>),
    /// The first, and then the second again and again, every so often.
    Endless(Vec<u8>, Vec<u8>, Duration),
}

/// One program. It listens until the test is over.
pub(crate) struct Fake {
    pub(crate) answers: HashMap<&'static str, Answer>,
}

impl Fake {
    /// In which nothing is wrong.
    pub(crate) fn well(process: &str, pid: u32) -> Self {
        let headline = format!("parshall: nothing is seen to be stuck in {process}");
        Self::new(process, pid, "ok", &headline, &quiet(), &json!({"findings": []}), &headline)
    }

    /// Two tasks that wait for each other, really diagnosed.
    pub(crate) fn stuck(process: &str, pid: u32) -> Self {
        let (snapshot, diagnosis) = deadlock();
        let report = diagnosis.to_string();
        let worst = diagnosis.findings[0].verdict.as_str();
        let headline = report.lines().next().unwrap();
        Self::new(process, pid, worst, headline, &snapshot, &diagnosis.to_json(), &report)
    }

    fn new(
        process: &str,
        pid: u32,
        worst: &str,
        headline: &str,
        snapshot: &Snapshot,
        diagnosis: &Value,
        report: &str,
    ) -> Self {
        let hello = json!({
            "parshall": "0.1.0", "protocol": 1, "process": process, "pid": pid,
            "proc_key": format!("{process}/1"), "started_at_ns": 1, "worst": worst,
            "headline": headline,
        });
        let body = |text: String| Answer::Body(text.into_bytes());
        let answers = [
            ("/v1/hello", body(hello.to_string())),
            ("/v1/snapshot", body(snapshot.graph().to_json().to_string())),
            ("/v1/diagnosis", body(diagnosis.to_string())),
            ("/v1/report", body(report.to_owned())),
        ];
        Self { answers: answers.into() }
    }

    pub(crate) fn with(mut self, path: &'static str, answer: Answer) -> Self {
        self.answers.insert(path, answer);
        self
    }

    /// With one field of its hello changed.
    pub(crate) fn saying(self, field: &str, value: impl Into<Value>) -> Self {
        let Answer::Body(hello) = &self.answers["/v1/hello"] else { panic!("no hello") };
        let mut hello: Value = serde_json::from_slice(hello).unwrap();
        hello[field] = value.into();
        self.with("/v1/hello", Answer::Body(hello.to_string().into_bytes()))
    }

    /// Listens at `folder/name.sock`.
    pub(crate) fn listen(self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answers = self.answers.clone();
                thread::spawn(move || answer(stream.unwrap(), &answers));
            }
        });
        path
    }
}

fn answer(mut stream: UnixStream, answers: &HashMap<&'static str, Answer>) {
    let mut head = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = head.next().unwrap_or_default();
    let _ = head.find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, body, send) = match answers.get(path) {
        Some(Answer::Body(body)) => ("200 OK", &body[..], body.len()),
        Some(Answer::Half(body)) => ("200 OK", &body[..], body.len() / 2),
        Some(Answer::Nothing) => return thread::sleep(Duration::from_secs(60)),
        Some(Answer::Raw(bytes)) => return drop(stream.write_all(bytes)),
        Some(Answer::Endless(first, again, pause)) => {
            let mut next = stream.write_all(first);
            while next.is_ok() {
                thread::sleep(*pause);
                next = stream.write_all(again);
            }
            return;
        }
        None => ("404 Not Found", &b"no such page"[..], 12),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    // Who asked may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..send]));
}

/// A snapshot of nothing.
fn quiet() -> Snapshot {
    let mut snapshot = parshall::snapshot();
    snapshot.channels.clear();
    snapshot.tasks.clear();
    snapshot
}

/// `writer` and `flusher` send to each other through full channels, `wal` and `acks`; `idle` is a
/// channel beside.
fn deadlock() -> (Snapshot, Diagnosis) {
    // The channels of another test are in the same process.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (wal, mut entries) = Builder::new().name("wal").capacity(1).build();
    let (acks, mut acknowledged) = Builder::new().name("acks").capacity(1).build();
    let (_idle, _ignored) = Builder::new().name("idle").capacity(1).build::<u8>();
    let mut cx = Context::from_waker(Waker::noop());
    for tx in [&wal, &acks] {
        tx.try_send(0).unwrap();
    }
    let mut writer = pin!(task::named("writer", async {
        acknowledged.recv().await;
        loop {
            wal.send(1).await.unwrap();
        }
    }));
    let mut flusher = pin!(task::named("flusher", async {
        entries.recv().await;
        loop {
            acks.send(1).await.unwrap();
        }
    }));
    assert_eq!(writer.as_mut().poll(&mut cx), Poll::<()>::Pending);
    assert_eq!(flusher.as_mut().poll(&mut cx), Poll::<()>::Pending);
    assert_eq!(writer.as_mut().poll(&mut cx), Poll::<()>::Pending);
    let mut settings = Settings::default();
    settings.stuck_after = Duration::from_millis(20);
    let mut diagnoser = Diagnoser::new(settings);
    let snapshot = || {
        let mut snapshot = parshall::snapshot();
        snapshot.channels.retain(|c| ["wal", "acks", "idle"].contains(&&*c.stats.name));
        snapshot
    };
    diagnoser.look(&snapshot()).unwrap();
    thread::sleep(Duration::from_millis(60));
    let second = snapshot();
    let diagnosis = diagnoser.look(&second).unwrap();
    assert!(!diagnosis.findings.is_empty(), "{diagnosis}");
    (second, diagnosis)
}

/// A folder that stands for `XDG_RUNTIME_DIR`, and the one in it where sockets are.
pub(crate) fn folders() -> (TempDir, PathBuf) {
    let runtime = tempfile::tempdir().unwrap();
    let sockets = runtime.path().join("parshall");
    fs::create_dir(&sockets).unwrap();
    fs::set_permissions(&sockets, Permissions::from_mode(0o700)).unwrap();
    (runtime, sockets)
}

/// `parshall`, which sees the programs of this folder alone.
pub(crate) fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parshall"));
    command.args(arguments).env("XDG_RUNTIME_DIR", runtime).stdin(Stdio::null());
    command
}
