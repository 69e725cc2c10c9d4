//! The endless row of places, in segments of [`LEN`], that is as long as its living part.
//!
//! ```text
//! first                                          last
//!   |                                              |
//! [ segment 3 ] -> [ segment 7 ] -> [ segment 8 ] -+        segments 4 to 6 are over, and were taken out
//! ```
//!
//! Whoever has taken an index makes the segments up to it. *Appending* is one swap on the last one's link, which
//! carries the number of its segment while nothing follows. *Taking out* segments whose places are all over is
//! done by one thread at a time, which holds a flag that nobody waits for: while it is taken, others let
//! the row grow.
//!
//! Memory goes back to the allocator only with the row. A thread may thus look at a segment that was taken out
//! and serves elsewhere by now; it finds another number there, and starts again from the first.
//! No segment has a number twice: see `fresh`.
//!
//! A link counts as true if the segment that holds it still has its number *after* the link was read: a
//! segment loses its number when it has been taken out, before any other one is, and one that has no number any more is
//! not linked to. New segments carry the mark FRESH with their number until they are linked, so that
//! nobody takes one for linked that is reached by an old hint. A number is that of a linked segment if it stands before and
//! after a look at the link: one that was put aside since, and linked here by another number, has that one.

use super::cell::Cell;
use crate::sync::row::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use crate::sync::{Ordering, step};

#[cfg(all(parshall_loom, test))]
mod models;

/// Places in a segment.
pub(super) const LEN: u64 = match (cfg!(parshall_loom), cfg!(test)) {
    (true, true) => 1,
    // All that a model of a channel needs.
    (true, false) => 8,
    _ => 16,
};

/// With the number of a segment that is not known to be linked.
const FRESH: u64 = 1 << 63;

/// The number of a segment that was taken out.
const OUT: u64 = u64::MAX;

/// Likewise, and somebody sets it up to be used again.
const TAKEN: u64 = OUT - 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Segment {
    number: AtomicU64,
    /// The next segment, or [`end_of`] this one.
    next: AtomicPtr<Segment>,
    /// The segment made before this one. Never changed once others can see it.
    older: *mut Segment,
    cells: [Cell; LEN as usize],
    #[cfg(all(parshall_loom, test))]
    leak_check: crate::sync::row::Track<()>,
}

/// What stands for "nothing follows segment `number`". No address, for those are even.
fn end_of(number: u64) -> *mut Segment {
    core::ptr::without_provenance_mut((number as usize) << 1 | 1)
}

fn is_end(link: *mut Segment) -> bool {
    link.addr() & 1 == 1
}

impl Segment {
    fn new(number: u64) -> Self {
        Self {
            number: AtomicU64::new(number | FRESH),
            next: AtomicPtr::new(end_of(number)),
            older: core::ptr::null_mut(),
            cells: core::array::from_fn(|_| Cell::new(number)),
            #[cfg(all(parshall_loom, test))]
            leak_check: crate::sync::row::Track::new(()),
        }
    }

    /// The number as it stands.
    fn number(&self) -> u64 {
        // ORDERING(Q3): Acquire. Pairs with Q3 in `fresh` and `sweep`: who sees a number sees the segment set up, and
        // who sees that it is out, or another number, sees the links that led around it.
        self.number.load(Ordering::Acquire)
    }

    /// Whether it has this number, linked or not.
    fn has(&self, number: u64) -> bool {
        self.number() & !FRESH == number & !FRESH
    }

    /// Gives up a segment that was not linked.
    fn put_aside(&self) {
        // ORDERING(Q3): Release. Pairs with Q3 in `reuse`: what we did to it, and what was done in the life before.
        self.number.store(OUT, Ordering::Release);
    }

    fn next(&self) -> *mut Segment {
        // ORDERING(Q3): Acquire. Pairs with Q3 in `append`, `fresh` and `sweep`: the segment it names was set up.
        self.next.load(Ordering::Acquire)
    }

