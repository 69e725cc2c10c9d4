//! Tasks and threads that wait for each other.
//!
//! Said of tasks that are roots, and of threads in blocking calls: what each waits for is all that
//! could wake it, and only the receiver of a full channel may be with somebody else by now. Of
//! other tasks it is a stall: a timeout around them could end it.

use std::future::pending;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parshall::introspect::FindingKind::{Deadlock, Stalled};
use parshall::introspect::Receiving;
use parshall::introspect::Verdict::{Conditional, Stuck};
use parshall::mpsc::{Receiver, Sender};

use crate::seen::Seen;
use crate::stage::{Stage, bounded, play, thread, until};

/// A deadlock of `tasks` through `channels` if the tasks are roots, else a stall of one of the
/// channels.
fn is_a_deadlock(seen: &Seen, channels: &[&str], tasks: &[&str], victims: u64) {
    if seen.roots() {
        let found = seen.says(Deadlock).verdict(Conditional).channels(channels).tasks(tasks);
        found.victims(victims);
    } else {
        seen.is_silent();
        seen.never_says(Deadlock);
        let found = seen.says(Stalled).verdict(Stuck);
        let receiver = found.receiver();
        assert!(channels.contains(&&receiver.channel.name[..]));
        // All of the circle is told, and nobody in it is its own victim.
        let Receiving::WaitsFor { chain, end: None } = &receiver.does else {
            panic!("{:?}", receiver.does);
        };
        assert_eq!(chain.len(), tasks.len());
        assert_eq!(chain[tasks.len() - 1].channel.id, receiver.channel.id);
        let text = found.finding.text();
        assert!(text.contains("what cannot be seen may still end"), "{text}");
        assert!(!text.contains("deadlock"), "{text}");
        found.tasks(tasks).victims(victims);
    }
}

/// Receives, and sends three for each message.
async fn answer_thrice(mut mailbox: Receiver<u32>, other: Sender<u32>) {
    while let Some(n) = mailbox.recv().await {
        for _ in 0..3 {
            other.send(n).await.unwrap();
        }
    }
}

/// ockam#1947, smoldot#520.
#[test]
fn two_mailboxes() {
    play(async |stage: Stage| {
        let (to_alice, alice) = bounded("alice's mailbox", 2);
        let (to_bob, bob) = bounded("bob's mailbox", 2);
        to_alice.try_send(1).unwrap();
        to_bob.try_send(1).unwrap();
        stage.spawn("alice", answer_thrice(alice, to_bob));
        stage.spawn("bob", answer_thrice(bob, to_alice));
    })
    .at_rest(|now| now.sends("alice's mailbox") == 1 && now.sends("bob's mailbox") == 1)
    .judge(|seen| {
        is_a_deadlock(seen, &["alice's mailbox", "bob's mailbox"], &["alice", "bob"], 0);
    });
}

/// As `two_mailboxes`, but they send before they receive: nobody is known as the receiver of
/// either.
#[test]
fn two_mailboxes_that_nobody_has_received_from() {
    async fn send_then_receive(mut mailbox: Receiver<u32>, other: Sender<u32>) {
        for n in 0..3 {
            other.send(n).await.unwrap();
        }
        while mailbox.recv().await.is_some() {}
    }
    play(async |stage: Stage| {
        let (to_alice, alice) = bounded("alice's mailbox", 2);
        let (to_bob, bob) = bounded("bob's mailbox", 2);
        stage.spawn("alice", send_then_receive(alice, to_bob));
        stage.spawn("bob", send_then_receive(bob, to_alice));
    })
    .at_rest(|now| now.sends("alice's mailbox") == 1 && now.sends("bob's mailbox") == 1)
    .judge(|seen| {
        seen.is_silent();
        for mailbox in ["alice's mailbox", "bob's mailbox"] {
            seen.says_of(Stalled, mailbox).verdict(Stuck);
        }
    });
}

