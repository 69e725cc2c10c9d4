//! Texts that claim to be snapshots: read, drawn, written again, and diagnosed. Nothing panics, and
//! what is printed has short lines that steer no terminal. Input: see `looks`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parshall::Snapshot;
use parshall::introspect::{Diagnoser, Settings};

mod looks;

use looks::{SEC, looks, steers};

/// The longest line of a report, in characters.
const WIDTH: usize = 100;

fn run(input: &[u8]) {
    let looks = looks(input);
    let Some(mut later) = looks.last().cloned() else { return };
    let mut diagnoser = Diagnoser::new(Settings::default());
    for look in &looks {
        read_and_written(look);
        told(&mut diagnoser, look);
    }
    // The same program a while later: what stands still is found.
    for _ in 0..2 {
        later.taken_at_ns = later.taken_at_ns.saturating_add(10 * SEC);
        told(&mut diagnoser, &later);
    }
}

fn read_and_written(snapshot: &Snapshot) {
    let graph = snapshot.graph();
    assert!(graph.nodes.len() == 2 * snapshot.channels.len() + snapshot.tasks.len());
    let mut json = Vec::new();
    graph.write_json(&mut json).expect("it is memory");
    match Snapshot::from_json(&json) {
        Ok(again) => assert_eq!(again, *snapshot),
        Err(error) => panic!("what was read cannot be read again: {error}"),
    }
}

fn told(diagnoser: &mut Diagnoser, snapshot: &Snapshot) {
    let Ok(diagnosis) = diagnoser.look(snapshot) else { return };
    let texts = diagnosis.findings.iter().map(|finding| finding.text());
    for text in texts.chain([diagnosis.to_string()]) {
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line:?}");
            assert!(!line.chars().any(steers), "{line:?}");
        }
    }
    for text in [diagnosis.dot(), diagnosis.mermaid()] {
        assert!(!text.chars().any(|c| c != '\n' && steers(c)), "{text:?}");
    }
    let _ = diagnosis.to_json().to_string();
}

fuzz_target!(|input: &[u8]| run(input));
