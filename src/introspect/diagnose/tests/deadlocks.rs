//! Deadlocks and futurelocks, rule by rule: each rule left out was seen to fail its test.

use super::super::FindingKind::{Deadlock, Futurelock, HeldPermits, Stalled};
use super::super::Verdict::{Conditional, Proven, Stuck};
use super::super::{Diagnoser, Evidence, Settings, Side};
use super::build::{Known, Program, SECOND, is, is_silent};
use crate::task::{TaskRef, TaskState};

/// Two roots, each of which fills the other's channel.
fn mailboxes() -> (Program, [TaskRef; 2]) {
    let mut p = Program::new();
    let (a, b) = (p.root("a"), p.root("b"));
    let (to_a, to_b) = (p.full("to a", 2, a), p.full("to b", 2, b));
    p.sends(a, to_b);
    p.sends(b, to_a);
    (p, [a, b])
}

/// What is found of [`mailboxes`].
const BOTH: Known<'_> = (Deadlock, Conditional, &["to b", "to a"], &["a", "b"], 0);

#[test]
fn two_mailboxes_are_a_deadlock_unless_a_receiver_was_moved() {
    let diagnosis = mailboxes().0.diagnose();
    is(&diagnosis, &[BOTH]);
    let found = &diagnosis.findings[0];
    let assumption =
        "the receiver of `to a` or `to b` is shared or was moved since its last receive";
    assert_eq!(found.assumption.as_deref(), Some(assumption));
    let Evidence::Deadlock { cycle, .. } = &found.evidence else { panic!("{found:?}") };
    let hops: Vec<_> = cycle.iter().map(|hop| (&hop.who.name[..], hop.last_receive)).collect();
    assert_eq!(hops, [("a", Some(7)), ("b", Some(7))]);
    assert_eq!(found.since_ns, super::build::FIRST - 5 * SECOND);
    assert_eq!(diagnosis.blind.uncertain_waits, 0);
}

/// Each of them could still get on, or has: one thing each.
#[test]
fn who_may_be_woken_by_something_else_is_alive() {
    type Change = fn(&mut Program, [TaskRef; 2]);
    let before: &[(&str, Change)] = &[
        ("a timer or a socket beside", |p, [a, _]| p.task(a).wakers = Some(2)),
        ("something around it", |p, [a, _]| p.task(a).root = false),
        ("it runs", |p, [a, _]| p.task(a).state = Some(TaskState::Running)),
        ("it was woken", |p, [a, _]| p.task(a).state = Some(TaskState::Scheduled)),
        ("a deadline", |p, _| p.channels[1].send_waits[0].deadline_ns = Some(1)),
        ("another's waker", |p, _| p.channels[1].send_waits[0].own_waker = false),
        ("nobody knows who receives", |p, _| p.channels[0].last_receiver = None),
        ("a permit is out", |p, _| {
            p.channels[0].stats.reserved = 1;
            p.channels[0].stats.queue_len = 1;
        }),
        ("a permit is out that was not there when the messages were counted", |p, _| {
            p.channels[0].stats.reserved = 1;
        }),
        ("room is free", |p, _| p.channels[0].stats.queue_len = 1),
        ("a message to come", |p, [a, _]| {
            let c = p.channel("other", 4);
            p.receives(a, c);
        }),
        ("a task that has not begun may have the receiver", |p, _| {
            let new = p.root("new");
            p.task(new).polls = Some(0);
            p.task(new).state = Some(TaskState::Scheduled);
        }),
    ];
    for (what, change) in before {
        let (mut p, tasks) = mailboxes();
        change(&mut p, tasks);
        println!("{what}");
        is_silent(&p.diagnose());
    }
    let between: &[(&str, Change)] = &[
        ("it has run", |p, [a, _]| p.task(a).polls = Some(4)),
        ("it waits anew", |p, _| p.channels[1].send_waits[0].id += 100),
        ("a waker has gone or come", |p, [_, b]| {
            p.task(b).wakers = Some(2);
            p.channels[0].left_waker = Some(crate::LeftWaker { task: b, own_waker: true });
        }),
        ("a message was received", |p, _| {
            p.received(0, 1);
        }),
        ("the receiver has another user", |p, [a, _]| p.channels[1].last_receiver = Some(a)),
    ];
    for (what, change) in between {
        let (p, tasks) = mailboxes();
        println!("{what}");
        is_silent(&p.diagnose_after(|p| change(p, tasks)));
    }
}