/// chroma#5283.
#[test]
fn a_dispatcher_and_a_worker_that_asks_for_work() {
    enum Call {
        Job(u32),
        MoreWork,
    }
    play(async |stage: Stage| {
        let (to_dispatcher, mut calls) = bounded("dispatcher", 1);
        let (to_worker, mut jobs) = bounded("worker", 1);
        for n in 0..5 {
            let to_dispatcher = to_dispatcher.clone();
            stage.spawn(format!("client {n}"), async move {
                while to_dispatcher.send(Call::Job(n)).await.is_ok() {}
            });
        }
        stage.spawn("dispatcher", async move {
            while let Some(call) = calls.recv().await {
                if let Call::Job(job) = call {
                    to_worker.send(job).await.unwrap();
                }
            }
        });
        stage.spawn("worker", async move {
            while jobs.recv().await.is_some() {
                to_dispatcher.send(Call::MoreWork).await.unwrap();
            }
        });
    })
    .at_rest(|now| now.sends("dispatcher") == 6 && now.sends("worker") == 1)
    .judge(|seen| {
        is_a_deadlock(seen, &["dispatcher", "worker"], &["dispatcher", "worker"], 5);
    });
}

/// rumqtt#263, kube#926.
#[test]
fn a_task_that_fills_its_own_channel() {
    play(async |stage: Stage| {
        let (requests_tx, mut requests) = bounded("requests", 3);
        requests_tx.try_send(0).unwrap();
        stage.spawn("event loop", async move {
            while let Some(n) = requests.recv().await {
                for follow_up in 0..4 {
                    requests_tx.send(n + follow_up).await.unwrap();
                }
            }
        });
    })
    .at_rest(|now| now.sends("requests") == 1)
    .judge(|seen| is_a_deadlock(seen, &["requests"], &["event loop"], 0));
}

/// iroh-docs#81.
#[test]
fn a_subscriber_that_calls_back() {
    play(async |stage: Stage| {
        let (events_tx, mut events) = bounded("events", 4);
        let (commands_tx, mut commands) = bounded("commands", 1);
        commands_tx.try_send(0).unwrap();
        thread("actor", move || {
            while commands.blocking_recv().is_some() {
                (0..8).for_each(|event| events_tx.blocking_send(event).unwrap());
            }
        });
        stage.spawn("subscriber", async move {
            while let Some(event) = events.recv().await {
                commands_tx.send(event).await.unwrap();
            }
        });
    })
    .at_rest(|now| now.sends("events") == 1 && now.sends("commands") == 1)
    .judge(|seen| is_a_deadlock(seen, &["events", "commands"], &["actor", "subscriber"], 0));
}

#[test]
fn a_ring_of_three_one_of_them_a_thread() {
    async fn pass_on_twice(mut from: Receiver<u32>, to: Sender<u32>) {
        while let Some(n) = from.recv().await {
            to.send(n).await.unwrap();
            to.send(n).await.unwrap();
        }
    }
    play(async |stage: Stage| {
        let (to_parser, parser) = bounded("to parser", 1);
        let (to_index, index) = bounded("to index", 1);
        let (to_disk, mut disk) = bounded("to disk", 1);
        let first = to_parser.clone();
        first.try_send(0).unwrap();
        stage.spawn("parser", pass_on_twice(parser, to_index));
        stage.spawn("index", pass_on_twice(index, to_disk));
        thread("disk", move || {
            while let Some(n) = disk.blocking_recv() {
                to_parser.blocking_send(n).unwrap();
                to_parser.blocking_send(n).unwrap();
            }
        });
        until(|now| ["to parser", "to index", "to disk"].iter().all(|c| now.sends(c) == 1)).await;
        for n in 0..5 {
            let first = first.clone();
            stage.spawn(format!("client {n}"), async move { first.send(n).await });
        }
    })
    .at_rest(|now| {
        let [parser, others @ ..] = ["to parser", "to index", "to disk"].map(|c| now.sends(c));
        parser == 6 && others == [1, 1]
    })
    .judge(|seen| {
        let channels = ["to parser", "to index", "to disk"];
        is_a_deadlock(seen, &channels, &["parser", "index", "disk"], 5);
    });
}

