//! Why a snapshot was not recorded, or not read.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use parshall::introspect::ReadError;
use rusqlite::ErrorCode;

/// A snapshot was not recorded, and nothing of it is in the file; or it could not be
/// [read](crate::read_snapshot).
///
/// Its text names the file, what was being done and the cause; [`Error::source`] is SQLite's own
/// error, if it was SQLite that refused, or that of the text that is no snapshot.
///
/// # Examples
/// ```
/// use parshall_gauge::{RecordErrorKind, SqliteRecorder};
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// std::fs::write(&path, "these are notes, and they stay")?;
/// let error = SqliteRecorder::open(&path).unwrap_err();
/// assert_eq!(error.kind(), RecordErrorKind::NotADatabase);
/// assert!(error.to_string().contains("notes.txt"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    doing: Doing,
    kind: RecordErrorKind,
    cause: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What sort of cause stopped the recorder.
///
/// # Examples
/// On [`RecordError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordErrorKind {
    /// The file cannot be opened or created for writing, or opened to be read.
    Unwritable,
    /// The file holds something that is not an SQLite database. It is left as it is.
    NotADatabase,
    /// The file is a database of another program. It is left as it is.
    ForeignDatabase,
    /// The file was made by a newer version of this crate.
    NewerVersion,
    /// The file, or the snapshot in it, was made by an older version, and does not have all that a
    /// snapshot is read from.
    OlderVersion,
    /// There is no such file to be read, or it is empty, or has no snapshot of this number.
    NoSuchSnapshot,
    /// Others held the file, or its folder, locked for longer than the busy timeout; or one reads
    /// in a transaction that does not end, and its log may not grow further.
    Locked,
    /// This process is a child of `fork`, and its parent had the file open.
    Forked,
    /// The disk is full, or the file may not grow further, by a quota, say.
    Full,
    /// The file is a database and damaged.
    Corrupt,
    /// Anything else; see the text and the source.
    Other,
}

/// The step that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    Open,
    Write,
    Read,
    Query,
}

/// A failed step, before it is known which file it is about.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    /// The path is empty, or relative to a folder that could not be told.
    NoPath,
    /// A device, a pipe: something that is neither a folder nor a file.
    NoFile,
    NotADatabase,
    Foreign,
    Newer {
        found: i64,
        known: i64,
    },
    Older {
        found: i64,
        known: i64,
    },
    NotThere,
    Empty,
    NoSnapshot(i64),
    OldSnapshot(i64),
    Unreadable(ReadError),
    FolderLocked,
    /// The log may not grow further, and somebody reads what lies in it.
    LogHeld {
        bytes: u64,
    },
    /// The file was moved, and what is in its log could not be put into it.
    Unfinished,
    /// Each time it was opened, it was another file afterwards.
    Replaced,
    Forked,
}

