//! Permits: room for a message, taken before there is one.

use core::fmt;
use core::iter::FusedIterator;
use core::mem::ManuallyDrop;

use super::Sender;
use crate::unwind::{OwesNothing, OwesValue};

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

impl<'a, T> Permit<'a, T> {
    /// The caller has taken the room.
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Self { sender }
    }

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

impl<'a, T> PermitIterator<'a, T> {
    /// The caller has taken room for `n`.
    pub(super) fn new(sender: &'a Sender<T>, n: usize) -> Self {
        Self { sender, n }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.n = self.n.checked_sub(1)?;
        Some(Permit::new(self.sender))
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
    /// The caller has taken the room.
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self { sender: Some(sender) }
    }

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
