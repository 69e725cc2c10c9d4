//! What looks like a deadlock and gets on by itself, by a timer, a deadline or a socket. Each
//! program does get on, after it has been looked at.
//!
//! Seen to fail with an analysis to which one thing does not matter: how many wakers of a task
//! live, deadlines, whose waker a wait has, whether a task is a root, room that permits hold.

use std::future::Future;
use std::net;
use std::pin::pin;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::{Either, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use parshall::introspect::FindingKind::{Deadlock, Futurelock, SenderKept, Stalled};
use parshall::mpsc::error::RecvTimeoutError;
use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task;
use tokio::net::UdpSocket;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::seen::{Now, Seen};
use crate::stage::{On, STUCK_AFTER, Stage, bounded, play, thread, until};

/// Two mailboxes of two, whose owners do `send` to each other three times, for the first message.
/// That would be a deadlock if `send` were `Sender::send`.
fn mailboxes<S, F>(stage: &Stage, send: S)
where
    S: Fn(Sender<u32>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    async fn owner<F: Future<Output = ()>>(
        mut mailbox: Receiver<u32>,
        other: Sender<u32>,
        send: impl Fn(Sender<u32>) -> F,
    ) {
        mailbox.recv().await;
        for _ in 0..3 {
            send(other.clone()).await;
        }
    }
    let (to_alice, alice) = bounded("alice's mailbox", 2);
    let (to_bob, bob) = bounded("bob's mailbox", 2);
    to_alice.try_send(1).unwrap();
    to_bob.try_send(1).unwrap();
    stage.spawn("alice", owner(alice, to_bob, send.clone()));
    stage.spawn("bob", owner(bob, to_alice, send));
}

fn both_wait(now: &Now) -> bool {
    now.sends("alice's mailbox") == 1 && now.sends("bob's mailbox") == 1
}

/// Neither an alarm nor the word.
fn is_no_deadlock(seen: &Seen) {
    seen.is_silent();
    seen.never_says(Deadlock);
}

#[test]
fn a_timeout_around_each_send() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            let _ = timeout(later, tx.send(1)).await;
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

#[test]
fn send_timeout() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            let _ = tx.send_timeout(1, later).await;
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

#[test]
fn a_timer_in_select() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            tokio::select! {
                _ = tx.send(1) => {}
                () = sleep(later) => {}
            }
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// The timer holds another waker than that of the task.
#[test]
fn a_timer_in_futures_unordered() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            let send = Either::Left(async { tx.send(1).await.unwrap_or(()) });
            let mut either: FuturesUnordered<_> =
                [send, Either::Right(sleep(later))].into_iter().collect();
            either.next().await;
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// The timer holds the waker of the task, the send another one.
#[test]
fn a_timer_beside_futures_unordered() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            let mut sends: FuturesUnordered<_> = [tx.send(1)].into_iter().collect();
            let _ = timeout(later, sends.next()).await;
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// Waits for a packet, which is sent when so much time has passed.
async fn packet(later: Duration) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(later);
        net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"stop", to).unwrap();
    });
    let mut buffer = [0; 4];
    assert_eq!(socket.recv_from(&mut buffer).await.unwrap().0, 4);
}

#[test]
fn a_socket_in_select() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            tokio::select! {
                _ = tx.send(1) => {}
                () = packet(later) => {}
            }
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

#[test]
fn a_socket_in_futures_unordered() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            let send = Either::Left(async { tx.send(1).await.unwrap_or(()) });
            let mut either: FuturesUnordered<_> =
                [send, Either::Right(packet(later))].into_iter().collect();
            either.next().await;
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// A receiver that keeps a sender, but waits for a timer as well.
#[test]
fn a_timer_beside_a_receive() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("jobs").capacity(1).trace_senders().build::<u32>();
        let later = stage.later();
        stage.spawn("worker", async move {
            let _again = tx.clone();
            drop(tx);
            assert!(timeout(later, rx.recv()).await.is_err());
        });
    })
    .at_rest(|now| now.receives("jobs") && now.senders("jobs") == 1)
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(SenderKept);
    });
}

