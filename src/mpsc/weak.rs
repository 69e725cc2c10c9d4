//! The handle that does not keep its channel open.

use core::fmt;
use core::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::Sender;
use crate::chan::Chan;
use crate::sync::plain::Arc;

impl<T> Sender<T> {
    /// A handle that does not keep the channel open.
    #[must_use = "Downgrade creates a WeakSender without destroying the original non-weak sender."]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(self.chan().clone())
    }
}

/// A [`Sender`] that does not count: the channel closes although it is there.
///
/// # Examples
/// ```
/// let (tx, _rx) = parshall::mpsc::channel::<u8>(1);
/// let weak = tx.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(tx);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakSender<T> {
    chan: Chan<T>,
}

impl<T> WeakSender<T> {
    pub(super) fn new(chan: Chan<T>) -> Self {
        chan.counts.add_weak();
        Self { chan }
    }

    /// A sender, if another one still lives. Once `None`, always `None`.
    #[track_caller]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let place = Location::caller();
        let counted = self.chan.upgrade();
        counted.then(|| Sender::new(self.chan.clone(), self.chan.trace(place)))
    }

    /// Senders and owned permits of this channel. May change at any time, but 0 is final.
    pub fn strong_count(&self) -> usize {
        self.chan.sender_count()
    }

    /// Weak senders of this channel, this one included. May change at any time.
    pub fn weak_count(&self) -> usize {
        self.chan.counts.weak()
    }

    /// Gives the channel a name, at any time. An addition to Tokio's interface.
    ///
    /// See [`Sender::set_name`](super::Sender::set_name).
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.chan.info().set_name(name.into());
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::new(self.chan.clone())
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.chan.counts.drop_weak();
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakSender")
    }
}

impl<T> UnwindSafe for WeakSender<T> {}
impl<T> RefUnwindSafe for WeakSender<T> {}
