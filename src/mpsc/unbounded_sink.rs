//! The sink around an unbounded sender.

use core::fmt;
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_sink::Sink;

use super::error::SendError;
use super::{PollSendError, UnboundedSender};
use crate::unwind::{Owes, OwesValue};

/// An [`UnboundedSender`] as a [`Sink`]: always ready while the receiver is there. Feature `sink`.
/// An addition to Tokio's interface.
///
/// A type of its own, because `SinkExt::send`, which must be polled, would go before
/// [`UnboundedSender::send`] on a `&mut UnboundedSender`, and a program would lose messages by
/// importing it.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::future::poll_fn;
/// use std::pin::Pin;
/// use futures_sink::Sink;
/// use parshall::mpsc::{self, UnboundedSink};
///
/// let (tx, mut rx) = mpsc::unbounded_channel();
/// let mut sink = UnboundedSink::new(tx);
/// poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx)).await.unwrap();
/// Pin::new(&mut sink).start_send("hello").unwrap();
/// poll_fn(|cx| Pin::new(&mut sink).poll_close(cx)).await.unwrap();
/// assert_eq!((rx.recv().await, rx.recv().await), (Some("hello"), None));
/// # }
/// ```
pub struct UnboundedSink<T> {
    /// None: closed by us.
    sender: Option<UnboundedSender<T>>,
}

impl<T> UnboundedSink<T> {
    /// A sink that sends by `sender`.
    pub fn new(sender: UnboundedSender<T>) -> Self {
        Self { sender: Some(sender) }
    }

    /// The sender, unless this sink is closed.
    pub fn get_ref(&self) -> Option<&UnboundedSender<T>> {
        self.sender.as_ref()
    }

    /// Gives the sender back, unless this sink is closed.
    pub fn into_inner(self) -> Option<UnboundedSender<T>> {
        self.sender
    }
}

/// Ready while the receiver is there; what is sent is in the channel. Closing drops the sender.
impl<T> Sink<T> for UnboundedSink<T> {
    type Error = PollSendError<T>;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let open = self.sender.as_ref().is_some_and(|sender| !sender.is_closed());
        Poll::Ready(if open { Ok(()) } else { Err(PollSendError::new(None)) })
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), Self::Error> {
        match &self.sender {
            Some(sender) => {
                sender.send(item).map_err(|SendError(item)| PollSendError::new(Some(item)))
            }
            None => Err(PollSendError::new(Some(item))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let sender = self.sender.take();
        OwesValue::run(|| drop(sender));
        Poll::Ready(Ok(()))
    }
}

impl<T> Clone for UnboundedSink<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        let place = Location::caller();
        Self { sender: self.sender.as_ref().map(|sender| sender.clone_at(place)) }
    }
}

impl<T> fmt::Debug for UnboundedSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSink").field("sender", &self.sender).finish()
    }
}
