//! The protocol: claim, publish, pop, park and close, each one step on one word.
//!
//! Its argument is in [`super`]. Nothing here knows a waker or a waiter: each operation returns the
//! facts (`was_parked`, `was_queued`, ...) and `chan` acts on them.

use core::ptr::NonNull;

use crossbeam_utils::CachePadded;

use super::blocks::List;
use super::pos::{Head, MAX_LEN, MAX_RESERVED, Pos, Tail};
use super::slot;
use super::store::{Cursor, Storage, Store};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Backoff, Ordering};

/// The shared state of a ring; the receiver's private part is [`Reader`].
pub(crate) struct Ring {
    producers: CachePadded<ProducerLine>,
    consumer: CachePadded<ConsumerLine>,
    storage: Storage,
    /// As it was asked for; none for an unbounded channel.
    capacity: Option<u64>,
    /// What is enforced: the capacity, or what the words can count.
    limit: u64,
    /// The number of the first message: 0 but in tests.
    start: u64,
}

/// What kind of ring to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// None: unbounded.
    pub(crate) capacity: Option<u64>,
    /// The number of the first message, 0 but in tests of the wrap.
    pub(crate) start: u64,
    /// Blocks even if an array would do: for tests.
    pub(crate) in_blocks: bool,
}

struct ProducerLine {
    /// T: see [`Tail`].
    tail: AtomicU64,
    /// The newest head a producer has told the others of: a lower bound of H.
    head_cache: AtomicU64,
    /// Of a list of blocks: where producers look for theirs.
    hint: AtomicPtr<()>,
}

struct ConsumerLine {
    /// H: see [`Head`].
    head: AtomicU64,
    /// Mirror of [`Reader::watermark`].
    watermark: AtomicU64,
    /// Of a list of blocks: the oldest.
    front: AtomicPtr<()>,
}

/// What only the receiver touches: its head in full, and the high watermark.
#[derive(Debug)]
pub(crate) struct Reader {
    head: u64,
    watermark: u64,
    /// A place at or ahead of the head: until a message is published there, none can raise the
    /// watermark.
    beyond: Place,
    /// The block of the head, or the one before.
    at: Cursor,
    /// The block before which drained ones have been given back, as far as they could be.
    left: Cursor,
    /// The block of `beyond`, or the last before it.
    probe: Cursor,
}

/// A position and its stamp's address, worked out in advance.
#[derive(Debug)]
struct Place {
    pos: Pos,
    /// None: its block was not there yet.
    stamp: Option<NonNull<AtomicU32>>,
}

// SAFETY: the address is followed by the receiver only, where it says why it may.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

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
    /// The claim used up a permit, and somebody may have waited not for room but for that.
    pub(crate) freed_permit: bool,
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

/// Runs `$body` with the slots of `$ring`, whose type is `$T`, as `$store`.
macro_rules! in_store {
    ($ring:expr, $T:ty, |$store:ident| $body:expr) => {
        match &$ring.storage {
            Storage::Array(array) => {
                let $store = array.of::<$T>();
                $body
            }
            Storage::Blocks { .. } => {
                let $store = $ring.list::<$T>();
                $body
            }
        }
    };
}

impl Ring {
    /// A ring for messages of type `T`; every `T` below means this one.
    pub(crate) fn new<T>(shape: Shape) -> (Self, Reader) {
        let Shape { capacity, start, in_blocks } = shape;
        let limit = capacity.unwrap_or(MAX_LEN).min(MAX_LEN);
        let head = Head::at(start);
        let (storage, first) = Storage::new::<T>(limit, head.pos(), in_blocks);
        let ring = Self {
            producers: CachePadded::new(ProducerLine {
                tail: AtomicU64::new(Tail::at(head.pos()).0),
                head_cache: AtomicU64::new(head.0),
                hint: AtomicPtr::new(first),
            }),
            consumer: CachePadded::new(ConsumerLine {
                head: AtomicU64::new(head.0),
                watermark: AtomicU64::new(0),
                front: AtomicPtr::new(first),
            }),
            storage,
            capacity,
            limit,
            start,
        };
        let beyond = Place { pos: head.pos(), stamp: None };
        let reader = Reader {
            head: start,
            watermark: 0,
            beyond,
            at: Cursor(first),
            left: Cursor(first),
            probe: Cursor(first),
        };
        (ring, reader)
    }

