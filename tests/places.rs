//! The places that the documentation of `snapshot` calls safe: those where a program's own code
//! runs inside the channel's, or at the end of a thread. What fails here hangs, and the watchdog
//! says so.
#![cfg(feature = "introspect")]

mod support;

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use parshall::mpsc::{self, Builder};
use parshall::task::named;
use support::hooked::{Hooked, Op};
use support::watchdog::Watched;

/// All of telemetry, and a channel that comes and goes.
fn look() {
    let (tx, mut rx) = Builder::new().name("looked at").capacity(1).build();
    tx.try_send(1).unwrap();
    let snapshot = parshall::snapshot();
    let graph = snapshot.graph();
    let own = |id: &str| id.starts_with(&format!("mpsc:{}:looked at", parshall::process()));
    assert!(graph.nodes.iter().any(|node| own(&node.id)));
    let _ = graph.to_json().to_string();
    assert_eq!(tx.stats().queue_len, 1);
    assert_eq!(rx.try_recv(), Ok(1));
}

/// Looks when it is dropped, and notes that.
struct Looks(Arc<AtomicUsize>);

impl Drop for Looks {
    fn drop(&mut self) {
        look();
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn looks() -> (Arc<AtomicUsize>, impl Fn() -> Looks) {
    let dropped = Arc::new(AtomicUsize::new(0));
    (dropped.clone(), move || Looks(dropped.clone()))
}

#[test]
fn in_the_drop_of_a_message() {
    let _watched = Watched::new();
    let (dropped, new) = looks();
    // By the receiver that goes, by the sender of one that nobody takes, and by a permit's.
    let (tx, rx) = mpsc::channel(8);
    let permit = tx.clone().try_reserve_owned().ok().unwrap();
    (0..3).for_each(|_| tx.try_send(new()).ok().unwrap());
    drop(rx);
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
    drop(tx.try_send(new()));
    permit.send(new());
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
    let (tx, rx) = mpsc::unbounded_channel();
    (0..100).for_each(|_| tx.send(new()).ok().unwrap());
    drop((tx, rx));
    assert_eq!(dropped.load(Ordering::Relaxed), 105);
}

#[test]
fn in_a_waker_whatever_is_done_with_it() {
    let _watched = Watched::new();
    for op in Op::ALL {
        let (tx, mut rx) = mpsc::channel(1);
        let (hook, waker) = Hooked::new(op, look);
        let (sending, waiting) = Hooked::new(op, look);
        hook.arm();
        sending.arm();
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        tx.try_send(1).unwrap();
        let mut send = Box::pin(named("sender", tx.send(2)));
        let _ = send.as_mut().poll(&mut Context::from_waker(&waiting));
        rx.try_recv().unwrap();
        let _ = send.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop((send, rx, waker, waiting));
        assert!(hook.runs() + sending.runs() >= 2, "{op:?}");
    }
}

#[test]
fn in_the_drop_of_a_future_and_in_a_panic_hook() {
    let _watched = Watched::new();
    let (dropped, new) = looks();
    let held = new();
    drop(named("holds it", async move { drop(held) }));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);

    // A waker that panics, and a hook that looks at what was going on.
    let before = panic::take_hook();
    let looked = dropped.clone();
    let this = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        // A panic of another test is none of this one.
        if thread::current().id() == this {
            look();
            looked.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    let (tx, mut rx) = mpsc::channel(1);
    let (hook, waker) = Hooked::new(Op::Wake, || panic!("a waker of the test panics on purpose"));
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    hook.arm();
    let _ = catch_unwind(AssertUnwindSafe(|| tx.try_send(1)));
    drop(panic::take_hook());
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
}

/// Thread-locals of the test go before or after those of the crate, as they were first used later
/// or earlier.
#[test]
fn in_the_destructor_of_a_thread_local() {
    thread_local! {
        static LOCAL: RefCell<Option<Late>> = const { RefCell::new(None) };
    }

    /// Does at the end of its thread what else is done in its middle, blocking calls included.
    struct Late(#[allow(dead_code)] Looks);

    impl Drop for Late {
        fn drop(&mut self) {
            wait();
        }
    }

    /// A blocking receive and send that wait, so that the crate's thread-locals are used.
    fn wait() {
        let (tx, mut rx) = mpsc::channel(1);
        assert!(rx.blocking_recv_timeout(Duration::from_millis(1)).is_err());
        tx.blocking_send(1).unwrap();
        assert!(tx.blocking_send_timeout(2, Duration::from_millis(1)).is_err());
    }

    let _watched = Watched::new();
    let (dropped, new) = looks();
    for early in [true, false] {
        let late = Late(new());
        thread::spawn(move || {
            if early {
                LOCAL.set(Some(late));
                wait();
            } else {
                wait();
                LOCAL.set(Some(late));
            }
        })
        .join()
        .unwrap();
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
}
