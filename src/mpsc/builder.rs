//! How channels begin.

use core::panic::Location;

use super::{Receiver, Sender};
use crate::chan::{Chan, Settings};
use crate::sync::plain::Arc;
use crate::telemetry::registry;

/// Makes a bounded channel for `buffer` messages.
///
/// The capacity is exact for any number from 1 up to 16,777,215. The channel's name in telemetry is the
/// place of this call; see [`Builder`] to give it one.
///
/// # Panics
/// If `buffer` is 0, or larger than the limit above, or if the ring's memory cannot be had.
///
/// # Examples
/// ```
/// let (tx, mut rx) = parshall::mpsc::channel(100);
/// tx.blocking_send("hello")?;
/// assert_eq!(rx.blocking_recv(), Some("hello"));
/// # Ok::<(), parshall::mpsc::error::SendError<&str>>(())
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    Builder::new().capacity(buffer).build()
}

/// A channel with a name, or one that telemetry does not list. An addition to Tokio's interface.
///
/// # Examples
/// ```
/// let (tx, _rx) = parshall::mpsc::Builder::new().name("wal").capacity(8).build::<Vec<u8>>();
/// assert_eq!((tx.stats().name.as_str(), tx.max_capacity()), ("wal", 8));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    name: Option<Arc<str>>,
    capacity: usize,
    tracked: bool,
    #[cfg(any(test, parshall_loom, fuzzing))]
    start: u64,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The capacity, in messages, of a channel whose builder was not told one.
    pub const DEFAULT_CAPACITY: usize = 128;

    /// A nameless, tracked channel of [`Builder::DEFAULT_CAPACITY`].
    pub fn new() -> Self {
        Self {
            name: None,
            capacity: Self::DEFAULT_CAPACITY,
            tracked: true,
            #[cfg(any(test, parshall_loom, fuzzing))]
            start: 0,
        }
    }

    /// The channel's name in telemetry: any text. It need not be unique: the second channel of a
    /// name has `#2` at the end of its id, and so on. Names should be few and lasting, as
    /// metric labels are: each distinct one is remembered as long as the process lives, up to 65,536.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The number of messages and permits that the channel holds at most.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Keeps the channel out of snapshots. Its `stats` work all the same.
    pub fn untracked(mut self) -> Self {
        self.tracked = false;
        self
    }

    /// For tests of the wrap: the number of the first message.
    #[cfg(any(test, parshall_loom, fuzzing))]
    #[doc(hidden)]
    pub fn start_at(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    /// Makes the channel.
    ///
    /// # Panics
    /// As [`channel`].
    #[track_caller]
    pub fn build<T>(self) -> (Sender<T>, Receiver<T>) {
        assert!(self.capacity > 0, "mpsc bounded channel requires buffer > 0");
        let on_drop: fn(&_, _) = registry::leave;
        let (chan, consumer) = Chan::create(Settings {
            name: self.name,
            capacity: self.capacity as u64,
            location: Location::caller(),
            on_drop: self.tracked.then_some(on_drop),
            #[cfg(any(test, parshall_loom, fuzzing))]
            start: self.start,
            #[cfg(not(any(test, parshall_loom, fuzzing)))]
            start: 0,
        });
        if self.tracked {
            registry::enter(chan.shared());
        }
        (Sender::new(chan), Receiver::new(consumer))
    }
}
