//! Trends and rates: what is worth knowing, and wrong only in somebody's judgement.

use std::collections::HashMap;

use super::bound::Found;
use super::memory::WrappingSums;
use super::scene::Scene;
use super::trend::{Trends, age};
use super::{Evidence, Finding, FindingKind, Settings, Side, Verdict};

/// A receive that many is not yet a traffic of which the share that waits tells.
const TRAFFIC: u64 = 10;

/// What happened between the last look and this one.
struct Between {
    from_ns: i64,
    to_ns: i64,
    seconds: f64,
    sums: WrappingSums,
    sent: u64,
    received: u64,
    /// Messages in it then.
    was: u64,
    /// Something was there to be received for long, and was not.
    stalled: bool,
}

/// Brings the trends of all channels up to this look. Those that are all quiet are not kept.
pub(super) fn find(
    scene: &Scene<'_>,
    settings: &Settings,
    trends: &mut HashMap<u64, Trends>,
    findings: &mut Found,
) {
    let Some(last) = scene.before else { return };
    let mut kept = HashMap::new();
    for c in scene.channels() {
        let stats = &scene.channel(c).stats;
        let Some(before) = scene.channel_before(c) else { continue };
        let between = Between {
            from_ns: last.taken_at_ns,
            to_ns: scene.now(),
            seconds: age(last.taken_at_ns, scene.now()) as f64 / 1e9,
            sums: WrappingSums::of(stats).since(before.sums),
            sent: stats.sent_total.saturating_sub(before.sent),
            received: stats.recv_total.saturating_sub(before.received),
            was: before.sent.saturating_sub(before.received),
            stalled: age(before.pending_since_ns, scene.now()) >= settings.stuck_after.as_nanos(),
        };
        let seen = Seen { scene, settings, c, between };
        let mut row = trends.get(&stats.channel_id).copied().unwrap_or_default();
        seen.growing(&mut row, findings);
        seen.saturated(&mut row, findings);
        seen.turned(&mut row, findings);
        seen.lockstep(&mut row, findings);
        if !row.are_quiet() {
            kept.insert(stats.channel_id, row);
        }
    }
    *trends = kept;
}

struct Seen<'s, 'a> {
    scene: &'s Scene<'a>,
    settings: &'s Settings,
    c: u32,
    between: Between,
}

impl Seen<'_, '_> {
    fn tell(&self, kind: FindingKind, since_ns: i64, evidence: Evidence) -> Finding {
        let receiver = match &evidence {
            Evidence::Growing { receiver, .. } | Evidence::Saturated { receiver, .. } => {
                receiver.clone()
            }
            _ => None,
        };
        Finding {
            kind,
            verdict: Verdict::Signal,
            since_ns,
            since_known: true,
            more_channels: 0,
            more_tasks: 0,
            seen_ns: self.scene.now(),
            channels: vec![self.scene.channel_ref(self.c)],
            tasks: receiver.into_iter().collect(),
            victims: self.scene.channel(self.c).stats.send_waiters,
            assumption: None,
            evidence,
        }
    }

    fn receiver(&self) -> Option<u32> {
        let channel = self.scene.channel(self.c);
        let waiting = channel.recv_wait.and_then(|wait| wait.task);
        self.scene.find(waiting.or(channel.last_receiver)?)
    }

    /// Where the receiver waits to send, if it does so elsewhere.
    fn elsewhere(&self) -> Option<u32> {
        let foremost = self.scene.actors[self.receiver()? as usize].foremost;
        foremost.filter(|&w| {
            let wait = &self.scene.waits[w as usize];
            wait.channel != self.c && wait.side == Side::Send
        })
    }

    fn per_second(&self, n: u64) -> f64 {
        n as f64 / self.between.seconds
    }

