//! The endless row of places, in segments of [`LEN`], that is as long as its living part.
//!
//! ```text
//! first                                          last
//!   |                                              |
//! [ segment 3 ] -> [ segment 7 ] -> [ segment 8 ] -+       4 to 6 are over, and were taken out
//! ```
//!
//! Whoever has taken an index, or walks up to one that was given out, makes the segments up to it.
//! *Appending* is one compare-and-swap on the last link, which carries the number of its segment
//! while nothing follows. What is over is taken out by whoever finds the row long enough
//! ([`super::sweep`]), and its memory is used again ([`super::pool`]).
//!
//! So a thread may look at a segment that was taken out and serves elsewhere by now. Two looks
//! tell:
//!
//! * To trust a link, read the segment's number again after reading the link. If it is unchanged,
//!   the link was valid, because a segment loses its number once it is unlinked.
//! * The segment that a link leads to must still have the number in the link. Otherwise it was
//!   taken out, and the link has changed; or the link is frozen, and its own segment was taken out
//!   before that.
//!
//! A segment may be used that was taken out a moment ago, as long as it has its number: its places
//! are over, and its link leads on.

use super::pool::Pool;
use super::segment::{AtomicLink, LEN, Link, Segment};
use super::sweep::Sweeper;
use crate::sizes;
use crate::sync::row::AtomicPtr;
use crate::sync::{Ordering, step};

#[cfg(all(parshall_loom_inside, test))]
mod models;

/// What stands where a segment was looked for.
pub(super) enum Found<'a> {
    Segment(&'a Segment),
    /// It is over; the next one has this number.
    Over(u64),
    /// It was not made yet.
    Missing,
}

/// A look at where somebody last was in the row: good for a start, and never more.
#[derive(Debug)]
pub(super) struct Hint(AtomicPtr<Segment>);

impl Hint {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Row {
    /// Leads nowhere until somebody waits.
    first: AtomicLink,
    pool: Pool,
    pub(super) sweeper: Sweeper,
}

impl Row {
    /// Where it stays: its memory is not to be copied.
    #[inline(always)]
    pub(super) fn new() -> Self {
        let row = Self {
            first: AtomicLink::new(Link::end(0)),
            pool: Pool::new(),
            sweeper: Sweeper::new(),
        };
        if sizes::SEGMENT_AT_ONCE {
            let _ = row.get(0, &Hint::new());
        }
        row
    }

    /// The number of the first segment; `None` if nobody has ever waited.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.first().map(|(_, number)| number)
    }

    /// The first segment and its number.
    fn first(&self) -> Option<(&Segment, u64)> {
        loop {
            let first = self.first.load();
            if first.is_end() {
                return None;
            }
            let segment = self.pool.at(first.id());
            // If it was taken out, it is not the first any more.
            if let Some(number) = segment.number_by(first) {
                return Some((segment, number));
            }
        }
    }

    /// The segment of a place that the caller has taken, and not left.
    #[inline]
    pub(super) fn of_place(&self, index: u64, hint: &Hint) -> &Segment {
        let number = index / LEN;
        self.at_hint(number, hint).unwrap_or_else(|| self.of_place_slow(number, hint))
    }

    #[cold]
    #[inline(never)]
    fn of_place_slow(&self, number: u64, hint: &Hint) -> &Segment {
        let Ok(segment) = self.get(number, hint) else {
            unreachable!("a segment is not over while a place in it is not left")
        };
        segment
    }

    /// The segment with this number, which is made if it was not yet; `Err` is the number of the
    /// one that stands in its place when it is over. An index in it was given out.
    pub(super) fn get(&self, number: u64, hint: &Hint) -> Result<&Segment, u64> {
        match self.seek(number, hint, true) {
            Found::Segment(segment) => Ok(segment),
            Found::Over(next) => Err(next),
            Found::Missing => unreachable!("made when it is missing"),
        }
    }

