//! Nobody receives, or nobody runs. Facts, whatever the tasks are: a plain task is not seen to wait
//! for anything outside of the channels, so nothing is said of what it does.

use std::future::pending;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use parshall::introspect::FindingKind::{Deadlock, Refused, Stalled, Starved};
use parshall::introspect::Verdict::{Signal, Stuck};
use parshall::introspect::{Evidence, Receiving};
use tokio::sync::oneshot;
use tokio::time::interval;

use crate::seen::{Said, are, says};
use crate::stage::{On, Stage, bounded, play, until};

/// What the receiver does instead: this if its task has a name, else it is not known.
fn does(found: Said<'_>, named: bool, what: impl Fn(&Receiving) -> bool) {
    let does = &found.receiver().does;
    assert!(if named { what(does) } else { *does == Receiving::Unknown }, "{does:?}");
}

/// polkadot#6956. The answer comes through a channel of another library.
#[test]
fn a_request_whose_answer_waits_for_the_asker() {
    play(async |stage: Stage| {
        let (to_asker, mut mailbox) = bounded("asker's mailbox", 1);
        let (to_answerer, mut requests) = bounded("requests", 1);
        to_asker.try_send(0).unwrap();
        stage.spawn("asker", async move {
            while mailbox.recv().await.is_some() {
                let (reply, answer) = oneshot::channel::<()>();
                to_answerer.send(reply).await.unwrap();
                answer.await.unwrap();
            }
        });
        stage.spawn("answerer", async move {
            while let Some(reply) = requests.recv().await {
                to_asker.send(1).await.unwrap();
                to_asker.send(2).await.unwrap();
                reply.send(()).unwrap();
            }
        });
    })
    .at_rest(|now| now.sends("asker's mailbox") == 1)
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Stalled).verdict(Stuck).channels(&["asker's mailbox"]).victims(1);
        let found = found.blames("asker's mailbox", Some("asker"));
        does(found, seen.named(), |does| *does == Receiving::Outside);
    });
}

/// omicron#6911.
#[test]
fn a_stuck_runner_that_blocks_its_manager() {
    play(async |stage: Stage| {
        let (to_manager, mut jobs) = bounded("manager", 4);
        let mut runners = Vec::new();
        let (_never, foreign) = oneshot::channel::<()>();
        let mut foreign = Some(foreign);
        for n in 0..3 {
            let name = format!("runner-{n}");
            let (to_runner, mut jobs) = bounded(&name[..], 2);
            runners.push(to_runner);
            let foreign = foreign.take_if(|_| n == 2);
            stage.spawn(name, async move {
                jobs.recv().await;
                if let Some(foreign) = foreign {
                    let _ = foreign.await;
                }
                while jobs.recv().await.is_some() {}
            });
        }
        stage.spawn("manager", async move {
            while let Some(job) = jobs.recv().await {
                for runner in &runners {
                    runner.send(job).await.unwrap();
                }
            }
        });
        for n in 0..5 {
            let to_manager = to_manager.clone();
            stage.spawn(
                format!("client {n}"),
                async move { while to_manager.send(n).await.is_ok() {} },
            );
        }
        pending::<()>().await;
    })
    .at_rest(|now| now.sends("runner-2") == 1 && now.sends("manager") == 5)
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(Deadlock);
        let found = seen.says(Stalled).verdict(Stuck).channels(&["runner-2", "manager"]);
        let found = found.blames("runner-2", Some("runner-2")).victims(6);
        does(found, seen.named(), |does| *does == Receiving::Outside);
    });
}

/// omicron#7983.
#[test]
fn back_pressure_over_two_hops() {
    play(async |stage: Stage| {
        let (samples_tx, samples) = bounded("samples", 4);
        let (requests_tx, mut requests) = bounded("requests", 4);
        stage.spawn("collector", async move {
            let _samples = samples;
            pending::<()>().await;
        });
        stage.spawn("producer", async move {
            while let Some(request) = requests.recv().await {
                samples_tx.send(request).await.unwrap();
            }
        });
        stage.spawn("clock", async move {
            let mut ticks = interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                let _ = requests_tx.try_send(1);
            }
        });
    })
    .at_rest(|now| now.sends("samples") == 1 && now.refused("requests") > 0)
    .looks_until(|said| says(said, &[Stalled, Refused]))
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Stalled).verdict(Stuck).channels(&["samples", "requests"]);
        let found = found.blames("samples", None);
        assert_eq!(found.receiver().does, Receiving::Never);
        seen.says(Refused).verdict(Signal).channels(&["requests"]);
    });
}