/// A task of another library's channel is woken by whoever holds its sender.
#[test]
fn another_channel_in_select() {
    play(async |stage: Stage| {
        let later = stage.later();
        mailboxes(&stage, move |tx| async move {
            let (stop, stopped) = oneshot::channel();
            std::thread::spawn(move || {
                std::thread::sleep(later);
                // It may have been sent meanwhile.
                let _ = stop.send(());
            });
            tokio::select! {
                _ = tx.send(1) => {}
                _ = stopped => {}
            }
        });
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// The timer is outside of the named future, so that its waker is none of the named future's.
#[test]
fn a_timeout_around_a_named_future() {
    play(async |stage: Stage| {
        let (to_self, mut requests) = bounded("requests", 1);
        to_self.try_send(0).unwrap();
        let fills_its_channel = task::named("event loop", async move {
            requests.recv().await;
            to_self.send(1).await.unwrap();
            to_self.send(2).await.unwrap();
        });
        stage.spawn("outer", timeout(stage.later(), fills_its_channel).map(|_| ()));
    })
    .at_rest(|now| now.sends("requests") == 1)
    .ends()
    .judge(is_no_deadlock);
}

/// Threads in blocking calls that end by themselves.
#[test]
fn blocking_send_timeout() {
    fn owner(mut mailbox: Receiver<u32>, other: Sender<u32>, later: Duration) {
        mailbox.blocking_recv();
        for _ in 0..3 {
            let _ = other.blocking_send_timeout(1, later);
        }
    }
    play(async |stage: Stage| {
        let (to_alice, alice) = bounded("alice's mailbox", 2);
        let (to_bob, bob) = bounded("bob's mailbox", 2);
        to_alice.try_send(1).unwrap();
        to_bob.try_send(1).unwrap();
        let later = stage.later();
        thread("alice", move || owner(alice, to_bob, later));
        thread("bob", move || owner(bob, to_alice, later));
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// It keeps a sender itself, but does not wait for ever.
#[test]
fn blocking_recv_timeout() {
    play(async |stage: Stage| {
        let (tx, mut rx) = Builder::new().name("jobs").capacity(1).trace_senders().build();
        let later = stage.later();
        thread("worker", move || {
            let again = tx.clone();
            drop(tx);
            assert_eq!(rx.blocking_recv_timeout(later), Err(RecvTimeoutError::Timeout));
            again.try_send(1).unwrap();
            let soon = Instant::now() + Duration::from_millis(1);
            assert_eq!(rx.blocking_recv_deadline(soon), Ok(1));
        });
    })
    .at_rest(|now| now.receives("jobs") && now.senders("jobs") == 1)
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(SenderKept);
    });
}

/// As omicron#9272, but the task comes back to the send that was granted room: `wait` ends.
fn comes_back_to_its_send<F>(stage: &Stage, wait: F) -> impl Future<Output = ()> + use<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tx, mut rx) = bounded("log", 1);
    let (tick, ticked) = oneshot::channel();
    let stage = stage.clone();
    async move {
        tx.try_send("first").unwrap();
        let other = tx.clone();
        stage.spawn("reporter", async move {
            let mut report = pin!(tx.send("report"));
            tokio::select! {
                // The tick first: another worker may grant the room before this task is polled.
                biased;
                _ = ticked => {
                    wait.await;
                    report.await.unwrap();
                }
                _ = &mut report => {}
            }
        });
        until(|now| now.sends("log") == 1).await;
        stage.spawn("other", async move { other.send("other").await });
        until(|now| now.sends("log") == 2).await;
        tick.send(()).unwrap();
        stage.spawn("collector", async move { while rx.recv().await.is_some() {} });
    }
}

fn granted_and_not_polled(now: &Now) -> bool {
    now.granted("log") == 1 && now.sends("log") == 1 && now.receives("log")
}

#[test]
fn a_granted_send_behind_a_timer() {
    play(async |stage: Stage| {
        let later = stage.later();
        comes_back_to_its_send(&stage, async move { sleep(later).await }).await;
    })
    .at_rest(granted_and_not_polled)
    .ends()
    .judge(Seen::is_silent);
}

/// The message that it waits for comes from where nobody sees.
#[test]
fn a_granted_send_behind_a_message() {
    play(async |stage: Stage| {
        let (go, mut gone) = bounded("go", 1);
        comes_back_to_its_send(&stage, async move { gone.recv().await.unwrap() }).await;
        sleep(stage.later()).await;
        go.send(()).await.unwrap();
    })
    .at_rest(|now| granted_and_not_polled(now) && now.receives("go"))
    .ends()
    .judge(Seen::is_silent);
}

#[test]
fn a_permit_that_will_be_used() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("slots", 1);
        let permit = tx.clone().reserve_owned().await.unwrap();
        let later = stage.later();
        stage.spawn("first", async move {
            sleep(later).await;
            permit.send(1);
        });
        stage.spawn("second", async move { tx.send(2).await });
        stage.spawn("reader", async move { while rx.recv().await.is_some() {} });
    })
    .at_rest(|now| now.sends("slots") == 1 && now.receives("slots"))
    .ends()
    .judge(|seen| {
        seen.is_silent();
        seen.never_says(Futurelock);
    });
}

/// Two mailboxes, one of them full by a permit that somebody gives back.
#[test]
fn a_permit_in_a_full_mailbox() {
    async fn owner(mut mailbox: Receiver<u32>, other: Sender<u32>, sends: u32) {
        mailbox.recv().await;
        for n in 0..sends {
            other.send(n).await.unwrap();
        }
        drop(other);
        while mailbox.recv().await.is_some() {}
    }
    play(async |stage: Stage| {
        let (to_alice, alice) = bounded("alice's mailbox", 2);
        let (to_bob, bob) = bounded("bob's mailbox", 2);
        to_alice.try_send(1).unwrap();
        to_bob.try_send(1).unwrap();
        let permit = to_alice.clone().reserve_owned().await.unwrap();
        let later = stage.later();
        stage.spawn("sleeper", async move {
            sleep(later).await;
            drop(permit);
        });
        stage.spawn("alice", owner(alice, to_bob, 3));
        stage.spawn("bob", owner(bob, to_alice, 2));
    })
    .at_rest(both_wait)
    .ends()
    .judge(is_no_deadlock);
}

