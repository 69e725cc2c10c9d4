//! The tables of channels and of tasks. Narrow screens have fewer columns; who waits, for how long
//! and what is wrong is on all of them.

use parshall::TaskSnapshot;
use parshall::introspect::text::rate;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::{Crowd, Model, Row};
use crate::terminal::{duration, label, line, padded, plain};
use crate::words::{self, filled_in};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Fill,
    Len,
    High,
    In,
    Out,
    Waits,
    Oldest,
    State,
}

/// In the order on the screen. Width 0: shares what the others leave.
const COLUMNS: [(Column, &str, usize); 9] = [
    (Column::Name, "CHANNEL", 0),
    (Column::Fill, "FILL", 6),
    (Column::Len, "LEN/CAP", 9),
    (Column::High, "HIGH", 6),
    (Column::In, "IN/S", 6),
    (Column::Out, "OUT/S", 6),
    (Column::Waits, "WAITS", 0),
    (Column::Oldest, "OLDEST", 7),
    (Column::State, "STATE", 12),
];

/// Those that a narrow screen leaves out, the first of them first.
const LEFT_OUT: [Column; 4] = [Column::High, Column::Fill, Column::In, Column::Out];

/// What the name and the waits need together.
const ROOM: usize = 26;

/// From so many columns on there is room between them.
const WIDE: usize = 120;

#[derive(Debug)]
pub(crate) struct Channels<'a> {
    model: &'a Model,
    columns: Vec<(Column, &'static str, usize)>,
    gap: &'static str,
}

impl<'a> Channels<'a> {
    /// For these rows, and those that one may scroll to, on a screen of this width.
    pub(crate) fn new(model: &'a Model, rows: &[Row<'_>], width: usize) -> Self {
        let mut columns = COLUMNS.to_vec();
        let gap = if width >= WIDE { "  " } else { " " };
        let room = |columns: &[(Column, &str, usize)]| {
            let taken: usize = columns.iter().map(|(_, _, width)| width).sum();
            width.saturating_sub(taken + gap.len() * (columns.len() - 1))
        };
        for left_out in LEFT_OUT {
            if room(&columns) < ROOM {
                columns.retain(|(column, ..)| *column != left_out);
            }
        }
        if width >= WIDE {
            for (column, _, width) in &mut columns {
                match column {
                    Column::Fill => *width = 12,
                    Column::Len => *width = 15,
                    Column::In | Column::Out => *width = 7,
                    _ => {}
                }
            }
        }
        let room = room(&columns);
        let longest = rows.iter().map(|row| {
            // Of a longer one no more is shown.
            let label = row.channel.stats.label.chars().take(60);
            label.map(|c| c.width().unwrap_or(1)).sum()
        });
        let longest: usize = longest.max().unwrap_or(0);
        let name = longest.max("CHANNEL".len()).min(room / 2).min(60);
        for (column, _, width) in &mut columns {
            match column {
                Column::Name => *width = name,
                Column::Waits => *width = room - name,
                _ => {}
            }
        }
        Self { model, columns, gap }
    }

    pub(crate) fn head(&self) -> String {
        self.line(|_, title, _| title.to_owned())
    }

    pub(crate) fn row(&self, row: &Row<'_>) -> String {
        let crowds = self.model.crowds(row.channel);
        self.line(|column, _, width| Self::cell(row, &crowds, column, width))
    }

    fn line(&self, cell: impl Fn(Column, &'static str, usize) -> String) -> String {
        let cells = self.columns.iter().map(|&(column, title, width)| {
            let text = cell(column, title, width);
            match column {
                Column::Name | Column::Fill | Column::Waits | Column::State => padded(&text, width),
                _ => {
                    let text = line(&text, width);
                    format!("{}{text}", " ".repeat(width - text.width()))
                }
            }
        });
        cells.collect::<Vec<_>>().join(self.gap).trim_end().to_owned()
    }

    fn cell(row: &Row<'_>, crowds: &[Crowd], column: Column, width: usize) -> String {
        let stats = &row.channel.stats;
        match column {
            Column::Name => label(&stats.label, width),
            Column::Fill => bar(row.fill(), width),
            Column::Len => {
                let filled = match stats.capacity {
                    Some(capacity) => format!("{}/{capacity}", stats.queue_len),
                    None => stats.queue_len.to_string(),
                };
                if filled.len() <= width {
                    return filled;
                }
                match stats.capacity {
                    Some(capacity) => format!("{}/{}", short(stats.queue_len), short(capacity)),
                    None => short(stats.queue_len),
                }
            }
            Column::High => short(stats.high_watermark),
            Column::In => row.rates.map_or("-".into(), |(sent, _)| per_second(sent)),
            Column::Out => row.rates.map_or("-".into(), |(_, received)| per_second(received)),
            Column::Waits => who(crowds, width),
            Column::Oldest => crowds.first().map_or(String::new(), |c| duration(c.oldest_ns)),
            Column::State => row.state(),
        }
    }
}

