//! Channels without a capacity: their list of blocks, and the promises of `ring.rs`, `receiver.rs`,
//! `close.rs` and `telemetry.rs` once more on it. A block has two slots here.

#![cfg(parshall_loom)]

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::JoinHandle;
use loom_tests::{
    Bound, Counting, Ledger, POS_WRAP, STAMP_WRAP, Wide, block_on, check, id, live_blocks, look,
    made_blocks, spawn, unbounded,
};
use parshall::mpsc::error::TryRecvError;
use parshall::mpsc::{UnboundedReceiver, UnboundedSender};

fn send(tx: &UnboundedSender<Wide>, ledger: &Ledger, id: u32) {
    tx.send(ledger.wide(id)).expect("closed by nobody");
}

/// A thread that sends `ids` and drops its sender.
fn producer<const N: usize>(
    tx: &UnboundedSender<Wide>,
    ledger: &Ledger,
    ids: [u32; N],
) -> JoinHandle<()> {
    let (tx, ledger) = (tx.clone(), ledger.clone());
    spawn(move || ids.into_iter().for_each(|id| send(&tx, &ledger, id)))
}

/// What is left when all senders have gone.
fn rest(rx: &mut UnboundedReceiver<Wide>) -> Vec<u32> {
    let rest = std::iter::from_fn(|| rx.try_recv().ok()).map(id).collect();
    assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Disconnected);
    rest
}

/// Each message once, those of one producer (whose number is `id / 10`) in order; then nothing of
/// the channel is left.
fn account(rx: UnboundedReceiver<Wide>, ledger: &Ledger, got: &[u32], sent: &[u32]) {
    for producer in 0..10 {
        let of = |ids: &[u32]| {
            ids.iter().filter(|id| **id / 10 == producer).copied().collect::<Vec<_>>()
        };
        assert_eq!(of(got), of(sent), "of {got:?}");
    }
    assert_eq!(ledger.alive(), 0);
    drop(rx);
    assert_eq!(live_blocks(), 0, "blocks are left");
}

// ---------------------------------------------------------------- hand-overs of the list

/// A full block, and two more messages: one of the two producers moves `recent`, the other may
/// stand on the old block for as long as it likes, and the receiver drains it and would reuse it.
/// It is not reused under anybody; who claims after the move never sees it where it was; a new
/// block is seen set up. Tags E2, E3, E5, P1.
fn old_block(name: &str, bound: Bound, start: u64, looks: usize) {
    check(name, bound, move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(start);
        [0, 1].into_iter().for_each(|id| send(&tx, &ledger, id));
        let producers = [10, 20].map(|id| producer(&tx, &ledger, [id]));
        drop(tx);
        let mut got = look(looks, || rx.try_recv());
        producers.into_iter().for_each(|p| p.join().unwrap());
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[0, 1, 10, 20]);
    });
}

/// A block that was left is reused under nobody. Tags E2, E3, E5, P1.
#[test]
fn l21_nobody_stands_on_a_block_that_is_reused() {
    old_block("L21 old block", Bound::Preemptions(2), 0, 3);
}

/// As above across the wrap of the stamps. Tags E2, E3, E5, P1.
#[test]
fn l21_nobody_stands_on_a_block_that_is_reused_stamps_wrap() {
    old_block("L21 old block, stamps wrap", Bound::Preemptions(2), STAMP_WRAP - 3, 3);
}

/// As above across the wrap of the positions. Tags E2, E3, E5, P1.
#[test]
fn l21_nobody_stands_on_a_block_that_is_reused_positions_wrap() {
    old_block("L21 old block, positions wrap", Bound::Preemptions(2), POS_WRAP - 1, 3);
}

/// Two producers link a block behind the same one, as claimer of the last slot and of the one after
/// it: one wins, the other goes on with the winner's and frees its own. Tag E1.
#[test]
fn l21_two_producers_link() {
    check("L21 two link", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(1);
        let producers = [10, 20].map(|id| producer(&tx, &ledger, [id]));
        drop(tx);
        let mut got = look(2, || rx.try_recv());
        producers.into_iter().for_each(|p| p.join().unwrap());
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[10, 20]);
    });
}

/// The receiver puts a drained block where a producer links a new one: one wins, and the message
/// after it lies in the winner's. Tags E1, E3.
#[test]
fn l21_reuse_against_link() {
    check("L21 reuse against link", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(STAMP_WRAP - 3);
        [0, 1, 2].into_iter().for_each(|id| send(&tx, &ledger, id));
        let mut got = look(2, || rx.try_recv());
        let producers = [10, 20].map(|id| producer(&tx, &ledger, [id]));
        drop(tx);
        got.extend(look(2, || rx.try_recv()));
        producers.into_iter().for_each(|p| p.join().unwrap());
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[0, 1, 2, 10, 20]);
    });
}

