//! The receivers as `tokio_stream::wrappers` has them: streams under names of their own.
//!
//! Both receivers are a [`Stream`] as they are, so a new program needs none of this. A program that
//! names `ReceiverStream` in a field, an argument or a result moves by the path alone. The methods,
//! traits and `Debug` texts are tokio-stream's, and a [`FusedStream`], an addition.
//!
//! ```
//! use parshall::mpsc;
//! use parshall::wrappers::ReceiverStream; // was: use tokio_stream::wrappers::ReceiverStream;
//!
//! struct Subscription {
//!     events: ReceiverStream<u64>,
//! }
//!
//! let (tx, rx) = mpsc::channel(8);
//! let mut subscription = Subscription { events: ReceiverStream::new(rx) };
//! tx.try_send(17).unwrap();
//! subscription.events.close();
//! assert_eq!(subscription.events.into_inner().blocking_recv(), Some(17));
//! ```

#![forbid(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use crate::mpsc::{Receiver, UnboundedReceiver};

macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident, $receiver:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T> {
            inner: $receiver<T>,
        }

        impl<T> $name<T> {
            /// Wraps a receiver.
            pub fn new(recv: $receiver<T>) -> Self {
                Self { inner: recv }
            }

            /// The receiver, with all that is in the channel.
            pub fn into_inner(self) -> $receiver<T> {
                self.inner
            }

            #[doc = concat!("Closes the channel, as [`", stringify!($receiver), "::close`] does: ")]
            /// the stream goes on to what is in the channel, and then ends.
            pub fn close(&mut self) {
                self.inner.close();
            }
        }

        /// The receiver's own stream.
        impl<T> Stream for $name<T> {
            type Item = T;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
                Pin::new(&mut self.inner).poll_next(cx)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.inner.size_hint()
            }
        }

        /// The receiver's own. An addition to tokio-stream's interface.
        impl<T> FusedStream for $name<T> {
            fn is_terminated(&self) -> bool {
                self.inner.is_terminated()
            }
        }

        impl<T> AsRef<$receiver<T>> for $name<T> {
            fn as_ref(&self) -> &$receiver<T> {
                &self.inner
            }
        }

        impl<T> AsMut<$receiver<T>> for $name<T> {
            fn as_mut(&mut self) -> &mut $receiver<T> {
                &mut self.inner
            }
        }

        impl<T> From<$receiver<T>> for $name<T> {
            fn from(recv: $receiver<T>) -> Self {
                Self::new(recv)
            }
        }
    };
}

wrapper! {
    /// A [`Receiver`] as a stream.
    ///
    /// # Cancel safety
    /// A message is taken from the channel only by a poll that returns it.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    /// use std::pin::Pin;
    ///
    /// use futures_core::Stream;
    /// use parshall::mpsc;
    /// use parshall::wrappers::ReceiverStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, rx) = mpsc::channel(2);
    /// tx.send(10).await.unwrap();
    /// drop(tx);
    /// let mut stream = ReceiverStream::new(rx);
    /// assert_eq!(stream.as_ref().len(), 1);
    /// assert_eq!(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await, Some(10));
    /// assert_eq!(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await, None);
    /// # }
    /// ```
    ReceiverStream, Receiver
}

wrapper! {
    /// An [`UnboundedReceiver`] as a stream.
    ///
    /// # Cancel safety
    /// A message is taken from the channel only by a poll that returns it.
    ///
    /// # Examples
    /// ```
    /// use parshall::mpsc;
    /// use parshall::wrappers::UnboundedReceiverStream;
    ///
    /// let (tx, rx) = mpsc::unbounded_channel();
    /// tx.send("kept").unwrap();
    /// let stream = UnboundedReceiverStream::from(rx);
    /// assert_eq!(stream.into_inner().try_recv(), Ok("kept"));
    /// ```
    UnboundedReceiverStream, UnboundedReceiver
}