/// `[###  ]`. What is not empty has one mark at least, and only what is full has all.
fn bar(fill: Option<f64>, width: usize) -> String {
    let Some(fill) = fill else { return "no cap".into() };
    let inner = width.saturating_sub(2);
    let exact = fill.clamp(0.0, 1.0) * inner as f64;
    let marks = match exact.round() as usize {
        0 if fill > 0.0 => 1,
        marks if marks >= inner && fill < 1.0 => inner - 1,
        marks => marks.min(inner),
    };
    format!("[{}{}]", "#".repeat(marks), " ".repeat(inner - marks))
}

fn per_second(per_second: f64) -> String {
    plain(rate(per_second)).trim_end_matches("/s").to_owned()
}

/// `9999`, `10k`, `2.3M`.
fn short(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{}k", n / 1_000),
        1_000_000..10_000_000 => format!("{:.1}M", (n / 100_000) as f64 / 10.0),
        10_000_000..1_000_000_000 => format!("{}M", n / 1_000_000),
        _ => format!("{:.1e}", n as f64),
    }
}

/// `send writer, loader +36`: as many names as fit, and how many waits more.
fn who(crowds: &[Crowd], width: usize) -> String {
    let Some((first, others)) = crowds.split_first() else { return String::new() };
    let text = |names: &[String]| {
        let more = first.waits.saturating_sub(names.len());
        let list = names.iter().map(|name| line(name, 40)).collect::<Vec<_>>().join(", ");
        match (names.len(), more) {
            (0, n) => format!("{} {n}", first.what),
            (_, 0) => format!("{} {list}", first.what),
            (_, n) => format!("{} {list} +{n}", first.what),
        }
    };
    let most = first.names.len();
    let shown = (1..=most).rev().map(|n| text(&first.names[..n])).find(|t| t.width() <= width);
    let mut shown = shown.unwrap_or_else(|| {
        // Of one name as much as the number leaves.
        let Some(name) = first.names.first() else { return text(&[]) };
        let left = width.saturating_sub(text(&[String::new()]).width());
        if left < 4 { text(&[]) } else { text(&[line(name, left)]) }
    });
    for other in others {
        let names: Vec<_> = other.names.iter().take(1).map(|name| line(name, 24)).collect();
        let also = format!(
            "; {} {}",
            other.what,
            names.first().cloned().unwrap_or_else(|| other.waits.to_string())
        );
        if shown.width() + also.width() <= width {
            shown.push_str(&also);
        }
    }
    shown
}

/// Widths: since, polls, oldest.
const TASK: [usize; 3] = [7, 7, 7];

/// Widths that depend on that of the screen: the name, the state, the waits.
fn task_widths(width: usize) -> [usize; 3] {
    let state = if width < 80 { 9 } else { 12 };
    let room = width.saturating_sub(state + TASK.iter().sum::<usize>() + 5);
    [room / 2, state, room - room / 2]
}

fn task_line(cells: [&str; 6], width: usize) -> String {
    let [name, state_width, waits_width] = task_widths(width);
    let [task, state, since, polls, waits, oldest] = cells;
    format!(
        "{} {} {:>7} {:>7} {} {:>7}",
        padded(task, name),
        padded(state, state_width),
        line(since, TASK[0]),
        line(polls, TASK[1]),
        padded(waits, waits_width),
        line(oldest, TASK[2])
    )
}

pub(crate) fn task_head(width: usize) -> String {
    task_line(["TASK", "STATE", "SINCE", "POLLS", "WAITS", "OLDEST"], width)
}

pub(crate) fn task(model: &Model, task: &TaskSnapshot, width: usize) -> String {
    let ago = |ns: Option<i64>| {
        ns.map_or(String::new(), |ns| duration(model.now_ns().saturating_sub(ns)))
    };
    let (waits, _) = model.of_task(task.task);
    let more = if waits.len() > 1 { format!(" +{}", waits.len() - 1) } else { String::new() };
    let waits = waits.first().map_or(String::new(), |first| {
        let call = first.wait.call.as_str();
        let left = task_widths(width)[2].saturating_sub(call.len() + 1 + more.len());
        format!("{call} {}{more}", filled_in(first.row.channel, left))
    });
    let name = model.name(Some(task.task));
    let cells = [
        name.as_str(),
        &words::state(model, task),
        &ago(task.state_since_ns),
        &task.polls.map_or(String::new(), short),
        &waits,
        &ago(task.waiting_since_ns),
    ];
    task_line(cells, width)
}
