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
//! * The first block may have fewer slots: then it lies in memory that the ring's owner had at
//!   hand, the list begins at the position of its first slot, and it is neither reused nor freed.
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
//! the receiver, which alone reads stamps, takes them back, and that comes
//!
//! * after every stamp of the old life: it has read them all, and nobody who could write one stands
//!   there;
//! * before every stamp of the new one: its writer has come by the link, which is made after.
//!
//! The watermark keeps the address of a stamp, that of a position at or ahead of the head: its
//! block is not drained, so it is not reset under it. (Or it is one that nobody sets.)
//!
//! # Why the receiver may read a message after it has moved the head over it
//!
//! (A plain `pop_from_list` reads before.)
//!
//! What could take the slot away is that its block, X, is reused or freed. The receiver alone does
//! that: when it moves the head, up to the block of the message that it takes, which is X; when it
//! finds nothing, in a later call; and as it goes. A receive has the receiver for itself until it
//! has read. The wakers that it calls before, of senders that wait for room, do not reach it, and
//! their panics are held back: so nothing ends the call in between. A thread that is stopped there
//! reads when it goes on. The reuse of X comes later in the receiver's own order, and hands the
//! read on with the link (E1).

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, offset_of};
use core::ops::Deref;
use core::ptr::{self, NonNull};

use super::pos::{MAX_LEN, Pos};
use super::slot::{self, Slot, Value};
use super::store::{Cursor, First, Store};
use crate::sizes;
use crate::sync::{AtomicPtr, AtomicU8, AtomicU64, Ordering, UnsafeCell, plain, step};

/// Slots in a block.
pub(super) const LEN: usize = sizes::BLOCK;

/// How far behind `recent` a drained block is still appended; beyond that it is freed.
const SPARE: usize = 3;

type Stamped<T> = slot::Stamped<T, AtomicU8>;

/// A block: its header, and before that its messages, of which the first ones may be missing. So a
/// first block can be short, and its slots are where those of any block are.
///
/// ```text
/// [ messages ... the last one ][ stamps | (apart) | passed, next, prev, start ]
///                              ^ the address
/// ```
///
/// As long as both fit into a cache line, a message has its stamp beside it. If one line held the
/// stamps of many messages, a receiver close behind a producer would take it from that with each.
/// A message that fills a line alone has its stamp in the header: so a block of large messages is
/// set up without touching their pages.
struct Block<'a, T>(NonNull<Header<T>>, PhantomData<&'a Header<T>>);

#[repr(C)]
struct Header<T> {
    /// Of large messages.
    stamps: MaybeUninit<[AtomicU8; LEN]>,
    /// The block is an allocation of its own.
    is_own: bool,
    /// Every producer reads `start`: no stamp may share its cache line. Padding does that without
    /// an alignment, for which allocators take longer.
    _apart: [MaybeUninit<u64>; 4],
    /// Twice the position that the claims had reached when the block was passed, plus 1; 0 before.
    passed: AtomicU64,
    next: AtomicPtr<Header<T>>,
    /// Written before the block is linked. Of the front block it may dangle: nobody goes there.
    prev: UnsafeCell<*mut Header<T>>,
    /// The position of the first slot: a multiple of [`LEN`], below 2^36. Written before the block
    /// is linked.
    start: UnsafeCell<Pos>,
    /// Of the alignment that the messages before it need.
    _messages: [Stamped<T>; 0],
}

/// Loom's atomics have other sizes, and no lines.
const _: () = assert!(
    cfg!(any(parshall_loom_inside, not(target_pointer_width = "64")))
        || offset_of!(Header<()>, start) - offset_of!(Header<()>, stamps) >= LEN - 1 + 64
);

/// Memory for a first block, if it is large enough: the ring's owner has it at hand.
pub(crate) type Space = NonNull<[MaybeUninit<plain::AtomicU64>]>;

