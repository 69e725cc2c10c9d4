//! parshall beside tokio and eight others, one process, one Markdown table: see README.md beside
//! this package.

mod channels;
mod rows;
mod shapes;

use rows::Column;

/// Rounds per row; the median counts.
const ROUNDS: usize = 11;

/// Where `columns` has them.
const PARSHALL: usize = 0;
const TOKIO: usize = 1;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The times of each column in each round, empty for a column without this row.
fn measure(columns: &[Column], row: &str) -> Vec<Vec<f64>> {
    let runs: Vec<(usize, fn() -> f64)> = columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| {
            column.cells.iter().find(|(name, _)| *name == row).map(|(_, run)| (at, *run))
        })
        .collect();
    for (_, run) in &runs {
        run();
    }
    let mut times = vec![Vec::new(); columns.len()];
    for round in 0..ROUNDS {
        // Another one first in each round, and every second round backwards, so that neither a
        // drift of the machine nor what a neighbour left behind always meets the same one.
        let mut order = runs.clone();
        order.rotate_left(round % runs.len());
        if round % 2 == 1 {
            order.reverse();
        }
        for (at, run) in order {
            times[at].push(run());
        }
    }
    times
}

fn line(cells: impl IntoIterator<Item = String>) {
    println!("| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "));
}

fn main() {
    // As its documentation advises; it changes something on a single core only.
    crossfire::detect_backoff_cfg();
    let filter = std::env::args().nth(1).unwrap_or_default();
    let columns = rows::columns();
    let names = columns.iter().map(|column| column.name);
    line(
        ["row, ns"].into_iter().chain(names).chain(["to tokio", "to best rival"]).map(String::from),
    );
    line((0..columns.len() + 3).map(|at| if at == 0 { "---".into() } else { "---:".into() }));

    for (row, _) in columns[PARSHALL].cells.iter().filter(|(name, _)| name.contains(&filter)) {
        let times = measure(&columns, row);
        let medians: Vec<Option<f64>> =
            times.iter().map(|of| (!of.is_empty()).then(|| median(of.clone()))).collect();
        // The median of each round's ratio, not the ratio of the medians: a slow round slows both.
        let ratio = |to: usize| {
            median(times[to].iter().zip(&times[PARSHALL]).map(|(to, own)| to / own).collect())
        };
        let best = (TOKIO + 1..columns.len())
            .filter(|at| medians[*at].is_some())
            .min_by(|a, b| f64::total_cmp(&medians[*a].unwrap(), &medians[*b].unwrap()))
            .expect("a rival in each row");
        let figures = medians.iter().map(|of| of.map_or("-".into(), |ns| format!("{ns:.1}")));
        line([(*row).to_owned()].into_iter().chain(figures).chain([
            format!("{:.2}x", ratio(TOKIO)),
            format!("{:.2}x {}", ratio(best), columns[best].name),
        ]));
    }
}
