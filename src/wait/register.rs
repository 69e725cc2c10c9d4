//! Who comes to wait: it takes a place, looks at the channel, and fills the place if it has to
//! wait.

use core::ptr::NonNull;
use core::task::Waker;

use super::place::{Kind, Place, State, Waiter};
use super::queue::{Key, WaitQueue, WaitStatus};
use super::segment::LEN;
use super::source::Source;
use super::waker_id::WakerId;
use crate::sync::step;
use crate::unwind::{FirstPanic, Owes, OwesValue};

/// What became of a part of a need.
enum Part {
    /// It lies in the word of the place, which is this now.
    Kept(State),
    /// A server has passed the place: its owner has to come again.
    Passed,
    /// Somebody before waits, and gets it.
    NotFirst,
}

impl WaitQueue {
    /// Queues a waiter behind all others, unless there is room and nobody waits. Sets `key` if the
    /// wait is pending.
    ///
    /// This is the plain case: by its first look the waiter has to wait, and nobody passes its
    /// place before it is filled.
    #[inline(always)]
    pub(crate) fn register(
        &self,
        key: &mut Option<Key>,
        waiter: Waiter,
        waker: Waker,
        source: &impl Source,
    ) -> WaitStatus {
        let (index, place) = self.arrive(source);
        let (arrived, waker) = if self.must_wait(index, source) {
            step("register: looked");
            match Self::fill(place, State::empty(index / LEN), 0, key, waiter, waker) {
                Ok(()) => return WaitStatus::Pending,
                Err(waker) => (None, waker),
            }
        } else {
            (Some((index, place)), waker)
        };
        self.register_slow(arrived, key, waiter, waker, source)
    }

    /// Takes the next place. What follows is its owner's look at the channel.
    #[inline(always)]
    fn arrive(&self, source: &impl Source) -> (u64, &Place) {
        let index = self.line.arrive();
        step("register: arrived");
        let segment = self.row.of_place(index, &self.newest);
        source.set_waiting();
        (index, segment.place(index))
    }

    /// Whether the owner of the place `index` has to wait, if one look tells: somebody waits in the
    /// first place that is not final, or this place is the first and the channel is full. False
    /// says nothing.
    #[inline(always)]
    fn must_wait(&self, index: u64, source: &impl Source) -> bool {
        let first = self.line.front();
        if first == index {
            return source.is_full();
        }
        // If this place was passed meanwhile, the one who waits is behind it, and `fill` will fail.
        let number = first / LEN;
        let Some(segment) = self.row.find(number, &self.oldest) else { return false };
        let state = segment.place(first).state();
        state.is_of(number) && state.is_waiting() && !source.is_closed()
    }

    /// Fills a place whose word is `empty`, which may hold a part of the need, and assigns `hand`
    /// in the same step. `Err`: a server has passed the place. It found nobody here, took over what
    /// was assigned, and may have left room in the channel; `hand` stays the caller's.
    #[inline(always)]
    fn fill(
        place: &Place,
        empty: State,
        hand: u64,
        key: &mut Option<Key>,
        waiter: Waiter,
        waker: Waker,
    ) -> Result<(), Waker> {
        place.set_waiter(waiter);
        *key = Some(Key { place: NonNull::from(place), waker: WakerId::of(&waker) });
        // SAFETY: ours, and not filled yet.
        unsafe { place.fill_waker(waker) };
        if place.swap(empty, empty.to(Kind::Waiting).assign(hand)).is_ok() {
            return Ok(());
        }
        Err(Self::unfill(place, key))
    }

    #[cold]
    #[inline(never)]
    fn unfill(place: &Place, key: &mut Option<Key>) -> Waker {
        *key = None;
        // SAFETY: ours: it was not Waiting.
        let waker = unsafe { place.take_waker() }.expect("just put there");
        place.set_waiter(Waiter::NONE);
        place.leave_unused();
        waker
    }

    /// [`WaitQueue::register`] in all other cases: there may be room, or a part of the need, or the
    /// place was passed. `arrived`: its place, if it has one already.
    #[cold]
    #[inline(never)]
    fn register_slow(
        &self,
        arrived: Option<(u64, &Place)>,
        key: &mut Option<Key>,
        waiter: Waiter,
        waker: Waker,
        source: &impl Source,
    ) -> WaitStatus {
        let mut status = WaitStatus::Pending;
        OwesValue::settle(|panic| {
            status = self.register_generally(arrived, key, waiter, waker, source, panic);
        });
        status
    }

    fn register_generally(
        &self,
        mut arrived: Option<(u64, &Place)>,
        key: &mut Option<Key>,
        waiter: Waiter,
        mut waker: Waker,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> WaitStatus {
        let need = waiter.want.need();
        let mut hand = 0;
        let status = loop {
            let (index, place) = arrived.take().unwrap_or_else(|| self.arrive(source));
            let taken = if self.anybody_before(index) {
                (!source.is_closed()).then_some(0)
            } else {
                source.take(need - hand)
            };
            step("register: looked");
            let mut state = State::empty(index / LEN);
            hand += taken.unwrap_or(0);
            if 0 < hand && hand < need {
                match self.keep_part(index, place, state, &mut hand) {
                    Part::Kept(with_part) => state = with_part,
                    // `fill` will fail, and we come again with what we have.
                    Part::Passed => {}
                    Part::NotFirst => self.hand_on(core::mem::take(&mut hand), source, panic),
                }
            }
            if taken.is_some() && hand + state.assigned() < need {
                match Self::fill(place, state, hand, key, waiter, waker) {
                    Ok(()) => return WaitStatus::Pending,
                    Err(again) => waker = again,
                }
                continue;
            }
            // If it was passed, the server took over what was assigned here.
            if place.swap(state, state.to(Kind::Gone)).is_ok() {
                hand += state.assigned();
            }
            place.leave_unused();
            self.advance_front();
            if taken.is_none() {
                break WaitStatus::Closed(hand);
            }
            if hand >= need {
                self.hand_on(hand - need, source, panic);
                break WaitStatus::Granted;
            }
        };
        panic.discard(Some(waker));
        status
    }

    /// Puts `hand`, a part of what the place needs, into its word, unless somebody before it waits.
    /// What is in `hand` then belongs to the owner beside that.
    ///
    /// Only the first in line may keep a part, or two would wait for each other's. Those before who
    /// have not filled their places have to come again, and lose their parts to this one; so of two
    /// who meet like this, one has more than before.
    fn keep_part(&self, index: u64, place: &Place, empty: State, hand: &mut u64) -> Part {
        let part = empty.assign(*hand);
        if place.swap(empty, part).is_err() {
            return Part::Passed;
        }
        *hand = 0;
        step("register: part kept");
        let mut walk = self.walk_to(index);
        let mut first = true;
        while let Some((before, other, mut state)) = walk.next() {
            let number = before / LEN;
            while state.is_of(number) && state.kind() == Kind::Empty {
                state = other.pass(state, hand);
            }
            if state.is_of(number) && state.is_waiting() {
                first = false;
                break;
            }
            walk.note_final(before);
        }
        walk.finish();
        if first {
            return Part::Kept(part);
        }
        if place.swap(part, empty).is_ok() {
            *hand += part.assigned();
        }
        Part::NotFirst
    }

    /// Gives back what a waiter cannot keep.
    fn hand_on(&self, n: u64, source: &impl Source, panic: &mut FirstPanic) {
        if n > 0 {
            source.give_back(n, panic);
            self.serve(0, n, source, panic);
        }
    }
}
