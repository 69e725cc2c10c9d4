//! Programs by hand: what is told of each, and what must not be.

use parshall::introspect::{FindingKind, Verdict};

use crate::program::{C, Call, Kind, Moments, Program, Step, StrandPlan, TaskPlan};

fn root(receivers: &[C], steps: &[Step]) -> TaskPlan {
    let strand =
        StrandPlan { senders: vec![0, 1], receivers: receivers.to_vec(), steps: steps.to_vec() };
    TaskPlan { kind: Kind::Root, strands: vec![strand], foreign_wakers: false }
}

fn program(tasks: Vec<TaskPlan>) -> Program {
    Program {
        channels: vec![Some(1), Some(1)],
        tasks,
        fires: vec![(u8::MAX, 0), (u8::MAX, 1), (u8::MAX, 2)],
        moments: None,
    }
}

const SEND: Step = Step::Wait(Call::Send(0, None));
const RECV: Step = Step::Wait(Call::Recv(0));

/// Of what is said, the surest.
fn surest(program: &Program) -> Option<(FindingKind, Verdict)> {
    let looks = crate::run::run(program);
    crate::compare(program, &looks).unwrap();
    let mut tally = crate::Tally::default();
    crate::judge::judge(program, &looks, &mut tally).unwrap();
    tally.findings.into_keys().min_by_key(|&(_, verdict)| verdict)
}

/// The one that keeps the grant, and one who receives.
fn futurelock(receives: &[Step]) -> Vec<TaskPlan> {
    let keeps = [SEND, Step::SelectKeep(Call::Send(0, None), Call::Event(0)), SEND];
    let late = [Step::Wait(Call::Event(1)), RECV];
    vec![root(&[], &keeps), root(&[0], &[&late, receives].concat())]
}

#[test]
fn a_futurelock_is_proven() {
    let said = surest(&program(futurelock(&[RECV])));
    assert_eq!(said, Some((FindingKind::Futurelock, Verdict::Proven)));
}

/// A stream's wait outlives the call: who waits so may have given the receiver away.
///
/// Seen to fail with an analysis that takes every receive that waits for one of a future.
#[test]
fn a_receiver_that_was_polled_as_a_stream_may_be_elsewhere() {
    let gives = [
        Step::Select(Call::Next(0), Call::Event(2)),
        Step::GiveReceiver(0),
        Step::Wait(Call::Closed(0)),
    ];
    let mut tasks = futurelock(&gives);
    let takes = [Step::Wait(Call::Event(2)), Step::TakeReceiver(0), Step::Wait(Call::Event(3))];
    tasks.push(root(&[], &takes));
    let said = surest(&program(tasks));
    assert!(said.is_some_and(|(_, verdict)| verdict > Verdict::Proven), "{said:?}");
}

/// The second look begins where one waits for the other, and ends where the other has helped it and
/// waits for it: each of the two waits was seen.
///
/// Seen to fail with an analysis that does not ask who has run between the looks.
#[test]
fn a_circle_of_two_moments_is_none() {
    let [first, second] =
        [0, 1].map(|c| [Step::Wait(Call::Send(c, None)), Step::Wait(Call::Recv(1 - c))]);
    let waits = |event| Step::Wait(Call::Event(event));
    let helped = [&second[..], &[second[0], second[0], waits(3)]].concat();
    let helps = [&first[..], &[first[0], waits(0), first[1], first[0]]].concat();
    let program = Program {
        fires: vec![(4, 0)],
        moments: Some(Moments { first: 4, later: [0, 0, 2], early: [0, 0b10] }),
        ..program(vec![root(&[0], &helped), root(&[1], &helps)])
    };
    let said = surest(&program);
    assert!(said.is_none_or(|(_, verdict)| verdict > Verdict::Conditional), "{said:?}");
}
