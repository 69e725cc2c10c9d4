//! Producers send jobs until a collector has enough, and nobody loses count.
//!
//! The models are in `tests/protocol.rs`:
//!
//! ```sh
//! RUSTFLAGS="--cfg parshall_loom" cargo test --release --target-dir target/loom -p loom-example
//! ```

use parshall::mpsc::{Receiver, Sender};

/// What two threads share of the protocol is loom's in the models.
mod sync {
    #[cfg(parshall_loom)]
    pub use loom::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    #[cfg(not(parshall_loom))]
    pub use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
}

use sync::{Arc, AtomicBool, Ordering};

/// Whether the collector has enough.
#[derive(Clone)]
pub struct Enough(Arc<AtomicBool>);

impl Enough {
    /// Not yet.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// From now on.
    pub fn say(&self) {
        // Relaxed is enough: the channel orders it. See `produce`.
        self.0.store(true, Ordering::Relaxed);
    }

    fn was_said(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The collector is gone, and had not enough.
#[derive(Debug, PartialEq, Eq)]
pub struct CollectorDied;

/// Sends `jobs` as long as they are wanted. Returns how many were sent.
///
/// # Errors
/// [`CollectorDied`].
pub async fn produce(
    jobs: impl IntoIterator<Item = u32>,
    tx: Sender<u32>,
    enough: Enough,
) -> Result<usize, CollectorDied> {
    let mut sent = 0;
    for job in jobs {
        match tx.send(job).await {
            Ok(()) => sent += 1,
            // What was done before the channel was closed is seen by who finds it closed.
            Err(_) if enough.was_said() => break,
            Err(_) => return Err(CollectorDied),
        }
    }
    Ok(sent)
}

/// Takes jobs until there are `quota` of them, and then those that were on their way.
pub async fn collect(mut rx: Receiver<u32>, quota: usize, enough: Enough) -> Vec<u32> {
    let mut jobs = Vec::new();
    while let Some(job) = rx.recv().await {
        jobs.push(job);
        if jobs.len() == quota {
            enough.say();
            rx.close();
        }
    }
    jobs
}