/// smoldot#615.
#[test]
fn a_receiver_that_is_never_polled() {
    play(async |stage: Stage| {
        let (tx, rx) = bounded("notifications", 4);
        stage.spawn("subscriber", async move {
            let _rx = rx;
            pending::<()>().await;
        });
        stage.spawn("service", async move {
            for n in 0..5 {
                tx.send(n).await.unwrap();
            }
        });
    })
    .at_rest(|now| now.sends("notifications") == 1)
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Stalled).verdict(Stuck).channels(&["notifications"]).victims(1);
        let found = found.blames("notifications", None);
        assert_eq!(found.receiver().does, Receiving::Never);
        assert!(found.receiver().channel.location.contains("scenarios"));
    });
}

/// delta-kernel-rs#140. Who blocks the runtime is not known for sure, but who runs is.
#[test]
fn a_task_that_blocks_its_runtime() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("answers", 1);
        let (done_tx, done) = std_mpsc::channel();
        stage.spawn("reader", async move {
            rx.recv().await;
            done_tx.send(()).unwrap();
        });
        until(|now| now.receives("answers")).await;
        stage.spawn("blocker", async move {
            tx.send(1).await.unwrap();
            done.recv().unwrap();
        });
    })
    .on(&[On::CurrentThread])
    .at_rest(|now| now.len("answers") == 1)
    .judge(|seen| {
        seen.is_silent();
        if seen.named() {
            let found = seen.says(Starved).verdict(Stuck).tasks(&["reader"]);
            let Evidence::Starved { who, running, blocked, channels, .. } = &found.finding.evidence
            else {
                panic!("{:?}", found.finding.evidence);
            };
            assert_eq!(who.name, "reader");
            are(running, &["blocker"]);
            assert!(blocked.is_empty());
            // What it stalls does not stand before it.
            assert_eq!((channels.len(), &channels[0].name[..]), (1, "answers"));
            seen.never_says(Stalled);
            let report = seen.last().to_string();
            assert!(report.lines().nth(1).unwrap().starts_with("  reader was woken "), "{report}");
            assert!(report.contains("\n  starved: blocker runs all that time\n"), "{report}");
        } else {
            // Nothing tells that its task was woken; that nobody receives is a fact.
            seen.says(Stalled).verdict(Stuck).channels(&["answers"]);
        }
    });
}

/// It awaits what has kept no waker: nothing in the program can make it run again.
#[test]
fn a_task_that_can_never_run_again() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("writes", 4);
        stage.spawn("writer", async move {
            rx.recv().await;
            pending::<()>().await;
        });
        stage.spawn("service", async move {
            for n in 0.. {
                tx.send(n).await.unwrap();
            }
        });
        pending::<()>().await;
    })
    .at_rest(|now| now.sends("writes") == 1)
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Stalled).verdict(Stuck).channels(&["writes"]);
        let found = found.blames("writes", Some("writer")).victims(1);
        // What is around a task that is no root may wake it.
        does(found, seen.named(), |does| {
            *does == if seen.roots() { Receiving::NoWaker } else { Receiving::Outside }
        });
    });
}

/// octos#1407.
#[test]
fn a_closed_branch_that_spins() {
    play(async |stage: Stage| {
        let (control_tx, mut control) = bounded::<u32>("control", 1);
        let (frames_tx, mut frames) = bounded("frames", 4);
        stage.spawn("session", async move {
            loop {
                tokio::select! {
                    biased;
                    // It is closed: ready at once, every time.
                    _ = control.recv() => {}
                    _ = frames.recv() => {}
                }
            }
        });
        frames_tx.try_send(0).unwrap();
        until(|now| now.received("frames") == 1 && now.receives("frames")).await;
        drop(control_tx);
        until(|now| !now.receives("control")).await;
        (1..4).for_each(|n| frames_tx.try_send(n).unwrap());
        pending::<()>().await;
    })
    .at_rest(|now| now.len("frames") == 3)
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Stalled).verdict(Stuck).channels(&["frames"]);
        let found = found.blames("frames", Some("session"));
        does(found, seen.named(), |does| matches!(does, Receiving::Runs { polls: 1.. }));
    });
}

/// tokio#5516. Its loop has ended; the task lives on and keeps the receiver.
#[test]
fn a_consumer_that_failed_quietly() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("writes", 4);
        let (_stop, stopped) = oneshot::channel::<()>();
        stage.spawn("writer", async move {
            while let Some(n) = rx.recv().await {
                if n == 2 {
                    break; // The disk is full, say.
                }
            }
            let _ = stopped.await;
            drop(rx);
        });
        stage.spawn("service", async move {
            for n in 0.. {
                tx.send(n).await.unwrap();
            }
        });
        pending::<()>().await;
    })
    .at_rest(|now| now.sends("writes") == 1)
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Stalled).verdict(Stuck).channels(&["writes"]).victims(1);
        let found = found.blames("writes", Some("writer"));
        does(found, seen.named(), |does| *does == Receiving::Outside);
    });
}
