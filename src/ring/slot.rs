//! One slot: the only uninitialised memory of the crate, and the stamp that guards it.
//!
//! A slot belongs to one position at a time. The claimer of the position may write it once; the
//! receiver may read it once, after the stamp says that it is published; it belongs to a later
//! position when the head has passed it ([`super::array`]) or its block was reused
//! ([`super::blocks`]). The receiver writes no slot that a producer may look at.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::pos::Pos;
use crate::sync::{AtomicU8, AtomicU32, Ordering, UnsafeCell};

/// The memory of one message.
pub(super) type Value<T> = UnsafeCell<MaybeUninit<T>>;

/// Memory without a message.
#[cfg(parshall_loom_inside)]
pub(super) fn vacant<T>() -> Value<T> {
    UnsafeCell::new(MaybeUninit::uninit())
}

/// What says of a slot that a position of it is published.
pub(super) trait Stamp {
    /// Says so of `pos`.
    fn mark(&self, pos: Pos, order: Ordering);

    /// Whether it says so of `pos`.
    fn marks(&self, pos: Pos, order: Ordering) -> bool;
}

/// In an array, where a slot's next position comes without a word: the stamp tells the lap.
impl Stamp for AtomicU32 {
    #[inline(always)]
    fn mark(&self, pos: Pos, order: Ordering) {
        self.store(pos.stamp(), order);
    }

    #[inline(always)]
    fn marks(&self, pos: Pos, order: Ordering) -> bool {
        self.load(order) == pos.stamp()
    }
}

/// In a block, which has its stamps taken back before it is used for other positions.
impl Stamp for AtomicU8 {
    #[inline(always)]
    fn mark(&self, _: Pos, order: Ordering) {
        self.store(1, order);
    }

    #[inline(always)]
    fn marks(&self, _: Pos, order: Ordering) -> bool {
        self.load(order) != 0
    }
}

/// A message's memory and its stamp, side by side: with small messages a send touches one cache
/// line, and the receiver behind it waits for one.
pub(super) struct Stamped<T, S> {
    pub(super) stamp: S,
    pub(super) value: Value<T>,
}

/// A slot: where its message is, and its stamp. (Not a reference to both: between them may be
/// padding, and all of it may be gone as soon as the message is published.)
pub(super) struct Slot<'a, T, S> {
    pub(super) stamp: &'a S,
    pub(super) value: &'a Value<T>,
}

impl<T, S: Stamp> Slot<'_, T, S> {
    /// # Safety
    /// The caller has claimed `pos`, a position of this slot, and has not published it yet.
    #[inline]
    pub(super) unsafe fn publish(self, pos: Pos, value: T) {
        // SAFETY: the claim makes us the only one to touch the value until the stamp is stored.
        self.value.with_mut(|p| unsafe { p.write(MaybeUninit::new(value)) });
        // ORDERING(P1): Release. Pairs with P1 in `is_published`. Makes the value visible to the
        // receiver; Relaxed would let it read the slot before the write above. From here on the
        // producer touches neither the slot nor what holds it.
        self.stamp.mark(pos, Ordering::Release);
    }

    #[inline]
    pub(super) fn is_published(&self, pos: Pos) -> bool {
        // ORDERING(P1): Acquire. Pairs with P1 in `publish`: the value, and all that its sender
        // did.
        self.stamp.marks(pos, Ordering::Acquire)
    }

    /// # Safety
    /// The caller is the receiver, its head is at this slot's position, or in a list was there when
    /// this call of it began; [`Slot::is_published`] said yes, and the value has not been read yet.
    #[inline]
    pub(super) unsafe fn read(self) -> T {
        // SAFETY: published, hence written; no producer writes again before the head has passed, or
        // in a list, before the block was reused.
        self.value.with(|p| unsafe { (*p).assume_init_read() })
    }

    /// The message where it lies, for one who drops it there.
    #[inline]
    pub(super) fn message(self) -> NonNull<T> {
        // SAFETY: a cell's pointer is never null.
        self.value.with_mut(|p| unsafe { NonNull::new_unchecked(p) }).cast()
    }
}

/// Whether `pos` is published, for counting only: nothing may be read on its word.
#[inline]
pub(super) fn is_marked(stamp: &impl Stamp, pos: Pos) -> bool {
    // ORDERING(M2): Relaxed. The high watermark counts stamps and reads no value.
    stamp.marks(pos, Ordering::Relaxed)
}
