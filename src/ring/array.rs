//! A ring of slots in one allocation: small capacities.
//!
//! The slot of a position is `pos & mask`. It is free again when the head has passed it, which a
//! producer learns before it claims (C1): nothing is ever installed, moved or given back.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::pos::Pos;
use super::slot::{self, Slot};
use super::store::{Cursor, Store};
use crate::sync::AtomicU32;

type Stamped<T> = slot::Stamped<T, AtomicU32>;

/// The memory, with the type of its messages erased. It never drops a message.
pub(super) struct Array {
    base: NonNull<u8>,
    mask: usize,
    free: unsafe fn(NonNull<u8>, usize),
}

// SAFETY: an `Array` is memory; messages are reached only through `of`, whose callers answer for
// their type, `Send` included.
unsafe impl Send for Array {}
// SAFETY: as above; slots are shared under the protocol of `Slot`.
unsafe impl Sync for Array {}

impl Array {
    /// How many bytes `len` messages take.
    pub(super) const fn bytes<T>(len: usize) -> usize {
        len * size_of::<Stamped<T>>()
    }

    /// `len` slots, a power of two, whose first position will be `start`.
    pub(super) fn new<T>(len: usize, start: Pos) -> Self {
        debug_assert!(len.is_power_of_two());
        Self { base: allocate::<T>(len, start), mask: len - 1, free: free::<T> }
    }

    /// The slots, with their type.
    ///
    /// # Safety
    /// `T` is the type this array was made for.
    #[inline]
    pub(super) unsafe fn of<T>(&self) -> Slots<'_, T> {
        Slots { base: self.base.cast(), mask: self.mask, array: PhantomData }
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // SAFETY: `free` was chosen with the type and length of the allocation at `base`.
        unsafe { (self.free)(self.base, self.mask + 1) }
    }
}

/// Typed access to an [`Array`].
pub(super) struct Slots<'a, T> {
    base: NonNull<Stamped<T>>,
    mask: usize,
    array: PhantomData<&'a Array>,
}

impl<T> Clone for Slots<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slots<'_, T> {}

impl<'a, T> Slots<'a, T> {
    #[inline]
    pub(super) fn at(self, pos: Pos) -> Slot<'a, T, AtomicU32> {
        // SAFETY: the base points to `mask + 1` slots of `T` (see `Array::of`), which live as long
        // as the array, and the index is within the mask.
        let stamped: &'a Stamped<T> = unsafe { self.base.add(pos.index(self.mask)).as_ref() };
        Slot { stamp: &stamped.stamp, value: &stamped.value }
    }
}

impl<'a, T: 'a> Store<'a, T> for Slots<'a, T> {
    type Stamp = AtomicU32;

    const IS_LIST: bool = false;

    #[inline]
    unsafe fn reach(self, _: Pos, _: &mut Cursor) -> bool {
        true
    }

    #[inline]
    unsafe fn slot(self, pos: Pos, _: Cursor) -> Slot<'a, T, AtomicU32> {
        self.at(pos)
    }

    fn lap(self) -> u64 {
        self.mask as u64 + 1
    }

    unsafe fn last_of(self, _: Cursor) -> Pos {
        unreachable!("an array has no blocks")
    }

    #[inline]
    unsafe fn leave_behind(self, _: Pos, _: Cursor, _: usize) {}
}

fn layout_of<T>(len: usize) -> Layout {
    Layout::array::<Stamped<T>>(len).expect("32 messages fit into the address space")
}

/// Many small slots are zeroed as a whole, which takes a store for 32 bytes: in pieces of this
/// size, for from 2,048 bytes on glibc does it by an instruction that takes longer. (So does
/// `alloc_zeroed`, and glibc has no memory at hand for that. Memory that is never touched it would
/// not save: arrays have a page at most, and an allocator writes its own words into each.)
#[cfg(not(parshall_loom_inside))]
const PIECE: usize = 1024;

