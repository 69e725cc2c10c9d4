//! Permits: room for a message, taken before there is one.

use core::fmt;
use core::iter::FusedIterator;
use core::mem::ManuallyDrop;

use super::Sender;
use super::error::{SendError, TrySendError};
use crate::chan::Missing;
use crate::ring::Refused;
use crate::unwind::{Owes, OwesNothing, OwesValue};
use crate::wait::{Call, Want};

impl<T> Sender<T> {
    /// Waits in line for room for one message.
    ///
    /// # Errors
    /// [`SendError`] if the receiver is closed or dropped, also while waiting.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, its place in line is lost, and what it was granted goes to the
    /// next.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::channel(1);
    /// let permit = tx.reserve().await.unwrap();
    /// assert!(tx.try_send("no room").is_err());
    /// permit.send("mine");
    /// assert_eq!(rx.recv().await, Some("mine"));
    /// # }
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.wait_for(Want::new(Call::Reserve, 1)).await?;
        Ok(Permit { sender: self })
    }

    /// Waits in line for room for `n` messages at once. `n` may be 0.
    ///
    /// Room is collected as it comes, and nobody behind is served meanwhile.
    ///
    /// # Errors
    /// [`SendError`] if the receiver is closed or dropped, also while waiting, and at once if `n`
    /// is more than [`Sender::max_capacity`], or than 16,777,215, the most permits that can be out
    /// at once.
    ///
    /// # Cancel safety
    /// As [`Sender::reserve`].
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = parshall::mpsc::channel(4);
    /// for (permit, word) in tx.reserve_many(2).await.unwrap().zip(["a", "b"]) {
    ///     permit.send(word);
    /// }
    /// assert_eq!((rx.recv().await, rx.recv().await), (Some("a"), Some("b")));
    /// # }
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        if n as u64 > self.chan().max_reserved() {
            return Err(SendError(()));
        }
        self.wait_for(Want::new(Call::ReserveMany, n as u64)).await?;
        Ok(PermitIterator { sender: self, n })
    }

    async fn wait_for(&self, want: Want) -> Result<(), SendError<()>> {
        let granted = match self.chan().begin_reserve(want.need()) {
            Ok(()) => true,
            Err(Missing::Receiver) => false,
            Err(missing) => self.chan().acquire(want, missing).await.is_ok(),
        };
        if granted { Ok(()) } else { Err(self.closed_error(())) }
    }

    /// [`Sender::reserve`], by value: the permit keeps the sender, and gives it back when it is
    /// used.
    ///
    /// # Errors
    /// As [`Sender::reserve`]; the sender is dropped. Clone it first to keep one.
    ///
    /// # Cancel safety
    /// As [`Sender::reserve`]; the sender is dropped.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        match self.wait_for(Want::new(Call::Reserve, 1)).await {
            Ok(()) => Ok(OwnedPermit { sender: Some(self) }),
            Err(error) => {
                OwesValue::run(|| drop(self));
                Err(error)
            }
        }
    }

    /// Takes room for one message if there is some and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySendError::Full`] or [`TrySendError::Closed`].
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.chan().try_reserve(1) {
            Ok(()) => Ok(Permit { sender: self }),
            Err(refused) => Err(self.refused(refused, ())),
        }
    }

    /// Takes room for `n` messages at once, if there is that much and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySendError::Full`], also for an `n` of more than [`Sender::max_capacity`] or than
    /// 16,777,215, or [`TrySendError::Closed`].
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = parshall::mpsc::channel(4);
    /// for (permit, word) in tx.try_reserve_many(3)?.zip(["a", "b"]) {
    ///     permit.send(word);
    /// }
    /// assert_eq!((rx.len(), tx.capacity()), (2, 2));
    /// # Ok::<(), parshall::mpsc::error::TrySendError<()>>(())
    /// ```
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n as u64 > self.chan().max_reserved() {
            return Err(self.refused(Refused::Full, ()));
        }
        match self.chan().try_reserve(n as u64) {
            Ok(()) => Ok(PermitIterator { sender: self, n }),
            Err(refused) => Err(self.refused(refused, ())),
        }
    }

    /// [`Sender::try_reserve`], by value: the permit keeps the sender.
    ///
    /// # Errors
    /// As [`Sender::try_reserve`], with the sender.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.chan().try_reserve(1) {
            Ok(()) => Ok(OwnedPermit { sender: Some(self) }),
            Err(refused) => {
                self.chan().count_refusal(refused);
                Err(match refused {
                    Refused::Full => TrySendError::Full(self),
                    Refused::Closed => TrySendError::Closed(self),
                })
            }
        }
    }
}

