//! The same random script of calls on Tokio's channel and on ours, of either flavour: every result,
//! text, wake-up, drop and gauge is compared after every call. And the same on the model that the
//! fuzz target uses, telemetry included.
//!
//! Not in the scripts: calls that need a timer or a second thread (`tests/sending.rs`,
//! `tests/receiving.rs`).

mod script;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use script::op::{self, Op, WAKERS};
use script::oracle::Oracle;
use script::step::{Out, Step};
use script::{ours, theirs};

/// The differences that are intended, all of them, each as narrow as it can be said. Beside these:
/// what a printed handle says of its channel's inside, see [`without_inside`].
#[derive(Default)]
struct Differences {
    /// Messages sent through a permit after the receiver was dropped. Ours drops them at once and
    /// the room comes back; Tokio keeps them until the last handle goes (tokio #7714).
    late: Vec<u32>,
    receiver_dropped: bool,
    /// The waker of a receive that said that nothing will ever come. Tokio keeps it and wakes it
    /// once more, when the last sender goes or a send fails; ours wakes nobody that has its answer.
    answered: Option<u8>,
    /// The waker of a receive that waits. If the receiver closes an idle channel while it waits (it
    /// has to poll again by itself, neither channel wakes it for that), then Tokio wakes it at the
    /// next send that fails, ours, as ever, when the last sender goes.
    waiting: Option<u8>,
    /// Woken by Tokio already, and by ours not yet.
    early: Option<u8>,
    /// The waker of a receive that waits while a `blocking_recv` learns that nothing will ever
    /// come. Tokio forgets it for the thread's; ours, where a call that need not wait changes
    /// nothing, as `try_recv`, wakes it when the last sender goes.
    kept: Option<u8>,
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
        if let Some((capacity, _)) = theirs.seen.sender.as_mut().and_then(|tx| tx.room.as_mut()) {
            *capacity += self.late.len();
        }
        theirs.texts = theirs.texts.iter().map(|text| without_inside(text)).collect();
        match op {
            Op::Recv => self.asks_for_none = false,
            Op::RecvMany(limit) => self.asks_for_none = limit == 0,
            Op::PollReceive(_) if self.asks_for_none => {}
            Op::PollReceive(w) | Op::PollRecv(w) | Op::PollRecvMany(w, 1..) => match &theirs.out {
                Out::Pending => self.set_waker(Some(w % WAKERS), None, None),
                Out::Got(none) if none.is_empty() => self.set_waker(None, Some(w % WAKERS), None),
                _ => {}
            },
            Op::BlockingRecv if theirs.out == Out::Got(vec![]) => {
                let waiting = self.waiting.take().or(self.kept);
                self.set_waker(None, None, waiting);
            }
            Op::BlockingRecvMany(1..) | Op::Rush(..) if last(&theirs.out) == &Out::Got(vec![]) => {
                self.set_waker(None, None, None);
            }
            _ => {}
        }
        let failed = matches!(op, Op::Poll(..) | Op::BlockingSend(_))
            && matches!(theirs.out, Out::Closed(_));
        let idle = ours
            .told
            .as_ref()
            .is_none_or(|told| told.receiver_closed && told.queue_len == 0 && told.reserved == 0);
        self.forgive(&mut theirs.woken, &ours.woken, failed && idle);
        theirs.told.clone_from(&ours.told);
        theirs
    }

    /// The receiver's waker was replaced: in which sense it stays behind.
    fn set_waker(&mut self, waiting: Option<u8>, answered: Option<u8>, kept: Option<u8>) {
        (self.waiting, self.answered, self.kept) = (waiting, answered, kept);
    }

    /// Takes out, or puts in, the one wake-up that the rules above allow.
    fn forgive(&mut self, theirs: &mut Vec<u8>, ours: &[u8], failed_when_idle: bool) {
        if theirs.len() == ours.len() + 1 {
            let taken = [self.answered.take(), self.waiting.take_if(|_| failed_when_idle)];
            let at = theirs.iter().position(|&w| taken.contains(&Some(w)));
            at.map(|at| theirs.remove(at));
            self.early = taken[1];
        } else if ours.len() == theirs.len() + 1
            && let allowed = [self.early.take(), self.kept.take()]
            && let Some(at) = ours.iter().position(|&w| allowed.contains(&Some(w)))
        {
            theirs.insert(at, ours[at]);
        }
    }
}

