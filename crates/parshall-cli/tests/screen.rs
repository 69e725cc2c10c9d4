//! `parshall top` in a real terminal, which `script` of util-linux makes: what it leaves behind.
#![cfg(target_os = "linux")]

#[allow(dead_code)]
mod fake;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fake::Fake;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

const ENTERS: &str = "\u{1b}[?1049h";
const LEAVES: &str = "\u{1b}[?1049l";

/// A terminal of 80 by 24 with `parshall top` in it, and what it writes.
struct Screen {
    child: Child,
    written: mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Screen {
    /// None: there is no `script` here.
    fn new(runtime: &Path, arguments: &str) -> Option<Self> {
        let program = env!("CARGO_BIN_EXE_parshall");
        // `exec`, so that the process id is its own.
        let pid = runtime.join("pid");
        let shell = format!(
            "trap '' HUP; stty cols 80 rows 24; echo $$ >{}; exec {program} top {arguments}",
            pid.display()
        );
        let child = Command::new("script")
            .args(["-qec", &shell, "/dev/null"])
            .env("XDG_RUNTIME_DIR", runtime)
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: there is no `script`");
            return None;
        };
        let mut out = child.stdout.take().unwrap();
        let (tx, written) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut buffer) {
                if tx.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, written, text: String::new() })
    }

    /// Reads until this was written.
    fn expect(&mut self, what: &str) {
        let end = Instant::now() + LIMIT;
        while !self.text.contains(what) {
            let left = end.saturating_duration_since(Instant::now());
            match self.written.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{what:?} was not written ({error}): {:?}", self.text),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// The exit code, and whether the screen that was there before is back.
    fn end(mut self) -> (Option<i32>, bool) {
        self.expect(LEAVES);
        let code = self.child.wait().unwrap().code();
        while let Ok(bytes) = self.written.recv_timeout(LIMIT) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, self.text.rfind(LEAVES) > self.text.rfind(ENTERS))
    }
}

fn runtime() -> tempfile::TempDir {
    let runtime = tempfile::tempdir().unwrap();
    fs::create_dir(runtime.path().join("parshall")).unwrap();
    Fake::stuck("ingest-2", 2).listen(&runtime.path().join("parshall"), "ingest-2");
    runtime
}

#[test]
fn a_key_ends_it_and_the_terminal_is_as_before() {
    let runtime = runtime();
    let Some(mut screen) = Screen::new(runtime.path(), "") else { return };
    screen.expect(ENTERS);
    screen.expect("LEN/CAP");
    screen.press("q");
    assert_eq!(screen.end(), (Some(0), true));
}

/// Seen to fail without handlers for signals.
#[test]
fn a_signal_ends_it_and_the_terminal_is_as_before() {
    let runtime = runtime();
    let Some(mut screen) = Screen::new(runtime.path(), "ingest-2") else { return };
    screen.expect("LEN/CAP");
    let pid = fs::read_to_string(runtime.path().join("pid")).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    assert_eq!(screen.end(), (Some(0), true));
}

/// Also where SIGHUP is ignored, as under `nohup`. Seen to fail while it only waited for events: it
/// went on without a terminal, and took a whole core.
#[test]
fn it_ends_with_its_terminal() {
    let runtime = runtime();
    let Some(mut screen) = Screen::new(runtime.path(), "ingest-2") else { return };
    screen.expect("LEN/CAP");
    let pid = fs::read_to_string(runtime.path().join("pid")).unwrap();
    // Nobody may be there to collect what is left of it.
    let stat = Path::new("/proc").join(pid.trim()).join("stat");
    let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(runs());
    screen.child.kill().unwrap();
    screen.child.wait().unwrap();
    let end = Instant::now() + LIMIT;
    while runs() {
        if Instant::now() > end {
            Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap();
            panic!("it goes on without a terminal");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Seen to fail with: an error that is not shown.
#[test]
fn a_program_that_ends_is_said_to_be_lost() {
    let runtime = runtime();
    let Some(mut screen) = Screen::new(runtime.path(), "--every 0.2") else { return };
    screen.expect("LEN/CAP");
    fs::remove_file(runtime.path().join("parshall/ingest-2.sock")).unwrap();
    screen.expect("LOST");
    screen.press("q");
    assert_eq!(screen.end(), (Some(0), true));
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let runtime = runtime();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parshall"));
    let command = command.arg("top").env("XDG_RUNTIME_DIR", runtime.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("`parshall report` prints"), "{text}");
}
