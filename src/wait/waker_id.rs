//! A waker's identity.

use core::ptr;
use core::task::{RawWakerVTable, Waker};

/// Which waker it was. It keeps nothing alive; so it is that waker only as long as a clone of that
/// is known to be somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakerId {
    vtable: &'static RawWakerVTable,
    /// An address: it is compared and never followed.
    data: usize,
}

impl WakerId {
    #[inline(always)]
    pub(crate) fn of(waker: &Waker) -> Self {
        Self { vtable: waker.vtable(), data: waker.data().addr() }
    }

    /// Whether `waker` wakes the same task: as [`Waker::will_wake`].
    #[inline(always)]
    pub(crate) fn is(self, waker: &Waker) -> bool {
        self.data == waker.data().addr() && ptr::eq(self.vtable, waker.vtable())
    }
}
