//! Where channels are listed, for who looks at all of them: without making anybody wait.
//!
//! A channel is listed when it is created, and struck off by its last owner, both under a lock. Who
//! looks takes that lock only to say that it looks, and that it has looked, at a piece at a time.
//! Between the two it reads entries with no lock. If the system stops it there, nobody who creates
//! or drops a channel waits for it; only another one who looks does.
//!
//! # Why no memory is freed under its eyes
//! `looking` changes under the lock, and channels are struck off under it. So of the beginning of a
//! look and the striking off of a channel one comes first:
//!
//! 1. Struck off first: its entry is empty before the look begins, and that does not find it.
//! 2. Looked first: who strikes it off sees `looking`, marks the entry and gives nothing up. The
//!    looker gives the listing up, after its look. If the channel's last owner has come to its end
//!    by then, that frees the memory; else the last owner does (N4 in [`owner`](super::owner)).
//!
//! An entry that is marked is used again only after that. A channel that is listed during a look
//! may be found or not; then N5 shows its state whole.
//!
//! | word of an entry | |
//! |---|---|
//! | a pointer | that channel is listed |
//! | a pointer and [`STRUCK`] | that channel was struck off, and its listing is the looker's |
//! | [`STRUCK`] alone | none, the entry is vacant |

use core::{mem, ptr};

use super::Owner;
use super::owner::Listing;
use crate::collections::chunks::Chunks;
use crate::sync::{AtomicPtr, AtomicU32, Mutex, MutexGuard, Ordering, thread};

#[cfg(all(parshall_loom_inside, test))]
mod models;

/// A bit that no pointer to words has.
const STRUCK: usize = 1;

/// No entry.
const NONE: u32 = u32::MAX;

/// Entries of channels, and what else their lock guards.
pub(crate) struct Entries<G> {
    all: Chunks<Entry>,
    /// Entries that have been used: those before this one. Changes under the lock.
    used: AtomicU32,
    lock: Mutex<Guarded<G>>,
}

struct Guarded<G> {
    /// The first of the used entries that are vacant.
    vacant: u32,
    /// Somebody looks.
    looking: bool,
    /// The first of the entries that were struck off under its eyes.
    struck: u32,
    rest: G,
}

pub(crate) struct Entry {
    word: AtomicPtr<()>,
    /// The next of the vacant, or of the struck. Under the lock, or its looker's.
    next: AtomicU32,
}

impl Default for Entry {
    fn default() -> Self {
        let word = AtomicPtr::new(ptr::without_provenance_mut(STRUCK));
        Self { word, next: AtomicU32::new(NONE) }
    }
}

/// The entries, locked.
pub(crate) struct Locked<'a, G> {
    entries: &'a Entries<G>,
    guarded: MutexGuard<'a, Guarded<G>>,
}

