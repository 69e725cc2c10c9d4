//! The handles of a channel without a capacity.

use core::fmt;
#[cfg(feature = "sink")]
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::error::{RecvTimeoutError, SendError, TryRecvError};
use super::receiver::POLLED;
use super::{Drain, IntoIter, Iter, Receiver, Sender, TryIter, WeakSender};
use crate::chan::ChannelStats;
use crate::ring::{NotPlain, Refused, Unbounded};
use crate::sync::plain::Arc;
use crate::unwind::OwesNothing;

/// Sends messages to the one [`UnboundedReceiver`] of its channel, never waiting.
///
/// Cloning is cheap; the channel closes when the last sender is dropped. From
/// [`unbounded_channel`](super::unbounded_channel) or a [`Builder`](super::Builder).
pub struct UnboundedSender<T> {
    inner: Sender<T>,
}

impl<T> UnboundedSender<T> {
    pub(super) fn new(inner: Sender<T>) -> Self {
        Self { inner }
    }

    /// A clone, made at `place`.
    #[cfg(feature = "sink")]
    pub(super) fn clone_at(&self, location: &'static Location<'static>) -> Self {
        Self { inner: self.inner.clone_at(location) }
    }

    /// Sends a message.
    ///
    /// Memory that cannot be had, and more than 2^35 messages in the channel, end the process.
    ///
    /// # Errors
    /// [`SendError`] with the message if the receiver is closed or dropped.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        match self.inner.chan().send_plainly::<OwesNothing>(message) {
            Ok(()) => Ok(()),
            Err((from, message)) => self.send_slow(from, message),
        }
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&self, from: NotPlain, message: T) -> Result<(), SendError<T>> {
        match self.inner.chan().send_generally::<OwesNothing>(from, message) {
            Ok(()) => Ok(()),
            Err((Refused::Closed, message)) => Err(self.inner.closed_error(message)),
            // 2^35 messages: as Tokio, whose count of messages would overflow.
            Err((Refused::Full, _)) => std::process::abort(),
        }
    }

    /// Sends all of `messages`, in order and in one step, with nothing between them; the deque is
    /// empty then. An addition to Tokio's interface.
    ///
    /// # Errors
    /// [`SendError`] if the receiver is closed or dropped. The deque is as it was.
    ///
    /// # Examples
    /// ```
    /// # use std::collections::VecDeque;
    /// let (tx, rx) = parshall::mpsc::unbounded_channel();
    /// let mut words = VecDeque::from(["a", "b"]);
    /// tx.send_many(&mut words)?;
    /// assert_eq!((rx.len(), words.len()), (2, 0));
    /// # Ok::<(), parshall::mpsc::error::SendError<()>>(())
    /// ```
    pub fn send_many(&self, messages: &mut VecDeque<T>) -> Result<(), SendError<()>> {
        while !messages.is_empty() {
            match self.inner.chan().try_send_many(messages) {
                Ok(_) => {}
                Err(Refused::Closed) => return Err(self.inner.closed_error(())),
                // As `send`.
                Err(Refused::Full) => std::process::abort(),
            }
        }
        Ok(())
    }

    /// Waits until the receiver is closed or dropped; returns at once if it is.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn closed(&self) {
        self.inner.closed().await;
    }

    /// Whether the receiver was closed or dropped. Once true, true for ever.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether both send to the same receiver. Never changes.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// Messages in the channel. May change at any time. An addition to Tokio's interface.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether the channel has no messages. May change at any time. An addition to Tokio's
    /// interface.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A handle that does not keep the channel open.
    #[must_use = "Downgrade creates a WeakSender without destroying the original non-weak sender."]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender { inner: self.inner.downgrade() }
    }

    /// Senders of this channel. May change at any time; at least 1.
    pub fn strong_count(&self) -> usize {
        self.inner.strong_count()
    }

    /// Weak senders of this channel. May change at any time.
    pub fn weak_count(&self) -> usize {
        self.inner.weak_count()
    }

    /// What the channel reports of itself; see [`ChannelStats`] for how long it stays true. An
    /// addition to Tokio's interface.
    pub fn stats(&self) -> ChannelStats {
        self.inner.stats()
    }

    /// Gives the channel a name, at any time. An addition to Tokio's interface.
    ///
    /// See [`Sender::set_name`](super::Sender::set_name).
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.inner.set_name(name);
    }
}

