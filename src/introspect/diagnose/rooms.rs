//! Facts about one task or one channel: starved, room in permits, senders that are kept, and our
//! own faults.

use std::collections::{HashMap, HashSet};

use super::behind::{MOST, short, tally};
use super::bound::{self, Found};
use super::futurelock::{all_wakers_lie, may_be_late, slept_through};
use super::liveness::is_accounted_for;
use super::scene::{Scene, Wait};
use super::trend::age;
use super::{
    Behind, ChannelRef, Evidence, Finding, FindingKind, Grant, Receiving, Settings, Side, Verdict,
};
use crate::task::{TaskKind, TaskRef, TaskState};

/// What is the same of all.
fn finding(scene: &Scene<'_>, kind: FindingKind, since_ns: i64, evidence: Evidence) -> Finding {
    let (channels, tasks, victims) = match &evidence {
        Evidence::HeldPermits { channel, grants, behind, .. } => {
            let tasks = grants.iter().map(|grant| grant.who.clone()).collect();
            (vec![channel.clone()], tasks, behind.waits())
        }
        Evidence::SenderKept { channel, receiver, .. } => {
            (vec![channel.clone()], vec![receiver.clone()], 0)
        }
        Evidence::LostWakeup { channel, who, .. } => {
            (vec![channel.clone()], who.iter().cloned().collect(), 0)
        }
        Evidence::Starved { who, channels, behind, .. } => {
            (channels.clone(), vec![who.clone()], behind.waits())
        }
        _ => (Vec::new(), Vec::new(), 0),
    };
    let verdict = Verdict::Stuck;
    let (seen_ns, assumption) = (scene.now(), None);
    Finding {
        kind,
        verdict,
        since_ns,
        since_known: true,
        more_channels: 0,
        more_tasks: 0,
        seen_ns,
        channels,
        tasks,
        victims,
        assumption,
        evidence,
    }
}

/// Named tasks that were woken and not polled for long. What is stalled for this reason alone is no
/// finding of its own.
pub(super) fn starved(scene: &Scene<'_>, settings: &Settings, findings: &mut Found) {
    let actors = 0..scene.actors.len() as u32;
    let left = actors.clone().filter(|&a| scene.actors[a as usize].is_left_woken());
    let starved: Vec<(u32, i64)> = left
        .filter_map(|a| Some((a, scene.actors[a as usize].is?.state_since_ns?)))
        .filter(|&(_, since)| age(since, scene.now()) >= settings.stuck_after.as_nanos())
        .collect();
    if starved.is_empty() {
        return;
    }
    let mut stalls = stalls_of(scene, &starved, findings);
    // The same for all, and a person reads the first few.
    let running = actors.filter(|&a| {
        let is = scene.actors[a as usize].is;
        is.is_some_and(|is| is.state == Some(TaskState::Running))
    });
    let running: Vec<_> = running.take(MOST).map(|a| scene.party(a)).collect();
    let blocked = scene.waits.iter().enumerate().filter(|(_, wait)| {
        let thread = |a: u32| scene.actors[a as usize].task.kind() == TaskKind::Thread;
        wait.is.own_waker && !wait.is_granted() && wait.party.is_some_and(thread)
    });
    let blocked = blocked.take(MOST).filter_map(|(w, _)| scene.hop(w as u32, None));
    let blocked: Vec<_> = blocked.collect();
    for (a, since) in starved {
        let who = scene.party(a);
        let Stalls { channels, more, behind } = stalls.remove(&who.task).unwrap_or_default();
        let (running, blocked) = (running.clone(), blocked.clone());
        let evidence = Evidence::Starved { who, running, blocked, channels, behind };
        let found = finding(scene, FindingKind::Starved, since, evidence);
        findings.push(Finding { more_channels: more, ..found });
    }
}

/// What is stalled since one task does not run.
#[derive(Default)]
struct Stalls {
    channels: Vec<ChannelRef>,
    /// So many channels are not listed.
    more: u64,
    behind: Behind,
}

/// By task, what is stalled since it does not run: it should receive there, or has all the room
/// that no message takes. Takes these findings out.
fn stalls_of(
    scene: &Scene<'_>,
    starved: &[(u32, i64)],
    findings: &mut Found,
) -> HashMap<TaskRef, Stalls> {
    let task = |a: u32| scene.actors[a as usize].task;
    let starved: HashSet<_> = starved.iter().map(|&(a, _)| task(a)).collect();
    let mut stalls: HashMap<_, Stalls> = HashMap::new();
    findings.retain_mut(|found| {
        let (why, behind) = match &mut found.evidence {
            Evidence::Stalled { receiver, behind, .. } => {
                let woken = matches!(receiver.does, Receiving::Woken { .. });
                (receiver.who.as_ref().filter(|_| woken), behind)
            }
            Evidence::HeldPermits { reserved, granted, grants, behind, .. } => {
                let all = reserved == granted
                    && grants.iter().all(|grant| starved.contains(&grant.who.task));
                (grants.first().map(|grant| &grant.who).filter(|_| all), behind)
            }
            _ => return true,
        };
        let Some(task) = why.map(|who| who.task).filter(|task| starved.contains(task)) else {
            return true;
        };
        let its = stalls.entry(task).or_default();
        its.behind.add(core::mem::take(behind));
        its.channels.append(&mut found.channels);
        its.more += found.more_channels + bound::list(&mut its.channels);
        false
    });
    stalls
}

