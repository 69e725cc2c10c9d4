//! Loom models of the line that the first one makes, beside one word in the place of the tail.
//!
//! `sync::models` says how they are run: each in both ways in which loom sees SeqCst
//! (`sync::LoadSeqCst`).

use loom::sync::Arc;

use super::*;
use crate::sync::AtomicU64;
use crate::sync::models::{check, spawn};

/// The line, and whether the channel is closed.
struct Closing(OnClose, AtomicU64);

impl Closing {
    /// Whether who closes finds a line.
    fn close(&self) -> bool {
        self.1.fetch_or(1, Ordering::SeqCst);
        self.0.queue().is_some_and(|line| {
            // What it was set up with.
            line.is_empty_sc();
            true
        })
    }

    /// The line of one who comes to wait; and whether it is closed by then.
    fn begin(&self) -> (*const WaitQueue, bool) {
        let line = self.0.queue_or_new();
        line.is_empty();
        (line, self.1.load_sc() == 1)
    }
}

/// One comes to wait for the end while another one closes: one of the two looks sees the other's
/// step. Tags W2, Q9.
///
/// Seen to fail with: a look in `queue` that is no SeqCst load, or Relaxed; a step in
/// `queue_or_new` that is AcqRel (`parshall_fence_behind`), or Acquire.
#[test]
fn who_comes_first_to_wait_is_found_by_who_closes() {
    check("first", 3, || {
        let closing = Arc::new(Closing(OnClose::new(), AtomicU64::new(0)));
        let closer = spawn({
            let closing = closing.clone();
            move || closing.close()
        });
        let (_, closed) = closing.begin();
        assert!(closed | closer.join().unwrap(), "it sleeps for ever");
    });
}

/// Two come at once: they wait in one line, and each sees that it is closed, or is found. Tags W2,
/// Q9.
///
/// Seen to fail with: an exchange whose failure is Acquire (`parshall_fence_behind`), or Relaxed; a
/// store in its place.
#[test]
fn two_who_come_at_once_wait_in_one_line() {
    check("two first", 2, || {
        let closing = Arc::new(Closing(OnClose::new(), AtomicU64::new(0)));
        let begin = |closing: &Arc<Closing>| {
            let closing = closing.clone();
            spawn(move || {
                let (line, closed) = closing.begin();
                (line.addr(), closed)
            })
        };
        let others = [begin(&closing), begin(&closing)];
        let found = closing.close();
        let [a, b] = others.map(|other| other.join().unwrap());
        assert_eq!(a.0, b.0, "two lines");
        assert!(found | (a.1 & b.1), "one sleeps for ever");
    });
}
