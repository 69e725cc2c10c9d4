//! What tests force upon a ring, all of it: production knows nothing of that.

/// What a test has chosen. In production that is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forced {
    #[cfg(any(test, parshall_loom, fuzzing))]
    pub(crate) start: Option<u64>,
    #[cfg(any(test, parshall_loom, fuzzing))]
    pub(crate) in_blocks: bool,
}

#[allow(clippy::unused_self)] // in production
impl Forced {
    /// The number of the first message, in tests of the wrap. None: the memory decides.
    #[inline]
    pub(super) fn start(self) -> Option<u64> {
        #[cfg(any(test, parshall_loom, fuzzing))]
        return self.start;
        #[cfg(not(any(test, parshall_loom, fuzzing)))]
        None
    }

    /// Blocks even if an array would do.
    #[inline]
    pub(super) fn in_blocks(self) -> bool {
        #[cfg(any(test, parshall_loom, fuzzing))]
        return self.in_blocks;
        #[cfg(not(any(test, parshall_loom, fuzzing)))]
        false
    }
}
