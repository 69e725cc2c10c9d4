//! A segment of the row of waiting senders: its places, its number, and the words that lead to it.
//!
//! ```text
//! link: [ number, 35 bits | id, 28 bits | frozen, 1 bit ]
//! ```
//!
//! A segment is memory that is used many times. Its *id* is that of the memory and never changes
//! ([`super::pool`]). Its *number* is where it lies in the row: segment *n* has the places from
//! *n* times [`LEN`] on. No number is given twice, so a segment with number *n* is in its only life
//! under that number.
//!
//! | number | the segment |
//! |---|---|
//! | *n* and [`FRESH`] | is set up for *n*: not linked yet, or linked a moment ago |
//! | *n* | is in the row as *n*, or was taken out of it a moment ago |
//! | [`OUT`] | is in nobody's way: spare, or in the hand of whoever will link it |
//!
//! A link says both, number and id. Numbers only rise from one segment to the next and from one
//! life to the next, so **no location ever has the same link twice**: a compare-and-swap that
//! finds the link that it expects knows that nothing has happened there meanwhile.
//!
//! While nothing follows, a link has the number of its own segment and no id. *Frozen* is the link
//! of a segment that is about to be taken out; it does not change any more until the segment is
//! used again.

use super::place::Place;
use crate::sizes;
use crate::sync::Ordering;
use crate::sync::row::{AtomicPtr, AtomicU64};

/// Places in a segment.
pub(super) const LEN: u64 = sizes::SEGMENT;

/// With the number of a segment that is not known to be linked.
pub(super) const FRESH: u64 = 1 << 63;

/// The number of a segment that is not in the row.
pub(super) const OUT: u64 = u64::MAX;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(u64);

impl Link {
    const FROZEN: u64 = 1;
    const ID_BITS: u32 = 28;
    const NUMBER_SHIFT: u32 = Self::ID_BITS + 1;
    /// The id of none, and so the number of ids.
    pub(super) const NO_ID: u64 = (1 << Self::ID_BITS) - 1;

    pub(super) fn new(number: u64, id: u64) -> Self {
        Self(number << Self::NUMBER_SHIFT | id << 1)
    }

    /// Nothing follows segment `number`.
    pub(super) fn end(number: u64) -> Self {
        Self::new(number, Self::NO_ID)
    }

    pub(super) fn is_end(self) -> bool {
        self.id() == Self::NO_ID
    }

    pub(super) fn id(self) -> u64 {
        self.0 >> 1 & Self::NO_ID
    }

    /// The number, as far as it fits in here.
    pub(super) fn number(self) -> u64 {
        self.0 >> Self::NUMBER_SHIFT
    }

    pub(super) fn is_frozen(self) -> bool {
        self.0 & Self::FROZEN != 0
    }

    pub(super) fn frozen(self) -> Self {
        Self(self.0 | Self::FROZEN)
    }

    /// The same, for the segment before.
    pub(super) fn thawed(self) -> Self {
        Self(self.0 & !Self::FROZEN)
    }
}

/// Where a link stands.
#[derive(Debug)]
pub(super) struct AtomicLink(AtomicU64);

impl AtomicLink {
    pub(super) fn new(link: Link) -> Self {
        Self(AtomicU64::new(link.0))
    }

    pub(super) fn load(&self) -> Link {
        // ORDERING(Q3, Q7): Acquire. Pairs with Q3 in `swap` and `set_up`: the segment that it
        // names is set up. With Q7: likewise, for one that is spare.
        Link(self.0.load(Ordering::Acquire))
    }

    /// Puts `to` where `from` stands, if it still does. The caller has loaded `from`.
    pub(super) fn swap(&self, from: Link, to: Link) -> bool {
        // ORDERING(Q3, Q7): Release. Pairs with Q3, Q7 in `load`. Appending: the new segment is set
        // up. Freezing: the places were seen to be over. Leading around: the segment behind is set
        // up. Spare: nobody uses the segment any more. Of what stood there we know by our load.
        self.0.compare_exchange(from.0, to.0, Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

// The most for which glibc (2.36) keeps memory at hand for each thread; and that is not aligned to
// lines.
#[cfg(all(not(parshall_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Segment>() <= 1032 && align_of::<Segment>() <= 16);

/// See the module.
#[derive(Debug)]
pub(super) struct Segment {
    number: AtomicU64,
    pub(super) next: AtomicLink,
    /// Never changed once others can see it.
    pub(super) id: u64,
    /// While it is spare: the id of the spare one below.
    pub(super) below: AtomicU64,
    /// The segments with the ids `4 * id + 1` to `4 * id + 4`, once they are made.
    pub(super) children: [AtomicPtr<Segment>; 4],
    places: [Place; LEN as usize],
    #[cfg(all(parshall_loom_inside, test))]
    leak_check: crate::sync::row::Track<()>,
}

impl Segment {
    /// New memory, set up for `number`.
    #[inline(always)]
    pub(super) fn new(number: u64) -> Self {
        Self {
            number: AtomicU64::new(number | FRESH),
            next: AtomicLink::new(Link::end(number)),
            id: Link::NO_ID,
            below: AtomicU64::new(Link::NO_ID),
            children: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
            places: core::array::from_fn(|_| Place::new(number)),
            #[cfg(all(parshall_loom_inside, test))]
            leak_check: crate::sync::row::Track::new(()),
        }
    }

    /// Sets up a segment that is the caller's, who links it as `number` or puts it back.
    pub(super) fn set_up(&self, number: u64) {
        self.places.iter().for_each(|place| place.renew(number));
        // ORDERING(Q3): Release. Pairs with Q3 in `load`: who reads this link and then the number
        // finds no number of an earlier life.
        self.next.0.store(Link::end(number).0, Ordering::Release);
        // ORDERING(Q3): Release. Pairs with Q3 in `number`: the segment is set up.
        self.number.store(number | FRESH, Ordering::Release);
    }

    /// It is linked as `number`, and may have been taken out again.
    pub(super) fn set_linked(&self, number: u64) {
        // ORDERING(Q3): Relaxed. A swap hands on what the store in `set_up` released; new memory
        // comes by a link or a hint.
        let _ = self.number.compare_exchange(
            number | FRESH,
            number,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// It is not in the row any more, or never was.
    pub(super) fn set_out(&self) {
        // ORDERING(Q3): Release. Pairs with Q3 in `number`: the link around it, and no later one.
        self.number.store(OUT, Ordering::Release);
    }

    /// The number as it stands: beyond all others if it is fresh or out.
    pub(super) fn number(&self) -> u64 {
        // ORDERING(Q3): Acquire. Pairs with Q3 in `set_up` and `set_out`: who sees a number sees
        // the segment set up, and who sees that it is out, or another number, sees the links around
        // it.
        self.number.load(Ordering::Acquire)
    }

    /// Whether it has this number, known to be linked or not.
    pub(super) fn has(&self, number: u64) -> bool {
        self.number() & !FRESH == number
    }

    /// The whole number of the segment to which `link` led, if it still has that number.
    pub(super) fn number_by(&self, link: Link) -> Option<u64> {
        let number = self.number();
        let fits = Link::new(number, self.id) == link.thawed();
        (number != OUT && fits).then_some(number & !FRESH)
    }

    /// The place with this index.
    pub(super) fn place(&self, index: u64) -> &Place {
        &self.places[(index % LEN) as usize]
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether nobody uses its places any more. If so, it remains so for this life.
    pub(super) fn is_over(&self) -> bool {
        self.places.iter().all(Place::is_over)
    }
}
