//! A program with one line more, as it is started: by its environment, its stderr and its signals.
#![cfg(all(unix, feature = "record", feature = "serve", feature = "signal"))]
#![allow(clippy::disallowed_methods)] // stderr of a child; no database of this process

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::{get, list, only, until};
use tempfile::TempDir;

/// The program: does what it is told, a word a line, until it is told no more. Run as a test, it
/// does nothing.
#[test]
fn program() {
    if std::env::var_os("GAUGE_TEST_PROGRAM").is_none() {
        return;
    }
    let _gauge = parshall_gauge::init();
    let (tx, mut rx) = parshall::mpsc::Builder::new().name("jobs").capacity(4).build();
    let mut odd = None;
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "send" => tx.try_send(1).unwrap(),
            "receive" => drop(rx.try_recv().unwrap()),
            "ping" => eprintln!("pong"),
            "odd" => {
                let name = format!("\u{1b}]0;x\u{7}\n\u{202e}{}", "y".repeat(10_000));
                let made = parshall::mpsc::Builder::new().name(name).capacity(1).build();
                made.0.try_send(1).unwrap();
                odd = Some(made);
            }
            "over" => drop(odd.take()),
            "die" => std::process::abort(),
            other => panic!("{other}"),
        }
    }
}

/// The program, where no thread can be had, in an async `main`.
#[test]
fn program_without_threads() {
    if std::env::var_os("GAUGE_TEST_WITHOUT_THREADS").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let gauge = parshall_gauge::init();
        assert!(gauge.is_active() && gauge.socket().is_none());
        drop(gauge);
        eprintln!("it runs");
    });
}

struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Arc<Mutex<String>>,
    runtime: TempDir,
}

impl Program {
    fn start(vars: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), vars)
    }

    fn start_in(runtime: TempDir, vars: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "program", "--nocapture", "--quiet"]);
        command.env("GAUGE_TEST_PROGRAM", "1").env("XDG_RUNTIME_DIR", runtime.path());
        command.envs(vars.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut lines, text) = (BufReader::new(child.stderr.take().unwrap()), stderr.clone());
        thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
                text.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        let stdin = child.stdin.take();
        let mut program = Self { child, stdin, stderr, runtime };
        // The gauge has started.
        program.tell("ping");
        program.says("pong");
        program
    }

    fn tell(&mut self, what: &str) {
        self.stdin.as_mut().unwrap().write_all(format!("{what}\n").as_bytes()).unwrap();
    }

    fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    fn says(&self, what: &str) {
        until(what, || self.stderr().contains(what).then_some(()));
    }

    fn folder(&self) -> std::path::PathBuf {
        self.runtime.path().join("parshall")
    }

    fn signal(&self, signal: i32) {
        // SAFETY: of a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Ends it, and says whether it ended well.
    fn end(&mut self) -> bool {
        drop(self.stdin.take());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seen to fail with: a gauge whatever the variable says, and a name that is not set.
#[test]
fn the_environment_decides() {
    let mut off = Program::start(&[("PARSHALL", "off")]);
    assert!(!off.folder().exists());
    assert!(off.end());
    assert_eq!(off.stderr(), "pong\n");

    let database = tempfile::tempdir().unwrap();
    let database = database.path().join("a.db");
    let mut on = Program::start(&[
        ("PARSHALL_PROCESS", "ingest/eu:1"),
        ("PARSHALL_RECORD", database.to_str().unwrap()),
        ("PARSHALL_BIND", "127.0.0.1:0"),
    ]);
    assert_eq!(list(&on.folder()), ["ingest%2Feu%3A1.sock"]);
    let hello = get(&only(&on.folder()), "/v1/hello").body;
    assert!(hello.contains(r#""process":"ingest/eu%3A1""#), "{hello}");
    until("recorded", || database.exists().then_some(()));
    assert!(on.end());
    assert_eq!(list(&on.folder()), [""; 0]);
    assert_eq!(on.stderr(), "pong\n");
    let db = rusqlite::Connection::open(&database).unwrap();
    let count: i64 = db.query_row("SELECT count(*) FROM snapshots", (), |row| row.get(0)).unwrap();
    assert!(count >= 1);
}

/// Seen to fail with: a bad value that ends the program, and one that is not told, nor a name that
/// is unknown.
#[test]
fn what_is_bad_is_told_and_the_program_runs() {
    let mut program = Program::start(&[
        ("PARSHALL", "perhaps"),
        ("PARSHALL_BIND", "everywhere"),
        ("PARSHALL_STUCK_AFTER", "soon"),
        ("PARSHALL_RECORD", "/nowhere/at/all.db"),
        ("PARSHALL_RECROD", "/nowhere.db"),
    ]);
    program.says("/nowhere/at/all.db");
    assert_eq!(get(&only(&program.folder()), "/v1/hello").status, 200);
    thread::sleep(Duration::from_millis(1500));
    assert!(program.end());
    let stderr = program.stderr();
    for (variable, value) in [
        ("PARSHALL is", "perhaps"),
        ("PARSHALL_BIND", "everywhere"),
        ("STUCK_AFTER", "soon"),
        ("PARSHALL_RECROD is set", "is PARSHALL_RECORD meant?"),
    ] {
        let told = stderr.lines().filter(|line| line.contains(variable) && line.contains(value));
        assert_eq!(told.count(), 1, "{stderr}");
    }
    assert_eq!(stderr.matches("all.db").count(), 1, "told once: {stderr}");
    assert!(
        stderr.lines().all(|line| line == "pong" || line.starts_with("parshall: ")),
        "{stderr}"
    );
}

/// Seen to fail with: a runtime that is made before the thread, and dropped where the program's
/// runs.
#[cfg(target_os = "linux")]
#[test]
fn without_threads_the_program_runs() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "program_without_threads", "--nocapture", "--test-threads=1"]);
    command.env("GAUGE_TEST_WITHOUT_THREADS", "1").env("XDG_RUNTIME_DIR", runtime.path());
    // No address space has room for such a stack.
    command.env("RUST_MIN_STACK", (1_u64 << 60).to_string());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("it runs"), "{stderr}");
    for thread in ["parshall-gauge", "parshall-signal", "parshall-looks"] {
        let told = format!("parshall: no thread {thread}: ");
        assert_eq!(stderr.matches(&told).count(), 1, "{stderr}");
    }
}

