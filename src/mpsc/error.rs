//! Why a message was not sent or received. A refused message comes back inside the error.

use core::fmt;
use std::error::Error;

use crate::chan::GivesBack;

/// The channel is closed; the message comes back.
///
/// # Examples
/// ```
/// use parshall::mpsc::{self, error::SendError};
/// let (tx, rx) = mpsc::channel(1);
/// drop(rx);
/// assert_eq!(tx.blocking_send("kept"), Err(SendError("kept")));
/// ```
#[derive(PartialEq, Eq, Clone, Copy)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T> Error for SendError<T> {}

impl<T> GivesBack<T> for SendError<T> {
    fn give_back(message: T) -> Self {
        Self(message)
    }
}

/// A `try_` method could not send at once; the message, or the sender, comes back.
///
/// # Examples
/// ```
/// use parshall::mpsc::{self, error::TrySendError};
/// let (tx, rx) = mpsc::channel(1);
/// tx.try_send(1)?;
/// assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
/// drop(rx);
/// assert_eq!(tx.try_send(3).unwrap_err().into_inner(), 3);
/// # Ok::<(), TrySendError<i32>>(())
/// ```
#[derive(PartialEq, Eq, Clone, Copy)]
pub enum TrySendError<T> {
    /// No capacity is free, or others wait for it already.
    Full(T),
    /// The receiver was closed or dropped.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The message that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With quotes, as Tokio prints it: programs compare such texts.
        fmt::Debug::fmt(
            match self {
                Self::Full(_) => "Full(..)",
                Self::Closed(_) => "Closed(..)",
            },
            f,
        )
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "no available capacity",
            Self::Closed(_) => "channel closed",
        })
    }
}

impl<T> Error for TrySendError<T> {}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(SendError(value): SendError<T>) -> Self {
        Self::Closed(value)
    }
}

/// A send could not be done in time; the message comes back.
///
/// # Examples
/// ```
/// use parshall::mpsc::{self, error::SendTimeoutError};
/// use std::time::Duration;
/// let (tx, rx) = mpsc::channel(1);
/// tx.blocking_send_timeout(1, Duration::MAX)?;
/// let late = tx.blocking_send_timeout(2, Duration::from_millis(1));
/// assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
/// drop(rx);
/// assert_eq!(tx.blocking_send_timeout(3, Duration::ZERO).unwrap_err().into_inner(), 3);
/// # Ok::<(), SendTimeoutError<i32>>(())
/// ```
#[derive(PartialEq, Eq, Clone, Copy)]
pub enum SendTimeoutError<T> {
    /// The time was over before there was room.
    Timeout(T),
    /// The receiver was closed or dropped.
    Closed(T),
}

impl<T> SendTimeoutError<T> {
    /// The message that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With quotes, as `TrySendError`.
        fmt::Debug::fmt(
            match self {
                Self::Timeout(_) => "Timeout(..)",
                Self::Closed(_) => "Closed(..)",
            },
            f,
        )
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "timed out waiting on send operation",
            Self::Closed(_) => "channel closed",
        })
    }
}

impl<T> Error for SendTimeoutError<T> {}

/// `try_recv` found nothing.
///
/// # Examples
/// ```
/// use parshall::mpsc::{channel, error::TryRecvError};
///
/// let (tx, mut rx) = channel::<u8>(1);
/// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty)); // a message may come yet
/// drop(tx);
/// assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected)); // none can come any more
/// ```
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub enum TryRecvError {
    /// Nothing yet: a sender or a permit may still bring something.
    Empty,
    /// Nothing ever again.
    Disconnected,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padded and cut as asked, as Tokio's; its other errors are not.
        fmt::Display::fmt(
            match self {
                Self::Empty => "receiving on an empty channel",
                Self::Disconnected => "receiving on a closed channel",
            },
            f,
        )
    }
}

impl Error for TryRecvError {}

/// Nothing was received in time. An addition to Tokio's interface, with the names of
/// [`std::sync::mpsc::RecvTimeoutError`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use parshall::mpsc::{channel, error::RecvTimeoutError};
///
/// let (tx, mut rx) = channel::<u8>(1);
/// let short = Duration::from_millis(1);
/// assert_eq!(rx.blocking_recv_timeout(short), Err(RecvTimeoutError::Timeout));
/// drop(tx);
/// assert_eq!(rx.blocking_recv_timeout(short), Err(RecvTimeoutError::Disconnected));
/// ```
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub enum RecvTimeoutError {
    /// Nothing yet: a sender or a permit may still bring something.
    Timeout,
    /// Nothing ever again.
    Disconnected,
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timed out waiting on channel",
            Self::Disconnected => "channel is empty and sending half is closed",
        })
    }
}

impl Error for RecvTimeoutError {}

/// Never made: `recv` returns an [`Option`]. It is here because Tokio's module has it.
#[derive(Debug, Clone)]
#[doc(hidden)]
#[deprecated(note = "This type is unused because recv returns an Option.")]
pub struct RecvError(());

#[allow(deprecated)]
impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

#[allow(deprecated)]
impl Error for RecvError {}
