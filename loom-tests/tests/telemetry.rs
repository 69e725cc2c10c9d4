//! What a channel reports while it is at work.

#![cfg(parshall_loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Waker};

use loom_tests::{Bound, Ledger, STAMP_WRAP, block_on, channel, check, spawn};
use parshall::ChannelStats;

fn consistent(stats: &ChannelStats, capacity: u64) {
    assert!(stats.queue_len + stats.reserved <= capacity, "{stats:?}");
    assert!(stats.high_watermark <= capacity && stats.high_watermark >= stats.queue_len);
    assert_eq!(stats.sent_total, stats.recv_total + stats.queue_len + stats.discarded);
    assert!(stats.send_waiters + stats.granted_waiters <= 1, "one sender: {stats:?}");
    assert!(stats.granted_waiters <= 1 && stats.recv_waiters <= 1);
    assert_eq!(stats.oldest_send_wait_ns.is_some(), stats.send_waiters > 0);
}

/// A snapshot beside a sender that waits and a receiver: the gauges lie within their limits and
/// agree with each other, and no total ever falls. Tags C1, W1, M1.
#[test]
fn l16_snapshot_beside_send_and_receive() {
    check("L16", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, STAMP_WRAP);
        let observer = tx.clone();
        tx.try_send(ledger.msg(0)).unwrap();
        let observer = spawn(move || {
            let first = observer.stats();
            consistent(&first, 1);
            let second = observer.stats();
            consistent(&second, 1);
            assert!(first.sent_total <= second.sent_total);
            assert!(first.recv_total <= second.recv_total);
            assert!(first.high_watermark <= second.high_watermark);
        });
        let sender = spawn({
            let ledger = ledger.clone();
            move || block_on(tx.send(ledger.msg(1))).unwrap()
        });
        assert_eq!(rx.try_recv().unwrap().id, 0);
        sender.join().unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 1);
        observer.join().unwrap();
        let stats = rx.stats();
        assert_eq!((stats.sent_total, stats.recv_total, stats.high_watermark), (2, 2, 1));
        assert_eq!((stats.send_waiters, stats.granted_waiters, stats.reserved), (0, 0, 0));
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// The true occupancy, kept outside the channel: an upper bound at every instant.
#[derive(Default)]
struct Ghost {
    inside: AtomicU64,
    peak: AtomicU64,
}

impl Ghost {
    fn enter(&self) {
        let now = self.inside.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Relaxed);
    }
}

/// G1: the high watermark is never above the true peak. G2: it is no lower than what was completely
/// sent, in the receiver's eyes, before a pop. Tags P1, M1.
#[test]
fn l17_watermark_against_the_true_peak() {
    check("L17", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(3, STAMP_WRAP);
        let ghost = Arc::new(Ghost::default());
        ghost.enter();
        tx.try_send(ledger.msg(0)).unwrap();
        let producers = [10, 20].map(|base| {
            let (tx, ledger, ghost) = (tx.clone(), ledger.clone(), ghost.clone());
            spawn(move || {
                ghost.enter();
                if tx.try_send(ledger.msg(base)).is_err() {
                    ghost.leave();
                }
            })
        });
        drop(tx);
        let mut mark = 0;
        for round in 0..2 {
            if rx.try_recv().is_ok() {
                ghost.leave();
            }
            let now = rx.stats().high_watermark;
            assert!(now <= ghost.peak.load(Relaxed) && now >= mark.max(1), "round {round}: {now}");
            mark = now;
        }
        for producer in producers {
            producer.join().unwrap();
        }
        let left = ghost.inside.load(Relaxed);
        let popped = rx.try_recv().is_ok();
        let now = rx.stats().high_watermark;
        assert!(!popped || now >= left, "{left} lay there, and the mark is {now}");
        assert!(now <= ghost.peak.load(Relaxed).min(3) && now >= mark);
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// A batch reads what is published while it is being read: the high watermark is never below the
/// batch, and the next batch still raises it. Tags P1, M2.
#[test]
fn a_batch_is_never_larger_than_the_watermark() {
    check("batch watermark", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, STAMP_WRAP);
        let producer = spawn({
            let ledger = ledger.clone();
            move || (0..4).filter(|&id| tx.try_send(ledger.msg(id)).is_ok()).count()
        });
        let mut cx = Context::from_waker(Waker::noop());
        let mut received = Vec::new();
        for _ in 0..2 {
            let before = received.len();
            let _ = rx.poll_recv_many(&mut cx, &mut received, 2);
            let batch = (received.len() - before) as u64;
            let stats = rx.stats();
            // What is reported now raises the mark by itself: only an empty channel tests the
            // batch.
            assert!(stats.high_watermark >= batch, "a batch of {batch}: {stats:?}");
        }
        let sent = producer.join().unwrap();
        let left = sent - received.len();
        let _ = rx.poll_recv_many(&mut cx, &mut received, 2);
        assert_eq!(received.len(), sent);
        assert!(rx.stats().high_watermark >= left as u64);
        drop((received, rx));
        assert_eq!(ledger.alive(), 0);
    });
}
