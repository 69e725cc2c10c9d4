//! Snapshots that no program is in, as a text from elsewhere may claim: nothing panics, and nothing
//! takes long.

use super::build::{Program, SECOND};
use crate::introspect::{Diagnoser, Diagnosis, FindingKind, Settings};
use crate::task::TaskState;
use crate::used::used;
use crate::{Call, Snapshot};

/// Looks at each of them, 5 s apart, and says all that there is to say.
fn diagnose(looks: impl IntoIterator<Item = Snapshot>) {
    let mut diagnoser = Diagnoser::new(Settings::default());
    for look in looks {
        if let Ok(diagnosis) = diagnoser.look(&look) {
            let _ = (diagnosis.to_string(), diagnosis.dot(), diagnosis.mermaid());
            let _ = diagnosis.to_json().to_string();
        }
    }
}

/// Seen to fail with: more rows kept of a channel than there are channels of its number.
#[test]
fn channels_of_one_number() {
    let mut p = Program::new();
    for name in ["a", "b", "c"] {
        let c = p.channel(name, 1);
        p.channels[c].stats.channel_id = 7;
    }
    let all = p.snapshot();
    p.channels.truncate(1);
    let look = |n: i64, snapshot: &Snapshot| {
        let mut look = snapshot.clone();
        look.taken_at_ns += n * 5 * SECOND;
        look
    };
    let one = p.snapshot();
    diagnose([look(0, &all), look(1, &one), look(2, &all), look(3, &all), look(4, &one)]);
}

/// Seen to fail with: sums of counters that are near the largest number, a count of polls likewise,
/// and the time between two looks at both ends of all time.
#[test]
fn numbers_at_the_borders() {
    let borders = [0, 1, i64::MAX as u64, u64::MAX - 1, u64::MAX];
    for [a, b] in borders.iter().flat_map(|&a| borders.map(|b| [a, b])) {
        let mut p = Program::new();
        let (root, other) = (p.root("root"), p.root("other"));
        for (n, capacity) in [(0, 1), (1, 1), (2, 0)] {
            let c = p.channel(["a", "b", "c"][n], capacity);
            p.sends(root, c).need = a;
            p.is_granted(other, c);
            let stats = &mut p.channels[c].stats;
            (stats.queue_len, stats.reserved, stats.high_watermark) = (a, b, a);
            (stats.sent_total, stats.recv_total, stats.full_total) = (a, b, b);
            (stats.granted_waiters, stats.sender_count) = (a, b);
        }
        for task in &mut p.tasks {
            (task.polls, task.wakers) = (Some(a), Some(b));
        }
        let first = p.snapshot();
        let looks = [i64::MIN, -1, 0, 5 * SECOND, i64::MAX - 1, i64::MAX].map(|at| {
            let mut look = first.clone();
            look.taken_at_ns = at;
            for channel in &mut look.channels {
                let stats = &mut channel.stats;
                (stats.sent_total, stats.full_total) = (b, stats.full_total.wrapping_add(a));
            }
            look
        });
        diagnose(looks);
    }
}

/// No program has a channel that holds nothing, but a text may.
///
/// Seen to fail with: nothing divided by it, which is no number and is not what was read.
#[test]
fn a_capacity_of_nothing_is_read_as_it_was_written() {
    let mut p = Program::new();
    let c = p.channel("a", 1);
    p.channels[c].stats.capacity = Some(0);
    let snapshot = Snapshot::from_json(p.snapshot().graph().to_json().to_string()).unwrap();
    assert_eq!(snapshot.channels[0].stats.utilization, None);
    let again = Snapshot::from_json(snapshot.graph().to_json().to_string()).unwrap();
    assert_eq!(again, snapshot);
}

/// One task was granted room in thousands of channels, and waits in all of them.
///
/// Seen to fail with: all its waits put in order for each of the channels.
#[test]
fn one_task_in_all_channels_takes_no_longer() {
    const CHANNELS: usize = 20_000;
    let mut p = Program::new();
    let (one, other) = (p.named("one"), p.named("other"));
    for n in 0..CHANNELS {
        let c = p.channel("many", 1);
        p.channels[c].id = format!("mpsc:p:many#{n}");
        p.is_granted(one, c);
        let mut wait = p.channels[c].send_waits[0];
        wait.granted_at_ns = None;
        for (id, task) in [(1, one), (2, other)] {
            let id = 1_000_000 + 2 * n as u64 + id;
            let wait = crate::WaitSnapshot { id, task: Some(task), call: Call::Send, ..wait };
            p.channels[c].send_waits.insert(0, wait);
        }
    }
    let (first, mut second) = (p.snapshot(), p.snapshot());
    second.taken_at_ns += SECOND;
    let mut diagnoser = Diagnoser::new(Settings::default());
    let (took, found) = used(|| {
        diagnoser.look(&first).unwrap();
        diagnoser.look(&second).unwrap()
    });
    let left: u64 = found.left_out.iter().map(|left| left.findings).sum();
    assert_eq!(found.findings.len() as u64 + left, CHANNELS as u64);
    assert_eq!(found.findings[0].kind, FindingKind::HeldPermits);
    // Debug builds are some ten times slower.
    assert!(took.as_millis() < if cfg!(debug_assertions) { 10_000 } else { 1_000 }, "{took:?}");
}

