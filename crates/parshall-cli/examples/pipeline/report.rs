//! What is printed at the end.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::aggregate::Totals;
use crate::cli::Args;
use crate::run::Run;
use crate::verdict;

/// The two queries of the telemetry's design, to the letter.
const CHANNELS: &str = "\
SELECT id, json_extract(attrs_json, '$.queue_len') AS q, json_extract(attrs_json, '$.capacity') AS cap
FROM nodes WHERE snapshot_id = ?1 AND kind = 'mpsc' ORDER BY q DESC;";
const EDGES: &str = "\
SELECT src_id, dst_id FROM edges WHERE snapshot_id = ?1 AND kind = 'needs'
  AND src_id LIKE 'mpsc:%:tx' AND dst_id LIKE 'mpsc:%:rx' LIMIT 100;";

/// So many files of a group are shown.
const COPIES: usize = 4;

pub(crate) fn print_totals(
    out: &mut impl Write,
    args: &Args,
    run: &Run,
    totals: &Totals,
) -> io::Result<()> {
    let Totals { files, bytes, lines, empty, binary, broken_text, .. } = totals;
    let ended = if run.interrupted() { " (ended early)" } else { "" };
    writeln!(out, "{} in {}{ended}", shown(&args.dir), seconds(run.started.elapsed()))?;
    writeln!(out, "  files  {:>12}   {}", count(*files), size_of(*bytes))?;
    writeln!(out, "  lines  {:>12}", count(*lines))?;
    let words = count(totals.words.values().sum());
    writeln!(out, "  words  {words:>12}   {} different", count(totals.words.len() as u64))?;
    let notes = [
        (*binary, "binary, not tokenised"),
        (*broken_text, "not all UTF-8"),
        (*empty, "empty"),
        (run.skipped.load(Relaxed), "links and other things that are no files, skipped"),
    ];
    for (n, what) in notes.into_iter().filter(|(n, _)| *n > 0) {
        writeln!(out, "         {:>12}   {what}", count(n))?;
    }
    let commonest = totals.commonest(args.top);
    if !commonest.is_empty() {
        writeln!(out, "\nCommonest words of {} letters or more", args.min_letters)?;
    }
    for (word, n) in commonest {
        writeln!(out, "  {:>12}  {word}", count(n))?;
    }
    print_identical(out, args, totals)
}

fn print_identical(out: &mut impl Write, args: &Args, totals: &Totals) -> io::Result<()> {
    let groups = totals.identical();
    if groups.is_empty() {
        return writeln!(out, "\nNo two files are identical.");
    }
    let waste = groups.iter().map(|(bytes, paths)| bytes * (paths.len() as u64 - 1)).sum();
    let number = count(groups.len() as u64);
    writeln!(out, "\nGroups of identical files: {number}; {} could be saved", size_of(waste))?;
    for (bytes, paths) in groups.iter().take(args.top) {
        writeln!(out, "  {} x {}", paths.len(), size_of(*bytes))?;
        for path in paths.iter().take(COPIES) {
            writeln!(out, "    {}", shown(path))?;
        }
        if paths.len() > COPIES {
            writeln!(out, "    and {} more", paths.len() - COPIES)?;
        }
    }
    Ok(())
}

/// True if there were any.
pub(crate) fn print_warnings(run: &Run) -> bool {
    let warnings = run.warnings();
    for warning in &warnings.first {
        eprintln!("warning: {warning}");
    }
    let further = warnings.count - warnings.first.len() as u64;
    if further > 0 {
        eprintln!("warning: and {further} more like these");
    }
    warnings.count > 0
}

/// What the database tells of a run that was busy.
pub(crate) struct Recorded {
    last_busy: i64,
    lengths: Vec<(String, i64, i64)>,
    edges: Vec<(String, String)>,
    busy: u64,
    channels: Vec<verdict::Channel>,
    verdict: String,
}

impl Recorded {
    /// Reads what was recorded from snapshot `first` on. None, if nothing was busy.
    pub(crate) fn read(path: &Path, first: i64) -> rusqlite::Result<Option<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(Path::new(".").join(path), flags)?;
        let recording = verdict::Recording::begin(&db, parshall::proc_key(), first)?;
        let Some(last_busy) = recording.last_busy()? else { return Ok(None) };
        let mut lengths = db.prepare(CHANNELS)?;
        let lengths =
            lengths.query_map([last_busy], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut edges = db.prepare(EDGES)?;
        let edges = edges.query_map([last_busy], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let channels = recording.channels()?;
        Ok(Some(Self {
            last_busy,
            lengths: lengths.collect::<Result<_, _>>()?,
            edges: edges.collect::<Result<_, _>>()?,
            busy: recording.busy()?,
            verdict: recording.verdict(&channels)?,
            channels,
        }))
    }

    pub(crate) fn print(&self, out: &mut impl Write, path: &Path) -> io::Result<()> {
        writeln!(out, "The last busy snapshot in {}: {}", shown(path), self.last_busy)?;
        writeln!(out, "\n{CHANNELS}")?;
        for (id, len, capacity) in &self.lengths {
            writeln!(out, "  {id} | {len} | {capacity}")?;
        }
        writeln!(out, "\n{EDGES}")?;
        for (src, dst) in &self.edges {
            writeln!(out, "  {src} | {dst}")?;
        }
        writeln!(out, "\nOver {}", verdict::snapshots(self.busy))?;
        writeln!(
            out,
            "  channel      capacity  high     sent   full  senders waited  receiver waited"
        )?;
        for channel in &self.channels {
            writeln!(
                out,
                "  {:<12} {:>8} {:>5} {:>8} {:>4.0} %  {:>14}  {:>13.0} %",
                channel.name,
                channel.capacity,
                channel.high,
                channel.sent,
                100.0 * channel.full,
                seconds(channel.send_waited),
                100.0 * channel.starved,
            )?;
        }
        writeln!(out, "\n{}", self.verdict)
    }
}

/// A path for people: control characters in it cannot reach the terminal.
pub(crate) fn shown(path: &Path) -> String {
    let escape = |c: char| -> String {
        if c.is_control() { c.escape_default().collect() } else { c.into() }
    };
    path.to_string_lossy().chars().map(escape).collect()
}

/// Waits are timed to a few milliseconds: no digits beyond that.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        0.0 => "0 s".to_owned(),
        s if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        s if s < 10.0 => format!("{s:.2} s"),
        s => format!("{s:.1} s"),
    }
}

/// With commas: 1,234,567.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn size_of(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
