//! The live channels of the process, weakly held, and what is left of the dead ones.
//!
//! One lock, taken when a channel is created, when its last handle goes, and by a snapshot for
//! [`PIECE`] channels at a time. No message ever meets it. No user code runs under it, and that
//! means the allocator too, which may be the program's own and may look at a snapshot: what the
//! registry needs is made before, and what it no longer needs is dropped after.

mod chunks;
mod names;

use crate::chan::{Listing, Owner, Registration, Shared, Sums};
use crate::sync::plain::{Arc, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::telemetry::waits::WaitHistogram;

use chunks::Chunks;
use names::{Name, Names};

/// Channels or names that a snapshot looks up in one critical section. So few, that it is shorter
/// than a thread spins before it sleeps on the lock: who creates a channel meanwhile is not put to
/// sleep, unless the system stops the snapshot's thread just then (see DESIGN.md).
const PIECE: u32 = 8;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    slots: Chunks::new(),
    used: 0,
    vacant: None,
    names: Names::new(),
    other: Retired::NONE,
});

struct Registry {
    slots: Chunks<Slot>,
    /// Slots that have been used: those before this one.
    used: u32,
    /// The first of the used ones that are vacant.
    vacant: Option<u32>,
    names: Names,
    /// Dead channels of names that were too many to remember.
    other: Retired,
}

enum Slot {
    Live(Listing),
    Vacant(Option<u32>),
}

impl Default for Slot {
    fn default() -> Self {
        Self::Vacant(None)
    }
}

/// What the registry has no memory for.
enum Lack {
    /// A slot.
    Slot(u32),
    /// An entry for a name.
    Name(u32),
    /// The text of a nameless channel.
    Text,
}

/// What was made for the registry outside its lock, and what of that it did not need.
#[derive(Default)]
struct Stock {
    slots: Option<Box<[Slot]>>,
    names: Option<Box<[Name]>>,
    text: Option<Arc<str>>,
}

/// The sums of dead channels. They never fall.
///
/// # Examples
/// On [`RetiredSnapshot`](crate::RetiredSnapshot).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retired {
    /// Channels that died.
    pub channels: u64,
    /// Messages they were sent.
    pub sent_total: u64,
    /// Messages received from them.
    pub recv_total: u64,
    /// Messages thrown away with their receivers.
    pub discarded: u64,
    /// `try_` calls refused because they were full.
    pub full_total: u64,
    /// Sends refused because they were closed.
    pub closed_total: u64,
    /// Sends that had to wait.
    pub send_waits_total: u64,
    /// Time waited in them, in nanoseconds.
    pub send_wait_total_ns: u64,
    /// Those of them that were given up while they waited.
    pub send_given_up_total: u64,
    /// Receives that had to wait.
    pub recv_waits_total: u64,
    /// Time waited in them, in nanoseconds.
    pub recv_wait_total_ns: u64,
    /// Those of them that were given up while they waited.
    pub recv_given_up_total: u64,
    /// How long the sends have waited. None: none has; or this was read from a program that did
    /// not tell.
    pub send_wait_histogram: Option<WaitHistogram>,
    /// How long the receives have waited. None: as above.
    pub recv_wait_histogram: Option<WaitHistogram>,
}

impl Retired {
    const NONE: Self = Self {
        channels: 0,
        sent_total: 0,
        recv_total: 0,
        discarded: 0,
        full_total: 0,
        closed_total: 0,
        send_waits_total: 0,
        send_wait_total_ns: 0,
        send_given_up_total: 0,
        recv_waits_total: 0,
        recv_wait_total_ns: 0,
        recv_given_up_total: 0,
        send_wait_histogram: None,
        recv_wait_histogram: None,
    };

    /// Adds a channel that has ended with these sums.
    #[inline]
    fn add(&mut self, shared: &Shared, sums: &Sums) {
        self.channels += 1;
        self.sent_total += sums.sent;
        self.recv_total += sums.received;
        self.discarded += sums.discarded;
        self.full_total += sums.full;
        self.closed_total += sums.closed;
        if sums.waits.waits | sums.receives.waits != 0 {
            self.add_waits(shared, sums);
        }
    }

    /// Apart: many channels see no wait.
    #[cold]
    #[inline(never)]
    fn add_waits(&mut self, shared: &Shared, sums: &Sums) {
        self.send_waits_total += sums.waits.waits;
        self.send_wait_total_ns += sums.waits.waited_ns;
        self.send_given_up_total += sums.waits.given_up;
        self.recv_waits_total += sums.receives.waits;
        self.recv_wait_total_ns += sums.receives.waited_ns;
        self.recv_given_up_total += sums.receives.given_up;
        let Sums { waits, receives, .. } = sums;
        if waits.waits > 0 {
            let of_name = self.send_wait_histogram.get_or_insert_default();
            of_name.add(waits.waits, waits.waited_ns, || shared.final_long_sends());
        }
        if receives.waits > 0 {
            let of_name = self.recv_wait_histogram.get_or_insert_default();
            of_name.add(receives.waits, receives.waited_ns, || shared.final_long_receives());
        }
    }
}

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock()
}

