//! The receiver's steps: pop, park, leave.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::blocks::List;
use super::pos::{Head, MAX_RESERVED, Tail};
use super::protocol::Ring;
use super::reader::Reader;
use super::storage::{Storage, in_store};
use super::store::{Flavor, Store};
use crate::sizes::{MAX_LAG, MIRRORED};
use crate::sync::{Ordering, step};
use crate::unwind::FirstPanic;

/// What became of the room of messages that were taken.
///
/// | of | told | when | if due, H is moved by |
/// |---|---|---|---|
/// | an array; a plain pop from a list | returned | after the read | [`Ring::move_due_head`] |
/// | any other from a list | to a closure | before the read | [`Receiving::move_due_head_in_list`] |
///
/// Of the last [`Room::Free`] is returned: nothing is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is free, and nobody waits for it.
    Free,
    /// Likewise, by one of the few slow steps: the first one, one a block of a list, one in
    /// [`MIRRORED`] messages, and one when nobody waits any more. A moment for what need not be
    /// done with each message.
    Seldom,
    /// It is free, and somebody may wait for it.
    WaitedFor,
    /// The caller has it, as permits, for those who wait.
    Held,
    /// H has not moved yet: the caller calls [`Ring::move_due_head`], which says more. Only where
    /// it is more than a step, so that a plain pop is short.
    Due,
    /// Likewise, of a list: [`Receiving::move_due_head_in_list`].
    DueInList,
}

/// What [`Receiving::pop_if`] found.
pub(crate) enum Popped<T> {
    /// The message, and what became of its room; [`Room::Free`] if `see_to_room` was told of it.
    Message(T, Room),
    /// There is one, which may not be taken.
    Refused,
    /// There is none.
    Nothing,
}

/// What a receiver that found nothing to read should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// Parked. The next claim wakes it, or the last sender's drop, or after closing the last
    /// permit's return.
    Parked,
    /// A slot is claimed and not yet published, or was published meanwhile: look again.
    InFlight,
    /// Closed, empty, and no permit is out: nothing will ever come.
    Drained,
}

/// The receiver at its ring, which is of flavor `F` and carries messages of type `T`: from
/// [`Ring::receiving`].
pub(crate) struct Receiving<'a, T, F, Cold> {
    ring: &'a Ring<Cold>,
    reader: &'a mut Reader,
    types: PhantomData<fn() -> (T, F)>,
}

/// The receiver on its way out, whatever the type of the messages is: from [`Ring::leaving`].
pub(crate) struct Leaving<'a, Cold> {
    ring: &'a Ring<Cold>,
    reader: &'a Reader,
}