/// A name of 10 KB that steers terminals, in all that is said on stderr and answered.
///
/// Seen to fail with: a name in a report as it is.
#[test]
fn a_name_of_any_kind_steers_nothing() {
    let name = format!("\u{1b}[2J\r\n\u{202e}<b>\"{}", "x".repeat(10_000));
    let mut program =
        Program::start(&[("PARSHALL_PROCESS", &name), ("PARSHALL_STUCK_AFTER", "300ms")]);
    program.tell("odd");
    program.signal(libc::SIGUSR1);
    program.says("blind: ");
    program.says("parshall: found: ");
    program.tell("over");
    program.says("parshall: over, after ");
    let socket = only(&program.folder());
    assert!(!socket.to_str().unwrap().contains(char::is_control));
    for path in ["/v1/report", "/v1/graph.dot", "/v1/graph.mermaid"] {
        let answer = get(&socket, path);
        let steers = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(answer.status == 200 && !answer.body.contains(steers), "{}", answer.body);
        assert!(answer.body.lines().all(|line| line.chars().count() < 600), "{}", answer.body);
    }
    for path in ["/v1/hello", "/v1/diagnosis", "/v1/snapshot"] {
        let body = get(&socket, path).body;
        assert!(!body.contains(char::is_control), "{path}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
    }
    assert!(program.end());
    let stderr = program.stderr();
    assert!(
        !stderr.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'),
        "{stderr:?}"
    );
    assert!(stderr.lines().all(|line| line.chars().count() < 200), "{stderr}");
}

/// A clock that is set forward and back by an hour while something is stuck: ages go on as they
/// were. `clock_gettime` is ours in that process, by `LD_PRELOAD`; the monotonic clock stays.
///
/// Seen to fail with: a look that does not ask by how much the clock was set.
#[cfg(target_os = "linux")]
#[test]
fn ages_survive_a_clock_that_jumps() {
    const SHIM: &str = r#"
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <time.h>
        int clock_gettime(clockid_t clock, struct timespec *at) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int done = real(clock, at);
            if (clock == CLOCK_REALTIME) {
                FILE *file = fopen(getenv("CLOCK_OFFSET"), "r");
                long offset = 0;
                if (file) { if (fscanf(file, "%ld", &offset) != 1) offset = 0; fclose(file); }
                at->tv_sec += offset;
            }
            return done;
        }"#;
    let folder = tempfile::tempdir().unwrap();
    let (source, shim) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .arg("-ldl")
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no C compiler");
        return;
    }
    let offset = folder.path().join("offset");
    let set = |seconds: i64| std::fs::write(&offset, seconds.to_string()).unwrap();
    set(0);
    let vars = [
        ("LD_PRELOAD", shim.to_str().unwrap()),
        ("CLOCK_OFFSET", offset.to_str().unwrap()),
        ("PARSHALL_STUCK_AFTER", "300ms"),
    ];
    let mut program = Program::start(&vars);
    program.tell("send");
    program.says("parshall: found: jobs 1/4");
    let socket = only(&program.folder());
    let json =
        |path: &str| serde_json::from_str::<serde_json::Value>(&get(&socket, path).body).unwrap();
    let started = json("/v1/hello")["started_at_ns"].clone();
    for hours in [1, -2, 0] {
        set(3600 * hours);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        // The next look finds it set.
        thread::sleep(Duration::from_millis(1500));
        let snapshot = json("/v1/snapshot");
        let taken = snapshot["taken_at_ns"].as_i64().unwrap();
        let off = taken / 1_000_000_000 - now.as_secs() as i64 - 3600 * hours;
        assert!((0..20).contains(&off), "the snapshot has the time that is set: {off}");
        let attrs = &snapshot["nodes"][0]["attrs"];
        let age_ms = attrs["age_ms"].as_u64().unwrap();
        assert!((1000..120_000).contains(&age_ms), "{hours}: {age_ms}");
        let diagnosis = until("found again", || {
            Some(json("/v1/diagnosis")).filter(|all| all["findings"][0]["kind"] == "stalled")
        });
        let lasts = diagnosis["second_look_ns"].as_i64().unwrap()
            - diagnosis["findings"][0]["since_ns"].as_i64().unwrap();
        assert!((1_000_000_000..120_000_000_000).contains(&lasts), "{hours}: {lasts}");
        let report = get(&socket, "/v1/report").body;
        assert!(report.contains(" is STUCK, ") && !report.contains(" min"), "{report}");
        assert_eq!(json("/v1/hello")["started_at_ns"], started);
    }
    program.tell("receive");
    program.says("parshall: over, after ");
    assert!(program.end());
    let stderr = program.stderr();
    assert_eq!(stderr.matches("parshall: found").count(), 1, "{stderr}");
    let over = stderr.lines().find(|line| line.contains("over, after")).unwrap();
    let seconds = over.split_once("after ").unwrap().1.split_once('s').unwrap().0;
    let seconds: f64 = seconds.parse().unwrap();
    assert!((3.0..120.0).contains(&seconds), "{over}");
}

