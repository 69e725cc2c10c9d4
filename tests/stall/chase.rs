//! Two that get on, each of them, and for ever: livelocks. What happens between two steps is played
//! here in the order that is the worst, as often as it would happen; nobody is stopped for long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex};

use parshall::mpsc::{self, OwnedPermit, Sender};

use crate::gate::{PATIENCE, Running, at_each_step, start};
use crate::support::{Task, task};

/// More than anything here may take.
const FOR_EVER: usize = 100;

/// Sends to a channel that is full. At its steps `step` a unit is given back, and taken by somebody
/// else before the line is served, again and again. Returns how often the sender came.
fn unserved(step: &'static str, give_back: impl Fn() + 'static, tx: &Sender<u64>) -> usize {
    let came = Rc::new(Cell::new(0));
    let mut waiter = task(tx.send(0));
    let acting = {
        let (came, tx) = (came.clone(), tx.clone());
        at_each_step(move |at| match at {
            at if at == step && came.get() < FOR_EVER => {
                came.set(came.get() + 1);
                give_back();
            }
            "release: given back" => tx.try_send(1).unwrap(),
            _ => {}
        })
    };
    waiter.still_pending();
    assert_eq!(waiter.wakes(), 0);
    drop(acting);
    came.get()
}

const FINDS_NO_ROOM: [&str; 2] = ["register: arrived", "register: looked"];

/// Whoever serves and finds the unit taken that it brought passes nobody: who has just arrived
/// would come again, to be passed by the next, for as long as units come and others take them. (A
/// unit that is taken after that look still costs a newcomer a round, and another sender has got on
/// by it.)
///
/// Seen to fail with: `serve_slow` passing an empty place whether there is room or not (it comes a
/// hundred times).
#[test]
fn a_server_without_a_unit_passes_nobody() {
    for step in FINDS_NO_ROOM {
        let (tx, _rx) = mpsc::channel(FOR_EVER);
        let permit = || tx.clone().try_reserve_owned().unwrap();
        let permits: RefCell<Vec<_>> = RefCell::new((0..FOR_EVER).map(|_| permit()).collect());
        let came = unserved(step, move || drop(permits.borrow_mut().pop()), &tx);
        assert_eq!(came, 1, "{step}: passed by who gave a permit back");
    }
}

/// The room that a pop makes while somebody may wait belongs to the line: nobody else can take it
/// before the line is served.
///
/// Seen to fail with: `hold_room` always by a step that frees.
#[test]
fn room_that_a_pop_holds_is_taken_by_nobody() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut waiter = task(tx.send(1));
    waiter.still_pending();
    let acting = {
        let tx = tx.clone();
        at_each_step(move |at| {
            if matches!(at, "pop: head moved" | "serve: assigned") {
                assert_eq!((tx.try_send(2).is_err(), tx.capacity()), (true, 0), "{at}");
                assert_eq!((tx.len(), tx.stats().reserved), (0, 1), "{at}");
            }
        })
    };
    assert_eq!(rx.try_recv(), Ok(0));
    drop(acting);
    assert_eq!(waiter.wakes(), 1);
    waiter.ready().unwrap();
    assert_eq!(rx.try_recv(), Ok(1));
}

/// A receiver that has popped while nobody waited frees the room of its first pop for one who does,
/// and holds that of the next: nobody can take either.
///
/// Seen to fail with: `plain_until` never 0 again.
#[test]
fn a_pop_frees_for_the_first_who_waits_and_holds_for_the_next() {
    let (tx, mut rx) = mpsc::channel(1);
    // The receiver has looked at the bit once, and found nobody.
    tx.try_send(0).unwrap();
    assert_eq!(rx.try_recv(), Ok(0));
    tx.try_send(1).unwrap();
    let mut pop = |expected| {
        let reserved = Rc::new(Cell::new(None));
        let acting = {
            let (tx, reserved) = (tx.clone(), reserved.clone());
            at_each_step(move |at| {
                if at == "pop: head moved" {
                    assert!(tx.try_send(9).is_err());
                    reserved.set(Some(tx.stats().reserved));
                }
            })
        };
        assert_eq!(rx.try_recv(), Ok(expected));
        drop(acting);
        reserved.take()
    };
    for (message, reserved) in [(1, 0), (2, 1), (3, 1)] {
        let mut waiter = task(tx.send(message + 1));
        waiter.still_pending();
        assert_eq!(pop(message), Some(reserved), "message {message}");
        assert_eq!(waiter.wakes(), 1);
        waiter.ready().unwrap();
    }
}

