//! What a call owes its caller it gives, though the waker of another panics in it. B7.
//!
//! A call that owes nothing, `()` or the `Ok(())` of a send that is not polled, goes on with the
//! panic; any other returns what it owes: a message in an error, a sender, a permit, a number, or
//! that a poll is ready. The rule is `src/unwind.rs`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use parshall::mpsc::error::{SendError, SendTimeoutError};
use parshall::mpsc::{self, Receiver, Sender, Timer};

use crate::support::hooked::{Hooked, Op};
use crate::support::{Counter, Drops, now, pending, task};

/// A clone that lives for ever, so that what borrows from it can be kept in a box.
fn leak<T: 'static>(tx: &Sender<T>) -> &'static Sender<T> {
    crate::support::leak(tx.clone())
}

/// A timer that never ends.
fn never() -> Timer<std::future::Pending<()>> {
    Timer(std::future::pending())
}

/// The call to be made, which checks what it is given.
type Act = Box<dyn FnOnce()>;

/// The receiver sleeps under a waker that panics, and the call wakes it. Whether the panic goes on;
/// the message that is left, 7, or none; and the call.
type Wakes = (&'static str, bool, Option<u32>, fn(Sender<u32>) -> Act);

const WAKES: &[Wakes] = &[
    ("try_send", true, Some(7), |tx| Box::new(move || tx.try_send(7).unwrap())),
    ("blocking_send", true, Some(7), |tx| Box::new(move || tx.blocking_send(7).unwrap())),
    ("blocking_send_timeout", true, Some(7), |tx| {
        Box::new(move || tx.blocking_send_timeout(7, Duration::MAX).unwrap())
    }),
    ("permit", true, Some(7), |tx| Box::new(move || tx.try_reserve().unwrap().send(7))),
    ("permits", true, Some(7), |tx| {
        Box::new(move || tx.try_reserve_many(2).unwrap().next().unwrap().send(7))
    }),
    ("last sender", true, None, |tx| Box::new(move || drop(tx))),
    ("last owned permit", true, None, |tx| Box::new(move || drop(tx.try_reserve_owned().unwrap()))),
    ("send", false, Some(7), |tx| Box::new(move || now(tx.send(7)).unwrap())),
    ("send_timeout", false, Some(7), |tx| {
        Box::new(move || now(tx.send_timeout(7, never())).unwrap())
    }),
    ("try_send_many", false, Some(7), |tx| {
        Box::new(move || assert_eq!(tx.try_send_many(&mut VecDeque::from([7])), Ok(1)))
    }),
    ("send_many", false, Some(7), |tx| {
        Box::new(move || now(tx.send_many(&mut VecDeque::from([7]))).unwrap())
    }),
    ("blocking_send_many", false, Some(7), |tx| {
        Box::new(move || tx.blocking_send_many(&mut VecDeque::from([7])).unwrap())
    }),
    ("owned permit", false, Some(7), |tx| {
        Box::new(move || assert_eq!(tx.try_reserve_owned().unwrap().send(7).capacity(), 1))
    }),
    ("reserve_owned of the last sender", false, None, |tx| {
        // The receiver is closed, and waits for a permit that was forgotten.
        std::mem::forget(tx.try_reserve().unwrap());
        Box::new(move || assert!(now(tx.reserve_owned()).is_err()))
    }),
    #[cfg(feature = "sink")]
    ("send_item", true, Some(7), |tx| {
        let mut tx = mpsc::PollSender::new(tx);
        assert!(tx.poll_reserve(&mut Context::from_waker(Waker::noop())).is_ready());
        Box::new(move || tx.send_item(7).unwrap())
    }),
    #[cfg(feature = "sink")]
    ("poll sender closed", true, None, |tx| {
        let mut tx = mpsc::PollSender::new(tx);
        Box::new(move || tx.close())
    }),
    #[cfg(feature = "sink")]
    ("poll_close", false, None, |tx| {
        let mut tx = mpsc::PollSender::new(tx);
        Box::new(move || ready(futures_sink::Sink::poll_close(Pin::new(&mut tx), &mut noop())))
    }),
    #[cfg(feature = "sink")]
    ("abort_send of the last sender", false, None, |tx| {
        let mut tx = mpsc::PollSender::new(tx);
        assert!(tx.poll_reserve(&mut noop()).is_ready());
        tx.close();
        Box::new(move || assert!(tx.abort_send()))
    }),
    #[cfg(feature = "sink")]
    ("last poll sender", true, None, |tx| {
        let mut tx = mpsc::PollSender::new(tx);
        assert!(tx.poll_reserve(&mut noop()).is_ready());
        tx.close();
        Box::new(move || drop(tx))
    }),
];

#[cfg(feature = "sink")]
fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(feature = "sink")]
fn ready<E: Debug>(poll: Poll<Result<(), E>>) {
    let Poll::Ready(result) = poll else { panic!("expected to be ready") };
    result.unwrap();
}

