//! The victim is the receiver, or the last sender at its drop: nothing is received or closed
//! meanwhile, and whatever needs neither goes on.

use parshall::mpsc::error::SendError;
use parshall::mpsc::{self, Receiver, Sender};

use crate::gate::{self, Arm, Victim};
use crate::others::{CAPACITY, FILL, WAITER, check_all, message, without_receiver};
use crate::support::{Task, now, pending};

type Act = fn(&mut Receiver<u64>) -> Vec<u64>;

fn receive(rx: &mut Receiver<u64>) -> Vec<u64> {
    rx.blocking_recv().into_iter().collect()
}

fn receive_many(rx: &mut Receiver<u64>) -> Vec<u64> {
    let mut seen = Vec::new();
    rx.blocking_recv_many(&mut seen, 3);
    seen
}

/// The receiver, stopped in what it does, and what it received there.
fn stop(step: &'static str, mut rx: Receiver<u64>, act: Act) -> Victim<(Receiver<u64>, Vec<u64>)> {
    Victim::stop_at(&[step], move |arm: Arm| {
        arm.now();
        let seen = act(&mut rx);
        (rx, seen)
    })
}

struct Scene {
    step: &'static str,
    fill: u64,
    /// Somebody waits for room.
    waiter: bool,
    /// That wait has ended, and its wake-up is the victim's duty.
    granted: bool,
    act: Act,
}

const fn scene(step: &'static str, act: Act) -> Scene {
    Scene { step, fill: 4, waiter: true, granted: false, act }
}

const SCENES: &[Scene] = &[
    Scene { fill: 0, waiter: false, ..scene("park: lent", receive) },
    Scene { fill: 2, waiter: false, ..scene("pop: head moved", receive) },
    scene("pop: head moved", receive),
    scene("pop: head moved", receive_many),
    Scene { granted: true, ..scene("serve: assigned", receive) },
    Scene { granted: true, ..scene("serve: to wake", receive_many) },
];

pub(crate) fn steps() -> Vec<&'static str> {
    let own = [
        "pop: nobody waits",
        "pop: bit cleared",
        "close: marked",
        "close: failed",
        "close: senders gone",
        "stats: wait read",
        "stats: waker read",
        "stats: waker read again",
    ];
    SCENES.iter().map(|scene| scene.step).chain(own).collect()
}

fn filled(n: u64) -> (Sender<u64>, Receiver<u64>, Vec<u64>) {
    let (tx, rx) = mpsc::channel(CAPACITY as usize);
    let fill: Vec<_> = (0..n).map(|i| message(FILL, i)).collect();
    for message in &fill {
        tx.try_send(*message).unwrap();
    }
    (tx, rx, fill)
}

/// Releases the victim, receives the rest, and looks for what is missing.
fn finish(
    step: &str,
    tx: &Sender<u64>,
    victim: Victim<(Receiver<u64>, Vec<u64>)>,
    waiter: Option<Task<impl Future<Output = Result<(), SendError<u64>>>>>,
    mut expected: Vec<u64>,
) {
    let (mut rx, mut seen) = victim.release();
    if let Some(mut waiter) = waiter {
        while waiter.wakes() == 0 {
            seen.push(rx.try_recv().expect("room for the waiter"));
        }
        assert_eq!(waiter.wakes(), 1, "{step}: the waiter's wake-ups after all");
        waiter.ready().unwrap();
        expected.push(message(WAITER, 0));
    }
    while let Ok(message) = rx.try_recv() {
        seen.push(message);
    }
    check_all(step, &seen, expected);
    assert_eq!(tx.capacity() as u64, CAPACITY, "{step}: capacity");
}

#[test]
fn a_stopped_receiver_holds_up_nobody_who_does_not_wait_for_it() {
    for scene in SCENES {
        gate::scene(scene.step, || play(scene));
    }
}

fn play(scene: &Scene) {
    let Scene { step, fill, waiter, granted, act } = scene;
    let (tx, rx, mut expected) = filled(*fill);
    let mut waiter = waiter.then(|| pending(tx.send(message(WAITER, 0))));
    let victim = stop(step, rx, *act);
    expected.extend(without_receiver(step, &tx));
    if let Some(waiting) = &mut waiter {
        assert_eq!(waiting.wakes(), 0, "{step}");
        if *granted {
            // What it was granted is its own, woken or not.
            waiting.ready().unwrap();
            expected.push(message(WAITER, 0));
            waiter = None;
        }
    }
    finish(step, &tx, victim, waiter, expected);
}

/// Who comes to wait when the receiver has found nobody, and relies on the bit that it is about to
/// clear, is not forgotten; nor is who comes after that.
///
/// Seen to fail with: no second look after the bit is cleared.
#[test]
fn a_receiver_stopped_with_the_bit_cleared_sees_who_came_meanwhile() {
    let both = ["pop: nobody waits", "pop: bit cleared"];
    for (step, before) in both.into_iter().flat_map(|step| [(step, true), (step, false)]) {
        let (tx, rx, mut expected) = filled(4);
        // The bit outlives this wait.
        drop(pending(tx.reserve()));
        let victim = stop(step, rx, receive);
        let waiter = before.then(|| {
            tx.try_send(message(FILL, 4)).unwrap();
            expected.push(message(FILL, 4));
            pending(tx.send(message(WAITER, 0)))
        });
        expected.extend(without_receiver(step, &tx));
        finish(step, &tx, victim, waiter, expected);
    }
}