/// Two actors whose loops choose between two channels: the receive that lost leaves its waker
/// behind.
#[test]
fn two_actors_that_select() {
    async fn actor(mut mailbox: Receiver<u32>, mut control: Receiver<u32>, other: Sender<u32>) {
        loop {
            tokio::select! {
                n = mailbox.recv() => for _ in 0..3 {
                    other.send(n.unwrap()).await.unwrap();
                },
                _ = control.recv() => {}
            }
        }
    }
    play(async |stage: Stage| {
        let (to_left, left) = bounded("left", 2);
        let (to_right, right) = bounded("right", 2);
        let (control_left, left_controlled) = bounded("control of left", 1);
        let (control_right, right_controlled) = bounded("control of right", 1);
        let first = to_left.clone();
        stage.spawn("left", actor(left, left_controlled, to_right));
        stage.spawn("right", actor(right, right_controlled, to_left));
        until(|now| ["left", "right"].iter().all(|c| now.receives(c))).await;
        // Of each message three come back.
        first.send(1).await.unwrap();
        drop(first);
        // Nobody uses them any more, but they live.
        let _kept = (control_left, control_right);
        pending::<()>().await;
    })
    .at_rest(|now| now.sends("left") == 1 && now.sends("right") == 1)
    .judge(|seen| is_a_deadlock(seen, &["left", "right"], &["left", "right"], 0));
}

/// It is a deadlock, but the waits wake the `FuturesUnordered`, which may hold more than these.
#[test]
fn two_mailboxes_in_futures_unordered() {
    async fn answer_thrice_at_once(mut mailbox: Receiver<u32>, other: Sender<u32>) {
        while let Some(n) = mailbox.recv().await {
            let sends: FuturesUnordered<_> = (0..3).map(|_| other.send(n)).collect();
            sends.for_each(async |sent| sent.unwrap()).await;
        }
    }
    play(async |stage: Stage| {
        let (to_alice, alice) = bounded("alice's mailbox", 2);
        let (to_bob, bob) = bounded("bob's mailbox", 2);
        to_alice.try_send(1).unwrap();
        to_bob.try_send(1).unwrap();
        stage.spawn("alice", answer_thrice_at_once(alice, to_bob));
        stage.spawn("bob", answer_thrice_at_once(bob, to_alice));
    })
    .at_rest(|now| now.sends("alice's mailbox") == 1 && now.sends("bob's mailbox") == 1)
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(Deadlock);
        seen.says(Stalled).verdict(Stuck);
    });
}

/// Threads in blocking calls are known, whatever the tasks are.
#[test]
fn two_threads() {
    fn answer_thrice(mut mailbox: Receiver<u32>, other: Sender<u32>) {
        while let Some(n) = mailbox.blocking_recv() {
            (0..3).for_each(|_| other.blocking_send(n).unwrap());
        }
    }
    play(async |_: Stage| {
        let (to_alice, alice) = bounded("alice's mailbox", 2);
        let (to_bob, bob) = bounded("bob's mailbox", 2);
        to_alice.try_send(1).unwrap();
        to_bob.try_send(1).unwrap();
        thread("alice", || answer_thrice(alice, to_bob));
        thread("bob", || answer_thrice(bob, to_alice));
    })
    .at_rest(|now| now.sends("alice's mailbox") == 1 && now.sends("bob's mailbox") == 1)
    .judge(|seen| {
        let found = seen.says(Deadlock).verdict(Conditional);
        found.channels(&["alice's mailbox", "bob's mailbox"]).tasks(&["alice", "bob"]).victims(0);
    });
}