/// Seen to fail with: all calls that go on with the panic, as they did: those that owe a value lost
/// it.
#[test]
fn b07_panicking_wake_of_the_receiver_leaves_each_call_what_it_owes() {
    for &(name, goes_on, message, act) in WAKES {
        let (tx, mut rx) = mpsc::channel(2);
        let keep = message.map(|_| tx.clone());
        let act = act(tx);
        if name.starts_with("reserve_owned") {
            rx.close();
        }
        let (trap, waker) = Hooked::trap(Op::Wake);
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending(), "{name}");
        assert_eq!(trap.springs(act), goes_on, "{name}");
        assert_eq!((trap.runs(), now(rx.recv())), (1, message), "{name}");
        assert_eq!(rx.stats().reserved, 0, "{name}: released once");
        drop(keep);
        assert_eq!(now(rx.recv()), None, "{name}");
    }
}

/// Another waits for the room that the call gives back, under a waker that panics. Whether the
/// panic goes on, and the call.
type GivesBack = (&'static str, bool, fn(&'static Sender<u32>, &mut Receiver<u32>) -> Act);

/// A wait that was granted the only room.
fn granted<F: Future<Output: Debug>>(
    tx: &Sender<u32>,
    rx: &mut Receiver<u32>,
    wait: F,
) -> crate::support::Task<F> {
    tx.try_send(0).unwrap();
    let wait = pending(wait);
    rx.try_recv().unwrap();
    assert_eq!(wait.wakes(), 1);
    wait
}

#[cfg(feature = "sink")]
fn granted_sink(tx: &Sender<u32>, rx: &mut Receiver<u32>) -> mpsc::PollSender<u32> {
    tx.try_send(0).unwrap();
    let mut sink = mpsc::PollSender::new(tx.clone());
    assert!(sink.poll_reserve(&mut noop()).is_pending());
    rx.try_recv().unwrap();
    sink
}

