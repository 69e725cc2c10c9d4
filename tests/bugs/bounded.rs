//! The classes on the bounded channel: those both flavours share, then its own.

#[path = "both/drops.rs"]
mod drops;
#[path = "both/memory.rs"]
mod memory;
#[path = "both/races.rs"]
mod races;
#[path = "both/reentry.rs"]
mod reentry;
#[path = "both/states.rs"]
mod states;
#[path = "both/waits.rs"]
mod waits;
#[path = "both/wakers.rs"]
mod wakers;

use std::collections::VecDeque;

use parshall::mpsc;
use parshall::mpsc::error::TrySendError;
use parshall::mpsc::{Receiver as Rx, Sender as Tx, WeakSender as Weak};

/// A channel with room for so many messages.
fn channel<T>(room: usize) -> (Tx<T>, Rx<T>) {
    mpsc::channel(room)
}

/// Sends into the room that is there; closed, it gives the message back.
fn send<T>(tx: &Tx<T>, value: T) -> Result<(), T> {
    tx.try_send(value).map_err(TrySendError::into_inner)
}

/// Sends all in one step. There must be room.
fn send_all<T>(tx: &Tx<T>, mut messages: VecDeque<T>) {
    let n = messages.len();
    assert_eq!(tx.try_send_many(&mut messages), Ok(n));
}

/// All room is there, none twice.
fn whole<T>(tx: &Tx<T>) {
    assert_eq!((tx.capacity(), tx.stats().reserved), (tx.max_capacity(), 0));
}
