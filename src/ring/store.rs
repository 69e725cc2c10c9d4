//! What an array of slots and a list of blocks have in common.
//!
//! Both answer the receiver's questions in the same way ([`Store`]); the protocol does not know
//! which it works on.

use core::ptr::NonNull;

use super::pos::Pos;
use super::slot::{self, Slot, Stamp};
use crate::sizes;
use crate::sync::AtomicU8;

/// What the compiler knows of the channel that a call is for: a flavor, as other channels call it.
pub(crate) trait Flavor {
    /// It has no capacity: its messages lie in a list, and nobody waits for room.
    const UNBOUNDED: bool;
    /// Its messages lie in a list.
    const IN_LIST: bool;
    /// Its messages lie in an array.
    const IN_ARRAY: bool = false;
}

/// Any channel: what it is like is found out at run time.
#[derive(Debug)]
pub(crate) enum Any {}

/// A channel with an array.
#[derive(Debug)]
pub(crate) enum Arrayed {}

/// A channel with a list, with or without a capacity.
#[derive(Debug)]
pub(crate) enum Listed {}

/// A channel without a capacity.
#[derive(Debug)]
pub(crate) enum Unbounded {}

impl Flavor for Any {
    const UNBOUNDED: bool = false;
    const IN_LIST: bool = false;
}

impl Flavor for Arrayed {
    const UNBOUNDED: bool = false;
    const IN_LIST: bool = false;
    const IN_ARRAY: bool = true;
}

impl Flavor for Listed {
    const UNBOUNDED: bool = false;
    const IN_LIST: bool = true;
}

impl Flavor for Unbounded {
    const UNBOUNDED: bool = true;
    const IN_LIST: bool = true;
}

/// Where the receiver stands in a list of blocks. In an array it need not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor(pub(super) *mut ());

// SAFETY: a cursor is a pointer; who follows it answers for that.
unsafe impl Send for Cursor {}
// SAFETY: as above.
unsafe impl Sync for Cursor {}

/// Where a channel begins.
pub(super) struct First {
    /// The number of its first position.
    pub(super) start: u64,
    /// Of a list, the block of that, and there its stamp.
    pub(super) block: Cursor,
    pub(super) stamp: Option<NonNull<AtomicU8>>,
}

/// Typed access to slots. Copying it copies pointers.
pub(super) trait Store<'a, T: 'a>: Copy {
    type Stamp: Stamp + 'a;

    /// Whether what lies behind the receiver has to be given back.
    const IS_LIST: bool;

    /// Moves `at` to the block of `pos`. False: its memory is not there yet, and `at` is at the
    /// last block before it.
    ///
    /// # Safety
    /// The caller is the receiver. `at` is the first block of all, or where a call of this left it;
    /// it is not behind the block of the position just before the head, and not ahead of `pos`.
    unsafe fn reach(self, pos: Pos, at: &mut Cursor) -> bool;

    /// [`Store::reach`] for the head: `at` is the block of the position before it, at least, and so
    /// its own, unless a block begins there.
    ///
    /// # Safety
    /// As [`Store::reach`], and `pos` is the head.
    #[inline(always)]
    unsafe fn reach_head(self, pos: Pos, at: &mut Cursor) -> bool {
        // SAFETY: the caller's word.
        !Self::begins_block(pos) || unsafe { self.reach(pos, at) }
    }

    /// Of a list: whether a block begins at `pos`.
    #[inline(always)]
    fn begins_block(pos: Pos) -> bool {
        pos.index(sizes::BLOCK - 1) == 0
    }

    /// Of a list: where the block ends that holds the message before the one with number `head`.
    #[inline(always)]
    fn next_block(head: u64) -> u64 {
        let len = sizes::BLOCK as u64;
        ((head - 1) / len + 1) * len
    }

    /// The slot of `pos`.
    ///
    /// # Safety
    /// As [`Store::reach`], which has moved `at` to the block of `pos`.
    unsafe fn slot(self, pos: Pos, at: Cursor) -> Slot<'a, T, Self::Stamp>;

    /// The slot of `pos`, if its memory is there yet. (Where each instruction counts, `reach` and
    /// `slot` apart: an address is not compared with null then, and becomes part of the operands.)
    ///
    /// # Safety
    /// As [`Store::reach`].
    #[inline]
    unsafe fn seek(self, pos: Pos, at: &mut Cursor) -> Option<Slot<'a, T, Self::Stamp>> {
        // SAFETY: the caller's word.
        unsafe { self.reach(pos, at).then(|| self.slot(pos, *at)) }
    }

    /// Of an array: how many slots it has.
    fn lap(self) -> u64;

    /// Of a list: the last position of a block.
    ///
    /// # Safety
    /// `at` is a block that a call of [`Store::reach`] led to, and that is not left behind.
    unsafe fn last_of(self, at: Cursor) -> Pos;

    /// How many positions from `pos` on are published, as far as one look goes. 0: `pos` is not.
    /// For counting only: nothing may be read on its word.
    ///
    /// # Safety
    /// As [`Store::reach`].
    #[inline]
    unsafe fn published_run(self, pos: Pos, at: &mut Cursor) -> u64 {
        // SAFETY: the caller's word.
        let slot = unsafe { self.seek(pos, at) };
        slot.is_some_and(|slot| slot::is_marked(slot.stamp, pos)).into()
    }

    /// The receiver's head, now `head`, has come to the block `at`: gives back up to `most` of the
    /// blocks before it.
    ///
    /// # Safety
    /// The caller is the receiver. It has read all messages of the blocks before `at`, and keeps no
    /// cursor to a block that lies before `at` and ends before `head`. (Of the block `at` itself it
    /// may have one to read.)
    unsafe fn leave_behind(self, head: Pos, at: Cursor, most: usize);
}