    /// None: unbounded.
    #[inline]
    pub(crate) fn capacity(&self) -> Option<u64> {
        self.capacity
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
    unsafe fn list<T>(&self) -> List<'_, T> {
        // SAFETY: both began as the first block, and nothing else writes them.
        unsafe { List::new(&self.producers.hint, &self.consumer.front) }
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
        let old = self.take_capacity(1, 0, Tail::claim)?;
        Ok(Claim { pos: old.pos(), was_parked: old.is_parked(), freed_permit: false })
    }

    /// Takes `n` permits at once, or none.
    #[inline]
    pub(crate) fn reserve(&self, n: u64) -> Result<(), Refused> {
        self.take_capacity(n, n, |tail| tail.reserve(n)).map(drop)
    }

    /// Takes `n` units, `permits` of them as permits.
    #[inline]
    fn take_capacity(
        &self,
        n: u64,
        permits: u64,
        to: impl Fn(Tail) -> Tail,
    ) -> Result<Tail, Refused> {
        let mut tail = self.tail();
        let backoff = Backoff::new();
        loop {
            if tail.reserved() + permits > MAX_RESERVED {
                return Err(if tail.is_closed() { Refused::Closed } else { Refused::Full });
            }
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
        // ORDERING(C1): Acquire. Pairs with C1 in `refresh_room`, and through it with C1 in `move_head`:
        // whoever relies on a head sees that the receiver is done with the slots behind it.
        let known = Head(self.producers.head_cache.load(Ordering::Acquire));
        if tail.used(known.pos()) + n <= self.limit {
            return Ok(tail);
        }
        self.refresh_room(tail, n)
    }

    #[cold]
    #[inline(never)]
    fn refresh_room(&self, tail: Tail, n: u64) -> Result<Tail, Refused> {
        let head = self.head();
        let used = tail.used(head.pos());
        if used + n <= self.limit {
            // ORDERING(C1): Release. Pairs with C1 in `with_room`. The maximum, so that it never goes
            // back: a producer stopped here for a lap of `pos` could otherwise show others a
            // head that looks ahead of the tail by less than the capacity.
            self.producers.head_cache.fetch_max(head.0, Ordering::Release);
            return Ok(tail);
        }
        // A tail read before that head may be old: Full only if it still stands. One that lies behind
        // the head is old for sure; if it is read once more, the swap that follows fails.
        let again = self.tail();
        if again == tail && used <= self.limit { Err(Refused::Full) } else { Ok(again) }
    }

    /// The compare-and-swap that every step on T is made of. It gives back the newer word.
    #[inline]
    fn swap_tail(&self, from: Tail, to: Tail) -> Result<(), Tail> {
        // ORDERING(K1, D1, C1, L5): AcqRel. Release: publishes the waker cell to whoever ends the park
        // (K1), and what the closer did to whoever sees CLOSED (D1). Acquire: the other ends of the
        // same pairs, and of L5 in `claimed_so_far`. A failure must be Acquire too: its word is used for the next decision.
        let swap =
            self.producers.tail.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire);
        swap.map(drop).map_err(Tail)
    }

    #[inline]
    fn head(&self) -> Head {
        // ORDERING(C1): Acquire. Pairs with C1 in `move_head`: the slots behind this head are free.
        Head(self.consumer.head.load(Ordering::Acquire))
    }

