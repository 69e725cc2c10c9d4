//! The shapes that are measured. Each is written once and instantiated for each channel.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Row;

/// Nanoseconds for each of `units` units of work.
fn per_unit(units: u32, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(units)
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime")
}

macro_rules! subject {
    ($name:ident, $mpsc:path) => {
        mod $name {
            use super::*;
            use $mpsc as mpsc;

            /// `try_send` and `try_recv` in turn on one thread.
            pub(super) fn uncontended() -> f64 {
                const N: u32 = 1_000_000;
                let (tx, mut rx) = mpsc::channel::<u64>(128);
                per_unit(N, || {
                    for i in 0..N {
                        tx.try_send(black_box(u64::from(i))).expect("room");
                        black_box(rx.try_recv().expect("a message"));
                    }
                })
            }

            /// Fill a channel to the brim and drain it, on one thread.
            pub(super) fn burst<const CAP: usize>() -> f64 {
                let rounds = (1 << 20) / CAP;
                let (tx, mut rx) = mpsc::channel::<u64>(CAP);
                per_unit((rounds * CAP) as u32, || {
                    for _ in 0..rounds {
                        for i in 0..CAP {
                            tx.try_send(black_box(i as u64)).expect("room");
                        }
                        for _ in 0..CAP {
                            black_box(rx.try_recv().expect("a message"));
                        }
                    }
                })
            }

            /// `send().await` from `P` tasks to one `recv().await` task.
            fn tasks<const P: u32, const CAP: usize>(runtime: &tokio::runtime::Runtime) -> f64 {
                const N: u32 = 400_000;
                per_unit(N / P * P, || {
                    runtime.block_on(async {
                        let (tx, mut rx) = mpsc::channel::<u64>(CAP);
                        let consumer = tokio::spawn(async move {
                            while let Some(value) = rx.recv().await {
                                black_box(value);
                            }
                        });
                        for _ in 0..P {
                            let tx = tx.clone();
                            tokio::spawn(async move {
                                for i in 0..N / P {
                                    tx.send(black_box(u64::from(i))).await.expect("open");
                                }
                            });
                        }
                        drop(tx);
                        consumer.await.expect("no panic");
                    });
                })
            }

            pub(super) fn current<const P: u32, const CAP: usize>() -> f64 {
                tasks::<P, CAP>(&current_thread())
            }

            pub(super) fn multi<const P: u32, const CAP: usize>() -> f64 {
                tasks::<P, CAP>(&multi_thread())
            }

            /// `send` and `try_recv` in turn on one thread, without a capacity.
            pub(super) fn unbounded() -> f64 {
                const N: u32 = 1_000_000;
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                per_unit(N, || {
                    for i in 0..N {
                        tx.send(black_box(u64::from(i))).expect("open");
                        black_box(rx.try_recv().expect("a message"));
                    }
                })
            }

            /// Many messages sent, then all received, without a capacity.
            pub(super) fn unbounded_burst<const N: u32>() -> f64 {
                let rounds = (1 << 20) / N;
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                per_unit(rounds * N, || {
                    for _ in 0..rounds {
                        for i in 0..N {
                            tx.send(black_box(u64::from(i))).expect("open");
                        }
                        for _ in 0..N {
                            black_box(rx.try_recv().expect("a message"));
                        }
                    }
                })
            }

            /// `P` tasks that send, and yield after each 64, to one `recv().await` task, without a capacity.
            fn unbounded_tasks<const P: u32>(runtime: &tokio::runtime::Runtime) -> f64 {
                const N: u32 = 400_000;
                per_unit(N / P * P, || {
                    runtime.block_on(async {
                        let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                        let consumer = tokio::spawn(async move {
                            while let Some(value) = rx.recv().await {
                                black_box(value);
                            }
                        });
                        for _ in 0..P {
                            let tx = tx.clone();
                            tokio::spawn(async move {
                                for i in 0..N / P {
                                    tx.send(black_box(u64::from(i))).expect("open");
                                    if i % 64 == 63 {
                                        tokio::task::yield_now().await;
                                    }
                                }
                            });
                        }
                        drop(tx);
                        consumer.await.expect("no panic");
                    });
                })
            }

            pub(super) fn unbounded_current<const P: u32>() -> f64 {
                unbounded_tasks::<P>(&current_thread())
            }

            pub(super) fn unbounded_multi<const P: u32>() -> f64 {
                unbounded_tasks::<P>(&multi_thread())
            }

            /// Producer threads that send at full speed, this thread with `try_recv`, without a capacity.
            pub(super) fn unbounded_threads<const P: u32>() -> f64 {
                const N: u32 = 1_000_000;
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                per_unit(N / P * P, || {
                    std::thread::scope(|scope| {
                        for _ in 0..P {
                            let tx = tx.clone();
                            scope.spawn(move || {
                                for i in 0..N / P {
                                    tx.send(u64::from(i)).expect("open");
                                }
                            });
                        }
                        let mut tries = 0;
                        for _ in 0..N / P * P {
                            while rx.try_recv().map(black_box).is_err() {
                                pause(&mut tries);
                            }
                        }
                    });
                })
            }

            /// An unbounded channel made and dropped.
            pub(super) fn create_unbounded() -> f64 {
                const N: u32 = 20_000;
                per_unit(N, || {
                    for _ in 0..N {
                        black_box(mpsc::unbounded_channel::<u64>());
                    }
                })
            }

            /// A message there and one back, over two channels of capacity 1.
            pub(super) fn ping_pong() -> f64 {
                const N: u32 = 100_000;
                per_unit(N, || {
                    multi_thread().block_on(async {
                        let (to, mut at) = mpsc::channel::<u64>(1);
                        let (back, mut home) = mpsc::channel::<u64>(1);
                        tokio::spawn(async move {
                            while let Some(value) = at.recv().await {
                                back.send(value).await.expect("open");
                            }
                        });
                        for i in 0..N {
                            to.send(u64::from(i)).await.expect("open");
                            black_box(home.recv().await);
                        }
                    });
                })
            }

            /// Producer threads with `try_send`, this thread with `try_recv`, both with a short spin.
            pub(super) fn threads<const P: u32>() -> f64 {
                const N: u32 = 1_000_000;
                let (tx, mut rx) = mpsc::channel::<u64>(1024);
                per_unit(N / P * P, || {
                    std::thread::scope(|scope| {
                        for _ in 0..P {
                            let tx = tx.clone();
                            scope.spawn(move || {
                                for i in 0..N / P {
                                    let mut tries = 0u32;
                                    while tx.try_send(u64::from(i)).is_err() {
                                        pause(&mut tries);
                                    }
                                }
                            });
                        }
                        let mut tries = 0;
                        for _ in 0..N / P * P {
                            while rx.try_recv().map(black_box).is_err() {
                                pause(&mut tries);
                            }
                        }
                    });
                })
            }

            /// A channel made and dropped.
            pub(super) fn create<const CAP: usize>() -> f64 {
                const N: u32 = 20_000;
                per_unit(N, || {
                    for _ in 0..N {
                        black_box(mpsc::channel::<u64>(black_box(CAP)));
                    }
                })
            }

            /// The same with 300,000 others alive.
            pub(super) fn create_in_a_crowd() -> f64 {
                let crowd: Vec<_> = (0..300_000).map(|_| mpsc::channel::<u8>(1)).collect();
                let time = create::<128>();
                drop(crowd);
                time
            }
        }
    };
}

