//! Task identity: named tasks on any executor, and waits that belong to whoever polls them.
#![cfg(feature = "introspect")]

mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;

use parshall::mpsc::{self, Builder};
use parshall::task::{TaskKind, TaskState, named};
use parshall::{ChannelSnapshot, TaskSnapshot, snapshot};
use support::{Wakes, pending, task};

fn the(name: &str) -> ChannelSnapshot {
    let found: Vec<_> = snapshot().channels.into_iter().filter(|c| c.stats.name == name).collect();
    <[_; 1]>::try_from(found).unwrap_or_else(|found| panic!("{} named {name}", found.len()))[0]
        .clone()
}

fn the_task(name: &str) -> Option<TaskSnapshot> {
    snapshot().tasks.into_iter().find(|task| task.name.as_deref() == Some(name))
}

#[test]
fn a_named_task_tells_its_state_and_polls_while_it_lives() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let mut receiver = task(named("states", async move { rx.recv().await }));
    let fresh = the_task("states").expect("listed before its first poll");
    assert_eq!((fresh.state, fresh.polls), (Some(TaskState::Scheduled), Some(0)));

    receiver.still_pending();
    let waiting = the_task("states").unwrap();
    assert_eq!((waiting.state, waiting.polls), (Some(TaskState::Idle), Some(1)));
    assert!(waiting.waiting_since_ns.is_some());

    tx.try_send(7).unwrap();
    assert_eq!(receiver.wakes(), 1, "the executor is woken through the name");
    assert_eq!(the_task("states").unwrap().state, Some(TaskState::Scheduled));
    assert_eq!(receiver.ready(), Some(7));
    drop(receiver);
    assert!(the_task("states").is_none(), "gone with its future");
}

#[test]
fn a_named_task_sees_itself_running() {
    let mut looking = task(named("running", async { the_task("running").unwrap().state }));
    assert_eq!(looking.ready(), Some(TaskState::Running));
}

/// A waker whose clone panics.
fn unclonable() -> Waker {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("no clones"), |_| {}, |_| {}, |_| {});
    // SAFETY: no function of the table touches the pointer.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}

#[test]
fn a_named_task_survives_an_executor_whose_waker_panics_once() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let mut receiver = task(named("survivor", async move { rx.recv().await }));
    let first = catch_unwind(AssertUnwindSafe(|| receiver.poll_with(&unclonable())));
    assert!(first.is_err());
    receiver.still_pending();
    tx.try_send(1).unwrap();
    assert_eq!(receiver.wakes(), 1, "the second executor's waker is woken");
}

