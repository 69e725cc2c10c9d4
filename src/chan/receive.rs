//! The receiving side: pop, park, close, and the drop that leaves nothing behind.

use core::future::Future;
use core::hint::assert_unchecked;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll, Waker, ready};

use super::receive_waits::ReceiveWaits;
use super::receiver_state::ReceiverState;
use super::stage::Stage;
use super::{Chan, CloseCause, Cold, Shared};
use crate::ring::{Any, Arrayed, Flavor, Leaving, Listed, Popped, Reader, Receiving, Room};
use crate::runtime;
use crate::sync::{Backoff, step};
use crate::telemetry::task;
use crate::unwind::{FirstPanic, Owes, OwesNothing, OwesValue};
use crate::wait::Want;

/// The one receiving end of a channel: what a receiver's handle is inside.
pub(crate) struct Consumer<T> {
    pub(crate) chan: Chan<T>,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nothing yet.
    Empty,
    /// Nothing ever again.
    Drained,
}

impl<T> Consumer<T> {
    /// Of this channel there is no other one.
    pub(super) fn new(chan: Chan<T>) -> Self {
        Self { chan }
    }

    /// The receiver, whatever the type of its messages is.
    #[inline(always)]
    fn erased(&mut self) -> ErasedConsumer<'_> {
        ErasedConsumer(&self.chan)
    }

    /// The channel, and what is the receiver's own in it.
    #[inline(always)]
    fn parts(&mut self) -> (&Shared, &mut ReceiverState) {
        self.erased().parts()
    }

    #[inline(always)]
    fn state(&self) -> &ReceiverState {
        // SAFETY: we are the one receiver, borrowed shared: nobody has it alone meanwhile.
        unsafe { self.chan.ring.cold.receiver.get() }
    }

    /// The channel, and the receiver's end of its ring. `F` is the flavor of the channel.
    #[inline(always)]
    fn ends<F: Flavor>(&mut self) -> (&Shared, Receiving<'_, T, F, Cold>) {
        let (shared, state) = self.parts();
        // SAFETY: this channel's ring was made for `T`, with this reader; and our drop does nothing
        // with it after it has abandoned the ring.
        (shared, unsafe { shared.ring.receiving(&mut state.reader) })
    }

    #[inline(always)]
    fn receiving<F: Flavor>(&mut self) -> Receiving<'_, T, F, Cold> {
        self.ends().1
    }

    /// Takes the next message, if it is published and `may` says yes, which is asked only then.
    /// What the ring tells before it reads the message, as it mostly does in a list, lets the next
    /// sender in here; of what it returns, [`Consumer::taken`] does.
    #[inline(always)]
    fn pop_if<F: Flavor>(&mut self, may: impl FnOnce() -> bool) -> Popped<T> {
        let (shared, receiving) = self.ends::<F>();
        let may = || {
            let may = may();
            if may {
                shared.order.received(1);
            }
            may
        };
        let see_to_room = |reader: &mut Reader, room| {
            // SAFETY: our ring's reader, and the room of what it has just popped.
            unsafe {
                match room {
                    Room::Free => {}
                    Room::DueInList => shared.make_room_in_list::<T>(reader),
                    room => shared.make_room(reader, room),
                }
            }
        };
        receiving.pop_if(may, see_to_room)
    }

    /// Lets the next sender in, for a message that was popped.
    #[inline(always)]
    fn taken(&mut self, value: T, room: Room) -> T {
        if room != Room::Free {
            let (shared, state) = self.parts();
            // SAFETY: our ring's reader, and the room of what it has just popped.
            unsafe { shared.make_room(&mut state.reader, room) };
        }
        value
    }

    fn pop(&mut self) -> Option<T> {
        match self.pop_if::<Any>(|| true) {
            Popped::Message(value, room) => Some(self.taken(value, room)),
            Popped::Refused | Popped::Nothing => None,
        }
    }

    /// Waits for the next message.
    #[inline]
    pub(crate) fn recv<F: Flavor>(&mut self) -> Recv<'_, T, F> {
        // SAFETY: it is not used while this borrows it, nor dropped here.
        let consumer = ManuallyDrop::new(unsafe { ptr::read(self) });
        Recv { consumer, stage: Stage::New, types: PhantomData, _pinned: PhantomPinned }
    }

    #[cfg(all(test, not(parshall_loom)))]
    pub(super) fn poll_recv<F: Flavor>(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv_by::<F>(ReceiveWaits::RECV, cx)
    }

    /// Receives for the call that `want` tells of. A share of the budget is asked for when there is
    /// a message: whoever has to wait needs none yet.
    #[inline(always)]
    pub(crate) fn poll_recv_by<F: Flavor>(
        &mut self,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        self.poll_in_stage::<F>(want, &mut Stage::New, cx)
    }

    #[inline(always)]
    fn poll_in_stage<F: Flavor>(
        &mut self,
        want: Want,
        stage: &mut Stage,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        self.chan.order.begin();
        if F::IN_LIST {
            return self.poll_next::<F>(want, stage, cx);
        }
        // What the compiler does not know of. Out of line, so that a receive from an array is
        // short.
        if self.chan.ring.is_list() {
            return self.poll_list(want, stage, cx);
        }
        self.poll_next::<Arrayed>(want, stage, cx)
    }

    #[inline(never)]
    fn poll_list(
        &mut self,
        want: Want,
        stage: &mut Stage,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        self.poll_next::<Listed>(want, stage, cx)
    }

    #[inline(always)]
    fn poll_next<F: Flavor>(
        &mut self,
        want: Want,
        stage: &mut Stage,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        let may = || {
            let may = runtime::spend_share(cx);
            if may {
                // Before the message is read, so that nothing comes between that and the caller's
                // variable.
                *stage = Stage::Done;
            }
            may
        };
        match self.pop_if::<F>(may) {
            Popped::Message(value, room) => {
                let value = self.taken(value, room);
                // SAFETY: it was set, and nobody else has it. (The compiler does not know that
                // nothing else in the channel is changed there, and would look again where the
                // future is dropped.)
                unsafe { assert_unchecked(*stage == Stage::Done) };
                return Poll::Ready(Some(value));
            }
            Popped::Refused => *stage = Stage::Pending,
            Popped::Nothing => {
                // First: this may park and then panic, when it drops an older waker.
                *stage = Stage::Pending;
                let (shared, state) = self.parts();
                let waits = shared.wait_for_message(state, want, cx);
                if !F::IN_ARRAY {
                    self.receiving::<F>().give_blocks_back();
                }
                if waits != Some(Nothing::Empty) {
                    return self.poll_next_slow(waits, want, stage, cx);
                }
            }
        }
        Poll::Pending
    }

    /// The park failed: a message came meanwhile, or the end.
    #[cold]
    #[inline(never)]
    fn poll_next_slow(
        &mut self,
        parked: Option<Nothing>,
        want: Want,
        stage: &mut Stage,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        let message = ready!(self.await_message(parked, want, cx));
        *stage = Stage::Done;
        Poll::Ready(message)
    }

    fn await_message(
        &mut self,
        mut parked: Option<Nothing>,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        if parked.is_none() {
            parked = self.await_publication(cx.waker());
        }
        loop {
            match parked {
                Some(Nothing::Empty) => return Poll::Pending,
                Some(Nothing::Drained) => {
                    ready!(runtime::poll_share(cx)).spend();
                    self.end();
                    return Poll::Ready(None);
                }
                None => {}
            }
            // Wakers have been called since the budget was looked at, and may have spent it.
            match self.pop_if::<Any>(|| runtime::spend_share(cx)) {
                Popped::Message(value, room) => return Poll::Ready(Some(self.taken(value, room))),
                Popped::Refused => return Poll::Pending,
                Popped::Nothing => parked = self.park(want, cx.waker()),
            }
        }
    }

    /// For the call that `want` tells of.
    pub(crate) fn poll_recv_many(
        &mut self,
        want: Want,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.chan.order.begin();
        // One for all of them, and for none if the limit is 0: as Tokio.
        let share = ready!(runtime::poll_share(cx));
        let received = loop {
            if limit == 0 {
                break 0;
            }
            let (n, room) = self.receiving::<Any>().pop_many(buffer, limit);
            self.chan.order.received(n as u64);
            self.chan.serve_senders(&self.state().reader, n as u64, room, Some(cx.waker()));
            if n > 0 {
                break n;
            }
            match self.park(want, cx.waker()) {
                Some(Nothing::Empty) => return Poll::Pending,
                Some(Nothing::Drained) => break 0,
                None => {}
            }
        };
        share.spend();
        Poll::Ready(received)
    }

    #[inline(always)]
    pub(crate) fn try_recv<F: Flavor>(&mut self) -> Result<T, Nothing> {
        self.chan.order.begin();
        match self.pop_if::<F>(|| true) {
            Popped::Message(value, room) => Ok(self.taken(value, room)),
            Popped::Refused | Popped::Nothing => self.try_recv_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn try_recv_slow(&mut self) -> Result<T, Nothing> {
        let backoff = Backoff::new();
        if self.state().behind_a_sender {
            // It sends one message after the other. A look at T takes from it the line that it
            // needs for the next, so that is awaited for a moment first, at its stamp.
            backoff.spin();
            if let Some(value) = self.pop() {
                return Ok(value);
            }
        }
        // The tail decides.
        let tail = self.chan.ring.tail();
        let state = self.parts().1;
        state.behind_a_sender = tail.pos() != state.reader.pos();
        if !state.behind_a_sender {
            self.receiving::<Any>().give_blocks_back();
            let drained = self.chan.ring.is_drained(tail, &self.state().reader);
            if drained {
                self.chan.saw_end();
            }
            return Err(if drained { Nothing::Drained } else { Nothing::Empty });
        }
        loop {
            if let Some(value) = self.pop() {
                return Ok(value);
            }
            // Claimed and on its way: a send that completed may lie behind it, so never Empty.
            backoff.snooze();
        }
    }

    /// The caller is about to say `None`: nothing will ever come.
    pub(crate) fn end(&mut self) {
        self.parts().1.ended = true;
    }

    /// Whether somebody was told of the end by a `None`.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Parks under `waker`. `None`: there is something to pop.
    #[inline(always)]
    fn park(&mut self, want: Want, waker: &Waker) -> Option<Nothing> {
        let (shared, state) = self.parts();
        let result = shared.park(state, want, waker);
        match result {
            Some(_) => self.receiving::<Any>().give_blocks_back(),
            None => return self.await_publication(waker),
        }
        result
    }

    /// A message is claimed, and published in a moment: a short spin, then let others run.
    #[cold]
    #[inline(never)]
    fn await_publication(&mut self, waker: &Waker) -> Option<Nothing> {
        let backoff = Backoff::new();
        while !self.receiving::<Any>().has_next() {
            if backoff.is_completed() {
                waker.wake_by_ref();
                return Some(Nothing::Empty);
            }
            backoff.snooze();
        }
        None
    }

    /// The future that last returned `Pending` is dropped: nobody waits, though the park may stand.
    pub(crate) fn abandon_wait(&self) {
        self.chan.receive_waits.note_given_up();
    }

    /// Drops the next published message where it lies. False: there is none.
    fn discard_next(&mut self, panic: &mut FirstPanic) -> bool {
        // A model is told before the message is dropped, which may look at what its sender did.
        if !self.receiving::<Any>().has_next() {
            return false;
        }
        self.chan.order.received(1);
        let Some(room) = self.receiving::<Any>().drop_next(panic) else { return false };
        self.chan.serve_senders(&self.state().reader, 1, room, None);
        true
    }

    /// Drops the next `n` messages, which are claimed by now, on past panicking drops, and then
    /// resumes the first panic.
    pub(crate) fn discard(&mut self, n: usize) {
        self.chan.order.begin();
        OwesNothing::settle(|panic| {
            let backoff = Backoff::new();
            let mut left = n;
            while left > 0 {
                if self.discard_next(panic) {
                    left -= 1;
                } else {
                    backoff.snooze();
                }
            }
        });
    }

    pub(crate) fn close(&self) {
        self.chan.order.begin_close();
        OwesNothing::settle(|panic| {
            let close = || self.chan.ring.close();
            self.chan.close_by_receiver(CloseCause::ReceiverClosed, close, panic);
        });
    }
}

/// A receive in progress: from [`Consumer::recv`]. Written for that poll alone: one that is told
/// what to poll by a closure, as the other receives are, takes 22 instructions more a message.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Recv<'a, T, F> {
    /// The receiver itself, which is one word: a poll need not follow a reference to it, nor keep
    /// that.
    consumer: ManuallyDrop<Consumer<T>>,
    stage: Stage,
    types: PhantomData<(&'a mut Consumer<T>, F)>,
    /// As the future of an `async fn`.
    _pinned: PhantomPinned,
}

impl<T, F: Flavor> Future for Recv<'_, T, F> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // SAFETY: nothing in it is pinned.
        let Self { consumer, stage, .. } = unsafe { self.get_unchecked_mut() };
        assert!(*stage != Stage::Done, "a receive is not polled after it was ready");
        consumer.poll_in_stage::<F>(ReceiveWaits::RECV, stage, cx)
    }
}

