//! One random script of calls, run on a real channel and on a model, or on two channels.
//!
//! [`op`] has the calls and [`step`] what is seen after each; `driver` runs them on a channel of
//! either flavour (its parent module says whose); [`oracle`] predicts them from a `VecDeque` and a
//! list of waiters. Single-threaded, and every poll is an operation of its own, so interleavings of
//! polls and cancellations are explored exactly.

pub(crate) mod op;
pub(crate) mod oracle;
pub(crate) mod ours;
pub(crate) mod step;
#[cfg(not(fuzzing))]
pub(crate) mod theirs;
