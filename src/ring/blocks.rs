//! A list of blocks of slots: large capacities and no capacity at all.
//!
//! Blocks are allocated by need and linked in order of position; drained ones are reused at the end of
//! the list or freed. After Tokio's list of blocks (its `sync::mpsc::list`), with two differences: close is
//! no position in the list, and a slot is published by a store of its stamp and not by a locked bit.
//!
//! ```text
//! front            at (receiver)          hint                           null
//! [ drained ] ---> [ drained.. | .. ] ---> [ being filled ] ---> [ spare ] --->
//! ```
//!
//! * `next` goes from null to a block once, by whoever needs one: the producer that claimed the last slot of
//!   a block sees to it before it publishes, so that later ones mostly find it; the receiver puts a drained
//!   block there. Nobody waits for anybody: who finds null puts its own block there, or loses the
//!   race and goes on with the winner's.
//! * `hint` is the block where producers begin to look for theirs. It moves past a block only when all
//!   slots of that block are published, so it is never ahead of a slot that is still to be written.
//! * A block is **passed** when the hint has moved on and the mover has read, by a step on T, how many
//!   slots were claimed by then. The receiver reuses a block that it has drained when it is passed and the
//!   head has reached that number.
//!
//! # Why no producer stands on a block that is reused
//!
//! A producer touches blocks between its claim and its publication only, and starts from the hint that it
//! reads in between. Let X be a block that is passed, M the mover, P a producer that read the hint at
//! or before X.
//!
//! * P claimed after M's step on T: both are steps on one word, so P's claim sees M's step and with it the
//!   hint beyond X. It cannot have read an older one.
//! * P claimed before it: then its position is below the number that M read. The receiver has taken
//!   that position, so P has published and touches no block any more.
//!
//! The same holds for M itself, which marks X before it publishes its own slot.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use super::pos::{MAX_LEN, Pos};
use super::slot::{self, Slot, Value};
use super::store::{Cursor, Store};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UnsafeCell};

/// Slots in a block.
pub(super) const LEN: usize = if cfg!(parshall_loom) { 2 } else { 32 };

/// How far behind the hint a drained block is still appended; beyond that it is freed.
const SPARE: usize = 3;

#[repr(C)]
struct Block<T> {
    /// The position of the first slot: a multiple of [`LEN`]. Written before the block is linked.
    start: UnsafeCell<Pos>,
    next: AtomicPtr<Block<T>>,
    /// Twice the position that the claims had reached when the hint had moved on, plus 1; 0 before.
    passed: AtomicU64,
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
        // P1: who has published here has read its hint before the mover moves it.
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
    hint: &'a AtomicPtr<()>,
    front: &'a AtomicPtr<()>,
    messages: PhantomData<*const T>,
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<'a, T> List<'a, T> {
    /// # Safety
    /// `hint` and `front` began as [`first`] of `T`, and change only here.
    #[inline]
    pub(super) unsafe fn new(hint: &'a AtomicPtr<()>, front: &'a AtomicPtr<()>) -> Self {
        Self { hint, front, messages: PhantomData }
    }

    #[inline]
    fn hint(self) -> &'a Block<T> {
        // ORDERING(L2): Acquire. Pairs with L2 in `move_hint`: the block is set up.
        let hint = self.hint.load(Ordering::Acquire);
        // SAFETY: the hint is never null, and the block is not reused under us: see the module, of
        // producers; of the receiver, since it alone reuses blocks.
        unsafe { &*hint.cast() }
    }

    #[cold]
    #[inline(never)]
    fn find(self, mut block: &'a Block<T>, pos: Pos, observe: impl Fn() -> Pos) -> Slot<'a, T> {
        let mut at_hint = true;
        while pos.since(block.start()) >= LEN as u64 {
            let next = block.next_or_new();
            at_hint = at_hint && block.is_filled() && self.move_hint(block, next, &observe);
            // SAFETY: linked, and not reused before `pos` is published.
            block = unsafe { next.as_ref() };
        }
        if pos.since(block.start()) == LEN as u64 - 1 {
            block.next_or_new();
        }
        block.slot(pos)
    }

    #[cold]
    #[inline(never)]
    fn step(mut block: &'a Block<T>, pos: Pos, at: &mut Cursor) -> Option<Slot<'a, T>> {
        while pos.since(block.start()) >= LEN as u64 {
            let next = block.next()?;
            *at = Cursor(next.as_ptr().cast());
            // SAFETY: linked, and ahead of what the receiver may reuse.
            block = unsafe { next.as_ref() };
        }
        Some(block.slot(pos))
    }

    /// Moves the hint from `block` to `next`; false if somebody else has.
    fn move_hint(
        self,
        block: &Block<T>,
        next: NonNull<Block<T>>,
        observe: impl Fn() -> Pos,
    ) -> bool {
        let from = ptr::from_ref(block).cast_mut().cast();
        // ORDERING(L2): AcqRel. Release: pairs with L2 in `hint`. Acquire: the next to move it sees all before.
        let moved = self.hint.compare_exchange(
            from,
            next.as_ptr().cast(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if moved.is_err() {
            return false;
        }
        // After the move, so that who claims from now on sees it.
        let claimed = observe();
        // ORDERING(L3): Release. Pairs with L3 in `leave_behind`: this was our last look at the block.
        block.passed.store(claimed.number() << 1 | 1, Ordering::Release);
        true
    }

    /// Puts a block to the end of the list, unless there are spare ones enough.
    ///
    /// # Safety
    /// The caller is the receiver. The block is out of the list, and nobody uses it.
    unsafe fn reuse(self, block: NonNull<Block<T>>) {
        let mut last = self.hint();
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

impl<'a, T> Store<'a, T> for List<'a, T> {
    const IS_LIST: bool = true;

    #[inline]
    unsafe fn claimed(self, pos: Pos, observe: impl Fn() -> Pos) -> Slot<'a, T> {
        let block = self.hint();
        if pos.since(block.start()) < LEN as u64 - 1 {
            return block.slot(pos);
        }
        self.find(block, pos, observe)
    }

    #[inline]
    unsafe fn seek(self, pos: Pos, at: &mut Cursor) -> Option<Slot<'a, T>> {
        // SAFETY: the caller's word.
        let block: &'a Block<T> = unsafe { &*at.0.cast() };
        if pos.since(block.start()) < LEN as u64 {
            return Some(block.slot(pos));
        }
        Self::step(block, pos, at)
    }

    /// Reuses or frees what lies before `at`, as far as no producer can stand there.
    #[inline(never)]
    unsafe fn leave_behind(self, head: Pos, at: Cursor) {
        // ORDERING(L4): Relaxed. The receiver's own; the list's last owner reads it.
        let mut front = self.front.load(Ordering::Relaxed);
        while front != at.0 {
            let block: NonNull<Block<T>> = NonNull::new(front.cast()).expect("`at` is in the list");
            // SAFETY: in the list.
            let (passed, next) = unsafe {
                // ORDERING(L3): Acquire. Pairs with L3 in `move_hint`.
                (block.as_ref().passed.load(Ordering::Acquire), block.as_ref().next())
            };
            if passed == 0 || head.since(Pos::of(passed >> 1)) >= MAX_LEN {
                return;
            }
            front = next.map_or(at.0, |next| next.as_ptr().cast());
            // ORDERING(L4): Relaxed. As above.
            self.front.store(front, Ordering::Relaxed);
            // SAFETY: passed and drained: nobody stands there, and nothing leads there any more.
            unsafe { self.reuse(block) };
        }
    }
}
