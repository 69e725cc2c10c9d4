//! Bounded channels in blocks of two slots: what capacity, waiting senders and permits add to
//! `unbounded.rs`. The protocol on the words is that of the other models; here it runs on the other
//! memory.

#![cfg(parshall_loom)]

use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use loom_tests::{
    Bound, Ledger, POS_WRAP, STAMP_WRAP, Wide, begin, block_on, check, id, in_blocks, live_blocks,
    look, spawn,
};
use parshall::mpsc::error::{TryRecvError, TrySendError};
use parshall::mpsc::{OwnedPermit, Receiver, Sender};

/// Sends if there is room.
fn accepted(tx: &Sender<Wide>, ledger: &Ledger, number: u32) -> bool {
    match tx.try_send(ledger.wide(number)) {
        Ok(()) => true,
        Err(TrySendError::Full(message)) => {
            assert_eq!(id(message), number);
            false
        }
        Err(TrySendError::Closed(_)) => panic!("closed by nobody"),
    }
}

/// What is left when all senders have gone; then nothing of the channel is.
fn rest(mut rx: Receiver<Wide>, ledger: &Ledger) -> Vec<u32> {
    let rest = std::iter::from_fn(|| rx.try_recv().ok()).map(id).collect();
    assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Disconnected);
    assert_eq!(ledger.alive(), 0);
    drop(rx);
    assert_eq!(live_blocks(), 0, "blocks are left");
    rest
}

fn l1(name: &str, bound: Bound, capacity: usize, start: u64) {
    check(name, bound, move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(capacity, start);
        let producers = [&[10, 11][..], &[20]].map(|ids| {
            let (tx, ledger) = (tx.clone(), ledger.clone());
            spawn(move || {
                let sent = ids.iter().filter(|id| accepted(&tx, &ledger, **id));
                sent.copied().collect::<Vec<u32>>()
            })
        });
        drop(tx);
        assert!(rx.len() <= capacity);
        let mut got = look(2, || rx.try_recv());
        let sent = producers.map(|p| p.join().unwrap());
        got.extend(rest(rx, &ledger));
        for (producer, sent) in [1, 2].into_iter().zip(&sent) {
            let own: Vec<_> = got.iter().copied().filter(|id| id / 10 == producer).collect();
            assert_eq!(&own, sent, "of {got:?}");
        }
        assert_eq!(got.len(), sent[0].len() + sent[1].len());
        assert!(got.len() >= capacity.min(3), "room was refused: {got:?}");
    });
}

/// Two producers against `try_recv`: exactly once, in each producer's order, never above the
/// capacity; capacity
/// 1. Tags P1, C1, E1, E2, E3, E5.
#[test]
fn l1_capacity_1() {
    l1("L1 blocks, capacity 1, positions wrap", Bound::Preemptions(2), 1, POS_WRAP);
}

/// As above with capacity 3, one and a half blocks. Tags P1, C1, E1, E2, E3, E5.
#[test]
fn l1_capacity_3() {
    l1("L1 blocks, capacity 3, stamps wrap", Bound::Preemptions(1), 3, STAMP_WRAP - 1);
}

/// The holder of a permit claims late: it sees `recent` beyond a block that was passed, or the
/// receiver does not reuse that block. Tags E3, E5, P1.
#[test]
fn a_permit_finds_no_block_that_is_reused() {
    check("L5 permit", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(4, STAMP_WRAP - 1);
        assert!([0, 1].into_iter().all(|id| accepted(&tx, &ledger, id)));
        let permit = tx.clone().try_reserve_owned().unwrap();
        let holder = spawn({
            let ledger = ledger.clone();
            move || drop(permit.send(ledger.wide(20)))
        });
        let producer = spawn({
            let ledger = ledger.clone();
            move || assert!(accepted(&tx, &ledger, 10))
        });
        let mut got = look(3, || rx.try_recv());
        holder.join().unwrap();
        producer.join().unwrap();
        got.extend(rest(rx, &ledger));
        assert_eq!(got[..2], [0, 1]);
        got[2..].sort_unstable(); // which of two producers is first is open
        assert_eq!(got[2..], [10, 20]);
    });
}

