//! The two ends of the line, as two numbers that only rise.
//!
//! `arrivals` counts the places that were given out. All places before `front` are final. If the
//! two are equal, nobody waits.

use crate::sync::{AtomicU64, LoadSeqCst, Ordering};

/// See the module. Claims compare the two.
#[derive(Debug)]
pub(crate) struct Line {
    arrivals: AtomicU64,
    /// May be too low, and is never too high.
    front: AtomicU64,
}

impl Line {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { arrivals: AtomicU64::new(0), front: AtomicU64::new(0) }
    }

    /// Takes the next place. What follows is its owner's look at the channel.
    #[inline(always)]
    pub(super) fn arrive(&self) -> u64 {
        // ORDERING(W1, W2): SeqCst. Pairs with W1, W2 in `arrivals`: see there.
        self.arrivals.fetch_add(1, Ordering::SeqCst)
    }

    /// Whether nobody waits. Whoever began to wait before the caller's last acquired step is seen;
    /// it may change at any time. Where so many have arrived that somebody may wait, `slow`
    /// decides.
    #[inline(always)]
    pub(crate) fn is_empty(&self, slow: impl FnOnce(u64) -> bool) -> bool {
        // ORDERING(Q8): Relaxed. Coherence is enough: a wait that began before, in the order of
        // events, was counted. `front` is never too high; if it is too low, the slow look decides.
        let arrivals = self.arrivals.load(Ordering::Relaxed);
        arrivals == self.front.load(Ordering::Relaxed) || slow(arrivals)
    }

    /// Whether nobody waits or is about to; if so, whoever comes later sees what the caller did by
    /// a SeqCst step.
    #[inline]
    pub(super) fn is_empty_sc(&self) -> bool {
        let front = self.front();
        front == self.arrivals()
    }

    /// All places before this one are final. It must be read before `arrivals`: a newer one may be
    /// so far only because of those who have come since.
    #[inline]
    pub(super) fn front(&self) -> u64 {
        // ORDERING(Q8): Acquire. Pairs with Q8 in `advance`: the looks that found them final come
        // before what follows here, in the order of SeqCst steps too.
        self.front.load(Ordering::Acquire)
    }

    /// How many places were given out.
    #[inline]
    pub(super) fn arrivals(&self) -> u64 {
        // ORDERING(W1, W2): SeqCst. Pairs with W1, W2 in `arrive`: of the caller's step on H or T
        // and this look, and an arrival and its look at H and T, one look comes last and sees the
        // other's step.
        self.arrivals.load_sc()
    }

    /// The caller has seen that all places before `front` are final.
    #[inline]
    pub(super) fn advance(&self, front: u64) {
        // ORDERING(Q8): Release. Pairs with Q8 in `front`. Each value is true for ever; an old one
        // over a newer one costs a slow look.
        if front > self.front.load(Ordering::Relaxed) {
            self.front.store(front, Ordering::Release);
        }
    }
}
