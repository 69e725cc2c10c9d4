//! The sending handle.

use core::fmt;
use core::future::{Future, poll_fn};
use core::panic::{Location, RefUnwindSafe, UnwindSafe};
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use super::Timeout;
use super::error::{SendError, SendTimeoutError, TrySendError};
use crate::chan::{Chan, ChannelStats, Missing, Trace};
use crate::ring::Refused;
use crate::runtime;
use crate::sync::plain::Arc;
use crate::telemetry::task::as_thread;
use crate::unwind::{OwesNothing, OwesValue};
use crate::wait::{Call, Want, block_on, block_on_until};

/// Sends messages to the one [`Receiver`](super::Receiver) of its channel.
///
/// Cloning is cheap; the channel closes when the last sender and owned permit are dropped. From
/// [`channel`](super::channel) or a [`Builder`](super::Builder).
pub struct Sender<T> {
    chan: Chan<T>,
    trace: Trace,
}

impl<T> Sender<T> {
    /// A sender that the counts know already.
    pub(super) fn new(chan: Chan<T>, trace: Trace) -> Self {
        Self { chan, trace }
    }

    /// A clone, made at `place`.
    pub(super) fn clone_at(&self, location: &'static Location<'static>) -> Self {
        self.chan.counts.add_strong();
        Self { chan: self.chan.clone(), trace: self.chan.trace_clone(&self.trace, location) }
    }