/// Room that is taken by permits, or was granted and is not taken, while senders wait and the
/// receiver has nothing to take. Marks the channels.
pub(super) fn held_permits(
    scene: &Scene<'_>,
    settings: &Settings,
    covered: &mut [bool],
    findings: &mut Found,
) {
    for c in scene.channels() {
        let stats = &scene.channel(c).stats;
        let Some(first) = scene.on(c).first().filter(|wait| wait.side == Side::Send) else {
            continue;
        };
        let full =
            stats.queue_len == 0 && stats.reserved > 0 && Some(stats.reserved) == stats.capacity;
        // Of one that needs more, a part may come, and the line stands. And who has received may be
        // stopped before it lets the first one in.
        let seen = scene.channel_before(c).is_none_or(|before| before.receives_seen);
        let line = scene.channel(c).line_since_ns.filter(|_| first.is.need == 1 && !seen);
        let Some(since) = line.or(first.still_since_ns) else { continue };
        let long = age(since, scene.now()) >= settings.stuck_after.as_nanos();
        if covered[c as usize]
            || first.is_granted()
            || !first.same
            || !full
            || !long
            || !scene.stands_still(c)
        {
            continue;
        }
        covered[c as usize] = true;
        let waiting = scene.waits_on(c).filter(|&w| {
            let wait = &scene.waits[w as usize];
            wait.side == Side::Send && !wait.is_granted()
        });
        let behind = tally(scene, waiting.collect());
        let channel = scene.channel_ref(c);
        let (granted, grants) = grants(scene, c);
        let reserved = stats.reserved;
        let evidence = Evidence::HeldPermits { channel, reserved, granted, grants, behind };
        findings.push(finding(scene, FindingKind::HeldPermits, since, evidence));
    }
}

/// The units of a channel's room that were granted to waits, and to whose.
fn grants(scene: &Scene<'_>, c: u32) -> (u64, Vec<Grant>) {
    let waits = scene.on(c).iter();
    let granted = waits.filter_map(|wait| Some((wait, wait.is.granted_at_ns?)));
    let mut granted: Vec<_> = granted.collect();
    granted.sort_by_key(|&(_, at)| at);
    let units = granted.iter().fold(0_u64, |sum, (wait, _)| sum.saturating_add(wait.is.need));
    let grants = granted.iter().filter_map(|&(wait, since_ns)| {
        let party = wait.party?;
        let waits = scene.actors[party as usize].oldest;
        let waits = waits.and_then(|w| scene.hop(w, None)).map(Box::new);
        Some(Grant { who: scene.party(party), units: wait.is.need, since_ns, waits })
    });
    (units, grants.take(MOST).collect())
}

/// A receiver that waits for the end, which the senders that are left put off for ever.
///
/// Nobody sees where a sender is, only where it was made. So this is said only if the receiver can
/// be woken by this channel alone, all senders that are left were made by one task, and nobody is
/// known to whom it could have given them: no other named task lives. A plain task may have them:
/// that is the assumption.
pub(super) fn sender_kept(scene: &Scene<'_>, settings: &Settings, findings: &mut Found) {
    let named = |a: &u32| {
        let actor = &scene.actors[*a as usize];
        actor.task.kind() == TaskKind::Named && actor.is.is_some()
    };
    let named: Vec<u32> = (0..scene.actors.len() as u32).filter(named).collect();
    for c in scene.channels() {
        let channel = scene.channel(c);
        let Some(receive) = scene.on(c).iter().find(|wait| wait.side == Side::Receive) else {
            continue;
        };
        let Some(a) = receive.party.filter(|_| receive.same && scene.stands_still(c)) else {
            continue;
        };
        let stats = &channel.stats;
        let since = receive.is.since_ns;
        let idle = stats.queue_len == 0 && stats.reserved == 0 && scene.on(c).len() == 1;
        let alone = scene.actors[a as usize].standing == 1 && is_accounted_for(scene, a);
        let long = age(since, scene.now()) >= settings.stuck_after.as_nanos();
        if !idle || !alone || !long || stats.sender_count == 0 {
            continue;
        }
        let same_senders = scene
            .channel_before(c)
            .is_some_and(|before| u64::from(before.senders) == stats.sender_count);
        // Weak senders become strong ones.
        if !same_senders || stats.weak_sender_count > 0 {
            continue;
        }
        let Some((maker, made_at)) = made_by_one(scene, c, a) else { continue };
        if named.iter().any(|&other| other != a && other != maker) {
            continue;
        }
        let receiver = scene.party(a);
        let place = bound::name(made_at.first().map_or(&*stats.location, |place| place));
        let senders = stats.sender_count;
        let evidence = Evidence::SenderKept {
            channel: scene.channel_ref(c),
            receiver,
            senders,
            made_at: made_at.clone(),
        };
        let verb = if maker == a { "was given away" } else { "is used or dropped yet" };
        let mut found = finding(scene, FindingKind::SenderKept, since, evidence);
        found.verdict = Verdict::Conditional;
        found.assumption =
            Some(format!("the sender of `{}` made at {place} {verb}", short(&stats.label)));
        findings.push(found);
    }
}