/// A printed handle without what is in its channel: of that, Tokio prints its own words, ours
/// nothing.
fn without_inside(text: &str) -> String {
    let Some((before, inside)) = text.split_once("chan: ") else { return text.to_owned() };
    let mut depth = 0;
    let end = inside.find(|c| {
        let at_end = depth == 0 && matches!(c, ',' | '}');
        depth += i32::from("({[".contains(c)) - i32::from(")}]".contains(c));
        at_end
    });
    let end = end.expect("the text of a struct has an end");
    // In one line, a blank comes before the last brace.
    let end = inside[..end].trim_end().len();
    format!("{before}chan: ..{}", &inside[end..])
}

/// Of a call that is made of several, how the last went.
fn last(out: &Out) -> &Out {
    match out {
        Out::Burst(_, one) | Out::Drained(_, one) => last(one),
        Out::Both(halves) => last(&halves[1]),
        one => one,
    }
}

/// The fuzz target's kept inputs, here from position 0 and in the storage that the capacity asks
/// for.
#[test]
fn the_kept_corpus_does_what_tokios_does_and_the_model_predicts() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/ops");
    // A package made of the library alone has none.
    let Ok(inputs) = corpus.read_dir() else { return };
    let mut n = 0;
    for input in inputs {
        let input = fs::read(input.unwrap().path()).unwrap();
        let [shape, _, script @ ..] = &*input else { continue };
        let (capacity, _) = op::shape(*shape);
        let script: Vec<_> = Op::decode_all(script).collect();
        compare_with_tokio(capacity, &script);
        compare_with_model(capacity, &script);
        n += 1;
    }
    assert!(n >= 50, "{n} inputs");
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

/// None: unbounded. Small ones are full soon; then those on either side of one block and two; from
/// 129 on ours uses blocks.
fn capacities() -> impl Strategy<Value = Option<usize>> {
    let bounded = prop_oneof![
        3 => 1usize..4,
        1 => 4usize..9,
        2 => prop_oneof![31usize..34, 63usize..66],
        1 => prop_oneof![129usize..200, Just(5000)],
    ];
    prop_oneof![3 => bounded.prop_map(Some), 1 => Just(None)]
}

/// What the model says that a script has in it: each call with its result, and how far things went.
fn reached(capacity: Option<usize>, script: &[Op]) -> impl Iterator<Item = String> {
    let name = |debug: String| debug.split(['(', ' ']).next().unwrap().to_owned();
    let flavour = if capacity.is_some() { "bounded" } else { "unbounded" };
    let mut model = Oracle::new(capacity);
    script.iter().flat_map(move |&op| {
        let step = model.apply(op);
        let call = name(format!("{op:?}"));
        let mut all = vec![format!("{flavour} {call} {}", name(format!("{:?}", last(&step.out))))];
        if let Some(told) = step.told {
            all.push(format!("{flavour} senders {}", told.counts.0));
            all.push(format!("{flavour} weak {}", told.counts.1));
            all.push(format!("{flavour} watermark beyond {}", told.high_watermark / 32 * 32));
            all.push(format!("{flavour} waiters {}", told.send_waiters));
            all.push(format!("{flavour} granted {}", told.granted_waiters));
            all.push(format!("{flavour} discarded {}", told.discarded > 0));
        }
        all
    })
}

