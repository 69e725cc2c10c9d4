//! Room that was granted or reserved and is not used; senders that are kept.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parshall::introspect::Evidence;
use parshall::introspect::FindingKind::{Futurelock, HeldPermits, SenderKept, Stalled};
use parshall::introspect::Verdict::{Conditional, Proven, Stuck};
use parshall::mpsc::{Builder, OwnedPermit};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::seen::{Now, Seen, has_said, says};
use crate::stage::{Stage, bounded, play, until};

/// omicron#9272. The room is granted to a send that its task does not poll, since it waits behind
/// it.
///
/// Of a task that is no root it is not proven: a timeout around it may drop the send. Of a plain
/// task it is not known that it has run since.
#[test]
fn a_send_that_waits_behind_one_that_is_not_polled() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("log", 1);
        let (tick, ticked) = oneshot::channel();
        tx.try_send("first").unwrap();
        stage.spawn("reporter", async move {
            let mut report = pin!(tx.send("report"));
            tokio::select! {
                _ = &mut report => {}
                _ = ticked => tx.send("tick").await.unwrap(),
            }
        });
        until(|now| now.sends("log") == 1).await;
        tick.send(()).unwrap();
        until(|now| now.sends("log") == 2).await;
        stage.spawn("collector", async move { while rx.recv().await.is_some() {} });
    })
    .at_rest(|now| now.granted("log") == 1 && now.sends("log") == 1 && now.receives("log"))
    .judge(|seen| {
        if seen.roots() {
            let found = seen.says(Futurelock).verdict(Proven).channels(&["log"]);
            let Evidence::Futurelock { holder, waits, polls, .. } = &found.finding.evidence else {
                panic!("{:?}", found.finding.evidence);
            };
            assert_eq!((&holder.name[..], polls.is_none_or(|polls| polls > 0)), ("reporter", true));
            assert_eq!(waits.as_ref().unwrap().channel.name, "log");
            found.tasks(&["reporter"]).victims(1);
        } else {
            seen.is_silent();
            let held = [Futurelock, HeldPermits, Stalled];
            assert!(held.into_iter().any(|kind| has_said(&seen.said, kind)), "room is held");
            if !seen.named() {
                let found = seen.says(HeldPermits).verdict(Stuck).channels(&["log"]);
                let Evidence::HeldPermits { reserved, granted, grants, .. } =
                    &found.finding.evidence
                else {
                    panic!("{:?}", found.finding.evidence);
                };
                assert_eq!((*reserved, *granted, grants.len()), (1, 1, 1));
                assert_eq!(grants[0].waits.as_ref().unwrap().channel.name, "log");
                let text = found.finding.text();
                assert!(text.starts_with("log 0/1: the room was granted to `task "), "{text}");
                found.tasks(&["reporter"]);
            }
        }
    });
}

/// zebra#491, tower#472.
#[test]
fn a_reservation_that_is_not_used() {
    struct Connection {
        _next: Option<OwnedPermit<u32>>,
    }
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("slots", 1);
        let permit = tx.clone().reserve_owned().await.unwrap();
        stage.spawn("connection", async move {
            let _connection = Connection { _next: Some(permit) };
            pending::<()>().await;
        });
        stage.spawn("writer", async move { tx.send(1).await });
        stage.spawn("reader", async move { while rx.recv().await.is_some() {} });
    })
    .at_rest(|now| now.sends("slots") == 1 && now.receives("slots"))
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(HeldPermits).verdict(Stuck).channels(&["slots"]);
        let Evidence::HeldPermits { channel, reserved, granted, behind, .. } =
            &found.finding.evidence
        else {
            panic!("{:?}", found.finding.evidence);
        };
        assert_eq!((channel.len, channel.capacity), (0, Some(1)));
        assert_eq!((*reserved, *granted), (1, 0));
        assert_eq!(behind.senders, 1);
    });
}

