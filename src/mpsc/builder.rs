//! How channels begin.

use core::panic::Location;

use super::{Receiver, Sender, UnboundedReceiver, UnboundedSender};
use crate::chan::{Chan, ChannelOptions, Forced, Shape};
use crate::introspect::registry;
use crate::sync::plain::Arc;

/// Makes a bounded channel for `buffer` messages.
///
/// The capacity is exact for any number from 1 up to `usize::MAX >> 3`, and creating a channel
/// takes as long for a large one as for a small one: memory is taken as messages come.
///
/// # Its name
/// In telemetry a channel that was given no name goes by the place of this call, `src/main.rs:17`.
/// A function of yours that makes channels for others passes their place on with `#[track_caller]`:
///
/// ```
/// use parshall::mpsc;
///
/// #[track_caller]
/// fn mailbox() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
///     mpsc::channel(64)
/// }
///
/// let (tx, _rx) = mailbox(); // the place of this line, not of the one in `mailbox`
/// # let line = line!() - 1;
/// # assert!(tx.stats().name.ends_with(&format!(":{line}")), "{}", tx.stats().name);
/// ```
///
/// Closures, `async` functions and what is passed as a function have no caller to pass on. A
/// constructor that is itself passed as a function is called from inside of the standard library,
/// or as if from here: its place tells nothing, so the name is the type of the messages. Use a
/// [`Builder`] to name such a channel, or `set_name` on a handle:
///
/// ```
/// use parshall::mpsc::{self, Builder};
/// # struct Order;
///
/// let made = Some(8).map(mpsc::channel::<Order>);
/// assert_eq!(made.unwrap().0.stats().name, "Order");
///
/// let named = Some(8).map(|n| Builder::new().name("orders").capacity(n).build::<Order>());
/// assert_eq!(named.unwrap().0.stats().name, "orders");
/// ```
///
/// # Panics
/// If `buffer` is 0 or larger than `usize::MAX >> 3`.
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

/// Makes an unbounded channel: a send never waits, and memory is the only limit.
///
/// The channel's name in telemetry is the place of this call, as for [`channel`]; see [`Builder`]
/// to give it one. Memory is taken by blocks of 32 messages as they come, and given back as they
/// are received.
///
/// # Examples
/// ```
/// let (tx, mut rx) = parshall::mpsc::unbounded_channel();
/// tx.send("hello")?;
/// assert_eq!(rx.blocking_recv(), Some("hello"));
/// # Ok::<(), parshall::mpsc::error::SendError<&str>>(())
/// ```
#[track_caller]
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    Builder::new().build_unbounded()
}

