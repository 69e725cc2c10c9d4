//! What waits have lasted that are over, and who gave up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use parshall::mpsc::Builder;
use parshall::{Call, Retired, snapshot};

use crate::support::{eventually, now, pending, rounds};
use crate::{cx, receives, the};

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
