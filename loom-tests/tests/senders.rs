//! Waiting senders: registration against pops and releases, order, cancellation, batches.

#![cfg(parshall_loom)]

use core::task::{Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use loom::thread;
use loom_tests::{
    Bound, Boxed, Ledger, Msg, POS_WRAP, begin, block_on, channel, check, poll, recv, recv_id,
    spawn,
};
use parshall::mpsc::Sender;
use parshall::mpsc::error::TryRecvError;

/// A send that waits until it is done; the sender goes with it.
async fn send(tx: Sender<Msg>, msg: Msg) {
    tx.send(msg).await.expect("nobody closed");
}

/// A full channel of one, a sender that finds it full, a receiver that empties it: of the
/// registration and the pop, the later sees the earlier, and nobody sleeps beside a free slot. Tags
/// W1, C1.
#[test]
fn l9_registration_against_pop() {
    check("L9", Bound::Preemptions(4), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let msg = ledger.msg(1);
        let sender = spawn(move || block_on(send(tx, msg)));
        // One look only: if the pop misses the sender, nobody comes again.
        assert_eq!(rx.try_recv().unwrap().id, 0);
        sender.join().unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 1);
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// The same with both sides asleep in turn: three messages through a channel of one, across the
/// wrap of the positions. Tags W1, K1, K2, P1, C1.
#[test]
fn l9_ping_pong() {
    check("L9 ping-pong, positions wrap", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, POS_WRAP);
        let sender = spawn({
            let ledger = ledger.clone();
            move || (0..3).for_each(|id| block_on(tx.send(ledger.msg(id))).unwrap())
        });
        for id in 0..3 {
            assert_eq!(recv_id(&mut rx), Some(id));
        }
        sender.join().unwrap();
        assert_eq!(recv_id(&mut rx), None);
        assert_eq!(ledger.alive(), 0);
    });
}

