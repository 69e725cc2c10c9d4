//! Who receives, and the waker that a receive has left behind.

use std::future::{pending as pending_for_ever, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use parshall::mpsc::{Builder, Receiver, UnboundedReceiver, UnboundedSender};
use parshall::task::{TaskKind, TaskRef, named};
use parshall::{LeftWaker, snapshot};

use crate::support::{Task, Wakes, now, pending, rounds, task};
use crate::the;

/// A task that never waited is known as the one who receives, from its first message on.
///
/// Seen to fail with: who receives noted by those that wait and those that let senders in alone.
#[test]
fn a_task_that_fills_its_own_channel_is_known_as_its_receiver() {
    /// Messages that lie in an array, or so large ones that they lie in a list.
    fn fills<T: Copy + Send + 'static>(name: &str, message: T) {
        let (tx, mut rx) = Builder::new().name(name).capacity(3).build();
        let mut own = pending(named("fills its own", async move {
            tx.send(message).await.unwrap();
            assert!(rx.recv().await.is_some());
            loop {
                tx.send(message).await.unwrap();
            }
        }));
        own.still_pending();
        let channel = the(name);
        assert_eq!((channel.stats.recv_waits_total, channel.last_receive), (0, 1));
        assert_eq!(channel.last_receiver, channel.send_waits[0].task);
        assert_eq!(channel.last_receiver.unwrap().kind(), TaskKind::Named);
    }
    fills("its own array", 1);
    fills("its own list", [1; 1000]);
}

/// The ways to receive.
const WAYS: [&str; 4] = ["recv", "try_recv", "recv_many", "try_iter"];

macro_rules! take {
    ($name:ident, $receiver:ident) => {
        fn $name(rx: &mut $receiver<u32>, way: &str) -> u32 {
            match way {
                "recv" => now(rx.recv()).unwrap(),
                "try_recv" => rx.try_recv().unwrap(),
                "recv_many" => {
                    let mut one = Vec::new();
                    assert_eq!(now(rx.recv_many(&mut one, 1)), 1);
                    one[0]
                }
                _ => rx.try_iter().next().unwrap(),
            }
        }
    };
}

take!(take, Receiver);
take!(take_unbounded, UnboundedReceiver);

/// Runs `f` as a named task, and returns who that was.
fn as_task<R: std::fmt::Debug>(f: impl FnOnce() -> R) -> (TaskRef, R) {
    let named = named("a receiver", async { f() });
    (named.task(), now(named))
}

/// Seen to fail with: `Room::Seldom` that is `Free`, for any of the ways.
#[test]
fn who_receives_is_noted_at_the_first_receive_and_once_a_block() {
    for way in WAYS {
        // An array: the first one only.
        let name = format!("first by {way}");
        let (tx, mut rx) = Builder::new().name(name.as_str()).capacity(8).build();
        assert_eq!((the(&name).last_receiver, the(&name).last_receive), (None, 0));
        (0..4).for_each(|i| tx.try_send(i).unwrap());
        let (first, got) = as_task(|| take(&mut rx, way));
        // Who has ended is not shown, so it is looked at from inside.
        assert_eq!((got, the(&name).last_receiver, the(&name).last_receive), (0, None, 0), "{way}");
        let (second, seen) = as_task(|| {
            take(&mut rx, way);
            the(&name).last_receiver
        });
        assert!(seen.is_none() && first != second, "the plain path notes nothing");

        // A list of blocks: in each block once.
        for bounded in [true, false] {
            let name = format!("blocks by {way}, {bounded}");
            let seen = if bounded {
                let (tx, mut rx) = Builder::new().name(name.as_str()).capacity(5000).build();
                (0..400).for_each(|i| tx.try_send(i).unwrap());
                blocks(&name, || take(&mut rx, way))
            } else {
                let (tx, mut rx): (UnboundedSender<u32>, _) =
                    Builder::new().name(name.as_str()).build_unbounded();
                (0..400).for_each(|i| tx.send(i).unwrap());
                blocks(&name, || take_unbounded(&mut rx, way))
            };
            assert!(seen.len() > 2 && seen.len() < 50, "{name}: {seen:?}");
            assert_eq!(seen[0], 1, "{name}");
            assert!(seen.windows(2).all(|two| two[1] - two[0] <= 32), "{name}: {seen:?}");
        }
    }

    /// Takes 200, and returns at which of them the receiver was noted.
    fn blocks(name: &str, mut take: impl FnMut() -> u32) -> Vec<u64> {
        let (_, seen) = as_task(|| {
            let mut seen = Vec::new();
            for i in 0..200 {
                assert_eq!(take(), i);
                let channel = the(name);
                assert!(channel.last_receiver.is_some(), "{name}");
                if seen.last() != Some(&channel.last_receive) {
                    seen.push(channel.last_receive);
                    assert_eq!(channel.last_receive, channel.stats.recv_total, "{name}");
                }
            }
            seen
        });
        seen
    }
}

