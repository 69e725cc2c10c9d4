//! Blocks, counted and spoilt.
//!
//! The list of blocks takes its memory from the global allocator, where loom looks for no leak and
//! sees no access after a free. So this one counts the allocations that are aligned as [`Wide`] is,
//! which are blocks of such messages and nothing else, and overwrites them when they are freed: the
//! index of a loom object in such a block leads nowhere, and loom panics. They are kept back for a
//! while, lest the next block lie in the same place.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr;
use std::alloc::System;

use crate::Msg;

const ALIGN: usize = 256;

/// A message whose blocks are counted. Nothing else on the heap may hold one: make it where it is
/// sent.
#[derive(Debug)]
#[repr(align(256))]
pub struct Wide(pub Msg);

const _: () = assert!(align_of::<Wide>() == ALIGN);

/// How many freed blocks are kept back.
const KEPT: usize = 16;

// Loom runs all threads of a model on the thread of the test.
std::thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static MADE: Cell<usize> = const { Cell::new(0) };
    static KEPT_BACK: Cell<[(*mut u8, usize); KEPT]> = const { Cell::new([(ptr::null_mut(), 0); KEPT]) };
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// Blocks of [`Wide`] messages that are allocated.
pub fn live_blocks() -> usize {
    LIVE.get()
}

/// Blocks of [`Wide`] messages that were ever allocated.
pub fn made_blocks() -> usize {
    MADE.get()
}

/// Before an execution: what a failed one left behind counts no more.
pub(crate) fn forget() {
    LIVE.set(0);
}

struct Spoiling;

// SAFETY: all memory is the system's; what is kept back is freed once, later.
unsafe impl GlobalAlloc for Spoiling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() == ALIGN {
            LIVE.set(LIVE.get() + 1);
            MADE.set(MADE.get() + 1);
        }
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() != ALIGN {
            // SAFETY: the caller's word.
            return unsafe { System.dealloc(block, layout) };
        }
        LIVE.set(LIVE.get().wrapping_sub(1));
        // SAFETY: the caller gives it up, and its size is the layout's.
        unsafe { block.write_bytes(0xA5, layout.size()) };
        let mut kept = KEPT_BACK.get();
        let (oldest, size) = core::mem::replace(&mut kept[NEXT.get()], (block, layout.size()));
        NEXT.set((NEXT.get() + 1) % KEPT);
        KEPT_BACK.set(kept);
        if !oldest.is_null() {
            // SAFETY: allocated with this layout, given up by its owner, and kept by us alone.
            unsafe { System.dealloc(oldest, Layout::from_size_align_unchecked(size, ALIGN)) };
        }
    }
}

#[global_allocator]
static ALLOCATOR: Spoiling = Spoiling;
