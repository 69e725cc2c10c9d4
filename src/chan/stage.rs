//! How far a future of this layer is.

/// See the module.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stage {
    /// It was not polled yet.
    New,
    /// A poll has gone beyond what needs no undoing, and has not ended it. A send has a turn by
    /// then, which may have a permit.
    Pending,
    Done,
}
