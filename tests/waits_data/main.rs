//! What is told of each wait: its number, its call, its deadline, by whose waker; what receives
//! have waited, who gave up, who receives, and the waker that a receive has left behind.
#![cfg(feature = "introspect")]

mod receiver;
mod sums;
mod told;

#[path = "../support/mod.rs"]
mod support;

use std::task::{Context, Waker};

use parshall::{ChannelSnapshot, ChannelStats, snapshot};

pub(crate) fn the(name: &str) -> ChannelSnapshot {
    let mut all: Vec<_> =
        snapshot().channels.into_iter().filter(|channel| channel.stats.name == name).collect();
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

pub(crate) fn receives(stats: &ChannelStats) -> (u64, u64) {
    (stats.recv_waits_total, stats.recv_given_up_total)
}

pub(crate) fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