/// Room for one message, from [`Sender::reserve`] or [`Sender::try_reserve`]. Dropping it gives the
/// room back.
///
/// # Examples
/// ```
/// let (tx, mut rx) = parshall::mpsc::channel(1);
/// let permit = tx.try_reserve()?; // a place that nobody else can take
/// assert!(tx.try_send("two").is_err());
/// permit.send("one");
/// assert_eq!(rx.try_recv(), Ok("one"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<T> Permit<'_, T> {
    /// Sends a message into the room. It never waits and never fails; if the receiver was dropped,
    /// so is the message, at once.
    pub fn send(self, value: T) {
        // Forgotten first: a waker that panics in there must not give the room back a second time.
        let this = ManuallyDrop::new(self);
        this.sender.chan().begin();
        this.sender.chan().send_reserved::<OwesNothing>(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.sender.chan().begin();
        self.sender.chan().release::<OwesNothing>(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("chan", &format_args!("..")).finish()
    }
}

/// Room for several messages, from [`Sender::reserve_many`] or [`Sender::try_reserve_many`]: an
/// iterator of permits. Dropping it gives the rest back in one step.
///
/// # Examples
/// ```
/// let (tx, mut rx) = parshall::mpsc::channel(2);
/// for (n, permit) in tx.try_reserve_many(2)?.enumerate() {
///     permit.send(n);
/// }
/// assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(0), Ok(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PermitIterator<'a, T> {
    sender: &'a Sender<T>,
    n: usize,
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.n = self.n.checked_sub(1)?;
        Some(Permit { sender: self.sender })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n, Some(self.n))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.n > 0 {
            self.sender.chan().begin();
            self.sender.chan().release::<OwesNothing>(self.n as u64);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("chan", &format_args!(".."))
            .field("capacity", &self.n)
            .finish()
    }
}

/// Room for one message together with its sender, from [`Sender::reserve_owned`] or
/// [`Sender::try_reserve_owned`]. It keeps the channel open as a sender does.
///
/// # Examples
/// ```
/// let (tx, mut rx) = parshall::mpsc::channel(1);
/// let permit = tx.clone().try_reserve_owned()?; // goes anywhere, also to another thread
/// let tx = std::thread::spawn(move || permit.send("one")).join().expect("it does not panic");
/// assert_eq!(rx.try_recv(), Ok("one"));
/// # drop(tx);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OwnedPermit<T> {
    /// Always there until the permit is used or dropped.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    fn sender(&self) -> &Sender<T> {
        self.sender.as_ref().expect("a permit that is not used has its sender")
    }

    fn into_sender(mut self) -> Sender<T> {
        self.sender.take().expect("a permit that is not used has its sender")
    }

    /// Sends a message into the room and gives the sender back. It never waits and never fails; if
    /// the receiver was dropped, so is the message, at once.
    pub fn send(self, value: T) -> Sender<T> {
        let sender = self.into_sender();
        sender.chan().begin();
        sender.chan().send_reserved::<OwesValue>(value);
        sender
    }

    /// Gives the room back, and the sender to the caller.
    pub fn release(self) -> Sender<T> {
        let sender = self.into_sender();
        sender.chan().begin();
        sender.chan().release::<OwesValue>(1);
        sender
    }

    /// Whether both permits are of one channel. Never changes.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.sender().same_channel(other.sender())
    }

    /// Whether the permit is of this sender's channel. Never changes.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.sender().same_channel(sender)
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.chan().begin();
            sender.chan().release::<OwesNothing>(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("chan", &format_args!("..")).finish()
    }
}
