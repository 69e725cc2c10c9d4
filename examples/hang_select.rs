//! A send that lost a `select!`, and keeps the room that it was given:
//! `cargo run --features tokio --example hang_select`. See `docs/my-program-hangs.md`.

use std::pin::pin;
use std::time::Duration;

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task;
use tokio::time::sleep;

/// Sends a report; if that takes long, it says so first, through the same channel.
async fn reporter(reports: Sender<&'static str>) {
    let mut send = pin!(reports.send("the report"));
    tokio::select! {
        sent = &mut send => return sent.expect("the collector is there"),
        () = sleep(Duration::from_millis(50)) => {}
    }
    // `send` is still in line before this one, and nobody polls it.
    reports.send("it takes long").await.expect("the collector is there");
    send.await.expect("the collector is there");
}

/// Takes one report after the other, slowly.
async fn collector(mut reports: Receiver<&'static str>) {
    sleep(Duration::from_millis(200)).await;
    while reports.recv().await.is_some() {}
}

#[tokio::main]
pub(crate) async fn main() {
    let (tx, rx) = Builder::new().name("reports").capacity(1).build();
    tx.try_send("an older report").expect("it is empty");
    task::spawn_named("collector", collector(rx));
    task::spawn_named("reporter", reporter(tx));

    sleep(Duration::from_secs(2)).await;
    let diagnosis = tokio::task::spawn_blocking(parshall::diagnose).await.expect("no panic");
    println!("{diagnosis}");
}
