//! What is stuck, blamed on whom; bad looks; and size.

use super::super::FindingKind::{HeldPermits, LostWakeup, SenderKept, Stalled, Starved};
use super::super::Verdict::{Conditional, Stuck};
use super::super::{Diagnoser, Evidence, FindingKind, LookError, Receiving, Settings};
use super::build::{FIRST, Program, SECOND, is, is_silent};
use crate::task::TaskState;
use crate::used::used;

fn does(diagnosis: &super::super::Diagnosis) -> &Receiving {
    let Evidence::Stalled { receiver, .. } = &diagnosis.findings[0].evidence else {
        panic!("{diagnosis:?}")
    };
    &receiver.does
}

/// omicron#6911: the one at the end is blamed, and all who hang on it are counted once.
#[test]
fn the_end_of_the_chain_is_blamed() {
    let mut p = Program::new();
    let (manager, runner) = (p.root("manager"), p.root("runner"));
    let to_manager = p.full("manager", 4, manager);
    let to_runner = p.full("runner", 2, runner);
    p.sends(manager, to_runner);
    for _ in 0..5 {
        let client = p.plain();
        p.sends(client, to_manager);
    }
    p.task(runner).wakers = Some(1);
    let stalled = (Stalled, Stuck, &["runner", "manager"][..], &["runner"][..], 6);
    let found = p.diagnose();
    is(&found, &[stalled]);
    assert_eq!(*does(&found), Receiving::Outside);
    // What it does, by its state.
    p.task(runner).state = Some(TaskState::Running);
    assert_eq!(*does(&p.diagnose()), Receiving::Runs { polls: 0 });
    p.task(runner).state = Some(TaskState::Idle);
    let spins = p.diagnose_after(|p| p.task(runner).polls = Some(12));
    assert_eq!(*does(&spins), Receiving::Runs { polls: 9 });
    p.task(runner).state = Some(TaskState::Scheduled);
    p.task(runner).state_since_ns = Some(FIRST);
    assert_eq!(*does(&p.diagnose()), Receiving::Woken { since_ns: FIRST });
    // It receives elsewhere.
    p.task(runner).state = Some(TaskState::Idle);
    let control = p.channel("control", 1);
    p.receives(runner, control);
    let found = p.diagnose();
    assert!(matches!(does(&found), Receiving::WaitsFor { chain, end: None } if chain.len() == 1));
    // It has ended, or is not known by name.
    p.channels[to_runner].last_receiver = None;
    assert_eq!(*does(&p.diagnose()), Receiving::Gone);
    let plain = p.plain();
    p.channels[to_runner].last_receiver = Some(plain);
    assert_eq!(*does(&p.diagnose()), Receiving::Unknown);
}

#[test]
fn a_channel_that_nobody_has_received_from() {
    let mut p = Program::new();
    let c = p.channel("notes", 4);
    p.queue(c, 4);
    let service = p.plain();
    p.sends(service, c);
    let found = p.diagnose();
    is(&found, &[(Stalled, Stuck, &["notes"], &[], 1)]);
    assert_eq!(*does(&found), Receiving::Never);
}

/// Seen to fail when activity is taken for receives, when the age is that of the channel, and when
/// it is that of the first in line.
#[test]
fn what_is_received_or_young_or_awaited_is_not_stalled() {
    let mut p = Program::new();
    let consumer = p.plain();
    let c = p.full("frames", 4, consumer);
    let sender = p.plain();
    p.sends(sender, c);
    is(&p.diagnose(), &[(Stalled, Stuck, &["frames"], &["task 1"], 1)]);
    // A heartbeat elsewhere is no receive here.
    let beat = p.channel("beat", 4);
    let found = p.diagnose_after(|p| p.received(beat, 100));
    is(&found, &[(Stalled, Stuck, &["frames"], &["task 1"], 1)]);
    is(&p.diagnose_after(|p| p.received(c, 1)), &[]);
    // The first in line would have been let in. The one before it was, a moment ago; or that is not
    // known.
    for line_since in [Some(p.now - SECOND / 2), None] {
        p.channels[c].line_since_ns = line_since;
        is(&p.diagnose(), &[]);
    }
    // Messages alone have no age: they need looks for so long.
    p.channels[c].send_waits.clear();
    is(&p.diagnose(), &[]);
    let mut diagnoser = Diagnoser::new(Settings::default());
    for tenth in 0..15 {
        p.now = FIRST + tenth * SECOND / 10;
        let found = diagnoser.look(&p.snapshot()).unwrap();
        assert_eq!(found.findings.is_empty(), tenth < 10, "{tenth}");
        assert!(found.findings.iter().all(|found| found.since_ns == FIRST));
    }
    // The receiver waits: what it waits for is under way.
    let mut p = Program::new();
    let consumer = p.plain();
    let c = p.channel("idle", 4);
    p.receives(consumer, c);
    is(&p.diagnose(), &[]);
}

