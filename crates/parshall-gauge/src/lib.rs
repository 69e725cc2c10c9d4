//! One line in a program, and its [`parshall`] channels can be looked at while it runs.
//!
//! ```no_run
//! let _gauge = parshall_gauge::init();
//! // the program
//! ```
//!
//! [`init`] says what that does, and which variables of the environment change it. A hang is then
//! told on stderr; `kill -USR1 PID` prints who is stuck, on whom, since when, and how sure that is;
//! and `curl --unix-socket /run/user/1000/parshall/ingest-4711.sock http://x/v1/report` does, too.
//! All of that works while every worker of the program's runtime is blocked, and after an hour of
//! it.
//!
//! # The protocol
//!
//! HTTP/1.1 on a Unix socket of mode 0600, in `$XDG_RUNTIME_DIR/parshall/` or, if that variable is
//! not set or leads to another user's folder, in `/tmp/parshall-{uid}/`. Its name is that of the
//! process and `.sock`. If that is taken, or too long, `-` and the first eight characters of
//! [`parshall::proc_key`] stand in front of `.sock`; a `/` is written as `%2F`. Sockets that
//! programs have left behind are removed by the next one that starts. On Windows there is no
//! socket: there it answers on TCP only, if that is asked for, and prints no report on a signal.
//!
//! | `GET` | answers |
//! |---|---|
//! | `/v1/hello` | who this is, and how it is (below) |
//! | `/v1/snapshot` | all channels, as [`parshall::introspect::SCHEMA`] says |
//! | `/v1/diagnosis` | what is wrong, as [`parshall::introspect::DIAGNOSIS_SCHEMA`] says |
//! | `/v1/report` | the same in words |
//! | `/v1/graph.dot`, `/v1/graph.mermaid` | the same as a picture |
//! | `/metrics` | all channels for Prometheus, of one snapshot a scrape (feature `metrics`) |
//!
//! `/v1/hello` says `parshall` (the version), `protocol` (1), `process`, `pid`, `proc_key`,
//! `started_at_ns`, `worst` (`ok`, `signal`, `stuck`, `conditional` or `proven`) and `headline`.
//!
//! The answer to all but the snapshot and the metrics rests on a look that is at most a second old,
//! the metrics on a look of their own. Any other path is answered by 404, any other method by 405,
//! with one line of text. A connection is for one request; it is closed after the answer, after 5 s
//! without a whole request, and after 60 s in any case. Of more than 16 connections the oldest is
//! cut. An answer that breaks off ends without its last chunk.
//!
//! A later version may add paths, members of an object and words to protocol 1; whoever reads
//! passes over what it does not know. What changes otherwise is another protocol, or another
//! schema.
//!
//! Nothing can be changed by it. On TCP, everybody who reaches the port may ask, unencrypted; the
//! host that a request names must be a number, `localhost`, or allowed by [`GaugeBuilder::host`],
//! and no page of another site may read an answer.
//!
//! # What it costs
//!
//! A message costs nothing more. Three threads sleep, and one of them looks once a second; once in
//! 5 s while nothing is queued, nobody waits for room, nothing is found, and nobody has asked for
//! 10 s. So a hang that begins in such a calm is told up to 5 s later. Of a program with 1,000
//! channels, measured over 60 s on an Intel Xeon with two cores that were busy otherwise, the gauge
//! took
//!
//! | | of a core |
//! |---|---|
//! | at rest, nobody asks | 0.06 % |
//! | at rest, somebody asks for `/v1/hello` each second | 0.28 % |
//! | a message lies in each channel, and nobody receives: 1,000 findings | 0.35 % |
//!
//! `cargo run --release -p parshall-gauge --example at_rest` measures it anew.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `serve` (default) | the protocol; Tokio and axum |
//! | `signal` (default) | the report on a signal |
//! | `record` (default) | all that follows, and `PARSHALL_RECORD`; SQLite |
//! | `metrics` | `metrics`, and with `serve` also `/metrics`; prometheus-client |
//! | `tracing` | what is told goes through `tracing` |
//!
//! # Recordings
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
//! To be asked, as views:
//!
//! | view | one row for |
//! |---|---|
//! | `snapshots` | each snapshot that is kept |
//! | `snapshot_processes` | each process in it, or why it is not: `status` and `error_text`, which also says if the clock was set |
//! | `nodes` | each end of a channel (`mpsc_tx`, `mpsc_rx`), each channel (`mpsc`), each task, thread or waker |
//! | `edges` | each "cannot go on before": kind `needs` |
//! | `waits` | each send, receive or `closed` that waits, in line |
//! | `findings` | each thing that is wrong, as far as the snapshot and those before it tell: kind, verdict, and `text` (below) |
//! | `channels` | each `mpsc` node with its attributes as columns |
//! | `tasks` | likewise each task, thread and waker |
//! | `processes` | each process, with the first characters of its key, and how many snapshots it recorded and missed |
//! | `longest_waits` | each wait of the last hour of the recording that lasted 100 ms, the longest first, and who should have drained the channel |
//!
//! Ask for one snapshot, `WHERE snapshot_id = ?`: that is quick however long the recording is. What
//! spans many snapshots is asked best as [`Question`] does, of the first and the last. The `text`
//! of a finding is that of the snapshot in which it appeared, or a minute old at most.
//!
//! The tables below them hold what has changed, in a form that may be another one in the next
//! version. A channel of which nothing is new is not written again, and what a name is, where it
//! was made, and the like, is written once. [`Retention`] says what stays: by default the last hour
//! in full, a day at one snapshot a minute, and 256 MiB at most.
//!
//! Of a program with 1,000 channels, a snapshot took 0.6 ms and its record, with the diagnosis in
//! it, 1.5 ms: 4.2 % of a core at 20 a second, on an Intel Xeon that was busy with other work. If
//! all channels had moved, it took 114 kB, if one in a hundred had, 4 kB; a day of that, a snapshot
//! a second, at most 80 MiB. With 100,000 channels a record took 0.2 to 0.4 s, and at most 60 MiB
//! of memory beyond the snapshot, 34 of which the recorder keeps at most. `cargo run --release -p
//! parshall-gauge --example recorder_cost` measures it anew.
//!
//! Processes are told apart by `proc_key`, see [`parshall::proc_key`]: the same program may run
//! with the same pid, and so with the same name in ids, in two containers that record into one
//! file. A file of an earlier schema version is upgraded to version 4 when a recorder opens it;
//! what was in it stays, until retention removes it. Such a file does not become shorter, but what
//! is free in it is used again. In version 1, `proc_key` was the name. [`read_snapshot`] reads back
//! what was recorded since version 3.
//!
//! The graph of a snapshot has the two ends of a channel only; the row of kind `mpsc` is the
//! recorder's, so that a query need not pick one of them.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "record")]
mod error;
#[cfg(any(feature = "record", all(unix, feature = "serve")))]
mod folder_lock;
mod gauge;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "record")]
mod query;
#[cfg(feature = "record")]
mod reader;
#[cfg(feature = "record")]
mod record;
#[cfg(feature = "record")]
mod recorder;
#[cfg(feature = "record")]
mod recording;
#[cfg(feature = "record")]
mod sampler;
#[cfg(feature = "record")]
mod schema;
#[cfg(feature = "serve")]
mod serve;

/// How guests on HTTP are answered. For `parshall-cli`, which answers them in the same way; may
/// change with every version.
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod http {
    pub use crate::serve::guests::{Guests, Limits};
    pub use crate::serve::host::Hosts;
}

#[cfg(all(fuzzing, feature = "serve"))]
#[doc(hidden)]
pub use serve::fuzzing;

#[cfg(feature = "record")]
pub use error::{RecordError, RecordErrorKind};
pub use gauge::{Gauge, GaugeBuilder, init};
#[cfg(feature = "record")]
pub use query::{Answer, Cell, Question};
#[cfg(feature = "record")]
pub use reader::read_snapshot;
#[cfg(feature = "record")]
pub use record::retention::Retention;
#[cfg(feature = "record")]
pub use recorder::SqliteRecorder;
#[cfg(feature = "record")]
pub use sampler::{Sample, Sampler, SamplerBuilder, SamplerStatus};
