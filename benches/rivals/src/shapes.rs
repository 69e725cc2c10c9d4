//! What is measured: each shape once, generic in the channel. Each returns nanoseconds a unit, and
//! panics if a message is lost.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::channels::{Bounded, Queue, Unbounded, Wait};

/// Nanoseconds for each of `units` units of work.
fn per_unit(units: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / units as f64
}

/// `put` and `take` in turn on one thread.
fn in_turn<C: Queue>((tx, mut rx): (C::Tx, C::Rx)) -> f64 {
    const N: u64 = 1_000_000;
    per_unit(N, || {
        for i in 0..N {
            assert!(C::put(&tx, black_box(i)));
            black_box(C::take(&mut rx).expect("a message"));
        }
    })
}

pub(crate) fn uncontended<C: Bounded>() -> f64 {
    in_turn::<C>(C::bounded(128))
}

pub(crate) fn uncontended_unbounded<C: Unbounded>() -> f64 {
    in_turn::<C>(C::unbounded())
}

/// `size` messages in, then all out, on one thread, until there were 2^20.
fn fill_and_drain<C: Queue>((tx, mut rx): (C::Tx, C::Rx), size: u64) -> f64 {
    let rounds = (1 << 20) / size;
    per_unit(rounds * size, || {
        for _ in 0..rounds {
            for i in 0..size {
                assert!(C::put(&tx, black_box(i)));
            }
            for _ in 0..size {
                black_box(C::take(&mut rx).expect("a message"));
            }
        }
    })
}

pub(crate) fn burst<C: Bounded, const CAP: u64>() -> f64 {
    fill_and_drain::<C>(C::bounded(CAP as usize), CAP)
}

pub(crate) fn burst_unbounded<C: Unbounded>() -> f64 {
    fill_and_drain::<C>(C::unbounded(), 1 << 20)
}

/// `P` threads that put, this one that takes, each with a short spin when it cannot.
fn between_threads<C: Queue, const P: u64>((tx, mut rx): (C::Tx, C::Rx)) -> f64 {
    const N: u64 = 1_000_000;
    per_unit(N / P * P, || {
        thread::scope(|scope| {
            for _ in 0..P {
                let tx = tx.clone();
                scope.spawn(move || {
                    for i in 0..N / P {
                        spin_until(|| C::put(&tx, black_box(i)).then_some(()));
                    }
                });
            }
            for _ in 0..N / P * P {
                black_box(spin_until(|| C::take(&mut rx)));
            }
        });
    })
}

fn spin_until<R>(mut attempt: impl FnMut() -> Option<R>) -> R {
    let mut tries = 0u32;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        tries += 1;
        if tries.is_multiple_of(64) { thread::yield_now() } else { std::hint::spin_loop() }
    }
}

pub(crate) fn threads<C: Bounded, const P: u64>() -> f64 {
    between_threads::<C, P>(C::bounded(1024))
}

pub(crate) fn threads_unbounded<C: Unbounded, const P: u64>() -> f64 {
    between_threads::<C, P>(C::unbounded())
}

/// Made and dropped, as often as fits in some milliseconds: between crates it differs by orders of
/// magnitude.
fn made_and_dropped<T>(new: impl Fn() -> T) -> f64 {
    const LONG_ENOUGH: Duration = Duration::from_millis(10);
    let start = Instant::now();
    let (mut made, mut batch) = (0u64, 1);
    while start.elapsed() < LONG_ENOUGH {
        for _ in 0..batch {
            drop(black_box(new()));
        }
        made += batch;
        batch *= 2;
    }
    start.elapsed().as_secs_f64() * 1e9 / made as f64
}

pub(crate) fn create<C: Bounded, const CAP: usize>() -> f64 {
    made_and_dropped(|| C::bounded(black_box(CAP)))
}