/// Dropped while it waits, it says that nobody waits any more.
impl<T, F> Drop for Recv<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        if self.stage == Stage::Pending {
            self.consumer.abandon_wait();
        }
    }
}

/// The one receiver of a channel, borrowed alone: from [`Consumer::erased`].
struct ErasedConsumer<'a>(&'a Shared);

impl<'a> ErasedConsumer<'a> {
    #[inline(always)]
    fn parts(self) -> (&'a Shared, &'a mut ReceiverState) {
        // SAFETY: the one receiver's, which is borrowed as long.
        (self.0, unsafe { self.0.ring.cold.receiver.get_mut() })
    }

    /// The receiver is dropped: closes, and lets its waker go. True: the ring was empty, and is
    /// done with. (Compiled in this crate, where all that it calls is inlined.)
    #[inline(never)]
    fn goes(self, panic: &mut FirstPanic) -> bool {
        let (shared, state) = self.parts();
        // From here on messages leave the ring to be thrown away.
        shared.info().begin_discard(shared.ring.taken(&state.reader));
        let close = || leaving(shared, state).close_and_abandon();
        let gone = shared.close_by_receiver(CloseCause::ReceiverDropped, close, panic);
        // The waker goes now: it may keep alive the very task that owns a sender.
        if state.parked.is_some() && shared.ring.unpark() {
            // Somebody may have waited by `poll_recv`.
            shared.receive_waits.note_given_up();
            // SAFETY: the receiver ended its park.
            let waker = unsafe { shared.take_waker() };
            shared.receive_waits.add_up();
            panic.discard(waker);
        }
        gone
    }

