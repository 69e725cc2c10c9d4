//! Where the socket of a process lies, and those that the dead have left.
//!
//! All programs of a user have theirs in one folder, which is that user's alone. One thread at a
//! time, of all programs, adds to it or cleans it: the folder is locked. A socket comes by its name
//! when it is already listened on, so one that refuses a connection belongs to nobody any more.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::folder_lock::FolderLock;
use crate::gauge::{SocketPlan, say};

/// The longest path of a socket that every system takes.
const LONGEST: usize = 103;

/// How long others may hold the folder, and how long one socket may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket's name in the folder. Dropped, it is removed, if it is still the same.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    file: (u64, u64),
}

impl Socket {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// None: none was asked for, or there is none, which is told.
pub(super) async fn bind(plan: &SocketPlan) -> Option<(UnixListener, Socket)> {
    let folder = match plan {
        SocketPlan::Usual => usual_folder(),
        SocketPlan::Folder(folder) => folder.clone(),
        SocketPlan::None => return None,
    };
    match bind_in(&folder).await {
        Ok(bound) => Some(bound),
        Err(error) => {
            let folder = folder.display();
            say::warn(format_args!("no socket in {folder}, so `parshall` cannot attach: {error}"));
            None
        }
    }
}

/// `$XDG_RUNTIME_DIR/parshall` if that is this user's, else `/tmp/parshall-{uid}`.
fn usual_folder() -> PathBuf {
    let uid = geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // One who became another user may still have the variable of the first.
    let own = |folder: &PathBuf| {
        folder.is_absolute() && fs::metadata(folder).is_ok_and(|found| found.uid() == uid)
    };
    match runtime.filter(own) {
        Some(folder) => folder.join("parshall"),
        None => PathBuf::from(format!("/tmp/parshall-{uid}")),
    }
}

/// Makes the folder if it is not there. An error, if it is not this user's alone.
fn own(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    let wrong = if !found.is_dir() {
        "it is no folder"
    } else if found.uid() != geteuid().as_raw() {
        "it belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "others may enter it; `chmod 700` would change that"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, wrong))
}

async fn bind_in(folder: &Path) -> io::Result<(UnixListener, Socket)> {
    own(folder)?;
    let lock = FolderLock::acquire(folder, PATIENCE);
    if lock.is_some() {
        clean(folder).await;
    }
    let key = &parshall::proc_key()[..8];
    let names = names(folder, parshall::process(), key);
    if names.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, "its path is too long"));
    }
    // Listened on first, and then named.
    let draft = folder.join(format!(".{key}"));
    let _ = fs::remove_file(&draft);
    let listener = UnixListener::bind(&draft)?;
    let named = fs::set_permissions(&draft, Permissions::from_mode(0o600))
        .and_then(|()| fs::symlink_metadata(&draft))
        .and_then(|found| Ok((id(&found), give_name(&draft, names)?)));
    let _ = fs::remove_file(&draft);
    let (file, path) = named?;
    Ok((listener, Socket { path, file }))
}

/// Gives the socket the first of these names that nobody has. Many may look for one at once, where
/// the folder could not be locked in time: a second link takes no name from anybody.
fn give_name(draft: &Path, names: Vec<PathBuf>) -> io::Result<PathBuf> {
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for path in names {
        match fs::hard_link(draft, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            // There are no links here.
            Err(_) if fs::symlink_metadata(&path).is_err() => {
                return fs::rename(draft, &path).map(|()| path);
            }
            Err(error) => taken = error,
        }
    }
    Err(taken)
}

/// The names for a socket that fit: `{process}.sock`; and for when that is somebody's or too long,
/// `{process}-{key}.sock`, with as much of the process's name as there is room for.
fn names(folder: &Path, process: &str, key: &str) -> Vec<PathBuf> {
    let process = process.replace('/', "%2F");
    // What begins with a dot is hidden from those who list the folder.
    let process = process.strip_prefix('.').map_or(process.clone(), |rest| format!("%2E{rest}"));
    let fits = |path: &PathBuf| path.as_os_str().len() <= LONGEST;
    let plain = folder.join(format!("{process}.sock"));
    let beside = folder.join(format!("-{key}.sock")).as_os_str().len();
    let room = LONGEST.saturating_sub(beside).min(process.len());
    let room = (1..=room).rev().find(|&room| process.is_char_boundary(room));
    // Nobody else has this key.
    let beside = room.map(|room| folder.join(format!("{}-{key}.sock", &process[..room])));
    [Some(plain), beside].into_iter().flatten().filter(fits).collect()
}

/// Removes the sockets of processes that are no more, as many as there is time for: the program
/// waits.
async fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let begun = Instant::now();
    for entry in entries.flatten().take_while(|_| begun.elapsed() < PATIENCE) {
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        if is_socket && is_stale(&entry.path()).await {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Nobody listens there; or a child of a process that is no more holds it open, and never answers.
async fn is_stale(socket: &Path) -> bool {
    match timeout(PATIENCE, UnixStream::connect(socket)).await {
        Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
        Ok(Ok(stream)) => {
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
            // 0: it is in another container, where its number is not known here.
            pid.is_some_and(|pid| pid > 0 && is_gone(pid))
        }
        Err(_) => false,
    }
}

/// Only where it is known for certain.
fn is_gone(pid: i32) -> bool {
    cfg!(target_os = "linux")
        && Path::new("/proc/self").exists()
        && !Path::new(&format!("/proc/{pid}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(process: &str) -> String {
        let path = names(Path::new("/nowhere/parshall"), process, "0123abcd").remove(0);
        assert!(path.as_os_str().len() <= LONGEST);
        assert_eq!(path.parent(), Some(Path::new("/nowhere/parshall")));
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Seen to fail with: a `/` that stays, and a name cut within a character.
    #[test]
    fn a_name_of_whatever_length_is_one_file_that_is_seen() {
        assert_eq!(named("ingest-4711"), "ingest-4711.sock");
        assert_eq!(named("a/../b"), "a%2F..%2Fb.sock");
        assert_eq!(named(".."), "%2E..sock");
        for long in
            ["x".repeat(10_000), "\u{e9}".repeat(5_000), format!("x{}", "\u{1f980}".repeat(99))]
        {
            let file = named(&long);
            assert!(file.ends_with("-0123abcd.sock") && file.len() > 70, "{file}");
        }
        let deep = Path::new("/nowhere").join("x".repeat(LONGEST));
        assert_eq!(names(&deep, "ingest", "0123abcd"), [""; 0].map(PathBuf::from));
    }

    /// As when many programs of one name start at once, and the folder is not locked in time.
    ///
    /// Seen to fail with: a rename, which takes the name of one that lives.
    #[test]
    fn a_name_is_taken_from_nobody() {
        use std::os::unix::net::UnixListener;

        let folder = tempfile::tempdir().unwrap();
        let draft = folder.path().join(".draft");
        let first = UnixListener::bind(folder.path().join("api.sock")).unwrap();
        let _second = UnixListener::bind(&draft).unwrap();
        let names = names(folder.path(), "api", "0123abcd");
        let beside = folder.path().join("api-0123abcd.sock");
        assert_eq!(give_name(&draft, names.clone()).unwrap(), beside);
        let _ours = std::os::unix::net::UnixStream::connect(&names[0]).unwrap();
        first.set_nonblocking(true).unwrap();
        assert!(first.accept().is_ok(), "somebody else is reached by that name");
        assert!(give_name(&draft, names).is_err(), "both are taken");
    }
}
