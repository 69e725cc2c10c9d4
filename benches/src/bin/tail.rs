//! How long single sends take on a busy machine: 16 producers, capacity 16, two workers, and beside
//! them four threads that do nothing but keep the processors busy. And how many wake-ups a message
//! costs.
//!
//! `cargo run --release -p parshall-benches --bin tail`. Rounds are interleaved; the figures are
//! medians over them. A send is timed from its call to its return, waiting included.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

const ROUNDS: usize = 15;
const PRODUCERS: usize = 16;
const EACH: usize = 25_000;
const BUSY: usize = 4;

/// Quantiles in per mille, and what they are called.
const QUANTILES: [(usize, &str); 5] =
    [(500, "p50"), (990, "p99"), (995, "p99.5"), (999, "p99.9"), (1000, "max")];

/// Name, and what gives the nanoseconds of each send, sorted.
type Subject = (&'static str, fn() -> Vec<u64>);

/// Passes wake-ups on and counts them.
struct Counted(Waker, Arc<AtomicU64>);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.wake_by_ref();
    }
}

/// Runs a future to its end, counting how often it is woken by others.
async fn counted<F: Future>(future: F, wakes: &Arc<AtomicU64>) -> F::Output {
    let mut future = pin!(future);
    let mut waker: Option<Waker> = None;
    poll_fn(|cx| {
        let waker = waker.get_or_insert_with(|| {
            Waker::from(Arc::new(Counted(cx.waker().clone(), wakes.clone())))
        });
        future.as_mut().poll(&mut Context::from_waker(waker))
    })
    .await
}

macro_rules! subject {
    ($name:ident, $mpsc:path) => {
        mod $name {
            use super::*;
            use $mpsc as mpsc;

            /// Nanoseconds of each send, sorted.
            pub(super) fn latencies() -> Vec<u64> {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .build()
                    .expect("a runtime");
                runtime.block_on(async {
                    let (tx, mut rx) = mpsc::channel::<u64>(PRODUCERS);
                    let producers: Vec<_> = (0..PRODUCERS)
                        .map(|_| {
                            let tx = tx.clone();
                            tokio::spawn(async move {
                                let mut times = Vec::with_capacity(EACH);
                                for i in 0..EACH {
                                    let begun = Instant::now();
                                    tx.send(i as u64).await.expect("open");
                                    times.push(begun.elapsed().as_nanos() as u64);
                                }
                                times
                            })
                        })
                        .collect();
                    drop(tx);
                    let consumer = tokio::spawn(async move {
                        while let Some(message) = rx.recv().await {
                            black_box(message);
                        }
                    });
                    let mut all = Vec::with_capacity(PRODUCERS * EACH);
                    for producer in producers {
                        all.append(&mut producer.await.expect("no panic"));
                    }
                    consumer.await.expect("no panic");
                    all.sort_unstable();
                    all
                })
            }

            /// Wake-ups of senders and of the receiver, for each message; all on one thread.
            pub(super) fn wakes<const P: usize, const CAP: usize>() -> (f64, f64) {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                let (sent, received) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
                runtime.block_on(async {
                    let (tx, mut rx) = mpsc::channel::<u64>(CAP);
                    for _ in 0..P {
                        let (tx, sent) = (tx.clone(), sent.clone());
                        tokio::spawn(async move {
                            for i in 0..EACH {
                                counted(tx.send(i as u64), &sent).await.expect("open");
                            }
                        });
                    }
                    drop(tx);
                    while counted(rx.recv(), &received).await.is_some() {}
                });
                let per = |n: Arc<AtomicU64>| n.load(Ordering::Relaxed) as f64 / (P * EACH) as f64;
                (per(sent), per(received))
            }
        }
    };
}

subject!(tokio_mpsc, tokio::sync::mpsc);
subject!(parshall_mpsc, parshall::mpsc);

fn main() {
    println!("{:34} {:>16} {:>16}", "wake-ups per message", "senders", "receiver");
    for (row, tokio, parshall) in [
        ("1 p, cap 1", tokio_mpsc::wakes::<1, 1>(), parshall_mpsc::wakes::<1, 1>()),
        ("16 p, cap 16", tokio_mpsc::wakes::<16, 16>(), parshall_mpsc::wakes::<16, 16>()),
    ] {
        for (name, (senders, receiver)) in [("tokio", tokio), ("parshall", parshall)] {
            println!("{:34} {senders:>16.3} {receiver:>16.3}", format!("{row}, {name}"));
        }
    }

    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..BUSY)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut n = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    n = black_box(n.wrapping_mul(31).wrapping_add(7));
                }
            })
        })
        .collect();
    let subjects: [Subject; 2] =
        [("tokio", tokio_mpsc::latencies), ("parshall", parshall_mpsc::latencies)];
    let mut figures = [const { Vec::new() }; 2];
    for round in 0..ROUNDS {
        for i in 0..2 {
            // Alternate who goes first.
            let subject = (i + round) % 2;
            let times = subjects[subject].1();
            let quantile = |(permille, _): (usize, &str)| {
                times[(times.len() * permille / 1000).min(times.len() - 1)]
            };
            figures[subject].push(QUANTILES.map(quantile));
        }
    }
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().expect("no panic");
    }

    println!(
        "\nnanoseconds of a send, {PRODUCERS} producers, capacity {PRODUCERS}, {BUSY} busy threads"
    );
    let row = |name: &str, column: &dyn Fn(usize) -> String| {
        let columns: Vec<_> = (0..QUANTILES.len()).map(|i| format!("{:>12}", column(i))).collect();
        println!("{name:18}{}", columns.concat());
    };
    let median = |mut column: Vec<f64>| {
        column.sort_unstable_by(f64::total_cmp);
        column[column.len() / 2]
    };
    row("", &|i| QUANTILES[i].1.to_owned());
    for (rounds, (name, _)) in figures.iter().zip(subjects) {
        row(name, &|i| {
            format!("{:.0}", median(rounds.iter().map(|round| round[i] as f64).collect()))
        });
    }
    let [tokio, parshall] = &figures;
    row("tokio / parshall", &|i| {
        let ratio = |(t, p): (&[u64; 5], &[u64; 5])| t[i] as f64 / p[i] as f64;
        format!("{:.2}x", median(tokio.iter().zip(parshall).map(ratio).collect()))
    });
}
