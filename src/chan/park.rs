//! The receiver waits: it looks once more whether there is a message, or the end, and parks.

use core::task::{Context, Waker};

use super::Shared;
use super::receive::Nothing;
use super::receiver_state::ReceiverState;
use crate::ring::{Park, Reader, Tail};
use crate::runtime;
use crate::sync::{Backoff, step};
use crate::telemetry::task::{self, TaskRef};
use crate::unwind::{Owes, OwesNothing, OwesValue};
use crate::wait::{WakerId, Want};

impl Shared {
    /// There was no message a moment ago: [`Shared::park`] in a poll.
    #[cold]
    #[inline(never)]
    pub(super) fn wait_for_message(
        &self,
        state: &mut ReceiverState,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Option<Nothing> {
        if !runtime::has_share() {
            // As Tokio: without budget nobody waits for a message. The task is woken.
            assert!(runtime::poll_share(cx).is_pending(), "none was left");
            return Some(Nothing::Empty);
        }
        let tail = self.ring.tail();
        if tail.is_closed() && self.is_at_the_end(tail, &state.reader) {
            return Some(Nothing::Drained);
        }
        let waker = cx.waker();
        match state.parked {
            // The last park was ended by somebody who is done with the cell.
            Some(_) if !tail.is_parked() && self.rx_waker.is_returned() => {
                // As in `park`.
                let lent = waker.clone();
                state.parked = None;
                self.park_anew(state, false, want, task::waiter(waker), lent, None)
            }
            Some(with)
                if tail.is_parked() && !tail.is_closed() && self.waits_on(with, want, waker) =>
            {
                Some(Nothing::Empty)
            }
            _ => self.park(state, want, waker),
        }
    }

    /// Whether a poll that was not woken waits on in its park: a `select!` that other branches have
    /// woken, again and again. Then its Pending rests on the step by which the park is seen to
    /// stand. Whoever ends the park does so after that step, and wakes this task: that is after the
    /// poll has begun, so there will be another. (The same waker is the same task's: while the park
    /// stands, the clone in the cell keeps it alive.)
    fn waits_on(&self, with: WakerId, want: Want, waker: &Waker) -> bool {
        if !with.is(waker) || !self.ring.stays_parked() {
            return false;
        }
        self.rx_waker.stays_lent();
        self.receive_waits.go_on_parked(task::waiter(waker), want)
    }

    /// The end of most tasks that receive: whoever does not wait any more need not park to find
    /// that nothing will ever come, nor leave a waker behind. A park that stands, because the
    /// receiver itself has closed, is ended by the next one.
    #[cold]
    #[inline(never)]
    fn is_at_the_end(&self, tail: Tail, reader: &Reader) -> bool {
        let ended = !tail.is_parked() && self.ring.is_drained(tail, reader);
        if ended {
            self.saw_end();
        }
        ended
    }

    /// Parks the receiver, if nothing is on its way. `None`: a message is.
    #[cold]
    #[inline(never)]
    pub(super) fn park(
        &self,
        state: &mut ReceiverState,
        want: Want,
        waker: &Waker,
    ) -> Option<Nothing> {
        // Before anything changes: a clone that panics leaves an earlier park as it stands.
        let lent = waker.clone();
        let waiter = task::waiter(waker);
        let mut goes_on = false;
        let mut old = None;
        if state.parked.is_some() {
            // Not woken, and no poll that waits on in its park (`wait_for_message`): it takes the
            // park back and parks anew, with this waker in the cell.
            if self.ring.unpark() {
                goes_on = self.receive_waits.goes_on(waiter, want);
                // SAFETY: the receiver ended its park.
                old = unsafe { self.take_waker() };
            } else {
                let backoff = Backoff::new();
                while !self.rx_waker.is_returned() {
                    if backoff.is_completed() {
                        waker.wake_by_ref();
                        return Some(Nothing::Empty);
                    }
                    backoff.snooze();
                }
            }
            state.parked = None;
        }
        self.park_anew(state, goes_on, want, waiter, lent, old)
    }

    /// Parks the receiver, which has its cell, empty, and is not parked. `goes_on`: it was, and its
    /// wait goes on. `old`: the waker of a park that it took back.
    #[inline(always)]
    fn park_anew(
        &self,
        state: &mut ReceiverState,
        goes_on: bool,
        want: Want,
        waiter: u64,
        lent: Waker,
        old: Option<Waker>,
    ) -> Option<Nothing> {
        let waits = &self.receive_waits;
        self.info().note_receiver(TaskRef::from_word(waiter), state.reader.head());
        if !goes_on {
            waits.begins(want);
        }
        let with = WakerId::of(&lent);
        // SAFETY: not parked, and the cell is returned: the receiver owns it.
        unsafe { self.rx_waker.lend(lent) };
        waits.waker_lies(waiter);
        step("park: lent");
        let park = self.ring.park(&state.reader);
        if park == Park::Parked {
            state.parked = Some(with);
            if old.is_some() {
                // Last: dropping a waker may run user code. The poll is pending, and the next one
                // finds all as it should be.
                OwesNothing::settle(|panic| panic.discard(old));
            }
            return Some(Nothing::Empty);
        }
        self.park_failed(park, goes_on, old)
    }

    /// Something has come, or the end. No waker is left behind: nobody would call it, but a look
    /// could not know that.
    #[cold]
    #[inline(never)]
    fn park_failed(&self, park: Park, goes_on: bool, old: Option<Waker>) -> Option<Nothing> {
        // SAFETY: the park has failed.
        let lent = unsafe { self.take_waker() };
        if goes_on {
            self.receive_waits.add_up();
        } else {
            self.receive_waits.never_began();
        }
        let drained = park == Park::Drained;
        if drained {
            self.saw_end();
        }
        // As above.
        OwesValue::settle(|panic| {
            panic.discard(old);
            panic.discard(lent);
        });
        drained.then_some(Nothing::Drained)
    }
}