    /// The place with this index.
    pub(super) fn cell(&self, index: u64) -> &Cell {
        &self.cells[(index % LEN) as usize]
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

/// What stands where a segment was looked for.
pub(super) enum Found<'a> {
    Segment(&'a Segment),
    /// It is over; the next one has this number.
    Over(u64),
    /// It was not made yet.
    Missing,
}

/// Sums over the places that were taken out.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) waits: AtomicU64,
    pub(super) waited_ns: AtomicU64,
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
    /// Null until somebody waits.
    first: AtomicPtr<Segment>,
    /// The segment made last; by [`Segment::older`] it leads to all there are, in the row or out of it.
    last_made: AtomicPtr<Segment>,
    /// How many there are.
    made: AtomicUsize,
    /// Where to look next for one that is out; null: at the one made last.
    cursor: AtomicPtr<Segment>,
    /// Somebody takes segments out.
    busy: AtomicBool,
    /// How many segments were ever taken out, by whoever is `busy`: all others up to the last number are in the row, or are
    /// being taken out.
    gone: AtomicU64,
    /// How many in the row make it worth while to take out what is over: twice what was left the last time.
    enough: AtomicUsize,
    pub(super) past: Past,
}

impl Row {
    pub(super) fn new() -> Self {
        // A model of a channel knows nothing of how segments are published: there it has one from the beginning.
        let first = if cfg!(all(parshall_loom, not(test))) {
            Box::into_raw(Box::new(Segment::new(0)))
        } else {
            core::ptr::null_mut()
        };
        Self {
            first: AtomicPtr::new(first),
            last_made: AtomicPtr::new(first),
            made: AtomicUsize::new(usize::from(!first.is_null())),
            cursor: AtomicPtr::new(core::ptr::null_mut()),
            busy: AtomicBool::new(false),
            gone: AtomicU64::new(0),
            enough: AtomicUsize::new(2),
            past: Past { waits: AtomicU64::new(0), waited_ns: AtomicU64::new(0) },
        }
    }

    /// A segment of this row.
    ///
    /// # Safety
    /// `segment` was read from a link, a hint or the list of all segments of this row.
    #[allow(clippy::unused_self)] // it lives as long
    unsafe fn at(&self, segment: *mut Segment) -> &Segment {
        // SAFETY: all those lead to segments, which live as long as the row.
        unsafe { &*segment }
    }

    /// The number of the first segment; `None` if nobody has ever waited.
    pub(super) fn first(&self) -> Option<u64> {
        self.begin().map(|(_, number)| number)
    }

    /// The first segment and its number.
    fn begin(&self) -> Option<(&Segment, u64)> {
        loop {
            // ORDERING(Q3): Acquire. Pairs with Q3 in `append` and `sweep`.
            let first = self.first.load(Ordering::Acquire);
            if first.is_null() {
                return None;
            }
            // SAFETY: a link.
            let segment = unsafe { self.at(first) };
            let number = segment.number();
            // ORDERING(Q3): Acquire. As above; if it is the first again, it has the number of that life.
            let again = number < TAKEN && self.first.load(Ordering::Acquire) == first;
            if again && segment.has(number) {
                return Some((segment, number & !FRESH));
            }
        }
    }

