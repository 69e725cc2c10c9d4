//! Those who wait for the channel's end, by `Sender::closed`: a queue that the first one makes. Few
//! channels have one.

use core::ptr;

use crate::sync::{AtomicPtr, LoadSeqCst, Ordering};
use crate::wait::WaitQueue;

#[cfg(all(parshall_loom_inside, test))]
mod models;

/// The queue; null until somebody waits. It is never served, only closed.
pub(super) struct OnClose(AtomicPtr<WaitQueue>);

impl OnClose {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The queue, if anybody has ever waited. If there is none, whoever comes later sees what the
    /// caller did by a SeqCst step.
    #[inline]
    pub(super) fn queue(&self) -> Option<&WaitQueue> {
        // ORDERING(W2, Q9): SeqCst. Pairs with W2 in `queue_or_new`: of a closing step and this
        // look, and a new queue and its maker's look at T, one look comes last and sees the other's
        // step. Acquire: pairs with Q9 there: the queue is set up.
        let queue = self.0.load_sc();
        // SAFETY: null, or made by `queue_or_new`, and freed with this.
        unsafe { queue.as_ref() }
    }

    #[cold]
    pub(super) fn queue_or_new(&self) -> &WaitQueue {
        if let Some(queue) = self.queue() {
            return queue;
        }
        // Written where it stays, as a segment in `wait::pool`.
        let new = Box::into_raw(Box::write(Box::new_uninit(), WaitQueue::new()));
        // ORDERING(W2, Q9): SeqCst. Pairs with W2, Q9 in `queue`. A failure likewise: the queue of
        // who was first is used, and our look at T comes after it for all.
        let made =
            self.0.compare_exchange(ptr::null_mut(), new, Ordering::SeqCst, Ordering::SeqCst);
        let queue = made.map_or_else(
            |there| {
                // SAFETY: made above, and nobody has seen it.
                drop(unsafe { Box::from_raw(new) });
                there
            },
            |_| new,
        );
        // SAFETY: as in `queue`.
        unsafe { &*queue }
    }
}

impl Drop for OnClose {
    #[inline]
    fn drop(&mut self) {
        // ORDERING(Q9): Relaxed. Nobody else is there.
        let queue = self.0.load(Ordering::Relaxed);
        if !queue.is_null() {
            // SAFETY: made by `queue_or_new`; whoever uses it borrows this.
            drop(unsafe { Box::from_raw(queue) });
        }
    }
}