const GIVES_BACK: &[GivesBack] = &[
    ("permit dropped", true, |tx, _| {
        let permit = tx.try_reserve().unwrap();
        Box::new(move || drop(permit))
    }),
    ("permits dropped", true, |tx, _| {
        let permits = tx.try_reserve_many(1).unwrap();
        Box::new(move || drop(permits))
    }),
    ("owned permit dropped", true, |tx, _| {
        let permit = tx.clone().try_reserve_owned().unwrap();
        Box::new(move || drop(permit))
    }),
    ("send dropped", true, |tx, rx| {
        let wait = granted(tx, rx, tx.send(9));
        Box::new(move || drop(wait))
    }),
    ("reserve dropped", true, |tx, rx| {
        let wait = granted(tx, rx, tx.reserve());
        Box::new(move || drop(wait))
    }),
    ("owned permit released", false, |tx, _| {
        let permit = tx.clone().try_reserve_owned().unwrap();
        Box::new(move || assert!(!permit.release().is_closed()))
    }),
    #[cfg(feature = "sink")]
    ("poll sender dropped, reserved", true, |tx, _| {
        let mut sink = mpsc::PollSender::new(tx.clone());
        assert!(sink.poll_reserve(&mut noop()).is_ready());
        Box::new(move || drop(sink))
    }),
    #[cfg(feature = "sink")]
    ("poll sender dropped, granted", true, |tx, rx| {
        let sink = granted_sink(tx, rx);
        Box::new(move || drop(sink))
    }),
    #[cfg(feature = "sink")]
    ("poll sender closed, granted", true, |tx, rx| {
        let mut sink = granted_sink(tx, rx);
        Box::new(move || sink.close())
    }),
    #[cfg(feature = "sink")]
    ("poll_close, granted", false, |tx, rx| {
        let mut sink = granted_sink(tx, rx);
        Box::new(move || ready(futures_sink::Sink::poll_close(Pin::new(&mut sink), &mut noop())))
    }),
    #[cfg(feature = "sink")]
    ("abort_send, reserved", false, |tx, _| {
        let mut sink = mpsc::PollSender::new(tx.clone());
        assert!(sink.poll_reserve(&mut noop()).is_ready());
        Box::new(move || assert!(sink.abort_send()))
    }),
    #[cfg(feature = "sink")]
    ("abort_send, granted", false, |tx, rx| {
        let mut sink = granted_sink(tx, rx);
        Box::new(move || assert!(sink.abort_send()))
    }),
];

/// Seen to fail with: `OwnedPermit::release`, `abort_send` and `poll_close` that go on with the
/// panic, as they did.
#[test]
fn b07_panicking_wake_of_the_next_in_line_leaves_each_call_what_it_owes() {
    for &(name, goes_on, act) in GIVES_BACK {
        let (tx, mut rx) = mpsc::channel(1);
        let act = act(leak(&tx), &mut rx);
        let (trap, waker) = Hooked::trap(Op::Wake);
        let mut next = task(tx.reserve());
        assert!(next.poll_with(&waker).is_pending(), "{name}");
        assert_eq!(trap.springs(act), goes_on, "{name}");
        assert_eq!(trap.runs(), 1, "{name}");
        next.ready().unwrap().send(1);
        assert_eq!((rx.try_recv(), rx.capacity()), (Ok(1), 1), "{name}");
    }
}

/// Over when it has let one message out: between the last poll of the wait and its drop.
struct Pops(Rc<RefCell<Receiver<String>>>, bool);

impl Future for Pops {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.1, true) {
            return Poll::Pending;
        }
        self.0.borrow_mut().try_recv().unwrap();
        Poll::Ready(())
    }
}

/// Seen to fail with: a wait that is dropped on the way out, as it was: the message was lost.
#[test]
fn b07_panicking_wake_of_the_next_in_line_leaves_a_late_send_its_message() {
    let (tx, rx) = mpsc::channel::<String>(1);
    let rx = Rc::new(RefCell::new(rx));
    tx.try_send("first".into()).unwrap();
    let mut mine = pending(tx.send_timeout("mine".into(), Timer(Pops(rx.clone(), false))));
    let (trap, waker) = Hooked::trap(Op::Wake);
    let mut next = task(tx.reserve());
    assert!(next.poll_with(&waker).is_pending());
    let mut result = None;
    assert!(!trap.springs(|| result = Some(mine.ready())));
    assert_eq!((trap.runs(), result), (1, Some(Err(SendTimeoutError::Timeout("mine".into())))));
    next.ready().unwrap().send("next".into());
    assert_eq!(rx.borrow_mut().try_recv().as_deref(), Ok("next"));
}

/// A wait that was granted room, all or half of it, before the channel was closed; its poll gives
/// that back, which wakes the receiver, whose waker panics. What the poll says.
fn closed_with<F: Future<Output: Debug>>(
    name: &str,
    begin: impl FnOnce(&'static Sender<&'static str>) -> F,
) -> F::Output {
    let (tx, mut rx) = mpsc::channel(2);
    (0..2).for_each(|_| tx.try_send("first").unwrap());
    let mut mine = pending(begin(leak(&tx)));
    rx.try_recv().unwrap();
    // Of two that are needed one is assigned now; the other message stays for later.
    rx.close();
    assert_eq!(now(rx.recv()), Some("first"), "{name}");
    let (trap, waker) = Hooked::trap(Op::Wake);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending(), "{name}");
    let mut said = None;
    assert!(!trap.springs(|| said = Some(mine.ready())), "{name}: another's panic");
    assert_eq!((trap.runs(), now(rx.recv())), (1, None), "{name}");
    assert_eq!((tx.capacity(), tx.stats().reserved), (2, 0), "{name}");
    said.unwrap()
}