    /// The segment with this number, which is made if it was not yet; `Err` is the number of the one that stands in its
    /// place when it is over. An index in it was given out.
    #[inline]
    pub(super) fn get(&self, number: u64, hint: &Hint) -> Result<&Segment, u64> {
        match self.hinted(hint) {
            Some((segment, known)) if known == number => Ok(segment),
            _ => self.get_slow(number, hint),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_slow(&self, number: u64, hint: &Hint) -> Result<&Segment, u64> {
        match self.seek(number, hint, true) {
            Found::Segment(segment) => Ok(segment),
            Found::Over(next) => Err(next),
            Found::Missing => unreachable!("made when it is missing"),
        }
    }

    /// Where somebody was, and the number that stands there now.
    #[inline]
    fn hinted(&self, hint: &Hint) -> Option<(&Segment, u64)> {
        // ORDERING(Q3): Acquire. Pairs with Q3 in `seek_from`: the segment is set up.
        let hinted = hint.0.load(Ordering::Acquire);
        if hinted.is_null() {
            return None;
        }
        // SAFETY: a hint.
        let segment = unsafe { self.at(hinted) };
        Some((segment, segment.number()))
    }

    pub(super) fn seek(&self, number: u64, hint: &Hint, make: bool) -> Found<'_> {
        // One that is fresh or out has a number beyond all.
        if let Some((segment, known)) = self.hinted(hint)
            && known <= number
            && let Some(found) = self.seek_from(segment, known, number, hint, make)
        {
            return found;
        }
        loop {
            let Some((segment, known)) = self.begin() else {
                if !make {
                    return Found::Missing;
                }
                self.append(&self.first, core::ptr::null_mut(), 0);
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

    /// Looks from `segment`, which had number `known` <= `number` when it was reached by a true link or hint. `None`:
    /// the row changed under our feet.
    fn seek_from<'a>(
        &'a self,
        mut segment: &'a Segment,
        mut known: u64,
        number: u64,
        hint: &Hint,
        make: bool,
    ) -> Option<Found<'a>> {
        while known < number {
            let next = segment.next();
            if is_end(next) {
                if next != end_of(known) {
                    return None;
                }
                if !make {
                    return Some(Found::Missing);
                }
                self.append(&segment.next, next, known + 1);
                continue;
            }
            // SAFETY: a link.
            let following = unsafe { self.at(next) };
            let found = following.number();
            if segment.next() != next {
                continue;
            }
            if !segment.has(known) {
                return None;
            }
            // Linked, and so its number is good, if it has one.
            if found >= TAKEN || !following.has(found) {
                continue;
            }
            let found = found & !FRESH;
            if found > number {
                return Some(Found::Over(found));
            }
            (segment, known) = (following, found);
        }
        // ORDERING(Q3): Release. Pairs with Q3 in `hinted`: what we know of the segment.
        hint.0.store(core::ptr::from_ref(segment).cast_mut(), Ordering::Release);
        Some(Found::Segment(segment))
    }

    /// Puts segment `number` where `link` says `end`, if it still does.
    #[cold]
    fn append(&self, link: &AtomicPtr<Segment>, end: *mut Segment, number: u64) {
        let Some(new) = self.fresh(link, end, number) else { return };
        step("append: link");
        // ORDERING(Q3): Release. Pairs with Q3 in `next` and `begin`: the segment is set up. Of the end we know already: it
        // was read with Acquire, and stands there once.
        if link.compare_exchange(end, new, Ordering::Release, Ordering::Relaxed).is_err() {
            // SAFETY: ours.
            unsafe { self.at(new) }.put_aside();
            return;
        }
        step("append: number");
        // SAFETY: it lives as long as the row.
        let word = &unsafe { self.at(new) }.number;
        // By a swap, for it may be out again by now.
        // ORDERING(Q3): Relaxed. A swap hands on what the store in `fresh` released; new memory comes by a link or a hint.
        let _ = word.compare_exchange(number | FRESH, number, Ordering::Relaxed, Ordering::Relaxed);
        // ORDERING(Q5): Relaxed. A number that decides only when to look.
        if self.linked(number + 1) >= self.enough.load(Ordering::Relaxed) as u64 {
            self.sweep(number);
        }
    }

    /// How many segments are in the row, of those with lower numbers: or a few more.
    fn linked(&self, number: u64) -> u64 {
        // ORDERING(Q5): Relaxed. As in `append`.
        number.saturating_sub(self.gone.load(Ordering::Relaxed))
    }

    /// A segment with this number to be put where `link` says `end`, one that is out or a new one. `None`: the link says
    /// something else.
    ///
    /// One that had this number before would be taken for what it was. So we look at the link again when it is ours: if it
    /// had the number, or was meant to, the link was gone before it was out.
    fn fresh(
        &self,
        link: &AtomicPtr<Segment>,
        end: *mut Segment,
        number: u64,
    ) -> Option<*mut Segment> {
        step("append: memory");
        if let Some(segment) = self.reuse(number) {
            step("append: reused");
            // ORDERING(Q3): Relaxed. Coherence: whoever put it out had seen the link gone, or had it from who did.
            if link.load(Ordering::Relaxed) != end {
                segment.put_aside();
                return None;
            }
            segment.cells.iter().for_each(|cell| cell.renew(number));
            // ORDERING(Q3): Release. Pairs with Q3 in `next`: who reads this end and then the number, finds no old one.
            segment.next.store(end_of(number), Ordering::Release);
            // ORDERING(Q3): Release. Pairs with Q3 in `number`: the segment is set up.
            segment.number.store(number | FRESH, Ordering::Release);
            return Some(core::ptr::from_ref(segment).cast_mut());
        }
        let new = Box::into_raw(Box::new(Segment::new(number)));
        // ORDERING(Q7): Relaxed. The swap decides.
        let mut older = self.last_made.load(Ordering::Relaxed);
        loop {
            // SAFETY: ours alone until the swap.
            unsafe { (*new).older = older };
            // ORDERING(Q7): Release. Pairs with Q7 in `reuse`: the segment is set up, and `older` for good. By swaps alone, so
            // that it hands on what was released with the older ones.
            match self.last_made.compare_exchange(older, new, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => older = now,
            }
        }
        // ORDERING(Q5): Relaxed. A count that decides only whether to look.
        self.made.fetch_add(1, Ordering::Relaxed);
        Some(new)
    }

    /// Makes a segment that is out ours, for this number. Nobody need be waited for, and none can be taken twice: its
    /// own number decides. It is looked for only if a quarter of all is out, so that the look is short on
    /// average, and goes round, so that none is forgotten.
    fn reuse(&self, number: u64) -> Option<&Segment> {
        // ORDERING(Q5): Relaxed. As in `fresh`.
        let made = self.made.load(Ordering::Relaxed);
        let out = made.saturating_sub(self.linked(number) as usize);
        if out == 0 || out < made / 4 {
            return None;
        }
        // ORDERING(Q7): Acquire. Pairs with Q7 below and in `fresh`: the segment is set up.
        let mut at = self.cursor.load(Ordering::Acquire);
        for _ in 0..made {
            if at.is_null() {
                // ORDERING(Q7): Acquire. As above.
                at = self.last_made.load(Ordering::Acquire);
                if at.is_null() {
                    // The first one is just being made, and was counted already.
                    return None;
                }
            }
            // SAFETY: one of all, which live as long as the row.
            let segment = unsafe { self.at(at) };
            at = segment.older;
            let word = &segment.number;
            // ORDERING(Q3): Relaxed. The swap decides.
            if word.load(Ordering::Relaxed) != OUT {
                continue;
            }
            // ORDERING(Q3): Acquire. Pairs with Q3 in `sweep` and `put_aside`: it is over for everybody. As a swap it hands
            // on what they released.
            if word.compare_exchange(OUT, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // ORDERING(Q7): Release. Pairs with Q7 above: what we know of that segment.
                self.cursor.store(at, Ordering::Release);
                return Some(segment);
            }
        }
        None
    }

    /// Takes out the segments before `last` whose places are all over, unless somebody is at it.
    #[cold]
    fn sweep(&self, last: u64) {
        // ORDERING(Q6): Acquire. Pairs with Q6 below.
        if self.busy.swap(true, Ordering::Acquire) {
            return;
        }
        step("sweep: begun");
        let mut link = &self.first;
        let (mut kept, mut out) = (1, 0);
        // ORDERING(Q3): Relaxed. Only sweeps move it, and of the last one we know by Q6; before any there is the first
        // segment of all, which we knew when we appended.
        let mut at = link.load(Ordering::Relaxed);
        debug_assert!(!at.is_null(), "nobody has appended");
        loop {
            // SAFETY: a link.
            let segment = unsafe { self.at(at) };
            let next = segment.next();
            // Nobody does the work of those who come meanwhile.
            if is_end(next) || segment.number() & !FRESH >= last {
                break;
            }
            if segment.cells.iter().all(Cell::is_over) {
                // ORDERING(Q3): Release. Pairs with Q3 in `next`: the one behind it was set up.
                link.store(next, Ordering::Release);
                step("sweep: unlinked");
                self.account(segment);
                // ORDERING(Q3): Release. Pairs with Q3 in `number`: the link around it, and no later one.
                segment.number.store(OUT, Ordering::Release);
                out += 1;
            } else {
                link = &segment.next;
                kept += 1;
            }
            at = next;
        }
        // ORDERING(Q5): Relaxed. As in `append`; nobody else changes it now.
        self.gone.store(self.gone.load(Ordering::Relaxed) + out, Ordering::Relaxed);
        self.enough.store(2 * kept + 1, Ordering::Relaxed);
        // ORDERING(Q6): Release. Pairs with Q6 above.
        self.busy.store(false, Ordering::Release);
    }

    /// Adds the waits of a segment to the past. One thread at a time.
    fn account(&self, segment: &Segment) {
        let (mut waits, mut waited_ns) = (0, 0);
        for cell in &segment.cells {
            let since = cell.ticket().since;
            if since > 0 {
                waits += 1;
                waited_ns += cell.ended().saturating_sub(since);
            }
        }
        // ORDERING(M3): Release. Pairs with M3 in `census`: the segment was taken out before.
        let add = |sum: &AtomicU64, n: u64| {
            sum.store(sum.load(Ordering::Relaxed) + n, Ordering::Release);
        };
        add(&self.past.waits, waits);
        add(&self.past.waited_ns, waited_ns);
    }
}

// SAFETY: `older` and the links lead to segments, which are shared by all threads and live as long as the row.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Drop for Row {
    fn drop(&mut self) {
        // ORDERING(Q0): Relaxed. Nobody else is there.
        let mut at = self.last_made.load(Ordering::Relaxed);
        while !at.is_null() {
            // SAFETY: each segment is there once, and nobody looks at it any more.
            at = unsafe { Box::from_raw(at) }.older;
        }
    }
}

/// What is out is used again. Threads that have stopped are played by what they had done before.
#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A row, and those who wait in it, by the segment.
    struct Line {
        row: Row,
        hint: Hint,
        waiting: VecDeque<u64>,
        next: u64,
        /// Threads that have stopped with a segment before they link it.
        stopped: usize,
        /// The most segments that were needed at once.
        most: usize,
    }

