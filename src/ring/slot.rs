//! Slots and their memory: the only uninitialised memory of the crate.
//!
//! A slot belongs to one position at a time. The claimer of the position may write it once; the
//! receiver may read it once, after the stamp says that it is published; it belongs to the position
//! one lap later when the head has passed it. The receiver never writes a slot.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::pos::Pos;
use crate::sync::{AtomicU32, Ordering, UnsafeCell};

/// One message and the stamp that says whose it is: [`Pos::stamp`] once published.
pub(super) struct Slot<T> {
    stamp: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    /// # Safety
    /// The caller has claimed `pos`, a position of this slot, and has not published it yet.
    #[inline]
    pub(super) unsafe fn publish(&self, pos: Pos, value: T) {
        // SAFETY: the claim makes us the only one to touch the value until the stamp is stored.
        self.value.with_mut(|p| unsafe { p.write(MaybeUninit::new(value)) });
        // ORDERING(P1): Release. Pairs with P1 in `is_published`. Makes the value visible to the
        // receiver; Relaxed would let it read the slot before the write above.
        self.stamp.store(pos.stamp(), Ordering::Release);
    }

    #[inline]
    pub(super) fn is_published(&self, pos: Pos) -> bool {
        // ORDERING(P1): Acquire. Pairs with P1 in `publish`.
        self.stamp.load(Ordering::Acquire) == pos.stamp()
    }

    /// As [`Slot::is_published`], for counting only: nothing may be read on its word.
    #[inline]
    pub(super) fn seems_published(&self, pos: Pos) -> bool {
        // ORDERING(M2): Relaxed. The high watermark counts stamps and reads no value.
        self.stamp.load(Ordering::Relaxed) == pos.stamp()
    }

    /// # Safety
    /// The caller is the receiver, its head is at this slot's position, [`Slot::is_published`] said
    /// yes, and the value has not been read yet.
    #[inline]
    pub(super) unsafe fn read(&self) -> T {
        // SAFETY: published, hence written; no producer writes again before the head has passed.
        self.value.with(|p| unsafe { (*p).assume_init_read() })
    }
}

/// A buffer of slots whose message type is erased, so that a channel's state has one type whatever
/// it carries. It frees memory and never drops a message: the receiver has drained it by then.
pub(super) struct Storage {
    base: NonNull<u8>,
    mask: usize,
    free: unsafe fn(NonNull<u8>, usize),
}

// SAFETY: a `Storage` is memory; messages are reached only through `of`, whose callers answer for
// their type, `Send` included.
unsafe impl Send for Storage {}
// SAFETY: as above; slots are shared under the protocol of `Slot`.
unsafe impl Sync for Storage {}

impl Storage {
    /// `len` slots, a power of two, whose first position will be `start`.
    ///
    /// # Panics
    /// If that much memory cannot be had.
    #[track_caller]
    pub(super) fn new<T>(len: usize, start: Pos) -> Self {
        debug_assert!(len.is_power_of_two());
        Self { base: allocate::<T>(len, start), mask: len - 1, free: free::<T> }
    }

    /// The slots, with their type.
    ///
    /// # Safety
    /// `T` is the type this storage was made for.
    #[inline]
    pub(super) unsafe fn of<T>(&self) -> Slots<'_, T> {
        Slots { base: self.base.cast(), mask: self.mask, storage: PhantomData }
    }
}

/// A position's slot and stamp, worked out in advance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Within the mask of the storage it was made with.
    index: usize,
    stamp: u32,
}

/// Typed access to a [`Storage`].
pub(super) struct Slots<'a, T> {
    base: NonNull<Slot<T>>,
    mask: usize,
    storage: PhantomData<&'a Storage>,
}

impl<T> Clone for Slots<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slots<'_, T> {}

impl<'a, T> Slots<'a, T> {
    #[inline]
    pub(super) fn at(self, pos: Pos) -> &'a Slot<T> {
        // SAFETY: the base points to `mask + 1` slots of `T` (see `Storage::of`), which live as long
        // as the storage, and the index is within the mask.
        unsafe { self.base.add(pos.index(self.mask)).as_ref() }
    }

    #[inline]
    pub(super) fn place(self, pos: Pos) -> Place {
        Place { index: pos.index(self.mask), stamp: pos.stamp() }
    }

    /// Whether a message seems to be published at `place`; see [`Slot::seems_published`].
    ///
    /// # Safety
    /// `place` was made for this storage.
    #[inline]
    pub(super) unsafe fn seems_published(self, place: Place) -> bool {
        // SAFETY: as in `at`; the index was masked when the place was made.
        let slot = unsafe { self.base.add(place.index).as_ref() };
        // ORDERING(M2): Relaxed. As `Slot::seems_published`.
        slot.stamp.load(Ordering::Relaxed) == place.stamp
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // SAFETY: `free` was chosen with the type and length of the allocation at `base`.
        unsafe { (self.free)(self.base, self.mask + 1) }
    }
}