    /// The rest of the ring was drained. False: not yet.
    fn try_go(self) -> bool {
        let (shared, state) = self.parts();
        leaving(shared, state).try_abandon()
    }
}

impl Shared {
    /// Hands the room just made, for `n` messages, to those who wait for it.
    #[inline(always)]
    fn serve_senders(&self, reader: &Reader, n: u64, room: Room, waker: Option<&Waker>) {
        if room != Room::Free {
            self.serve_senders_slow(reader, n, room, waker);
        }
    }

    /// Sees to the room of one message, which is owed. The plain case is that somebody waits for
    /// it.
    ///
    /// # Safety
    /// `reader` is this ring's, and `room` that of the message it popped last. Once for each, as
    /// [`Ring::move_due_head`](crate::ring::Ring::move_due_head), which says why that is unsafe.
    #[cold]
    #[inline(never)]
    unsafe fn make_room(&self, reader: &mut Reader, room: Room) {
        let room = if room == Room::Due {
            // SAFETY: the caller's word.
            unsafe { self.ring.move_due_head(reader) }
        } else {
            room
        };
        self.note_who_receives(reader, None);
        if room == Room::Held {
            // SAFETY: there is a capacity, or nobody could wait, and none would be held.
            if !unsafe { self.senders.queue() }.serve_first() {
                self.hand_out(1, true);
            }
        } else if room != Room::Seldom {
            self.hand_out(1, false);
        }
    }

