//! Trends and rates: what is worth knowing, and wrong only in somebody's judgement.

use super::memory::{ChannelRow, Memory};
use super::scene::Scene;
use super::trend::Sums;
use super::{Evidence, Finding, FindingKind, Settings, Side, Verdict};

/// A receive that many is not yet a traffic of which the share that waits tells.
const TRAFFIC: u64 = 10;

/// What happened between the last look and this one.
struct Between {
    from_ns: i64,
    to_ns: i64,
    seconds: f64,
    sums: Sums,
    sent: u64,
    received: u64,
}

/// Brings the trends of all channels up to this look, in what is kept for the next one.
pub(super) fn find(
    scene: &Scene<'_>,
    settings: &Settings,
    kept: &mut Memory,
    from_ns: i64,
    findings: &mut Vec<Finding>,
) {
    for c in scene.channels() {
        let stats = &scene.channel(c).stats;
        let now = Sums {
            full: stats.full_total,
            given_up: stats.send_given_up_total,
            send_waits: stats.send_waits_total,
            send_wait_ns: stats.send_wait_total_ns,
            recv_waits: stats.recv_waits_total,
            recv_wait_ns: stats.recv_wait_total_ns,
        };
        let row = &mut kept.channels[c as usize];
        let then = core::mem::replace(&mut row.trends.sums, now);
        let Some(before) = scene.channel_before(c) else { continue };
        let between = Between {
            from_ns,
            to_ns: scene.now(),
            seconds: (scene.now() - from_ns) as f64 / 1e9,
            sums: Sums {
                full: now.full.saturating_sub(then.full),
                given_up: now.given_up.saturating_sub(then.given_up),
                send_waits: now.send_waits.saturating_sub(then.send_waits),
                send_wait_ns: now.send_wait_ns.saturating_sub(then.send_wait_ns),
                recv_waits: now.recv_waits.saturating_sub(then.recv_waits),
                recv_wait_ns: now.recv_wait_ns.saturating_sub(then.recv_wait_ns),
            },
            sent: stats.sent_total.saturating_sub(before.facts.sent),
            received: stats.recv_total.saturating_sub(before.facts.received),
        };
        let seen = Seen { scene, settings, c, between };
        seen.growing(row, before, findings);
        seen.saturated(row, findings);
        seen.turned(row, findings);
        seen.lockstep(row, findings);
    }
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

    fn per_second(&self, n: u64) -> f64 {
        n as f64 / self.between.seconds
    }

    fn growing(&self, row: &mut ChannelRow, before: &ChannelRow, findings: &mut Vec<Finding>) {
        let Self { scene, settings, c, between } = self;
        let stats = &scene.channel(*c).stats;
        if stats.bounded {
            return;
        }
        let (len, was) = (stats.queue_len, before.facts.len);
        // Half of the mark: a queue that goes up and down below what it once held does not grow.
        let rises = len > was && len >= settings.growing_from && len >= stats.high_watermark / 2;
        // Where the receiver waits, if it does so elsewhere.
        let waits = self.receiver().map(|a| scene.standing(a)).unwrap_or_default();
        let elsewhere = waits.iter().copied().find(|&w| {
            let wait = &scene.waits[w as usize];
            wait.channel != *c && wait.side == Side::Send
        });
        // A length that stays what it is neither rises nor falls.
        let seen = if len == was { row.trends.growing.is_on() } else { rises };
        let since = row.trends.growing.look(seen, between.from_ns, between.to_ns, settings);
        let rising = &mut row.trends.rising;
        if row.trends.growing.is_quiet() {
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

    fn saturated(&self, row: &mut ChannelRow, findings: &mut Vec<Finding>) {
        let Self { scene, settings, c, between } = self;
        let stats = &scene.channel(*c).stats;
        let time = between.seconds * 1e9;
        let waiting = between.sums.send_wait_ns as f64 / time;
        let busy = 1.0 - (between.sums.recv_wait_ns as f64 / time).min(1.0);
        // If the receiver waits as much as it works, it is not the bottleneck.
        let seen = stats.bounded
            && between.received > 0
            && waiting >= settings.saturated_from
            && busy >= 0.5;
        let since = row.trends.saturated.look(seen, between.from_ns, between.to_ns, settings);
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

    fn turned(&self, row: &mut ChannelRow, findings: &mut Vec<Finding>) {
        let Self { scene, settings, c, between } = self;
        let Sums { full, given_up, .. } = between.sums;
        let kinds = [
            (FindingKind::Refused, full, settings.refused_per_second, &mut row.trends.refused),
            (
                FindingKind::GivenUp,
                given_up,
                settings.given_up_per_second,
                &mut row.trends.given_up,
            ),
        ];
        for (kind, count, from, trend) in kinds {
            let per_second = self.per_second(count);
            let seen = count > 0 && per_second >= from;
            let since = trend.look(seen, between.from_ns, between.to_ns, settings);
            if let Some(since) = since {
                let evidence = Evidence::Turned {
                    channel: scene.channel_ref(*c),
                    count,
                    per_second,
                    share: count as f64 / (count + between.sent).max(1) as f64,
                };
                findings.push(self.tell(kind, since, evidence));
            }
        }
    }

    fn lockstep(&self, row: &mut ChannelRow, findings: &mut Vec<Finding>) {
        let Self { scene, settings, c, between } = self;
        let stats = &scene.channel(*c).stats;
        let messages = between.received.max(1) as f64;
        let send_waits = between.sums.send_waits as f64 / messages;
        let recv_waits = between.sums.recv_waits as f64 / messages;
        let seen = stats.bounded
            && between.received >= TRAFFIC
            && send_waits >= settings.lockstep_from
            && recv_waits >= settings.lockstep_from;
        let since = row.trends.lockstep.look(seen, between.from_ns, between.to_ns, settings);
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
