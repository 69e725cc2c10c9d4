//! Who waits, since when, on which channel: read from the channels' own words, on demand.
//!
//! Nothing here is called from inside an operation that does not wait, and nothing here stores into
//! a channel's words.

pub(crate) mod clock;
pub(crate) mod name;
pub(crate) mod process;
#[cfg(all(feature = "introspect", not(parshall_loom)))]
pub(crate) mod registry;
#[cfg(not(all(feature = "introspect", not(parshall_loom))))]
pub(crate) mod registry {
    //! Nothing is listed.
    use crate::chan::{Shared, Sums};
    use crate::sync::Arc;

    pub(crate) fn enter(_shared: &Arc<Shared>) {}

    pub(crate) fn leave(_shared: &Shared, _sums: Sums) {}
}
#[cfg(all(feature = "introspect", not(parshall_loom)))]
pub(crate) mod snapshot;
mod table;
pub mod task;
mod thread;
