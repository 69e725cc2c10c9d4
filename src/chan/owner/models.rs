//! Loom models of a channel's owners and of the registry's reference, without a channel's life.
//!
//! `sync::models` says how they are run.

use core::panic::Location;

use loom::sync::Mutex;

use super::*;
use crate::chan::{Info, Sums};
use crate::ring::{Origin, Ring, Shape};
use crate::sync::models::{check, spawn};
use crate::sync::plain::Weak;

/// The two owners of a new state, and what upgrades until its memory is freed.
fn two(on_drop: Option<fn(&Shared, Sums)>) -> (Owner, Owner, Weak<()>) {
    let shape = Shape { capacity: Some(1), origin: Origin::default() };
    let info = || Info::new(None, Location::caller(), "u32", None, on_drop);
    // SAFETY: memory for a ring, and nobody else's.
    let (sender, receiver, _) =
        Shared::create(|ring| unsafe { Ring::init::<u32>(ring, shape, info) });
    let memory = sender.owned().tracked.watch();
    (sender, receiver, memory)
}

/// Three owners go: the last one comes after all that the others did, and frees the state, once.
/// Tag N3.
///
/// Seen to fail with: a drop that is not AcqRel; a clone that does not count.
#[test]
fn the_last_owner_comes_after_all_others() {
    check("owners", 3, || {
        let (sender, receiver, memory) = two(None);
        let others = [sender.clone(), sender].map(|owner| spawn(move || drop(owner)));
        drop(receiver);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(memory.strong_count(), 0);
    });
}

/// A listing is used and dropped by another thread while the owners go: no owner comes back from
/// the end, and the memory is freed after the last look of the listing, or not at all. Tags N3, N4.
///
/// Seen to fail with: Relaxed in `end`, or in the drop of a listing; a listing that does not say
/// that it is there, or that nobody asks for; an owner more where there was none.
#[test]
fn a_listing_outlives_the_owners() {
    check("outlived", 3, || {
        let (sender, receiver, memory) = two(None);
        let listing = sender.listing();
        let state = sender.0;
        let looker = spawn(move || {
            // The owner goes at once: it may be the last one.
            drop(listing.upgrade());
        });
        drop((sender, receiver));
        looker.join().unwrap();
        if memory.strong_count() > 0 {
            // SAFETY: nobody is left, and `end` has found it listed.
            unsafe { free(state) };
        }
    });
}

/// What a listing leaves behind that outlives the state.
unsafe fn free(state: NonNull<Owned>) {
    let at = state.as_ptr();
    // SAFETY: the caller's word.
    unsafe {
        assert!(!(*at).listed.load(Ordering::Relaxed));
        assert_eq!((*at).owners.load(Ordering::Relaxed), 0, "it is at its end");
        (&raw mut (*at).owners).drop_in_place();
        (&raw mut (*at).tracked).drop_in_place();
        dealloc(at.cast(), Layout::new::<Owned>());
    }
}

loom::lazy_static! {
    static ref REGISTRY: Mutex<Option<Listing>> = Mutex::new(None);
}

/// As the registry: under its lock the listing is taken out.
fn leave(_: &Shared, _: Sums) {
    let listing = REGISTRY.lock().unwrap().take();
    assert!(listing.is_some(), "it leaves once");
}

/// The registry is looked through while the owners go, and the look may be the last owner: the
/// channel leaves it once, and is freed. Tags N3, N4.
///
/// Seen to fail with: a listing that still counts when it was dropped.
#[test]
fn the_registry_is_looked_through_as_a_channel_ends() {
    check("leaves", 3, || {
        let (sender, receiver, memory) = two(Some(leave));
        *REGISTRY.lock().unwrap() = Some(sender.listing());
        let snapshot = spawn(|| {
            let live = REGISTRY.lock().unwrap().as_ref().and_then(Listing::upgrade);
            if let Some(shared) = live {
                shared.counts.strong();
            }
        });
        let other = spawn(move || drop(sender));
        drop(receiver);
        snapshot.join().unwrap();
        other.join().unwrap();
        assert!(REGISTRY.lock().unwrap().is_none());
        assert_eq!(memory.strong_count(), 0);
    });
}
