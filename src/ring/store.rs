//! Where slots live: in an array, if the capacity is small, or in a list of blocks.
//!
//! Both answer the receiver's questions in the same way ([`Store`]); the protocol does not know which it works on.

use core::ptr::NonNull;

use super::array::Array;
use super::blocks;
use super::pos::Pos;
use super::slot::Slot;
use crate::sync::AtomicU32;

/// The kind of a channel's memory, with the type of its messages erased.
pub(super) enum Storage {
    Array(Array),
    Blocks {
        /// Frees the list that begins at the given block.
        free: unsafe fn(*mut ()),
    },
}

/// What the compiler knows of the channel that a call is for.
pub(crate) trait Kind {
    /// It has no capacity: its messages lie in a list, and nobody waits for room.
    const UNBOUNDED: bool;
}

/// Any channel: what it is like is found out at run time.
#[derive(Debug)]
pub(crate) enum Any {}

/// A channel without a capacity.
#[derive(Debug)]
pub(crate) enum Unbounded {}

impl Kind for Any {
    const UNBOUNDED: bool = false;
}

impl Kind for Unbounded {
    const UNBOUNDED: bool = true;
}

/// Up to so many bytes a channel has an array: it is faster by a few instructions a message, and
/// creating it costs little more than a block.
const MAX_ARRAY_BYTES: usize = 4096;

impl Storage {
    /// The memory for `limit` messages, the first block if it is a list, and the stamp of the position `first`.
    #[inline(always)]
    pub(super) fn new<T>(
        limit: u64,
        first: Pos,
        in_blocks: bool,
    ) -> (Self, *mut (), NonNull<AtomicU32>) {
        let small = limit <= blocks::LEN as u64
            || limit <= MAX_ARRAY_BYTES as u64
                && Array::bytes::<T>((limit as usize).next_power_of_two()) <= MAX_ARRAY_BYTES;
        if small && !in_blocks {
            let array = Array::new::<T>((limit as usize).next_power_of_two(), first);
            // SAFETY: made for `T`.
            let stamp = unsafe { array.of::<T>() }.at(first).stamp.into();
            (Self::Array(array), core::ptr::null_mut(), stamp)
        } else {
            let (block, stamp) = blocks::first::<T>(first);
            (Self::Blocks { free: blocks::free::<T> }, block, stamp)
        }
    }
}

/// Where the receiver stands in a list of blocks. In an array it need not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor(pub(super) *mut ());

// SAFETY: a cursor is a pointer; who follows it answers for that.
unsafe impl Send for Cursor {}
// SAFETY: as above.
unsafe impl Sync for Cursor {}

/// Typed access to slots. Copying it copies pointers.
pub(super) trait Store<'a, T>: Copy {
    /// Whether what lies behind the receiver has to be given back.
    const IS_LIST: bool;

    /// The slot of `pos`, if its memory is there yet. `at` moves to its block, or the last before it.
    ///
    /// # Safety
    /// The caller is the receiver. `at` is the first block of all, or where a call of this left it;
    /// it is not behind the block of the position just before the head, and not ahead of `pos`.
    unsafe fn seek(self, pos: Pos, at: &mut Cursor) -> Option<Slot<'a, T>>;

    /// The receiver's head, now `head`, has come to the block `at`: gives back up to `most` of the blocks before
    /// it.
    ///
    /// # Safety
    /// The caller is the receiver. It has read all messages before `head`, and keeps no cursor to a
    /// block that lies before `at` and ends before `head`.
    unsafe fn leave_behind(self, head: Pos, at: Cursor, most: usize);
}

/// Runs `$body` with the slots of `$ring`, whose type is `$T`, as `$store`.
macro_rules! in_store {
    ($ring:expr, $T:ty, |$store:ident| $body:expr) => {
        match &$ring.storage {
            $crate::ring::store::Storage::Array(array) => {
                let $store = array.of::<$T>();
                $body
            }
            $crate::ring::store::Storage::Blocks { .. } => {
                let $store = $ring.list::<$T>();
                $body
            }
        }
    };
}

pub(super) use in_store;
