//! Who waits, whether that is a finding or not.

use super::report::waits_for;
use super::words::{counted, duration, name, wrap};
use super::{ChannelRef, Side};
use crate::task::{TaskKind, TaskRef};
use crate::{Snapshot, WaitSnapshot};

/// How many waits are written out.
const WAITS: usize = 16;

/// Every wait that is not over, and on what.
pub(crate) fn waits(
    snapshot: &Snapshot,
) -> impl Iterator<Item = (Side, &WaitSnapshot, ChannelRef)> {
    snapshot.channels.iter().flat_map(|channel| {
        let stats = &channel.stats;
        let on = move || ChannelRef {
            id: channel.id.clone(),
            name: stats.label.to_string(),
            location: stats.location.to_string(),
            len: stats.queue_len,
            capacity: stats.capacity,
        };
        let sends = channel.send_waits.iter().filter(|wait| wait.granted_at_ns.is_none());
        let sides = sends.map(|wait| (Side::Send, wait));
        let sides = sides.chain(channel.recv_wait.iter().map(|wait| (Side::Receive, wait)));
        let sides = sides.chain(channel.close_waits.iter().map(|wait| (Side::Close, wait)));
        sides.map(move |(side, wait)| (side, wait, on()))
    })
}

/// Who waits, and for what: a line each, the longest wait first.
pub(crate) fn waiters(snapshot: &Snapshot) -> String {
    let mut waits: Vec<_> = waits(snapshot).collect();
    waits.sort_by_key(|(_, wait, _)| wait.since_ns);
    let who = |task: TaskRef| {
        let known = snapshot.tasks.iter().find(|known| known.task == task);
        let number = task.number();
        match (known.and_then(|known| known.name.as_deref()), task.kind()) {
            (Some(known), _) => name(known),
            (None, TaskKind::Thread) => format!("thread {number}"),
            (None, TaskKind::Waker) => "a task without a name".into(),
            (None, _) => format!("task {number}"),
        }
    };
    let mut out = String::new();
    for (side, wait, channel) in waits.iter().take(WAITS) {
        let who = wait.task.map_or("somebody".into(), who);
        let (what, age) = (waits_for(*side, channel), snapshot.taken_at_ns - wait.since_ns);
        wrap(&mut out, &format!("{who} waits {what}, {}", duration(age)), "  ", "    ");
    }
    if let Some(more) = waits.len().checked_sub(WAITS).filter(|more| *more > 0) {
        wrap(&mut out, &format!("and {} more", counted(more as u64, "wait")), "  ", "");
    }
    out
}
