//! parshall and tokio side by side: `cargo run --release -p parshall-benches [-- ROW]`. README.md
//! beside this package says what the rows are, and how to read the table.
//!
//! One process, rounds interleaved between the two, medians and the median of the ratios. The
//! machines this runs on are shared and noisy: a ratio within one row means something, a figure
//! alone does not. That is why this is no criterion benchmark: criterion measures one subject after
//! the other.

mod rows;
mod shapes;

use std::hint::black_box;

use clap::{Parser, ValueEnum};
use rows::{Row, Run};

/// parshall and tokio side by side.
#[derive(Parser)]
struct Options {
    /// The row of this name; if there is none, all rows whose names contain this.
    #[arg(default_value = "")]
    row: String,
    /// Rounds per row and subject; the median counts.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// One subject alone, without a table: for a profiler.
    #[arg(long)]
    alone: Option<Subject>,
    /// Units of work in a round, instead of the row's own number.
    #[arg(long)]
    units: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    Tokio,
    Parshall,
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What was built how, and runs where.
fn header(rounds: u16) {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    // Cargo names the folder after the profile.
    let program = std::env::current_exe().unwrap_or_default();
    let profile = program.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    println!("{} ({processors} processors)  ", model.unwrap_or("unknown processor"));
    println!("{}, tokio {} `full`  ", env!("BENCHES_RUSTC"), env!("BENCHES_TOKIO"));
    println!(
        "profile `{}`, parshall {} feature `tokio`, median of {rounds} interleaved rounds\n",
        profile.display(),
        if cfg!(feature = "tokio") { "with" } else { "without" },
    );
}

/// Runs one row and prints it. Returns its ratio.
fn measure(row: &Row, rounds: u16, units: u32) -> f64 {
    let (mut tokio, mut parshall, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    (row.tokio)(units);
    (row.parshall)(units);
    for round in 0..rounds {
        // Alternate who goes first, so that a drift of the machine favours neither.
        let (t, p) = if round % 2 == 0 {
            let t = (row.tokio)(units);
            (t, (row.parshall)(units))
        } else {
            let p = (row.parshall)(units);
            ((row.tokio)(units), p)
        };
        tokio.push(t);
        parshall.push(p);
        ratios.push(t / p);
    }
    // The median of each round's ratio, not the ratio of the medians: a slow round slows both.
    let ratio = median(ratios);
    let (tokio, parshall) = (median(tokio), median(parshall));
    println!("| {:36} | {tokio:>8.1} | {parshall:>8.1} | {ratio:>6.2}x |", row.name);
    ratio
}

/// Runs one subject. What an allocation costs depends on the state of the heap: so a new thread,
/// which glibc gives a heap of its own, and a heap that ends elsewhere in each round, so that 8
/// rounds have met each place of 16 bytes in a pair of cache lines.
fn alone(run: Run, rounds: u16, units: u32) -> f64 {
    let round = move |_| {
        std::mem::forget(black_box(vec![0_u8; 4096 + 8]));
        run(units)
    };
    let thread = std::thread::spawn(move || (0..rounds).map(round).collect());
    median(thread.join().expect("no panic"))
}

fn main() {
    let options = Options::parse();
    let (mut reference, mut further) = (rows::reference(), rows::further());
    let exact = reference.iter().chain(&further).any(|row| row.name == options.row);
    let chosen = |row: &Row| {
        if exact { row.name == options.row } else { row.name.contains(&options.row) }
    };
    reference.retain(chosen);
    further.retain(chosen);
    let units = |row: &Row| options.units.unwrap_or(row.units);

    if let Some(subject) = options.alone {
        for row in reference.iter().chain(&further) {
            let run = match subject {
                Subject::Tokio => row.tokio,
                Subject::Parshall => row.parshall,
            };
            let time = alone(run, options.rounds, units(row));
            println!("{:36} {time:>8.1} ns", row.name);
        }
        return;
    }

    header(options.rounds);
    println!("| {:36} | tokio ns | parshall ns | to tokio |", "row");
    println!("|---|---:|---:|---:|");
    let ratios: Vec<f64> =
        reference.iter().map(|row| measure(row, options.rounds, units(row))).collect();
    if !ratios.is_empty() {
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        println!(
            "| {:36} | | | {mean:>6.2}x |",
            format!("geometric mean of {} rows", ratios.len())
        );
    }
    for row in &further {
        measure(row, options.rounds, units(row));
    }
}
