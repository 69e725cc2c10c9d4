//! What both sides share: the two words, waiting and closing, and the gauges.
//!
//! Each operation is one step on one word; the argument is in [`super`]. Nothing here knows a waker
//! or a waiter: operations return the facts (`Claim::was_parked`, `Room::WaitedFor`, ...) and
//! `chan` acts on them. The producers' steps are in [`super::producer`], the receiver's in
//! [`super::receiver`].
//!
//! # All steps on the words
//!
//! | word | step | if | becomes | in |
//! |---|---|---|---|---|
//! | T | claim *n* slots | not CLOSED, room for *n*, nobody waits | `pos + n`, RX_PARKED off | `claim_from`, `take_capacity` |
//! | T | take *n* permits | not CLOSED, room for *n*, no more than [`MAX_RESERVED`] are out then; nobody waits, or they are for who waits | `res + n` | `take_capacity`, `reserve_up_to` |
//! | T | take no permit | not CLOSED | as it is | `take_capacity` |
//! | T | claim with a permit | not RX_GONE | `pos + 1`, `res - 1`, RX_PARKED off | `claim_reserved` |
//! | T | give *n* permits back | | `res - n`; RX_PARKED off if it is CLOSED, and none is out any more or TX_GONE | `release` |
//! | T | park | `pos` is the head, and it is open, or a permit is out and not TX_GONE | RX_PARKED | `park` |
//! | T | take the park back | RX_PARKED | RX_PARKED off | `unpark` |
//! | T | the receiver closes | not CLOSED when it looked | CLOSED | `close` |
//! | T | the last sender goes | | CLOSED, TX_GONE, RX_PARKED off | `close_by_senders` |
//! | T | the receiver closes, to go | | CLOSED; RX_GONE too if `pos` is the head | `close_and_abandon` |
//! | T | the receiver has drained and goes | `pos` is the head; CLOSED, by its step before | RX_GONE | `try_abandon` |
//! | T | look, as a step | | as it is | `claimed_so_far`, `stays_parked` |
//! | H | take *n* messages, free their room | | `pos + n` | `free_room` |
//! | H | take *n* messages, hold their room | TX_WAITING; the words can count all permits | `pos + n`, `held + n` | `hold_room` |
//! | H | come to wait | | TX_WAITING | `set_waiting` |
//! | H | nobody waits any more | | TX_WAITING off | `clear_waiting` |
//! | `head_cache` | tell of a newer head | it is as it was read | that head | `publish_head` |

use core::mem::{MaybeUninit, offset_of};
use core::num::NonZero;

use super::blocks::{Front, List, Recent, Space};
use super::forced::Forced;
use super::pos::{Head, MAX_LEN, MAX_RESERVED, Pos, Tail};
use super::reader::Reader;
use super::storage::Storage;
use crate::sync::{AtomicU64, LoadSeqCst, Ordering};

/// The shared state of a ring; the receiver's private part is [`Reader`], which the owner of the
/// ring keeps.
///
/// What one side writes with each message must share no cache line with what the other side writes,
/// nor with what both read: a write takes the line away from all others (false sharing). An
/// alignment to lines would see to that, but then the allocator leaves its fast path, which costs
/// as much as all the rest of a channel's creation. So the parts are kept apart by distance: bytes
/// that are [`LINE`] or more apart share no line wherever the memory begins. Between the two sides
/// lies `cold`, what the owner of the ring has to keep and seldom writes; where nothing of use
/// fits, a [`Gap`].
#[repr(C)]
pub(crate) struct Ring<Cold = ()> {
    pub(super) producers: ProducerLine,
    pub(crate) cold: Cold,
    pub(super) receiver: ReceiverLine,
    _apart: Gap,
    /// From here on little is written once the ring is made. Of a list, the block where producers
    /// begin to look, once a block: beside T the receiver's look at it would take T from them.
    recent: Recent,
    pub(super) storage: Storage,
    /// As it was asked for; none for an unbounded channel.
    capacity: Option<NonZero<u64>>,
    /// What is enforced: the capacity, or what the words can count.
    pub(super) limit: u64,
    /// The number of the first message: telemetry counts from there.
    first: u64,
}

/// Bytes of a cache line. (Those of x86-64 are fetched in pairs: the two sides are a pair apart.)
const LINE: usize = if cfg!(target_arch = "aarch64") { 128 } else { 64 };