/// The first block of a list whose first position is `start`; or any, if that is `None`, and then
/// in `space`, if some slots find place there.
///
/// # Safety
/// `space` is nobody else's, and lives as long as the list.
#[inline(always)]
pub(super) unsafe fn first<T>(start: Option<u64>, space: Option<Space>) -> First {
    let at_hand = match (start, space) {
        // SAFETY: the caller's word.
        (None, Some(space)) => unsafe { Block::<T>::in_space(space) },
        _ => None,
    };
    let (block, start) = at_hand.unwrap_or_else(|| {
        let start = start.unwrap_or(0);
        (Block::allocate(Pos::of(start).in_block(LEN as u64), ptr::null_mut()), start)
    });
    // SAFETY: set up just now.
    let slot = unsafe { Block::new(block) }.slot(Pos::of(start));
    First { start, block: Cursor(block.as_ptr().cast()), stamp: Some(slot.stamp.into()) }
}

/// Frees a list. It drops no message.
///
/// # Safety
/// `front` is the oldest block of a list of `T` that nobody uses any more.
pub(super) unsafe fn free<T>(front: *mut ()) {
    let mut next = front.cast::<Header<T>>();
    while let Some(block) = NonNull::new(next) {
        // SAFETY: the caller's word; each block is in the list once.
        unsafe {
            // ORDERING(E1): Relaxed. Nobody else is there.
            next = block.as_ref().next.load(Ordering::Relaxed);
            Block::free(block);
        }
    }
}

impl<T> Clone for Block<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Block<'_, T> {}

impl<T> Deref for Block<'_, T> {
    type Target = Header<T>;

    #[inline(always)]
    fn deref(&self) -> &Header<T> {
        // SAFETY: the word of who made this.
        unsafe { self.0.as_ref() }
    }
}

impl<'a, T> Block<'a, T> {
    /// Whether a message has its stamp beside it.
    const BESIDE: bool = size_of::<T>() < 64 && align_of::<T>() <= 64;

    /// Bytes that a block has more for each slot.
    const SLOT: usize = if Self::BESIDE { size_of::<Stamped<T>>() } else { size_of::<Value<T>>() };

    /// Where its message is, of these.
    const VALUE: usize = if Self::BESIDE { offset_of!(Stamped<T>, value) } else { 0 };

    /// The layout of a block of `n` slots, and where its header is.
    fn layout(n: usize) -> (Layout, usize) {
        let messages = if Self::BESIDE {
            Layout::array::<Stamped<T>>(n)
        } else {
            Layout::array::<Value<T>>(n)
        };
        let block = messages.and_then(|messages| messages.extend(Layout::new::<Header<T>>()));
        block.expect("32 messages fit into the address space")
    }

    /// An unlinked block, to be linked behind `prev`.
    fn allocate(start: Pos, prev: *mut Header<T>) -> NonNull<Header<T>> {
        let (layout, header) = Self::layout(LEN);
        // SAFETY: the layout has a size: there is a header.
        let Some(memory) = NonNull::new(unsafe { std::alloc::alloc(layout) }) else {
            // A slot may be claimed already, so nobody may unwind from here; this does not.
            std::alloc::handle_alloc_error(layout)
        };
        // SAFETY: fresh memory of the right layout.
        unsafe {
            let block = memory.add(header).cast();
            #[cfg(parshall_loom_inside)]
            Self::make_cells(block, LEN);
            Self::set_up(block, LEN, true, start, prev);
            block
        }
    }

    /// A first block of as many slots as find place in `space`, and the number of its first
    /// position; `None` if that are less than two.
    ///
    /// # Safety
    /// As [`first`].
    #[inline(always)]
    unsafe fn in_space(space: Space) -> Option<(NonNull<Header<T>>, u64)> {
        if !sizes::SHORT_FIRST_BLOCK {
            return None;
        }
        let header =
            (space.len() * size_of::<plain::AtomicU64>()).checked_sub(size_of::<Header<T>>())?;
        let n = (header / Self::SLOT).min(LEN);
        if n < 2 || align_of::<Header<T>>() > align_of::<plain::AtomicU64>() {
            return None;
        }
        // SAFETY: within the space, which is the caller's, and aligned as its words are.
        unsafe {
            let block = space.cast::<u8>().add(header).cast();
            #[cfg(parshall_loom_inside)]
            Self::make_cells(block, n);
            Self::set_up(block, n, false, Pos::of(0), ptr::null_mut());
            Some((block, (LEN - n) as u64))
        }
    }

