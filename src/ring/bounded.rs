//! The bounded ring: claim, publish, pop, park and close, each one step on one word.
//!
//! The protocol and its argument are in [`super`]. Nothing here knows a waker or a waiter: each
//! operation returns the facts (`was_parked`, `was_queued`, ...) and `chan` acts on them.

use crossbeam_utils::CachePadded;

use super::pos::{Head, MAX_CAPACITY, Pos, Tail};
use super::slot::{Place, Slots, Storage};
use crate::sync::{AtomicU64, Backoff, Ordering};

/// The shared state of a bounded ring; the receiver's private part is [`Reader`].
pub(crate) struct Ring {
    producers: CachePadded<ProducerLine>,
    consumer: CachePadded<ConsumerLine>,
    slots: Storage,
    capacity: u64,
    /// The number of the first message: 0 but in tests.
    start: u64,
}

struct ProducerLine {
    /// T: see [`Tail`].
    tail: AtomicU64,
    /// The newest head a producer has told the others of: a lower bound of H.
    head_cache: AtomicU64,
}

struct ConsumerLine {
    /// H: see [`Head`].
    head: AtomicU64,
    /// Mirror of [`Reader::watermark`].
    watermark: AtomicU64,
}

/// What only the receiver touches: its head in full, and the high watermark.
#[derive(Debug)]
pub(crate) struct Reader {
    head: u64,
    watermark: u64,
    /// A place at or ahead of the head: until a message is published there, none can raise the
    /// watermark.
    beyond: Place,
}

impl Reader {
    /// The position of the next message to be taken.
    #[inline]
    pub(crate) fn pos(&self) -> Pos {
        Pos::of(self.head)
    }
}

/// A slot that its holder must publish.
#[derive(Debug)]
#[must_use = "a claimed slot that is never published stops the receiver for ever"]
pub(crate) struct Claim {
    pos: Pos,
    /// The claim ended the receiver's park: wake it after publishing.
    pub(crate) was_parked: bool,
}

/// Why a producer got no capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// No room, or somebody waits for it already.
    Full,
}

/// What a receiver that found nothing to read should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// Parked. The next claim wakes it, or the last sender's drop, or after closing the last permit's
    /// return.
    Parked,
    /// A slot is claimed and not yet published, or was published meanwhile: look again.
    InFlight,
    /// Closed, empty, and no permit is out: nothing will ever come.
    Drained,
}

/// How far grants let `head_cache` fall behind the head: far from a lap of 2^36, and rarely reached.
const MAX_LAG: u64 = if cfg!(any(test, parshall_loom, fuzzing)) { 2 } else { 1 << 32 };

/// After a lost race for T. Two steps of back-off, not one: the winner keeps the cache line for several
/// messages instead of one. Measured with 16 producers, 25 ns a message instead of 82, and 115 without any.
fn let_the_winner_go_on(backoff: &Backoff) {
    backoff.spin();
    backoff.spin();
}

/// One consistent reading of both words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occupancy {
    /// Messages that left the ring since creation.
    pub(crate) popped: u64,
    /// Messages in the ring: claimed, whether published or not.
    pub(crate) len: u64,
    pub(crate) tail: Tail,
}

impl Ring {
    /// A ring for messages of type `T`; every `T` below means this one. The first message gets
    /// number `start`, 0 except in tests of the wrap.
    #[track_caller]
    pub(crate) fn new<T>(capacity: u64, start: u64) -> (Self, Reader) {
        assert!(
            capacity <= MAX_CAPACITY,
            "capacity {capacity} is beyond {MAX_CAPACITY}, the largest bounded channel that is built so far"
        );
        let head = Head::at(start);
        let slots = Storage::new::<T>((capacity as usize).next_power_of_two(), head.pos());
        // SAFETY: made for `T`.
        let beyond = unsafe { slots.of::<T>() }.place(head.pos());
        let ring = Self {
            producers: CachePadded::new(ProducerLine {
                tail: AtomicU64::new(Tail::at(head.pos()).0),
                head_cache: AtomicU64::new(head.0),
            }),
            consumer: CachePadded::new(ConsumerLine {
                head: AtomicU64::new(head.0),
                watermark: AtomicU64::new(0),
            }),
            slots,
            capacity,
            start,
        };
        (ring, Reader { head: start, watermark: 0, beyond })
    }

    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    #[inline]
    pub(crate) fn tail(&self) -> Tail {
        // ORDERING(D1): Acquire. Pairs with the Release half of D1 in `close`: who sees CLOSED sees
        // what the closer did before.
        Tail(self.producers.tail.load(Ordering::Acquire))
    }

