//! Two that get on, each of them, and for ever: livelocks. What happens between two steps is played here in the order that is
//! the worst, as often as it would happen; nobody is stopped for long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use parshall::mpsc::{self, Receiver, Sender};

use crate::gate::at_each_step;
use crate::support::task;

/// More than anything here may take.
const FOR_EVER: usize = 100;

/// Sends to a channel that is full. At its steps `step` a unit is given back, and taken by somebody else before
/// the line is served, again and again. Returns how often the sender came.
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
            "release: given back" | "pop: head moved" => tx.try_send(1).unwrap(),
            _ => {}
        })
    };
    waiter.still_pending();
    assert_eq!(waiter.wakes(), 0);
    drop(acting);
    came.get()
}

const FINDS_NO_ROOM: [&str; 2] = ["register: arrived", "register: looked"];

fn full(messages: usize) -> (Sender<u64>, Receiver<u64>) {
    let (tx, rx) = mpsc::channel(FOR_EVER);
    (0..messages).for_each(|_| tx.try_send(1).unwrap());
    (tx, rx)
}

/// Whoever serves and finds the unit taken that it brought passes nobody: who has just arrived would come again, to be
/// passed by the next, for as long as units come and others take them.
///
/// Seen to fail with: `serve_line` passing an empty place whether there is room or not (it comes a hundred times).
#[test]
fn a_server_without_a_unit_passes_nobody() {
    for step in FINDS_NO_ROOM {
        let (tx, _rx) = full(0);
        let permit = || tx.clone().try_reserve_owned().unwrap();
        let permits: RefCell<Vec<_>> = RefCell::new((0..FOR_EVER).map(|_| permit()).collect());
        let came = unserved(step, move || drop(permits.borrow_mut().pop()), &tx);
        assert_eq!(came, 1, "{step}: passed by who gave a permit back");

        let (tx, rx) = full(FOR_EVER);
        let rx = RefCell::new(rx);
        let came = unserved(step, move || _ = rx.borrow_mut().try_recv().unwrap(), &tx);
        assert_eq!(came, 1, "{step}: passed by the receiver");
    }
}
