//! What of waiting for room must be SeqCst: of one who comes and one who gives back, each steps and
//! then looks.
//!
//! Most of these models fail only in the other way in which loom sees SeqCst (`LoadSeqCst` in
//! `src/sync.rs`):
//!
//! ```sh
//! RUSTFLAGS="--cfg parshall_loom --cfg parshall_loom_inside --cfg parshall_fence_behind" \
//!     cargo test -p loom-tests --profile loom --test order
//! ```

#![cfg(parshall_loom)]

use core::mem::forget;
use core::task::Waker;

use loom::thread;
use loom_tests::{Bound, Boxed, Ledger, Msg, begin, block_on, channel, check, poll, spawn};
use parshall::mpsc::{Receiver, Sender};

/// A sender that all threads borrow: a count of its clones would tell them of each other.
#[derive(Clone, Copy)]
struct Lent(&'static Sender<Msg>);

impl Lent {
    fn end(self) {
        // SAFETY: from `lent_channel`, and all borrows are over.
        drop(unsafe { Box::from_raw(core::ptr::from_ref(self.0).cast_mut()) });
    }
}

fn lent_channel(capacity: usize) -> (Lent, Receiver<Msg>) {
    let (tx, rx) = channel(capacity, 0);
    (Lent(Box::leak(Box::new(tx))), rx)
}

/// Waits for `n` permits and gives them back.
async fn hold(tx: Sender<Msg>, n: usize) {
    drop(tx.reserve_many(n).await.expect("nobody closed"));
}

/// TX_WAITING stands from a wait that is over. One pop finds nobody, clears it, and looks once
/// more; somebody who comes for two units, and finds it standing, finds one; the next pop brings
/// the other. Tag W1.
///
/// Seen to fail with, AcqRel instead of SeqCst: the clearing; the arrival.
#[test]
fn who_finds_the_bit_standing_is_found_by_who_clears_it() {
    check("bit stands", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(2, 0);
        (0..2).for_each(|id| tx.try_send(ledger.msg(id)).unwrap());
        drop(begin(hold(tx.clone(), 1)));
        let waiter = spawn({
            let tx = tx.clone();
            move || block_on(hold(tx, 2))
        });
        assert_eq!(rx.try_recv().unwrap().id, 0);
        thread::yield_now();
        assert_eq!(rx.try_recv().unwrap().id, 1);
        waiter.join().unwrap();
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// A pop frees room by the step that finds TX_WAITING, which stands from a wait that is over: it
/// sees one who came before, by its first look or by that after it has cleared the bit. Tag W1.
///
/// Seen to fail with: a step that is AcqRel, where who is found by the second look is not served.
#[test]
fn a_pop_that_frees_sees_who_came() {
    check("first pop", Bound::Preemptions(1), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = channel(1, 0);
        // The receiver has found that nobody waits.
        tx.try_send(ledger.msg(0)).unwrap();
        assert_eq!(rx.try_recv().unwrap().id, 0);
        tx.try_send(ledger.msg(1)).unwrap();
        drop(begin(hold(tx.clone(), 1)));
        let waiter = spawn({
            let tx = tx.clone();
            move || block_on(hold(tx, 1))
        });
        assert_eq!(rx.try_recv().unwrap().id, 1);
        waiter.join().unwrap();
        drop((tx, rx));
        assert_eq!(ledger.alive(), 0);
    });
}

/// Two units come back, and one waits for one; who comes meanwhile sees it wait, or has been seen.
/// Tags W2, Q2.
///
/// Seen to fail with, AcqRel instead of SeqCst: the grant.
#[test]
fn who_sees_a_waiter_is_seen_by_who_serves_it() {
    check("granted ahead", Bound::Preemptions(1), || {
        let (lent, rx) = lent_channel(2);
        let both = lent.0.try_reserve_many(2).unwrap();
        let first = begin(lent.0.reserve());
        let second = spawn(move || forget(block_on(lent.0.reserve()).unwrap()));
        drop(both);
        second.join().unwrap();
        drop((first, rx));
        lent.end();
    });
}

/// The only one who waits leaves while a permit is given back; who comes meanwhile sees it wait,
/// or is seen by who found that it has left. Tags W2, Q2.
///
/// Seen to fail with: a look at the place that is Acquire, which takes two preemptions.
#[test]
fn who_sees_a_waiter_is_seen_by_who_saw_it_leave() {
    let bound = if cfg!(parshall_fence_behind) { 2 } else { 1 };
    check("left ahead", Bound::Preemptions(bound), || {
        let (lent, rx) = lent_channel(1);
        let permit = lent.0.try_reserve().unwrap();
        let first = begin(lent.0.reserve());
        let server = spawn(move || drop(permit));
        // Not by this thread: one that has yielded sees nothing old again that it saw before.
        let second = spawn(move || {
            let mut second: Boxed<_> = Box::pin(lent.0.reserve());
            (poll(&mut second, Waker::noop()), second)
        });
        drop(first);
        server.join().unwrap();
        let (early, mut second) = second.join().unwrap();
        if early.is_pending() {
            assert!(poll(&mut second, Waker::noop()).is_ready(), "asleep beside free room");
        }
        drop((early, second, rx));
        lent.end();
    });
}