/// What is said of a receiver that waits for the end, since `place` keeps a sender.
fn is_kept(seen: &Seen, place: &str) {
    let found = seen.says(SenderKept).verdict(Conditional).channels(&["jobs"]);
    let Evidence::SenderKept { receiver, senders, made_at, .. } = &found.finding.evidence else {
        panic!("{:?}", found.finding.evidence);
    };
    assert_eq!((&receiver.name[..], *senders), ("worker", 1));
    assert_eq!(made_at.len(), 1);
    assert!(made_at[0].starts_with(place), "{made_at:?}");
}

/// tokio#1761. The task that receives keeps a clone itself.
#[test]
fn a_receiver_that_keeps_a_sender() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("jobs").capacity(4).trace_senders().build();
        let (feed, fed) = oneshot::channel();
        stage.spawn("worker", async move {
            let again = tx.clone();
            feed.send(tx).unwrap();
            while let Some(job) = rx.recv().await {
                if job > 100 {
                    again.send(job - 100).await.unwrap();
                }
            }
        });
        let tx = fed.await.unwrap();
        tx.send(107).await.unwrap();
    })
    .at_rest(|now| now.received("jobs") == 2 && now.receives("jobs") && now.senders("jobs") == 1)
    .judge(|seen| {
        if seen.roots() {
            is_kept(seen, file!());
        } else {
            seen.is_silent();
        }
    });
}

/// As above, untraced: it made the channel, and the senders that it gave away have gone. That they
/// go must be seen, so the feeder lives until it was looked at twice.
#[test]
fn a_receiver_that_keeps_the_sender_it_made() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    static WITHOUT: AtomicUsize = AtomicUsize::new(0);
    play(async |stage: Stage| {
        let there = stage.clone();
        stage.spawn("worker", async move {
            let (tx, mut rx) = bounded("jobs", 4);
            let feed = tx.clone();
            there.spawn("feeder", async move {
                feed.send(1).await.unwrap();
                while LOOKS.load(Ordering::Relaxed) < 2 {
                    sleep(Duration::from_millis(1)).await;
                }
            });
            while rx.recv().await.is_some() {}
            drop(tx);
        });
    })
    .at_rest(|now| now.received("jobs") == 1 && now.receives("jobs"))
    .looks_until(|said| {
        LOOKS.store(said.len(), Ordering::Relaxed);
        let alone = Now::look().senders("jobs") == 1;
        let without = WITHOUT.fetch_add(alone.into(), Ordering::Relaxed);
        says(said, &[SenderKept]) || without == 6
    })
    .judge(|seen| {
        if seen.roots() {
            let found = seen.says(SenderKept).verdict(Conditional).channels(&["jobs"]);
            found.tasks(&["worker"]);
        } else {
            seen.is_silent();
        }
    });
}

/// taskbroker#618. Main holds it while it joins the receiver's task. Nobody sees what main waits
/// for.
#[test]
fn a_main_that_keeps_a_sender_and_joins_the_receiver() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("jobs").capacity(4).trace_senders().build();
        let worker = stage.spawn("worker", async move { while rx.recv().await.is_some() {} });
        tx.send(1).await.unwrap();
        worker.await.unwrap();
        drop(tx);
    })
    .at_rest(|now| now.received("jobs") == 1 && now.receives("jobs"))
    .judge(|seen| {
        if seen.roots() {
            is_kept(seen, file!());
        } else {
            seen.is_silent();
        }
    });
}

/// dirge#644. A detached task keeps a clone while it sleeps.
#[test]
fn a_sleeper_that_keeps_a_sender() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("jobs").capacity(4).trace_senders().build();
        let (sleeper, later) = (tx.clone(), stage.later());
        stage.spawn("sleeper", async move {
            sleep(later).await;
            drop(sleeper);
        });
        stage.spawn("worker", async move { while rx.recv().await.is_some() {} });
        tx.send(1).await.unwrap();
    })
    .at_rest(|now| now.received("jobs") == 1 && now.receives("jobs") && now.senders("jobs") == 1)
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(SenderKept);
    });
}
