//! Who keeps a channel's state: its owners, counted, of whom the last one frees it.
//!
//! `Arc` would do, but for what it costs where channels are made for one message each. A channel
//! begins with two owners, its sender and its receiver; and it is held weakly by one place alone,
//! the registry, from which it is taken before it dies. So the count begins at two, and there is no
//! second count for weak references: four locked instructions of seventeen a channel.
//!
//! A [`Listing`] is that one weak reference, in one of the registry's entries ([`entries`]). It
//! keeps the memory, not the channel: whichever ends last, channel or listing, frees it. As a rule
//! that is the last owner, which has struck the channel off just before.
//!
//! [`entries`]: super::entries

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};

use super::Shared;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, Tracked};

#[cfg(all(parshall_loom_inside, test))]
pub(super) mod models;

/// One of those who own a channel's state.
pub(crate) struct Owner(NonNull<Owned>);

#[repr(C)]
struct Owned {
    /// 0: the state is dropped, or about to be.
    owners: AtomicUsize,
    /// There is a [`Listing`].
    listed: AtomicBool,
    shared: Shared,
    /// Loom is told when it is freed.
    tracked: Tracked,
}

const _: () = {
    const fn is_shared_between_threads<T: Send + Sync>() {}
    is_shared_between_threads::<Shared>();
};
// SAFETY: an owner gives access to a `Shared`, and may drop it: see above.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

/// As `Arc`'s limit: a count beyond it can only come from forgotten owners.
const MAX_OWNERS: usize = isize::MAX as usize;

impl Owner {
    /// Two owners of a new state, which `fill` writes where it stays. (Should it unwind, what was
    /// written so far is leaked, and nothing worse.)
    ///
    /// # Safety
    /// `fill` writes all of it.
    #[inline(always)]
    pub(super) unsafe fn two(fill: impl FnOnce(*mut Shared)) -> (Self, Self) {
        let layout = Layout::new::<Owned>();
        // SAFETY: it has a size.
        let Some(memory) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let owned = memory.cast::<Owned>();
        let at = owned.as_ptr();
        // SAFETY: memory for it, and nobody else's.
        unsafe {
            fill(&raw mut (*at).shared);
            (&raw mut (*at).owners).write(AtomicUsize::new(2));
            (&raw mut (*at).listed).write(AtomicBool::new(false));
            (&raw mut (*at).tracked).write(Tracked::new());
        }
        (Self(owned), Self(owned))
    }

    #[inline(always)]
    fn owned(&self) -> &Owned {
        // SAFETY: it lives while there is an owner.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The reference to be listed. The channel has none yet, and nobody else makes one.
    #[inline]
    pub(super) fn listing(&self) -> Listing {
        // ORDERING(N4): Relaxed. It is read by the last owner, which comes after this one, and by
        // who finds the listing in its entry, N5.
        debug_assert!(!self.owned().listed.load(Ordering::Relaxed));
        self.owned().listed.store(true, Ordering::Relaxed);
        Listing(self.0)
    }

    /// The last owner goes.
    ///
    /// # Safety
    /// The count is 0, by a step of the caller.
    #[inline(never)]
    unsafe fn end(owned: NonNull<Owned>) {
        let at = owned.as_ptr();
        // SAFETY: nobody else is there, but the registry, which looks at the two words alone.
        unsafe {
            (&raw mut (*at).shared).drop_in_place();
            // ORDERING(N4): Acquire. Pairs with N4 in `Listing::release`: it is not used any more.
            if !(*at).listed.load(Ordering::Acquire) || Self::is_given_up(at) {
                Self::free(owned);
            }
        }
    }

    /// Of the end of a channel and its listing's, the second one frees the memory. Whether that is
    /// the channel's.
    ///
    /// # Safety
    /// The memory was not freed.
    #[cold]
    #[inline(never)]
    unsafe fn is_given_up(at: *mut Owned) -> bool {
        // SAFETY: as the caller says. ORDERING(N4): AcqRel. Pairs with N4 in `Listing::release`,
        // as said there, the other way round.
        !unsafe { (*at).listed.swap(false, Ordering::AcqRel) }
    }

    /// # Safety
    /// The state is dropped, the listing is given up, and nobody else frees it.
    #[inline]
    unsafe fn free(owned: NonNull<Owned>) {
        let at = owned.as_ptr();
        // SAFETY: nobody is there any more.
        unsafe {
            (&raw mut (*at).owners).drop_in_place();
            (&raw mut (*at).tracked).drop_in_place();
            dealloc(at.cast(), Layout::new::<Owned>());
        }
    }
}

impl core::ops::Deref for Owner {
    type Target = Shared;

