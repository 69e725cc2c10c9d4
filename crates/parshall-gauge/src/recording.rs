//! A recording that is open: a connection, the file that it is to, and what lies beside it.
//!
//! # Locks
//!
//! SQLite locks its files with POSIX locks. Those belong to the process, and closing *any*
//! descriptor of a file drops all that the process holds on it. So nothing in this crate opens a
//! database file or what lies beside it, but through SQLite, which keeps account: it asks for
//! metadata by path, and locks the folder.
//!
//! # A file that is moved
//!
//! The log and its index, `-wal` and `-shm`, are found by the name that the database had when it
//! was opened. If only the database is moved, they stay behind, and whoever opens a new database at
//! the old path would take them for its own. Two rules keep that from happening:
//!
//! 1. A record looks whether all names lead to its files *after* it has the lock on writing, and
//!    writes nothing if one does not.
//! 2. Whoever finds the file moved puts the log into it, then unlinks the log and the index, if the
//!    names still lead to those of the old file. Others that have them open still share them, so
//!    each may do the same, in whatever order. Whoever creates a database first unlinks what lies
//!    beside.
//!
//! Why nothing is lost: putting the log into the file takes the lock on writing. A record that had
//! that lock before is in the log by then; one that gets it afterwards finds the file moved. So an
//! unlinked log has nothing that is not in its file, and its owners may be killed.
//! Names are looked at and unlinked with the folder locked, so never while another recorder opens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::Failure;
use crate::folder_lock::FolderLock;
use crate::schema;

pub(crate) struct Recording {
    /// None only while it is dropped.
    connection: Option<Connection>,
    /// The path, then the log and its index. None of them leads elsewhere while the connection is
    /// open, but if somebody moves or deletes a file.
    names: [Name; 3],
    entry: Entry,
    folder: PathBuf,
    busy_timeout: Duration,
}

impl Recording {
    /// Opens `path`, and makes it a recording if it is nothing yet.
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, Failure> {
        if !path.is_absolute() {
            return Err(Failure::NoPath);
        }
        match path.metadata() {
            // To open a pipe would block.
            Ok(file) if !file.is_file() && !file.is_dir() => return Err(Failure::NoFile),
            // SQLite takes a file of one byte for an empty one, and would write over it. No
            // database is smaller than its smallest page.
            Ok(file) if file.is_file() && (1..512).contains(&file.len()) => {
                return Err(Failure::NotADatabase);
            }
            _ => {}
        }
        // Without SQLITE_OPEN_URI, so that "file:x" is the name of a file.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Which file SQLite has opened is known if the path led to the same one before and after. A
        // new one takes two turns; more, if somebody replaces it in between.
        for _ in 0..100 {
            let before = FileId::of(path);
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(busy_timeout)?;
            // Behind all symbolic links; not if it is no UTF-8.
            let main = connection.path().map_or_else(|| path.to_owned(), PathBuf::from);
            let folder = main.parent().unwrap_or(&main).to_owned();
            let _lock = lock(&folder, busy_timeout)?;
            if let Some(file) = before
                && FileId::of(path) == before
            {
                // SQLite has read nothing so far.
                let entry = Entry::new(file)?;
                let (connection, [log, index]) = match prepare(connection, &main) {
                    Ok(prepared) => prepared,
                    // It was moved, and SQLite looked for it by its name.
                    Err(_) if FileId::of(path) != before => continue,
                    Err(failure) => return Err(failure),
                };
                let names = [Name { path: path.to_owned(), file: before }, log, index];
                let connection = Some(connection);
                return Ok(Self { connection, names, entry, folder, busy_timeout });
            }
        }
        Err(Failure::Replaced)
    }

