//! Who hangs on a finding, in short.

use std::collections::HashSet;

use super::scene::Scene;
use super::{Behind, Side};

/// A name in a sentence.
pub(super) fn short(name: &str) -> String {
    const MOST: usize = 40;
    let cut = name.chars().count() > MOST;
    let mut short: String = name.chars().take(if cut { MOST - 1 } else { MOST }).collect();
    if cut {
        short.push('…');
    }
    short
}

/// How many are named in evidence.
pub(super) const MOST: usize = 32;

impl Behind {
    /// These as well.
    pub(super) fn add(&mut self, other: Self) {
        self.senders += other.senders;
        self.receivers += other.receivers;
        self.some.extend(other.some);
        self.some.truncate(MOST);
    }

    pub(super) fn waits(&self) -> u64 {
        self.senders + self.receivers
    }
}

/// Who waits, in short.
pub(super) fn tally(scene: &Scene<'_>, mut waits: Vec<u32>) -> Behind {
    waits.sort_by_key(|&w| scene.waits[w as usize].is.since_ns);
    let mut behind = Behind::default();
    let mut seen = HashSet::new();
    for w in waits {
        let wait = &scene.waits[w as usize];
        match wait.side {
            Side::Send => behind.senders += 1,
            Side::Receive | Side::Close => behind.receivers += 1,
        }
        let named =
            wait.party.filter(|&a| scene.actors[a as usize].is.is_some_and(|is| is.name.is_some()));
        if let Some(a) = named.filter(|&a| behind.some.len() < MOST && seen.insert(a)) {
            behind.some.push(scene.party(a));
        }
    }
    behind
}
