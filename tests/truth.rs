//! What a diagnosis says of programs that are slow, starved or busy is true.

#![cfg(all(feature = "tokio", feature = "introspect"))]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use parshall::introspect::{Diagnoser, Diagnosis, Finding, FindingKind, Settings};
use parshall::{mpsc, snapshot, task};

const MS: Duration = Duration::from_millis(1);

/// The coarse clock's ticks.
const SLACK_NS: i64 = 20_000_000;

fn now_ns() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64
}

fn channel(name: &str, capacity: usize) -> (mpsc::Sender<u32>, mpsc::Receiver<u32>) {
    mpsc::Builder::new().name(name).capacity(capacity).build()
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.stuck_after = 300 * MS;
    settings
}

/// When something was done last. It is noted by who does it, with a time from before, when it is
/// done: a thread may be stopped between the two for long. And it is read before the looks.
#[derive(Clone)]
struct Last(Arc<AtomicI64>);

impl Last {
    fn never() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }

    fn at(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn note(&self, since: i64) {
        self.0.store(since, Ordering::SeqCst);
    }
}

/// Two looks, so far apart, by one that has seen nothing.
fn two_looks(apart: Duration) -> Diagnosis {
    let mut diagnoser = Diagnoser::new(settings());
    diagnoser.look(&snapshot()).unwrap();
    std::thread::sleep(apart);
    diagnoser.look(&snapshot()).unwrap()
}

fn about<'a>(diagnosis: &'a Diagnosis, name: &str) -> Vec<&'a Finding> {
    let is_about = |f: &&Finding| f.channels.iter().any(|channel| channel.name == name);
    diagnosis.findings.iter().filter(is_about).collect()
}

/// Forty senders wait from the beginning, and one is let in each 120 ms: the first in line has
/// waited for long, and there were receives all the time.
///
/// Seen to fail when a line was taken to stand since its first one came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_line_is_no_proof_that_nobody_receives() {
    let (tx, mut rx) = channel("long line", 1);
    let last = Last::never();
    for n in 0..40 {
        let tx = tx.clone();
        task::spawn(async move { tx.send(n).await });
    }
    let noted = last.clone();
    let receiver = std::thread::spawn(move || {
        for _ in 0..20 {
            let mut since = now_ns();
            // Who was let in may not have come to send yet.
            while rx.try_recv().is_err() {
                std::thread::sleep(MS);
                since = now_ns();
            }
            noted.note(since);
            std::thread::sleep(120 * MS);
        }
    });
    std::thread::sleep(600 * MS);
    for _ in 0..40 {
        let last = last.at();
        let diagnosis = two_looks(20 * MS);
        for found in about(&diagnosis, "long line") {
            assert!(
                found.since_ns + SLACK_NS >= last || found.kind != FindingKind::Stalled,
                "{found:?}"
            );
        }
    }
    receiver.join().unwrap();
}

/// A receiver that worked for long in one poll, and received to its end.
///
/// Seen to fail when idle was said to be since the wake-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_received_in_a_long_poll_has_not_slept_since_it_was_woken() {
    let (tx, mut rx) = channel("long poll", 8);
    let (wake, woken) = tokio::sync::oneshot::channel();
    let last = Last::never();
    let noted = last.clone();
    task::spawn(async move {
        woken.await.unwrap();
        for _ in 0..6 {
            std::thread::sleep(100 * MS);
            let _ = rx.recv().await;
        }
        // Somebody still waits, so it is known who receives.
        let since = now_ns();
        let _ = rx.try_recv();
        noted.note(since);
        tokio::time::sleep(2000 * MS).await;
        drop(rx);
    });
    for n in 0..8 {
        tx.try_send(n).unwrap();
    }
    for _ in 0..12 {
        let tx = tx.clone();
        task::spawn(async move { tx.send(7).await });
    }
    wake.send(()).unwrap();
    while last.at() == i64::MAX {
        tokio::time::sleep(MS).await;
    }
    let last = last.at();
    let diagnosis = two_looks(20 * MS);
    for found in about(&diagnosis, "long poll") {
        assert!(
            found.since_ns + SLACK_NS >= last || found.kind != FindingKind::Stalled,
            "{found:?}"
        );
    }
}

