//! What the line of senders is about: units of capacity, and where they come from.

use crate::unwind::FirstPanic;

/// Where the queue gets capacity from.
pub(crate) trait Source {
    /// Takes up to `want` units; fewer only if there was no more at some moment of the call.
    /// `None`: it is closed. Its looks are SeqCst.
    fn take(&self, want: u64) -> Option<u64>;
    /// Whether it is open and has no unit, by SeqCst looks. No: it may be so all the same.
    fn is_full(&self) -> bool;
    /// Whether there is a unit to be had, or was at some moment of the call.
    fn has_room(&self) -> bool;
    /// Gives units back, by a SeqCst step after which the caller looks for waiters.
    fn give_back(&self, n: u64, panic: &mut FirstPanic);
    /// Whether the channel is closed, by a SeqCst load.
    fn is_closed(&self) -> bool;
    /// From now on the receiver looks for waiters after each message that it takes. SeqCst.
    fn set_waiting(&self);
}