impl<T, F: Flavor, Cold> Receiving<'_, T, F, Cold> {
    /// Takes the next message, if it is published and `may` says yes, which is asked only then.
    /// What became of the room is returned; or `see_to_room` is told of it, before the message is
    /// read, and must not unwind. If that is [`Room::Due`] or [`Room::DueInList`], others see the
    /// message gone when H has moved.
    #[inline(always)]
    pub(crate) fn pop_if(
        self,
        may: impl FnOnce() -> bool,
        see_to_room: impl FnOnce(&mut Reader, Room),
    ) -> Popped<T> {
        // SAFETY: the word of who made this: `T` and `F` are those of the ring.
        unsafe {
            if F::IN_LIST {
                let list = self.ring.list::<T>();
                return self.pop_from(list, may, see_to_room);
            }
            match &self.ring.storage {
                Storage::Array(array) => self.pop_from(array.of::<T>(), may, see_to_room),
                Storage::Blocks { .. } => self.pop_from_list(may, see_to_room),
            }
        }
    }

    /// Out of line, so that a receive from an array is short. So is what is not plain, as a call
    /// that does not come back: no register is saved here, which would be a write that the step on
    /// H has to wait for.
    ///
    /// # Safety
    /// There is a list.
    #[inline(never)]
    unsafe fn pop_from_list(
        self,
        may: impl FnOnce() -> bool,
        see_to_room: impl FnOnce(&mut Reader, Room),
    ) -> Popped<T> {
        // SAFETY: the caller's word. Published, at the head, in the block of the position before
        // it, and the head moves on.
        unsafe {
            let list = self.ring.list::<T>();
            let pos = self.reader.pos();
            if self.reader.head + 1 >= self.reader.plain_until {
                return self.pop_from_list_slow(may, see_to_room);
            }
            // `plain_until` says so, of a list: see `advance_generally`.
            debug_assert!(!List::<T>::begins_block(pos));
            let slot = list.slot(pos, self.reader.at);
            if !slot.is_published(pos) {
                return Popped::Nothing;
            }
            // After the look at the slot, which may be the one that the watermark waits for: the
            // head must not pass that.
            if self.reader.watermark.is_due() {
                return self.pop_from_list_slow(may, see_to_room);
            }
            let Self { ring, reader, .. } = self;
            if !may() {
                return Popped::Refused;
            }
            reader.head += 1;
            let value = slot.read();
            let room = ring.free_room(reader, 1, ring.is_bounded::<F, List<'_, T>, T>());
            step("pop: head moved");
            Popped::Message(value, room)
        }
    }

    /// # Safety
    /// There is a list.
    #[cold]
    #[inline(never)]
    unsafe fn pop_from_list_slow(
        self,
        may: impl FnOnce() -> bool,
        see_to_room: impl FnOnce(&mut Reader, Room),
    ) -> Popped<T> {
        // SAFETY: the caller's word.
        unsafe {
            let list = self.ring.list::<T>();
            self.pop_from(list, may, see_to_room)
        }
    }

    /// # Safety
    /// `store` is the ring's.
    #[inline(always)]
    unsafe fn pop_from<'s, S: Store<'s, T>>(
        self,
        store: S,
        may: impl FnOnce() -> bool,
        see_to_room: impl FnOnce(&mut Reader, Room),
    ) -> Popped<T>
    where
        T: 's,
    {
        let Self { ring, reader, .. } = self;
        let pos = reader.pos();
        // SAFETY: the caller's word. Published, at the head, and the head moves on. In a list the
        // slot is read last of all: its memory is used again when its block is left behind, by a
        // later call of the receiver, and this one is in here. Nothing before the read unwinds, so
        // that no message is lost.
        unsafe {
            if !store.reach_head(pos, &mut reader.at) {
                return Popped::Nothing;
            }
            let slot = store.slot(pos, reader.at);
            if !slot.is_published(pos) {
                return Popped::Nothing;
            }
            if !may() {
                return Popped::Refused;
            }
            reader.watermark.look(store, pos, &ring.limit, &ring.receiver.watermark);
            reader.head += 1;
            let move_head = |reader: &mut Reader| {
                if reader.head >= reader.plain_until {
                    return if S::IS_LIST { Room::DueInList } else { Room::Due };
                }
                let room = ring.free_room(reader, 1, ring.is_bounded::<F, S, T>());
                step("pop: head moved");
                room
            };
            if S::IS_LIST {
                let room = move_head(reader);
                see_to_room(reader, room);
                return Popped::Message(slot.read(), Room::Free);
            }
            let value = slot.read();
            Popped::Message(value, move_head(reader))
        }
    }

    /// Moves H over a message that [`Receiving::pop_if`] took from a list.
    ///
    /// # Safety
    /// The room of the last message is [`Room::DueInList`]. The rest as [`Ring::move_due_head`].
    #[inline]
    pub(crate) unsafe fn move_due_head_in_list(self) -> Room {
        let Self { ring, reader, .. } = self;
        // SAFETY: the caller's word.
        unsafe { ring.advance_generally::<T, F, _>(ring.list::<T>(), reader, 1) }
    }

    /// Whether the next message is published.
    #[inline]
    pub(crate) fn has_next(&mut self) -> bool {
        self.next().is_some()
    }

    /// The next message where it lies, if it is published.
    #[inline]
    fn next(&mut self) -> Option<NonNull<T>> {
        let pos = self.reader.pos();
        // SAFETY: the word of who made this.
        unsafe {
            in_store!(self.ring, T, |store| {
                let slot = store.seek(pos, &mut self.reader.at)?;
                slot.is_published(pos).then(|| slot.message())
            })
        }
    }

    /// Drops the next published message where it lies: a large one must not pass over the stack.
    /// Says what became of its room; `None`: there is none.
    pub(crate) fn drop_next(mut self, panic: &mut FirstPanic) -> Option<Room> {
        let message = self.next()?;
        // SAFETY: published, at the head, and the head moves on below, whatever its drop does.
        panic.run(|| unsafe { message.drop_in_place() });
        let Self { ring, reader, .. } = self;
        // SAFETY: the word of who made this.
        unsafe {
            in_store!(ring, T, |store| {
                reader.watermark.look(store, reader.pos(), &ring.limit, &ring.receiver.watermark);
                Some(ring.advance::<T, F, _>(store, reader, 1))
            })
        }
    }

    /// Appends up to `limit` published messages to `buffer` and moves the head once. Returns how
    /// many, and what became of their room.
    pub(crate) fn pop_many(self, buffer: &mut Vec<T>, limit: usize) -> (usize, Room) {
        let Self { ring, reader, .. } = self;
        let claimed = ring.tail().pos().since(reader.pos());
        let limit = limit.min(claimed as usize);
        // All that may panic or call out comes before the first read.
        buffer.reserve(limit);
        let mut n = 0;
        // SAFETY: the word of who made this; below.
        unsafe {
            in_store!(ring, T, |store| {
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
                // After the reads, so that what it looks at lies ahead of where the head goes. It
                // cannot panic.
                reader.watermark.look(store, reader.pos(), &ring.limit, &ring.receiver.watermark);
                (n, ring.advance::<T, F, _>(store, reader, n as u64))
            })
        }
    }

    /// Gives drained blocks back, now that nothing is left to read: all of them, but for those that
    /// a producer stands on.
    #[inline]
    pub(crate) fn give_blocks_back(self) {
        if self.ring.is_list() && !self.ring.receiver.front.is_front(self.reader.at) {
            // SAFETY: there is a list.
            unsafe { self.give_blocks_back_slow() };
        }
    }

    /// # Safety
    /// There is a list.
    #[cold]
    #[inline(never)]
    unsafe fn give_blocks_back_slow(self) {
        let Self { ring, reader, .. } = self;
        // SAFETY: the caller's word. A block goes if the head has reached the number with which it
        // was passed, and that counts a position in a later block. So a message of a later block
        // was taken, and the watermark looked no further back then (`advance`).
        unsafe { ring.list::<T>().leave_behind(reader.pos(), reader.at, usize::MAX) };
    }
}