/// A task that was woken, waited long for its runtime, was granted room meanwhile, and then polls
/// something else: that is no lost wake-up.
///
/// Seen to fail when idle was said to be since the wake-up.
#[test]
fn a_grant_to_a_task_that_was_starved_is_not_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (tx, mut rx) = channel("starved", 1);
    let gate = Arc::new(AtomicBool::new(false));
    let (wake, mut woken) = mpsc::unbounded_channel::<()>();
    let opened = gate.clone();
    let _task = {
        let _guard = runtime.enter();
        task::spawn(async move {
            tx.send(1).await.unwrap();
            let mut send = pin!(tx.send(2));
            poll_fn(|cx| {
                assert!(send.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            opened.store(true, Ordering::SeqCst);
            // It does not look at its send for now.
            woken.recv().await;
            woken.recv().await;
            send.await.unwrap();
        })
    };
    runtime.block_on(async {
        while !gate.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(100 * MS).await;
        // Woken, and not polled for 200 ms, in which it is granted room.
        wake.send(()).unwrap();
        std::thread::sleep(100 * MS);
        rx.try_recv().unwrap();
        std::thread::sleep(100 * MS);
        tokio::time::sleep(10 * MS).await;
        let diagnosis = two_looks(20 * MS);
        let lost: Vec<_> = (diagnosis.findings.iter())
            .filter(|found| found.kind == FindingKind::LostWakeup)
            .collect();
        assert!(lost.is_empty(), "{lost:#?}");
    });
}

/// The one who is to wake a task is stopped just before, by another's waker that takes its time.
///
/// Seen to fail when a grant that is slept through was enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_up_that_is_on_its_way_is_not_lost() {
    struct Slow(AtomicU64);
    impl Wake for Slow {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(800 * MS);
        }
    }
    let (tx, mut rx) = channel("on its way", 2);
    tx.send(1).await.unwrap();
    tx.send(2).await.unwrap();
    let other = tx.clone();
    let mut slow = Box::pin(async move { other.send(3).await });
    let is_slow = Arc::new(Slow(AtomicU64::new(0)));
    let waker = Waker::from(is_slow.clone());
    assert!(slow.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    task::spawn(async move { tx.send(4).await });
    while snapshot().channels.iter().all(|channel| channel.send_waits.len() < 2) {
        tokio::time::sleep(MS).await;
    }
    tokio::time::sleep(100 * MS).await;
    let receiver = std::thread::spawn(move || {
        let mut all = Vec::new();
        rx.blocking_recv_many(&mut all, 2);
        rx
    });
    while is_slow.0.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(MS);
    }
    std::thread::sleep(400 * MS);
    let diagnosis = two_looks(50 * MS);
    let lost: Vec<_> =
        (diagnosis.findings.iter()).filter(|found| found.kind == FindingKind::LostWakeup).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    drop(receiver.join().unwrap());
}

/// Permits are held for a while each, and messages go through all the time.
///
/// Seen to fail when the age was that of the first in line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permits_that_come_and_go_are_not_held() {
    let (tx, mut rx) = channel("come and go", 1);
    let last = Last::never();
    for n in 0..20 {
        let (tx, last) = (tx.clone(), last.clone());
        task::spawn(async move {
            let permit = tx.reserve().await.unwrap();
            tokio::time::sleep(100 * MS).await;
            let since = now_ns();
            permit.send(n);
            last.note(since);
        });
    }
    drop(tx);
    let receiver = tokio::spawn(async move { while rx.recv().await.is_some() {} });
    tokio::time::sleep(500 * MS).await;
    while !receiver.is_finished() {
        let last = last.at();
        let diagnosis = two_looks(20 * MS);
        for found in about(&diagnosis, "come and go") {
            assert!(
                found.since_ns + SLACK_NS >= last || found.kind != FindingKind::HeldPermits,
                "{found:?}"
            );
        }
    }
}
