//! A list of blocks of slots: large capacities and no capacity at all.
//!
//! Blocks are allocated by need and linked in order of position; drained ones are reused at the end
//! of the list or freed. After Tokio's list of blocks (its `sync::mpsc::list`), with three
//! differences: close is no position in the list, a slot is published by a store of its stamp and
//! not by a locked bit, and blocks are linked both ways, so that a producer that is stopped holds
//! up nobody's search.
//!
//! ```text
//! front                 receiver              recent
//! [ drained ] <---> [ drained.. | .. ] <---> [ being filled ] <---> [ spare ] ---> null
//! ```
//!
//! * `next` goes from null to a block once, by whoever needs one: the producer that claimed the
//!   last slot of a block sees to it before it publishes, so that later ones mostly find it; the
//!   receiver puts a drained block there. Nobody waits for anybody: who finds null puts its own
//!   block there, or loses the race and goes on with the winner's. `prev` is written before that.
//! * `recent` is where producers begin to look, in either direction. It moves on, a block at a
//!   time, with the first that needs the next block, and never back.
//! * A block is **passed** when `recent` has moved on and who moved it has then read, by a step on
//!   T, how many slots are claimed. The receiver reuses a block that it has drained when it is
//!   passed and the head has reached that number, N. It goes from the front, one block after the
//!   other.
//!
//! # Every block that `recent` has left is passed, or about to be
//!
//! A producer on block X knows `recent` at X or beyond: it read that, or its swap at the block
//! before succeeded, or failed on a value that can only be further (coherence, so a relaxed failure
//! will do). So each block is left by exactly one swap that succeeds, and who made it marks the
//! block before it publishes. It steps on only for a position beyond X, so N lies beyond X's end: a
//! head at N implies that X is drained.
//!
//! # Why no producer stands on a block that is reused
//!
//! A producer touches blocks between its claim and its last publication only (a batch is one claim
//! of several positions), and starts from what it reads of `recent` in between. Let X be a block
//! that is reused, M who moved `recent` past it, P a producer whose first position is p.
//!
//! * P claimed after M's step on T. Both are steps on one word (I4), so P's claim sees M's step,
//!   and P reads `recent` beyond X. And p lies beyond X: M had a position there, which its step
//!   counted, and p comes after those. So P goes neither forward nor back to X.
//! * P claimed before it: then N counts all of P's positions. The receiver has taken them, so P has
//!   published its last, and that P's last look came before the reuse follows from its stamp, read
//!   with Acquire.
//!
//! So no block on P's way is reused while P is on it, and links lead to the life of a block that P
//! means. Going back, each block between P's and `recent` holds positions at or after p: its N lies
//! beyond p, and the head does not. The link back of the oldest block dangles, but no claimed
//! position lies before that. Neither can a swap of `recent` or `next` at X succeed in X's next
//! life, for who makes it has come to X as such a P. M itself is one.
//!
//! The receiver reads `recent` too, to reuse a block. It has read by then that the blocks it has
//! reused are passed, so it reads `recent` beyond them.
//!
//! # Why a stamp says no more than published
//!
//! A slot belongs to one position from the moment its block is linked until that is reused. Then
//! the receiver, which alone reads stamps, resets them, and that comes
//!
//! * after every stamp of the old life: it has read them all, and nobody who could write one stands
//!   there;
//! * before every stamp of the new one: its writer has come by the link, which is made after.
//!
//! The watermark keeps the address of a stamp, that of a position at or ahead of the head: its
//! block is not drained, so it is not reset under it.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::pos::{MAX_LEN, Pos};
use super::slot::{self, Slot, Value};
use super::store::{Cursor, Store};
use crate::sizes;
use crate::sync::{AtomicPtr, AtomicU8, AtomicU64, Ordering, UnsafeCell, step};

/// Slots in a block.
pub(super) const LEN: usize = sizes::BLOCK;

/// How far behind `recent` a drained block is still appended; beyond that it is freed.
const SPARE: usize = 3;

#[repr(C)]
struct Block<T> {
    /// The position of the first slot: a multiple of [`LEN`], below 2^36. Written before the block
    /// is linked.
    start: UnsafeCell<Pos>,
    next: AtomicPtr<Block<T>>,
    /// Written before the block is linked. Of the front block it may dangle: nobody goes there.
    prev: UnsafeCell<*mut Block<T>>,
    /// Twice the position that the claims had reached when the block was passed, plus 1; 0 before.
    passed: AtomicU64,
    /// Every producer reads `start`: no stamp may share its cache line. Padding does that without
    /// an alignment, for which allocators take longer.
    _apart: [MaybeUninit<u64>; 4],
    /// Apart from the messages, so that a block of large ones is set up without touching their
    /// pages.
    stamps: [AtomicU8; LEN],
    values: [Value<T>; LEN],
}

