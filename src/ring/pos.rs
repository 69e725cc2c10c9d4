//! The two words of a channel as pure arithmetic: no atomics, no memory.
//!
//! ```text
//! Tail   63              28 27        4     3        2         1        0
//!        [  pos, 36 bits   |  res, 24  | RX_GONE |  (0)  | RX_PARKED | CLOSED ]
//!
//! Head   63                                                  1        0
//!        [  count, 63 bits: messages taken out so far         | TX_WAITING ]
//! ```
//!
//! `pos` counts claimed slots modulo 2^36, `res` counts permits that are out. They share one word, so
//! that one compare-and-swap decides room, closure and parking together. Differences of
//! positions are taken modulo 2^36 and are meaningful while they are at most [`MAX_LEN`].

use core::fmt;

const CLOSED: u64 = 1;
const RX_PARKED: u64 = 1 << 1;
const RX_GONE: u64 = 1 << 3;
const RES_SHIFT: u32 = 4;
const RES_BITS: u32 = 24;
const RES_MASK: u64 = (1 << RES_BITS) - 1;
const POS_SHIFT: u32 = RES_SHIFT + RES_BITS;
const POS_BITS: u32 = u64::BITS - POS_SHIFT;
const POS_MASK: u64 = (1 << POS_BITS) - 1;

/// The most permits that can be out at once: 16,777,215.
pub(crate) const MAX_RESERVED: u64 = RES_MASK;

/// The most messages that can be in a channel at once: half a lap, so that of two positions it is
/// always known which comes first. Their slots alone would take more than 128 GiB.
pub(crate) const MAX_LEN: u64 = 1 << (POS_BITS - 1);

/// A slot's position in the endless sequence of messages, modulo 2^36. Any number of that class may
/// stand for it: the mask is applied where positions are compared, not where they are computed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pos(u64);

impl PartialEq for Pos {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.since(*other) == 0
    }
}

impl Eq for Pos {}

impl Pos {
    /// The position of message number `count`, counted from 0.
    #[inline]
    pub(crate) fn of(count: u64) -> Self {
        Self(count)
    }

    /// The position `n` after this one.
    #[inline]
    pub(crate) fn plus(self, n: u64) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// How far this position lies ahead of `earlier`, modulo 2^36. A pair in the wrong order, up to a
    /// capacity apart, looks absurdly far; one a whole lap apart looks near, which I5 excludes.
    #[inline]
    pub(crate) fn since(self, earlier: Pos) -> u64 {
        self.0.wrapping_sub(earlier.0) & POS_MASK
    }

    /// The position as a number below 2^36.
    #[inline]
    pub(super) fn number(self) -> u64 {
        self.0 & POS_MASK
    }

    /// The first position of its block of `len`, a power of two.
    #[inline]
    pub(super) fn in_block(self, len: u64) -> Self {
        Self(self.0 & POS_MASK & !(len - 1))
    }

    /// The slot of this position in a buffer of `mask + 1` slots.
    #[inline]
    pub(crate) fn index(self, mask: usize) -> usize {
        self.0 as usize & mask
    }

    /// What the slot's stamp reads once this position is published. Two positions that share a slot
    /// differ by a multiple of the buffer's length, which is below 2^32: their stamps differ.
    #[inline]
    pub(crate) fn stamp(self) -> u32 {
        (self.0 as u32).wrapping_add(1)
    }
}

impl fmt::Debug for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pos({})", self.0 & POS_MASK)
    }
}

/// The producers' word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail(pub(super) u64);

impl Tail {
    /// An open, empty channel whose first slot is `pos`.
    pub(crate) fn at(pos: Pos) -> Self {
        Self(pos.0 << POS_SHIFT)
    }

    #[inline]
    pub(crate) fn pos(self) -> Pos {
        Pos(self.0 >> POS_SHIFT)
    }

    /// Permits that are out: capacity taken, no slot yet.
    #[inline]
    pub(crate) fn reserved(self) -> u64 {
        self.0 >> RES_SHIFT & RES_MASK
    }