/// Stamps of zero say that nothing is published: position `p < len` has stamp `p + 1`.
#[cfg(not(parshall_loom_inside))]
fn allocate<T>(len: usize, start: Pos) -> NonNull<u8> {
    let layout = layout_of::<T>(len);
    // SAFETY: it is never of size zero, it holds a stamp.
    let memory = unsafe { std::alloc::alloc(layout) };
    let Some(base) = NonNull::new(memory) else { std::alloc::handle_alloc_error(layout) };
    let set_stamp = |i: usize, stamp| {
        // SAFETY: index within the allocation, which nobody else has seen yet.
        unsafe {
            let stamped = base.cast::<Stamped<T>>().add(i).as_ptr();
            (&raw mut (*stamped).stamp).write(AtomicU32::new(stamp));
        }
    };
    if size_of::<Stamped<T>>() <= 32 && layout.size() > 128 {
        for piece in (0..layout.size()).step_by(PIECE) {
            let bytes = PIECE.min(layout.size() - piece);
            // SAFETY: within the allocation, which nobody else has seen yet.
            unsafe { base.add(piece).write_bytes(0, bytes) };
        }
    } else {
        (0..len).for_each(|i| set_stamp(i, 0));
    }
    // Only in tests: elsewhere it is known to be 0. (As a step of its own this made the loop above
    // 36 instructions longer, at capacity 1.)
    if start != Pos::default() {
        let positions = (0..len as u64).map(|i| start.plus(i));
        positions.for_each(|pos| set_stamp(pos.index(len - 1), previous_lap(pos, len)));
    }
    base
}

#[cfg(not(parshall_loom_inside))]
unsafe fn free<T>(base: NonNull<u8>, len: usize) {
    // SAFETY: the caller passes what `allocate::<T>(len)` returned. Entries need no drop: no
    // message is left, and a stamp is an integer.
    unsafe { std::alloc::dealloc(base.as_ptr(), layout_of::<T>(len)) }
}

/// Loom's atomics and cells have constructors and destructors: a boxed slice instead.
#[cfg(parshall_loom_inside)]
fn allocate<T>(len: usize, start: Pos) -> NonNull<u8> {
    let mut slots: Vec<Option<Stamped<T>>> = (0..len).map(|_| None).collect();
    for i in 0..len {
        let pos = start.plus(i as u64);
        slots[pos.index(len - 1)] =
            Some(Stamped { stamp: AtomicU32::new(previous_lap(pos, len)), value: slot::vacant() });
    }
    let slots: Box<[Stamped<T>]> = slots.into_iter().flatten().collect();
    assert_eq!(layout_of::<T>(len), Layout::for_value(&*slots));
    NonNull::from(Box::leak(slots)).cast()
}

#[cfg(parshall_loom_inside)]
unsafe fn free<T>(base: NonNull<u8>, len: usize) {
    let slots = core::ptr::slice_from_raw_parts_mut(base.cast::<Stamped<T>>().as_ptr(), len);
    // SAFETY: the caller passes what `allocate::<T>(len)` leaked.
    drop(unsafe { Box::from_raw(slots) });
}

/// The stamp that the slot of `pos` carries until `pos` is published.
fn previous_lap(pos: Pos, len: usize) -> u32 {
    pos.stamp().wrapping_sub(len as u32)
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;
    use crate::ring::pos::Head;

    /// Seen to fail with: first stamps of 0 wherever the ring starts.
    #[test]
    fn b10_stamps_of_a_new_ring_say_that_nothing_is_published_wherever_it_starts() {
        for start in [0, (1 << 32) - 1, (1 << 32) - 3, (1 << 36) - 1, (1 << 36) + 5] {
            for len in [1, 2, 4, 64] {
                let start = Head::at(start).pos();
                let array = Array::new::<String>(len, start);
                // SAFETY: made for `String`.
                let slots = unsafe { array.of::<String>() };
                for i in 0..len as u64 {
                    let pos = start.plus(i);
                    assert!(!slots.at(pos).is_published(pos), "{pos:?} of {len}");
                }
            }
        }
    }

    #[test]
    fn b26_zero_sized_and_over_aligned_messages_have_slots() {
        #[repr(align(256))]
        struct Wide(u8);
        let pos = Pos::default();
        let array = Array::new::<Wide>(2, pos);
        // SAFETY: made for `Wide`; position 0 is ours and is read once.
        unsafe {
            array.of::<Wide>().at(pos).publish(pos, Wide(7));
            let slot = array.of::<Wide>().at(pos);
            assert!(slot.is_published(pos) && slot.read().0 == 7);
        }
        let array = Array::new::<()>(2, pos);
        // SAFETY: made for `()`.
        unsafe { array.of::<()>().at(pos).publish(pos, ()) };
    }
}
