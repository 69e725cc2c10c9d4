//! The budget of a task: after how many rounds a loop that never has to wait makes way, and what an
//! operation without a budget holds. Only counts and texts come out, so that both channels' can be
//! compared.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use super::mpsc::channel;

const ROUNDS: usize = 700;

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The rounds in which another task of the same thread had its turn.
async fn interruptions(mut round: impl AsyncFnMut()) -> Vec<usize> {
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
        }
    });
    tokio::task::yield_now().await;
    let (mut seen, mut rounds) = (turns.load(SeqCst), Vec::new());
    for n in 0..ROUNDS {
        round().await;
        let now = turns.load(SeqCst);
        if now != seen {
            rounds.push(n);
        }
        seen = now;
    }
    other.abort();
    rounds
}

macro_rules! loops {
    ($($name:literal => ($($setup:tt)*) $round:block)+) => {
        /// Every operation in a loop: its name, and the rounds in which another task had its turn.
        pub(crate) fn loops() -> Vec<(&'static str, Vec<usize>)> {
            vec![$(($name, run(async {
                $($setup)*
                interruptions(async || { $round }).await
            }))),+]
        }
    };
}

loops! {
    "recv" => (let (tx, mut rx) = channel(1);) {
        tx.try_send(1).unwrap();
        assert_eq!(rx.recv().await, Some(1));
    }
    "recv, closed" => (let mut rx = channel::<u8>(1).1;) {
        assert_eq!(rx.recv().await, None);
    }
    "recv_many" => (let (tx, mut rx) = channel(3); let mut got = Vec::new();) {
        for i in 0..3 {
            tx.try_send(i).unwrap();
        }
        assert_eq!(rx.recv_many(&mut got, 9).await, 3);
    }
    "recv_many, closed" => (let mut rx = channel::<u8>(1).1; let mut got = Vec::new();) {
        assert_eq!(rx.recv_many(&mut got, 9).await, 0);
    }
    "recv_many of 0" => (let (_tx, mut rx) = channel::<u8>(1); let mut got = Vec::new();) {
        assert_eq!(rx.recv_many(&mut got, 0).await, 0);
    }
    "poll_recv" => (let (tx, mut rx) = channel(1);) {
        tx.try_send(1).unwrap();
        assert_eq!(poll_fn(|cx| rx.poll_recv(cx)).await, Some(1));
    }
    "poll_recv_many" => (let (tx, mut rx) = channel(1); let mut got = Vec::new();) {
        tx.try_send(1).unwrap();
        assert_eq!(poll_fn(|cx| rx.poll_recv_many(cx, &mut got, 9)).await, 1);
    }
    "send" => (let (tx, mut rx) = channel(1);) {
        tx.send(1).await.unwrap();
        rx.try_recv().unwrap();
    }
    "send, closed" => (let tx = channel(1).0;) {
        tx.send(1).await.unwrap_err();
    }
    "send, closed, and recv" => (let closed = channel(1).0; let (tx, mut rx) = channel(1);) {
        closed.send(1).await.unwrap_err();
        tx.try_send(1).unwrap();
        rx.recv().await.unwrap();
    }
    "send and recv" => (let (tx, mut rx) = channel(1);) {
        tx.send(1).await.unwrap();
        rx.recv().await.unwrap();
    }
    "reserve" => (let (tx, _rx) = channel::<u8>(1);) {
        drop(tx.reserve().await.unwrap());
    }
    "reserve_many" => (let (tx, _rx) = channel::<u8>(4);) {
        drop(tx.reserve_many(3).await.unwrap());
    }
    "reserve_many of 0" => (let (tx, _rx) = channel::<u8>(1);) {
        drop(tx.reserve_many(0).await.unwrap());
    }
    "reserve_many of too many" => (let (tx, _rx) = channel::<u8>(1);) {
        tx.reserve_many(2).await.unwrap_err();
    }
    "reserve_owned" => (let (tx, _rx) = channel::<u8>(1);) {
        drop(tx.clone().reserve_owned().await.unwrap());
    }
    "reserve, recv, Permit::send" => (let (tx, mut rx) = channel(1);) {
        tx.reserve().await.unwrap().send(1);
        rx.try_recv().unwrap();
    }
    "try_" => (let (tx, mut rx) = channel(1);) {
        tx.try_reserve().unwrap().send(1);
        rx.try_recv().unwrap();
        tx.try_send(1).unwrap();
        rx.try_recv().unwrap();
    }
    "closed" => (let tx = channel::<u8>(1).0;) {
        tx.closed().await;
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A future polled by hand, with or without a budget.
struct ByHand<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand { future: Box::pin(future), wakes: Arc::default() }
}

/// Spends what is left.
fn exhaust(cx: &mut Context<'_>) {
    while let Poll::Ready(unit) = tokio::task::coop::poll_proceed(cx) {
        unit.made_progress();
    }
}

impl<F: Future<Output: Debug>> ByHand<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// A poll in a task that has spent its budget; then other tasks' turn, and the budget is new.
    /// How often the future was woken: at once, and by then.
    async fn exhausted(&mut self) -> String {
        let before = self.wakes.0.load(SeqCst);
        let (poll, at_once) = poll_fn(|cx| {
            exhaust(cx);
            let poll = self.poll();
            Poll::Ready((poll, self.wakes.0.load(SeqCst) - before))
        })
        .await;
        tokio::task::yield_now().await;
        let woken = self.wakes.0.load(SeqCst) - before;
        format!("{poll:?} woken {at_once} {woken}")
    }

    /// A poll with a budget.
    fn fresh(&mut self) -> String {
        format!("{:?} woken {}", self.poll(), self.wakes.0.load(SeqCst))
    }
}

