//! The receiver's steps: pop, park, leave; and the high watermark.

use core::ptr::NonNull;

use super::pos::{Head, MAX_RESERVED, Pos, Tail};
use super::protocol::Ring;
use super::slot;
use super::store::{Any, Cursor, Kind, Storage, Store, in_store};
use crate::sync::{AtomicU32, Ordering, step};

/// How often the receiver says how many messages it has taken in full: far more often than once in a lap of H, and rarely.
const MIRRORED: u64 = if cfg!(any(test, fuzzing)) { 4 } else { 1 << 20 };

/// What only the receiver touches: its head in full, and the high watermark.
#[derive(Debug)]
pub(crate) struct Reader {
    head: u64,
    /// As long as the head lies before this, a pop has nothing to think of. 0: TX_WAITING stood when it was last looked at, or
    /// was not looked at yet. (A look at H before each step would cost a quarter of a pop: the step would wait for it, and it
    /// for the step before.)
    plain_until: u64,
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

/// A position, its stamp, and where that will stand, worked out in advance.
#[derive(Debug)]
struct Place {
    pos: Pos,
    stamp: u32,
    /// None: its block was not there yet. In an array never none.
    at: Option<NonNull<AtomicU32>>,
}

impl Place {
    fn new(pos: Pos, at: Option<NonNull<AtomicU32>>) -> Self {
        Self { pos, stamp: pos.stamp(), at }
    }
}

// SAFETY: the address is followed by the receiver only, where it says why it may.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Reader {
    /// A receiver whose first message has number `start`, and the stamp of its slot; a list begins with
    /// block `first`.
    #[inline(always)]
    pub(super) fn new(start: u64, stamp: NonNull<AtomicU32>, first: *mut ()) -> Self {
        Self {
            head: start,
            plain_until: 0,
            watermark: 0,
            beyond: Place::new(Pos::of(start), Some(stamp)),
            at: Cursor(first),
            left: Cursor(first),
            probe: Cursor(first),
        }
    }

    /// The number of the next message to be taken.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Its position.
    #[inline]
    pub(crate) fn pos(&self) -> Pos {
        Pos::of(self.head)
    }
}

/// What became of the room of messages that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is free, and nobody waits for it.
    Free,
    /// It is free, and somebody may wait for it.
    WaitedFor,
    /// The caller has it, as permits, for those who wait.
    Held,
    /// The head has not moved yet: the caller calls [`Ring::move_due_head`], which says more. Only where
    /// it is more than a step, so that a plain pop is short.
    Due,
}

/// What [`Ring::pop_if`] found.
pub(crate) enum Popped<T> {
    /// The message, and what became of its room.
    Message(T, Room),
    /// There is one, which may not be taken.
    Refused,
    /// There is none.
    Nothing,
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

impl<Cold> Ring<Cold> {
    /// The next message where it lies, if it is published: for who drops it there, and moves on
    /// with [`Ring::skip`].
    ///
    /// # Safety
    /// As [`Ring::pop_if`].
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

    /// Moves on over a message that [`Ring::peek`] found, and that was dropped there.
    ///
    /// # Safety
    /// As [`Ring::pop_if`]; the message is gone.
    pub(crate) unsafe fn skip<T>(&self, reader: &mut Reader) -> Room {
        // SAFETY: the caller's word.
        unsafe {
            in_store!(self, T, |store| {
                self.probe_watermark(store, reader);
                self.advance::<T, Any, _>(store, reader, 1)
            })
        }
    }

    /// Takes the next message, if it is published, and says what became of its room.
    ///
    /// # Safety
    /// As [`Ring::pop_if`].
    #[cfg(any(test, parshall_loom_inside))]
    pub(super) unsafe fn pop<T>(&self, reader: &mut Reader) -> Option<(T, Room)> {
        // SAFETY: the caller's word.
        let Popped::Message(value, room) = (unsafe { self.pop_if::<T, Any>(reader, || true) })
        else {
            return None;
        };
        Some((value, if room == Room::Due { self.move_due_head(reader) } else { room }))
    }

    /// Takes the next message, if it is published and `may` says yes, which is asked only then.
    ///
    /// # Safety
    /// `T` is the type of this ring, `K` its kind, and `reader` its reader. If the room is
    /// [`Room::Due`], the head is moved before anything else is done with `reader`.
    #[inline(always)]
    pub(crate) unsafe fn pop_if<T, K: Kind>(
        &self,
        reader: &mut Reader,
        may: impl FnOnce() -> bool,
    ) -> Popped<T> {
        // SAFETY: the caller's word.
        unsafe {
            if K::UNBOUNDED {
                return self.pop_from::<T, K, _>(self.list::<T>(), reader, may);
            }
            match &self.storage {
                Storage::Array(array) => self.pop_from::<T, K, _>(array.of::<T>(), reader, may),
                Storage::Blocks { .. } => self.pop_from_list(reader, may),
            }
        }
    }