#[test]
fn a_task_that_was_woken_and_does_not_run_is_starved() {
    let mut p = Program::new();
    let (reader, blocker) = (p.named("reader"), p.root("blocker"));
    p.task(blocker).state = Some(TaskState::Running);
    p.task(reader).state = Some(TaskState::Scheduled);
    let found = p.diagnose();
    is(&found, &[(Starved, Stuck, &[], &["reader"], 0)]);
    let Evidence::Starved { running, .. } = &found.findings[0].evidence else { panic!() };
    assert_eq!(running[0].name, "blocker");
    is(&p.diagnose_after(|p| p.task(reader).polls = Some(4)), &[]);
    // A future that nobody has polled yet was not woken; a root's runtime has it.
    p.task(reader).polls = Some(0);
    is(&p.diagnose(), &[]);
    p.task(reader).root = true;
    is(&p.diagnose(), &[(Starved, Stuck, &[], &["reader"], 0)]);
    p.task(reader).state_since_ns = Some(p.now - SECOND / 2);
    is(&p.diagnose(), &[]);
}

/// Seen to fail when the stall was a finding of its own, before the one that causes it; and when a
/// wait that stands beside the wake-up was blamed.
#[test]
fn what_is_stalled_by_a_starved_task_is_part_of_that_finding() {
    let mut p = Program::new();
    let (reader, blocker) = (p.named("reader"), p.root("blocker"));
    p.task(blocker).state = Some(TaskState::Running);
    p.task(reader).state = Some(TaskState::Scheduled);
    let (answers, control) = (p.full("answers", 1, reader), p.channel("control", 1));
    p.receives(reader, control);
    for _ in 0..3 {
        let sender = p.plain();
        p.sends(sender, answers);
    }
    // Its room was granted to the same task.
    let log = p.channel("log", 1);
    p.is_granted(reader, log);
    let other = p.plain();
    p.sends(other, log);
    p.task(reader).state_since_ns = Some(p.now - 2 * SECOND);
    let found = p.diagnose();
    is(&found, &[(Starved, Stuck, &["log", "answers"], &["reader"], 4)]);
    let text = "\
reader was woken 2.1 s ago and has not run since
starved: blocker runs all that time
stalled for this reason: log 0/1, answers 1/1
behind it: 4 senders";
    assert_eq!(found.findings[0].text(), text);
    // It is not starved yet, or another stalls.
    let mut young = p.clone();
    young.task(reader).state_since_ns = Some(p.now - SECOND / 2);
    let kinds = |found: &[super::super::Finding]| found.iter().map(|f| f.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&young.diagnose().findings), [Stalled, HeldPermits]);
    p.channels[answers].last_receiver = Some(blocker);
    assert_eq!(kinds(&p.diagnose().findings), [Stalled, Starved]);
}

/// Seen to fail when such a task was said to wait for something outside.
#[test]
fn a_task_of_whom_nobody_has_a_waker() {
    let mut p = Program::new();
    let worker = p.root("worker");
    let queue = p.full("queue", 1, worker);
    let sender = p.plain();
    p.sends(sender, queue);
    assert_eq!(*does(&p.diagnose()), Receiving::NoWaker);
    // Somebody has one, or had one a moment ago; it ran; it is no root; a send of its is granted.
    let outside = |p: &Program, change: fn(&mut crate::TaskSnapshot)| {
        let found = p.diagnose_after(|p| change(p.task(worker)));
        assert_eq!(*does(&found), Receiving::Outside);
    };
    outside(&p, |worker| worker.wakers = Some(1));
    let mut had = p.clone();
    had.task(worker).wakers = Some(1);
    outside(&had, |worker| worker.wakers = Some(0));
    outside(&p, |worker| worker.root = false);
    let runs = p.diagnose_after(|p| p.task(worker).polls = Some(4));
    assert_eq!(*does(&runs), Receiving::Runs { polls: 1 });
    let other = p.channel("other", 1);
    p.is_granted(worker, other);
    outside(&p, |_| {});
}

#[test]
fn room_that_is_held_by_permits() {
    let mut p = Program::new();
    let (writer, reader) = (p.root("writer"), p.root("reader"));
    let c = p.channel("slots", 1);
    p.channels[c].stats.reserved = 1;
    p.sends(writer, c);
    p.receives(reader, c);
    is(&p.diagnose(), &[(HeldPermits, Stuck, &["slots"], &[], 1)]);
    is(&p.diagnose_after(|p| p.received(c, 1)), &[]);
    p.channels[c].line_since_ns = Some(p.now - SECOND / 2);
    is(&p.diagnose(), &[]);
    // One that needs more, or of whose line nothing is known, needs looks for so long.
    let held = [(HeldPermits, Stuck, &["slots"][..], &[][..], 1)];
    p.channels[c].line_since_ns = None;
    let (look, found) = p.first_found(20).unwrap();
    is(&found, &held);
    assert_eq!(look, 10);
}

