//! What is seen while the pipeline runs: a table redrawn in place, or a line a second.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossterm::style::Stylize;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, size};
use crossterm::{cursor, queue, style::Print};
use parshall::{ChannelStats, Snapshot};
use parshall_gauge::Sample;

use crate::report::{count, seconds, size_of};
use crate::run::Run;

/// Rates are those of the last second.
const RATE_NS: i64 = 1_000_000_000;
const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(1);
const BAR: usize = 16;

/// The live view. Clones show in the same place.
#[derive(Clone)]
pub(crate) struct Live(Arc<Mutex<View>>);

struct View {
    run: Arc<Run>,
    /// A table drawn in place; else lines.
    in_place: bool,
    last_shown: Instant,
    drawn_rows: u16,
    drawn_size: (u16, u16),
    /// Totals of the last second's snapshots, the oldest first.
    history: VecDeque<(i64, Totals)>,
}

/// By channel: messages sent and received since its creation.
type Totals = HashMap<u64, (u64, u64)>;

impl Live {
    pub(crate) fn new(run: Arc<Run>, plain: bool) -> Self {
        Self(Arc::new(Mutex::new(View {
            last_shown: run.started,
            run,
            in_place: !plain && io::stderr().is_terminal(),
            drawn_rows: 0,
            drawn_size: (0, 0),
            history: VecDeque::new(),
        })))
    }

    /// Called for every sample. A terminal that fails is no reason to stop the pipeline.
    pub(crate) fn show(&self, sample: Sample<'_>) {
        let mut view = self.0.lock().expect("drawing does not panic");
        view.remember(sample.snapshot);
        let pause = if view.in_place { REDRAW } else { LINE };
        if view.last_shown.elapsed() < pause || sample.snapshot.channels.is_empty() {
            return;
        }
        view.last_shown = Instant::now();
        let trouble = matches!(sample.recorded, Some(Err(_)));
        let _ = if view.in_place {
            let rows = view.table(sample.snapshot, trouble);
            view.draw(&rows)
        } else {
            writeln!(io::stderr(), "{}", view.line(sample.snapshot, trouble))
        };
    }

    /// Takes the table away, to make room for the result.
    pub(crate) fn finish(&self) {
        let mut view = self.0.lock().expect("drawing does not panic");
        if view.in_place {
            let _ = view.draw(&[]);
        }
    }
}

/// A row of the table, and whether it should stand out.
type Row = (String, bool);

impl View {
    fn remember(&mut self, snapshot: &Snapshot) {
        let stats = snapshot.channels.iter().map(|channel| &channel.stats);
        let totals = stats.map(|s| (s.channel_id, (s.sent_total, s.recv_total))).collect();
        self.history.push_back((snapshot.taken_at_ns, totals));
        while self.history.get(1).is_some_and(|(at, _)| snapshot.taken_at_ns - at >= RATE_NS) {
            self.history.pop_front();
        }
    }

    /// Messages a second, in and out.
    fn rates(&self, stats: &ChannelStats, now: i64) -> (f64, f64) {
        let Some((at, totals)) = self.history.front() else { return (0.0, 0.0) };
        // A channel that was not there then had sent nothing.
        let (sent, received) = totals.get(&stats.channel_id).copied().unwrap_or_default();
        let seconds = ((now - at) as f64 / 1e9).max(1e-3);
        (
            stats.sent_total.saturating_sub(sent) as f64 / seconds,
            stats.recv_total.saturating_sub(received) as f64 / seconds,
        )
    }

    fn table(&self, snapshot: &Snapshot, trouble: bool) -> Vec<Row> {
        let head = format!(
            "{:<12} {:<BAR$} {:>9} {:>6} {:>8} {:>8} {:>5} {:>5}  oldest wait",
            "channel", "fill", "len/cap", "high", "in/s", "out/s", "send", "recv"
        );
        let mut rows = vec![(self.progress(trouble), false), (head, false)];
        for channel in &snapshot.channels {
            let stats = &channel.stats;
            let (sent, received) = self.rates(stats, snapshot.taken_at_ns);
            let full = stats.capacity == Some(stats.queue_len) || stats.send_waiters > 0;
            let row = format!(
                "{:<12} {} {:>9} {:>6} {:>8.0} {:>8.0} {:>5} {:>5}  {}",
                stats.name,
                bar(stats.utilization.unwrap_or(0.0)),
                format!("{}/{}", stats.queue_len, stats.capacity.unwrap_or(0)),
                stats.high_watermark,
                sent,
                received,
                stats.send_waiters,
                stats.recv_waiters,
                oldest_wait(stats),
            );
            rows.push((row, full));
        }
        rows
    }

    fn progress(&self, trouble: bool) -> String {
        let Run { found, walked, done, bytes_read, started, .. } = &*self.run;
        format!(
            "{}  {} of {}{} files, {} read{}{}",
            seconds(started.elapsed()),
            count(done.load(Relaxed)),
            count(found.load(Relaxed)),
            if walked.load(Relaxed) { "" } else { "+" },
            size_of(bytes_read.load(Relaxed)),
            if self.run.interrupted() { ", ending" } else { "" },
            if trouble { ", NOT RECORDED" } else { "" },
        )
    }

    fn line(&self, snapshot: &Snapshot, trouble: bool) -> String {
        let fill = |stats: &&ChannelStats| (stats.utilization.unwrap_or(0.0) * 1e6) as u64;
        let fullest = snapshot.channels.iter().map(|channel| &channel.stats).max_by_key(fill);
        let fullest = fullest.map_or(String::new(), |stats| {
            let capacity = stats.capacity.unwrap_or(0);
            format!("; fullest: {} {}/{capacity}", stats.name, stats.queue_len)
        });
        format!("{}{fullest}", self.progress(trouble))
    }

    /// Replaces what was drawn last. Rows are cut to the terminal's width: a row that wrapped would
    /// count as two when the cursor goes back up.
    fn draw(&mut self, rows: &[Row]) -> io::Result<()> {
        let size @ (width, height) = size().unwrap_or((80, 24));
        let mut out = io::stderr().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        if self.drawn_rows > 0 && self.drawn_size != size {
            // The terminal has wrapped the old rows anew: nobody knows where they are.
            queue!(out, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        } else if self.drawn_rows > 0 {
            queue!(out, cursor::MoveUp(self.drawn_rows))?;
        }
        queue!(out, cursor::MoveToColumn(0), Clear(ClearType::FromCursorDown))?;
        let rows = &rows[..rows.len().min(height.saturating_sub(1).into())];
        for (text, stands_out) in rows {
            let text: String = text.chars().take(width.saturating_sub(1).into()).collect();
            let text = if *stands_out { text.yellow() } else { text.stylize() };
            queue!(out, Print(text), Print("\r\n"))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        self.drawn_rows = rows.len() as u16;
        self.drawn_size = size;
        out.flush()
    }
}

fn bar(part: f64) -> String {
    // Anything at all shows, and only full is full.
    let cells = match part {
        p if p <= 0.0 => 0,
        p if p >= 1.0 => BAR,
        p => ((p * BAR as f64) as usize).clamp(1, BAR - 1),
    };
    "█".repeat(cells) + &"░".repeat(BAR - cells)
}

fn oldest_wait(stats: &ChannelStats) -> String {
    let wait = |side: &str, ns: u64| format!("{side} {}", seconds(Duration::from_nanos(ns)));
    match (stats.oldest_send_wait_ns, stats.oldest_recv_wait_ns) {
        (Some(ns), _) => wait("send", ns),
        (None, Some(ns)) => wait("recv", ns),
        (None, None) => "-".to_owned(),
    }
}