impl<Cold> Leaving<'_, Cold> {
    /// The receiver closes, to go. True: it has gone by the same step, as by
    /// [`Leaving::try_abandon`]. False: a message is still there or on its way. Its park stands, if
    /// it does, until somebody ends it.
    pub(crate) fn close_and_abandon(self) -> bool {
        let Self { ring, reader } = self;
        let goes = |tail: Tail| tail.pos() == reader.pos();
        let (before, _) =
            ring.update_tail(
                |tail| {
                    if goes(tail) { tail.close().receiver_gone() } else { tail.close() }
                },
            );
        if goes(before) {
            // SAFETY: as in `try_abandon`.
            unsafe { ring.free_list() };
        }
        goes(before)
    }

    /// Says that no receiver will come back, if the ring is empty, and frees its blocks. False: a
    /// message is still there or on its way. The channel must be closed, and stays empty from then
    /// on.
    pub(crate) fn try_abandon(self) -> bool {
        let Self { ring, reader } = self;
        let mut tail = ring.tail();
        while tail.pos() == reader.pos() {
            match ring.swap_tail(tail, tail.receiver_gone()) {
                Ok(()) => {
                    // SAFETY: all that was claimed is published and taken; claims find the channel
                    // closed, permits find the receiver gone, and nobody receives any more, by the
                    // word of who made this.
                    unsafe { ring.free_list() };
                    return true;
                }
                Err(now) => tail = now,
            }
        }
        false
    }
}

