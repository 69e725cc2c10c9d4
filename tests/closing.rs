//! Closing from either side: who learns of it, who is woken for it, and what still arrives.

mod support;

use parshall::CloseCause;
use parshall::mpsc::error::{SendError, TryRecvError, TrySendError};
use parshall::mpsc::{self, Receiver, Sender};
use support::{now, pending, task};

#[test]
fn close_fails_new_and_waiting_sends_and_wakes_each_once() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut sends: Vec<_> = (1..40).map(|i| pending(tx.send(i))).collect();
    let mut reserve = pending(tx.reserve());
    let mut many = pending(tx.reserve_many(1));
    let mut owned = pending(tx.clone().reserve_owned());
    rx.close();
    for (i, send) in sends.iter_mut().enumerate() {
        assert_eq!((send.wakes(), send.ready()), (1, Err(SendError(i + 1))));
    }
    assert_eq!((reserve.wakes(), many.wakes(), owned.wakes()), (1, 1, 1));
    assert!(reserve.ready().is_err() && many.ready().is_err() && owned.ready().is_err());
    assert_eq!(tx.try_send(9), Err(TrySendError::Closed(9)));
    assert!(tx.is_closed() && rx.is_closed());
    rx.close();
    assert_eq!(now(rx.recv()), Some(0), "what was in the channel arrives");
    assert_eq!((now(rx.recv()), now(rx.recv())), (None, None), "and then None for ever");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn dropping_the_receiver_fails_waiting_sends() {
    let (tx, rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut send = pending(tx.send(1));
    drop(rx);
    assert_eq!((send.wakes(), send.ready()), (1, Err(SendError(1))));
    assert_eq!((tx.capacity(), tx.len(), tx.is_closed()), (1, 0, true));
}

#[test]
fn closed_completes_on_close_and_on_drop_for_any_number_of_waiters() {
    for drops in [false, true] {
        let (tx, mut rx) = mpsc::channel::<u8>(1);
        let mut waiting: Vec<_> = (0..40).map(|_| pending(tx.closed())).collect();
        drop(waiting.pop());
        let unpolled = task(tx.closed());
        if drops {
            drop(rx);
        } else {
            rx.close();
        }
        for closed in &mut waiting {
            assert_eq!(closed.wakes(), 1);
            closed.ready();
        }
        { unpolled }.ready();
        now(tx.closed());
    }
}

#[test]
fn closed_does_not_complete_without_closure() {
    let (tx, mut rx) = mpsc::channel(1);
    let mut closed = pending(tx.closed());
    tx.try_send(1).unwrap();
    let mut send = pending(tx.send(2));
    rx.try_recv().unwrap();
    send.ready().unwrap();
    drop(tx.clone());
    closed.still_pending();
    assert_eq!(closed.wakes(), 0);
}

#[test]
fn the_last_sender_wakes_the_receiver_exactly_once() {
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let other = tx.clone();
    let mut receive = pending(rx.recv());
    drop(tx);
    assert_eq!(receive.wakes(), 0);
    drop(other);
    assert_eq!((receive.wakes(), receive.ready()), (1, None));
}

#[test]
fn what_was_sent_before_the_last_sender_went_arrives() {
    let (tx, mut rx) = mpsc::channel(4);
    (0..3).for_each(|i| tx.try_send(i).unwrap());
    drop(tx);
    assert!(rx.is_closed() && !rx.is_empty());
    let got: Vec<_> = std::iter::from_fn(|| now(rx.recv())).collect();
    assert_eq!((got, rx.try_recv()), (vec![0, 1, 2], Err(TryRecvError::Disconnected)));
}

#[test]
fn the_first_cause_of_closure_is_the_one_that_is_told() {
    let causes = |act: fn(Sender<u8>, Receiver<u8>) -> Option<CloseCause>| {
        let (tx, rx) = mpsc::channel(1);
        act(tx, rx)
    };
    assert_eq!(causes(|tx, _rx| tx.stats().close_cause), None);
    let by_senders = causes(|tx, mut rx| {
        drop(tx);
        rx.close();
        rx.stats().close_cause
    });
    assert_eq!(by_senders, Some(CloseCause::SendersDropped));
    let by_close = causes(|tx, mut rx| {
        rx.close();
        drop(tx);
        rx.stats().close_cause
    });
    assert_eq!(by_close, Some(CloseCause::ReceiverClosed));
    let by_drop = causes(|tx, rx| {
        drop(rx);
        tx.stats().close_cause
    });
    assert_eq!(by_drop, Some(CloseCause::ReceiverDropped));
}

#[test]
fn blocking_calls_end_when_the_other_side_closes() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let sender = std::thread::spawn(move || {
        let result = tx.blocking_send(1);
        (tx, result)
    });
    while rx.stats().send_waiters == 0 {
        std::thread::yield_now();
    }
    rx.close();
    let (tx, result) = sender.join().unwrap();
    assert_eq!((result, rx.try_recv()), (Err(SendError(1)), Ok(0)));
    drop(tx);
    let (tx, mut rx) = mpsc::channel::<u8>(1);
    let receiver = std::thread::spawn(move || rx.blocking_recv());
    while tx.stats().recv_waiters == 0 {
        std::thread::yield_now();
    }
    drop(tx);
    assert_eq!(receiver.join().unwrap(), None);
}
