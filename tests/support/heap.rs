//! An allocator that counts by thread: the test harness, and other tests, allocate beside us.
//!
//! A test binary that uses it says `#[global_allocator] static ALLOCATOR: Counting = Counting;`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub(crate) struct Counting;

std::thread_local! {
    /// Bytes this thread allocated, less those it freed, whoever allocated them.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The most that `LIVE` has been since [`reset_peak`].
    static PEAK: Cell<isize> = const { Cell::new(0) };
    /// Allocations, those freed since included.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Bytes this thread allocated, less those it freed.
pub(crate) fn live() -> isize {
    LIVE.get()
}

/// The most that [`live`] has been since [`reset_peak`].
pub(crate) fn peak() -> isize {
    PEAK.get()
}

/// Forgets what was.
pub(crate) fn reset_peak() {
    PEAK.set(live());
}

/// Allocations this thread has made, those freed since included.
pub(crate) fn allocations() -> usize {
    ALLOCATIONS.get()
}

fn count(by: isize) {
    let live = LIVE.get() + by;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
    ALLOCATIONS.set(ALLOCATIONS.get() + usize::from(by > 0));
}

// SAFETY: all work is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's word.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's word.
        unsafe { System.dealloc(ptr, layout) }
    }
}
