//! Waiting, on both sides, and why no wake-up is lost.
//!
//! Nothing here knows the ring: this layer keeps wakers and waiters, says who is to be woken, and
//! wakes outside any lock. `chan` ties it to the ring.
//!
//! # The receiver sleeps only when nothing is coming
//!
//! Two steps on the tail word T decide it:
//!
//! * **park**: the receiver puts its waker into the cell and swaps RX_PARKED into T, from a word in which
//!   `pos` equals its head. The swap compares with the newest word, so nothing was claimed before it.
//! * **end of park**: every step that may bring news (claim, permit sent, last permit back after
//!   closing, last sender gone) clears RX_PARKED in the same swap. Exactly one step finds the bit set; its
//!   owner publishes, takes the waker out of the cell and wakes it.
//!
//! Claim before park: then `pos` differs from the head and the park fails. Claim after park: then it clears
//! the bit and wakes. There is no third case, for both are swaps on one word. What a claim has not yet
//! published when the receiver looks is *in flight*: the receiver never parks on it, it yields.
//!
//! # A sender sleeps only when its wake-up is someone's duty
//!
//! Room comes back in two ways: the head moves (H), or a permit returns (T). A sender registers by
//! setting TX_QUEUED in T and TX_WAITING in H, and then, under the queue's lock, looks for room once more.
//!
//! * A pop or a release *before* that bit was set, in the order of steps on its word, is seen by the
//!   look that follows.
//! * A pop or a release *after* it finds the bit, and its owner serves the queue.
//!
//! The bits change under the queue's lock. TX_WAITING may still stand from an earlier wait, and is then
//! not set anew. Every pop finds it, and serves the queue under the lock: if it does so before the
//! registration, the look under the same lock sees its step on H; if after, it serves the new waiter.
//!
//! While TX_QUEUED is set no claim succeeds, so nobody overtakes.
//!
//! # A wait that ends early takes nothing with it
//!
//! A cancelled waiter leaves the list, and the units that were assigned to it are released through the one
//! release function, which serves the next. A granted waiter that is dropped before it is polled does
//! the same. A *forgotten* one (`mem::forget`) keeps what it was granted, as in Tokio; telemetry counts
//! it under `granted_waiters`.
//!
//! Checked by `loom-tests/tests/{receiver,senders,close}.rs`.

mod batch;
#[cfg(not(parshall_loom))]
mod block_on;
mod cell;
mod census;
mod queue;
mod row;
mod rx_waker;

pub(crate) use batch::FirstPanic;
#[cfg(not(parshall_loom))]
pub(crate) use block_on::{block_on, block_on_until};
pub(crate) use census::{WaitTotals, Waiting};
pub(crate) use queue::{Key, Source, Ticket, Wait, WaitQueue};
pub(crate) use rx_waker::RxWaker;

#[cfg(parshall_loom)]
pub(crate) use crate::sync::{block_on, block_on_until};
