//! What the receiver alone reads and writes, kept in the channel.
//!
//! It lies beside the head, which the receiver writes with each message, so a message touches no
//! line for it that the receiver has not anyway. A handle is one pointer then: the future of a task
//! that is given the receiver is smaller by some 80 bytes, and it is moved four times before it
//! runs.

use crate::ring::Reader;
use crate::sync::plain::UnsafeCell;
use crate::wait::WakerId;

/// See the module.
pub(super) struct ReceiverCell(UnsafeCell<ReceiverState>);

pub(super) struct ReceiverState {
    pub(super) reader: Reader,
    /// The last park succeeded, with this waker; somebody may have ended it since.
    pub(super) parked: Option<WakerId>,
    /// The end was told.
    pub(super) ended: bool,
    /// When the tail was last looked at for a message, one was on its way.
    pub(super) behind_a_sender: bool,
}

// SAFETY: nobody has it but the channel's one receiver, which goes from thread to thread as a
// whole.
unsafe impl Sync for ReceiverCell {}

impl ReceiverCell {
    /// That of a receiver whose ring has this reader.
    #[inline(always)]
    pub(super) fn new(reader: Reader) -> Self {
        let state = ReceiverState { reader, parked: None, ended: false, behind_a_sender: false };
        Self(UnsafeCell::new(state))
    }

    /// # Safety
    /// The caller is the channel's receiver, of which there is one, and has it shared at least: as
    /// long as this is used, nobody calls [`ReceiverCell::get_mut`].
    #[inline(always)]
    pub(super) unsafe fn get(&self) -> &ReceiverState {
        // SAFETY: the caller's word.
        unsafe { &*self.0.get() }
    }

    /// # Safety
    /// The caller is the channel's receiver, of which there is one, and has it alone as long as
    /// this is used.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // the receiver is borrowed as a whole
    pub(super) unsafe fn get_mut(&self) -> &mut ReceiverState {
        // SAFETY: the caller's word.
        unsafe { &mut *self.0.get() }
    }
}
