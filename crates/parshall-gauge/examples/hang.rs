//! A service in which a writer and a flusher wait for each other, behind them eight loaders, while
//! the rest goes on. Something to try the program `parshall` on:
//!
//! ```sh
//! cargo run -p parshall-gauge --example hang &
//! cargo run -p parshall-cli -- top hang
//! ```

use std::time::Duration;

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task::{named, spawn_named};

async fn writer(mut rows: Receiver<u32>, wal: Sender<u32>, mut acks: Receiver<u32>) {
    assert_eq!(acks.recv().await, Some(0)); // the flusher is ready
    while let Some(row) = rows.recv().await {
        wal.send(row).await.expect("the flusher is there");
    }
    while acks.recv().await.is_some() {}
}

async fn flusher(mut wal: Receiver<u32>, acks: Sender<u32>) {
    acks.send(0).await.expect("the writer is there");
    while let Some(row) = wal.recv().await {
        acks.send(row).await.expect("the writer is there");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let _gauge = parshall_gauge::init();
    let (rows, from_loaders) = Builder::new().name("rows").capacity(16).build();
    let (wal, entries) = Builder::new().name("wal").capacity(8).build();
    let (acks, acknowledged) = Builder::new().name("acks").capacity(4).build();
    let (lines, mut to_write) = Builder::new().name("log").capacity(64).build();
    let (ticks, mut ticked) = Builder::new().name("ticks").build_unbounded();
    spawn_named("writer", writer(from_loaders, wal, acknowledged));
    spawn_named("flusher", flusher(entries, acks));
    for n in 1..=8 {
        let rows = rows.clone();
        spawn_named(format!("loader-{n}"), async move {
            for row in 0.. {
                rows.send(row).await.expect("the writer is there");
            }
        });
    }
    spawn_named("logger", async move { while to_write.recv().await.is_some() {} });
    spawn_named("clock", async move {
        while let Some(tick) = ticked.recv().await {
            lines.send(tick).await.expect("the logger is there");
        }
    });
    named("main", async {
        for tick in 0_u32.. {
            ticks.send(tick).expect("the clock is there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
