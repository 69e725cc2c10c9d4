//! What looks like a deadlock, or like a sender that is kept, and gets on by what cannot be seen: a
//! handle that was moved, or sent.
//!
//! Seen to fail with an analysis to which one thing does not matter: weak senders, tasks that have
//! never run, other tasks that may have a sender.

use std::future::pending;
use std::thread;

use parshall::introspect::FindingKind::{Deadlock, SenderKept};
use parshall::introspect::Verdict::Proven;
use parshall::mpsc::{Builder, Sender};
use tokio::runtime;
use tokio::time::sleep;

use crate::seen::Seen;
use crate::stage::{Stage, bounded, play};

/// The receiver waits, and keeps the only strong sender. But a weak one is upgraded later.
#[test]
fn a_weak_sender_that_may_upgrade() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("jobs").capacity(1).trace_senders().build();
        let (weak, later) = (tx.downgrade(), stage.later());
        stage.spawn("worker", async move {
            let _kept = tx.clone();
            drop(tx);
            assert_eq!(rx.recv().await, Some(1));
        });
        thread::spawn(move || {
            thread::sleep(later);
            weak.upgrade().unwrap().blocking_send(1).unwrap();
        });
    })
    .at_rest(|now| now.receives("jobs") && now.senders("jobs") == 1)
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(SenderKept);
    });
}

/// Its former owner waits for room, but another task has the receiver, and was not polled yet: its
/// runtime is not driven until later.
#[test]
fn a_receiver_moved_to_a_task_that_was_not_polled() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("requests", 1);
        tx.try_send(0).unwrap();
        let other = runtime::Builder::new_current_thread().build().unwrap();
        let (there, later) = (stage.with(other.handle()), stage.later());
        stage.spawn("event loop", async move {
            rx.recv().await;
            let drained = there.spawn("drain", async move { while rx.recv().await.is_some() {} });
            for n in 1..3 {
                tx.send(n).await.unwrap();
            }
            drop(tx);
            drained.await.unwrap();
        });
        thread::spawn(move || {
            thread::sleep(later);
            other.block_on(pending::<()>());
        });
    })
    .at_rest(|now| now.sends("requests") == 1)
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(Deadlock);
    });
}

/// As above, but the task was polled, and keeps the receiver behind a timer. Nothing tells this
/// from a task that fills its own channel, so that it is a deadlock *unless* just this has
/// happened.
#[test]
fn a_receiver_moved_to_a_task_that_sleeps() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("requests", 1);
        tx.try_send(0).unwrap();
        let there = stage.clone();
        stage.spawn("event loop", async move {
            rx.recv().await;
            let later = there.later();
            there.spawn("drain", async move {
                sleep(later).await;
                while rx.recv().await.is_some() {}
            });
            for n in 1..3 {
                tx.send(n).await.unwrap();
            }
        });
    })
    .at_rest(|now| now.sends("requests") == 1)
    .ends()
    .judge(|seen| {
        let findings = seen.said.iter().flat_map(|said| &said.findings);
        for found in findings.filter(|found| found.kind == Deadlock) {
            assert_ne!(found.verdict, Proven);
            let unless = found.assumption.as_ref().unwrap();
            assert!(unless.contains("moved") && unless.contains("requests"), "{unless}");
        }
        if !seen.roots() {
            seen.is_silent();
        }
    });
}

/// An answer is awaited. The only sender lies in a message that was not received yet.
#[test]
fn a_sender_inside_a_queued_message() {
    play(async |stage: Stage| {
        let (to_server, mut requests) = bounded::<Sender<u32>>("requests", 1);
        let later = stage.later();
        stage.spawn("server", async move {
            sleep(later).await;
            while let Some(reply) = requests.recv().await {
                reply.send(1).await.unwrap();
            }
        });
        stage.spawn("client", async move {
            let (reply, mut answer) = Builder::new().name("answer").trace_senders().build();
            to_server.send(reply).await.unwrap();
            assert_eq!(answer.recv().await, Some(1));
        });
    })
    .at_rest(|now| now.len("requests") == 1 && now.receives("answer"))
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(SenderKept);
    });
}

/// As above, but the message was received: who has it works on the answer.
#[test]
fn a_sender_that_was_sent_to_another_task() {
    play(async |stage: Stage| {
        let (to_server, mut requests) = bounded::<Sender<u32>>("requests", 1);
        let later = stage.later();
        stage.spawn("server", async move {
            while let Some(reply) = requests.recv().await {
                sleep(later).await;
                reply.send(1).await.unwrap();
            }
        });
        stage.spawn("client", async move {
            let (reply, mut answer) = Builder::new().name("answer").trace_senders().build();
            to_server.send(reply).await.unwrap();
            assert_eq!(answer.recv().await, Some(1));
        });
    })
    .at_rest(|now| now.received("requests") == 1 && now.receives("answer"))
    .ends()
    .judge(Seen::is_silent);
}
