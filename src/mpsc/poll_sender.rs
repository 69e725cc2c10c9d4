//! A sender that is polled: tokio-util's `PollSender`, with its wait in place instead of in a box.

use core::fmt;
use core::future::Future;
use core::mem;
use core::panic::{Location, RefUnwindSafe, UnwindSafe};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::error::Error;

use futures_sink::Sink;

use super::Sender;
use crate::chan::{Acquire, Closed, Missing, Owner};
use crate::ring::Refused;
use crate::unwind::{Owes, OwesNothing, OwesValue};
use crate::wait::{Call, Want};

/// A [`Sender`] that is polled: a [`Sink`]. The interface is that of tokio-util's
/// `sync::PollSender`, without its bounds on `T`. An addition to Tokio's `mpsc`.
///
/// [`poll_reserve`](PollSender::poll_reserve) takes room for one message, which belongs to this
/// sender until [`send_item`](PollSender::send_item) uses it, or
/// [`abort_send`](PollSender::abort_send) or a drop gives it back. Nobody else can use it
/// meanwhile, so do not keep it for long. The wait lies in this struct and in the channel's line:
/// unlike tokio-util's, no future is boxed.
///
/// It differs from tokio-util's in three more ways: it counts as one sender, not as two; a panic in
/// `send_item` does not close it; and a message sent after the receiver was dropped is dropped at
/// once.
///
/// # Cancel safety
/// A wait belongs to this struct, not to a future: it keeps its place in line across polls, also by
/// different tasks, until it is aborted.
///
/// # Examples
/// ```
/// use std::future::poll_fn;
///
/// use parshall::mpsc::{self, PollSender};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, mut rx) = mpsc::channel(1);
/// let mut tx = PollSender::new(tx);
/// poll_fn(|cx| tx.poll_reserve(cx)).await.unwrap();
/// tx.send_item("hello").unwrap();
/// assert_eq!(rx.recv().await, Some("hello"));
/// # }
/// ```
pub struct PollSender<T> {
    state: State,
    /// Gone once this sender is closed and nothing is reserved.
    sender: Option<Sender<T>>,
    /// [`PollSender::close`] was called.
    closed: bool,
}

enum State {
    Idle,
    /// In line for room.
    Waiting(Acquire<Owner>),
    /// One permit of the channel is this sender's.
    Reserved,
    /// The channel was closed when room was asked for.
    Refused,
}

impl<T> PollSender<T> {
    /// Makes a sender ready to be polled.
    pub fn new(sender: Sender<T>) -> Self {
        Self { state: State::Idle, sender: Some(sender), closed: false }
    }

    /// Takes room for one message, or waits for it in line. Once ready, it stays so until the room
    /// is used or given back: polling again takes no more. Pending: the waker of the last poll will
    /// be woken.
    ///
    /// # Errors
    /// [`PollSendError`] without a message if the receiver is closed or dropped, also while
    /// waiting, or if this sender is closed and nothing is reserved. It stays so.
    ///
    /// # Cancel safety
    /// Between polls the place in line is kept. [`PollSender::abort_send`] gives it up.
    ///
    /// # Examples
    /// ```
    /// # use std::task::{Context, Poll, Waker};
    /// # use parshall::mpsc::{self, PollSender};
    /// let (tx, _rx) = mpsc::channel(1);
    /// let (mut a, mut b) = (PollSender::new(tx.clone()), PollSender::new(tx));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(a.poll_reserve(&mut cx).is_ready());
    /// assert!(b.poll_reserve(&mut cx).is_pending());
    /// a.send_item("a").unwrap();
    /// ```
    pub fn poll_reserve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PollSendError<T>>> {
        let Some(sender) = &self.sender else {
            return Poll::Ready(Err(PollSendError(None)));
        };
        let chan = sender.chan();
        if let State::Idle = self.state {
            self.state = match chan.begin_reserve(1) {
                Ok(()) => State::Reserved,
                Err(Missing::Receiver) => State::Refused,
                Err(missing) => {
                    State::Waiting(chan.acquire_owned(Want::new(Call::PollReserve, 1), missing))
                }
            };
        }
        if let State::Waiting(acquire) = &mut self.state {
            self.state = match ready!(Pin::new(acquire).poll(cx)) {
                Ok(()) => State::Reserved,
                Err(Closed) => State::Refused,
            };
        }
        Poll::Ready(match self.state {
            State::Reserved => Ok(()),
            _ => Err(self.refused(None)),
        })
    }

