//! Wakers are user code: they panic, re-enter the channel, own handles of it. The channel survives.

mod support;

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use parshall::mpsc::{self, Sender};
use support::{Wakes, now, pending, task};

/// What a trapped waker does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Clone,
    Wake,
    Drop,
}

/// A waker that panics in one of its operations while it is armed.
struct Trap {
    fault: Fault,
    armed: AtomicBool,
    wakes: AtomicUsize,
}

impl Trap {
    fn new(fault: Fault) -> (Arc<Self>, Waker) {
        let trap =
            Arc::new(Self { fault, armed: AtomicBool::new(false), wakes: AtomicUsize::new(0) });
        let raw = RawWaker::new(Arc::into_raw(trap.clone()).cast(), &TRAP);
        // SAFETY: the table treats the pointer as the `Arc` it came from.
        (trap, unsafe { Waker::from_raw(raw) })
    }

    fn arm(&self, armed: bool) {
        self.armed.store(armed, Ordering::SeqCst);
    }

    fn spring(&self, fault: Fault) {
        let armed = self.fault == fault && self.armed.load(Ordering::SeqCst);
        assert!(!armed || std::thread::panicking(), "trap: {fault:?}");
    }
}

static TRAP: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: all four get the pointer of `Trap::new`, and own or borrow one count of it as the
        // contract of `RawWakerVTable` says.
        let trap = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Trap>()) });
        trap.spring(Fault::Clone);
        RawWaker::new(Arc::into_raw(Arc::clone(&trap)).cast(), &TRAP)
    },
    |data| {
        // SAFETY: as above.
        let trap = unsafe { Arc::from_raw(data.cast::<Trap>()) };
        trap.wakes.fetch_add(1, Ordering::SeqCst);
        trap.spring(Fault::Wake);
    },
    |data| {
        // SAFETY: as above.
        let trap = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Trap>()) });
        trap.wakes.fetch_add(1, Ordering::SeqCst);
        trap.spring(Fault::Wake);
    },
    |data| {
        // SAFETY: as above.
        let trap = unsafe { Arc::from_raw(data.cast::<Trap>()) };
        trap.spring(Fault::Drop);
    },
);

/// Runs `f`. True: a trap was sprung in it and the panic came through. No other panic may.
fn survive(f: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return false };
    let text = payload.downcast::<String>().map_or_else(|_| String::new(), |text| *text);
    assert!(text.starts_with("trap: "), "{text}");
    true
}

/// A channel of three, full of 0, 1, 2.
fn full() -> (Sender<u32>, mpsc::Receiver<u32>) {
    let (tx, rx) = mpsc::channel(3);
    (0..3).for_each(|i| tx.try_send(i).unwrap());
    (tx, rx)
}

type Free = fn(&mut mpsc::Receiver<u32>);

#[test]
fn a_panicking_waker_of_a_sender_costs_the_receiver_no_message_and_others_their_wake() {
    let receives: [(&str, Free); 4] = [
        ("try_recv", |rx| (0..3).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)))),
        ("recv", |rx| (0..3).for_each(|i| assert_eq!(now(rx.recv()), Some(i)))),
        ("blocking_recv", |rx| (0..3).for_each(|i| assert_eq!(rx.blocking_recv(), Some(i)))),
        ("recv_many", |rx| {
            let mut got = Vec::new();
            assert_eq!((now(rx.recv_many(&mut got, 9)), got), (3, vec![0, 1, 2]));
        }),
    ];
    for (name, receive) in receives {
        let (tx, mut rx) = full();
        let (trap, waker) = Trap::new(Fault::Wake);
        let mut bad = task(tx.send(3));
        assert!(bad.poll_with(&waker).is_pending());
        let mut good = [pending(tx.send(4)), pending(tx.send(5))];
        trap.arm(true);
        receive(&mut rx);
        trap.arm(false);
        assert_eq!(trap.wakes.load(Ordering::SeqCst), 1, "{name}");
        assert_eq!(good.each_ref().map(support::Task::wakes), [1, 1], "{name}: nobody left asleep");
        bad.ready().unwrap();
        for send in &mut good {
            send.ready().unwrap();
        }
        assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(3), Ok(4), Ok(5)], "{name}");
        assert_eq!(tx.capacity(), 3, "{name}");
    }
}

