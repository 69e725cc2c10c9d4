//! What a user's model sees of a channel: each edge that is promised, and no other; and how much
//! there is to explore.
//!
//! ```sh
//! RUSTFLAGS="--cfg parshall_loom" cargo test -p loom-tests --profile loom
//! ```
//!
//! All other models run in this build too (`docs/model-checking.md`), where an operation is one
//! step: the edges and the wake-ups that they rest on must be there.

#![cfg(all(parshall_loom, not(parshall_loom_inside)))]

use core::mem::forget;
use core::task::{Context, Waker};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use parshall::mpsc;

/// Explores `model`, and returns how many executions there were.
fn executions(preemptions: usize, model: impl Fn() + Send + Sync + 'static) -> usize {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let n = Arc::new(AtomicUsize::new(0));
    let counter = n.clone();
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        model();
    });
    n.load(Relaxed)
}

/// A cell that several threads share, and loom watches.
#[derive(Clone)]
struct Shared(Arc<UnsafeCell<u32>>);

impl Shared {
    fn new() -> Self {
        Self(Arc::new(UnsafeCell::new(0)))
    }

    fn write(&self) {
        self.0.with_mut(|p| {
            // SAFETY: loom fails the model first if another thread is there.
            unsafe { *p = 7 }
        });
    }

    fn read(&self) {
        self.0.with(|p| {
            // SAFETY: as above.
            assert_eq!(unsafe { *p }, 7);
        });
    }
}

/// The receiver writes and receives the first of the messages `0..n`; who has sent all of them
/// reads.
fn receive_before_send(capacity: usize, n: u32) {
    executions(2, move || {
        let (tx, mut rx) = mpsc::channel(capacity);
        let cell = Shared::new();
        let sender = thread::spawn({
            let cell = cell.clone();
            move || {
                (0..n).for_each(|i| block_on(tx.send(i)).unwrap());
                cell.read();
            }
        });
        cell.write();
        assert_eq!(block_on(rx.recv()), Some(0));
        sender.join().unwrap();
    });
}