/// Bytes that nobody uses, and that keep what lies before apart from what lies behind.
struct Gap(#[allow(dead_code)] MaybeUninit<[u8; LINE]>);

impl<Cold> Ring<Cold> {
    pub(crate) const LINE: usize = LINE;

    /// Where the words of the two sides lie: producers' first and last byte, then the receiver's.
    pub(crate) const LINES: [usize; 4] = [
        offset_of!(Self, producers),
        offset_of!(Self, producers) + size_of::<ProducerLine>(),
        offset_of!(Self, receiver),
        offset_of!(Self, receiver) + size_of::<ReceiverLine>(),
    ];
}

/// What kind of ring to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// None: unbounded. Never 0.
    pub(crate) capacity: Option<u64>,
    pub(crate) forced: Forced,
}

#[repr(C)]
pub(super) struct ProducerLine {
    /// T: see [`Tail`].
    pub(super) tail: AtomicU64,
    /// The newest head a producer has told the others of, without its flag: a lower bound of H.
    pub(super) head_cache: AtomicU64,
}

pub(super) struct ReceiverLine {
    /// H: see [`Head`].
    pub(super) head: AtomicU64,
    /// Mirror of [`Reader::head`], messages taken, in full, as it was less than a lap ago.
    pub(super) popped: AtomicU64,
    /// Mirror of [`Reader::watermark`].
    pub(super) watermark: AtomicU64,
    /// Of a list of blocks: the oldest one.
    pub(super) front: Front,
}

/// One consistent reading of both words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occupancy {
    /// Messages that left the ring since creation.
    pub(crate) popped: u64,
    /// Messages in the ring: claimed, whether published or not.
    pub(crate) len: u64,
    /// Permits that are out.
    pub(crate) reserved: u64,
    pub(crate) tail: Tail,
}

impl<Cold> Ring<Cold> {
    /// Makes a ring for messages of type `T`; every `T` below means this one. In place: a ring that
    /// is returned is copied more than once, and that costs as much as all the rest. `cold` takes
    /// its reader.
    ///
    /// # Safety
    /// `at` is memory for it, and nobody else's. So is `space`, in which a list may begin; it lives
    /// as long.
    #[inline(always)]
    pub(crate) unsafe fn init<T>(
        at: *mut Self,
        shape: Shape,
        space: Option<Space>,
        cold: impl FnOnce(Reader) -> Cold,
    ) {
        let Shape { capacity, forced } = shape;
        let limit = capacity.unwrap_or(MAX_LEN).min(MAX_LEN);
        // SAFETY: the caller's word.
        let (storage, first) = unsafe { Storage::new::<T>(limit, forced, space) };
        let head = Head::at(first.start);
        // SAFETY: the caller's word. Each field is written once; a gap holds nothing.
        unsafe {
            (&raw mut (*at).producers).write(ProducerLine {
                tail: AtomicU64::new(Tail::at(head.pos()).0),
                head_cache: AtomicU64::new(head.0),
            });
            (&raw mut (*at).cold).write(cold(Reader::new(&first)));
            (&raw mut (*at).receiver).write(ReceiverLine {
                head: AtomicU64::new(head.0),
                popped: AtomicU64::new(first.start),
                watermark: AtomicU64::new(0),
                front: Front::new(first.block.0),
            });
            (&raw mut (*at).recent).write(Recent::new(first.block.0));
            (&raw mut (*at).storage).write(storage);
            (&raw mut (*at).capacity).write(capacity.and_then(NonZero::new));
            (&raw mut (*at).limit).write(limit);
            (&raw mut (*at).first).write(first.start);
        }
    }

    /// None: unbounded.
    #[inline]
    pub(crate) fn capacity(&self) -> Option<u64> {
        self.capacity.map(NonZero::get)
    }

    /// The most permits that one holder can have.
    #[inline]
    pub(crate) fn max_reserved(&self) -> u64 {
        self.limit.min(MAX_RESERVED)
    }

