//! Two tasks that wait for each other, and what is said of them:
//! `cargo run --features tokio --example hang_cycle`. See `docs/my-program-hangs.md`.

use std::time::Duration;

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task;
use tokio::time::sleep;

/// Writes all entries, and only then looks at the acknowledgements.
async fn writer(wal: Sender<u32>, mut acks: Receiver<u32>) {
    assert_eq!(acks.recv().await, Some(0)); // the flusher is ready
    for entry in 1..=100 {
        wal.send(entry).await.expect("the flusher is there");
    }
    while acks.recv().await.is_some() {}
}

/// Acknowledges each entry.
async fn flusher(mut wal: Receiver<u32>, acks: Sender<u32>) {
    acks.send(0).await.expect("the writer is there");
    while let Some(entry) = wal.recv().await {
        acks.send(entry).await.expect("the writer is there");
    }
}

#[tokio::main]
pub(crate) async fn main() {
    let (wal, entries) = Builder::new().name("wal").capacity(8).build();
    let (acks, acknowledged) = Builder::new().name("acks").capacity(4).build();
    task::spawn_named("flusher", flusher(entries, acks));
    task::spawn_named("writer", writer(wal, acknowledged));

    sleep(Duration::from_secs(2)).await;
    let diagnosis = tokio::task::spawn_blocking(parshall::diagnose).await.expect("no panic");
    println!("{diagnosis}");
}