/// Seen to fail with: no edge from a receive.
#[test]
fn a_send_comes_after_the_receive_that_made_room_for_it() {
    receive_before_send(1, 2);
    receive_before_send(2, 3);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_send_comes_after_no_receive_that_it_did_not_need() {
    receive_before_send(3, 3);
}

/// One sends; another one writes and sends behind it. The receiver knows by `len` alone that both
/// have, takes the first message, and then reads.
fn read_after(receives: usize) {
    executions(2, move || {
        let (tx, mut rx) = mpsc::channel(2);
        let cell = Shared::new();
        block_on(tx.send(1)).unwrap();
        let sender = thread::spawn({
            let cell = cell.clone();
            move || {
                cell.write();
                block_on(tx.send(2)).unwrap();
            }
        });
        if rx.len() == 2 {
            for n in 1..=receives {
                assert_eq!(rx.try_recv(), Ok(n));
            }
            cell.read();
        }
        sender.join().unwrap();
    });
}

/// Seen to fail with: no edge from a send.
#[test]
fn a_receive_comes_after_its_send() {
    read_after(2);
}

/// Seen to fail with: an operation that is an AcqRel step.
#[test]
#[should_panic(expected = "Causality violation")]
fn a_receive_does_not_come_after_a_later_send() {
    read_after(1);
}

/// Seen to fail with: no edge from a permit's drop.
#[test]
fn a_reserve_comes_after_the_drop_of_the_permit_that_had_its_room() {
    executions(2, || {
        let (tx, rx) = mpsc::channel::<u32>(1);
        let cell = Shared::new();
        let permit = tx.clone().try_reserve_owned().unwrap();
        let owner = thread::spawn({
            let cell = cell.clone();
            move || {
                cell.write();
                drop(permit);
            }
        });
        drop(block_on(tx.reserve()).unwrap());
        cell.read();
        owner.join().unwrap();
        drop(rx);
    });
}

/// Seen to fail with: no edge from closing.
#[test]
fn an_error_comes_after_the_close() {
    executions(2, || {
        let (tx, mut rx) = mpsc::channel::<u32>(1);
        let cell = Shared::new();
        let sender = thread::spawn({
            let cell = cell.clone();
            move || {
                while block_on(tx.send(1)).is_ok() {}
                cell.read();
            }
        });
        cell.write();
        rx.close();
        sender.join().unwrap();
        while block_on(rx.recv()).is_some() {}
    });
}

/// Seen to fail with: no edge from a sender's drop.
#[test]
fn the_end_comes_after_all_that_the_senders_did() {
    executions(2, || {
        let (tx, mut rx) = mpsc::channel::<u32>(1);
        let cells = [Shared::new(), Shared::new()];
        let senders = cells.clone().map(|cell| {
            let tx = tx.clone();
            thread::spawn(move || {
                cell.write();
                drop(tx);
            })
        });
        drop(tx);
        assert_eq!(block_on(rx.recv()), None);
        cells.iter().for_each(Shared::read);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// A waker that writes.
struct Writes(Shared);

// SAFETY: a waker has to be; loom sees whether those who share the cell are in order.
unsafe impl Send for Writes {}
// SAFETY: as above.
unsafe impl Sync for Writes {}

impl Wake for Writes {
    fn wake(self: Arc<Self>) {
        self.0.write();
    }
}

/// The receiver writes before it is polled, or after that, and raises a flag that orders nothing;
/// who sees the flag sends, and so calls the waker, which writes too. (It sends by a permit: such a
/// send hands on what panics in a waker.)
fn write_in_the_wake_up(before_the_poll: bool) {
    executions(2, move || {
        let (tx, mut rx) = mpsc::channel::<u32>(1);
        let (cell, flag) = (Shared::new(), Arc::new(AtomicBool::new(false)));
        let sender = thread::spawn({
            let flag = flag.clone();
            move || {
                if flag.load(Ordering::Relaxed) {
                    tx.try_reserve().unwrap().send(1);
                }
                forget(tx);
            }
        });
        let waker = Waker::from(Arc::new(Writes(cell.clone())));
        if before_the_poll {
            cell.write();
        }
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        if !before_the_poll {
            cell.write();
            rx.len();
        }
        flag.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
}

/// Seen to fail with: no edge from a poll.
#[test]
fn a_wake_up_comes_after_what_was_done_before_the_poll() {
    write_in_the_wake_up(true);
}

/// Seen to fail with: an edge from the newest operation of the thread that polled.
#[test]
#[should_panic(expected = "Causality violation")]
fn a_wake_up_does_not_come_after_what_followed_the_poll() {
    write_in_the_wake_up(false);
}

/// One writes, looks at the channel, and raises a flag that orders nothing; who sees the flag looks
/// at the channel too, and reads. That is a race, whatever both have seen there.
///
/// Each but the last was seen to fail with: an edge that those who take it lock one after another.
fn read_after_another_looked<C: 'static>(open: fn() -> C, look: fn(&C)) {
    executions(2, move || {
        let (channel, cell) = (Arc::new(open()), Shared::new());
        let flag = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let (channel, cell, flag) = (channel.clone(), cell.clone(), flag.clone());
            move || {
                cell.write();
                look(&channel);
                flag.store(true, Ordering::Relaxed);
            }
        });
        if flag.load(Ordering::Relaxed) {
            look(&channel);
            cell.read();
        }
        other.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn who_sees_the_close_does_not_come_after_who_saw_it() {
    let closed = || {
        let (tx, mut rx) = mpsc::channel::<u32>(1);
        rx.close();
        (tx, rx)
    };
    read_after_another_looked(closed, |(tx, _)| assert!(tx.is_closed()));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn who_sees_the_end_does_not_come_after_who_saw_it() {
    let without_senders = || {
        let (tx, rx) = mpsc::channel::<u32>(1);
        (tx.downgrade(), rx)
    };
    read_after_another_looked(without_senders, |(tx, _)| assert_eq!(tx.strong_count(), 0));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn who_takes_room_does_not_come_after_who_took_some() {
    let open = || {
        let (tx, rx) = mpsc::channel::<u32>(2);
        drop(tx.try_reserve());
        (tx, rx)
    };
    read_after_another_looked(open, |(tx, _)| forget(tx.try_reserve().unwrap()));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_look_at_the_length_orders_nothing() {
    let open = || mpsc::channel::<u32>(1);
    read_after_another_looked(open, |(tx, _)| assert_eq!(tx.len(), 0));
}

/// What a sender does after a send may be seen by who has received the message, and may not.
#[test]
fn what_follows_a_send_is_seen_or_not() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    executions(2, move || {
        let (tx, mut rx) = mpsc::channel(1);
        let flag = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let flag = flag.clone();
            move || {
                block_on(tx.send(1)).unwrap();
                flag.store(true, Ordering::Relaxed);
            }
        });
        assert_eq!(block_on(rx.recv()), Some(1));
        all.lock().unwrap().insert(flag.load(Ordering::Relaxed));
        sender.join().unwrap();
    });
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([false, true]));
}

/// Every order in which two senders' messages can come.
#[test]
fn all_orders_are_explored() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    executions(2, move || {
        let (tx, mut rx) = mpsc::channel(4);
        let senders = [[1, 2], [3, 4]].map(|messages| {
            let tx = tx.clone();
            thread::spawn(move || messages.map(|m| block_on(tx.send(m)).unwrap()))
        });
        drop(tx);
        let mut got = Vec::new();
        while let Some(m) = block_on(rx.recv()) {
            got.push(m);
        }
        all.lock().unwrap().insert(got);
        for sender in senders {
            sender.join().unwrap();
        }
    });
    let place = |order: &Vec<i32>, m| order.iter().position(|&x| x == m).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|o| place(o, 1) < place(o, 2) && place(o, 3) < place(o, 4)));
    // Four messages in two pairs: 4! / (2! * 2!).
    assert_eq!(seen.len(), 6, "{seen:?}");
}

/// Two senders and a receiver are within reach: at one preemption here, which are some thousand
/// executions; on the inside of the channel it was not done after five minutes.
#[test]
fn two_senders_and_a_receiver_are_affordable() {
    let n = executions(1, || {
        let (tx, mut rx) = mpsc::channel(1);
        let senders = [2, 1].map(|n| {
            let tx = tx.clone();
            thread::spawn(move || (0..n).for_each(|i| block_on(tx.send(i)).unwrap()))
        });
        drop(tx);
        let mut got = 0;
        while block_on(rx.recv()).is_some() {
            got += 1;
        }
        assert_eq!(got, 3);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
    assert!((100..10_000).contains(&n), "{n} executions");
}
