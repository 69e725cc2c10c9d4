//! Plain threads on both ends, no runtime: `cargo run --example threads`.

use std::thread;

use parshall::mpsc;

fn main() {
    let (tx, mut rx) = mpsc::channel(8);
    let squares: Vec<_> = (0..4_u64)
        .map(|worker| {
            let tx = tx.clone();
            thread::spawn(move || {
                (0..25).map(|i| worker * 25 + i).try_for_each(|n| tx.blocking_send(n * n))
            })
        })
        .collect();
    drop(tx);

    let mut sum = 0;
    while let Some(square) = rx.blocking_recv() {
        sum += square;
    }
    for worker in squares {
        worker.join().expect("no panic").expect("the receiver is there");
    }
    println!(
        "the squares below 100 add up to {sum}; at most {} were queued",
        rx.stats().high_watermark
    );
}
