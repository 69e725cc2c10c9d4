//! parshall and tokio side by side: `cargo run --release -p parshall-benches [-- FILTER [SUBJECT]]`.
//!
//! One process, rounds interleaved between the two, medians and their ratio. The machines this runs on
//! are shared and noisy: a ratio within one row means something, a figure alone does not. That
//! is why this is no criterion benchmark: it measures one subject after the other.

mod rows;

/// Rounds per row and subject; the median counts.
const ROUNDS: usize = 9;

/// One row: a name, and for each subject a closure that runs it once and says how many nanoseconds a unit took.
struct Row {
    name: &'static str,
    /// What the issue of this stage asks for: at least this many times as fast as tokio.
    goal: Option<f64>,
    tokio: fn() -> f64,
    parshall: fn() -> f64,
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Runs matching rows of one subject only, for a profiler.
fn alone(filter: &str, subject: &str) {
    for row in rows::all().iter().filter(|row| row.name.contains(filter)) {
        let run = if subject == "tokio" { row.tokio } else { row.parshall };
        println!("{:34} {:>8.1}ns", row.name, median((0..ROUNDS).map(|_| run()).collect()));
    }
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    if let Some(subject) = std::env::args().nth(2) {
        return alone(&filter, &subject);
    }
    println!("{:34} {:>10} {:>10} {:>8} {:>8}", "row", "tokio", "parshall", "ratio", "goal");
    for row in rows::all().iter().filter(|row| row.name.contains(&filter)) {
        let (mut tokio, mut parshall, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        (row.tokio)();
        (row.parshall)();
        for round in 0..ROUNDS {
            // Alternate who goes first, so that a drift of the machine favours neither.
            let (t, p) = if round % 2 == 0 {
                let t = (row.tokio)();
                (t, (row.parshall)())
            } else {
                let p = (row.parshall)();
                ((row.tokio)(), p)
            };
            tokio.push(t);
            parshall.push(p);
            ratios.push(t / p);
        }
        let goal = row.goal.map_or(String::new(), |goal| format!("{goal:.1}x"));
        println!(
            "{:34} {:>8.1}ns {:>8.1}ns {:>7.2}x {goal:>8}",
            row.name,
            median(tokio),
            median(parshall),
            median(ratios),
        );
    }
    if filter.is_empty() {
        let (alone, watched): (Vec<_>, Vec<_>) =
            (0..ROUNDS).map(|_| rows::unwatched_and_watched()).unzip();
        let (alone, watched) = (median(alone), median(watched));
        println!(
            "\nparshall, multi thread, 2 p, cap 128: {alone:.1}ns, with 10 snapshots a second {watched:.1}ns"
        );
    }
}
