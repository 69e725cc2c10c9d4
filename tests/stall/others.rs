//! The bounded work that all other threads must finish while the victim stands.

use parshall::mpsc::{Receiver, Sender};

use crate::gate::{Running, start};
use crate::support::task;

/// The capacity of every channel here.
pub(crate) const CAPACITY: u64 = 4;

/// Message `i` of sender `who`.
pub(crate) fn message(who: u64, i: u64) -> u64 {
    who * 1_000_000 + i
}

pub(crate) const FILL: u64 = 0;
pub(crate) const VICTIM: u64 = 90;
pub(crate) const WAITER: u64 = 91;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Looks at everything there is to look at; none of it may wait for anybody.
fn look(tx: &Sender<u64>) {
    assert!(tx.capacity() as u64 <= CAPACITY);
    assert!(tx.len() as u64 <= CAPACITY);
    assert!(tx.stats().queue_len <= CAPACITY);
    let _ = (tx.is_closed(), tx.is_full(), tx.clone().downgrade());
    #[cfg(feature = "introspect")]
    let _ = parshall::snapshot();
}

/// Polls a wait once and leaves.
pub(crate) fn come_and_leave(tx: &Sender<u64>, i: u64) {
    if i.is_multiple_of(3) {
        let _ = task(tx.reserve_many(2)).poll().map(drop);
    } else {
        let _ = task(tx.reserve()).poll().map(drop);
    }
}

/// Two threads that come to wait and leave again, together `n` times, while there is no room.
pub(crate) fn crowd(step: &str, tx: &Sender<u64>, n: u64) {
    let crowd: Vec<_> = (0..2)
        .map(|_| {
            let tx = tx.clone();
            start(format!("{step}: waits that are cancelled"), move || {
                (0..n / 2).for_each(|i| come_and_leave(&tx, i));
            })
        })
        .collect();
    for thread in crowd {
        thread.finish();
    }
}

/// Senders of every kind, and the receiver, which takes `there` messages more than they send.
/// Returns it and all that it took.
pub(crate) fn with_receiver(
    step: &str,
    tx: &Sender<u64>,
    mut rx: Receiver<u64>,
    there: u64,
) -> (Receiver<u64>, Vec<u64>) {
    const SENDS: u64 = 200;
    let mut threads = Vec::new();
    let mut run = |what: &str, f: Box<dyn FnOnce(Sender<u64>) + Send>| {
        let tx = tx.clone();
        threads.push(start(format!("{step}: {what}"), move || f(tx)));
    };
    run(
        "blocking_send",
        Box::new(|tx| {
            (0..SENDS).for_each(|i| tx.blocking_send(message(1, i)).unwrap());
        }),
    );
    run(
        "send",
        Box::new(|tx| {
            block_on(async {
                for i in 0..SENDS {
                    tx.send(message(2, i)).await.unwrap();
                }
            });
        }),
    );
    run(
        "reserve_many",
        Box::new(|tx| {
            block_on(async {
                for i in 0..SENDS {
                    // The second permit is dropped.
                    let mut permits = tx.reserve_many(2).await.unwrap();
                    permits.next().unwrap().send(message(3, i));
                }
            });
        }),
    );
    run("waits that are cancelled", Box::new(|tx| (0..SENDS).for_each(|i| come_and_leave(&tx, i))));
    run(
        "looks and permits",
        Box::new(|tx| {
            for _ in 0..SENDS {
                drop(tx.try_reserve());
                look(&tx);
            }
        }),
    );
    let receiver = start(format!("{step}: the receiver"), move || {
        let mut seen = Vec::new();
        while (seen.len() as u64) < there + 3 * SENDS {
            seen.push(rx.blocking_recv().unwrap());
        }
        (rx, seen)
    });
    for thread in threads {
        thread.finish();
    }
    receiver.finish()
}

/// How many of each sender's messages there are, whose order is that of the sender.
pub(crate) fn check(step: &str, seen: &[u64], mut expected: Vec<u64>) {
    for who in [1, 2, 3] {
        expected.extend((0..200).map(|i| message(who, i)));
    }
    check_all(step, seen, expected);
}

pub(crate) fn check_all(step: &str, seen: &[u64], mut expected: Vec<u64>) {
    for who in 0..=WAITER {
        let own: Vec<_> = seen.iter().filter(|m| *m / 1_000_000 == who).collect();
        assert!(own.is_sorted(), "{step}: out of order");
    }
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    expected.sort_unstable();
    assert!(seen == expected, "{step}: {} received, {} sent", seen.len(), expected.len());
}

/// What others can do without a receiver: nothing that waits, and all of it returns. Returns what
/// was sent.
pub(crate) fn without_receiver(step: &str, tx: &Sender<u64>) -> Vec<u64> {
    const TRIES: u64 = 200;
    let threads: Vec<_> = (1..=3)
        .map(|who| {
            let tx = tx.clone();
            start(format!("{step}: without a receiver"), move || {
                let mut own = Vec::new();
                for i in 0..TRIES {
                    if tx.try_send(message(who, i)).is_ok() {
                        own.push(message(who, i));
                    }
                    come_and_leave(&tx, i);
                    drop(tx.try_reserve());
                    look(&tx);
                }
                own
            })
        })
        .collect();
    threads.into_iter().flat_map(Running::finish).collect()
}
