//! The macros of tokio: by path, by `use`, and by name alone (`#[macro_use]` at the root).

use std::time::Duration;

use tokio::sync::mpsc::{self, error::SendError};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{interval, sleep};

tokio::task_local! {
    static CLIENT: u32;
}

async fn selects() -> String {
    let (tx, mut rx) = mpsc::channel(1);
    let (stop, mut stopped) = mpsc::unbounded_channel();
    let mut ticks = interval(Duration::from_secs(60));
    ticks.tick().await;
    let sender = tokio::spawn(async move {
        for i in 1..=3_u32 {
            tx.send(i).await?;
        }
        Ok::<_, SendError<u32>>(tx)
    });
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = stopped.recv() => break,
            message = rx.recv(), if seen.len() < 3 => seen.push(message),
            _ = ticks.tick() => unreachable!("it takes a minute"),
            else => unreachable!("a branch is enabled"),
        }
        if seen.len() == 3 {
            stop.send(()).expect("it is there");
        }
    }
    drop(sender);
    format!("select {seen:?}")
}

/// Who loses a `select!` has taken nothing.
async fn selects_by_name() -> String {
    let (tx, mut rx) = mpsc::channel(1);
    let first = select! {
        message = rx.recv() => message,
        () = async {} => None,
    };
    tx.send(1).await.expect("the receiver is there");
    let deadline = sleep(Duration::from_secs(60));
    pin!(deadline);
    let second = select! {
        message = rx.recv() => message,
        () = &mut deadline => None,
    };
    format!("select by name {first:?} {second:?}")
}

async fn joins() -> String {
    let (tx, mut rx) = mpsc::channel(1);
    let (sent, received) = tokio::join!(tx.send(5), rx.recv());
    let both = tokio::try_join!(tx.send(6), async { rx.recv().await.ok_or(SendError(0)) });
    rx.close();
    let refused = try_join!(tx.send(7), tx.send(8));
    let (a, b) = join!(async { 1 }, async { 2 });
    format!("join {sent:?} {received:?} {both:?} {refused:?} {}", a + b)
}

async fn pins() -> String {
    let (tx, mut rx) = mpsc::channel(1);
    tokio::pin! {
        let sending = tx.send(1);
        let more = async { rx.recv().await };
    }
    sending.as_mut().await.expect("the receiver is there");
    format!("pin {:?}", more.await)
}

async fn locals() -> String {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let sending = async move { tx.send(CLIENT.with(|client| *client)) };
    tokio::spawn(CLIENT.scope(17, sending)).await.expect("no panic").expect("it is there");
    format!("task_local {:?}", rx.recv().await)
}

async fn spawns() -> String {
    let (tx, mut rx) = mpsc::channel(4);
    let mut set = JoinSet::new();
    for i in 0..2 {
        let tx = tx.clone();
        set.spawn(async move { tx.send(i).await });
    }
    let blocking = tx.clone();
    tokio::task::spawn_blocking(move || blocking.blocking_send(2)).await.expect("no panic").ok();
    while set.join_next().await.is_some() {}
    let on_a_thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async move {
            let local = tokio::task::spawn_local(async move { tx.send(3).await });
            local.await.expect("no panic").is_ok()
        })
    });
    assert!(on_a_thread.join().expect("no panic"));
    let mut all = Vec::new();
    rx.recv_many(&mut all, 4).await;
    all.sort_unstable();
    format!("spawn {all:?}")
}

pub(crate) async fn all() -> Vec<String> {
    vec![
        selects().await,
        selects_by_name().await,
        joins().await,
        pins().await,
        locals().await,
        spawns().await,
    ]
}
