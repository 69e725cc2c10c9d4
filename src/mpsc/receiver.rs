//! The receiving handle.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::Instant;

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::error::{RecvTimeoutError, TryRecvError};
use crate::chan::{ChannelStats, Consumer, Nothing};
use crate::ring::{Any, Flavor};
use crate::runtime;
use crate::sync::plain::Arc;
use crate::telemetry::task::as_thread;
use crate::wait::{Call, Want, block_on, block_on_until};

/// Receives the messages of its channel, in the order in which they were claimed.
///
/// Dropping it closes the channel and drops what is left. From [`channel`](super::channel) or a
/// [`Builder`](super::Builder).
pub struct Receiver<T> {
    consumer: Consumer<T>,
}

/// What a poll of a handle waits for.
pub(super) const POLLED: Want = Want::new(Call::PollRecv, 1);

/// A receive in progress by any `poll` of the receiver; `recv` has a future of its own. Dropped
/// while it waits, it says that nobody waits any more.
struct ByPoll<'a, T, F> {
    consumer: &'a mut Consumer<T>,
    poll: F,
    pending: bool,
}

impl<'a, T, P, F> ByPoll<'a, T, F>
where
    F: FnMut(&mut Consumer<T>, &mut Context<'_>) -> Poll<P> + Unpin,
{
    fn new(consumer: &'a mut Consumer<T>, poll: F) -> Self {
        Self { consumer, poll, pending: false }
    }
}

impl<T, P, F> Future for ByPoll<'_, T, F>
where
    F: FnMut(&mut Consumer<T>, &mut Context<'_>) -> Poll<P> + Unpin,
{
    type Output = P;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<P> {
        let this = self.get_mut();
        // First: the poll may park and then panic, when it drops an older waker.
        this.pending = true;
        let poll = (this.poll)(this.consumer, cx);
        this.pending = poll.is_pending();
        poll
    }
}

impl<T, F> Drop for ByPoll<'_, T, F> {
    fn drop(&mut self) {
        if self.pending {
            self.consumer.abandon_wait();
        }
    }
}

impl<T> Receiver<T> {
    pub(super) fn new(consumer: Consumer<T>) -> Self {
        Self { consumer }
    }

    pub(super) fn consumer(&mut self) -> &mut Consumer<T> {
        &mut self.consumer
    }

    /// Drops the next `n` messages, which are there or on their way in.
    pub(super) fn discard(&mut self, n: usize) {
        self.consumer.discard(n);
    }

    /// Waits for the next message. `None`: the channel is closed, nothing is left, and no permit is
    /// out; it stays so.
    ///
    /// # Cancel safety
    /// Nothing is lost: dropped before it is ready, no message was taken.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::channel(1);
    /// tx.send("one").await.unwrap();
    /// drop(tx);
    /// assert_eq!((rx.recv().await, rx.recv().await), (Some("one"), None));
    /// # }
    /// ```
    #[inline]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> + use<'_, T> {
        self.consumer.recv::<Any>()
    }

    /// Waits for messages and appends up to `limit` of them to `buffer`; returns how many. It never
    /// waits for more than the first. 0: `limit` is 0, or nothing will ever come, as for
    /// [`Receiver::recv`].
    ///
    /// # Cancel safety
    /// As [`Receiver::recv`].
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::channel(4);
    /// for i in 0..3 {
    ///     tx.send(i).await.unwrap();
    /// }
    /// let mut got = Vec::new();
    /// assert_eq!(rx.recv_many(&mut got, 8).await, 3);
    /// assert_eq!(got, [0, 1, 2]);
    /// # }
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        ByPoll::new(&mut self.consumer, |consumer: &mut Consumer<T>, cx: &mut Context<'_>| {
            consumer.poll_recv_many(Want::new(Call::RecvMany, 1), cx, buffer, limit)
        })
        .await
    }

    /// Takes a message if one is there. Messages whose send has returned are never missed: if an
    /// earlier one is still on its way in, this call yields the thread until it is there.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if something may still come, else [`TryRecvError::Disconnected`].
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.try_recv_as::<Any>()
    }

    #[inline(always)]
    pub(super) fn try_recv_as<F: Flavor>(&mut self) -> Result<T, TryRecvError> {
        self.consumer.try_recv::<F>().map_err(|nothing| match nothing {
            Nothing::Empty => TryRecvError::Empty,
            Nothing::Drained => TryRecvError::Disconnected,
        })
    }

    /// [`Receiver::recv`], blocking this thread.
    ///
    /// # Panics
    /// With feature `tokio`, in asynchronous code of a Tokio runtime, as Tokio's.
    /// On WebAssembly without threads, if it would have to wait: nobody could wake it.
    #[track_caller]
    #[doc(alias = "recv_blocking")]
    pub fn blocking_recv(&mut self) -> Option<T> {
        runtime::may_block();
        let received = self.recv_until(|| None);
        if received.is_err() {
            self.consumer.end();
        }
        received.ok()
    }

    /// [`Receiver::blocking_recv`] for at most `timeout`. An addition to Tokio's interface.
    ///
    /// A message that is there is taken, however short the time: with a `timeout` of zero this is a
    /// [`Receiver::try_recv`]. One that is too long to be told, as [`Duration::MAX`] is, never
    /// ends.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`] if something may still come, and nothing is lost; else
    /// [`RecvTimeoutError::Disconnected`], at once.
    ///
    /// # Panics
    /// As [`Receiver::blocking_recv`].
    ///
    /// # Examples
    /// ```
    /// use parshall::mpsc::{self, error::RecvTimeoutError};
    /// use std::time::Duration;
    /// let (tx, mut rx) = mpsc::channel(1);
    /// tx.try_send("there")?;
    /// assert_eq!(rx.blocking_recv_timeout(Duration::ZERO), Ok("there"));
    /// let late = rx.blocking_recv_timeout(Duration::from_millis(1));
    /// assert_eq!(late, Err(RecvTimeoutError::Timeout));
    /// drop(tx);
    /// assert_eq!(rx.blocking_recv_timeout(Duration::MAX), Err(RecvTimeoutError::Disconnected));
    /// # Ok::<(), parshall::mpsc::error::TrySendError<&str>>(())
    /// ```
    #[track_caller]
    pub fn blocking_recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        runtime::may_block();
        self.recv_until(|| Instant::now().checked_add(timeout))
    }

    /// [`Receiver::blocking_recv_timeout`] with the instant at which the time is over. An addition
    /// to Tokio's interface.
    ///
    /// # Errors
    /// As [`Receiver::blocking_recv_timeout`].
    ///
    /// # Panics
    /// As [`Receiver::blocking_recv`].
    ///
    /// # Examples
    /// ```
    /// use parshall::mpsc::{self, error::RecvTimeoutError};
    /// use std::time::{Duration, Instant};
    /// let (tx, mut rx) = mpsc::channel(8);
    /// tx.try_send(1)?;
    /// tx.try_send(2)?;
    /// // All that comes within 5 ms.
    /// let deadline = Instant::now() + Duration::from_millis(5);
    /// let mut got = Vec::new();
    /// while let Ok(i) = rx.blocking_recv_deadline(deadline) {
    ///     got.push(i);
    /// }
    /// assert_eq!(got, [1, 2]);
    /// # Ok::<(), mpsc::error::TrySendError<i32>>(())
    /// ```
    #[track_caller]
    pub fn blocking_recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        runtime::may_block();
        self.recv_until(|| Some(deadline))
    }

    fn recv_until(
        &mut self,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        // This thread is the one that drains, also when it need not wait.
        as_thread(|| match self.consumer.try_recv::<Any>() {
            Ok(value) => Ok(value),
            Err(Nothing::Drained) => Err(RecvTimeoutError::Disconnected),
            Err(Nothing::Empty) => self.wait_until(deadline()),
        })
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let want = Want::new(Call::Recv, 1).by(deadline);
        let poll = |consumer: &mut Consumer<T>, cx: &mut Context<'_>| {
            consumer.poll_recv_by::<Any>(want, cx)
        };
        let receive = ByPoll::new(&mut self.consumer, poll);
        match block_on_until(receive, deadline) {
            Some(received) => received.ok_or(RecvTimeoutError::Disconnected),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// [`Receiver::recv_many`], blocking this thread.
    ///
    /// # Panics
    /// As [`Receiver::blocking_recv`].
    #[track_caller]
    #[doc(alias = "recv_many_blocking")]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        runtime::may_block();
        as_thread(|| block_on(self.recv_many(buffer, limit)))
    }

    /// Closes the channel: sends fail from now on, also those that wait. Messages in the channel
    /// and permits that are out still arrive, and `None` comes after the last of them is used or
    /// dropped; that includes room granted to a reserve that has not been polled since. Closing
    /// again does nothing.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = parshall::mpsc::channel(2);
    /// tx.try_send("in time")?;
    /// rx.close();
    /// assert!(tx.try_send("too late").is_err());
    /// assert_eq!((rx.blocking_recv(), rx.blocking_recv()), (Some("in time"), None));
    /// # Ok::<(), parshall::mpsc::error::TrySendError<&str>>(())
    /// ```
    pub fn close(&mut self) {
        self.consumer.close();
    }

    /// Whether the channel is closed: by [`Receiver::close`], or because no sender and no owned
    /// permit is left. Messages may still be there. Once true, true for ever.
    pub fn is_closed(&self) -> bool {
        self.consumer.chan.is_closed()
    }

    /// Whether there are no messages. A message whose send has returned is there. `true` may change
    /// at any time; `false` cannot be changed by another thread.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages in the channel, at most [`Receiver::max_capacity`]. May grow at any time; only this
    /// receiver makes it fall.
    pub fn len(&self) -> usize {
        self.consumer.chan.len() as usize
    }

    /// Room for further messages: capacity less messages and permits, 0 while anybody waits for
    /// room. May change at any time.
    pub fn capacity(&self) -> usize {
        self.consumer.chan.capacity() as usize
    }

    /// The capacity the channel was made with. Never changes.
    pub fn max_capacity(&self) -> usize {
        self.consumer.chan.max_capacity() as usize
    }

    /// [`Receiver::recv`] as a poll. Pending: the waker of the last poll will be woken. It may also
    /// be woken though nothing is there.
    ///
    /// Telemetry shows the wait until the next poll: it cannot know that a caller has lost
    /// interest. A snapshot leaves it out once the [named task](crate::task::named) or the thread
    /// that polled has ended.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.consumer.poll_recv_by::<Any>(POLLED, cx)
    }

    /// [`Receiver::recv_many`] as a poll; see [`Receiver::poll_recv`].
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.consumer.poll_recv_many(POLLED, cx, buffer, limit)
    }

    /// Senders and owned permits of this channel. May change at any time, but 0 is final.
    pub fn sender_strong_count(&self) -> usize {
        self.consumer.chan.sender_count()
    }

    /// Weak senders of this channel. May change at any time.
    pub fn sender_weak_count(&self) -> usize {
        self.consumer.chan.counts.weak()
    }

    /// What the channel reports of itself; see [`ChannelStats`] for how long it stays true. An
    /// addition to Tokio's interface.
    pub fn stats(&self) -> ChannelStats {
        self.consumer.chan.stats()
    }

    /// Gives the channel a name, at any time. An addition to Tokio's interface.
    ///
    /// See [`Sender::set_name`](super::Sender::set_name).
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.consumer.chan.info().set_name(name.into());
    }
}

/// The messages until `None`. An addition to Tokio's interface.
impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    /// At least what is there now; once the channel is closed, at most that and the permits that
    /// are out. The lower bound may grow at any time, the upper one of a closed channel may fall: a
    /// permit is dropped, or a send that was granted room finds it closed.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.consumer.chan.size_hint()
    }
}

/// An addition to Tokio's interface.
impl<T> FusedStream for Receiver<T> {
    /// Whether the stream, [`Receiver::recv`], [`Receiver::blocking_recv`] or an iterator has given
    /// `None` as the end. Never true before that, however empty and closed the channel is, so that
    /// `select!` sees the end once. Only this receiver changes it; once true, true for ever.
    fn is_terminated(&self) -> bool {
        self.consumer.has_ended()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("chan", &format_args!("..")).finish()
    }
}

// A panic elsewhere leaves no channel half-changed: see `unwind`.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}
impl<T> Unpin for Receiver<T> {}
