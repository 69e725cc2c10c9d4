//! Two words are two looks: what happens between them, where what they say together says nothing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use parshall::mpsc;

use crate::gate::{Victim, at_each_step};
use crate::meet::newcomer;
use crate::others::{CAPACITY, with_receiver};
use crate::support::{pending, task};

/// Many permits are given back; between the look at T and that at H two pops hold, and the first
/// unit is used. T: pos 1, res MAX - 1; H: pos 2, held 2, so that `res + held` is 0 and says
/// nothing.
///
/// Seen to fail with: the assertion in `Ring::release` taking that for too few.
#[test]
fn who_gives_many_permits_back_may_be_late_with_its_look_at_the_head() {
    const MAX: usize = (1 << 24) - 1;
    let (tx, rx) = mpsc::channel::<u64>(MAX);
    tx.try_send(0).unwrap();
    let many = tx.try_reserve_many(MAX - 1).unwrap();
    let mut one = pending({
        let tx = tx.clone();
        async move { tx.send(1).await.unwrap() }
    });
    let two = pending({
        let tx = tx.clone();
        async move { tx.send(2).await.unwrap() }
    });
    let rx = Rc::new(RefCell::new(rx));
    let acting = {
        let (once, rx) = (Cell::new(true), rx.clone());
        let one = RefCell::new(move || one.ready());
        at_each_step(move |at| {
            if at == "release: looked at T" && once.replace(false) {
                assert_eq!(rx.borrow_mut().try_recv(), Ok(0));
                (one.borrow_mut())();
                assert_eq!(rx.borrow_mut().try_recv(), Ok(1));
            }
        })
    };
    drop(many);
    drop(acting);
    drop(two);
    assert_eq!(tx.capacity(), MAX);
}

/// Two permits of a channel for MAX are given back; between the look at T and that at H two pops
/// hold. T: pos 0, res MAX - 2; H: pos 2, held 2: the tail lies behind the head, and `res + held`
/// is MAX, though one unit was free all the time.
///
/// Seen to fail with: `has_room_for_one` asking for permits to be had of an old tail.
#[test]
fn a_server_late_with_its_look_at_the_head_forgets_nobody() {
    const MAX: usize = (1 << 24) - 1;
    let (tx, mut rx) = mpsc::channel::<u64>(MAX);
    let tx: &'static mpsc::Sender<u64> = Box::leak(Box::new(tx));
    let _many = tx.try_reserve_many(MAX - 2).unwrap();
    let two = tx.try_reserve_many(2).unwrap();
    // Finds no room, and does not wait yet.
    let first = Victim::stop_at(&["register: looked"], move |arm| {
        arm.now();
        let mut send = task(async move { tx.send(1).await.unwrap() });
        send.still_pending();
        send
    });
    // Gives two units back, finds the first, and has looked at T.
    let server = Victim::stop_at(&["room: looked at T"], move |arm| {
        arm.now();
        drop(two);
    });
    // One of the units is taken; the other stays free to the end.
    tx.try_send(0).unwrap();
    let mut first = first.release();
    let mut second = pending(tx.reserve());
    let third = pending(tx.reserve());
    assert_eq!(rx.try_recv(), Ok(0));
    first.ready();
    assert_eq!(rx.try_recv(), Ok(1));
    let permit = second.ready().unwrap();
    assert_eq!(third.wakes(), 0);
    server.release();
    let stats = tx.stats();
    assert_eq!((stats.queue_len, stats.reserved), (0, MAX as u64 - 1 + third.wakes() as u64));
    assert_eq!(third.wakes(), 1, "it sleeps beside a unit that is free: {stats:?}");
    drop(permit);
}

/// A permit is given back, and taken before the line is served; between the server's two looks it
/// is used, and a pop holds the room. T: pos 0, res 1; H: pos 1, held 1: the tail lies behind the
/// head, and yet no unit was free.
///
/// Seen to fail with: `has_room_for_one` taking a tail behind the head for room.
#[test]
fn a_server_late_with_its_look_at_the_head_passes_nobody_for_nothing() {
    let (tx, rx) = mpsc::channel::<u64>(1);
    let permit = tx.clone().try_reserve_owned().unwrap();
    let newcomer = newcomer(&tx);
    let taken = Rc::new(RefCell::new(None));
    let rx = Rc::new(RefCell::new(Some(rx)));
    let stopped = Rc::new(RefCell::new(None));
    let passed = Rc::new(Cell::new(0));
    let acting = {
        let (tx, taken, rx, stopped, passed) =
            (tx.clone(), taken.clone(), rx.clone(), stopped.clone(), passed.clone());
        at_each_step(move |at| match at {
            "release: given back" if taken.borrow().is_none() && rx.borrow().is_some() => {
                *taken.borrow_mut() = Some(tx.clone().try_reserve_owned().unwrap());
            }
            "room: looked at T" => {
                let Some(permit) = taken.borrow_mut().take() else { return };
                drop(permit.send(0));
                let mut rx = rx.borrow_mut().take().unwrap();
                *stopped.borrow_mut() = Some(Victim::stop_at(&["pop: head moved"], move |arm| {
                    arm.now();
                    (rx.try_recv(), rx)
                }));
            }
            "serve: passed" => passed.set(passed.get() + 1),
            _ => {}
        })
    };
    drop(permit);
    drop(acting);
    let (mut send, ready) = newcomer.release();
    let stopped = stopped.borrow_mut().take();
    let (got, _rx) = stopped.unwrap().release();
    assert_eq!((got, ready, passed.get()), (Ok(0), false, 0));
    send.ready();
}

/// Who looks at a channel withholds nothing.
///
/// Seen to fail with: `view` under a lock.
#[test]
fn a_snapshot_that_is_stopped_holds_up_nobody() {
    for step in ["stats: wait read", "stats: waker read", "stats: waker read again"] {
        let (tx, rx) = mpsc::channel(CAPACITY as usize);
        let own = tx.clone();
        let victim = Victim::stop_at(&[step], move |arm| {
            arm.now();
            own.stats().capacity
        });
        with_receiver(step, &tx, rx, 0);
        assert_eq!(victim.release(), Some(CAPACITY));
    }
}
