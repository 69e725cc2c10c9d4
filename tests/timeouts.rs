//! Waits that end: on threads by their deadline, in tasks by a timer.

mod support;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc as std_mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use parshall::mpsc::error::{RecvTimeoutError, SendTimeoutError, TryRecvError};
use parshall::mpsc::{self, Timer};
use support::{Drops, now, pending, task};

const SHORT: Duration = Duration::from_millis(20);
/// Nothing in here waits that long unless it is wrong.
const LONG: Duration = Duration::from_secs(120);

/// Runs `f` on a thread of its own; fails if it does not come back.
fn watched<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = std_mpsc::channel();
    thread::spawn(move || done.send(f()));
    result.recv_timeout(LONG).expect("it never came back")
}

/// Seen to fail with: a timeout that is reported early; a deadline that is not looked at.
#[test]
fn a_receive_waits_its_time_and_no_longer() {
    watched(|| {
        let (tx, mut rx) = mpsc::channel::<u8>(1);
        let begin = Instant::now();
        assert_eq!(rx.blocking_recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert_eq!(rx.blocking_recv_deadline(begin + 2 * SHORT), Err(RecvTimeoutError::Timeout));
        let waited = begin.elapsed();
        assert!(waited >= 2 * SHORT && waited < LONG / 2, "{waited:?}");
        assert_eq!(tx.stats().recv_waiters, 0, "nobody waits any more");
    });
}

/// Seen to fail with: a poll only after a look at the clock.
#[test]
fn what_is_there_is_received_however_short_the_time() {
    let (tx, mut rx) = mpsc::channel(4);
    for i in 0..4 {
        tx.try_send(i).unwrap();
    }
    drop(tx);
    let past = Instant::now().checked_sub(SHORT).unwrap_or_else(Instant::now);
    assert_eq!(rx.blocking_recv_timeout(Duration::ZERO), Ok(0));
    assert_eq!(rx.blocking_recv_deadline(past), Ok(1));
    assert_eq!(
        (rx.blocking_recv_timeout(SHORT), rx.blocking_recv_timeout(Duration::MAX)),
        (Ok(2), Ok(3))
    );
    assert_eq!(rx.blocking_recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
    assert_eq!(rx.blocking_recv_deadline(past), Err(RecvTimeoutError::Disconnected));
}

/// Seen to fail with: a wait until the deadline although nothing can come.
#[test]
fn closing_ends_a_wait_with_a_deadline_at_once() {
    watched(|| {
        let (tx, mut rx) = mpsc::channel::<u8>(1);
        let receiver = thread::spawn(move || rx.blocking_recv_timeout(LONG));
        thread::sleep(SHORT);
        drop(tx);
        assert_eq!(receiver.join().unwrap(), Err(RecvTimeoutError::Disconnected));

        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(1).unwrap();
        let sender = thread::spawn(move || tx.blocking_send_timeout(2, LONG));
        thread::sleep(SHORT);
        rx.close();
        assert_eq!(sender.join().unwrap(), Err(SendTimeoutError::Closed(2)));
    });
}

/// `Instant + Duration::MAX` overflows. Seen to fail with: `Instant::now() + timeout`; no time for
/// an overflow.
#[test]
fn b25_a_time_too_long_to_be_told_never_ends() {
    watched(|| {
        let (tx, mut rx) = mpsc::channel(1);
        let receiver = thread::spawn(move || {
            let first = rx.blocking_recv_timeout(Duration::MAX);
            (first, rx)
        });
        thread::sleep(SHORT);
        tx.blocking_send_timeout(1, Duration::MAX).unwrap();
        let (first, mut rx) = receiver.join().unwrap();
        assert_eq!(first, Ok(1));
        tx.try_send(2).unwrap();
        let sender = thread::spawn(move || tx.blocking_send_timeout(3, Duration::MAX));
        thread::sleep(SHORT);
        assert_eq!(rx.blocking_recv(), Some(2));
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert_eq!(rx.blocking_recv(), Some(3));
    });
}

/// Messages that arrive around the deadline are received by this call or the next. Seen to fail
/// with: a message taken by the last poll and thrown away.
#[test]
fn no_message_is_lost_at_the_deadline() {
    watched(|| {
        const MESSAGES: u32 = support::rounds(2_000) as u32;
        let (tx, mut rx) = mpsc::channel(4);
        let sender = thread::spawn(move || {
            for i in 0..MESSAGES {
                if i % 4 == 0 {
                    thread::sleep(Duration::from_micros(u64::from(i % 97)));
                }
                tx.blocking_send(i).unwrap();
            }
        });
        let (mut next, mut timeouts) = (0, 0);
        loop {
            match rx.blocking_recv_timeout(Duration::from_micros(u64::from((next + timeouts) % 60)))
            {
                Ok(i) => {
                    assert_eq!(i, next);
                    next += 1;
                }
                Err(RecvTimeoutError::Timeout) => timeouts += 1,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        sender.join().unwrap();
        assert_eq!(next, MESSAGES);
        assert!(timeouts > 0, "no deadline was ever near");
    });
}

/// The same for sends: what timed out was not sent, what did not was. Seen to fail with: a granted
/// send that reports a timeout and keeps its permit.
#[test]
fn a_send_is_either_in_or_given_back() {
    watched(|| {
        const MESSAGES: u32 = support::rounds(2_000) as u32;
        let (tx, mut rx) = mpsc::channel(1);
        let sender = thread::spawn(move || {
            let (mut sent, mut timeouts) = (Vec::new(), 0);
            for i in 0..MESSAGES {
                match tx.blocking_send_timeout(i, Duration::from_micros(u64::from(i % 150))) {
                    Ok(()) => sent.push(i),
                    Err(SendTimeoutError::Timeout(back)) => {
                        assert_eq!(back, i);
                        timeouts += 1;
                    }
                    Err(SendTimeoutError::Closed(_)) => panic!("closed"),
                }
            }
            let stats = tx.stats();
            (sent, timeouts, (stats.send_waiters, stats.reserved))
        });
        let mut received = Vec::new();
        while let Some(i) = rx.blocking_recv() {
            received.push(i);
            thread::sleep(Duration::from_micros(50));
        }
        let (sent, timeouts, left) = sender.join().unwrap();
        assert_eq!((received, left), (sent, (0, 0)));
        assert!(timeouts > 0, "no deadline was ever near");
    });
}

/// Foreign unparks do not end a wait. Seen to fail with: `park_timeout` once.
#[test]
fn foreign_unparks_are_no_timeouts() {
    watched(|| {
        let (tx, mut rx) = mpsc::channel(1);
        let receiver = thread::spawn(move || rx.blocking_recv_timeout(LONG));
        for _ in 0..20 {
            receiver.thread().unpark();
            thread::sleep(Duration::from_millis(1));
        }
        tx.try_send(1).unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(1));
    });
}

/// Seen to fail with: a wait that stays in line after its time.
#[test]
fn a_send_in_vain_gives_back_the_very_message_and_no_room() {
    watched(send_in_vain);
}

fn send_in_vain() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(Box::new(0)).unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        let message = Box::new(1);
        let address = &raw const *message;
        let Err(SendTimeoutError::Timeout(back)) = tx.blocking_send_timeout(message, timeout)
        else {
            panic!("there is no room")
        };
        assert_eq!(&raw const *back, address);
    }
    assert_eq!((tx.stats().send_waiters, *rx.try_recv().unwrap(), tx.capacity()), (0, 0, 1));
    rx.close();
    let message = Box::new(2);
    let address = &raw const *message;
    let Err(SendTimeoutError::Closed(back)) = tx.blocking_send_timeout(message, LONG) else {
        panic!("it is closed")
    };
    assert_eq!(&raw const *back, address);
}

/// A timer made by hand, on no runtime: it is ready when it is told so, and counts its polls.
#[derive(Default)]
struct ByHand {
    over: Cell<bool>,
    polls: Cell<usize>,
}

impl Future for &ByHand {
    type Output = &'static str;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<&'static str> {
        self.polls.set(self.polls.get() + 1);
        if self.over.get() { Poll::Ready("ignored") } else { Poll::Pending }
    }
}

/// Seen to fail with: the timer polled before the wait.
#[test]
fn any_future_is_a_timer() {
    let (tx, mut rx) = mpsc::channel(1);
    let timer = ByHand::default();
    timer.over.set(true);
    assert_eq!(now(tx.send_timeout(0, Timer(&timer))), Ok(()), "there is room");
    assert_eq!(timer.polls.get(), 0);
    assert_eq!(now(tx.send_timeout(1, Timer(&timer))), Err(SendTimeoutError::Timeout(1)));

    timer.over.set(false);
    let mut send = pending(tx.send_timeout(2, Timer(&timer)));
    assert_eq!(rx.try_recv(), Ok(0));
    timer.over.set(true);
    assert_eq!((send.ready(), rx.try_recv()), (Ok(()), Ok(2)), "the wait comes first");

    tx.try_send(3).unwrap();
    timer.over.set(false);
    let mut late = pending(tx.send_timeout(4, Timer(&timer)));
    let mut next = pending(tx.send(5));
    timer.over.set(true);
    assert_eq!(late.ready(), Err(SendTimeoutError::Timeout(4)));
    assert_eq!((rx.try_recv(), next.ready(), rx.try_recv()), (Ok(3), Ok(()), Ok(5)));

    rx.close();
    assert_eq!(now(tx.send_timeout(6, Timer(&timer))), Err(SendTimeoutError::Closed(6)));
}

/// Seen to fail with: closing that leaves the wait to the timer.
#[test]
fn closing_ends_a_send_with_a_timer() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut send = pending(tx.send_timeout(1, Timer(std::future::pending::<()>())));
    rx.close();
    assert_eq!((send.wakes(), send.ready()), (1, Err(SendTimeoutError::Closed(1))));
}

