//! Messages that lie in the channel itself, before there is a block, as Miri sees them. (The models
//! of a channel have no such place; `ring/blocks/models.rs` has, without a channel.)

use super::error::TryRecvError;
use super::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use crate::sync::thread;

/// More than find place in the channel.
const EACH: u64 = 30;

/// From two threads, received one by one and in batches: each once, and in the order of its sender.
/// The last ones are dropped with the receiver, before a sender is.
#[test]
fn messages_in_the_channel_and_beyond_it_come_once_and_in_order() {
    let (tx, mut rx) = unbounded_channel::<Box<u64>>();
    let senders = [0, 1].map(|sender| {
        let tx = tx.clone();
        thread::spawn(move || {
            (0..EACH).for_each(|n| tx.send(Box::new(n << 1 | sender)).unwrap());
            tx
        })
    });
    let mut next = [0, 0];
    let mut came = |message: u64| {
        let next = &mut next[(message & 1) as usize];
        assert_eq!(message >> 1, *next);
        *next += 1;
    };
    for n in 0..EACH {
        if n % 3 == 0 {
            let mut some = Vec::new();
            rx.blocking_recv_many(&mut some, 2);
            for message in some {
                came(*message);
            }
        } else {
            match rx.try_recv() {
                Ok(message) => came(*message),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => unreachable!("a sender is here"),
            }
        }
    }
    drop(rx);
    for sender in senders {
        let tx = sender.join();
        assert!(tx.is_err() || tx.unwrap().send(Box::new(0)).is_err());
    }
    assert!(tx.send(Box::new(0)).is_err());
}

/// A message that, as it is dropped, uses the channel in which it lies.
struct Uses(Option<UnboundedSender<Uses>>);

impl Drop for Uses {
    fn drop(&mut self) {
        if let Some(tx) = self.0.take() {
            let stats = tx.stats();
            assert!(stats.sent_total >= stats.recv_total);
            let _ = tx.send(Uses(None));
        }
    }
}

fn filled(messages: u64) -> (UnboundedSender<Uses>, UnboundedReceiver<Uses>) {
    let (tx, rx) = unbounded_channel();
    (0..messages).for_each(|_| assert!(tx.send(Uses(Some(tx.clone()))).is_ok()));
    (tx, rx)
}

/// Dropped in the channel, where it lies: with the receiver, with and without a sender left.
#[test]
fn a_message_in_the_channel_may_use_it_while_it_is_dropped_there() {
    for messages in [1, 3, EACH] {
        let (tx, rx) = filled(messages);
        drop(rx);
        assert!(tx.is_closed());
        let (tx, rx) = filled(messages);
        drop(tx);
        drop(rx);
        let (_tx, mut rx) = filled(messages);
        (0..messages).for_each(|_| assert!(rx.try_recv().is_ok()));
        while rx.try_recv().is_ok() {}
    }
}