    /// Messages and permits together, against a head at `head`.
    #[inline]
    pub(crate) fn used(self, head: Pos) -> u64 {
        self.pos().since(head) + self.reserved()
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    #[inline]
    pub(crate) fn is_parked(self) -> bool {
        self.0 & RX_PARKED != 0
    }

    #[inline]
    pub(crate) fn is_receiver_gone(self) -> bool {
        self.0 & RX_GONE != 0
    }

    /// Closed, and no permit that could still become a message.
    #[inline]
    pub(crate) fn is_final(self) -> bool {
        self.is_closed() && self.reserved() == 0
    }

    /// `n` slots claimed; whoever installs this owns the wake-up if the receiver was parked.
    #[inline]
    pub(crate) fn claim(self, n: u64) -> Self {
        Self(self.0.wrapping_add(n << POS_SHIFT) & !RX_PARKED)
    }

    /// One permit turned into a slot.
    #[inline]
    pub(crate) fn claim_reserved(self) -> Self {
        self.claim(1).unreserve(1)
    }

    #[inline]
    pub(crate) fn reserve(self, n: u64) -> Self {
        debug_assert!(self.reserved() + n <= MAX_RESERVED);
        Self(self.0 + (n << RES_SHIFT))
    }

    #[inline]
    pub(crate) fn unreserve(self, n: u64) -> Self {
        debug_assert!(self.reserved() >= n, "released {n} permits of {self:?}");
        Self(self.0 - (n << RES_SHIFT))
    }

    pub(crate) fn close(self) -> Self {
        Self(self.0 | CLOSED)
    }

    pub(crate) fn park(self) -> Self {
        Self(self.0 | RX_PARKED)
    }

    pub(crate) fn unpark(self) -> Self {
        Self(self.0 & !RX_PARKED)
    }

    pub(crate) fn receiver_gone(self) -> Self {
        Self(self.0 | RX_GONE)
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("pos", &self.pos().0)
            .field("res", &self.reserved())
            .field("rx_gone", &self.is_receiver_gone())
            .field("rx_parked", &self.is_parked())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// The receiver's word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head(pub(super) u64);

impl Head {
    pub(super) const TX_WAITING: u64 = 1;

    /// A receiver that has taken `count` messages, nobody waiting.
    pub(crate) fn at(count: u64) -> Self {
        Self(count << 1)
    }

    /// What to add to the word when `n` messages leave.
    #[inline]
    pub(super) fn step(n: u64) -> u64 {
        n << 1
    }

    /// Messages taken out since creation.
    #[inline]
    pub(crate) fn count(self) -> u64 {
        self.0 >> 1
    }

    #[inline]
    pub(crate) fn pos(self) -> Pos {
        Pos::of(self.count())
    }

    #[inline]
    pub(crate) fn is_waiting(self) -> bool {
        self.0 & Self::TX_WAITING != 0
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("count", &self.count())
            .field("tx_waiting", &self.is_waiting())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Head counts that lie on both sides of each wrap: of the stamp, of `pos`, of the head's word.
    fn near_wrap() -> impl Strategy<Value = u64> {
        let edges = [0, 1 << 32, 1 << POS_BITS, 7 << POS_BITS, (1 << 62) + (5 << POS_BITS)];
        (prop::sample::select(edges.to_vec()), -64i64..64)
            .prop_map(|(edge, off)| u64::wrapping_add_signed(edge, off) & (u64::MAX >> 1))
    }

    /// The fields of a tail in plain integers, the reference the packed word is compared with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Fields(u64, u64, [bool; 3]);

    fn fields(t: Tail) -> Fields {
        let flags = [t.is_closed(), t.is_parked(), t.is_receiver_gone()];
        Fields(t.pos().0, t.reserved(), flags)
    }

    fn tail() -> impl Strategy<Value = Tail> {
        (near_wrap(), 0..=MAX_RESERVED - 1, 0u64..16).prop_map(|(count, res, flags)| {
            Tail(Tail::at(Head::at(count).pos()).reserve(res).0 | flags)
        })
    }

    proptest! {
        #[test]
        fn b10_tail_used_is_the_distance_plus_the_permits(start in near_wrap(), len in 0u64..=MAX_LEN, res in 0..1u64 << 23) {
            let head = Head::at(start).pos();
            let tail = Tail::at(head.plus(len)).reserve(res);
            prop_assert_eq!(tail.used(head), len + res);
        }

        #[test]
        fn b10_tail_behind_the_head_looks_fuller_than_any_capacity(start in near_wrap(), behind in 1u64..MAX_LEN) {
            let head = Head::at(start).pos();
            let stale = Tail::at(Pos(head.0.wrapping_sub(behind) & POS_MASK));
            prop_assert!(stale.used(head) > MAX_LEN);
        }

        #[test]
        fn claim_moves_only_pos_and_the_park_bit(t in tail(), n in 1u64..1000) {
            let Fields(pos, res, [closed, _, gone]) = fields(t);
            prop_assert_eq!(fields(t.claim(n)), Fields((pos + n) & POS_MASK, res, [closed, false, gone]));
        }

        #[test]
        fn permits_move_only_res(t in tail(), n in 0u64..1000) {
            prop_assume!(t.reserved() + n <= MAX_RESERVED);
            let Fields(pos, res, flags) = fields(t);
            prop_assert_eq!(fields(t.reserve(n)), Fields(pos, res + n, flags));
            prop_assert_eq!(t.reserve(n).unreserve(n), t);
            if n > 0 {
                prop_assert_eq!(t.reserve(n).claim_reserved(), t.claim(1).reserve(n - 1));
            }
        }

        #[test]
        fn each_flag_moves_alone(t in tail()) {
            let Fields(pos, res, [closed, parked, gone]) = fields(t);
            prop_assert_eq!(fields(t.close()), Fields(pos, res, [true, parked, gone]));
            prop_assert_eq!(fields(t.park()), Fields(pos, res, [closed, true, gone]));
            prop_assert_eq!(fields(t.unpark()), Fields(pos, res, [closed, false, gone]));
            prop_assert_eq!(fields(t.receiver_gone()), Fields(pos, res, [closed, parked, true]));
        }

        #[test]
        fn b10_stamps_of_one_slot_never_repeat_from_lap_to_lap(start in near_wrap(), exp in 0u32..=24, laps in 1u64..8) {
            let pos = Head::at(start).pos();
            let len = 1u64 << exp;
            let later = pos.plus(laps * len);
            prop_assert_eq!(pos.index(len as usize - 1), later.index(len as usize - 1));
            prop_assert_ne!(pos.stamp(), later.stamp());
        }

        #[test]
        fn b10_head_counts_in_full(count in near_wrap(), n in 0u64..1000) {
            prop_assume!(count + n < 1 << 63);
            let head = Head(Head::at(count).0 | Head::TX_WAITING);
            let next = Head(head.0 + Head::step(n));
            prop_assert_eq!(next.count(), count + n);
            prop_assert_eq!(next.pos(), head.pos().plus(n));
            prop_assert!(next.is_waiting());
        }
    }

    #[test]
    fn debug_prints_the_fields() {
        let text =
            format!("{:?} {:?}", Tail::at(Pos(7)).reserve(2).close(), Head(Head::at(5).0 | 1));
        assert!(text.contains("pos: 7, res: 2") && text.contains("closed: true"), "{text}");
        assert!(text.contains("count: 5, tx_waiting: true"), "{text}");
    }
}
