//! The sending side: claim and publish at once, or wait for a permit and use it.

use core::future::Future;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::collections::VecDeque;

#[cfg(feature = "sink")]
use super::Owner;
use super::stage::Stage;
use super::typed::Carrier;
use super::{Chan, ClosedSource, Cold, Shared};
use crate::ring::{Any, Claim, Claims, Flavor, NotPlain, Refused, Sending, SendingMany, Unbounded};
use crate::runtime;
use crate::sync::step;
use crate::telemetry::clock;
use crate::telemetry::task;
use crate::unwind::{Owes, OwesNothing, OwesValue};
use crate::wait::{Call, Key, Source, WaitQueue, WaitStatus, Waiter, Want};

/// The receiver takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// What stands between a caller and its permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Room, or their turn.
    Room,
    /// They are taken already; but no share of the task's budget is left.
    Share,
    /// Closed: they cannot be had any more.
    Receiver,
}

impl From<Refused> for Missing {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Room,
            Refused::Closed => Self::Receiver,
        }
    }
}

impl<T> Chan<T> {
    /// Sends without waiting, or gives the message back.
    #[inline(always)]
    pub(crate) fn try_send<O: Owes>(&self, value: T) -> Result<(), (Refused, T)> {
        self.order.begin();
        let nobody_waits = || self.nobody_waits();
        // Matched here, and not behind one function of the ring, which costs two to four
        // instructions of 95.
        let claim = match self.ring.claim_plainly::<Any>(nobody_waits) {
            Ok(claim) => claim,
            Err(from) => match self.ring.claim(from, nobody_waits) {
                Ok(claim) => claim,
                Err(refused) => return Err((refused, value)),
            },
        };
        self.publish::<O>(claim, value);
        Ok(())
    }

    /// Sends into a channel without a capacity, where nothing stands in the way; else says where it
    /// goes on, and gives the message back.
    #[inline(always)]
    pub(crate) fn send_plainly<O: Owes>(&self, value: T) -> Result<(), (NotPlain, T)> {
        self.order.begin();
        match self.ring.claim_plainly::<Unbounded>(|| true) {
            Ok(claim) => {
                self.publish_unbounded::<O>(claim, value);
                Ok(())
            }
            Err(from) => Err((from, value)),
        }
    }

    /// Goes on with [`Chan::send_plainly`].
    pub(crate) fn send_generally<O: Owes>(
        &self,
        from: NotPlain,
        value: T,
    ) -> Result<(), (Refused, T)> {
        match self.ring.claim(from, || true) {
            Ok(claim) => {
                self.publish_unbounded::<O>(claim, value);
                Ok(())
            }
            Err(refused) => Err((refused, value)),
        }
    }

    /// Sends from the front of `messages` as many as there is room for, in one step, or says why
    /// there is none. Returns how many; the others stay.
    pub(crate) fn try_send_many(&self, messages: &mut VecDeque<T>) -> Result<usize, Refused> {
        self.order.begin();
        let claims = self.ring.claim_up_to(messages.len() as u64, || self.nobody_waits())?;
        let was_parked = claims.was_parked();
        step("publish: claimed");
        self.order.sent(claims.count());
        let n = claims.count() as usize;
        // No more than there are messages; and draining a deque runs no user code.
        self.carrier().sending_many(claims).publish(messages.drain(..n));
        self.took_room();
        self.wake_if::<OwesValue>(was_parked);
        Ok(n)
    }

    /// Sends at once, in a poll, or gives the message back and says what its permit needs.
    #[inline(always)]
    pub(crate) fn begin_send(&self, value: T) -> Result<(), (Missing, T)> {
        let claim = match self.begin_claim_plainly() {
            Ok(claim) => claim,
            Err(from) => match self.begin_claim(from) {
                Ok(claim) => claim,
                Err(missing) => return Err((missing, value)),
            },
        };
        self.publish::<OwesValue>(claim, value);
        Ok(())
    }

    /// [`Chan::try_send_many`] for a share of the budget, or what the permit for the first message
    /// needs.
    pub(crate) fn begin_send_many(&self, messages: &mut VecDeque<T>) -> Result<(), Missing> {
        let Some(share) = runtime::try_share() else {
            return Err(self.reserve_without_share());
        };
        self.try_send_many(messages)?;
        share.spend();
        Ok(())
    }

    /// Sends with a permit, which is used up whatever happens. It never fails: after the receiver
    /// has gone the message is dropped at once, and a panic of its drop goes on.
    #[inline(always)]
    pub(crate) fn send_reserved<O: Owes>(&self, value: T) {
        self.carrier().send_reserved::<O>(value);
    }

