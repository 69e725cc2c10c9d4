//! The rows: which shapes are measured, with which parameters, and under which names. README.md
//! beside this package says what each means.

use crate::shapes::{Wide, on_parshall, on_tokio, watched};

/// Runs about so many units, and says how many nanoseconds one took.
pub(crate) type Run = fn(u32) -> f64;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// How many take some ten milliseconds, or a few times as much.
    pub(crate) units: u32,
    pub(crate) tokio: Run,
    pub(crate) parshall: Run,
}

macro_rules! rows {
    ($($name:literal, $units:literal, $shape:ident $(::<$($parameter:tt),+>)?;)+) => {
        vec![$(Row {
            name: $name,
            units: $units,
            tokio: on_tokio::$shape $(::<$($parameter),+>)?,
            parshall: on_parshall::$shape $(::<$($parameter),+>)?,
        }),+]
    };
}

/// The rows whose geometric mean is the figure of the whole.
#[rustfmt::skip]
pub(crate) fn reference() -> Vec<Row> {
    rows! {
        "uncontended try_send+try_recv cap128", 1_000_000, uncontended;
        "burst fill/drain cap128",     1_048_576, burst::<128>;
        "burst fill/drain cap65536",   1_048_576, burst::<65_536>;
        "cur 1p cap1",                   100_000, current::<1, 1>;
        "cur 1p cap128",                 400_000, current::<1, 128>;
        "cur 16p cap16",                 400_000, current::<16, 16>;
        "multi 1p cap1",                 100_000, multi::<1, 1>;
        "multi 1p cap128",               400_000, multi::<1, 128>;
        "multi 1p cap1024",              400_000, multi::<1, 1024>;
        "multi 4p cap16",                400_000, multi::<4, 16>;
        "multi 4p cap128",               400_000, multi::<4, 128>;
        "multi 16p cap128",              400_000, multi::<16, 128>;
        "multi 64p cap1024",             400_000, multi::<64, 1024>;
        "cur pingpong cap1 (rtt)",       100_000, ping_pong_current;
        "multi pingpong cap1 (rtt)",      50_000, ping_pong_multi;
        "multi pinball 7 balls",         200_000, pinball::<7>;
        "multi pinball 63 balls",        200_000, pinball::<63>;
        "threads try 1p cap1024",      1_000_000, threads::<1>;
        "threads try 2p cap1024",      1_000_000, threads::<2>;
        "one-shot channel cap1",         100_000, one_shot::<1>;
        "one-shot channel cap64",        100_000, one_shot::<64>;
        "actor per request cap64",        50_000, actor;
        "unbounded uncontended",       1_000_000, unbounded;
        "unbounded cur 1p",              400_000, unbounded_current::<u64, 1>;
        "unbounded cur 4p",              400_000, unbounded_current::<u64, 4>;
        "unbounded multi 4p",            400_000, unbounded_multi::<4>;
        "unbounded one-shot",            100_000, unbounded_one_shot;
        "unbounded actor per request",    50_000, unbounded_actor;
    }
}

/// Rows beside the mean.
#[rustfmt::skip]
pub(crate) fn further() -> Vec<Row> {
    let mut rows = rows! {
        "unbounded cur 1p 64 bytes",     400_000, unbounded_current::<Wide, 1>;
        "unbounded cur 4p 64 bytes",     400_000, unbounded_current::<Wide, 4>;
        "cur 16p cap128",                400_000, current::<16, 128>;
        "cur 64p cap1024",               400_000, current::<64, 1024>;
        "unbounded burst 1024",        1_048_576, unbounded_burst::<1024>;
        "unbounded burst 1048576",     1_048_576, unbounded_burst::<1_048_576>;
        "unbounded multi 1p",            400_000, unbounded_multi::<1>;
        "unbounded threads 4p",        1_000_000, unbounded_threads::<4>;
        "unbounded pair, one message",    50_000, unbounded_pair;
        "create+drop unbounded",         100_000, create_unbounded;
        "create+drop cap128",            100_000, create::<128>;
        "create+drop cap1000",           100_000, create::<1_000>;
        "create+drop cap65536",          100_000, create::<65_536>;
        "create+drop cap1000000",        100_000, create::<1_000_000>;
        "create+drop among 300000",       20_000, create_in_a_crowd;
        "multi 2p cap128",             2_000_000, multi::<2, 128>;
    };
    // tokio's channel cannot be watched, so it is the same row as above there.
    rows.push(Row {
        name: "multi 2p cap128 watched",
        units: 2_000_000,
        tokio: on_tokio::multi::<2, 128>,
        parshall: watched::<2, 128>,
    });
    rows
}
