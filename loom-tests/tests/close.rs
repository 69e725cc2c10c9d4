//! Closing from either side, permits that are out, and drops that leave nothing behind.

#![cfg(parshall_loom)]

use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom_tests::{
    Bound, Boxed, Ledger, Msg, STAMP_WRAP, Wide, begin, block_on, channel, check, in_blocks,
    live_blocks, poll, recv, recv_id, spawn,
};
use parshall::mpsc::error::{TryRecvError, TrySendError};
use parshall::mpsc::{OwnedPermit, Receiver, Sender};

/// Plain data beside the channel: loom fails the execution unless its accesses are ordered.
#[derive(Clone)]
struct Beside(Arc<Shared>);

struct Shared(UnsafeCell<u32>);

// SAFETY: the point of the models is that the channel orders the accesses, and loom checks it.
unsafe impl Sync for Shared {}

impl Beside {
    fn new() -> Self {
        Self(Arc::new(Shared(UnsafeCell::new(0))))
    }

    fn write(&self, value: u32) {
        // SAFETY: loom checks that no other access is concurrent.
        self.0.0.with_mut(|p| unsafe { *p = value });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom checks that no write is concurrent.
        self.0.0.with(|p| unsafe { *p })
    }
}

/// The last sender goes while the receiver parks: it gets `None`. Tags K1, D1.
#[test]
fn l7_last_sender_against_park() {
    check("L7 park", Bound::Preemptions(4), || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        let beside = Beside::new();
        let sender = spawn({
            let beside = beside.clone();
            move || {
                beside.write(7);
                drop(tx);
            }
        });
        assert_eq!(recv(&mut rx), None);
        assert_eq!(beside.read(), 7);
        sender.join().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    });
}

/// Two senders go at once: `None` comes, and whoever gets it sees what both did before. Tags N1,
/// D1, K1.
#[test]
fn l7_two_senders_go() {
    check("L7 two senders", Bound::Preemptions(2), || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        let senders = [tx.clone(), tx].map(|tx| {
            let beside = Beside::new();
            let own = beside.clone();
            let thread = spawn(move || {
                own.write(7);
                drop(tx);
            });
            (thread, beside)
        });
        assert_eq!(recv(&mut rx), None);
        for (thread, beside) in senders {
            assert_eq!(beside.read(), 7);
            thread.join().unwrap();
        }
    });
}

/// `try_recv` says Disconnected: what all senders did before is visible. Tags N1, D1.
#[test]
fn l7_disconnected_shows_what_was_done_before() {
    check("L7 try_recv", Bound::Exhaustive, || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        let beside = Beside::new();
        let sender = spawn({
            let beside = beside.clone();
            move || {
                beside.write(7);
                drop(tx);
            }
        });
        match rx.try_recv() {
            Err(TryRecvError::Disconnected) => assert_eq!(beside.read(), 7),
            other => assert_eq!(other, Err(TryRecvError::Empty)),
        }
        sender.join().unwrap();
    });
}

/// The receiver ends the channel by `end`: a producer that is refused, or sees it closed, sees what
/// was done before. Tag D1.
fn d1(
    name: &str,
    bound: Bound,
    end: impl Fn(&mut Option<Receiver<u32>>) + Copy + Send + Sync + 'static,
) {
    check(name, bound, move || {
        let (tx, rx) = channel::<u32>(1, 0);
        let beside = Beside::new();
        let sender = spawn({
            let beside = beside.clone();
            move || {
                if tx.is_closed() || tx.try_send(1) == Err(TrySendError::Closed(1)) {
                    assert_eq!(beside.read(), 7);
                }
            }
        });
        beside.write(7);
        let mut rx = Some(rx);
        end(&mut rx);
        sender.join().unwrap();
        let got = rx.as_mut().and_then(recv);
        assert!(got.is_none_or(|got| got == 1));
    });
}

/// ... by closing.
#[test]
fn d1_closed_shows_what_was_done_before() {
    d1("D1 receiver", Bound::Exhaustive, |rx| rx.as_mut().unwrap().close());
}

/// ... by going.
///
/// Seen to fail with: a step in `close_and_abandon` that is Acquire alone.
#[test]
fn d1_gone_shows_what_was_done_before() {
    d1("D1 receiver gone", Bound::Preemptions(3), |rx| drop(rx.take()));
}

/// A count of 0, or a refused upgrade, shows what the last sender did before. Tag N1.
#[test]
fn n1_no_sender_left_shows_what_was_done_before() {
    check("N1 count", Bound::Exhaustive, || {
        let (tx, rx) = channel::<u32>(1, 0);
        let weak = tx.downgrade();
        let beside = Beside::new();
        let sender = spawn({
            let beside = beside.clone();
            move || {
                beside.write(7);
                drop(tx);
            }
        });
        if weak.strong_count() == 0 || weak.upgrade().is_none() {
            assert_eq!(beside.read(), 7);
        }
        sender.join().unwrap();
        drop(rx);
    });
}