    /// Out of line, so that a receive from an array is short.
    #[inline(never)]
    unsafe fn pop_from_list<T>(
        &self,
        reader: &mut Reader,
        may: impl FnOnce() -> bool,
    ) -> Popped<T> {
        // SAFETY: the caller's word.
        unsafe { self.pop_from::<T, Any, _>(self.list::<T>(), reader, may) }
    }

    #[inline(always)]
    unsafe fn pop_from<'a, T: 'a, K: Kind, S: Store<'a, T>>(
        &self,
        store: S,
        reader: &mut Reader,
        may: impl FnOnce() -> bool,
    ) -> Popped<T> {
        let pos = reader.pos();
        // SAFETY: the type is the caller's word. Published, at the head, and the head moves on.
        unsafe {
            let Some(slot) = store.seek(pos, &mut reader.at) else { return Popped::Nothing };
            if !slot.is_published(pos) {
                return Popped::Nothing;
            }
            if !may() {
                return Popped::Refused;
            }
            self.probe_watermark(store, reader);
            let value = slot.read();
            let room = if S::IS_LIST {
                self.advance::<T, K, S>(store, reader, 1)
            } else if reader.head + 1 < reader.plain_until {
                reader.head += 1;
                let room = self.free_room(reader, 1, true);
                step("pop: head moved");
                room
            } else {
                Room::Due
            };
            Popped::Message(value, room)
        }
    }

