//! The high watermark: how far ahead of the head a published message has been found.
//!
//! Occupancy peaks just before the head moves, so looking before each move misses no peak of
//! published messages. The mark rises if the message at `head + mark` is published: it is never
//! below the published run, and never above what is claimed.
//!
//! In an array that position is worked out at each pop, which is a few instructions. In a list it
//! would be many. But as long as a position before that one is not published, nothing need be
//! worked out: `beyond` is such a one, never behind the head, and one load of its stamp is all that
//! most pops pay. If the block of the position that is meant is not there yet, `beyond` is the last
//! one of the last block: who publishes there has seen to the block behind it.
//!
//! A mark at the limit rises no more. In a full channel the position that it means is the one that
//! a producer publishes next, and each look would take that line away: so it looks elsewhere then.

use core::ptr::NonNull;

use super::pos::Pos;
use super::slot;
use super::store::{Cursor, Store};
use crate::sizes;
use crate::sync::{AtomicU8, AtomicU64, Ordering};

/// The receiver's own part: the mark, and where to look next.
#[derive(Debug)]
pub(super) struct Watermark {
    /// From 1 on: that a message was taken says enough of the first one ([`Ring::watermark`]), and
    /// most channels that live for one message have no other to look for. When it has come to the
    /// limit, in an array, a lap: what is published at the head is not published a lap ahead.
    ///
    /// [`Ring::watermark`]: super::Ring::watermark
    mark: u64,
    /// In a list, a position at or ahead of the head: until a message is published there, none can
    /// raise the mark. With the mark at the limit no position, and a stamp that nobody sets.
    beyond: Beyond,
    /// The block of `beyond`, or the last before it.
    probe: Cursor,
}

/// A position in a list, and where its stamp is.
#[derive(Debug)]
struct Beyond {
    pos: Pos,
    at: NonNull<AtomicU8>,
}

// SAFETY: the address is followed by the receiver only, where it says why it may.
unsafe impl Send for Beyond {}
// SAFETY: as above.
unsafe impl Sync for Beyond {}

impl Beyond {
    /// One where nothing is ever published.
    fn never() -> Self {
        Self { pos: Pos::of(0), at: vacant().into() }
    }
}

/// A stamp that nobody sets.
#[cfg(not(parshall_loom_inside))]
fn vacant() -> &'static AtomicU8 {
    /// On lines of its own: all full lists read it.
    #[repr(align(128))]
    struct Alone(AtomicU8);
    static VACANT: Alone = Alone(AtomicU8::new(0));
    &VACANT.0
}

/// Loom's atomics belong to one execution.
#[cfg(parshall_loom_inside)]
fn vacant() -> &'static AtomicU8 {
    Box::leak(Box::new(AtomicU8::new(0)))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a limit that is loaded ahead is one instruction more at each pop"
)]
impl Watermark {
    /// That of a ring whose first message has position `first`. Of a list: its stamp, and its
    /// block.
    #[inline(always)]
    pub(super) fn new(first: Pos, stamp: Option<NonNull<AtomicU8>>, block: Cursor) -> Self {
        let at = stamp.unwrap_or(NonNull::dangling());
        Self { mark: 1, beyond: Beyond { pos: first, at }, probe: block }
    }

