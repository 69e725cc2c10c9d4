//! Multi-producer, single-consumer channels: `tokio::sync::mpsc`'s interface and promises.
//!
//! ```
//! use parshall::mpsc; // was: use tokio::sync::mpsc;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let (tx, mut rx) = mpsc::channel(32);
//! tokio::spawn(async move {
//!     for i in 0..10 {
//!         tx.send(i).await.expect("the receiver is there");
//!     }
//! });
//! let mut sum = 0;
//! while let Some(i) = rx.recv().await {
//!     sum += i;
//! }
//! assert_eq!(sum, 45);
//! # }
//! ```
//!
//! # Waiting and fairness
//!
//! A send that finds the channel full waits in line. Room goes to the first in line, as a permit
//! that nobody else can take; `try_send` cannot overtake. A send that is dropped while it waits was
//! not sent, and its place and room go to the next. A granted send that is not polled keeps its
//! room and holds up others:
//! [`ChannelStats::granted_waiters`](crate::ChannelStats::granted_waiters) shows it.
//!
//! # Disconnection
//!
//! When all senders and owned permits are gone, `recv` gives what is left and then `None`, for
//! ever. When the receiver is closed, sends fail, also those that waited; messages in the channel
//! and permits that are out still arrive, then `None`. When the receiver is dropped, what is left
//! is dropped at once.
//!
//! # Async, blocking and `try_`
//!
//! All three mix freely on one channel, from any runtime and from plain threads. A `blocking_` call
//! parks its thread, as `blocking_recv_timeout` and `blocking_recv_deadline` do: never make one
//! inside an async task.
//!
//! With feature `tokio`, a blocking call in asynchronous code of a Tokio runtime panics, and what
//! succeeds with an `await` spends a share of the task's
//! [budget](https://docs.rs/tokio/1/tokio/task/coop/index.html); both exactly as Tokio's channel
//! does. Without the feature a task that always finds messages, or room, should now and then make
//! way for others itself.
//!
//! # Allocation
//!
//! A small channel (up to 32 messages, or 4 KiB) has its slots in one allocation. A larger one has
//! a block of 32 slots to begin with; an unbounded one has room for its first few messages in the
//! channel itself. More blocks are allocated as messages come, reused in a steady flow, and freed
//! after a burst, so that a capacity that is not used costs nothing. A slot takes `size_of::<T>()`
//! and a stamp: 4 bytes in an array, padded to the message's alignment, and 1 in a block.
//!
//! The line of waiting senders takes segments of 1 KiB, for 16 who come one after the other. A
//! segment is needed while one of its 16 waits, and the last one always. The channel keeps at most
//! twice as many as were ever needed at once, one more, and four for each thread that is just
//! coming to wait, stopped there or not. They are freed when the channel ends.
//!
//! # Progress
//!
//! No operation takes a lock, and none waits for a thread that is stopped, but where this table
//! says so. *Lock-free*: it can begin again only because another operation has got on. *Wait-free*:
//! it is done in a bounded number of steps.
//!
//! | operation | progress | what may delay it |
//! |---|---|---|
//! | `try_send`, `try_reserve` | lock-free: a swap is lost only to another's success | nothing |
//! | `send`, `reserve`, until they wait | lock-free | nothing |
//! | `send`, `reserve`, waiting | | those ahead in line, whoever has the room, or owes the wake-up |
//! | using a permit | lock-free | nothing |
//! | dropping a permit, cancelling a wait | lock-free; as many grants as units came back | nothing |
//! | `recv`, a message is there | lock-free: wait-free but for the grants that it makes | nothing |
//! | `recv`, none is there | lock-free | a producer stopped between claim and publication (1), or before a wake-up that it owes |
//! | `try_recv`, none is there | | a producer stopped between claim and publication (2) |
//! | `close` | lock-free; one step for each who waits | nothing |
//! | dropping the receiver | as `close`, then as `try_recv` until all that was claimed is dropped | a producer between claim and publication |
//! | dropping a sender | wait-free; the last one as `close` | nothing |
//! | creating a channel, dropping its last handle | | the registry's lock, which runs no user code |
//! | `stats`, `len`, `capacity` | lock-free; they store nothing into the channel's words | nothing (3) |
//! | `set_name` | | whoever just reads or replaces that name |
//! | `snapshot` | lock-free for each channel | the registry's lock, those of the lists of tasks and of names, and (4) |
//!
//! 1. `recv` *reports in flight*: it wakes its task and returns pending, and never blocks its
//!    executor.
//! 2. It yields the thread until the message is published, for a send that is complete may lie
//!    behind.
//! 3. But `stats` of a channel that was given a name by `set_name`: whoever just reads or replaces
//!    that name.
//! 4. Another snapshot that looks up channels, and the last owner of a channel that is dying.
//!
//! A thread that is stopped withholds what it holds: its permits, units it was just handing out, a
//! message between its two steps; and the wake-up that it owes. If that is the receiver's, the
//! receiver sleeps until then. All of this is up to the allocator, which is asked when blocks or
//! the line grow, and to wakers, which are the executor's. Blocking calls and timers are the
//! system's.
//!
//! The argument is in the sources, in `wait/mod.rs`; `tests/stall` stops a thread at each step.
//!
//! # Model checking
//!
//! With `--cfg parshall_loom` these channels are part of your own loom models: see
//! [`model_checking`](crate::model_checking).
//!
//! # Panicking wakers and drops
//!
//! The waker of one task, which panics when it is called or dropped, costs no other task a message,
//! a permit or a wake-up. The call in which that happens wakes all others first. If it owes its
//! caller anything, it returns that: an error with the message in it, a sender, a permit, a
//! message, how many there were, or that a poll is ready. If it owes nothing, it goes on with the
//! first such panic: a drop, `close`, [`Permit::send`], or a send that is done and is not polled,
//! as `try_send` and `blocking_send`. While the thread is unwinding already, no such panic goes on.
//!
//! A panic in the drop of a message that this very call drops goes on: of a receiver or a [`Drain`]
//! that is dropped after all messages were, of a permit's send after the receiver has gone when the
//! room is back.
//!
//! # Beyond Tokio
//!
//! [`Builder`] (names), `set_name` on every handle, [`Sender::len`], [`Sender::is_empty`],
//! [`Sender::is_full`], `stats` on handles that are not weak, [`Receiver::blocking_recv_timeout`],
//! [`Receiver::blocking_recv_deadline`], [`Sender::blocking_send_timeout`], `send_timeout` with any
//! runtime's [`Timer`], `send_many` and its kin on both senders, [`Stream`](futures_core::Stream)
//! and [`FusedStream`](futures_core::stream::FusedStream) for [`Receiver`], its iterators
//! ([`Receiver::iter`], [`Receiver::try_iter`], [`Receiver::drain`], [`IntoIterator`]), and, with
//! feature `sink`, `PollSender`, which is tokio-util's without its allocation. A value sent through
//! a permit after the receiver was dropped is dropped at once, not when the last handle goes.
//! Dropping the receiver goes on past any number of panicking drops and then resumes the first
//! panic.

#![forbid(unsafe_code)]

#[cfg(doctest)]
mod bounds;
mod builder;
pub mod error;
#[cfg(all(test, not(parshall_loom)))]
mod first_block;
mod iter;
mod permit;
#[cfg(feature = "sink")]
mod poll_sender;
mod receiver;
mod sender;
#[cfg(all(test, not(parshall_loom)))]
mod steps;
mod unbounded;
#[cfg(feature = "sink")]
mod unbounded_sink;
mod weak;

pub use builder::{Builder, channel, unbounded_channel};
pub use iter::{Drain, IntoIter, Iter, TryIter};
pub use permit::{OwnedPermit, Permit, PermitIterator};
#[cfg(feature = "sink")]
pub use poll_sender::{PollSendError, PollSender};
pub use receiver::Receiver;
pub use sender::Sender;
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
#[cfg(feature = "sink")]
pub use unbounded_sink::UnboundedSink;
pub use weak::WeakSender;

pub use crate::runtime::{Timeout, Timer};