/// Seen to fail with: a message that is forgotten when the future is dropped.
#[test]
fn a_send_with_a_timer_that_is_dropped_was_not_sent() {
    let (tx, mut rx) = mpsc::channel(1);
    let (drops, message) = Drops::new();
    drop(task(tx.send_timeout(message.clone(), Timer(std::future::pending::<()>()))));
    tx.try_send(message.clone()).unwrap();
    let waiting = pending(tx.send_timeout(message, Timer(std::future::pending::<()>())));
    drop(waiting);
    assert_eq!((drops.get(), tx.stats().send_waiters), (2, 0));
    assert!(rx.try_recv().is_ok());
    assert_eq!((rx.try_recv().err(), tx.capacity()), (Some(TryRecvError::Empty), 1));
}

/// The future is `Send` if the message and the timer are, as `reserve` is for tasks.
#[allow(dead_code)]
fn futures_can_move<T: Send, F: Future + Send>(tx: &mpsc::Sender<T>, value: T, timer: F) {
    fn send(_: impl Send) {}
    send(tx.send_timeout(value, Timer(timer)));
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use std::panic::catch_unwind;

    use super::*;

    fn runtime() -> tokio::runtime::Builder {
        tokio::runtime::Builder::new_current_thread()
    }

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = runtime().enable_time().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(LONG, future).await.expect("it hangs") })
    }

    /// Seen to fail with: the time counted from the call.
    #[test]
    fn a_duration_counts_from_the_first_poll() {
        run(async {
            let (tx, mut rx) = mpsc::channel(1);
            assert_eq!(tx.send_timeout(0, Duration::ZERO).await, Ok(()));
            let send = tx.send_timeout(1, 2 * SHORT);
            tokio::time::sleep(2 * SHORT).await;
            let begin = Instant::now();
            assert_eq!(send.await, Err(SendTimeoutError::Timeout(1)));
            assert!(begin.elapsed() >= SHORT);
            assert_eq!(tx.send_timeout(2, Duration::ZERO).await, Err(SendTimeoutError::Timeout(2)));
            let (sent, got) = tokio::join!(tx.send_timeout(3, LONG), rx.recv());
            assert_eq!((sent, got), (Ok(()), Some(0)));
            rx.close();
            assert_eq!(tx.send_timeout(4, LONG).await, Err(SendTimeoutError::Closed(4)));
        });
    }

    /// Seen to fail with: `sleep` of an overflow that is over at once.
    #[test]
    fn the_longest_duration_never_ends_and_needs_no_timer() {
        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(0).unwrap();
        let mut send = pending(tx.send_timeout(1, Duration::MAX));
        assert_eq!((rx.try_recv(), send.ready(), rx.try_recv()), (Ok(0), Ok(()), Ok(1)));
    }

    /// What both channels do where there is no timer. Seen to fail with: a timer made only when
    /// there is no room.
    #[test]
    fn without_a_runtime_or_its_timers_a_duration_panics_as_tokios() {
        fn text(poll: impl FnOnce() + std::panic::UnwindSafe) -> String {
            let panic = catch_unwind(poll).expect_err("a panic");
            match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
            }
        }
        let ours = || {
            let (tx, _rx) = mpsc::channel(1);
            let _ = now(tx.send_timeout(1, LONG));
        };
        let theirs = || {
            let (tx, _rx) = tokio::sync::mpsc::channel(1);
            let _ = now(tx.send_timeout(1, LONG));
        };
        let (outside, expected) = (text(ours), text(theirs));
        assert_eq!(outside, expected);
        assert!(outside.starts_with("there is no reactor running"), "{outside}");
        let timeless = || runtime().build().unwrap();
        let inside = text(move || timeless().block_on(async { ours() }));
        assert_eq!(inside, text(move || timeless().block_on(async { theirs() })));
    }
}

/// Seen to fail with: an unbounded receiver that waits without its deadline.
#[test]
fn an_unbounded_receiver_waits_its_time_too() {
    watched(|| {
        let (tx, mut rx) = mpsc::unbounded_channel();
        assert_eq!(rx.blocking_recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        tx.send(1).unwrap();
        tx.send(2).unwrap();
        assert_eq!(rx.blocking_recv_timeout(Duration::ZERO), Ok(1));
        assert_eq!(rx.blocking_recv_deadline(Instant::now()), Ok(2));
        drop(tx);
        assert_eq!(rx.blocking_recv_timeout(Duration::MAX), Err(RecvTimeoutError::Disconnected));
    });
}
