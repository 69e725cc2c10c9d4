//! The ring: claims, permits, slots and their reuse.

#![cfg(parshall_loom)]

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use loom_tests::{Bound, Ledger, Msg, POS_WRAP, STAMP_WRAP, channel, check, spawn};
use parshall::mpsc::Receiver;
use parshall::mpsc::error::{TryRecvError, TrySendError};

/// Two producers of two messages each against `try_recv`: each accepted message arrives once, in
/// its producer's order, no slot is touched by two at once, and the length stays within the
/// capacity.
fn l1(name: &str, bound: Bound, capacity: usize, start: u64, looks: usize) {
    check(name, bound, move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(capacity, start);
        let producers = [10, 20].map(|base| {
            let (tx, ledger) = (tx.clone(), ledger.clone());
            spawn(move || {
                let accepted = |id: &u32| match tx.try_send(ledger.msg(*id)) {
                    Ok(()) => true,
                    Err(TrySendError::Full(msg)) => {
                        assert_eq!(msg.id, *id);
                        false
                    }
                    Err(TrySendError::Closed(_)) => panic!("closed by nobody"),
                };
                [base, base + 1].into_iter().filter(accepted).collect::<Vec<_>>()
            })
        });
        drop(tx);
        let mut got = Vec::new();
        for _ in 0..looks {
            assert!(rx.len() <= capacity);
            match rx.try_recv() {
                Ok(msg) => got.push(msg.id),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        let sent = producers.map(|p| p.join().unwrap());
        got.extend(rest(&mut rx));
        for (base, sent) in [10, 20].into_iter().zip(&sent) {
            let own: Vec<_> = got.iter().copied().filter(|id| id - id % 10 == base).collect();
            assert_eq!(&own, sent, "of {got:?}");
        }
        assert_eq!(got.len(), sent[0].len() + sent[1].len());
        assert!(got.len() >= capacity.min(4), "room was refused: {got:?}");
        assert_eq!(ledger.alive(), 0);
    });
}

fn rest(rx: &mut Receiver<Msg>) -> Vec<u32> {
    let rest = std::iter::from_fn(|| rx.try_recv().ok()).map(|msg| msg.id).collect();
    assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Disconnected);
    rest
}

/// Exactly once, per-producer FIFO, no race on slots, `0 <= len <= capacity`; capacity 1. Tags P1,
/// C1.
#[test]
fn l1_two_producers_capacity_1() {
    l1("L1 capacity 1", Bound::Preemptions(2), 1, 0, 2);
}

/// As above with capacity 2, across the wrap of the stamps. Tags P1, C1.
#[test]
fn l1_two_producers_capacity_2() {
    l1("L1 capacity 2, stamps wrap", Bound::Preemptions(2), 2, STAMP_WRAP, 2);
}

/// As above with capacity 3, no power of two, across the wrap of the positions. Tags P1, C1.
#[test]
fn l1_two_producers_capacity_3() {
    l1("L1 capacity 3, positions wrap", Bound::Preemptions(2), 3, POS_WRAP, 2);
}

/// A send that has returned is never missed: with one producer perhaps between claim and publish,
/// `try_recv` does not say Empty once another one's send happened before it. Tag P1.
#[test]
fn l4_a_completed_send_is_never_missed() {
    check("L4 try_recv", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        let done = Arc::new(AtomicBool::new(false));
        let first = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            move || tx.try_send(msg).unwrap()
        });
        let second = spawn({
            let (msg, done) = (ledger.msg(2), done.clone());
            move || {
                tx.try_send(msg).unwrap();
                done.store(true, Ordering::Release);
            }
        });
        let mut got = Vec::new();
        if done.load(Ordering::Acquire) {
            assert!(!rx.is_empty());
            got.push(rx.try_recv().expect("a completed send was missed").id);
        }
        first.join().unwrap();
        second.join().unwrap();
        got.extend(rest(&mut rx));
        got.sort_unstable(); // which of two producers is first is open
        assert_eq!(got, [1, 2]);
        assert_eq!(ledger.alive(), 0);
    });
}

/// A permit is sent into a slot that its holder never saw freed: the claims of others on T carry
/// the receiver's release over to it. Also `try_reserve` counts against the capacity. Tag C1.
#[test]
fn permit_reuses_a_slot_it_never_saw_freed() {
    check("C1 permit", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, POS_WRAP);
        let permit = tx.clone().try_reserve_owned().unwrap();
        tx.try_send(ledger.msg(0)).unwrap();
        let late = ledger.msg(9);
        let holder = spawn(move || drop(permit.send(late)));
        let producer = spawn({
            let ledger = ledger.clone();
            move || (1..=2).filter(|id| tx.try_send(ledger.msg(*id)).is_ok()).count()
        });
        let mut got = Vec::new();
        for _ in 0..3 {
            assert!(rx.len() <= 2);
            if let Ok(msg) = rx.try_recv() {
                got.push(msg.id);
            }
        }
        holder.join().unwrap();
        let more = producer.join().unwrap();
        got.extend(rest(&mut rx));
        assert_eq!(got.len(), 2 + more);
        assert_eq!(got[0], 0);
        assert_eq!(got.iter().filter(|id| **id == 9).count(), 1);
        assert_eq!(ledger.alive(), 0);
    });
}

/// The head cache is a second road from the receiver's release to a claim: one producer learns of
/// the room from the other, without looking at H itself. Tag C1.
#[test]
fn room_is_learnt_from_another_producer() {
    check("C1 head cache", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        tx.try_send(ledger.msg(1)).unwrap();
        let producers = [2, 3].map(|id| {
            let (tx, msg) = (tx.clone(), ledger.msg(id));
            spawn(move || tx.try_send(msg).is_ok())
        });
        drop(tx);
        let mut got = vec![rx.try_recv().unwrap().id, rx.try_recv().unwrap().id];
        let sent = producers.map(|p| p.join().unwrap());
        got.extend(rest(&mut rx));
        assert_eq!(got.len(), 2 + usize::from(sent[0]) + usize::from(sent[1]));
        assert_eq!(ledger.alive(), 0);
    });
}

/// Full is never said on the ground of an old tail: here the channel is never full, while three
/// messages pass beside a producer that may have read the tail before all of them. Tag C1.
#[test]
fn full_is_not_said_from_an_old_tail() {
    check("old tail", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, POS_WRAP);
        let producer = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(9));
            move || tx.try_send(msg).expect("never more than one other message")
        });
        let mut got = Vec::new();
        for id in 1..=3 {
            tx.try_send(ledger.msg(id)).expect("never more than one other message");
            // The other producer's message may be the one that comes out.
            got.push(rx.try_recv().unwrap().id);
        }
        producer.join().unwrap();
        drop(tx);
        got.extend(rest(&mut rx));
        assert!(got.iter().filter(|id| **id != 9).eq([1, 2, 3].iter()), "{got:?}");
        assert_eq!(got.len(), 4);
        assert_eq!(ledger.alive(), 0);
    });
}