    #[inline(always)]
    fn deref(&self) -> &Shared {
        &self.owned().shared
    }
}

impl Clone for Owner {
    #[inline]
    fn clone(&self) -> Self {
        // ORDERING(N3): Relaxed. The caller's own share keeps the count above 0.
        if self.owned().owners.fetch_add(1, Ordering::Relaxed) > MAX_OWNERS {
            std::process::abort();
        }
        Self(self.0)
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        self.owned().tracked.seen();
        // ORDERING(N3): AcqRel. Release: what this owner did comes before the end. Acquire: the
        // last one sees it all.
        if self.owned().owners.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: that was the last one.
            unsafe { Self::end(self.0) }
        }
    }
}

/// A reference that keeps the memory, and not the channel: the registry's. It may be copied, and is
/// given up once.
///
/// It looks at the two words one by one, never through a reference to all of [`Owned`]: the state
/// may be dropped meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Listing(NonNull<Owned>);

impl Listing {
    pub(super) fn into_raw(self) -> *mut () {
        self.0.as_ptr().cast()
    }

    /// # Safety
    /// From [`Listing::into_raw`].
    pub(super) unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: it was not null there.
        Self(unsafe { NonNull::new_unchecked(raw.cast()) })
    }

    /// One owner more, if there is one. Once none, always none.
    ///
    /// # Safety
    /// The listing was not given up.
    pub(super) unsafe fn upgrade(self) -> Option<Owner> {
        // SAFETY: it is not freed before the listing is given up.
        let owners = unsafe { &(*self.0.as_ptr()).owners };
        // ORDERING(N3): Relaxed. The exchange decides.
        let mut seen = owners.load(Ordering::Relaxed);
        while seen != 0 {
            // ORDERING(N3): Relaxed. Of the last drop and this, one comes first in this word, and a
            // drop to 0 lets no owner in. What was done before the listing was made is known to
            // whoever has it; of later changes an owner learns by the words of the channel. (`Arc`
            // acquires here for values that are made after their weak references.)
            match owners.compare_exchange(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Owner(self.0)),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// The last owner gives it up, before the channel ends.
    ///
    /// # Safety
    /// The listing was not given up, nobody uses it after this, and who used it before has said so
    /// to the caller (by a lock). The state is not dropped yet.
    #[inline]
    pub(super) unsafe fn strike(self) {
        // SAFETY: as in `upgrade`.
        let (listed, tracked) =
            unsafe { (&(*self.0.as_ptr()).listed, &(*self.0.as_ptr()).tracked) };
        tracked.seen();
        // ORDERING(N4): Relaxed. The last owner does this, and comes to `end` itself. Looks by this
        // listing came before, under the lock of its entry.
        listed.store(false, Ordering::Relaxed);
    }

    /// Gives it up before the channel ends, while it ends, or after.
    ///
    /// # Safety
    /// The listing was not given up, and nobody uses it after this.
    pub(super) unsafe fn release(self) {
        // SAFETY: as in `upgrade`.
        unsafe {
            (*self.0.as_ptr()).tracked.seen();
            // ORDERING(N4): AcqRel. Pairs with N4 in `end`. Release: the looks by this listing come
            // before the memory is freed there. Acquire: the end of the state comes before it is
            // freed here.
            if !(*self.0.as_ptr()).listed.swap(false, Ordering::AcqRel) {
                Owner::free(self.0);
            }
        }
    }
}
