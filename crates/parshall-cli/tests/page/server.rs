//! `parshall serve`, and what it answers.

use std::io::ErrorKind::{TimedOut, WouldBlock};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parshall"));
    command.args(arguments).env("XDG_RUNTIME_DIR", runtime);
    command
}

pub(crate) struct Server {
    child: Child,
    address: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        values.next().map_or("", |(_, value)| value)
    }
}

impl Server {
    pub(crate) fn start(runtime: &Path, arguments: &[&str]) -> Self {
        let mut child =
            command(runtime, &[&["serve", "--bind", "127.0.0.1:0"], arguments].concat())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("the page is at http://").expect("it has started");
        Self { address: address.trim_end_matches('/').to_owned(), child }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    pub(crate) fn send(&self, request: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Of a stream of events, which does not end, what comes before it pauses for a second.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut stream = self.send(request);
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
        let end = Instant::now() + LIMIT;
        loop {
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => bytes.extend(&piece[..n]),
                // A busy machine may take its time in the midst of any other answer.
                Err(error) => {
                    let waits = matches!(error.kind(), WouldBlock | TimedOut);
                    let is_stream = String::from_utf8_lossy(&bytes).contains("text/event-stream");
                    if !waits || is_stream || Instant::now() > end {
                        break;
                    }
                }
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// Waits until this is on the page.
    pub(crate) fn expect(&self, path: &str, what: &str) {
        let end = Instant::now() + LIMIT;
        loop {
            let page = self.get(path).body;
            if page.contains(what) {
                return;
            }
            assert!(Instant::now() < end, "{path} has no {what:?}: {page}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it has used of the processor.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks = |n: usize| fields.get(n).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        // A hundred ticks a second, on every Linux.
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// Told to end.
    pub(crate) fn end(mut self) -> ExitStatus {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