pub(crate) fn create_unbounded<C: Unbounded>() -> f64 {
    made_and_dropped(C::unbounded)
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// `P` tasks that send, one that receives. With `YIELDS` a sender yields after each 64: without a
/// capacity nothing else holds it back.
fn between_tasks<C: Wait, const P: u64, const YIELDS: bool>(
    runtime: &Runtime,
    messages: u64,
    (tx, mut rx): (C::Tx, C::Rx),
) -> f64 {
    let each = messages / P;
    per_unit(each * P, || {
        runtime.block_on(async {
            let consumer = tokio::spawn(async move {
                let mut received = 0;
                while let Some(value) = C::recv(&mut rx).await {
                    black_box(value);
                    received += 1;
                }
                received
            });
            for _ in 0..P {
                let tx = tx.clone();
                tokio::spawn(async move {
                    for i in 0..each {
                        assert!(C::send(&tx, black_box(i)).await);
                        if YIELDS && i % 64 == 63 {
                            tokio::task::yield_now().await;
                        }
                    }
                });
            }
            drop(tx);
            assert_eq!(consumer.await.expect("no panic"), each * P);
        });
    })
}

/// A wait costs ten times a message that finds room.
const fn messages(capacity: usize) -> u64 {
    if capacity == 1 { 100_000 } else { 400_000 }
}

pub(crate) fn current<C: Bounded + Wait, const P: u64, const CAP: usize>() -> f64 {
    between_tasks::<C, P, false>(&current_thread(), messages(CAP), C::bounded(CAP))
}

pub(crate) fn multi<C: Bounded + Wait, const P: u64, const CAP: usize>() -> f64 {
    between_tasks::<C, P, false>(&multi_thread(), messages(CAP), C::bounded(CAP))
}

pub(crate) fn current_unbounded<C: Unbounded + Wait, const P: u64>() -> f64 {
    between_tasks::<C, P, true>(&current_thread(), messages(usize::MAX), C::unbounded())
}

pub(crate) fn multi_unbounded<C: Unbounded + Wait, const P: u64>() -> f64 {
    between_tasks::<C, P, true>(&multi_thread(), messages(usize::MAX), C::unbounded())
}

/// Runs `work` as a task of the runtime, to its end.
fn in_task(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(async { tokio::spawn(work).await.expect("no panic") });
}

/// A message there and one back between two tasks, over two channels of capacity 1.
fn ping_pong<C: Bounded + Wait>(runtime: &Runtime) -> f64 {
    const N: u64 = 50_000;
    let (to, mut at) = C::bounded(1);
    let (back, mut home) = C::bounded(1);
    per_unit(N, || {
        runtime.spawn(async move {
            while let Some(value) = C::recv(&mut at).await {
                assert!(C::send(&back, value).await);
            }
        });
        in_task(runtime, async move {
            for i in 0..N {
                assert!(C::send(&to, i).await);
                black_box(C::recv(&mut home).await.expect("an answer"));
            }
        });
    })
}

pub(crate) fn ping_pong_current<C: Bounded + Wait>() -> f64 {
    ping_pong::<C>(&current_thread())
}

pub(crate) fn ping_pong_multi<C: Bounded + Wait>() -> f64 {
    ping_pong::<C>(&multi_thread())
}

/// 13 tasks pass what they get on to a random one; `BALLS` messages are under way. All of them fit
/// into each channel, so that no circle of tasks waits for room.
pub(crate) fn pinball<C: Bounded + Wait, const BALLS: u64>() -> f64 {
    const TASKS: u64 = 13;
    const N: u64 = 200_000;
    let runtime = multi_thread();
    per_unit(N / BALLS * BALLS, || {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..TASKS).map(|_| C::bounded(BALLS as usize)).unzip();
        let (out, mut home) = C::bounded(BALLS as usize);
        for (mut rx, seed) in receivers.into_iter().zip(1..) {
            let (senders, out) = (senders.clone(), out.clone());
            let mut state: u64 = seed;
            runtime.spawn(async move {
                while let Some(steps) = C::recv(&mut rx).await {
                    let sent = if steps == 0 {
                        C::send(&out, 0).await
                    } else {
                        // xorshift.
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        C::send(&senders[(state % TASKS) as usize], steps - 1).await
                    };
                    assert!(sent);
                }
            });
        }
        in_task(&runtime, async move {
            for ball in 0..BALLS {
                assert!(C::send(&senders[(ball % TASKS) as usize], N / BALLS).await);
            }
            for _ in 0..BALLS {
                C::recv(&mut home).await.expect("a ball");
            }
        });
    })
}

/// A channel made, one message through it without waiting, dropped; in a task.
fn made_for_one<C: Queue>(new: impl Fn() -> (C::Tx, C::Rx) + Send + 'static) -> f64 {
    const N: u64 = 50_000;
    let runtime = current_thread();
    per_unit(N, || {
        in_task(&runtime, async move {
            for i in 0..N {
                let (tx, mut rx) = new();
                assert!(C::put(&tx, black_box(i)));
                black_box(C::take(&mut rx).expect("a message"));
            }
        });
    })
}

pub(crate) fn one_shot<C: Bounded, const CAP: usize>() -> f64 {
    made_for_one::<C>(|| C::bounded(black_box(CAP)))
}

pub(crate) fn one_shot_unbounded<C: Unbounded>() -> f64 {
    made_for_one::<C>(C::unbounded)
}

/// A task with a mailbox, one message to it, and its end awaited.
fn actor_for_one<C: Wait>(new: impl Fn() -> (C::Tx, C::Rx) + Send + 'static) -> f64 {
    const N: u64 = 50_000;
    let runtime = current_thread();
    per_unit(N, || {
        in_task(&runtime, async move {
            for i in 0..N {
                let (tx, mut rx) = new();
                let actor = tokio::spawn(async move {
                    while let Some(value) = C::recv(&mut rx).await {
                        black_box(value);
                    }
                });
                assert!(C::send(&tx, black_box(i)).await);
                drop(tx);
                actor.await.expect("no panic");
            }
        });
    })
}

pub(crate) fn actor<C: Bounded + Wait>() -> f64 {
    actor_for_one::<C>(|| C::bounded(64))
}

pub(crate) fn actor_unbounded<C: Unbounded + Wait>() -> f64 {
    actor_for_one::<C>(C::unbounded)
}