    // ---------------------------------------------------------------- producers

    /// Claims the next slot.
    #[inline]
    pub(crate) fn claim(&self) -> Result<Claim, Refused> {
        let old = self.take_capacity(1, Tail::claim)?;
        Ok(Claim { pos: old.pos(), was_parked: old.is_parked() })
    }

    /// Takes `n` permits at once, or none.
    #[inline]
    pub(crate) fn reserve(&self, n: u64) -> Result<(), Refused> {
        self.take_capacity(n, |tail| tail.reserve(n)).map(drop)
    }

    #[inline]
    fn take_capacity(&self, n: u64, to: impl Fn(Tail) -> Tail) -> Result<Tail, Refused> {
        let mut tail = self.tail();
        let backoff = Backoff::new();
        loop {
            let now = self.with_room(tail, n)?;
            if now == tail {
                match self.swap_tail(tail, to(tail)) {
                    Ok(()) => return Ok(tail),
                    Err(now) => tail = now,
                }
            } else {
                tail = now;
            }
            let_the_winner_go_on(&backoff);
        }
    }

    /// `tail` itself if `n` units may be taken from it, or else a newer word to be asked again.
    #[inline]
    fn with_room(&self, tail: Tail, n: u64) -> Result<Tail, Refused> {
        if tail.is_closed() {
            return Err(Refused::Closed);
        }
        // Nothing is always to be had.
        if n == 0 {
            return Ok(tail);
        }
        if tail.is_queued() {
            return Err(Refused::Full);
        }
        // ORDERING(C1): Acquire. Pairs with C1 in `refresh_room`, and through it with C1 in `advance`:
        // whoever relies on a head sees that the receiver is done with the slots behind it.
        let known = Head(self.producers.head_cache.load(Ordering::Acquire));
        if tail.used(known.pos()) + n <= self.capacity {
            return Ok(tail);
        }
        self.refresh_room(tail, n)
    }

    #[cold]
    #[inline(never)]
    fn refresh_room(&self, tail: Tail, n: u64) -> Result<Tail, Refused> {
        let head = self.head();
        let used = tail.used(head.pos());
        if used + n <= self.capacity {
            // ORDERING(C1): Release. Pairs with C1 in `with_room`. The maximum, so that it never goes
            // back: a producer stopped here for a lap of `pos` could otherwise show others a
            // head that looks ahead of the tail by less than the capacity.
            self.producers.head_cache.fetch_max(head.0, Ordering::Release);
            return Ok(tail);
        }
        // A tail read before that head may be old: Full only if it still stands. One that lies behind
        // the head is old for sure; if it is read once more, the swap that follows fails.
        let again = self.tail();
        if again == tail && used <= self.capacity { Err(Refused::Full) } else { Ok(again) }
    }