/// A full channel, its next slot in the next block: of the registration and the pop, the later sees
/// the earlier. Tags W1, C1, E1.
fn l9(name: &str, capacity: usize, start: u64) {
    check(name, Bound::Preemptions(3), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(capacity, start);
        let full = capacity as u32;
        assert!((0..full).all(|id| accepted(&tx, &ledger, id)));
        let sender = spawn({
            let ledger = ledger.clone();
            move || block_on(async { tx.send(ledger.wide(full)).await.expect("nobody closed") })
        });
        // One look only: if the pop misses the sender, nobody comes again.
        assert_eq!(id(rx.try_recv().unwrap()), 0);
        sender.join().unwrap();
        assert!(rest(rx, &ledger).into_iter().eq(1..=full));
    });
}

/// Nobody sleeps beside a free slot; capacity 1. Tags W1, C1, E1.
#[test]
fn l9_capacity_1() {
    l9("L9 blocks, capacity 1", 1, STAMP_WRAP);
}

/// As above, capacity 3. Tags W1, C1, E1.
#[test]
fn l9_capacity_3() {
    l9("L9 blocks, capacity 3", 3, POS_WRAP);
}

/// As above, by a pop that is plain: the one before it found that nobody waits. Tags W1, C1.
///
/// Seen to fail with: a plain pop that does not tell of its room.
#[test]
fn l9_plain_pop() {
    check("L9 blocks, plain pop", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        // Even, so that no block begins at the second message.
        let (tx, mut rx) = in_blocks(3, STAMP_WRAP - 5);
        assert!((0..3).all(|id| accepted(&tx, &ledger, id)));
        assert_eq!(id(rx.try_recv().unwrap()), 0);
        assert!(accepted(&tx, &ledger, 3));
        let sender = spawn({
            let ledger = ledger.clone();
            move || block_on(async { tx.send(ledger.wide(4)).await.expect("nobody closed") })
        });
        assert_eq!(id(rx.try_recv().unwrap()), 1);
        sender.join().unwrap();
        assert!(rest(rx, &ledger).into_iter().eq(2..=4));
    });
}

/// Both sides asleep in turn: three messages through a channel of one, over three blocks. Tags W1,
/// K1, K2, P1, C1, E3.
#[test]
fn l9_ping_pong() {
    check("L9 blocks, ping-pong", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(1, POS_WRAP);
        let sender = spawn({
            let ledger = ledger.clone();
            move || {
                (0..3).for_each(|id| block_on(async { tx.send(ledger.wide(id)).await.unwrap() }))
            }
        });
        for number in 0..3 {
            assert_eq!(block_on(rx.recv()).map(id), Some(number));
        }
        sender.join().unwrap();
        assert!(rest(rx, &ledger).is_empty());
    });
}

/// A permit is given back while a sender registers: of the two steps on T, the later sees the
/// earlier. Tag W2.
#[test]
fn l13_permit_drop_against_registration() {
    check("L13 blocks", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, rx) = in_blocks(1, STAMP_WRAP);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let owner = spawn(move || drop(permit));
        block_on(async { tx.send(ledger.wide(1)).await.unwrap() });
        owner.join().unwrap();
        drop(tx);
        assert_eq!(rest(rx, &ledger), [1]);
    });
}

/// The receiver parks, its receive is dropped, it closes and waits again, while a permit is
/// used or given back: the message, if one is sent, then `None`.
fn l14(
    name: &str,
    end: impl Fn(OwnedPermit<Wide>, &Ledger) + Copy + Send + Sync + 'static,
    expected: &'static [u32],
) {
    check(name, Bound::Preemptions(3), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(3, STAMP_WRAP);
        assert!(accepted(&tx, &ledger, 0));
        let permit = tx.try_reserve_owned().unwrap();
        let owner = spawn({
            let ledger = ledger.clone();
            move || end(permit, &ledger)
        });
        assert_eq!(look(1, || rx.try_recv()), [0]);
        let mut got = Vec::new();
        if let Poll::Ready(message) = rx.poll_recv(&mut Context::from_waker(Waker::noop())) {
            got.extend(message.map(id));
        }
        rx.close();
        got.extend(std::iter::from_fn(|| block_on(rx.recv())).map(id));
        assert_eq!(got, expected);
        owner.join().unwrap();
        assert!(rest(rx, &ledger).is_empty());
    });
}

