//! What went wrong, what to do about it, and the exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

#[cfg(feature = "record")]
use parshall_gauge::RecordError;

use crate::address::Address;

/// How `parshall` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing is stuck.
    Well,
    /// Something is stuck: a finding that is `stuck`, `conditional` or `proven`.
    Stuck,
    /// The command line cannot be understood, or names nobody.
    Usage,
    /// A program could not be asked, or none runs.
    NotAsked,
    /// A program speaks another version of the protocol or the snapshot.
    OtherVersion,
}

impl Exit {
    /// For `--help` and the man page.
    pub(crate) const HELP: &str = "\
Exit codes:
  0  nothing is stuck
  1  something is stuck: a finding that is `stuck`, `conditional` or `proven`
  2  the command line cannot be understood, or names no running program
  3  a program or a recording could not be asked, or none runs
  4  a program was built with a version of parshall that this one cannot read
Of several programs the first of 1, 4 and 3 counts. `run` ends as its command does.";

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Stuck => 1,
            Self::Usage => 2,
            Self::NotAsked => 3,
            Self::OtherVersion => 4,
        }
    }

    /// Of two programs.
    pub(crate) fn worse(self, other: Self) -> Self {
        let weight = |exit| match exit {
            Self::Well => 0,
            Self::NotAsked => 1,
            Self::OtherVersion => 2,
            Self::Stuck => 3,
            Self::Usage => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command ends before it has done what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for cannot be meant.
    Usage(String),
    /// Nobody answers.
    Nobody(Exit, String),
    /// A program was asked and did not answer as it should.
    Ask(Address, AskError),
    /// A recording cannot be written or read.
    #[cfg(feature = "record")]
    Recording(RecordError),
    /// Standard output cannot be written.
    Output(io::Error),
    /// The terminal, the runtime or another program does not do as it should.
    System(&'static str, io::Error),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Ask(_, error) => error.exit(),
            Self::Nobody(exit, _) => *exit,
            #[cfg(feature = "record")]
            Self::Recording(_) => Exit::NotAsked,
            Self::Output(_) | Self::System(..) => Exit::NotAsked,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(feature = "record")]
impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::Recording(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Nobody(_, text) => f.write_str(text),
            Self::Ask(address, error) => write!(f, "{address}: {error}"),
            #[cfg(feature = "record")]
            Self::Recording(error) => write!(f, "{error}"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Why a program has not answered as it should.
#[derive(Debug)]
pub(crate) enum AskError {
    /// Nobody listens there: a socket that a program has left behind.
    NobodyListens,
    /// The socket belongs to somebody else.
    Denied,
    /// No answer in time.
    Late,
    /// The connection ended before the answer did.
    Lost(String),
    /// The answer is longer than any that is expected.
    Long(usize),
    /// It answered, but not with what was asked for.
    Status(u16, String),
    /// Who answers is no program with a gauge.
    Stranger(String),
    /// It is of another version.
    Version(String),
    /// The system says something else.
    System(io::Error),
}

impl AskError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Version(_) => Exit::OtherVersion,
            _ => Exit::NotAsked,
        }
    }
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::NobodyListens,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::System(error),
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyListens => {
                f.write_str("nobody listens there: the program has ended, or was never there")
            }
            Self::Denied => f.write_str(
                "permission denied: run parshall as the user who runs the program, or as root",
            ),
            Self::Late => f.write_str(
                "no answer in time: the process may be stopped, or its machine overloaded; try \
                 a longer --timeout",
            ),
            Self::Lost(why) => write!(f, "the connection ended, maybe with the program: {why}"),
            Self::Long(limit) => write!(f, "the answer is longer than {limit} bytes: not read"),
            Self::Status(code, why) if why.is_empty() => write!(f, "the answer is HTTP {code}"),
            Self::Status(code, why) => write!(f, "the answer is HTTP {code}: {why}"),
            Self::Stranger(why) => write!(f, "who answers is no program with a gauge: {why}"),
            Self::Version(why) => f.write_str(why),
            Self::System(error) => write!(f, "{error}"),
        }
    }
}
