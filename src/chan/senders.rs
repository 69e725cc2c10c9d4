//! Those who wait for room. Without a capacity nobody does: there the first messages lie in their
//! place, so that a channel that carries a few takes no other memory.

use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;

use crate::ring::Space;
use crate::sync::plain::AtomicU64;
use crate::wait::{Line, WaitQueue};

/// Which of the two it is, the channel's capacity says.
#[repr(C)]
pub(super) union Senders {
    queue: ManuallyDrop<WaitQueue>,
    nobody: ManuallyDrop<Nobody>,
}

/// As a queue, it begins with a line; in this one nobody ever arrives.
#[repr(C)]
struct Nobody {
    line: Line,
    /// Atomic, since it is written while others have a reference to all of the channel.
    space: [MaybeUninit<AtomicU64>; WORDS],
}

const WORDS: usize = (size_of::<WaitQueue>() - size_of::<Line>()) / size_of::<AtomicU64>();

impl Senders {
    /// Writes it where it stays. If nobody will wait, returns the space that is left.
    ///
    /// # Safety
    /// `at` is memory for it, and nobody else's.
    #[inline(always)]
    pub(super) unsafe fn init(at: *mut Self, is_bounded: bool) -> Option<Space> {
        // SAFETY: the caller's word. Words need not be written.
        unsafe {
            if is_bounded {
                (&raw mut (*at).queue).cast::<WaitQueue>().write(WaitQueue::new());
                return None;
            }
            let nobody = (&raw mut (*at).nobody).cast::<Nobody>();
            (&raw mut (*nobody).line).write(Line::new());
            Some(NonNull::new_unchecked(&raw mut (*nobody).space))
        }
    }

    /// The line of a queue, or one in which nobody is.
    #[inline(always)]
    pub(super) fn line(&self) -> &Line {
        // SAFETY: both begin with one.
        unsafe { &self.nobody.line }
    }

    /// # Safety
    /// The channel has a capacity.
    #[inline(always)]
    pub(super) unsafe fn queue(&self) -> &WaitQueue {
        // SAFETY: the caller's word.
        unsafe { &self.queue }
    }

    /// # Safety
    /// The channel has a capacity.
    #[inline(always)]
    pub(super) unsafe fn queue_mut(&mut self) -> &mut WaitQueue {
        // SAFETY: the caller's word.
        unsafe { &mut self.queue }
    }

    /// # Safety
    /// The channel has a capacity, and its queue is not used any more.
    #[inline(always)]
    pub(super) unsafe fn drop_queue(&mut self) {
        // SAFETY: the caller's word.
        unsafe { ManuallyDrop::drop(&mut self.queue) }
    }
}