/// Seen to fail with: `Turn::poll` that goes on with the panic, as it did: the message was lost.
#[test]
fn b07_panicking_wake_of_the_receiver_leaves_a_refused_wait_its_message() {
    assert_eq!(closed_with("send", |tx| tx.send("mine")), Err(SendError("mine")));
    let said = closed_with("send_timeout", |tx| tx.send_timeout("mine", never()));
    assert_eq!(said, Err(SendTimeoutError::Closed("mine")));
    assert!(closed_with("reserve", Sender::reserve).is_err());
    assert!(closed_with("reserve_many, half", |tx| tx.reserve_many(2)).is_err());
    assert!(closed_with("reserve_owned", |tx| tx.clone().reserve_owned()).is_err());
    let left = closed_with("send_many", |tx| async move {
        let mut left = VecDeque::from(["mine", "too"]);
        (tx.send_many(&mut left).await, left)
    });
    assert_eq!(left, (Err(SendError(())), VecDeque::from(["mine", "too"])));
    #[cfg(feature = "sink")]
    {
        let said = closed_with("poll_reserve", |tx| {
            let mut sink = mpsc::PollSender::new(tx.clone());
            std::future::poll_fn(move |cx| sink.poll_reserve(cx))
        });
        assert!(said.is_err());
    }
}

/// A large payload is memory.
///
/// Seen to fail with: payloads that are forgotten, as they were.
#[test]
fn b07_the_payload_of_a_panic_that_ends_here_is_dropped() {
    fn panics(op: Op) -> (Counter, Arc<Hooked>, Waker) {
        let (count, payload) = Drops::new();
        let (hook, waker) = Hooked::new(op, move || std::panic::panic_any(payload.clone()));
        hook.arm();
        (count, hook, waker)
    }
    // A sender's, woken by the receiver; of two, both.
    let (count, hook, waker) = panics(Op::Wake);
    let (tx, mut rx) = mpsc::channel(2);
    (0..2).for_each(|i| tx.try_send(i).unwrap());
    let mut waits = [task(tx.send(2)), task(tx.send(3))];
    assert!(waits.iter_mut().all(|wait| wait.poll_with(&waker).is_pending()));
    assert_eq!(now(rx.recv_many(&mut Vec::new(), 2)), 2);
    assert_eq!((hook.runs(), count.get()), (2, 2));
    // Closed: the first one goes on, the second one ends.
    let (count, hook, waker) = panics(Op::Wake);
    let mut waits = [task(tx.closed()), task(tx.closed())];
    assert!(waits.iter_mut().all(|wait| wait.poll_with(&waker).is_pending()));
    let payload = catch_unwind(AssertUnwindSafe(|| rx.close())).unwrap_err();
    assert_eq!((hook.runs(), count.get()), (2, 1));
    drop(payload);
    assert_eq!(count.get(), 2);
    // The executor's, dropped after the poll of a named task.
    let (count, hook, waker) = panics(Op::Drop);
    let mut named = task(parshall::task::named("named", async {}));
    assert!(named.poll_with(&waker).is_ready());
    drop(named);
    assert_eq!((hook.runs(), count.get()), (1, 1));
    hook.disarm();
}

