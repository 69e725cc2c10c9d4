//! A real pipeline on real files, watched while it runs and examined afterwards.
//!
//! ```text
//!           paths-1 ─► reader-1 ─┐  texts-1 ─► tokenise-1 ─┐
//!  walker ─►   ...        ...    ├─►  ...          ...     ├─► counts ─► aggregator
//!           paths-R ─► reader-R ─┘  texts-T ─► tokenise-T ─┘
//!  a task         R tasks              T threads                 a task
//! ```
//!
//! A channel has one receiver, so a stage of several workers has a channel for each, and whoever
//! feeds the stage gives to the one that has room (see `spread.rs`). One sampler takes snapshots of
//! all channels; each goes into the database, with what a diagnosis says of it, and to the live
//! table, which is the one of `parshall top`. At the end the database is asked what was found most
//! often: which stage held the others up. A gauge lets the program `parshall` see it while it runs.
//!
//! Run it with `--help` for the options.

mod aggregate;
mod cli;
mod live;
mod read;
mod report;
mod run;
mod spread;
mod tokenise;
mod verdict;
mod walk;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use parshall_gauge::{Gauge, Sampler, SamplerStatus, SqliteRecorder};

use cli::Args;
use run::Run;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(reason) = walk::check_folder(&args.dir) {
        eprintln!("pipeline: {}: {reason}", report::shown(&args.dir));
        return ExitCode::from(cli::EXIT_USAGE);
    }
    // What it finds is in the table and in the result: two on one terminal would be in each other's
    // way.
    let _gauge = Gauge::builder().settings(verdict::in_this_program(&args)).quiet().start();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pipeline: no threads to run on: {error}");
            return ExitCode::from(cli::EXIT_WARNINGS);
        }
    };
    let run = Arc::new(Run::new(&args));
    runtime.spawn(interrupt(run.clone()));
    let (sampler, live) = match start_sampler(&args, &run) {
        Ok(started) => started,
        Err(error) => {
            eprintln!("pipeline: no thread to sample on: {error}");
            return ExitCode::from(cli::EXIT_WARNINGS);
        }
    };
    let totals = runtime.block_on(stages(&args, &run, &sampler));
    let sampled = sampler.stop();
    live.finish();

    let recorded = match report(&args, &run, &totals, &sampled) {
        Ok(recorded) => recorded,
        Err(error) => {
            // `pipeline | head` is no reason to complain.
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("pipeline: the result cannot be written: {error}");
            }
            return ExitCode::from(cli::EXIT_WARNINGS);
        }
    };
    let warned = report::print_warnings(&run);
    if run.interrupted() {
        ExitCode::from(cli::EXIT_INTERRUPTED)
    } else if warned || !recorded {
        ExitCode::from(cli::EXIT_WARNINGS)
    } else {
        ExitCode::SUCCESS
    }
}

/// One sampler for both: the database and the live table see the same snapshots.
fn start_sampler(args: &Args, run: &Arc<Run>) -> io::Result<(Sampler, live::Live)> {
    let recorder = SqliteRecorder::new(&args.db).settings(verdict::settings(args));
    let live = live::Live::new(run.clone(), args);
    let sampler = Sampler::every(Duration::from_secs(1) / args.hz)
        .record(recorder)
        .observe({
            let live = live.clone();
            move |sample| live.show(sample)
        })
        .start()?;
    Ok((sampler, live))
}

/// Makes the channels, starts all stages, and waits for the last.
async fn stages(args: &Args, run: &Arc<Run>, sampler: &Sampler) -> aggregate::Totals {
    let paths = spread::channels("paths", args.readers, 16);
    let texts = spread::channels("texts", args.tokenisers, 8);
    let (counts, counted) =
        parshall::mpsc::Builder::new().name("counts").capacity(32).build::<tokenise::Counted>();
    let (to_readers, from_walker) = paths;
    let (to_tokenisers, from_readers) = texts;

    let mut threads = Vec::new();
    for (n, pieces) in (1..).zip(from_readers) {
        threads.push(tokenise::start(n, run.clone(), pieces, counts.clone()));
    }
    drop(counts);
    let mut tasks = Vec::new();
    for (n, paths) in (1..).zip(from_walker) {
        let reader = read::reader(run.clone(), paths, to_tokenisers.clone());
        tasks.push(tokio::spawn(parshall::task::named(format!("reader-{n}"), reader)));
    }
    drop(to_tokenisers);
    let walker = walk::walker(run.clone(), args.dir.clone(), walk::own_files(args), to_readers);
    tasks.push(tokio::spawn(parshall::task::named("walker", walker)));

    // A small tree may be done before the sampler's first tick. So the first result waits in
    // `counts` until a snapshot has seen it there; then the aggregator begins. That is over in
    // microseconds: recording it is the sampler's business.
    while counted.is_empty() && !counted.is_closed() {
        run.counts_changed.notified().await;
    }
    sampler.submit(parshall::snapshot());
    let aggregator =
        parshall::task::named("aggregator", aggregate::aggregator(run.clone(), counted));
    let totals = tokio::spawn(aggregator).await;

    for task in tasks {
        task.await.expect("a stage ends without panic");
    }
    for thread in threads {
        thread.join().expect("a stage ends without panic");
    }
    totals.expect("a stage ends without panic")
}

/// The first Ctrl-C ends the walk; the channels close one after the other, and what is in
/// them is still counted. The second ends the program.
async fn interrupt(run: Arc<Run>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    run.interrupt();
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(cli::EXIT_INTERRUPTED.into());
    }
}

/// Prints the result, and what the database tells about the run. False if something of it could not
/// be recorded.
fn report(
    args: &Args,
    run: &Run,
    totals: &aggregate::Totals,
    sampled: &SamplerStatus,
) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    report::print_totals(&mut out, args, run, totals)?;
    writeln!(out)?;
    let SamplerStatus { samples, errors, .. } = sampled;
    if let Some(error) = &sampled.last_error {
        eprintln!("warning: {errors} of {samples} snapshots not recorded: {error}");
    }
    let Some(first) = sampled.first_id else {
        writeln!(out, "Nothing was recorded, so nothing is known about bottlenecks.")?;
        return Ok(false);
    };
    match report::Recorded::read(&args.db, first) {
        Ok(Some(recorded)) => recorded.print(&mut out, &args.db)?,
        Ok(None) => {
            writeln!(out, "No snapshot in {} saw the pipeline busy.", report::shown(&args.db))?;
        }
        Err(error) => {
            eprintln!("warning: cannot read {} back: {error}", report::shown(&args.db));
            return Ok(false);
        }
    }
    Ok(*errors == 0)
}
