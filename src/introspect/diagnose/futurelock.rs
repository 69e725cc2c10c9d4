//! Room that was granted to a wait whose task runs and does not poll it, where it is not proven
//! that it never will.

use super::behind::tally;
use super::bound::Found;
use super::scene::{Actor, Scene, Wait};
use super::trend::age;
use super::{Evidence, Finding, FindingKind, Settings, Verdict};
use crate::task::{TaskKind, TaskState};

/// How many polls of the owner of a grant began and ended after the look that first saw it; none if
/// that was not seen. A snapshot reads tasks after channels, so those that this look counts may
/// have come after it saw the grant; and of those that the last one counted, one may not have
/// ended.
pub(super) fn polls_since(scene: &Scene<'_>, grant: &Wait<'_>) -> Option<u64> {
    let key = (scene.channel(grant.channel).stats.channel_id, grant.side, grant.is.id);
    let then = scene.before?.waits.get(&key)?.polls_at_grant?;
    let last = scene.actors[grant.party? as usize].before?.polls?;
    last.checked_sub(then)?.checked_sub(1).filter(|&polls| polls > 0)
}

/// Whether a thread that was to wake somebody, or to hand out room, may still be about to: a
/// machine that is busy stops a thread for so long, between any two of its steps.
pub(super) fn may_be_late(since_ns: i64, now_ns: i64) -> bool {
    const NS: u128 = 1_000_000_000;
    age(since_ns, now_ns) < NS
}

/// Whether all wakers of a task lie in waits that stand, or were left behind: nobody is about to
/// wake it.
pub(super) fn all_wakers_lie(actor: &Actor<'_>) -> bool {
    let wakers = actor.is.and_then(|is| is.wakers);
    wakers == Some(actor.standing + actor.left_wakers)
}

/// Whether the task has run since the grant woke it. It has if it was polled since, or is idle
/// since then and no wake-up is on its way: that had made it scheduled, and only a poll ends that.
fn has_run(scene: &Scene<'_>, grant: &Wait<'_>) -> bool {
    let Some(a) = grant.party else { return false };
    let actor = &scene.actors[a as usize];
    let idle = || {
        grant.is.own_waker
            && actor.task.kind() == TaskKind::Named
            && actor.is_still()
            && actor.is.and_then(|is| is.state_since_ns) >= grant.is.granted_at_ns
            && (all_wakers_lie(actor)
                || grant.is.granted_at_ns.is_some_and(|at| !may_be_late(at, scene.now())))
    };
    grant.same && (idle() || polls_since(scene, grant).is_some())
}

/// Whether the task has been idle since before the grant: then nobody woke it. Coarse clocks are
/// too early by a tick at most.
pub(super) fn slept_through(scene: &Scene<'_>, grant: &Wait<'_>) -> bool {
    const TICKS_NS: i64 = 40_000_000;
    let is = grant.party.and_then(|a| scene.actors[a as usize].is);
    let idle = is.filter(|is| is.state == Some(TaskState::Idle)).and_then(|is| is.state_since_ns);
    match (idle, grant.is.granted_at_ns) {
        (Some(idle), Some(granted)) => idle.saturating_add(TICKS_NS) < granted,
        _ => false,
    }
}

/// One finding a channel, for the oldest such grant. Marks the channels.
pub(super) fn find(
    scene: &Scene<'_>,
    settings: &Settings,
    covered: &mut [bool],
    findings: &mut Found,
) {
    for c in scene.channels() {
        let stats = &scene.channel(c).stats;
        let waiting = || scene.waits_on(c).filter(|&w| !scene.waits[w as usize].is_granted());
        if covered[c as usize] || stats.granted_waiters == 0 || waiting().next().is_none() {
            continue;
        }
        let grants = scene.on(c).iter().filter(|wait| {
            let at = wait.is.granted_at_ns;
            at.is_some_and(|at| age(at, scene.now()) >= settings.stuck_after.as_nanos())
        });
        let grant = grants.filter(|grant| has_run(scene, grant));
        let Some(grant) = grant.min_by_key(|grant| grant.is.granted_at_ns) else { continue };
        let (Some(holder), Some(granted_at_ns)) = (grant.party, grant.is.granted_at_ns) else {
            continue;
        };
        covered[c as usize] = true;
        let own = |w: &u32| scene.waits[*w as usize].party == Some(holder);
        let behind = tally(scene, waiting().filter(|w| !own(w)).collect());
        let waits = scene.actors[holder as usize].oldest;
        findings.push(Finding {
            kind: FindingKind::Futurelock,
            verdict: Verdict::Stuck,
            since_ns: granted_at_ns,
            since_known: true,
            more_channels: 0,
            more_tasks: 0,
            seen_ns: scene.now(),
            channels: vec![scene.channel_ref(c)],
            tasks: vec![scene.party(holder)],
            victims: behind.senders + behind.receivers,
            assumption: None,
            evidence: Evidence::Futurelock {
                channel: scene.channel_ref(c),
                holder: scene.party(holder),
                granted_at_ns,
                polls: polls_since(scene, grant),
                waits: waits.and_then(|w| scene.hop(w, None)).map(Box::new),
                behind,
            },
        });
    }
}