    /// Writes all that is to be written of a block of `n` slots.
    ///
    /// # Safety
    /// `block` is the header's place in memory for it, and nobody else's.
    #[inline(always)]
    unsafe fn set_up(
        block: NonNull<Header<T>>,
        n: usize,
        is_own: bool,
        start: Pos,
        prev: *mut Header<T>,
    ) {
        let p = block.as_ptr();
        // SAFETY: the caller's word. Field by field: a block of large messages must never lie on
        // the stack.
        unsafe {
            Self::vacate(block, n);
            (&raw mut (*p).is_own).write(is_own);
            (&raw mut (*p).passed).write(AtomicU64::new(0));
            (&raw mut (*p).next).write(AtomicPtr::new(ptr::null_mut()));
            (&raw mut (*p).prev).write(UnsafeCell::new(prev));
            (&raw mut (*p).start).write(UnsafeCell::new(start));
        }
    }

    /// Says of the last `n` slots that nothing is published there.
    ///
    /// # Safety
    /// The block has them, and it is nobody else's.
    #[inline(always)]
    unsafe fn vacate(block: NonNull<Header<T>>, n: usize) {
        let of = if Self::BESIDE { LEN - n..LEN } else { 0..LEN };
        for i in of {
            // SAFETY: the caller's word; the header has all stamps.
            unsafe { Self::stamp(block, i).write(AtomicU8::new(0)) };
        }
    }

    /// Writes the cells of the last `n` messages: loom's. Of std's nothing needs to be written.
    ///
    /// # Safety
    /// As [`Block::vacate`].
    #[cfg(parshall_loom_inside)]
    unsafe fn make_cells(block: NonNull<Header<T>>, n: usize) {
        for i in LEN - n..LEN {
            // SAFETY: the caller's word.
            unsafe { Self::message(block, i).write(slot::vacant()) };
        }
    }

    /// # Safety
    /// Made by `first` or `allocate`, used by nobody, and without messages.
    unsafe fn free(block: NonNull<Header<T>>) {
        // SAFETY: the caller's word. Messages are `MaybeUninit`: none is dropped.
        unsafe {
            let is_own = block.as_ref().is_own;
            ptr::drop_in_place(block.as_ptr());
            if is_own {
                let (layout, header) = Self::layout(LEN);
                std::alloc::dealloc(block.as_ptr().cast::<u8>().sub(header), layout);
            }
        }
    }

    /// # Safety
    /// It is set up, and neither reused nor freed while this is used.
    #[inline(always)]
    unsafe fn new(block: NonNull<Header<T>>) -> Self {
        Self(block, PhantomData)
    }

    /// The memory of message `i` of a block.
    ///
    /// # Safety
    /// The block has that slot.
    #[inline(always)]
    unsafe fn message(block: NonNull<Header<T>>, i: usize) -> NonNull<Value<T>> {
        // By this way, on which it may leave the memory, the address is part of the operands.
        let first = block.as_ptr().wrapping_byte_sub(LEN * Self::SLOT);
        let message = first.wrapping_byte_add(i * Self::SLOT + Self::VALUE).cast();
        // SAFETY: so many lie before the header, in the same memory.
        unsafe { NonNull::new_unchecked(message) }
    }

    /// Its stamp.
    ///
    /// # Safety
    /// As [`Block::message`].
    #[inline(always)]
    unsafe fn stamp(block: NonNull<Header<T>>, i: usize) -> NonNull<AtomicU8> {
        // SAFETY: as there.
        unsafe {
            if Self::BESIDE {
                let value = Self::message(block, i).cast::<AtomicU8>();
                value.byte_sub(Self::VALUE).byte_add(offset_of!(Stamped<T>, stamp))
            } else {
                let stamps = (&raw mut (*block.as_ptr()).stamps).cast::<AtomicU8>();
                NonNull::new_unchecked(stamps.add(i))
            }
        }
    }

    fn as_ptr(self) -> *mut Header<T> {
        self.0.as_ptr()
    }

