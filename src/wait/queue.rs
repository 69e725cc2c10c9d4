//! Senders that wait for room, in the order in which they came, without a lock.
//!
//! The places of the row ([`super::row`]) are numbered; `arrivals` counts those that were given out, `settled` those
//! at the beginning of which nobody waits any more. The line is empty if the two are equal. The argument is in
//! [`super`].
//!
//! Wakers are user code: they are cloned before the first step, and woken and dropped after the last one, or after each
//! [`super::batch`] of them. A waker that does not return is a thread stopped there.

use core::ptr::NonNull;
use core::task::{RawWakerVTable, Waker};

use super::batch::{FirstPanic, WakeBatch};
use super::cell::{Cell, Kind, State, Ticket};
use super::row::{Hint, Row};
use super::segment::LEN;
use super::walk::Walk;
use crate::sync::{AtomicU64, LoadSeqCst, Ordering, plain, step};
use crate::telemetry::clock;

/// Where the queue gets capacity from.
pub(crate) trait Source {
    /// Takes up to `want` units; fewer only if there was no more at some moment of the call. `None`: it is closed.
    /// Its looks are SeqCst.
    fn take(&self, want: u64) -> Option<u64>;
    /// Whether there is a unit to be had, or was at some moment of the call.
    fn has_room(&self) -> bool;
    /// Gives units back, by a SeqCst step after which the caller looks for waiters.
    fn give_back(&self, n: u64, panic: &mut FirstPanic);
    /// Whether the channel is closed, by a SeqCst load.
    fn is_closed(&self) -> bool;
    /// From now on the receiver looks for waiters after each message that it takes. SeqCst.
    fn call_receiver(&self);
}

/// A place in the row, and the waker that was put there. Its owner is the only one who has it.
#[derive(Debug)]
pub(crate) struct Key {
    cell: NonNull<Cell>,
    /// The waker's identity. While the place is Waiting that waker is alive, so nobody else has this one.
    waker: (*const (), &'static RawWakerVTable),
}

// SAFETY: the place is shared between threads, and the identity is only compared.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

fn identity(waker: &Waker) -> (*const (), &'static RawWakerVTable) {
    (waker.data(), waker.vtable())
}

/// What a waiter learns of its wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// All units are its own; the wait is over.
    Granted,
    /// Closed; the wait is over, and these units are to be released.
    Closed(u64),
    Pending,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    line: Line,
    pub(super) row: Row,
    /// Where the last one came.
    newest: Hint,
    /// Where the last one was served.
    pub(super) oldest: Hint,
    pub(super) reported: Reported,
}

/// The two ends of the line, for claims to compare.
#[derive(Debug)]
struct Line {
    arrivals: AtomicU64,
    /// In all places before this one the wait is over, or was none. Never more than is true.
    settled: AtomicU64,
}

/// The largest sums ever reported, so that they never fall.
#[derive(Debug, Default)]
pub(super) struct Reported {
    pub(super) waits: plain::AtomicU64,
    pub(super) waited_ns: plain::AtomicU64,
}

/// What became of a part of a need.
enum Part {
    /// It lies in the word of the place, which is this now.
    Kept(State),
    /// A server has passed the place: its owner has to come again.
    Passed,
    /// Somebody before waits: it is his.
    NotFirst,
}

