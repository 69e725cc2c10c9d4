//! The receiver's park, its waker's cell, and every way a wait can end.

#![cfg(parshall_loom)]

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Wake;

use loom::thread;
use loom_tests::{
    Bound, Counting, Ledger, Msg, STAMP_WRAP, block_on, channel, check, recv_id, spawn,
};
use parshall::mpsc::Receiver;

/// A fresh park and a send: whichever comes first, the receiver gets the message. Tags P1, K1.
#[test]
fn l2_park_against_send() {
    check("L2", Bound::Exhaustive, || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let sender = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            move || tx.try_send(msg).unwrap()
        });
        assert_eq!(recv_id(&mut rx), Some(1));
        sender.join().unwrap();
        drop(tx);
        assert_eq!(recv_id(&mut rx), None);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Receives `n` messages with one counting waker. Returns them, the polls that were pending, and
/// the wake-ups.
fn receive_counting(rx: &mut Receiver<Msg>, n: usize) -> (Vec<u32>, usize, usize) {
    let (mut got, mut pendings) = (Vec::new(), 0);
    let mut counter: Option<Arc<Counting>> = None;
    block_on(poll_fn(|cx| {
        let counter = counter.get_or_insert_with(|| Counting::new(cx.waker()));
        let waker = Waker::from(counter.clone());
        let mut cx = Context::from_waker(&waker);
        while got.len() < n {
            match rx.poll_recv(&mut cx) {
                Poll::Ready(msg) => got.push(msg.expect("nobody closed").id),
                Poll::Pending => {
                    pendings += 1;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }));
    (got, pendings, counter.map_or(0, |c| c.wakes()))
}

fn l3(name: &str, bound: Bound, capacity: usize, start: u64) {
    check(name, bound, move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(capacity, start);
        let senders = [1, 2].map(|id| {
            let (tx, msg) = (tx.clone(), ledger.msg(id));
            spawn(move || tx.try_send(msg).unwrap())
        });
        let (mut got, pendings, wakes) = receive_counting(&mut rx, 2);
        assert!(wakes <= pendings, "{wakes} wake-ups for {pendings} waits");
        got.sort_unstable(); // which of two producers is first is open
        assert_eq!(got, [1, 2]);
        for sender in senders {
            sender.join().unwrap();
        }
        drop(tx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// Two senders against a receiver that parks twice: nothing is lost, and nobody is woken more often
/// than it waited. The second park reuses the waker's cell. Tags P1, K1, K2.
#[test]
fn l3_two_senders_two_receives() {
    l3("L3", Bound::Preemptions(2), 2, 0);
}

/// As above across the wrap of the stamps. Tags P1, K1, K2.
#[test]
fn l3_across_the_wrap() {
    l3("L3, stamps wrap", Bound::Preemptions(2), 3, STAMP_WRAP);
}

/// The cell is written anew only after the one who ended the last park has emptied it: the receiver
/// gets the message by polling, unwoken, and parks again under another waker. Tags K1, K2.
#[test]
fn l20_cell_is_handed_back_before_it_is_reused() {
    check("L20", Bound::Exhaustive, || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let [a, b] = [(); 2].map(|()| Counting::new(Waker::noop()));
        let [wake_a, wake_b] = [&a, &b].map(|w| Waker::from(w.clone()));
        assert!(rx.poll_recv(&mut Context::from_waker(&wake_a)).is_pending());
        let sender = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            move || tx.try_send(msg).unwrap()
        });
        let early = rx.try_recv().is_ok();
        let second = rx.poll_recv(&mut Context::from_waker(&wake_b));
        sender.join().unwrap();
        if early {
            assert!(second.is_pending());
            assert_eq!(a.wakes(), 1, "the park under A was ended by the message");
        } else if second.is_pending() {
            assert!(b.wakes() >= 1, "B waits, and nobody woke it");
            assert_eq!(rx.try_recv().unwrap().id, 1);
        }
        drop((tx, rx, second));
        assert_eq!(ledger.alive(), 0);
    });
}

/// The receiver polls with waker A, then with waker B, while a sender sends: B is woken, or the
/// poll with B is ready. Tags K1, K2.
#[test]
fn l5_the_last_waker_counts() {
    check("L5", Bound::Exhaustive, || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let sender = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            move || tx.try_send(msg).unwrap()
        });
        let [a, b] = [(); 2].map(|()| Counting::new(Waker::noop()));
        let mut poll =
            |w: &Arc<Counting>| rx.poll_recv(&mut Context::from_waker(&Waker::from(w.clone())));
        let ready = poll(&a).is_ready() || poll(&b).is_ready();
        sender.join().unwrap();
        assert!(a.wakes() + b.wakes() <= 2);
        if !ready {
            assert!(b.wakes() >= 1, "B waits, and nobody woke it");
            let Poll::Ready(Some(msg)) = poll(&b) else { panic!("woken, and nothing there") };
            assert_eq!(msg.id, 1);
        }
        drop(tx);
        assert_eq!(ledger.alive(), 0);
    });
}

