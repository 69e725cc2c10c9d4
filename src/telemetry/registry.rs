//! The live channels of the process, weakly held, and what is left of the dead ones.
//!
//! One lock, taken when a channel is created, when its last handle goes, and by a snapshot for a
//! thousand channels at a time. No user code runs under it, and no message ever meets it.

use std::collections::HashMap;

use crate::chan::{Info, Registration, Shared, Sums};
use crate::sync::Arc as SharedArc;
use crate::sync::plain::{Arc, LazyLock, Mutex, MutexGuard, Weak};

/// Distinct names that are remembered; channels of further names are numbered by their own id.
const MAX_NAMES: usize = 65_536;

/// Channels that a snapshot looks up in one critical section.
const CHUNK: usize = 1024;

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Registry {
    live: Vec<Slot>,
    vacant: Option<u32>,
    names: Vec<Name>,
    by_text: HashMap<Arc<str>, u32>,
    /// Shortcut for nameless channels: the place of creation, by the address of its file's name.
    by_place: HashMap<(usize, u32), u32>,
    /// Dead channels of names beyond [`MAX_NAMES`].
    other: Retired,
}

enum Slot {
    Live(Weak<Shared>),
    Vacant(Option<u32>),
}

struct Name {
    text: Arc<str>,
    created: u64,
    retired: Retired,
}

/// The sums of dead channels.
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
}

impl Retired {
    fn add(&mut self, sums: &Sums) {
        self.channels += 1;
        self.sent_total += sums.sent;
        self.recv_total += sums.received;
        self.discarded += sums.discarded;
        self.full_total += sums.full;
        self.closed_total += sums.closed;
        self.send_waits_total += sums.waits.waits;
        self.send_wait_total_ns += sums.waits.waited_ns;
    }
}

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock()
}

/// Lists a new channel, before its handles are given out.
pub(crate) fn enter(shared: &SharedArc<Shared>) {
    let info = &shared.info;
    let live = SharedArc::downgrade(shared);
    let mut registry = lock();
    let (name, ordinal) = registry.name(info);
    let slot = registry.occupy(live);
    drop(registry);
    info.list(Registration { slot, name, ordinal });
}

/// Strikes a channel off, as the last of its handles goes.
pub(crate) fn leave(shared: &Shared, sums: Sums) {
    let Some(Registration { slot, name, .. }) = shared.info.registration() else { return };
    let mut registry = lock();
    let slot = registry.vacate(slot);
    match name {
        Some(name) => registry.names[name as usize].retired.add(&sums),
        None => registry.other.add(&sums),
    }
    drop(registry);
    drop(slot);
}

impl Registry {
    /// The entry of a new channel's name, and the how-manieth of that name it is.
    fn name(&mut self, info: &Info) -> (Option<u32>, u64) {
        let place = (info.location.file().as_ptr().addr(), info.location.line());
        let known = match &info.name {
            Some(text) => self.by_text.get(text),
            None => self.by_place.get(&place),
        };
        let Some(index) = known.copied().or_else(|| self.new_name(info, place)) else {
            return (None, 0);
        };
        let name = &mut self.names[index as usize];
        name.created += 1;
        (Some(index), name.created)
    }

    /// Nameless channels are numbered with those that have their text for a name: ids never meet.
    #[cold]
    fn new_name(&mut self, info: &Info, place: (usize, u32)) -> Option<u32> {
        let text = info.name.clone().unwrap_or_else(|| info.first_name().into());
        let index = match self.by_text.get(&text) {
            Some(&index) => index,
            None if self.names.len() == MAX_NAMES => return None,
            None => {
                let index = self.names.len() as u32;
                self.names.push(Name {
                    text: text.clone(),
                    created: 0,
                    retired: Retired::default(),
                });
                self.by_text.insert(text, index);
                index
            }
        };
        if info.name.is_none() {
            self.by_place.insert(place, index);
        }
        Some(index)
    }

    fn occupy(&mut self, live: Weak<Shared>) -> u32 {
        let Some(index) = self.vacant else {
            self.live.push(Slot::Live(live));
            return self.live.len() as u32 - 1;
        };
        let slot = &mut self.live[index as usize];
        if let Slot::Vacant(next) = core::mem::replace(slot, Slot::Live(live)) {
            self.vacant = next;
        }
        index
    }

    fn vacate(&mut self, index: u32) -> Slot {
        let vacant = Slot::Vacant(self.vacant.replace(index));
        core::mem::replace(&mut self.live[index as usize], vacant)
    }
}

/// All live channels. Others may come and go meanwhile: each that lived throughout is there, once.
/// One that is held here does not die, so sums of the dead that are read before it is let go do not
/// count it a second time.
pub(crate) fn live() -> Vec<SharedArc<Shared>> {
    let mut all = Vec::new();
    let mut next = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let registry = lock();
        let end = registry.live.len().min(next + CHUNK);
        let mut dying = false;
        for slot in &registry.live[next..end] {
            let Slot::Live(live) = slot else { continue };
            let live = live.upgrade();
            dying |= live.is_none();
            chunk.extend(live);
        }
        let done = end == registry.live.len();
        drop(registry);
        if dying {
            // Its last handle has gone, and its sums are on their way to the retired: were they in
            // neither, totals would fall.
            drop(chunk);
            crate::sync::thread::yield_now();
            continue;
        }
        all.append(&mut chunk);
        if done {
            return all;
        }
        next = end;
    }
}

/// The sums of dead channels by name, names of no dead channel left out, and those of names that
/// were too many to remember.
pub(crate) fn retired() -> (Vec<(String, Retired)>, Retired) {
    let registry = lock();
    let named = registry.names.iter().filter(|name| name.retired.channels > 0);
    (
        named.map(|name| (name.text.to_string(), name.retired.clone())).collect(),
        registry.other.clone(),
    )
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::panic::Location;
    use core::time::Duration;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;

    use super::*;
    use crate::chan::{Chan, Settings, Shape};

    /// A channel whose last handle has gone is in neither list until its sums are among the retired: totals would fall.
    ///
    /// Seen to fail with: `live` that leaves out who is dying.
    #[test]
    fn a_list_of_the_living_awaits_those_who_are_dying() {
        /// As the channel dies: nobody can have a list of the living.
        fn dies(shared: &Shared, sums: Sums) {
            let (tx, listed) = channel();
            let list = thread::spawn(move || {
                drop(live());
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
            shape: Shape { capacity: Some(1), start: 0, in_blocks: false },
            location: Location::caller(),
            on_drop: Some(dies),
        });
        enter(chan.shared());
        drop(consumer);
        drop(chan);
        let (retired, _) = retired();
        assert!(retired.iter().any(|(name, sums)| name == "dying" && sums.channels == 1));
    }
}
