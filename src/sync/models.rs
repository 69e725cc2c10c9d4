//! What the models inside the crate share: the runner.
//!
//! They are its unit tests in the loom build:
//!
//! ```sh
//! RUSTFLAGS="--cfg parshall_loom --cfg parshall_loom_inside" \
//!     cargo test -p parshall --lib --profile loom models
//! ```

use core::cell::Cell;
use std::io::Write;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use loom::thread::{JoinHandle, yield_now};

std::thread_local! {
    /// Loom runs all threads of a model on the thread of the test.
    static SPAWNED_FIRST: Cell<bool> = const { Cell::new(false) };
}

/// As `loom_tests::check`: explored from two first executions, for the reason given there.
pub(crate) fn check(
    name: &str,
    preemptions: usize,
    model: impl Fn() + Copy + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = builder.max_branches.max(10_000);
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    let executions = std::sync::Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    for spawned_first in [false, true] {
        SPAWNED_FIRST.set(spawned_first);
        let executions = executions.clone();
        builder.check(move || {
            executions.fetch_add(1, Relaxed);
            model();
        });
    }
    let (executions, seconds) = (executions.load(Relaxed), begun.elapsed().as_secs_f64());
    let bound = builder.preemption_bound.unwrap();
    // Not `eprintln`, which the test harness keeps to itself.
    let line = format!(
        "model {name}: {executions} executions, at most {bound} preemptions, {seconds:.1} s\n"
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
    assert!(executions > 2, "model {name} explored a single execution");
}

/// As `loom_tests::spawn`.
pub(crate) fn spawn<R: 'static>(f: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    let handle = loom::thread::spawn(f);
    if SPAWNED_FIRST.get() {
        yield_now();
    }
    handle
}