    /// Has `write` write in one transaction. `None`: it was not called, for a file was moved or
    /// deleted.
    pub(crate) fn transact<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let connection = self.connection.as_mut().expect("it is open");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !self.names.iter().all(Name::still_leads_there) {
            return Ok(None);
        }
        let written = write(&transaction)?;
        transaction.commit()?;
        Ok(Some(written))
    }

    /// Empties the log if it has more than so many bytes. An error: others read what is in it, or
    /// write, and do not come to an end.
    ///
    /// SQLite begins the log anew once all of it is in the file and nobody reads in it. A
    /// transaction that reads and stays open keeps it from that for ever.
    pub(crate) fn bound_log(&self, most: u64) -> Result<(), Failure> {
        let bytes = self.names[1].path.metadata().map_or(0, |log| log.len());
        if bytes <= most {
            return Ok(());
        }
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let held = self.read(|db| db.query_row(checkpoint, (), |row| row.get::<_, bool>(0)))?;
        if held { Err(Failure::LogHeld { bytes }) } else { Ok(()) }
    }

    /// Has `read` read, and write nothing.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        read(self.connection.as_ref().expect("it is open"))
    }

    /// Whether a file was moved or deleted, as far as is known just now.
    pub(crate) fn has_moved(&self) -> bool {
        !self.names.iter().all(Name::still_leads_there)
    }

    /// Whether this was opened by a process that has forked since: SQLite must not be called then.
    pub(crate) fn is_inherited(&self) -> bool {
        self.entry.is_inherited()
    }

    /// Puts into a file that was moved what is in its log, and clears the names beside the path.
    ///
    /// An error: not now, because of others or a full disk. Of a file that is damaged or out of
    /// reach nothing more can be saved.
    pub(crate) fn complete(&mut self) -> Result<(), Failure> {
        let connection = self.connection.as_mut().expect("it is open");
        let _lock = lock(&self.folder, self.busy_timeout)?;
        // SQLite waits for those who write or read, not for another checkpoint.
        let begun = Instant::now();
        loop {
            let checkpoint = "PRAGMA wal_checkpoint(FULL)";
            match connection.query_row(checkpoint, (), |row| row.get::<_, bool>(0)) {
                Ok(true) if begun.elapsed() < self.busy_timeout => pause(),
                Ok(true) => return Err(Failure::Unfinished),
                Err(error) if may_pass(&error) => return Err(Failure::Sqlite(error)),
                Ok(false) | Err(_) => break,
            }
        }
        for name in &self.names[1..] {
            if name.file.is_some() && name.still_leads_there() {
                let _ = fs::remove_file(&name.path);
            }
        }
        Ok(())
    }
}

/// A recording that is only read.
pub(crate) struct Reading {
    connection: Connection,
    _entry: Entry,
}

impl Reading {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match path.metadata() {
            Ok(file) if !file.is_file() => return Err(Failure::NoFile),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::NotThere),
            _ => {}
        }
        // That of a file that is exchanged just now may be another one's: then it is an error too
        // many after a `fork`, or one too few, and no more.
        let entry = FileId::of(path).map(Entry::new).transpose()?;
        let connection = Connection::open_with_flags(path, flags)?;
        let entry = entry.ok_or(Failure::Replaced)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        schema::check(&connection)?;
        Ok(Self { connection, _entry: entry })
    }

    /// All that is read by it is of one moment.
    pub(crate) fn begin(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection.transaction()
    }
}

fn may_pass(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
    )
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.is_inherited() {
            // Even closing it would break the parent's account of its locks: it is leaked.
            std::mem::forget(self.connection.take());
            return;
        }
        // SQLite, too, puts the log into the file when the last connection closes, but not if that
        // has moved.
        if self.has_moved() {
            let _ = self.complete();
        }
    }
}

/// Makes the connection one to a recording. Also the names of the log and its index.
fn prepare(mut connection: Connection, main: &Path) -> Result<(Connection, [Name; 2]), Failure> {
    let beside = ["-wal", "-shm"].map(|suffix| {
        let mut name = main.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    if cfg!(unix) && main.metadata().is_ok_and(|file| file.len() == 0) {
        // A log beside an empty database is that of another one, which was moved away.
        for name in &beside {
            let _ = fs::remove_file(name);
        }
    }
    schema::prepare(&mut connection)?;
    Ok((connection, beside.map(|path| Name { file: FileId::of(&path), path })))
}

fn pause() {
    thread::sleep(Duration::from_millis(1));
}

/// A path, and the file that it led to.
struct Name {
    path: PathBuf,
    file: Option<FileId>,
}

impl Name {
    fn still_leads_there(&self) -> bool {
        FileId::of(&self.path) == self.file
    }
}

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = path.metadata().ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// Elsewhere a file that is open cannot be moved.
    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        Some(Self(0, 0))
    }
}

/// Keeps other recorders from opening a recording in the folder, or from leaving one.
fn lock(folder: &Path, timeout: Duration) -> Result<FolderLock, Failure> {
    FolderLock::acquire(folder, timeout).ok_or(Failure::FolderLocked)
}

/// Which process has opened which files; across a `fork`, the child finds its parent's.
static OPENED: Mutex<Vec<(u32, FileId)>> = Mutex::new(Vec::new());

fn opened() -> MutexGuard<'static, Vec<(u32, FileId)>> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that this process has opened.
struct Entry(u32, FileId);

impl Entry {
    /// An error if a parent had it open at the `fork`: SQLite keeps account of the locks of a
    /// process for all its connections together, and for that file the account is wrong here.
    fn new(file: FileId) -> Result<Self, Failure> {
        let this = Self(std::process::id(), file);
        let mut opened = opened();
        if opened.iter().any(|entry| entry.1 == file && entry.0 != this.0) {
            return Err(Failure::Forked);
        }
        opened.push((this.0, file));
        Ok(this)
    }

    fn is_inherited(&self) -> bool {
        self.0 != std::process::id()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        let mut opened = opened();
        if let Some(at) = opened.iter().position(|entry| *entry == (self.0, self.1)) {
            opened.swap_remove(at);
        }
    }
}
