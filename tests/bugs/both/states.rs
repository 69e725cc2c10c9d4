//! What the channel says of itself: empty, closed, how many, what comes back. B2, B4, B5, B28, B34.

use parshall::mpsc::error::TryRecvError::{Disconnected, Empty};

use super::{channel, send, whole};
use crate::support::{now, rounds};

/// Seen to fail with: `try_recv` asks for CLOSED before it looks for messages.
#[test]
fn b02_try_recv_tells_empty_from_disconnected_whoever_closes() {
    let (tx, mut rx) = channel(2);
    assert_eq!(rx.try_recv(), Err(Empty), "open, nothing sent");
    send(&tx, 1).unwrap();
    rx.close();
    assert_eq!(
        (rx.try_recv(), rx.try_recv()),
        (Ok(1), Err(Disconnected)),
        "closed by the receiver"
    );
    assert_eq!((send(&tx, 2), rx.try_recv()), (Err(2), Err(Disconnected)));
    let (tx, mut rx) = channel(2);
    let (other, weak) = (tx.clone(), tx.downgrade());
    send(&tx, 1).unwrap();
    drop(tx);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Err(Empty)), "a sender is left");
    send(&other, 2).unwrap();
    drop(other);
    assert_eq!(
        (rx.try_recv(), rx.try_recv()),
        (Ok(2), Err(Disconnected)),
        "only a weak one is left"
    );
    assert_eq!(rx.try_recv(), Err(Disconnected), "for ever");
    drop(weak);
}

/// futures-rs #861: with calls that never wait, room and messages must come round all the same.
///
/// Seen to fail with: a full look at the head that leaves the cached head as it is and says Full.
#[test]
fn b02_try_calls_alone_never_wedge_the_channel() {
    let (tx, mut rx) = channel(1);
    for i in 0..rounds(10_000) {
        assert_eq!(send(&tx, i), Ok(()));
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(i), Err(Empty)));
    }
}

/// Seen to fail with: `occupancy` says 0 at the very capacity; and, its length one too high once
/// closed.
#[test]
fn b04_len_and_emptiness_are_exact_on_both_sides_of_a_block_and_at_close() {
    for n in [1, 31, 32, 33, 63, 64, 65] {
        for skip in [0, 1, 31, 32] {
            for closes in ["nobody", "receiver", "senders"] {
                let (tx, mut rx) = channel(n);
                // Begins at another place of the block.
                for i in 0..skip {
                    send(&tx, i).unwrap();
                    assert_eq!(rx.try_recv(), Ok(i));
                }
                for i in 0..n {
                    assert_eq!((rx.len(), rx.is_empty()), (i, i == 0), "{n} after {skip}");
                    send(&tx, i).unwrap();
                }
                match closes {
                    "receiver" => rx.close(),
                    "senders" => drop(tx),
                    _ => {}
                }
                for i in 0..n {
                    assert_eq!(
                        (rx.len(), rx.is_empty()),
                        (n - i, false),
                        "{n}, closed by {closes}"
                    );
                    assert_eq!(rx.try_recv(), Ok(i));
                }
                assert_eq!((rx.len(), rx.is_empty()), (0, true), "{n}, closed by {closes}");
                let end = if closes == "nobody" { Empty } else { Disconnected };
                assert_eq!(rx.try_recv(), Err(end), "{n}, closed by {closes}");
                assert_eq!((rx.len(), rx.is_closed()), (0, closes != "nobody"));
            }
        }
    }
}

/// Seen to fail with: `recv_many` that clears its buffer.
#[test]
fn b05_recv_many_appends_at_most_the_limit_to_what_the_buffer_holds() {
    let (tx, mut rx) = channel(80);
    let mut buffer = vec![100, 101];
    (0..70).for_each(|i| send(&tx, i).unwrap());
    assert_eq!(now(rx.recv_many(&mut buffer, 3)), 3);
    assert_eq!(buffer, [100, 101, 0, 1, 2]);
    assert_eq!(rx.blocking_recv_many(&mut buffer, 30), 30, "across a block");
    assert_eq!(now(rx.recv_many(&mut buffer, usize::MAX)), 37);
    assert_eq!(buffer[2..], (0..70).collect::<Vec<_>>());
    whole(&tx);
}

/// Seen to fail with: a limit of 0 that waits as any other.
#[test]
fn b05_recv_many_with_limit_zero_is_ready_in_every_state_and_takes_nothing() {
    let (tx, mut rx) = channel(2);
    let mut buffer = vec![7];
    assert_eq!((now(rx.recv_many(&mut buffer, 0)), rx.blocking_recv_many(&mut buffer, 0)), (0, 0));
    send(&tx, 1).unwrap();
    assert_eq!((now(rx.recv_many(&mut buffer, 0)), rx.len()), (0, 1));
    drop(tx);
    assert_eq!(now(rx.recv_many(&mut buffer, 0)), 0);
    assert_eq!(now(rx.recv_many(&mut buffer, 1)), 1);
    assert_eq!((now(rx.recv_many(&mut buffer, 1)), buffer), (0, vec![7, 1]));
}

/// `T` cannot be forged in safe code, so that only the unsafe side could do this wrong.
///
/// Seen to fail with: a refused claim that gives back zeroed memory.
#[test]
fn b28_a_closed_channel_gives_back_the_very_message() {
    for drops in [false, true] {
        let (tx, mut rx) = channel::<Box<u32>>(1);
        let message = Box::new(1);
        let address = std::ptr::from_ref::<u32>(&message);
        if drops {
            drop(rx);
        } else {
            rx.close();
        }
        let message = send(&tx, message).unwrap_err();
        assert!(std::ptr::eq(&raw const *message, address));
        assert_eq!(*message, 1);
    }
}

/// crossbeam #1301: a number of the caller's must not become an allocation.
///
/// Seen to fail with: `recv_many` reserves its limit.
#[test]
fn b34_a_limit_beyond_all_memory_is_only_a_limit() {
    let (tx, mut rx) = channel(4);
    let mut buffer = Vec::new();
    send(&tx, 1).unwrap();
    assert_eq!(now(rx.recv_many(&mut buffer, usize::MAX)), 1);
    drop(tx);
    assert_eq!(rx.blocking_recv_many(&mut buffer, usize::MAX), 0);
    assert!(buffer.capacity() < 1024);
}