/// As Tokio's semaphore, whose limit this is.
const MAX_CAPACITY: usize = usize::MAX >> 3;

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
    forced: Forced,
    trace_senders: bool,
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
            forced: Forced::default(),
            trace_senders: false,
        }
    }

    /// The channel's name in telemetry: any text, of any length, kept and shown as it is. It need
    /// not be unique: the second channel of a name has `#2` at the end of its id, and so on. Names
    /// should be few and lasting, as metric labels are: each distinct one is remembered as long as
    /// the process lives, up to 65,536. A name that changes, or that only one channel will ever
    /// have, is better given by [`Sender::set_name`], which is remembered no longer than the
    /// channel lives.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The number of messages and permits that the channel holds at most. Of them at most
    /// 16,777,215 can be permits that are out at the same time: beyond that `try_reserve` finds the
    /// channel full, and `reserve` waits.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Keeps the channel out of snapshots, which only count it. Its `stats` work all the same.
    pub fn untracked(mut self) -> Self {
        self.tracked = false;
        self
    }

    /// Keeps in mind where each sender that lives was made, by whom, and since when:
    /// [`ChannelSnapshot::senders`](crate::ChannelSnapshot::senders). So the question who keeps a
    /// channel open is answered by a line of code.
    ///
    /// Of a sender that is cloned, it is the line of the `clone`; in a derived `Clone` that of the
    /// `derive`, in a generic function one of that, in the standard library (`vec![tx; 8]`) one in
    /// there. An owned permit counts as the sender that it was reserved by, and a `PollSender`, an
    /// `UnboundedSink` as the one inside.
    ///
    /// To make a sender then takes an allocation, to drop it frees that, and each takes a short
    /// lock. Messages cost what they always do.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = parshall::mpsc::Builder::new().name("wal").trace_senders().build::<u8>();
    /// let kept = tx.clone(); // forgotten somewhere
    /// # let line = line!() - 1;
    /// drop(tx);
    /// let mut channels = parshall::snapshot().channels.into_iter();
    /// let wal = channels.find(|c| c.stats.name == "wal").unwrap();
    /// let senders = wal.senders.unwrap();
    /// assert_eq!(senders.len(), 1);
    /// # assert!(senders[0].location.contains(&format!(":{line}:")));
    /// println!("still open since {}: {}", senders[0].since_ns, senders[0].location);
    /// # drop(kept);
    /// ```
    pub fn trace_senders(mut self) -> Self {
        self.trace_senders = true;
        self
    }

    /// For tests of the wrap: the number of the first message.
    #[cfg(any(test, parshall_loom, fuzzing))]
    #[doc(hidden)]
    pub fn start_at(mut self, start: u64) -> Self {
        self.forced.start = Some(start);
        self
    }

    /// For tests: the storage of a large channel, whatever the capacity.
    #[cfg(any(test, parshall_loom, fuzzing))]
    #[doc(hidden)]
    pub fn in_blocks(mut self) -> Self {
        self.forced.in_blocks = true;
        self
    }

    /// Makes a bounded channel.
    ///
    /// # Panics
    /// As [`channel`].
    #[track_caller]
    pub fn build<T>(self) -> (Sender<T>, Receiver<T>) {
        assert!(self.capacity > 0, "mpsc bounded channel requires buffer > 0");
        assert!(
            self.capacity <= MAX_CAPACITY,
            "a semaphore may not have more than MAX_PERMITS permits ({MAX_CAPACITY})"
        );
        #[cfg(all(feature = "testing", not(parshall_loom)))]
        let capacity = crate::testing::squeeze::squeezed(self.capacity);
        #[cfg(not(all(feature = "testing", not(parshall_loom))))]
        let capacity = self.capacity;
        let capacity = Some(capacity as u64);
        self.create(capacity, Location::caller())
    }

    /// Makes an unbounded channel; the builder's capacity counts for nothing.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = parshall::mpsc::Builder::new().name("events").build_unbounded();
    /// tx.send("started")?;
    /// assert_eq!((rx.stats().name.as_str(), rx.stats().capacity), ("events", None));
    /// # Ok::<(), parshall::mpsc::error::SendError<&str>>(())
    /// ```
    #[track_caller]
    pub fn build_unbounded<T>(self) -> (UnboundedSender<T>, UnboundedReceiver<T>) {
        let (sender, receiver) = self.create(None, Location::caller());
        (UnboundedSender::new(sender), UnboundedReceiver::new(receiver))
    }

    fn create<T>(
        self,
        capacity: Option<u64>,
        location: &'static Location<'static>,
    ) -> (Sender<T>, Receiver<T>) {
        let on_drop = if self.tracked { registry::leave } else { registry::leave_untracked };
        // Nobody would look at those of an untracked channel.
        let trace_senders = self.trace_senders && self.tracked && cfg!(feature = "introspect");
        let (chan, consumer) = Chan::create(ChannelOptions {
            name: self.name,
            shape: Shape { capacity, forced: self.forced },
            location,
            trace_senders,
            on_drop: Some(on_drop),
        });
        let trace = chan.trace(location);
        if self.tracked {
            registry::enter(chan.shared());
        } else {
            registry::enter_untracked();
        }
        (Sender::new(chan, trace), Receiver::new(consumer))
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Waker};

    use super::*;

    /// Stamps wrap after 2^32 messages, positions after 2^36, and the head counts on.
    ///
    /// Seen to fail with: stamps that saturate; a ring whose first stamps are 0 wherever it starts;
    /// and, `since` without its mask. The last two hang.
    #[test]
    fn b10_a_channel_works_across_every_wrap() {
        // Under Miri a few will do: it looks for other faults than wrong numbers.
        let few = if cfg!(miri) { 2 } else { usize::MAX };
        for wrap in [1u64 << 32, 1 << 36, (1 << 36) + (1 << 32), 1 << 37].into_iter().take(few) {
            let shapes = [(1, 1), (1, 5), (2, 1), (2, 3), (3, 5), (5, 8), (64, 40)];
            let in_array_and_blocks =
                shapes.into_iter().take(few).flat_map(|s| [(s, false), (s, true)]);
            for ((capacity, before), in_blocks) in in_array_and_blocks {
                let mut builder = Builder::new().capacity(capacity).untracked();
                if in_blocks {
                    builder = builder.in_blocks();
                }
                let (tx, mut rx) = builder.start_at(wrap - before).build();
                let mut cx = Context::from_waker(Waker::noop());
                let (mut next, mut expected) = (0, 0);
                for round in (0..20).take(few.saturating_mul(3)) {
                    // A stamp that seems right too early is read here.
                    assert!(!tx.is_empty() || rx.try_recv().is_err(), "{wrap} {capacity}");
                    // Filled by sends, and by permits that are taken before and used across the
                    // wrap.
                    let mut permits = tx.try_reserve_many(capacity / 2).unwrap();
                    while tx.try_send(next).is_ok() {
                        next += 1;
                    }
                    permits.by_ref().for_each(|permit| {
                        permit.send(next);
                        next += 1;
                    });
                    assert_eq!((tx.len(), tx.capacity()), (capacity, 0), "{wrap} {capacity}");
                    {
                        // One more waits, and is let in by the first that goes.
                        let mut send = pin!(tx.send(next));
                        assert!(send.as_mut().poll(&mut cx).is_pending());
                        assert_eq!(rx.try_recv(), Ok(expected));
                        assert!(send.as_mut().poll(&mut cx).is_ready());
                    }
                    (next, expected) = (next + 1, expected + 1);
                    let mut got = Vec::new();
                    while rx.len() > round % 2 {
                        assert!(rx.poll_recv_many(&mut cx, &mut got, 3).is_ready());
                    }
                    for message in got {
                        assert_eq!(message, expected, "{wrap} {capacity}");
                        expected += 1;
                    }
                    assert_eq!((tx.len(), tx.stats().reserved), (next - expected, 0));
                }
                assert!(tx.stats().high_watermark <= capacity as u64);
            }
        }
    }
}
