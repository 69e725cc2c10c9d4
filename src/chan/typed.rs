//! A channel by the type of its messages.

use core::marker::PhantomData;

use super::{Owner, Shared};
use crate::sync::plain;

/// A typed handle to a channel.
pub(crate) struct Chan<T> {
    pub(super) shared: Owner,
    /// Invariant in `T`, and `Send` and `Sync` if `T: Send`: as a mutex around the messages.
    messages: PhantomData<plain::Mutex<T>>,
}

impl<T> Clone for Chan<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), messages: PhantomData }
    }
}

// A handle is a pointer: moving it moves no message.
impl<T> Unpin for Chan<T> {}

impl<T> core::ops::Deref for Chan<T> {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl<T> Chan<T> {
    /// Of the channel that `shared` owns, which carries `T`.
    #[inline(always)]
    pub(super) fn of(shared: Owner) -> Self {
        Self { shared, messages: PhantomData }
    }

    pub(crate) fn shared(&self) -> &Owner {
        &self.shared
    }

    pub(crate) fn same_channel(&self, other: &Self) -> bool {
        self.shared.is_same(&other.shared)
    }
}
