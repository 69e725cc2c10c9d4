//! What is left of a channel that has ended.

use crate::wait::WaitSums;

/// The sums of a channel: what is left to tell when it is gone.
pub(crate) struct Sums {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) discarded: u64,
    pub(crate) full: u64,
    pub(crate) closed: u64,
    pub(crate) waits: WaitSums,
    pub(crate) receives: WaitSums,
}
