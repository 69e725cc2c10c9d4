//! The example in `wait`: its table is what this channel goes through.

use core::future::Future;
use core::panic::Location;
use core::task::{Context, Poll, Waker};
use std::rc::Rc;

use super::{Chan, ChannelOptions, Forced, Shape};
use crate::ring::Any;
use crate::sync::acting::{RefCell, at};
use crate::unwind::OwesNothing;
use crate::wait::{Call, Want};

/// The words and places as a row of the table has them, behind its first column.
fn row(chan: &Chan<u8>) -> String {
    let ((tail, head), (arrivals, front, [zero, one])) =
        (chan.shared().ring.in_words(), chan.shared().queue().in_words());
    format!("{tail} | {head} | {arrivals} | {front} | {zero} | {one}")
}

/// Seen to fail with: `serve_first` that leaves the front where it is.
#[test]
fn the_table_in_wait_is_what_happens() {
    let (chan, mut consumer) = Chan::<u8>::create(ChannelOptions {
        name: None,
        shape: Shape { capacity: Some(1), forced: Forced::default() },
        location: Location::caller(),
        trace_senders: false,
        on_drop: None,
    });
    let rows = Rc::new(RefCell::new(Vec::new()));
    let note = || rows.borrow_mut().push(row(&chan));
    let wait = || {
        let Err((missing, _)) = chan.begin_send(0) else { panic!("the channel is full") };
        Box::pin(chan.acquire(Want::new(Call::Send, 1), missing))
    };
    let cx = &mut Context::from_waker(Waker::noop());

    assert!(chan.begin_send(0).is_ok());
    note();
    let mut first = wait();
    assert!(first.as_mut().poll(cx).is_pending());
    note();
    let (seen, looks) = (rows.clone(), chan.clone());
    let armed = at("pop: head moved", move || seen.borrow_mut().push(row(&looks)));
    assert!(consumer.try_recv::<Any>().is_ok());
    armed.acted();
    note();
    assert!(matches!(first.as_mut().poll(cx), Poll::Ready(Ok(()))));
    chan.send_reserved::<OwesNothing>(0);
    note();
    let mut second = wait();
    assert!(second.as_mut().poll(cx).is_pending());
    note();
    drop(second);
    note();
    assert!(consumer.try_recv::<Any>().is_ok());
    note();

    let told: Vec<_> = include_str!("../wait/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"))
        .filter(|line| line.split(" | ").count() == 7)
        .skip(1)
        .map(|line| line.split_once(" | ").unwrap().1)
        .collect();
    assert_eq!(told, *rows.borrow());
}
