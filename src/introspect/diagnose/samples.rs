//! Findings made by hand, for the tests: one of each kind, and what makes it read differently.

use super::{
    Behind, Blind, ChannelRef, Diagnosis, Evidence, Finding, FindingKind, Grant, Hop, Party,
    Receiver, Receiving, Side, Verdict,
};
use crate::Call;
use crate::task::TaskRef;

/// When the second look of all samples was.
pub(super) const SEEN: i64 = 1_700_000_000_000_000_000;

/// So many seconds before.
pub(super) fn ago(seconds: f64) -> i64 {
    SEEN - (seconds * 1e9) as i64
}

pub(super) fn channel(name: &str, len: u64, capacity: impl Into<Option<u64>>) -> ChannelRef {
    ChannelRef {
        id: format!("mpsc:app:{name}"),
        channel_id: name.bytes().map(u64::from).sum(),
        name: name.into(),
        location: "src/main.rs:12:34".into(),
        len,
        capacity: capacity.into(),
    }
}

pub(super) fn party(name: &str) -> Party {
    // Any word that is the same for the same name.
    let number = name.bytes().fold(7_u64, |n, byte| n.wrapping_mul(31).wrapping_add(byte.into()));
    let task = TaskRef::from_word(1 << 61 | number >> 8).unwrap();
    Party { task, id: format!("task:app:{name}"), name: name.into() }
}

pub(super) fn hop(who: &str, side: Side, channel: ChannelRef, last_receive: Option<u64>) -> Hop {
    let call = match side {
        Side::Send => Call::Send,
        Side::Receive => Call::Recv,
        Side::Close => Call::Closed,
    };
    Hop { who: party(who), call, side, since_ns: ago(12.4), channel, last_receive }
}

pub(super) fn behind(senders: u64, receivers: u64, some: &[&str]) -> Behind {
    Behind { senders, receivers, some: some.iter().map(|name| party(name)).collect() }
}

pub(super) fn receiver(channel: ChannelRef, who: Option<&str>, does: Receiving) -> Receiver {
    Receiver { channel, who: who.map(party), last_receive: 1812, does }
}

pub(super) fn finding(kind: FindingKind, verdict: Verdict, evidence: Evidence) -> Finding {
    let (channels, tasks, victims) = match &evidence {
        Evidence::Deadlock { cycle, behind } => (
            cycle.iter().map(|hop| hop.channel.clone()).collect(),
            cycle.iter().map(|hop| hop.who.clone()).collect(),
            behind.senders + behind.receivers,
        ),
        Evidence::Futurelock { channel, holder, behind, .. } => {
            (vec![channel.clone()], vec![holder.clone()], behind.senders + behind.receivers)
        }
        Evidence::Stalled { receiver, channels, behind } => (
            channels.clone(),
            receiver.who.iter().cloned().collect(),
            behind.senders + behind.receivers,
        ),
        Evidence::Starved { who, channels, behind, .. } => {
            (channels.clone(), vec![who.clone()], behind.waits())
        }
        Evidence::HeldPermits { channel, grants, behind, .. } => {
            let tasks = grants.iter().map(|grant| grant.who.clone()).collect();
            (vec![channel.clone()], tasks, behind.waits())
        }
        Evidence::SenderKept { channel, receiver, .. } => {
            (vec![channel.clone()], vec![receiver.clone()], 0)
        }
        Evidence::Growing { channel, receiver, .. }
        | Evidence::Saturated { channel, receiver, .. } => {
            (vec![channel.clone()], receiver.iter().cloned().collect(), 0)
        }
        Evidence::Turned { channel, .. } | Evidence::Lockstep { channel, .. } => {
            (vec![channel.clone()], vec![], 0)
        }
        Evidence::LostWakeup { channel, who, .. } => {
            (vec![channel.clone()], who.iter().cloned().collect(), 1)
        }
    };
    Finding {
        kind,
        verdict,
        since_ns: ago(12.4),
        since_known: true,
        more_channels: 0,
        more_tasks: 0,
        seen_ns: SEEN,
        channels,
        tasks,
        victims,
        assumption: None,
        evidence,
    }
}

pub(crate) fn diagnosis(findings: Vec<Finding>) -> Diagnosis {
    Diagnosis {
        process: "ingest-4711".into(),
        pid: 4711,
        first_look_ns: ago(0.1),
        second_look_ns: SEEN,
        findings,
        left_out: vec![],
        blind: Blind { waits: 31, uncertain_waits: 5, ..Blind::default() },
    }
}

/// The deadlock of two.
pub(super) fn deadlock() -> Finding {
    let cycle = vec![
        hop("writer", Side::Send, channel("wal", 8, 8), Some(812)),
        hop("flusher", Side::Send, channel("acks", 4, 4), Some(40)),
    ];
    let evidence = Evidence::Deadlock { cycle, behind: behind(37, 0, &[]) };
    Finding {
        assumption: Some(
            "the receiver of `acks` or `wal` is shared or was moved since its last receive".into(),
        ),
        ..finding(FindingKind::Deadlock, Verdict::Conditional, evidence)
    }
}

