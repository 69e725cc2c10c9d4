//! Arbitrary calls on a channel of either flavour, each compared with the model's prediction:
//! result, texts, wake-ups in order, drops, what every handle says, and all of telemetry.
//!
//! Input: one byte of flavour, storage and capacity, one of start position (on either side of each
//! wrap of the channel's words), then three bytes a call: see `op::shape` and `Op::decode`.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use parshall::mpsc::Builder;

#[path = "../../tests/script/mod.rs"]
mod script;

use script::op::{self, Op};
use script::oracle::Oracle;
use script::ours::driver;

/// The numbers after which something wraps: a slot's stamp, a position, and (far on) the stamp
/// again.
const WRAPS: [u64; 4] = [0, 1 << 32, 1 << 36, (1 << 62) + (5 << 36)];

fn run(input: &[u8]) -> Corpus {
    let [shape, start, script @ ..] = input else { return Corpus::Reject };
    let (capacity, in_blocks) = op::shape(*shape);
    let wrap = WRAPS[usize::from(start >> 6)];
    let start = wrap.saturating_sub(u64::from(start & 63));
    let builder = Builder::new().name("fuzz").start_at(start);
    let builder = if in_blocks { builder.in_blocks() } else { builder };
    let mut channel = match capacity {
        Some(capacity) => driver::run(builder.capacity(capacity).build()),
        None => driver::run(builder.build_unbounded()),
    };
    let mut model = Oracle::new(capacity);
    for (i, op) in Op::decode_all(script).enumerate() {
        let (got, want) = (channel.apply(op), model.apply(op));
        assert_eq!(
            got, want,
            "call {i}, {op:?}, capacity {capacity:?}, blocks {in_blocks}, start {start}"
        );
    }
    let (_, mut dropped) = channel.end();
    dropped.sort_unstable();
    assert_eq!(dropped, model.left(), "every message is dropped, once, when all handles are");
    Corpus::Keep
}

fuzz_target!(|input: &[u8]| -> Corpus { run(input) });
