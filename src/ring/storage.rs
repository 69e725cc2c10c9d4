//! The memory of one channel: an array, if the capacity is small, or a list of blocks.

use core::ptr::NonNull;

use super::array::Array;
use super::blocks;
use super::pos::Pos;
use crate::sync::AtomicU8;

/// The kind of a channel's memory, with the type of its messages erased.
pub(super) enum Storage {
    Array(Array),
    Blocks {
        /// Frees the list that begins at the given block.
        free: unsafe fn(*mut ()),
    },
}

/// Up to so many bytes a channel has an array: it is faster by a few instructions a message, and
/// creating it costs little more than a block.
const MAX_ARRAY_BYTES: usize = 4096;

impl Storage {
    /// The memory for `limit` messages; if it is a list, its first block, and there the stamp of
    /// the position `first`.
    #[inline(always)]
    pub(super) fn new<T>(
        limit: u64,
        first: Pos,
        in_blocks: bool,
    ) -> (Self, *mut (), Option<NonNull<AtomicU8>>) {
        let small = limit <= blocks::LEN as u64
            || limit <= MAX_ARRAY_BYTES as u64
                && Array::bytes::<T>((limit as usize).next_power_of_two()) <= MAX_ARRAY_BYTES;
        if small && !in_blocks {
            let array = Array::new::<T>((limit as usize).next_power_of_two(), first);
            (Self::Array(array), core::ptr::null_mut(), None)
        } else {
            let (block, stamp) = blocks::first::<T>(first);
            (Self::Blocks { free: blocks::free::<T> }, block, Some(stamp))
        }
    }
}

/// Runs `$body` with the slots of `$ring`, whose type is `$T`, as `$store`.
macro_rules! in_store {
    ($ring:expr, $T:ty, |$store:ident| $body:expr) => {
        match &$ring.storage {
            $crate::ring::storage::Storage::Array(array) => {
                let $store = array.of::<$T>();
                $body
            }
            $crate::ring::storage::Storage::Blocks { .. } => {
                let $store = $ring.list::<$T>();
                $body
            }
        }
    };
}

pub(super) use in_store;