/// A channel that grows, and where its receiver is elsewhere.
fn growing(elsewhere: Option<(f64, Box<Hop>)>) -> Finding {
    let evidence = Evidence::Growing {
        channel: channel("mixer", 2_271_813, None),
        per_second: 500.0,
        elsewhere,
        receiver: Some(party("drain")),
    };
    Finding { since_ns: ago(190.0), ..finding(FindingKind::Growing, Verdict::Signal, evidence) }
}

/// One of each kind, and of each way not to receive.
#[allow(clippy::too_many_lines)] // a list
pub(crate) fn each_kind() -> Vec<Finding> {
    use FindingKind as Kind;
    let jobs = || channel("jobs", 1, 1);
    let alone = vec![hop("loop", Side::Send, channel("events", 3, 3), None)];
    let stalled = |receiver: Receiver, others: &[ChannelRef], behind: Behind| {
        let mut channels = vec![receiver.channel.clone()];
        channels.extend_from_slice(others);
        let evidence = Evidence::Stalled { receiver, channels, behind };
        finding(Kind::Stalled, Verdict::Stuck, evidence)
    };
    let doing = |does: Receiving| {
        stalled(receiver(channel("queue", 4, 4), Some("worker"), does), &[], Behind::default())
    };
    let grant =
        |who: &str, since| Grant { who: party(who), units: 1, since_ns: ago(since), waits: None };
    let held = |reserved, grants: Vec<Grant>| {
        let channel = channel("log", 0, reserved);
        let granted = if grants.is_empty() { reserved } else { grants.len() as u64 };
        let behind = behind(1, 0, &[]);
        let evidence = Evidence::HeldPermits { channel, reserved, granted, grants, behind };
        finding(Kind::HeldPermits, Verdict::Stuck, evidence)
    };
    let sender_kept = Evidence::SenderKept {
        channel: channel("done", 0, 4),
        receiver: party("collector"),
        senders: 1,
        made_at: vec!["src/main.rs:40:18".into()],
    };
    vec![
        deadlock(),
        finding(
            Kind::Deadlock,
            Verdict::Proven,
            Evidence::Deadlock { cycle: alone, behind: Behind::default() },
        ),
        finding(
            Kind::Futurelock,
            Verdict::Proven,
            Evidence::Futurelock {
                channel: jobs(),
                holder: party("reporter"),
                granted_at_ns: ago(12.4),
                polls: Some(14),
                waits: Some(Box::new(hop("reporter", Side::Send, jobs(), None))),
                behind: behind(2, 0, &["reporter"]),
            },
        ),
        stalled(
            receiver(channel("runner-2", 2, 2), Some("runner-2"), Receiving::Outside),
            &[channel("manager", 4, 4)],
            behind(12, 0, &["manager"]),
        ),
        stalled(receiver(channel("queue", 4, 4), None, Receiving::Never), &[], behind(1, 0, &[])),
        doing(Receiving::WaitsFor {
            chain: vec![hop("worker", Side::Send, channel("store", 8, 8), Some(3))],
            end: Some(Box::new(receiver(
                channel("store", 8, 8),
                Some("writer"),
                Receiving::Outside,
            ))),
        }),
        doing(Receiving::WaitsFor {
            chain: vec![
                hop("worker", Side::Receive, channel("replies", 0, 1), None),
                hop("server", Side::Close, channel("requests", 2, 4), None),
            ],
            end: None,
        }),
        stalled(
            receiver(
                channel("alice's mailbox", 2, 2),
                Some("alice"),
                Receiving::WaitsFor {
                    chain: vec![
                        hop("alice", Side::Send, channel("bob's mailbox", 2, 2), Some(3)),
                        hop("bob", Side::Send, channel("alice's mailbox", 2, 2), Some(4)),
                    ],
                    end: None,
                },
            ),
            &[channel("bob's mailbox", 2, 2), channel("requests", 4, 4)],
            behind(1, 0, &[]),
        ),
        doing(Receiving::NoWaker),
        doing(Receiving::Runs { polls: 1204 }),
        doing(Receiving::Woken { since_ns: ago(3.0) }),
        doing(Receiving::Receives),
        Finding { since_known: false, ..doing(Receiving::Unknown) },
        doing(Receiving::Gone),
        finding(
            Kind::Starved,
            Verdict::Stuck,
            Evidence::Starved {
                who: party("answerer"),
                running: vec![party("asker")],
                blocked: vec![hop("main", Side::Receive, channel("replies", 0, 1), None)],
                channels: vec![channel("questions", 4, 4)],
                behind: behind(2, 0, &[]),
            },
        ),
        finding(
            Kind::HeldPermits,
            Verdict::Stuck,
            Evidence::HeldPermits {
                channel: channel("slots", 0, 1),
                reserved: 1,
                granted: 0,
                grants: vec![],
                behind: behind(1, 0, &["second"]),
            },
        ),
        held(
            1,
            vec![Grant {
                waits: Some(Box::new(hop("task 12", Side::Send, channel("log", 0, 1), None))),
                ..grant("task 12", 12.4)
            }],
        ),
        held(3, vec![grant("task 12", 4.0), grant("task 13", 3.0)]),
        held(2, vec![]),
        Finding {
            assumption: Some("a sender was moved to another task since it was made".into()),
            ..finding(Kind::SenderKept, Verdict::Conditional, sender_kept)
        },
        growing(Some((0.91, Box::new(hop("drain", Side::Send, channel("peer-1", 4, 4), None))))),
        Finding { since_known: false, ..growing(None) },
        finding(
            Kind::Saturated,
            Verdict::Signal,
            Evidence::Saturated {
                channel: channel("lines", 32, 32),
                per_second: 1_240.0,
                busy: 0.97,
                waiting: 3.42,
                receiver: Some(party("parser")),
            },
        ),
        finding(
            Kind::Refused,
            Verdict::Signal,
            Evidence::Turned {
                channel: channel("spans", 64, 64),
                count: 1_200,
                per_second: 400.0,
                share: 0.25,
            },
        ),
        finding(
            Kind::GivenUp,
            Verdict::Signal,
            Evidence::Turned {
                channel: channel("peer-1", 4, 4),
                count: 50,
                per_second: 50.0,
                share: 1.0,
            },
        ),
        finding(
            Kind::Lockstep,
            Verdict::Signal,
            Evidence::Lockstep {
                channel: channel("rows", 1, 1),
                send_waits: 1.0,
                recv_waits: 0.94,
                per_second: 23_000.0,
            },
        ),
        finding(
            Kind::LostWakeup,
            Verdict::Stuck,
            Evidence::LostWakeup {
                channel: channel("jobs", 0, 1),
                who: Some(party("writer")),
                side: Side::Send,
            },
        ),
    ]
}

