//! Where the senders of a channel were made: `Builder::trace_senders`, and untracked channels.
#![cfg(feature = "introspect")]

mod support;

use std::thread;

use parshall::mpsc::{self, Builder};
use parshall::task::named;
use parshall::{ChannelSnapshot, SenderSnapshot, TaskSnapshot, snapshot};
use support::{now, task};

fn the(name: &str) -> ChannelSnapshot {
    snapshot().channels.into_iter().find(|c| c.stats.name == name).unwrap()
}

/// The senders of a channel, all of them.
fn senders(name: &str) -> Vec<SenderSnapshot> {
    let the = the(name);
    let senders = the.senders.expect("they are traced");
    assert_eq!(senders.len() as u64, the.stats.sender_count);
    senders
}

/// The lines of this file on which they were made.
fn lines(name: &str) -> Vec<u32> {
    let line = |sender: SenderSnapshot| {
        let mut parts = sender.location.split(':');
        assert_eq!(parts.next(), Some(file!()), "{}", sender.location);
        parts.next().unwrap().parse().unwrap()
    };
    senders(name).into_iter().map(line).collect()
}

/// Each way to make a sender.
///
/// Seen to fail with: a `clone` and an `upgrade` without their caller; and a drop that strikes off
/// nobody.
#[test]
fn each_sender_that_lives_says_where_it_was_made() {
    let (tx, _rx) = Builder::new().name("traced").trace_senders().build::<u8>();
    let made = line!() - 1;
    let clone = tx.clone();
    let upgraded = tx.downgrade().upgrade().unwrap();
    let again = clone.clone();
    assert_eq!(lines("traced"), [made, made + 2, made + 3, made + 4]);
    drop(clone);
    assert_eq!(lines("traced"), [made, made + 3, made + 4]);
    // Moved, it is the one that it was.
    let moved = thread::spawn(move || again).join().unwrap();
    drop(upgraded);
    let weak = tx.downgrade();
    drop(tx);
    assert_eq!(lines("traced"), [made + 4]);
    drop(moved);
    assert!(weak.upgrade().is_none() && lines("traced").is_empty());
}

/// Seen to fail with: as above.
#[test]
fn each_unbounded_sender_that_lives_says_where_it_was_made() {
    let (tx, _rx) = Builder::new().name("boundless").trace_senders().build_unbounded::<u8>();
    let made = line!() - 1;
    let clone = tx.clone();
    let upgraded = tx.downgrade().upgrade().unwrap();
    assert_eq!(lines("boundless"), [made, made + 2, made + 3]);
    drop((clone, tx));
    assert_eq!(lines("boundless"), [made + 3]);
    drop(upgraded);
    assert!(lines("boundless").is_empty());
}

#[test]
fn an_owned_permit_is_the_sender_that_it_was_reserved_by() {
    let (tx, mut rx) = Builder::new().name("permits").trace_senders().build();
    let made = line!() - 1;
    let second = tx.clone();
    let permit = now(tx.reserve_owned()).unwrap();
    assert_eq!(lines("permits"), [made, made + 2]);
    let tx = permit.send(1);
    assert_eq!(rx.try_recv(), Ok(1));
    drop(tx);
    assert_eq!(lines("permits"), [made + 2]);
    drop(second.try_reserve_owned().unwrap());
    assert!(lines("permits").is_empty());
}

#[cfg(feature = "sink")]
#[test]
fn the_clone_of_a_sink_says_where_it_was_made() {
    use parshall::mpsc::{PollSender, UnboundedSink};

    let (tx, _rx) = Builder::new().name("sink").trace_senders().build::<u8>();
    let sink = PollSender::new(tx);
    let _clone = sink.clone();
    assert_eq!(lines("sink")[1], line!() - 1);
    let (tx, _rx) = Builder::new().name("boundless sink").trace_senders().build_unbounded::<u8>();
    let sink = UnboundedSink::new(tx);
    let _clone = sink.clone();
    assert_eq!(lines("boundless sink")[1], line!() - 1);
}

/// What is said of a clone that is not called by its name.
#[test]
fn clones_by_other_code_still_say_something() {
    #[derive(Clone)] // the line of a derived clone
    struct Service {
        tx: mpsc::Sender<u8>,
    }
    let derive = line!() - 4;
    fn twice<T: Clone>(value: &T) -> T {
        value.clone()
    }
    let generic = line!() - 2;
    let (tx, _rx) = Builder::new().name("by others").trace_senders().build();
    let service = Service { tx };
    let _derived = service.clone();
    let _generic = twice(&service.tx);
    let [_, derived, by_generic] = lines("by others")[..] else { panic!("three senders") };
    // The attribute, or the field: as the compiler likes.
    assert!((derive..derive + 3).contains(&derived), "{derived}");
    assert_eq!(by_generic, generic);
    let _many = vec![service.tx.clone(); 3];
    let last = senders("by others").pop().unwrap().location;
    assert!(last.contains(".rs:"), "{last}");
}

#[test]
fn it_says_who_made_a_sender_and_since_when() {
    let before = snapshot().taken_at_ns;
    let (tx, rx) = Builder::new().name("makers").trace_senders().build::<u8>();
    let mut clones = task(named("maker", async {
        let clone = tx.clone();
        std::future::pending::<()>().await;
        drop(clone);
    }));
    clones.still_pending();
    let made = senders("makers");
    let snapshot = snapshot();
    let by = |n: usize| -> &TaskSnapshot {
        snapshot.tasks.iter().find(|task| Some(task.task) == made[n].task).unwrap()
    };
    assert_eq!(by(0).name.as_deref(), thread::current().name());
    assert_eq!(by(1).name.as_deref(), Some("maker"));
    // The coarse clock lags by a tick.
    let range = before - 20_000_000..=snapshot.completed_at_ns;
    assert!(made.iter().all(|sender| range.contains(&sender.since_ns)), "{made:?} {range:?}");
    drop(clones);
    assert_eq!(senders("makers").len(), 1);
    drop(tx);
    assert_eq!(senders("makers"), []);
    drop(rx);
}

/// Senders come and go on two threads while snapshots are taken.
#[test]
fn tracing_from_many_threads_loses_nothing() {
    let (tx, _rx) = Builder::new().name("crowd").trace_senders().build::<u8>();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut kept = Vec::new();
                for n in 0..support::rounds(2_000) {
                    kept.push(tx.clone());
                    if n % 3 == 0 {
                        kept.swap_remove(n % kept.len());
                    }
                }
            });
        }
        for _ in 0..20 {
            let the = the("crowd");
            assert!(!the.senders.unwrap().is_empty(), "the first one lives");
        }
    });
    assert_eq!(senders("crowd").len(), 1);
}

#[test]
fn other_channels_trace_nothing() {
    let (tx, _rx) = Builder::new().name("not traced").build::<u8>();
    let _clone = tx.clone();
    assert_eq!(the("not traced").senders, None);
}

/// The only test here that makes untracked channels.
///
/// Seen to fail with: a count that never falls.
#[test]
fn untracked_channels_are_counted() {
    let (tx, rx) = Builder::new().untracked().trace_senders().build::<u8>();
    let other = tx.clone();
    let boundless = Builder::new().untracked().build_unbounded::<u8>();
    assert_eq!(snapshot().untracked, 2);
    drop(rx);
    assert_eq!(snapshot().untracked, 2, "its senders live");
    drop((tx, other));
    assert_eq!(snapshot().untracked, 1);
    drop(boundless);
    assert_eq!(snapshot().untracked, 0);
}