/// The one that made all senders that are left, and where. Without a trace that is known of the
/// first one only, and only if others have gone.
fn made_by_one(scene: &Scene<'_>, c: u32, receiver: u32) -> Option<(u32, Vec<String>)> {
    let channel = scene.channel(c);
    let stats = &channel.stats;
    let Some(senders) = &channel.senders else {
        let me = scene.party(receiver).id;
        let others_went = scene.channel_before(c).is_some_and(|before| before.senders_went);
        let mine = stats.sender_count == 1 && stats.creator_task_id.as_deref() == Some(&me);
        return (mine && others_went).then(|| (receiver, Vec::new()));
    };
    if senders.len() as u64 != stats.sender_count {
        return None;
    }
    let places = senders.iter().map(|sender| bound::name(&sender.location));
    let made_at = places.take(bound::LIST).collect();
    let maker = senders.first()?.task?;
    let one = senders.iter().all(|sender| sender.task == Some(maker));
    if scene.actors[receiver as usize].task == maker {
        return one.then_some((receiver, made_at));
    }
    // Another's: only what the channel was made with, which is seldom given away when it is cloned
    // for others. Who makes a clone makes it to give it away.
    let first = senders.iter().all(|sender| sender.location == stats.location);
    let quiet = scene.find(maker).is_none_or(|a| {
        let actor = &scene.actors[a as usize];
        actor.standing == 0 && (actor.task.kind() != TaskKind::Named || actor.is_still())
    });
    (one && first && quiet).then(|| (scene.find(maker).unwrap_or(u32::MAX), made_at))
}

/// Waits that should have ended, and long ago: who ends one may be stopped between its steps. Marks
/// the channels: what else is wrong there follows from it.
pub(super) fn lost_wakeups(
    scene: &Scene<'_>,
    settings: &Settings,
    covered: &mut [bool],
    findings: &mut Found,
) {
    for c in scene.channels() {
        let unserved = || unserved(scene, settings, c);
        if let Some(wait) = unwoken(scene, settings, c).or_else(unserved) {
            let channel = scene.channel_ref(c);
            let who = wait.party.map(|who| scene.party(who));
            let since = wait.is.granted_at_ns.unwrap_or(wait.is.since_ns);
            covered[c as usize] = true;
            let evidence = Evidence::LostWakeup { channel, who, side: wait.side };
            findings.push(finding(scene, FindingKind::LostWakeup, since, evidence));
        }
    }
}

/// The first in line beside free room, or a receive beside a message, since looks that lie so far
/// apart. A message that is claimed and not yet published has ended the receive, so the snapshot
/// shows no wait. Room that a thread has given back and not yet handed out is free for moments,
/// unless it is stopped there.
fn unserved<'s, 'a>(scene: &'s Scene<'a>, settings: &Settings, c: u32) -> Option<&'s Wait<'a>> {
    let stats = &scene.channel(c).stats;
    let waits = scene.on(c);
    if waits.is_empty() || !scene.stands_still(c) {
        return None;
    }
    let taken = stats.queue_len.saturating_add(stats.reserved);
    let free = stats.capacity.is_some_and(|capacity| taken < capacity);
    let first = waits.first().filter(|wait| free && wait.side == Side::Send);
    let receive = waits.iter().find(|wait| stats.queue_len > 0 && wait.side == Side::Receive);
    first.or(receive).filter(|wait| {
        let long = |since| {
            age(since, scene.now()) >= settings.stuck_after.as_nanos()
                && !may_be_late(since, scene.now())
        };
        wait.same && !wait.is_granted() && wait.still_since_ns.is_some_and(long)
    })
}

/// A wait whose end was noted long ago, and whose task sleeps on since before that, though nobody
/// has its waker any more: all that live lie in waits that stand, or were left behind. While one
/// more lives, the wake-up may be on its way, behind another waker that does not return.
fn unwoken<'s, 'a>(scene: &'s Scene<'a>, settings: &Settings, c: u32) -> Option<&'s Wait<'a>> {
    scene.on(c).iter().find(|wait| {
        let spent = |a: u32| {
            let actor = &scene.actors[a as usize];
            actor.is_still() && all_wakers_lie(actor)
        };
        let long = |at: i64| age(at, scene.now()) >= settings.stuck_after.as_nanos();
        wait.is.own_waker
            && wait.same
            && wait.is.granted_at_ns.is_some_and(long)
            && wait.party.is_some_and(spent)
            && slept_through(scene, wait)
    })
}
