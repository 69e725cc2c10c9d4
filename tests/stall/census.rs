//! Who is shown to wait, while others come and leave between two looks at the line.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use parshall::mpsc;

use crate::gate::at_each_step;
use crate::support::pending;

pub(crate) const STEPS: [&str; 1] = ["visit: place"];

/// One sender, which never has more than one wait, leaves and comes again after each look.
///
/// Seen to fail with: a walk that goes on to those who came since, as it did (2 wait).
#[test]
fn one_sender_is_never_two_who_wait() {
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let wait = {
        let tx = tx.clone();
        move || Some(pending(tx.clone().reserve_owned()))
    };
    let waiting = Rc::new(RefCell::new(wait()));
    let looks = Rc::new(Cell::new(0));
    let own = (waiting.clone(), looks.clone());
    let acting = at_each_step(move |at| {
        // Not at the steps of the wait itself, and not for ever.
        if at == "visit: place" && own.1.get() < 40 {
            own.1.set(own.1.get() + 1);
            own.0.replace(None);
            own.0.replace(wait());
        }
    });
    let stats = tx.stats();
    drop(acting);
    assert!(looks.get() > 0, "the walk has no such step");
    assert!(stats.send_waiters <= 1, "{} of one wait", stats.send_waiters);
    assert_eq!(stats.oldest_send_wait_ns.is_some(), stats.send_waiters == 1);
    assert_eq!(tx.stats().send_waiters, 1, "it waits, and nobody disturbs the look");
}

/// One waits all the time, and others come and leave after each look: it is shown, and the walk
/// ends.
///
/// Seen to fail with: a walk that goes on to those who came since, as it did (it never ends).
#[test]
fn who_waits_all_the_time_is_shown() {
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    drop(pending(tx.reserve()));
    let stays = pending(tx.reserve());
    let other = tx.clone();
    let acting = at_each_step(move |at| {
        if at == "visit: place" {
            drop(pending(other.reserve()));
        }
    });
    let stats = tx.stats();
    drop(acting);
    assert_eq!(stats.send_waiters, 1);
    drop(stays);
}
