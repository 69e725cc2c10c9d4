//! The live channels of the process, weakly held, and what is left of the dead ones.
//!
//! One lock, taken when a channel is created, when its last handle goes, and by a snapshot for a
//! thousand channels at a time. No user code runs under it, and no message ever meets it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::MutexGuard;

use crate::chan::{ChannelStats, Registration, Shared};
use crate::sync::Arc as SharedArc;
use crate::sync::plain::{Arc, LazyLock, Mutex, Weak};

/// Distinct names that are remembered; channels of further names are numbered by their own id.
const MAX_NAMES: usize = 65_536;

/// Channels that a snapshot looks up in one critical section.
const CHUNK: usize = 1024;

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Registry {
    live: Vec<Slot>,
    vacant: Option<u32>,
    by_name: HashMap<Key, u32, BuildHasherDefault<DefaultHasher>>,
    names: Vec<Name>,
    /// Dead channels of names beyond [`MAX_NAMES`].
    other: Retired,
}

enum Slot {
    Live(Weak<Shared>),
    Vacant(Option<u32>),
}

/// What makes two channels share a name: the text, or for nameless ones the place of creation.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(Arc<str>),
    Place(&'static str, u32),
}

impl core::fmt::Display for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Place(file, line) => write!(f, "{file}:{line}"),
        }
    }
}

struct Name {
    key: Key,
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
    fn add(&mut self, stats: &ChannelStats) {
        self.channels += 1;
        self.sent_total += stats.sent_total;
        self.recv_total += stats.recv_total;
        self.discarded += stats.discarded;
        self.full_total += stats.full_total;
        self.closed_total += stats.closed_total;
        self.send_waits_total += stats.send_waits_total;
        self.send_wait_total_ns += stats.send_wait_total_ns;
    }
}

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock()
}

/// Lists a new channel, before its handles are given out.
pub(crate) fn enter(shared: &SharedArc<Shared>) {
    let info = &shared.info;
    let key = match &info.name {
        Some(name) => Key::Text(name.clone()),
        None => Key::Place(info.location.file(), info.location.line()),
    };
    let live = SharedArc::downgrade(shared);
    let mut registry = lock();
    let (name, ordinal) = registry.name(key);
    let slot = registry.occupy(live);
    drop(registry);
    let registration = Registration { slot, name, ordinal, leave };
    assert!(info.registration.set(registration).is_ok(), "a channel is listed once");
}

/// Strikes a channel off, as the last of its handles goes.
fn leave(shared: &Shared, registration: &Registration) {
    let stats = shared.stats();
    let mut registry = lock();
    let slot = registry.vacate(registration.slot);
    match registration.name {
        Some(name) => registry.names[name as usize].retired.add(&stats),
        None => registry.other.add(&stats),
    }
    drop(registry);
    drop(slot);
}

impl Registry {
    fn name(&mut self, key: Key) -> (Option<u32>, u64) {
        if let Some(&index) = self.by_name.get(&key) {
            let name = &mut self.names[index as usize];
            name.created += 1;
            return (Some(index), name.created);
        }
        if self.names.len() == MAX_NAMES {
            return (None, 0);
        }
        let index = self.names.len() as u32;
        self.names.push(Name { key: key.clone(), created: 1, retired: Retired::default() });
        self.by_name.insert(key, index);
        (Some(index), 1)
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
pub(crate) fn live() -> Vec<SharedArc<Shared>> {
    let mut all = Vec::new();
    let mut next = 0;
    loop {
        let registry = lock();
        let end = registry.live.len().min(next + CHUNK);
        all.extend(registry.live[next..end].iter().filter_map(|slot| match slot {
            Slot::Live(live) => live.upgrade(),
            Slot::Vacant(_) => None,
        }));
        if end == registry.live.len() {
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
        named.map(|name| (name.key.to_string(), name.retired.clone())).collect(),
        registry.other.clone(),
    )
}
