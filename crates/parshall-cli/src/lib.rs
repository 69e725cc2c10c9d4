//! The program `parshall`: what is wrong in running programs with parshall channels.
//!
//! | file | |
//! |---|---|
//! | `args` | the command line |
//! | `address`, `discovery` | where programs answer |
//! | `client` | asks them, over HTTP |
//! | `programs` | all that run, and the one that is meant |
//! | `model` | what a program's last snapshot says, and what has changed |
//! | `mark`, `words` | how `top` and the page say what a model knows |
//! | `picture` | nodes and arrows, laid out and drawn |
//! | `list`, `report`, `graph`, `record`, `query`, `run`, `manual` | a command each |
//! | `top` | the screen that is alive |
//! | `serve` | the page |
//! | `widget` | its table, for other programs: [`ChannelTable`] |
//! | `terminal` | text from elsewhere, made harmless and cut |
//! | `failure` | what went wrong, and the exit code of it |
//! | `fuzzing` | what programs answer, without a socket and a terminal, for `fuzz/fuzz_targets/client.rs` |
//!
//! Where there are no Unix sockets, as on Windows, a program is asked over TCP, at the address that
//! the command line gives; nothing is found by itself.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod args;
mod client;
mod discovery;
mod failure;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod graph;
mod list;
mod manual;
mod mark;
mod model;
mod picture;
mod programs;
#[cfg(feature = "record")]
mod query;
#[cfg(feature = "record")]
mod record;
mod report;
mod run;
mod serve;
mod terminal;
mod top;
mod widget;
mod words;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

pub use ratatui;
pub use widget::ChannelTable;

/// Does what the command line asks for: all that the program `parshall` does.
///
/// # Examples
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     parshall_cli::main()
/// }
/// ```
pub fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        None => list::run(&args.ask, args.all),
        Some(Command::Top(top)) => top::run(&args.ask, &top),
        Some(Command::Report { process }) => report::run(&args.ask, process.as_deref()),
        Some(Command::Graph(graph)) => graph::run(&args.ask, &graph),
        Some(Command::Serve(serve)) => serve::run(&args.ask, &serve),
        #[cfg(feature = "record")]
        Some(Command::Record(record)) => record::run(&args.ask, &record),
        #[cfg(feature = "record")]
        Some(Command::Query(query)) => query::run(&query),
        Some(Command::Run(run)) => run::run(&run),
        Some(Command::Completions { shell }) => manual::completions(shell),
        Some(Command::Man) => manual::man(),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::complain(&failure.to_string());
            failure.exit().into()
        }
    }
}
