//! Channels with many senders and one receiver, bounded and unbounded, that stand where
//! `tokio::sync::mpsc` stood: the same API and the same promises, and able to say what they are
//! doing.
//!
//! A Parshall flume is an open channel whose own shape makes its flow readable. So is this one:
//! occupancy, permits, waiters and whether it is closed live in the two words that the channel
//! works with, so reading them costs the messages nothing. Who waits is in a list that is there
//! anyway.
//!
//! # Who waits, for how long, for whom
//!
//! A worker that has hung, and a client that fills its channel:
//!
//! ```
#![doc = include_str!("../examples/who_waits.rs")]
//! ```
//!
//! It prints this, and `tests/front_page.rs` sees that it does:
//!
//! ```text
//! parshall: who_waits-16191 is STUCK, 1.5 s
//!   jobs 2/2 is stalled, 1.5 s: worker received last; it waits for something outside parshall
//!   that may be a timer, a socket, a lock, a task or another kind of channel
//!   behind it: 1 sender: client
//! blind: 0 of 1 wait is of tasks that parshall cannot see into
//! ```
//!
//! The client waits for room in `jobs`, which is full, and has not moved for 1.5 s; `worker` should
//! drain it, and does not, because it waits for something else. [`hangs`] shows more programs that
//! hang, and how to read what is said of them.
//!
//! In a program that runs, [`diagnose`] need not be called: with one line in its `main`,
//! `let _gauge = parshall_gauge::init();`, it answers from outside, also while every worker of its
//! runtime is blocked. The program `parshall`, of the crate `parshall-cli`, asks it: `parshall`,
//! `parshall top`, `parshall report`.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`mpsc`] | the channels: senders, receivers, permits, [`mpsc::Builder`] |
//! | [`wrappers`] | the receivers as streams, under tokio-stream's names |
//! | [`task`] | names for tasks, so that a report has names in it |
//! | [`diagnose`], [`introspect::Watch`] | what is wrong, once, and each time it changes |
//! | [`snapshot`], [`Snapshot`] | all live channels, their numbers, and who waits in them |
//! | [`ChannelStats`] | the numbers of one channel, from any of its handles |
//! | [`testing`] | a test that hangs fails with the reason; channels that hold less |
//! | [`hangs`], [`migration`], [`model_checking`] | pages: reading a report, coming from Tokio, checking one's own protocol |
//!
//! What a number or a predicate says of a channel that others use is true of one moment during the
//! call, and each says how long it may stay so.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `introspect` | yes | the registry, [`snapshot`], the graph and its JSON (`serde_json`), [`diagnose`] and [`Watch`](introspect::Watch) (`atomic-waker`) |
//! | `tokio` | no | Tokio's cooperative budget, its timer for `send_timeout`, its panic when `blocking_*` is called inside a runtime, its task ids: on Tokio, switch it on |
//! | `testing` | no | for `[dev-dependencies]`: [`testing::watchdog`], by which a test that hangs fails with the reason, and [`testing::squeeze`], small channels |
//! | `sink` | no | [`PollSender`](mpsc::PollSender) and [`UnboundedSink`](mpsc::UnboundedSink), which are `Sink`s (`futures-sink`) |
//!
//! Without features the channels and the numbers on their handles (`stats()`) remain, and no
//! runtime is in the dependency tree.
//!
//! # Platforms
//!
//! Any system with 64-bit atomics and the standard library, WebAssembly included; there it has no
//! clock and no process id. The gate runs the tests on Linux, with pointers of 64 and of 32 bits,
//! and checks that it compiles for macOS and Windows.

#![cfg_attr(docsrs, feature(doc_cfg))]
// The front page names what only some features have.
#![cfg_attr(
    not(all(feature = "introspect", feature = "sink", feature = "testing")),
    allow(rustdoc::broken_intra_doc_links)
)]
// What only introspection reads is dead without it.
#![cfg_attr(any(parshall_loom_inside, not(feature = "introspect")), allow(dead_code))]

mod chan;
mod collections;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub mod introspect;
#[cfg(not(all(feature = "introspect", not(parshall_loom_inside))))]
#[path = "introspect/absent.rs"]
mod introspect;
#[cfg(all(feature = "introspect", not(parshall_loom)))]
#[doc = include_str!("../docs/my-program-hangs.md")]
pub mod hangs {}
#[doc = include_str!("../MIGRATION.md")]
pub mod migration {}
#[doc = include_str!("../docs/model-checking.md")]
pub mod model_checking {}
pub mod mpsc;
mod ring;
mod runtime;
mod sizes;
mod sync;
mod telemetry;
#[cfg(all(feature = "testing", not(parshall_loom)))]
pub mod testing;
mod unwind;
#[cfg(all(test, feature = "introspect", not(parshall_loom_inside)))]
#[path = "../tests/support/used.rs"]
mod used;
mod wait;
pub mod wrappers;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// For `tests/stall`: called at each step with its name.
#[cfg(parshall_stall)]
#[doc(hidden)]
pub use sync::STEP_HOOK;

pub use chan::{ChannelStats, CloseCause};
#[cfg(all(feature = "introspect", not(parshall_loom)))]
pub use introspect::diagnose::diagnose;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub use introspect::registry::Retired;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub use introspect::snapshot::{
    Call, ChannelSnapshot, LeftWaker, RetiredSnapshot, SenderSnapshot, Snapshot, TaskSnapshot,
    WaitSnapshot, snapshot,
};
pub use telemetry::process::{proc_key, process, set_process};
pub use telemetry::task;
pub use telemetry::text::Text;
pub use telemetry::waits::WaitHistogram;
