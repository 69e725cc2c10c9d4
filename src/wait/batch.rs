//! Wakers, collected while waits are ended and called after that.
//!
//! A waker is user code: it may panic, block, or call back into the channel.

use core::mem::MaybeUninit;
use core::task::Waker;

use super::place::{Kind, Place, State};
use crate::sizes::BATCH;
use crate::telemetry::clock;
use crate::unwind::{FirstPanic, Owes, OwesValue};

/// Wakes one. A panic ends here.
#[inline]
pub(super) fn wake(waker: Waker) {
    OwesValue::run(|| waker.wake());
}

/// Up to [`BATCH`] wakers, to be woken when their waits have ended.
#[derive(Debug)]
pub(crate) struct WakeBatch {
    /// The first `len` are there.
    wakers: [MaybeUninit<Waker>; BATCH],
    len: usize,
}

impl WakeBatch {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { wakers: [const { MaybeUninit::uninit() }; BATCH], len: 0 }
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// Notes the end of the wait in `place`, which was in `before`: its owner is to be woken.
    ///
    /// # Safety
    /// The caller ended the wait, from `before`.
    #[inline(always)]
    pub(super) unsafe fn end_wait(&mut self, place: &Place, before: State, panic: &mut FirstPanic) {
        if before.kind() == Kind::Updating {
            // The owner is here, and sees to the rest.
            return;
        }
        // SAFETY: the caller's word: it took the place out of Waiting.
        if let Some(waker) = unsafe { place.end(clock::now()) } {
            if self.is_full() {
                self.wake_all(panic);
            }
            self.push(waker);
        }
    }

    /// Adds a waker. The batch must not be full.
    #[inline]
    pub(super) fn push(&mut self, waker: Waker) {
        self.wakers[self.len].write(waker);
        self.len += 1;
    }

    /// Wakes all, in order, whatever some of them do.
    #[inline]
    pub(crate) fn wake_all(&mut self, panic: &mut FirstPanic) {
        let len = core::mem::take(&mut self.len);
        for waker in &self.wakers[..len] {
            // SAFETY: it is there, and each is read once: `len` says that none is left.
            let waker = unsafe { waker.assume_init_read() };
            panic.run(|| waker.wake());
        }
    }
}

/// Only a panic of ours leaves wakers here: they are woken even so.
impl Drop for WakeBatch {
    fn drop(&mut self) {
        self.wake_all(&mut FirstPanic::default());
    }
}
