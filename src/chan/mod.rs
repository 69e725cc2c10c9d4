//! A channel: the ring, its waiters and its handles put together.
//!
//! `ring` and `wait` return facts; this layer acts on them: who is woken, when the queue is served,
//! what closing means. A channel's state is one type, [`Shared`], whatever it carries; [`Chan`] is
//! the typed handle to it. What a handle or a wait gives back goes back in one function,
//! [`Shared::release`].
//!
//! Of the receiver there is, from the user's handle down:
//!
//! | | what it is |
//! |---|---|
//! | [`Consumer`] | the one handle, inside of the public ones |
//! | [`receive::Recv`] | a receive in progress |
//! | [`ReceiverState`](receiver_state::ReceiverState) | what it alone reads and writes, kept in the channel by [`ReceiverCell`] |
//! | [`Reader`](crate::ring::Reader) | the ring's part of that |
//! | [`receive::ErasedConsumer`] | the channel and that state, for the steps that do not concern messages |
//! | [`Receiving`](crate::ring::Receiving), [`Leaving`](crate::ring::Leaving) | it at its ring: for messages, and to go |
//! | [`RxWaker`] | the cell of its waker |

mod counts;
mod create;
#[cfg(any(
    all(feature = "introspect", not(parshall_loom_inside)),
    all(parshall_loom_inside, test)
))]
mod entries;
#[cfg(all(test, not(parshall_loom)))]
mod example;
mod info;
mod on_close;
mod owner;
mod park;
mod receive;
mod receive_waits;
mod receiver_state;
mod send;
mod send_future;
mod senders;
mod stage;
mod stats;
mod sums;
mod trace;
mod typed;

use core::mem::offset_of;
use core::task::Waker;

use crate::ring::{Ring, Space};
use crate::sync::order::Order;
use crate::sync::step;
use crate::unwind::{FirstPanic, Owes, OwesNothing, OwesValue};
use crate::wait::{RxWaker, Source, WaitQueue, WaitSums};

use counts::Counts;
use on_close::OnClose;
use receive_waits::ReceiveWaits;
use receiver_state::ReceiverCell;
use senders::Senders;

pub(crate) use crate::ring::{Forced, Shape};
pub(crate) use create::ChannelOptions;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub(crate) use entries::{Entries, Entry, Locked};
pub use info::CloseCause;
pub(crate) use info::Info;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub(crate) use info::Registration;
pub(crate) use owner::Owner;
pub(crate) use receive::{Consumer, Nothing};

pub(crate) use send::Missing;
#[cfg(feature = "sink")]
pub(crate) use send::{Acquire, Closed};
pub(crate) use send_future::GivesBack;

#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub use crate::wait::Call;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub(crate) use crate::wait::{QueuedWait, Waiter};
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub(crate) use receive_waits::ReceiveWait;
pub use stats::ChannelStats;
pub(crate) use sums::Sums;
pub(crate) use trace::Trace;
pub(crate) use typed::Chan;

/// Everything of a channel but the type of its messages.
///
/// In this order, for the reason that [`Ring`] gives: whoever clones or drops a handle writes
/// `counts`, and the count of owners before them, and must not take the tail's line from who
/// sends. What is seldom used lies between, and at the end, where a neighbour in memory begins.
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) counts: Counts,
    /// Written by the receiver that parks and by who wakes it, both of which step on the tail as
    /// well.
    rx_waker: RxWaker,
    /// Likewise.
    receive_waits: ReceiveWaits,
    on_close: OnClose,
    ring: Ring<Cold>,
    /// Sends and reserves that wait for room. Claims look at its beginning, as they look at the end
    /// of the ring.
    senders: Senders,
    /// Of operations, in a user's model. Else nothing.
    order: Order,
    /// Called when the channel's last handle goes.
    on_drop: Option<fn(&Self, Sums)>,
}

/// What lies between the senders' words and the receiver's.
#[repr(C)]
struct Cold {
    info: Info,
    /// Not cold: written with each message, as what lies behind it.
    receiver: ReceiverCell,
}

impl Shared {
    /// What is said above of distances. Loom's atomics have other sizes, and no lines.
    const APART: () = {
        const LINE: usize = Ring::<Cold>::LINE;
        let [tail, tail_ends, head, head_ends] = Ring::<Cold>::LINES;
        let ring = offset_of!(Self, ring);
        let receiver = offset_of!(Ring<Cold>, cold) + offset_of!(Cold, receiver);
        if cfg!(all(not(parshall_loom_inside), target_pointer_width = "64")) {
            assert!(ring + tail >= offset_of!(Self, rx_waker) + LINE);
            assert!(receiver >= tail_ends + 128 && receiver <= head);
            assert!(offset_of!(Self, senders) >= ring + head_ends + LINE);
        }
    };

