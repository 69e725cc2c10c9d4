//! Wakers, collected while waits are ended and called after that.
//!
//! A waker is user code: it may panic, block, or call back into the channel.

use core::any::Any;
use core::mem::MaybeUninit;
use core::panic::AssertUnwindSafe;
use core::task::Waker;
use std::panic::{catch_unwind, resume_unwind};

/// How many wakers are collected. A message makes room for one, so a large batch would mostly be set up in vain.
const BATCH: usize = if cfg!(parshall_loom) { 2 } else { 4 };

/// The first panic of a series of calls to user code, held back until all have been made.
#[derive(Debug, Default)]
#[must_use = "resume it, or say why it may be forgotten"]
pub(crate) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Runs `f`; a panic is kept if it is the first.
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            match self.0 {
                None => self.0 = Some(payload),
                // A payload may panic when dropped.
                Some(_) => core::mem::forget(payload),
            }
        }
    }

    /// Drops a waker, if there is one: its drop is user code.
    pub(crate) fn discard(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            self.run(|| drop(waker));
        }
    }

    /// Goes on with the first panic, if there was one.
    pub(crate) fn resume(self) {
        if let Some(payload) = self.0 {
            // A second panic while unwinding would abort the process.
            if crate::sync::plain::panicking() {
                core::mem::forget(payload);
            } else {
                resume_unwind(payload);
            }
        }
    }

    /// The panic hook has reported it; nobody here can do anything about it.
    pub(crate) fn forget(self) {
        core::mem::forget(self.0);
    }
}

/// Up to [`BATCH`] wakers, to be woken when their waits are over.
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

    /// Adds a waker. The batch must not be full.
    #[inline]
    pub(crate) fn push(&mut self, waker: Waker) {
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
        let mut panic = FirstPanic::default();
        self.wake_all(&mut panic);
        panic.forget();
    }
}