/// Two threads of which one runs at a time, until the other's turn has come at one of its steps.
struct Turns {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    /// Both, when it has gone on for ever.
    runs: Option<usize>,
    /// Whose turn is next, bit by bit, again and again.
    order: usize,
    ended: [bool; 2],
    /// How often each came to each step.
    came: [[usize; STEPS.len()]; 2],
}

const STEPS: [&str; 3] = ["register: arrived", "register: looked", "register: part kept"];

/// Bits of an order.
const PERIOD: usize = 8;

impl Turns {
    fn new(order: usize) -> Arc<Self> {
        let now = Now { runs: Some(0), order, ended: [false; 2], came: [[0; STEPS.len()]; 2] };
        Arc::new(Self { now: Mutex::new(now), changed: Condvar::new() })
    }

    fn wait(&self, who: usize) {
        let others_turn = |now: &mut Now| now.runs.is_some_and(|runs| runs != who);
        let now = self.now.lock().unwrap();
        let (mut now, waited) =
            self.changed.wait_timeout_while(now, PATIENCE, others_turn).unwrap();
        if waited.timed_out() {
            // Said by who waits for the end of the threads.
            now.runs = None;
        }
    }

    fn step(&self, who: usize, step: usize) {
        let mut now = self.now.lock().unwrap();
        now.came[who][step] += 1;
        let turns: usize = now.came.iter().flatten().sum();
        let next = now.order >> (turns % PERIOD) & 1;
        let next = if now.ended[next] { who } else { next };
        now.runs = now.runs.filter(|_| turns < FOR_EVER).map(|_| next);
        drop(now);
        self.changed.notify_all();
        self.wait(who);
    }

    fn end(&self, who: usize) {
        let mut now = self.now.lock().unwrap();
        now.ended[who] = true;
        now.runs = now.runs.map(|_| 1 - who);
        drop(now);
        self.changed.notify_all();
    }
}

/// Gives one of two units back, and comes for both. Returns a wait that goes on.
fn come_for_both(
    who: usize,
    turns: Arc<Turns>,
    tx: Sender<u64>,
    held: OwnedPermit<u64>,
) -> Option<Task<impl Future<Output = bool>>> {
    turns.wait(who);
    drop(held);
    let mut wait = task(async move { tx.reserve_many(2).await.map(drop).is_ok() });
    let own = turns.clone();
    let acting = at_each_step(move |at| {
        if let Some(step) = STEPS.iter().position(|step| *step == at) {
            own.step(who, step);
        }
    });
    let polled = wait.poll();
    drop(acting);
    turns.end(who);
    polled.is_pending().then_some(wait)
}

/// Two come for two units, of which there is one when the first comes. Returns how often each came
/// to each step.
fn meet(order: usize) -> [[usize; STEPS.len()]; 2] {
    let (tx, _rx) = mpsc::channel::<u64>(2);
    let held = [(); 2].map(|()| tx.clone().try_reserve_owned().unwrap());
    let turns = Turns::new(order);
    let threads = [0, 1].into_iter().zip(held).map(|(who, held)| {
        let (tx, turns) = (tx.clone(), turns.clone());
        start(format!("order {order:b}"), move || come_for_both(who, turns, tx, held))
    });
    let threads: Vec<_> = threads.collect();
    let mut waits: Vec<_> = threads.into_iter().filter_map(Running::finish).collect();
    // Who has both gives them back at once.
    for _ in 0..2 {
        waits.retain_mut(|wait| wait.wakes() == 0 || wait.poll().is_pending());
    }
    assert!(waits.is_empty(), "order {order:b}: they wait for each other");
    assert_eq!(tx.capacity(), 2, "order {order:b}");
    turns.now.lock().unwrap().came
}

/// Whoever is passed comes again with the part that it has, and whoever passes takes over what lies
/// in the place: so each comes again twice at most, once for the unit that the other gives back,
/// and once for the other itself, who then has both. All orders of [`PERIOD`] turns, each for ever.
///
/// Seen to fail with: a part given back by who is passed (three orders; one of them never ends);
/// `pass` taking nothing over; `keep_part` without a look at who was before.
#[test]
fn of_two_who_meet_one_has_more_than_before() {
    for order in 0..1 << PERIOD {
        let came = meet(order);
        assert!(came.iter().all(|own| own[0] <= 3), "order {order:b}: they came {came:?} times");
    }
}
