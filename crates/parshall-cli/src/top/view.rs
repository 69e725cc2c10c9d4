//! The screen.

use parshall::introspect::text::{self, exact};
use parshall::introspect::{Finding, Verdict};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::input::App;
use super::place::View;
use super::{page, table};
use crate::terminal::{line, padded, plain, wrapped};

/// How things stand out, with and without colours. No colour says what no word says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub(crate) has_colours: bool,
}

impl Theme {
    /// Without colours if `NO_COLOR` is set to something.
    pub(crate) fn from_env() -> Self {
        Self { has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub(crate) fn of(self, verdict: Option<Verdict>) -> Style {
        match verdict {
            None => Style::new(),
            Some(Verdict::Signal) => self.colour(Color::Yellow),
            Some(_) => self.colour(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

pub(crate) const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);

/// All of it.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App, theme: Theme) {
    let area = frame.area();
    let width = usize::from(area.width);
    let most = usize::from(area.height / 4).clamp(1, 8);
    let findings = match app.view() {
        View::Channels | View::Tasks if !app.is_helping => findings(app, width, most, theme),
        _ => Vec::new(),
    };
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(findings.len() as u16),
        Constraint::Fill(1),
        Constraint::Length(1),
    ]);
    let [title_area, findings_area, body, footer_area] = parts.areas(area);
    frame.render_widget(Paragraph::new(title(app, width)), title_area);
    frame.render_widget(Paragraph::new(findings), findings_area);
    let lines = if app.is_helping { help(width) } else { self::body(app, body, theme) };
    frame.render_widget(Paragraph::new(lines), body);
    frame.render_widget(Paragraph::new(footer(app, width)), footer_area);
}

fn title(app: &App, width: usize) -> Line<'static> {
    let model = &app.model;
    let Some(snapshot) = &model.snapshot else {
        return Line::styled(padded("parshall top", width), BAR);
    };
    let worst = model.diagnosis.as_ref().and_then(|diagnosis| diagnosis.findings.first());
    let state = match worst {
        Some(worst) if worst.verdict != Verdict::Signal => {
            format!("{} {}", text::standing(worst.verdict), plain(text::lasted(worst)))
        }
        _ => "nothing is stuck".into(),
    };
    let mut parts = vec![state];
    if app.is_paused {
        parts.push("PAUSED".into());
    }
    if let Some(why) = &app.lost {
        parts.push(format!("LOST: {why}"));
    }
    if model.has_restarted {
        parts.push("restarted".into());
    }
    if app.of.1 > 1 {
        parts.push(format!("program {} of {}", app.of.0 + 1, app.of.1));
    }
    parts.push(format!("{} channels, {} tasks", snapshot.channels.len(), snapshot.tasks.len()));
    let name = line(&snapshot.process, (width / 3).max(8));
    let text = format!("{name} (pid {})  {}", snapshot.pid, parts.join("  "));
    let cut: String = cut_end(&text, width);
    Line::styled(padded(&cut, width), BAR)
}

/// The beginning counts more than the end.
fn cut_end(text: &str, width: usize) -> String {
    let mut left = width;
    let fits = |c: &char| {
        let fits = left.checked_sub(c.width().unwrap_or(0));
        left = fits.unwrap_or(0);
        fits.is_some()
    };
    text.chars().take_while(fits).collect()
}

/// The worst that fit, each whole if it can be.
fn findings(app: &App, width: usize, most: usize, theme: Theme) -> Vec<Line<'static>> {
    let Some(diagnosis) = &app.model.diagnosis else { return Vec::new() };
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (n, finding) in diagnosis.findings.iter().enumerate() {
        let text = sentences(finding, width);
        let is_last = n + 1 == diagnosis.findings.len();
        let room = most - usize::from(!is_last);
        if lines.len() + text.len() <= room || n == 0 {
            let room = room.max(1);
            let style = theme.of(Some(finding.verdict));
            let is_cut = text.len() > room;
            lines.extend(text.into_iter().take(room).map(|text| Line::styled(text, style)));
            if let Some(last) = lines.last_mut().filter(|_| is_cut) {
                let text = format!("{} ...", cut_end(&last.to_string(), width.saturating_sub(4)));
                *last = Line::styled(text, style);
            }
        } else {
            let left_out: u64 = diagnosis.left_out.iter().map(|left| left.findings).sum();
            let more = exact((diagnosis.findings.len() - n) as u64 + left_out);
            lines.push(Line::raw(format!("and {more} more: r shows them")));
            break;
        }
    }
    lines.truncate(most);
    lines
}

