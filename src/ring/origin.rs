//! Where a ring begins, which tests choose.

/// How a channel begins. In production there is one way, and this is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    #[cfg(any(test, parshall_loom, fuzzing))]
    pub(crate) start: Option<u64>,
    #[cfg(any(test, parshall_loom, fuzzing))]
    pub(crate) in_blocks: bool,
}

#[allow(clippy::unused_self)] // in production
impl Origin {
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
