//! The table of `top`, for programs that show their own channels.

use parshall::Snapshot;
use parshall::introspect::{Diagnosis, Settings};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget};

use crate::model::{Model, Sort};
use crate::top::{HEAD, Theme, table};

/// The channels of a program, as `parshall top` shows them: a widget of [`ratatui`].
///
/// It is given snapshots, and draws the last of them: a line of titles, and a line for each channel
/// in the order in which they were made. Of more channels than there are lines, those that hurt
/// most are shown. A narrow area has fewer columns. Colours are left out if `NO_COLOR` is set.
///
/// # Examples
/// ```
/// use parshall_cli::ChannelTable;
/// use parshall_cli::ratatui::{Terminal, backend::TestBackend};
///
/// let (tx, _rx) = parshall::mpsc::Builder::new().name("jobs").capacity(4).build();
/// tx.try_send("one")?;
///
/// let mut table = ChannelTable::new(Default::default());
/// table.look(parshall::snapshot());
/// let mut terminal = Terminal::new(TestBackend::new(60, 3))?;
/// terminal.draw(|frame| frame.render_widget(&table, frame.area()))?;
///
/// let screen = terminal.backend().to_string();
/// assert!(screen.contains("CHANNEL") && screen.contains("jobs") && screen.contains("1/4"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ChannelTable {
    model: Model,
    theme: Theme,
}

impl ChannelTable {
    /// A table that has seen nothing. `settings` are those of the diagnosis, which marks channels.
    pub fn new(settings: Settings) -> Self {
        Self { model: Model::new(settings), theme: Theme::from_env() }
    }

    /// Shows this snapshot from now on. Rates are those since the one before it, and are a dash
    /// until there are two. One that is not later than the last is left out.
    pub fn look(&mut self, snapshot: Snapshot) {
        self.model.take(snapshot);
    }

    /// What is wrong, as of the last snapshot; none before the first. The next snapshot replaces
    /// it.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.model.diagnosis.as_ref()
    }
}

impl Widget for &ChannelTable {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut rows = self.model.rows("", Sort::Hurts);
        rows.truncate(usize::from(area.height.saturating_sub(1)));
        rows.sort_by_key(|row| row.channel.stats.channel_id);
        let table = table::Channels::new(&self.model, &rows, area.width.into());
        let style =
            |row: &crate::model::Row<'_>| self.theme.of(row.mark.map(|(verdict, _)| verdict));
        let shown = rows.iter().map(|row| Line::styled(table.row(row), style(row)));
        let lines: Vec<_> = [Line::styled(table.head(), HEAD)].into_iter().chain(shown).collect();
        Paragraph::new(lines).render(area, buffer);
    }
}