impl<T> Clone for UnboundedSender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("chan", &format_args!("..")).finish()
    }
}

/// An [`UnboundedSender`] that does not count: the channel closes although it is there.
///
/// # Examples
/// ```
/// let (tx, _rx) = parshall::mpsc::unbounded_channel::<u8>();
/// let weak = tx.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(tx);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakUnboundedSender<T> {
    inner: WeakSender<T>,
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, if another one still lives. Once `None`, always `None`.
    #[track_caller]
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        self.inner.upgrade().map(UnboundedSender::new)
    }

    /// Senders of this channel. May change at any time, but 0 is final.
    pub fn strong_count(&self) -> usize {
        self.inner.strong_count()
    }

    /// Weak senders of this channel, this one included. May change at any time.
    pub fn weak_count(&self) -> usize {
        self.inner.weak_count()
    }

    /// Gives the channel a name, at any time. An addition to Tokio's interface.
    ///
    /// See [`Sender::set_name`](super::Sender::set_name).
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.inner.set_name(name);
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakUnboundedSender")
    }
}

/// Receives the messages of its channel: a [`Receiver`] without a capacity.
///
/// Dropping it closes the channel and drops what is left. From
/// [`unbounded_channel`](super::unbounded_channel) or a [`Builder`](super::Builder).
pub struct UnboundedReceiver<T> {
    inner: Receiver<T>,
}

impl<T> UnboundedReceiver<T> {
    pub(super) fn new(inner: Receiver<T>) -> Self {
        Self { inner }
    }

