//! Memory goes with what it was for: bursts, and waits that are given up. B23.

use std::task::{Context, Waker};

use super::{Rx, channel, send, send_all};
use crate::support::heap::live;
use crate::support::{now, pending};

/// A bounded ring stands from the beginning; a list of blocks must give its blocks back.
///
/// Seen to fail with: `publish` that leaks 8 bytes a message.
#[test]
fn b23_a_burst_of_a_million_messages_is_given_back() {
    const BURST: u32 = 1_000_000;
    let (tx, mut rx) = channel(BURST as usize);
    send(&tx, 0).unwrap();
    assert_eq!(rx.try_recv(), Ok(0));
    let before = live();
    for burst in 0..2 {
        (0..BURST).for_each(|i| send(&tx, i).unwrap());
        if burst == 0 {
            (0..BURST).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
        } else {
            let mut got = Vec::with_capacity(1000);
            for i in 0..BURST / 1000 {
                assert_eq!(now(rx.recv_many(&mut got, 1000)), 1000);
                assert_eq!(got.drain(..).next(), Some(i * 1000));
            }
        }
        assert!(rx.is_empty());
        // Some blocks may be kept for the next messages.
        assert!(live() - before < 16 * 1024, "{} bytes are left of a burst", live() - before);
    }
}

/// Its blocks are held until all of it is received, and go with the look that finds nothing more.
///
/// Seen to fail with: `try_recv_slow` that tidies nothing; and, `Consumer::park` that does not.
#[test]
fn b23_a_batch_is_given_back_when_the_receiver_finds_nothing_more() {
    const BATCH: u32 = 10_000;
    type Look = fn(&mut Rx<u32>);
    let looks: [(&str, Look); 3] = [
        ("try_recv", |rx| assert!(rx.try_recv().is_err())),
        ("poll_recv", |rx| {
            assert!(rx.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
        }),
        ("recv_many", |rx| drop(pending(rx.recv_many(&mut Vec::new(), 9)))),
    ];
    for (name, look) in looks {
        let (tx, mut rx) = channel(BATCH as usize);
        let before = live();
        send_all(&tx, (0..BATCH).collect());
        (0..BATCH).for_each(|i| assert_eq!(rx.try_recv(), Ok(i)));
        look(&mut rx);
        let left = live() - before;
        assert!(left < 4 * 1024, "{name}: {left} bytes are left of a batch");
    }
}

/// The memory of the largest crowd stays with the channel, and serves the next one.
///
/// Seen to fail with: a sweep that takes nothing out; and, `fresh` that never takes a spare
/// segment.
#[test]
fn b23_a_million_waits_for_closure_that_are_given_up_leave_nothing() {
    let (tx, rx) = channel::<u8>(1);
    let stay = (pending(tx.closed()), pending(tx.closed()));
    (0..100).for_each(|_| drop(pending(tx.closed())));
    let before = live();
    for _ in 0..1_000_000 {
        drop(pending(tx.closed()));
    }
    assert_eq!(live(), before);
    drop(stay);
    let crowd = || (0..20_000).map(|_| pending(tx.closed())).collect::<Vec<_>>();
    // 68 bytes a place; between two sweeps the row grows to twice what lives.
    (0..30).for_each(|_| drop(crowd()));
    let left = live() - before;
    assert!(left < 20_000 * 140, "{left} bytes are left of 30 crowds");
    drop(rx);
}

/// Seen to fail with: `park` that leaks the waker that it replaces.
#[test]
fn b23_a_million_receives_that_are_given_up_leave_nothing() {
    let (_tx, mut rx) = channel::<u8>(1);
    drop(pending(rx.recv()));
    let before = live();
    for _ in 0..1_000_000 {
        drop(pending(rx.recv()));
    }
    assert_eq!(live(), before);
}
