//! One random script of calls, run on a real channel and on a model, or on two channels.
//!
//! [`op`] has the calls and what is seen after each; `driver` runs them on a channel (its parent module
//! says which); [`oracle`] predicts them from a `VecDeque` and a list of waiters. Single-threaded, and every
//! poll is an operation of its own, so interleavings of polls and cancellations are explored exactly.

pub(crate) mod op;
pub(crate) mod oracle;
pub(crate) mod ours;
#[cfg(not(fuzzing))]
pub(crate) mod theirs;
