//! The global allocator is user code: this one takes a snapshot at each call, as a profiler does
//! that notes with a sample how full the channels are. So no lock that a snapshot takes is held
//! while anything is allocated or freed.
#![cfg(feature = "introspect")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use parshall::mpsc::Builder;
use parshall::task::{self, named};
use parshall::{process, snapshot};

thread_local! {
    /// Whether this thread's allocations are sampled; not those that a sample makes.
    static SAMPLED: Cell<bool> = const { Cell::new(false) };
}

static SAMPLES: AtomicUsize = AtomicUsize::new(0);

struct Profiler;

fn sample() {
    if SAMPLED.replace(false) {
        let queued: u64 = snapshot().channels.iter().map(|channel| channel.stats.queue_len).sum();
        std::hint::black_box(queued);
        SAMPLES.fetch_add(1, Ordering::Relaxed);
        SAMPLED.set(true);
    }
}

// SAFETY: all work is the system allocator's.
unsafe impl GlobalAlloc for Profiler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        sample();
        // SAFETY: the caller's word.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        sample();
        // SAFETY: the caller's word.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Profiler = Profiler;

/// Runs `f` in a thread of its own, sampled to its very end, and aborts the process if that hangs.
fn sampled(what: &str, f: impl FnOnce() + Send + 'static) {
    let before = SAMPLES.load(Ordering::Relaxed);
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let thread = thread::Builder::new().name(what.to_owned());
    let thread = thread.spawn(move || {
        SAMPLED.set(true);
        f();
        drop(done);
    });
    if ended.recv_timeout(Duration::from_secs(300))
        == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        eprintln!("{what}: something is allocated or freed under a lock");
        std::process::abort();
    }
    thread.unwrap().join().unwrap();
    assert!(SAMPLES.load(Ordering::Relaxed) > before, "{what}: nothing was sampled");
}

/// Seen to fail (it hangs) with: a map of the named tasks or of the threads behind a lock; an id of
/// the process that is made inside of its `OnceLock`.
#[test]
fn nothing_of_tasks_threads_and_names_is_allocated_or_freed_under_a_lock() {
    // Channels are made before: their registry is another matter. A thread that lives, and is a
    // receiver's last one, so that each snapshot looks for its name.
    let (tx, rx) = Builder::new().name("sampled").capacity(1).build::<u32>();
    let (full, mut full_rx) = Builder::new().name("full").capacity(1).build::<u32>();
    full.try_send(0).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holder = {
        let full = full.clone();
        thread::spawn(move || {
            let mut waiting = pin!(full.send(1));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(full_rx.blocking_recv(), Some(0));
            let _ = released.recv();
            full_rx
        })
    };
    while full.stats().recv_total == 0 {
        thread::yield_now();
    }

    sampled("the process", || assert!(!process().is_empty()));
    sampled("named tasks", || {
        let tasks: Vec<_> =
            (0..500).map(|i| named(format!("{i}"), std::future::pending::<()>())).collect();
        drop(tasks);
        let mut renamed =
            pin!(named("a", async { (0..50).for_each(|i| _ = task::set_name(format!("{i}"))) }));
        assert!(renamed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    });
    let sender = tx.clone();
    let mut receiver = Some(rx);
    for round in 0..20 {
        let (tx, mut rx) = (sender.clone(), receiver.take().unwrap());
        let (back, rx_back) = std::sync::mpsc::channel();
        sampled("a blocking call", move || {
            tx.blocking_send(round).unwrap();
            assert_eq!(rx.blocking_recv(), Some(round));
            assert!(rx.blocking_recv_timeout(Duration::from_millis(1)).is_err());
            task::set_name("renamed thread");
            back.send(rx).unwrap();
        });
        receiver = Some(rx_back.recv().unwrap());
    }
    let named_tx = tx.clone();
    sampled("names of a channel", move || {
        (0..50).for_each(|i| named_tx.set_name(format!("channel {i}")));
        assert_eq!(named_tx.stats().name, "channel 49");
    });
    sampled("a snapshot", || {
        let waiting = named("waits", std::future::pending::<()>());
        let snapshot = snapshot();
        let graph = snapshot.graph();
        assert!(graph.nodes.iter().any(|node| *node.id == *waiting.task().node_id()));
        graph.write_json(std::io::sink()).unwrap();
        drop((waiting, graph));
    });
    #[cfg(feature = "tokio")]
    sampled("tasks of Tokio", || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for i in 0..50 {
                tokio::spawn(async move { task::set_name(format!("{i}")) }).await.unwrap();
            }
            task::set_name("main");
        });
    });
    drop(release);
    drop(holder.join().unwrap());
    drop((tx, sender, receiver, full));
}
