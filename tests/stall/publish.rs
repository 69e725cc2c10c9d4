//! The one documented exception: the receiver waits for a message that is claimed and not yet
//! published, and what was sent behind it with it. That, and nothing more.

use parshall::mpsc::{self, Receiver, Sender};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::gate::{Victim, scene, start};
use crate::others::{CAPACITY, block_on, check_all, message, without_receiver};
use crate::support::pending;

pub(crate) const STEPS: &[&str] =
    &["publish: claimed", "publish: block left", "publish: to wake", "wait: over", "wake: taken"];

fn channel() -> (Sender<u64>, Receiver<u64>) {
    mpsc::channel(CAPACITY as usize)
}

/// A victim that sends message 0.
fn sender(step: &'static str, tx: &Sender<u64>) -> Victim<()> {
    let tx = tx.clone();
    Victim::stop_at(&[step], move |arm| {
        arm.now();
        tx.try_send(0).unwrap();
    })
}

/// Seen to fail with: a `park` that spins until the message is published, or returns without waking
/// itself.
#[test]
fn a_claimed_message_delays_what_is_behind_it_and_no_executor() {
    scene("publish: claimed", || {
        let (tx, mut rx) = channel();
        let victim = sender("publish: claimed", &tx);
        (1..CAPACITY).for_each(|i| tx.try_send(i).unwrap());
        tx.try_send(9).unwrap_err();
        let waiter = pending(tx.send(CAPACITY));
        assert!(without_receiver("publish: claimed", &tx).is_empty());

        let polls = AtomicU64::new(0);
        block_on(async {
            let received = async {
                let mut recv = std::pin::pin!(rx.recv());
                std::future::poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    recv.as_mut().poll(cx)
                })
                .await
            };
            let other = tokio::spawn(async {
                for _ in 0..1000 {
                    tokio::task::yield_now().await;
                }
            });
            tokio::select! {
                biased;
                message = received => panic!("received {message:?}"),
                other = other => other.unwrap(),
            }
        });
        // It asked again and again: it made way for the other task, and did not sleep.
        let polls = polls.into_inner();
        assert!(polls > 100, "polled {polls} times");
        assert_eq!(waiter.wakes(), 0);

        victim.release();
        for i in 0..CAPACITY {
            assert_eq!(rx.blocking_recv(), Some(i));
        }
        assert_eq!(waiter.wakes(), 1);
    });
}

/// A batch is one claim.
#[test]
fn a_claimed_batch_delays_likewise() {
    scene("publish: claimed", || {
        let (tx, mut rx) = channel();
        let own = tx.clone();
        let victim = Victim::stop_at(&["publish: claimed"], move |arm| {
            arm.now();
            own.try_send_many(&mut [0, 1].into()).unwrap();
        });
        (2..CAPACITY).for_each(|i| tx.try_send(i).unwrap());
        let mut receive = pending(rx.recv());
        assert_eq!(receive.wakes(), 1, "it yields");
        receive.still_pending();
        victim.release();
        assert_eq!(receive.ready(), Some(0));
        drop(receive);
        (1..CAPACITY).for_each(|i| assert_eq!(rx.blocking_recv(), Some(i)));
    });
}

/// The claim has ended the receiver's park. Asked again, the receiver yields.
#[test]
fn a_claim_that_ended_a_park_delays_likewise() {
    scene("publish: claimed", || {
        let (tx, mut rx) = channel();
        let mut receive = pending(rx.recv());
        let victim = sender("publish: claimed", &tx);
        tx.try_send(1).unwrap();
        assert_eq!(receive.wakes(), 0);
        receive.still_pending();
        assert_eq!(receive.wakes(), 1, "by itself");
        victim.release();
        assert_eq!(receive.wakes(), 2);
        assert_eq!(receive.ready(), Some(0));
        drop(receive);
        assert_eq!(rx.blocking_recv(), Some(1));
    });
}

/// What is no poll waits on its thread, with yields, for the message that comes before all others:
/// `try_recv`, which must not say Empty after a send that was completed, and the receiver's drop.
#[test]
fn a_claimed_message_delays_try_recv_and_the_receivers_drop() {
    scene("publish: claimed", || {
        let (tx, mut rx) = channel();
        let victim = sender("publish: claimed", &tx);
        tx.try_send(1).unwrap();
        let receiver = start("try_recv", move || (rx.try_recv(), rx.try_recv()));
        assert!(receiver.goes_on());
        victim.release();
        assert_eq!(receiver.finish(), (Ok(0), Ok(1)));

        let (tx, rx) = channel();
        let victim = sender("publish: claimed", &tx);
        let receiver = start("drop", move || drop(rx));
        assert!(receiver.goes_on());
        tx.try_send(1).unwrap_err();
        victim.release();
        receiver.finish();
    });
}

/// In the list of blocks, stopped with the next block appended and the last one not marked as left:
/// producers go on through many blocks.
#[test]
fn a_sender_stopped_between_blocks_delays_what_is_behind_it() {
    scene("publish: block left", || {
        // A list, of blocks for 32. (Without a capacity it would begin with a shorter one.)
        let (tx, mut rx) = mpsc::channel(10_000);
        (0..32).for_each(|i| tx.try_send(i).unwrap());
        let own = tx.clone();
        let victim = Victim::stop_at(&["publish: block left"], move |arm| {
            arm.now();
            own.try_send(32).unwrap();
        });
        let senders: Vec<_> = (1..=2)
            .map(|who| {
                let tx = tx.clone();
                start("publish: block left: senders", move || {
                    (0..1000).for_each(|i| tx.try_send(message(who, i)).unwrap());
                })
            })
            .collect();
        for sender in senders {
            sender.finish();
        }
        (0..32).for_each(|i| assert_eq!(rx.blocking_recv(), Some(i)));
        pending(rx.recv());
        victim.release();
        assert_eq!(rx.blocking_recv(), Some(32));
        let seen: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
        let all = (1..=2).flat_map(|who| (0..1000).map(move |i| message(who, i)));
        check_all("publish: block left", &seen, all.collect());
    });
}

/// Published, and the receiver not woken: it sleeps, but whatever asks is answered.
#[test]
fn a_sender_that_owes_the_receivers_wake_up_withholds_no_message() {
    scene("publish: to wake", || {
        let steps = [("publish: to wake", true), ("wait: over", true), ("wake: taken", false)];
        for (step, in_cell) in steps {
            let (tx, mut rx) = channel();
            let mut receive = pending(rx.recv());
            let victim = sender(step, &tx);
            let mut expected = without_receiver(step, &tx);
            assert_eq!(receive.wakes(), 0, "{step}");
            assert_eq!(receive.ready(), Some(0), "{step}");
            drop(receive);
            let mut seen = Vec::new();
            while let Ok(message) = rx.try_recv() {
                seen.push(message);
            }
            check_all(step, &seen, std::mem::take(&mut expected));
            // To park again it needs the cell: until that is back, it yields.
            let mut receive = pending(rx.recv());
            assert_eq!(receive.wakes(), usize::from(in_cell), "{step}");
            victim.release();
            tx.try_send(1).unwrap();
            assert_eq!(receive.ready(), Some(1), "{step}");
        }
    });
}
