//! A global allocator that looks at a snapshot while the process finds out its name.
#![cfg(feature = "introspect")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use support::watchdog::Watched;

thread_local! {
    /// Whether this thread's allocations are looked at; not those of the look itself.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

static LOOKS: AtomicU32 = AtomicU32::new(0);

struct Profiler;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Profiler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WATCHED.replace(false) {
            LOOKS.fetch_add(1, Ordering::Relaxed);
            let snapshot = parshall::snapshot();
            assert!(!snapshot.process.is_empty());
            drop(snapshot);
            WATCHED.set(true);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Profiler = Profiler;

/// The only test here: a process finds out its name once.
///
/// Seen to fail with: the name made inside a `OnceLock`'s initialiser, which hangs.
#[test]
fn an_allocator_may_ask_for_the_name_that_it_allocates_for() {
    let _watched = Watched::new();
    WATCHED.set(true);
    let (name, key) = (parshall::process(), parshall::proc_key());
    WATCHED.set(false);
    assert!(LOOKS.load(Ordering::Relaxed) > 0, "nothing was allocated");
    // The names that the allocator was shown first are those that stay.
    let snapshot = parshall::snapshot();
    assert_eq!((&*snapshot.process, &*snapshot.proc_key), (name, key));
}