#[track_caller]
fn layout_of<T>(len: usize) -> Layout {
    match Layout::array::<Slot<T>>(len) {
        Ok(layout) => layout,
        Err(_) => out_of_memory::<T>(len),
    }
}

#[track_caller]
#[cold]
fn out_of_memory<T>(len: usize) -> ! {
    panic!(
        "cannot reserve a ring of {len} slots of {} bytes: choose a smaller capacity or box the message",
        size_of::<Slot<T>>()
    )
}

/// Zeroed memory is a ring of which no position is published: position `p < len` has stamp
/// `p + 1`. Large rings cost nothing until they are touched.
#[cfg(not(parshall_loom))]
#[track_caller]
fn allocate<T>(len: usize, start: Pos) -> NonNull<u8> {
    let layout = layout_of::<T>(len);
    // SAFETY: a slot is never of size zero, it holds a stamp.
    let Some(base) = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }) else {
        out_of_memory::<T>(len)
    };
    if start != Pos::default() {
        for i in 0..len {
            let pos = start.plus(i as u64);
            // SAFETY: index within the allocation, which nobody else has seen yet.
            let slot = unsafe { base.cast::<Slot<T>>().add(pos.index(len - 1)).as_ref() };
            // ORDERING(P0): Relaxed. Before the channel is shared; pairs with nothing.
            slot.stamp.store(previous_lap(pos, len), Ordering::Relaxed);
        }
    }
    base
}

#[cfg(not(parshall_loom))]
unsafe fn free<T>(base: NonNull<u8>, len: usize) {
    // SAFETY: the caller passes what `allocate::<T>(len)` returned. Slots need no drop: no message
    // is left, and a stamp is an integer.
    unsafe { std::alloc::dealloc(base.as_ptr(), layout_of::<T>(len)) }
}

/// Loom's atomics and cells have constructors and destructors: a boxed slice instead.
#[cfg(parshall_loom)]
fn allocate<T>(len: usize, start: Pos) -> NonNull<u8> {
    let mut slots: Vec<Option<Slot<T>>> = (0..len).map(|_| None).collect();
    for i in 0..len {
        let pos = start.plus(i as u64);
        slots[pos.index(len - 1)] = Some(Slot {
            stamp: AtomicU32::new(previous_lap(pos, len)),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        });
    }
    let slots: Box<[Slot<T>]> = slots.into_iter().flatten().collect();
    assert_eq!(layout_of::<T>(len), Layout::for_value(&*slots));
    NonNull::from(Box::leak(slots)).cast()
}

#[cfg(parshall_loom)]
unsafe fn free<T>(base: NonNull<u8>, len: usize) {
    let slots = core::ptr::slice_from_raw_parts_mut(base.cast::<Slot<T>>().as_ptr(), len);
    // SAFETY: the caller passes what `allocate::<T>(len)` leaked.
    drop(unsafe { Box::from_raw(slots) });
}

/// The stamp that the slot of `pos` carries until `pos` is published.
fn previous_lap(pos: Pos, len: usize) -> u32 {
    pos.stamp().wrapping_sub(len as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::pos::Head;

    #[test]
    fn a_new_ring_has_nothing_published_wherever_it_starts() {
        for start in [0, (1 << 32) - 1, (1 << 32) - 3, (1 << 36) - 1, (1 << 36) + 5] {
            for len in [1, 2, 4, 64] {
                let start = Head::at(start).pos();
                let storage = Storage::new::<String>(len, start);
                // SAFETY: made for `String`.
                let slots = unsafe { storage.of::<String>() };
                for i in 0..len as u64 {
                    let pos = start.plus(i);
                    assert!(!slots.at(pos).is_published(pos), "{pos:?} of {len}");
                }
            }
        }
    }

    #[test]
    fn zero_sized_and_over_aligned_messages_have_slots() {
        #[repr(align(256))]
        struct Wide(u8);
        let pos = Pos::default();
        let storage = Storage::new::<Wide>(2, pos);
        // SAFETY: made for `Wide`; position 0 is ours and is read once.
        unsafe {
            let slot = storage.of::<Wide>().at(pos);
            slot.publish(pos, Wide(7));
            assert!(slot.is_published(pos) && slot.read().0 == 7);
        }
        let storage = Storage::new::<()>(2, pos);
        // SAFETY: made for `()`.
        unsafe { storage.of::<()>().at(pos).publish(pos, ()) };
    }
}