    /// Where somebody was, and the number that stands there now.
    #[allow(clippy::unused_self)] // the segment lives as long
    #[inline]
    fn hinted(&self, hint: &Hint) -> Option<(&Segment, u64)> {
        // ORDERING(Q3): Acquire. Pairs with Q3 in `seek_from`: the segment is set up.
        let hinted = hint.0.load(Ordering::Acquire);
        // SAFETY: null, or a segment of this row, which lives as long.
        let segment = unsafe { hinted.as_ref() }?;
        Some((segment, segment.number()))
    }

    /// The segment with this number, if it is there.
    #[inline]
    pub(super) fn find(&self, number: u64, hint: &Hint) -> Option<&Segment> {
        self.at_hint(number, hint).or_else(|| self.find_slow(number, hint))
    }

    #[cold]
    #[inline(never)]
    fn find_slow(&self, number: u64, hint: &Hint) -> Option<&Segment> {
        match self.seek(number, hint, false) {
            Found::Segment(segment) => Some(segment),
            Found::Over(_) | Found::Missing => None,
        }
    }

    /// The segment with this number, if the hint leads to it.
    #[inline]
    fn at_hint(&self, number: u64, hint: &Hint) -> Option<&Segment> {
        self.hinted(hint).filter(|&(_, known)| known == number).map(|(segment, _)| segment)
    }

    /// What stands where the segment with this number would. `make`: it is made if it was not yet,
    /// and so are those before it.
    pub(super) fn seek(&self, number: u64, hint: &Hint, make: bool) -> Found<'_> {
        // One that is fresh or out has a number beyond all.
        if let Some((segment, known)) = self.hinted(hint)
            && known <= number
            && let Some(found) = self.seek_from(segment, known, number, hint, make)
        {
            return found;
        }
        loop {
            let Some((segment, known)) = self.first() else {
                if !make {
                    return Found::Missing;
                }
                self.append(&self.first, Link::end(0), 0);
                continue;
            };
            if known > number {
                return Found::Over(known);
            }
            if let Some(found) = self.seek_from(segment, known, number, hint, make) {
                return found;
            }
        }
    }

    /// Looks from `segment`, which had number `known` <= `number` when it was reached by a link or
    /// a hint. `None`: it was taken out.
    fn seek_from<'a>(
        &'a self,
        mut segment: &'a Segment,
        mut known: u64,
        number: u64,
        hint: &Hint,
        make: bool,
    ) -> Option<Found<'a>> {
        while known < number {
            let link = segment.next.load();
            if !segment.has(known) {
                return None;
            }
            if link.is_end() {
                if !make {
                    return Some(Found::Missing);
                }
                self.append(&segment.next, link, known + 1);
                continue;
            }
            let following = self.pool.at(link.id());
            match following.number_by(link) {
                Some(found) if found > number => return Some(Found::Over(found)),
                Some(found) => (segment, known) = (following, found),
                // The segment behind a frozen link goes after the one that has it.
                None if link.is_frozen() => return None,
                // The link has changed.
                None => {}
            }
        }
        // ORDERING(Q3): Release. Pairs with Q3 in `hinted`: what we know of the segment.
        hint.0.store(core::ptr::from_ref(segment).cast_mut(), Ordering::Release);
        Some(Found::Segment(segment))
    }

    /// Puts segment `number` where `link` says `end`, if it still does.
    #[cold]
    fn append(&self, link: &AtomicLink, end: Link, number: u64) {
        let Some(new) = self.fresh(link, end, number) else { return };
        step("append: link");
        if !link.swap(end, Link::new(number, new.id)) {
            self.pool.put(new);
            return;
        }
        step("append: number");
        new.set_linked(number);
        if self.sweeper.is_due(number) {
            self.sweeper.sweep(&self.first, &self.pool, number);
        }
    }

    /// A segment with this number to be put where `link` says `end`, a spare one or a new one.
    /// `None`: the link says something else.
    ///
    /// One that had this number before would be taken for what it was. So we look at the link again
    /// when the segment is ours: if it had the number, or was meant to, the link was gone before it
    /// was spare, and who made it spare knew that.
    fn fresh(&self, link: &AtomicLink, end: Link, number: u64) -> Option<&Segment> {
        step("append: memory");
        let Some(spare) = self.pool.take() else { return Some(self.pool.make(number)) };
        step("append: reused");
        if link.load() != end {
            self.pool.put(spare);
            return None;
        }
        spare.set_up(number);
        Some(spare)
    }
}

