//! A receiver and a newcomer that meet, again and again: each must come to its end, whoever is
//! faster.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use parshall::mpsc::{self, Receiver, Sender};

use crate::gate::{PATIENCE, Running, Victim, at_each_step, start};
use crate::support::{Task, pending, task};

const FOR_EVER: usize = 100;

/// What a server does beside a place that is not filled.
pub(crate) const STEPS: [&str; 2] = ["room: looked at T", "serve: passed"];

/// A sender of message 1 that has found no room, and does not wait yet. Its end tells whether it
/// has come through.
pub(crate) fn newcomer(tx: &Sender<u64>) -> Victim<(Task<impl Future<Output = ()> + use<>>, bool)> {
    let own = tx.clone();
    Victim::stop_at(&["register: looked"], move |arm| {
        arm.now();
        let mut send = task(async move { own.send(1).await.unwrap() });
        let ready = send.poll().is_ready();
        (send, ready)
    })
}

/// A server is stopped before it passes a newcomer, or after that: the newcomer gets on with what
/// others bring, or with what the server has given back.
///
/// Seen to fail with: `serve_slow` taking what there is before it passes ("serve: passed").
#[test]
fn a_server_stopped_beside_a_newcomer_holds_up_nobody() {
    for step in STEPS {
        let (tx, mut rx) = mpsc::channel::<u64>(2);
        let permit = tx.clone().try_reserve_owned().unwrap();
        tx.try_send(0).unwrap();
        let newcomer = newcomer(&tx);
        let server = Victim::stop_at(&[step], move |arm| {
            arm.now();
            drop(permit);
        });
        let (mut send, ready) = newcomer.release();
        assert_eq!(ready, step == "serve: passed");
        assert_eq!(rx.try_recv(), Ok(0), "{step}");
        if !ready {
            assert_eq!(send.wakes(), 1, "{step}");
            send.ready();
        }
        assert_eq!(rx.try_recv(), Ok(1), "{step}");
        server.release();
        assert_eq!(tx.capacity(), 2, "{step}");
    }
}

/// Two threads that take turns: `runs` says whose it is; 2: both.
struct Turns(Mutex<usize>, Condvar);

impl Turns {
    fn wait(&self, who: usize) {
        let now = self.0.lock().unwrap();
        let blocked = |now: &mut usize| *now == 1 - who;
        drop(self.1.wait_timeout_while(now, PATIENCE, blocked).unwrap());
    }

    fn set(&self, next: usize) {
        let mut now = self.0.lock().unwrap();
        if *now != 2 {
            *now = next;
        }
        self.1.notify_all();
    }
}

/// Receives message 0, and lets the sender run each time that it has passed it; says how often.
fn receiver(turns: &Arc<Turns>, mut rx: Receiver<u64>) -> Running<(usize, Receiver<u64>)> {
    let turns = turns.clone();
    start("receiver", move || {
        turns.wait(1);
        let passes = Rc::new(Cell::new(0));
        let acting = {
            let (turns, passes) = (turns.clone(), passes.clone());
            at_each_step(move |at| {
                if at == "serve: passed" {
                    passes.set(passes.get() + 1);
                    turns.set(0);
                    turns.wait(1);
                }
            })
        };
        assert_eq!(rx.try_recv(), Ok(0));
        drop(acting);
        turns.set(2);
        (passes.get(), rx)
    })
}

/// A receiver that holds one unit, and a sender that comes for it: if the sender is passed, it must
/// find the unit in the channel.
///
/// Seen to fail with: `serve_slow` passing an empty place and keeping what it has in its hand (the
/// sender comes a hundred times).
#[test]
fn a_receiver_with_a_unit_in_its_hand_and_a_newcomer_do_not_chase_each_other() {
    let (tx, rx) = mpsc::channel::<u64>(1);
    tx.try_send(0).unwrap();
    // The bit outlives this wait.
    drop(pending(tx.reserve()));

    // The sender begins.
    let turns = Arc::new(Turns(Mutex::new(0), Condvar::new()));
    let came = Arc::new(AtomicUsize::new(0));

    let sender = {
        let (turns, came, tx) = (turns.clone(), came.clone(), tx.clone());
        start("sender", move || {
            turns.wait(0);
            let mut send = task(async move { tx.send(1).await.is_ok() });
            let own = turns.clone();
            let acting = at_each_step(move |at| {
                if at == "register: arrived" {
                    let n = came.fetch_add(1, Ordering::Relaxed) + 1;
                    own.set(if n < FOR_EVER { 1 } else { 2 });
                    own.wait(0);
                }
            });
            let ready = send.poll().is_ready();
            drop(acting);
            turns.set(2);
            (ready, send)
        })
    };
    let (passes, _rx) = receiver(&turns, rx).finish();
    let (_, _send) = sender.finish();
    let came = came.load(Ordering::Relaxed);
    assert!(came <= 3, "the sender came {came} times, and was passed {passes} times");
}

/// Likewise, a sender that comes for two, and finds one: its part goes over to the receiver. At
/// `later` it hands the turn over, after the first part.
fn chase_for_two(later: &'static str) {
    let (tx, rx) = mpsc::channel::<u64>(2);
    tx.try_send(0).unwrap();
    drop(pending(tx.reserve_many(2)));
    let turns = Arc::new(Turns(Mutex::new(0), Condvar::new()));
    let came = Arc::new(AtomicUsize::new(0));
    let sender = {
        let (turns, came, tx) = (turns.clone(), came.clone(), tx.clone());
        start("sender", move || {
            turns.wait(0);
            let mut wait = task(async move { tx.reserve_many(2).await.map(drop).is_ok() });
            let own = turns.clone();
            let part = Cell::new(false);
            let acting = at_each_step(move |at| {
                if at == "register: arrived" {
                    came.fetch_add(1, Ordering::Relaxed);
                }
                let first = at == "register: part kept" && !part.replace(true);
                if first || part.get() && at == later {
                    let n = came.load(Ordering::Relaxed);
                    own.set(if n < FOR_EVER { 1 } else { 2 });
                    own.wait(0);
                }
            });
            let ready = wait.poll().is_ready();
            drop(acting);
            turns.set(2);
            (ready, wait)
        })
    };
    let (_, _rx) = receiver(&turns, rx).finish();
    let (_, _wait) = sender.finish();
    let came = came.load(Ordering::Relaxed);
    assert!(came <= 5, "the sender came {came} times");
}

/// Seen to fail with: as above; all room taken before any empty place is passed.
#[test]
fn a_receiver_and_one_who_comes_for_two_do_not_chase_each_other() {
    chase_for_two("register: arrived");
}

/// Seen to fail with: room left in the channel while a part is taken over, so that the newcomer
/// finds one half, and then the other.
#[test]
fn a_receiver_and_one_who_keeps_a_part_do_not_chase_each_other() {
    chase_for_two("register: part kept");
}
