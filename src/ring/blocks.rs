//! A list of blocks of slots: large capacities and no capacity at all.
//!
//! Blocks are allocated by need and linked in order of position; drained ones are reused at the end of
//! the list or freed. After Tokio's list of blocks (its `sync::mpsc::list`), with three differences: close is
//! no position in the list, a slot is published by a store of its stamp and not by a locked bit, and a
//! producer that is stopped does not make others walk.
//!
//! ```text
//! front                receiver           filled                      recent
//! [ drained ] ---> [ drained.. | .. ] ---> [ one stopped here ] ---> [ being filled ] ---> [ spare ] ---> null
//! ```
//!
//! * `next` goes from null to a block once, by whoever needs one: the producer that claimed the last slot of
//!   a block sees to it before it publishes, so that later ones mostly find it; the receiver puts a drained
//!   block there. Nobody waits for anybody: who finds null puts its own block there, or loses the
//!   race and goes on with the winner's.
//! * `recent` is where producers begin to look. It moves on with the first that needs the next block.
//! * `filled` is where a producer looks whose block `recent` has left behind. It moves past a block only
//!   when all slots of that block are published, and only after `recent` has.
//! * A block is **passed** when both have moved on, and who moved `filled` has then read, by a step on T, how
//!   many slots are claimed. The receiver reuses a block that it has drained when it is passed and the
//!   head has reached that number, N. It goes from the front, one after the other.
//!
//! # Why a producer always finds its block
//!
//! Let P have claimed a slot in block B and not published it. `filled` is not beyond B: who moved it saw
//! all stamps of B, P's included, with Acquire. P reads `filled` before it stores its stamp with Release, and
//! cannot have read what was written only after that stamp was seen. So from `filled`, or from `recent` if that is not
//! beyond B, P comes to B by `next`.
//!
//! # Why no producer stands on a block that is reused
//!
//! P touches blocks between its claim and its publication only, and starts from what it reads of `recent` and
//! `filled` in between. Let X be a block that is reused, M who moved `filled` past it.
//!
//! * P claimed after M's step on T: both are steps on one word, so P's claim sees M's step, and with it both
//!   pointers beyond X. They never go back.
//! * P claimed before it: then its position is below N. The receiver has taken that position, so P
//!   has published and touches no block any more. That P's last look came before the reuse follows from P's stamp, which
//!   the receiver has read with Acquire.
//!
//! P may also come to X by walking, from a block W before it. Blocks are reused from the front on, so W was reused
//! before X, and the same holds of W. M itself marks X before it publishes its own slot, and is such a P.
//!
//! Neither can a swap of `recent`, `filled` or `next` from X succeed after X was reused: who makes it has read X as such a P.
//!
//! When the receiver comes to drained blocks that nobody has passed (the producers are gone, or the last of
//! them found a slot unpublished), it moves the pointers itself, by the same steps.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::pos::{MAX_LEN, Pos};
use super::slot::{self, Slot, Value};
use super::store::{Cursor, Store};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UnsafeCell};

/// Slots in a block.
pub(super) const LEN: usize = if cfg!(parshall_loom) { 2 } else { 32 };

/// How far behind `recent` a drained block is still appended; beyond that it is freed.
const SPARE: usize = 3;

/// How many blocks one send moves `filled` past: each block but the first makes one send come here, so two are
/// enough to catch up, and no send pays for a thousand.
const STEPS: usize = 2;

#[repr(C)]
struct Block<T> {
    /// The position of the first slot: a multiple of [`LEN`]. Written before the block is linked.
    start: UnsafeCell<Pos>,
    next: AtomicPtr<Block<T>>,
    /// Twice the position that the claims had reached when the block was passed, plus 1; 0 before.
    passed: AtomicU64,
    /// Every producer reads `start`: no stamp may share its cache line. Padding does that without an alignment, for
    /// which allocators take longer.
    _apart: [MaybeUninit<u64>; 5],
    /// Apart from the messages, so that a block of large ones is set up without touching their pages.
    stamps: [AtomicU32; LEN],
    values: [Value<T>; LEN],
}

