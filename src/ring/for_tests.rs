//! What is there for tests alone: a ring by itself.

use core::mem::MaybeUninit;

#[cfg(not(parshall_loom))]
use super::pos::{Head, MAX_RESERVED, Pos, Tail};
use super::{Any, Claim, Forced, Popped, Reader, Refused, Ring, Room, Shape, Space};

impl Shape {
    pub(super) fn new(capacity: Option<u64>, start: u64, in_blocks: bool) -> Self {
        Self { capacity, forced: Forced { start: Some(start), in_blocks } }
    }
}

impl Ring {
    pub(crate) fn new<T>(shape: Shape) -> (Self, Reader) {
        // SAFETY: there is no space.
        unsafe { Self::new_in::<T>(shape, None) }
    }

    /// # Safety
    /// `space` is nobody else's, and lives as long.
    pub(super) unsafe fn new_in<T>(shape: Shape, space: Option<Space>) -> (Self, Reader) {
        let (mut ring, mut made) = (MaybeUninit::uninit(), None);
        // SAFETY: it is made there; and the caller's word.
        let ring = unsafe {
            Self::init::<T>(ring.as_mut_ptr(), shape, space, |reader| made = Some(reader));
            ring.assume_init()
        };
        (ring, made.expect("each ring has a reader"))
    }
}

impl<Cold> Ring<Cold> {
    /// T as `pos, res`, and H as `pos, held, TX_WAITING`.
    #[cfg(not(parshall_loom))]
    pub(crate) fn in_words(&self) -> (String, String) {
        let (tail, head) = (self.tail(), self.head());
        let pos = |pos: Pos| pos.since(Pos::of(0));
        let number =
            |permits: u64| permits as i64 - if permits > MAX_RESERVED / 2 { 1 << 24 } else { 0 };
        let (res, held) = (tail.reserved(Head::at(0)), Tail::at(Pos::of(0)).reserved(head));
        (
            format!("{}, {}", pos(tail.pos()), number(res)),
            format!("{}, {}, {}", pos(head.pos()), number(held), u8::from(head.is_waiting())),
        )
    }

    /// Claims the next slot; nobody waits.
    pub(super) fn claim_next(&self) -> Result<Claim, Refused> {
        self.claim_plainly::<Any>(|| true).or_else(|from| self.claim(from, || true))
    }

    /// Publishes.
    ///
    /// # Safety
    /// As [`Ring::sending`].
    pub(super) unsafe fn put<T>(&self, claim: Claim, value: T) {
        // SAFETY: the caller's word; any ring is one of flavor `Any`.
        unsafe { self.sending::<T, Any>(claim) }.publish(value);
    }

    /// Takes the next message, if it is published, and says what became of its room.
    ///
    /// # Safety
    /// As [`Ring::receiving`].
    pub(super) unsafe fn pop<T>(&self, reader: &mut Reader) -> Option<(T, Room)> {
        let mut became = None;
        let see_to_room = |reader: &mut Reader, room| {
            // SAFETY: the message just popped.
            let due = |reader| unsafe { self.receiving::<T, Any>(reader).move_due_head_in_list() };
            became = Some(if room == Room::DueInList { due(reader) } else { room });
        };
        // SAFETY: the caller's word; any ring is one of flavor `Any`.
        let popped = unsafe { self.receiving::<T, Any>(reader) }.pop_if(|| true, see_to_room);
        let Popped::Message(value, room) = popped else { return None };
        // SAFETY: the message just popped.
        let due = |reader: &mut Reader| unsafe { self.move_due_head(reader) };
        let room = if room == Room::Due { due(reader) } else { room };
        Some((value, became.unwrap_or(room)))
    }
}
