//! A channel by the type of its messages.

use core::marker::PhantomData;
use core::ptr;

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

    /// Its state, looked up once.
    #[inline(always)]
    pub(super) fn carrier(&self) -> &Carrier<T> {
        let shared: &Shared = &self.shared;
        // SAFETY: of the same layout; and it carries `T`.
        unsafe { &*ptr::from_ref(shared).cast() }
    }

    pub(crate) fn shared(&self) -> &Owner {
        &self.shared
    }

    pub(crate) fn same_channel(&self, other: &Self) -> bool {
        self.shared.is_same(&other.shared)
    }
}

/// The state of a channel that carries `T`: from [`Chan::carrier`].
#[repr(transparent)]
pub(super) struct Carrier<T> {
    shared: Shared,
    messages: PhantomData<plain::Mutex<T>>,
}

impl<T> core::ops::Deref for Carrier<T> {
    type Target = Shared;

    #[inline(always)]
    fn deref(&self) -> &Shared {
        &self.shared
    }
}
