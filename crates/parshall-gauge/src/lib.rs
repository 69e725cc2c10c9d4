//! Records what [`parshall`] channels say of themselves, in SQLite.
//!
//! [`SqliteRecorder`] writes a snapshot of all live channels into a database, in one transaction;
//! [`Sampler`] does so at an interval, on a thread of its own, and shows each snapshot to whoever
//! wants to see it. Afterwards, SQL answers what was full, who waited, and for whom.
//!
//! ```
//! use std::time::Duration;
//! use parshall_gauge::{Sampler, SqliteRecorder};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.db");
//! let sampler = Sampler::every(Duration::from_millis(100))
//!     .record(SqliteRecorder::open(&path)?)
//!     .start()?;
//!
//! let (tx, _rx) = parshall::mpsc::Builder::new().name("jobs").capacity(4).build();
//! tx.try_send("one")?;
//! sampler.submit(parshall::snapshot());
//!
//! let status = sampler.stop();
//! assert_eq!(status.errors, 0);
//! assert!(status.recorded >= 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The database
//!
//! | table | one row for |
//! |---|---|
//! | `snapshots` | each snapshot that is kept |
//! | `snapshot_processes` | each process in it |
//! | `nodes` | each end of a channel (`mpsc_tx`, `mpsc_rx`), each channel (`mpsc`), each task, thread or waker |
//! | `edges` | each "cannot go on before": kind `needs` |
//! | `waits` | each send, receive or `closed` that waits, in line |
//! | `processes` | a view: each process, with the first characters of its key, and how many snapshots it recorded and missed |
//! | `findings` | each thing that is wrong, as far as the snapshot and those before it tell: kind, verdict, and `text` |
//! | `channels` | a view: each `mpsc` node with its attributes as columns |
//! | `tasks` | a view: likewise each task, thread and waker |
//! | `longest_waits` | a view: each wait of the last hour of the recording, the longest first, and who should have drained the channel |
//!
//! Processes are told apart by `proc_key`, see [`parshall::proc_key`]: the same program may run
//! with the same pid, and so with the same name in ids, in two containers that record into one
//! file. A file of an earlier schema version is upgraded to version 3 when a recorder opens it; in
//! version 1, `proc_key` was the name. [`read_snapshot`] reads back what was recorded since
//! version 3.
//!
//! The graph of a snapshot has the two ends of a channel only; the row of kind `mpsc` is the
//! recorder's, so that a query need not pick one of them.

#![forbid(unsafe_code)]

mod error;
mod reader;
mod recorder;
mod recording;
mod sampler;
mod schema;

pub use error::{RecordError, RecordErrorKind};
pub use reader::read_snapshot;
pub use recorder::SqliteRecorder;
pub use sampler::{Sample, Sampler, SamplerBuilder, SamplerStatus};