/// ... with a permit that is dropped: `None`. Tags K1, K2, D1.
#[test]
fn l14_permit_dropped() {
    l14("L14 blocks, drop", |permit, _| drop(permit), &[]);
}

/// ... with a permit that is sent into the next block: the message, then `None`. Tags K1, K2, P1,
/// E1.
#[test]
fn l14_permit_sent() {
    l14("L14 blocks, send", |permit, ledger| drop(permit.send(ledger.wide(5))), &[5]);
}

/// A permit is used for the next block while the receiver is dropped: the message is dropped
/// promptly and once, by the drain or by the sender, and all blocks are freed. Tags D1, P1, E1, E4.
#[test]
fn l19_permit_sent_against_receiver_drop() {
    check("L19 blocks", Bound::Preemptions(4), || {
        let ledger = Ledger::default();
        let (tx, rx) = in_blocks(3, STAMP_WRAP);
        assert!(accepted(&tx, &ledger, 0));
        let permit = tx.clone().try_reserve_owned().unwrap();
        let owner = spawn({
            let ledger = ledger.clone();
            move || drop(permit.send(ledger.wide(1)))
        });
        drop(rx);
        owner.join().unwrap();
        assert_eq!(ledger.alive(), 0, "while a sender lives");
        let stats = tx.stats();
        assert_eq!((stats.sent_total, stats.recv_total, stats.discarded), (2, 0, 2));
        assert_eq!((stats.queue_len, stats.reserved), (0, 0));
        drop(tx);
        assert_eq!(live_blocks(), 0, "blocks are left");
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

/// The watermark is never above the true peak, though the probe runs ahead into blocks that are
/// there already or not yet; and no lower than what lay there before a pop. Tags P1, M1, M2, E1.
#[test]
fn l17_watermark_against_the_true_peak() {
    check("L17 blocks", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(3, STAMP_WRAP);
        let ghost = Arc::new(Ghost::default());
        ghost.enter();
        assert!(accepted(&tx, &ledger, 0));
        let producers = [10, 20].map(|id| {
            let (tx, ledger, ghost) = (tx.clone(), ledger.clone(), ghost.clone());
            spawn(move || {
                ghost.enter();
                assert!(accepted(&tx, &ledger, id), "three fit");
            })
        });
        drop(tx);
        let mut got = Vec::new();
        let mut mark = 1;
        for round in 0..2 {
            let new = look(1, || rx.try_recv());
            new.iter().for_each(|_| ghost.leave());
            got.extend(new);
            let now = rx.stats().high_watermark;
            assert!(now <= ghost.peak.load(Relaxed) && now >= mark, "round {round}: {now}");
            mark = now;
        }
        producers.into_iter().for_each(|p| p.join().unwrap());
        let left = ghost.inside.load(Relaxed);
        got.extend(look(1, || rx.try_recv()));
        let now = rx.stats().high_watermark;
        assert!(
            now >= left && now <= ghost.peak.load(Relaxed),
            "{left} lay there, the mark is {now}"
        );
        got.extend(rest(rx, &ledger));
        assert_eq!(got.len(), 3);
    });
}

/// One `recv_many` across two blocks makes room for two that wait. Tags W1, C1, E1, E3.
#[test]
fn l15_one_batch_serves_two() {
    check("L15 blocks", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(3, STAMP_WRAP);
        assert!((0..3).all(|id| accepted(&tx, &ledger, id)));
        let send = |id| {
            let (tx, wide) = (tx.clone(), ledger.wide(id));
            async move { tx.send(wide).await.unwrap() }
        };
        let first = begin(send(10));
        let second = send(20);
        let second = spawn(move || block_on(second));
        drop(tx);
        let mut got = Vec::new();
        assert_eq!(block_on(rx.recv_many(&mut got, 2)), 2);
        let mut got: Vec<_> = got.into_iter().map(id).collect();
        block_on(first);
        second.join().unwrap();
        got.extend(rest(rx, &ledger));
        assert_eq!(got[..3], [0, 1, 2]);
        got[3..].sort_unstable(); // which of two senders is first is open
        assert_eq!(got[3..], [10, 20]);
    });
}
