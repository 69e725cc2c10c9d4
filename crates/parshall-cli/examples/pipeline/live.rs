//! What is seen while the pipeline runs: the table of `parshall top`, redrawn in place below the
//! prompt, or a line a second.

use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parshall::{ChannelStats, Snapshot};
use parshall_cli::ChannelTable;
use parshall_cli::ratatui::backend::CrosstermBackend;
use parshall_cli::ratatui::layout::{Constraint, Layout, Position};
use parshall_cli::ratatui::{Terminal, TerminalOptions, Viewport};
use parshall_gauge::Sample;

use crate::cli::Args;
use crate::report::{count, seconds, size_of};
use crate::run::Run;
use crate::verdict;

/// Rates are those between two of them.
const REDRAW: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(1);

/// The live view. Clones show in the same place.
#[derive(Clone)]
pub(crate) struct Live(Arc<Mutex<View>>);

struct View {
    run: Arc<Run>,
    table: ChannelTable,
    /// In which the table is drawn; else lines are written.
    screen: Option<Terminal<CrosstermBackend<Stderr>>>,
    last_shown: Instant,
}

impl Live {
    pub(crate) fn new(run: Arc<Run>, args: &Args) -> Self {
        // The terminal is asked on standard output where its cursor is.
        let is_terminal = io::stderr().is_terminal() && io::stdout().is_terminal();
        // A line of progress, one of titles, and one for each channel.
        let rows = 2 + args.readers + args.tokenisers + 1;
        let viewport = Viewport::Inline(rows.try_into().unwrap_or(u16::MAX));
        let screen = || {
            let backend = CrosstermBackend::new(io::stderr());
            Terminal::with_options(backend, TerminalOptions { viewport }).ok()
        };
        Self(Arc::new(Mutex::new(View {
            last_shown: run.started,
            run,
            table: ChannelTable::new(verdict::settings(args)),
            screen: if is_terminal && !args.plain { screen() } else { None },
        })))
    }

    /// Called for every sample. A terminal that fails is no reason to stop the pipeline.
    pub(crate) fn show(&self, sample: Sample<'_>) {
        let mut view = self.0.lock().expect("drawing does not panic");
        let pause = if view.screen.is_some() { REDRAW } else { LINE };
        if view.last_shown.elapsed() < pause || sample.snapshot.channels.is_empty() {
            return;
        }
        view.last_shown = Instant::now();
        let trouble = matches!(sample.recorded, Some(Err(_)));
        if view.screen.is_some() {
            view.draw(sample.snapshot, trouble);
        } else {
            let _ = writeln!(io::stderr(), "{}", view.line(sample.snapshot, trouble));
        }
    }

    /// Takes the table away, to make room for the result.
    pub(crate) fn finish(&self) {
        let mut view = self.0.lock().expect("drawing does not panic");
        let Some(mut screen) = view.screen.take() else { return };
        let top = screen.get_frame().area().as_position();
        let _ = screen.clear();
        let _ = screen.set_cursor_position(top);
    }
}

impl View {
    fn draw(&mut self, snapshot: &Snapshot, trouble: bool) {
        self.table.look(snapshot.clone());
        let progress = self.progress(trouble);
        let Some(screen) = &mut self.screen else { return };
        let drawn = screen.draw(|frame| {
            let parts = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]);
            let [head, body] = parts.areas(frame.area());
            frame.render_widget(progress, head);
            frame.render_widget(&self.table, body);
            // Where it may stay, if the program is ended: it is hidden without a place.
            let below = frame.area().bottom().saturating_sub(1);
            frame.set_cursor_position(Position::new(0, below));
        });
        if drawn.is_err() {
            self.screen = None;
        }
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
}