fn pause(tries: &mut u32) {
    *tries += 1;
    if (*tries).is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
}

subject!(tokio_mpsc, tokio::sync::mpsc);
subject!(parshall_mpsc, parshall::mpsc);

/// Two producer tasks and a consumer at full speed, alone and while another thread takes ten snapshots a
/// second: nanoseconds a message, in this order.
pub(crate) fn unwatched_and_watched() -> (f64, f64) {
    let alone = parshall_mpsc::multi::<2, 128>();
    let done = AtomicBool::new(false);
    let watched = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                black_box(parshall::snapshot());
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        // Long enough for several snapshots.
        let runs = 20;
        let total: f64 = (0..runs).map(|_| parshall_mpsc::multi::<2, 128>()).sum();
        done.store(true, Ordering::Relaxed);
        total / f64::from(runs)
    });
    (alone, watched)
}

/// All rows, in the order of the table in the README.
#[rustfmt::skip]
pub(crate) fn all() -> Vec<Row> {
    macro_rules! row {
        ($name:literal, $goal:expr, $($run:tt)*) => {
            Row { name: $name, goal: $goal, tokio: tokio_mpsc::$($run)*, parshall: parshall_mpsc::$($run)* }
        };
    }
    vec![
        row!("uncontended try, cap 128", Some(3.0), uncontended),
        row!("burst fill/drain, cap 128", None, burst::<128>),
        row!("burst fill/drain, cap 65536", None, burst::<65536>),
        row!("current thread, 1 p, cap 1", Some(1.4), current::<1, 1>),
        row!("current thread, 1 p, cap 128", None, current::<1, 128>),
        row!("current thread, 16 p, cap 16", Some(1.4), current::<16, 16>),
        row!("multi thread, 1 p, cap 1", Some(1.0), multi::<1, 1>),
        row!("multi thread, 1 p, cap 128", Some(2.5), multi::<1, 128>),
        row!("multi thread, 4 p, cap 16", None, multi::<4, 16>),
        row!("multi thread, 4 p, cap 128", None, multi::<4, 128>),
        row!("multi thread, 16 p, cap 128", Some(3.0), multi::<16, 128>),
        row!("multi thread, 64 p, cap 1024", None, multi::<64, 1024>),
        row!("ping-pong, cap 1, round trip", None, ping_pong),
        row!("threads try, 1 p, cap 1024", None, threads::<1>),
        row!("threads try, 2 p, cap 1024", None, threads::<2>),
        row!("unbounded, 1 thread", Some(2.5), unbounded),
        row!("unbounded burst of 1,024", Some(2.5), unbounded_burst::<1024>),
        row!("unbounded burst of 1,048,576", None, unbounded_burst::<1_048_576>),
        row!("unbounded, current thread, 1 p", None, unbounded_current::<1>),
        row!("unbounded, current thread, 4 p", None, unbounded_current::<4>),
        row!("unbounded, multi thread, 1 p", None, unbounded_multi::<1>),
        row!("unbounded, multi thread, 4 p", Some(2.0), unbounded_multi::<4>),
        row!("unbounded, 4 threads", Some(2.0), unbounded_threads::<4>),
        row!("create and drop, unbounded", None, create_unbounded),
        row!("create and drop, cap 1,000", None, create::<1_000>),
        row!("create and drop, cap 1,000,000", None, create::<1_000_000>),
        row!("create and drop, cap 128", Some(0.5), create::<128>),
        row!("create and drop, cap 65536", None, create::<65536>),
        row!("create and drop among 300,000", Some(0.5), create_in_a_crowd),
    ]
}
