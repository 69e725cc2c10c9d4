//! What the user may say.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

pub(crate) const EXIT_WARNINGS: u8 = 1;
pub(crate) const EXIT_USAGE: u8 = 2;
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Counts lines, words and identical files under DIR, in a pipeline of parshall channels that is
/// watched and recorded while it runs.
///
/// One task walks DIR, a few tasks read the files, threads tokenise them, and one task adds up.
/// Symbolic links are not followed. Files with a NUL byte in their first 8 KiB count as binary:
/// they are hashed, and have no lines and words. Text that is not UTF-8 is read with its wrong
/// bytes replaced. Large files are read in pieces of about 64 KiB.
///
/// The live table and warnings go to standard error, the result to standard output. While it runs,
/// `parshall` and `parshall top pipeline` see it, too.
#[derive(Debug, Parser)]
#[command(
    name = "pipeline",
    after_help = "Exit status:\n  \
        0    all went well\n  \
        1    some files could not be read, or the recording failed: see the warnings\n  \
        2    wrong usage, or DIR is not a folder that can be listed\n  \
        130  ended by Ctrl-C: the channels are closed, what was in them is counted\n       \
             (a second Ctrl-C ends at once)\n\n\
        Example: see the bottleneck move\n  \
        pipeline --slow tokenise src\n  \
        pipeline --slow aggregate src"
)]
pub(crate) struct Args {
    /// The folder to walk
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// The database to record in; it may hold earlier runs
    #[arg(long, value_name = "PATH", default_value = "pipeline.db")]
    pub(crate) db: PathBuf,

    /// Snapshots a second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) hz: u32,

    /// Make one stage slow, to see what the recording says of it
    #[arg(long, value_name = "STAGE", value_enum)]
    pub(crate) slow: Option<Stage>,

    /// How slow: milliseconds for each path walked, file read, or piece of text tokenised or added
    /// up
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub(crate) delay_ms: u64,

    /// Tasks that read
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) readers: u32,

    /// Threads that tokenise
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) tokenisers: u32,

    /// How many of the commonest words and of the groups of identical files to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    /// Count words of at least this many letters
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) min_letters: usize,

    /// A line a second instead of the live table, as when standard output or standard error is not
    /// a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

/// A stage of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The walk through the folder
    Walk,
    /// Reading the files
    Read,
    /// Cutting text into words
    Tokenise,
    /// Adding up
    Aggregate,
}