impl WaitQueue {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            line: Line { arrivals: AtomicU64::new(0), settled: AtomicU64::new(0) },
            row: Row::new(),
            newest: Hint::new(),
            oldest: Hint::new(),
            reported: Reported::default(),
        }
    }

    /// Whether nobody waits. Whoever began to wait before the caller's last acquired step is seen; it may change
    /// at any time.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING(Q8): Relaxed. Coherence is enough: a wait that began before, in the order of events, was counted.
        // `settled` is never more than is true; if it is old, the slow look decides.
        let arrivals = self.line.arrivals.load(Ordering::Relaxed);
        arrivals == self.line.settled.load(Ordering::Relaxed) || self.is_empty_slow(arrivals)
    }

    #[cold]
    #[inline(never)]
    fn is_empty_slow(&self, arrivals: u64) -> bool {
        !self.anybody_before(arrivals)
    }

    /// Whether nobody waits or is about to; if so, whoever comes later sees what the caller did by a SeqCst step.
    pub(crate) fn is_idle(&self) -> bool {
        let settled = self.settled();
        settled == self.arrivals()
    }

    /// All places before this one are over. It must be read before `arrivals`: a newer one may be so far only because
    /// of those who have come since.
    pub(super) fn settled(&self) -> u64 {
        // ORDERING(Q8): Acquire. Pairs with Q8 in `settle`: the looks that found them over come before what follows here, in
        // the order of SeqCst steps too.
        self.line.settled.load(Ordering::Acquire)
    }

    pub(super) fn arrivals(&self) -> u64 {
        // ORDERING(W1, W2): SeqCst. Pairs with W1, W2 in `register`: of the caller's step on H or T and this look,
        // and an arrival and its look at H and T, one look comes last and sees the other's step.
        self.line.arrivals.load_sc()
    }

    pub(super) fn settle(&self, settled: u64) {
        // ORDERING(Q8): Release. Pairs with Q8 in `settled`. Each value is true for ever; an old one over a newer one
        // costs a slow look.
        if settled > self.line.settled.load(Ordering::Relaxed) {
            self.line.settled.store(settled, Ordering::Release);
        }
    }

    /// Whether anybody waits in a place before `index`.
    fn anybody_before(&self, index: u64) -> bool {
        let mut walk = Walk::to(self, index);
        let mut found = false;
        while let Some((_, _, state)) = walk.next() {
            if state.is_waiting() {
                found = true;
                break;
            }
        }
        walk.end();
        found
    }

    /// Queues a waiter behind all others, unless there is room and nobody waits. Sets `key` if the wait is pending.
    #[inline]
    pub(crate) fn register(
        &self,
        key: &mut Option<Key>,
        ticket: Ticket,
        waker: Waker,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> Wait {
        let need = ticket.need;
        let mut waker = Some(waker);
        let mut hand = 0;
        let wait = loop {
            // ORDERING(W1, W2): SeqCst. Pairs with W1, W2 in `arrivals`: see there. What follows is the look.
            let index = self.line.arrivals.fetch_add(1, Ordering::SeqCst);
            step("register: arrived");
            let number = index / LEN;
            let Ok(segment) = self.row.get(number, &self.newest) else {
                unreachable!("a segment is not over while a place in it is not released")
            };
            let cell = segment.cell(index);
            source.call_receiver();
            let taken = if self.anybody_before(index) {
                (!source.is_closed()).then_some(0)
            } else {
                source.take(need - hand)
            };
            step("register: looked");
            let mut place = State::empty(number);
            hand += taken.unwrap_or(0);
            if 0 < hand && hand < need {
                match self.keep_part(index, cell, place, &mut hand) {
                    Part::Kept(word) => place = word,
                    // The swap below will fail, and we come again with what we have.
                    Part::Passed => {}
                    Part::NotFirst => self.hand_on(core::mem::take(&mut hand), source, panic),
                }
            }
            let over = taken.is_none() || hand + place.assigned() >= need;
            let next = if over {
                place.to(Kind::Gone)
            } else {
                cell.set_ticket(ticket);
                let mine = waker.take().expect("put back below");
                let identity = identity(&mine);
                *key = Some(Key { cell: NonNull::from(cell), waker: identity });
                // SAFETY: ours, and not filled yet.
                unsafe { cell.put_waker(mine) };
                place.to(Kind::Waiting).assign(hand)
            };
            // If that fails, a server has passed: it found nobody here, took over what was assigned, and may have left
            // room in the channel.
            let passed = cell.swap(place, next).is_err();
            if !over {
                if !passed {
                    break Wait::Pending;
                }
                *key = None;
                // SAFETY: ours: it was not Waiting.
                waker = unsafe { cell.take_waker() };
                cell.set_ticket(Ticket { task: 0, since: 0, need: 0 });
            }
            cell.set_woken();
            cell.release();
            if over {
                // For what it settles: the next claim need not walk.
                self.is_empty();
                hand += if passed { 0 } else { place.assigned() };
            }
            if taken.is_none() {
                break Wait::Closed(hand);
            }
            if over && hand >= need {
                self.hand_on(hand - need, source, panic);
                break Wait::Granted;
            }
        };
        panic.discard(waker);
        wait
    }

    /// Puts `hand`, a part of what the place needs, into its word, unless somebody before it waits. What is in `hand`
    /// then belongs to the owner beside that.
    ///
    /// Only the first in line may keep a part, or two would wait for each other's. Those before who have not
    /// filled their places have to come again, and lose their parts to this one; so of two who meet like this, one has more
    /// than before.
    fn keep_part(&self, index: u64, cell: &Cell, empty: State, hand: &mut u64) -> Part {
        let part = empty.assign(*hand);
        if cell.swap(empty, part).is_err() {
            return Part::Passed;
        }
        *hand = 0;
        step("register: part kept");
        let mut walk = Walk::to(self, index);
        let mut first = true;
        while let Some((before, cell, mut state)) = walk.next() {
            let number = before / LEN;
            while state.is_of(number) && state.kind() == Kind::Empty {
                state = Self::pass(cell, state, hand);
            }
            if state.is_of(number) && state.is_waiting() {
                first = false;
                break;
            }
            walk.settle(before);
        }
        walk.end();
        if first {
            return Part::Kept(part);
        }
        if cell.swap(part, empty).is_ok() {
            *hand += part.assigned();
        }
        Part::NotFirst
    }

    /// Passes a place that is not filled, and takes over what was assigned there. Returns its word.
    fn pass(cell: &Cell, state: State, hand: &mut u64) -> State {
        let gone = state.to(Kind::Gone);
        match cell.swap(state, gone) {
            Ok(()) => {
                *hand += state.assigned();
                gone
            }
            Err(now) => now,
        }
    }

    /// Gives back what a waiter cannot keep.
    fn hand_on(&self, n: u64, source: &impl Source, panic: &mut FirstPanic) {
        if n > 0 {
            source.give_back(n, panic);
            self.serve(0, n, source, panic);
        }
    }

    /// Looks after a registered wait; while it is pending, it is that of `task`, and `waker` is woken. Takes the
    /// key when the wait is over. A panic of the waker's `clone` leaves all as it was.
    ///
    /// # Safety
    /// The key is of this queue.
    #[allow(clippy::unused_self)] // the key lives as long
    #[inline]
    pub(crate) unsafe fn poll(
        &self,
        key: &mut Option<Key>,
        task: impl FnOnce() -> u64,
        waker: &Waker,
        panic: &mut FirstPanic,
    ) -> Wait {
        let owned = key.as_mut().expect("polled after the wait was over");
        // SAFETY: of this queue; its segment stays while the place is not released.
        let cell = unsafe { owned.cell.as_ref() };
        let mut state = cell.state();
        let mut spare = None;
        if state.kind() == Kind::Waiting {
            // The future may have moved to another task, under the same waker even.
            cell.set_task(task());
            if owned.waker == identity(waker) {
                return Wait::Pending;
            }
            let new = waker.clone();
            owned.waker = identity(&new);
            spare = Some(new);
            while state.kind() == Kind::Waiting {
                match cell.swap(state, state.to(Kind::Updating)) {
                    Ok(()) => state = state.to(Kind::Updating),
                    Err(now) => state = now,
                }
            }
            if state.kind() == Kind::Updating {
                step("update: begun");
                // SAFETY: ours while it is Updating, and after it ended there.
                spare = spare.and_then(|new| unsafe { cell.put_waker(new) });
                // Units may come meanwhile, or the end of the wait.
                while state.kind() == Kind::Updating {
                    match cell.swap(state, state.to(Kind::Waiting)) {
                        Ok(()) => {
                            panic.discard(spare);
                            return Wait::Pending;
                        }
                        Err(now) => state = now,
                    }
                }
                // SAFETY: as above.
                panic.discard(unsafe { cell.end(clock::now()) });
            }
        }
        *key = None;
        cell.release();
        panic.discard(spare);
        match state.kind() {
            Kind::Closed => Wait::Closed(state.assigned()),
            _ => Wait::Granted,
        }
    }

    /// Takes a waiter out, wherever it stands. Returns the units that it leaves to be released.
    ///
    /// # Safety
    /// The key is of this queue.
    pub(crate) unsafe fn cancel(&self, key: Key, panic: &mut FirstPanic) -> u64 {
        // SAFETY: of this queue; its segment stays while the place is not released.
        let cell = unsafe { key.cell.as_ref() };
        let mut state = cell.state();
        let mut waker = None;
        while state.kind() == Kind::Waiting {
            let gone = state.to(Kind::Gone);
            match cell.swap(state, gone) {
                Ok(()) => {
                    step("cancel: gone");
                    state = gone;
                    // SAFETY: ours: we ended the wait.
                    waker = unsafe { cell.end(clock::now()) };
                }
                Err(now) => state = now,
            }
        }
        cell.release();
        if state.kind() == Kind::Gone {
            // As in `register`.
            self.is_empty();
        }
        panic.discard(waker);
        state.assigned()
    }

    /// Hands out `hand` units, which the caller holds, and up to `budget` more, first come, first served. Called by
    /// whoever gave that many back to the channel, and never for more: so a thread that is stopped in here withholds no
    /// more than it brought, and parts that it has taken over from places it passed.
    ///
    /// Returns how many are left, in the channel: nobody waits or is about to, or there was no more room. Whoever comes
    /// later sees them there.
    #[inline]
    pub(crate) fn serve(
        &self,
        hand: u64,
        budget: u64,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> u64 {
        if hand == 0 && self.is_idle() {
            budget
        } else {
            self.serve_line(hand, budget, source, panic)
        }
    }

    /// `hand`: taken from the channel, and not assigned yet.
    #[cold]
    #[inline(never)]
    fn serve_line(
        &self,
        mut hand: u64,
        mut budget: u64,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> u64 {
        let mut wakes = WakeBatch::new();
        let mut walk = Walk::to(self, 0);
        'line: while budget + hand > 0 {
            let Some((index, cell, mut state)) = walk.next_of_all() else {
                if hand == 0 {
                    break;
                }
                // The one it was for has left. Whoever comes now sees it in the channel; who came before, we see.
                budget += Self::put_back(core::mem::take(&mut hand), source, panic);
                continue;
            };
            let number = index / LEN;
            while state.is_open(number) {
                if state.kind() == Kind::Empty {
                    let passed = Self::pass_by(cell, state, hand, budget, source, panic);
                    (hand, budget) = (0, passed.1);
                    let Some(now) = passed.0 else { break 'line };
                    state = now;
                    continue;
                }
                let missing = cell.need().saturating_sub(state.assigned());
                if hand == 0 {
                    hand = source.take(missing.min(budget)).unwrap_or(0);
                    budget -= hand;
                    step("serve: taken");
                }
                let n = hand.min(missing);
                if n == 0 {
                    if missing > 0 {
                        // No room, or nothing left of ours.
                        break 'line;
                    }
                    // The ticket of another wait: the place was over.
                    state = cell.state();
                    continue;
                }
                let full = n == missing;
                let next = state.assign(n).to(if full { Kind::Granted } else { state.kind() });
                if let Err(now) = cell.swap(state, next) {
                    state = now;
                    continue;
                }
                step("serve: assigned");
                hand -= n;
                if full {
                    if hand > 0 && wakes.is_full() {
                        // Wakers will be called, and nobody is to hang on them.
                        budget += Self::put_back(core::mem::take(&mut hand), source, panic);
                    }
                    Self::end_wait(cell, state, &mut wakes, panic);
                    break;
                }
                state = next;
            }
            walk.settle(index);
        }
        debug_assert_eq!(hand, 0, "units that nobody has");
        walk.end();
        step("serve: to wake");
        wakes.wake_all(panic);
        budget
    }

    /// Passes a place that is not filled. Returns its word by now, or `None` if there is no room, and none need pass; and the
    /// budget: all that was in the hand is back in the channel.
    ///
    /// Its owner is to look at the channel once more, and must find there by then what it is passed for: else it would
    /// come for nothing, and for ever if it comes back each time. Of a part that is taken over it must find all or nothing.
    #[cold]
    #[inline(never)]
    fn pass_by(
        cell: &Cell,
        state: State,
        mut hand: u64,
        mut budget: u64,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> (Option<State>, u64) {
        let any = if state.assigned() > 0 {
            let taken = source.take(budget).unwrap_or(0);
            budget -= taken;
            hand += taken;
            hand > 0
        } else {
            budget += Self::put_back(core::mem::take(&mut hand), source, panic);
            source.has_room()
        };
        if !any {
            return (None, budget);
        }
        let now = Self::pass(cell, state, &mut hand);
        step("serve: passed");
        (Some(now), budget + Self::put_back(hand, source, panic))
    }

    /// What a server has in its hand goes back to the channel, for it to take again: so much more.
    #[cold]
    #[inline(never)]
    fn put_back(hand: u64, source: &impl Source, panic: &mut FirstPanic) -> u64 {
        if hand > 0 {
            step("serve: left over");
            source.give_back(hand, panic);
        }
        hand
    }

    /// Fails all who wait. The channel was closed, by a SeqCst step: who comes later sees that. Returns units that are to be
    /// given back.
    #[inline]
    pub(crate) fn close(&self, panic: &mut FirstPanic) -> u64 {
        // The end of most channels.
        if self.is_idle() { 0 } else { self.close_line(panic) }
    }

    #[cold]
    #[inline(never)]
    fn close_line(&self, panic: &mut FirstPanic) -> u64 {
        let mut wakes = WakeBatch::new();
        let mut hand = 0;
        let mut walk = Walk::to(self, self.arrivals());
        while let Some((index, cell, mut state)) = walk.next_of_all() {
            let number = index / LEN;
            while state.is_open(number) {
                if state.kind() == Kind::Empty {
                    state = Self::pass(cell, state, &mut hand);
                    continue;
                }
                let closed = state.to(Kind::Closed);
                match cell.swap(state, closed) {
                    Ok(()) => {
                        step("close: failed");
                        Self::end_wait(cell, state, &mut wakes, panic);
                        state = closed;
                    }
                    Err(now) => state = now,
                }
            }
            walk.settle(index);
        }
        walk.end();
        wakes.wake_all(panic);
        hand
    }

    /// The caller has ended the wait, from `before`: its owner is to be woken.
    #[inline(always)]
    fn end_wait(cell: &Cell, before: State, wakes: &mut WakeBatch, panic: &mut FirstPanic) {
        if before.kind() == Kind::Updating {
            // The owner is here, and sees to the rest.
            return;
        }
        // SAFETY: ours: we took it out of Waiting.
        if let Some(waker) = unsafe { cell.end(clock::now()) } {
            if wakes.is_full() {
                wakes.wake_all(panic);
            }
            wakes.push(waker);
        }
    }
}
