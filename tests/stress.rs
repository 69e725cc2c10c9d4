//! Real threads: nothing lost, nothing doubled, per-sender order. A watchdog prints who waits for
//! whom and aborts if nothing moves.

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use parshall::mpsc::error::TrySendError;
use parshall::mpsc::{self, Builder, Receiver, Sender};
use parshall::task;
use support::rounds;
use support::watchdog::{Watchdog, Watched};

/// A message: its sender and its number there; a count of live messages finds leaks and double
/// drops.
struct Message {
    from: usize,
    number: usize,
    live: Arc<AtomicUsize>,
}

impl Message {
    fn new(from: usize, number: usize, live: &Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self { from, number, live: live.clone() }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let before = self.live.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0 || thread::panicking(), "dropped twice");
    }
}

/// Polls once.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Sends message `number` in one of many ways; on the way, waits are begun and given up.
async fn send_somehow(tx: Sender<Message>, message: Message) -> Sender<Message> {
    let number = message.number;
    // Given up: they must leave nothing behind.
    if number.is_multiple_of(3) {
        drop(once(tx.reserve()).await);
        drop(once(tx.reserve_many(number % tx.max_capacity() + 1)).await);
    }
    match number % 7 {
        0 | 1 => assert!(tx.send(message).await.is_ok()),
        2 => tx.reserve().await.unwrap().send(message),
        3 => {
            let n = tx.max_capacity().min(3);
            // The rest of the permits is given back unused.
            tx.reserve_many(n).await.unwrap().next().unwrap().send(message);
        }
        4 => return tx.reserve_owned().await.unwrap().send(message),
        5 => {
            let mut message = message;
            while let Err(TrySendError::Full(back)) = tx.try_send(message) {
                message = back;
                tokio::task::yield_now().await;
            }
        }
        _ => {
            // Waits, is overtaken by its own patience, and waits anew with a permit.
            let waiting = once(tx.reserve_owned_clone()).await;
            match waiting {
                Some(permit) => drop(permit.send(message)),
                None => assert!(tx.send(message).await.is_ok()),
            }
        }
    }
    tx
}

trait ReserveOwnedClone {
    async fn reserve_owned_clone(&self) -> mpsc::OwnedPermit<Message>;
}

impl ReserveOwnedClone for Sender<Message> {
    async fn reserve_owned_clone(&self) -> mpsc::OwnedPermit<Message> {
        self.clone().reserve_owned().await.unwrap()
    }
}

/// A thread that sends by blocking and by trying.
fn blocking_sender(tx: &Sender<Message>, from: usize, count: usize, live: &Arc<AtomicUsize>) {
    for number in 0..count {
        let mut message = Message::new(from, number, live);
        if number % 2 == 0 {
            assert!(tx.blocking_send(message).is_ok());
        } else {
            while let Err(TrySendError::Full(back)) = tx.try_send(message) {
                message = back;
                thread::yield_now();
            }
        }
    }
}

/// What the receiver expects next of each sender.
struct Expected(Vec<usize>, Watchdog);

impl Expected {
    fn take(&mut self, message: &Message) {
        assert_eq!(message.number, self.0[message.from], "of sender {}", message.from);
        self.0[message.from] += 1;
        self.1.moved();
    }
}

/// Receives until the end in one of many ways each time.
async fn receive_all(rx: &mut Receiver<Message>, expected: &mut Expected) {
    let mut buffer = Vec::new();
    for round in 0usize.. {
        match round % 4 {
            0 => match rx.recv().await {
                Some(message) => expected.take(&message),
                None => return,
            },
            1 => {
                // A receive that is given up.
                if let Some(Some(message)) = once(rx.recv()).await {
                    expected.take(&message);
                }
            }
            2 => {
                if rx.recv_many(&mut buffer, 5).await == 0 {
                    return;
                }
                buffer.drain(..).for_each(|message| expected.take(&message));
            }
            _ => {
                if let Ok(message) = rx.try_recv() {
                    expected.take(&message);
                }
            }
        }
    }
}

const TASKS: usize = 4;
const THREADS: usize = 2;