#[test]
fn a_panicking_waker_of_the_receiver_costs_no_message_and_no_room() {
    type Act = fn(Sender<u32>);
    // Each leaves one message, 7, or closes; the room of all others is back.
    let acts: [(&str, Option<u32>, Act); 7] = [
        ("try_send", Some(7), |tx| tx.try_send(7).unwrap()),
        ("send", Some(7), |tx| now(tx.send(7)).unwrap()),
        ("blocking_send", Some(7), |tx| tx.blocking_send(7).unwrap()),
        ("permit", Some(7), |tx| tx.try_reserve().unwrap().send(7)),
        ("owned permit", Some(7), |tx| drop(tx.try_reserve_owned().unwrap().send(7))),
        ("last sender", None, drop),
        ("last owned permit", None, |tx| drop(tx.try_reserve_owned().unwrap())),
    ];
    for (name, message, act) in acts {
        let (tx, mut rx) = mpsc::channel(2);
        let (trap, waker) = Trap::new(Fault::Wake);
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        let keep = message.map(|_| tx.clone());
        trap.arm(true);
        assert!(survive(|| act(tx)), "{name}: the panic reaches who caused the wake-up");
        trap.arm(false);
        assert_eq!(trap.wakes.load(Ordering::SeqCst), 1, "{name}");
        assert_eq!(now(rx.recv()), message, "{name}");
        assert_eq!(rx.capacity(), 2, "{name}: a panic releases no room twice");
        drop(keep);
        assert_eq!(now(rx.recv()), None, "{name}");
    }
}

#[test]
fn a_panicking_waker_of_the_receiver_when_the_last_permit_returns_after_close() {
    let (tx, mut rx) = mpsc::channel::<u32>(2);
    let permit = tx.try_reserve_many(2).unwrap();
    rx.close();
    let (trap, waker) = Trap::new(Fault::Wake);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    trap.arm(true);
    assert!(survive(|| drop(permit)));
    trap.arm(false);
    assert_eq!((now(rx.recv()), rx.capacity()), (None, 2));
}

#[test]
fn a_panicking_waker_does_not_keep_closure_from_the_others() {
    for drops in [false, true] {
        let (tx, mut rx) = full();
        let (trap, waker) = Trap::new(Fault::Wake);
        let (mut bad, mut bad_closed) = (task(tx.send(9)), task(tx.closed()));
        assert!(bad.poll_with(&waker).is_pending() && bad_closed.poll_with(&waker).is_pending());
        let mut sends: Vec<_> = (0..40).map(|i| pending(tx.send(i))).collect();
        let mut closed: Vec<_> = (0..40).map(|_| pending(tx.closed())).collect();
        trap.arm(true);
        if drops {
            assert!(survive(move || drop(rx)), "the panic reaches who closed");
        } else {
            assert!(survive(|| rx.close()), "the panic reaches who closed");
            assert_eq!(rx.try_recv(), Ok(0));
        }
        trap.arm(false);
        assert_eq!(trap.wakes.load(Ordering::SeqCst), 2);
        assert!(sends.iter_mut().all(|send| send.wakes() == 1 && send.ready().is_err()));
        assert!(closed.iter().all(|closed| closed.wakes() == 1));
        closed.iter_mut().for_each(support::Task::ready);
        assert!(bad.ready().is_err());
        bad_closed.ready();
    }
}