    /// [`Shared::acquire`], for a wait that outlives every borrow.
    #[cfg(feature = "sink")]
    pub(crate) fn acquire_owned(&self, want: Want, missing: Missing) -> Acquire<Owner> {
        Acquire::permits(self.shared.clone(), want, missing)
    }

    #[inline]
    fn publish<O: Owes>(&self, claim: Claim, value: T) {
        self.carrier().publish::<O>(claim, value);
    }

    /// [`Carrier::publish`] without a capacity. The plain case calls nothing that comes back, and
    /// so saves no register.
    #[inline(always)]
    fn publish_unbounded<O: Owes>(&self, claim: Claim, value: T) {
        let was_parked = claim.was_parked();
        step("publish: claimed");
        self.order.sent(1);
        match self.carrier().sending::<Unbounded>(claim).publish_nearby(value) {
            Ok(()) => self.wake_if::<O>(was_parked),
            Err((sending, value)) => self.publish_unbounded_slow::<O>(sending, value, was_parked),
        }
    }

    #[cold]
    #[inline(never)]
    fn publish_unbounded_slow<O: Owes>(
        &self,
        sending: Sending<'_, T, Unbounded, Cold>,
        value: T,
        was_parked: bool,
    ) {
        sending.publish(value);
        self.wake_if::<O>(was_parked);
    }
}

impl<T> Carrier<T> {
    /// What was claimed just now in this channel, which is of flavor `F`.
    #[inline(always)]
    fn sending<F: Flavor>(&self, claim: Claim) -> Sending<'_, T, F, Cold> {
        // SAFETY: its ring was made for `T`, and a claim is published where it was made.
        unsafe { self.ring.sending(claim) }
    }

    /// Likewise, of several.
    #[inline(always)]
    fn sending_many(&self, claims: Claims) -> SendingMany<'_, T, Cold> {
        // SAFETY: as in `sending`.
        unsafe { self.ring.sending_many(claims) }
    }

    /// Publishes what was claimed.
    #[inline]
    pub(super) fn publish<O: Owes>(&self, claim: Claim, value: T) {
        let was_parked = claim.was_parked();
        step("publish: claimed");
        self.order.sent(1);
        self.sending::<Any>(claim).publish(value);
        self.took_room();
        self.wake_if::<O>(was_parked);
    }

    /// [`Chan::send_reserved`].
    #[inline(always)]
    pub(super) fn send_reserved<O: Owes>(&self, value: T) {
        if let Some((claim, may_be_waited_for)) = self.ring.claim_reserved() {
            if may_be_waited_for {
                // A permit is free to be taken again.
                O::settle(|panic| {
                    panic.run(|| self.publish::<OwesNothing>(claim, value));
                    self.queue().serve(0, 1, &**self, panic);
                });
            } else {
                self.publish::<O>(claim, value);
            }
        } else {
            self.info().count_late();
            // The message is the caller's own.
            OwesNothing::settle(|panic| {
                panic.run(|| self.release::<O>(1));
                panic.run(|| drop(value));
            });
        }
    }
}

impl Shared {
    /// Wakes the receiver if a claim that is published now ended its park.
    #[inline]
    fn wake_if<O: Owes>(&self, was_parked: bool) {
        if was_parked {
            step("publish: to wake");
            if O::A_VALUE { self.wake_owing_value() } else { self.wake_owing_nothing() }
        }
    }

    /// Claims a slot for a share of the budget where nothing stands in the way, or says where
    /// [`Shared::begin_claim`] goes on. The share is asked for when there is a slot: who has to
    /// wait needs none yet.
    #[inline(always)]
    pub(super) fn begin_claim_plainly(&self) -> Result<Claim, NotPlain> {
        self.order.begin();
        let tail = self.ring.look_beside_permits(|| self.nobody_waits())?;
        let Some(share) = runtime::try_share() else { return Err(NotPlain::at(tail)) };
        // If that fails, the share goes back, and is there to be asked for again.
        let claim = self.ring.claim_from(tail)?;
        share.spend();
        Ok(claim)
    }

    /// Goes on where something does, or says what is missing. Mostly that is room.
    #[inline(always)]
    fn begin_claim(&self, from: NotPlain) -> Result<Claim, Missing> {
        if self.ring.was_full(&from) {
            return Err(Missing::Room);
        }
        self.begin_claim_slow(from)
    }

    #[cold]
    #[inline(never)]
    fn begin_claim_slow(&self, from: NotPlain) -> Result<Claim, Missing> {
        let Some(share) = runtime::try_share() else {
            return Err(self.reserve_without_share());
        };
        let claim = self.ring.claim(from, || self.nobody_waits())?;
        share.spend();
        Ok(claim)
    }