    /// Sends a message into the room that [`PollSender::poll_reserve`] took. It never waits. If the
    /// receiver was dropped since, so is the message, at once, as
    /// [`Permit::send`](super::Permit::send) does.
    ///
    /// # Errors
    /// [`PollSendError`] with the message if there is no room and never will be: `poll_reserve`
    /// found the channel closed, or this sender is closed.
    ///
    /// # Panics
    /// If `poll_reserve` has not been ready since the last message. The state stays as it was.
    ///
    /// # Examples
    /// ```
    /// # use parshall::mpsc::{self, PollSender};
    /// let (tx, _rx) = mpsc::channel(1);
    /// let mut tx = PollSender::new(tx);
    /// tx.close();
    /// assert_eq!(tx.send_item("kept").unwrap_err().into_inner(), Some("kept"));
    /// ```
    #[track_caller]
    pub fn send_item(&mut self, value: T) -> Result<(), PollSendError<T>> {
        match self.state {
            State::Reserved => {}
            State::Idle | State::Waiting(_) if self.sender.is_some() => {
                panic!("`send_item` without a `poll_reserve` that was ready")
            }
            _ => return Err(self.refused(Some(value))),
        }
        // First: a waker that panics in there must not leave a permit that is used up.
        self.state = State::Idle;
        let last = self.sender_if_last();
        if let Some(sender) = last.as_ref().or(self.sender.as_ref()) {
            sender.chan().begin();
            sender.chan().send_reserved::<OwesNothing>(value);
        }
        Ok(())
    }

    /// Takes the sender out if this one was closed while room was reserved: it goes with that room.
    fn sender_if_last(&mut self) -> Option<Sender<T>> {
        if self.closed { self.sender.take() } else { None }
    }

    fn refused(&self, value: Option<T>) -> PollSendError<T> {
        if let Some(sender) = &self.sender {
            sender.chan().count_refusal(Refused::Closed);
        }
        PollSendError(value)
    }

    /// Whether this sender is closed: by [`PollSender::close`], or because `poll_reserve` found the
    /// channel closed. Once true, true for ever. The channel itself may be closed before that:
    /// [`Sender::is_closed`] tells.
    pub fn is_closed(&self) -> bool {
        self.closed || matches!(self.state, State::Refused)
    }

    /// The sender that is polled; `None` after [`PollSender::close`].
    pub fn get_ref(&self) -> Option<&Sender<T>> {
        self.sender.as_ref().filter(|_| !self.closed)
    }

    /// Closes this sender; the channel goes on with the others. Room that is reserved stays for one
    /// last [`PollSender::send_item`], and keeps the channel open until then, or until it is given
    /// back. A wait in line ends.
    ///
    /// # Examples
    /// ```
    /// # use parshall::mpsc::{self, PollSender};
    /// let (tx, mut rx) = mpsc::channel::<u8>(1);
    /// let mut tx = PollSender::new(tx);
    /// tx.close();
    /// assert_eq!((tx.is_closed(), rx.blocking_recv()), (true, None));
    /// ```
    pub fn close(&mut self) {
        self.closed = true;
        if !matches!(self.state, State::Reserved) {
            // Declared last, dropped first: the place in line goes before what may be the last
            // sender.
            let _sender = self.sender.take();
            let _place = mem::replace(&mut self.state, State::Idle);
        }
    }

