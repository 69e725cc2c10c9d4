//! Channels that nobody receives from though something waits to be received, and who is to blame:
//! the end of the chain of waits that begins with the last receiver.

use std::collections::{BTreeMap, HashSet};

use super::behind::tally;
use super::bound::Found;
use super::memory::is_pending;
use super::scene::Scene;
use super::trend::age;
use super::{Evidence, Finding, FindingKind, Receiver, Receiving, Settings, Side, Verdict, bound};
use crate::task::{TaskKind, TaskState};

/// Since when there is no receive on a channel, and something to receive; none: not long enough, or
/// not both.
fn stalled_since(scene: &Scene<'_>, settings: &Settings, c: u32) -> Option<i64> {
    let channel = scene.channel(c);
    let before = scene.channel_before(c)?;
    let memory_is_good = before.received == channel.stats.recv_total;
    if !is_pending(channel) || !memory_is_good || before.pending_since_ns == i64::MAX {
        return None;
    }
    // Each of these is true, so the earliest may be said.
    let first = scene.on(c).first().filter(|wait| wait.side == Side::Send && !wait.is_granted());
    let waiting = first.map(|wait| wait.is.since_ns);
    // A receive would have let the first in line in.
    let first = first.filter(|wait| wait.is.need == 1).and(channel.line_since_ns);
    let never = (channel.stats.recv_total == 0).then_some(channel.stats.created_at_ns);
    let idle = channel.last_receiver.and_then(|task| scene.find(task)).and_then(|a| {
        let actor = &scene.actors[a as usize];
        let is = actor.is.filter(|_| actor.is_still())?;
        is.state_since_ns
    });
    // Where receives were seen, looks say since when there are none. A receive that let nobody in,
    // because its thread is stopped before it does, says nothing else.
    let known = [first, never, idle].into_iter().flatten().filter(|_| !before.receives_seen);
    let unreceived = known.chain([before.pending_since_ns]).min()?;
    let pending = match (never, idle) {
        // Messages have no age. That none was ever received, or that the receiver sleeps, is a fact
        // beside which theirs does not matter.
        (None, None) => before.pending_since_ns.min(waiting.unwrap_or(i64::MAX)),
        _ => unreceived,
    };
    let since = unreceived.max(pending);
    (age(since, scene.now()) >= settings.stuck_after.as_nanos()).then_some(since)
}

/// The channel that the last receiver of `c` waits for, and the wait: of several the oldest, sends
/// first, since a receive may be awaited for long without anything being wrong. One that was woken
/// and does not run waits for none of them.
fn next(scene: &Scene<'_>, c: u32) -> Option<(u32, u32)> {
    let channel = scene.channel(c);
    if channel.recv_wait.is_some() {
        return None;
    }
    let receiver = scene.find(channel.last_receiver?)?;
    if scene.actors[receiver as usize].is_left_woken() {
        return None;
    }
    let w = scene.actors[receiver as usize].foremost?;
    Some((w, scene.waits[w as usize].channel))
}

/// For each channel the one at the end of its chain: of a circle, the one with the lowest number.
fn ends(scene: &Scene<'_>) -> Vec<u32> {
    const NEW: u32 = u32::MAX;
    const ON_PATH: u32 = u32::MAX - 1;
    let mut ends = vec![NEW; scene.order.len()];
    for start in scene.channels() {
        let (mut path, mut c) = (Vec::new(), start);
        let end = loop {
            match ends[c as usize] {
                NEW => {
                    ends[c as usize] = ON_PATH;
                    path.push(c);
                }
                ON_PATH => {
                    let from = path.iter().position(|&other| other == c).unwrap_or(0);
                    break path[from..].iter().copied().min().unwrap_or(c);
                }
                end => break end,
            }
            let step = next(scene, c);
            match step.filter(|&(w, _)| scene.waits[w as usize].side != Side::Receive) {
                Some((_, to)) => c = to,
                None => break c,
            }
        };
        for c in path {
            ends[c as usize] = end;
        }
    }
    ends
}

/// The waits that lead from the receiver of `c` back to `c`; none if they lead elsewhere.
fn circle(scene: &Scene<'_>, c: u32) -> Vec<u32> {
    let (mut waits, mut seen, mut at) = (Vec::new(), HashSet::new(), c);
    while let Some((w, to)) = next(scene, at).filter(|&(_, to)| seen.insert(to)) {
        if scene.waits[w as usize].side == Side::Receive {
            break;
        }
        waits.push(w);
        if to == c {
            return waits;
        }
        at = to;
    }
    Vec::new()
}

