//! What must hold where there is no clock, no process id, no executable, no environment and one
//! thread. `run.mjs` calls every export: a name that begins with `trap_` must panic, any other must
//! return.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_core::Stream;
use parshall::mpsc::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use parshall::mpsc::{self, Builder, Timer};

unsafe extern "C" {
    /// Prints a text.
    safe fn say(text: *const u8, len: usize);
}

/// Called first: panics are printed, with their place.
#[unsafe(no_mangle)]
extern "C" fn init() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        say(text.as_ptr(), text.len());
    }));
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future and how often it was woken.
struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

fn task<F: Future>(future: F) -> Task<F> {
    Task { future: Box::pin(future), wakes: Arc::default() }
}

impl<F: Future> Task<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

fn ready<F: Future>(future: F) -> F::Output {
    match task(future).poll() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn bounded() {
    let (tx, mut rx) = mpsc::channel(2);
    assert_eq!((tx.try_send(1), tx.try_send(2)), (Ok(()), Ok(())));
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!((rx.try_recv(), ready(rx.recv())), (Ok(1), Some(2)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(tx);
    assert_eq!(ready(rx.recv()), None);
}

#[unsafe(no_mangle)]
extern "C" fn unbounded() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    for i in 0..1000 {
        tx.send(i).unwrap();
    }
    assert_eq!(rx.len(), 1000);
    assert!((0..1000).all(|i| ready(rx.recv()) == Some(i)));
    drop(rx);
    assert!(tx.send(0).is_err());
}

#[unsafe(no_mangle)]
extern "C" fn waiting() {
    let (tx, mut rx) = mpsc::channel(1);
    {
        let mut recv = task(rx.recv());
        assert!(recv.poll().is_pending());
        tx.try_send(1).unwrap();
        assert_eq!((recv.wakes(), recv.poll()), (1, Poll::Ready(Some(1))));
    }
    tx.try_send(2).unwrap();
    let (mut first, mut second) = (task(tx.send(3)), task(tx.reserve()));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(first.poll(), Poll::Ready(Ok(())));
    drop(second);
    let mut closed = task(tx.closed());
    assert!(closed.poll().is_pending());
    drop(rx);
    assert_eq!((closed.wakes(), closed.poll()), (1, Poll::Ready(())));
}

#[unsafe(no_mangle)]
extern "C" fn streams() {
    let (tx, mut rx) = mpsc::channel(2);
    tx.try_send(7).unwrap();
    drop(tx);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(Pin::new(&mut rx).poll_next(&mut cx), Poll::Ready(Some(7)));
    assert_eq!(Pin::new(&mut rx).poll_next(&mut cx), Poll::Ready(None));
}

/// A timeout that is a future needs no clock of ours.
#[unsafe(no_mangle)]
extern "C" fn timers() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(1).unwrap();
    let late = tx.send_timeout(2, Timer(std::future::ready(())));
    assert_eq!(ready(late), Err(SendTimeoutError::Timeout(2)));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(ready(tx.send_timeout(3, Timer(std::future::pending::<()>()))), Ok(()));
}

/// Blocking calls that need not wait.
#[unsafe(no_mangle)]
extern "C" fn blocking() {
    let (tx, mut rx) = mpsc::channel(2);
    assert_eq!(tx.blocking_send(1), Ok(()));
    assert_eq!(tx.blocking_send_timeout(2, Duration::ZERO), Ok(()));
    assert_eq!(rx.blocking_recv(), Some(1));
    assert_eq!(rx.blocking_recv_timeout(Duration::from_secs(1)), Ok(2));
    drop(tx);
    assert_eq!(rx.blocking_recv(), None);
    assert_eq!(rx.blocking_recv_timeout(Duration::MAX), Err(RecvTimeoutError::Disconnected));
}

#[unsafe(no_mangle)]
extern "C" fn trap_blocking_recv() {
    let (_tx, mut rx) = mpsc::channel::<u8>(1);
    rx.blocking_recv();
}

#[unsafe(no_mangle)]
extern "C" fn trap_blocking_send() {
    let (tx, _rx) = mpsc::channel(1);
    tx.blocking_send(1).unwrap();
    let _ = tx.blocking_send(2);
}

/// There is no clock: `std` says so.
#[unsafe(no_mangle)]
extern "C" fn trap_recv_timeout() {
    let (_tx, mut rx) = mpsc::channel::<u8>(1);
    let _ = rx.blocking_recv_timeout(Duration::from_millis(1));
}

/// No times, and all else: ages are none, points in time and sums of time are 0.
#[unsafe(no_mangle)]
extern "C" fn stats() {
    let (tx, mut rx) = Builder::new().name("jobs").capacity(1).build();
    tx.try_send(1).unwrap();
    let mut send = task(tx.send(2));
    assert!(send.poll().is_pending());
    let full = rx.stats();
    assert_eq!((full.name.as_str(), full.queue_len, full.send_waiters), ("jobs", 1, 1));
    assert_eq!((full.send_waits_total, full.oldest_send_wait_ns), (1, None));
    assert_eq!((full.send_wait_total_ns, full.created_at_ns), (0, 0));

    assert_eq!((rx.try_recv(), send.poll()), (Ok(1), Poll::Ready(Ok(()))));
    assert_eq!(rx.try_recv(), Ok(2));
    let mut recv = pin!(rx.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let empty = tx.stats();
    assert_eq!((empty.sent_total, empty.recv_total, empty.high_watermark), (2, 2, 1));
    assert_eq!((empty.recv_waiters, empty.oldest_recv_wait_ns), (1, None));
    assert_eq!((empty.send_waiters, empty.send_wait_total_ns), (0, 0));
}

/// Every call here would ask for the executable and the process id.
#[unsafe(no_mangle)]
extern "C" fn identity() {
    assert_eq!(parshall::process(), "process");
    assert!(parshall::set_process("late").is_err());
    let named = parshall::task::named("writer", async {});
    assert!(named.task().node_id().starts_with("task:process:"));
    ready(named);
}

#[cfg(feature = "introspect")]
#[unsafe(no_mangle)]
extern "C" fn snapshot() {
    let (tx, mut rx) = Builder::new().name("jobs").capacity(1).build();
    tx.try_send(1).unwrap();
    let mut send = task(parshall::task::named("writer", tx.send(2)));
    assert!(send.poll().is_pending());

    let snapshot = parshall::snapshot();
    assert_eq!((snapshot.process.as_str(), snapshot.pid), ("process", 0));
    assert_eq!((snapshot.taken_at_ns, snapshot.completed_at_ns), (0, 0));
    let [jobs] = &snapshot.channels[..] else { panic!("{:?}", snapshot.channels) };
    let [wait] = &jobs.send_waits[..] else { panic!("{:?}", jobs.send_waits) };
    assert_eq!((wait.since_ns, wait.need, wait.granted_at_ns), (0, 1, None));
    let writer = &snapshot.tasks[0];
    assert_eq!((writer.name.as_deref(), writer.waiting_since_ns), (Some("writer"), Some(0)));

    let graph = snapshot.graph();
    let needs = |src: &str, dst: &str| {
        graph.edges.iter().any(|e| e.src.starts_with(src) && e.dst.ends_with(dst))
    };
    assert!(needs("task:process:", ":jobs:tx") && needs("mpsc:process:jobs:tx", ":jobs:rx"));
    assert!(graph.to_json().to_string().contains(r#""pid":0"#));

    // Granted room, and not polled since.
    assert_eq!(rx.try_recv(), Ok(1));
    let granted = parshall::snapshot().channels[0].send_waits[0].granted_at_ns;
    assert_eq!(granted, Some(0));
    drop(send);
    drop((tx, rx));
    assert_eq!(parshall::snapshot().retired[0].sums.send_wait_total_ns, 0);
}

#[cfg(feature = "sink")]
#[unsafe(no_mangle)]
extern "C" fn sink() {
    use futures_sink::Sink;

    let (tx, mut rx) = mpsc::channel(1);
    let mut sink = pin!(mpsc::PollSender::new(tx));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(sink.as_mut().poll_ready(&mut cx), Poll::Ready(Ok(()))));
    sink.as_mut().start_send(5).unwrap();
    assert!(sink.as_mut().poll_ready(&mut cx).is_pending());
    assert_eq!(rx.try_recv(), Ok(5));
    assert!(matches!(sink.as_mut().poll_ready(&mut cx), Poll::Ready(Ok(()))));
}

/// The budget and the check of blocking calls, outside a runtime.
#[cfg(feature = "tokio")]
#[unsafe(no_mangle)]
extern "C" fn without_a_runtime() {
    let (tx, mut rx) = mpsc::channel(1000);
    for i in 0..1000 {
        assert_eq!(ready(tx.send(i)), Ok(()));
        assert_eq!(ready(rx.recv()), Some(i));
    }
}