/// The first block of a list whose first position is `first`.
pub(super) fn first<T>(first: Pos) -> *mut () {
    Block::<T>::allocate(first.in_block(LEN as u64), first).as_ptr().cast()
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
            // ORDERING(L1): Relaxed. Nobody else is there.
            next = block.as_ref().next.load(Ordering::Relaxed);
            Block::free(block);
        }
    }
}

impl<T> Block<T> {
    /// An unlinked block in which nothing from `first` on is published.
    fn allocate(start: Pos, first: Pos) -> NonNull<Self> {
        let layout = Layout::new::<Self>();
        // SAFETY: the layout has a size: there are stamps.
        let Some(block) = NonNull::new(unsafe { std::alloc::alloc(layout) }) else {
            // A slot may be claimed already, so nobody may unwind from here; this does not.
            std::alloc::handle_alloc_error(layout)
        };
        let block = block.cast::<Self>();
        let p = block.as_ptr();
        // SAFETY: fresh memory of the right layout, written field by field: a block of large messages
        // must never lie on the stack.
        unsafe {
            (&raw mut (*p).start).write(UnsafeCell::new(start));
            (&raw mut (*p).next).write(AtomicPtr::new(ptr::null_mut()));
            (&raw mut (*p).passed).write(AtomicU64::new(0));
            for i in 0..LEN {
                let pos = start.plus(i as u64);
                // In tests a list may begin inside a block: what lies before counts as published.
                let offset = u32::from(pos.since(start) >= first.since(start));
                let stamp = AtomicU32::new(pos.stamp().wrapping_sub(offset * LEN as u32));
                (&raw mut (*p).stamps).cast::<AtomicU32>().add(i).write(stamp);
                // Of std's cells nothing needs to be written.
                #[cfg(parshall_loom)]
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

    #[inline]
    fn slot(&self, pos: Pos) -> Slot<'_, T> {
        let i = pos.index(LEN - 1);
        Slot { stamp: &self.stamps[i], value: &self.values[i] }
    }

    /// Whether every slot is published: nobody will write here any more.
    fn is_filled(&self) -> bool {
        let start = self.start();
        // P1, Acquire: see the module, "Why a producer always finds its block".
        (0..LEN).all(|i| slot::is_published(&self.stamps[i], start.plus(i as u64)))
    }

    /// Links `new` behind this block, or says what is linked there.
    fn link(&self, new: NonNull<Self>) -> Result<(), NonNull<Self>> {
        // ORDERING(L1): AcqRel. Release: pairs with L1 in `next`: who follows the link sees a block that is
        // set up. Acquire on failure: we follow the winner's.
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
        // ORDERING(L1): Acquire. Pairs with L1 in `link`.
        NonNull::new(self.next.load(Ordering::Acquire))
    }

    fn next_or_new(&self) -> NonNull<Self> {
        if let Some(next) = self.next() {
            return next;
        }
        let start = self.start().plus(LEN as u64);
        let new = Self::allocate(start, start);
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
    filled: AtomicPtr<()>,
    /// The oldest block; null when the list is freed. The receiver's, until the channel's last owner frees it.
    front: AtomicPtr<()>,
}

impl Ends {
    /// Of a list that begins with block `first`.
    pub(super) fn new(first: *mut ()) -> Self {
        let end = || AtomicPtr::new(first);
        Self { recent: end(), filled: end(), front: end() }
    }

    /// The list's first block, which leaves the caller to free it: nobody may use the list any more.
    pub(super) fn take(&self) -> *mut () {
        // ORDERING(L4): Relaxed. The receiver's own, or behind the channel's `Arc`.
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
        // ORDERING(L2): Acquire. Pairs with L2 in `step`: the block is set up.
        let recent = self.ends.recent.load(Ordering::Acquire);
        // SAFETY: never null, and the block is not reused under us: see the module, of producers; of
        // the receiver, since it alone reuses blocks.
        unsafe { &*recent.cast() }
    }

    fn filled(self) -> &'a Block<T> {
        // ORDERING(L2): Acquire. Pairs with L2 in `step`.
        let filled = self.ends.filled.load(Ordering::Acquire);
        // SAFETY: as `recent`.
        unsafe { &*filled.cast() }
    }

    /// The slot of a claimed position. `observe` is a step on T that tells how far the claims are.
    ///
    /// # Safety
    /// The caller has claimed `pos` and not published it, and `observe` is what it is said to be.
    #[inline]
    pub(super) unsafe fn claimed(self, pos: Pos, observe: impl Fn() -> Pos) -> Slot<'a, T> {
        let block = self.recent();
        if pos.since(block.start()) < LEN as u64 - 1 {
            return block.slot(pos);
        }
        self.find(pos, observe)
    }

    #[cold]
    #[inline(never)]
    fn find(self, pos: Pos, observe: impl Fn() -> Pos) -> Slot<'a, T> {
        for _ in 0..STEPS {
            let block = self.filled();
            let Some(next) = block.next().filter(|_| block.is_filled()) else { break };
            if let Some(claimed) = self.pass(block, next, &observe) {
                // ORDERING(L3): Release. Pairs with L3 in `leave_behind`: our last look at the block.
                block.passed.store(claimed.number() << 1 | 1, Ordering::Release);
            }
        }
        let mut block = self.recent();
        // `recent` is a moment old, and may be beyond our block only if others have gone there.
        let left_behind = pos.since(block.start()) >= MAX_LEN;
        if left_behind {
            block = self.filled();
        }
        while pos.since(block.start()) >= LEN as u64 {
            let next = block.next_or_new();
            if !left_behind {
                step(&self.ends.recent, block, next);
            }
            // SAFETY: linked, and not reused before `pos` is published.
            block = unsafe { next.as_ref() };
        }
        if pos.since(block.start()) == LEN as u64 - 1 {
            block.next_or_new();
        }
        block.slot(pos)
    }

