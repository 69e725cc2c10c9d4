//! The same random script of calls on Tokio's channel and on ours: every result, wake-up, drop and gauge is
//! compared after every call. And the same on the model that the fuzz target uses, telemetry included.

mod script;

use proptest::prelude::*;
use script::op::{Op, Out, Step, WAKERS};
use script::oracle::Oracle;
use script::{ours, theirs};

/// The differences that are intended, all of them, each as narrow as it can be said.
#[derive(Default)]
struct Differences {
    /// Messages sent through a permit after the receiver was dropped. Ours drops them at once and the
    /// room comes back; Tokio keeps them until the last handle goes (tokio #7714).
    late: Vec<u32>,
    receiver_dropped: bool,
    /// The waker of a receive that said that nothing will ever come. Tokio keeps it and wakes it once
    /// more, when the last sender goes or a send fails; ours wakes nobody who has his answer.
    answered: Option<u8>,
    /// The waker of a receive that waits. If the receiver closes an idle channel while it waits (it has
    /// to poll again by itself, neither channel wakes it for that), then Tokio wakes it at the next
    /// send that fails, ours, as ever, when the last sender goes.
    waiting: Option<u8>,
    /// Woken by Tokio already, and by ours not yet.
    early: Option<u8>,
    /// The receive in progress has limit 0: its answer says nothing.
    asks_for_none: bool,
}

impl Differences {
    /// Turns what Tokio's channel did into what ours should have done.
    fn expected(&mut self, op: Op, mut theirs: Step, ours: &Step) -> Step {
        self.receiver_dropped |= op == Op::DropReceiver && theirs.out == Out::Done;
        theirs.dropped.retain(|message| !self.late.contains(message));
        let by_permit = matches!(op, Op::SendPermit(_) | Op::SendOwned(_));
        let sent = by_permit && theirs.out == Out::Ready;
        if self.receiver_dropped && sent && theirs.dropped.is_empty() {
            assert_eq!(ours.dropped.len(), 1, "a message that came too late is dropped at once");
            theirs.dropped.extend(&ours.dropped);
            self.late.extend(&ours.dropped);
        }
        if let Some(capacity) = &mut theirs.seen.capacity {
            *capacity += self.late.len();
        }
        match op {
            Op::Recv => self.asks_for_none = false,
            Op::RecvMany(limit) => self.asks_for_none = limit == 0,
            Op::PollReceive(w) | Op::PollRecv(w) | Op::PollRecvMany(w, 1..) => match &theirs.out {
                Out::Pending => self.waiting = Some(w % WAKERS as u8),
                Out::Got(none)
                    if none.is_empty()
                        && !(self.asks_for_none && matches!(op, Op::PollReceive(_))) =>
                {
                    self.answered = Some(w % WAKERS as u8);
                }
                _ => {}
            },
            _ => {}
        }
        let failed = matches!(op, Op::Poll(..)) && matches!(theirs.out, Out::Closed(_));
        let idle = ours
            .told
            .as_ref()
            .is_none_or(|told| told.receiver_closed && told.queue_len == 0 && told.reserved == 0);
        self.forgive(&mut theirs.woken, &ours.woken, failed && idle);
        theirs.told.clone_from(&ours.told);
        theirs
    }

    /// Takes out, or puts in, the one wake-up that the rules above allow.
    fn forgive(&mut self, theirs: &mut Vec<u8>, ours: &[u8], failed_when_idle: bool) {
        if theirs.len() == ours.len() + 1 {
            let taken = [self.answered.take(), self.waiting.take_if(|_| failed_when_idle)];
            let at = theirs.iter().position(|&w| taken.contains(&Some(w)));
            at.map(|at| theirs.remove(at));
            self.early = taken[1];
        } else if ours.len() == theirs.len() + 1
            && let Some(waker) = self.early.take()
            && let Some(at) = ours.iter().position(|&w| w == waker)
        {
            theirs.insert(at, waker);
        }
    }
}

/// `PROPTEST_CASES` in the environment asks for more.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..default }
}

fn scripts() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any::<[u8; 3]>().prop_map(Op::decode), 1..120)
}

fn capacities() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(1usize), 3 => Just(2), 3 => Just(3), 1 => 4usize..9]
}

fn compare_with_tokio(capacity: usize, script: &[Op]) {
    let mut ours = ours::driver::World::new(parshall::mpsc::channel(capacity));
    let mut theirs = theirs::driver::World::new(tokio::sync::mpsc::channel(capacity));
    let mut differences = Differences::default();
    for (i, &op) in script.iter().enumerate() {
        let got = ours.apply(op);
        let want = differences.expected(op, theirs.apply(op), &got);
        assert_eq!(got, want, "step {i}, {op:?} at capacity {capacity}; left: ours");
    }
    let (mut woken, mut dropped) = ours.end();
    let (mut expected_woken, mut expected_dropped) = theirs.end();
    expected_dropped.retain(|message| !differences.late.contains(message));
    differences.forgive(&mut expected_woken, &woken, false);
    for list in [&mut woken, &mut expected_woken] {
        list.sort_unstable();
    }
    for list in [&mut dropped, &mut expected_dropped] {
        list.sort_unstable();
    }
    assert_eq!((woken, dropped), (expected_woken, expected_dropped), "at the end");
}

fn compare_with_model(capacity: usize, script: &[Op]) {
    let mut ours = ours::driver::World::new(parshall::mpsc::channel(capacity));
    let mut model = Oracle::new(capacity);
    for (i, &op) in script.iter().enumerate() {
        let got = ours.apply(op);
        assert_eq!(got, model.apply(op), "step {i}, {op:?} at capacity {capacity}; left: ours");
    }
    let (_, mut dropped) = ours.end();
    dropped.sort_unstable();
    assert_eq!(dropped, model.left(), "every message is dropped, once, when all handles are");
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn every_call_does_what_tokios_does(capacity in capacities(), script in scripts()) {
        compare_with_tokio(capacity, &script);
    }

    #[test]
    fn every_call_and_every_gauge_is_as_the_model_predicts(capacity in capacities(), script in scripts()) {
        compare_with_model(capacity, &script);
    }
}
