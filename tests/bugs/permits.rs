//! Permits, and what comes back after the end. B2, B3, B6, B7, B13, B17, B34. The bounded channel's
//! alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;

use parshall::mpsc::error::{TryRecvError, TrySendError};
use parshall::mpsc::{self, Receiver, Sender};

use crate::support::hooked::{Hooked, Op};
use crate::support::watchdog::Watched;
use crate::support::{Drops, Wakes, now, pending, rounds};

/// Seen to fail with: a closed channel that calls itself full; and one that asks for room first.
#[test]
fn b02_try_calls_tell_full_from_closed_in_every_state() {
    // What try_send, try_reserve, try_reserve_many(2) and try_reserve_owned say, and of 0 and of 4
    // permits.
    let said = |tx: &Sender<u8>| {
        let of =
            |full: Option<bool>| full.map_or("ok", |full| if full { "full" } else { "closed" });
        let is_full = |error: TrySendError<()>| matches!(error, TrySendError::Full(()));
        let send = tx.try_send(0).map_err(|error| matches!(error, TrySendError::Full(_)));
        let many = |n| of(tx.try_reserve_many(n).map_err(is_full).map(drop).err());
        let owned = tx.clone().try_reserve_owned();
        let owned = owned.map_err(|error| matches!(error, TrySendError::Full(_))).map(drop);
        let one = of(tx.try_reserve().map_err(is_full).map(drop).err());
        [of(send.err()), one, of(owned.err()), many(2), many(0), many(4)]
    };
    let (tx, mut rx) = mpsc::channel(3);
    assert_eq!(said(&tx), ["ok", "ok", "ok", "ok", "ok", "full"], "open");
    (0..2).for_each(|_| tx.try_send(0).unwrap());
    assert_eq!(said(&tx), ["full", "full", "full", "full", "ok", "full"], "full");
    let waiting = pending(tx.send(0));
    rx.try_recv().unwrap();
    assert_eq!(said(&tx), ["full", "full", "full", "full", "ok", "full"], "granted elsewhere");
    drop(waiting);
    tx.try_send(0).unwrap();
    let closed = ["closed", "closed", "closed", "closed", "closed", "full"];
    rx.close();
    assert_eq!(said(&tx), closed, "closed and full");
    while rx.try_recv().is_ok() {}
    assert_eq!(said(&tx), closed, "closed and empty");
    drop(rx);
    assert_eq!(said(&tx), closed, "the receiver dropped");
}

/// Seen to fail with: `try_recv` that asks for CLOSED alone, and not for permits.
#[test]
fn b02_try_recv_says_empty_while_a_permit_is_out() {
    let (tx, mut rx) = mpsc::channel::<u8>(2);
    let permit = tx.try_reserve().unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "open, a permit out");
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "closed, a permit out");
    permit.send(1);
    assert_eq!(rx.try_recv(), Ok(1), "closed, a message in it");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected), "closed, idle, drained");
    let (tx, mut rx) = mpsc::channel::<u8>(2);
    let weak = tx.downgrade();
    let permit = tx.try_reserve_owned().unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "only an owned permit left");
    let tx = permit.send(3);
    drop(tx);
    assert_eq!(rx.try_recv(), Ok(3), "no sender, a message in it");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected), "no sender, drained");
    assert_eq!(weak.strong_count(), 0);
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut reserve = pending(tx.reserve());
    assert_eq!((rx.try_recv(), reserve.wakes()), (Ok(0), 1));
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "closed, a grant not polled");
    assert!(reserve.ready().is_err());
    assert_eq!((rx.try_recv(), rx.capacity()), (Err(TryRecvError::Disconnected), 1));
}

/// A closed channel of which one permit is out, and its receiver, which waits for that alone.
fn last_permit(
    road: &str,
    give_back: impl FnOnce(&Sender<u8>, &mut Receiver<u8>) -> Box<dyn FnOnce()>,
) {
    let (tx, mut rx) = mpsc::channel(3);
    let last = give_back(&tx, &mut rx);
    rx.close();
    let (wakes, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    assert!(rx.poll_recv(&mut cx).is_pending(), "{road}: a permit is out");
    last();
    assert_eq!(wakes.count(), 1, "{road}: the receiver must be woken");
    while let Poll::Ready(Some(_)) = rx.poll_recv(&mut cx) {}
    assert!(rx.poll_recv(&mut cx).is_ready(), "{road}: nothing can come any more");
    assert_eq!(rx.capacity(), 3, "{road}: all room is back");
}

/// Leaks a clone, so that what borrows from it can be kept in a box; the channel stays open.
fn leak<T>(tx: &Sender<T>) -> &'static Sender<T> {
    crate::support::leak(tx.clone())
}