/// The text, the JSON and the memory of a diagnosis, in bytes.
fn sizes(found: &Diagnosis) -> [usize; 3] {
    let json = found.to_json().to_string();
    [found.to_string().len(), json.len(), format!("{found:?}").len()]
}

/// Each finding repeats who runs.
///
/// Seen to fail with: names of any length in all of them.
#[test]
fn long_names_are_not_repeated_without_end() {
    let mut p = Program::new();
    let long = p.root(&"x".repeat(8 << 20));
    p.task(long).state = Some(TaskState::Running);
    for n in 0..20 {
        let starved = p.named(&format!("reader {n}"));
        p.task(starved).state = Some(TaskState::Scheduled);
    }
    let found = p.diagnose();
    assert_eq!(found.findings.len(), 20);
    assert!(sizes(&found).iter().all(|&bytes| bytes < 100_000), "{:?}", sizes(&found));
}

/// A task with a name of 10 KB waits in 100,000 channels, each stalled by another that has ended;
/// all that is said has a few MB, and says of how many.
///
/// Seen to fail with: no limit of findings and lists: 45 MB of JSON.
#[test]
fn one_name_in_very_many_channels_is_said_a_few_times() {
    const CHANNELS: u64 = 100_000;
    let mut p = Program::new();
    let one = p.root(&"x".repeat(10_000));
    let gone = p.plain();
    for n in 0..CHANNELS {
        let c = p.full("many", 1, gone);
        p.channels[c].id = format!("mpsc:p:many#{n}");
        p.channels[c].last_receiver = None;
        p.sends(one, c);
    }
    let (took, found) = used(|| p.diagnose());
    let left: u64 = found.left_out.iter().map(|left| left.findings).sum();
    assert_eq!(found.findings.len() as u64 + left, CHANNELS);
    assert!(found.to_string().contains("  and 100,000 more: 100,000 stalled\n"), "{found}");
    assert!(sizes(&found).iter().all(|&bytes| bytes < 5 << 20), "{:?}", sizes(&found));
    // Debug builds are some ten times slower.
    assert!(took.as_millis() < if cfg!(debug_assertions) { 60_000 } else { 6_000 }, "{took:?}");
}

/// As many channels hang on one receiver; and then a circle of as many.
///
/// Seen to fail with: all of them in one finding, several times.
#[test]
fn one_finding_about_very_many_channels_lists_some_and_counts_the_others() {
    const CHANNELS: u64 = 20_000;
    let long = "x".repeat(1_000);
    let mut p = Program::new();
    let busy = p.root(&long);
    for n in 0..CHANNELS {
        let c = p.full(&long, 1, busy);
        p.channels[c].id = format!("mpsc:p:many#{n}");
        let sender = p.plain();
        p.sends(sender, c);
    }
    let end = p.full("end", 1, busy);
    p.sends(busy, end);
    p.channels[end].last_receiver = None;
    let found = p.diagnose();
    let finding = &found.findings[0];
    assert_eq!((finding.channels.len() as u64 + finding.more_channels), CHANNELS + 1);
    let text = finding.text().replace(
        "
  ", " ",
    );
    assert!(
        text.contains(
            " and 20,000 more
behind it: 20,000 senders"
        ),
        "{text}"
    );
    assert!(sizes(&found).iter().all(|&bytes| bytes < 5 << 20), "{:?}", sizes(&found));

    let mut p = Program::new();
    let tasks: Vec<_> = (0..CHANNELS).map(|n| p.root(&format!("{n} {long}"))).collect();
    for n in 0..CHANNELS {
        let c = p.full(&long, 1, tasks[n as usize]);
        p.channels[c].id = format!("mpsc:p:ring#{n}");
        p.sends(tasks[(n as usize + 1) % tasks.len()], c);
    }
    let found = p.diagnose();
    let finding = &found.findings[0];
    assert_eq!(finding.kind, FindingKind::Deadlock);
    assert_eq!(finding.tasks.len() as u64 + finding.more_tasks, CHANNELS);
    assert_eq!(finding.channels.len() as u64 + finding.more_channels, CHANNELS);
    let text = finding.text().replace("\n  ", " ");
    assert!(text.contains(" -> (20,000 more) -> "), "{text}");
    assert!(sizes(&found).iter().all(|&bytes| bytes < 5 << 20), "{:?}", sizes(&found));
}