    impl Line {
        fn new() -> Self {
            let (row, hint) = (Row::new(), Hint::new());
            Self { row, hint, waiting: VecDeque::new(), next: 0, stopped: 0, most: 0 }
        }

        fn made(&self) -> usize {
            self.row.made.load(Ordering::Relaxed)
        }

        /// Those in the row, by its links.
        fn linked(&self) -> usize {
            let mut n = 0;
            let mut at = self.row.first.load(Ordering::Relaxed);
            while !at.is_null() && !is_end(at) {
                n += 1;
                assert!(n <= self.made(), "the links go round");
                // SAFETY: a link.
                at = unsafe { self.row.at(at) }.next();
            }
            n
        }

        /// The last link in the row.
        fn linked_last(&self) -> &AtomicPtr<Segment> {
            let mut link = &self.row.first;
            loop {
                let at = link.load(Ordering::Relaxed);
                if at.is_null() || is_end(at) {
                    return link;
                }
                // SAFETY: a link.
                link = &unsafe { self.row.at(at) }.next;
            }
        }

        /// Takes a segment. New memory is taken only if less than a quarter of what there is has been out.
        fn take(&mut self, f: impl FnOnce(&Self)) {
            self.most = self.most.max(self.linked() + self.stopped + 1);
            f(self);
            let (made, most) = (self.made(), self.most);
            assert!(made <= most + most / 3, "{made} segments made for {most}");
        }

