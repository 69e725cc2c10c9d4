//! Named tasks: how many of their wakers live, and since when they are what they are.
#![cfg(feature = "introspect")]

mod support;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parshall::mpsc::{self, Builder};
use parshall::task::{TaskState, named};
use parshall::{TaskSnapshot, snapshot};
use support::{Wakes, now, task};

fn the_task(name: &str) -> TaskSnapshot {
    let found = snapshot().tasks.into_iter().find(|task| task.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no task {name}"))
}

fn wakers(name: &str) -> u64 {
    let the = the_task(name);
    assert_eq!(the.state, Some(TaskState::Idle), "{name}");
    the.wakers.unwrap()
}

/// Keeps clones of the wakers that it is polled with.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<Waker>>>);

impl Keeper {
    fn keep(&self, cx: &Context<'_>) {
        self.0.lock().unwrap().push(cx.waker().clone());
    }

    fn take(&self) -> Vec<Waker> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn the_wakers_of_a_task_that_waits_are_those_that_it_waits_with() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let (full, _full_rx) = mpsc::channel::<u8>(1);
    full.try_send(0).unwrap();
    let keeper = Keeper::default();
    let kept = keeper.clone();
    let mut waits = task(named("counted", async move {
        let mut send = pin!(full.send(1));
        loop {
            poll_fn(|cx| {
                let _ = send.as_mut().poll(cx);
                if !kept.0.lock().unwrap().is_empty() {
                    kept.keep(cx);
                }
                Poll::Ready(())
            })
            .await;
            rx.recv().await;
        }
    }));
    assert_eq!(the_task("counted").wakers, Some(0), "not polled yet");
    waits.still_pending();
    assert_eq!(wakers("counted"), 2, "a send and a receive");
    // A snapshot is none.
    assert_eq!(wakers("counted"), 2);

    // What the channel has used is gone, and comes again.
    tx.try_send(1).unwrap();
    assert_eq!(the_task("counted").wakers, Some(1));
    waits.still_pending();
    assert_eq!(wakers("counted"), 2);

    // Somebody else has one more, two, and none.
    keeper.0.lock().unwrap().push(Waker::noop().clone());
    tx.try_send(1).unwrap();
    waits.still_pending();
    assert_eq!(wakers("counted"), 3);
    let twice = keeper.take().pop().unwrap();
    let clone = twice.clone();
    assert_eq!(wakers("counted"), 4);
    drop(clone);
    drop(twice);
    assert_eq!(wakers("counted"), 2);
}

/// Seen to fail with: the clones of the last hook alone.
#[test]
fn wakers_of_executors_before_count_as_well() {
    let keeper = Keeper::default();
    let kept = keeper.clone();
    let future = named("many executors", async move {
        poll_fn(|cx| {
            kept.keep(cx);
            Poll::<()>::Pending
        })
        .await;
    });
    let mut future = pin!(future);
    for n in 1..=9 {
        // As `block_on` does each time that it is called.
        let (_, waker) = Wakes::new();
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(wakers("many executors"), n);
    }
    let mut all = keeper.take();
    // Holes are filled.
    all.swap_remove(3);
    all.swap_remove(0);
    assert_eq!(wakers("many executors"), 7);
    for n in 8..=12 {
        let (_, waker) = Wakes::new();
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(wakers("many executors"), n);
    }
    drop(all);
    assert_eq!(wakers("many executors"), 5);
    keeper.take();
    assert_eq!(wakers("many executors"), 0);
}

/// What polls its children with a waker of its own, which keeps the task's.
#[test]
fn a_waker_around_the_own_one_keeps_it() {
    struct Around(Waker);
    impl std::task::Wake for Around {
        fn wake(self: Arc<Self>) {
            self.0.wake_by_ref();
        }
    }
    let (_tx, mut rx) = Builder::new().name("around").capacity(1).build::<u8>();
    let mut waits = task(named("set of futures", async move {
        let mut child = pin!(rx.recv());
        let mut around = None;
        poll_fn(|cx| {
            let around: &Arc<Around> = around.get_or_insert(Arc::new(Around(cx.waker().clone())));
            child.as_mut().poll(&mut Context::from_waker(&around.clone().into()))
        })
        .await
    }));
    waits.still_pending();
    assert_eq!(wakers("set of futures"), 1, "however many wait with the one around it");
}

#[cfg(feature = "tokio")]
#[test]
fn a_timer_and_another_task_s_handle_have_one_each() {
    use parshall::task::spawn_named;
    use tokio::runtime::Builder as Runtime;

    async fn body() {
        let idle = async |name: &str| {
            while the_task(name).state != Some(TaskState::Idle) {
                tokio::task::yield_now().await;
            }
            wakers(name)
        };
        let (_tx, mut rx) = mpsc::channel::<u8>(1);
        let alone = spawn_named("alone", async move { rx.recv().await });
        assert_eq!(idle("alone").await, 1);
        let (_tx, mut rx) = mpsc::channel::<u8>(1);
        let timed = spawn_named("timed", async move {
            tokio::time::timeout(Duration::from_secs(1000), rx.recv()).await
        });
        assert_eq!(idle("timed").await, 2);
        let (_tx, mut rx) = mpsc::channel::<u8>(1);
        let joins = spawn_named("joins", async move {
            let ended = tokio::spawn(std::future::pending::<()>());
            tokio::select! { _ = ended => None, received = rx.recv() => received }
        });
        assert_eq!(idle("joins").await, 2);
        for handle in [alone.abort_handle(), timed.abort_handle(), joins.abort_handle()] {
            handle.abort();
        }
        let _ = (alone.await, timed.await, joins.await);
    }
    Runtime::new_current_thread().enable_time().build().unwrap().block_on(body());
    let many = Runtime::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    many.block_on(async { tokio::spawn(body()).await.unwrap() });
}

/// Seen to fail with: a time that each wake-up moves forward.
#[test]
fn a_task_that_is_starved_says_since_when() {
    let keeper = Keeper::default();
    let kept = keeper.clone();
    let mut starved = task(named(
        "starved",
        poll_fn(move |cx| {
            kept.keep(cx);
            // Seen from inside, and woken meanwhile.
            let running = the_task("starved");
            assert_eq!((running.state, running.wakers), (Some(TaskState::Running), Some(2)));
            cx.waker().wake_by_ref();
            let rewoken = the_task("starved");
            assert_eq!(rewoken.state, running.state, "it is still being polled");
            assert_eq!(rewoken.state_since_ns, running.state_since_ns);
            Poll::<()>::Pending
        }),
    ));
    let created = the_task("starved");
    assert_eq!(created.state, Some(TaskState::Scheduled));
    let minute = 60_000_000_000;
    assert!((0..minute).contains(&(snapshot().taken_at_ns - created.state_since_ns.unwrap())));
    starved.still_pending();
    let woken = the_task("starved");
    assert_eq!(woken.state, Some(TaskState::Scheduled));
    // Longer than the coarse clock's tick.
    std::thread::sleep(Duration::from_millis(30));
    keeper.take().pop().unwrap().wake();
    let later = the_task("starved");
    assert_eq!((later.state, later.state_since_ns), (woken.state, woken.state_since_ns));
    starved.still_pending();
    // It was woken in that poll, which has ended.
    let again = the_task("starved");
    assert!(again.state_since_ns.unwrap() >= woken.state_since_ns.unwrap() + 10_000_000);
}

/// Wakes while another thread polls: who is idle has been polled after each wake-up.
///
/// Seen to fail with: an end of a poll that stores Idle, whatever came meanwhile.
#[test]
fn an_idle_task_has_seen_what_it_was_woken_for() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    const CHECKS: usize = support::rounds(1_000);
    let (told, woken, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let seen = AtomicU64::new(0);
    let keeper = Keeper::default();
    let mut all = task(named(
        "told",
        poll_fn(|cx| {
            if keeper.0.lock().unwrap().is_empty() {
                keeper.keep(cx);
            }
            seen.store(told.load(Ordering::Relaxed), Ordering::Relaxed);
            // Time for a wake-up to come in between.
            let before = seen.load(Ordering::Relaxed);
            let comes = |_: &i32| woken.load(Ordering::Relaxed) <= before;
            (0..50).take_while(comes).for_each(|_| std::thread::yield_now());
            Poll::<()>::Pending
        }),
    ));
    all.still_pending();
    let waker = keeper.0.lock().unwrap()[0].clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                told.store(n, Ordering::Relaxed);
                waker.wake_by_ref();
                woken.store(n, Ordering::Release);
                while seen.load(Ordering::Relaxed) < n {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    std::hint::spin_loop();
                }
            }
        });
        let mut wrong = 0;
        let mut polled = 0;
        for _ in 0..CHECKS {
            // An executor: it polls if a wake-up came since it last began to.
            let wakes = all.wakes();
            if wakes > polled {
                polled = wakes;
                all.still_pending();
            }
            let told_by_now = woken.load(Ordering::Acquire);
            let is_idle = the_task("told").state == Some(TaskState::Idle);
            wrong += u64::from(is_idle && seen.load(Ordering::Relaxed) < told_by_now);
        }
        over.store(true, Ordering::Relaxed);
        assert_eq!(wrong, 0, "of {CHECKS}");
    });
}

/// The wakers of a plain future are nobody's business.
#[test]
fn only_named_tasks_have_wakers() {
    let (tx, _rx) = Builder::new().name("nobody's").capacity(1).build();
    now(tx.send(0)).unwrap();
    let mut send: Pin<Box<dyn Future<Output = _>>> = Box::pin(tx.send(1));
    let (_, waker) = Wakes::new();
    assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let snapshot = snapshot();
    let channel = snapshot.channels.iter().find(|c| c.stats.name == "nobody's").unwrap();
    let who = channel.send_waits[0].task;
    let node = snapshot.tasks.iter().find(|task| Some(task.task) == who).unwrap();
    assert_eq!((node.wakers, node.state_since_ns, node.root), (None, None, false));
}

/// Seen to fail with: a task that runs for ever.
#[test]
fn a_poll_that_panics_has_ended() {
    let mut panics = Box::pin(named("panics", poll_fn(|_| -> Poll<()> { panic!("as it should") })));
    let poll = std::panic::AssertUnwindSafe(|| {
        panics.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    });
    assert!(std::panic::catch_unwind(poll).is_err());
    assert_eq!(the_task("panics").state, Some(TaskState::Idle));
    drop(panics);
}
