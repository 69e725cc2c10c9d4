//! Sizes that decide how often the seldom happens, and what they are in tests: so small that a few
//! steps reach every border.

/// What a size is in production, in unit tests and fuzzing, in models of a channel, and in models
/// of a part.
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
