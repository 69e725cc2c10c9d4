//! Real threads, under a watchdog and within a second: what the loom models of the same names
//! explore in full. B1, B11, B12, B13, B17, B18, B19, B21, B29.
//!
//! A race may pass by luck: a pass here says less than the model, a failure says all.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use std::thread;

use parshall::mpsc::error::TryRecvError;

use super::{Rx, Tx, channel, send, whole};
use crate::support::watchdog::Watched;
use crate::support::{Wakes, rounds};

/// Where two threads meet: they spin, so that both go on in the same moment.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn wait(&self) {
        let both = self.0.fetch_add(1, Ordering::SeqCst) / 2 * 2 + 2;
        let mut spins = 0;
        while self.0.load(Ordering::SeqCst) < both {
            spins += 1;
            if spins % 512 == 0 {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// Shifts one side against the other, differently in each round.
fn spin(times: usize) {
    (0..times).for_each(|_| std::hint::spin_loop());
}

/// Runs `mine` so many times, and beside it `theirs` on another thread; both begin a round
/// together. A panic of either ends the race.
fn race<A: Send, B>(
    number: usize,
    mut make: impl FnMut(usize) -> (A, B),
    theirs: impl Fn(A) + Sync,
    mut mine: impl FnMut(usize, B),
) {
    let watched = Watched::new();
    let (pass, inbox) = std::sync::mpsc::channel();
    let meeting = Meeting::default();
    thread::scope(|scope| {
        let (theirs, meeting) = (&theirs, &meeting);
        scope.spawn(move || {
            for given in inbox {
                meeting.wait();
                let result = catch_unwind(AssertUnwindSafe(|| theirs(given)));
                meeting.wait();
                result.unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
        let pass = pass;
        for round in 0..rounds(number) {
            let (given, kept) = make(round);
            pass.send(given).expect("the other side has panicked");
            meeting.wait();
            let result = catch_unwind(AssertUnwindSafe(|| mine(round, kept)));
            meeting.wait();
            result.unwrap_or_else(|panic| resume_unwind(panic));
            watched.moved();
        }
    });
}

/// Its write takes a while, so that others get into the midst of it.
type Large = [u64; 2000];

/// One sender is in the midst of writing a large message while another's send completes behind it.
///
/// Seen to fail with: `try_recv` that says Empty for a claimed message.
#[test]
fn b01_try_recv_never_says_empty_after_a_completed_send() {
    race(
        12_000,
        |round| {
            let (tx, rx) = channel::<Large>(4);
            ((tx.clone(), round), (tx, rx))
        },
        |(tx, round): (Tx<Large>, usize)| {
            spin(round / 32 % 32);
            // Refused if the other side is through already.
            let _ = send(&tx, [1; 2000]);
        },
        |round, (tx, mut rx): (Tx<Large>, Rx<Large>)| {
            spin(round % 32);
            assert!(send(&tx, [2; 2000]).is_ok());
            let first = rx.try_recv().expect("a send has completed");
            if first[0] == 1 {
                assert_eq!(rx.try_recv().expect("and it comes next")[0], 2);
            }
        },
    );
}

/// A message that takes long to write, and one count of it.
type Counted = (Large, Arc<()>);

/// The first messages ever, and the receiver's end, at once. crossbeam's RUSTSEC-2025-0024 was
/// here.
///
/// Seen to fail with: `Consumer::drop` that goes though a claim is on its way.
#[test]
fn b11_the_first_send_against_the_receivers_drop_leaks_and_doubles_nothing() {
    let made = Arc::new(());
    race(
        1000,
        |_| {
            let (tx, rx) = channel::<Counted>(4);
            ((tx, [made.clone(), made.clone()]), rx)
        },
        |(tx, counts)| counts.into_iter().for_each(|count| drop(send(&tx, ([0; 2000], count)))),
        |round, rx| {
            spin(round % 64);
            drop(rx);
        },
    );
    assert_eq!(Arc::strong_count(&made), 1, "every message is dropped, once");
}

/// That it is dropped promptly, not with the last handle: the senders live on.
///
/// Seen to fail with: `Consumer::drop` that goes though a claim is on its way.
#[test]
fn b13_a_message_that_meets_the_receivers_drop_is_dropped_while_senders_live() {
    let made = Arc::new(());
    let mut kept = Vec::new();
    race(
        1000,
        |_| {
            let (tx, rx) = channel::<Counted>(4);
            kept.push(tx.clone());
            ((tx, made.clone()), rx)
        },
        |(tx, count)| drop(send(&tx, ([0; 2000], count))),
        |round, rx| {
            spin(round % 32);
            drop(rx);
        },
    );
    assert_eq!(Arc::strong_count(&made), 1);
    kept.iter().for_each(whole);
}

/// What each sender did before it went is visible after `None`, whoever was last. On x86 no
/// ordering is weak enough to show in hardware: that part is
/// `n1_no_sender_left_shows_what_was_done_before`'s.
///
/// Seen to fail with: closing at the last sender but one.
#[test]
fn b12_none_shows_what_every_sender_did_before_it_went() {
    let notes = [AtomicUsize::new(0), AtomicUsize::new(0)];
    race(
        4000,
        |round| {
            let (tx, rx) = channel::<u8>(4);
            notes[0].store(0, Ordering::Relaxed);
            notes[1].store(0, Ordering::Relaxed);
            ((tx.clone(), round), (tx, rx))
        },
        |(tx, round)| {
            notes[0].store(round + 1, Ordering::Relaxed);
            drop(tx);
        },
        |round, (tx, mut rx)| {
            notes[1].store(round + 1, Ordering::Relaxed);
            drop(tx);
            if round % 2 == 0 {
                assert_eq!(rx.blocking_recv(), None);
            } else {
                while rx.try_recv() != Err(TryRecvError::Disconnected) {
                    thread::yield_now();
                }
            }
            let seen = [notes[0].load(Ordering::Relaxed), notes[1].load(Ordering::Relaxed)];
            assert_eq!(seen, [round + 1; 2]);
        },
    );
}

/// Two senders and a receiver that goes to sleep after each message, to and fro.
///
/// Seen to fail with: `publish` that wakes nobody; the watchdog ended it.
#[test]
fn b17_no_wake_up_of_the_receiver_is_lost() {
    const EACH: usize = rounds(10_000);
    let watched = Watched::new();
    let (tx, mut rx) = channel(1000);
    let (back, mut answers) = channel(1000);
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Some((from, number)) = rx.blocking_recv() {
                while_full(&back, (from, number));
            }
        });
        for from in 0..2 {
            let tx = tx.clone();
            scope.spawn(move || (0..EACH).for_each(|i| while_full(&tx, (from, i))));
        }
        drop(tx);
        let mut next = [0; 2];
        while let Some((from, number)) = answers.blocking_recv() {
            assert_eq!(number, next[from], "b18: the messages of one sender keep their order");
            next[from] += 1;
            watched.moved();
        }
        assert_eq!(next, [EACH; 2]);
    });
}

fn while_full<T>(tx: &Tx<T>, mut message: T) {
    while let Err(refused) = send(tx, message) {
        assert!(!tx.is_closed());
        message = refused;
        thread::yield_now();
    }
}

/// The receiver's waker changes at every poll while senders take it out of its cell: what two had
/// in hand at once would be freed twice, or not at all.
///
/// Seen to fail with: `publish` that takes and wakes though no park has ended.
#[test]
fn b19_the_receivers_waker_has_one_owner_at_a_time() {
    let wakers: Vec<_> = (0..4).map(|_| Wakes::new()).collect();
    race(
        8000,
        |_| channel(32),
        |tx| (0..32).for_each(|i| send(&tx, i).unwrap()),
        |_, mut rx| {
            let mut next = 0;
            for (_, waker) in wakers.iter().cycle() {
                match rx.poll_recv(&mut Context::from_waker(waker)) {
                    std::task::Poll::Ready(Some(got)) => {
                        assert_eq!(got, next);
                        next += 1;
                    }
                    std::task::Poll::Ready(None) => break,
                    std::task::Poll::Pending => std::hint::spin_loop(),
                }
            }
            assert_eq!(next, 32);
        },
    );
    for (wakes, waker) in wakers {
        drop(waker);
        assert_eq!(Arc::strong_count(&wakes), 1, "a waker is lost, or was dropped twice");
    }
}

/// Either the upgrade comes first, and what is sent through it arrives, or the drop does, and it is
/// final.
///
/// Seen to fail with: an upgrade from 0 that succeeds.
#[test]
fn b21_an_upgrade_races_with_the_last_sender() {
    let upgraded = Cell::new(0);
    race(
        8000,
        |_| {
            let (tx, rx) = channel(1);
            let weak = tx.downgrade();
            (tx, (weak, rx))
        },
        drop,
        |_, (weak, mut rx)| {
            if let Some(tx) = weak.upgrade() {
                upgraded.set(upgraded.get() + 1);
                assert!(!tx.is_closed() && !rx.is_closed(), "a sender keeps the channel open");
                assert_eq!(send(&tx, 7), Ok(()));
                drop(tx);
                assert_eq!(rx.blocking_recv(), Some(7));
            } else {
                assert_eq!(weak.strong_count(), 0);
            }
            assert!(rx.blocking_recv().is_none() && weak.upgrade().is_none());
        },
    );
}

/// A sender goes right after its send: the end must not overtake the message.
///
/// Seen to fail with: a last sender that goes without closing, which hangs; for the window between
/// a look for messages and one for the end, see
/// [`b29_the_end_does_not_overtake_a_message`](super::reentry).
#[test]
fn b29_a_message_sent_just_before_the_last_sender_goes_arrives() {
    race(
        8000,
        |round| {
            let (tx, rx) = channel(1);
            ((tx, round), rx)
        },
        |(tx, round)| {
            send(&tx, round).unwrap();
            drop(tx);
        },
        |round, mut rx| {
            if round % 2 == 0 {
                assert_eq!(rx.blocking_recv(), Some(round));
            } else {
                let got = loop {
                    match rx.try_recv() {
                        Ok(got) => break Some(got),
                        Err(TryRecvError::Disconnected) => break None,
                        Err(TryRecvError::Empty) => thread::yield_now(),
                    }
                };
                assert_eq!(got, Some(round));
            }
            assert_eq!(rx.blocking_recv(), None);
        },
    );
}
