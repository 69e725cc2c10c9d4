//! Non-blocking, shown by stopping threads: one *victim* is stopped at a numbered step of the
//! algorithm, and stays there until all others have finished a bounded amount of work.
//!
//! What a victim may withhold is its own permits, the units that it has just given back, its own
//! message, and the wake-up of the sleepers whose wait it has just ended; they are futures polled
//! by hand here. One thing more is withheld by the channel's order: what lies behind a message that
//! is claimed and not yet published.
//!
//! It runs with `RUSTFLAGS='--cfg parshall_stall'` only.

#![cfg(parshall_stall)]

#[path = "../support/mod.rs"]
mod support;

mod census;
mod chase;
mod gate;
mod late;
mod meet;
mod memory;
mod others;
mod publish;
mod receiver;
mod senders;

use std::collections::BTreeSet;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: support::heap::Counting = support::heap::Counting;

/// The steps at which the scenarios stop a thread.
fn covered() -> BTreeSet<&'static str> {
    let steps = [senders::steps(), receiver::steps(), publish::STEPS.to_vec()];
    steps.into_iter().flatten().collect()
}

/// The names in `step("..")` below `dir`.
fn named_in(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named_in(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, mark) in text.match_indices(" step(\"") {
                let name = text[at + mark.len()..].split('"').next().unwrap();
                found.insert(name.to_owned());
            }
        }
    }
}

#[test]
fn every_step_of_the_sources_is_covered() {
    let mut named = BTreeSet::new();
    named_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);
    let covered: BTreeSet<_> = covered().into_iter().map(str::to_owned).collect();
    assert!(named.len() > 20, "the steps are not where this test looks");
    assert_eq!(named, covered, "left: steps of the sources; right: steps of the scenarios");
}