/// The first block of a list whose first position is `first`, and the stamp of that.
pub(super) fn first<T>(first: Pos) -> (*mut (), NonNull<AtomicU8>) {
    let start = first.in_block(LEN as u64);
    let block = Block::<T>::allocate(start, ptr::null_mut());
    // SAFETY: set up just now, and nobody else has it.
    let stamp = unsafe { block.as_ref() }.slot(first).stamp.into();
    (block.as_ptr().cast(), stamp)
}

/// The stamps of a block in which nothing is published.
fn vacant() -> [AtomicU8; LEN] {
    core::array::from_fn(|_| AtomicU8::new(0))
}

/// Frees a list. It drops no message.
///
/// # Safety
/// `front` is the oldest block of a list of `T` that nobody uses any more.
pub(super) unsafe fn free<T>(front: *mut ()) {
    let mut next = front.cast::<Block<T>>();
    while let Some(block) = NonNull::new(next) {
        // SAFETY: the caller's word; each block is in the list once.
        unsafe {
            // ORDERING(E1): Relaxed. Nobody else is there.
            next = block.as_ref().next.load(Ordering::Relaxed);
            Block::free(block);
        }
    }
}

impl<T> Block<T> {
    /// An unlinked block, to be linked behind `prev`.
    fn allocate(start: Pos, prev: *mut Self) -> NonNull<Self> {
        let layout = Layout::new::<Self>();
        // SAFETY: the layout has a size: there are stamps.
        let Some(block) = NonNull::new(unsafe { std::alloc::alloc(layout) }) else {
            // A slot may be claimed already, so nobody may unwind from here; this does not.
            std::alloc::handle_alloc_error(layout)
        };
        let block = block.cast::<Self>();
        let p = block.as_ptr();
        // SAFETY: fresh memory of the right layout, written field by field: a block of large
        // messages must never lie on the stack.
        unsafe {
            (&raw mut (*p).start).write(UnsafeCell::new(start));
            (&raw mut (*p).next).write(AtomicPtr::new(ptr::null_mut()));
            (&raw mut (*p).prev).write(UnsafeCell::new(prev));
            (&raw mut (*p).passed).write(AtomicU64::new(0));
            (&raw mut (*p).stamps).write(vacant());
            // Of std's cells nothing needs to be written.
            #[cfg(parshall_loom_inside)]
            for i in 0..LEN {
                (&raw mut (*p).values).cast::<Value<T>>().add(i).write(slot::vacant());
            }
        }
        block
    }

    /// # Safety
    /// From `allocate`, used by nobody, and without messages.
    unsafe fn free(block: NonNull<Self>) {
        // SAFETY: the caller's word. Messages are `MaybeUninit`: none is dropped.
        unsafe {
            ptr::drop_in_place(block.as_ptr());
            std::alloc::dealloc(block.as_ptr().cast(), Layout::new::<Self>());
        }
    }

    #[inline]
    fn start(&self) -> Pos {
        // SAFETY: written before the block was linked, and we came by a link.
        self.start.with(|p| unsafe { *p })
    }

    /// # Safety
    /// The caller's position lies before this block.
    unsafe fn prev(&self) -> &Self {
        // SAFETY: written before the block was linked; it names a block that is not drained, since
        // the caller's position lies there or before.
        unsafe { &*self.prev.with(|p| *p) }
    }

    #[inline]
    fn holds(&self, pos: Pos) -> bool {
        pos.since(self.start()) < LEN as u64
    }

    /// Whose producer, which has claimed it, need not see to the block behind it.
    #[inline]
    fn holds_before_its_last(&self, pos: Pos) -> bool {
        pos.is_within(LEN as u64 - 1, self.start())
    }

