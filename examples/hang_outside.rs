//! A task that waits for something that is no channel, and all who wait behind it:
//! `cargo run --features tokio --example hang_outside`. See `docs/my-program-hangs.md`.

use std::time::Duration;

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task;
use tokio::time::sleep;

/// Gives each request to the runner whose turn it is.
async fn manager(mut requests: Receiver<u32>, runners: Vec<Sender<u32>>) {
    while let Some(request) = requests.recv().await {
        let runner = &runners[request as usize % runners.len()];
        runner.send(request).await.expect("the runner is there");
    }
}

/// The seventh request asks a server that takes an hour, and there is no timeout.
async fn runner(mut jobs: Receiver<u32>) {
    while let Some(job) = jobs.recv().await {
        if job == 7 {
            sleep(Duration::from_secs(3600)).await;
        }
    }
}

#[tokio::main]
pub(crate) async fn main() {
    let runners = (0..3).map(|n| {
        let (tx, rx) = Builder::new().name(format!("jobs-{n}")).capacity(2).build();
        task::spawn_named(format!("runner-{n}"), runner(rx));
        tx
    });
    let (tx, rx) = Builder::new().name("requests").capacity(4).build();
    task::spawn_named("manager", manager(rx, runners.collect()));
    for client in 0..5 {
        let tx = tx.clone();
        task::spawn_named(format!("client-{client}"), async move {
            for request in 0.. {
                tx.send(request).await.expect("the manager is there");
            }
        });
    }

    sleep(Duration::from_secs(2)).await;
    let diagnosis = tokio::task::spawn_blocking(parshall::diagnose).await.expect("no panic");
    println!("{diagnosis}");
}