/// A reused block is followed by the next: one producer fills it while the receiver, which put it
/// there, goes on. What its last life left in it counts no more. Tags E1, E2, E3, E5.
#[test]
fn l21_a_block_has_a_second_life() {
    check("L21 second life", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(0);
        (0..3).for_each(|id| send(&tx, &ledger, id));
        let mut got = look(3, || rx.try_recv());
        let made = made_blocks();
        let producer = producer(&tx, &ledger, [10, 11, 12]);
        got.extend(look(2, || rx.try_recv()));
        producer.join().unwrap();
        got.extend((0..4).map_while(|_| rx.try_recv().ok()).map(id));
        assert!(made_blocks() <= made + 1, "the spare one was not used");
        // Once more around, alone: the blocks that are there do.
        let made = made_blocks();
        for round in 20..28 {
            send(&tx, &ledger, round);
            got.push(id(rx.try_recv().unwrap()));
        }
        assert!(made_blocks() <= made + 1 && live_blocks() <= 4, "blocks are not reused");
        drop(tx);
        got.extend(rest(&mut rx));
        let sent: Vec<_> = (0..3).chain(10..13).chain(20..28).collect();
        account(rx, &ledger, &got, &sent);
    });
}

/// `recent` stands on a block in its second life, while the receiver goes past it: that the block
/// was passed in its first life counts no more. Tags E1, E2, E3, E5.
#[test]
fn l21_a_second_life_is_not_passed_yet() {
    check("L21 second life, recent behind", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(0);
        for batch in [0..3, 3..5] {
            batch.clone().for_each(|id| send(&tx, &ledger, id));
            assert!(look(batch.len(), || rx.try_recv()).into_iter().eq(batch));
        }
        let producers = [10, 20].map(|id| producer(&tx, &ledger, [id]));
        let mut got = look(2, || rx.try_recv());
        producers.into_iter().for_each(|p| p.join().unwrap());
        send(&tx, &ledger, 30);
        drop(tx);
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[10, 20, 30]);
    });
}

// ----------------------------------------------------------- L21: two producers, two messages each

/// How the receiver takes what comes.
#[derive(Clone, Copy, PartialEq)]
enum By {
    TryRecv,
    Recv,
    RecvMany,
}

fn l21(name: &str, start: u64, by: By) {
    check(name, Bound::Preemptions(1), move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(start);
        // Waiting makes the executions many: with it the second producer has one message only.
        let sent = if by == By::TryRecv { &[10, 11, 20, 21][..] } else { &[10, 11, 20] };
        let producers = [&sent[..2], &sent[2..]].map(|ids| {
            let (tx, ledger) = (tx.clone(), ledger.clone());
            spawn(move || ids.iter().for_each(|id| send(&tx, &ledger, *id)))
        });
        drop(tx);
        let mut got = Vec::new();
        match by {
            By::TryRecv => got = look(3, || rx.try_recv()),
            By::Recv => got.extend(std::iter::from_fn(|| block_on(rx.recv())).map(id)),
            By::RecvMany => {
                let mut batch = Vec::new();
                assert!(block_on(rx.recv_many(&mut batch, 3)) > 0);
                got.extend(batch.into_iter().map(id));
            }
        }
        producers.into_iter().for_each(|p| p.join().unwrap());
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, sent);
    });
}

/// Two producers of two messages each against `try_recv`, blocks of two: each message arrives once,
/// in its producer's order, no block is used by two at once, none is left. Tags P1, E1, E2, E3, E5.
#[test]
fn l21_try_recv() {
    l21("L21 try_recv, stamps wrap", STAMP_WRAP - 1, By::TryRecv);
}

/// As above from inside a block. Tags P1, E1, E2, E3, E5.
#[test]
fn l21_try_recv_inside_a_block() {
    l21("L21 try_recv, inside a block, positions wrap", POS_WRAP, By::TryRecv);
}

/// As above with `recv`. Tags P1, K1, K2, E1, E2, E3, E5.
#[test]
fn l21_recv() {
    l21("L21 recv, positions wrap", POS_WRAP - 1, By::Recv);
}

/// As above with `recv` from inside a block. Tags P1, K1, K2, E1, E2, E3, E5.
#[test]
fn l21_recv_inside_a_block() {
    l21("L21 recv, inside a block, stamps wrap", STAMP_WRAP, By::Recv);
}

/// As above with one `recv_many` that waits, whose batch may end in another block. Tags P1, K1, K2,
/// E1, E2, E3, E5.
#[test]
fn l21_recv_many() {
    l21("L21 recv_many, stamps wrap", STAMP_WRAP - 1, By::RecvMany);
}

/// As above with `recv_many` from inside a block. Tags P1, K1, K2, E1, E2, E3, E5.
#[test]
fn l21_recv_many_inside_a_block() {
    l21("L21 recv_many, inside a block, positions wrap", POS_WRAP, By::RecvMany);
}

