//! Loom models of a channel's owners and of the registry's reference, without a channel's life.
//!
//! `sync::models` says how they are run.

use core::panic::Location;

use loom::sync::Mutex;

use super::*;
use crate::chan::{Cold, Info, ReceiverCell, Sums};
use crate::ring::{Forced, Ring, Shape};
use crate::sync::models::{check, spawn};
use crate::sync::plain::Weak;

/// The two owners of a new state, and what upgrades until its memory is freed.
pub(in crate::chan) fn two(on_drop: Option<fn(&Shared, Sums)>) -> (Owner, Owner, Weak<()>) {
    let shape = Shape { capacity: Some(1), forced: Forced::default() };
    let cold = |reader| Cold {
        info: Info::new(None, Location::caller(), "u32", None),
        receiver: ReceiverCell::new(reader),
    };
    // SAFETY: memory for a state, and so for a ring, and nobody else's; all of it is written.
    let (sender, receiver) = unsafe {
        Owner::two(|at| {
            Shared::init(at, true, on_drop, |ring, space| {
                Ring::init::<u32>(ring, shape, space, cold)
            });
        })
    };
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

/// A listing is used and given up by another thread while the owners go: no owner comes back from
/// the end, and the memory is freed once, by the end or by the listing, after the last look of the
/// other. Tags N3, N4.
///
/// Seen to fail with: Relaxed, Acquire or Release in `is_given_up`; the same in `release`; Relaxed
/// in `end`; a listing that does not say that it is there, or that nobody asks for; an owner more
/// where there was none.
#[test]
fn a_listing_is_given_up_while_the_owners_go() {
    check("given up", 3, || {
        let (sender, receiver, memory) = two(None);
        let listing = sender.listing();
        let looker = spawn(move || {
            // SAFETY: it is given up once, after that.
            unsafe {
                // The owner goes at once: it may be the last one.
                drop(listing.upgrade());
                listing.release();
            }
        });
        drop((sender, receiver));
        looker.join().unwrap();
        assert_eq!(memory.strong_count(), 0);
    });
}

loom::lazy_static! {
    static ref REGISTRY: Mutex<Option<Listing>> = Mutex::new(None);
}

/// As the registry: under its lock the channel is struck off.
fn leave(_: &Shared, _: Sums) {
    let listing = REGISTRY.lock().unwrap().take();
    // SAFETY: it was taken out, so nobody else has it.
    unsafe { listing.expect("it leaves once").strike() };
}

/// A channel is struck off while somebody looks, and that look may be the last owner: it leaves
/// once, and is freed. Tags N3, N4.
///
/// Seen to fail with: a listing that still counts when it was struck off.
#[test]
fn the_registry_is_looked_through_as_a_channel_ends() {
    check("leaves", 3, || {
        let (sender, receiver, memory) = two(Some(leave));
        *REGISTRY.lock().unwrap() = Some(sender.listing());
        let snapshot = spawn(|| {
            let registry = REGISTRY.lock().unwrap();
            // SAFETY: it is given up under the lock.
            let live = registry.as_ref().and_then(|listing| unsafe { listing.upgrade() });
            drop(registry);
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