/// A finding, broken where this screen ends.
fn sentences(finding: &Finding, width: usize) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for text in finding.text().lines() {
        match (text.strip_prefix("  "), sentences.last_mut()) {
            // It was broken for 100 columns.
            (Some(rest), Some(last)) => {
                last.push(' ');
                last.push_str(rest);
            }
            _ => sentences.push(text.to_owned()),
        }
    }
    let broken = sentences.iter().enumerate().flat_map(|(n, text)| {
        let first = if n == 0 { "* " } else { "  " };
        let lines = wrapped(text, width.saturating_sub(2), "  ");
        lines
            .into_iter()
            .enumerate()
            .map(move |(m, text)| format!("{}{text}", if m == 0 { first } else { "  " }))
    });
    broken.collect()
}

fn body(app: &mut App, area: Rect, theme: Theme) -> Vec<Line<'static>> {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let view = app.view();
    let has_head = matches!(view, View::Channels | View::Tasks);
    let rows = height.saturating_sub(usize::from(has_head));
    let place = app.settle(width, rows);
    let (first, rows) = (place.offset, rows);
    let model = &app.model;
    let (head, rows): (_, Vec<(String, Style)>) = match view {
        View::Channels => {
            let all = model.rows(&app.filter, app.sort);
            let shown = &all[first.min(all.len())..(first + rows).min(all.len())];
            let table = table::Channels::new(model, &all, width);
            let style =
                |row: &crate::model::Row<'_>| theme.of(row.mark.map(|(verdict, _)| verdict));
            (Some(table.head()), shown.iter().map(|row| (table.row(row), style(row))).collect())
        }
        View::Tasks => {
            let all = model.tasks(&app.filter);
            let shown = &all[first.min(all.len())..(first + rows).min(all.len())];
            let rows = shown.iter().map(|task| (table::task(model, task, width), Style::new()));
            (Some(table::task_head(width)), rows.collect())
        }
        _ => {
            let lines = page::lines(model, view, width).into_iter().skip(first).take(rows);
            let style = |is_head| if is_head { HEAD } else { Style::new() };
            (None, lines.map(|shown| (line(&shown.text, width), style(shown.is_head))).collect())
        }
    };
    let cursor = place.index - place.offset;
    let is_empty = rows.is_empty();
    let rows = rows.into_iter().enumerate().map(|(n, (text, style))| {
        if n == cursor {
            return Line::styled(padded(&text, width), style.add_modifier(Modifier::REVERSED));
        }
        Line::styled(text, style)
    });
    let head = head.map(|head| Line::styled(head, HEAD));
    let mut lines: Vec<_> = head.into_iter().chain(rows).collect();
    if is_empty {
        let why = match (&*app.filter, model.snapshot.is_some()) {
            (_, false) => "waiting for the first snapshot".to_owned(),
            ("", _) => "nothing is here: the program has none".to_owned(),
            (filter, _) => format!("no name has {filter:?} in it: esc shows all"),
        };
        lines.push(Line::raw(line(&why, width)));
    }
    lines
}

fn footer(app: &App, width: usize) -> Line<'static> {
    let sort = format!("s sort: {}", app.sort.as_str());
    let filter = format!("[{}]", line(&app.filter, 20));
    let typed = format!("filter: {}_", line(&app.filter, 40));
    let is_filtered = !app.filter.is_empty();
    let mut keys: Vec<&str> = if app.is_editing {
        vec![&typed, "enter keeps it", "esc drops it"]
    } else if app.is_helping {
        vec!["any key goes back"]
    } else {
        match app.view() {
            View::Channels => {
                vec!["? help", "q quit", "enter open", "/ filter", "p pause", "t tasks", &sort]
            }
            View::Tasks => {
                vec!["? help", "q quit", "enter open", "/ filter", "p pause", "t channels"]
            }
            _ => vec!["? help", "q quit", "esc back", "enter opens what the cursor is on"],
        }
    };
    if is_filtered && !app.is_editing && matches!(app.view(), View::Channels | View::Tasks) {
        keys.insert(0, &filter);
    }
    // Those that do not fit are in the help.
    while keys.len() > 1 && keys.join("  ").width() > width {
        keys.pop();
    }
    Line::styled(padded(&cut_end(&keys.join("  "), width), width), BAR)
}

fn help(width: usize) -> Vec<Line<'static>> {
    let text = "\
enter     open the channel or task that the cursor is on
esc       back; in a list, show all again
up, down  move, also j and k, page up and down, home and end
/         show names with some text in them
s         sort by what hurts, oldest wait, fill, in/s, out/s, name
t         tasks, and back to channels
r         the whole report
p         pause, and go on
n         the next program
q         quit, also control-c

WAITS     who waits: `send` for room, `granted` room that it does
          not take, `recv` for a message, `closed` for the end
OLDEST    for how long the first of them has waited
STATE     the worst finding, with a ? if that is so unless what
          the report says; else full, flows, idle, closed, or
          no senders; of a task waiting, idle, running, ..";
    text.lines().flat_map(|text| page::broken(text, width)).map(Line::raw).collect()
}
