//! Iterators over a receiver's messages: as they come, those that are there, those that were there.

use core::fmt;
use core::iter::FusedIterator;
use core::panic::{RefUnwindSafe, UnwindSafe};

use futures_core::Stream;

use super::Receiver;

impl<T> Receiver<T> {
    /// Blocks this thread for each message: the messages as they come, until
    /// [`Receiver::blocking_recv`] would give `None`. An addition to Tokio's interface.
    ///
    /// # Panics
    /// Its `next` panics where [`Receiver::blocking_recv`] does.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = parshall::mpsc::channel(2);
    /// let worker = std::thread::spawn(move || (1..=4).try_for_each(|i| tx.blocking_send(i)));
    /// assert_eq!(rx.iter().sum::<i32>(), 10);
    /// worker.join().unwrap()?;
    /// # Ok::<(), parshall::mpsc::error::SendError<i32>>(())
    /// ```
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The messages that are there, also those that come meanwhile, until [`Receiver::try_recv`]
    /// fails. An addition to Tokio's interface.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = parshall::mpsc::channel(4);
    /// tx.try_send("a")?;
    /// tx.try_send("b")?;
    /// assert_eq!(rx.try_iter().collect::<String>(), "ab");
    /// # Ok::<(), parshall::mpsc::error::TrySendError<&str>>(())
    /// ```
    pub fn try_iter(&mut self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// Takes exactly the messages that are in the channel now, and none that is sent later. One
    /// that is on its way in is among them, and is awaited as [`Receiver::try_recv`] does. An
    /// addition to Tokio's interface.
    ///
    /// Each is taken when the iterator comes to it. Dropping the iterator drops the rest of them,
    /// on past any number of panicking drops, and then resumes the first panic; forgetting it
    /// leaves them in the channel. A message that is dropped so takes its room until its destructor
    /// has run: one that waits in there for room in this very channel waits for ever.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = parshall::mpsc::channel(4);
    /// (0..3).try_for_each(|i| tx.try_send(i))?;
    /// let mut drain = rx.drain();
    /// tx.try_send(3)?;
    /// assert_eq!((drain.len(), drain.next()), (3, Some(0)));
    /// drop(drain);
    /// assert_eq!(rx.try_recv(), Ok(3));
    /// # Ok::<(), parshall::mpsc::error::TrySendError<i32>>(())
    /// ```
    pub fn drain(&mut self) -> Drain<'_, T> {
        Drain { left: self.len(), receiver: self }
    }
}

/// The messages as they come, blocking the thread for each: see [`IntoIter`]. An addition to
/// Tokio's interface.
impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

/// Blocks the thread for each message, as [`Receiver::iter`]. An addition to Tokio's interface.
#[allow(clippy::into_iter_without_iter)] // `iter` takes messages out: there is no other
impl<'a, T> IntoIterator for &'a mut Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The messages as they come, blocking the thread for each; from [`Receiver::iter`]. An addition to
/// Tokio's interface.
///
/// # Examples
/// On [`Receiver::iter`].
#[must_use = "iterators are lazy"]
pub struct Iter<'a, T> {
    receiver: &'a mut Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.blocking_recv()
    }

    /// As that of the receiver as a stream.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.receiver.size_hint()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

/// The messages as they come, blocking the thread for each, by a receiver that is dropped with this
/// iterator. An addition to Tokio's interface.
///
/// # Panics
/// Its `next` panics where [`Receiver::blocking_recv`] does.
///
/// # Examples
/// ```
/// let (tx, rx) = parshall::mpsc::channel(2);
/// std::thread::spawn(move || (1..=4).try_for_each(|i| tx.blocking_send(i)));
/// for (i, message) in (1..).zip(rx) {
///     assert_eq!(message, i);
/// }
/// ```
#[must_use = "iterators are lazy"]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.blocking_recv()
    }

    /// As that of the receiver as a stream.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.receiver.size_hint()
    }
}

impl<T> FusedIterator for IntoIter<T> {}

/// The messages that are there; from [`Receiver::try_iter`]. After `None` it may go on: what comes
/// later is there then. An addition to Tokio's interface.
///
/// # Examples
/// On [`Receiver::try_iter`].
#[must_use = "iterators are lazy"]
pub struct TryIter<'a, T> {
    receiver: &'a mut Receiver<T>,
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// As that of the receiver as a stream.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.receiver.size_hint()
    }
}

/// The messages that were there; from [`Receiver::drain`]. An addition to Tokio's interface.
///
/// # Examples
/// On [`Receiver::drain`].
#[must_use = "dropping it drops the messages"]
pub struct Drain<'a, T> {
    receiver: &'a mut Receiver<T>,
    /// Messages not taken yet. All of them are claimed: only this receiver makes them fewer.
    left: usize,
}

impl<T> Iterator for Drain<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        let message = self.receiver.try_recv().ok();
        debug_assert!(message.is_some(), "claimed messages arrive");
        message
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Drain<'_, T> {}
impl<T> FusedIterator for Drain<'_, T> {}

impl<T> Drop for Drain<'_, T> {
    fn drop(&mut self) {
        self.receiver.discard(self.left);
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("chan", &format_args!("..")).finish()
    }
}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").field("chan", &format_args!("..")).finish()
    }
}

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryIter").field("chan", &format_args!("..")).finish()
    }
}

impl<T> fmt::Debug for Drain<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("chan", &format_args!(".."))
            .field("left", &self.left)
            .finish()
    }
}

// As the receiver: a panic elsewhere leaves no channel half-changed. A `&mut` alone would not be.
impl<T> UnwindSafe for Iter<'_, T> {}
impl<T> UnwindSafe for TryIter<'_, T> {}
impl<T> UnwindSafe for Drain<'_, T> {}
impl<T> RefUnwindSafe for Iter<'_, T> {}
impl<T> RefUnwindSafe for TryIter<'_, T> {}
impl<T> RefUnwindSafe for Drain<'_, T> {}