    /// The same for one message from a list.
    ///
    /// # Safety
    /// As [`Shared::make_room`], of messages `T`, and its room is [`Room::DueInList`].
    #[cold]
    #[inline(never)]
    unsafe fn make_room_in_list<T>(&self, reader: &mut Reader) {
        // SAFETY: the caller's word.
        unsafe {
            let room = self.ring.receiving::<T, Listed>(reader).move_due_head_in_list();
            self.make_room(reader, room);
        }
    }

    /// The room of several messages, or of one that was dropped where it lay.
    #[cold]
    #[inline(never)]
    fn serve_senders_slow(&self, reader: &Reader, n: u64, room: Room, waker: Option<&Waker>) {
        self.note_who_receives(reader, waker);
        if room != Room::Seldom {
            self.hand_out(n, room == Room::Held);
        }
    }

    /// Where the path of a receive is slow anyway.
    #[inline]
    fn note_who_receives(&self, reader: &Reader, waker: Option<&Waker>) {
        match task::of_runtime() {
            Some(task) => self.info().note_receiver(Some(task), reader.head()),
            None => self.note_who_else_receives(reader, waker),
        }
    }

    #[cold]
    #[inline(never)]
    fn note_who_else_receives(&self, reader: &Reader, waker: Option<&Waker>) {
        // A plain thread outside of every runtime is known by its blocking calls alone.
        let same_thread =
            || self.info().last_receiver().0.filter(|last| task::is_this_thread(*last));
        let task = task::current(waker).or_else(same_thread);
        self.info().note_receiver(task, reader.head());
    }