/// Seen to fail with: `Ring::release` that leaves the park as it is.
#[test]
fn b03_the_receiver_is_woken_when_the_last_permit_is_dropped_after_close() {
    last_permit("permit dropped", |tx, _| {
        let permit = leak(tx).try_reserve().unwrap();
        Box::new(move || drop(permit))
    });
    last_permit("owned permit dropped", |tx, _| {
        let permit = tx.clone().try_reserve_owned().unwrap();
        Box::new(move || drop(permit))
    });
    last_permit("owned permit released", |tx, _| {
        let permit = tx.clone().try_reserve_owned().unwrap();
        Box::new(move || drop(permit.release()))
    });
    last_permit("iterator dropped", |tx, _| {
        let permits = leak(tx).try_reserve_many(2).unwrap();
        Box::new(move || drop(permits))
    });
    last_permit("iterator used up", |tx, _| {
        let permits = leak(tx).try_reserve_many(2).unwrap();
        Box::new(move || permits.for_each(drop))
    });
}

/// Seen to fail with: `claim_reserved` that does not say that it ended a park.
#[test]
fn b03_the_receiver_is_woken_when_the_last_permit_is_used_after_close() {
    last_permit("permit sent", |tx, _| {
        let permit = leak(tx).try_reserve().unwrap();
        Box::new(move || permit.send(1))
    });
    last_permit("owned permit sent", |tx, _| {
        let permit = tx.clone().try_reserve_owned().unwrap();
        Box::new(move || drop(permit.send(1)))
    });
    last_permit("permit of an iterator sent", |tx, _| {
        let permits = leak(tx).try_reserve_many(2).unwrap();
        Box::new(move || {
            let mut permits = permits;
            drop(permits.next());
            permits.next().unwrap().send(1);
        })
    });
}

/// Seen to fail with: `Acquire` that gives nothing back when it fails; and when it is dropped.
#[test]
fn b03_the_receiver_is_woken_when_the_last_wait_fails_or_is_dropped_after_close() {
    // Waits that were granted, or half granted, when the channel closed.
    let waits = [
        ("granted reserve failed", true, 1),
        ("granted reserve cancelled", false, 1),
        ("half granted reserve_many failed", true, 3),
        ("half granted reserve_many cancelled", false, 3),
    ];
    for (road, polled, need) in waits {
        last_permit(road, |tx, rx| {
            // Three of three cannot be had while one is out elsewhere: two are assigned.
            let kept = (need == 3).then(|| tx.clone().try_reserve_owned().unwrap());
            while tx.try_send(0).is_ok() {}
            let mut wait = pending(leak(tx).reserve_many(need));
            while rx.try_recv().is_ok() {}
            assert_eq!(wait.wakes(), usize::from(need == 1));
            Box::new(move || {
                drop(kept);
                if polled { assert!(wait.ready().is_err()) } else { drop(wait) }
            })
        });
    }
    for polled in [false, true] {
        last_permit("granted send", |tx, rx| {
            (0..3).for_each(|i| tx.try_send(i).unwrap());
            let mut send = pending(leak(tx).send(9));
            while rx.try_recv().is_ok() {}
            Box::new(move || if polled { assert!(send.ready().is_err()) } else { drop(send) })
        });
        last_permit("granted reserve_owned", |tx, rx| {
            (0..3).for_each(|i| tx.try_send(i).unwrap());
            let mut wait = pending(tx.clone().reserve_owned());
            while rx.try_recv().is_ok() {}
            Box::new(move || if polled { assert!(wait.ready().is_err()) } else { drop(wait) })
        });
    }
}

/// Notes its drop and panics in it.
struct Bad(Arc<AtomicUsize>);

impl Drop for Bad {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("bad");
    }
}

/// Seen to fail with: `send_reserved` that drops a late message before it gives the room back.
#[test]
fn b06_a_panicking_drop_of_a_late_message_gives_its_room_back_once() {
    type Late = fn(&Sender<Bad>, Bad) -> Box<dyn FnOnce()>;
    let roads: [Late; 3] = [
        |tx, bad| {
            let permit = leak(tx).try_reserve().unwrap();
            Box::new(move || permit.send(bad))
        },
        |tx, bad| {
            let permit = tx.clone().try_reserve_owned().unwrap();
            Box::new(move || drop(permit.send(bad)))
        },
        |tx, bad| {
            let mut permits = leak(tx).try_reserve_many(2).unwrap();
            Box::new(move || permits.next().unwrap().send(bad))
        },
    ];
    for road in roads {
        let (tx, rx) = mpsc::channel(2);
        let dropped = Arc::new(AtomicUsize::new(0));
        let send = road(&tx, Bad(dropped.clone()));
        drop(rx);
        assert!(catch_unwind(AssertUnwindSafe(send)).is_err());
        assert_eq!((dropped.load(Ordering::SeqCst), tx.capacity()), (1, 2));
    }
}

