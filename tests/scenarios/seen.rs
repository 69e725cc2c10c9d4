//! What was said of a program, and what a test asks of it.

use std::thread;

use parshall::introspect::{Diagnosis, Evidence, Finding, FindingKind, Party, Receiver, Verdict};
use parshall::task::TaskState::Idle;
use parshall::{ChannelSnapshot, Snapshot, TaskSnapshot};

use crate::stage::{On, Tasks};

/// A program at one moment.
#[derive(Debug)]
pub(crate) struct Now(pub(crate) Snapshot);

impl Now {
    pub(crate) fn look() -> Self {
        Self(parshall::snapshot())
    }

    fn channel(&self, name: &str) -> Option<&ChannelSnapshot> {
        self.0.channels.iter().find(|channel| channel.stats.name == name)
    }

    /// Whether no message was sent or received since then, in the channels that live, and no task
    /// was still in the poll that was its last.
    pub(crate) fn stands_as(&self, then: &Self) -> bool {
        let was_in_its_last_poll = |now: &TaskSnapshot| {
            let mut tasks = then.0.tasks.iter();
            tasks.find(|then| then.task == now.task).is_some_and(|then| {
                then.polls == now.polls && then.state != now.state && now.state == Some(Idle)
            })
        };
        if self.0.tasks.iter().any(was_in_its_last_poll) {
            return false;
        }
        let total = |now: &ChannelSnapshot| {
            (now.stats.channel_id, now.stats.sent_total, now.stats.recv_total)
        };
        let was = |now: &ChannelSnapshot| {
            let mut channels = then.0.channels.iter();
            channels.find(|then| then.stats.channel_id == now.stats.channel_id)
        };
        self.0.channels.iter().all(|now| was(now).is_none_or(|was| total(was) == total(now)))
    }

    /// How many sends wait there and were not granted room.
    pub(crate) fn sends(&self, name: &str) -> u64 {
        self.channel(name).map_or(0, |channel| channel.stats.send_waiters)
    }

    /// How many were granted room and do nothing with it.
    pub(crate) fn granted(&self, name: &str) -> u64 {
        self.channel(name).map_or(0, |channel| channel.stats.granted_waiters)
    }

    /// Whether the receiver waits there.
    pub(crate) fn receives(&self, name: &str) -> bool {
        self.channel(name).is_some_and(|channel| channel.stats.recv_waiters == 1)
    }

    /// How many messages lie there.
    pub(crate) fn len(&self, name: &str) -> u64 {
        self.channel(name).map_or(0, |channel| channel.stats.queue_len)
    }

    /// How many messages were received there.
    pub(crate) fn received(&self, name: &str) -> u64 {
        self.channel(name).map_or(0, |channel| channel.stats.recv_total)
    }

    /// How many strong senders it has.
    pub(crate) fn senders(&self, name: &str) -> u64 {
        self.channel(name).map_or(0, |channel| channel.stats.sender_count)
    }

    /// How many `try_send`s were refused there.
    pub(crate) fn refused(&self, name: &str) -> u64 {
        self.channel(name).map_or(0, |channel| channel.stats.full_total)
    }
}

/// Whether the last look says something of each of these kinds.
pub(crate) fn says(said: &[Diagnosis], kinds: &[FindingKind]) -> bool {
    let findings = || said.last().into_iter().flat_map(|said| &said.findings);
    kinds.iter().all(|&kind| findings().any(|found| found.kind == kind))
}

/// The evidence of a finding of this kind, at the last look.
pub(crate) fn evidence(said: &[Diagnosis], kind: FindingKind) -> Option<&Evidence> {
    let mut findings = said.last()?.findings.iter();
    findings.find(|found| found.kind == kind).map(|found| &found.evidence)
}

/// Whether any look has said something of this kind.
pub(crate) fn has_said(said: &[Diagnosis], kind: FindingKind) -> bool {
    said.iter().flat_map(|said| &said.findings).any(|found| found.kind == kind)
}

/// All that was said of a program.
pub(crate) struct Seen {
    pub(crate) tasks: Tasks,
    pub(crate) on: On,
    /// Look by look.
    pub(crate) saw: Vec<Now>,
    /// At each of them.
    pub(crate) said: Vec<Diagnosis>,
}

/// Shows it if a test fails.
struct Shown<'a>(&'a Seen);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Seen { tasks, on, saw, said } = self.0;
            for (now, diagnosis) in saw.iter().zip(said) {
                let kinds = diagnosis.findings.iter().map(|found| (found.kind, found.verdict));
                eprintln!("-- {:?}", kinds.collect::<Vec<_>>());
                for ChannelSnapshot { stats, .. } in &now.0.channels {
                    eprintln!("{stats:?}");
                }
            }
            eprintln!("{:#?}\n{:#?}", saw.last(), said.last());
            eprintln!("{tasks:?} on {on:?}\n{}", self.0.last());
        }
    }
}

impl Seen {
    pub(crate) fn check(&self, judge: impl Fn(&Self)) {
        let _shown = Shown(self);
        judge(self);
    }