    /// Turns one permit into a slot. `None`: the receiver is gone, and the permit is still out.
    #[inline]
    pub(crate) fn claim_reserved(&self) -> Option<Claim> {
        let backoff = Backoff::new();
        let mut tail = self.tail();
        while !tail.is_receiver_gone() {
            match self.swap_tail(tail, tail.claim_reserved()) {
                Ok(()) => {
                    return Some(Claim {
                        pos: tail.pos(),
                        was_parked: tail.is_parked(),
                        freed_permit: tail.is_queued() && self.limit > MAX_RESERVED,
                    });
                }
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
        // SAFETY: the claim is exclusive, and is consumed here.
        unsafe {
            in_store!(self, T, |store| {
                let slot = store.claimed(claim.pos, || self.claimed_so_far());
                slot.publish(claim.pos, value);
            });
        }
    }

    /// How far the claims are, as a step on T.
    fn claimed_so_far(&self) -> Pos {
        // ORDERING(L5): AcqRel. Release: pairs with the Acquire of each later claim (`swap_tail`), which sees
        // what was done before this. A load could miss claims that were made before it.
        Tail(self.producers.tail.fetch_or(0, Ordering::AcqRel)).pos()
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
            let grant =
                want.min(self.limit.saturating_sub(used)).min(MAX_RESERVED - tail.reserved());
            if tail.is_closed() || (grant == 0 && used <= self.limit) {
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
        // ORDERING(W1): AcqRel. Pairs with W1 in `move_head`: a pop before this is seen by the
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

    /// The next message where it lies, if it is published: for who drops it there, and moves on
    /// with [`Ring::skip`].
    ///
    /// # Safety
    /// As [`Ring::pop`].
    pub(crate) unsafe fn peek<T>(&self, reader: &mut Reader) -> Option<NonNull<T>> {
        let pos = reader.pos();
        // SAFETY: the caller's word.
        unsafe {
            in_store!(self, T, |store| {
                let slot = store.seek(pos, &mut reader.at)?;
                slot.is_published(pos).then(|| slot.message())
            })
        }
    }

    /// Moves on over a message that [`Ring::peek`] found, and that was dropped there. Nobody waits for
    /// its room: the channel is closed.
    ///
    /// # Safety
    /// As [`Ring::pop`]; the message is gone.
    pub(crate) unsafe fn skip<T>(&self, reader: &mut Reader) {
        // SAFETY: the caller's word.
        unsafe {
            in_store!(self, T, |store| {
                self.probe_watermark(store, reader);
                self.advance(store, reader, 1)
            });
        }
    }

    /// Takes the next message, if it is published, and says whether a sender waits for its room.
    ///
    /// # Safety
    /// `T` is the type of this ring, and `reader` its reader.
    #[inline]
    pub(crate) unsafe fn pop<T>(&self, reader: &mut Reader) -> Option<(T, bool)> {
        let pos = reader.pos();
        // SAFETY: the type is the caller's word. Published, at the head, and the head moves on.
        unsafe {
            in_store!(self, T, |store| {
                let slot = store.seek(pos, &mut reader.at)?;
                if !slot.is_published(pos) {
                    return None;
                }
                self.probe_watermark(store, reader);
                let value = slot.read();
                Some((value, self.advance(store, reader, 1)))
            })
        }
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
        let claimed = self.tail().pos().since(reader.pos());
        let limit = limit.min(claimed as usize);
        // All that may panic or call out comes before the first read.
        buffer.reserve(limit);
        let mut n = 0;
        // SAFETY: the caller's word; below.
        unsafe {
            in_store!(self, T, |store| {
                while n < limit {
                    let pos = reader.pos().plus(n as u64);
                    let Some(slot) = store.seek(pos, &mut reader.at) else { break };
                    if !slot.is_published(pos) {
                        break;
                    }
                    // Published, at or ahead of the head with all before it read, and the head
                    // moves past it below: nothing in between can unwind.
                    buffer.push(slot.read());
                    n += 1;
                }
                if n == 0 {
                    return (0, false);
                }
                // After the reads, so that `beyond` lies ahead of where the head goes. It cannot panic.
                self.probe_watermark(store, reader);
                (n, self.advance(store, reader, n as u64))
            })
        }
    }

    /// Moves the head over `n` messages that were read. True: somebody waits for their room.
    ///
    /// # Safety
    /// `reader` is this ring's, `store` its slots, and [`Ring::probe_watermark`] was called.
    #[inline]
    unsafe fn advance<'a, T: 'a, S: Store<'a, T>>(
        &self,
        store: S,
        reader: &mut Reader,
        n: u64,
    ) -> bool {
        reader.head += n;
        let waited_for = self.move_head(reader.head, n);
        if S::IS_LIST && reader.left != reader.at {
            reader.left = reader.at;
            // SAFETY: all before `at` was read, and `probe` is not there any more: `beyond` is ahead of
            // the head, or in a block that was not linked when we looked.
            unsafe { store.leave_behind(reader.pos(), reader.at) };
        }
        waited_for
    }

    #[inline]
    fn move_head(&self, head: u64, n: u64) -> bool {
        if self.capacity.is_none() {
            // Nobody waits for room, so nothing has to be noticed in the same step.
            // ORDERING(C1): Release. Pairs with C1 in `head`.
            self.consumer.head.store(Head::at(head).0, Ordering::Release);
            return false;
        }
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
    ///
    /// # Safety
    /// `reader` is this ring's, and `store` its slots.
    #[inline]
    unsafe fn probe_watermark<'a, T: 'a, S: Store<'a, T>>(&self, store: S, reader: &mut Reader) {
        if cfg!(parshall_no_watermark) {
            return;
        }
        if let Some(stamp) = reader.beyond.stamp {
            // SAFETY: `beyond` is not behind the head, so its block is neither reused nor freed.
            if !slot::seems_published(unsafe { stamp.as_ref() }, reader.beyond.pos) {
                return;
            }
        } else {
            // SAFETY: the caller's word; `probe` follows `beyond`, which never goes back.
            reader.beyond.stamp =
                unsafe { Self::stamp_at(store, reader.beyond.pos, &mut reader.probe) };
            if !reader.beyond.stamp.is_some_and(|stamp| {
                // SAFETY: as above.
                slot::seems_published(unsafe { stamp.as_ref() }, reader.beyond.pos)
            }) {
                return;
            }
        }
        // SAFETY: the caller's word; from `beyond` on forward.
        unsafe {
            let mut pos = reader.pos().plus(reader.watermark);
            let before = reader.watermark;
            while Self::stamp_at(store, pos, &mut reader.probe)
                .is_some_and(|stamp| slot::seems_published(stamp.as_ref(), pos))
            {
                reader.watermark += 1;
                pos = pos.plus(1);
            }
            if reader.watermark != before {
                // ORDERING(M1): Relaxed. A gauge with one writer; pairs with M1 in `watermark`.
                self.consumer.watermark.store(reader.watermark, Ordering::Relaxed);
            }
            // `pos` is not published, and the next pop asks for the one behind it.
            let pos = pos.plus(1);
            let stamp = Self::stamp_at(store, pos, &mut reader.probe);
            reader.beyond = Place { pos, stamp };
        }
    }

    /// # Safety
    /// As [`Store::seek`].
    #[inline]
    unsafe fn stamp_at<'a, T: 'a, S: Store<'a, T>>(
        store: S,
        pos: Pos,
        probe: &mut Cursor,
    ) -> Option<NonNull<AtomicU32>> {
        // SAFETY: the caller's word.
        unsafe { store.seek(pos, probe) }.map(|slot| NonNull::from(slot.stamp))
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
        let len = if len <= self.limit { len } else { 0 };
        Occupancy { popped: head.count() - self.start, len, tail }
    }

    /// How far ahead of the head a pop has found a published message, itself counted.
    pub(crate) fn watermark(&self) -> u64 {
        // ORDERING(M1): Relaxed. A gauge; pairs with M1 in `raise_watermark`.
        self.consumer.watermark.load(Ordering::Relaxed)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Storage::Blocks { free } = self.storage {
            // ORDERING(L4): Relaxed. Pairs with L4 in `leave_behind`, through the channel's `Arc`.
            let front = self.consumer.front.load(Ordering::Relaxed);
            // SAFETY: `free` was chosen with the type of the list, and we are its last user.
            unsafe { free(front) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(capacity: u64, start: u64, in_blocks: bool) -> Shape {
        Shape { capacity: Some(capacity), start, in_blocks }
    }

    /// A channel that lives by grants alone never refreshes the cache by claiming. A lap later a
    /// claim on the full ring must not find the cache a lap behind.
    #[test]
    fn grants_keep_the_cached_head_within_a_lap() {
        let (ring, mut reader) = Ring::new::<u8>(shape(1, (1 << 36) - 5, false));
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
        for (capacity, in_blocks) in (1..=6u64).flat_map(|n| [(n, false), (n, true)]) {
            for script in 0u32..1 << 12 {
                let (ring, mut reader) =
                    Ring::new::<u32>(shape(capacity, (1 << 32) - 3, in_blocks));
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
