//! Batches: several messages claimed in one step, on arrays, on blocks of two slots, and without a
//! capacity.

#![cfg(parshall_loom)]

use std::collections::VecDeque;

use loom_tests::{
    Bound, Boxed, Ledger, POS_WRAP, STAMP_WRAP, Wide, block_on, channel, check, id, in_blocks,
    live_blocks, look, spawn, unbounded,
};
use parshall::mpsc::error::TrySendError;
use parshall::mpsc::{Receiver, Sender};

fn batch(ledger: &Ledger, ids: impl IntoIterator<Item = u32>) -> VecDeque<Wide> {
    ids.into_iter().map(|id| ledger.wide(id)).collect()
}

/// A send that waits.
fn waiter(tx: &Sender<Wide>, message: Wide) -> Boxed<bool> {
    let tx = tx.clone();
    loom_tests::begin(async move { tx.send(message).await.is_ok() })
}

/// A batch against a receiver that makes room and goes: what was accepted is dropped with it, once;
/// what was not is still in the deque; nothing is claimed once the channel is closed. Tags D1, C1.
fn against_drop(name: &str, make: fn() -> (Sender<Wide>, Receiver<Wide>)) {
    check(name, Bound::Preemptions(3), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = make();
        tx.try_send(ledger.wide(1)).unwrap();
        let producer = spawn({
            let (tx, mut messages) = (tx.clone(), batch(&ledger, [2]));
            move || {
                let sent = tx.try_send_many(&mut messages);
                assert_eq!(messages.len(), 1 - *sent.as_ref().unwrap_or(&0));
                sent
            }
        });
        let first = rx.try_recv();
        assert_eq!(first.map(id), Ok(1));
        drop(rx);
        let sent = producer.join().unwrap();
        assert!(matches!(sent, Ok(1) | Err(TrySendError::Closed(()) | TrySendError::Full(()))));
        assert_eq!(ledger.alive(), 0, "while a sender lives");
        drop(tx);
        assert_eq!(live_blocks(), 0, "blocks are left");
    });
}

/// Seen to fail with: `claim_up_to` that takes a newer word for a permission.
#[test]
fn l8_batch_against_receiver_drop_in_an_array() {
    against_drop("L8 batch, array", || channel(1, STAMP_WRAP));
}

/// As above.
#[test]
fn l8_batch_against_receiver_drop_in_blocks() {
    against_drop("L8 batch, blocks", || in_blocks(1, POS_WRAP));
}

/// After `close` and the `None` that follows no batch is accepted. Tags D1, C1.
///
/// Seen to fail with: `claim_up_to` that takes a newer word for a permission.
#[test]
fn l8_no_batch_after_the_end() {
    check("L8 batch, end", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.wide(1)).unwrap();
        let producer = spawn({
            let (tx, mut messages) = (tx.clone(), batch(&ledger, [2]));
            move || tx.try_send_many(&mut messages).is_ok()
        });
        rx.close();
        let got: Vec<_> = std::iter::from_fn(|| block_on(rx.recv())).map(id).collect();
        let sent = producer.join().unwrap();
        assert_eq!(got.len(), 1 + usize::from(sent), "accepted and never received");
        assert_eq!(ledger.alive(), 0);
    });
}

/// A pop leaves room to one who waits, and a batch comes meanwhile: it overtakes nobody. Tags W1,
/// W2.
#[test]
fn a_batch_overtakes_nobody() {
    check("batch behind a waiter", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        // The receiver has found that nobody waits: so its next pop frees.
        tx.try_send(ledger.wide(0)).unwrap();
        assert_eq!(rx.try_recv().map(id), Ok(0));
        tx.try_send(ledger.wide(1)).unwrap();
        let waiting = waiter(&tx, ledger.wide(2));
        let producer = spawn({
            let (tx, mut messages) = (tx.clone(), batch(&ledger, [3]));
            move || tx.try_send_many(&mut messages).is_ok()
        });
        drop(tx);
        assert_eq!(rx.try_recv().map(id), Ok(1));
        assert!(!producer.join().unwrap(), "a batch took the room of one who waits");
        assert!(block_on(waiting));
        assert_eq!(rx.try_recv().map(id), Ok(2));
        assert_eq!(ledger.alive(), 0);
    });
}

/// Likewise a single message, where the room was a permit's: then a claim need not look at the
/// head. Tag W2.
#[test]
fn a_plain_claim_overtakes_nobody() {
    check("claim behind a waiter", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let waiting = waiter(&tx, ledger.wide(1));
        let producer = spawn({
            let (tx, message) = (tx.clone(), ledger.wide(2));
            move || tx.try_send(message).is_ok()
        });
        drop((tx, permit));
        assert!(!producer.join().unwrap(), "a claim took the room of one who waits");
        assert!(block_on(waiting));
        assert_eq!(rx.try_recv().map(id), Ok(1));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A batch over several blocks beside a single send: both whole and in order, the batch with
/// nothing in between, and no block is reused under either. Tags P1, E1, E2, E3, E5.
#[test]
fn l21_batch_beside_a_send() {
    check("L21 batch, stamps wrap", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(STAMP_WRAP - 1);
        let other = spawn({
            let (tx, message) = (tx.clone(), ledger.wide(20));
            move || tx.send(message).unwrap()
        });
        let producer = spawn({
            let (ledger, mut messages) = (ledger.clone(), batch(&ledger, 10..13));
            move || {
                tx.send_many(&mut messages).unwrap();
                // Its blocks may be reused by now.
                tx.send(ledger.wide(13)).unwrap();
            }
        });
        let mut got = look(3, || rx.try_recv());
        other.join().unwrap();
        producer.join().unwrap();
        got.extend(std::iter::from_fn(|| rx.try_recv().ok()).map(id));
        let at = got.iter().position(|&id| id == 10).expect("sent");
        assert_eq!(got[at..at + 3], [10, 11, 12], "{got:?}");
        got.retain(|&id| id != 20);
        assert_eq!(got, [10, 11, 12, 13]);
        assert_eq!(ledger.alive(), 0);
        drop(rx);
        assert_eq!(live_blocks(), 0, "blocks are left");
    });
}

/// A receiver that waits for a batch over several blocks gets all of it, and the end: one wake-up
/// for the batch. Tags K1, P1, E1.
#[test]
fn l21_batch_against_park() {
    check("L21 batch, park, positions wrap", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(POS_WRAP);
        let producer = spawn({
            let mut messages = batch(&ledger, 10..13);
            move || tx.send_many(&mut messages).unwrap()
        });
        let got: Vec<_> = std::iter::from_fn(|| block_on(rx.recv())).map(id).collect();
        assert_eq!(got, [10, 11, 12]);
        producer.join().unwrap();
        assert_eq!(ledger.alive(), 0);
    });
}
