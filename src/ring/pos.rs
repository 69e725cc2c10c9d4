//! The two words of a channel as pure arithmetic: no atomics, no memory.
//!
//! ```text
//! Tail   63              28 27        4     3          2          1        0
//!        [  pos, 36 bits   |  res, 24  | RX_GONE | TX_GONE | RX_PARKED | CLOSED ]
//!
//! Head   63              28 27        4                                 0
//!        [  pos, 36 bits   | -held, 24 |             (0)             | TX_WAITING ]
//! ```
//!
//! The tail's `pos` counts claimed slots modulo 2^36, the head's the messages taken. Differences of
//! positions are meaningful while they are at most [`MAX_LEN`].
//!
//! `res + held`, modulo 2^24, is how many permits are out: `held` counts those that pops kept for
//! who waits, `res` all others, and each of them less once it is used or given back. So one step on
//! the tail decides room, closing and parking together, and one step on the head takes a message
//! out and gives its room away. `held` stands as its negative, so that one subtraction of the words
//! shows whether a permit is out and, if none is, what is in the channel.
//!
//! A head that is older than the tail makes a channel look no emptier than it is: what a pop holds
//! it takes out.

use core::fmt;

const CLOSED: u64 = 1;
const RX_PARKED: u64 = 1 << 1;
const TX_GONE: u64 = 1 << 2;
const RX_GONE: u64 = 1 << 3;
const OTHER_FLAGS: u64 = RX_PARKED | TX_GONE | RX_GONE;
const RES_SHIFT: u32 = 4;
const RES_BITS: u32 = 24;
const RES_MASK: u64 = (1 << RES_BITS) - 1;
const RES_FIELD: u64 = RES_MASK << RES_SHIFT;
const POS_SHIFT: u32 = RES_SHIFT + RES_BITS;
const POS_BITS: u32 = u64::BITS - POS_SHIFT;
const POS_MASK: u64 = (1 << POS_BITS) - 1;

/// The most permits that can be out at once: 16,777,215.
pub(crate) const MAX_RESERVED: u64 = RES_MASK;