#[test]
fn all_ways_of_sending_and_receiving_at_once_lose_and_double_nothing() {
    let watched = Watched::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
    for (capacity, count, name) in [(1, 10_000, "one"), (3, 20_000, "three"), (128, 40_000, "many")]
    {
        let count = rounds(count);
        let (tx, mut rx) = Builder::new().name(name).capacity(capacity).build();
        let live = Arc::new(AtomicUsize::new(0));
        for from in 0..TASKS {
            let (mut tx, live, watchdog) = (tx.clone(), live.clone(), watched.0.clone());
            let all = async move {
                for number in 0..count {
                    tx = send_somehow(tx, Message::new(from, number, &live)).await;
                    watchdog.moved();
                }
            };
            runtime.spawn(task::named(format!("{name} sender {from}"), all));
        }
        let mut threads = Vec::new();
        for from in TASKS..TASKS + THREADS {
            let (tx, live) = (tx.clone(), live.clone());
            threads.push(thread::spawn(move || blocking_sender(&tx, from, count, &live)));
        }
        drop(tx);
        let mut expected = Expected(vec![0; TASKS + THREADS], watched.0.clone());
        let all = async move {
            receive_all(&mut rx, &mut expected).await;
            (rx.stats(), expected.0)
        };
        let all = runtime.spawn(task::named(format!("{name} receiver"), all));
        let (stats, received) = runtime.block_on(all).unwrap();
        assert_eq!(received, [count; TASKS + THREADS], "capacity {capacity}");
        assert_eq!(live.load(Ordering::Relaxed), 0, "every message is gone");
        let total = (count * (TASKS + THREADS)) as u64;
        assert_eq!((stats.sent_total, stats.recv_total, stats.queue_len), (total, total, 0));
        assert_eq!((stats.send_waiters, stats.granted_waiters, stats.reserved), (0, 0, 0));
        assert!((1..=capacity as u64).contains(&stats.high_watermark));
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_blocking_receiver_and_async_senders_lose_nothing() {
    const EACH: usize = rounds(10_000);
    let watched = Watched::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for capacity in [1, 3, 128] {
        let (tx, mut rx) = mpsc::channel(capacity);
        let live = Arc::new(AtomicUsize::new(0));
        for from in 0..TASKS {
            let (mut tx, live) = (tx.clone(), live.clone());
            runtime.spawn(async move {
                for number in 0..EACH {
                    tx = send_somehow(tx, Message::new(from, number, &live)).await;
                }
            });
        }
        drop(tx);
        let mut expected = Expected(vec![0; TASKS], watched.0.clone());
        let mut buffer = Vec::new();
        while let Some(message) = rx.blocking_recv() {
            expected.take(&message);
            rx.blocking_recv_many(&mut buffer, 3);
            buffer.drain(..).for_each(|message| expected.take(&message));
        }
        assert_eq!(expected.0, [EACH; TASKS]);
        assert_eq!(live.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn what_was_sent_is_received_or_dropped_when_the_receiver_closes_or_goes_in_the_midst() {
    let watched = Watched::new();
    for round in 0..rounds(3000) {
        let capacity = [1, 3, 128][round % 3];
        let goes = round % 2 == 0;
        let (tx, mut rx) = mpsc::channel(capacity);
        let live = Arc::new(AtomicUsize::new(0));
        let sent: Vec<_> = thread::scope(|scope| {
            let sender = |from: usize| {
                let (tx, live) = (tx.clone(), live.clone());
                scope.spawn(move || {
                    let mut sent = 0;
                    for number in 0.. {
                        let message = Message::new(from, number, &live);
                        let went = if number % 3 == 2 {
                            // A permit delivers whatever happens meanwhile.
                            tx.try_reserve().map(|permit| permit.send(message)).map_err(drop)
                        } else {
                            tx.blocking_send(message).map_err(drop)
                        };
                        match went {
                            Ok(()) => sent += 1,
                            Err(()) if tx.is_closed() => return sent,
                            Err(()) => {}
                        }
                    }
                    sent
                })
            };
            let senders = [sender(0), sender(1)];
            let mut received = 0u64;
            for _ in 0..round % 50 {
                received += u64::from(rx.blocking_recv().is_some());
            }
            if goes {
                drop(rx);
                senders.map(|sender| sender.join().unwrap()).into()
            } else {
                rx.close();
                while rx.blocking_recv().is_some() {
                    received += 1;
                }
                let sent = senders.map(|sender| sender.join().unwrap());
                assert_eq!(sent.iter().sum::<u64>(), received, "round {round}");
                sent.into()
            }
        });
        let stats = tx.stats();
        assert_eq!(stats.sent_total, sent.iter().sum::<u64>(), "round {round}");
        assert_eq!(stats.sent_total, stats.recv_total + stats.discarded, "round {round}");
        assert_eq!((tx.capacity(), stats.reserved), (capacity, 0), "round {round}");
        assert_eq!(live.load(Ordering::Relaxed), 0, "no message outlives the receiver's end");
        watched.moved();
    }
}