/// Seen to fail with: `release` that wakes before it gives the permits back.
#[test]
fn b07_panicking_wake_of_the_receiver_by_the_last_permit_after_close() {
    type Act = fn(Sender<u32>) -> Box<dyn FnOnce()>;
    // The sender that `release` gives back is owed.
    let acts: [(bool, Act); 4] = [
        (true, |tx| {
            let permit = leak(&tx).try_reserve().unwrap();
            Box::new(move || drop(permit))
        }),
        (true, |tx| {
            let permits = leak(&tx).try_reserve_many(2).unwrap();
            Box::new(move || drop(permits))
        }),
        (false, |tx| {
            let (permit, other) = (tx.clone().try_reserve_owned().unwrap(), tx);
            Box::new(move || drop((permit.release(), other)))
        }),
        (true, |tx| {
            let permit = leak(&tx).try_reserve().unwrap();
            Box::new(move || permit.send(7))
        }),
    ];
    for (goes_on, act) in acts {
        let (tx, mut rx) = mpsc::channel::<u32>(2);
        let act = act(tx);
        rx.close();
        let (trap, waker) = Hooked::trap(Op::Wake);
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!((trap.springs(act), trap.runs()), (goes_on, 1));
        while now(rx.recv()).is_some() {}
        assert_eq!(rx.capacity(), 2);
    }
}

/// tokio #7714: there such a message lives until the last handle goes.
///
/// Seen to fail with: `send_reserved` that puts a late message into the ring; and one that keeps
/// its room.
#[test]
fn b13_a_message_sent_by_permit_after_the_receiver_went_is_dropped_at_once() {
    let (tx, rx) = mpsc::channel(4);
    let (count, [a, b, c]) = Drops::many();
    let (permit, mut many) = (tx.try_reserve().unwrap(), tx.try_reserve_many(1).unwrap());
    let owned = tx.clone().try_reserve_owned().unwrap();
    drop(rx);
    permit.send(a);
    assert_eq!((count.get(), tx.capacity()), (1, 2));
    many.next().unwrap().send(b);
    assert_eq!((count.get(), tx.capacity()), (2, 3));
    let tx = owned.send(c);
    let stats = tx.stats();
    assert_eq!((count.get(), tx.capacity(), stats.discarded, stats.sent_total), (3, 4, 3, 3));
}

/// Room for one, and one or three who want it all the time; waits are begun and given up on the
/// way.
///
/// Seen to fail with: `pop` that serves nobody, which the watchdog ended. That `register` looks for
/// room once more is `b07_b08_drop_of_a_senders_waker_that_was_not_needed`'s, which makes room at
/// that very moment.
#[test]
fn b17_no_wake_up_of_a_sender_is_lost() {
    const EACH: usize = rounds(1500);
    let watched = Watched::new();
    for senders in [1, 3] {
        no_wake_up_is_lost(senders, EACH, &watched);
    }
}

fn no_wake_up_is_lost(senders: usize, each: usize, watched: &Watched) {
    let (tx, mut rx) = mpsc::channel(1);
    thread::scope(|scope| {
        for from in 0..senders {
            let tx = tx.clone();
            scope.spawn(move || {
                for number in 0..each {
                    // Waits that are given up, in line or after their grant.
                    let mut reserve = crate::support::task(tx.reserve());
                    let _ = reserve.poll().map(drop);
                    drop(reserve);
                    tx.blocking_send((from, number)).unwrap();
                }
            });
        }
        drop(tx);
        let mut next = vec![0; senders];
        while let Some((from, number)) = rx.blocking_recv() {
            assert_eq!(number, next[from], "b18: the messages of one sender keep their order");
            next[from] += 1;
            watched.moved();
        }
        assert_eq!(next, vec![each; senders]);
    });
}

/// Seen to fail with: `reserve_many` that asks the ring first; its sum overflows.
#[test]
fn b34_numbers_beyond_all_capacity_are_refused_and_take_nothing() {
    let (tx, mut rx) = mpsc::channel::<u8>(2);
    for n in [3, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        assert!(now(tx.reserve_many(n)).is_err());
        assert!(matches!(tx.try_reserve_many(n), Err(TrySendError::Full(()))));
    }
    assert_eq!((tx.capacity(), rx.try_recv()), (2, Err(TryRecvError::Empty)));
}