    /// Moves both pointers from a block whose slots are all published. Returns how far the claims are
    /// then; none if somebody else moves `filled`.
    fn pass(
        self,
        block: &Block<T>,
        next: NonNull<Block<T>>,
        observe: impl Fn() -> Pos,
    ) -> Option<Pos> {
        // `recent` is never behind `filled`: it is at this block, or beyond it.
        step(&self.ends.recent, block, next);
        // After the moves, so that who claims from now on sees them.
        step(&self.ends.filled, block, next).then(observe)
    }

    #[cold]
    #[inline(never)]
    fn go_on(mut block: &'a Block<T>, pos: Pos, at: &mut Cursor) -> Option<Slot<'a, T>> {
        while pos.since(block.start()) >= LEN as u64 {
            let next = block.next()?;
            *at = Cursor(next.as_ptr().cast());
            // SAFETY: linked, and ahead of what the receiver may reuse.
            block = unsafe { next.as_ref() };
        }
        Some(block.slot(pos))
    }

    /// Puts a block to the end of the list, unless there are spare ones enough.
    ///
    /// # Safety
    /// The caller is the receiver. The block is out of the list, and nobody uses it.
    unsafe fn reuse(self, block: NonNull<Block<T>>) {
        let mut last = self.recent();
        // SAFETY: the caller's word.
        let old = unsafe { block.as_ref() };
        let drained = old.start();
        for _ in 0..SPARE {
            let start = last.start().plus(LEN as u64);
            // The stamps of old positions stay. They must not look like the new ones'.
            if start.since(drained) > u64::from(u32::MAX) {
                break;
            }
            // SAFETY: the block is ours alone.
            old.start.with_mut(|p| unsafe { *p = start });
            // ORDERING(L1, L3): Relaxed. Published by the link below.
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

/// Moves `end` from `block` to `next`; false if it is elsewhere.
fn step<T>(end: &AtomicPtr<()>, block: &Block<T>, next: NonNull<Block<T>>) -> bool {
    let (from, to) = (ptr::from_ref(block).cast_mut().cast(), next.as_ptr().cast());
    // ORDERING(L2): AcqRel. Release: pairs with L2 in `recent` and `filled`. Acquire: who moves it next
    // carries on what came with the moves before.
    end.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

impl<'a, T> Store<'a, T> for List<'a, T> {
    const IS_LIST: bool = true;

    #[inline]
    unsafe fn seek(self, pos: Pos, at: &mut Cursor) -> Option<Slot<'a, T>> {
        // SAFETY: the caller's word.
        let block: &'a Block<T> = unsafe { &*at.0.cast() };
        if pos.since(block.start()) < LEN as u64 {
            return Some(block.slot(pos));
        }
        Self::go_on(block, pos, at)
    }

    /// Reuses or frees what lies before `at`, up to `most` blocks, as far as no producer can stand there.
    #[cold]
    #[inline(never)]
    unsafe fn leave_behind(self, head: Pos, at: Cursor, most: usize, observe: impl Fn() -> Pos) {
        // ORDERING(L4): Relaxed. The receiver's own; the list's last owner reads it.
        let mut front = self.ends.front.load(Ordering::Relaxed);
        for _ in 0..most {
            if front == at.0 {
                return;
            }
            let oldest: NonNull<Block<T>> =
                NonNull::new(front.cast()).expect("`at` is in the list");
            // SAFETY: in the list.
            let block = unsafe { oldest.as_ref() };
            let next = block.next().expect("`at` is in the list");
            // ORDERING(L3): Acquire. Pairs with L3 in `find`.
            let passed = match block.passed.load(Ordering::Acquire) {
                // Drained, so filled, and nobody has noticed; or somebody is about to mark it.
                0 => match self.pass(block, next, &observe) {
                    Some(claimed) => {
                        // ORDERING(L3): Relaxed. For ourselves, if the head is not there yet.
                        block.passed.store(claimed.number() << 1 | 1, Ordering::Relaxed);
                        claimed
                    }
                    None => return,
                },
                passed => Pos::of(passed >> 1),
            };
            if head.since(passed) >= MAX_LEN {
                return;
            }
            front = next.as_ptr().cast();
            // ORDERING(L4): Relaxed. As above.
            self.ends.front.store(front, Ordering::Relaxed);
            // SAFETY: passed and drained: nobody stands there, and nothing leads there any more.
            unsafe { self.reuse(oldest) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Reader, Ring, Shape};

    const MANY: u64 = 10_000;

    fn unbounded() -> (Ring, Reader) {
        Ring::new::<u64>(Shape { capacity: None, start: 0, in_blocks: false })
    }

    fn send(ring: &Ring, value: u64) {
        let claim = ring.claim().unwrap();
        // SAFETY: the ring was made for `u64`.
        unsafe { ring.publish(claim, value) };
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

    /// Seen to fail with: one pointer for `recent` and `filled`. Each send walked the whole backlog then.
    #[test]
    fn a_producer_that_is_stopped_does_not_make_others_walk() {
        let (ring, mut reader) = unbounded();
        let stopped = ring.claim().unwrap();
        for i in 1..MANY {
            send(&ring, i);
            // SAFETY: the list is one of `u64`.
            let recent = unsafe { ring.list::<u64>() }.recent().start();
            assert!(Pos::of(i).since(recent) < LEN as u64);
        }
        // SAFETY: the ring was made for `u64`, with this reader.
        unsafe {
            assert!(ring.pop::<u64>(&mut reader).is_none());
            ring.publish(stopped, 0);
            for i in 0..MANY {
                assert_eq!(ring.pop(&mut reader), Some((i, false)));
            }
        }
    }

    /// Seen to fail with: a receiver that leaves it to producers to pass blocks.
    #[test]
    fn b23_what_a_stopped_producer_held_up_is_given_back_though_nobody_sends_any_more() {
        let (ring, mut reader) = unbounded();
        let stopped = ring.claim().unwrap();
        (1..MANY).for_each(|i| send(&ring, i));
        // SAFETY: the ring was made for `u64`, with this reader.
        unsafe {
            ring.publish(stopped, 0);
            while ring.pop::<u64>(&mut reader).is_some() {}
            ring.tidy::<u64>(&mut reader);
            assert!(blocks(&ring) <= 2 + SPARE, "{} blocks are left", blocks(&ring));
            ring.close();
            assert!(ring.try_abandon(&reader));
        }
        assert_eq!(blocks(&ring), 0);
    }
}
