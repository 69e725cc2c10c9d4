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
    let waiter = |the: &ChannelSnapshot| the.send_waits[0].task;

    // The same waker on both sides: only the task tells them apart.
    let (_, waker) = Wakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut poll_inside = |name: &str| {
        let inside = named(name, std::future::poll_fn(|cx| send.as_mut().poll(cx)));
        let mut inside = pin!(inside);
        assert!(inside.as_mut().poll(&mut cx).is_pending());
        assert_eq!(waiter(&the("moved wait")), Some(inside.task()), "who polled it last");
        inside.task()
    };
    assert_ne!(poll_inside("a"), poll_inside("b"));
    assert_eq!(
        waiter(&the("moved wait")),
        None,
        "the place in line is there, but nobody who has ended"
    );
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

/// Polls a receive once and leaves it so, as a stream does that lost a `select!`.
async fn give_up(rx: &mut mpsc::Receiver<u8>) {
    std::future::poll_fn(|cx| {
        assert!(rx.poll_recv(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

/// Nobody waits to receive, and nobody is said to receive.
fn nobody_receives(name: &str) {
    let the = the(name);
    assert_eq!((the.recv_wait, the.last_receiver), (None, None));
    assert_eq!((the.stats.recv_waiters, the.stats.oldest_recv_wait_ns), (0, None));
    let snapshot = snapshot();
    let rx = format!("{}:rx", the.id);
    let mut edges = snapshot.graph().edges.into_iter();
    assert!(edges.all(|e| *e.src != rx && (*e.dst != rx || e.src.ends_with(":tx"))));
}

/// Seen to fail with: waits shown as the channel has them, whoever has ended.
#[test]
fn a_named_task_that_has_ended_receives_no_more() {
    let (tx, mut rx) = Builder::new().name("ended receiver").capacity(1).build::<u8>();
    let mut receiver = task(named("short-lived", give_up(&mut rx)));
    receiver.ready();
    nobody_receives("ended receiver"); // its future is still there
    assert!(the_task("short-lived").is_none());
    drop(receiver);
    nobody_receives("ended receiver");
    let mut next = task(named("next", async { rx.recv().await }));
    next.still_pending();
    let the = the("ended receiver");
    assert!(the.recv_wait.is_some_and(|wait| wait.task == the.last_receiver), "{the:?}");
    tx.try_send(1).unwrap();
    next.ready();
    drop(next);
    // One that let a waiting sender in is the last receiver, until it ends.
    tx.try_send(2).unwrap();
    let _waiting = pending(tx.send(3));
    let mut drains = task(named("drains", async { rx.recv().await }));
    drains.ready();
    drop(drains);
    nobody_receives("ended receiver");
}

/// Seen to fail with: last receivers shown whoever has ended.
#[test]
fn a_thread_that_has_ended_receives_no_more() {
    let (tx, mut rx) = Builder::new().name("ended thread").capacity(1).build();
    tx.try_send(0).unwrap();
    let _waiting = pending(tx.send(1));
    let _rx = thread::spawn(move || {
        assert_eq!(rx.blocking_recv(), Some(0));
        assert!(the("ended thread").last_receiver.is_some());
        rx
    })
    .join()
    .unwrap();
    nobody_receives("ended thread");
}

/// Seen to fail with: a wait outside of all tasks that has only its waker.
#[cfg(feature = "tokio")]
#[test]
fn a_thread_that_has_ended_drives_no_receive_any_more() {
    let (_tx, mut rx) = Builder::new().name("ended runtime").capacity(1).build::<u8>();
    let _rx = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(give_up(&mut rx));
        assert_eq!(the("ended runtime").recv_wait.unwrap().task.unwrap().kind(), TaskKind::Thread);
        rx
    })
    .join()
    .unwrap();
    nobody_receives("ended runtime");
}

/// Polls a future once, in the task that runs.
#[cfg(feature = "tokio")]
async fn once<F: Future>(mut future: Pin<&mut F>) {
    std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

/// Seen to fail with: whatever runs inside of a named task waits under its name.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_task_of_an_executor_inside_of_a_named_one_waits_for_itself() {
    use tokio::task::{LocalSet, spawn_local, yield_now};

    let (tx, rx) = Builder::new().name("executor inside").capacity(1).build();
    let (own_tx, _own_rx) = Builder::new().name("executor outside").capacity(1).build();
    own_tx.try_send(0).unwrap();
    let set = LocalSet::new();
    let outer = named("outer", async {
        let mut own = pin!(own_tx.send(1));
        once(own.as_mut()).await;
        set.run_until(async {
            let sends = |tx: mpsc::Sender<u8>| async move { while tx.send(1).await.is_ok() {} };
            let plain = spawn_local(sends(tx.clone()));
            let inner = spawn_local(named("inner", sends(tx.clone())));
            once(own.as_mut()).await;
            while tx.stats().send_waiters < 2 {
                yield_now().await;
            }
            let made = mpsc::channel::<u8>(1).0.stats().creator_task_id;
            assert_eq!(made.as_deref(), Some(&*the_task("outer").unwrap().task.node_id()));
            let mut waits: Vec<_> =
                the("executor inside").send_waits.iter().map(|wait| wait.task.unwrap()).collect();
            waits.sort_unstable();
            assert_eq!(waits[0], the_task("inner").unwrap().task, "named itself");
            let (kind, id) = (waits[1].kind(), waits[1].number().to_string());
            assert_eq!((kind, id), (TaskKind::Tokio, plain.id().to_string()), "known to Tokio");
            let outside = the("executor outside").send_waits[0].task;
            assert_eq!(outside, Some(the_task("outer").unwrap().task), "its own wait");
            drop(rx);
            plain.await.unwrap();
            inner.await.unwrap();
        })
        .await;
    });
    outer.await;
}

/// Async `main` is no task, in neither flavour of the runtime: its thread waits, receives and
/// creates.
///
/// Seen to fail with: tasks and wakers only.
#[cfg(feature = "tokio")]
#[test]
fn async_main_is_known_by_its_thread() {
    async fn body(name: &str) {
        let (tx, mut rx) = Builder::new().name(name).capacity(1).build();
        let id = tx.stats().creator_task_id.unwrap();
        assert!(id.starts_with(&format!("thread:{}:", parshall::process())), "{id}");
        give_up(&mut rx).await;
        let this = the(name).recv_wait.unwrap().task.unwrap();
        assert_eq!((this.kind(), this.node_id()), (TaskKind::Thread, id.into()));
        assert_eq!(the(name).last_receiver, Some(this));
        let node = snapshot().tasks.into_iter().find(|task| task.task == this).unwrap();
        assert_eq!(node.name.as_deref(), thread::current().name());
        tx.try_send(1).unwrap();
        let mut send = pin!(tx.send(2));
        once(send.as_mut()).await;
        assert_eq!(the(name).send_waits[0].task, Some(this));
        rx.try_recv().unwrap();
        assert_eq!(the(name).last_receiver, Some(this), "also by `try_recv`");
        // What it spawns is not the thread.
        let task =
            tokio::spawn(async { mpsc::channel::<u8>(1).0.stats().creator_task_id.unwrap() });
        assert!(task.await.unwrap().contains(":tokio-"));
    }
    use tokio::runtime::Builder as Runtime;
    Runtime::new_current_thread().build().unwrap().block_on(body("async main 1"));
    let many = Runtime::new_multi_thread().worker_threads(1).build().unwrap();
    many.block_on(body("async main 2"));
    // Outside of a runtime a wait has only its waker, but a channel is created by a thread.
    let (_tx, mut rx) = Builder::new().name("no runtime").capacity(1).build::<u8>();
    let _waits = pending(rx.recv());
    assert_eq!(the("no runtime").recv_wait.unwrap().task.unwrap().kind(), TaskKind::Waker);
    assert!(the("no runtime").stats.creator_task_id.unwrap().starts_with("thread:"));
}

/// Whether the one send that waits has its task's own waker.
fn own_waker(name: &str) -> bool {
    let the = the(name);
    assert_eq!(the.send_waits.len(), 1);
    the.send_waits[0].own_waker
}

/// Seen to fail with: any waker of a named task.
#[test]
fn a_wait_tells_whether_its_waker_is_the_own_one_of_who_waits() {
    let (tx, _rx) = Builder::new().name("own waker").capacity(1).build();
    tx.try_send(0).unwrap();

    // The waker that the named task was polled with, also in a second poll.
    let mut own = task(named("own", tx.send(1)));
    own.still_pending();
    assert!(own_waker("own waker"));
    own.still_pending();
    assert!(own_waker("own waker"));
    drop(own);

    // Another one inside of it, as of a `FuturesUnordered`.
    let (_, foreign) = Wakes::new();
    let mut inside = Box::pin(tx.send(1));
    let mut outside = task(named(
        "foreign",
        std::future::poll_fn(|_| inside.as_mut().poll(&mut Context::from_waker(&foreign))),
    ));
    outside.still_pending();
    assert!(the("own waker").send_waits[0].task.is_some() && !own_waker("own waker"));
    drop(outside);
    drop(inside);

    // Inside of two names, that of the inner one.
    let mut two = task(named("outer of two", named("inner of two", tx.send(1))));
    two.still_pending();
    assert_eq!(the("own waker").send_waits[0].task, Some(the_task("inner of two").unwrap().task));
    assert!(own_waker("own waker"));
    drop(two);

    // Nobody's.
    let _nobody = pending(tx.send(1));
    assert!(!own_waker("own waker"));
}

/// Seen to fail with: waits of threads that are never their own.
#[test]
fn a_thread_in_a_blocking_call_waits_with_its_own_waker() {
    let (tx, mut rx) = Builder::new().name("blocking own").capacity(1).build();
    tx.try_send(0).unwrap();
    thread::scope(|scope| {
        for many in [false, true] {
            let tx = &tx;
            let blocked = scope.spawn(move || {
                if many {
                    tx.blocking_send_many(&mut [1].into()).unwrap();
                } else {
                    tx.blocking_send(1).unwrap();
                }
            });
            support::eventually("it waits", || the("blocking own").send_waits.len() == 1);
            let own = own_waker("blocking own");
            rx.blocking_recv().unwrap();
            blocked.join().unwrap();
            assert!(own, "many: {many}");
        }
    });
}
