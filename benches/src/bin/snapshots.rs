//! What looking at many channels costs: time, and the most memory that was taken at once beyond
//! what was there before and what the step gives back.
//!
//! `cargo run --release -p parshall-benches --bin snapshots [CHANNELS]`. Times are the thread's own
//! on its processor, and each figure is the best of several rounds; of delays, the quantiles over
//! all of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::{Snapshot, snapshot, task};

const ROUNDS: usize = 5;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How long this thread has had a processor: others want it too. Elsewhere than on Linux, the time.
fn on_processor() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// Runs a step several times and says what it cost. Returns what it made last.
fn step<T>(name: &str, mut step: impl FnMut() -> T) -> T {
    let (mut time, mut room) = (Duration::MAX, usize::MAX);
    let mut made = None;
    for _ in 0..ROUNDS {
        drop(made.take());
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let begun = on_processor();
        made = Some(step());
        time = time.min(on_processor().saturating_sub(begun));
        room = room.min(PEAK.load(Relaxed) - before);
    }
    let (ms, mib) = (time.as_secs_f64() * 1e3, room as f64 / f64::from(1 << 20));
    println!("{name:<28} {ms:>9.1} ms {mib:>9.1} MiB");
    made.expect("several rounds")
}

/// Counts what is written.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What another thread does while channels are created.
#[derive(Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    /// As much work and memory as a snapshot, and none of its locks: what the machine does to a
    /// thread that is not alone.
    Copies,
    Snapshots,
}

/// Delays of creations. Each begins just after a sleep, so that the thread has its turn before it.
fn creations(seen: &Snapshot, meanwhile: Meanwhile) {
    let stop = AtomicBool::new(false);
    let mut delays = Vec::with_capacity(1 << 20);
    thread::scope(|scope| {
        if meanwhile != Meanwhile::Nothing {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let looks = meanwhile == Meanwhile::Snapshots;
                    drop(if looks { snapshot() } else { seen.clone() });
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) && delays.len() < delays.capacity() {
            let before = Instant::now();
            let channel = Builder::new().name("made meanwhile").capacity(1).build::<u8>();
            delays.push(before.elapsed().as_nanos() as u64);
            drop(channel);
            thread::sleep(Duration::from_micros(20));
        }
        stop.store(true, Relaxed);
    });
    delays.sort_unstable();
    let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize] as f64 / 1e3;
    let late = delays.iter().filter(|delay| **delay > 100_000).count();
    let name = match meanwhile {
        Meanwhile::Nothing => "created",
        Meanwhile::Copies => "created beside other work",
        Meanwhile::Snapshots => "created while looking",
    };
    println!(
        "{name:<28} p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, max {:.1} us; {late} of {} above \
         100 us",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        delays.len()
    );
}

fn main() {
    let channels = std::env::args().nth(1).map_or(100_000, |n| n.parse().expect("a number"));
    let mut live: Vec<(Sender<u64>, Receiver<u64>)> = (0..channels)
        .map(|n| Builder::new().name(format!("session-{n}.events")).capacity(8).build())
        .collect();
    // In every tenth, a task waits to receive.
    let mut cx = Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> = live
        .iter_mut()
        .step_by(10)
        .enumerate()
        .map(|(n, (_, rx))| Box::pin(task::named(format!("session-{n}"), rx.recv())))
        .collect();
    for wait in &mut waiting {
        assert!(wait.as_mut().poll(&mut cx).is_pending());
    }

    let seen = step("snapshot", snapshot);
    let graph = step("graph", || seen.graph());
    let written = step("write_json", || {
        let mut count = Count(0);
        graph.write_json(&mut count).expect("it only counts");
        count.0
    });
    step("graph and write_json", || seen.graph().write_json(Count(0)).expect("it only counts"));
    println!("{:<28} {:>9.1} MiB of JSON", "", written as f64 / f64::from(1 << 20));
    let mut json = Vec::new();
    graph.write_json(&mut json).expect("memory");
    let back = step("from_json", || Snapshot::from_json(&json).expect("it was just written"));
    assert!(back == seen, "what was read is not what was written");
    drop((json, back));
    for meanwhile in [Meanwhile::Nothing, Meanwhile::Copies, Meanwhile::Snapshots] {
        creations(&seen, meanwhile);
    }
}
