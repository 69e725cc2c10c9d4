//! What differs between production, tests and models, all of it but what tests force upon one ring
//! (`ring/forced.rs`): sizes that decide how often the seldom happens, so small in tests that a few
//! steps reach every border; and switches.

/// What a size or a switch is in production, in unit tests and fuzzing, in models of a channel, and
/// in models of a part.
macro_rules! size {
    ($production:expr, tests $tests:expr, models $models:expr, parts $parts:expr) => {
        match (cfg!(parshall_loom_inside), cfg!(test)) {
            (true, true) => $parts,
            (true, false) => $models,
            _ if cfg!(any(test, fuzzing)) => $tests,
            _ => $production,
        }
    };
}

/// Places in a segment of the row of those who wait. Eight are all that a model of a channel needs.
pub(crate) const SEGMENT: u64 = size!(16, tests 16, models 8, parts 1);

/// Whether a row has its first segment from the beginning: in models of a channel, which know
/// nothing of how segments are published.
pub(crate) const SEGMENT_AT_ONCE: bool = size!(false, tests false, models true, parts false);

/// How many wakers are collected before they are called. A message makes room for one, so a large
/// batch would mostly be set up in vain.
pub(crate) const BATCH: usize = size!(4, tests 4, models 2, parts 2);

/// Slots in a block of a list. A short first block has two at least, and not all.
pub(crate) const BLOCK: usize = size!(32, tests 32, models 2, parts 4);

/// How often the receiver says how many messages it has taken in full: far more often than once in
/// a lap of H, and rarely.
pub(crate) const MIRRORED: u64 = size!(1 << 20, tests 4, models 1 << 20, parts 4);

/// How far grants let `head_cache` fall behind the head: far from a lap of 2^36, and rarely
/// reached.
pub(crate) const MAX_LAG: u64 = size!(1 << 32, tests 2, models 2, parts 2);

/// Items of the first chunk of the list of channels. Loom knows each item by several objects.
pub(crate) const CHUNK: u32 = size!(32, tests 32, models 2, parts 2);

/// Whether a list may begin with a short block, in memory that is at hand. In models of a channel
/// all blocks are alike, so that they see the first one used again.
pub(crate) const SHORT_FIRST_BLOCK: bool = size!(true, tests true, models false, parts true);

/// Whether the high watermark is kept: not where its cost is measured (`benches/instructions.py
/// --without-watermark`).
pub(crate) const WATERMARK: bool = !cfg!(parshall_no_watermark);
