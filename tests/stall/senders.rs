//! The victim is a sender; the others, a receiver among them, send and receive hundreds of
//! messages.

#![allow(clippy::unnecessary_wraps)] // what victims do has one type

use std::pin::pin;
use std::task::{Context, Waker};

use parshall::mpsc::error::SendError;
use parshall::mpsc::{self, OwnedPermit, Sender};

use crate::census;
use crate::gate::{self, Arm, Victim, start};
use crate::meet;
use crate::others::{
    CAPACITY, FILL, VICTIM, WAITER, block_on, check, come_and_leave, crowd, message, with_receiver,
    without_receiver,
};
use crate::support::{eventually, pending, task};

type Act = fn(Sender<u64>, Option<OwnedPermit<u64>>, Arm) -> Sent;

/// What the victim sent, or that it was closed first.
type Sent = Result<Vec<u64>, SendError<()>>;

struct Scene {
    step: &'static str,
    /// Waits that were cancelled before.
    before: u64,
    /// Messages in the channel.
    fill: u64,
    /// The victim has a permit, and then somebody waits for room.
    permit: bool,
    /// The waiter's wait has ended, and its wake-up is the victim's duty.
    owes_wake: bool,
    act: Act,
}

fn send(tx: Sender<u64>, _: Option<OwnedPermit<u64>>, arm: Arm) -> Sent {
    arm.now();
    tx.blocking_send(message(VICTIM, 0)).map_err(|_| SendError(()))?;
    Ok(vec![message(VICTIM, 0)])
}

/// Its claim is not a plain one.
fn send_beside_a_permit(tx: Sender<u64>, none: Option<OwnedPermit<u64>>, arm: Arm) -> Sent {
    let permit = tx.try_reserve();
    let sent = send(tx.clone(), none, arm);
    drop(permit);
    sent
}

fn reserve_two(tx: Sender<u64>, _: Option<OwnedPermit<u64>>, arm: Arm) -> Sent {
    arm.now();
    block_on(tx.reserve_many(2))?.next().unwrap().send(message(VICTIM, 0));
    Ok(vec![message(VICTIM, 0)])
}

fn give_back(_: Sender<u64>, permit: Option<OwnedPermit<u64>>, arm: Arm) -> Sent {
    arm.now();
    drop(permit);
    Ok(Vec::new())
}

fn cancel(tx: Sender<u64>, _: Option<OwnedPermit<u64>>, arm: Arm) -> Sent {
    let waiting = pending(async { tx.reserve_many(2).await.map(drop) });
    arm.now();
    drop(waiting);
    Ok(Vec::new())
}

fn change_waker(tx: Sender<u64>, _: Option<OwnedPermit<u64>>, arm: Arm) -> Sent {
    let mut waiting = pin!(tx.send(message(VICTIM, 0)));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    arm.now();
    block_on(waiting).map_err(|_| SendError(()))?;
    Ok(vec![message(VICTIM, 0)])
}

const fn scene(step: &'static str, fill: u64, act: Act) -> Scene {
    Scene { step, before: 0, fill, permit: false, owes_wake: false, act }
}

const fn serving(step: &'static str, owes_wake: bool) -> Scene {
    Scene { step, before: 0, fill: 3, permit: true, owes_wake, act: give_back }
}

const fn appending(step: &'static str, before: u64) -> Scene {
    Scene { step, before, fill: 4, permit: false, owes_wake: false, act: send }
}

const SCENES: &[Scene] = &[
    scene("claim: plain", 0, send),
    scene("claim: looked", 0, send_beside_a_permit),
    scene("claim: looked", 2, reserve_two),
    scene("register: arrived", 4, send),
    scene("register: arrived", 3, reserve_two),
    scene("take: looked", 3, reserve_two),
    scene("register: looked", 4, send),
    // It has one of the two that it needs.
    scene("register: looked", 3, reserve_two),
    scene("register: part kept", 3, reserve_two),
    scene("update: begun", 4, change_waker),
    scene("cancel: gone", 4, cancel),
    // It leaves one.
    scene("cancel: gone", 3, cancel),
    scene("release: looked at T", 3, cancel),
    serving("release: looked at T", false),
    scene("release: given back", 3, cancel),
    serving("release: given back", false),
    serving("serve: taken", false),
    serving("serve: assigned", true),
    serving("serve: to wake", true),
    // The first segment of the row; a later one; one that is used again.
    appending("append: link", 0),
    appending("append: link", 16),
    appending("append: link", 208),
    appending("append: number", 0),
    appending("append: number", 16),
    appending("append: number", 208),
    appending("append: memory", 0),
    appending("append: memory", 208),
    appending("append: reused", 208),
    appending("spare: looked", 208),
    appending("sweep: begun", 32),
    appending("sweep: over", 32),
    appending("sweep: frozen", 32),
    appending("sweep: unlinked", 32),
    appending("sweep: long waits added", 32),
    appending("spare: put", 32),
    appending("sweep: ended", 32),
];

