//! All of [tokio] 1.54, with [parshall]'s channels as `tokio::sync::mpsc`: a program moves by one
//! line of its `Cargo.toml`, and no line of its source.
//!
//! ```toml
//! [dependencies]
//! tokio = { package = "parshall-tokio", version = "0.1", features = ["full"] }
//! # was: tokio = { version = "1", features = ["full"] }
//! ```
//!
//! The line stands where tokio's stood: in `[workspace.dependencies]` it moves every member that
//! says `tokio.workspace = true`; otherwise change it in each section that names tokio, in
//! `[dev-dependencies]` too. Features keep their names, in this line and in `[features]`
//! (`"tokio/net"`).
//!
//! ```
//! # extern crate parshall_tokio as tokio;
//! use tokio::sync::{mpsc, oneshot};
//!
//! #[tokio::main]
//! async fn main() {
//!     let (jobs, mut inbox) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(16);
//!     tokio::spawn(async move {
//!         while let Some((number, reply)) = inbox.recv().await {
//!             reply.send(number * number).ok();
//!         }
//!     });
//!     let (reply, answer) = oneshot::channel();
//!     jobs.send((12, reply)).await.expect("the task is there");
//!     assert_eq!(answer.await, Ok(144));
//!     assert_eq!(jobs.stats().sent_total, 1); // `stats` is parshall's
//! }
//! ```
//!
//! # Which tokio this is
//!
//! Tokio itself: the `tokio` of the program's own lockfile, 1.54 or later, passed on name by name.
//! A `tokio::net::TcpStream`, a `tokio::task::JoinHandle` or a runtime from here *is* tokio's, so
//! it goes to and comes from every crate that uses tokio; there is one runtime. Only
//! [`sync::mpsc`](mod@sync::mpsc) is another: it is [`parshall::mpsc`], with the features `tokio`
//! and `sink`. `parshall::migration` lists what it does differently.
//!
//! Each feature of tokio is one here, with the same name, and none is on by default. What is behind
//! `--cfg tokio_unstable` is passed on as well. The feature `sync` brings the channel; since that
//! asks tokio for its clock and its tasks, tokio's `rt` and `time` come with it. Without `sync`
//! there is no `tokio::sync`, even where another crate of the program switched tokio's on:
//! otherwise `tokio::sync::mpsc` would be tokio's own without a word. The compiler then says
//! ``module `sync` is private``.
//!
//! # What it does not reach
//!
//! * **Channels that dependencies make.** Their own `Cargo.toml` says `tokio`, and keeps tokio's
//!   channels. They work as before; parshall does not see them. A `[patch]` cannot change that: it
//!   needs a crate of the same name.
//! * **Functions and traits of other crates for tokio's own handles**, among them
//!   [`tokio_stream::wrappers`] and [`tokio_util::sync::PollSender`]. The compiler says: ``expected
//!   `Receiver<_>`, found `Receiver<u8>` ``, and notes that
//!   `parshall_tokio::sync::mpsc::Receiver<u8>` and `tokio::sync::mpsc::bounded::Receiver<_>` "have
//!   similar names, but are actually distinct types". In the place of these two stand
//!   `parshall::wrappers` and [`sync::mpsc::PollSender`] with [`sync::mpsc::PollSendError`]; for
//!   others take tokio's channel, see below.
//! * **A public interface.** A library that shows a `tokio::sync::mpsc::Sender` to its users shows
//!   another type after the move, which is a breaking change.
//!
//! # Beside it
//!
//! To read what the channels say of themselves, name parshall as well. That switches its snapshots
//! on for the channels made through this crate too:
//!
//! ```toml
//! parshall = "0.1"
//! ```
//!
//! A crate that needs tokio's own channel in one place gives tokio a second name:
//!
//! ```toml
//! tokio-itself = { package = "tokio", version = "1", features = ["sync"] }
//! ```
//!
//! ```
//! # extern crate upstream as tokio_itself;
//! use tokio_itself::sync::mpsc; // tokio's
//! # let (tx, mut rx) = mpsc::channel(1);
//! # tx.try_send(1).unwrap();
//! # assert_eq!(rx.try_recv(), Ok(1));
//! ```
//!
//! [tokio]: https://docs.rs/tokio
//! [parshall]: https://docs.rs/parshall
//! [`tokio_stream::wrappers`]: https://docs.rs/tokio-stream/0.1/tokio_stream/wrappers/
//! [`tokio_util::sync::PollSender`]:
//! https://docs.rs/tokio-util/0.7/tokio_util/sync/struct.PollSender.html

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

// Modules, functions and macros alike. What is named below hides what comes from here.
pub use upstream::*;

/// All of tokio's `sync`, with [`parshall::mpsc`] as `mpsc`.
#[cfg(feature = "sync")]
pub mod sync {
    #[doc(inline)]
    pub use parshall::mpsc;
    pub use upstream::sync::*;
}

/// Hides tokio's, which another crate may have switched on: its `mpsc` is another one.
#[cfg(not(feature = "sync"))]
mod sync {}
