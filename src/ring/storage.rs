//! The memory of one channel: an array, if the capacity is small, or a list of blocks.

use super::array::Array;
use super::blocks::{self, Space};
use super::forced::Forced;
use super::pos::Pos;
use super::store::{Cursor, First};

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
    /// The memory for `limit` messages, and where it begins. A list may begin in `space`.
    ///
    /// # Safety
    /// `space` is nobody else's, and lives as long.
    #[inline(always)]
    pub(super) unsafe fn new<T>(limit: u64, forced: Forced, space: Option<Space>) -> (Self, First) {
        let small = limit <= blocks::LEN as u64
            || limit <= MAX_ARRAY_BYTES as u64
                && Array::bytes::<T>((limit as usize).next_power_of_two()) <= MAX_ARRAY_BYTES;
        if small && !forced.in_blocks() {
            let start = forced.start().unwrap_or(0);
            let array = Array::new::<T>((limit as usize).next_power_of_two(), Pos::of(start));
            let block = Cursor(core::ptr::null_mut());
            (Self::Array(array), First { start, block, stamp: None })
        } else {
            // SAFETY: the caller's word.
            let first = unsafe { blocks::first::<T>(forced.start(), space) };
            (Self::Blocks { free: blocks::free::<T> }, first)
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