    /// Takes `n` permits without waiting.
    pub(crate) fn try_reserve(&self, n: u64) -> Result<(), Refused> {
        self.order.begin();
        self.ring.reserve(n, || self.nobody_waits())?;
        self.took_room();
        Ok(())
    }

    /// The most permits that one reserve can get.
    pub(crate) fn max_reserved(&self) -> u64 {
        self.ring.max_reserved()
    }

    /// Takes `n` permits at once, or says what they need.
    pub(crate) fn begin_reserve(&self, n: u64) -> Result<(), Missing> {
        self.try_reserve(n)?;
        let share = runtime::try_share().ok_or(Missing::Share)?;
        share.spend();
        Ok(())
    }

    /// What to do about a send without a share: a claim cannot be kept while the task makes way for
    /// others; a permit can.
    fn reserve_without_share(&self) -> Missing {
        self.try_reserve(1).map_or_else(Missing::from, |()| Missing::Share)
    }

    /// Counts a refusal that a caller of a `try_` method sees.
    #[cold]
    pub(crate) fn count_refusal(&self, refused: Refused) {
        match refused {
            Refused::Full => self.info().count_full(),
            Refused::Closed => {
                self.info().count_closed();
                self.saw_end();
            }
        }
    }

    /// Waits for permits: for room, behind everybody who waits already, or only for a share of the
    /// budget.
    pub(crate) fn acquire(&self, want: Want, missing: Missing) -> Acquire<&Self> {
        Acquire::permits(self, want, missing)
    }

    /// Waits until the channel is closed.
    pub(crate) async fn until_closed(&self) {
        if !self.is_closed() {
            // This wait ends by closing only.
            let turn = Turn::new(Want::new(Call::Closed, 1));
            let _ = Acquire { shared: self, turn }.await;
            self.saw_end();
        }
    }
}

/// What [`Turn::begin`] came to.
pub(super) enum Begun {
    /// No turn was needed.
    Claimed(Claim),
    /// The turn is pending.
    Waits,
    /// It has ended, and has a permit.
    Acquired,
    /// It has ended, by closing.
    Closed,
}

impl From<Poll<Result<(), Closed>>> for Begun {
    fn from(acquired: Poll<Result<(), Closed>>) -> Self {
        match acquired {
            Poll::Pending => Self::Waits,
            Poll::Ready(Ok(())) => Self::Acquired,
            Poll::Ready(Err(Closed)) => Self::Closed,
        }
    }
}

/// A send's or a reserve's turn: its wait, or what it was granted.
pub(super) struct Turn {
    /// `closed` is a wait for one permit that nobody gives.
    want: Want,
    key: Option<Key>,
    /// All permits are here; what is missing is a share of the budget.
    held: bool,
}

impl Turn {
    /// One that has neither begun to wait nor permits.
    #[inline(always)]
    pub(super) fn new(want: Want) -> Self {
        Self { want, key: None, held: false }
    }

    fn is_for_closed(&self) -> bool {
        self.want.call() == Call::Closed
    }

    /// It has a place in line, or permits.
    #[inline(always)]
    pub(super) fn is_under_way(&self) -> bool {
        self.held || self.key.is_some()
    }

