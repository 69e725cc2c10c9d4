//! Those who wait for the channel's end, by `Sender::closed`: a line that the first one makes. Few
//! channels have one.

use core::ptr;

use crate::sync::{AtomicPtr, LoadSeqCst, Ordering};
use crate::wait::WaitQueue;

#[cfg(all(parshall_loom_inside, test))]
mod models;

/// The line; null until somebody waits. It is never served, only closed.
pub(super) struct OnClose(AtomicPtr<WaitQueue>);

impl OnClose {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The line, if anybody has ever waited. If there is none, whoever comes later sees what the
    /// caller did by a SeqCst step.
    #[inline]
    pub(super) fn line(&self) -> Option<&WaitQueue> {
        // ORDERING(W2, Q9): SeqCst. Pairs with W2 in `line_or_new`: of a closing step and this
        // look, and a new line and its maker's look at T, one look comes last and sees the other's
        // step. Acquire: pairs with Q9 there: the line is set up.
        let line = self.0.load_sc();
        // SAFETY: null, or made by `line_or_new`, and freed with this.
        unsafe { line.as_ref() }
    }

    #[cold]
    pub(super) fn line_or_new(&self) -> &WaitQueue {
        if let Some(line) = self.line() {
            return line;
        }
        let new = Box::into_raw(Box::new(WaitQueue::new()));
        // ORDERING(W2, Q9): SeqCst. Pairs with W2, Q9 in `line`. A failure likewise: the line of
        // who was first is used, and our look at T comes after it for all.
        let made =
            self.0.compare_exchange(ptr::null_mut(), new, Ordering::SeqCst, Ordering::SeqCst);
        let line = made.map_or_else(
            |there| {
                // SAFETY: made above, and nobody has seen it.
                drop(unsafe { Box::from_raw(new) });
                there
            },
            |_| new,
        );
        // SAFETY: as in `line`.
        unsafe { &*line }
    }
}

impl Drop for OnClose {
    #[inline]
    fn drop(&mut self) {
        // ORDERING(Q9): Relaxed. Nobody else is there.
        let line = self.0.load(Ordering::Relaxed);
        if !line.is_null() {
            // SAFETY: made by `line_or_new`; whoever uses it borrows this.
            drop(unsafe { Box::from_raw(line) });
        }
    }
}