/// TX_WAITING stands from an earlier wait, and the receiver clears it while a sender comes that
/// finds it standing: the receiver looks once more. Tag W1.
#[test]
fn l9_registration_against_clearing() {
    check("L9 clearing", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let mut earlier = begin(send(tx.clone(), ledger.msg(1)));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        assert!(poll(&mut earlier, Waker::noop()).is_ready());
        drop(earlier);
        let late = spawn({
            let ledger = ledger.clone();
            move || [2, 3].map(|id| block_on(tx.send(ledger.msg(id))).unwrap())
        });
        assert_eq!(rx.try_recv().unwrap().id, 1);
        assert_eq!(recv_id(&mut rx), Some(2));
        // If that pop misses the sender, nobody comes again.
        late.join().unwrap();
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Two senders wait in a known order: room is granted in that order. Tags W1, C1.
#[test]
fn l10_grants_in_order() {
    check("L10", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let senders = [1, 2].map(|id| begin(send(tx.clone(), ledger.msg(id))));
        drop(tx);
        let senders = senders.map(|s| spawn(move || block_on(s)));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        assert_eq!(recv_id(&mut rx), Some(1));
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(rx.try_recv().unwrap().id, 2);
        assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Disconnected);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Two senders register at the same time, and the receiver makes room for both: both get it, none
/// overtakes itself, the bits are clear at the end. Tags W1, W2, C1.
#[test]
fn l24_two_registrations_against_pops() {
    check("L24", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        let watch = tx.clone();
        tx.try_send(ledger.msg(0)).unwrap();
        tx.try_send(ledger.msg(1)).unwrap();
        let senders = [2, 3].map(|id| {
            let (tx, msg) = (tx.clone(), ledger.msg(id));
            spawn(move || block_on(send(tx, msg)))
        });
        drop(tx);
        assert_eq!(rx.try_recv().unwrap().id, 0);
        assert_eq!(rx.try_recv().unwrap().id, 1);
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!((watch.len(), watch.capacity()), (2, 0));
        let mut got = [rx.try_recv().unwrap().id, rx.try_recv().unwrap().id];
        got.sort_unstable(); // which of two producers is first is open
        assert_eq!((got, watch.capacity()), ([2, 3], 2));
        drop((watch, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// The first in line is dropped while the receiver makes room: the room goes to the second, whether
/// it was granted to the first or not. Tags W1, W2.
#[test]
fn l11_first_in_line_leaves() {
    check("L11", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let [first, second] = [1, 2].map(|id| begin(send(tx.clone(), ledger.msg(id))));
        let quitter = spawn(move || drop(first));
        let sender = spawn(move || block_on(second));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        assert_eq!(recv_id(&mut rx), Some(2));
        quitter.join().unwrap();
        sender.join().unwrap();
        assert_eq!((tx.len(), tx.capacity()), (0, 1));
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// The first in line is granted and dropped before it is polled, while the second polls: the grant
/// is handed on. Tag W2.
#[test]
fn l12_grant_is_handed_on() {
    check("L12", Bound::Exhaustive, || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let [first, second] = [1, 2].map(|id| begin(send(tx.clone(), ledger.msg(id))));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        let sender = spawn(move || block_on(second));
        drop(first);
        sender.join().unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 2);
        assert_eq!((tx.len(), tx.capacity()), (0, 1));
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A permit is given back while a sender registers: of the two steps on T, the later sees the
/// earlier. Tag W2.
#[test]
fn l13_permit_drop_against_registration() {
    check("L13", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let owner = spawn(move || drop(permit));
        block_on(tx.send(ledger.msg(1))).unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 1);
        owner.join().unwrap();
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A permit is given back while somebody registers for two, one of which is free: who has taken a
/// part and is told to look again loses nothing. Tag W2.
#[test]
fn l13_permit_drop_against_half_a_registration() {
    check("L13 half", Bound::Preemptions(2), || {
        let (tx, rx) = channel::<Msg>(2, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let owner = spawn(move || drop(permit));
        drop(block_on(tx.reserve_many(2)).unwrap());
        owner.join().unwrap();
        assert_eq!((tx.capacity(), tx.stats().reserved), (2, 0));
        drop((tx, rx));
    });
}

/// Two come at once for two units each, of which one is free and one comes back: never do both hold
/// one and wait for the other's. Tag W2.
#[test]
fn l24_two_halves() {
    check("L24 halves", Bound::Preemptions(1), || {
        let (tx, rx) = channel::<Msg>(2, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let two = |tx: Sender<Msg>| async move { drop(tx.reserve_many(2).await.unwrap()) };
        let other = spawn({
            let tx = tx.clone();
            move || block_on(two(tx))
        });
        let mut mine: Boxed<()> = Box::pin(two(tx.clone()));
        let done = poll(&mut mine, Waker::noop()).is_ready();
        drop(permit);
        if !done {
            block_on(mine);
        }
        other.join().unwrap();
        assert_eq!((tx.capacity(), tx.stats().reserved), (2, 0));
        drop((tx, rx));
    });
}

/// One waits for two units, which come by one pop each: the first of them ends no wait. Tags W1,
/// C1.
#[test]
fn l15_two_pops_serve_one() {
    check("L15 one for two", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        (0..2).for_each(|id| tx.try_send(ledger.msg(id)).unwrap());
        let many = begin({
            let tx = tx.clone();
            async move { drop(tx.reserve_many(2).await.unwrap()) }
        });
        let waiter = spawn(move || block_on(many));
        (0..2).for_each(|id| assert_eq!(rx.try_recv().unwrap().id, id));
        waiter.join().unwrap();
        assert_eq!((tx.capacity(), tx.stats().reserved), (2, 0));
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// Two senders wait and one `recv_many(2)` makes room for both with one move of the head: both are
/// granted. Tags W1, C1.
#[test]
fn l15_one_batch_serves_two() {
    check("L15", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        tx.try_send(ledger.msg(1)).unwrap();
        let senders = [2, 3].map(|id| {
            let waiting = begin(send(tx.clone(), ledger.msg(id)));
            spawn(move || block_on(waiting))
        });
        drop(tx);
        let mut got = Vec::new();
        assert_eq!(block_on(rx.recv_many(&mut got, 2)), 2);
        assert_eq!(got.iter().map(|msg| msg.id).collect::<Vec<_>>(), [0, 1]);
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(block_on(rx.recv_many(&mut got, 9)), 2);
        let mut late = [got[2].id, got[3].id];
        late.sort_unstable(); // both are granted at once; who sends first is open
        assert_eq!(late, [2, 3]);
        got.clear();
        assert_eq!(block_on(rx.recv_many(&mut got, 9)), 0);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Three wait and three slots become free at once, more than one critical section wakes (2 here):
/// the server looks again, and a sender that registers meanwhile is served too. Tags W1, C1.
#[test]
fn more_waiters_than_one_batch_wakes() {
    check("wake batches", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(3, 0);
        (0..3).for_each(|id| tx.try_send(ledger.msg(id)).unwrap());
        let mut waiting: Vec<Boxed<()>> =
            (3..6).map(|id| begin(send(tx.clone(), ledger.msg(id)))).collect();
        let late = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(6));
            move || block_on(send(tx, msg))
        });
        let mut got = Vec::new();
        assert_eq!(block_on(rx.recv_many(&mut got, 3)), 3);
        for sender in &mut waiting {
            assert!(poll(sender, Waker::noop()).is_ready(), "free room, and not granted");
        }
        // One look only: if it misses the late sender, nobody comes again.
        assert_eq!(rx.try_recv().unwrap().id, 3);
        late.join().unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).map(|msg| msg.id).collect();
        assert_eq!(rest, [4, 5, 6]);
        drop((got, waiting));
        assert_eq!(tx.capacity(), 3);
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// Three wait for one unit each and four slots become free at once: the last unit is given back
/// before the first wakers are called, and is there for one that comes meanwhile. Tags W1, W2.
///
/// Seen to fail with: what is in hand before wakers are called is not given back.
#[test]
fn a_batch_frees_more_than_is_waited_for() {
    check("wake batches, one left", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(4, 0);
        (0..4).for_each(|id| tx.try_send(ledger.msg(id)).unwrap());
        let mut waiting: Vec<Boxed<()>> =
            (4..7).map(|id| begin(send(tx.clone(), ledger.msg(id)))).collect();
        let late = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(7));
            move || block_on(send(tx, msg))
        });
        let mut got = Vec::new();
        assert_eq!(block_on(rx.recv_many(&mut got, 4)), 4);
        late.join().unwrap();
        for sender in &mut waiting {
            assert!(poll(sender, Waker::noop()).is_ready(), "free room, and not granted");
        }
        assert_eq!((tx.len(), tx.capacity()), (4, 0));
        drop((got, waiting, tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A wait for two units that holds one is dropped while the receiver makes room: its unit and its
/// place go to the next in line. Tags W1, W2.
#[test]
fn l26_half_served_wait_leaves() {
    check("L26", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let many = begin({
            let tx = tx.clone();
            async move { drop(tx.reserve_many(2).await.unwrap()) }
        });
        let next = begin(send(tx.clone(), ledger.msg(1)));
        assert_eq!(tx.stats().reserved, 1);
        let quitter = spawn(move || drop(many));
        let sender = spawn(move || block_on(next));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        quitter.join().unwrap();
        sender.join().unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 1);
        assert_eq!((tx.len(), tx.capacity(), tx.stats().reserved), (0, 2, 0));
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// The last in line leaves while another one comes: the two bits are set if and only if somebody
/// waits, so the newcomer is served and a later claim is not refused for nothing. Tags W1, W2.
#[test]
fn bits_follow_the_line() {
    check("bits", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let leaver = begin(send(tx.clone(), ledger.msg(1)));
        let quitter = spawn(move || drop(leaver));
        let sender = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(2));
            move || block_on(send(tx, msg))
        });
        assert_eq!(rx.try_recv().unwrap().id, 0);
        quitter.join().unwrap();
        sender.join().unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 2);
        tx.try_send(ledger.msg(3)).expect("nobody waits, and there is room");
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// The only one in line leaves while the receiver makes room: afterwards nobody waits, and a claim
/// is not refused for one who has gone. Tags W1, W2.
#[test]
fn bits_are_clear_when_the_line_is_empty() {
    check("bits clear", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let leaver = begin(send(tx.clone(), ledger.msg(1)));
        let quitter = spawn(move || drop(leaver));
        assert_eq!(rx.try_recv().unwrap().id, 0);
        quitter.join().unwrap();
        assert_eq!(tx.capacity(), 1);
        tx.try_send(ledger.msg(2)).expect("nobody waits, and there is room");
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

struct Reentrant(Sender<Msg>, Ledger);

impl Wake for Reentrant {
    fn wake(self: Arc<Self>) {
        // Whatever a waker may do: look, send, wait.
        let _ = (self.0.stats(), self.0.len(), self.0.capacity());
        let _ = self.0.try_send(self.1.msg(90));
        drop(self.0.clone());
    }
}

/// A waiting sender's waker calls back into the channel: no lock is held, nothing is lost. Tag W1.
#[test]
fn l22_waker_re_enters() {
    check("L22", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let mut first: Boxed<()> = Box::pin(send(tx.clone(), ledger.msg(1)));
        let waker = Waker::from(Arc::new(Reentrant(tx.clone(), ledger.clone())));
        assert!(poll(&mut first, &waker).is_pending());
        drop(waker);
        let second = begin(send(tx.clone(), ledger.msg(2)));
        let quitter = spawn(move || drop(second));
        assert_eq!(recv(&mut rx).map(|msg| msg.id), Some(0));
        assert!(poll(&mut first, Waker::noop()) == Poll::Ready(()));
        quitter.join().unwrap();
        let got: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).map(|msg| msg.id).collect();
        assert!(got == [1] || got == [90, 1] || got == [1, 90], "{got:?}");
        drop((first, tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// One comes and the first in line leaves, while a permit is given back: who gives it back must not
/// take the end of the line from before the newcomer and the front from after the leaver for an
/// empty line, nor go by the end that it saw first. Tags W2, Q8.
///
/// Two threads, for with a third no single preemption shows it. Seen to fail with, at one:
/// `arrivals` read before `front`; a server that reads `arrivals` once.
#[test]
fn l11_first_leaves_while_a_permit_returns() {
    check("L11 permit", Bound::Preemptions(2), || {
        let (tx, rx) = channel::<Msg>(1, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let one = |tx: Sender<Msg>| async move { drop(tx.reserve().await.unwrap()) };
        let first = begin(one(tx.clone()));
        let mut second: Boxed<()> = Box::pin(one(tx.clone()));
        let other = spawn(move || {
            let waits = poll(&mut second, Waker::noop()).is_pending();
            drop(first);
            waits.then_some(second)
        });
        drop(permit);
        if let Some(mut second) = other.join().unwrap() {
            assert!(poll(&mut second, Waker::noop()).is_ready(), "asleep beside free room");
        }
        assert_eq!(tx.capacity(), 1);
        drop((tx, rx));
    });
}

/// One has arrived and not looked; another one comes behind it, and leaves. The front stays
/// before the one that is still coming, so the next pop serves that one. Tag Q8.
///
/// Seen to fail with: a walk that moves the front over an Empty place.
#[test]
fn a_later_one_leaves_while_one_comes() {
    check("a later one leaves", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        tx.try_send(ledger.msg(0)).unwrap();
        let msg = ledger.msg(1);
        let sender = spawn({
            let tx = tx.clone();
            move || block_on(send(tx, msg))
        });
        drop(begin(send(tx, ledger.msg(2))));
        // Time for the sender to find no room.
        thread::yield_now();
        assert_eq!(rx.try_recv().unwrap().id, 0);
        sender.join().unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 1);
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Two each need both units, and come at the same time: neither keeps a part that the other waits
/// for. Tags W2, Q1.
#[test]
fn two_who_need_all_do_not_wait_for_each_others_parts() {
    check("parts", Bound::Preemptions(2), || {
        let (tx, rx) = channel::<Msg>(2, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let both = {
            let tx = tx.clone();
            spawn(move || block_on(async { drop(tx.reserve_many(2).await.unwrap()) }))
        };
        drop(permit);
        block_on(async { drop(tx.reserve_many(2).await.unwrap()) });
        both.join().unwrap();
        assert_eq!((tx.capacity(), tx.stats().reserved), (2, 0));
        drop(rx);
    });
}
