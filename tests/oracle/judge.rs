//! Whether what a diagnosis says is so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use parshall::introspect::{
    Diagnoser, Diagnosis, Evidence, Finding, FindingKind, Party, Settings, Verdict,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::channel::{State, Turn};
use crate::explore;
use crate::program::{C, Call, Kind, Program};
use crate::run::Looks;

/// What was seen in all programs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Findings, by kind and verdict.
    pub(crate) findings: BTreeMap<(FindingKind, Verdict), u32>,
    /// Programs in which somebody is stuck.
    pub(crate) stuck: u32,
    /// Programs with too many continuations to say.
    pub(crate) unknown: u32,
    /// Programs in which roots are stuck in a circle of sends.
    pub(crate) circles: Share,
    /// Likewise, where each of them was the last to receive.
    pub(crate) known_circles: Share,
    /// Conditional findings of which the assumption did not hold.
    pub(crate) moved: u32,
}

/// How many there are, and of how many of them it is told.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) all: u32,
    pub(crate) told: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((kind, verdict), n) in &self.findings {
            write!(f, "{} {} {n}, ", verdict.as_str(), kind.as_str())?;
        }
        let Self { stuck, unknown, circles, known_circles: known, moved, .. } = self;
        let (Share { all, told }, Share { all: known_all, told: known_told }) = (circles, known);
        write!(
            f,
            "stuck {stuck}, unknown {unknown}, moved {moved}, circles told {told} of {all}, "
        )?;
        write!(f, "of those whose receivers are known {known_told} of {known_all}")
    }
}

fn diagnose(looks: &Looks) -> Diagnosis {
    let mut settings = Settings::default();
    settings.stuck_after = Duration::from_nanos(1);
    let mut diagnoser = Diagnoser::new(settings);
    diagnoser.look(&looks.first).unwrap();
    diagnoser.look(&looks.second).unwrap()
}

pub(crate) fn judge(program: &Program, looks: &Looks, tally: &mut Tally) -> TestCaseResult {
    let diagnosis = diagnose(looks);
    let Some(stuck) = explore::stuck(program, &looks.state) else {
        tally.unknown += 1;
        return Ok(());
    };
    tally.stuck += u32::from(stuck.contains(&true));
    let mut told = BTreeSet::new();
    for finding in &diagnosis.findings {
        *tally.findings.entry((finding.kind, finding.verdict)).or_default() += 1;
        if program.moments.is_none() {
            fact(finding, looks)?;
        }
        if finding.verdict > Verdict::Conditional {
            continue;
        }
        if finding.verdict == Verdict::Conditional && !holds(finding, looks) {
            tally.moved += 1;
            continue;
        }
        for party in parties(finding) {
            let task = looks.task(party.task);
            prop_assert!(task.is_some_and(|t| stuck[t]), "{} gets on: {:#?}", party.name, finding);
            told.extend(task);
        }
    }
    for (known, seen) in [(false, &mut tally.circles), (true, &mut tally.known_circles)] {
        let circle = circle(program, &looks.state, &stuck, known);
        seen.all += u32::from(!circle.is_empty());
        seen.told += u32::from(circle.iter().any(|task| told.contains(task)));
    }
    Ok(())
}

/// Of whom a finding says that it is stuck.
fn parties(finding: &Finding) -> Vec<&Party> {
    let mut parties: Vec<_> = finding.tasks.iter().collect();
    match &finding.evidence {
        Evidence::Deadlock { cycle, .. } => parties.extend(cycle.iter().map(|hop| &hop.who)),
        Evidence::Futurelock { holder, .. } => parties.push(holder),
        _ => {}
    }
    parties
}

/// Whether the assumption is true: the receivers that it names are where they were at their last
/// receive.
fn holds(finding: &Finding, looks: &Looks) -> bool {
    let assumption = finding.assumption.as_deref().expect("a condition");
    let names: Vec<_> = assumption.split('`').skip(1).step_by(2).collect();
    assert!(!names.is_empty(), "{assumption}");
    names.into_iter().all(|name| {
        let channel = looks.second.channels.iter().find(|one| one.stats.name == name).unwrap();
        let c = name.strip_prefix('c').unwrap().parse().unwrap();
        let last = channel.last_receiver.and_then(|task| looks.task(task));
        last.is_some() && looks.state.holder(c) == last
    })
}

/// What a finding says beside its verdict.
fn fact(finding: &Finding, looks: &Looks) -> TestCaseResult {
    let state = &looks.state;
    let chan = |name: &str| &state.chans[name.strip_prefix('c').unwrap().parse::<usize>().unwrap()];
    match &finding.evidence {
        Evidence::LostWakeup { .. } => prop_assert!(false, "nothing was lost: {:#?}", finding),
        Evidence::HeldPermits { channel, reserved, .. } => {
            let chan = chan(&channel.name);
            let waits = chan.line.iter().any(|waiter| waiter.turn == Turn::Waiting);
            let all = u64::from(chan.reserved) == *reserved && chan.capacity == Some(chan.reserved);
            prop_assert!(all && waits && chan.queue.is_empty(), "{:#?}", finding);
        }
        Evidence::Starved { who, .. } => {
            let task = looks.task(who.task);
            prop_assert!(task.is_some_and(|t| state.tasks[t].scheduled), "{:#?}", finding);
        }
        Evidence::Stalled { channels, .. } => {
            // The first is the one that is to blame: it may have nothing to be received.
            for channel in &channels[1..] {
                let chan = chan(&channel.name);
                let waits = chan.line.iter().any(|waiter| waiter.turn == Turn::Waiting);
                prop_assert!(!chan.waiting && (waits || !chan.queue.is_empty()), "{:#?}", finding);
            }
        }
        Evidence::Futurelock { channel, holder, .. } => {
            let granted = chan(&channel.name).line.iter().any(|waiter| {
                let task = waiter.place.who.task;
                waiter.turn == Turn::Granted
                    && looks.task(holder.task) == Some(task)
                    && !state.tasks[task].scheduled
            });
            prop_assert!(granted, "{:#?}", finding);
        }
        _ => {}
    }
    Ok(())
}

/// Roots that are stuck, each in a send to the next, who has the receiver. `known`: and has used
/// it.
fn circle(program: &Program, state: &State, stuck: &[bool], known: bool) -> Vec<usize> {
    let sends = |task: usize| -> Option<C> {
        let plan = &program.tasks[task];
        let strand = &state.tasks[task].strands[0];
        let is_plain = plan.kind == Kind::Root && !plan.foreign_wakers && plan.strands.len() == 1;
        match (strand.waits[0]?, strand.waits[1]) {
            (wait, None) if stuck[task] && is_plain => match wait.call {
                Call::Send(c, _) | Call::SendMany(c, _) | Call::Reserve(c) => Some(c),
                _ => None,
            },
            _ => None,
        }
    };
    let next = |task: usize| {
        let c = sends(task)?;
        let chan = &state.chans[c as usize];
        let holder = state.holder(c)?;
        let full = Some(chan.queue.len() as u8) == chan.capacity;
        (full && (!known || chan.last_receiver == Some(holder))).then_some(holder)
    };
    for start in 0..stuck.len() {
        let mut path = vec![start];
        while let Some(task) = next(path[path.len() - 1]) {
            if task == start {
                return path;
            }
            if path.contains(&task) {
                break;
            }
            path.push(task);
        }
    }
    Vec::new()
}