        /// A segment full of waiters comes.
        fn come(&mut self) {
            self.take(|line| assert!(line.row.get(line.next, &line.hint).is_ok()));
            self.waiting.push_back(self.next);
            self.next += 1;
        }

        /// The first of them leaves.
        fn leave(&mut self) {
            let number = self.waiting.pop_front().unwrap();
            let Ok(segment) = self.row.get(number, &self.hint) else { panic!("they wait") };
            for cell in segment.cells() {
                cell.set_woken();
                cell.release();
            }
        }

        /// So many come, and the first leaves for each that comes.
        fn pass_by(&mut self, n: usize) {
            for _ in 0..n {
                self.come();
                self.leave();
            }
        }

        fn stop_before_link(&mut self) {
            self.take(|line| {
                let last = line.linked_last();
                _ = line.row.fresh(last, last.load(Ordering::Relaxed), line.next);
            });
            self.stopped += 1;
        }

        /// Somebody makes a segment, and another has linked his.
        fn lose(&mut self) {
            self.take(|line| line.row.append(&line.row.first, core::ptr::null_mut(), line.next));
        }

        /// A thread is stopped while it takes out what is over, or goes on.
        fn stop_in_sweep(&self, stopped: bool) {
            assert_ne!(self.row.busy.swap(stopped, Ordering::AcqRel), stopped);
        }
    }