    #[inline]
    fn slot(&self, pos: Pos) -> Slot<'_, T, AtomicU8> {
        let i = pos.index(LEN - 1);
        Slot { stamp: &self.stamps[i], value: &self.values[i] }
    }

    /// Links `new` behind this block, or says what is linked there.
    fn link(&self, new: NonNull<Self>) -> Result<(), NonNull<Self>> {
        // ORDERING(E1): AcqRel. Release: pairs with E1 in `next`: who follows the link sees a block
        // that is set up. Acquire on failure: we follow the winner's.
        let linked = self.next.compare_exchange(
            ptr::null_mut(),
            new.as_ptr(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        linked.map(drop).map_err(|next| {
            // SAFETY: the exchange failed, so it is not null.
            unsafe { NonNull::new_unchecked(next) }
        })
    }

    #[inline]
    fn next(&self) -> Option<NonNull<Self>> {
        // ORDERING(E1): Acquire. Pairs with E1 in `link`.
        NonNull::new(self.next.load(Ordering::Acquire))
    }

    fn next_or_new(&self) -> NonNull<Self> {
        if let Some(next) = self.next() {
            return next;
        }
        let start = self.start().plus(LEN as u64).in_lap();
        let new = Self::allocate(start, ptr::from_ref(self).cast_mut());
        match self.link(new) {
            Ok(()) => new,
            Err(next) => {
                // SAFETY: fresh, and not linked.
                unsafe { Self::free(new) };
                next
            }
        }
    }
}

/// Typed access to a list.
pub(super) struct List<'a, T> {
    ends: &'a Ends,
    messages: PhantomData<*const T>,
}

/// The pointers into a list: see the module.
pub(super) struct Ends {
    recent: AtomicPtr<()>,
    /// The oldest block; null when the list is freed. The receiver's, until the channel's last
    /// owner frees it.
    front: AtomicPtr<()>,
}

impl Ends {
    /// Of a list that begins with block `first`.
    pub(super) fn new(first: *mut ()) -> Self {
        Self { recent: AtomicPtr::new(first), front: AtomicPtr::new(first) }
    }

    /// The list's first block, which leaves the caller to free it: nobody may use the list any
    /// more.
    pub(super) fn take(&self) -> *mut () {
        // ORDERING(E4): Relaxed. The receiver's own, or the channel's last owner.
        let front = self.front.load(Ordering::Relaxed);
        self.front.store(ptr::null_mut(), Ordering::Relaxed);
        front
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<'a, T> List<'a, T> {
    /// # Safety
    /// `ends` began with [`first`] of `T`.
    #[inline]
    pub(super) unsafe fn new(ends: &'a Ends) -> Self {
        Self { ends, messages: PhantomData }
    }

    #[inline]
    fn recent(self) -> &'a Block<T> {
        // ORDERING(E2): Acquire. Pairs with E2 in `step`: the block is set up.
        let recent = self.ends.recent.load(Ordering::Acquire);
        // SAFETY: never null, and the block is not reused under us: see the module, of producers;
        // of the receiver, since it alone reuses blocks.
        unsafe { &*recent.cast() }
    }

    /// The slot of a claimed position. `observe` is a step on T that tells how far the claims are.
    ///
    /// # Safety
    /// The caller has claimed `pos` and not published it, and `observe` is what it is said to be.
    #[inline]
    pub(super) unsafe fn claimed(
        self,
        pos: Pos,
        observe: impl Fn() -> Pos,
    ) -> Slot<'a, T, AtomicU8> {
        let block = self.recent();
        if block.holds_before_its_last(pos) {
            return block.slot(pos);
        }
        self.find(block, pos, observe).slot(pos)
    }