pub(crate) fn steps() -> Vec<&'static str> {
    let others = ["serve: left over"].into_iter().chain(meet::STEPS);
    SCENES.iter().map(|scene| scene.step).chain(others).chain(census::STEPS).collect()
}

fn play(scene: &Scene, crowds: u64) {
    let Scene { step, before, fill, permit, owes_wake, act } = *scene;
    let (tx, rx) = mpsc::channel(CAPACITY as usize);
    let permit = permit.then(|| tx.clone().try_reserve_owned().unwrap());
    let mut expected: Vec<_> = (0..fill).map(|i| message(FILL, i)).collect();
    for message in &expected {
        tx.try_send(*message).unwrap();
    }
    (0..before).for_each(|i| come_and_leave(&tx, i));
    let mut waiter = permit.is_some().then(|| pending(tx.send(message(WAITER, 0))));

    let own = tx.clone();
    let victim = Victim::stop_at(&[step], move |arm| act(own, permit, arm));
    if crowds > 0 {
        crowd(step, &tx, crowds);
    }
    let (mut rx, mut seen) = with_receiver(step, &tx, rx, fill);
    if let Some(waiter) = &waiter {
        assert_eq!(waiter.wakes(), usize::from(!owes_wake), "{step}: the waiter's wake-ups");
    }

    expected.extend(victim.release().unwrap());
    if let Some(mut waiter) = waiter.take() {
        assert_eq!(waiter.wakes(), 1, "{step}: the waiter's wake-ups after all");
        waiter.ready().unwrap();
        expected.push(message(WAITER, 0));
    }
    while let Ok(message) = rx.try_recv() {
        seen.push(message);
    }
    check(step, &seen, expected);
    assert_eq!(tx.capacity() as u64, CAPACITY, "{step}: capacity");
    let stats = tx.stats();
    let left = (stats.reserved, stats.send_waiters, stats.granted_waiters);
    assert_eq!(left, (0, 0, 0), "{step}: reserved, waiting, granted");
}

/// Seen to fail with: `serve_slow` waiting until an empty place is filled (at "register: arrived"),
/// or until an Updating place is Waiting again ("update: begun").
#[test]
fn a_stopped_sender_holds_up_nobody() {
    for scene in SCENES.iter().filter(|scene| !is_of_row(scene)) {
        gate::scene(scene.step, || play(scene, 0));
    }
}

/// Thousands come and leave, so that the row must grow, and does not end with the stopped thread.
///
/// Seen to fail with: a walk that does not go back from a frozen segment whose next one was taken
/// out ("sweep: unlinked"); waiting until a linked segment is FRESH no more ("append: number").
#[test]
fn a_thread_stopped_in_the_row_holds_up_nobody() {
    for scene in SCENES.iter().filter(|scene| is_of_row(scene)) {
        gate::scene(scene.step, || play(scene, 3000));
    }
}

/// Closing waits for nobody, nor does the receiver's drop, and all who wait are told.
///
/// Seen to fail with: `close` waiting until an empty place is filled.
#[test]
fn a_stopped_sender_holds_up_no_closure() {
    for scene in SCENES {
        gate::scene(scene.step, || close(scene));
    }
}

fn close(scene: &Scene) {
    let Scene { step, before, fill, permit, owes_wake, act } = *scene;
    let (tx, mut rx) = mpsc::channel(CAPACITY as usize);
    let permit = permit.then(|| tx.clone().try_reserve_owned().unwrap());
    (0..fill).for_each(|i| tx.try_send(message(FILL, i)).unwrap());
    (0..before).for_each(|i| come_and_leave(&tx, i));
    let mut waiters = Vec::new();
    if permit.is_some() {
        waiters.push(pending(tx.send(message(WAITER, 0))));
    }
    let mut told = pending(tx.closed());
    let own = tx.clone();
    let victim = Victim::stop_at(&[step], move |arm| act(own, permit, arm));
    let was_full = tx.try_send(message(FILL, fill)).is_err();
    if was_full {
        waiters.push(pending(tx.send(message(WAITER, 1))));
    }
    let received = start(format!("{step}: the closing receiver"), move || {
        rx.close();
        let received = std::iter::from_fn(|| rx.try_recv().ok()).count() as u64;
        drop(rx);
        received
    });
    assert_eq!(received.finish(), fill + u64::from(!was_full), "{step}");
    assert!(without_receiver(step, &tx).is_empty(), "{step}");
    assert_eq!(told.wakes(), 1, "{step}");
    told.ready();
    if owes_wake {
        // Its wait was over before.
        let mut granted = waiters.remove(0);
        assert_eq!(granted.wakes(), 0, "{step}");
        granted.ready().unwrap_err();
    }
    for mut waiter in waiters {
        assert_eq!(waiter.wakes(), 1, "{step}");
        waiter.ready().unwrap_err();
    }
    // Either it was closed for the victim too, or it wanted no more than to leave.
    assert!(victim.release().map_or(true, |sent| sent.is_empty()), "{step}");
    assert_eq!(tx.stats().reserved, 0, "{step}");
}