/// Lists a new channel, before its handles are given out.
pub(crate) fn enter(shared: &Owner) {
    let hash = shared.info().name.as_deref().map_or(0, names::hash);
    // The lock is given back at the end of the statement.
    let listed = lock().list(shared, hash, None);
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
            Lack::Slot(index) => stock.slots = Some(Chunks::chunk_of(index)),
            Lack::Name(index) => stock.names = Some(Chunks::chunk_of(index)),
            Lack::Text => {
                let text = info.first_name();
                hash = names::hash(&text);
                stock.text = Some(text.into());
            }
        }
        let listed = lock().list(shared, hash, Some(&mut stock));
        match listed {
            Ok(()) => return,
            Err(another) => lack = another,
        }
    }
}

/// Strikes a channel off, as the last of its handles goes. From its last handle's end on to here
/// nothing is allocated or freed: a snapshot waits for a channel that is dying.
pub(crate) fn leave(shared: &Shared, sums: Sums) {
    let Some(Registration { slot, name, .. }) = shared.info().registration() else { return };
    let mut registry = lock();
    let slot = registry.vacate(slot);
    match name {
        Some(name) => registry.names.at(name).retired.add(shared, &sums),
        None => registry.other.add(shared, &sums),
    }
    drop(registry);
    drop(slot);
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

impl Registry {
    /// Nothing is changed by half: what lacks is found out first.
    /// `hash` is that of its name, or of the text in `stock`.
    fn list(
        &mut self,
        shared: &Owner,
        hash: u64,
        mut stock: Option<&mut Stock>,
    ) -> Result<(), Lack> {
        let info = shared.info();
        let slot = self.vacant.unwrap_or(self.used);
        if slot == self.used {
            let spare = stock.as_deref_mut().map(|stock| &mut stock.slots);
            if !self.slots.grow(slot, spare) {
                return Err(Lack::Slot(slot));
            }
        }
        let name = self.names.entry(info, hash, stock)?;
        let ordinal = name.map_or(0, |name| self.names.at(name).count());
        // What it replaces is vacant: nothing is dropped.
        let old = core::mem::replace(self.slots.at(slot), Slot::Live(shared.listing()));
        match old {
            Slot::Vacant(next) if slot != self.used => self.vacant = next,
            _ => self.used += 1,
        }
        info.list(Registration { slot, name, ordinal });
        Ok(())
    }

    fn vacate(&mut self, index: u32) -> Slot {
        let vacant = Slot::Vacant(self.vacant.replace(index));
        core::mem::replace(self.slots.at(index), vacant)
    }
}

/// Shows all live channels, and returns them. Others may come and go meanwhile: each that lived
/// throughout is shown, once. One that is held here does not die, so sums of the dead that are read
/// before it is let go do not count it a second time.
///
/// Between two pieces `look` takes far longer than the lock is held, so who creates a channel
/// meanwhile does not wait for more than a piece or two, while this thread is not stopped.
pub(crate) fn live(mut look: impl FnMut(&Shared)) -> Vec<Owner> {
    let mut all = Vec::new();
    let mut piece = Vec::with_capacity(PIECE as usize);
    let mut next = 0;
    loop {
        let mut registry = lock();
        let used = registry.used;
        let end = used.min(next + PIECE);
        let mut dying = false;
        for index in next..end {
            let Slot::Live(live) = registry.slots.at(index) else { continue };
            let live = live.upgrade();
            dying |= live.is_none();
            piece.extend(live);
        }
        drop(registry);
        if dying {
            // Its last handle has gone, and its sums are on their way to the retired: were they in
            // neither, totals would fall.
            piece.clear();
            crate::sync::thread::yield_now();
            continue;
        }
        for shared in &piece {
            look(shared);
        }
        all.append(&mut piece);
        if end == used {
            return all;
        }
        next = end;
    }
}

/// The sums of dead channels by name, names of no dead channel left out, and those of names that
/// were too many to remember.
pub(crate) fn retired() -> (Vec<(Arc<str>, Retired)>, Retired) {
    let mut all = Vec::new();
    let mut piece = Vec::with_capacity(PIECE as usize);
    let mut next = 0;
    loop {
        let mut registry = lock();
        let known = registry.names.len;
        let end = known.min(next + PIECE);
        piece.extend((next..end).filter_map(|index| registry.names.at(index).retired()));
        let other = registry.other.clone();
        drop(registry);
        all.append(&mut piece);
        if end == known {
            return (all, other);
        }
        next = end;
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::panic::Location;
    use core::time::Duration;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;

    use super::*;
    use crate::chan::{Chan, Origin, Settings, Shape};

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
        let (chan, consumer) = Chan::<u8>::create(Settings {
            name: Some("dying".into()),
            shape: Shape { capacity: Some(1), origin: Origin::default() },
            location: Location::caller(),
            trace_senders: false,
            on_drop: Some(dies),
        });
        enter(chan.shared());
        drop(consumer);
        drop(chan);
        let (retired, _) = retired();
        assert!(retired.iter().any(|(name, sums)| &**name == "dying" && sums.channels == 1));
    }
}
