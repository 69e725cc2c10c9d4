//! Facts about one task or one channel: starved, room in permits, senders that are kept, and our own
//! faults.

use super::behind::{short, tally};
use super::futurelock::{all_wakers_lie, may_be_late, slept_through};
use super::liveness::is_accounted_for;
use super::scene::{Scene, Wait};
use super::trend::age;
use super::{Evidence, Finding, FindingKind, Party, Settings, Side, Verdict};
use crate::task::{TaskKind, TaskState};

/// What is the same of all.
fn finding(scene: &Scene<'_>, kind: FindingKind, since_ns: i64, evidence: Evidence) -> Finding {
    let (channels, tasks, victims) = match &evidence {
        Evidence::HeldPermits { channel, behind, .. } => {
            (vec![channel.clone()], Vec::new(), behind.senders + behind.receivers)
        }
        Evidence::SenderKept { channel, receiver, .. } => {
            (vec![channel.clone()], vec![receiver.clone()], 0)
        }
        Evidence::LostWakeup { channel, who, .. } => {
            (vec![channel.clone()], who.iter().cloned().collect(), 0)
        }
        Evidence::Starved { who, .. } => (Vec::new(), vec![who.clone()], 0),
        _ => (Vec::new(), Vec::new(), 0),
    };
    let verdict = Verdict::Stuck;
    let (seen_ns, assumption) = (scene.now(), None);
    Finding { kind, verdict, since_ns, seen_ns, channels, tasks, victims, assumption, evidence }
}

/// Named tasks that were woken and not polled for long. One that was never polled was not woken: but
/// for a root, whose runtime has had it since it was made.
pub(super) fn starved(scene: &Scene<'_>, settings: &Settings, findings: &mut Vec<Finding>) {
    let state = |a: u32| scene.actors[a as usize].is.and_then(|is| is.state);
    let actors = 0..scene.actors.len() as u32;
    let mut around: Option<(Vec<Party>, Vec<_>)> = None;
    for a in actors.clone().filter(|&a| state(a) == Some(TaskState::Scheduled)) {
        let actor = &scene.actors[a as usize];
        let (Some(is), Some(before)) = (actor.is, actor.before) else { continue };
        let Some(since) = is.state_since_ns else { continue };
        let same = before.polls == is.polls && before.state == is.state;
        let woken = is.root || is.polls.is_some_and(|polls| polls > 0);
        if !same || !woken || age(since, scene.now()) < settings.stuck_after.as_nanos() {
            continue;
        }
        // The same for all, and a person reads the first few.
        let (running, blocked) = around.get_or_insert_with(|| {
            const MOST: usize = 32;
            let running = actors.clone().filter(|&a| state(a) == Some(TaskState::Running));
            let blocked = scene.waits.iter().enumerate().filter(|(_, wait)| {
                let thread = |a: u32| scene.actors[a as usize].task.kind() == TaskKind::Thread;
                wait.is.own_waker && !wait.is_granted() && wait.party.is_some_and(thread)
            });
            (
                running.take(MOST).map(|a| scene.party(a)).collect(),
                blocked.take(MOST).filter_map(|(w, _)| scene.hop(w as u32, None)).collect(),
            )
        });
        let who = scene.party(a);
        let evidence =
            Evidence::Starved { who, running: running.clone(), blocked: blocked.clone() };
        findings.push(finding(scene, FindingKind::Starved, since, evidence));
    }
}

/// Room that is taken by permits while senders wait, and nothing for the receiver to take. Marks the
/// channels.
pub(super) fn held_permits(
    scene: &Scene<'_>,
    settings: &Settings,
    covered: &mut [bool],
    findings: &mut Vec<Finding>,
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
        let evidence = Evidence::HeldPermits { channel, reserved: stats.reserved, behind };
        findings.push(finding(scene, FindingKind::HeldPermits, since, evidence));
    }
}

/// A receiver that waits for the end, which the senders that are left put off for ever.
///
/// Nobody sees where a sender is, only where it was made. So this is said only if the receiver can
/// be woken by this channel alone, all senders that are left were made by one task, and nobody is
/// known to whom it could have given them: no other named task lives. A plain task may have them:
/// that is the assumption.
pub(super) fn sender_kept(scene: &Scene<'_>, settings: &Settings, findings: &mut Vec<Finding>) {
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
        let place = made_at.first().map_or(&stats.location, |place| place);
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

/// The one that made all senders that are left, and where. Without a trace that is known of the first
/// one only, and only if others have gone.
fn made_by_one(scene: &Scene<'_>, c: u32, receiver: u32) -> Option<(u32, Vec<String>)> {
    let channel = scene.channel(c);
    let stats = &channel.stats;
    let Some(senders) = &channel.senders else {
        let me = scene.party(receiver).id;
        let others_went = scene.channel_before(c).is_some_and(|before| before.senders_went);
        let mine = stats.sender_count == 1 && stats.creator_task_id.as_ref() == Some(&me);
        return (mine && others_went).then(|| (receiver, Vec::new()));
    };
    if senders.len() as u64 != stats.sender_count {
        return None;
    }
    let made_at = senders.iter().map(|sender| sender.location.clone()).collect();
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
    findings: &mut Vec<Finding>,
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
/// apart. A message that is claimed and not yet published has ended the receive, so the snapshot shows
/// no wait. Room that a thread has given back and not yet handed out is free for moments, unless
/// it is stopped there.
fn unserved<'s, 'a>(scene: &'s Scene<'a>, settings: &Settings, c: u32) -> Option<&'s Wait<'a>> {
    let stats = &scene.channel(c).stats;
    let waits = scene.on(c);
    if waits.is_empty() || !scene.stands_still(c) {
        return None;
    }
    let free = stats.capacity.is_some_and(|capacity| stats.queue_len + stats.reserved < capacity);
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

/// A wait whose end was noted long ago, and whose task sleeps on since before that, though nobody has
/// its waker any more: all that live lie in waits that stand, or were left behind. While one more
/// lives, the wake-up may be on its way, behind another waker that does not return.
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