    /// The compare-and-swap that every step on T is made of. It gives back the newer word.
    #[inline]
    fn swap_tail(&self, from: Tail, to: Tail) -> Result<(), Tail> {
        // ORDERING(K1, D1, C1): AcqRel. Release: publishes the waker cell to whoever ends the park
        // (K1), and what the closer did to whoever sees CLOSED (D1). Acquire: the other ends of the
        // same pairs. A failure must be Acquire too: its word is used for the next decision.
        let swap =
            self.producers.tail.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire);
        swap.map(drop).map_err(Tail)
    }

    #[inline]
    fn head(&self) -> Head {
        // ORDERING(C1): Acquire. Pairs with C1 in `advance`: the slots behind this head are free.
        Head(self.consumer.head.load(Ordering::Acquire))
    }

    /// Turns one permit into a slot. `None`: the receiver is gone, and the permit is still out.
    #[inline]
    pub(crate) fn claim_reserved(&self) -> Option<Claim> {
        let backoff = Backoff::new();
        let mut tail = self.tail();
        while !tail.is_receiver_gone() {
            match self.swap_tail(tail, tail.claim_reserved()) {
                Ok(()) => return Some(Claim { pos: tail.pos(), was_parked: tail.is_parked() }),
                Err(now) => tail = now,
            }
            let_the_winner_go_on(&backoff);
        }
        None
    }

    /// Puts a message into a claimed slot and makes it visible to the receiver.
    ///
    /// # Safety
    /// `T` is the type of this ring, and the claim is of this ring.
    #[inline]
    pub(crate) unsafe fn publish<T>(&self, claim: Claim, value: T) {
        // SAFETY: the type is the caller's word; the claim is exclusive, and is consumed here.
        unsafe { self.slots.of::<T>().at(claim.pos).publish(claim.pos, value) }
    }

    /// Gives `n` permits back: the one place where permits fall without a message.
    /// Returns the word before and after; a park that ended here is the caller's to wake.
    pub(crate) fn release(&self, n: u64) -> (Tail, Tail) {
        self.update_tail(|tail| {
            let next = tail.unreserve(n);
            if next.is_final() { next.unpark() } else { next }
        })
    }

    /// Takes up to `want` permits for a waiter; with `last`, taking all of them clears TX_QUEUED in the
    /// same step. Only the server of the wait queue calls this.
    pub(crate) fn reserve_up_to(&self, want: u64, last: bool) -> u64 {
        let mut tail = self.tail();
        loop {
            let head = self.head();
            let used = tail.used(head.pos());
            let grant = want.min(self.capacity.saturating_sub(used));
            if tail.is_closed() || (grant == 0 && used <= self.capacity) {
                return 0;
            }
            self.keep_up(head);
            // A word so old that it lies behind the head fails here and is read anew.
            let next = tail.reserve(grant);
            let next = if last && grant == want { next.unqueue() } else { next };
            match self.swap_tail(tail, next) {
                Ok(()) => return grant,
                Err(now) => tail = now,
            }
        }
    }

    /// INVARIANT(I5): `head_cache` lies less than 2^36 behind the tail. Claims keep it by themselves:
    /// they rest on it, or on a head that they have put there. Grants rest on a head they read
    /// afresh, so a channel that is always full, and lives by grants alone, would leave the cache
    /// behind until a claim mistakes the distance of a whole lap for none.
    fn keep_up(&self, head: Head) {
        // ORDERING(C1): Acquire, Release. As `with_room` and `refresh_room`. Whoever claims from the tail that
        // the next swap installs, or a later one, sees this.
        let known = Head(self.producers.head_cache.load(Ordering::Acquire));
        if head.count().saturating_sub(known.count()) >= MAX_LAG {
            self.producers.head_cache.fetch_max(head.0, Ordering::Release);
        }
    }

    // ---------------------------------------------------------------- waiting and closing

    /// From now on no producer takes capacity without queueing, and a permit that is given back is
    /// reported as `is_queued`.
    pub(crate) fn set_queued(&self) {
        // ORDERING(W2): AcqRel. Pairs with W2 in `release`: a permit given back before this is
        // seen by the server's next look; one given back after it sees the bit.
        self.producers.tail.fetch_or(Tail::TX_QUEUED, Ordering::AcqRel);
    }

    pub(crate) fn clear_queued(&self) {
        // ORDERING(W2): AcqRel. See `set_queued`; the wait queue's lock orders the two.
        self.producers.tail.fetch_and(!Tail::TX_QUEUED, Ordering::AcqRel);
    }

    /// From now on a pop reports that somebody waits.
    pub(crate) fn set_waiting(&self) {
        // ORDERING(W1): AcqRel. Pairs with W1 in `advance`: a pop before this is seen by the
        // server's next look; one after it sees the bit.
        self.consumer.head.fetch_or(Head::TX_WAITING, Ordering::AcqRel);
    }

    pub(crate) fn clear_waiting(&self) {
        // ORDERING(W1): AcqRel. See `set_waiting`; the wait queue's lock orders the two.
        self.consumer.head.fetch_and(!Head::TX_WAITING, Ordering::AcqRel);
    }

    /// The receiver closes: what is in the ring or permitted still arrives. Returns the word before.
    pub(crate) fn close(&self) -> Tail {
        self.update_tail(Tail::close).0
    }

    /// The last sender is gone. Permits that are still out were forgotten and can never be used, so
    /// they are written off. Returns the word before; a park that ended here is the caller's to wake.
    pub(crate) fn close_by_senders(&self) -> Tail {
        self.update_tail(|tail| tail.unreserve(tail.reserved()).close().unpark()).0
    }

    fn update_tail(&self, to: impl Fn(Tail) -> Tail) -> (Tail, Tail) {
        let mut tail = self.tail();
        loop {
            match self.swap_tail(tail, to(tail)) {
                Ok(()) => return (tail, to(tail)),
                Err(now) => tail = now,
            }
        }
    }

    // ---------------------------------------------------------------- the receiver

    /// Whether the next message is there. Stays true until the receiver takes it.
    ///
    /// # Safety
    /// As [`Ring::pop`].
    pub(crate) unsafe fn is_published<T>(&self, reader: &Reader) -> bool {
        // SAFETY: the type is the caller's word.
        unsafe { self.slots.of::<T>() }.at(reader.pos()).is_published(reader.pos())
    }

    /// Takes the next message, if it is published, and says whether a sender waits for its room.
    ///
    /// # Safety
    /// `T` is the type of this ring, and `reader` its reader.
    #[inline]
    pub(crate) unsafe fn pop<T>(&self, reader: &mut Reader) -> Option<(T, bool)> {
        // SAFETY: the type is the caller's word.
        let slots = unsafe { self.slots.of::<T>() };
        let pos = reader.pos();
        let slot = slots.at(pos);
        if !slot.is_published(pos) {
            return None;
        }
        self.probe_watermark(slots, reader);
        // SAFETY: published, at the head, and the head moves on right below.
        let value = unsafe { slot.read() };
        Some((value, self.advance(reader, 1)))
    }

    /// Appends up to `limit` published messages to `buffer` and moves the head once. Returns how
    /// many, and whether a sender waits for their room.
    ///
    /// # Safety
    /// As [`Ring::pop`].
    pub(crate) unsafe fn pop_many<T>(
        &self,
        reader: &mut Reader,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> (usize, bool) {
        // SAFETY: the type is the caller's word.
        let slots = unsafe { self.slots.of::<T>() };
        let claimed = self.tail().pos().since(reader.pos());
        let limit = limit.min(claimed as usize);
        // All that may panic or call out comes before the first read.
        buffer.reserve(limit);
        let mut n = 0;
        while n < limit {
            let pos = reader.pos().plus(n as u64);
            let slot = slots.at(pos);
            if !slot.is_published(pos) {
                break;
            }
            // SAFETY: published, at or ahead of the head with all before it read, and the head
            // moves past it below: nothing in between can unwind.
            buffer.push(unsafe { slot.read() });
            n += 1;
        }
        if n == 0 {
            return (0, false);
        }
        // After the reads, so that `beyond` lies ahead of where the head goes. It cannot panic.
        self.probe_watermark(slots, reader);
        (n, self.advance(reader, n as u64))
    }

    /// Moves the head over `n` messages that were read.
    #[inline]
    fn advance(&self, reader: &mut Reader, n: u64) -> bool {
        reader.head += n;
        // ORDERING(C1, W1): AcqRel. Release: pairs with C1 in `head`; producers write these slots
        // only after our reads. Acquire and the RMW itself: pairs with W1 in `set_waiting`; of a
        // registration and a pop, the later one in this word sees the other. A store could sit
        // unseen while we read "nobody waits", and leave a sender asleep beside a free slot.
        let old = self.consumer.head.fetch_add(Head::step(n), Ordering::AcqRel);
        Head(old).is_waiting()
    }

    /// Keeps the high watermark: how far ahead of the head a published message has been found.
    ///
    /// Occupancy peaks just before the head moves, so looking before each move misses no peak of
    /// published messages. The mark rises if the message at `head + watermark` is published: it is never
    /// below the published run, and never above what is claimed. As long as a place before that one
    /// is not published, nothing need be worked out: `beyond` is such a place, never behind the
    /// head, and one load of its stamp is all that most pops pay.
    #[inline]
    fn probe_watermark<T>(&self, slots: Slots<'_, T>, reader: &mut Reader) {
        if cfg!(parshall_no_watermark) {
            return;
        }
        // SAFETY: a reader's place is made for its ring.
        if unsafe { !slots.seems_published(reader.beyond) } {
            return;
        }
        let next = reader.pos().plus(reader.watermark);
        if slots.at(next).seems_published(next) {
            self.raise_watermark(slots, reader);
        }
        // `head + watermark` is not published, and the next pop asks for the one behind it.
        reader.beyond = slots.place(reader.pos().plus(reader.watermark + 1));
    }

    /// The mark stops at the capacity by itself: what lies a whole capacity ahead of the head cannot
    /// be claimed yet.
    #[cold]
    #[inline(never)]
    fn raise_watermark<T>(&self, slots: Slots<'_, T>, reader: &mut Reader) {
        loop {
            reader.watermark += 1;
            let pos = reader.pos().plus(reader.watermark);
            if !slots.at(pos).seems_published(pos) {
                break;
            }
        }
        // ORDERING(M1): Relaxed. A gauge with one writer; pairs with M1 in `watermark`.
        self.consumer.watermark.store(reader.watermark, Ordering::Relaxed);
    }

    /// Parks the receiver if nothing is claimed beyond its head. Its waker must be in place.
    pub(crate) fn park(&self, reader: &Reader) -> Park {
        let mut tail = self.tail();
        loop {
            if tail.pos() != reader.pos() {
                return Park::InFlight;
            }
            if tail.is_final() {
                return Park::Drained;
            }
            // INVARIANT(I1): RX_PARKED implies pos == head. The swap holds only if `tail` is the
            // newest word, so the first claim after it clears the bit and owns the wake-up.
            match self.swap_tail(tail, tail.park()) {
                Ok(()) => return Park::Parked,
                Err(now) => tail = now,
            }
        }
    }

    /// Takes the receiver's own park back. False: somebody else ended it and owns the wake-up.
    pub(crate) fn unpark(&self) -> bool {
        let mut tail = self.tail();
        while tail.is_parked() {
            match self.swap_tail(tail, tail.unpark()) {
                Ok(()) => return true,
                Err(now) => tail = now,
            }
        }
        false
    }

    /// Says that no receiver will come back, if the ring is empty. False: a message is still there
    /// or on its way. The channel must be closed, and stays empty from then on.
    pub(crate) fn try_abandon(&self, reader: &Reader) -> bool {
        let mut tail = self.tail();
        while tail.pos() == reader.pos() {
            match self.swap_tail(tail, tail.receiver_gone()) {
                Ok(()) => return true,
                Err(now) => tail = now,
            }
        }
        false
    }

    // ---------------------------------------------------------------- gauges

    /// Both words at one instant. Exact unless the receiver pops at every try; then the length may
    /// be too low by what it took meanwhile, never negative and never above the capacity.
    pub(crate) fn occupancy(&self) -> Occupancy {
        let mut before = self.head();
        for _ in 0..4 {
            let tail = self.tail();
            let head = self.head();
            if head.count() == before.count() {
                return self.occupied(head, tail);
            }
            before = head;
        }
        // The tail first: the head read after it is at least the one its claims relied on.
        let tail = self.tail();
        self.occupied(self.head(), tail)
    }

    fn occupied(&self, head: Head, tail: Tail) -> Occupancy {
        let len = tail.pos().since(head.pos());
        // A tail behind the head, read while the receiver ran on, counts as empty.
        let len = if len <= self.capacity { len } else { 0 };
        Occupancy { popped: head.count() - self.start, len, tail }
    }

    /// How far ahead of the head a pop has found a published message, itself counted.
    pub(crate) fn watermark(&self) -> u64 {
        // ORDERING(M1): Relaxed. A gauge; pairs with M1 in `raise_watermark`.
        self.consumer.watermark.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel that lives by grants alone never refreshes the cache by claiming. A lap later a
    /// claim on the full ring must not find the cache a lap behind.
    #[test]
    fn grants_keep_the_cached_head_within_a_lap() {
        let (ring, mut reader) = Ring::new::<u8>(1, (1 << 36) - 5);
        for _ in 0..10 {
            assert_eq!(ring.reserve_up_to(1, true), 1);
            let claim = ring.claim_reserved().expect("the receiver is there");
            // SAFETY: the ring was made for `u8`.
            unsafe { ring.publish(claim, 7) };
            let known = Head(ring.producers.head_cache.load(Ordering::Relaxed));
            assert!(ring.head().count() - known.count() <= MAX_LAG);
            assert_eq!(ring.claim().map(drop), Err(Refused::Full));
            // SAFETY: the ring was made for `u8`, with this reader.
            unsafe { ring.pop::<u8>(&mut reader) }.unwrap();
        }
    }

    #[test]
    fn the_watermark_is_exact_whatever_the_order_of_sends_and_pops() {
        for capacity in 1..=6u64 {
            for script in 0u32..1 << 12 {
                let (ring, mut reader) = Ring::new::<u32>(capacity, (1 << 32) - 3);
                let (mut len, mut peak) = (0, 0);
                for step in 0..12 {
                    if script >> step & 1 == 0 {
                        if let Ok(claim) = ring.claim() {
                            // SAFETY: the ring was made for `u32`.
                            unsafe { ring.publish(claim, step) };
                            len += 1;
                        }
                        continue;
                    }
                    // SAFETY: the ring was made for `u32`, with this reader.
                    let popped = unsafe { ring.pop::<u32>(&mut reader) };
                    assert_eq!(popped.is_some(), len > 0);
                    if popped.is_some() {
                        peak = peak.max(len);
                        len -= 1;
                    }
                    assert_eq!(ring.watermark(), peak, "capacity {capacity}, script {script:b}");
                }
            }
        }
    }
}