/// Seen to fail when left wakers are not counted.
#[test]
fn an_abandoned_receive_is_no_way_out() {
    let (mut p, [a, _]) = mailboxes();
    let control = p.channel("control", 1);
    p.leaves_waker(a, control);
    is(&p.diagnose(), &[BOTH]);
}

/// Seen to fail when clones of senders are taken for movement.
#[test]
fn clones_of_senders_come_and_go_beside_it() {
    let (p, _) = mailboxes();
    is(&p.diagnose_after(|p| p.channels[0].stats.sender_count += 1), &[BOTH]);
}

/// Seen to fail with: new tasks at the second look that cast doubt.
#[test]
fn a_task_that_came_between_the_looks_has_no_older_receiver() {
    let (p, _) = mailboxes();
    let diagnosis = p.diagnose_after(|p| {
        let new = p.root("new");
        p.task(new).polls = Some(0);
    });
    is(&diagnosis, &[BOTH]);
}

#[test]
fn a_task_may_wait_for_itself_and_others_for_it() {
    let mut p = Program::new();
    let own = p.root("loop");
    let c = p.full("requests", 3, own);
    p.sends(own, c);
    is(&p.diagnose(), &[(Deadlock, Conditional, &["requests"], &["loop"], 0)]);
    // Plain tasks behind it, known or not, and one behind them.
    let (one, two) = (p.plain(), p.named("two"));
    let other = p.full("other", 1, two);
    p.sends(one, other);
    p.sends(two, c);
    let gone = p.sends(one, c);
    gone.task = None;
    let diagnosis = p.diagnose();
    is(&diagnosis, &[(Deadlock, Conditional, &["requests"], &["loop"], 3)]);
    let Evidence::Deadlock { behind, .. } = &diagnosis.findings[0].evidence else { panic!() };
    assert_eq!((behind.senders, behind.some.len()), (3, 1));
    assert_eq!(diagnosis.blind.unknown_waits, 1);
    assert_eq!((diagnosis.blind.waits, diagnosis.blind.uncertain_waits), (4, 3));
    assert_eq!(diagnosis.blind.nameless_tasks, 1);
    p.task(own).state = Some(TaskState::Running);
    assert_eq!(p.diagnose().blind.uncertain_waits, 4);
}

#[test]
fn a_ring_of_three_has_its_order_and_its_victims() {
    let mut p = Program::new();
    let (parser, index, disk) = (p.root("parser"), p.root("index"), p.thread("disk"));
    let to_parser = p.full("to parser", 1, parser);
    let to_index = p.full("to index", 1, index);
    let to_disk = p.full("to disk", 1, disk);
    p.sends(parser, to_index);
    p.sends(index, to_disk);
    p.sends(disk, to_parser);
    for n in 0..5 {
        let client = p.root(&format!("client {n}"));
        p.sends(client, to_parser);
    }
    let channels: &[&str] = &["to index", "to disk", "to parser"];
    let ring = (Deadlock, Conditional, channels, &["parser", "index", "disk"][..], 5);
    is(&p.diagnose(), &[ring]);
    // A blocking call with a deadline ends by itself.
    p.channels[to_parser].send_waits[0].deadline_ns = Some(i64::MAX);
    is_silent(&p.diagnose());
}

/// Waiting is an OR: one live way out is enough, and two dead ones are none.
#[test]
fn each_of_several_waits_is_a_way_out() {
    let (mut p, [a, _]) = mailboxes();
    let own = p.full("own", 1, a);
    p.sends(a, own);
    let diagnosis = p.diagnose();
    assert_eq!(diagnosis.findings.len(), 1);
    assert_eq!(diagnosis.findings[0].kind, Deadlock);
    let other = p.plain();
    p.channels[own].last_receiver = Some(other);
    is_silent(&p.diagnose());
}