    /// The same, if the caller need see to no block.
    ///
    /// # Safety
    /// The caller has claimed `pos` and not published it.
    #[inline(always)]
    pub(super) unsafe fn claimed_nearby(self, pos: Pos) -> Option<Slot<'a, T, AtomicU8>> {
        let block = self.recent();
        block.holds_before_its_last(pos).then(|| block.slot(pos))
    }

    /// Puts `values` into the slots from `first` on and publishes them.
    ///
    /// # Safety
    /// The caller has claimed them in one step, and published none. The rest as [`List::claimed`].
    pub(super) unsafe fn publish_all(
        self,
        first: Pos,
        values: impl Iterator<Item = T>,
        observe: impl Fn() -> Pos,
    ) {
        let mut block = self.recent();
        for (i, value) in values.enumerate() {
            let pos = first.plus(i as u64).in_lap();
            // From the block of the one before: whatever `recent` is by now, it is the next one at
            // most.
            if !block.holds_before_its_last(pos) {
                block = self.find(block, pos, &observe);
            }
            // SAFETY: claimed, and not published.
            unsafe { block.slot(pos).publish(pos, value) };
        }
    }

    /// The block of a claimed position, from `block` on or back.
    #[cold]
    #[inline(never)]
    fn find(self, mut block: &'a Block<T>, pos: Pos, observe: impl Fn() -> Pos) -> &'a Block<T> {
        while pos.since(block.start()) >= MAX_LEN {
            // SAFETY: `pos` lies before this block.
            block = unsafe { block.prev() };
        }
        while !block.holds(pos) {
            let next = block.next_or_new();
            if self.step(block, next) {
                step("publish: block left");
                // After the step, so that who claims from now on sees it.
                let claimed = observe();
                // ORDERING(E3): Release. Pairs with E3 in `leave_behind`: `recent` is beyond the
                // block.
                block.passed.store(claimed.number() << 1 | 1, Ordering::Release);
            }
            // SAFETY: linked, and not reused before `pos` is published.
            block = unsafe { next.as_ref() };
        }
        if pos.since(block.start()) == LEN as u64 - 1 {
            block.next_or_new();
        }
        block
    }

    /// Moves `recent` on from `block`; false if it is elsewhere.
    fn step(self, block: &Block<T>, next: NonNull<Block<T>>) -> bool {
        let (from, to) = (ptr::from_ref(block).cast_mut().cast(), next.as_ptr().cast());
        // ORDERING(E2): AcqRel. Release: pairs with E2 in `recent`. Acquire: who moves it next
        // carries on what came with the moves before.
        self.ends.recent.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn go_on(mut block: &'a Block<T>, pos: Pos, at: &mut Cursor) -> bool {
        while !block.holds(pos) {
            let Some(next) = block.next() else { return false };
            *at = Cursor(next.as_ptr().cast());
            // SAFETY: linked, and ahead of what the receiver may reuse.
            block = unsafe { next.as_ref() };
        }
        true
    }

    /// Puts a block to the end of the list, unless there are spare ones enough.
    ///
    /// # Safety
    /// The caller is the receiver. The block is out of the list, and nobody uses it.
    unsafe fn reuse(self, block: NonNull<Block<T>>) {
        let mut last = self.recent();
        // SAFETY: the block is ours alone.
        unsafe { (&raw mut (*block.as_ptr()).stamps).write(vacant()) };
        // SAFETY: the caller's word.
        let old = unsafe { block.as_ref() };
        for _ in 0..SPARE {
            let start = last.start().plus(LEN as u64).in_lap();
            // SAFETY: the block is ours alone.
            unsafe {
                old.start.with_mut(|p| *p = start);
                old.prev.with_mut(|p| *p = ptr::from_ref(last).cast_mut());
            }
            // ORDERING(E1, E3): Relaxed. Published by the link below.
            old.next.store(ptr::null_mut(), Ordering::Relaxed);
            old.passed.store(0, Ordering::Relaxed);
            match last.link(block) {
                Ok(()) => return,
                // SAFETY: linked, and ahead of all that the receiver reuses.
                Err(next) => last = unsafe { next.as_ref() },
            }
        }
        // SAFETY: the caller's word, and not linked again.
        unsafe { Block::free(block) };
    }
}

impl<'a, T: 'a> Store<'a, T> for List<'a, T> {
    type Stamp = AtomicU8;

    const IS_LIST: bool = true;

    #[inline]
    unsafe fn reach(self, pos: Pos, at: &mut Cursor) -> bool {
        // SAFETY: the caller's word.
        let block: &'a Block<T> = unsafe { &*at.0.cast() };
        block.holds(pos) || Self::go_on(block, pos, at)
    }

    #[inline]
    unsafe fn slot(self, pos: Pos, at: Cursor) -> Slot<'a, T, AtomicU8> {
        // SAFETY: the caller's word.
        let block: &'a Block<T> = unsafe { &*at.0.cast() };
        block.slot(pos)
    }

    unsafe fn last_of(self, at: Cursor) -> Pos {
        // SAFETY: the caller's word.
        let block: &'a Block<T> = unsafe { &*at.0.cast() };
        block.start().plus(LEN as u64 - 1)
    }

    /// To the end of the block: in a list without a capacity, whose backlog grows, each message is
    /// counted once.
    #[inline]
    unsafe fn published_run(self, pos: Pos, at: &mut Cursor) -> u64 {
        // SAFETY: the caller's word.
        if !unsafe { self.reach(pos, at) } {
            return 0;
        }
        // SAFETY: as above; it was reached.
        let block: &'a Block<T> = unsafe { &*at.0.cast() };
        let stamps = block.stamps[pos.index(LEN - 1)..].iter();
        stamps.take_while(|&stamp| slot::is_marked(stamp, pos)).count() as u64
    }

    /// Reuses or frees what lies before `at`, up to `most` blocks, as far as no producer can stand
    /// there.
    #[cold]
    #[inline(never)]
    unsafe fn leave_behind(self, head: Pos, at: Cursor, most: usize) {
        // ORDERING(E4): Relaxed. The receiver's own; the list's last owner reads it.
        let mut front = self.ends.front.load(Ordering::Relaxed);
        for _ in 0..most {
            if front == at.0 {
                return;
            }
            let oldest: NonNull<Block<T>> =
                NonNull::new(front.cast()).expect("`at` is in the list");
            // SAFETY: in the list.
            let block = unsafe { oldest.as_ref() };
            // ORDERING(E3): Acquire. Pairs with E3 in `find`.
            let passed = block.passed.load(Ordering::Acquire);
            if passed == 0 || head.since(Pos::of(passed >> 1)) >= MAX_LEN {
                return;
            }
            front = block.next().expect("`at` is in the list").as_ptr().cast();
            // ORDERING(E4): Relaxed. As above.
            self.ends.front.store(front, Ordering::Relaxed);
            // SAFETY: passed and drained: nobody stands there, and nothing leads there any more.
            unsafe { self.reuse(oldest) };
        }
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;
    use crate::ring::{Reader, Ring, Room, Shape};

    const MANY: u64 = if cfg!(miri) { 200 } else { 10_000 };

    fn unbounded() -> (Ring, Reader) {
        Ring::new::<u64>(Shape::new(None, 0, false))
    }

    fn send(ring: &Ring, value: u64) {
        let claim = ring.claim_next().unwrap();
        // SAFETY: the ring was made for `u64`.
        unsafe { ring.put(claim, value) };
    }

    /// Blocks from the front to the end.
    fn blocks(ring: &Ring) -> usize {
        let mut n = 0;
        let mut next = NonNull::new(ring.producers.ends.front.load(Ordering::Relaxed).cast());
        while let Some(block) = next {
            n += 1;
            // SAFETY: nobody else is there.
            next = unsafe { block.cast::<Block<u64>>().as_ref() }.next();
        }
        n
    }

    /// Seen to fail with: a `recent` that waits for blocks to be filled. Each send walked the whole
    /// backlog then.
    #[test]
    fn a_producer_that_is_stopped_does_not_make_others_walk() {
        let (ring, mut reader) = unbounded();
        let stopped = ring.claim_next().unwrap();
        for i in 1..MANY {
            send(&ring, i);
            // SAFETY: the list is one of `u64`.
            let recent = unsafe { ring.list::<u64>() }.recent().start();
            assert!(Pos::of(i).since(recent) < LEN as u64);
        }
        // SAFETY: the ring was made for `u64`, with this reader.
        unsafe {
            assert!(ring.pop::<u64>(&mut reader).is_none());
            ring.put(stopped, 0_u64);
            for i in 0..MANY {
                let (value, room) = ring.pop::<u64>(&mut reader).unwrap();
                assert!(value == i && matches!(room, Room::Free | Room::Seldom));
            }
        }
    }

    /// Seen to fail with: a block's `start` that is 2^36 or more.
    #[test]
    fn b10_beyond_the_wrap_of_positions_slots_are_still_found_without_a_search() {
        let start = (1 << 36) - 3 * LEN as u64;
        let (ring, mut reader) = Ring::new::<u64>(Shape::new(None, start, false));
        for i in 0..20 * LEN as u64 {
            let pos = Pos::of(start + i).in_lap();
            // Blocks that were made, and such as are used again.
            let is_last = pos.index(LEN - 1) == LEN - 1;
            let claim = ring.claim_next().unwrap();
            if !is_last && pos.index(LEN - 1) > 0 {
                // SAFETY: the list is one of `u64`, and the position was claimed just now.
                assert!(unsafe { ring.list::<u64>().claimed_nearby(pos) }.is_some(), "{pos:?}");
            }
            // SAFETY: the ring was made for `u64`, with this reader.
            unsafe {
                ring.put(claim, i);
                if i >= 6 * LEN as u64 {
                    ring.pop::<u64>(&mut reader).unwrap();
                }
            }
        }
    }

    /// Seen to fail with: a `recent` that waits for blocks to be filled.
    #[test]
    fn b23_what_a_stopped_producer_held_up_is_given_back_though_nobody_sends_any_more() {
        let (ring, mut reader) = unbounded();
        let stopped = ring.claim_next().unwrap();
        (1..MANY).for_each(|i| send(&ring, i));
        // SAFETY: the ring was made for `u64`, with this reader.
        unsafe {
            ring.put(stopped, 0_u64);
            while ring.pop::<u64>(&mut reader).is_some() {}
            ring.receiving::<u64, crate::ring::Any>(&mut reader).give_blocks_back();
            assert!(blocks(&ring) <= 2 + SPARE, "{} blocks are left", blocks(&ring));
            ring.close();
            assert!(ring.try_abandon(&reader));
        }
        assert_eq!(blocks(&ring), 0);
    }
}