    /// A sweep leaves as much as it finds needed, and the last segment; the row grows to twice that and one. A third of
    /// it may be out beside that.
    ///
    /// Seen to fail with: four times what is left as `enough`; nothing used again; half of all out before it is looked for.
    #[test]
    fn the_row_takes_three_times_what_the_longest_line_needs() {
        for longest in [1, 2, 5, 40] {
            let mut line = Line::new();
            for round in 0..20 {
                (0..longest).for_each(|_| line.come());
                line.pass_by(100 * round);
                (0..longest).for_each(|_| line.leave());
                line.pass_by(100);
            }
            let made = line.made();
            assert!(made <= 3 * longest + 4, "{made} segments made for {longest}");
        }
    }

    /// The row grows while a thread is stopped that takes out what is over: by no more than was not out before.
    ///
    /// Seen to fail with: `reuse` only by who finds nobody `busy`, as it was; no count of what a sweep took out.
    #[test]
    fn what_is_out_is_used_while_somebody_sweeps() {
        const OVER: usize = 40;
        let mut line = Line::new();
        (0..OVER).for_each(|_| line.come());
        (0..OVER).for_each(|_| line.leave());
        line.row.sweep(OVER as u64);
        assert_eq!((line.linked(), line.made()), (1, OVER));
        for _ in 0..10 {
            let made = line.made();
            line.stop_in_sweep(true);
            line.pass_by(OVER / 2);
            assert_eq!(line.made(), made);
            line.pass_by(5 * OVER);
            line.stop_in_sweep(false);
            line.pass_by(OVER);
        }
        let made = line.made();
        line.pass_by(1000 * OVER);
        assert_eq!(line.made(), made);
    }

    /// Threads stop for good with a segment each, and others lose the race for a link a thousand times.
    ///
    /// Seen to fail with: a loser's segment that is not counted as out, or keeps its number; a look that ends at the oldest.
    #[test]
    fn what_is_lost_is_used_again() {
        let mut line = Line::new();
        for _ in 0..10 {
            line.stop_before_link();
            line.pass_by(1);
            (0..100).for_each(|_| line.lose());
            line.pass_by(100);
        }
        assert!(line.most < 20, "{} segments needed", line.most);
    }

    /// A thread that is late for segment 1 makes it where another one stands that found it there in its first life.
    ///
    /// Seen to fail with: no second look at the link in `fresh`, as it was.
    #[test]
    fn who_is_late_makes_no_segment_twice() {
        let mut line = Line::new();
        (0..4).for_each(|_| line.come());
        let [zero, one, _, three] = [0, 1, 2, 3].map(|number| {
            let Ok(segment) = line.row.get(number, &Hint::new()) else { panic!("they wait") };
            core::ptr::from_ref(segment)
        });
        (0..2).for_each(|_| line.leave());
        line.row.sweep(4);
        let Line { row, hint, .. } = &line;
        // SAFETY: of this row.
        let (zero, one) = unsafe { (&*zero, &*one) };
        assert!(row.fresh(&zero.next, end_of(0), 1).is_none());
        let found = row.seek_from(one, 1, 3, hint, true);
        assert!(found.is_none_or(|found| {
            matches!(found, Found::Segment(found) if core::ptr::from_ref(found) == three)
        }));
    }
}