/// The length of the row and its memory. Threads that have stopped are played by what they had done
/// before.
#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A row, and those who wait in it, by the segment.
    struct Waiters {
        row: Row,
        hint: Hint,
        waiting: VecDeque<u64>,
        next: u64,
        /// Threads that have stopped with a segment in their hand.
        stopped: usize,
        /// The most segments that were in use at once.
        most: usize,
    }

    impl Waiters {
        fn new() -> Self {
            let (row, hint) = (Row::new(), Hint::new());
            Self { row, hint, waiting: VecDeque::new(), next: 0, stopped: 0, most: 0 }
        }

        fn made(&self) -> usize {
            self.row.pool.made()
        }

        /// The links of the row, from the first to the one behind the last segment.
        fn links(&self) -> Vec<&AtomicLink> {
            let mut links = vec![&self.row.first];
            loop {
                let link = links.last().unwrap().load();
                if link.is_end() {
                    return links;
                }
                links.push(&self.row.pool.at(link.id()).next);
                assert!(links.len() <= self.made() + 1, "the links go round");
            }
        }

        /// The number of segments in the row.
        fn linked(&self) -> usize {
            self.links().len() - 1
        }

        /// Takes a segment. Memory is made only if all there is is in use.
        fn take(&mut self, f: impl FnOnce(&Self)) {
            self.most = self.most.max(self.linked() + self.stopped + 1);
            f(self);
            let (made, most) = (self.made(), self.most);
            assert!(made <= most, "{made} segments made for {most}");
        }

        /// A segment full of waiters comes.
        fn come(&mut self) {
            self.take(|waiters| assert!(waiters.row.get(waiters.next, &waiters.hint).is_ok()));
            self.waiting.push_back(self.next);
            self.next += 1;
        }

        /// The first of them leaves.
        fn leave(&mut self) {
            let number = self.waiting.pop_front().unwrap();
            let Ok(segment) = self.row.get(number, &self.hint) else { panic!("they wait") };
            for place in segment.places() {
                place.leave_unused();
            }
        }

        /// So many come, and the first leaves for each that comes.
        fn move_on(&mut self, n: usize) {
            for _ in 0..n {
                self.come();
                self.leave();
            }
        }

        fn sweep(&self) {
            self.row.sweeper.sweep(&self.row.first, &self.row.pool, self.next);
        }

        fn stop_before_link(&mut self) {
            self.take(|waiters| {
                let last = *waiters.links().last().unwrap();
                _ = waiters.row.fresh(last, last.load(), waiters.next);
            });
            self.stopped += 1;
        }

        /// Somebody makes a segment, and another has linked its own.
        fn lose(&mut self) {
            self.take(|waiters| waiters.row.append(&waiters.row.first, Link::end(0), waiters.next));
        }

        /// A thread is stopped when it begins to take out what is over.
        fn stop_in_sweep(&self) {
            assert!(self.row.sweeper.is_due(u64::MAX >> 1));
        }

        /// Likewise, when it has frozen the first segment, which is over.
        fn stop_at_frozen(&self) {
            self.stop_in_sweep();
            let first = self.row.pool.at(self.row.first.load().id());
            let next = first.next.load();
            assert!(first.is_over() && !next.is_end() && !next.is_frozen());
            assert!(first.next.swap(next, next.frozen()));
        }
    }

    /// One more segment than the longest line has is needed while one comes and the first leaves.
    ///
    /// Seen to fail with: four times what is left as `allowed`; nothing used again; no step 2.
    #[test]
    fn the_row_takes_twice_what_the_longest_line_needs() {
        for longest in [1, 2, 5, 40] {
            let mut waiters = Waiters::new();
            for round in 0..20 {
                (0..longest).for_each(|_| waiters.come());
                waiters.move_on(100 * round);
                (0..longest).for_each(|_| waiters.leave());
                waiters.move_on(100);
            }
            let made = waiters.made();
            assert!(made <= 2 * (longest + 1) + 1, "{made} segments made for {longest}");
        }
    }

    /// Threads stop for good in a sweep, one after the other: each costs two segments, and no more.
    ///
    /// Seen to fail with: a sweep only by who finds nobody at it, as it was; `MEANWHILE` not taken
    /// back when a sweep ends.
    #[test]
    fn a_row_with_stopped_sweepers_is_bounded() {
        for longest in [1, 5] {
            let mut waiters = Waiters::new();
            (0..longest).for_each(|_| waiters.come());
            for stopped in 1..=6 {
                waiters.stop_in_sweep();
                waiters.move_on(1000);
                let (made, needed) = (waiters.made(), longest + 1);
                assert!(made <= 2 * needed + 1 + 2 * stopped, "{made} made, {stopped} stopped");
            }
            for _ in 0..100 {
                waiters.stop_in_sweep();
                waiters.move_on(2 * longest + 4);
                waiters.sweep();
            }
            let made = waiters.made();
            assert!(made <= 2 * (longest + 1) + 1 + 2 * 6, "{made} made when they went on");
        }
    }

    /// A thread stops for good when it has frozen a segment: others unlink it, and use it again.
    ///
    /// Seen to fail with: a frozen segment that is left to who has frozen it.
    #[test]
    fn a_frozen_segment_is_taken_out_by_others() {
        let mut waiters = Waiters::new();
        waiters.come();
        for _ in 0..20 {
            waiters.move_on(1);
            waiters.stop_at_frozen();
            waiters.move_on(10);
        }
        waiters.sweep();
        assert_eq!(waiters.linked(), 1);
        assert!(waiters.made() <= 7, "{} made", waiters.made());
        assert_eq!(waiters.row.pool.spare_ids().len() + waiters.linked(), waiters.made());
    }

    /// Threads stop for good with a segment each, and others lose the race for a link a thousand
    /// times.
    ///
    /// Seen to fail with: a loser's segment that is not put back.
    #[test]
    fn what_is_lost_is_used_again() {
        let mut waiters = Waiters::new();
        for _ in 0..10 {
            waiters.stop_before_link();
            waiters.move_on(1);
            (0..100).for_each(|_| waiters.lose());
            waiters.move_on(100);
        }
        assert!(waiters.most < 20, "{} segments needed", waiters.most);
    }

    /// A thread that is late for segment 1 makes it where another one stands that found it there in
    /// its first life.
    ///
    /// Seen to fail with: no second look at the link in `fresh`.
    #[test]
    fn who_is_late_makes_no_segment_twice() {
        let mut waiters = Waiters::new();
        (0..4).for_each(|_| waiters.come());
        let [zero, one, _, three] = [0, 1, 2, 3].map(|number| {
            let Ok(segment) = waiters.row.get(number, &Hint::new()) else { panic!("they wait") };
            core::ptr::from_ref(segment)
        });
        (0..2).for_each(|_| waiters.leave());
        waiters.sweep();
        let Waiters { row, hint, .. } = &waiters;
        // SAFETY: of this row.
        let (zero, one) = unsafe { (&*zero, &*one) };
        assert!(row.fresh(&zero.next, Link::end(0), 1).is_none());
        let found = row.seek_from(one, 1, 3, hint, true);
        assert!(found.is_none_or(|found| {
            matches!(found, Found::Segment(found) if core::ptr::from_ref(found) == three)
        }));
    }

    /// All segments are found by their ids, and freed.
    ///
    /// Seen to fail with: a wrong child (not found), `free` without the children (Miri, leaks).
    #[test]
    fn each_id_leads_to_its_segment() {
        let pool = Pool::new();
        let made: Vec<_> = (0..100).map(|n| core::ptr::from_ref(pool.make(n))).collect();
        for (id, segment) in made.into_iter().enumerate() {
            let found = pool.at(id as u64);
            assert!(core::ptr::eq(found, segment) && found.has(id as u64));
        }
    }
}