// ---------------------------------------------------------------- the receiver

/// A send that has returned is never missed, though its block is not linked where the receiver
/// stands and a producer before it is in flight. Tags P1, E1.
#[test]
fn l4_a_completed_send_is_never_missed() {
    check("L4 unbounded", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(STAMP_WRAP);
        let done = Arc::new(AtomicBool::new(false));
        let first = producer(&tx, &ledger, [10]);
        let second = spawn({
            let (ledger, done) = (ledger.clone(), done.clone());
            move || {
                send(&tx, &ledger, 20);
                done.store(true, Ordering::Release);
            }
        });
        let mut got = Vec::new();
        if done.load(Ordering::Acquire) {
            assert!(!rx.is_empty());
            got.push(id(rx.try_recv().expect("a completed send was missed")));
        }
        first.join().unwrap();
        second.join().unwrap();
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[10, 20]);
    });
}

/// Two senders against a receiver that parks twice: it never sleeps on a message in flight, and is
/// woken no more often than it waited. Tags P1, K1, K2, E1.
#[test]
fn l4_in_flight_never_sleeps() {
    check("L4 unbounded, waiting", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(STAMP_WRAP);
        let producers = [10, 20].map(|id| producer(&tx, &ledger, [id]));
        let (mut got, mut pendings) = (Vec::new(), 0);
        let mut counter: Option<Arc<Counting>> = None;
        block_on(poll_fn(|cx| {
            let counter = counter.get_or_insert_with(|| Counting::new(cx.waker()));
            let waker = Waker::from(counter.clone());
            while got.len() < 2 {
                match rx.poll_recv(&mut Context::from_waker(&waker)) {
                    Poll::Ready(message) => got.push(id(message.expect("a sender lives"))),
                    Poll::Pending => {
                        pendings += 1;
                        return Poll::Pending;
                    }
                }
            }
            Poll::Ready(())
        }));
        let wakes = counter.map_or(0, |counter| counter.wakes());
        assert!(wakes <= pendings, "{wakes} wake-ups for {pendings} waits");
        producers.into_iter().for_each(|p| p.join().unwrap());
        drop(tx);
        account(rx, &ledger, &got, &[10, 20]);
    });
}

// ---------------------------------------------------------------- closing

/// The receiver parks, its receive is dropped, it closes and waits again, while a producer sends
/// into the next block: what was accepted arrives, then `None`; nothing is accepted after a
/// refusal. Tags D1, P1, K1, K2.
#[test]
fn l14_close_against_send() {
    check("L14 unbounded", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(STAMP_WRAP);
        let producer = spawn({
            let ledger = ledger.clone();
            move || {
                let sent = [10, 11].map(|id| tx.send(ledger.wide(id)).is_ok());
                assert!(sent[0] || !sent[1], "accepted after a refusal");
                usize::from(sent[0]) + usize::from(sent[1])
            }
        });
        let mut got = Vec::new();
        if let Poll::Ready(message) = rx.poll_recv(&mut Context::from_waker(Waker::noop())) {
            got.extend(message.map(id));
        }
        rx.close();
        got.extend(std::iter::from_fn(|| block_on(rx.recv())).map(id));
        assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Disconnected);
        let sent = producer.join().unwrap();
        account(rx, &ledger, &got, &[10, 11][..sent]);
    });
}

/// The last sender sends into the next block and goes, while the receiver waits: the message, then
/// `None`. Tags D1, K1, K2, P1, E1.
#[test]
fn l14_last_sender_against_recv() {
    check("L14 unbounded, last sender", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(1);
        send(&tx, &ledger, 10);
        let last = spawn({
            let ledger = ledger.clone();
            move || send(&tx, &ledger, 11)
        });
        let got: Vec<_> = std::iter::from_fn(|| block_on(rx.recv())).map(id).collect();
        last.join().unwrap();
        account(rx, &ledger, &got, &[10, 11]);
    });
}

/// The receiver is dropped while a producer sends across blocks: every message is dropped once, and
/// by the time the producer has ended though a sender lives, and so are the blocks. Tags D1, P1,
/// E1, E4.
#[test]
fn l19_receiver_dropped_against_sends() {
    check("L19 unbounded", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, rx) = unbounded(STAMP_WRAP - 1);
        send(&tx, &ledger, 10);
        let producer = spawn({
            let (tx, ledger) = (tx.clone(), ledger.clone());
            move || [11, 12].map(|id| tx.send(ledger.wide(id)).is_ok())
        });
        assert!(live_blocks() > 0, "the models count the wrong thing");
        drop(rx);
        let sent = producer.join().unwrap();
        assert!(sent[0] || !sent[1], "accepted after a refusal");
        assert_eq!(ledger.alive(), 0, "while a sender lives");
        let stats = tx.stats();
        assert_eq!(stats.discarded, stats.sent_total);
        assert_eq!((stats.queue_len, stats.recv_total), (0, 0));
        assert_eq!(live_blocks(), 0, "while a sender lives");
        drop(tx);
    });
}

