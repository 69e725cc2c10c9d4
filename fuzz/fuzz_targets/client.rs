//! Arbitrary answers to `parshall`: it ends, and what it shows of them steers no terminal.
//!
//! Input: a byte of how, and one of how long pieces are; then what is answered, or what snapshots
//! are made of (see `looks`), after eight keys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parshall::Snapshot;
use parshall_cli::fuzzing::{answer, graphs, screens};

mod looks;

use looks::{looks, steers};

fn run(input: &[u8]) {
    let [how, size, rest @ ..] = input else { return };
    if how & 0x80 == 0 {
        let (texts, snapshot) = answer(rest, usize::from(*size) * usize::from(*size), *how);
        harmless(&texts);
        if let Some(snapshot) = snapshot {
            shown(&[snapshot], b"\0", 80);
        }
    } else if let Some((keys, rest)) = rest.split_at_checked(8) {
        shown(&looks(rest), keys, u16::from(*size));
    }
}

fn shown(looks: &[Snapshot], keys: &[u8], width: u16) {
    harmless(&screens(looks, keys, width, 24));
    for look in looks {
        let graphs = graphs(look, "a");
        assert!(!graphs.concat().contains(|c| c != '\n' && steers(c)), "{graphs:?}");
    }
}

fn harmless(texts: &[String]) {
    for text in texts {
        assert!(!text.contains(steers), "{text:?}");
    }
}

fuzz_target!(|input: &[u8]| run(input));