    /// Hands out what a pop holds, or what it gave back. The message is owed.
    #[cold]
    #[inline(never)]
    fn hand_out(&self, n: u64, held: bool) {
        let (hand, owed) = if held { (n, 0) } else { (0, n) };
        OwesValue::settle(|panic| {
            let left = self.queue().serve(hand, owed, self, panic);
            if left > 0 {
                step("pop: nobody waits");
                // The bit has outlived the wait that it was set for.
                self.ring.clear_waiting();
                step("pop: bit cleared");
                if !self.queue().is_empty_sc() {
                    // Later pops serve them. What is left now they have seen: it was given up at a
                    // look that found nobody, or no room.
                    self.ring.set_waiting();
                }
            }
        });
    }
}

/// The receiver's way out of the ring.
#[inline(always)]
fn leaving<'a>(shared: &'a Shared, state: &'a ReceiverState) -> Leaving<'a, Cold> {
    // SAFETY: its reader. The receiver's drop alone comes here, and not after a success.
    unsafe { shared.ring.leaving(&state.reader) }
}

// As the receiver; a receive future borrows this alone. A panic leaves no channel half-changed.
impl<T> core::panic::RefUnwindSafe for Consumer<T> {}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.chan.order.begin_close();
        OwesNothing::settle(|panic| {
            let gone = self.erased().goes(panic);
            // Throw away what is left, on past panicking drops, until nothing more can come: a
            // claim that is on its way is awaited, and later permits see that the receiver is gone.
            let backoff = Backoff::new();
            while !gone && !self.erased().try_go() {
                if self.discard_next(panic) {
                    while self.discard_next(panic) {}
                } else {
                    backoff.snooze();
                }
            }
        });
    }
}
