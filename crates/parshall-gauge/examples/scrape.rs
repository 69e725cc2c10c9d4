//! What a scrape costs: a snapshot, what is wrong in it, and the text. Prints the time of each, the
//! median of some, and the size of the text.
//!
//! ```text
//! cargo run --release -p parshall-gauge --no-default-features --features metrics \
//!     --example scrape -- CHANNELS NAMES
//! ```

use std::time::{Duration, Instant};

use parshall::introspect::{Diagnoser, Settings};
use parshall_gauge::metrics::{Exporter, Format, Program};

const TIMES: usize = 11;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a number"));
    let (channels, names) = (args.next().unwrap_or(1_000), args.next().unwrap_or(1_000));
    let channels: Vec<_> = (0..channels)
        .map(|n| {
            let name = format!("session.{:05}", n % names);
            let (tx, rx) = parshall::mpsc::Builder::new().name(name).capacity(8).build();
            tx.try_send(n).unwrap();
            (tx, rx)
        })
        .collect();
    let mut diagnoser = Diagnoser::new(Settings::default());
    let mut exporter = Exporter::new();
    let mut times = [const { Vec::new() }; 4];
    let mut size = 0;
    for _ in 0..TIMES {
        let begun = Instant::now();
        let snapshot = parshall::snapshot();
        let taken = Instant::now();
        let diagnosis = diagnoser.look(&snapshot).unwrap();
        let looked = Instant::now();
        let mut text = String::new();
        let program = Program { snapshot: &snapshot, diagnosis: Some(&diagnosis) };
        exporter.write(&[program], Format::OpenMetrics, &mut text).unwrap();
        let written = Instant::now();
        size = text.len();
        let spans = [(begun, taken), (taken, looked), (looked, written), (begun, written)];
        for (times, (from, to)) in times.iter_mut().zip(spans) {
            times.push(to.duration_since(from));
        }
    }
    let [snapshot, look, text, all] = times.map(median);
    let kib = size / 1024;
    println!("snapshot {snapshot:.1?}, look {look:.1?}, text {text:.1?}: {all:.1?}; {kib} KiB");
    drop(channels);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