#[test]
fn a_receiver_stopped_while_it_closes_holds_up_nobody() {
    for step in ["close: marked", "close: failed"] {
        let (tx, rx, fill) = filled(3);
        let permit = tx.try_reserve().unwrap();
        let (mut one, two) = (pending(tx.send(1)), pending(tx.send(2)));
        let mut told = pending(tx.closed());
        let victim = stop(step, rx, |rx| {
            rx.close();
            Vec::new()
        });
        assert!(tx.is_closed());
        assert!(without_receiver(step, &tx).is_empty());
        now(tx.send(3)).unwrap_err();
        now(tx.reserve_many(2)).unwrap_err();
        now(tx.closed());
        // Those that wait already are told by the victim; they may leave, and permits are good.
        let _ = one.poll();
        drop(two);
        permit.send(message(FILL, 3));
        let (mut rx, _) = victim.release();
        if step == "close: marked" {
            assert_eq!(one.wakes(), 1, "{step}");
            one.ready().unwrap_err();
        }
        assert_eq!(told.wakes(), 1, "{step}");
        told.ready();
        let seen: Vec<_> = std::iter::from_fn(|| rx.blocking_recv()).collect();
        assert_eq!(seen, [fill, vec![message(FILL, 3)]].concat(), "{step}");
    }
}

/// Nothing more can come: the receiver need not wait to be told.
///
/// Seen to fail with: a receive that parks before it looks whether the channel has ended.
#[test]
fn a_last_sender_stopped_at_its_drop_holds_up_no_receive() {
    gate::scene("close: senders gone", || {
        let (tx, mut rx, _) = filled(0);
        let weak = tx.downgrade();
        let mut receive = pending(rx.recv());
        let victim = Victim::stop_at(&["close: senders gone"], move |arm| {
            arm.now();
            drop(tx);
        });
        assert!(weak.upgrade().is_none());
        assert!(receive.ready().is_none());
        victim.release();
    });
}

/// The next receive finds the cell of the waker in the victim's hands: it yields.
#[test]
fn a_sender_stopped_before_it_wakes_blocks_no_poll() {
    let (tx, mut rx, _) = filled(0);
    let mut receive = pending(rx.recv());
    let of_victim = tx.clone();
    let victim = Victim::stop_at(&["publish: to wake"], move |arm| {
        arm.now();
        of_victim.try_send(1).unwrap();
    });
    assert_eq!(receive.ready(), Some(1));
    drop(receive);
    let mut receive = pending(rx.recv());
    assert_eq!(receive.wakes(), 1, "by itself");
    victim.release();
    receive.still_pending();
    tx.try_send(2).unwrap();
    assert_eq!(receive.ready(), Some(2));
}

/// The last sender goes while the receiver hands out a unit to one who was forgotten: its end is
/// the end of all permits, of that unit among them, whoever has it by then.
///
/// Seen to fail with: `has_no_more` without `is_senders_gone`.
#[test]
fn a_unit_in_the_receivers_hand_is_written_off_once() {
    for step in ["pop: head moved", "serve: assigned"] {
        let (tx, rx) = mpsc::channel(1);
        tx.try_send(message(FILL, 0)).unwrap();
        // Forgotten, it waits for ever, and keeps no sender.
        std::mem::forget(pending(tx.reserve()));
        let victim = stop(step, rx, receive);
        drop(tx);
        let (mut rx, seen) = victim.release();
        assert_eq!(seen, [message(FILL, 0)], "{step}");
        assert_eq!(now(rx.recv()), None, "{step}");
        assert_eq!((rx.len(), rx.capacity()), (0, 1), "{step}");
    }
}

/// The only one in line leaves while the receiver holds the room for it: the room is the receiver's
/// until it gives it back.
///
/// Seen to fail with: `serve` that returns at once if nobody waits.
#[test]
fn a_receiver_gives_back_what_nobody_takes() {
    for another_comes in [false, true] {
        let (tx, rx) = mpsc::channel(1);
        tx.try_send(message(FILL, 0)).unwrap();
        let waiter = pending(tx.reserve());
        let victim = stop("pop: head moved", rx, receive);
        drop(waiter);
        assert_eq!((tx.len(), tx.stats().reserved, tx.capacity()), (0, 1, 0));
        let next = another_comes.then(|| pending(tx.reserve()));
        let (_rx, seen) = victim.release();
        assert_eq!(seen, [message(FILL, 0)]);
        if let Some(mut next) = next {
            assert_eq!(next.wakes(), 1);
            drop(next.ready().unwrap());
        }
        assert_eq!((tx.stats().reserved, tx.capacity()), (0, 1), "another comes: {another_comes}");
    }
}