    /// The list of blocks.
    ///
    /// # Safety
    /// The storage is a list of `T`.
    #[inline]
    pub(super) unsafe fn list<T>(&self) -> List<'_, T> {
        // SAFETY: they began with its first block.
        unsafe { List::new(&self.recent, &self.receiver.front) }
    }

    #[inline]
    pub(crate) fn tail(&self) -> Tail {
        // ORDERING(D1): Acquire. Pairs with the Release half of D1 in `close`: who sees CLOSED sees
        // what the closer did before.
        Tail(self.producers.tail.load(Ordering::Acquire))
    }

    /// The compare-and-swap that every step on T is made of. It gives back the newer word.
    #[inline]
    pub(super) fn swap_tail(&self, from: Tail, to: Tail) -> Result<(), Tail> {
        // ORDERING(K1, D1, C1, E5, W2): SeqCst. Release: publishes the waker cell to whoever ends
        // the park (K1), and what the closer did to whoever sees CLOSED (D1). Acquire: the other
        // ends of the same pairs, and of E5 in `claimed_so_far`. SeqCst: pairs with W2 in
        // `tail_sc`: of an arrival and a step that gives capacity back or closes, one sees the
        // other. A failure must be Acquire: its word is used for the next decision.
        let swap =
            self.producers.tail.compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Acquire);
        swap.map(drop).map_err(Tail)
    }

    #[inline]
    pub(super) fn head(&self) -> Head {
        // ORDERING(C1): Acquire. Pairs with C1 in `hold_room` and `free_room`: the slots behind
        // this head are free.
        Head(self.receiver.head.load(Ordering::Acquire))
    }

    // ---------------------------------------------------------------- waiting and closing

    /// The tail, for one who has just arrived in the line.
    pub(crate) fn tail_sc(&self) -> Tail {
        // ORDERING(W2, C1, D1): SeqCst. Pairs with W2 in `swap_tail`: capacity that came back
        // before, or closing, is seen here; who brings it later sees the arrival. Acquire: as
        // `tail`.
        Tail(self.producers.tail.load_sc())
    }

    /// The head, likewise.
    pub(super) fn head_sc(&self) -> Head {
        // ORDERING(W1, C1): SeqCst. Pairs with W1 in `free_room` and `clear_waiting`, as `tail_sc`.
        // Acquire: as `head`.
        Head(self.receiver.head.load_sc())
    }

    /// From now on a pop reports that somebody waits.
    pub(crate) fn set_waiting(&self) {
        // Rarely, for it stays until the receiver finds nobody.
        if !self.head_sc().is_waiting() {
            // ORDERING(W1, C1): Relaxed. The look above is the SeqCst operation: it read a word
            // older than any step on H that finds the bit set here, and so comes before it. (For
            // one that stood, see `clear_waiting`.) A pop before this is seen by the look that
            // follows, since that finds this word or a newer one; and this goes on with the release
            // sequence of the pop (C1).
            self.receiver.head.fetch_or(Head::TX_WAITING, Ordering::Relaxed);
        }
    }

    /// Pops report nothing any more, and those before are seen by whoever comes to wait from now
    /// on. Only the receiver may call this, and looks for waiters once more then: so that nobody is
    /// stopped in between whose bit another one relies on.
    pub(crate) fn clear_waiting(&self) {
        // ORDERING(W1): SeqCst. Pairs with W1 in `head_sc`: whoever has seen the bit stand before
        // this, or the head of an earlier pop, is seen by the look that follows.
        self.receiver.head.fetch_and(!Head::TX_WAITING, Ordering::SeqCst);
    }

    /// The receiver closes: what is in the ring or permitted still arrives.
    pub(crate) fn close(&self) {
        // By a SeqCst load: if it was closed before, that step too comes before the looks that
        // follow (W2).
        if !self.tail_sc().is_closed() {
            self.update_tail(Tail::close);
        }
    }

    /// The last sender is gone. Permits that are still out were forgotten and can never be used, so
    /// they count no more. Returns the word before; a park that ended here is the caller's to wake.
    pub(crate) fn close_by_senders(&self) -> Tail {
        self.update_tail(|tail| tail.close().senders_gone().unpark()).0
    }

    pub(super) fn update_tail(&self, to: impl Fn(Tail) -> Tail) -> (Tail, Tail) {
        let mut tail = self.tail();
        loop {
            let next = to(tail);
            match self.swap_tail(tail, next) {
                Ok(()) => return (tail, next),
                Err(now) => tail = now,
            }
        }
    }

    // ---------------------------------------------------------------- gauges

    /// Both words at one instant. If the receiver pops during every retry, the reading is
    /// approximate: `len` may be too low by what was popped, `reserved` too high by what was held,
    /// or 0. Their sum never exceeds the capacity.
    pub(crate) fn occupancy(&self) -> Occupancy {
        // ORDERING(M7): Acquire. Pairs with M7 in `tell_head`: the heads that are read after this
        // are no older, and not by a lap newer, unless we are stopped for one (see "Not
        // guaranteed").
        let known = self.receiver.popped.load(Ordering::Acquire);
        let mut before = self.head();
        for _ in 0..4 {
            let tail = self.tail();
            let head = self.head();
            if head.pos() == before.pos() {
                return self.occupied(known, head, tail);
            }
            before = head;
        }
        // The tail first: the head read after it is at least the one its claims relied on.
        let tail = self.tail();
        self.occupied(known, self.head(), tail)
    }

    /// [`Ring::occupancy`], where nobody else is.
    pub(crate) fn final_occupancy(&mut self) -> Occupancy {
        // ORDERING(M7, C1, D1): Relaxed. To the channel's last owner all that was done is
        // visible.
        let known = self.receiver.popped.load(Ordering::Relaxed);
        let head = Head(self.receiver.head.load(Ordering::Relaxed));
        let tail = Tail(self.producers.tail.load(Ordering::Relaxed));
        self.occupied(known, head, tail)
    }

    /// How many messages the receiver has taken.
    pub(crate) fn taken(&self, reader: &Reader) -> u64 {
        self.taken_at(reader.head())
    }

    /// How many the receiver had taken when message `head` was the next.
    pub(crate) fn taken_at(&self, head: u64) -> u64 {
        head - self.first
    }

    fn occupied(&self, known: u64, head: Head, tail: Tail) -> Occupancy {
        let len = tail.pos().since(head.pos());
        // A tail behind the head, read while the receiver ran on, counts as empty, and says nothing
        // of permits.
        let (len, reserved) = if len <= self.limit { (len, tail.reserved(head)) } else { (0, 0) };
        let reserved = if tail.is_senders_gone() { 0 } else { reserved.min(self.limit - len) };
        let popped = known + head.pos().since(Pos::of(known));
        Occupancy { popped: popped - self.first, len, reserved, tail }
    }

    /// How far ahead of the head a pop has found a published message, itself counted.
    pub(crate) fn watermark(&self) -> u64 {
        // ORDERING(M1): Relaxed. A gauge; pairs with M1 in `Watermark::raise`.
        let told = self.receiver.watermark.load(Ordering::Relaxed);
        // The receiver tells of more than one. A message that was taken was one.
        told.max(self.occupancy().popped.min(1))
    }

    /// Frees the list of blocks, if there is one.
    ///
    /// # Safety
    /// Nobody claims, publishes or takes a message any more.
    pub(super) unsafe fn free_list(&self) {
        if let Storage::Blocks { free } = self.storage {
            // SAFETY: `free` was chosen with the type of the list, and we are its last user.
            unsafe { free(self.receiver.front.take()) };
        }
    }
}

