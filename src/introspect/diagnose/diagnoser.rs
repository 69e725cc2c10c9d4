//! Look after look: what is kept between them, and what each says.

use super::{Blind, Diagnosis, Settings};
use crate::Snapshot;

/// Turns snapshots of one process, one after the other, into findings.
///
/// It keeps what a comparison with the next snapshot needs, not the snapshots. It asks nothing of the
/// process: snapshots that were read back from JSON or SQLite do as well.
///
/// # Examples
/// ```
/// use parshall::introspect::{Diagnoser, Settings};
/// let settings = Settings::default();
/// let mut diagnoser = Diagnoser::new(settings.clone());
/// diagnoser.look(&parshall::snapshot())?;
/// std::thread::sleep(settings.apart);
/// let diagnosis = diagnoser.look(&parshall::snapshot())?;
/// assert!(diagnosis.findings.is_empty());
/// # Ok::<(), parshall::introspect::LookError>(())
/// ```
#[derive(Debug)]
pub struct Diagnoser {
    #[allow(dead_code)]
    settings: Settings,
    last: Option<Last>,
}

/// What the last snapshot was.
#[derive(Debug)]
struct Last {
    process: String,
    proc_key: String,
    taken_at_ns: i64,
}

impl Diagnoser {
    /// One that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self { settings, last: None }
    }

    /// What is wrong now, as far as this snapshot and the former ones tell. Findings come from the
    /// second look on.
    ///
    /// # Errors
    /// The snapshot is of another process than the last one, or was not taken after it. It is then
    /// not looked at, and the next may be right again. If the system's time was set back, go on
    /// with a new `Diagnoser`.
    pub fn look(&mut self, snapshot: &Snapshot) -> Result<Diagnosis, LookError> {
        let now = snapshot.taken_at_ns;
        if let Some(last) = &self.last {
            if last.proc_key != snapshot.proc_key {
                return Err(LookError::OtherProcess {
                    expected: (last.process.clone(), last.proc_key.clone()),
                    found: (snapshot.process.clone(), snapshot.proc_key.clone()),
                });
            }
            if now <= last.taken_at_ns {
                return Err(LookError::NotLater { last_ns: last.taken_at_ns, this_ns: now });
            }
        }
        let first_look_ns = self.last.as_ref().map_or(now, |last| last.taken_at_ns);
        self.last = Some(Last {
            process: snapshot.process.clone(),
            proc_key: snapshot.proc_key.clone(),
            taken_at_ns: now,
        });
        Ok(Diagnosis {
            process: snapshot.process.clone(),
            pid: snapshot.pid,
            first_look_ns,
            second_look_ns: now,
            findings: Vec::new(),
            blind: Blind { untracked: snapshot.untracked, ..Blind::default() },
        })
    }
}

/// A snapshot that cannot follow the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookError {
    /// It is of another process.
    OtherProcess {
        /// The process that was looked at before, and its key.
        expected: (String, String),
        /// The process of this snapshot, and its key.
        found: (String, String),
    },
    /// It was not taken after the last one.
    NotLater {
        /// When the last one was taken, in nanoseconds since the Unix epoch.
        last_ns: i64,
        /// When this one was.
        this_ns: i64,
    },
}

impl core::fmt::Display for LookError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OtherProcess { expected, found } => write!(
                f,
                "the snapshot is of process {:?} ({}), the looks before were at {:?} ({}); a \
                 Diagnoser looks at one process",
                found.0, found.1, expected.0, expected.1
            ),
            Self::NotLater { last_ns, this_ns } => write!(
                f,
                "the snapshot was taken at {this_ns} ns, the last one at {last_ns} ns; give them \
                 in the order in which they were taken, each once"
            ),
        }
    }
}

impl core::error::Error for LookError {}
