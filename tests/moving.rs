//! Channels that move, on a busy machine, looked at very often: nothing is said of them that is not
//! so.

#![cfg(all(feature = "tokio", feature = "introspect"))]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parshall::introspect::{Diagnoser, FindingKind, Settings, Verdict};
use parshall::{mpsc, snapshot, task};

const MS: Duration = Duration::from_millis(1);

fn channel(name: &str, capacity: usize) -> (mpsc::Sender<u32>, mpsc::Receiver<u32>) {
    mpsc::Builder::new().name(name).capacity(capacity).build()
}

/// Receives from `rx` until told to stop, and counts.
async fn drain(mut rx: mpsc::Receiver<u32>, batch: usize, stop: Arc<AtomicBool>) {
    let mut all = Vec::new();
    while !stop.load(Ordering::Relaxed) && rx.recv_many(&mut all, batch).await > 0 {
        all.clear();
    }
}

/// Starts all of them; they end when `stop` is set.
#[allow(clippy::too_many_lines)] // one kind of traffic after the other
fn start(stop: &Arc<AtomicBool>) {
    let is_on = {
        let stop = stop.clone();
        move || !stop.load(Ordering::Relaxed)
    };
    for capacity in [1, 2, 7, 100] {
        let (tx, rx) = channel(&format!("busy {capacity}"), capacity);
        for kind in 0..4 {
            let (tx, is_on) = (tx.clone(), is_on.clone());
            let sends = async move {
                while is_on() {
                    let sent = match kind {
                        0 => tx.send(0).await.is_ok(),
                        1 => tx.reserve().await.map(|permit| permit.send(1)).is_ok(),
                        2 => {
                            let few = capacity.min(3);
                            tx.reserve_many(few)
                                .await
                                .map(|all| all.for_each(|p| p.send(2)))
                                .is_ok()
                        }
                        _ => tokio::select! {
                            sent = tx.send(3) => sent.is_ok(),
                            () = tokio::time::sleep(MS / 10) => true,
                        },
                    };
                    if !sent {
                        break;
                    }
                }
            };
            task::spawn(sends);
        }
        task::spawn(drain(rx, capacity, stop.clone()));
    }
    // Ping and pong: each waits for the other all the time, and all of it is with roots.
    for n in 0..3 {
        let (ping, mut pinged) = channel(&format!("ping {n}"), 1);
        let (pong, mut ponged) = channel(&format!("pong {n}"), 1);
        let running = is_on.clone();
        task::spawn(async move {
            while running() && ping.send(1).await.is_ok() && ponged.recv().await.is_some() {}
        });
        task::spawn(async move {
            while let Some(n) = pinged.recv().await {
                if pong.send(n).await.is_err() {
                    break;
                }
            }
        });
    }
    // A ring of stages that is always near to a deadlock, and never in one.
    let (first, mut before) = channel("stage 0", 1);
    for n in 1..5 {
        let (tx, rx) = channel(&format!("stage {n}"), 1);
        let mut from = std::mem::replace(&mut before, rx);
        task::spawn(async move {
            while let Some(n) = from.recv().await {
                if tx.send(n).await.is_err() {
                    break;
                }
            }
        });
    }
    let running = is_on.clone();
    task::spawn(async move {
        let mut out = 0;
        while running() {
            tokio::select! {
                sent = first.send(0), if out < 5 => { sent.unwrap(); out += 1 }
                got = before.recv() => { got.unwrap(); out -= 1 }
            }
        }
    });
    // Threads.
    let (tx, mut rx) = channel("threads", 2);
    for _ in 0..2 {
        let (tx, is_on) = (tx.clone(), is_on.clone());
        std::thread::spawn(move || while is_on() && tx.blocking_send(1).is_ok() {});
    }
    drop(tx);
    std::thread::spawn(move || while rx.blocking_recv().is_some() {});
    // A receiver that is moved about, and receives that are given up.
    let (tx, mut rx) = channel("moved", 3);
    let running = is_on.clone();
    task::spawn(async move { while running() && tx.send(1).await.is_ok() {} });
    let running = is_on;
    task::spawn(async move {
        while running() {
            rx = task::spawn(async move {
                for _ in 0..50 {
                    tokio::select! {
                        _ = rx.recv() => {}
                        () = tokio::task::yield_now() => {}
                    }
                }
                rx
            })
            .await
            .unwrap();
        }
    });
}

/// Channels of several kinds, all of which move, and a diagnosis every 5 ms that takes 50 ms for
/// long: whatever is said must have been so. `PARSHALL_STRESS_SECONDS` makes it longer.
///
/// Seen to fail, on a machine that was busy, when a torn look was taken for polls, a thread that
/// was stopped for one that had forgotten, and a line for the receives that it may miss.
#[test]
fn what_is_said_of_channels_that_move_is_so() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    let guard = runtime.enter();
    let stop = Arc::new(AtomicBool::new(false));
    start(&stop);
    let mut settings = Settings::default();
    settings.stuck_after = 50 * MS;
    let mut diagnoser = Diagnoser::new(settings);
    let seconds = std::env::var("PARSHALL_STRESS_SECONDS").map_or(3, |s| s.parse().unwrap());
    let began = std::time::Instant::now();
    let (mut wrong, mut said) = (Vec::new(), 0);
    // When it was looked, and how much each channel had passed on.
    let mut history: Vec<(i64, HashMap<String, u64>)> = Vec::new();
    while began.elapsed() < Duration::from_secs(seconds) {
        let now = snapshot();
        let totals = now.channels.iter().map(|c| (c.stats.name.to_string(), c.stats.recv_total));
        history.push((now.completed_at_ns, totals.collect()));
        for found in diagnoser.look(&now).unwrap().findings {
            said += 1;
            let names = || found.channels.iter().map(|channel| &channel.name);
            let (_, is) = history.last().unwrap();
            // Since then nothing was received, as far as looks have seen; the clock is coarse.
            let stood = || {
                let since = found.since_ns + 10_000_000;
                let seen = history.iter().filter(|(at, _)| *at >= since);
                seen.clone()
                    .all(|(_, was)| names().take(1).all(|name| was.get(name) == is.get(name)))
            };
            let so = match found.kind {
                FindingKind::Stalled | FindingKind::HeldPermits => stood(),
                FindingKind::Starved => true,
                _ => found.verdict == Verdict::Signal,
            };
            if !so {
                wrong.push(format!("{found:?}"));
            }
        }
        std::thread::sleep(5 * MS);
    }
    println!("{said} findings in {} looks", history.len());
    stop.store(true, Ordering::Relaxed);
    drop(guard);
    runtime.shutdown_timeout(Duration::from_secs(2));
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("\n\n"));
}