/// An upgrade against the last drop: either it comes first and the channel stays open for it, or it
/// fails and the channel is closed. Tags N1, D1, K1.
#[test]
fn l21_upgrade_against_last_drop() {
    check("L21 upgrade", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let weak = tx.downgrade();
        let dropper = spawn(move || drop(tx));
        let upgrader = spawn({
            let msg = ledger.msg(1);
            move || match weak.upgrade() {
                Some(tx) => {
                    tx.try_send(msg).expect("a sender lives");
                    true
                }
                None => false,
            }
        });
        let got = recv_id(&mut rx);
        dropper.join().unwrap();
        assert_eq!(got, upgrader.join().unwrap().then_some(1));
        assert_eq!(recv_id(&mut rx), None);
        assert_eq!(ledger.alive(), 0);
    });
}

/// A producer against close and drain: what was accepted arrives once, what was refused comes back,
/// and nothing is accepted after close. Tags D1, P1.
#[test]
fn l8_try_send_against_close() {
    check("L8", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, STAMP_WRAP);
        let producer = spawn({
            let (tx, ledger) = (tx.clone(), ledger.clone());
            move || {
                let accepted = |id: &u32| match tx.try_send(ledger.msg(*id)) {
                    Ok(()) => true,
                    Err(TrySendError::Closed(msg)) => {
                        assert_eq!(msg.id, *id);
                        false
                    }
                    Err(TrySendError::Full(_)) => panic!("two messages fit"),
                };
                let sent = [accepted(&1), accepted(&2)];
                assert!(sent[0] || !sent[1], "accepted after a refusal");
                usize::from(sent[0]) + usize::from(sent[1])
            }
        });
        rx.close();
        assert!(matches!(tx.try_send(ledger.msg(9)), Err(TrySendError::Closed(_))));
        assert!(tx.is_closed() && rx.is_closed());
        let mut got = Vec::new();
        while let Some(id) = recv_id(&mut rx) {
            got.push(id);
        }
        assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Disconnected);
        assert_eq!(got.len(), producer.join().unwrap());
        assert!(got.iter().eq([1, 2].iter().take(got.len())), "{got:?}");
        assert_eq!(ledger.alive(), 0);
    });
}

/// A sender that registers while the receiver closes is refused, or was granted before; it never
/// sleeps on. So does one that waits in `closed`. Tags D1, W1, W2.
#[test]
fn close_against_registration() {
    check("close against registration", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let sender = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            move || block_on(tx.send(msg)).is_ok()
        });
        let watcher = spawn(move || block_on(tx.closed()));
        rx.close();
        let mut got = Vec::new();
        while let Some(id) = recv_id(&mut rx) {
            got.push(id);
        }
        watcher.join().unwrap();
        assert!(!sender.join().unwrap(), "there was no room before close");
        assert_eq!(got, [0]);
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// A sender that registers while the receiver goes is refused. Tag W2.
///
/// Seen to fail with: a step in `close_and_abandon` that is AcqRel (`parshall_fence_behind`).
#[test]
fn drop_against_registration() {
    check("drop against registration", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let msg = ledger.msg(1);
        let sender = spawn(move || block_on(tx.send(msg)).is_ok());
        drop(rx);
        assert!(!sender.join().unwrap(), "there was no room");
        assert_eq!(ledger.alive(), 0);
    });
}

/// The receiver goes by its closing step while somebody comes to wait for the end. Tags W2, Q9.
#[test]
fn drop_against_who_waits_for_the_end() {
    check("drop against closed", Bound::Preemptions(2), || {
        let (tx, rx) = channel::<u32>(1, 0);
        let watcher = spawn(move || block_on(tx.closed()));
        drop(rx);
        watcher.join().unwrap();
    });
}

