//! The future of `send`, by hand: its first poll is inlined into the user's task.

use core::future::Future;
use core::hint::assert_unchecked;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::Chan;
use super::send::{Begun, Closed, Turn};
use super::stage::Stage;
use super::typed::Carrier;
use crate::ring::Refused;
use crate::unwind::{OwesNothing, OwesValue};

impl<T> Chan<T> {
    /// Sends a message, waiting in line for room.
    #[inline]
    pub(crate) fn send<E: GivesBack<T>>(&self, value: T) -> Send<'_, T, E> {
        Send {
            chan: self,
            stage: Stage::New,
            value: ManuallyDrop::new(value),
            turn: MaybeUninit::uninit(),
            error: PhantomData,
            _pinned: PhantomPinned,
        }
    }
}

/// An error that gives a message back.
pub(crate) trait GivesBack<T> {
    fn give_back(message: T) -> Self;
}

/// A send in progress: from [`Chan::send`].
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Send<'a, T, E> {
    chan: &'a Chan<T>,
    stage: Stage,
    /// There until the stage is Done.
    value: ManuallyDrop<T>,
    /// There while the stage is Pending.
    turn: MaybeUninit<Turn>,
    error: PhantomData<fn() -> E>,
    /// As the future of an `async fn`.
    _pinned: PhantomPinned,
}

impl<T, E: GivesBack<T>> Future for Send<'_, T, E> {
    type Output = Result<(), E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing in it is pinned; the message is moved when it is sent.
        let this = unsafe { self.get_unchecked_mut() };
        if this.stage != Stage::New {
            return this.poll_turn(cx);
        }
        let carrier = this.chan.carrier();
        let claim = match carrier.begin_claim_plainly() {
            Ok(claim) => claim,
            Err(from) => match Turn::begin(&mut this.turn, &mut this.stage, from, this.chan, cx) {
                Begun::Claimed(claim) => claim,
                Begun::Waits => return Poll::Pending,
                Begun::Acquired => return this.finish_slow(Ok(())),
                Begun::Closed => return this.finish_slow(Err(Closed)),
            },
        };
        let value = this.take();
        carrier.publish::<OwesValue>(claim, value);
        // SAFETY: `take` has set it, and nobody else has this future. (The compiler does not know
        // that the wake-up leaves it alone, and would look again where the future is dropped.)
        unsafe { assert_unchecked(this.stage == Stage::Done) };
        Poll::Ready(Ok(()))
    }
}

impl<T, E: GivesBack<T>> Send<'_, T, E> {
    #[cold]
    #[inline(never)]
    fn finish_slow(&mut self, acquired: Result<(), Closed>) -> Poll<Result<(), E>> {
        self.finish(self.chan.carrier(), Poll::Ready(acquired))
    }

    #[inline(never)]
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        // Or it would wait anew, for a permit that nobody gives back.
        assert!(self.stage == Stage::Pending, "a send is not polled after it was ready");
        let carrier = self.chan.carrier();
        // SAFETY: it is Pending, so there is a turn.
        let acquired = unsafe { self.turn.assume_init_mut() }.poll(carrier, cx);
        self.finish(carrier, acquired)
    }

    #[inline(always)]
    fn finish(
        &mut self,
        carrier: &Carrier<T>,
        acquired: Poll<Result<(), Closed>>,
    ) -> Poll<Result<(), E>> {
        Poll::Ready(match ready!(acquired) {
            Ok(()) => {
                let value = self.take();
                carrier.send_reserved::<OwesValue>(value);
                Ok(())
            }
            Err(Closed) => Err(self.refused()),
        })
    }

    #[cold]
    fn refused(&mut self) -> E {
        self.chan.count_refusal(Refused::Closed);
        E::give_back(self.take())
    }
}

impl<T, E> Send<'_, T, E> {
    /// The message, of a send that is not Done, and then is. The turn has ended, or has not begun.
    #[inline(always)]
    fn take(&mut self) -> T {
        debug_assert!(self.stage != Stage::Done);
        self.stage = Stage::Done;
        // SAFETY: it was not Done, and nobody takes it again.
        unsafe { ManuallyDrop::take(&mut self.value) }
    }

    #[cold]
    #[inline(never)]
    fn give_up(&mut self) {
        let has_turn = self.stage == Stage::Pending;
        // Dropped at the end, also when a waker panics.
        let _value = self.take();
        if !has_turn {
            return;
        }
        // SAFETY: it was Pending, so there is a turn.
        let turn = unsafe { self.turn.assume_init_mut() };
        if turn.is_under_way() {
            turn.give_up::<OwesNothing>(self.chan);
        }
    }
}

/// The place in line is given up before the message is dropped.
impl<T, E> Drop for Send<'_, T, E> {
    #[inline]
    fn drop(&mut self) {
        if self.stage != Stage::Done {
            self.give_up();
        }
    }
}
