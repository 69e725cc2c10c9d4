//! The questions that people ask of a recording.

use std::path::Path;

use rusqlite::types::ValueRef;

use crate::error::{Doing, Failure, RecordError};
use crate::recording::Reading;

/// A question that a recording answers.
///
/// # Examples
/// ```
/// use parshall_gauge::{Question, SqliteRecorder};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// SqliteRecorder::open(&path)?.record(&parshall::snapshot())?;
///
/// let answer = Question::named("programs").unwrap().ask(&path)?;
/// assert_eq!(answer.columns[0], "process");
/// assert_eq!(answer.rows.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Question {
    /// Its name.
    pub name: &'static str,
    /// It as SQL. The first line says what it is about.
    pub sql: &'static str,
}

macro_rules! questions {
    ($($name:literal),* $(,)?) => {
        &[$(Question { name: $name, sql: include_str!(concat!($name, ".sql")) }),*]
    };
}

impl Question {
    /// All of them.
    pub const ALL: &[Self] =
        questions!["longest-waits", "bottlenecks", "growth", "refused", "findings", "programs",];

    /// That of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|question| question.name == name)
    }

    /// What it is about, in a line.
    pub fn about(&self) -> &'static str {
        self.sql.lines().next().unwrap_or_default().trim_start_matches("-- ")
    }

    /// What the recording at `path` says. It is only read, and may be recorded into meanwhile.
    ///
    /// # Errors
    /// The file cannot be read, is no recording, or is of another version; or it is damaged.
    pub fn ask(&self, path: impl AsRef<Path>) -> Result<Answer, RecordError> {
        let path = path.as_ref();
        let error = |failure| RecordError::new(path, Doing::Query, failure);
        let mut reading = Reading::open(path).map_err(error)?;
        self.of(&mut reading).map_err(|e| error(Failure::Sqlite(e)))
    }

    fn of(&self, reading: &mut Reading) -> rusqlite::Result<Answer> {
        let transaction = reading.begin()?;
        let mut statement = transaction.prepare(self.sql)?;
        let name = |n| statement.column_name(n).map(str::to_owned);
        let columns = (0..statement.column_count()).map(name).collect::<Result<_, _>>()?;
        let mut answer = Answer { columns, rows: Vec::new() };
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let cell = |n| row.get_ref(n).map(Cell::from);
            answer.rows.push((0..answer.columns.len()).map(cell).collect::<Result<_, _>>()?);
        }
        Ok(answer)
    }
}

/// The answer to a [`Question`], as of the last snapshot that was recorded when it was asked.
///
/// # Examples
/// All questions, as comma-separated values:
/// ```
/// use parshall_gauge::{Cell, Question, SqliteRecorder};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// # SqliteRecorder::open(&path)?.record(&parshall::snapshot())?;
///
/// for question in Question::ALL {
///     println!("# {}", question.about());
///     let answer = question.ask(&path)?;
///     println!("{}", answer.columns.join(","));
///     for row in answer.rows {
///         let cells = row.iter().map(|cell| match cell {
///             Cell::Null => String::new(),
///             Cell::Integer(n) => n.to_string(),
///             Cell::Real(x) => format!("{x:.1}"),
///             Cell::Text(text) => format!("{text:?}"),
///         });
///         println!("{}", cells.collect::<Vec<_>>().join(","));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The names of the columns. One that ends in `_ns` is of times in nanoseconds.
    pub columns: Vec<String>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of an [`Answer`].
///
/// # Examples
/// On [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// It is not known, or there is none.
    Null,
    /// A whole number.
    Integer(i64),
    /// A fraction.
    Real(f64),
    /// A text.
    Text(String),
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(n) => Self::Integer(n),
            ValueRef::Real(x) => Self::Real(x),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                Self::Text(String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }
}