impl<Cold> Ring<Cold> {
    /// Whether its messages lie in a list.
    #[inline(always)]
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.storage, Storage::Blocks { .. })
    }

    /// The receiver's steps that concern messages.
    ///
    /// # Safety
    /// `T` is the type of this ring's messages, `F` its flavor, and `reader` its reader. Never
    /// after [`Leaving::close_and_abandon`] or [`Leaving::try_abandon`] has succeeded.
    #[inline(always)]
    pub(crate) unsafe fn receiving<'a, T, F: Flavor>(
        &'a self,
        reader: &'a mut Reader,
    ) -> Receiving<'a, T, F, Cold> {
        Receiving { ring: self, reader, types: PhantomData }
    }

    /// The receiver's steps by which it goes.
    ///
    /// # Safety
    /// `reader` is this ring's. Never after [`Leaving::close_and_abandon`] or
    /// [`Leaving::try_abandon`] has succeeded.
    #[inline(always)]
    pub(crate) unsafe fn leaving<'a>(&'a self, reader: &'a Reader) -> Leaving<'a, Cold> {
        Leaving { ring: self, reader }
    }

    /// Moves the head over `n` messages that were read, or of which the last is read next.
    ///
    /// # Safety
    /// `reader` is this ring's, `store` its slots, and the watermark was looked after.
    #[inline]
    unsafe fn advance<'a, T: 'a, F: Flavor, S: Store<'a, T>>(
        &self,
        store: S,
        reader: &mut Reader,
        n: u64,
    ) -> Room {
        reader.head += n;
        if reader.head < reader.plain_until {
            let room = self.free_room(reader, n, self.is_bounded::<F, S, T>());
            step("pop: head moved");
            return room;
        }
        // SAFETY: the caller's word.
        unsafe { self.advance_generally::<T, F, S>(store, reader, n) }
    }

    /// Whether somebody may wait for room: in no unbounded channel.
    #[inline(always)]
    fn is_bounded<'a, F: Flavor, S: Store<'a, T>, T: 'a>(&self) -> bool {
        !F::UNBOUNDED && (!S::IS_LIST || self.capacity().is_some())
    }

    /// What a plain pop need not do, once `reader` has gone on.
    ///
    /// # Safety
    /// As [`Ring::advance`].
    #[inline]
    unsafe fn advance_generally<'a, T: 'a, F: Flavor, S: Store<'a, T>>(
        &self,
        store: S,
        reader: &mut Reader,
        n: u64,
    ) -> Room {
        let room = self.move_head(reader, n, self.is_bounded::<F, S, T>());
        step("pop: head moved");
        if S::IS_LIST {
            // Until the first message of the next block is taken there is no block to leave.
            reader.plain_until = reader.plain_until.min(S::next_block(reader.head) + 1);
        }
        if S::IS_LIST && reader.left != reader.at {
            reader.left = reader.at;
            // Twice what these messages can have drained: enough to catch up, and never much at
            // once.
            let most = 2 + n as usize / 8;
            // SAFETY: all in the blocks before `at` was read. What the watermark looks at is in the
            // block of a position ahead of the head, or in the last one that was linked when it
            // looked for that, and so not before `at`; or it is one that nobody sets.
            unsafe { store.leave_behind(reader.pos(), reader.at, most) };
        }
        room
    }

    /// Moves H over a message that [`Receiving::pop_if`] took from an array.
    ///
    /// # Safety
    /// `reader` is this ring's, and the room of its last message is [`Room::Due`]. Once for each:
    /// H would pass messages that nobody has read. (A token would say so to the compiler, and costs
    /// each message some instructions: DESIGN.md, "Measured and dropped".)
    #[inline]
    pub(crate) unsafe fn move_due_head(&self, reader: &mut Reader) -> Room {
        let room = self.move_head_inline(reader, 1, true);
        step("pop: head moved");
        room
    }

    /// What a plain pop need not do: to hold the room, and to tell how many messages were taken in
    /// full. Apart, so that it is short.
    #[cold]
    #[inline(never)]
    fn move_head(&self, reader: &mut Reader, n: u64, bounded: bool) -> Room {
        self.move_head_inline(reader, n, bounded)
    }

    #[inline(always)]
    fn move_head_inline(&self, reader: &mut Reader, n: u64, bounded: bool) -> Room {
        let room = if bounded && reader.plain_until == 0 && self.hold_room(n) {
            Room::Held
        } else {
            // The step may set it to 0.
            reader.plain_until = (reader.head / MIRRORED + 1) * MIRRORED;
            match self.free_room(reader, n, bounded) {
                Room::Free => Room::Seldom,
                room => room,
            }
        };
        if reader.head & (MIRRORED.min(MAX_LAG) - 1) < n {
            self.tell_head(reader, n);
        }
        room
    }

    /// Once in a great many messages.
    #[cold]
    #[inline(never)]
    fn tell_head(&self, reader: &Reader, n: u64) {
        if reader.head & (MIRRORED - 1) < n {
            // ORDERING(M7): Release. Pairs with M7 in `occupancy`: who sees this sees that head, or
            // a later one.
            self.receiver.popped.store(reader.head, Ordering::Release);
        }
        if reader.head & (MAX_LAG - 1) < n {
            self.refresh_head_cache_by(self.own_head());
        }
    }

    /// Moves the head and keeps the room, if TX_WAITING stands.
    #[inline]
    fn hold_room(&self, n: u64) -> bool {
        let head = self.own_head();
        // More permits than the words can count are out only where the capacity allows.
        if !head.is_waiting() || self.limit > MAX_RESERVED {
            return false;
        }
        let next = head.hold(n);
        // INVARIANT(I6): while TX_WAITING stands, only the receiver changes H. So a store is a
        // step, and it frees nothing that others would have to be told of. ORDERING(C1): Release.
        // Pairs with C1 in `head`; producers write these slots only after our reads.
        self.receiver.head.store(next.0, Ordering::Release);
        true
    }

    #[inline]
    fn free_room(&self, reader: &mut Reader, n: u64, bounded: bool) -> Room {
        if !bounded {
            // Nobody waits for room, so nothing has to be noticed in the same step.
            // ORDERING(C1): Release. Pairs with C1 in `head`.
            self.receiver.head.store(Head::at(reader.head).0, Ordering::Release);
            return Room::Free;
        }
        // ORDERING(C1, W1): SeqCst. Release: as above. SeqCst: pairs with W1 in `head_sc`; of an
        // arrival and a pop, one sees the other. A store could sit unseen while we read "nobody
        // waits", and leave a sender asleep beside a free slot.
        let old = self.receiver.head.fetch_add(Head::step(n), Ordering::SeqCst);
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
        Head(self.receiver.head.load(Ordering::Relaxed))
    }

    /// What the receiver finds claimed is all taken, the channel is closed, and no permit is out:
    /// nothing will ever come.
    pub(crate) fn is_drained(&self, tail: Tail, reader: &Reader) -> bool {
        tail.pos() == reader.pos() && tail.has_no_more(self.own_head())
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

    /// Whether the receiver's park stands, as a step on T: who ends it from now on sees what the
    /// caller did before.
    #[must_use = "else the step may be left out"]
    pub(crate) fn stays_parked(&self) -> bool {
        // ORDERING(K1): AcqRel. Release: pairs with K1 of who ends the park (`swap_tail`). A load
        // could show a bit that is cleared by now; and whoever cleared it might take the task for
        // one that was woken already, by a word that is older than the poll.
        Tail(self.producers.tail.fetch_or(0, Ordering::AcqRel)).is_parked()
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
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;
    use crate::ring::Shape;

    /// A batch need not end at a multiple.
    ///
    /// Seen to fail with: `move_head` that tells only of a multiple that it has reached exactly. A
    /// lap of 2^36 later, `popped` would be a lap behind.
    #[test]
    fn b10_a_batch_over_a_multiple_tells_how_many_were_taken() {
        for in_blocks in [false, true] {
            let start = (1 << 36) - 6;
            let (ring, mut reader) = Ring::new::<u32>(Shape::new(Some(16), start, in_blocks));
            let mut popped = 0;
            for n in [3, 3, 2, 5] {
                for i in 0..n {
                    let claim = ring.claim_next().unwrap();
                    // SAFETY: the ring was made for `u32`.
                    unsafe { ring.put(claim, i) };
                }
                // SAFETY: the ring was made for `u32`, with this reader.
                let (taken, _) = unsafe { ring.receiving::<u32, crate::ring::Any>(&mut reader) }
                    .pop_many(&mut Vec::new(), 9);
                popped += taken as u64;
                let told = ring.receiver.popped.load(Ordering::Relaxed);
                assert_eq!(told / MIRRORED, (start + popped) / MIRRORED, "{n}");
                assert_eq!(ring.occupancy().popped, popped);
            }
        }
    }
}