    /// Written where it stays: see [`Ring::init`], which `ring` calls.
    ///
    /// # Safety
    /// `at` is memory for it, and nobody else's. `ring` makes the ring there.
    #[inline(always)]
    unsafe fn init(
        at: *mut Self,
        is_bounded: bool,
        on_drop: Option<fn(&Self, Sums)>,
        ring: impl FnOnce(*mut Ring<Cold>, Option<Space>),
    ) {
        let () = Self::APART;
        // SAFETY: as the caller says. Each field is written once; a gap holds nothing.
        unsafe {
            (&raw mut (*at).counts).write(Counts::new());
            (&raw mut (*at).rx_waker).write(RxWaker::new());
            (&raw mut (*at).receive_waits).write(ReceiveWaits::default());
            (&raw mut (*at).on_close).write(OnClose::new());
            (&raw mut (*at).order).write(Order::new());
            (&raw mut (*at).on_drop).write(on_drop);
            let space = Senders::init(&raw mut (*at).senders, is_bounded);
            ring(&raw mut (*at).ring, space);
        }
    }

    #[inline]
    pub(crate) fn info(&self) -> &Info {
        &self.ring.cold.info
    }

    /// Those who wait for room. `None`: there is no capacity, and nobody can.
    #[inline(always)]
    fn senders(&self) -> Option<&WaitQueue> {
        // SAFETY: there is a capacity.
        self.ring.capacity().is_some().then(|| unsafe { self.senders.queue() })
    }

    /// The same, for one who waits.
    #[inline(always)]
    fn queue(&self) -> &WaitQueue {
        self.senders().expect("room is waited for only where there is a capacity")
    }

    /// Whether nobody waits for room. Whoever began to wait before the caller's last acquired step
    /// is seen; it may change at any time.
    #[inline(always)]
    fn nobody_waits(&self) -> bool {
        self.senders.line().is_empty(|arrivals| self.queue().is_empty_slow(arrivals))
    }

    /// An operation on permits begins, of a caller that has some: see [`Order`].
    #[inline(always)]
    pub(crate) fn begin(&self) {
        self.order.begin();
    }

    /// Gives `n` permits back, wakes a receiver that waited only for them, and serves who waits for
    /// room. Every road by which a handle or a wait gives capacity back ends here.
    /// What a server, a newcomer or closing puts back goes by [`Source::give_back`].
    pub(crate) fn release<O: Owes>(&self, n: u64) {
        if n == 0 {
            return;
        }
        self.order.gave_back();
        O::settle(|panic| {
            self.give_back(n, panic);
            step("release: given back");
            // The fault that `tests/scenarios` plants, to see that a diagnosis names it.
            #[cfg(not(parshall_lost_wakeup))]
            if let Some(senders) = self.senders() {
                senders.serve(0, n, self, panic);
            }
        });
    }

    /// [`Shared::wake_receiver`], for a message, by a call that owes a value. (Compiled in this
    /// crate, where all that it calls is inlined.)
    #[cold]
    #[inline(never)]
    fn wake_owing_value(&self) {
        OwesValue::settle(|panic| self.wake_receiver(panic));
    }

    /// Likewise, by one that owes nothing.
    #[cold]
    #[inline(never)]
    fn wake_owing_nothing(&self) {
        OwesNothing::settle(|panic| self.wake_receiver(panic));
    }

    /// Wakes the receiver. The caller's step on the tail ended its park.
    #[inline]
    fn wake_receiver(&self, panic: &mut FirstPanic) {
        self.receive_waits.note_end();
        // SAFETY: the park's end is one step of one thread, the caller's: the cell is ours.
        if let Some(waker) = unsafe { self.take_waker() } {
            step("wake: taken");
            panic.run(|| waker.wake());
        }
    }

    /// Takes the receiver's waker out of its cell. A look is told that it goes before it is gone.
    ///
    /// # Safety
    /// The caller ended the receiver's park, or is the receiver and its park failed.
    #[inline(always)]
    unsafe fn take_waker(&self) -> Option<Waker> {
        self.receive_waits.waker_goes();
        // SAFETY: the caller's word.
        unsafe { self.rx_waker.take() }
    }

    /// The receiver will take nothing that is not sent or permitted yet: from `close` on, which
    /// marks that in the ring.
    #[inline]
    fn close_by_receiver<R>(
        &self,
        cause: CloseCause,
        close: impl FnOnce() -> R,
        panic: &mut FirstPanic,
    ) -> R {
        self.info().note_close(cause);
        let closed = close();
        step("close: marked");
        self.fail_waiting(panic);
        closed
    }

    /// The channel was closed by the receiver.
    #[inline]
    fn fail_waiting(&self, panic: &mut FirstPanic) {
        self.fail_senders(panic);
        if let Some(line) = self.on_close.queue() {
            line.close(panic);
        }
    }

