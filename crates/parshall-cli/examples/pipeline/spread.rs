//! One sender for a stage of several workers, each with a channel of its own.

use parshall::mpsc::error::{SendError, TrySendError};
use parshall::mpsc::{Builder, Receiver, Sender};

/// Gives each message to the next worker that has room. If none has, it waits for the one in turn.
pub(crate) struct Spread<T> {
    workers: Vec<Sender<T>>,
    turn: usize,
}

/// Channels `{name}-1` to `{name}-{workers}`.
pub(crate) fn channels<T>(
    name: &str,
    workers: u32,
    capacity: usize,
) -> (Spread<T>, Vec<Receiver<T>>) {
    let (workers, receivers) = (1..=workers)
        .map(|n| Builder::new().name(format!("{name}-{n}")).capacity(capacity).build())
        .unzip();
    (Spread { workers, turn: 0 }, receivers)
}

impl<T> Spread<T> {
    pub(crate) async fn send(&mut self, mut message: T) -> Result<(), SendError<T>> {
        for _ in 0..self.workers.len() {
            match self.next().try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back) | TrySendError::Closed(back)) => message = back,
            }
        }
        self.next().send(message).await
    }

    fn next(&mut self) -> &Sender<T> {
        self.turn = (self.turn + 1) % self.workers.len();
        &self.workers[self.turn]
    }
}

/// Written out, since a derived one would ask for `T: Clone`.
impl<T> Clone for Spread<T> {
    fn clone(&self) -> Self {
        Self { workers: self.workers.clone(), turn: self.turn }
    }
}
