//! What only the receiver touches.

use super::pos::Pos;
use super::store::{Cursor, First};
use super::watermark::Watermark;

/// The receiver's head in full, and where it looks.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) head: u64,
    /// As long as the head lies before this, a pop has nothing to think of. 0: TX_WAITING stood
    /// when it was last looked at, or was not looked at yet. (A look at H before each step would
    /// cost a quarter of a pop: the step would wait for it, and it for the step before.)
    pub(super) plain_until: u64,
    pub(super) watermark: Watermark,
    /// The block of the head, or the one before.
    pub(super) at: Cursor,
    /// The block before which drained ones have been given back, as far as they could be.
    pub(super) left: Cursor,
}

impl Reader {
    /// A receiver at the beginning of a channel.
    #[inline(always)]
    pub(super) fn new(first: &First) -> Self {
        Self {
            head: first.start,
            plain_until: 0,
            watermark: Watermark::new(Pos::of(first.start), first.stamp, first.block),
            at: first.block,
            left: first.block,
        }
    }

    /// The number of the next message to be taken.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Its position.
    #[inline]
    pub(crate) fn pos(&self) -> Pos {
        Pos::of(self.head)
    }
}
