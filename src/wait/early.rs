//! Waits that end early: one, when its owner gives it up; all, when the channel is closed.

use super::batch::WakeBatch;
use super::place::Kind;
use super::queue::{Key, WaitQueue};
use super::segment::LEN;
use crate::sync::plain::Ordering;
use crate::sync::step;
use crate::telemetry::clock;
use crate::unwind::FirstPanic;

impl WaitQueue {
    /// Takes a waiter out, wherever it stands. Returns the units that it leaves to be released.
    ///
    /// # Safety
    /// The key is of this queue.
    pub(crate) unsafe fn cancel(&self, key: Key, panic: &mut FirstPanic) -> u64 {
        // SAFETY: of this queue; its segment stays while the place is not left.
        let place = unsafe { key.place.as_ref() };
        let mut state = place.state();
        let mut waker = None;
        while state.kind() == Kind::Waiting {
            let gone = state.to(Kind::Gone);
            match place.swap(state, gone) {
                Ok(()) => {
                    step("cancel: gone");
                    state = gone;
                    // SAFETY: ours: we ended the wait.
                    waker = unsafe { place.end(clock::now()) };
                    // ORDERING(M3): Release. Pairs with M3 in `totals`.
                    self.given_up.fetch_add(1, Ordering::Release);
                }
                Err(now) => state = now,
            }
        }
        place.leave();
        if state.kind() == Kind::Gone {
            self.advance_front();
        }
        panic.discard(waker);
        state.assigned()
    }

    /// Fails all who wait. The channel was closed, by a SeqCst step: who comes later sees that.
    /// Returns units that are to be given back.
    #[inline]
    pub(crate) fn close(&self, panic: &mut FirstPanic) -> u64 {
        // The end of most channels.
        if self.line.is_empty_sc() { 0 } else { self.close_slow(panic) }
    }

    #[cold]
    #[inline(never)]
    fn close_slow(&self, panic: &mut FirstPanic) -> u64 {
        let mut wakes = WakeBatch::new();
        let mut hand = 0;
        let mut walk = self.walk_to(self.line.arrivals());
        while let Some((index, place, mut state)) = walk.next_of_all() {
            let number = index / LEN;
            while state.is_open(number) {
                if state.kind() == Kind::Empty {
                    state = place.pass(state, &mut hand);
                    continue;
                }
                let closed = state.to(Kind::Closed);
                match place.swap(state, closed) {
                    Ok(()) => {
                        step("close: failed");
                        // SAFETY: we ended it, by the swap.
                        unsafe { wakes.end_wait(place, state, panic) };
                        state = closed;
                    }
                    Err(now) => state = now,
                }
            }
            walk.note_final(index);
        }
        walk.finish();
        wakes.wake_all(panic);
        hand
    }
}
