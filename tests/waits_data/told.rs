//! What is told of a wait: its number, its call, its deadline, and by whose waker it waits.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parshall::mpsc::{self, Builder, Receiver};
use parshall::task::{TaskKind, named};
use parshall::{Call, ChannelSnapshot, WaitSnapshot, snapshot};

use crate::support::{Task, Wakes, eventually, pending};
use crate::{cx, receives, the};

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
        std::future::poll_fn(|cx| {
            assert!(by_timer.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
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