/// Calls everything in it `name`.
pub(super) fn rename(finding: &mut Finding, name: &str) {
    let one = |channel: &mut ChannelRef| {
        channel.name = name.into();
        channel.location = name.into();
        channel.id = format!("mpsc:app:{name}");
    };
    let who = |party: &mut Party| party.name = name.into();
    let hops = |hops: &mut [Hop]| {
        for hop in hops {
            one(&mut hop.channel);
            who(&mut hop.who);
        }
    };
    finding.channels.iter_mut().for_each(one);
    finding.tasks.iter_mut().for_each(who);
    finding.assumption = finding.assumption.as_ref().map(|_| name.into());
    match &mut finding.evidence {
        Evidence::Deadlock { cycle, behind } => {
            hops(cycle);
            behind.some.iter_mut().for_each(who);
        }
        Evidence::Futurelock { channel, holder, waits, behind, .. } => {
            one(channel);
            who(holder);
            hops(waits.as_deref_mut().map_or(&mut [], std::slice::from_mut));
            behind.some.iter_mut().for_each(who);
        }
        Evidence::Stalled { receiver, channels, behind } => {
            fn walk(receiver: &mut Receiver, f: &mut impl FnMut(&mut Receiver)) {
                f(receiver);
                if let Receiving::WaitsFor { end: Some(end), .. } = &mut receiver.does {
                    walk(end, f);
                }
            }
            walk(receiver, &mut |receiver| {
                one(&mut receiver.channel);
                receiver.who.iter_mut().for_each(who);
                if let Receiving::WaitsFor { chain, .. } = &mut receiver.does {
                    hops(chain);
                }
            });
            channels.iter_mut().for_each(one);
            behind.some.iter_mut().for_each(who);
        }
        Evidence::Starved { who: woken, running, blocked, channels, behind } => {
            who(woken);
            channels.iter_mut().for_each(one);
            behind.some.iter_mut().for_each(who);
            running.iter_mut().for_each(who);
            hops(blocked);
        }
        Evidence::HeldPermits { channel, grants, behind, .. } => {
            one(channel);
            for grant in grants {
                who(&mut grant.who);
                hops(grant.waits.as_deref_mut().map_or(&mut [], std::slice::from_mut));
            }
            behind.some.iter_mut().for_each(who);
        }
        Evidence::SenderKept { channel, receiver, made_at, .. } => {
            one(channel);
            who(receiver);
            for place in made_at {
                *place = name.into();
            }
        }
        Evidence::Growing { channel, elsewhere, receiver, .. } => {
            one(channel);
            hops(elsewhere.as_mut().map_or(&mut [], |(_, hop)| std::slice::from_mut(&mut **hop)));
            receiver.iter_mut().for_each(who);
        }
        Evidence::Saturated { channel, receiver, .. } => {
            one(channel);
            receiver.iter_mut().for_each(who);
        }
        Evidence::Turned { channel, .. } | Evidence::Lockstep { channel, .. } => one(channel),
        Evidence::LostWakeup { channel, who: waiting, .. } => {
            one(channel);
            waiting.iter_mut().for_each(who);
        }
    }
}