    /// Looks, before the head moves on from `head`. What is found is told to all in `reported`.
    ///
    /// # Safety
    /// The caller is the receiver, `store` the slots of its ring, and this the watermark of that.
    #[inline]
    pub(super) unsafe fn look<'a, T: 'a, S: Store<'a, T>>(
        &mut self,
        store: S,
        head: Pos,
        limit: &u64,
        reported: &AtomicU64,
    ) {
        if !sizes::WATERMARK {
            return;
        }
        // SAFETY: the caller's word.
        unsafe {
            if !S::IS_LIST {
                if self.is_stamped(store, head.plus(self.mark)) {
                    self.raise(store, head, limit, reported);
                }
                return;
            }
            if self.is_due() {
                self.look_slow(store, head, limit, reported);
            }
        }
    }

    /// Of a list: whether something is published at `beyond`, so that a look may raise the mark.
    ///
    /// # Safety
    /// The caller is the receiver, and this the watermark of its ring.
    #[inline(always)]
    pub(super) unsafe fn is_due(&self) -> bool {
        // SAFETY: the caller's word; `beyond` is not behind the head, so its block is neither
        // reused nor freed; or it is a static.
        sizes::WATERMARK && slot::is_marked(unsafe { self.beyond.at.as_ref() }, self.beyond.pos)
    }

    /// Something is published at `beyond`. In a list.
    ///
    /// # Safety
    /// As [`Watermark::look`].
    #[cold]
    #[inline(never)]
    unsafe fn look_slow<'a, T: 'a, S: Store<'a, T>>(
        &mut self,
        store: S,
        head: Pos,
        limit: &u64,
        reported: &AtomicU64,
    ) {
        // SAFETY: the caller's word; `probe` follows `beyond`, and goes forward from there.
        unsafe {
            let mut pos = head.plus(self.mark);
            if self.is_stamped(store, pos) {
                let Some(raised) = self.raise(store, head, limit, reported) else { return };
                pos = raised;
            }
            // `pos` is not published, and the next pop asks for the one behind it.
            pos = pos.plus(1);
            if !store.reach(pos, &mut self.probe) {
                // Not published yet, as far as the receiver has read: with its message it would
                // have seen the block behind it. So this is not behind where the head goes.
                pos = store.last_of(self.probe);
            }
            let at = NonNull::from(store.slot(pos, self.probe).stamp).cast();
            self.beyond = Beyond { pos, at };
        }
    }

    /// Counts the message at `head + mark`, and those behind it. Returns the first position that is
    /// not published; `None` if the mark has come to the limit, and stays there. (It stops there by
    /// itself: what lies that far ahead cannot be claimed yet.)
    ///
    /// # Safety
    /// As [`Watermark::look`].
    #[cold]
    #[inline(never)]
    unsafe fn raise<'a, T: 'a, S: Store<'a, T>>(
        &mut self,
        store: S,
        head: Pos,
        limit: &u64,
        reported: &AtomicU64,
    ) -> Option<Pos> {
        let mut run = 1;
        loop {
            self.mark += run;
            let pos = head.plus(self.mark);
            // SAFETY: the caller's word.
            run = unsafe { store.published_run(pos, &mut self.probe) };
            if run == 0 {
                // ORDERING(M1): Relaxed. A gauge with one writer; pairs with M1 in `watermark`.
                reported.store(self.mark, Ordering::Relaxed);
                if self.mark < *limit {
                    return Some(pos);
                }
                self.look_no_more(store);
                return None;
            }
        }
    }

    /// From now on a look finds nothing. In a full channel it would look, at each pop, at the slot
    /// that a producer writes next, and take its line away.
    fn look_no_more<'a, T: 'a, S: Store<'a, T>>(&mut self, store: S) {
        if S::IS_LIST {
            self.beyond = Beyond::never();
        } else {
            self.mark = store.lap();
        }
    }

    /// # Safety
    /// As [`Store::seek`], of `probe`.
    #[inline]
    unsafe fn is_stamped<'a, T: 'a, S: Store<'a, T>>(&mut self, store: S, pos: Pos) -> bool {
        // SAFETY: the caller's word.
        let slot = unsafe { store.seek(pos, &mut self.probe) };
        slot.is_some_and(|slot| slot::is_marked(slot.stamp, pos))
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use crate::ring::{Ring, Shape};

    /// Seen to fail with: stamps that saturate.
    #[test]
    fn b10_the_watermark_is_exact_whatever_the_order_of_sends_and_pops() {
        for (capacity, in_blocks) in (1..=6u64).flat_map(|n| [(n, false), (n, true)]) {
            for script in (0u32..1 << 12).step_by(if cfg!(miri) { 511 } else { 1 }) {
                let (ring, mut reader) =
                    Ring::new::<u32>(Shape::new(Some(capacity), (1 << 32) - 3, in_blocks));
                let (mut len, mut peak) = (0, 0);
                for step in 0..12 {
                    if script >> step & 1 == 0 {
                        if let Ok(claim) = ring.claim_next() {
                            // SAFETY: the ring was made for `u32`.
                            unsafe { ring.put(claim, step) };
                            len += 1;
                        }
                        continue;
                    }
                    // SAFETY: the ring was made for `u32`, with this reader.
                    let popped = unsafe { ring.pop::<u32>(&mut reader) };
                    assert_eq!(popped.is_some(), len > 0);
                    if popped.is_some() {
                        peak = peak.max(len);
                        len -= 1;
                    }
                    assert_eq!(ring.watermark(), peak, "capacity {capacity}, script {script:b}");
                }
            }
        }
    }
}