    /// Appends up to `limit` published messages to `buffer` and moves the head once. Returns how
    /// many, and what became of their room.
    ///
    /// # Safety
    /// As [`Ring::pop_if`].
    pub(crate) unsafe fn pop_many<T>(
        &self,
        reader: &mut Reader,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> (usize, Room) {
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
                    return (0, Room::Free);
                }
                // After the reads, so that `beyond` lies ahead of where the head goes. It cannot panic.
                self.probe_watermark(store, reader);
                (n, self.advance::<T, Any, _>(store, reader, n as u64))
            })
        }
    }

    /// Moves the head over `n` messages that were read.
    ///
    /// # Safety
    /// `reader` is this ring's, `store` its slots, and [`Ring::probe_watermark`] was called.
    #[inline]
    unsafe fn advance<'a, T: 'a, K: Kind, S: Store<'a, T>>(
        &self,
        store: S,
        reader: &mut Reader,
        n: u64,
    ) -> Room {
        reader.head += n;
        // Nobody waits for room in an unbounded channel.
        let bounded = !K::UNBOUNDED && (!S::IS_LIST || self.capacity.is_some());
        let room = if reader.head < reader.plain_until {
            self.free_room(reader, n, bounded)
        } else {
            self.move_head(reader, n, bounded)
        };
        step("pop: head moved");
        if S::IS_LIST && reader.left != reader.at {
            reader.left = reader.at;
            // Twice what these messages can have drained: enough to catch up, and never much at once.
            let most = 2 + n as usize / 8;
            // SAFETY: all before `at` was read. `probe` is in the block of `beyond`, which is ahead of the
            // head, or in the last one that was linked when we looked for that, and so not before `at`.
            unsafe { store.leave_behind(reader.pos(), reader.at, most) };
        }
        room
    }

    /// Moves the head over a message that [`Ring::pop_if`] took from an array.
    #[inline]
    pub(crate) fn move_due_head(&self, reader: &mut Reader) -> Room {
        reader.head += 1;
        let room = self.move_head_inline(reader, 1, true);
        step("pop: head moved");
        room
    }

    /// What a plain pop need not do: to hold the room, and to tell how many messages were taken in full. Apart, so that it is short.
    #[cold]
    #[inline(never)]
    fn move_head(&self, reader: &mut Reader, n: u64, bounded: bool) -> Room {
        self.move_head_inline(reader, n, bounded)
    }

    #[inline(always)]
    fn move_head_inline(&self, reader: &mut Reader, n: u64, bounded: bool) -> Room {
        let waited_for = bounded && reader.plain_until == 0;
        // The step may set it to 0 again.
        reader.plain_until = (reader.head / MIRRORED + 1) * MIRRORED;
        let held = waited_for && self.hold_room(reader, n);
        let room = if held { Room::Held } else { self.free_room(reader, n, bounded) };
        if reader.head & (MIRRORED - 1) < n {
            // ORDERING(M7): Release. Pairs with M7 in `occupancy`: who sees this sees that head, or a later one.
            self.consumer.popped.store(reader.head, Ordering::Release);
        }
        room
    }

    /// Moves the head and keeps the room, if TX_WAITING stands.
    #[inline]
    fn hold_room(&self, reader: &mut Reader, n: u64) -> bool {
        let head = self.own_head();
        // More permits than the words can count are out only where the capacity allows.
        if !head.is_waiting() || self.limit > MAX_RESERVED {
            return false;
        }
        reader.plain_until = 0;
        let next = head.hold(n);
        // INVARIANT(I6): while TX_WAITING stands, only the receiver changes H. So a store is a step, and it
        // frees nothing that others would have to be told of.
        // ORDERING(C1): Release. Pairs with C1 in `head`; producers write these slots only after our reads.
        self.consumer.head.store(next.0, Ordering::Release);
        self.keep_up_from(head, next);
        true
    }

    #[inline]
    fn free_room(&self, reader: &mut Reader, n: u64, bounded: bool) -> Room {
        if !bounded {
            // Nobody waits for room, so nothing has to be noticed in the same step.
            // ORDERING(C1): Release. Pairs with C1 in `head`.
            self.consumer.head.store(Head::at(reader.head).0, Ordering::Release);
            return Room::Free;
        }
        // ORDERING(C1, W1): SeqCst. Release: as above. SeqCst: pairs with W1 in `head_sc`; of an
        // arrival and a pop, one sees the other. A store could sit unseen while we read "nobody waits", and leave a
        // sender asleep beside a free slot.
        let old = self.consumer.head.fetch_add(Head::step(n), Ordering::SeqCst);
        if Head(old).is_waiting() {
            reader.plain_until = 0;
            Room::WaitedFor
        } else {
            Room::Free
        }
    }

    /// H, for the receiver.
    #[inline]
    fn own_head(&self) -> Head {
        // ORDERING(W1): Relaxed. Our own word, but for the bit, which only we clear.
        Head(self.consumer.head.load(Ordering::Relaxed))
    }

    /// What the receiver finds claimed is all taken, the channel is closed, and no permit is out: nothing will ever
    /// come.
    pub(crate) fn is_drained(&self, tail: Tail, reader: &Reader) -> bool {
        tail.pos() == reader.pos() && tail.is_final(self.own_head())
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
        // SAFETY: the caller's word; and `beyond` is not behind the head, so its block is neither reused nor freed.
        unsafe {
            let Place { at, stamp, .. } = reader.beyond;
            // In an array it is always there.
            let at = if S::IS_LIST { at } else { Some(at.unwrap_unchecked()) };
            if at.is_none_or(|at| slot::seems(at.as_ref(), stamp)) {
                self.probe_again(store, reader);
            }
        }
    }

    /// Something is published at `beyond`, or its block was not there when we looked.
    ///
    /// # Safety
    /// As [`Ring::probe_watermark`].
    #[cold]
    #[inline(never)]
    unsafe fn probe_again<'a, T: 'a, S: Store<'a, T>>(&self, store: S, reader: &mut Reader) {
        // SAFETY: the caller's word; `probe` follows `beyond`, and goes forward from there.
        unsafe {
            let mut pos = reader.beyond.pos;
            if S::IS_LIST && reader.beyond.at.is_none() {
                reader.beyond.at = Self::stamp_at(store, pos, &mut reader.probe);
                if !Self::seems_published(store, pos, &mut reader.probe) {
                    return;
                }
            }
            pos = reader.pos().plus(reader.watermark);
            if Self::seems_published(store, pos, &mut reader.probe) {
                pos = self.raise_watermark(store, reader);
            }
            // `pos` is not published, and the next pop asks for the one behind it.
            pos = pos.plus(1);
            reader.beyond = Place::new(pos, Self::stamp_at(store, pos, &mut reader.probe));
        }
    }

    /// Counts the message at `head + watermark`, and those behind it. Returns the first position that is not
    /// published. It stops at the capacity by itself: what lies that far ahead cannot be claimed yet.
    ///
    /// # Safety
    /// As [`Ring::probe_watermark`].
    #[cold]
    #[inline(never)]
    unsafe fn raise_watermark<'a, T: 'a, S: Store<'a, T>>(
        &self,
        store: S,
        reader: &mut Reader,
    ) -> Pos {
        loop {
            reader.watermark += 1;
            let pos = reader.pos().plus(reader.watermark);
            // SAFETY: the caller's word.
            if unsafe { !Self::seems_published(store, pos, &mut reader.probe) } {
                // ORDERING(M1): Relaxed. A gauge with one writer; pairs with M1 in `watermark`.
                self.consumer.watermark.store(reader.watermark, Ordering::Relaxed);
                return pos;
            }
        }
    }

    /// # Safety
    /// As [`Store::seek`].
    #[inline]
    unsafe fn seems_published<'a, T: 'a, S: Store<'a, T>>(
        store: S,
        pos: Pos,
        probe: &mut Cursor,
    ) -> bool {
        // SAFETY: the caller's word.
        unsafe { store.seek(pos, probe) }.is_some_and(|slot| slot::seems(slot.stamp, pos.stamp()))
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
            if self.is_drained(tail, reader) {
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

    /// Gives back what is drained, now that nothing is left to read: all of it, but for what a producer
    /// stands on.
    ///
    /// # Safety
    /// As [`Ring::pop_if`].
    #[inline]
    pub(crate) unsafe fn tidy<T>(&self, reader: &mut Reader) {
        if let Storage::Blocks { .. } = self.storage {
            // SAFETY: the caller's word.
            unsafe { self.tidy_list::<T>(reader) };
        }
    }

    /// # Safety
    /// As [`Ring::pop_if`], and there is a list.
    #[cold]
    #[inline(never)]
    unsafe fn tidy_list<T>(&self, reader: &mut Reader) {
        // SAFETY: the caller's word. A block goes if the head has reached the number with which it was passed, and that counts a
        // position in a later block. So a message of a later block was taken, and `probe` was no further back then (`advance`).
        unsafe { self.list::<T>().leave_behind(reader.pos(), reader.at, usize::MAX) };
    }

    /// Says that no receiver will come back, if the ring is empty, and frees its blocks. False: a message is
    /// still there or on its way. The channel must be closed, and stays empty from then on.
    ///
    /// # Safety
    /// `reader` is this ring's, and after `true` is not used again.
    pub(crate) unsafe fn try_abandon(&self, reader: &Reader) -> bool {
        let mut tail = self.tail();
        while tail.pos() == reader.pos() {
            match self.swap_tail(tail, tail.receiver_gone()) {
                Ok(()) => {
                    // SAFETY: all that was claimed is published and taken; claims find the channel closed,
                    // permits find the receiver gone, and the reader is not used again.
                    unsafe { self.free_list() };
                    return true;
                }
                Err(now) => tail = now,
            }
        }
        false
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;
    use crate::ring::Shape;

    /// Seen to fail with: stamps that saturate.
    #[test]
    fn b10_the_watermark_is_exact_whatever_the_order_of_sends_and_pops() {
        for (capacity, in_blocks) in (1..=6u64).flat_map(|n| [(n, false), (n, true)]) {
            for script in (0u32..1 << 12).step_by(if cfg!(miri) { 511 } else { 1 }) {
                let (ring, mut reader) = Ring::new::<u32>(Shape {
                    capacity: Some(capacity),
                    start: (1 << 32) - 3,
                    in_blocks,
                });
                let (mut len, mut peak) = (0, 0);
                for step in 0..12 {
                    if script >> step & 1 == 0 {
                        if let Ok(claim) = ring.claim_next() {
                            // SAFETY: the ring was made for `u32`.
                            unsafe { ring.put(claim, step) };
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

    /// A batch need not end at a multiple.
    ///
    /// Seen to fail with: `move_head` that tells only of a multiple that it has reached exactly. A lap of 2^36 later, `popped`
    /// would be a lap behind.
    #[test]
    fn b10_a_batch_over_a_multiple_tells_how_many_were_taken() {
        for in_blocks in [false, true] {
            let start = (1 << 36) - 6;
            let (ring, mut reader) =
                Ring::new::<u32>(Shape { capacity: Some(16), start, in_blocks });
            let mut popped = 0;
            for n in [3, 3, 2, 5] {
                for i in 0..n {
                    let claim = ring.claim_next().unwrap();
                    // SAFETY: the ring was made for `u32`.
                    unsafe { ring.put(claim, i) };
                }
                // SAFETY: the ring was made for `u32`, with this reader.
                let (taken, _) = unsafe { ring.pop_many(&mut reader, &mut Vec::<u32>::new(), 9) };
                popped += taken as u64;
                let told = ring.consumer.popped.load(Ordering::Relaxed);
                assert_eq!(told / MIRRORED, (start + popped) / MIRRORED, "{n}");
                assert_eq!(ring.occupancy().popped, popped);
            }
        }
    }
}
