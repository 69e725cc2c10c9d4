//! The command line.

use std::ffi::OsString;
#[cfg(feature = "record")]
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::address::{Address, Bind};
use crate::failure::Exit;

/// Shows what is wrong in running programs with parshall channels.
///
/// A program that has `let _gauge = parshall_gauge::init();` in `main` is found by itself. Without
/// a command: the running programs, and the worst finding of each.
#[derive(Debug, Parser)]
#[command(name = "parshall", version, after_help = Exit::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// List all programs, not only the worst that fit in ten lines
    #[arg(long)]
    pub(crate) all: bool,
}

/// Whom to ask, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Ask {
    /// Ask the program at HOST:PORT or at this socket, not those that are found; more than once for
    /// several
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) at: Vec<Address>,
    /// How long to wait for an answer
    #[arg(long, global = true, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the channels of a program as they change
    Top(Top),
    /// Print what is wrong, in words, for an issue or a chat
    Report {
        /// The name or the process id of one program; without it, all
        process: Option<String>,
    },
    /// Draw who waits for which channel, and who received there last
    Graph(Graph),
    /// Serve a page for a browser, which shows all programs and changes as they do; and /metrics of
    /// all for Prometheus
    Serve(Serve),
    /// Record all programs into one file, until it is interrupted
    #[cfg(feature = "record")]
    Record(Record),
    /// Ask a recording one of the questions that people ask
    #[cfg(feature = "record")]
    Query(Query),
    /// Run a program, or its tests, with small channels
    Run(Run),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// The name or the process id of the program; without it, the worst
    pub(crate) process: Option<String>,
    /// The time between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) every: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// The name or the process id of the program; not needed if only one runs
    pub(crate) process: Option<String>,
    /// The language of the graph
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    pub(crate) format: Format,
    /// Only what is near the channel, task or thread of this name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) around: Option<String>,
    /// How near: so many arrows away
    #[arg(long, value_name = "N", default_value = "2", requires = "around")]
    pub(crate) steps: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Dot,
    Mermaid,
    Json,
    Svg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Where to listen; with `expose:` in front, as in expose:0.0.0.0:7272, others than this host
    /// may ask, too
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7272")]
    pub(crate) bind: Bind,
    /// A name that browsers know this host by, beside numbers and localhost; more than once for
    /// several
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
}

#[cfg(feature = "record")]
#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// The recording: an SQLite database, which is created, or added to
    #[arg(long, value_name = "FILE.db")]
    pub(crate) to: PathBuf,
    /// The time between two snapshots
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) every: Duration,
    /// The file has about so many MiB at most
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) at_most: u64,
}

#[cfg(feature = "record")]
#[derive(Debug, clap::Args)]
pub(crate) struct Query {
    /// The question; without it, all questions are listed
    pub(crate) name: Option<String>,
    /// The recording that is asked
    #[arg(long, value_name = "FILE.db", requires = "name")]
    pub(crate) from: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Rows::Table)]
    pub(crate) format: Rows,
    /// Print the question as SQL, and ask nobody
    #[arg(long, requires = "name")]
    pub(crate) sql: bool,
}

#[cfg(feature = "record")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rows {
    Table,
    Json,
    Csv,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Bounded channels hold at most N messages; needs parshall's feature `testing` in the program
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) squeeze: u64,
    /// What to run, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// From a tenth of a second to an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected is a number of seconds, from 0.1 to 3600".into()),
    }
}

/// From a hundredth of a second to an hour.
#[cfg(feature = "record")]
fn interval(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected is a number of seconds, from 0.01 to 3600".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn seconds_are_from_a_tenth_to_an_hour() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "inf", "NaN", "3601", "1s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