type Seen = Vec<(&'static str, String)>;

/// What operations without a budget return, hold and wake.
pub(crate) fn exhausted() -> Seen {
    run(async {
        let mut seen = Vec::new();
        send(&mut seen).await;
        line(&mut seen).await;
        reserve(&mut seen).await;
        closing(&mut seen).await;
        receive(&mut seen).await;
        seen
    })
}

async fn send(seen: &mut Seen) {
    let (tx, mut rx) = channel(1);
    let mut first = by_hand(tx.send("first"));
    seen.push(("send, with room", first.exhausted().await));
    seen.push(("its permit is out", format!("{} {:?}", tx.capacity(), tx.try_send("no room"))));
    seen.push(("nothing is sent yet", format!("{} {:?}", rx.len(), rx.try_recv())));
    seen.push(("polled again, without", first.exhausted().await));
    seen.push(("polled again, with", first.fresh()));
    seen.push(("sent", format!("{:?} {}", rx.try_recv(), tx.capacity())));
    let mut dropped = by_hand(tx.send("dropped"));
    seen.push(("send, with room", dropped.exhausted().await));
    drop(dropped);
    seen.push(("its permit is back", format!("{} {:?}", tx.capacity(), rx.try_recv())));
}

async fn line(seen: &mut Seen) {
    let (tx, mut rx) = channel(1);
    tx.try_send(0).unwrap();
    let (mut first, mut second) = (by_hand(tx.send(1)), by_hand(tx.send(2)));
    seen.push(("first in line", first.exhausted().await));
    seen.push(("second in line", second.fresh()));
    seen.push(("room", format!("{:?} {}", rx.try_recv(), tx.capacity())));
    seen.push(("first, granted", first.exhausted().await));
    seen.push(("second", second.fresh()));
    seen.push(("nobody overtakes", format!("{:?}", tx.try_send(3))));
    drop(first);
    seen.push(("second, once the first is gone", second.exhausted().await));
    seen.push(("second", second.fresh()));
    seen.push(("sent", format!("{:?} {:?}", rx.try_recv(), rx.try_recv())));
}

async fn reserve(seen: &mut Seen) {
    let (tx, _rx) = channel::<u8>(4);
    let mut three = by_hand(async { tx.reserve_many(3).await.map(|permits| permits.len()) });
    seen.push(("reserve_many", three.exhausted().await));
    let mut owned = by_hand(async { tx.clone().reserve_owned().await.map(|_| tx.capacity()) });
    seen.push(("reserve_owned", owned.exhausted().await));
    let mut two = by_hand(async { tx.reserve_many(2).await.map(|permits| permits.len()) });
    seen.push(("reserve_many in line", two.exhausted().await));
    let mut none = by_hand(async { tx.reserve_many(0).await.map(|permits| permits.len()) });
    seen.push(("reserve_many of 0", none.exhausted().await));
    drop(owned);
    seen.push(("one of two", two.fresh()));
    drop(three);
    seen.push(("both", two.exhausted().await));
    seen.push(("all but two", tx.capacity().to_string()));
    drop(two);
    drop(none);
    seen.push(("all", tx.capacity().to_string()));
}

async fn closing(seen: &mut Seen) {
    let (tx, mut rx) = channel(1);
    let mut send = by_hand(tx.send(1));
    seen.push(("send, with room", send.exhausted().await));
    rx.close();
    let mut recv = by_hand(rx.recv());
    seen.push(("recv while the permit is out", recv.fresh()));
    seen.push(("send, closed", send.exhausted().await));
    seen.push(("recv", recv.fresh()));
    drop(recv);
    seen.push(("another send", by_hand(tx.send(2)).exhausted().await));
    seen.push(("closed", by_hand(tx.closed()).exhausted().await));
    seen.push(("recv, closed", by_hand(rx.recv()).exhausted().await));
}

async fn receive(seen: &mut Seen) {
    let (tx, mut rx) = channel(2);
    tx.try_send(1).unwrap();
    let mut recv = by_hand(rx.recv());
    seen.push(("recv, with a message", recv.exhausted().await));
    seen.push(("polled again", recv.fresh()));
    drop(recv);
    let mut recv = by_hand(rx.recv());
    seen.push(("recv, without", recv.fresh()));
    seen.push(("recv, without, again", recv.exhausted().await));
    drop(recv);
    let mut got = Vec::new();
    seen.push(("recv_many of 0", by_hand(rx.recv_many(&mut got, 0)).exhausted().await));
    let mut tries = by_hand(async {
        tx.try_reserve().unwrap().send(2);
        (tx.try_send(3), tx.try_send(4), rx.try_recv(), rx.try_recv())
    });
    seen.push(("try_ and Permit::send", tries.exhausted().await));
}
