//! A hundred thousand channels, ten thousand waits on one.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use parshall::introspect::FindingKind::Stalled;
use parshall::introspect::{Diagnoser, Settings};
use parshall::task;

use crate::heap;
use crate::stage::{STUCK_AFTER, bounded};
use crate::used::used;

/// So many channels.
const CHANNELS: usize = 100_000;

/// So many named tasks that wait on one of them.
const WAITS: usize = 10_000;

/// Two looks at what others measured in seconds: linear time, and little memory. The bound of time
/// is generous, since machines are slow; it fails for what is quadratic.
#[test]
fn two_looks_at_many_channels() {
    let channel = |n| bounded(format!("channel {n}"), 1);
    let channels: Vec<_> = (0..CHANNELS).map(channel).collect();
    let (crowded, _) = &channels[CHANNELS / 2];
    crowded.try_send(0).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut wait = |n| {
        let mut waiting = Box::pin(task::named(format!("sender {n}"), crowded.send(n)));
        assert!(Pin::new(&mut waiting).poll(&mut context).is_pending());
        waiting
    };
    let _waiting: Vec<_> = (0..WAITS).map(&mut wait).collect();

    let mut settings = Settings::default();
    settings.stuck_after = STUCK_AFTER;
    let mut diagnoser = Diagnoser::new(settings);
    let first = parshall::snapshot();
    thread::sleep(2 * STUCK_AFTER);
    let second = parshall::snapshot();
    assert!(second.channels.len() >= CHANNELS);

    let live = heap::live();
    heap::reset_peak();
    let (took, diagnosis) = used(|| {
        diagnoser.look(&first).unwrap();
        diagnoser.look(&second).unwrap()
    });
    let peak = heap::peak() - live;

    let nodes = (CHANNELS + WAITS) as isize;
    println!("{took:?}, {} bytes a node", peak / nodes);
    let stalled = diagnosis.findings.iter().find(|found| found.kind == Stalled).unwrap();
    assert_eq!(stalled.channels[0].name, format!("channel {}", CHANNELS / 2));
    assert_eq!(stalled.victims, WAITS as u64);
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 10 }), "{took:?}");
    assert!(peak <= 200 * nodes, "{} bytes a node", peak / nodes);
}