    #[inline]
    fn start(self) -> Pos {
        // SAFETY: written before the block was linked, and we came by a link.
        self.start.with(|p| unsafe { *p })
    }

    /// # Safety
    /// The caller's position lies before this block.
    unsafe fn prev(self) -> Self {
        // SAFETY: written before the block was linked; it names a block that is not drained, since
        // the caller's position lies there or before.
        unsafe { Self::new(NonNull::new_unchecked(self.prev.with(|p| *p))) }
    }

    #[inline]
    fn holds(self, pos: Pos) -> bool {
        pos.since(self.start()) < LEN as u64
    }

    /// Whose producer, which has claimed it, need not see to the block behind it.
    #[inline]
    fn holds_before_its_last(self, pos: Pos) -> bool {
        pos.is_within(LEN as u64 - 1, self.start())
    }

    /// The slot of a position that is in this block, and not before the first of all.
    #[inline]
    fn slot(self, pos: Pos) -> Slot<'a, T, AtomicU8> {
        let i = pos.index(LEN - 1);
        // SAFETY: as `new` was told. A block has a slot for each of its positions that are used.
        unsafe {
            Slot {
                stamp: Self::stamp(self.0, i).as_ref(),
                value: Self::message(self.0, i).as_ref(),
            }
        }
    }

    /// Links `new` behind this block, or says what is linked there.
    fn link(self, new: NonNull<Header<T>>) -> Result<(), NonNull<Header<T>>> {
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
    fn next(self) -> Option<NonNull<Header<T>>> {
        // ORDERING(E1): Acquire. Pairs with E1 in `link`.
        NonNull::new(self.next.load(Ordering::Acquire))
    }

    fn next_or_new(self) -> NonNull<Header<T>> {
        if let Some(next) = self.next() {
            return next;
        }
        let start = self.start().plus(LEN as u64).in_lap();
        let new = Self::allocate(start, self.as_ptr());
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
    recent: &'a Recent,
    front: &'a Front,
    messages: PhantomData<*const T>,
}

/// The block where producers begin to look: see the module.
pub(super) type Recent = AtomicPtr<()>;

/// The oldest block; null when the list is freed. The receiver's, until the channel's last owner
/// frees it.
pub(super) struct Front(AtomicPtr<()>);

impl Front {
    pub(super) fn new(first: *mut ()) -> Self {
        Self(AtomicPtr::new(first))
    }

    /// Whether there is no block before `at`: for the receiver.
    #[inline]
    pub(super) fn is_front(&self, at: Cursor) -> bool {
        // ORDERING(E4): Relaxed. The receiver's own.
        self.0.load(Ordering::Relaxed) == at.0
    }

    /// The list's first block, which leaves the caller to free it: nobody may use the list any
    /// more.
    pub(super) fn take(&self) -> *mut () {
        // ORDERING(E4): Relaxed. The receiver's own, or the channel's last owner.
        let front = self.0.load(Ordering::Relaxed);
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
        front
    }
}

impl Cursor {
    /// # Safety
    /// It stands at a block of a list of `T`, which is neither reused nor freed meanwhile.
    #[inline(always)]
    unsafe fn block<'a, T>(self) -> Block<'a, T> {
        // SAFETY: the caller's word.
        unsafe { Block::new(NonNull::new_unchecked(self.0.cast())) }
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
    /// Both began with [`first`] of `T`.
    #[inline]
    pub(super) unsafe fn new(recent: &'a Recent, front: &'a Front) -> Self {
        Self { recent, front, messages: PhantomData }
    }

    #[inline]
    fn recent(self) -> Block<'a, T> {
        // ORDERING(E2): Acquire. Pairs with E2 in `step`: the block is set up.
        let recent = self.recent.load(Ordering::Acquire);
        // SAFETY: never null, and the block is not reused under us: see the module, of producers;
        // of the receiver, since it alone reuses blocks.
        unsafe { Block::new(NonNull::new_unchecked(recent.cast())) }
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
    fn find(self, mut block: Block<'a, T>, pos: Pos, observe: impl Fn() -> Pos) -> Block<'a, T> {
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
            block = unsafe { Block::new(next) };
        }
        if pos.since(block.start()) == LEN as u64 - 1 {
            block.next_or_new();
        }
        block
    }

    /// Moves `recent` on from `block`; false if it is elsewhere.
    fn step(self, block: Block<'_, T>, next: NonNull<Header<T>>) -> bool {
        let (from, to) = (block.as_ptr().cast(), next.as_ptr().cast());
        // ORDERING(E2): AcqRel. Release: pairs with E2 in `recent`. Acquire: who moves it next
        // carries on what came with the moves before.
        self.recent.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn go_on(mut block: Block<'a, T>, pos: Pos, at: &mut Cursor) -> bool {
        while !block.holds(pos) {
            let Some(next) = block.next() else { return false };
            *at = Cursor(next.as_ptr().cast());
            // SAFETY: linked, and ahead of what the receiver may reuse.
            block = unsafe { Block::new(next) };
        }
        true
    }

    /// Puts a block to the end of the list, unless there are spare ones enough, or it is short.
    ///
    /// # Safety
    /// The caller is the receiver. The block is out of the list, and nobody uses it.
    unsafe fn reuse(self, block: NonNull<Header<T>>) {
        let mut last = self.recent();
        let p = block.as_ptr();
        // SAFETY: the block is ours alone.
        let spare = if unsafe { (*p).is_own } { SPARE } else { 0 };
        if spare > 0 {
            // SAFETY: as above, and it has all its slots.
            unsafe { Block::vacate(block, LEN) };
        }
        for _ in 0..spare {
            let start = last.start().plus(LEN as u64).in_lap();
            // SAFETY: as above. ORDERING(E1, E3): Relaxed. Published by the link below.
            unsafe {
                (*p).start.with_mut(|p| *p = start);
                (*p).prev.with_mut(|p| *p = last.as_ptr());
                (*p).next.store(ptr::null_mut(), Ordering::Relaxed);
                (*p).passed.store(0, Ordering::Relaxed);
            }
            match last.link(block) {
                Ok(()) => return,
                // SAFETY: linked, and ahead of all that the receiver reuses.
                Err(next) => last = unsafe { Block::new(next) },
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
        let block: Block<'a, T> = unsafe { at.block() };
        block.holds(pos) || Self::go_on(block, pos, at)
    }

    #[inline]
    unsafe fn slot(self, pos: Pos, at: Cursor) -> Slot<'a, T, AtomicU8> {
        // SAFETY: the caller's word.
        let block: Block<'a, T> = unsafe { at.block() };
        block.slot(pos)
    }

    fn lap(self) -> u64 {
        unreachable!("a list has no laps")
    }

    unsafe fn last_of(self, at: Cursor) -> Pos {
        // SAFETY: the caller's word.
        let block: Block<'a, T> = unsafe { at.block() };
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
        let block: Block<'a, T> = unsafe { at.block() };
        let slots = (pos.index(LEN - 1)..LEN).map(|i| block.slot(Pos::of(i as u64)));
        slots.take_while(|slot| slot::is_marked(slot.stamp, pos)).count() as u64
    }

    /// Reuses or frees what lies before `at`, up to `most` blocks, as far as no producer can stand
    /// there.
    #[cold]
    #[inline(never)]
    unsafe fn leave_behind(self, head: Pos, at: Cursor, most: usize) {
        // ORDERING(E4): Relaxed. The receiver's own; the list's last owner reads it.
        let mut front = self.front.0.load(Ordering::Relaxed);
        for _ in 0..most {
            if front == at.0 {
                return;
            }
            let oldest: NonNull<Header<T>> =
                NonNull::new(front.cast()).expect("`at` is in the list");
            // SAFETY: in the list.
            let block = unsafe { Block::new(oldest) };
            // ORDERING(E3): Acquire. Pairs with E3 in `find`.
            let passed = block.passed.load(Ordering::Acquire);
            if passed == 0 || head.since(Pos::of(passed >> 1)) >= MAX_LEN {
                return;
            }
            front = block.next().expect("`at` is in the list").as_ptr().cast();
            // ORDERING(E4): Relaxed. As above.
            self.front.0.store(front, Ordering::Relaxed);
            // SAFETY: passed and drained: nobody stands there, and nothing leads there any more.
            unsafe { self.reuse(oldest) };
        }
    }
}

#[cfg(all(parshall_loom_inside, test))]
mod models;

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;
    use crate::ring::{Forced, Reader, Ring, Room, Shape};

    const MANY: u64 = if cfg!(miri) { 200 } else { 10_000 };

    fn unbounded() -> (Ring, Reader) {
        Ring::new::<u64>(Shape::new(None, 0, false))
    }

    fn send(ring: &Ring, value: u64) {
        let claim = ring.claim_next().unwrap();
        // SAFETY: the ring was made for `u64`.
        unsafe { ring.put(claim, value) };
    }

    /// Blocks of `T` from the front to the end.
    fn blocks<T>(ring: &Ring) -> usize {
        let mut n = 0;
        let mut next = NonNull::new(ring.receiver.front.0.load(Ordering::Relaxed).cast());
        while let Some(block) = next {
            n += 1;
            // SAFETY: nobody else is there.
            next = unsafe { Block::<T>::new(block) }.next();
        }
        n
    }

    /// Seen to fail with: a short block that is used again.
    #[test]
    fn b26_a_first_block_has_the_slots_that_find_place_in_the_space_for_it() {
        #[derive(Clone, Copy)]
        #[repr(align(64))]
        struct Wide(u64);

        fn check<T>(slots: Option<u64>, message: fn(u64) -> T, number: fn(T) -> u64) {
            const WORDS: usize = 24;
            let space = Box::new([const { MaybeUninit::<plain::AtomicU64>::uninit() }; WORDS]);
            let space = NonNull::from(Box::leak(space));
            let shape = Shape { capacity: None, forced: Forced::default() };
            // SAFETY: ours, and freed at the end.
            let (ring, mut reader) = unsafe { Ring::new_in::<T>(shape, Some(space)) };
            let slots = slots.unwrap_or(LEN as u64);
            for i in 0..MANY {
                let before = blocks::<T>(&ring);
                // SAFETY: the ring was made for `T`, with this reader.
                unsafe { ring.put(ring.claim_next().unwrap(), message(i)) };
                // The producer of the last one sees to the next block.
                if i < slots {
                    assert_eq!((before, blocks::<T>(&ring)), (1, 1 + usize::from(i + 1 == slots)));
                }
                assert_eq!((ring.occupancy().popped, ring.occupancy().len), (i / 2, i + 1 - i / 2));
                if i % 2 == 1 {
                    // SAFETY: as above.
                    let (popped, _) = unsafe { ring.pop::<T>(&mut reader) }.unwrap();
                    assert_eq!(number(popped), number(message(i / 2)));
                }
            }
            assert!(ring.watermark() >= MANY / 2);
            drop(ring);
            // SAFETY: from `Box::leak`, and not used any more.
            drop(unsafe { Box::from_raw(space.as_ptr()) });
        }

        let header = size_of::<Header<u64>>() as u64;
        let left = 24 * 8 - header;
        // Each with a byte for its stamp.
        let words = |n: u64| (8 * n + 1).next_multiple_of(align_of::<u64>() as u64);
        check(Some(left / words(1)), |n| n, |n| n);
        check(Some(left / words(2)), |n| [n; 2], |[n, _]| n);
        check(Some(left / 4), |n| [n as u8; 3], |[n, ..]| n.into());
        check(Some(2), |n| [n; 4], |[n, ..]| n);
        // One slot would be filled by the first message, and of these there is none but elsewhere.
        check(None, |n| [n; 8], |[n, ..]| n);
        check(None, Wide, |wide| wide.0);
        check(None, |_| (), |()| 0);
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
            assert!(blocks::<u64>(&ring) <= 2 + SPARE, "{} blocks are left", blocks::<u64>(&ring));
            ring.close();
            assert!(ring.leaving(&reader).try_abandon());
        }
        assert_eq!(blocks::<u64>(&ring), 0);
    }
}