    fn queue<'a>(&self, shared: &'a Shared) -> &'a WaitQueue {
        if self.is_for_closed() { shared.on_close.queue_or_new() } else { shared.queue() }
    }

    /// The plain case is a wait that was granted.
    #[inline(always)]
    pub(super) fn poll(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        if self.is_under_way() {
            shared.order.begin();
        }
        // SAFETY: the key is of a queue of this channel.
        if unsafe { WaitQueue::take_granted(&mut self.key) } {
            self.held = true;
            self.poll_held(shared, cx)
        } else {
            self.poll_slow(shared, cx)
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_slow(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if self.held {
            return self.poll_held(shared, cx);
        }
        let status = if self.key.is_some() {
            self.poll_wait(shared, cx.waker())
        } else if self.is_for_closed() {
            self.register_for_closed(shared, cx.waker())
        } else {
            self.register(shared, cx.waker())
        };
        self.go_on(status, shared, cx)
    }

    /// Goes on with [`Shared::begin_claim_plainly`] for a send: claims a slot all the same, or
    /// begins a turn. The plain case is that it has to wait for room.
    #[inline(never)]
    pub(super) fn begin(
        turn: &mut MaybeUninit<Self>,
        stage: &mut Stage,
        from: NotPlain,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Begun {
        let missing = match shared.begin_claim(from) {
            Ok(claim) => return Begun::Claimed(claim),
            Err(missing) => missing,
        };
        let turn = turn.write(Self::new(Want::new(Call::Send, 1)));
        // First: the caller's waker is cloned from here on, and may panic. A permit that is held by
        // then is the turn's.
        *stage = Stage::Pending;
        if missing == Missing::Room {
            let status = turn.register_in(shared.queue(), shared, cx.waker());
            if status == WaitStatus::Pending {
                return Begun::Waits;
            }
            turn.go_on(status, shared, cx).into()
        } else {
            turn.begin_without_wait(missing, shared, cx).into()
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_without_wait(
        &mut self,
        missing: Missing,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        self.held = missing == Missing::Share;
        if self.held { self.poll_held(shared, cx) } else { Poll::Ready(Err(Closed)) }
    }

    #[cold]
    #[inline(never)]
    fn go_on(
        &mut self,
        status: WaitStatus,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        match status {
            WaitStatus::Pending => Poll::Pending,
            WaitStatus::Closed(assigned) => self.closed(shared, assigned),
            WaitStatus::Granted => {
                self.held = true;
                self.poll_held(shared, cx)
            }
        }
    }

    /// All permits are here.
    #[inline(always)]
    fn poll_held(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if shared.ring.tail().is_closed() {
            // Granted, but closed before it was polled: as Tokio, closing wins.
            return self.closed(shared, self.want.need());
        }
        // Last, as Tokio: whoever has used up its budget keeps its place, and what it was granted.
        ready!(runtime::poll_share(cx)).spend();
        self.held = false;
        shared.took_room();
        Poll::Ready(Ok(()))
    }

    #[cold]
    #[inline(never)]
    fn closed(&mut self, shared: &Shared, assigned: u64) -> Poll<Result<(), Closed>> {
        self.held = false;
        shared.release::<OwesValue>(assigned);
        Poll::Ready(Err(Closed))
    }

    /// Looks after a wait that has a place.
    fn poll_wait(&mut self, shared: &Shared, waker: &Waker) -> WaitStatus {
        let queue = self.queue(shared);
        let task = || task::waiter(waker);
        let key = &mut self.key;
        let mut status = WaitStatus::Pending;
        // SAFETY: the key is from `register`, in the same queue.
        OwesValue::settle(|panic| status = unsafe { queue.poll(key, task, waker, panic) });
        status
    }

    #[cold]
    #[inline(never)]
    fn register(&mut self, shared: &Shared, waker: &Waker) -> WaitStatus {
        self.register_in(shared.queue(), shared, waker)
    }

    #[cold]
    #[inline(never)]
    fn register_for_closed(&mut self, shared: &Shared, waker: &Waker) -> WaitStatus {
        self.register_in(shared.on_close.queue_or_new(), &ClosedSource(&shared.ring), waker)
    }

    #[inline(always)]
    fn register_in(
        &mut self,
        queue: &WaitQueue,
        source: &impl Source,
        waker: &Waker,
    ) -> WaitStatus {
        let mine = waker.clone();
        let waiter = Waiter { task: task::waiter(waker), since: clock::now(), want: self.want };
        queue.register(&mut self.key, waiter, mine, source)
    }

    /// Gives up the place, and releases what it has.
    pub(super) fn give_up<O: Owes>(&mut self, shared: &Shared) {
        shared.order.begin();
        if core::mem::take(&mut self.held) {
            shared.release::<O>(self.want.need());
        }
        let Some(key) = self.key.take() else { return };
        let mut assigned = 0;
        // The waker that is dropped is the wait's own; its panic is no reason not to hand on.
        // SAFETY: the key is of this queue, as in `poll_wait`.
        OwesValue::settle(|panic| assigned = unsafe { self.queue(shared).cancel(key, panic) });
        shared.release::<O>(assigned);
    }
}

/// A wait for permits, or for closing. Dropping it gives up the place, and releases what it has.
pub(crate) struct Acquire<S: Deref<Target = Shared>> {
    shared: S,
    turn: Turn,
}

impl<S: Deref<Target = Shared>> Acquire<S> {
    fn permits(shared: S, want: Want, missing: Missing) -> Self {
        let mut turn = Turn::new(want);
        turn.held = missing == Missing::Share;
        Self { shared, turn }
    }

    /// As dropping it, by a call that may owe a value.
    pub(crate) fn give_up<O: Owes>(mut self) {
        self.turn.give_up::<O>(&self.shared);
    }
}

impl<S: Deref<Target = Shared> + Unpin> Future for Acquire<S> {
    type Output = Result<(), Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { shared, turn } = &mut *self;
        turn.poll(shared, cx)
    }
}

impl<S: Deref<Target = Shared>> Drop for Acquire<S> {
    #[inline]
    fn drop(&mut self) {
        if self.turn.is_under_way() {
            self.turn.give_up::<OwesNothing>(&self.shared);
        }
    }
}
