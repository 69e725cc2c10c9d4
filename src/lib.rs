#![doc = include_str!("../README.md")]
// What only introspection reads is dead without it.
#![cfg_attr(any(parshall_loom_inside, not(feature = "introspect")), allow(dead_code))]

mod chan;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub mod introspect;
#[cfg(not(all(feature = "introspect", not(parshall_loom_inside))))]
#[path = "introspect/absent.rs"]
mod introspect;
#[cfg(all(feature = "introspect", not(parshall_loom)))]
#[doc = include_str!("../docs/my-program-hangs.md")]
pub mod hangs {}
#[doc = include_str!("../MIGRATION.md")]
pub mod migration {}
#[doc = include_str!("../docs/model-checking.md")]
pub mod model_checking {}
pub mod mpsc;
mod ring;
mod runtime;
mod sizes;
mod sync;
mod telemetry;
#[cfg(all(feature = "testing", not(parshall_loom)))]
pub mod testing;
mod unwind;
mod wait;
pub mod wrappers;

/// For `tests/stall`: called at each step with its name.
#[cfg(parshall_stall)]
#[doc(hidden)]
pub use sync::STEP_HOOK;

pub use chan::{ChannelStats, CloseCause};
#[cfg(all(feature = "introspect", not(parshall_loom)))]
pub use introspect::diagnose::diagnose;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub use introspect::registry::Retired;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub use introspect::snapshot::{
    Call, ChannelSnapshot, LeftWaker, RetiredSnapshot, SenderSnapshot, Snapshot, TaskSnapshot,
    WaitSnapshot, snapshot,
};
pub use telemetry::process::{proc_key, process, set_process};
pub use telemetry::task;
