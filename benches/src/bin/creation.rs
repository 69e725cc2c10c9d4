//! What a channel's creation and end cost: `creation.py` counts the instructions of `measured`, and
//! asks for the bytes.
//!
//! One channel is made, carries one message, and is dropped, inside a task; twice of that for
//! `two`.

use std::hint::black_box;

const ROUNDS: usize = 1000;

/// Makes, uses and drops channels of `$mpsc`.
macro_rules! subject {
    ($mpsc:path, $shape:expr, $rounds:expr) => {{
        use $mpsc as mpsc;
        for _ in 0..$rounds {
            match $shape {
                "1" | "64" => {
                    let capacity = if $shape == "1" { 1 } else { 64 };
                    let (tx, mut rx) = mpsc::channel::<u64>(black_box(capacity));
                    tx.try_send(black_box(1)).expect("room");
                    black_box(rx.try_recv().expect("a message"));
                }
                "unbounded" => {
                    let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                    tx.send(black_box(1)).expect("open");
                    black_box(rx.try_recv().expect("a message"));
                }
                "two" => {
                    let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                    let (back, _answers) = mpsc::unbounded_channel::<u64>();
                    tx.send(black_box(1)).expect("open");
                    black_box(rx.try_recv().expect("a message"));
                    drop(back);
                }
                other => panic!("no shape {other}"),
            }
        }
    }};
}

/// Bytes of memory that one channel takes after a message, and does not give back.
macro_rules! bytes {
    ($mpsc:path, $shape:expr) => {{
        use $mpsc as mpsc;
        const MANY: usize = 20_000;
        let mut kept = (Vec::with_capacity(MANY), Vec::with_capacity(MANY));
        let mut before = 0;
        for i in 0..MANY {
            // The registry's tables have doubled by then.
            if i == MANY / 2 {
                before = resident();
            }
            if $shape == "unbounded" {
                let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
                tx.send(1).expect("open");
                rx.try_recv().expect("a message");
                kept.0.push((tx, rx));
            } else {
                let (tx, mut rx) = mpsc::channel::<u64>($shape.parse().expect("a capacity"));
                tx.try_send(1).expect("room");
                rx.try_recv().expect("a message");
                kept.1.push((tx, rx));
            }
        }
        let taken = resident() - before;
        drop(kept);
        taken / (MANY / 2)
    }};
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a line of it");
    line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("kB") * 1024
}

#[inline(never)]
fn measured_parshall(shape: &str) {
    subject!(parshall::mpsc, shape, ROUNDS);
}

#[inline(never)]
fn measured_tokio(shape: &str) {
    subject!(tokio::sync::mpsc, shape, ROUNDS);
}

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [channel, what, shape] = args.try_into().expect("channel, what and shape");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let task = async move {
        match (what.as_str(), channel.as_str()) {
            ("bytes", "parshall") => println!("{}", bytes!(parshall::mpsc, shape)),
            ("bytes", _) => println!("{}", bytes!(tokio::sync::mpsc, shape)),
            (_, "parshall") => {
                subject!(parshall::mpsc, shape.as_str(), 100);
                measured_parshall(&shape);
            }
            _ => {
                subject!(tokio::sync::mpsc, shape.as_str(), 100);
                measured_tokio(&shape);
            }
        }
    };
    runtime.block_on(async { tokio::spawn(task).await.expect("no panic") });
}
