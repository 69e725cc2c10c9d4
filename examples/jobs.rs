//! A job queue with room for four, and who waits for whom while it is full: `cargo run --example
//! jobs`.

use std::time::Duration;

use parshall::{mpsc, task};

#[tokio::main]
async fn main() {
    let (tx, mut rx) = mpsc::Builder::new().name("jobs").capacity(4).build::<u32>();

    let worker = tokio::spawn(task::named("worker", async move {
        let mut done = 0;
        while let Some(_job) = rx.recv().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
            done += 1;
        }
        done
    }));
    for client in 1..=3 {
        let tx = tx.clone();
        tokio::spawn(task::named(format!("client-{client}"), async move {
            for job in 0..10 {
                tx.send(job).await.expect("the worker is there");
            }
        }));
    }
    drop(tx);

    tokio::time::sleep(Duration::from_millis(100)).await;
    let snapshot = parshall::snapshot();
    for channel in &snapshot.channels {
        let stats = &channel.stats;
        let capacity = stats.capacity.map_or("any number".to_owned(), |n| n.to_string());
        println!(
            "{}: {} of {capacity}, {} waiting",
            stats.name, stats.queue_len, stats.send_waiters
        );
    }
    for edge in snapshot.graph().edges {
        println!("{} needs {}", edge.src, edge.dst);
    }
    println!("{} jobs done", worker.await.expect("no panic"));
}