/// Wakes a thread in `blocking`, which was granted the only room and finds the channel closed;
/// giving the room back it wakes the receiver, whose waker panics. What the call returns.
fn blocked<R: Send + 'static>(
    blocking: impl FnOnce(&Sender<u32>) -> R + Send + 'static,
) -> thread::Result<R> {
    let (tx, rx) = mpsc::channel::<u32>(2);
    let permits = leak(&tx).try_reserve_many(2).unwrap();
    let (trap, bad) = Hooked::trap(Op::Wake);
    // Served together with the thread and woken before it, this closes the channel, and goes.
    let first = Arc::new(Mutex::new(None));
    let (rx, slot) = (Arc::new(Mutex::new(rx)), first.clone());
    let (hook, waker) = Hooked::new(Op::Wake, move || {
        let mut rx = rx.lock().unwrap();
        rx.close();
        let mut slot: std::sync::MutexGuard<'_, Option<crate::support::Task<_>>> =
            slot.lock().unwrap();
        drop(slot.take());
        assert!(rx.poll_recv(&mut Context::from_waker(&bad)).is_pending());
    });
    let mut wait = task(leak(&tx).reserve());
    assert!(wait.poll_with(&waker).is_pending());
    *first.lock().unwrap() = Some(wait);
    let thread = {
        let tx = tx.clone();
        thread::spawn(move || blocking(&tx))
    };
    crate::support::eventually("the thread waits", || tx.stats().send_waiters == 2);
    trap.arm();
    hook.arm();
    drop(permits);
    let result = thread.join();
    assert_eq!((hook.runs(), trap.runs()), (1, 1));
    assert_eq!(tx.stats().reserved, 0);
    result
}

/// Seen to fail with: `Turn::poll` that goes on with the panic, as it did: the message was lost.
#[test]
fn b07_panicking_wake_of_the_receiver_leaves_a_blocking_call_its_message() {
    assert_eq!(blocked(|tx| tx.blocking_send(9)).unwrap(), Err(SendError(9)));
    let late = blocked(|tx| tx.blocking_send_timeout(9, Duration::MAX));
    assert_eq!(late.unwrap(), Err(SendTimeoutError::Closed(9)));
    let many = blocked(|tx| {
        let mut left = VecDeque::from([8, 9]);
        (tx.blocking_send_many(&mut left), left)
    });
    assert_eq!(many.unwrap(), (Err(SendError(())), VecDeque::from([8, 9])));
}

/// Seen to fail with: a batch that goes on with the panic, as it did: the rest stayed behind.
#[test]
fn b07_panicking_wake_of_the_receiver_does_not_stop_a_batch() {
    let (tx, mut rx) = mpsc::channel(2);
    let (trap, waker) = Hooked::trap(Op::Wake);
    let mut left = VecDeque::from([0, 1, 2, 3]);
    let mut many = task(tx.send_many(&mut left));
    for i in 0..4 {
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        let mut said = None;
        assert!(!trap.springs(|| said = Some(many.poll().is_ready())), "{i}");
        // Two at once, then one by one, as there is room.
        let ready = said.unwrap();
        while rx.try_recv().is_ok() {}
        if ready {
            break;
        }
    }
    drop(many);
    assert!(left.is_empty() && trap.runs() >= 2);
    let (tx, mut rx) = mpsc::unbounded_channel();
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    let mut all = VecDeque::from([0, 1, 2]);
    assert!(!trap.springs(|| tx.send_many(&mut all).unwrap()));
    assert_eq!((all.len(), rx.len()), (0, 3));
}

/// Seen to fail with: `UnboundedSink::poll_close` that goes on with the panic, as it did.
#[cfg(feature = "sink")]
#[test]
fn b07_panicking_wake_of_the_receiver_leaves_an_unbounded_sink_what_it_owes() {
    use futures_sink::Sink;
    let (tx, mut rx) = mpsc::unbounded_channel();
    let (trap, waker) = Hooked::trap(Op::Wake);
    let mut sink = mpsc::UnboundedSink::new(tx);
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert!(trap.springs(|| Pin::new(&mut sink).start_send(7).unwrap()), "nothing is owed");
    assert_eq!(rx.try_recv(), Ok(7));
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert!(!trap.springs(|| ready(Pin::new(&mut sink).poll_close(&mut noop()))));
    assert_eq!((trap.runs(), now(rx.recv())), (2, None));
}