const NOT_A_DATABASE: &str = "it is not a database, and is left as it is";

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl RecordError {
    pub(crate) fn new(path: &Path, doing: Doing, failure: Failure) -> Self {
        let (kind, cause, source) = match failure {
            Failure::NoFile => {
                (RecordErrorKind::Unwritable, "it is not a regular file".to_owned(), None)
            }
            Failure::NotADatabase => {
                (RecordErrorKind::NotADatabase, NOT_A_DATABASE.to_owned(), None)
            }
            Failure::NoPath => (
                RecordErrorKind::Unwritable,
                "the path is empty, or the current folder is not known".to_owned(),
                None,
            ),
            Failure::FolderLocked => (
                RecordErrorKind::Locked,
                "another recorder is opening a file in its folder, and does not come to an end"
                    .to_owned(),
                None,
            ),
            Failure::LogHeld { bytes } => (
                RecordErrorKind::Locked,
                format!(
                    "a program reads it in a transaction that does not end, which keeps its log \
                     from being used again; that has {} MiB and may have no more: end that \
                     transaction",
                    bytes >> 20
                ),
                None,
            ),
            Failure::Unfinished => (
                RecordErrorKind::Locked,
                "it was moved away, and whoever reads it there keeps its last records from being \
                 put into it; the next record tries again"
                    .to_owned(),
                None,
            ),
            Failure::Replaced => {
                (RecordErrorKind::Other, "it is replaced all the time".to_owned(), None)
            }
            Failure::Forked => (
                RecordErrorKind::Forked,
                "this process was forked from one that had it open, which SQLite does not bear; \
                 record into another file"
                    .to_owned(),
                None,
            ),
            Failure::Foreign => (
                RecordErrorKind::ForeignDatabase,
                "it is a database of another program, which is left as it is".to_owned(),
                None,
            ),
            Failure::Newer { found, known } => (
                RecordErrorKind::NewerVersion,
                format!("its schema has version {found}, and this program knows up to {known}"),
                None,
            ),
            Failure::Older { found, known } => (
                RecordErrorKind::OlderVersion,
                format!(
                    "its schema has version {found}, and snapshots are read from {known} on; the \
                     next record into it upgrades it, for those that follow"
                ),
                None,
            ),
            Failure::NotThere => {
                (RecordErrorKind::NoSuchSnapshot, "there is no such file".to_owned(), None)
            }
            Failure::Empty => {
                let cause = "it is empty: nothing was recorded in it".to_owned();
                (RecordErrorKind::NoSuchSnapshot, cause, None)
            }
            Failure::NoSnapshot(id) => {
                (RecordErrorKind::NoSuchSnapshot, format!("there is no snapshot {id} in it"), None)
            }
            Failure::OldSnapshot(id) => (
                RecordErrorKind::OlderVersion,
                format!(
                    "snapshot {id} was recorded before the file was upgraded, and lacks what a \
                     snapshot is read from"
                ),
                None,
            ),
            Failure::Unreadable(error) => {
                (RecordErrorKind::Corrupt, error.to_string(), Some(error.into()))
            }
            Failure::Sqlite(error) => {
                let kind = kind(&error);
                (kind, cause(kind, &error, path), Some(error.into()))
            }
        };
        Self(Box::new(Inner { path: path.to_owned(), doing, kind, cause, source }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The sort of cause.
    pub fn kind(&self) -> RecordErrorKind {
        self.0.kind
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { path, doing, cause, .. } = &*self.0;
        let doing = match doing {
            Doing::Open => "open the recording",
            Doing::Write => "record a snapshot in",
            Doing::Read => "read a snapshot from",
            Doing::Query => "ask",
        };
        write!(f, "cannot {doing} {}: {cause}", path.display())
    }
}

impl Error for RecordError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|error| error as _)
    }
}

fn kind(error: &rusqlite::Error) -> RecordErrorKind {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied,
        ) => RecordErrorKind::Unwritable,
        Some(ErrorCode::NotADatabase) => RecordErrorKind::NotADatabase,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => RecordErrorKind::Locked,
        Some(ErrorCode::DiskFull) => RecordErrorKind::Full,
        // Of what is written, the system tells a full disk apart from nothing else.
        _ if is_refused_write(error) => RecordErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt) => RecordErrorKind::Corrupt,
        _ => RecordErrorKind::Other,
    }
}

/// What SQLite makes of `EFBIG` and `EDQUOT`, and of a disk that is broken.
fn is_refused_write(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_WRITE)
}

fn cause(kind: RecordErrorKind, error: &rusqlite::Error, path: &Path) -> String {
    match kind {
        RecordErrorKind::Unwritable => unwritable(path),
        RecordErrorKind::NotADatabase => NOT_A_DATABASE.to_owned(),
        RecordErrorKind::Locked => "another connection keeps it locked".to_owned(),
        RecordErrorKind::Full if is_refused_write(error) => {
            "the system refuses to write: the file may not grow (a quota, `ulimit -f`), or the disk \
             is broken"
                .to_owned()
        }
        RecordErrorKind::Full => "the disk, or the room it may take there, is full".to_owned(),
        _ => error.to_string(),
    }
}

/// SQLite says "unable to open" whatever the reason. The file's metadata tells more; to open it
/// here would drop the locks that this process holds on it.
fn unwritable(path: &Path) -> String {
    if let Some(folder) = path.parent()
        && let Err(error) = folder.metadata()
    {
        return format!("its folder is not there: {error}");
    }
    match path.metadata() {
        Ok(file) if file.is_dir() => "it is a folder".to_owned(),
        Ok(file) if file.permissions().readonly() => "it is read-only".to_owned(),
        Ok(_) => "it, or its folder, may not be written".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            "it cannot be created in its folder".to_owned()
        }
        Err(error) => error.to_string(),
    }
}