/// An executor's task that lives, when idle, only through its wakers.
struct OnlyWakers(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for OnlyWakers {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_named_task_that_nobody_can_wake_is_freed() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let future = named("unwakeable", async move {
        let _sender = tx;
        std::future::pending::<()>().await;
    });
    let executor = Arc::new(OnlyWakers(Mutex::new(Some(Box::pin(future)))));
    let waker = Waker::from(executor.clone());
    let poll = executor
        .0
        .lock()
        .unwrap()
        .as_mut()
        .unwrap()
        .as_mut()
        .poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    let task: Weak<_> = Arc::downgrade(&executor);
    drop((executor, waker));
    assert!(task.upgrade().is_none(), "nothing of ours keeps it alive");
    assert_eq!(rx.try_recv(), Err(mpsc::error::TryRecvError::Disconnected), "nor its sender");
}

#[test]
fn a_wait_belongs_to_whoever_polls_it() {
    let (tx, _rx) = Builder::new().name("moved wait").capacity(1).build();
    tx.try_send(0).unwrap();
    let mut send = Box::pin(tx.send(1));
    let waiter = |the: &ChannelSnapshot| the.send_waits[0].task.unwrap();

    // The same waker on both sides: only the task tells them apart.
    let (_, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut poll_inside = |name: &str| {
        let mut inside = Box::pin(named(name, std::future::poll_fn(|cx| send.as_mut().poll(cx))));
        assert!(inside.as_mut().poll(&mut cx).is_pending());
        inside.task()
    };
    let a = poll_inside("a");
    assert_eq!(waiter(&the("moved wait")), a);
    let b = poll_inside("b");
    assert_eq!(waiter(&the("moved wait")), b, "not the task that polled it before");
    assert_ne!(a, b);
}

#[test]
fn a_thread_that_lets_a_waiting_sender_in_is_known_as_the_receiver() {
    let (tx, mut rx) = Builder::new().name("drained by a thread").capacity(1).build();
    tx.try_send(0).unwrap();
    let _waiting = pending(tx.send(1));
    thread::Builder::new()
        .name("drain".into())
        .spawn(move || {
            assert_eq!(rx.blocking_recv(), Some(0));
            let last =
                the("drained by a thread").last_receiver.expect("it served a waiting sender");
            assert_eq!(last.kind(), TaskKind::Thread);
            assert_eq!(the_task("drain").expect("a node of its name").task, last);
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn nobody_receives_from_a_channel_whose_receiver_is_gone() {
    let (tx, mut rx) = Builder::new().name("receiver gone").capacity(1).build::<u8>();
    let mut receiver = task(named("gone", async move {
        let _ = rx.recv().await;
    }));
    receiver.still_pending();
    assert!(the("receiver gone").last_receiver.is_some());
    drop(receiver);
    assert_eq!(the("receiver gone").last_receiver, None);
    drop(tx);
}

#[test]
fn a_nameless_channel_never_shares_an_id_with_one_named_after_its_place() {
    let (_tx, _rx) = mpsc::channel::<u8>(1);
    let place = format!("{}:{}", file!(), line!() - 1);
    let (_tx2, _rx2) = Builder::new().name(place.as_str()).build::<u8>();
    let snapshot = snapshot();
    let ids: Vec<_> =
        snapshot.channels.iter().filter(|c| c.stats.name == place).map(|c| &c.id).collect();
    assert_eq!(ids.len(), 2, "both have the text for a name");
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_receive_that_panics_while_it_parks_leaves_no_wait_behind() {
    /// Panics when the last clone goes.
    struct Bomb(AtomicBool);
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0.load(Ordering::Relaxed), "bomb");
        }
    }
    let (_tx, mut rx) = Builder::new().name("panicked park").capacity(1).build::<u8>();
    let bomb = Waker::from(Arc::new(Bomb(AtomicBool::new(true))));
    assert!(pin!(rx.recv()).poll(&mut Context::from_waker(&bomb)).is_pending());
    drop(bomb); // the channel's clone is the last
    let mut second = Box::pin(rx.recv());
    let poll = catch_unwind(AssertUnwindSafe(|| {
        second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }));
    assert!(poll.is_err(), "the replaced waker's drop panics");
    drop(second);
    assert_eq!(the("panicked park").stats.recv_waiters, 0);
}

#[test]
fn a_permit_count_beyond_the_capacity_is_no_refusal_by_closure() {
    let (tx, _rx) = mpsc::channel::<u8>(2);
    assert!(support::now(tx.reserve_many(3)).is_err());
    assert_eq!(tx.stats().closed_total, 0);
}

/// Live and dead channels of a name together: no message is counted twice, and none is missing.
#[test]
fn totals_of_a_name_never_fall_while_channels_come_and_go() {
    const ROUNDS: usize = support::rounds(3_000);
    let made = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let (tx, mut rx) = Builder::new().name("churn").capacity(1).build();
                    tx.try_send(1).unwrap();
                    rx.try_recv().unwrap();
                    made.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let mut before = 0;
        while made.load(Ordering::SeqCst) < 2 * ROUNDS {
            let snapshot = snapshot();
            let live = snapshot.channels.iter().filter(|c| c.stats.name == "churn");
            let dead = snapshot.retired.iter().filter(|r| r.name == "churn");
            let total: u64 =
                live.map(|c| c.stats.sent_total).chain(dead.map(|r| r.sums.sent_total)).sum();
            assert!(total >= before, "{total} after {before}");
            before = total;
        }
    });
    let sums = snapshot().retired.into_iter().find(|r| r.name == "churn").unwrap().sums;
    support::eventually("all are retired", || {
        let now = snapshot().retired.into_iter().find(|r| r.name == "churn").unwrap().sums;
        now.sent_total == 2 * ROUNDS as u64
    });
    assert!(sums.sent_total <= 2 * ROUNDS as u64);
}
