//! What snapshots are made of, below the channels: times, names, which task and which thread this
//! is, and how a wait is told. It knows no channel, and stores into no channel's words.
//!
//! A message that does not wait asks for one thing here, and seldom: the first pop of an array, and
//! each change of a block, ask which task receives (`task::of_runtime`, else `task::current`).

pub(crate) mod clock;
pub(crate) mod ledger;
pub(crate) mod name;
pub(crate) mod process;
pub mod task;
pub(crate) mod text;
mod thread;
pub(crate) mod waits;