#[test]
fn a_panicking_waker_when_a_wait_is_cancelled_or_a_permit_dropped_serves_the_others() {
    let (tx, mut rx) = full();
    let many = pending(tx.reserve_many(3));
    let (trap, waker) = Trap::new(Fault::Wake);
    let mut bad = task(tx.send(3));
    assert!(bad.poll_with(&waker).is_pending());
    let mut good = pending(tx.send(4));
    rx.try_recv().unwrap();
    rx.try_recv().unwrap();
    trap.arm(true);
    survive(|| drop(many));
    trap.arm(false);
    assert_eq!((trap.wakes.load(Ordering::SeqCst), good.wakes()), (1, 1));
    bad.ready().unwrap();
    good.ready().unwrap();
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(2), Ok(3), Ok(4)]);
    assert_eq!(tx.capacity(), 3);
}

#[test]
fn a_panic_in_clone_leaves_everything_as_it_was() {
    let (tx, mut rx) = full();
    let (trap, waker) = Trap::new(Fault::Clone);
    trap.arm(true);
    // At the first poll: not in line.
    assert!(survive(|| assert!(task(tx.send(9)).poll_with(&waker).is_ready())));
    assert!(survive(|| assert!(task(tx.closed()).poll_with(&waker).is_ready())));
    assert_eq!((tx.stats().send_waiters, tx.stats().reserved), (0, 0));
    // At a later poll, of a waiter that has a waker: dropped by the unwinding, out of the line.
    let mut send = pending(tx.send(3));
    let mut behind = pending(tx.send(4));
    assert!(survive(|| assert!(send.poll_with(&waker).is_ready())));
    rx.try_recv().unwrap();
    drop(send);
    assert_eq!((behind.wakes(), behind.ready()), (1, Ok(())));
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2), Ok(4)]);
    // The receiver: the waker it had still counts, or none if it had none.
    let (wakes, good) = Wakes::new();
    assert!(rx.poll_recv(&mut Context::from_waker(&good)).is_pending());
    assert!(survive(|| assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_ready())));
    tx.try_send(5).unwrap();
    assert_eq!(rx.poll_recv(&mut Context::from_waker(&good)), Poll::Ready(Some(5)));
    assert!(wakes.count() <= 1);
    assert_eq!((tx.capacity(), tx.stats().send_waiters), (3, 0));
}

#[test]
fn a_panic_in_drop_of_a_waker_loses_nothing() {
    // Of a send's waker that is replaced, cancelled or no longer needed.
    let (tx, mut rx) = full();
    let (trap, waker) = Trap::new(Fault::Drop);
    let mut replaced = task(tx.send(3));
    let mut cancelled = task(tx.send(4));
    let mut granted = task(tx.send(5));
    for send in [&mut replaced, &mut cancelled, &mut granted] {
        assert!(send.poll_with(&waker).is_pending());
    }
    let mut behind = pending(tx.send(6));
    trap.arm(true);
    survive(|| assert!(replaced.poll().is_pending()));
    survive(|| drop(cancelled));
    (0..3).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
    trap.arm(false);
    assert_eq!((replaced.wakes(), behind.wakes()), (1, 1));
    replaced.ready().unwrap();
    granted.ready().unwrap();
    behind.ready().unwrap();
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(3), Ok(5), Ok(6)]);
    // Of the receiver's waker: replaced, and taken out when the receiver goes.
    let (wakes, good) = Wakes::new();
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    trap.arm(true);
    survive(|| assert!(rx.poll_recv(&mut Context::from_waker(&good)).is_pending()));
    trap.arm(false);
    tx.try_send(7).unwrap();
    assert_eq!((wakes.count(), rx.try_recv()), (1, Ok(7)));
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    let mut closed = pending(tx.closed());
    trap.arm(true);
    assert!(survive(move || drop(rx)), "the panic goes on");
    trap.arm(false);
    assert_eq!((tx.try_send(8).is_err(), closed.wakes(), closed.ready()), (true, 1, ()));
}

/// Calls back into the channel when woken, and drops a sender if it has one.
struct Reenters {
    tx: Sender<u32>,
    own: Mutex<Option<Sender<u32>>>,
    seen: Mutex<Vec<(bool, usize, u64)>>,
}

