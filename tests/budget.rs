//! Feature `tokio`: the budget of a task and the ban on blocking, as Tokio's own channel has them.
#![cfg(feature = "tokio")]

mod support;
mod twice;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_core::stream::FusedStream;
use parshall::mpsc;
use support::hooked::{Hooked, Op};
use support::{Drops, panic_of};
use tokio::runtime::Builder;
use tokio::task::coop;
use twice::{ours, theirs};

/// Seen to fail with: no unit spent by a receive, by a send, by a reserve; a unit a message in
/// `recv_many`; no unit for a limit of 0; a unit spent by a send that finds the channel closed, by
/// `closed`.
#[test]
fn b31_loops_make_way_in_the_same_rounds_as_tokios() {
    let (ours, theirs) = (ours::budget::loops(), theirs::budget::loops());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    // What Tokio does, lest both do nothing.
    for (name, rounds) in theirs {
        let expected: &[usize] = match name {
            "try_" | "closed" | "send, closed" | "reserve_many of too many" => &[],
            "send and recv" => &[64, 128, 192, 256, 320, 384, 448, 512, 576, 640],
            _ => &[128, 256, 384, 512, 640],
        };
        assert_eq!(rounds, expected, "{name}");
    }
}

/// Seen to fail with: the unit asked before the permit or the place in line is taken; permits not
/// given back by a drop; no look for closing while permits are held; a wake-up without need.
#[test]
fn operations_without_a_budget_keep_wake_and_return_what_tokios_do() {
    let (ours, theirs) = (ours::budget::exhausted(), theirs::budget::exhausted());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
    let first = ("send, with room", "Pending woken 0 1".to_owned());
    assert_eq!(theirs[0], first);
}

/// Seen to fail with: no check in one of the calls; the check behind a function that is not
/// `track_caller`; `Handle::try_current` for a check; the message put into the channel before the
/// check.
#[test]
fn blocking_calls_panic_inside_a_runtime_as_tokios_do() {
    let (tx, mut rx) = mpsc::channel(8);
    let (their_tx, mut their_rx) = tokio::sync::mpsc::channel::<u8>(8);
    let (drops, message) = Drops::new();
    let (long, mut got) = (Duration::from_secs(9), Vec::new());
    let deadline = Instant::now() + long;
    let panics = Builder::new_current_thread().build().unwrap().block_on(async {
        let first = line!() + 3;
        #[rustfmt::skip] // a line each
        let ours = [
            panic_of(|| tx.blocking_send(message.clone()).is_ok()),
            panic_of(|| tx.blocking_send_timeout(message.clone(), long).is_ok()),
            panic_of(|| rx.blocking_recv().is_some()),
            panic_of(|| rx.blocking_recv_timeout(long).is_ok()),
            panic_of(|| rx.blocking_recv_deadline(deadline).is_ok()),
            panic_of(|| rx.blocking_recv_many(&mut got, 0)),
        ];
        for (line, (_, file, at)) in (first..).zip(&ours) {
            assert_eq!((file.as_str(), *at), (file!(), line));
        }
        let theirs = [
            panic_of(|| their_tx.blocking_send(1)),
            panic_of(|| their_rx.blocking_recv()),
            panic_of(|| their_rx.blocking_recv_many(&mut Vec::new(), 0)),
        ];
        ours.into_iter().chain(theirs).map(|(text, ..)| text).collect::<Vec<_>>()
    });
    assert!(panics[0].starts_with("Cannot block the current thread from within a runtime."));
    assert!(panics.iter().all(|text| *text == panics[0]), "{panics:#?}");
    // Nothing was sent, and the messages were dropped by the panics.
    assert_eq!((drops.get(), tx.stats().sent_total, rx.len()), (2, 0, 0));
}

/// All blocking calls, in an order in which none of them waits for long.
fn block() {
    let (tx, mut rx) = mpsc::channel(1);
    let (short, mut got) = (Duration::from_millis(1), Vec::new());
    tx.blocking_send(1).unwrap();
    tx.blocking_send_timeout(2, short).unwrap_err();
    assert_eq!(rx.blocking_recv(), Some(1));
    rx.blocking_recv_timeout(short).unwrap_err();
    rx.blocking_recv_deadline(Instant::now() + short).unwrap_err();
    tx.blocking_send_timeout(3, short).unwrap();
    assert_eq!(rx.blocking_recv_many(&mut got, 2), 1);
}

