//! Rates and trends: nobody is stuck for good, but somebody should know.
//!
//! The first rates are those of a program that has just begun, with some of its tasks. So it is
//! looked at until they are what they should be.

use std::time::Duration;

use parshall::introspect::Evidence;
use parshall::introspect::FindingKind::{GivenUp, Growing, Lockstep, Refused, Saturated, Stalled};
use parshall::introspect::Verdict::{Signal, Stuck};
use parshall::mpsc::Builder;
use tokio::time::{interval, sleep, timeout};

use crate::seen::{evidence, has_said, says};
use crate::stage::{Stage, bounded, play};

/// hoprnet#8366. The loop takes more time for a peer that never drains than messages take to come.
#[test]
fn a_slow_peer_behind_an_unbounded_mixer() {
    play(async |stage: Stage| {
        let (to_mixer, mut mixer) = Builder::new().name("mixer").build_unbounded();
        let mut peers = Vec::new();
        for n in 0..3 {
            let name = format!("peer-{n}");
            let (to_peer, mut peer) = bounded(&name[..], 4);
            peers.push(to_peer);
            stage.spawn(name, async move {
                if n == 1 {
                    peer.recv().await;
                    std::future::pending::<()>().await;
                }
                while peer.recv().await.is_some() {}
            });
        }
        stage.spawn("drain", async move {
            while let Some(message) = mixer.recv().await {
                for peer in &peers {
                    let _ = peer.send_timeout(message, Duration::from_millis(20)).await;
                }
            }
        });
        stage.spawn("source", async move {
            let mut ticks = interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                (0..10).for_each(|n| to_mixer.send(n).unwrap());
            }
        });
    })
    .looks_until(|said| {
        let waits_there = match evidence(said, Growing) {
            Some(Evidence::Growing { elsewhere: Some((share, _)), .. }) => *share > 0.5,
            _ => false,
        };
        waits_there && says(said, &[GivenUp, Stalled])
    })
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Growing).verdict(Signal).channels(&["mixer"]);
        let Evidence::Growing { per_second, elsewhere, .. } = &found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        assert!(*per_second > 0.0, "{per_second}");
        let (share, hop) = elsewhere.as_ref().expect("it waits for a peer");
        assert!(*share > 0.5 && hop.channel.name == "peer-1", "{share} {hop:?}");
        let found = seen.says(GivenUp).verdict(Signal).channels(&["peer-1"]);
        let Evidence::Turned { per_second, .. } = &found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        // One every 20 ms, if what is counted and the time of that are of one moment.
        assert!((1.0..500.0).contains(per_second), "{per_second}");
        seen.says_of(Stalled, "peer-1").verdict(Stuck).blames("peer-1", Some("peer-1"));
    });
}

/// snuba#5874. It is said while it grows, and no more when it has fallen for some time.
#[test]
fn a_burst_that_is_caught_up_with() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("events").build_unbounded();
        stage.spawn("source", async move {
            let mut ticks = interval(Duration::from_millis(5));
            for _ in 0..600 {
                ticks.tick().await;
                (0..10).for_each(|n| tx.send(n).unwrap());
            }
        });
        stage.spawn("drain", async move {
            let mut ticks = interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                rx.recv().await;
            }
        });
    })
    .looks_until(|said| has_said(said, Growing) && !says(said, &[Growing]))
    .judge(|seen| {
        seen.is_silent();
        assert!(has_said(&seen.said, Growing), "it was growing");
        seen.now_says_nothing_of(Growing);
    });
}

/// tokio#5947. The value of a send that is cancelled is lost.
#[test]
fn sends_that_are_cancelled() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("samples", 1);
        stage.spawn("sensor", async move {
            for value in 0.. {
                let _ = timeout(Duration::from_millis(5), tx.send(value)).await;
            }
        });
        stage.spawn("store", async move {
            while rx.recv().await.is_some() {
                sleep(Duration::from_millis(50)).await;
            }
        });
    })
    .looks_until(|said| match evidence(said, GivenUp) {
        Some(Evidence::Turned { share, .. }) => *share > 0.5,
        _ => false,
    })
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(GivenUp).verdict(Signal).channels(&["samples"]);
        let Evidence::Turned { count, share, .. } = found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        assert!(count > 0 && share > 0.5, "{count}, {share}");
    });
}

/// sentry-rust#613.
#[test]
fn refusals_that_nobody_looks_at() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("envelopes", 4);
        stage.spawn("client", async move {
            let mut ticks = interval(Duration::from_millis(2));
            for n in 0.. {
                ticks.tick().await;
                let _ = tx.try_send(n);
            }
        });
        stage.spawn("transport", async move {
            while rx.recv().await.is_some() {
                sleep(Duration::from_millis(20)).await;
            }
        });
    })
    .looks_until(|said| match evidence(said, Refused) {
        Some(Evidence::Turned { per_second, share, .. }) => *per_second > 10.0 && *share > 0.5,
        _ => false,
    })
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Refused).verdict(Signal).channels(&["envelopes"]);
        let Evidence::Turned { count, per_second, share, .. } = found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        assert!(count > 0 && per_second > 10.0 && share > 0.5, "{count}, {per_second}, {share}");
    });
}

/// rust-postgres#26. More room cures it, as the second channel shows.
#[test]
fn a_capacity_of_one_in_lockstep() {
    play(async |stage: Stage| {
        for (name, capacity) in [("rows", 1), ("rows of 16", 16)] {
            let (tx, mut rx) = bounded(name, capacity);
            stage.spawn("server", async move {
                for n in 0.. {
                    tx.send(n).await.unwrap();
                }
            });
            stage.spawn("client", async move { while rx.recv().await.is_some() {} });
        }
    })
    .looks_until(|said| match evidence(said, Lockstep) {
        Some(Evidence::Lockstep { send_waits, recv_waits, .. }) => {
            send_waits.min(*recv_waits) > 0.7
        }
        _ => false,
    })
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Lockstep).verdict(Signal).channels(&["rows"]);
        let Evidence::Lockstep { send_waits, recv_waits, .. } = found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        assert!(send_waits > 0.7 && recv_waits > 0.7, "{send_waits} {recv_waits}");
    });
}

/// All channels before a slow stage are full, and it alone is the bottleneck. Seen to fail with:
/// every channel whose senders wait.
#[test]
fn a_pipeline_with_a_slow_last_stage() {
    play(async |stage: Stage| {
        let (tx, mut lines) = bounded("lines", 4);
        let (to_sink, mut words) = bounded("words", 4);
        stage.spawn("source", async move {
            for n in 0.. {
                tx.send(n).await.unwrap();
            }
        });
        stage.spawn("parser", async move {
            while let Some(line) = lines.recv().await {
                to_sink.send(line).await.unwrap();
            }
        });
        stage.spawn("sink", async move {
            while words.recv().await.is_some() {
                sleep(Duration::from_millis(60)).await;
            }
        });
    })
    .looks_until(|said| match evidence(said, Saturated) {
        Some(Evidence::Saturated { busy, waiting, .. }) => *busy > 0.9 && *waiting > 0.5,
        _ => false,
    })
    .judge(|seen| {
        seen.is_silent();
        let found = seen.says(Saturated).verdict(Signal).channels(&["words"]).tasks(&["sink"]);
        let Evidence::Saturated { busy, waiting, .. } = found.finding.evidence else {
            panic!("{:?}", found.finding.evidence);
        };
        assert!(busy > 0.9 && waiting > 0.5, "{busy} {waiting}");
    });
}
