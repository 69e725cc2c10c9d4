//! A client of the gauge that knows no more than HTTP; and the child of a `fork`.
#![allow(dead_code)] // each test file has its own copy

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

pub(crate) fn get(socket: &Path, path: &str) -> Answer {
    ask(connect(socket), &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

pub(crate) fn get_tcp(address: SocketAddr, host: &str) -> Answer {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    ask(stream, &format!("GET /v1/hello HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

pub(crate) fn ask(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // What was not read of a long request resets the connection behind the answer.
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..n]);
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let head = head.to_ascii_lowercase();
    let body =
        if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body }
}

/// Fails if the last chunk is not there.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, tail) = rest.split_once("\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.push_str(&tail[..size]);
        rest = tail[size..].strip_prefix("\r\n").expect("the end of a chunk");
    }
}

/// Waits until `found` is.
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What lies in a folder, hidden files too, in order.
pub(crate) fn list(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// The only socket in a folder.
pub(crate) fn only(folder: &Path) -> PathBuf {
    let names = list(folder);
    assert_eq!(names.len(), 1, "{names:?}");
    folder.join(&names[0])
}

/// Runs `child` in a child of this process, and fails if it panics there or hangs. It must use
/// nothing that another thread of this process may have left half done: no SQLite, but where the
/// only recorder is that of the calling thread.
pub(crate) fn fork(child: impl FnOnce()) {
    // SAFETY: the callers see to it that the child uses nothing which another thread of this
    // process may have left half done.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: no handler; the signal ends a child that hangs.
        unsafe { libc::alarm(120) };
        let fine = catch_unwind(AssertUnwindSafe(child)).is_ok();
        // SAFETY: ends the child at once, without what the parent has registered for its own end.
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child has failed");
}