/// Seen to fail with: `Handle::try_current` for a check.
#[test]
fn blocking_calls_work_where_tokio_lets_threads_block() {
    block();
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        tokio::task::spawn_blocking(block).await.unwrap();
        tokio::spawn(async { tokio::task::block_in_place(block) }).await.unwrap();
    });
    let _entered = runtime.enter();
    block();
}

/// A waker that spends the budget of whoever wakes it, and then waits for a message.
struct BlocksInWake(std::sync::mpsc::Sender<Option<u8>>);

impl Wake for BlocksInWake {
    fn wake(self: Arc<Self>) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut spent = 0;
        while let Poll::Ready(unit) = tokio::task::coop::poll_proceed(&mut cx) {
            unit.made_progress();
            spent += 1;
        }
        assert!(spent > 0);
        let (tx, mut rx) = mpsc::channel(1);
        let sender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            tx.blocking_send(1).unwrap();
        });
        self.0.send(rx.blocking_recv()).unwrap();
        sender.join().unwrap();
    }
}

/// A blocking call has nobody to make way for. Seen to fail without `unlimited`: it is polled over
/// and over with the same empty budget.
#[test]
fn blocking_calls_need_no_budget() {
    let (woken, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // The one place with a budget where blocking is allowed: inside a blocking call of Tokio's
        // own.
        let (tx, mut rx) = tokio::sync::mpsc::channel(1);
        let waker = Waker::from(Arc::new(BlocksInWake(woken)));
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        tx.blocking_send(1).unwrap();
    });
    assert_eq!(received.recv_timeout(Duration::from_secs(60)), Ok(Some(1)));
}

/// The waker of the poll sends, and spends what is left of the budget, after the receive has looked
/// for a unit. The message stays for the next poll; and a stream that has not said so has not
/// ended.
///
/// Seen to fail with: a receive that takes the message and then asks for the unit; an end that is
/// noted before the unit is there.
#[test]
fn a_waker_that_spends_the_last_unit_costs_no_message_and_no_end() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (tx, mut rx) = mpsc::channel(1);
        let tx = Mutex::new(Some(tx));
        for end in [false, true] {
            let leave_one = || (0..127).for_each(|_| spend());
            tokio::task::yield_now().await;
            leave_one();
            let sender = tx.lock().unwrap().take().unwrap();
            let back = Arc::new(Mutex::new(None));
            let kept = back.clone();
            let last = Mutex::new(Some(sender));
            let (hook, waker) = Hooked::new(Op::Clone, move || {
                // Tokio clones it as well, to wake the task that has no unit.
                let Some(sender) = last.lock().unwrap().take() else { return };
                if !end {
                    sender.try_send(1).unwrap();
                    *kept.lock().unwrap() = Some(sender);
                }
                spend();
            });
            hook.arm();
            let poll = rx.poll_recv(&mut Context::from_waker(&waker));
            hook.disarm();
            assert!(hook.runs() > 0);
            assert_eq!((poll, rx.is_terminated()), (Poll::Pending, false));
            tokio::task::yield_now().await;
            assert_eq!(rx.recv().await, (!end).then_some(1));
            *tx.lock().unwrap() = back.lock().unwrap().take();
        }
        assert!(rx.is_terminated());
    });
}

/// A unit, if there is one.
fn spend() {
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(unit) = coop::poll_proceed(&mut cx) {
        unit.made_progress();
    }
}

/// A send that finds room and no budget has a permit, and Tokio clones the task's waker. If that
/// panics, the permit is the future's all the same: it is used when it is polled again, and given
/// back when it is dropped.
///
/// Seen to fail with: a send that notes its turn when its first poll is over.
#[test]
fn a_waker_that_cannot_be_cloned_costs_no_permit() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for dropped in [true, false] {
            let (tx, mut rx) = mpsc::channel(1);
            let (hook, waker) = Hooked::trap(Op::Clone);
            let mut send = Box::pin(tx.send(7));
            tokio::task::yield_now().await;
            (0..128).for_each(|_| spend());
            hook.arm();
            let poll = || send.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
            hook.disarm();
            tokio::task::yield_now().await;
            if dropped {
                drop(send);
            } else {
                send.await.unwrap();
                assert_eq!(rx.try_recv(), Ok(7));
            }
            assert_eq!(tx.capacity(), 1);
        }
    });
}