impl<G> Entries<G> {
    #[cfg(not(parshall_loom_inside))]
    pub(crate) const fn new(rest: G) -> Self {
        let guarded = Guarded { vacant: NONE, looking: false, struck: NONE, rest };
        Self { all: Chunks::new(), used: AtomicU32::new(0), lock: Mutex::new(guarded) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, G> {
        Locked { entries: self, guarded: self.lock.lock() }
    }

    /// Appends the channels in the entries from `first` on, `most` at most, that live. Each that is
    /// listed throughout is there. One that is dying is waited for: it has been struck off when
    /// this returns. Returns the next entry to look at; none if that was the last one.
    ///
    /// Allocates nothing while it looks if `found` has room.
    pub(crate) fn look(&self, first: u32, most: u32, found: &mut Vec<Owner>) -> Option<u32> {
        self.begin();
        // ORDERING(N5): Relaxed. An entry says itself what is in it, and the lock that `begin` took
        // has shown those of all who were listed before.
        let used = self.used.load(Ordering::Relaxed);
        let end = used.min(first.saturating_add(most));
        for index in first..end {
            let Some(entry) = self.all.get(index) else { continue };
            loop {
                // ORDERING(N5): Acquire. Pairs with N5 in `Locked::list`: the state is whole.
                let raw = entry.word.load(Ordering::Acquire);
                if raw.addr() & STRUCK != 0 {
                    break;
                }
                // SAFETY: it was put there by `Locked::list`. Who strikes it off from now on leaves
                // it to this look; who did so before has left nothing there.
                let owner = unsafe { Listing::from_raw(raw).upgrade() };
                if let Some(owner) = owner {
                    found.push(owner);
                    break;
                }
                // Its last handle has gone, and its sums are on their way to the retired: were they
                // in neither, totals would fall.
                thread::yield_now();
            }
        }
        self.end();
        (end < used).then_some(end)
    }

    fn begin(&self) {
        loop {
            let mut locked = self.lock();
            if !locked.guarded.looking {
                locked.guarded.looking = true;
                return;
            }
            drop(locked);
            thread::yield_now();
        }
    }

    /// The look is over: gives up the listings that were left to it.
    fn end(&self) {
        let mut locked = self.lock();
        locked.guarded.looking = false;
        let first = mem::replace(&mut locked.guarded.struck, NONE);
        drop(locked);
        if first == NONE {
            return;
        }
        // Nobody else changes these entries, or uses their pointers.
        let mut last = first;
        let mut next = first;
        while let Some(entry) = self.all.get(next) {
            // ORDERING(N5): Relaxed, all three. Under the lock, before this, or read by none but
            // those who find an entry that is marked or empty.
            let raw = entry.word.load(Ordering::Relaxed);
            entry.word.store(ptr::without_provenance_mut(STRUCK), Ordering::Relaxed);
            // SAFETY: it was put there by `Locked::list`, and is given up by nobody else: who
            // struck it off did not. No look has it: this one has ended, and those that began later
            // have found it marked.
            unsafe { Listing::from_raw(raw.map_addr(|at| at & !STRUCK)).release() };
            last = next;
            next = entry.next.load(Ordering::Relaxed);
        }
        let mut locked = self.lock();
        if let Some(entry) = self.all.get(last) {
            // ORDERING(N5): Relaxed. Under the lock.
            entry.next.store(locked.guarded.vacant, Ordering::Relaxed);
            locked.guarded.vacant = first;
        }
    }
}

impl<G> Locked<'_, G> {
    /// What else the lock guards.
    #[inline]
    pub(crate) fn rest(&mut self) -> &mut G {
        &mut self.guarded.rest
    }

    /// The entry for the next channel, if there is memory for it, now that `spare` is there: see
    /// [`Chunks::grow`]. Else its number.
    #[inline]
    pub(crate) fn entry(&self, spare: Option<&mut Option<Box<[Entry]>>>) -> Result<u32, u32> {
        if self.guarded.vacant != NONE {
            return Ok(self.guarded.vacant);
        }
        // ORDERING(N5): Relaxed. Under the lock.
        let index = self.entries.used.load(Ordering::Relaxed);
        if self.entries.all.grow(index, spare) { Ok(index) } else { Err(index) }
    }

    /// Lists a channel in the entry that [`Locked::entry`] has named since the lock was taken. The
    /// channel is listed nowhere.
    #[inline]
    pub(crate) fn list(&mut self, index: u32, owner: &Owner) {
        let Some(entry) = self.entries.all.get(index) else { return };
        // ORDERING(N5): Relaxed. Under the lock.
        debug_assert_eq!(entry.word.load(Ordering::Relaxed).addr(), STRUCK, "it is vacant");
        let raw = owner.listing().into_raw();
        // ORDERING(N5): Release. Pairs with N5 in `Entries::look`: the state behind the pointer.
        entry.word.store(raw, Ordering::Release);
        // ORDERING(N5): Relaxed, both. Under the lock; and see `Entries::look`.
        if self.guarded.vacant == index {
            self.guarded.vacant = entry.next.load(Ordering::Relaxed);
        } else {
            self.entries.used.store(index + 1, Ordering::Relaxed);
        }
    }

    /// Strikes off the channel in this entry, if there is one.
    #[inline]
    pub(crate) fn strike(&mut self, index: u32) {
        let Some(entry) = self.entries.all.get(index) else { return };
        let Guarded { vacant, looking, struck, .. } = &mut *self.guarded;
        // ORDERING(N5): Relaxed. Under the lock.
        let raw = entry.word.load(Ordering::Relaxed);
        if raw.addr() & STRUCK != 0 {
            return;
        }
        let (word, list) = if *looking {
            (raw.map_addr(|at| at | STRUCK), struck)
        } else {
            // SAFETY: `Locked::list` put it there, and it was not given up, or it would be marked.
            // Nobody looks, and who looks later finds nothing.
            unsafe { Listing::from_raw(raw).strike() };
            (ptr::without_provenance_mut(STRUCK), vacant)
        };
        // ORDERING(N5): Relaxed, both. Who looks uses no pointer that it finds marked; the rest is
        // read under the lock.
        entry.word.store(word, Ordering::Relaxed);
        entry.next.store(mem::replace(list, index), Ordering::Relaxed);
    }
}