/// What the one who should receive from `c` does; `circle`: of this channel.
fn receiver(scene: &Scene<'_>, c: u32, circle: &[u32]) -> Receiver {
    let channel = scene.channel(c);
    let (who, does) = match (&channel.recv_wait, channel.last_receiver) {
        (Some(wait), _) => (wait.task.and_then(|task| scene.find(task)), Receiving::Receives),
        (None, None) if channel.stats.recv_total == 0 => (None, Receiving::Never),
        (None, None) => (None, Receiving::Gone),
        (None, Some(task)) => {
            let who = scene.find(task);
            (who, who.map_or(Receiving::Gone, |who| doing(scene, c, who, circle)))
        }
    };
    Receiver {
        channel: scene.channel_ref(c),
        who: who.map(|who| scene.party(who)),
        last_receive: channel.last_receive,
        does,
    }
}

fn doing(scene: &Scene<'_>, c: u32, who: u32, circle: &[u32]) -> Receiving {
    if !circle.is_empty() {
        let hop = |&w: &u32| {
            let to = scene.waits[w as usize].channel;
            scene.hop(w, Some(scene.channel(to).last_receive))
        };
        return Receiving::WaitsFor { chain: circle.iter().filter_map(hop).collect(), end: None };
    }
    if let Some((w, _)) = next(scene, c) {
        // A receive: nobody is known to be at the end of it.
        let chain = scene.hop(w, None).into_iter().collect();
        return Receiving::WaitsFor { chain, end: None };
    }
    let actor = &scene.actors[who as usize];
    let Some(is) = actor.is else { return Receiving::Unknown };
    let polls = is.polls.zip(actor.before.and_then(|before| before.polls));
    let polls = polls.map_or(0, |(now, before)| now.saturating_sub(before));
    match is.state.filter(|_| actor.task.kind() == TaskKind::Named) {
        Some(TaskState::Running) => Receiving::Runs { polls },
        _ if polls > 0 => Receiving::Runs { polls },
        Some(TaskState::Idle) if has_no_waker(scene, who) => Receiving::NoWaker,
        Some(TaskState::Idle) => Receiving::Outside,
        Some(TaskState::Scheduled) => {
            Receiving::Woken { since_ns: is.state_since_ns.unwrap_or(scene.now()) }
        }
        None => Receiving::Unknown,
    }
}

/// Whether a root sleeps, and slept at the look before, without a waker that could end that: a
/// waker is had from a poll, or from another waker.
fn has_no_waker(scene: &Scene<'_>, a: u32) -> bool {
    let actor = &scene.actors[a as usize];
    actor.is.is_some_and(|is| is.root && is.wakers == Some(0))
        && actor.before.is_some_and(|before| before.wakers == Some(0))
        && actor.is_still()
        && scene.waits_by(a).is_empty()
}

/// What hangs on one end.
#[derive(Default)]
struct Group {
    channels: Vec<(i64, u32)>,
}

/// One finding an end. Leaves out channels that were told of, and those that lead to them.
pub(super) fn find(scene: &Scene<'_>, settings: &Settings, covered: &[bool], findings: &mut Found) {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    let mut all_ends = None;
    for c in scene.channels().filter(|&c| !covered[c as usize]) {
        let Some(since) = stalled_since(scene, settings, c) else { continue };
        let end = all_ends.get_or_insert_with(|| ends(scene))[c as usize];
        if !covered[end as usize] {
            groups.entry(end).or_default().channels.push((since, c));
        }
    }
    for (end, mut group) in groups {
        group.channels.sort_unstable();
        let is_end = |&(_, c): &(i64, u32)| c == end;
        let since_ns = (group.channels.iter().copied().find(is_end))
            .or(group.channels.first().copied())
            .map_or(scene.now(), |(since, _)| since);
        let others = group.channels.iter().map(|&(_, c)| c).filter(|&c| c != end);
        let mut members: Vec<u32> = core::iter::once(end).chain(others).collect();
        let mut circle = circle(scene, end);
        let mut shown = circle.clone();
        let more_tasks = bound::list(&mut shown);
        let receiver = receiver(scene, end, &shown);
        circle.sort_unstable();
        let waiting = members.iter().flat_map(|&c| scene.waits_on(c));
        let behind = tally(
            scene,
            waiting
                .filter(|&w| {
                    let wait = &scene.waits[w as usize];
                    let is_part = circle.binary_search(&w).is_ok();
                    wait.side != Side::Receive && !wait.is_granted() && !is_part
                })
                .collect(),
        );
        let tasks = match &receiver.does {
            Receiving::WaitsFor { chain, .. } if !circle.is_empty() => {
                chain.iter().map(|hop| hop.who.clone()).collect()
            }
            _ => receiver.who.iter().cloned().collect(),
        };
        let more_channels = bound::list(&mut members);
        let channels: Vec<_> = members.iter().map(|&c| scene.channel_ref(c)).collect();
        findings.push(Finding {
            kind: FindingKind::Stalled,
            verdict: Verdict::Stuck,
            since_ns,
            since_known: true,
            seen_ns: scene.now(),
            channels: channels.clone(),
            more_channels,
            tasks,
            more_tasks,
            victims: behind.waits(),
            assumption: None,
            evidence: Evidence::Stalled { receiver, channels, behind },
        });
    }
}