    /// Whether the tasks are roots.
    pub(crate) fn roots(&self) -> bool {
        self.tasks == Tasks::Roots
    }

    /// Whether the tasks have names.
    pub(crate) fn named(&self) -> bool {
        self.tasks != Tasks::Plain
    }

    pub(crate) fn last(&self) -> &Diagnosis {
        self.said.last().unwrap()
    }

    /// Nothing is said that would be an alarm: neither `proven` nor `conditional`, at any look.
    pub(crate) fn is_silent(&self) {
        let findings = self.said.iter().flat_map(|diagnosis| &diagnosis.findings);
        let alarms = [Verdict::Proven, Verdict::Conditional];
        let alarm: Vec<_> = findings.filter(|found| alarms.contains(&found.verdict)).collect();
        assert!(alarm.is_empty(), "a false alarm: {alarm:#?}");
    }

    /// No finding of this kind, at any look.
    pub(crate) fn never_says(&self, kind: FindingKind) {
        let findings = self.said.iter().flat_map(|diagnosis| &diagnosis.findings);
        let found: Vec<_> = findings.filter(|found| found.kind == kind).collect();
        assert!(found.is_empty(), "this was not to be said: {found:#?}");
    }

    /// No finding of this kind at the last look.
    pub(crate) fn now_says_nothing_of(&self, kind: FindingKind) {
        let found: Vec<_> = self.last().findings.iter().filter(|f| f.kind == kind).collect();
        assert!(found.is_empty(), "this is over: {found:#?}");
    }

    /// The one finding of this kind, at the last look.
    pub(crate) fn says(&self, kind: FindingKind) -> Said<'_> {
        let of_kind = self.last().findings.iter().filter(|finding| finding.kind == kind);
        let of_kind: Vec<_> = of_kind.collect();
        let [finding] = of_kind[..] else {
            panic!("{} findings are {kind:?}", of_kind.len());
        };
        Said { seen: self, finding }
    }

    /// The finding of this kind about this channel, at the last look.
    pub(crate) fn says_of(&self, kind: FindingKind, channel: &str) -> Said<'_> {
        let mut findings = self.last().findings.iter();
        let finding = findings
            .find(|found| found.kind == kind && found.channels.iter().any(|c| c.name == channel))
            .unwrap_or_else(|| panic!("nothing {kind:?} is found of {channel}"));
        Said { seen: self, finding }
    }
}

/// A finding.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    seen: &'a Seen,
    pub(crate) finding: &'a Finding,
}

/// Sorted, since findings put the worst first, and that may be either.
fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names
}

impl Said<'_> {
    pub(crate) fn verdict(self, verdict: Verdict) -> Self {
        assert_eq!(self.finding.verdict, verdict);
        let conditional = verdict == Verdict::Conditional;
        assert_eq!(self.finding.assumption.is_some(), conditional, "{:?}", self.finding.assumption);
        self
    }

    /// It is about these channels, in any order.
    pub(crate) fn channels(self, expected: &[&str]) -> Self {
        let found = self.finding.channels.iter().map(|channel| &channel.name[..]);
        assert_eq!(names(found), names(expected.iter().copied()));
        self
    }

    /// It is about these tasks and threads, in any order. Plain tasks have no names: so many of
    /// them are neither of these threads.
    pub(crate) fn tasks(self, expected: &[&str]) -> Self {
        let found = self.finding.tasks.iter().map(|party| &party.name[..]);
        if self.seen.tasks == Tasks::Plain {
            let nameless = |name: &str| name.starts_with("task ");
            assert!(found.clone().all(|name| expected.contains(&name) || nameless(name)));
            assert_eq!(found.count(), expected.len());
        } else {
            assert_eq!(names(found), names(expected.iter().copied()));
        }
        self
    }

    pub(crate) fn victims(self, expected: u64) -> Self {
        assert_eq!(self.finding.victims, expected, "victims");
        self
    }

    /// Who should receive, of a stall.
    pub(crate) fn receiver(&self) -> &Receiver {
        match &self.finding.evidence {
            Evidence::Stalled { receiver, .. } => receiver,
            other => panic!("not the evidence of a stall: {other:?}"),
        }
    }

    /// The end of the chain is this channel, and this task should receive there.
    pub(crate) fn blames(self, channel: &str, who: Option<&str>) -> Self {
        let receiver = self.receiver();
        assert_eq!(receiver.channel.name, channel);
        let found = receiver.who.as_ref();
        if self.seen.tasks == Tasks::Plain {
            assert_eq!(found.is_some(), who.is_some(), "{found:?}");
        } else {
            assert_eq!(found.map(|party| &party.name[..]), who);
        }
        self
    }
}

/// For the evidence that names parties.
pub(crate) fn are(parties: &[Party], expected: &[&str]) {
    let found = parties.iter().map(|party| &party.name[..]);
    assert_eq!(names(found), names(expected.iter().copied()));
}