/// tokio#1761, taskbroker#618, dirge#644.
#[test]
fn a_sender_that_is_kept() {
    let mut p = Program::new();
    let worker = p.root("worker");
    let c = p.channel("jobs", 4);
    p.received(c, 1);
    p.receives(worker, c);
    p.sender_made(c, worker, "src/worker.rs:3:5");
    let kept = (SenderKept, Conditional, &["jobs"][..], &["worker"][..], 0);
    let found = p.diagnose();
    is(&found, &[kept]);
    let unless = "the sender of `jobs` made at src/worker.rs:3:5 was given away";
    assert_eq!(found.findings[0].assumption.as_deref(), Some(unless));
    // Somebody may have it, may make one, may wake the receiver; or there were more a moment ago.
    let mut other = p.clone();
    other.root("other");
    is(&other.diagnose(), &[]);
    let mut weak = p.clone();
    weak.channels[c].stats.weak_sender_count = 1;
    is(&weak.diagnose(), &[]);
    let mut timer = p.clone();
    timer.task(worker).wakers = Some(2);
    is(&timer.diagnose(), &[]);
    let mut young = p.clone();
    young.channels[c].recv_wait.as_mut().unwrap().since_ns = p.now - SECOND / 2;
    is(&young.diagnose(), &[]);
    let mut fewer = p.clone();
    fewer.channels[c].stats.sender_count = 2;
    is(&fewer.diagnose_after(|p| p.channels[c].stats.sender_count = 1), &[]);
    // Made by another: kept if it is the channel's first, given away if it is a clone.
    p.channels[c].senders = None;
    let main = p.thread("main");
    p.sender_made(c, main, "src/jobs.rs:1:1");
    is(&p.diagnose(), &[kept]);
    p.channels[c].senders.as_mut().unwrap()[0].location = "src/main.rs:9:9".into();
    is(&p.diagnose(), &[]);
    // Without a trace it is known of the first one only, and only if others were seen to go.
    p.channels[c].senders = None;
    p.channels[c].stats.creator_task_id = Some("task:p:1".into());
    is(&p.diagnose(), &[]);
    let mut diagnoser = Diagnoser::new(Settings::default());
    for look in 0..3 {
        p.now += SECOND;
        p.channels[c].stats.sender_count = if look == 0 { 3 } else { 1 };
        let found = diagnoser.look(&p.snapshot()).unwrap();
        let kept = [kept];
        is(&found, if look == 2 { &kept } else { &[] });
    }
}

/// Seen to fail with: two looks that find it, and a waker on its way that is one lost.
#[test]
fn a_lost_wake_up_is_found() {
    // Room beside the first in line.
    let mut p = Program::new();
    let (sender, receiver) = (p.plain(), p.plain());
    let c = p.full("lost", 2, receiver);
    p.sends(sender, c);
    p.channels[c].stats.queue_len = 1;
    // Who has made the room may have been stopped before it is handed out.
    p.channels[c].line_since_ns = None;
    let (look, found) = p.first_found(20).unwrap();
    assert_eq!((look, found.findings[0].kind), (10, LostWakeup));
    let moves = p.diagnose_after(|p| p.received(c, 1));
    assert!(moves.findings.iter().all(|found| found.kind != LostWakeup));
    // A message beside a receive that stands.
    let mut p = Program::new();
    let receiver = p.plain();
    let c = p.channel("lost", 2);
    p.receives(receiver, c);
    is(&p.diagnose(), &[]);
    p.queue(c, 1);
    is(&p.first_found(20).unwrap().1, &[(LostWakeup, Stuck, &["lost"], &["task 1"], 0)]);
    // A grant that its task has slept through.
    let mut p = Program::new();
    let sender = p.root("sender");
    let c = p.channel("lost", 2);
    p.is_granted(sender, c);
    p.task(sender).state_since_ns = Some(p.now - 5 * SECOND);
    is(&p.diagnose(), &[(LostWakeup, Stuck, &["lost"], &["sender"], 0)]);
    // Its waker lives: somebody is about to wake it.
    let mut late = p.clone();
    late.task(sender).wakers = Some(1);
    is(&late.diagnose(), &[]);
    let mut young = p.clone();
    young.channels[c].send_waits[0].granted_at_ns = Some(p.now - SECOND / 2);
    is(&young.diagnose(), &[]);
    p.task(sender).state_since_ns = Some(p.now - 3 * SECOND);
    is(&p.diagnose(), &[]);
}