impl<Cold> Drop for Ring<Cold> {
    fn drop(&mut self) {
        // A channel's list was freed as its receiver went: its first block may lie beside the ring,
        // in what is dropped as a whole here. So this is for a ring that stands alone.
        // SAFETY: nobody else is there.
        unsafe { self.free_list() };
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    /// The receiver ran on between the looks at the two words: the older tail says too much against
    /// the newer head, or nothing.
    ///
    /// Seen to fail with: permits that are not cut to what the messages leave; and, a tail behind
    /// the head that says how many permits are out.
    #[test]
    fn an_inconsistent_reading_never_says_more_than_the_capacity() {
        let (ring, _reader) = Ring::new::<u8>(Shape::new(Some(4), 0, false));
        let empty = Tail::at(Pos::of(0));
        // Three messages and a permit; then two pops hold, which look like permits to the older
        // tail.
        let tail = empty.claim(3).reserve(1);
        let first = Head::at(0);
        let read = |head: Head, tail| {
            let now = ring.occupied(0, head, tail);
            (now.len, now.reserved, now.popped)
        };
        assert_eq!(read(first, tail), (3, 1, 0));
        assert_eq!(read(first.hold(2), tail), (1, 3, 2));
        // A head that is older than the claims it allowed.
        assert_eq!(read(first, empty.claim(3).reserve(4)), (3, 1, 0));
        // All that the tail knew of was taken, and more.
        assert_eq!(read(first.hold(4), tail), (0, 0, 4));
    }
}