impl Wake for Reenters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let sent = self.tx.try_send(100).is_ok();
        let reserved = self.tx.try_reserve().is_ok();
        let _ = now_if_ready(&self.tx);
        let stats = self.tx.stats();
        #[cfg(feature = "introspect")]
        drop(parshall::snapshot());
        self.seen.lock().unwrap().push((sent || reserved, self.tx.len(), stats.queue_len));
        drop(self.own.lock().unwrap().take());
    }
}

/// A send that is polled once and dropped: registers, and cancels if it must wait.
fn now_if_ready(tx: &Sender<u32>) -> Poll<bool> {
    task(tx.reserve()).poll().map(|permit| permit.is_ok())
}

#[test]
fn a_waker_may_call_back_into_its_channel() {
    let (tx, mut rx) = mpsc::channel(2);
    let own = Mutex::new(Some(tx.clone()));
    let reenters = Arc::new(Reenters { tx: tx.clone(), own, seen: Mutex::default() });
    let waker: Waker = reenters.clone().into();
    // Woken as the receiver, by a send.
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    tx.try_send(1).unwrap();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(100)));
    // Woken as a sender, by a receive and by closure, and as one who waits for closure.
    (0..2).for_each(|i| tx.try_send(i).unwrap());
    let (mut send, mut closed) = (task(tx.send(2)), task(tx.closed()));
    assert!(send.poll_with(&waker).is_pending() && closed.poll_with(&waker).is_pending());
    assert_eq!(rx.try_recv(), Ok(0));
    send.ready().unwrap();
    let mut send = task(tx.send(3));
    assert!(send.poll_with(&waker).is_pending());
    rx.close();
    assert!(send.ready().is_err());
    // Woken as the receiver, by the last permit after closing.
    let (tx2, mut rx2) = mpsc::channel::<u32>(1);
    let permit = tx2.try_reserve().unwrap();
    rx2.close();
    assert!(rx2.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    drop(permit);
    assert_eq!(reenters.seen.lock().unwrap().len(), 5);
}

/// Owns a sender of the channel its waker waits in.
struct Owner(#[allow(dead_code)] Sender<u32>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn dropping_the_receiver_lets_go_of_its_waker() {
    let (tx, mut rx) = mpsc::channel(1);
    let waker_of_task = Arc::new(Owner(tx.clone()));
    let watch = Arc::downgrade(&waker_of_task);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker_of_task.into())).is_pending());
    assert!(watch.upgrade().is_some());
    drop(rx);
    assert!(watch.upgrade().is_none(), "a task that owns a sender must not be kept alive by it");
    assert_eq!(tx.strong_count(), 1);
}

#[test]
fn a_wait_that_is_over_keeps_no_waker() {
    let (tx, mut rx) = full();
    let count = Arc::new(Owner(tx.clone()));
    let waker: Waker = count.clone().into();
    let idle = Arc::strong_count(&count);
    let mut sends: Vec<_> = (0..3).map(|i| task(tx.send(i))).collect();
    let mut closed = task(tx.closed());
    assert!(sends.iter_mut().all(|send| send.poll_with(&waker).is_pending()));
    assert!(closed.poll_with(&waker).is_pending());
    assert_eq!(Arc::strong_count(&count), idle + 4, "one clone a wait");
    drop(sends.pop());
    assert_eq!(Arc::strong_count(&count), idle + 3, "cancelled");
    rx.try_recv().unwrap();
    assert_eq!(Arc::strong_count(&count), idle + 2, "granted");
    rx.close();
    assert_eq!(Arc::strong_count(&count), idle, "closed");
    while rx.try_recv().is_ok() {}
    drop(sends);
    let (tx, mut rx) = mpsc::channel(1);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(Arc::strong_count(&count), idle + 1, "one clone, however often it is polled");
    tx.try_send(1).unwrap();
    assert_eq!(Arc::strong_count(&count), idle, "woken");
}