/// The most messages that can be in a channel at once: half a lap, so that of two positions it is
/// always known which comes first. Their slots alone would take more than 100 GiB.
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

    /// How far this position lies ahead of `earlier`, modulo 2^36. A pair in the wrong order, up to
    /// a capacity apart, looks absurdly far; one a whole lap apart looks near, which I5 excludes.
    #[inline]
    pub(crate) fn since(self, earlier: Pos) -> u64 {
        self.0.wrapping_sub(earlier.0) & POS_MASK
    }

    /// The number below 2^36 that stands for it.
    #[inline]
    pub(super) fn in_lap(self) -> Self {
        Self(self.0 & POS_MASK)
    }

    /// Whether this position, below 2^36, is one of the `n` from `start` on, which is below 2^36 as
    /// well, and so far from it that none of them wraps.
    #[inline]
    pub(super) fn is_within(self, n: u64, start: Pos) -> bool {
        debug_assert!(self.0 <= POS_MASK && start.0 <= POS_MASK - n, "{self:?}, {start:?}");
        self.0.wrapping_sub(start.0) < n
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

/// Adds `n`, which may be a negative number's complement, to the field of permits: nothing is
/// carried out of it.
#[inline]
fn add_permits(word: u64, n: u64) -> u64 {
    word & !RES_FIELD | word.wrapping_add(n << RES_SHIFT) & RES_FIELD
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

    /// Permits that are out: capacity taken, no slot yet. Against the head of the same moment.
    #[inline]
    pub(crate) fn reserved(self, head: Head) -> u64 {
        (self.0 >> RES_SHIFT).wrapping_sub(head.0 >> RES_SHIFT) & RES_MASK
    }

    /// Messages and permits together. Against an older head: no less, and more than any capacity if
    /// that says nothing.
    #[inline]
    pub(crate) fn used(self, head: Head) -> u64 {
        self.pos().since(head.pos()) + self.reserved(head)
    }

    /// Open, no permit is out, and fewer than `limit` messages are in it, in one subtraction. The
    /// head has no flag.
    #[inline]
    pub(super) fn is_plainly_below(self, limit: u64, head: Head) -> bool {
        debug_assert!(!head.is_waiting(), "its flag would hide CLOSED");
        let used = self.0.wrapping_sub(head.0);
        // What must be 0 comes to stand before what is counted: one comparison sees to both.
        (used & !OTHER_FLAGS).rotate_left(POS_BITS) < limit
    }

    /// The same for a limit of [`MAX_LEN`], which is one bit.
    #[inline]
    pub(super) fn is_plain(self, head: Head) -> bool {
        let used = self.0.wrapping_sub(head.0);
        used & (RES_FIELD | CLOSED | MAX_LEN << POS_SHIFT) == 0
    }

    /// Whether the messages alone, without permits, come to `limit`, by the same subtraction, which
    /// may take one less for `limit` too. Against an older head they seem more: no is sure, yes is
    /// not.
    #[inline]
    pub(super) fn may_fill(self, limit: u64, head: Head) -> bool {
        self.0.wrapping_sub(head.0) >> POS_SHIFT >= limit
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

    /// Closed, and no permit that could still become a message. Against the head of the same
    /// moment.
    #[inline]
    pub(crate) fn has_no_more(self, head: Head) -> bool {
        self.is_closed() && (self.is_senders_gone() || self.reserved(head) == 0)
    }

    /// Nobody is left who could use a permit.
    #[inline]
    pub(crate) fn is_senders_gone(self) -> bool {
        self.0 & TX_GONE != 0
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
        Self(add_permits(self.0, n))
    }

    #[inline]
    pub(crate) fn unreserve(self, n: u64) -> Self {
        Self(add_permits(self.0, n.wrapping_neg()))
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

    pub(crate) fn senders_gone(self) -> Self {
        Self(self.0 | TX_GONE)
    }

    pub(crate) fn receiver_gone(self) -> Self {
        Self(self.0 | RX_GONE)
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("pos", &self.pos().0)
            .field("res", &(self.0 >> RES_SHIFT & RES_MASK))
            .field("rx_gone", &self.is_receiver_gone())
            .field("tx_gone", &self.is_senders_gone())
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
        Self(count << POS_SHIFT)
    }

    /// What to add to the word when `n` messages leave.
    #[inline]
    pub(super) fn step(n: u64) -> u64 {
        n << POS_SHIFT
    }

    /// `n` messages leave, and their room is held.
    #[inline]
    pub(super) fn hold(self, n: u64) -> Self {
        Self(add_permits(self.0, n.wrapping_neg()).wrapping_add(Self::step(n)))
    }

    #[inline]
    pub(super) fn without_flag(self) -> Self {
        Self(self.0 & !Self::TX_WAITING)
    }

    #[inline]
    pub(crate) fn pos(self) -> Pos {
        Pos(self.0 >> POS_SHIFT)
    }

    #[inline]
    pub(crate) fn is_waiting(self) -> bool {
        self.0 & Self::TX_WAITING != 0
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("pos", &self.pos().0)
            .field("held", &Tail(0).reserved(*self))
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
    struct Fields(u64, u64, [bool; 4]);

    fn fields(t: Tail) -> Fields {
        let flags = [t.is_closed(), t.is_parked(), t.is_senders_gone(), t.is_receiver_gone()];
        Fields(t.pos().0, t.0 >> RES_SHIFT & RES_MASK, flags)
    }

    fn tail() -> impl Strategy<Value = Tail> {
        (near_wrap(), 0..=MAX_RESERVED, 0u64..16).prop_map(|(count, res, flags)| {
            Tail(Tail::at(Head::at(count).pos()).reserve(res).0 | flags)
        })
    }

    /// A head that has held `held` permits so far.
    fn head(count: u64, held: u64) -> Head {
        Head(add_permits(Head::at(count).0, held.wrapping_neg()))
    }

    proptest! {
        #[test]
        fn b10_tail_used_is_the_distance_plus_the_permits(start in near_wrap(), len in 0u64..=MAX_LEN, res in 0..=MAX_RESERVED, held in 0..=MAX_RESERVED) {
            let head = head(start, held);
            let tail = Tail::at(head.pos().plus(len)).reserve(res).unreserve(held);
            prop_assert_eq!((tail.used(head), tail.reserved(head)), (len + res, res));
        }

        #[test]
        fn b10_what_is_plainly_below_the_limit_is(start in near_wrap(), len in 0u64..=MAX_LEN, res in 0..3u64, held in 0..=MAX_RESERVED, flags in 0u64..16, limit in 1..=MAX_LEN, near in 0..3u64) {
            let head = head(start, held);
            // Both sides of the limit, whatever it is.
            let len = if near > 0 { (limit + near).saturating_sub(2) } else { len };
            let tail = Tail(Tail::at(head.pos().plus(len)).reserve(res).unreserve(held).0 | flags);
            let plainly = !tail.is_closed() && res == 0 && len < limit;
            prop_assert_eq!(tail.is_plainly_below(limit, head), plainly);
            prop_assert_eq!(tail.is_plain(head), tail.is_plainly_below(MAX_LEN, head));
            prop_assert!(!plainly || tail.used(head) < limit);
        }

        /// Plain pops and pops that hold, whose permits are used or given back, in any order:
        /// against each head that there was the channel looks as full as it is, or fuller.
        #[test]
        fn b10_an_older_head_never_shows_more_room(start in near_wrap(), steps in prop::collection::vec(0..4, 0..40)) {
            let mut heads = vec![head(start, MAX_RESERVED - 3)];
            let mut tail = Tail::at(heads[0].pos().plus(64)).unreserve(MAX_RESERVED - 3);
            let (mut len, mut out) = (64, 0);
            for step in steps {
                let now = *heads.last().unwrap();
                match step {
                    0 => { heads.push(Head(now.0.wrapping_add(Head::step(1)))); len -= 1; }
                    1 => { heads.push(now.hold(1)); len -= 1; out += 1; }
                    2 if out > 0 => { tail = tail.claim_reserved(); len += 1; out -= 1; }
                    3 if out > 0 => { tail = tail.unreserve(1); out -= 1; }
                    _ => {}
                }
                prop_assert_eq!(tail.used(*heads.last().unwrap()), len + out);
                for &old in &heads {
                    prop_assert!(tail.used(old) >= len + out);
                    prop_assert!(!tail.is_plainly_below(len + out, old));
                }
            }
        }

        #[test]
        fn b10_tail_behind_the_head_looks_fuller_than_any_capacity(start in near_wrap(), behind in 1u64..MAX_LEN) {
            let head = Head::at(start);
            let stale = Tail::at(Pos(head.pos().0.wrapping_sub(behind) & POS_MASK));
            prop_assert!(stale.used(head) > MAX_LEN);
            prop_assert!(!stale.is_plainly_below(MAX_LEN, head));
        }

        #[test]
        fn claim_moves_only_pos_and_the_park_bit(t in tail(), n in 1u64..1000) {
            let Fields(pos, res, [closed, _, tx, rx]) = fields(t);
            prop_assert_eq!(fields(t.claim(n)), Fields((pos + n) & POS_MASK, res, [closed, false, tx, rx]));
        }

        #[test]
        fn permits_move_only_res(t in tail(), n in 0u64..1000) {
            let Fields(pos, res, flags) = fields(t);
            prop_assert_eq!(fields(t.reserve(n)), Fields(pos, (res + n) & RES_MASK, flags));
            prop_assert_eq!(t.reserve(n).unreserve(n), t);
            if n > 0 {
                prop_assert_eq!(t.reserve(n).claim_reserved(), t.claim(1).reserve(n - 1));
            }
        }

        #[test]
        fn each_flag_moves_alone(t in tail()) {
            let Fields(pos, res, [closed, parked, tx, rx]) = fields(t);
            prop_assert_eq!(fields(t.close()), Fields(pos, res, [true, parked, tx, rx]));
            prop_assert_eq!(fields(t.park()), Fields(pos, res, [closed, true, tx, rx]));
            prop_assert_eq!(fields(t.unpark()), Fields(pos, res, [closed, false, tx, rx]));
            prop_assert_eq!(fields(t.senders_gone()), Fields(pos, res, [closed, parked, true, rx]));
            prop_assert_eq!(fields(t.receiver_gone()), Fields(pos, res, [closed, parked, tx, true]));
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
        fn b10_a_pop_moves_the_position_and_what_it_holds(count in near_wrap(), held in 0..=MAX_RESERVED, n in 0u64..1000) {
            let head = Head(head(count, held).0 | Head::TX_WAITING);
            let held = head.hold(n);
            prop_assert_eq!(held.pos(), head.pos().plus(n));
            prop_assert_eq!(Tail(0).reserved(held), (Tail(0).reserved(head) + n) & RES_MASK);
            prop_assert!(held.is_waiting());
            let freed = Head(head.0.wrapping_add(Head::step(n)));
            prop_assert_eq!((freed.pos(), freed.0 & RES_FIELD), (held.pos(), head.0 & RES_FIELD));
        }
    }

    #[test]
    fn debug_prints_the_fields() {
        let text =
            format!("{:?} {:?}", Tail::at(Pos(7)).reserve(2).close(), Head(Head::at(5).0 | 1));
        assert!(text.contains("pos: 7, res: 2") && text.contains("closed: true"), "{text}");
        assert!(text.contains("pos: 5, held: 0, tx_waiting: true"), "{text}");
    }
}