    fn growing(&self, row: &mut Trends, findings: &mut Found) {
        let Self { scene, settings, c, between } = self;
        let stats = &scene.channel(*c).stats;
        if stats.bounded {
            return;
        }
        let (len, was) = (stats.queue_len, between.was);
        // Half of the mark: a queue that goes up and down below what it once held does not grow.
        let rises = len > was && len >= settings.growing_from && len >= stats.high_watermark / 2;
        let elsewhere = self.elsewhere();
        // A length that stays what it is neither rises nor falls.
        let seen = if len == was { row.growing.is_on() } else { rises };
        let since = row.growing.look(seen, between.from_ns, between.to_ns, settings);
        let rising = &mut row.rising;
        if row.growing.is_quiet() {
            *rising = (0, 0);
        } else if let Some(looks) = rising.0.checked_add(1) {
            *rising = (looks, rising.1 + u16::from(elsewhere.is_some()));
        }
        if let Some(since) = since {
            let share = f64::from(rising.1) / f64::from(rising.0.max(1));
            let hop = elsewhere.and_then(|w| scene.hop(w, None));
            let evidence = Evidence::Growing {
                channel: scene.channel_ref(*c),
                per_second: (len as f64 - was as f64) / between.seconds,
                elsewhere: hop.map(|hop| (share, Box::new(hop))),
                receiver: self.receiver().map(|a| scene.party(a)),
            };
            findings.push(self.tell(FindingKind::Growing, since, evidence));
        }
    }

    fn saturated(&self, row: &mut Trends, findings: &mut Found) {
        let Self { scene, settings, c, between } = self;
        let stats = &scene.channel(*c).stats;
        let time = between.seconds * 1e3;
        let waiting = f64::from(between.sums.send_wait_ms) / time;
        let busy = 1.0 - (f64::from(between.sums.recv_wait_ms) / time).min(1.0);
        // If the receiver waits as much as it works, it is not the bottleneck. Nor is it if it
        // waits to send: the one at the end of that chain is.
        let seen = stats.bounded
            && waiting >= settings.saturated_from
            && busy >= 0.5
            && self.elsewhere().is_none();
        let trend = &mut row.saturated;
        let since = if seen && between.received == 0 && !between.stalled {
            // It takes longer for a message than from look to look: not known yet.
            trend.since()
        } else {
            let seen = seen && between.received > 0;
            trend.look(seen, between.from_ns, between.to_ns, settings)
        };
        if let Some(since) = since {
            let evidence = Evidence::Saturated {
                channel: scene.channel_ref(*c),
                per_second: self.per_second(between.received),
                busy,
                waiting,
                receiver: self.receiver().map(|a| scene.party(a)),
            };
            findings.push(self.tell(FindingKind::Saturated, since, evidence));
        }
    }

    fn turned(&self, row: &mut Trends, findings: &mut Found) {
        let Self { scene, settings, c, between } = self;
        let WrappingSums { full, given_up, .. } = between.sums;
        let kinds = [
            (FindingKind::Refused, full, settings.refused_per_second, &mut row.refused),
            (FindingKind::GivenUp, given_up, settings.given_up_per_second, &mut row.given_up),
        ];
        for (kind, count, from, trend) in kinds {
            let count = u64::from(count);
            let per_second = self.per_second(count);
            let seen = count > 0 && per_second >= from;
            let since = trend.look(seen, between.from_ns, between.to_ns, settings);
            if let Some(since) = since {
                let evidence = Evidence::Turned {
                    channel: scene.channel_ref(*c),
                    count,
                    per_second,
                    share: count as f64 / count.saturating_add(between.sent).max(1) as f64,
                };
                findings.push(self.tell(kind, since, evidence));
            }
        }
    }

    fn lockstep(&self, row: &mut Trends, findings: &mut Found) {
        let Self { scene, settings, c, between } = self;
        let stats = &scene.channel(*c).stats;
        let messages = between.received.max(1) as f64;
        let send_waits = f64::from(between.sums.send_waits) / messages;
        let recv_waits = f64::from(between.sums.recv_waits) / messages;
        let seen = stats.bounded
            && between.received >= TRAFFIC
            && send_waits >= settings.lockstep_from
            && recv_waits >= settings.lockstep_from;
        let since = row.lockstep.look(seen, between.from_ns, between.to_ns, settings);
        if let Some(since) = since {
            let evidence = Evidence::Lockstep {
                channel: scene.channel_ref(*c),
                send_waits,
                recv_waits,
                per_second: self.per_second(between.received),
            };
            findings.push(self.tell(FindingKind::Lockstep, since, evidence));
        }
    }
}