/// It is stuck for as long as that, which may be said; but no more.
#[test]
fn a_consumer_that_works_in_batches() {
    play(async |stage: Stage| {
        let (tx, mut rx) = bounded("rows", 2);
        let (acks, mut acked) = bounded("acks", 1);
        let later = stage.later();
        stage.spawn("loader", async move {
            let mut batch = Vec::from_iter(rx.recv().await);
            sleep(later).await;
            while rx.recv_many(&mut batch, 10).await > 0 {
                acks.send(batch.len()).await.unwrap();
            }
        });
        stage.spawn("source", async move {
            for n in 0..4 {
                tx.send(n).await.unwrap();
            }
            drop(tx);
            while acked.recv().await.is_some() {}
        });
    })
    .at_rest(|now| now.sends("rows") == 1)
    .ends()
    .judge(is_no_deadlock);
}

/// When the loader of [`what_is_merely_slow`] received last, and whether it was ever stuck.
static LOADED: Mutex<(Option<Instant>, bool)> = Mutex::new((None, false));

/// How long nobody has received, at most; the clocks are coarse.
fn held_up(last: Option<Instant>) -> Duration {
    last.map_or(Duration::ZERO, |last| last.elapsed() + Duration::from_millis(20))
}

/// One every 20 ms: nobody is stuck, unless the machine makes it so.
#[test]
fn what_is_merely_slow() {
    play(async |stage: Stage| {
        let stuck_after = stage.stuck_after();
        let (tx, mut rx) = bounded("rows", 2);
        for n in 0..3 {
            let tx = tx.clone();
            stage.spawn(format!("source {n}"), async move { while tx.send(n).await.is_ok() {} });
        }
        stage.spawn("loader", async move {
            let mut before = Instant::now();
            while rx.recv().await.is_some() {
                {
                    let mut loaded = LOADED.lock().unwrap();
                    let was_stuck = loaded.1 || held_up(loaded.0) > stuck_after;
                    *loaded = (Some(before), was_stuck);
                }
                sleep(Duration::from_millis(20)).await;
                before = Instant::now();
            }
        });
    })
    .at_rest(|now| {
        let (last, was_stuck) = *LOADED.lock().unwrap();
        now.received("rows") > 2 && !was_stuck && held_up(last) < STUCK_AFTER
    })
    .looks(6)
    .judge(|seen| {
        is_no_deadlock(seen);
        seen.never_says(Stalled);
    });
}

/// A runtime that is dropped: its tasks are woken and not run, one after the other is dropped, and
/// the destructor of one takes its time.
#[test]
fn a_runtime_that_is_shutting_down() {
    struct SlowToDrop(Duration, Sender<()>);

    impl Drop for SlowToDrop {
        fn drop(&mut self) {
            self.1.try_send(()).unwrap();
            std::thread::sleep(self.0);
        }
    }
    async fn answer(mut from: Receiver<u32>, to: Sender<u32>) {
        while let Some(n) = from.recv().await {
            if to.send(n).await.is_err() {
                break;
            }
        }
    }
    play(async |stage: Stage| {
        let (begun, shutdown) = bounded("shutdown", 1);
        let inside = stage.clone();
        thread("host", move || {
            let mut builder = match inside.on {
                On::CurrentThread => runtime::Builder::new_current_thread(),
                On::MultiThread => runtime::Builder::new_multi_thread(),
            };
            let runtime = builder.worker_threads(2).enable_all().build().unwrap();
            let inside = inside.with(runtime.handle());
            let _kept = shutdown;
            runtime.block_on(async {
                for pair in 0..8 {
                    let (to_alice, alice) = bounded("alice's mailbox", 1);
                    let (to_bob, bob) = bounded("bob's mailbox", 1);
                    to_alice.try_send(1).unwrap();
                    to_alice.send(2).now_or_never();
                    inside.spawn("alice", answer(alice, to_bob));
                    inside.spawn("bob", answer(bob, to_alice));
                    if pair == 4 {
                        let slow = SlowToDrop(inside.later(), begun.clone());
                        inside.spawn("slow", async move {
                            let _slow = slow;
                            std::future::pending::<()>().await;
                        });
                    }
                }
                until(|now| now.received("alice's mailbox") > 10).await;
            });
            drop(runtime);
        });
    })
    .at_rest(|now| now.len("shutdown") == 1)
    .ends()
    .judge(is_no_deadlock);
}