    pub(super) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    /// Sends a message, waiting in line for room.
    ///
    /// # Errors
    /// [`SendError`] with the message if the receiver is closed or dropped, also while waiting.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message was not sent, and is dropped; the place in line is
    /// lost. To keep the message, use [`Sender::reserve`].
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::channel(1);
    /// tx.send(1).await.unwrap();
    /// assert_eq!(rx.recv().await, Some(1));
    /// # }
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> + use<'_, T> {
        self.chan.send(value)
    }

    /// Sends a message, waiting in line for room until `timeout` is over: a [`Timer`](super::Timer)
    /// around any timer's future, or with feature `tokio` a [`Duration`].
    ///
    /// A duration counts from the first poll. One that is too long to be told, as [`Duration::MAX`]
    /// is, never ends. Room that is there is used however short the time. Other timeouts than
    /// durations are an addition to Tokio's interface.
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`] or [`SendTimeoutError::Closed`], with the message.
    ///
    /// # Panics
    /// With a [`Duration`], outside a Tokio runtime or in one without timers, as Tokio's.
    ///
    /// # Cancel safety
    /// As [`Sender::send`].
    ///
    /// # Examples
    /// ```
    /// use parshall::mpsc::{self, Timer, error::SendTimeoutError};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use std::time::Duration;
    /// # use tokio::time::sleep;
    /// let (tx, _rx) = mpsc::channel(1);
    /// tx.try_send("first").unwrap();
    /// // With feature `tokio`, Duration::from_millis(5) alone says the same.
    /// let late = tx.send_timeout("second", Timer(sleep(Duration::from_millis(5)))).await;
    /// assert_eq!(late, Err(SendTimeoutError::Timeout("second")));
    /// # }
    /// ```
    pub async fn send_timeout<L: Timeout>(
        &self,
        value: T,
        timeout: L,
    ) -> Result<(), SendTimeoutError<T>> {
        let mut timer = pin!(timeout.start());
        let (missing, value) = match self.chan.begin_send(value) {
            Ok(()) => return Ok(()),
            Err((Missing::Receiver, value)) => return Err(self.closed_in_time(value)),
            Err(missing) => missing,
        };
        let deadline = timer.as_ref().as_pin_ref().and_then(|timer| L::deadline(&timer));
        let want = Want::new(Call::Send, 1).by(deadline);
        let mut acquire = self.chan.acquire(want, missing);
        let acquired = poll_fn(|cx| match Pin::new(&mut acquire).poll(cx) {
            Poll::Ready(acquired) => Poll::Ready(Some(acquired)),
            Poll::Pending => match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|_| None),
                None => Poll::Pending,
            },
        });
        match acquired.await {
            Some(Ok(())) => {
                self.chan.send_reserved::<OwesValue>(value);
                Ok(())
            }
            Some(Err(_)) => Err(self.closed_in_time(value)),
            None => {
                acquire.give_up::<OwesValue>();
                Err(SendTimeoutError::Timeout(value))
            }
        }
    }

    fn closed_in_time<V>(&self, value: V) -> SendTimeoutError<V> {
        SendTimeoutError::Closed(self.closed_error(value).0)
    }

    #[cold]
    pub(super) fn closed_error<V>(&self, value: V) -> SendError<V> {
        self.chan.count_refusal(Refused::Closed);
        SendError(value)
    }

    /// Waits until the receiver is closed or dropped; returns at once if it is.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, rx) = parshall::mpsc::channel::<u8>(1);
    /// drop(rx);
    /// tx.closed().await;
    /// # }
    /// ```
    pub async fn closed(&self) {
        self.chan.until_closed().await;
    }

    /// Sends a message if there is room and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySendError::Full`] or [`TrySendError::Closed`], with the message.
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.chan
            .try_send::<OwesNothing>(message)
            .map_err(|(refused, message)| self.refused(refused, message))
    }

    #[cold]
    pub(super) fn refused<V>(&self, refused: Refused, value: V) -> TrySendError<V> {
        self.chan.count_refusal(refused);
        match refused {
            Refused::Full => TrySendError::Full(value),
            Refused::Closed => TrySendError::Closed(value),
        }
    }

    /// Sends all of `messages`, in order, waiting in line for room. What has been sent leaves the
    /// deque at its front.
    ///
    /// As many as there is room for go in one step, with nothing between them; while the channel is
    /// full, one by one, so that nobody behind waits longer than for a single send. With nothing to
    /// send it is done at once, also on a closed channel. An addition to Tokio's interface.
    ///
    /// # Errors
    /// [`SendError`] if the receiver is closed or dropped, also while waiting. The messages that
    /// were not sent are still in the deque.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the messages that were not sent are still in the deque, in
    /// order; the place in line is lost.
    ///
    /// # Examples
    /// ```
    /// # use std::collections::VecDeque;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::channel(8);
    /// let mut words = VecDeque::from(["a", "b", "c"]);
    /// tx.send_many(&mut words).await.unwrap();
    /// assert!(words.is_empty());
    /// let mut got = Vec::new();
    /// assert_eq!(rx.recv_many(&mut got, 8).await, 3);
    /// assert_eq!(got, ["a", "b", "c"]);
    /// # }
    /// ```
    pub async fn send_many(&self, messages: &mut VecDeque<T>) -> Result<(), SendError<()>> {
        while !messages.is_empty() {
            match self.chan.begin_send_many(messages) {
                Ok(()) => {}
                Err(Missing::Receiver) => return Err(self.closed_error(())),
                Err(missing) => {
                    match self.chan.acquire(Want::new(Call::SendMany, 1), missing).await {
                        Ok(()) => messages
                            .pop_front()
                            .into_iter()
                            .for_each(|first| self.chan.send_reserved::<OwesValue>(first)),
                        Err(_) => return Err(self.closed_error(())),
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends as many of `messages`, from the front, as there is room for, and returns how many;
    /// they leave the deque. All of them go in one step, with nothing between them. An addition to
    /// Tokio's interface.
    ///
    /// # Errors
    /// [`TrySendError::Full`] if there is no room for the first, or others wait for it;
    /// [`TrySendError::Closed`]. The deque is as it was.
    ///
    /// # Examples
    /// ```
    /// # use std::collections::VecDeque;
    /// let (tx, rx) = parshall::mpsc::channel(2);
    /// let mut numbers = VecDeque::from([1, 2, 3]);
    /// assert_eq!(tx.try_send_many(&mut numbers), Ok(2));
    /// assert_eq!((rx.len(), numbers), (2, VecDeque::from([3])));
    /// ```
    pub fn try_send_many(&self, messages: &mut VecDeque<T>) -> Result<usize, TrySendError<()>> {
        if messages.is_empty() {
            return Ok(0);
        }
        self.chan.try_send_many(messages).map_err(|refused| self.refused(refused, ()))
    }

    /// [`Sender::send_many`], blocking this thread. An addition to Tokio's interface.
    ///
    /// # Errors
    /// As [`Sender::send_many`].
    ///
    /// # Panics
    /// As [`Sender::blocking_send`].
    #[track_caller]
    pub fn blocking_send_many(&self, messages: &mut VecDeque<T>) -> Result<(), SendError<()>> {
        runtime::may_block();
        as_thread(|| block_on(self.send_many(messages)))
    }

    /// Sends a message, blocking this thread while it waits in line for room.
    ///
    /// # Errors
    /// [`SendError`] with the message if the receiver is closed or dropped, also while waiting.
    ///
    /// # Panics
    /// With feature `tokio`, in asynchronous code of a Tokio runtime, as Tokio's. The message is
    /// dropped. On WebAssembly without threads, if it would have to wait: nobody could wake it.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = parshall::mpsc::channel(1);
    /// let worker = std::thread::spawn(move || (0..3).try_for_each(|i| tx.blocking_send(i)));
    /// assert_eq!((rx.blocking_recv(), rx.blocking_recv()), (Some(0), Some(1)));
    /// drop(rx);
    /// worker.join().unwrap().unwrap_or_else(|refused| assert_eq!(refused.0, 2));
    /// ```
    #[track_caller]
    #[doc(alias = "send_blocking")]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        runtime::may_block();
        self.send_until(value, || None).map_err(|error| SendError(error.into_inner()))
    }

    /// [`Sender::blocking_send`] for at most `timeout`. An addition to Tokio's interface.
    ///
    /// Room that is there is used however short the time. A `timeout` too long to be told, as
    /// [`Duration::MAX`] is, never ends.
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`] or [`SendTimeoutError::Closed`], with the message.
    ///
    /// # Panics
    /// As [`Sender::blocking_send`].
    ///
    /// # Examples
    /// ```
    /// use parshall::mpsc::{self, error::SendTimeoutError};
    /// use std::time::Duration;
    /// let (tx, rx) = mpsc::channel(1);
    /// let timeout = Duration::from_millis(1);
    /// assert_eq!(tx.blocking_send_timeout(1, timeout), Ok(()));
    /// assert_eq!(tx.blocking_send_timeout(2, timeout), Err(SendTimeoutError::Timeout(2)));
    /// drop(rx);
    /// assert_eq!(tx.blocking_send_timeout(3, timeout), Err(SendTimeoutError::Closed(3)));
    /// ```
    #[track_caller]
    pub fn blocking_send_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        runtime::may_block();
        self.send_until(value, || Instant::now().checked_add(timeout))
    }

    fn send_until(
        &self,
        value: T,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        let (refused, value) = match self.chan.try_send::<OwesNothing>(value) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        if refused == Refused::Closed {
            return Err(self.closed_in_time(value));
        }
        let deadline = deadline();
        let want = Want::new(Call::Send, 1).by(deadline);
        let mut acquire = self.chan.acquire(want, Missing::Room);
        match as_thread(|| block_on_until(&mut acquire, deadline)) {
            Some(Ok(())) => {
                self.chan.send_reserved::<OwesNothing>(value);
                Ok(())
            }
            Some(Err(_)) => Err(self.closed_in_time(value)),
            None => {
                acquire.give_up::<OwesValue>();
                Err(SendTimeoutError::Timeout(value))
            }
        }
    }

    /// Whether the receiver was closed or dropped. Once true, true for ever.
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Whether both send to the same receiver. Never changes.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// Room for further messages: capacity less messages and permits, 0 while anybody waits for
    /// room. May change at any time.
    pub fn capacity(&self) -> usize {
        self.chan.capacity() as usize
    }

    /// The capacity the channel was made with. Never changes.
    pub fn max_capacity(&self) -> usize {
        self.chan.max_capacity() as usize
    }

    /// Messages in the channel, at most [`Sender::max_capacity`]. May change at any time. An
    /// addition to Tokio's interface.
    pub fn len(&self) -> usize {
        self.chan.len() as usize
    }

    /// Whether the channel has no messages. May change at any time. An addition to Tokio's
    /// interface.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `try_send` would say `Full`: messages and permits fill the channel, or somebody
    /// waits for room. May change at any time. An addition to Tokio's interface.
    pub fn is_full(&self) -> bool {
        self.capacity() == 0
    }

    /// Senders and owned permits of this channel. May change at any time; at least 1.
    pub fn strong_count(&self) -> usize {
        self.chan.sender_count()
    }

    /// Weak senders of this channel. May change at any time.
    pub fn weak_count(&self) -> usize {
        self.chan.counts.weak()
    }

    /// What the channel reports of itself; see [`ChannelStats`] for how long it stays true. An
    /// addition to Tokio's interface.
    pub fn stats(&self) -> ChannelStats {
        self.chan.stats()
    }

    /// Gives the channel a name, at any time. An addition to Tokio's interface.
    ///
    /// From then on it is the `name` in [`ChannelStats`] and in the graph. The id of the channel
    /// stays what it was, and so does the name under which the sums of the dead channels are kept:
    /// both go by the name that the channel was created with. A name may be any text, of any
    /// length, and is kept and shown as it is: whoever prints it looks after control characters. It
    /// is freed with the channel, or when another one is given.
    ///
    /// # Examples
    /// ```
    /// // Where a framework has made the channel.
    /// let (tx, _rx) = parshall::mpsc::channel::<u8>(8);
    /// tx.set_name("billing mailbox");
    /// assert_eq!(tx.stats().name, "billing mailbox");
    /// ```
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.chan.info().set_name(name.into());
    }
}

impl<T> Clone for Sender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.clone_at(Location::caller())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.chan.untrace(&self.trace);
        self.chan.drop_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("chan", &format_args!("..")).finish()
    }
}

// A panic elsewhere leaves no channel half-changed: see `unwind`.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