/// A thread in a blocking call is noted, and goes on to be while it takes without one; another
/// thread that is not known takes its place.
///
/// Seen to fail with: a receiver that stays noted when somebody else receives whom nobody knows.
#[test]
fn a_receiver_that_was_moved_is_noted_where_it_receives() {
    let (tx, mut rx) = Builder::new().name("moved").build_unbounded::<u32>();
    (0..400).for_each(|i| tx.send(i).unwrap());
    let here = thread::spawn(move || {
        assert_eq!(rx.blocking_recv(), Some(0));
        let this = the("moved").last_receiver.unwrap();
        assert_eq!((this.kind(), the("moved").last_receive), (TaskKind::Thread, 1));
        (1..100).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
        assert_eq!(the("moved").last_receiver, Some(this));
        assert!(the("moved").last_receive > 60);
        let there = thread::spawn(move || {
            (100..200).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
            assert_eq!((the("moved").last_receiver, the("moved").last_receive), (None, 0));
            (200..300).for_each(|i| assert_eq!(rx.blocking_recv(), Some(i)));
            assert!(the("moved").last_receiver.is_some_and(|that| that != this));
            rx
        });
        there.join().unwrap()
    });
    drop(here.join().unwrap());
}

/// The receiver's wakers by task: how many there are beside the one that the test has, and how many
/// the snapshot tells of.
fn clones_and_claims(name: &str, waker: &Waker, base: usize, wakes: &Arc<Wakes>) -> (usize, usize) {
    let clones = Arc::strong_count(wakes) - base;
    let channel = the(name);
    let is_this = |task: TaskRef| {
        task.kind() == TaskKind::Waker && task.number() == waker.data().addr() as u64
    };
    let by_wait = channel.recv_wait.and_then(|wait| wait.task).is_some_and(is_this);
    let left = channel.left_waker.is_some_and(|left| is_this(left.task));
    assert!(channel.recv_wait.is_none() || channel.left_waker.is_none(), "one waker, told twice");
    (clones, usize::from(by_wait) + usize::from(left))
}

/// The clone that lies in the channel is told as that of a wait or as one left behind: never one
/// more than there are, and none too few when nothing moves.
///
/// Seen to fail with: a waker that stays told when it was taken.
#[test]
fn a_waker_that_lies_in_the_channel_is_told_and_no_other() {
    // A fixed walk through all that can happen; see Knuth's MMIX generator.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |n: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % n
    };
    let (tx, mut rx) = Builder::new().name("told wakers").capacity(1).build::<u8>();
    let tasks = [Wakes::new(), Wakes::new()];
    let bases = [0, 1].map(|i: usize| Arc::strong_count(&tasks[i].0));
    let mut sends: Vec<Task<_>> = Vec::new();
    let (mut left, mut waited) = (0, 0);
    for round in 0..rounds(5000) {
        let who = next(2) as usize;
        let mut cx = Context::from_waker(&tasks[who].1);
        match next(8) {
            0 => _ = rx.poll_recv(&mut cx),
            // A receive that is given up, after one poll or more.
            1 | 2 => {
                let mut receive = Box::pin(rx.recv());
                for _ in 0..=next(2) {
                    if receive.as_mut().poll(&mut cx).is_ready() {
                        break;
                    }
                }
            }
            3 => _ = tx.try_send(0),
            4 => _ = rx.try_recv(),
            5 => {
                let tx = tx.clone();
                let mut send = task(async move { tx.send(1).await });
                if send.poll().is_pending() {
                    sends.push(send);
                }
            }
            6 => sends.clear(),
            _ => sends.retain_mut(|send| send.poll().is_pending()),
        }
        for i in 0..2 {
            let (wakes, waker) = &tasks[i];
            let (clones, claims) = clones_and_claims("told wakers", waker, bases[i], wakes);
            assert_eq!(clones, claims, "round {round}");
        }
        let channel = the("told wakers");
        left += usize::from(channel.left_waker.is_some());
        waited += usize::from(channel.recv_wait.is_some());
    }
    assert!(cfg!(miri) || left > 500 && waited > 500, "{left} {waited}");
    drop(rx);
    for i in 0..2 {
        let (wakes, waker) = &tasks[i];
        assert_eq!(clones_and_claims("told wakers", waker, bases[i], wakes), (0, 0));
    }
}

/// Who left it is told, whoever has polled the receiver since.
///
/// Seen to fail with: a waker that stays told when it was taken.
#[test]
fn the_loser_of_a_select_leaves_its_waker_and_another_who_takes_does_not_change_that() {
    let (tx, rx) = Builder::new().name("left").capacity(1).build::<u8>();
    let rx = std::sync::Mutex::new(rx);
    let loser = named("loser", async {
        let lose = |cx: &mut Context<'_>| pin!(rx.lock().unwrap().recv()).poll(cx);
        assert!(poll_fn(|cx| Poll::Ready(lose(cx).is_pending())).await);
        pending_for_ever::<()>().await;
    });
    let loses = loser.task();
    let loser = pending(loser);
    let told = || the("left").left_waker;
    assert!(matches!(told(), Some(LeftWaker { task, own_waker: true, .. }) if task == loses));
    assert_eq!(the("left").recv_wait, None);
    assert!(snapshot().tasks.iter().any(|task| task.task == loses));
    // Another one looks into the empty channel.
    let (other, ()) = as_task(|| {
        assert!(rx.lock().unwrap().try_recv().is_err());
        assert_eq!(told().unwrap().task, loses);
    });
    assert_ne!(other, loses);
    // A message takes it away, and wakes in vain.
    tx.try_send(1).unwrap();
    assert_eq!((told(), loser.wakes()), (None, 1));
    drop(loser);
}