/// Both ends go at once: whoever is last frees the list, and sees it whole. Tags D1, P1, E1, E4.
#[test]
fn l19_both_ends_go() {
    check("L19 unbounded, both ends", Bound::Preemptions(3), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(0);
        [0, 1, 2].into_iter().for_each(|id| send(&tx, &ledger, id));
        assert_eq!(look(2, || rx.try_recv()), [0, 1]);
        let sender = spawn({
            let ledger = ledger.clone();
            move || drop(tx.send(ledger.wide(10)))
        });
        drop(rx);
        sender.join().unwrap();
        assert_eq!((ledger.alive(), live_blocks()), (0, 0));
    });
}

// ---------------------------------------------------------------- what it reports

/// The head is a plain store here. One who reads it sees the claims that the receiver had seen: a
/// channel that is never empty is never said to be. Tag C1.
#[test]
fn c1_a_channel_that_is_never_empty_is_not_said_to_be() {
    check("C1 unbounded", Bound::Exhaustive, || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(POS_WRAP);
        send(&tx, &ledger, 0);
        let observer = spawn({
            let tx = tx.clone();
            move || {
                let len = tx.len();
                assert!(len == 1 || len == 2, "{len} in a channel that has one or two");
            }
        });
        send(&tx, &ledger, 1);
        assert_eq!(look(1, || rx.try_recv()), [0]);
        observer.join().unwrap();
        assert_eq!(rx.len(), 1);
        drop(tx);
        let got = rest(&mut rx);
        account(rx, &ledger, &got, &[1]);
    });
}

/// Lengths and watermarks beside two producers and the receiver: never above what was claimed,
/// never negative, never falling where they must not; the watermark is no lower than what lay there
/// before a pop. Tags P1, C1, M1, M2, E1.
fn gauges(name: &str, bound: Bound, start: u64) {
    check(name, bound, move || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(start);
        send(&tx, &ledger, 0);
        let producers = [10, 20].map(|id| producer(&tx, &ledger, [id]));
        let mut mark = 0;
        let mut got = Vec::new();
        for round in 0..2 {
            got.extend(look(1, || rx.try_recv()));
            // Each message was made before it was claimed, and lives until it was popped.
            let stats = rx.stats();
            assert!(stats.high_watermark <= 3 && stats.high_watermark >= mark.max(1));
            assert_eq!(stats.sent_total, stats.recv_total + stats.queue_len);
            assert!(stats.sent_total <= 3 && stats.recv_total == got.len() as u64, "{round}");
            mark = stats.high_watermark;
        }
        producers.into_iter().for_each(|p| p.join().unwrap());
        let left = 3 - got.len() as u64;
        got.extend(look(1, || rx.try_recv()));
        assert!(rx.stats().high_watermark >= left);
        drop(tx);
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[0, 10, 20]);
    });
}

/// Gauges of an unbounded channel, from a block's first slot. Tags P1, C1, M1, M2, E1.
#[test]
fn l17_gauges() {
    gauges("L17 unbounded", Bound::Preemptions(2), 0);
}

/// As above from its second. Tags P1, C1, M1, M2, E1.
#[test]
fn l17_gauges_inside_a_block() {
    gauges("L17 unbounded, inside a block", Bound::Preemptions(1), STAMP_WRAP);
}

/// A snapshot from a third thread: what was sent is what was received and what lies there, no total
/// falls, and no length is above what was sent. Tags C1, M1.
#[test]
fn l16_snapshot_beside_send_and_receive() {
    check("L16 unbounded", Bound::Preemptions(2), || {
        let ledger = Ledger::default();
        let (tx, mut rx) = unbounded(STAMP_WRAP);
        send(&tx, &ledger, 0);
        let observer = spawn({
            let tx = tx.clone();
            move || {
                let (stats, len) = (tx.stats(), tx.len() as u64);
                assert!(stats.queue_len <= 2 && stats.sent_total <= 2 && len <= 2, "{stats:?}");
                assert_eq!(stats.sent_total, stats.recv_total + stats.queue_len);
                assert!(stats.high_watermark <= 2 && stats.high_watermark >= stats.queue_len);
                assert!(stats.recv_total + len <= 2, "{len} after {stats:?}");
            }
        });
        let producer = producer(&tx, &ledger, [10]);
        drop(tx);
        let mut got = look(1, || rx.try_recv());
        producer.join().unwrap();
        observer.join().unwrap();
        got.extend(rest(&mut rx));
        account(rx, &ledger, &got, &[0, 10]);
    });
}
