//! The receiver's waker: a cell whose owner is decided elsewhere.
//!
//! The cell has no state machine of its own for arming: RX_PARKED in the tail word already says who
//! may touch it. By parking the receiver lends the cell to whoever ends the park, and exactly one
//! does (see `ring`): another, or the receiver that takes the park back.
//!
//! | lent | park | whose it is | what lies in it | next |
//! |---|---|---|---|---|
//! | false | none | the receiver's | nothing | `lend`, and it parks |
//! | true | failed | the receiver's | its waker | `take` |
//! | true | stands | nobody's | the waker of the last poll | somebody ends the park |
//! | true | was ended | who ended it | the same | `take` |
//!
//! The window in which the receiver finds the cell lent though its park has ended is the few
//! instructions of [`RxWaker::take`]; the wake-up itself runs outside it.

use core::task::Waker;

use crate::sync::order::PollEdge;
use crate::sync::{AtomicBool, Ordering, UnsafeCell};

/// See the module's table.
pub(crate) struct RxWaker {
    lent: AtomicBool,
    waker: UnsafeCell<Option<Waker>>,
    /// From the poll that lent the cell, or that waits on in its park.
    poll_edge: PollEdge,
}

// SAFETY: a `Waker` may go to any thread; the table above makes every access exclusive.
unsafe impl Send for RxWaker {}
// SAFETY: as above.
unsafe impl Sync for RxWaker {}

impl RxWaker {
    pub(crate) fn new() -> Self {
        Self {
            lent: AtomicBool::new(false),
            waker: UnsafeCell::new(None),
            poll_edge: PollEdge::new(),
        }
    }

    /// Whether the receiver owns the cell again after somebody else ended its park.
    #[inline]
    pub(crate) fn is_returned(&self) -> bool {
        // ORDERING(K2): Acquire. Pairs with K2 in `take`: the taker is done with the cell.
        !self.lent.load(Ordering::Acquire)
    }

    /// Puts `waker` into the cell and marks it as lent, for the park that follows and publishes
    /// both.
    ///
    /// # Safety
    /// The caller is the receiver, and the cell is not lent.
    #[inline]
    pub(crate) unsafe fn lend(&self, waker: Waker) {
        // SAFETY: exclusive, the caller's word; so nothing lies there that would be overwritten.
        self.waker.with_mut(|p| unsafe {
            debug_assert!((*p).is_none(), "a cell that is not lent is empty");
            p.write(Some(waker));
        });
        self.poll_edge.begin();
        // ORDERING(K2): Relaxed. Published, with the waker, by the park (K1 in `ring`).
        self.lent.store(true, Ordering::Relaxed);
    }

    /// The receiver waits on in its park, with the waker in the cell.
    #[inline]
    pub(crate) fn stays_lent(&self) {
        self.poll_edge.begin();
    }

    /// Takes the waker out.
    ///
    /// # Safety
    /// The caller ended the receiver's park, or is the receiver and its park failed.
    #[inline]
    pub(crate) unsafe fn take(&self) -> Option<Waker> {
        // SAFETY: exclusive, the caller's word.
        let waker = self.waker.with_mut(|p| unsafe { (*p).take() });
        self.poll_edge.end();
        // ORDERING(K2): Release. Pairs with K2 in `is_returned`: the receiver writes the cell only
        // after the take above. Relaxed would let the two overlap.
        self.lent.store(false, Ordering::Release);
        waker
    }
}
