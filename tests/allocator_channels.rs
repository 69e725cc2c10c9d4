//! An allocator that looks at a snapshot whenever it is asked: heap profilers do that. So nothing
//! may be allocated or freed under the registry's lock, nor where a snapshot waits for a channel.
//!
//! Seen to fail, each of them, by hanging until the deadline: with tables that grow under the lock,
//! and a last count of waiters that makes a list.
#![cfg(feature = "introspect")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::mpsc::{RecvTimeoutError, channel as std_channel};
use std::time::Duration;

use parshall::mpsc::{self, Builder};
use support::{eventually, pending};

struct Looking;

#[global_allocator]
static ALLOCATOR: Looking = Looking;

std::thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static LOOKS: Cell<[usize; 3]> = const { Cell::new([0; 3]) };
}

/// Takes a snapshot, unless it is for one that memory is asked.
fn look(on: usize) {
    if ARMED.replace(false) {
        let snapshot = parshall::snapshot();
        assert!(snapshot.channels.iter().all(|channel| !channel.stats.name.is_empty()));
        drop(snapshot);
        LOOKS.set({
            let mut looks = LOOKS.get();
            looks[on] += 1;
            looks
        });
        ARMED.set(true);
    }
}

// SAFETY: all work is the system allocator's.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        look(0);
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        look(1);
        // SAFETY: the caller's word.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        look(2);
        // SAFETY: the caller's word.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

/// Runs `f` on a thread of its own, with snapshots. Returns how many there were in allocations,
/// frees and reallocations. If it hangs, the process ends.
fn looking(f: impl FnOnce() + Send + 'static) -> [usize; 3] {
    // The name of the process is made once, and not by us.
    drop(parshall::snapshot());
    let (done, ended) = std_channel();
    let thread = std::thread::spawn(move || {
        ARMED.set(true);
        f();
        ARMED.set(false);
        let _ = done.send(());
        LOOKS.get()
    });
    if ended.recv_timeout(Duration::from_secs(300)) == Err(RecvTimeoutError::Timeout) {
        eprintln!("a snapshot in the allocator hangs");
        std::process::abort();
    }
    thread.join().expect("no panic")
}

/// How many channels of this name live. Its own snapshot takes none.
fn listed(name: &str) -> usize {
    let armed = ARMED.replace(false);
    let channels = parshall::snapshot().channels;
    let listed = channels.iter().filter(|channel| channel.stats.name == name).count();
    drop(channels);
    ARMED.set(armed);
    listed
}

#[test]
fn nameless_channels_come_and_go() {
    let [allocated, freed, _] = looking(|| {
        // More than there are slots, and then vacant ones.
        for _ in 0..2 {
            let bounded: Vec<_> = (0..60).map(|_| mpsc::channel::<u8>(1)).collect();
            let unbounded: Vec<_> = (0..60).map(|_| mpsc::unbounded_channel::<String>()).collect();
            for ((tx, _), (utx, _)) in bounded.iter().zip(&unbounded) {
                tx.try_send(1).unwrap();
                utx.send("message".to_owned()).unwrap();
            }
        }
    });
    // The messages at least: a channel that dies while another test looks is freed by who looks.
    assert!(allocated > 240 && freed >= 120, "{allocated} {freed}");
}

#[test]
fn names_new_and_known() {
    let [allocated, freed, _] = looking(|| {
        let mut names = Vec::new();
        for round in 1..=2 {
            for i in 0..60 {
                let name = format!("allocator {i}");
                names.push((Builder::new().name(name.as_str()).build::<u8>(), name));
            }
            for (_, name) in &names[..60] {
                assert_eq!(listed(name), round);
            }
        }
    });
    assert!(allocated > 120 && freed > 120, "{allocated} {freed}");
}

/// A grant whose future was forgotten still stands in the row when the channel ends, and is
/// counted.
#[test]
fn a_channel_ends_and_a_grant_is_left() {
    let [_, freed, _] = looking(|| {
        for _ in 0..10 {
            let (tx, mut rx) = Builder::new().name("allocator: granted").capacity(1).build::<u8>();
            tx.try_send(0).unwrap();
            pending(tx.send(1)).forget();
            rx.try_recv().unwrap();
            assert_eq!(tx.stats().granted_waiters, 1);
        }
    });
    assert!(freed > 0);
    eventually("all of them are among the dead", || {
        let retired = parshall::snapshot().retired;
        let dead = retired.iter().find(|dead| dead.name == "allocator: granted");
        dead.is_some_and(|dead| (dead.sums.channels, dead.sums.send_waits_total) == (10, 10))
    });
}

#[test]
fn a_snapshot_allocates_and_looks_again() {
    let looks = looking(|| {
        let channels: Vec<_> = (0..20).map(|_| mpsc::channel::<u8>(1)).collect();
        drop(Builder::new().name("allocator: dead").build::<u8>());
        for _ in 0..3 {
            let snapshot = parshall::snapshot();
            assert!(snapshot.channels.len() >= channels.len());
        }
        // It lives while another test's snapshot holds it.
        eventually("the dropped one is among the dead", || {
            let retired = parshall::snapshot().retired;
            retired.iter().any(|dead| dead.name == "allocator: dead")
        });
    });
    assert!(looks.iter().all(|&n| n > 0), "{looks:?}");
}

#[test]
fn on_two_threads_at_once() {
    let churn = |thread: usize| {
        move || {
            for i in 0..60 {
                let name = format!("allocator {thread} {}", i % 40);
                let kept: Vec<_> =
                    (0..3).map(|_| Builder::new().name(name.as_str()).build::<u8>()).collect();
                // And who is held by the other's snapshots.
                assert!(listed(&name) >= kept.len());
            }
        }
    };
    let other = std::thread::spawn(move || looking(churn(1)));
    looking(churn(2));
    other.join().unwrap();
}
