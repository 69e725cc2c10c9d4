//! Which shapes each crate has. A row that a crate lacks is a `-` in the table.

use crate::channels::{
    AsyncChannel, Bounded, Crossbeam, Crossfire, CrossfireUnbounded, Flume, Kanal, Parshall,
    ParshallUnbounded, Rapidfire, Tachyonix, Thingbuf, Tokio, TokioUnbounded, Unbounded, Wait,
};
use crate::shapes as s;

/// A row's name and what runs it once.
pub(crate) type Cell = (&'static str, fn() -> f64);

/// A crate and its cells, in the order of the rows.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) cells: Vec<Cell>,
}

#[rustfmt::skip]
fn bounded<C: Bounded>() -> Vec<Cell> {
    vec![
        ("uncontended try_send+try_recv cap128", s::uncontended::<C>),
        ("burst fill/drain cap128", s::burst::<C, 128>),
        ("burst fill/drain cap65536", s::burst::<C, 65_536>),
        ("threads try 1p cap1024", s::threads::<C, 1>),
        ("threads try 2p cap1024", s::threads::<C, 2>),
        ("one-shot channel cap1", s::one_shot::<C, 1>),
        ("one-shot channel cap64", s::one_shot::<C, 64>),
        ("create+drop cap128", s::create::<C, 128>),
        ("create+drop cap1000000", s::create::<C, 1_000_000>),
    ]
}

#[rustfmt::skip]
fn bounded_tasks<C: Bounded + Wait>() -> Vec<Cell> {
    vec![
        ("cur 1p cap1", s::current::<C, 1, 1>),
        ("cur 1p cap128", s::current::<C, 1, 128>),
        ("cur 16p cap16", s::current::<C, 16, 16>),
        ("multi 1p cap1", s::multi::<C, 1, 1>),
        ("multi 1p cap128", s::multi::<C, 1, 128>),
        ("multi 1p cap1024", s::multi::<C, 1, 1024>),
        ("multi 4p cap16", s::multi::<C, 4, 16>),
        ("multi 4p cap128", s::multi::<C, 4, 128>),
        ("multi 16p cap128", s::multi::<C, 16, 128>),
        ("multi 64p cap1024", s::multi::<C, 64, 1024>),
        ("cur pingpong cap1 (rtt)", s::ping_pong_current::<C>),
        ("multi pingpong cap1 (rtt)", s::ping_pong_multi::<C>),
        ("multi pinball 7 balls", s::pinball::<C, 7>),
        ("multi pinball 63 balls", s::pinball::<C, 63>),
        ("actor per request cap64", s::actor::<C>),
    ]
}

#[rustfmt::skip]
fn unbounded<C: Unbounded>() -> Vec<Cell> {
    vec![
        ("unbounded uncontended", s::uncontended_unbounded::<C>),
        ("unbounded burst 1048576", s::burst_unbounded::<C>),
        ("unbounded threads 4p", s::threads_unbounded::<C, 4>),
        ("unbounded one-shot", s::one_shot_unbounded::<C>),
        ("create+drop unbounded", s::create_unbounded::<C>),
    ]
}

#[rustfmt::skip]
fn unbounded_tasks<C: Unbounded + Wait>() -> Vec<Cell> {
    vec![
        ("unbounded cur 1p", s::current_unbounded::<C, 1>),
        ("unbounded cur 4p", s::current_unbounded::<C, 4>),
        ("unbounded multi 4p", s::multi_unbounded::<C, 4>),
        ("unbounded actor per request", s::actor_unbounded::<C>),
    ]
}

fn all_bounded<C: Bounded + Wait>() -> Vec<Cell> {
    [bounded::<C>(), bounded_tasks::<C>()].concat()
}

fn all<B: Bounded + Wait, U: Unbounded + Wait>() -> Vec<Cell> {
    [all_bounded::<B>(), unbounded::<U>(), unbounded_tasks::<U>()].concat()
}

/// parshall, which has every row, then tokio, then the others.
pub(crate) fn columns() -> Vec<Column> {
    let column = |name, cells| Column { name, cells };
    vec![
        column("parshall", all::<Parshall, ParshallUnbounded>()),
        column("tokio", all::<Tokio, TokioUnbounded>()),
        column("flume", all::<Flume, Flume>()),
        column("kanal", all::<Kanal, Kanal>()),
        column("async-channel", all::<AsyncChannel, AsyncChannel>()),
        column("crossfire", all::<Crossfire, CrossfireUnbounded>()),
        column("tachyonix", all_bounded::<Tachyonix>()),
        column("thingbuf", all_bounded::<Thingbuf>()),
        column("crossbeam", [bounded::<Crossbeam>(), unbounded::<Crossbeam>()].concat()),
        column("rapidfire", all::<Rapidfire, Rapidfire>()),
    ]
}