    /// Waits for the next message; see [`Receiver::recv`].
    ///
    /// # Cancel safety
    /// Nothing is lost: dropped before it is ready, no message was taken.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::unbounded_channel();
    /// tx.send("one").unwrap();
    /// drop(tx);
    /// assert_eq!((rx.recv().await, rx.recv().await), (Some("one"), None));
    /// # }
    /// ```
    #[inline]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> + use<'_, T> {
        self.inner.consumer().recv::<Unbounded>()
    }

    /// Waits for messages and appends up to `limit` of them to `buffer`; see
    /// [`Receiver::recv_many`].
    ///
    /// # Cancel safety
    /// As [`UnboundedReceiver::recv`].
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.inner.recv_many(buffer, limit).await
    }

    /// Takes a message if one is there; see [`Receiver::try_recv`].
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if something may still come, else [`TryRecvError::Disconnected`].
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.inner.try_recv_as::<Unbounded>()
    }

    /// [`UnboundedReceiver::recv`], blocking this thread.
    ///
    /// # Panics
    /// With feature `tokio`, in asynchronous code of a Tokio runtime, as Tokio's.
    /// On WebAssembly without threads, if it would have to wait: nobody could wake it.
    #[track_caller]
    #[doc(alias = "recv_blocking")]
    pub fn blocking_recv(&mut self) -> Option<T> {
        self.inner.blocking_recv()
    }

    /// [`UnboundedReceiver::recv_many`], blocking this thread.
    ///
    /// # Panics
    /// As [`UnboundedReceiver::blocking_recv`].
    #[track_caller]
    #[doc(alias = "recv_many_blocking")]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.inner.blocking_recv_many(buffer, limit)
    }

    /// [`UnboundedReceiver::blocking_recv`] for at most `timeout`; see
    /// [`Receiver::blocking_recv_timeout`]. An addition to Tokio's interface.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`] if nothing came in time, [`RecvTimeoutError::Disconnected`] if
    /// nothing ever will.
    ///
    /// # Panics
    /// As [`UnboundedReceiver::blocking_recv`].
    #[track_caller]
    pub fn blocking_recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.inner.blocking_recv_timeout(timeout)
    }

    /// [`UnboundedReceiver::blocking_recv`] until `deadline`; see
    /// [`Receiver::blocking_recv_deadline`]. An addition to Tokio's interface.
    ///
    /// # Errors
    /// As [`UnboundedReceiver::blocking_recv_timeout`].
    ///
    /// # Panics
    /// As [`UnboundedReceiver::blocking_recv`].
    #[track_caller]
    pub fn blocking_recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.inner.blocking_recv_deadline(deadline)
    }

    /// Closes the channel: sends fail from now on. Messages in the channel still arrive, then
    /// `None`. Closing again does nothing.
    pub fn close(&mut self) {
        self.inner.close();
    }

    /// Whether the channel is closed: by [`UnboundedReceiver::close`], or because no sender is
    /// left. Messages may still be there. Once true, true for ever.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether there are no messages. A message whose send has returned is there. `true` may change
    /// at any time; `false` cannot be changed by another thread.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Messages in the channel. May grow at any time; only this receiver makes it fall.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// [`UnboundedReceiver::recv`] as a poll; see [`Receiver::poll_recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.consumer().poll_recv_by::<Unbounded>(POLLED, cx)
    }

    /// [`UnboundedReceiver::recv_many`] as a poll; see [`Receiver::poll_recv`].
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.inner.poll_recv_many(cx, buffer, limit)
    }

    /// Blocks this thread for each message: the messages as they come; see [`Receiver::iter`]. An
    /// addition to Tokio's interface.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = parshall::mpsc::unbounded_channel();
    /// (1..=4).try_for_each(|i| tx.send(i))?;
    /// drop(tx);
    /// assert_eq!(rx.iter().sum::<i32>(), 10);
    /// # Ok::<(), parshall::mpsc::error::SendError<i32>>(())
    /// ```
    pub fn iter(&mut self) -> Iter<'_, T> {
        self.inner.iter()
    }

    /// The messages that are there, also those that come meanwhile; see [`Receiver::try_iter`]. An
    /// addition to Tokio's interface.
    pub fn try_iter(&mut self) -> TryIter<'_, T> {
        self.inner.try_iter()
    }

    /// Takes exactly the messages that are in the channel now; see [`Receiver::drain`]. An addition
    /// to Tokio's interface.
    pub fn drain(&mut self) -> Drain<'_, T> {
        self.inner.drain()
    }

    /// Senders of this channel. May change at any time, but 0 is final.
    pub fn sender_strong_count(&self) -> usize {
        self.inner.sender_strong_count()
    }

    /// Weak senders of this channel. May change at any time.
    pub fn sender_weak_count(&self) -> usize {
        self.inner.sender_weak_count()
    }

    /// What the channel reports of itself; see [`ChannelStats`] for how long it stays true. An
    /// addition to Tokio's interface.
    pub fn stats(&self) -> ChannelStats {
        self.inner.stats()
    }

    /// Gives the channel a name, at any time. An addition to Tokio's interface.
    ///
    /// See [`Sender::set_name`](super::Sender::set_name).
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.inner.set_name(name);
    }
}

/// The messages until `None`. An addition to Tokio's interface.
impl<T> Stream for UnboundedReceiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    /// At least what is there now; once the channel is closed, exactly that. May grow at any time
    /// while it is open.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

/// As for [`Receiver`]. An addition to Tokio's interface.
impl<T> FusedStream for UnboundedReceiver<T> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

/// The messages as they come, blocking the thread for each: see [`IntoIter`]. An addition to
/// Tokio's interface.
impl<T> IntoIterator for UnboundedReceiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        self.inner.into_iter()
    }
}

/// Blocks the thread for each message, as [`UnboundedReceiver::iter`]. An addition to Tokio's
/// interface.
#[allow(clippy::into_iter_without_iter)] // as for `Receiver`
impl<'a, T> IntoIterator for &'a mut UnboundedReceiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver").field("chan", &format_args!("..")).finish()
    }
}

impl<T> Unpin for UnboundedReceiver<T> {}
