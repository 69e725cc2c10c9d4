//! Who waits, since when, on which channel: read from the channels' own words, on demand.
//!
//! Nothing here is called from inside an operation that does not wait, and nothing here stores into
//! a channel's words.

#[cfg(any(
    all(feature = "introspect", not(parshall_loom_inside)),
    all(parshall_loom_inside, test)
))]
pub(crate) mod chunks;
pub(crate) mod clock;
pub(crate) mod ledger;
pub(crate) mod name;
pub(crate) mod process;
pub(crate) mod table;
pub mod task;
pub(crate) mod text;
mod thread;
pub(crate) mod waits;