/// A receiver that is polled again with the waker that lies in its cell, as in a `select!` whose
/// other branches were woken, waits on in the park that stands; a message wakes it, and so does the
/// end. Tags K1, K2.
///
/// Seen to fail with: a poll that goes on in its park, though that does not stand.
fn polled_again(name: &str, sends: u32) {
    check(name, Bound::Preemptions(2), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let sender = spawn({
            let msg = ledger.msg(1);
            move || {
                if sends > 0 {
                    tx.try_send(msg).unwrap()
                }
            }
        });
        let got = block_on(poll_fn(|cx| match rx.poll_recv(cx) {
            Poll::Pending => rx.poll_recv(cx),
            ready => ready,
        }));
        assert_eq!(got.map(|msg| msg.id), (sends > 0).then_some(1));
        sender.join().unwrap();
        drop(rx);
        assert_eq!(ledger.alive(), 0);
    });
}

#[test]
fn l5_a_message_wakes_who_was_polled_again() {
    polled_again("L5 polled again", 1);
}

#[test]
fn l5_the_end_wakes_who_was_polled_again() {
    polled_again("L5 polled again, end", 0);
}

/// A receive that was dropped while it waited leaves its park behind; the next one is woken all the
/// same. Tags K1, K2.
#[test]
fn l6_dropped_receive_then_another() {
    check("L6", Bound::Exhaustive, || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let sender = spawn({
            let (tx, msg) = (tx.clone(), ledger.msg(1));
            move || tx.try_send(msg).unwrap()
        });
        let early = {
            let mut receive = std::pin::pin!(rx.recv());
            match receive.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(msg) => msg.map(|msg| msg.id),
                Poll::Pending => None,
            }
        };
        assert_eq!(early.or_else(|| recv_id(&mut rx)), Some(1));
        sender.join().unwrap();
        drop(tx);
        assert_eq!(ledger.alive(), 0);
    });
}

struct Panicking(loom::thread::Thread);

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
        panic!("a waker's own fault");
    }
}

/// A waker that panics costs the sender whose step woke it nothing: the message is there, the
/// permit is used up, its sender comes back, and the channel goes on. Tags K1, K2.
#[test]
fn panicking_waker_leaves_the_channel_whole() {
    std::panic::set_hook(Box::new(|info| {
        if !info.to_string().contains("own fault") {
            eprintln!("{info}");
        }
    }));
    check("panicking waker", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let msg = ledger.msg(1);
        let waker = Waker::from(Arc::new(Panicking(thread::current())));
        let sender = spawn(move || {
            drop(permit.send(msg));
        });
        let got = loop {
            match catch_unwind(AssertUnwindSafe(|| rx.poll_recv(&mut Context::from_waker(&waker))))
            {
                Ok(Poll::Ready(got)) => break got.map(|msg| msg.id),
                Ok(Poll::Pending) => thread::park(),
                // The receiver woke itself for a message in flight.
                Err(_) => thread::yield_now(),
            }
        };
        assert_eq!(got, Some(1));
        sender.join().unwrap();
        assert_eq!(tx.capacity(), 1);
        tx.try_send(ledger.msg(2)).unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 2);
        drop(tx);
        assert_eq!(recv_id(&mut rx), None);
        drop((rx, waker));
        assert_eq!(ledger.alive(), 0);
    });
}
