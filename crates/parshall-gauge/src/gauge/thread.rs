//! Threads of the gauge's own.

use std::thread::{Builder, JoinHandle};

use super::say;

/// A thread of this name. If the system gives none, that is told.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let spawned = Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| say::warn(format_args!("no thread {name}: {error}"))).ok()
}
