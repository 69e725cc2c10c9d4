//! Arbitrary calls on a channel, each compared with the model's prediction: result, wake-ups in order,
//! drops, what every handle says, and all of telemetry.
//!
//! Input: one byte of capacity (1 to 8), one of start position (on either side of each wrap of the
//! channel's words), then three bytes a call, see `Op::decode`.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use parshall::mpsc::Builder;

#[path = "../../tests/script/mod.rs"]
mod script;

use script::op::Op;
use script::oracle::Oracle;
use script::ours::driver::World;

/// The numbers after which something wraps: a slot's stamp, a position, and (far on) the stamp again.
const WRAPS: [u64; 4] = [0, 1 << 32, 1 << 36, (1 << 62) + (5 << 36)];

fn run(input: &[u8]) -> Corpus {
    let [capacity, start, script @ ..] = input else { return Corpus::Reject };
    let capacity = usize::from(capacity % 8) + 1;
    let wrap = WRAPS[usize::from(start >> 6)];
    let start = wrap.saturating_sub(u64::from(start & 63));
    let builder = Builder::new().name("fuzz").capacity(capacity).start_at(start);
    let mut channel = World::new(builder.build());
    let mut model = Oracle::new(capacity);
    for (i, call) in script.as_chunks().0.iter().enumerate() {
        let op = Op::decode(*call);
        let got = channel.apply(op);
        assert_eq!(got, model.apply(op), "call {i}, {op:?}, capacity {capacity}, start {start}");
    }
    let (_, mut dropped) = channel.end();
    dropped.sort_unstable();
    assert_eq!(dropped, model.left(), "every message is dropped, once, when all handles are");
    Corpus::Keep
}

fuzz_target!(|input: &[u8]| -> Corpus { run(input) });
