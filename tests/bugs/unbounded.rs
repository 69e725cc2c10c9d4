//! The classes on the unbounded channel.

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
use parshall::mpsc::{UnboundedReceiver as Rx, UnboundedSender as Tx, WeakUnboundedSender as Weak};

/// There is always room.
fn channel<T>(_room: usize) -> (Tx<T>, Rx<T>) {
    mpsc::unbounded_channel()
}

/// Sends; closed, it gives the message back.
fn send<T>(tx: &Tx<T>, value: T) -> Result<(), T> {
    tx.send(value).map_err(|closed| closed.0)
}

/// Sends all in one step.
fn send_all<T>(tx: &Tx<T>, mut messages: VecDeque<T>) {
    tx.send_many(&mut messages).unwrap();
}

/// There is no room to lose.
fn whole<T>(_: &Tx<T>) {}
