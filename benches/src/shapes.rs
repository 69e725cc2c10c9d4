//! What is measured. Each shape is written once and instantiated for each channel. It runs about
//! `units` units of work and returns the nanoseconds that one took.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// Nanoseconds for each of `units` units of work.
fn per_unit(units: u32, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    counted(work);
    start.elapsed().as_secs_f64() * 1e9 / f64::from(units)
}

/// `instructions.py` counts what happens in here, and nothing else.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

/// The two runtimes, as `#[tokio::main]` makes them.
fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Runs `work` as a task of the runtime, to its end.
fn in_task(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(async { tokio::spawn(work).await.expect("no panic") });
}

/// A message of 64 bytes.
pub(crate) struct Wide(#[expect(dead_code, reason = "it is only moved")] [u64; 8]);

impl From<u32> for Wide {
    fn from(value: u32) -> Self {
        Self([value.into(); 8])
    }
}

/// The next of a row of numbers that look random.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Tries again and again, and lets others run now and then.
fn spin_until<R>(mut attempt: impl FnMut() -> Option<R>) -> R {
    let mut tries = 0u32;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        tries += 1;
        if tries.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

macro_rules! subject {
    ($name:ident, $mpsc:path) => {
        pub(crate) mod $name {
            use super::*;
            use $mpsc as mpsc;

            /// `try_send` and `try_recv` in turn on one thread.
            pub(crate) fn uncontended(units: u32) -> f64 {
                let (tx, mut rx) = mpsc::channel::<u64>(128);
                per_unit(units, || {
                    for i in 0..units {
                        tx.try_send(black_box(i.into())).expect("room");
                        black_box(rx.try_recv().expect("a message"));
                    }
                })
            }

            /// A channel filled to the brim and drained, on one thread.
            pub(crate) fn burst<const CAP: u32>(units: u32) -> f64 {
                let rounds = units / CAP;
                let (tx, mut rx) = mpsc::channel::<u64>(CAP as usize);
                per_unit(rounds * CAP, || {
                    for _ in 0..rounds {
                        for i in 0..CAP {
                            tx.try_send(black_box(i.into())).expect("room");
                        }
                        for _ in 0..CAP {
                            black_box(rx.try_recv().expect("a message"));
                        }
                    }
                })
            }

            /// `send().await` from `P` tasks to one `recv().await` task.
            fn tasks<const P: u32, const CAP: usize>(runtime: &Runtime, units: u32) -> f64 {
                per_unit(units / P * P, || {
                    let (tx, mut rx) = mpsc::channel::<u64>(CAP);
                    for _ in 0..P {
                        let tx = tx.clone();
                        runtime.spawn(async move {
                            for i in 0..units / P {
                                tx.send(black_box(i.into())).await.expect("open");
                            }
                        });
                    }
                    drop(tx);
                    in_task(runtime, async move {
                        while let Some(value) = rx.recv().await {
                            black_box(value);
                        }
                    });
                })
            }

            pub(crate) fn current<const P: u32, const CAP: usize>(units: u32) -> f64 {
                tasks::<P, CAP>(&current_thread(), units)
            }

            pub(crate) fn multi<const P: u32, const CAP: usize>(units: u32) -> f64 {
                tasks::<P, CAP>(&multi_thread(), units)
            }

            /// A message there and one back between two tasks, over two channels of capacity 1.
            fn ping_pong(runtime: &Runtime, units: u32) -> f64 {
                per_unit(units, || {
                    let (to, mut at) = mpsc::channel::<u64>(1);
                    let (back, mut home) = mpsc::channel::<u64>(1);
                    runtime.spawn(async move {
                        while let Some(value) = at.recv().await {
                            back.send(value).await.expect("open");
                        }
                    });
                    in_task(runtime, async move {
                        for i in 0..units {
                            to.send(black_box(i.into())).await.expect("open");
                            black_box(home.recv().await.expect("an answer"));
                        }
                    });
                })
            }

            pub(crate) fn ping_pong_current(units: u32) -> f64 {
                ping_pong(&current_thread(), units)
            }

            pub(crate) fn ping_pong_multi(units: u32) -> f64 {
                ping_pong(&multi_thread(), units)
            }

            /// 13 tasks pass what they get on to a random one; `BALLS` messages are under way.
            pub(crate) fn pinball<const BALLS: u32>(units: u32) -> f64 {
                const TASKS: usize = 13;
                let runtime = multi_thread();
                per_unit(units / BALLS * BALLS, || {
                    // All balls fit, so that no circle of tasks waits for room.
                    let (senders, receivers): (Vec<_>, Vec<_>) =
                        (0..TASKS).map(|_| mpsc::channel::<u32>(BALLS as usize)).unzip();
                    let (out, mut home) = mpsc::channel(BALLS as usize);
                    for (mut rx, seed) in receivers.into_iter().zip(1..) {
                        let (senders, out) = (senders.clone(), out.clone());
                        let mut state = seed;
                        runtime.spawn(async move {
                            while let Some(steps) = rx.recv().await {
                                if steps == 0 {
                                    out.send(()).await.expect("open");
                                } else {
                                    let to = random(&mut state) % TASKS as u64;
                                    senders[to as usize].send(steps - 1).await.expect("open");
                                }
                            }
                        });
                    }
                    in_task(&runtime, async move {
                        for ball in 0..BALLS as usize {
                            senders[ball % TASKS].send(units / BALLS).await.expect("open");
                        }
                        for _ in 0..BALLS {
                            home.recv().await.expect("a ball");
                        }
                    });
                })
            }

            /// `P` threads with `try_send`, this thread with `try_recv`, both with a short spin.
            pub(crate) fn threads<const P: u32>(units: u32) -> f64 {
                let (tx, mut rx) = mpsc::channel::<u64>(1024);
                per_unit(units / P * P, || {
                    std::thread::scope(|scope| {
                        for _ in 0..P {
                            let tx = tx.clone();
                            scope.spawn(move || {
                                for i in 0..units / P {
                                    spin_until(|| tx.try_send(black_box(i.into())).ok());
                                }
                            });
                        }
                        for _ in 0..units / P * P {
                            black_box(spin_until(|| rx.try_recv().ok()));
                        }
                    });
                })
            }

            /// A channel made, one message through it by `try_send` and `try_recv`, dropped; in a
            /// task.
            pub(crate) fn one_shot<const CAP: usize>(units: u32) -> f64 {
                let runtime = current_thread();
                per_unit(units, || {
                    in_task(&runtime, async move {
                        for i in 0..units {
                            let (tx, mut rx) = mpsc::channel::<u64>(black_box(CAP));
                            tx.try_send(black_box(i.into())).expect("room");
                            black_box(rx.try_recv().expect("a message"));
                        }
                    });
                })
            }

            /// A task with a mailbox of 64, one message to it, and its end awaited.
            pub(crate) fn actor(units: u32) -> f64 {
                let runtime = current_thread();
                per_unit(units, || {
                    in_task(&runtime, async move {
                        for i in 0..units {
                            let (tx, mut rx) = mpsc::channel::<u64>(64);
                            let actor = tokio::spawn(async move {
                                while let Some(value) = rx.recv().await {
                                    black_box(value);
                                }
                            });
                            tx.send(black_box(i.into())).await.expect("open");
                            drop(tx);
                            actor.await.expect("no panic");
                        }
                    });
                })
            }

            /// A channel made and dropped.
            pub(crate) fn create<const CAP: usize>(units: u32) -> f64 {
                per_unit(units, || {
                    for _ in 0..units {
                        black_box(mpsc::channel::<u64>(black_box(CAP)));
                    }
                })
            }

            /// The same with 300,000 others alive.
            pub(crate) fn create_in_a_crowd(units: u32) -> f64 {
                let crowd: Vec<_> = (0..300_000).map(|_| mpsc::channel::<u8>(1)).collect();
                let time = create::<128>(units);
                drop(crowd);
                time
            }

            /// `send` and `try_recv` in turn on one thread, without a capacity.
            pub(crate) fn unbounded(units: u32) -> f64 {
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                per_unit(units, || {
                    for i in 0..units {
                        tx.send(black_box(i.into())).expect("open");
                        black_box(rx.try_recv().expect("a message"));
                    }
                })
            }

            /// `N` messages sent, then all received, on one thread, without a capacity.
            pub(crate) fn unbounded_burst<const N: u32>(units: u32) -> f64 {
                let rounds = units / N;
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                per_unit(rounds * N, || {
                    for _ in 0..rounds {
                        for i in 0..N {
                            tx.send(black_box(i.into())).expect("open");
                        }
                        for _ in 0..N {
                            black_box(rx.try_recv().expect("a message"));
                        }
                    }
                })
            }

            /// `P` tasks that send, and yield after each 64, to one `recv().await` task, without a
            /// capacity.
            fn unbounded_tasks<M: From<u32> + Send + 'static, const P: u32>(
                runtime: &Runtime,
                units: u32,
            ) -> f64 {
                per_unit(units / P * P, || {
                    let (tx, mut rx) = mpsc::unbounded_channel::<M>();
                    for _ in 0..P {
                        let tx = tx.clone();
                        runtime.spawn(async move {
                            for i in 0..units / P {
                                assert!(tx.send(black_box(i.into())).is_ok());
                                if i % 64 == 63 {
                                    tokio::task::yield_now().await;
                                }
                            }
                        });
                    }
                    drop(tx);
                    in_task(runtime, async move {
                        while let Some(value) = rx.recv().await {
                            black_box(value);
                        }
                    });
                })
            }

            pub(crate) fn unbounded_current<M: From<u32> + Send + 'static, const P: u32>(
                units: u32,
            ) -> f64 {
                unbounded_tasks::<M, P>(&current_thread(), units)
            }

            pub(crate) fn unbounded_multi<const P: u32>(units: u32) -> f64 {
                unbounded_tasks::<u64, P>(&multi_thread(), units)
            }

            /// `P` threads that send, this thread with `try_recv`, without a capacity.
            pub(crate) fn unbounded_threads<const P: u32>(units: u32) -> f64 {
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                per_unit(units / P * P, || {
                    std::thread::scope(|scope| {
                        for _ in 0..P {
                            let tx = tx.clone();
                            scope.spawn(move || {
                                for i in 0..units / P {
                                    tx.send(black_box(i.into())).expect("open");
                                }
                            });
                        }
                        for _ in 0..units / P * P {
                            black_box(spin_until(|| rx.try_recv().ok()));
                        }
                    });
                })
            }

            /// As `one_shot`, without a capacity.
            pub(crate) fn unbounded_one_shot(units: u32) -> f64 {
                let runtime = current_thread();
                per_unit(units, || {
                    in_task(&runtime, async move {
                        for i in 0..units {
                            let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                            tx.send(black_box(i.into())).expect("open");
                            black_box(rx.try_recv().expect("a message"));
                        }
                    });
                })
            }

            /// Two channels without a capacity made, one message through the first, both dropped.
            pub(crate) fn unbounded_pair(units: u32) -> f64 {
                let runtime = current_thread();
                per_unit(units, || {
                    in_task(&runtime, async move {
                        for i in 0..units {
                            let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                            let other = black_box(mpsc::unbounded_channel::<u64>());
                            tx.send(black_box(i.into())).expect("open");
                            black_box(rx.try_recv().expect("a message"));
                            drop(other);
                        }
                    });
                })
            }

            /// As `actor`, without a capacity.
            pub(crate) fn unbounded_actor(units: u32) -> f64 {
                let runtime = current_thread();
                per_unit(units, || {
                    in_task(&runtime, async move {
                        for i in 0..units {
                            let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                            let actor = tokio::spawn(async move {
                                while let Some(value) = rx.recv().await {
                                    black_box(value);
                                }
                            });
                            tx.send(black_box(i.into())).expect("open");
                            drop(tx);
                            actor.await.expect("no panic");
                        }
                    });
                })
            }

            /// A channel without a capacity made and dropped.
            pub(crate) fn create_unbounded(units: u32) -> f64 {
                per_unit(units, || {
                    for _ in 0..units {
                        black_box(mpsc::unbounded_channel::<u64>());
                    }
                })
            }
        }
    };
}

subject!(on_tokio, tokio::sync::mpsc);
subject!(on_parshall, parshall::mpsc);

/// As `on_parshall::multi`, while another thread takes ten snapshots a second.
pub(crate) fn watched<const P: u32, const CAP: usize>(units: u32) -> f64 {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                black_box(parshall::snapshot());
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let time = on_parshall::multi::<P, CAP>(units);
        done.store(true, Ordering::Relaxed);
        time
    })
}
