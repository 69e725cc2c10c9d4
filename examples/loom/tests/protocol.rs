//! Models of the protocol: two producers and a collector, in every order that loom can find.

#![cfg(parshall_loom)]

use std::future::Future;

use loom::future::block_on;
use loom::thread;
use loom_example::{Enough, collect, produce};
use parshall::mpsc::{self, Receiver};

/// Runs two producers against `collector` and asks that nobody loses count.
fn check<F: Future<Output = Vec<u32>>>(collector: fn(Receiver<u32>, usize, Enough) -> F)
where
    F: 'static,
{
    let mut builder = loom::model::Builder::new();
    // `LOOM_MAX_PREEMPTIONS` goes first.
    builder.preemption_bound.get_or_insert(2);
    builder.check(move || {
        let (tx, rx) = mpsc::channel(1);
        let enough = Enough::new();
        let producers = [vec![1, 2], vec![3]].map(|jobs| {
            let producer = produce(jobs, tx.clone(), enough.clone());
            thread::spawn(move || block_on(producer))
        });
        drop(tx);
        let collected = block_on(collector(rx, 1, enough));
        let sent: usize = producers.map(|producer| producer.join().unwrap().unwrap()).iter().sum();
        assert_eq!(sent, collected.len(), "sent and collected");
    });
}

#[test]
fn nobody_loses_count() {
    check(collect);
}

/// Closes first, and says why afterwards: a producer may look in between.
async fn closes_first(mut rx: Receiver<u32>, quota: usize, enough: Enough) -> Vec<u32> {
    let mut jobs = Vec::new();
    while let Some(job) = rx.recv().await {
        jobs.push(job);
        if jobs.len() == quota {
            rx.close();
            enough.say();
        }
    }
    jobs
}

/// Loom finds the bug.
#[test]
#[should_panic(expected = "CollectorDied")]
fn who_closes_first_is_taken_for_dead() {
    check(closes_first);
}

/// Goes away without taking what is left.
async fn leaves_early(mut rx: Receiver<u32>, quota: usize, enough: Enough) -> Vec<u32> {
    let mut jobs = Vec::new();
    while jobs.len() < quota {
        jobs.extend(rx.recv().await);
    }
    enough.say();
    jobs
}

/// Loom finds the bug.
#[test]
#[should_panic(expected = "sent and collected")]
fn who_leaves_early_loses_jobs() {
    check(leaves_early);
}

/// The model of `docs/model-checking.md`.
#[test]
fn a_worker_ends_when_nobody_listens() {
    loom::model(|| {
        let (tx, mut rx) = parshall::mpsc::channel(1);
        let worker = thread::spawn(move || {
            block_on(async move { while tx.send(1).await.is_ok() {} });
        });
        assert_eq!(block_on(rx.recv()), Some(1));
        drop(rx);
        worker.join().unwrap();
    });
}
