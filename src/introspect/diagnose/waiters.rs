//! Who waits, whether that is a finding or not.

use super::memory::waits_of;
use super::report::waits_for;
use super::words::{counted, duration, name, wrap};
use super::{ChannelRef, Side};
use crate::task::{TaskKind, TaskRef};
use crate::{ChannelSnapshot, Snapshot, WaitSnapshot};

/// How many waits are written out.
const WAITS: usize = 16;

/// Every wait that is not over, and on what.
pub(crate) fn waits(
    snapshot: &Snapshot,
) -> impl Iterator<Item = (Side, &WaitSnapshot, &ChannelSnapshot)> {
    let of = |channel| waits_of(channel).map(move |(side, wait)| (side, wait, channel));
    snapshot.channels.iter().flat_map(of).filter(|(_, wait, _)| wait.granted_at_ns.is_none())
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
        let what = waits_for(*side, &ChannelRef::of(channel));
        let age = snapshot.taken_at_ns - wait.since_ns;
        wrap(&mut out, &format!("{who} waits {what}, {}", duration(age)), "  ", "    ");
    }
    if let Some(more) = waits.len().checked_sub(WAITS).filter(|more| *more > 0) {
        wrap(&mut out, &format!("and {} more", counted(more as u64, "wait")), "  ", "");
    }
    out
}
