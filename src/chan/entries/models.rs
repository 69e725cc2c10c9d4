//! Loom models of the registry's entries: a look beside channels that are listed and end.
//!
//! `sync::models` says how they are run.

use super::*;
use crate::chan::info::Registration;
use crate::chan::owner::models::two;
use crate::chan::{Shared, Sums};
use crate::sync::models::{check, spawn};
use crate::sync::plain::Weak;

loom::lazy_static! {
    static ref ENTRIES: Entries<()> = entries();
}

fn entries() -> Entries<()> {
    let guarded = Guarded { vacant: NONE, looking: false, struck: NONE, rest: () };
    Entries { all: Chunks::new(), used: AtomicU32::new(0), lock: Mutex::new(guarded) }
}

/// As the registry's: a channel that is listed is struck off by its last owner.
fn leave(shared: &Shared, _: Sums) {
    if let Some(at) = shared.info().registration() {
        ENTRIES.lock().strike(at.entry);
    }
}

/// A channel with one owner that nobody sees yet, and what upgrades until its memory is freed.
fn create() -> (Owner, Weak<()>) {
    let (owner, _, memory) = two(Some(leave));
    (owner, memory)
}

/// As the registry does it.
fn list(owner: &Owner) {
    let mut spare = None;
    loop {
        let mut locked = ENTRIES.lock();
        match locked.entry(Some(&mut spare)) {
            Ok(entry) => {
                owner.info().list(Registration { entry, name: None, ordinal: 1 });
                locked.list(entry, owner);
                return;
            }
            Err(entry) => spare = Some(Chunks::chunk_of(entry)),
        }
    }
}

/// What a snapshot finds, in pieces of so many entries.
fn look(most: u32) -> Vec<Owner> {
    let mut found = Vec::new();
    let mut first = Some(0);
    while let Some(next) = first {
        first = ENTRIES.look(next, most, &mut found);
    }
    found
}

/// Nothing is listed, nobody looks, and no entry was lost.
fn is_at_rest() {
    assert!(look(8).is_empty());
    let locked = ENTRIES.lock();
    assert_eq!((locked.guarded.looking, locked.guarded.struck), (false, NONE));
    let vacant = core::iter::successors(Some(locked.guarded.vacant), |&index| {
        ENTRIES.all.get(index).map(|entry| entry.next.load(Ordering::Relaxed))
    });
    let vacant = vacant.take_while(|&index| index != NONE).count();
    assert_eq!(vacant, ENTRIES.used.load(Ordering::Relaxed) as usize);
}

/// A channel is listed beside a look, in a new entry or in one that was used: it is found whole, or
/// not at all. Tag N5.
///
/// Seen to fail, in a used entry, with: an entry's word that is stored or loaded Relaxed; a vacant
/// entry that stays the first of them.
fn is_listed(used: bool) {
    if used {
        list(&create().0);
    }
    let lister = spawn(|| {
        let (owner, memory) = create();
        list(&owner);
        (owner, memory)
    });
    drop(look(8));
    let (owner, memory) = lister.join().unwrap();
    assert_eq!(look(8).len(), 1);
    drop(owner);
    is_at_rest();
    assert_eq!(memory.strong_count(), 0);
}

#[test]
fn a_channel_is_listed_in_a_new_entry() {
    check("listed", 3, || is_listed(false));
}

#[test]
fn a_channel_is_listed_in_a_used_entry() {
    check("listed anew", 3, || is_listed(true));
}

/// A channel ends beside a look, and another one takes its entry. The look finds the one that
/// stays, and no memory is freed under its eyes, or twice, or never. Tags N4, N5.
///
/// Seen to fail with: an entry's word that is stored or loaded Relaxed; a look that does not say
/// that it looks; who strikes off and does not ask whether somebody looks; an entry that was struck
/// off under a look's eyes and is not marked, or is vacant at once, or keeps its pointer; a listing
/// that is not given up by the look, or given up by the next one as well; entries that are lost.
#[test]
fn an_entry_is_used_again_beside_a_look() {
    check("used again", 2, || {
        let (ends, ended) = create();
        list(&ends);
        let (stays, memory) = create();
        list(&stays);
        let other = spawn(move || {
            drop(ends);
            let (owner, memory) = create();
            list(&owner);
            (owner, memory)
        });
        let found = look(1);
        assert_eq!(found.iter().filter(|owner| owner.is_same(&stays)).count(), 1);
        drop(found);
        let (owner, third) = other.join().unwrap();
        drop((owner, stays));
        is_at_rest();
        assert!([ended, memory, third].iter().all(|memory| memory.strong_count() == 0));
    });
}

/// Two look, and one channel ends. Tags N4, N5.
///
/// Seen to fail with: a second look that begins before the first has ended; and most of the above.
#[test]
fn a_channel_ends_beside_two_looks() {
    check("two looks", 2, || {
        let (owner, memory) = create();
        list(&owner);
        let others = [spawn(|| drop(look(8))), spawn(move || drop(owner))];
        drop(look(8));
        others.into_iter().for_each(|other| other.join().unwrap());
        is_at_rest();
        assert_eq!(memory.strong_count(), 0);
    });
}