/// Of another process, an older one, the same again: an error that names both, after which all is
/// as before. A clock that was set is none.
#[test]
fn looks_that_do_not_follow_each_other_are_refused() {
    let mut p = Program::new();
    p.channel("some", 1);
    let mut diagnoser = Diagnoser::new(Settings::default());
    diagnoser.look(&p.snapshot()).unwrap();
    let same = diagnoser.look(&p.snapshot()).unwrap_err();
    assert_eq!(same, LookError::NotLater { last_ns: FIRST, this_ns: FIRST });
    let mut older = p.snapshot();
    older.taken_at_ns -= 1;
    let text = diagnoser.look(&older).unwrap_err().to_string();
    assert!(text.contains(&FIRST.to_string()) && text.contains(&(FIRST - 1).to_string()), "{text}");
    let mut other = p.snapshot();
    (other.process, other.proc_key, other.taken_at_ns) = ("q".into(), "lock".into(), FIRST + 1);
    let text = diagnoser.look(&other).unwrap_err().to_string();
    assert!(["\"p\"", "key", "\"q\"", "lock"].iter().all(|part| text.contains(part)), "{text}");
    // The clock was set back by a minute.
    let mut back = p.snapshot();
    back.taken_at_ns -= 60 * SECOND - 1;
    back.channels[0].stats.created_at_ns -= 60 * SECOND;
    let found = diagnoser.look(&back).unwrap();
    assert_eq!(found.second_look_ns - found.first_look_ns, 1);
}

/// The most certain first, then the most costly; and the same from look to look.
#[test]
fn findings_have_an_order_and_stay_what_they_are() {
    let mut p = Program::new();
    let small = p.full("small", 1, super::build::reference(crate::task::TaskKind::Tokio, 90));
    let large = p.full("large", 1, super::build::reference(crate::task::TaskKind::Tokio, 91));
    for c in [small, large, large] {
        let sender = p.plain();
        p.sends(sender, c);
    }
    let own = p.root("own");
    let c = p.full("own", 1, own);
    p.sends(own, c);
    let mut diagnoser = Diagnoser::new(Settings::default());
    let mut last: Option<Vec<_>> = None;
    for look in 0..5 {
        let mut snapshot = p.snapshot();
        snapshot.taken_at_ns += look * SECOND;
        // The order in a snapshot is nobody's promise.
        snapshot.channels.rotate_left(look as usize % 3);
        snapshot.tasks.rotate_left(look as usize % 3);
        let found = diagnoser.look(&snapshot).unwrap().findings;
        let found: Vec<_> = found.iter().map(|f| (super::build::short(f), f.since_ns)).collect();
        if look > 0 {
            let names: Vec<_> =
                found.iter().map(|((_, _, channels, ..), _)| &channels[0][..]).collect();
            assert_eq!(names, ["own", "large", "small"]);
            assert_eq!(*last.get_or_insert_with(|| found.clone()), found);
        }
    }
}

/// 100,000 channels and 10,000 waits on one. Two looks of it are judged within a second, in a build
/// that is meant for it.
#[test]
fn large_programs_are_judged_in_time() {
    let mut p = Program::new();
    let hub = p.root("hub");
    let first = p.full("first", 1, hub);
    p.sends(hub, first);
    for n in 1..100_000 {
        let c = p.channel("one of many", 1);
        let task =
            if n < 50_000 { hub } else { super::build::reference(crate::task::TaskKind::Tokio, n) };
        p.channels[c].last_receiver = Some(task);
        p.channels[c].stats.queue_len = 1;
    }
    let one = p.channels[first].send_waits[0];
    for n in 0..10_000 {
        let task = Some(super::build::reference(crate::task::TaskKind::Tokio, 1_000_000 + n));
        let wait = crate::WaitSnapshot { id: 1_000_000 + n, task, own_waker: false, ..one };
        p.channels[first].send_waits.push(wait);
    }
    let (one, mut two) = (p.snapshot(), p.snapshot());
    two.taken_at_ns += SECOND;
    let mut diagnoser = Diagnoser::new(Settings::default());
    let (took, found) = used(|| {
        diagnoser.look(&one).unwrap();
        diagnoser.look(&two).unwrap()
    });
    println!("{took:?}");
    assert_eq!(
        (found.findings[0].kind, found.findings[0].victims),
        (FindingKind::Deadlock, 10_000)
    );
    // Debug builds are some ten times slower.
    assert!(took.as_millis() < if cfg!(debug_assertions) { 10_000 } else { 1_000 }, "{took:?}");
}

/// Silent: what is merely slow.
#[test]
fn a_program_at_rest_says_nothing() {
    let mut p = Program::new();
    for n in 0..10 {
        let task = p.root(&n.to_string());
        let c = p.channel("mailbox", 8);
        p.receives(task, c);
    }
    is(&p.diagnose(), &[]);
    is_silent(&p.diagnose());
}
