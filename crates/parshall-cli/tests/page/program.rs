//! A program with a real gauge: this test, started anew.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task;
use tokio::time::sleep;

/// What would show itself if it were taken for more than text.
pub(crate) const ODD: &str =
    "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">";

const KIND: &str = "PARSHALL_PAGE_TEST";

pub(crate) struct Program(Child);

impl Program {
    /// `flows`: two tasks that send to each other, until they are told to hang. `many`: a thousand
    /// channels, of which fifty flow.
    pub(crate) fn start(runtime: &Path, kind: &str, name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "program", "--nocapture", "--quiet"])
            .env(KIND, kind)
            .env("XDG_RUNTIME_DIR", runtime)
            .env("PARSHALL_PROCESS", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")), "{name} has not started");
        Self(child)
    }

    pub(crate) fn hang(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"hang\n").unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does what it was started for; nothing, if it is a test among others.
pub(crate) fn run() {
    let Ok(kind) = std::env::var(KIND) else { return };
    let gauge = parshall_gauge::init();
    assert!(gauge.socket().is_some());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let mut kept: Vec<Box<dyn Send>> = Vec::new();
        let (odd, odd_rx) = Builder::new().name(ODD).capacity(4).build::<u32>();
        let (long, long_rx) = Builder::new().name("x".repeat(10_000)).capacity(4).build::<u32>();
        kept.push(Box::new((odd, odd_rx, long, long_rx)));
        if kind == "many" {
            for n in 0..1_000 {
                let (tx, rx) = Builder::new().name(format!("shard-{n:04}")).capacity(64).build();
                if n < 50 {
                    task::spawn_named(&*format!("worker-{n}"), receive(rx));
                    task::spawn_named(&*format!("source-{n}"), send(tx, n));
                } else {
                    kept.push(Box::new((tx, rx)));
                }
            }
        }
        let (wal, entries) = Builder::new().name("wal").capacity(8).build();
        let (acks, acknowledged) = Builder::new().name("acks").capacity(4).build();
        let (jobs, todo) = Builder::new().name("jobs").capacity(16).build();
        let (go, told) = tokio::sync::watch::channel(false);
        task::spawn_named("flusher", flusher(entries, acks));
        task::spawn_named("writer", writer(wal, acknowledged, todo, told));
        for n in 0..3 {
            task::spawn_named(&*format!("client-{n}"), send(jobs.clone(), n));
        }
        println!("ready");
        let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.unwrap();
        if line.is_some() {
            go.send(true).unwrap();
        }
        sleep(Duration::from_secs(600)).await;
        drop(kept);
    });
}

/// Writes each job, and takes the acknowledgements; told to hang, it does so no more.
async fn writer(
    wal: Sender<u32>,
    mut acks: Receiver<u32>,
    mut jobs: Receiver<u32>,
    told: tokio::sync::watch::Receiver<bool>,
) {
    while let Some(job) = jobs.recv().await {
        wal.send(job).await.unwrap();
        if !*told.borrow() {
            acks.recv().await.unwrap();
        }
    }
}

async fn flusher(mut wal: Receiver<u32>, acks: Sender<u32>) {
    while let Some(entry) = wal.recv().await {
        acks.send(entry).await.unwrap();
    }
}

async fn receive(mut rx: Receiver<u32>) {
    while rx.recv().await.is_some() {}
}

async fn send(tx: Sender<u32>, n: u32) {
    let mut round = n;
    while tx.send(n).await.is_ok() {
        round = round.wrapping_add(7);
        sleep(Duration::from_millis(u64::from(5 + round % 40))).await;
    }
}
