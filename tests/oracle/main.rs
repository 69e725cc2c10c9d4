//! Random small programs of tasks and channels, run for real and in a model that is small enough to
//! go through every continuation. The model agrees with what a snapshot shows; and no diagnosis
//! says too much.
//!
//! | file | |
//! |---|---|
//! | `program`, `make` | the language of the programs, and how they are made up |
//! | `real`, `run` | a program with real channels and tasks, and two looks at it |
//! | `channel`, `model` | the same program in a model |
//! | `explore` | every continuation: who never gets on |
//! | `judge` | whether what a diagnosis says is so |
#![cfg(all(feature = "introspect", feature = "tokio"))]

mod cases;
mod channel;
mod explore;
mod judge;
mod make;
mod model;
mod program;
mod real;
mod run;

use std::cell::RefCell;

use parshall::introspect::{FindingKind, Verdict};
use parshall::task::TaskState;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use channel::{Turn, Waiter, Who};
use judge::{Tally, judge};
use make::programs;
use program::{Kind, Program};
use run::{Looks, run};

/// The state of the channels, of the model and in the snapshot.
fn compare(program: &Program, looks: &Looks) -> TestCaseResult {
    for (c, model) in looks.state.chans.iter().enumerate() {
        let name = format!("c{c}");
        let real = looks.now.channels.iter().find(|real| real.stats.name == name);
        let Some(real) = real else {
            prop_assert!(model.senders == 0 && model.receiver_gone, "{} is gone", name);
            continue;
        };
        let stats = &real.stats;
        let gauges = (stats.queue_len, stats.reserved, stats.sender_count);
        let expected = (model.queue.len() as u64, model.reserved.into(), model.senders.into());
        prop_assert_eq!(gauges, expected, "messages, permits, senders of {}", name);
        let line = |granted: bool| {
            let waits = real.send_waits.iter();
            let waits = waits.filter(move |wait| wait.granted_at_ns.is_some() == granted);
            waits.map(|wait| (wait.task.and_then(|task| looks.task(task)), wait.need))
        };
        let in_model = |turn: Turn| {
            let waits = model.line.iter().filter(move |waiter| waiter.turn == turn);
            waits.map(|Waiter { place, need, .. }| (Some(place.who.task), u64::from(*need)))
        };
        let (real_line, line_of_model): (Vec<_>, Vec<_>) =
            (line(false).collect(), in_model(Turn::Waiting).collect());
        prop_assert_eq!(real_line, line_of_model, "the line of {}", name);
        let (mut granted, mut granted_in_model): (Vec<_>, Vec<_>) =
            (line(true).collect(), in_model(Turn::Granted).collect());
        granted.sort_unstable();
        granted_in_model.sort_unstable();
        prop_assert_eq!(granted, granted_in_model, "who was granted room in {}", name);
        // Nobody is told when a plain task ends.
        let lives = |who: &Who| {
            !looks.state.tasks[who.task].ended || program.tasks[who.task].kind == Kind::Plain
        };
        let waker_of = |waiting: bool| {
            let who = model.parked.or(model.spent).filter(|_| model.waiting == waiting);
            who.filter(lives).map(|who| Some(who.task))
        };
        let receives = real.recv_wait.map(|wait| wait.task.and_then(|task| looks.task(task)));
        prop_assert_eq!(receives, waker_of(true), "who waits for a message of {}", name);
        let left = real.left_waker.map(|left| looks.task(left.task));
        prop_assert_eq!(left, waker_of(false), "whose waker is left in {}", name);
        let closers = real.close_waits.iter().map(|wait| wait.task.and_then(|t| looks.task(t)));
        let closers_in_model = model.closers.iter().map(|place| Some(place.who.task));
        let (closers, closers_in_model): (Vec<_>, Vec<_>) =
            (closers.collect(), closers_in_model.collect());
        prop_assert_eq!(closers, closers_in_model, "who waits for the end of {}", name);
    }
    for task in &looks.now.tasks {
        let (Some(t), Some(wakers)) = (looks.task(task.task), task.wakers) else { continue };
        if !program.tasks[t].foreign_wakers {
            prop_assert_eq!(wakers, looks.state.wakers(t), "wakers of t{}", t);
        }
        let is_scheduled = task.state == Some(TaskState::Scheduled);
        prop_assert_eq!(is_scheduled, looks.state.tasks[t].scheduled, "t{} is scheduled", t);
    }
    Ok(())
}

/// `PROPTEST_CASES` in the environment asks for that many others.
fn runner() -> TestRunner {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return TestRunner::new(default);
    }
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(ProptestConfig { cases: 10_000, ..default }, rng)
}

/// `proven` is never wrong, and `conditional` never where its assumption holds.
///
/// Seen to fail with an analysis that does not: count wakers, ask whether a waker is the own one,
/// ask for a root, let grants help, tell grants from waits that stand, ask whether a channel is
/// full; and with a model of another channel than ours.
#[test]
fn no_diagnosis_says_too_much() {
    let mut runner = runner();
    let cases = runner.config().cases;
    let tally = RefCell::new(Tally::default());
    let result = runner.run(&programs(), |program| {
        let looks = run(&program);
        compare(&program, &looks)?;
        judge(&program, &looks, &mut tally.borrow_mut())
    });
    let tally = tally.into_inner();
    println!("{tally}");
    if let Err(error) = result {
        panic!("{error}");
    }
    // It has not passed by silence.
    let seen = |kind, verdict| tally.findings.get(&(kind, verdict)).copied().unwrap_or(0);
    let of = |part: u32, whole: u32, percent: u32| {
        assert!(100 * part >= percent * whole, "{part} of {whole} are too few: {tally}");
    };
    of(tally.stuck, cases, 40);
    of(seen(FindingKind::Futurelock, Verdict::Proven), cases, 2);
    of(seen(FindingKind::Deadlock, Verdict::Conditional), cases, 4);
    of(tally.known_circles.told, tally.known_circles.all, 85);
    of(cases - tally.unknown, cases, 99);
}
