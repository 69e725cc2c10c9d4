//! One message sent and received, many times, for `benches/instructions.py` to count under callgrind.
//!
//! `instructions SUBJECT`, where SUBJECT is `tokio`, `parshall`, `untracked`, or `watched`: parshall with a
//! snapshot taken between messages; or `tasks`, `tokio-tasks`: a sending and a receiving task, capacity 128.

use std::hint::black_box;

/// Messages per run. `benches/instructions.py` divides by it.
const MESSAGES: u64 = 10_000;

macro_rules! subject {
    ($run:ident, $measured:ident, $mpsc:ident) => {
        /// The only code that is counted.
        #[inline(never)]
        fn $measured(tx: &$mpsc::Sender<u64>, rx: &mut $mpsc::Receiver<u64>, value: u64) -> u64 {
            tx.try_send(value).expect("room");
            rx.try_recv().expect("a message")
        }

        fn $run(
            (tx, mut rx): ($mpsc::Sender<u64>, $mpsc::Receiver<u64>),
            mut between: impl FnMut(),
        ) {
            for i in 0..MESSAGES {
                black_box($measured(&tx, &mut rx, black_box(i)));
                between();
            }
        }
    };
}

use parshall::mpsc as parshall_mpsc;
use tokio::sync::mpsc as tokio_mpsc;

subject!(run_tokio, measured_tokio, tokio_mpsc);
subject!(run_parshall, measured_parshall, parshall_mpsc);

macro_rules! tasks {
    ($measured:ident, $mpsc:ident) => {
        #[inline(never)]
        fn $measured(runtime: &tokio::runtime::Runtime) {
            runtime.block_on(async {
                let (tx, mut rx) = $mpsc::channel::<u64>(128);
                tokio::spawn(async move {
                    for i in 0..MESSAGES {
                        tx.send(black_box(i)).await.expect("open");
                    }
                });
                while let Some(value) = rx.recv().await {
                    black_box(value);
                }
            });
        }
    };
}

tasks!(measured_parshall_tasks, parshall_mpsc);
tasks!(measured_tokio_tasks, tokio_mpsc);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("tokio") => run_tokio(tokio_mpsc::channel(128), || {}),
        Some("parshall") => run_parshall(parshall_mpsc::channel(128), || {}),
        Some("untracked") => {
            run_parshall(parshall_mpsc::Builder::new().capacity(128).untracked().build(), || {});
        }
        Some("watched") => run_parshall(parshall_mpsc::channel(128), || {
            black_box(parshall::snapshot());
        }),
        Some("tasks") => measured_parshall_tasks(&runtime()),
        Some("tokio-tasks") => measured_tokio_tasks(&runtime()),
        _ => {
            eprintln!("usage: instructions tokio|parshall|untracked|watched|tasks|tokio-tasks");
            std::process::exit(2);
        }
    }
}