/// Who hangs on a deadlock, doomed as well, is no second one.
#[test]
fn a_cycle_that_hangs_on_another_is_behind_it() {
    let (mut p, [a, _]) = mailboxes();
    let (x, y) = (p.root("x"), p.root("y"));
    let (to_x, to_y) = (p.full("to x", 1, x), p.full("to y", 1, y));
    p.sends(x, to_y);
    p.sends(y, to_x);
    // Either of the first two could help y too.
    p.sends(y, 0);
    let diagnosis = p.diagnose();
    assert_eq!(diagnosis.findings.iter().filter(|f| f.kind == Deadlock).count(), 1);
    assert!(diagnosis.findings[0].tasks.iter().any(|party| party.task == a));
}

/// Who is helped by somebody that is helped gets on.
#[test]
fn life_is_passed_on() {
    let (mut p, [a, _]) = mailboxes();
    let (middle, last) = (p.root("middle"), p.plain());
    let (to_middle, to_last) = (p.full("to middle", 1, middle), p.full("to last", 1, last));
    p.sends(middle, to_last);
    p.sends(a, to_middle);
    is_silent(&p.diagnose());
    // Without the last one to begin with.
    p.channels[to_last].last_receiver = Some(a);
    assert_eq!(p.diagnose().findings[0].kind, Deadlock);
}

/// A close wait hangs on who has the receiver: surely, if that one waits in a receive.
#[test]
fn closed_waits_for_the_receiver() {
    let mut p = Program::new();
    let (own, other) = (p.root("own"), p.root("other"));
    let c = p.full("events", 2, own);
    p.awaits_close(own, c);
    let found = p.diagnose();
    is(&found, &[(Deadlock, Conditional, &["events"], &["own"], 0)]);
    let Evidence::Deadlock { cycle, .. } = &found.findings[0].evidence else { panic!() };
    assert_eq!(cycle[0].side, Side::Close);
    // Somebody has received meanwhile.
    is_silent(&p.diagnose_after(|p| p.received(c, 1)));
    // Another may send to who receives, and that one end the wait.
    let (mut p, c) = (Program::new(), 0);
    p.channel("events", 2);
    let (own, _) = (p.root("own"), other);
    let sender = p.root("sender");
    p.receives(own, c);
    p.awaits_close(sender, c);
    is_silent(&p.diagnose());
}

/// omicron#9272: room for one, granted to a send that its task does not poll.
fn futurelock() -> (Program, [TaskRef; 2]) {
    let mut p = Program::new();
    let (reporter, collector) = (p.root("reporter"), p.root("collector"));
    let c = p.channel("log", 1);
    p.received(c, 1);
    p.is_granted(reporter, c);
    p.sends(reporter, c);
    p.receives(collector, c);
    (p, [reporter, collector])
}

#[test]
fn a_futurelock_is_proven() {
    let (p, _) = futurelock();
    let diagnosis = p.diagnose();
    is(&diagnosis, &[(Futurelock, Proven, &["log"], &["reporter"], 1)]);
    let Evidence::Futurelock { waits, behind, .. } = &diagnosis.findings[0].evidence else {
        panic!()
    };
    assert_eq!(waits.as_ref().unwrap().channel.name, "log");
    assert_eq!((behind.senders, behind.receivers), (0, 1));
}

