//! Programs by hand: what is told of each, and what must not be.

use parshall::introspect::{FindingKind, Verdict};

use crate::program::{C, Call, Kind, Program, Step, StrandPlan, TaskPlan};

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