fn is_of_row(scene: &Scene) -> bool {
    ["append", "sweep", "spare"].iter().any(|part| scene.step.starts_with(part))
}

/// The wait that a unit was taken for is cancelled meanwhile: the unit is the victim's until it is
/// given back.
///
/// Seen to fail with: `serve_slow` forgetting to give it back.
#[test]
fn a_server_stopped_with_a_unit_left_over_holds_up_nobody() {
    let step = "serve: left over";
    let (tx, rx) = mpsc::channel(CAPACITY as usize);
    let permit = tx.clone().try_reserve_owned().unwrap();
    let fill: Vec<_> = (0..3).map(|i| message(FILL, i)).collect();
    for message in &fill {
        tx.try_send(*message).unwrap();
    }
    let waiter = pending(tx.reserve());
    let mut victim = Victim::stop_at(&["serve: taken", step], |arm| {
        arm.now();
        drop(permit);
    });
    drop(waiter);
    victim.go_on();
    let (mut rx, mut seen) = with_receiver(step, &tx, rx, 3);
    assert_eq!(tx.capacity() as u64, CAPACITY - 1, "one is in the victim's hand");
    victim.release();
    while let Ok(message) = rx.try_recv() {
        seen.push(message);
    }
    check(step, &seen, fill);
    assert_eq!(tx.capacity() as u64, CAPACITY);
    assert!(task(tx.reserve_many(4)).poll().is_ready());
}

/// Two give one back each, and the waiter needs more. The second takes one only, or a stopped
/// thread would withhold what others brought.
///
/// Seen to fail with: `serve_slow` taking without regard to what it owes.
#[test]
fn a_server_withholds_no_more_than_it_brought() {
    let (tx, _rx) = mpsc::channel::<u64>(CAPACITY as usize);
    let [one, two, _left, _over] = [(); 4].map(|()| tx.clone().try_reserve_owned().unwrap());
    let mut waiter = pending(tx.reserve_many(2));
    let give_back = |step, permit| {
        Victim::stop_at(&[step], move |arm| {
            arm.now();
            drop::<OwnedPermit<u64>>(permit);
        })
    };
    let first = give_back("release: given back", one);
    assert_eq!(tx.stats().reserved, 3);
    let second = give_back("serve: taken", two);
    assert_eq!(tx.stats().reserved, 3, "one given back, one in the second's hand");
    second.release();
    assert_eq!(waiter.wakes(), 0);
    first.release();
    assert_eq!(waiter.wakes(), 1);
    assert_eq!(waiter.ready().unwrap().len(), 2);
}

/// Who has arrived in the line and not looked yet waits for nothing that others could not have.
///
/// Seen to fail with: an empty place that counts as somebody who waits.
#[test]
fn an_arrival_that_is_stopped_leaves_the_room_to_others() {
    let (tx, mut rx) = mpsc::channel(CAPACITY as usize);
    let held = tx.try_reserve_many(3).unwrap();
    let own = tx.clone();
    let victim = Victim::stop_at(&["register: arrived"], |arm| reserve_two(own, None, arm));
    assert_eq!(tx.capacity(), 1);
    task(tx.send(1)).ready().unwrap();
    drop(held);
    assert_eq!(victim.release().unwrap(), [message(VICTIM, 0)]);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(message(VICTIM, 0))));
}

/// A sender that has arrived and is stopped is overtaken for good by one behind it that takes a
/// part of its need: or each would wait for the other's part.
///
/// Seen to fail with: a part kept without a look at who arrived before.
#[test]
fn an_arrival_that_is_stopped_is_overtaken() {
    let (tx, _rx) = mpsc::channel(2);
    let held = tx.try_reserve().unwrap();
    let own = tx.clone();
    let victim = Victim::stop_at(&["register: arrived"], |arm| reserve_two(own, None, arm));
    let mut waiter = pending(tx.reserve_many(2));
    victim.open();
    eventually("both wait", || tx.stats().send_waiters == 2);
    drop(held);
    assert_eq!(waiter.wakes(), 1);
    drop(waiter.ready());
    victim.release().unwrap();
}
