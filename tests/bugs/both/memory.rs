//! Memory goes with what it was for: bursts, and waits that are given up. B23.

use super::{channel, send};
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

/// Two waits that stay keep the crowd's memory from being given back as a whole.
///
/// Seen to fail with: `push` that never takes a vacant entry; and, `remove` that keeps a crowd's memory.
#[test]
fn b23_a_million_waits_for_closure_that_are_given_up_leave_nothing() {
    let (tx, rx) = channel::<u8>(1);
    let stay = (pending(tx.closed()), pending(tx.closed()));
    drop(pending(tx.closed()));
    let before = live();
    for _ in 0..1_000_000 {
        drop(pending(tx.closed()));
    }
    assert_eq!(live(), before);
    drop(stay);
    let crowd: Vec<_> = (0..20_000).map(|_| pending(tx.closed())).collect();
    drop(crowd);
    assert!(live() - before <= 0, "{} bytes are left of a crowd", live() - before);
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