/// One waits, and another one comes behind it while the receiver closes: both are refused. Tags W2,
/// Q2.
///
/// Seen to fail with: a `close` that reads `arrivals` once, and nobody who looks for closing behind
/// others. One of the two looks is enough.
#[test]
fn close_against_one_who_comes_behind() {
    check("close against one behind", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let sending = |tx: Sender<Msg>, msg| async move { tx.send(msg).await.is_ok() };
        let mut first = begin(sending(tx.clone(), ledger.msg(1)));
        let msg = ledger.msg(2);
        let second = spawn(move || block_on(sending(tx, msg)));
        rx.close();
        assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(false));
        assert!(!second.join().unwrap());
        drop((first, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A waiting send is granted by a pop, and the receiver closes before the grant is polled: the send
/// fails and its unit goes back, or it came first and its message arrives. The receiver gets `None`
/// in the end. Tags D1, K1, W1.
#[test]
fn close_overtakes_a_grant() {
    check("close overtakes a grant", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let waiting = begin({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            async move { tx.send(msg).await.is_ok() }
        });
        assert_eq!(rx.try_recv().unwrap().id, 0);
        let sender = spawn(move || block_on(waiting));
        rx.close();
        let got = recv_id(&mut rx);
        assert!(got.is_none() || recv_id(&mut rx).is_none());
        assert_eq!(got, sender.join().unwrap().then_some(1));
        assert_eq!(tx.stats().reserved, 0);
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// The receiver parks, its receive is dropped, it closes, and waits again, while `end` settles what
/// is out. It gets the message, if one is sent, and then `None`: it never hangs.
fn l14(
    name: &str,
    end: impl Fn(OwnedPermit<Msg>, Msg) + Copy + Send + Sync + 'static,
    expected: Option<u32>,
) {
    check(name, Bound::Preemptions(3), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let permit = tx.try_reserve_owned().unwrap();
        let msg = ledger.msg(5);
        let owner = spawn(move || end(permit, msg));
        let early = first_poll(&mut rx);
        rx.close();
        assert_eq!(early.or_else(|| recv_id(&mut rx)), expected);
        assert_eq!(recv_id(&mut rx), None);
        owner.join().unwrap();
        assert_eq!(ledger.alive(), 0);
    });
}

fn first_poll(rx: &mut Receiver<Msg>) -> Option<u32> {
    match rx.poll_recv(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(msg) => msg.map(|msg| msg.id),
        Poll::Pending => None,
    }
}

/// ... with a permit that is dropped: `None`. Tags K1, K2, D1.
#[test]
fn l14_permit_dropped() {
    l14("L14 drop", |permit, _| drop(permit), None);
}

/// ... with an owned permit that is released, its sender living on: `None`. Tags K1, K2, D1.
#[test]
fn l14_permit_released() {
    l14("L14 release", |permit, _| drop(permit.release()), None);
}

/// ... with a permit that is used: the message, then `None`. Tags K1, K2, P1.
#[test]
fn l14_permit_sent() {
    l14("L14 send", |permit, msg| drop(permit.send(msg)), Some(5));
}

/// A `reserve_many` that holds one unit of two when the receiver closes.
fn l14_many(name: &str, end: impl Fn(Boxed<bool>) + Copy + Send + Sync + 'static) {
    check(name, Bound::Preemptions(3), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let many = begin({
            let tx = tx.clone();
            async move { tx.reserve_many(2).await.is_ok() }
        });
        let owner = spawn(move || end(many));
        rx.close();
        assert_eq!(recv_id(&mut rx), Some(0));
        assert_eq!(recv_id(&mut rx), None);
        owner.join().unwrap();
        assert_eq!(tx.stats().reserved, 0);
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// ... and fails: its unit goes back and ends the receiver's wait. Tags K1, K2, D1.
#[test]
fn l14_reserve_many_fails() {
    l14_many("L14 failed reserve_many", |many| assert!(!block_on(many)));
}

/// ... and is dropped: likewise. Tags K1, K2, D1.
#[test]
fn l14_reserve_many_dropped() {
    l14_many("L14 cancelled reserve_many", drop);
}

/// The last permit goes, with its sender elsewhere, while the receiver of a closed channel parks
/// for the first time: the release ends the park. Tags K1, D1.
#[test]
fn l14_release_against_fresh_park() {
    check("L14 fresh park", Bound::Exhaustive, || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        rx.close();
        let owner = spawn(move || permit.release());
        assert_eq!(recv(&mut rx), None);
        drop((owner.join().unwrap(), tx));
    });
}

/// The last permit goes while the receiver takes a message, whose room it holds for one who has
/// left, closes, and parks: the release goes by the head of the moment, and ends the park. Tags K1,
/// C1.
///
/// Seen to fail with: `release` reads the head before the tail.
#[test]
fn l14_release_against_a_pop_that_holds() {
    check("L14 held", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        tx.try_send(ledger.msg(0)).unwrap();
        drop(begin({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            async move { tx.send(msg).await.is_ok() }
        }));
        let owner = spawn(move || drop(permit));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        rx.close();
        assert_eq!(recv_id(&mut rx), None);
        owner.join().unwrap();
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A permit was forgotten, and the last sender goes while the receiver parks: it gets `None`. Tags
/// K1, D1.
///
/// Seen to fail with: a receiver that still waits for the permit.
#[test]
fn l14_permit_forgotten() {
    check("L14 forgotten", Bound::Exhaustive, || {
        let (tx, mut rx) = channel::<u32>(1, 0);
        core::mem::forget(tx.try_reserve().unwrap());
        let sender = spawn(move || drop(tx));
        assert_eq!(recv(&mut rx), None);
        sender.join().unwrap();
    });
}

/// The receiver is dropped with messages in the channel while one sender sends and another waits:
/// every message is dropped once, by the time both senders have ended though a sender lives. Tags
/// D1, P1, W1.
#[test]
fn l18_receiver_dropped_against_sends() {
    check("L18", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, rx) = channel(2, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let senders = [1, 2].map(|id| {
            let (tx, msg) = (tx.clone(), ledger.msg(id));
            spawn(move || match block_on(tx.send(msg)) {
                Ok(()) => {}
                Err(refused) => assert_eq!(refused.0.id, id),
            })
        });
        drop(rx);
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(ledger.alive(), 0, "while a sender lives");
        assert!(tx.is_closed());
        drop(tx);
    });
}

/// Both ends go at once with messages in between: every message is dropped once. Tags N1, D1, P1.
#[test]
fn l18_both_ends_go() {
    check("L18 both ends", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, rx) = channel(2, STAMP_WRAP);
        tx.try_send(ledger.msg(0)).unwrap();
        let msg = ledger.msg(1);
        let sender = spawn(move || {
            let _ = tx.try_send(msg);
        });
        drop(rx);
        sender.join().unwrap();
        assert_eq!(ledger.alive(), 0);
    });
}

/// A parked receiver is dropped while a sender ends its park: its waker goes once, with one of the
/// two, and the message is dropped. Tags K1, K2, P1.
#[test]
fn l18_parked_receiver_dropped() {
    check("L18 parked", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let waker = loom_tests::Counting::new(Waker::noop());
        let pending =
            rx.poll_recv(&mut Context::from_waker(&Waker::from(waker.clone()))).is_pending();
        assert!(pending);
        let msg = ledger.msg(1);
        let sender = spawn(move || tx.try_send(msg).is_ok());
        drop(rx);
        let sent = sender.join().unwrap();
        assert_eq!(ledger.alive(), 0);
        assert_eq!(Arc::strong_count(&waker), 1, "the waker outlives the receiver");
        assert!(waker.wakes() <= usize::from(sent) + 1);
    });
}

/// ... while a permit is used, or given back: the receiver goes by its closing step, and its blocks
/// with it, though its park stands. Tags K1, K2, D1.
fn l18_parked(name: &str, end: impl Fn(OwnedPermit<Wide>, Wide) + Copy + Send + Sync + 'static) {
    check(name, Bound::Preemptions(2), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = in_blocks(2, 0);
        let permit = tx.try_reserve_owned().unwrap();
        let waker = loom_tests::Counting::new(Waker::noop());
        let pending =
            rx.poll_recv(&mut Context::from_waker(&Waker::from(waker.clone()))).is_pending();
        assert!(pending);
        let msg = ledger.wide(1);
        let owner = spawn(move || end(permit, msg));
        drop(rx);
        owner.join().unwrap();
        assert_eq!((ledger.alive(), live_blocks()), (0, 0));
        assert_eq!(Arc::strong_count(&waker), 1, "the waker outlives the receiver");
    });
}

#[test]
fn l18_parked_receiver_dropped_against_a_permit_sent() {
    l18_parked("L18 parked, permit sent", |permit, msg| drop(permit.send(msg)));
}

#[test]
fn l18_parked_receiver_dropped_against_a_permit_dropped() {
    l18_parked("L18 parked, permit dropped", |permit, _| drop(permit));
}

/// A permit is used while the receiver is dropped: the message is dropped promptly and once, by the
/// receiver's drain or by the sender that finds it gone. Tags D1, P1.
#[test]
fn l19_permit_sent_against_receiver_drop() {
    check("L19", Bound::Preemptions(4), || {
        let ledger = Ledger::default();
        let (tx, rx) = channel(1, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let owner = spawn({
            let ledger = ledger.clone();
            move || {
                let tx = permit.send(ledger.msg(1));
                assert!(tx.try_send(ledger.msg(2)).is_err(), "full, or closed");
            }
        });
        drop(rx);
        owner.join().unwrap();
        assert_eq!(ledger.alive(), 0, "while a sender lives");
        let stats = tx.stats();
        assert_eq!((stats.sent_total, stats.recv_total, stats.discarded), (1, 0, 1));
        assert_eq!((stats.queue_len, stats.reserved), (0, 0));
    });
}