/// Not proven; what is left is a fact, or nothing.
///
/// Seen to fail with: polls that the same look has counted.
#[test]
fn a_futurelock_that_may_end_is_not_proven() {
    let (mut p, [reporter, _]) = futurelock();
    p.task(reporter).wakers = Some(2);
    is(&p.diagnose(), &[(Futurelock, Stuck, &["log"], &["reporter"], 1)]);
    // Its receiver may be dropped.
    let (mut p, [_, collector]) = futurelock();
    p.task(collector).wakers = Some(2);
    is(&p.diagnose(), &[(Futurelock, Stuck, &["log"], &["reporter"], 1)]);
    // A second unit is somebody's.
    let (mut p, _) = futurelock();
    (p.channels[0].stats.capacity, p.channels[0].stats.reserved) = (Some(2), 2);
    is(&p.diagnose(), &[(Futurelock, Stuck, &["log"], &["reporter"], 1)]);
    // It was granted a moment ago, and others than roots need a second to be called stuck.
    let (mut p, [reporter, _]) = futurelock();
    p.task(reporter).root = false;
    p.channels[0].send_waits[1].granted_at_ns = Some(p.now);
    p.task(reporter).state_since_ns = Some(p.now);
    assert!(p.diagnose().findings.iter().all(|found| found.kind != Futurelock));
    // It runs now, perhaps for the first time since.
    let (mut p, [reporter, _]) = futurelock();
    p.task(reporter).state = Some(TaskState::Running);
    assert!(p.diagnose().findings.iter().all(|found| found.kind != Futurelock));
    // It was polled since that was first seen. A look sees tasks after channels, so the polls that
    // it is the first to see may have taken the room.
    let mut diagnoser = Diagnoser::new(Settings::default());
    for polls in [3, 5, 7] {
        p.now += SECOND / 10;
        p.task(reporter).polls = Some(polls);
        let ran = diagnoser.look(&p.snapshot()).unwrap().findings;
        let ran = ran.iter().filter(|found| found.kind == Futurelock).count();
        assert_eq!(ran, usize::from(polls == 7));
    }
    // The grant came between the looks.
    let (mut p, _) = futurelock();
    let granted = p.channels[0].send_waits[1].granted_at_ns.take();
    let found = p.diagnose_after(|p| p.channels[0].send_waits[1].granted_at_ns = granted);
    is_silent(&found);
}

/// Whether a plain task has run since is not known: the room is held.
///
/// Seen to fail when the room that was granted was counted as a permit of nobody.
#[test]
fn a_grant_of_a_plain_task_is_room_that_is_held() {
    let mut p = Program::new();
    let (reporter, collector) = (p.plain(), p.plain());
    let c = p.channel("log", 1);
    p.received(c, 1);
    p.is_granted(reporter, c);
    p.sends(reporter, c);
    p.receives(collector, c);
    let found = p.diagnose();
    is(&found, &[(HeldPermits, Stuck, &["log"], &["task 1"], 1)]);
    let text = "\
log 0/1: the room was granted to `task 1` 4.1 s ago, and is not taken
held permits: its task does not run, or does not poll that future (`select!` by `&mut`?)
`task 1` itself waits for room in log 0/1
waiting: 1 sender";
    assert_eq!(found.findings[0].text(), text);
    // One of two is a permit's.
    p.channels[c].stats.capacity = Some(2);
    p.channels[c].stats.reserved = 2;
    let text = p.diagnose().findings[0].text();
    let head =
        "log 0/2: the room is taken by 1 permit, not by messages, 5.1 s; the rest was granted";
    assert!(text.starts_with(head), "{text}");
}

/// Seen to fail when the chain ended at its first hop, and its members were their own victims.
#[test]
fn plain_tasks_that_wait_for_each_other_are_stalled_and_no_deadlock() {
    let mut p = Program::new();
    let (a, b) = (p.plain(), p.plain());
    let (to_a, to_b) = (p.full("to a", 2, a), p.full("to b", 2, b));
    p.sends(a, to_b);
    p.sends(b, to_a);
    let found = p.diagnose();
    let both = ["task 1", "task 2"];
    is(&found, &[(Stalled, Stuck, &["to a", "to b"], &both, 0)]);
    let text = "\
`to a` 2/2 is stalled, 5.1 s: each of these waits for the next
`task 1` -> `to b` 2/2 -> `task 2` -> `to a` 2/2 -> `task 1`
what cannot be seen may still end one of these waits";
    assert_eq!(found.findings[0].text(), text);
    // Another waits for the circle, and one for that one.
    let (third, fourth) = (p.plain(), p.plain());
    let to_third = p.full("to c", 1, third);
    p.sends(third, to_a);
    p.sends(fourth, to_third);
    let found = p.diagnose();
    is(&found, &[(Stalled, Stuck, &["to a", "to b", "to c"], &both, 2)]);
    assert!(found.findings[0].text().contains("\nso are, for this reason: `to c` 1/1\n"));
}
