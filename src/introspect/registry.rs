//! The live channels of the process, weakly held, and what is left of the dead ones.
//!
//! One lock, taken when a channel is created and when its last handle goes. A snapshot takes it
//! before and after [`PIECE`] channels, which it looks up without it ([`Entries`]), and for
//! [`NAMES`] names at a time. No message ever meets it. No user code runs under it, and that means
//! the allocator too, which may be the program's own and may look at a snapshot: what the registry
//! needs is made before, and what it no longer needs is dropped after.

mod name;
mod names;
mod retired;
mod stock;

use crate::chan::{Entries, Locked, Owner, Registration, Shared, Sums};
use crate::collections::chunks::Chunks;
use crate::sync::plain::{Arc, AtomicU64, Ordering};

use names::Names;
pub use retired::Retired;
use stock::{Lack, Stock};

/// Channels that a snapshot looks up at a time: as long, the memory of those that die meanwhile is
/// not freed.
const PIECE: u32 = 256;

/// Names of which a snapshot reads the sums in one critical section. So few, that it is shorter
/// than a thread spins before it sleeps on the lock.
const NAMES: u32 = 8;

static REGISTRY: Entries<Dead> = Entries::new(Dead { names: Names::new(), other: Retired::NONE });

/// What the registry knows of names, and of channels that are dead.
struct Dead {
    names: Names,
    /// Dead channels of names that were too many to remember.
    other: Retired,
}

/// Lists a new channel, before its handles are given out.
pub(crate) fn enter(shared: &Owner) {
    let hash = shared.info().name.as_deref().map_or(0, names::hash);
    // The lock is given back at the end of the statement.
    let listed = list(&mut REGISTRY.lock(), shared, hash, None);
    if let Err(lack) = listed {
        enter_slow(shared, hash, lack);
    }
}

#[cold]
fn enter_slow(shared: &Owner, mut hash: u64, mut lack: Lack) {
    let info = shared.info();
    let mut stock = Stock::default();
    loop {
        match lack {
            Lack::Entry(index) => stock.entries = Some(Chunks::chunk_of(index)),
            Lack::Name(index) => stock.names = Some(Chunks::chunk_of(index)),
            Lack::Text => {
                let text = info.first_name();
                hash = names::hash(&text);
                stock.text = Some(text.into());
            }
        }
        let listed = list(&mut REGISTRY.lock(), shared, hash, Some(&mut stock));
        match listed {
            Ok(()) => return,
            Err(another) => lack = another,
        }
    }
}

/// Strikes a channel off, as the last of its handles goes. From its last handle's end on to here
/// nothing is allocated or freed: a snapshot waits for a channel that is dying.
pub(crate) fn leave(shared: &Shared, sums: Sums) {
    let Some(Registration { entry, name, .. }) = shared.info().registration() else { return };
    let mut registry = REGISTRY.lock();
    registry.strike(entry);
    let dead = registry.rest();
    match name {
        Some(name) => dead.names.retire(name, shared, &sums),
        None => dead.other.add(shared, &sums),
    }
}

/// Live channels that are not listed.
static UNTRACKED: AtomicU64 = AtomicU64::new(0);

/// A channel begins that is not listed.
pub(crate) fn enter_untracked() {
    UNTRACKED.fetch_add(1, Ordering::Relaxed);
}

/// It ends.
pub(crate) fn leave_untracked(_: &Shared, _: Sums) {
    UNTRACKED.fetch_sub(1, Ordering::Relaxed);
}

/// How many live. A gauge.
pub(crate) fn untracked() -> u64 {
    UNTRACKED.load(Ordering::Relaxed)
}

/// Nothing is changed by half: what lacks is found out first.
/// `hash` is that of its name, or of the text in `stock`.
#[inline(always)]
fn list(
    registry: &mut Locked<'_, Dead>,
    shared: &Owner,
    hash: u64,
    mut stock: Option<&mut Stock>,
) -> Result<(), Lack> {
    let info = shared.info();
    let spare = stock.as_deref_mut().map(|stock| &mut stock.entries);
    let entry = registry.entry(spare).map_err(Lack::Entry)?;
    let names = &mut registry.rest().names;
    let name = names.entry(info, hash, stock)?;
    let ordinal = name.map_or(0, |name| names.at(name).count());
    info.list(Registration { entry, name, ordinal });
    registry.list(entry, shared);
    Ok(())
}

