//! A client waits: for how long, and for whom?

use std::time::Duration;

use parshall::{mpsc, task};
use tokio::time::sleep;

#[tokio::main]
pub(crate) async fn main() {
    let (jobs, mut inbox) = mpsc::Builder::new().name("jobs").capacity(2).build();
    task::spawn_named("worker", async move {
        while let Some(job) = inbox.recv().await {
            if job == 3 {
                sleep(Duration::from_secs(3600)).await; // a server that does not answer
            }
        }
    });
    task::spawn_named("client", async move {
        for job in 1.. {
            jobs.send(job).await.expect("the worker is there");
        }
    });

    sleep(Duration::from_millis(1500)).await;
    println!("{}", parshall::diagnose());
}
