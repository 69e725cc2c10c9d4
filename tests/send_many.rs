//! Sending several messages at once: in one step, in order, and nothing lost if it ends early.

mod support;

use std::collections::VecDeque;

use parshall::mpsc::error::{SendError, TrySendError};
use parshall::mpsc::{self, Builder};
use support::{now, pending};

#[test]
fn as_many_as_there_is_room_for_go_at_once() {
    let (tx, mut rx) = mpsc::channel(4);
    let mut numbers: VecDeque<_> = (0..7).collect();
    assert_eq!(tx.try_send_many(&mut numbers), Ok(4));
    assert_eq!(numbers, [4, 5, 6]);
    assert_eq!(tx.try_send_many(&mut numbers), Err(TrySendError::Full(())));
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(0), Ok(1)));
    let permit = tx.try_reserve().unwrap();
    assert_eq!(tx.try_send_many(&mut numbers), Ok(1), "a permit takes room");
    drop(permit);
    assert_eq!((numbers.len(), tx.stats().high_watermark), (2, 4));
    rx.close();
    assert_eq!(tx.try_send_many(&mut numbers), Err(TrySendError::Closed(())));
    assert_eq!(numbers, [5, 6]);
    assert_eq!(tx.try_send_many(&mut VecDeque::new()), Ok(0));
}

/// Seen to fail with: `claim_up_to` ignoring TX_QUEUED.
#[test]
fn nobody_is_overtaken() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut first = pending(tx.send(1));
    let mut numbers = VecDeque::from([2, 3]);
    assert_eq!(tx.try_send_many(&mut numbers), Err(TrySendError::Full(())));
    let mut many = pending(tx.send_many(&mut numbers));
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!((first.wakes(), many.wakes()), (1, 0));
    first.ready().unwrap();
    for expected in 1..=3 {
        assert_eq!(rx.try_recv(), Ok(expected));
        if expected == 1 {
            many.still_pending();
        } else if expected == 2 {
            many.ready().unwrap();
        }
    }
}

/// Seen to fail with: `send_many` that drains the vector before it has room.
#[test]
fn b30_a_cancelled_send_many_keeps_what_was_not_sent() {
    for received in 0..=6 {
        let (tx, mut rx) = mpsc::channel(2);
        let mut words: VecDeque<_> = (0..8).map(|i| i.to_string()).collect();
        let addresses: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        let mut sending = pending(tx.send_many(&mut words));
        let mut got = Vec::new();
        for _ in 0..received {
            got.push(now(rx.recv()).unwrap());
            let _ = sending.poll();
        }
        drop(sending);
        assert_eq!(tx.capacity(), 2 - rx.len(), "the place in line and its room are given back");
        while let Ok(word) = rx.try_recv() {
            got.push(word);
        }
        got.extend(words.drain(..));
        let after: Vec<_> = got.iter().map(|word| word.as_ptr()).collect();
        assert_eq!(after, addresses, "each message is there once, in order, in its own memory");
    }
}

#[test]
fn b30_closing_ends_it_with_the_rest_in_the_vector() {
    let (tx, mut rx) = mpsc::channel(2);
    let mut numbers: VecDeque<_> = (0..5).collect();
    let mut sending = pending(tx.send_many(&mut numbers));
    assert_eq!(rx.try_recv(), Ok(0));
    rx.close();
    assert_eq!(sending.ready(), Err(SendError(())));
    drop(sending);
    assert_eq!(numbers, [2, 3, 4]);
    assert_eq!((rx.try_recv().is_ok(), rx.try_recv().is_err()), (true, true));
}

#[test]
fn a_batch_lies_together_across_blocks_whatever_others_send() {
    const BATCHES: usize = support::rounds(300);
    let (tx, mut rx) = Builder::new().name("batches").build_unbounded();
    std::thread::scope(|scope| {
        for producer in 0..3 {
            let tx = tx.clone();
            scope.spawn(move || {
                for batch in 0..BATCHES {
                    let len = 1 + (batch * 7 + producer) % 100;
                    let mut messages: VecDeque<_> =
                        (0..len).map(|i| (producer, batch, i, len)).collect();
                    tx.send_many(&mut messages).unwrap();
                    assert!(messages.is_empty());
                }
            });
        }
        drop(tx);
        let mut next = [0; 3];
        while let Some((producer, batch, i, len)) = rx.blocking_recv() {
            assert_eq!((batch, i), (next[producer], 0));
            for expected in 1..len {
                assert_eq!(rx.blocking_recv(), Some((producer, batch, expected, len)));
            }
            next[producer] += 1;
        }
        assert_eq!(next, [BATCHES; 3]);
    });
}

#[test]
fn threads_send_many_through_a_narrow_channel() {
    const EACH: usize = support::rounds(1000);
    let (tx, mut rx) = mpsc::channel(3);
    std::thread::scope(|scope| {
        for producer in 0..3 {
            let tx = tx.clone();
            scope.spawn(move || {
                let mut messages: VecDeque<_> = (0..EACH).map(|i| (producer, i)).collect();
                tx.blocking_send_many(&mut messages).unwrap();
            });
        }
        drop(tx);
        let mut next = [0; 3];
        while let Some((producer, i)) = rx.blocking_recv() {
            assert_eq!(i, next[producer]);
            next[producer] += 1;
        }
        assert_eq!(next, [EACH; 3]);
    });
}
