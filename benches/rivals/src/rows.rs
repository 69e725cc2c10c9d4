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

fn bounded<C: Bounded>() -> Vec<Cell> {
    vec![
        ("uncontended try, cap 128", s::uncontended::<C>),
        ("burst fill/drain, cap 128", s::burst::<C>),
        ("threads try, 1 p, cap 1024", s::threads::<C, 1>),
        ("threads try, 2 p, cap 1024", s::threads::<C, 2>),
        ("create and drop, cap 128", s::create::<C, 128>),
        ("create and drop, cap 1,000,000", s::create::<C, 1_000_000>),
    ]
}

fn bounded_tasks<C: Bounded + Wait>() -> Vec<Cell> {
    vec![
        ("current thread, 1 p, cap 1", s::current::<C, 1, 1>),
        ("current thread, 1 p, cap 128", s::current::<C, 1, 128>),
        ("current thread, 16 p, cap 16", s::current::<C, 16, 16>),
        ("multi thread, 1 p, cap 1", s::multi::<C, 1, 1>),
        ("multi thread, 1 p, cap 128", s::multi::<C, 1, 128>),
        ("multi thread, 4 p, cap 16", s::multi::<C, 4, 16>),
        ("multi thread, 4 p, cap 128", s::multi::<C, 4, 128>),
        ("multi thread, 16 p, cap 128", s::multi::<C, 16, 128>),
        ("ping-pong, cap 1, round trip", s::ping_pong::<C>),
    ]
}

fn unbounded<C: Unbounded>() -> Vec<Cell> {
    vec![
        ("unbounded, 1 thread", s::uncontended_unbounded::<C>),
        ("unbounded burst of 1,048,576", s::burst_unbounded::<C>),
        ("unbounded, 4 threads", s::threads_unbounded::<C, 4>),
        ("create and drop, unbounded", s::create_unbounded::<C>),
    ]
}

fn unbounded_tasks<C: Unbounded + Wait>() -> Vec<Cell> {
    vec![("unbounded, multi thread, 4 p", s::multi_unbounded::<C, 4>)]
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
