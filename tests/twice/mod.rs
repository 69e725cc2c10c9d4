//! The same source compiled against Tokio's channel and against ours.

pub(crate) mod ours;
pub(crate) mod theirs;