    /// Fails all who wait for room in a channel that is closed.
    fn fail_senders(&self, panic: &mut FirstPanic) {
        let left = self.senders().map_or(0, |senders| senders.close(panic));
        if left > 0 {
            self.give_back(left, panic);
        }
    }

    /// Strong senders. May change at any time, but 0 is final.
    pub(crate) fn sender_count(&self) -> usize {
        self.counts.strong()
    }

    /// One sender more, if there is one.
    pub(crate) fn upgrade(&self) -> bool {
        self.counts.upgrade()
    }

    /// One sender less; the last one closes.
    pub(crate) fn drop_sender(&self) {
        if !self.counts.drop_strong() {
            return;
        }
        self.order.begin();
        self.info().note_close(CloseCause::SendersDropped);
        let before = self.ring.close_by_senders();
        step("close: senders gone");
        OwesNothing::settle(|panic| {
            if before.is_parked() {
                self.wake_receiver(panic);
            }
            // Only forgotten futures can still wait; they must get no capacity.
            self.fail_senders(panic);
        });
    }

    /// Closed by either side. Once true, true for ever.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.order.begin();
        let closed = self.ring.tail().is_closed();
        if closed {
            self.saw_end();
        }
        closed
    }

    /// The caller is about to say that the channel is closed.
    #[inline(always)]
    fn saw_end(&self) {
        self.order.saw_closed();
        self.counts.saw_end(|| self.ring.tail().is_senders_gone());
    }

    /// Room was taken, for messages or permits.
    #[inline(always)]
    fn took_room(&self) {
        self.order.took(|| {
            let now = self.ring.occupancy();
            (now.popped + now.len + now.reserved).saturating_sub(self.max_capacity())
        });
    }

    /// Messages in the channel. May change at any time; never above the capacity.
    pub(crate) fn len(&self) -> u64 {
        self.order.begin();
        let len = self.ring.occupancy().len;
        self.info().report(len);
        len
    }

    /// How many messages will still come: at least those in the channel. Once it is closed, at most
    /// these and the permits that are out. Exact at one instant if the receiver asks.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.begin();
        let now = self.ring.occupancy();
        self.info().report(now.len);
        let most = || usize::try_from(now.len + now.reserved).ok();
        (now.len as usize, if now.tail.is_closed() { most() } else { None })
    }

    /// That of an unbounded channel is without limit.
    pub(crate) fn max_capacity(&self) -> u64 {
        self.ring.capacity().unwrap_or(u64::MAX)
    }

    /// What a send could take right now: 0 while anybody waits.
    pub(crate) fn capacity(&self) -> u64 {
        self.order.begin();
        if !self.nobody_waits() {
            return 0;
        }
        let now = self.ring.occupancy();
        self.max_capacity().saturating_sub(now.len + now.reserved)
    }
}

impl Drop for Shared {
    #[inline]
    fn drop(&mut self) {
        let is_bounded = self.ring.capacity().is_some();
        if let Some(on_drop) = self.on_drop {
            // SAFETY: there is a capacity.
            let sums = |senders: &mut Senders| unsafe { senders.queue_mut() }.final_sums();
            let waits = if is_bounded { sums(&mut self.senders) } else { WaitSums::default() };
            let receives = self.receive_waits.final_sums();
            let last = self.ring.final_occupancy();
            on_drop(self, self.sums_at(last, waits, receives));
        }
        if is_bounded {
            // SAFETY: there is a capacity, and nobody is there any more.
            unsafe { self.senders.drop_queue() };
        }
    }
}

/// The line of those who wait for room takes it straight from the ring.
impl Source for Shared {
    fn take(&self, want: u64) -> Option<u64> {
        self.ring.reserve_up_to(want)
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.ring.is_full()
    }

    fn has_room(&self) -> bool {
        self.ring.has_room_for_one()
    }

    fn give_back(&self, n: u64, panic: &mut FirstPanic) {
        let (before, after) = self.ring.release(n);
        if before.is_parked() && !after.is_parked() {
            self.wake_receiver(panic);
        }
    }

    fn is_closed(&self) -> bool {
        self.ring.tail_sc().is_closed()
    }

    fn set_waiting(&self) {
        self.ring.set_waiting();
    }
}

/// Where the callers of `Sender::closed` wait: it never has room, and only closes.
struct ClosedSource<'a>(&'a Ring<Cold>);

impl Source for ClosedSource<'_> {
    fn take(&self, _want: u64) -> Option<u64> {
        (!self.is_closed()).then_some(0)
    }

    fn is_full(&self) -> bool {
        !self.is_closed()
    }

    fn has_room(&self) -> bool {
        false
    }

    fn give_back(&self, _n: u64, _: &mut FirstPanic) {}

    fn is_closed(&self) -> bool {
        self.0.tail_sc().is_closed()
    }

    fn set_waiting(&self) {}
}
