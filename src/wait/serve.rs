//! Who hands out units, in the order of the places.

use super::batch::{WakeBatch, wake};
use super::place::{Kind, Place, State};
use super::queue::WaitQueue;
use super::segment::LEN;
use super::source::Source;
use crate::sync::step;
use crate::telemetry::clock;
use crate::unwind::FirstPanic;

impl WaitQueue {
    /// Gives one unit, which the caller holds, to the first in line, if it waits for one and
    /// servers last were at its place: nearly always. False: nothing was done, and
    /// [`WaitQueue::serve`] will see to it.
    #[inline]
    pub(crate) fn serve_first(&self) -> bool {
        // All places before this one are final: if somebody waits in it, that is the first.
        let index = self.line.front();
        let number = index / LEN;
        let Some(segment) = self.row.find(number, &self.oldest) else { return false };
        let place = segment.place(index);
        let waiting = State::empty(number).to(Kind::Waiting);
        // The need is that of the wait which the swap finds, or the swap fails: another wait has
        // another number.
        if place.state() != waiting || place.need() != 1 {
            return false;
        }
        if place.swap(waiting, waiting.assign(1).to(Kind::Granted)).is_err() {
            return false;
        }
        step("serve: assigned");
        // SAFETY: ours: we took it out of Waiting.
        let waker = unsafe { place.end(clock::now()) };
        self.line.advance(index + 1);
        step("serve: to wake");
        if let Some(waker) = waker {
            wake(waker);
        }
        true
    }

    /// Hands out `hand` units, which the caller holds, and up to `owed` more, first come, first
    /// served. Called by whoever gave that many back to the channel, and never for more: so a
    /// thread that is stopped in here withholds no more than it brought, and parts that it has
    /// taken over from places it passed.
    ///
    /// Returns how many are left, in the channel: nobody waits or is about to, or there was no more
    /// room. Whoever comes later sees them there.
    #[inline]
    pub(crate) fn serve(
        &self,
        hand: u64,
        owed: u64,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> u64 {
        if hand == 0 && self.line.is_empty_sc() {
            owed
        } else {
            self.serve_slow(hand, owed, source, panic)
        }
    }

    /// `hand`: taken from the channel, and not assigned yet.
    #[cold]
    #[inline(never)]
    fn serve_slow(
        &self,
        mut hand: u64,
        mut owed: u64,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> u64 {
        let mut wakes = WakeBatch::new();
        // To 0: `next_of_all` reads `arrivals`, after the caller's step.
        let mut walk = self.walk_to(0);
        'line: while owed + hand > 0 {
            let Some((index, place, mut state)) = walk.next_of_all() else {
                if hand == 0 {
                    break;
                }
                // The one it was for has given up. Whoever comes now sees it in the channel; who
                // came before, we see.
                owed += Self::put_back(core::mem::take(&mut hand), source, panic);
                continue;
            };
            let number = index / LEN;
            while state.is_open(number) {
                if state.kind() == Kind::Empty {
                    match Self::pass_by(place, state, &mut hand, &mut owed, source, panic) {
                        Some(now) => state = now,
                        None => break 'line,
                    }
                    continue;
                }
                let missing = place.need().saturating_sub(state.assigned());
                if hand == 0 {
                    hand = source.take(missing.min(owed)).unwrap_or(0);
                    owed -= hand;
                    step("serve: taken");
                }
                let n = hand.min(missing);
                if n == 0 {
                    if missing > 0 {
                        // No room, or nothing left of ours.
                        break 'line;
                    }
                    // That need was of a later wait: the place is over.
                    state = place.state();
                    continue;
                }
                let full = n == missing;
                let next = state.assign(n).to(if full { Kind::Granted } else { state.kind() });
                if let Err(now) = place.swap(state, next) {
                    state = now;
                    continue;
                }
                step("serve: assigned");
                hand -= n;
                if full {
                    if hand > 0 && wakes.is_full() {
                        // Wakers will be called, and nobody is to hang on them.
                        owed += Self::put_back(core::mem::take(&mut hand), source, panic);
                    }
                    // SAFETY: we ended it, by the swap.
                    unsafe { wakes.end_wait(place, state, panic) };
                    break;
                }
                state = next;
            }
            walk.note_final(index);
        }
        debug_assert_eq!(hand, 0, "units that nobody has");
        walk.finish();
        step("serve: to wake");
        wakes.wake_all(panic);
        owed
    }

    /// Passes a place that is not filled, once all that was in the hand is back in the channel.
    /// Returns its word by now; `None`: there is no room, and none need pass.
    ///
    /// Its owner is to look at the channel once more, and must find there by then what it is passed
    /// for: else it would come for nothing, and for ever if it comes back each time. Of a part that
    /// is taken over it must find all or nothing.
    #[cold]
    #[inline(never)]
    fn pass_by(
        place: &Place,
        state: State,
        hand: &mut u64,
        owed: &mut u64,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> Option<State> {
        let any = if state.assigned() > 0 {
            let taken = source.take(*owed).unwrap_or(0);
            *owed -= taken;
            *hand += taken;
            *hand > 0
        } else {
            *owed += Self::put_back(core::mem::take(hand), source, panic);
            source.has_room()
        };
        if !any {
            return None;
        }
        let now = place.pass(state, hand);
        step("serve: passed");
        *owed += Self::put_back(core::mem::take(hand), source, panic);
        Some(now)
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
}