/// Shows all live channels, and returns them. Others may come and go meanwhile: each that lived
/// throughout is shown, once. One that is owned here does not die, so sums of the dead that are
/// read before it is let go do not count it a second time. One that is dying is waited for: were
/// its sums neither here nor among the retired, totals would fall.
pub(crate) fn live(mut look: impl FnMut(&Shared)) -> Vec<Owner> {
    let mut all = Vec::new();
    let mut next = Some(0);
    while let Some(first) = next {
        // Room for all of the piece: nothing is allocated while it is looked up.
        all.reserve(PIECE as usize);
        let known = all.len();
        next = REGISTRY.look(first, PIECE, &mut all);
        for shared in &all[known..] {
            look(shared);
        }
    }
    all
}

/// The sums of dead channels by name, names of no dead channel left out, and those of names that
/// were too many to remember.
pub(crate) fn retired() -> (Vec<(Arc<str>, Retired)>, Retired) {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        all.reserve(NAMES as usize);
        let mut registry = REGISTRY.lock();
        let dead = registry.rest();
        next = dead.names.retired(next, NAMES, &mut all);
        let other = dead.other.clone();
        drop(registry);
        if next.is_none() {
            // In the order in which the names came.
            all.sort_unstable_by_key(|(index, ..)| *index);
            return (all.into_iter().map(|(_, text, retired)| (text, retired)).collect(), other);
        }
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::panic::Location;
    use core::time::Duration;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::chan::{Chan, ChannelOptions, Consumer, Forced, Shape};

    /// A channel that is listed, and what its last owner does.
    fn listed<T>(name: &str, on_drop: fn(&Shared, Sums)) -> (Chan<T>, Consumer<T>) {
        let (chan, consumer) = Chan::create(ChannelOptions {
            name: Some(name.into()),
            shape: Shape { capacity: Some(1), forced: Forced::default() },
            location: Location::caller(),
            trace_senders: false,
            on_drop: Some(on_drop),
        });
        enter(chan.shared());
        (chan, consumer)
    }

    /// Channels are made and dropped while two threads look: each that lives throughout is found
    /// once by every look, and no memory is used after it was freed, which Miri sees, or leaked.
    ///
    /// Seen to fail with: who strikes off gives the listing up although somebody looks (Miri).
    #[test]
    fn looks_and_ends_do_not_meet() {
        let make = || listed::<Box<u8>>("meets", leave);
        let stay: Vec<_> = (0..3).map(|_| make()).collect();
        let stays: Vec<_> = stay.iter().map(|(chan, _)| chan.info().channel_id).collect();
        let rounds = if cfg!(miri) { 20 } else { 20_000 };
        let left = AtomicU64::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        drop((make(), make()));
                    }
                    left.fetch_sub(1, Ordering::Relaxed);
                });
                scope.spawn(|| {
                    while left.load(Ordering::Relaxed) > 0 {
                        let mut found = Vec::new();
                        drop(live(|shared| found.push(shared.info().channel_id)));
                        found.retain(|id| stays.contains(id));
                        found.sort_unstable();
                        assert_eq!(found, stays);
                    }
                });
            }
        });
    }

    /// A channel whose last handle has gone is in neither list until its sums are among the
    /// retired: totals would fall.
    ///
    /// Seen to fail with: `live` that leaves out who is dying.
    #[test]
    fn a_list_of_the_living_awaits_those_who_are_dying() {
        /// As the channel dies: nobody can have a list of the living.
        fn dies(shared: &Shared, sums: Sums) {
            let (tx, listed) = channel();
            let list = thread::spawn(move || {
                drop(live(|_| ()));
                tx.send(()).unwrap();
            });
            let patience = Duration::from_millis(100);
            assert_eq!(listed.recv_timeout(patience), Err(RecvTimeoutError::Timeout));
            leave(shared, sums);
            listed.recv().unwrap();
            list.join().unwrap();
        }
        let (chan, consumer) = listed::<u8>("dying", dies);
        drop(consumer);
        drop(chan);
        // Another test's look may hold it a little longer.
        let is_retired = || {
            let (retired, _) = retired();
            retired.iter().any(|(name, sums)| &**name == "dying" && sums.channels == 1)
        };
        let begin = Instant::now();
        while !is_retired() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it is not among the retired");
            thread::yield_now();
        }
    }
}