/// So that the comparisons below are about something.
const REACHED: &[(&str, &str)] = &[
    ("bounded TrySend", "Ready Full Closed"),
    ("bounded Send", "Done"),
    ("bounded Reserve", "Done"),
    ("bounded ReserveMany", "Done"),
    ("bounded ReserveOwned", "Done"),
    ("bounded Closed", "Done"),
    ("bounded Poll", "Ready Pending Closed"),
    ("bounded DropFuture", "Done"),
    ("bounded TryReserve", "Ready Full Closed"),
    ("bounded TryReserveMany", "Ready Full Closed"),
    ("bounded TryReserveOwned", "Ready Full Closed"),
    ("bounded SendPermit", "Ready"),
    ("bounded DropPermit", "Done"),
    ("bounded NextPermit", "Next"),
    ("bounded DropIterator", "Done"),
    ("bounded SendOwned", "Ready"),
    ("bounded ReleaseOwned", "Done"),
    ("bounded DropOwned", "Done"),
    ("bounded CloneSender", "Done"),
    ("bounded DropSender", "Done"),
    ("bounded Downgrade", "Done"),
    ("bounded Upgrade", "Yes"),
    ("bounded CloneWeak", "Done"),
    ("bounded DropWeak", "Done"),
    ("bounded TryRecv", "Got Empty Disconnected"),
    ("bounded Recv", "Done"),
    ("bounded RecvMany", "Done"),
    ("bounded PollReceive", "Pending Got"),
    ("bounded DropReceive", "Done"),
    ("bounded PollRecv", "Pending Got"),
    ("bounded PollRecvMany", "Pending Got"),
    ("bounded Close", "Done"),
    ("bounded DropReceiver", "Done"),
    ("bounded Burst", "Ready Full Closed"),
    ("bounded Drain", "Ready Empty Disconnected"),
    ("bounded Rush", "Ready Empty Disconnected Got Skipped"),
    ("bounded BlockingSend", "Ready Closed Skipped"),
    ("bounded BlockingRecv", "Got Skipped"),
    ("bounded BlockingRecvMany", "Got Skipped"),
    ("bounded SameChannel", "Same"),
    ("bounded SamePermit", "Same"),
    ("bounded Print", "Done"),
    ("unbounded TrySend", "Ready Closed"),
    ("unbounded Send", "Skipped"),
    ("unbounded Closed", "Done"),
    ("unbounded Poll", "Ready Pending"),
    ("unbounded DropFuture", "Done"),
    ("unbounded CloneSender", "Done"),
    ("unbounded DropSender", "Done"),
    ("unbounded Downgrade", "Done"),
    ("unbounded Upgrade", "Yes"),
    ("unbounded CloneWeak", "Done"),
    ("unbounded DropWeak", "Done"),
    ("unbounded TryRecv", "Got Empty Disconnected"),
    ("unbounded Recv", "Done"),
    ("unbounded RecvMany", "Done"),
    ("unbounded PollReceive", "Pending Got"),
    ("unbounded DropReceive", "Done"),
    ("unbounded PollRecv", "Pending Got"),
    ("unbounded PollRecvMany", "Pending Got"),
    ("unbounded Close", "Done"),
    ("unbounded DropReceiver", "Done"),
    ("unbounded Burst", "Ready Closed"),
    ("unbounded Drain", "Ready Empty Disconnected"),
    ("unbounded Rush", "Ready Empty Disconnected Got Skipped"),
    ("unbounded BlockingRecv", "Got Skipped"),
    ("unbounded BlockingRecvMany", "Got Skipped"),
    ("unbounded SameChannel", "Same"),
    ("unbounded Print", "Done"),
    ("bounded senders", "0 1 2 3 4"),
    ("bounded weak", "0 1 2 3 4"),
    ("bounded waiters", "0 1 2 3 4"),
    ("bounded granted", "0 1 2"),
    ("bounded discarded", "true"),
    ("bounded watermark beyond", "0 32 64 96 128"),
    ("unbounded senders", "0 1 2 3 4"),
    ("unbounded weak", "0 1 2 3 4"),
    ("unbounded discarded", "true"),
    ("unbounded watermark beyond", "0 32 64 96 128"),
];

#[test]
fn random_scripts_come_to_every_call_and_result_in_both_flavours() {
    let mut runner = TestRunner::deterministic();
    let mut all = BTreeSet::new();
    // As a pointer is 32 or 64 bits wide, these are other scripts: enough for either.
    for _ in 0..2000 {
        let case = (capacities(), scripts()).new_tree(&mut runner).unwrap().current();
        all.extend(reached(case.0, &case.1));
    }
    let expected = REACHED
        .iter()
        .flat_map(|(what, ends)| ends.split(' ').map(move |end| format!("{what} {end}")));
    let missing: Vec<_> = expected.filter(|one| !all.contains(one)).collect();
    assert!(missing.is_empty(), "no script came to: {missing:#?}");
}

fn compare_with_tokio(capacity: Option<usize>, script: &[Op]) {
    let mut ours = ours::driver::open(capacity);
    let mut theirs = theirs::driver::open(capacity);
    let mut differences = Differences::default();
    for (i, &op) in script.iter().enumerate() {
        let got = ours.apply(op);
        let want = differences.expected(op, theirs.apply(op), &got);
        assert_eq!(got, want, "step {i}, {op:?} at capacity {capacity:?}; left: ours");
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

fn compare_with_model(capacity: Option<usize>, script: &[Op]) {
    let mut ours = ours::driver::open(capacity);
    let mut model = Oracle::new(capacity);
    for (i, &op) in script.iter().enumerate() {
        let got = ours.apply(op);
        assert_eq!(got, model.apply(op), "step {i}, {op:?} at capacity {capacity:?}; left: ours");
    }
    let (_, mut dropped) = ours.end();
    dropped.sort_unstable();
    assert_eq!(dropped, model.left(), "every message is dropped, once, when all handles are");
}

proptest! {
    #![proptest_config(config(8000))]

    #[test]
    fn every_call_does_what_tokios_does(capacity in capacities(), script in scripts()) {
        compare_with_tokio(capacity, &script);
    }

    #[test]
    fn every_call_and_every_gauge_is_as_the_model_predicts(capacity in capacities(), script in scripts()) {
        compare_with_model(capacity, &script);
    }
}