/// Seen to fail with: news at each look, and none when it is over; and without the signal.
#[test]
fn a_finding_is_told_once_and_the_report_on_a_signal() {
    let mut program = Program::start(&[("PARSHALL_STUCK_AFTER", "300ms")]);
    program.signal(libc::SIGUSR1);
    program.says("parshall: nothing is seen to be stuck");
    program.tell("send");
    program.says("parshall: found: jobs 1/4");
    program.signal(libc::SIGUSR1);
    program.says(" is STUCK, ");
    thread::sleep(Duration::from_millis(2500));
    program.tell("receive");
    program.says("parshall: over, after ");
    assert!(program.end());
    let stderr = program.stderr();
    assert_eq!(stderr.matches("parshall: found").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("parshall: over").count(), 1, "{stderr}");
    assert!(!stderr.contains('\x1b'), "it is no terminal: {stderr}");
}

/// Seen to fail without the cleaning.
#[test]
fn the_socket_of_one_that_died_goes_with_the_next() {
    let mut dead = Program::start(&[]);
    dead.tell("die");
    assert!(!dead.child.wait().unwrap().success());
    let left = only(&dead.folder());
    let runtime = std::mem::replace(&mut dead.runtime, tempfile::tempdir().unwrap());
    let first = Program::start_in(runtime, &[("PARSHALL_PROCESS", "same")]);
    assert!(!left.exists());
    assert_eq!(list(&first.folder()), ["same.sock"]);

    // Two of one name.
    let mut second = Command::new(std::env::current_exe().unwrap());
    second.args(["--exact", "program", "--nocapture"]).stdin(Stdio::piped());
    second.env("GAUGE_TEST_PROGRAM", "1").env("PARSHALL_PROCESS", "same");
    second.env("XDG_RUNTIME_DIR", first.runtime.path()).stdout(Stdio::null());
    let mut second = second.spawn().unwrap();
    // While a socket is made, its name begins with a dot.
    let both = |names: &Vec<String>| names.len() == 2 && names.iter().all(|n| !n.starts_with('.'));
    let names = until("the second", || Some(list(&first.folder())).filter(both));
    assert!(names[0].starts_with("same-") && names[0].len() == "same-01234567.sock".len());
    for name in names {
        assert_eq!(get(&first.folder().join(name), "/v1/hello").status, 200);
    }
    drop(second.stdin.take());
    assert!(second.wait().unwrap().success());
    assert_eq!(list(&first.folder()), ["same.sock"]);
}
