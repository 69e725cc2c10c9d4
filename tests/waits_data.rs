//! What is told of each wait: its number, its call, its deadline, by whose waker; what receives
//! have waited, who gave up, who receives, and the waker that a receive has left behind.
#![cfg(feature = "introspect")]

mod support;

use std::collections::VecDeque;
use std::future::{Future, pending as pending_for_ever, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parshall::mpsc::{self, Builder, Receiver, UnboundedReceiver, UnboundedSender};
use parshall::task::{TaskKind, TaskRef, named};
use parshall::{Call, ChannelSnapshot, ChannelStats, LeftWaker, Retired, WaitSnapshot, snapshot};
use support::{Task, Wakes, eventually, now, pending, rounds, task};

fn the(name: &str) -> ChannelSnapshot {
    let mut all: Vec<_> =
        snapshot().channels.into_iter().filter(|channel| channel.stats.name == name).collect();
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

fn receives(stats: &ChannelStats) -> (u64, u64) {
    (stats.recv_waits_total, stats.recv_given_up_total)
}

/// The sums of a channel whose last handle has gone. While a snapshot is taken elsewhere it may
/// live.
fn dead(name: &str) -> Retired {
    let mut sums = None;
    eventually(name, || {
        let retired = snapshot().retired.into_iter().find(|retired| retired.name == name);
        sums = retired.map(|retired| retired.sums);
        sums.is_some()
    });
    sums.unwrap()
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// How far a told point in time lies from now.
fn from_now(at_ns: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    Duration::from_nanos(u64::try_from(at_ns - now).expect("in the future"))
}

/// What waits in a channel that is full.
type Waits<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Seen to fail with: the number, the call and the deadline as placeholders.
#[test]
fn a_wait_to_send_says_its_number_and_what_call_it_is() {
    let (tx, mut rx) = Builder::new().name("calls").capacity(2).build();
    (0..2).for_each(|i| tx.try_send(i).unwrap());
    let mut more = VecDeque::from([1, 2]);
    let calls: Vec<Waits<'_>> = vec![
        Box::pin(async { tx.send(3).await.unwrap() }),
        Box::pin(async { tx.send_many(&mut more).await.unwrap() }),
        Box::pin(async { drop(tx.reserve().await.unwrap()) }),
        Box::pin(async { drop(tx.clone().reserve_owned().await.unwrap()) }),
        Box::pin(async { drop(tx.reserve_many(2).await.unwrap()) }),
        Box::pin(async { tx.closed().await }),
    ];
    let mut waits: Vec<_> = calls.into_iter().map(pending).collect();
    let told = |waits: &[WaitSnapshot]| -> Vec<_> {
        assert!(waits.iter().all(|wait| !wait.own_waker && wait.deadline_ns.is_none()));
        waits.iter().map(|wait| (wait.id, wait.call.as_str(), wait.need)).collect()
    };
    let first = the("calls");
    let senders = [
        (1, "send", 1),
        (2, "send_many", 1),
        (3, "reserve", 1),
        (4, "reserve", 1),
        (5, "reserve_many", 2),
    ];
    assert_eq!(told(&first.send_waits), senders);
    assert_eq!(told(&first.close_waits), [(1, "closed", 0)], "on a side of its own");
    // Polled again it is the same wait; one that comes again is another.
    waits.iter_mut().for_each(Task::still_pending);
    assert_eq!(the("calls").send_waits, first.send_waits);
    assert_eq!(the("calls").close_waits, first.close_waits);
    drop(waits.remove(0));
    let mut again = pending(tx.send(4));
    assert_eq!(the("calls").send_waits.last().unwrap().id, 6);
    // One that was granted room has the number that it had.
    rx.try_recv().unwrap();
    let granted = *the("calls").send_waits.last().unwrap();
    assert!(granted.granted_at_ns.is_some() && granted.id == 2, "{granted:?}");
    again.still_pending();
    rx.close();
    assert!(waits.pop().unwrap().poll().is_ready());
    assert_eq!((the("calls").send_waits.len(), the("calls").close_waits.len()), (1, 0));
}

/// Seen to fail with: `close_waits` that are left empty.
#[test]
fn who_awaits_closure_is_listed_in_line_and_no_longer_than_it_waits() {
    let (tx, rx) = Builder::new().name("closure").capacity(1).build::<u8>();
    let (unbounded, _rx) = Builder::new().name("closure, unbounded").build_unbounded::<u8>();
    let handles = [tx.clone(), tx.clone(), tx.clone()];
    let waits = |name: &'static str, i: usize| {
        let tx = handles[i].clone();
        pending(named(name, async move { tx.closed().await }))
    };
    let [_first, given_up, _third] =
        [waits("closure 0", 0), waits("closure 1", 1), waits("closure 2", 2)];
    let close_waits = the("closure").close_waits;
    assert_eq!(close_waits.iter().map(|wait| wait.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(close_waits.iter().all(|wait| wait.task.unwrap().kind() == TaskKind::Named));
    let tasks = snapshot().tasks;
    let task = tasks.iter().find(|task| task.name.as_deref() == Some("closure 1")).unwrap();
    assert_eq!(task.waiting_since_ns, Some(close_waits[1].since_ns), "it waits for that alone");
    assert_eq!(the("closure").stats.send_waits_total, 0, "and is no send");
    drop(given_up);
    assert_eq!(the("closure").close_waits.iter().map(|wait| wait.id).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(the("closure").stats.send_given_up_total, 0);
    drop(rx);
    assert!(the("closure").close_waits.is_empty());
    let _by_unbounded = pending(unbounded.closed());
    assert_eq!(the("closure, unbounded").close_waits[0].call, Call::Closed);
}

/// Seen to fail with: a wait that begins anew at each poll, and one that goes on although it was
/// given up, or whoever polls.
#[test]
fn a_wait_to_receive_has_a_number_that_lasts_as_long_as_the_wait() {
    let (tx, mut rx) = Builder::new().name("numbers").capacity(2).build();
    let told = || {
        let wait = the("numbers").recv_wait.expect("somebody waits");
        assert_eq!((wait.need, wait.deadline_ns, wait.own_waker), (1, None, false));
        (wait.id, wait.call)
    };
    let mut receive = pending(rx.recv());
    let first = the("numbers").recv_wait.unwrap();
    assert_eq!(told(), (1, Call::Recv));
    thread::sleep(Duration::from_millis(15));
    receive.still_pending();
    assert_eq!(the("numbers").recv_wait, Some(first), "polled again without a wake-up");
    // With another waker it is another wait: who waits may be another.
    assert!(receive.poll_with(Waker::noop()).is_pending());
    assert_eq!(told(), (2, Call::Recv));
    drop(receive);
    assert_eq!(the("numbers").recv_wait, None);
    // One that was given up does not go on, although the same waker comes again.
    assert!(pin!(rx.recv()).poll(&mut cx()).is_pending());
    let mut again = Box::pin(rx.recv());
    assert!(again.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(told(), (4, Call::Recv));
    drop(again);
    let mut buffer = Vec::new();
    let mut many = pending(rx.recv_many(&mut buffer, 8));
    assert_eq!(told(), (5, Call::RecvMany));
    tx.try_send(0).unwrap();
    assert_eq!((the("numbers").recv_wait, many.ready()), (None, 1));
    drop(many);
    let mut receive = pending(rx.recv());
    assert_eq!(told(), (6, Call::Recv));
    tx.try_send(1).unwrap();
    assert_eq!(receive.ready(), Some(1));
    drop(receive);
    assert_eq!(receives(&tx.stats()), (6, 3), "{:?}", tx.stats());
}

/// Waits until somebody waits there, and returns how.
fn the_wait(name: &str, what: impl Fn(ChannelSnapshot) -> Option<WaitSnapshot>) -> WaitSnapshot {
    let mut wait = None;
    eventually(name, || {
        wait = what(the(name));
        wait.is_some()
    });
    wait.unwrap()
}

/// A thread in a blocking call waits by its own waker, and says until when.
///
/// Seen to fail with: a deadline that is told of no call, and a waker that is nobody's own.
#[test]
#[cfg_attr(miri, ignore = "isolation has no time of day")]
fn a_thread_in_a_blocking_call_waits_by_its_own_waker_and_says_until_when() {
    let sends = |name: &'static str, call: fn(&mpsc::Sender<u8>), timed| {
        let (tx, rx) = Builder::new().name(name).capacity(1).build();
        tx.try_send(0).unwrap();
        let sender = thread::spawn(move || call(&tx));
        let wait = the_wait(name, |channel| channel.send_waits.first().copied());
        assert_eq!((wait.call, wait.task.unwrap().kind()), (Call::Send, TaskKind::Thread));
        check(wait, timed);
        drop(rx);
        sender.join().unwrap();
    };
    let receives = |name: &'static str, call: fn(&mut Receiver<u8>), timed, is: Call| {
        let (tx, mut rx) = Builder::new().name(name).capacity(1).build();
        let receiver = thread::spawn(move || call(&mut rx));
        let wait = the_wait(name, |channel| channel.recv_wait);
        assert_eq!((wait.call, wait.task.unwrap().kind()), (is, TaskKind::Thread));
        check(wait, timed);
        drop(tx);
        receiver.join().unwrap();
    };
    fn check(wait: WaitSnapshot, timed: bool) {
        assert!(wait.own_waker, "{wait:?}");
        assert_eq!(wait.deadline_ns.is_some(), timed, "{wait:?}");
        let left = wait.deadline_ns.map(from_now);
        let about = Duration::from_secs(3500)..Duration::from_secs(3601);
        assert!(left.is_none_or(|left| about.contains(&left)), "{left:?}");
    }
    const HOUR: Duration = Duration::from_secs(3600);
    sends("blocking_send", |tx| _ = tx.blocking_send(1), false);
    sends("blocking_send_timeout", |tx| _ = tx.blocking_send_timeout(1, HOUR), true);
    sends("for ever", |tx| _ = tx.blocking_send_timeout(1, Duration::MAX), false);
    receives("blocking_recv", |rx| _ = rx.blocking_recv(), false, Call::Recv);
    receives("blocking_recv_timeout", |rx| _ = rx.blocking_recv_timeout(HOUR), true, Call::Recv);
    receives(
        "blocking_recv_deadline",
        |rx| _ = rx.blocking_recv_deadline(Instant::now() + HOUR),
        true,
        Call::Recv,
    );
    receives("iter", |rx| _ = rx.iter().next(), false, Call::Recv);
    receives(
        "blocking_recv_many",
        |rx| _ = rx.blocking_recv_many(&mut Vec::new(), 2),
        false,
        Call::RecvMany,
    );
    let (tx, mut rx) = Builder::new().name("unbounded, timed").build_unbounded::<u8>();
    let receiver = thread::spawn(move || rx.blocking_recv_timeout(HOUR).unwrap_err());
    check(the_wait("unbounded, timed", |channel| channel.recv_wait), true);
    drop(tx);
    receiver.join().unwrap();
}

/// What else waits while a thread is in a blocking call does not wait by the thread's waker.
///
/// Seen to fail with: a waker that is taken for the thread's by where it was registered.
#[test]
fn a_future_that_a_waker_polls_waits_by_another_waker_than_the_blocked_thread() {
    /// Woken, it polls a receive by hand.
    struct Polls(std::sync::Mutex<Receiver<u8>>, AtomicBool);

    impl Wake for Polls {
        fn wake(self: Arc<Self>) {
            let mut rx = self.0.lock().unwrap();
            assert!(rx.poll_recv(&mut cx()).is_pending());
            self.1.store(true, Ordering::SeqCst);
        }
    }
    let (_inner_tx, inner) = Builder::new().name("polled inside").capacity(1).build::<u8>();
    let (tx, mut rx) = Builder::new().name("blocks").capacity(1).build::<u8>();
    let polls = Arc::new(Polls(std::sync::Mutex::new(inner), AtomicBool::new(false)));
    tx.try_send(0).unwrap();
    let waker = Waker::from(polls.clone());
    let mut send = Box::pin(tx.send(1));
    assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    // The pop wakes it, inside of the blocking call.
    assert_eq!(rx.blocking_recv(), Some(0));
    assert!(polls.1.load(Ordering::SeqCst));
    let wait = the("polled inside").recv_wait.unwrap();
    assert_eq!((wait.task.unwrap().kind(), wait.own_waker), (TaskKind::Thread, false));
}

/// Seen to fail with: a deadline that is told of no call.
#[cfg(feature = "tokio")]
#[test]
#[cfg_attr(miri, ignore = "isolation has no time of day")]
fn tasks_and_async_main_wait_by_wakers_that_others_may_have_and_send_timeout_has_a_deadline() {
    async fn body(name: &str) {
        let (tx, mut rx) = Builder::new().name(name).capacity(1).build::<u8>();
        tx.try_send(0).unwrap();
        let hour = Duration::from_secs(3600);
        let timed = tokio::spawn({
            let tx = tx.clone();
            async move { tx.send_timeout(1, hour).await.unwrap() }
        });
        let first = async {
            while the(name).send_waits.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        first.await;
        let timer = mpsc::Timer(tokio::time::sleep(hour));
        let mut by_timer = Box::pin(tx.send_timeout(2, timer));
        poll_fn(|cx| {
            assert!(by_timer.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let waits = the(name).send_waits;
        let kinds: Vec<_> = waits.iter().map(|wait| wait.task.unwrap().kind()).collect();
        assert_eq!(kinds, [TaskKind::Tokio, TaskKind::Thread]);
        assert!(waits.iter().all(|wait| !wait.own_waker && wait.call == Call::Send));
        let left = from_now(waits[0].deadline_ns.unwrap());
        assert!((Duration::from_secs(3500)..Duration::from_secs(3601)).contains(&left), "{left:?}");
        assert_eq!(waits[1].deadline_ns, None, "a timer does not say when it ends");
        drop(by_timer);
        assert_eq!(rx.recv().await, Some(0));
        timed.await.unwrap();
        let stats = the(name).stats;
        assert_eq!((stats.send_waits_total, stats.send_given_up_total), (2, 1));
    }
    use tokio::runtime::Builder as Runtime;
    Runtime::new_current_thread().enable_time().build().unwrap().block_on(body("timed 1"));
    let many = Runtime::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    many.block_on(body("timed 2"));
}

/// Who polls a handle may give it away: such a wait is told from one that a future has.
///
/// Seen to fail with: a sink's call as `Send`, a stream's as `Recv`.
#[cfg(feature = "sink")]
#[test]
fn the_wait_of_a_handle_that_is_polled_is_told_as_such() {
    let (tx, _rx) = Builder::new().name("a sink").capacity(1).build();
    tx.try_send(0).unwrap();
    let mut sink = mpsc::PollSender::new(tx);
    assert!(sink.poll_reserve(&mut cx()).is_pending());
    assert_eq!(the("a sink").send_waits[0].call, Call::PollReserve);
    let (_tx, mut rx) = Builder::new().name("a handle").capacity(1).build::<u8>();
    let call = || the("a handle").recv_wait.unwrap().call;
    assert!(rx.poll_recv(&mut cx()).is_pending());
    assert_eq!(call(), Call::PollRecv);
    assert!(rx.poll_recv_many(&mut cx(), &mut Vec::new(), 1).is_pending());
    assert_eq!(call(), Call::PollRecv);
}

/// A receive's wait ends in many ways, and each is counted once.
///
/// Seen to fail with: totals of 0, waits that end at the next poll only, and one that is counted as
/// given up though a message had ended it.
#[test]
fn waits_to_receive_are_counted_and_timed_however_they_end() {
    let (tx, mut rx) = Builder::new().name("receives").capacity(4).build::<u8>();
    let totals = || receives(&the("receives").stats);
    assert_eq!((now(async { rx.try_recv().is_err() }), totals()), (true, (0, 0)));
    // By a message; it is counted while it lasts, after that, and once.
    let mut receive = pending(rx.recv());
    assert_eq!(totals(), (1, 0));
    tx.try_send(0).unwrap();
    assert_eq!(totals(), (1, 0));
    assert_eq!((receive.ready(), totals()), (Some(0), (1, 0)));
    drop(receive);
    // A message that is there is no wait.
    tx.try_send(1).unwrap();
    assert_eq!((now(rx.recv()), totals()), (Some(1), (1, 0)));
    // Given up; again; and after it was woken, which is no giving up.
    drop(pending(rx.recv()));
    assert_eq!(totals(), (2, 1));
    drop(pending(rx.recv()));
    assert_eq!(totals(), (3, 2));
    let woken = pending(rx.recv());
    tx.try_send(2).unwrap();
    drop(woken);
    assert_eq!((rx.try_recv(), totals()), (Ok(2), (4, 2)));
    // Polled again, it goes on, and may then find a message.
    let mut receive = pending(rx.recv());
    receive.still_pending();
    receive.still_pending();
    assert_eq!(totals(), (5, 2));
    tx.try_send(3).unwrap();
    assert_eq!((receive.ready(), totals()), (Some(3), (5, 2)));
    drop(receive);
    // By a poll alone nobody can tell that it was given up, but by dropping the receiver.
    assert!(rx.poll_recv(&mut cx()).is_pending());
    assert_eq!((rx.try_recv().is_err(), totals()), (true, (6, 2)));
    assert!(rx.poll_recv(&mut cx()).is_pending());
    assert_eq!(totals(), (6, 2), "it is the same wait");
    // By a permit that comes back after closing.
    let permit = tx.clone().try_reserve_owned().unwrap();
    rx.close();
    let mut last = pending(rx.recv());
    assert_eq!(totals(), (7, 2));
    drop(permit);
    assert_eq!((last.ready(), totals()), (None, (7, 2)));
    drop(last);
    // The end is no wait, however often it is asked for.
    assert_eq!((now(rx.recv()), now(rx.recv()), totals()), (None, None, (7, 2)));
    assert!(tx.stats().recv_wait_total_ns < 60_000_000_000);
    drop(rx);
    assert_eq!(totals(), (7, 2));
    drop(tx);
    let sums = dead("receives");
    assert_eq!((sums.recv_waits_total, sums.recv_given_up_total), (7, 2));
}

/// The last sender ends a wait, and the drop of a receiver does: with the retired sums.
///
/// Seen to fail with: a drop that leaves the last wait out of the sums.
#[test]
fn a_wait_that_lasts_to_the_end_is_in_the_sums_of_the_dead() {
    let sums = |name: &str| {
        let sums = dead(name);
        (sums.recv_waits_total, sums.recv_given_up_total, sums.recv_wait_total_ns)
    };
    let twice = Duration::from_millis(50).as_nanos() as u64;
    let (tx, mut rx) = Builder::new().name("ends by the sender").build_unbounded::<u8>();
    let mut receive = pending(rx.recv());
    thread::sleep(Duration::from_millis(80));
    drop(tx);
    assert_eq!(receive.ready(), None);
    drop(receive);
    drop(rx);
    let (waits, given_up, ns) = sums("ends by the sender");
    assert!((waits, given_up) == (1, 0) && ns > twice, "{ns}");
    let (tx, mut rx) = Builder::new().name("ends by the receiver").capacity(1).build::<u8>();
    assert!(rx.poll_recv(&mut cx()).is_pending());
    thread::sleep(Duration::from_millis(80));
    drop(rx);
    drop(tx);
    let (waits, given_up, ns) = sums("ends by the receiver");
    assert!((waits, given_up) == (1, 1) && ns > twice, "{ns}");
    // Woken, and dropped before it was polled.
    let (tx, mut rx) = Builder::new().name("ends by nobody").capacity(1).build::<u8>();
    assert!(rx.poll_recv(&mut cx()).is_pending());
    tx.try_send(1).unwrap();
    drop((rx, tx));
    assert_eq!((sums("ends by nobody").0, sums("ends by nobody").1), (1, 0));
}

/// Seen to fail with: totals of 0.
#[test]
#[cfg_attr(miri, ignore = "its clock runs with the program")]
fn the_time_of_a_receive_is_that_between_park_and_wake() {
    let (tx, mut rx) = Builder::new().name("timed receives").build_unbounded::<u8>();
    let total = || Duration::from_nanos(the("timed receives").stats.recv_wait_total_ns);
    let (pause, least) = (Duration::from_millis(120), Duration::from_millis(100));
    // Two ticks of the coarse clock more than has passed here.
    let since = |begun: Instant| begun.elapsed() + Duration::from_millis(20);
    let begun = Instant::now();
    let mut receive = pending(rx.recv());
    thread::sleep(pause);
    assert!(total() >= least, "one that lasts counts");
    receive.still_pending();
    assert!(total() >= least);
    tx.send(1).unwrap();
    let (woken, most) = (total(), since(begun));
    assert!(woken >= least && woken < most, "{woken:?}");
    thread::sleep(pause);
    assert_eq!(total(), woken, "not the time until the task runs");
    assert_eq!(receive.ready(), Some(1));
    drop(receive);
    let again = Instant::now();
    drop(pending(rx.recv()));
    let (given_up, most) = (total(), woken + since(again));
    thread::sleep(pause);
    assert_eq!(total(), given_up, "the park stands, but nobody waits");
    assert!(given_up < most, "{woken:?} {given_up:?}");
}

/// Seen to fail with: a total that is not counted.
#[test]
fn sends_that_were_given_up_are_counted_and_others_are_not() {
    let (tx, mut rx) = Builder::new().name("given up").capacity(1).build();
    tx.try_send(0).unwrap();
    let given_up = || the("given up").stats.send_given_up_total;
    for n in 1..=100 {
        drop(pending(tx.send(1)));
        assert_eq!(given_up(), n);
    }
    let timed_out = tx.blocking_send_timeout(1, Duration::from_millis(1));
    assert!(timed_out.is_err() && given_up() == 101);
    // Granted, and used; granted, and dropped.
    for use_it in [true, false] {
        let mut send = pending(tx.send(1));
        rx.try_recv().unwrap();
        if use_it {
            send.ready().unwrap();
        } else {
            drop(send);
            tx.try_send(1).unwrap();
        }
        assert_eq!(given_up(), 101);
    }
    let closed = pending(tx.send(2));
    rx.close();
    drop(closed);
    assert_eq!(given_up(), 101);
    drop((tx, rx));
    assert_eq!(dead("given up").send_given_up_total, 101);
}

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

fn take(rx: &mut Receiver<u32>, way: &str) -> u32 {
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

fn take_unbounded(rx: &mut UnboundedReceiver<u32>, way: &str) -> u32 {
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

/// While everything moves, no total falls and none is more than can be.
///
/// Seen to fail with: totals without the largest that were reported.
#[test]
fn totals_of_receives_never_fall_and_hold_at_every_instant() {
    let (tx, mut rx) = Builder::new().name("moves").capacity(1).build::<usize>();
    let n = rounds(20_000);
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut last = tx.stats();
            while !done.load(Ordering::SeqCst) {
                let stats = tx.stats();
                for (was, is) in [
                    (last.recv_waits_total, stats.recv_waits_total),
                    (last.recv_wait_total_ns, stats.recv_wait_total_ns),
                    (last.recv_given_up_total, stats.recv_given_up_total),
                    (last.send_given_up_total, stats.send_given_up_total),
                ] {
                    assert!(was <= is, "{last:?} {stats:?}");
                }
                // Two ticks for the coarse clock.
                let most = begun.elapsed() + Duration::from_millis(20);
                assert!(Duration::from_nanos(stats.recv_wait_total_ns) <= most, "{stats:?}");
                assert!(stats.recv_given_up_total <= stats.recv_waits_total, "{stats:?}");
                let channel = the("moves");
                if let Some(wait) = channel.recv_wait {
                    assert!(wait.call == Call::Recv && wait.task.is_some(), "{wait:?}");
                }
                last = stats;
            }
        });
        let sends = scope.spawn(|| (0..n).for_each(|i| tx.blocking_send(i).unwrap()));
        let mut waits = 0;
        for i in 0..n {
            let mut woken = false;
            loop {
                let wakes = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
                let waker = Waker::from(wakes.clone());
                let mut receive = Box::pin(rx.recv());
                match receive.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(got) => {
                        assert_eq!(got, Some(i));
                        break;
                    }
                    // Given up at once, every third time.
                    Poll::Pending => waits += 1,
                }
                if i % 3 != 0 || woken {
                    while !wakes.1.load(Ordering::SeqCst) {
                        thread::park();
                    }
                }
                woken = true;
            }
        }
        sends.join().unwrap();
        done.store(true, Ordering::SeqCst);
        looks.join().unwrap();
        let stats = tx.stats();
        assert!(stats.recv_waits_total <= waits, "{stats:?} {waits}");
        assert!(stats.recv_given_up_total <= stats.recv_waits_total, "{stats:?}");
        assert!(cfg!(miri) || stats.recv_waits_total > 0);
    });
}

/// Wakes a thread.
struct Unpark(thread::Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// A wait is polled by another task, with a waker that cannot be cloned: it stays that of who has
/// its waker there.
///
/// Seen to fail with: a task that is noted before its waker is there.
#[test]
fn a_wait_is_that_of_the_task_whose_waker_lies_there() {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("no clones"), |_| {}, |_| {}, |_| {});
    // SAFETY: no function of the table touches the pointer.
    let unclonable = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
    let (tx, _rx) = Builder::new().name("unclonable").capacity(1).build();
    tx.try_send(0).unwrap();
    let (_wakes, waker) = Wakes::new();
    let mut send = pin!(tx.send(1));
    assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let poll = AssertUnwindSafe(|| send.as_mut().poll(&mut Context::from_waker(&unclonable)));
    assert!(catch_unwind(poll).is_err());
    let task = the("unclonable").send_waits[0].task.unwrap();
    assert_eq!(task.number(), waker.data().addr() as u64);
}