    /// Gives the reserved room back, or the place in line up; who waits next gets it. Says whether
    /// there was either. A sender that is not closed may be polled again, and starts at the end of
    /// the line.
    ///
    /// # Examples
    /// ```
    /// # use std::task::{Context, Waker};
    /// # use parshall::mpsc::{self, PollSender};
    /// let (tx, _rx) = mpsc::channel::<u8>(1);
    /// let mut polled = PollSender::new(tx.clone());
    /// assert!(polled.poll_reserve(&mut Context::from_waker(Waker::noop())).is_ready());
    /// assert!(tx.is_full());
    /// assert!(polled.abort_send());
    /// assert!(!tx.is_full());
    /// ```
    pub fn abort_send(&mut self) -> bool {
        self.abort::<OwesValue>()
    }

    fn abort<O: Owes>(&mut self) -> bool {
        match mem::replace(&mut self.state, State::Idle) {
            State::Waiting(place) => place.give_up::<O>(),
            State::Reserved => {
                let last = self.sender_if_last();
                if let Some(sender) = last.as_ref().or(self.sender.as_ref()) {
                    sender.chan().begin();
                    sender.chan().release::<O>(1);
                }
                O::run(|| drop(last));
            }
            other => {
                self.state = other;
                return false;
            }
        }
        true
    }
}

impl<T> Drop for PollSender<T> {
    fn drop(&mut self) {
        // While the sender is there: when the last one goes, permits that are out count as lost.
        self.abort::<OwesNothing>();
    }
}

/// A sender of the same channel that has reserved nothing. A closed sender's clone is closed.
impl<T> Clone for PollSender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        let place = Location::caller();
        let sender = self.get_ref().map(|sender| sender.clone_at(place));
        Self { state: State::Idle, closed: sender.is_none(), sender }
    }
}

/// Ready means reserved, as [`PollSender::poll_reserve`]. Flushing is done as soon as it is asked
/// for: what was sent is in the channel. Closing is [`PollSender::close`].
///
/// # Panics
/// `start_send` panics as [`PollSender::send_item`].
impl<T> Sink<T> for PollSender<T> {
    type Error = PollSendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_reserve(cx)
    }

    #[track_caller]
    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), Self::Error> {
        self.get_mut().send_item(item)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        OwesValue::run(|| self.get_mut().close());
        Poll::Ready(Ok(()))
    }
}

impl<T> fmt::Debug for PollSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Reserved => "Reserved",
            _ if self.is_closed() => "Closed",
            State::Waiting(_) => "Waiting",
            _ => "Idle",
        };
        f.debug_struct("PollSender")
            .field("state", &format_args!("{state}"))
            .finish_non_exhaustive()
    }
}

// As the sender.
impl<T> UnwindSafe for PollSender<T> {}
impl<T> RefUnwindSafe for PollSender<T> {}

/// A [`PollSender`], or its channel, is closed; a message comes back if there was one.
///
/// # Examples
/// ```
/// use parshall::mpsc::{self, PollSender};
/// let mut tx = PollSender::new(mpsc::channel(1).0);
/// tx.close();
/// let refused = tx.send_item("kept").unwrap_err();
/// assert_eq!(refused.to_string(), "channel closed");
/// assert_eq!(refused.into_inner(), Some("kept"));
/// ```
pub struct PollSendError<T>(Option<T>);

impl<T> PollSendError<T> {
    pub(super) fn new(value: Option<T>) -> Self {
        Self(value)
    }

    /// The message that was not sent; `None` if only room was asked for.
    pub fn into_inner(self) -> Option<T> {
        self.0
    }
}

impl<T> fmt::Debug for PollSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PollSendError").field(&self.0.as_ref().map(|_| format_args!(".."))).finish()
    }
}

impl<T> fmt::Display for PollSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T> Error for PollSendError<T> {}
