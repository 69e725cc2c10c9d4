//! The memory of the row: all segments that were made, and which of them are spare.
//!
//! A segment is freed with the row, and not before: whoever looks at one that was taken out finds
//! memory of a segment, and another number there. So no walker need be counted or waited for.
//!
//! * **By its id** each segment is found in a tree that the segments are themselves: that with id
//!   *i* is a child of that with id (*i* - 1) / 4. So there is no table beside them, and ids are
//!   short enough for a link.
//! * **Spare segments** lie on a stack after Treiber. The word of its top is a link, whose number
//!   counts how often a segment was put there: so a swap fails if its top was taken and came back.
//!   The one that was put there last is taken first, for it is still in the cache.

use super::segment::{AtomicLink, Link, Segment};
use crate::sync::row::{AtomicPtr, AtomicU64};
use crate::sync::{Ordering, step};

/// See the module.
#[derive(Debug)]
pub(super) struct Pool {
    /// The segment with id 0, from which the others are found.
    root: AtomicPtr<Segment>,
    /// All ids below this one are given.
    made: AtomicU64,
    spare: AtomicLink,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            root: AtomicPtr::new(core::ptr::null_mut()),
            made: AtomicU64::new(0),
            spare: AtomicLink::new(Link::end(0)),
        }
    }

    /// The segment with this id, which was read from a link or is below one that was.
    pub(super) fn at(&self, id: u64) -> &Segment {
        // ORDERING(Q7): Relaxed. Who has read the id by Acquire, from a link or `made`, knows of
        // the segment and of those above it in the tree.
        let segment = self.entry(id).load(Ordering::Relaxed);
        debug_assert!(!segment.is_null(), "segment {id} was not made");
        // SAFETY: it was made, as said above, and lives as long as the pool.
        unsafe { &*segment }
    }

    /// Where the address of the segment with this id stands.
    fn entry(&self, id: u64) -> &AtomicPtr<Segment> {
        match id.checked_sub(1) {
            None => &self.root,
            Some(before) => &self.at(before / 4).children[(before % 4) as usize],
        }
    }

    /// New memory, set up for `number`; the caller's alone.
    pub(super) fn make(&self, number: u64) -> &Segment {
        // Written where it stays: it is not to be copied.
        let new = Box::into_raw(Box::write(Box::new_uninit(), Segment::new(number)));
        // ORDERING(Q7): Acquire. Pairs with Q7 below: the segments with lower ids are in the tree.
        let mut id = self.made.load(Ordering::Acquire);
        loop {
            assert!(id < Link::NO_ID, "more than four thousand million senders wait");
            // SAFETY: nobody else has it until the swap.
            unsafe { (*new).id = id };
            // ORDERING(Q7): Release. Pairs with Q7 in `make` of others, who put theirs below it.
            // Acquire on failure: the other end, for the one that stands there.
            let entered = self
                .entry(id)
                .compare_exchange(core::ptr::null_mut(), new, Ordering::Release, Ordering::Acquire)
                .is_ok();
            // By whoever comes first: nobody waits for who is stopped before it.
            // ORDERING(Q7): Release. Pairs with Q7 above.
            let _ = self.made.compare_exchange(id, id + 1, Ordering::Release, Ordering::Relaxed);
            if entered {
                // SAFETY: as in `at`.
                return unsafe { &*new };
            }
            id += 1;
        }
    }

    /// Takes a spare segment. `None`: there was none.
    pub(super) fn take(&self) -> Option<&Segment> {
        loop {
            let top = self.spare.load();
            if top.is_end() {
                return None;
            }
            let segment = self.at(top.id());
            // ORDERING(Q7): Relaxed. Stored before it was put on top; if it was put there again
            // since, the swap fails.
            let below = segment.below.load(Ordering::Relaxed);
            step("spare: looked");
            if self.spare.swap(top, Link::new(top.number(), below)) {
                return Some(segment);
            }
        }
    }

    /// Makes a segment spare that is the caller's: it is not linked, and no link leads to it.
    pub(super) fn put(&self, segment: &Segment) {
        segment.set_out();
        step("spare: put");
        loop {
            let top = self.spare.load();
            // ORDERING(Q7): Relaxed. Released by the swap.
            segment.below.store(top.id(), Ordering::Relaxed);
            if self.spare.swap(top, Link::new(top.number() + 1, segment.id)) {
                return;
            }
        }
    }

    /// How many segments there are, spare or not.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        // ORDERING(Q0): Relaxed. For tests.
        self.made.load(Ordering::Relaxed) as usize
    }

    /// The ids of those that are spare, while nobody changes that.
    #[cfg(test)]
    pub(super) fn spare_ids(&self) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut id = self.spare.load().id();
        while id != Link::NO_ID {
            assert!(!ids.contains(&id), "the stack goes round");
            ids.push(id);
            // ORDERING(Q0): Relaxed. For tests.
            id = self.at(id).below.load(Ordering::Relaxed);
        }
        ids
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        /// # Safety
        /// Nobody looks at the segment any more, nor at those below it in the tree.
        unsafe fn free(entry: &AtomicPtr<Segment>) {
            // ORDERING(Q0): Relaxed. Nobody else is there.
            let segment = entry.load(Ordering::Relaxed);
            if !segment.is_null() {
                // SAFETY: the caller's word; each stands in one entry.
                let segment = unsafe { Box::from_raw(segment) };
                // SAFETY: as above.
                segment.children.iter().for_each(|entry| unsafe { free(entry) });
            }
        }
        // SAFETY: the pool is ours, and whoever looks at a segment borrows the pool.
        unsafe { free(&self.root) };
    }
}
