//! Memory: flat over a million cancelled sends, given back after a crowd, untouched at creation.
//!
//! The allocator counts by thread: the test harness allocates beside us on its own.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use parshall::mpsc;
use support::pending;

struct Counting;

std::thread_local! {
    /// Bytes this thread allocated, less those it freed, whoever allocated them.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// Bytes that were handed out as zeroed, so that the system need not touch them.
    static ZEROED: Cell<usize> = const { Cell::new(0) };
}

fn count(by: isize) {
    LIVE.set(LIVE.get() + by);
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
        ZEROED.set(ZEROED.get() + layout.size());
        // SAFETY: the caller's word.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's word.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    LIVE.get()
}

#[test]
fn memory_stays_flat_and_comes_back() {
    let start = live();
    let (tx, rx) = mpsc::Builder::new().name("memory").capacity(1).build::<[u64; 4]>();
    tx.try_send([0; 4]).unwrap();

    // A million sends that wait and are cancelled.
    drop(pending(tx.send([1; 4])));
    let one = live();
    for i in 0..1_000_000 {
        drop(pending(tx.send([i; 4])));
    }
    assert_eq!(live(), one, "a cancelled send leaves nothing behind");
    assert_eq!(tx.stats().send_waits_total, 1_000_001);

    // A crowd of 100,000 at once.
    let crowd: Vec<_> = (0..100_000).map(|i| pending(tx.send([i; 4]))).collect();
    assert_eq!(tx.stats().send_waiters, 100_000);
    drop(crowd);
    assert!(live() <= one + 16 * 1024, "{} bytes are left of a crowd", live() - one);

    // A large channel is not touched at its creation: its ring comes zeroed from the system.
    let (before, zeroed) = (live(), ZEROED.get());
    let large = mpsc::Builder::new().name("memory large").capacity(65_536).build::<[u64; 4]>();
    let ring = 65_536 * (32 + 8);
    assert_eq!(ZEROED.get() - zeroed, ring as usize);
    assert!(live() - before < ring + 8 * 1024, "and nothing else of that size is allocated");
    drop(large);

    // Nothing of a channel is left when its handles are gone, but its name.
    drop((tx, rx));
    let names = live();
    for _ in 0..1000 {
        drop(mpsc::Builder::new().name("memory").capacity(64).build::<u8>());
    }
    assert_eq!(live(), names, "channels of a known name leave nothing behind");
    assert!(names - start < 64 * 1024, "{} bytes", names - start);
}
