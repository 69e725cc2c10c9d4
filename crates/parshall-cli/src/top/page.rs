//! The pages of one channel, of one task, and the report: lines, some of which lead elsewhere.

use std::fmt::Write as _;

use parshall::introspect::text::{counted, exact, rate};
use parshall::task::TaskRef;
use parshall::{ChannelSnapshot, WaitSnapshot};

use super::place::View;
use crate::model::{Model, Row};
use crate::terminal::{duration, line, lines as shown_lines, padded, plain, wrapped};
use crate::words::{self, NAME, filled};

/// How many of a list are lines of a page: nobody scrolls through more.
const LINES: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) is_head: bool,
    pub(crate) to: Option<View>,
}

fn plain_line(text: impl Into<String>) -> Line {
    Line { text: plain(text), is_head: false, to: None }
}

fn head(text: impl Into<String>) -> Line {
    Line { is_head: true, ..plain_line(text) }
}

fn field(name: &str, text: impl AsRef<str>) -> Line {
    plain_line(format!("{name:<10} {}", text.as_ref()))
}

/// The lines of a view that is no list, on a screen of this width.
pub(crate) fn lines(model: &Model, view: View, width: usize) -> Vec<Line> {
    match view {
        View::Channel(id) => match model.channel(id) {
            Some(row) => channel(model, row),
            None => vec![plain_line("This channel is gone: its last handle was dropped.")],
        },
        View::Task(task) => self::task(model, task),
        _ => match &model.diagnosis {
            Some(diagnosis) => {
                let text = diagnosis.to_string();
                let lines = shown_lines(&text);
                lines.flat_map(|line| broken(&plain(line), width)).map(plain_line).collect()
            }
            None => vec![plain_line("Nothing was seen yet.")],
        },
    }
}

/// Broken where the screen ends, and set in as before.
pub(super) fn broken(text: &str, width: usize) -> Vec<String> {
    let begins = text.trim_start();
    let indent = &text[..text.len() - begins.len()];
    let lines = wrapped(begins, width.saturating_sub(indent.len()).max(20), "  ");
    lines.into_iter().map(|line| format!("{indent}{line}")).collect()
}

fn channel(model: &Model, row: Row<'_>) -> Vec<Line> {
    let (channel, stats) = (row.channel, &row.channel.stats);
    let ago = |ns: i64| duration(model.now_ns().saturating_sub(ns));
    let mut lines = vec![head(filled(channel))];
    if let Some((verdict, kind)) = row.mark {
        lines.push(field("finding", format!("{}, {}", kind.as_str(), verdict.as_str())));
    }
    lines.push(field(
        "made at",
        format!("{}, {} ago", line(&stats.location, 80), ago(stats.created_at_ns)),
    ));
    lines.push(field("messages", line(&stats.payload, 80)));
    let capacity = match stats.capacity {
        Some(capacity) => format!("of {}", exact(capacity)),
        None => "unbounded".into(),
    };
    let (len, high) = (exact(stats.queue_len), exact(stats.high_watermark));
    let permits = counted(stats.reserved, "permit");
    lines.push(field("holds", format!("{len} {capacity}, at most {high} so far; {permits} out")));
    let (sent, received) = (exact(stats.sent_total), exact(stats.recv_total));
    let rates =
        row.rates.map(|(sent, received)| format!("; {} in, {} out", rate(sent), rate(received)));
    let passed = format!("{sent} sent, {received} received{}", rates.unwrap_or_default());
    lines.push(field("passed", passed));
    lines.push(field(
        "refused",
        format!(
            "{} full, {} closed; {} given up; {} discarded",
            exact(stats.full_total),
            exact(stats.closed_total),
            exact(stats.send_given_up_total),
            exact(stats.discarded)
        ),
    ));
    let closed = stats.close_cause.map(|cause| format!("; closed: {cause:?}")).unwrap_or_default();
    let senders = counted(stats.sender_count, "sender");
    lines.push(field("held by", format!("{senders}, {} weak{closed}", stats.weak_sender_count)));

    lines.push(head("Should drain it"));
    lines.extend(drains(model, channel));
    lines.push(head(format!("Waits to receive: {}", usize::from(channel.recv_wait.is_some()))));
    lines.extend(channel.recv_wait.iter().map(|wait| waits(model, None, wait)));
    lines.push(head(format!("Waits to send, in line: {}", channel.send_waits.len())));
    let in_line = |(n, wait)| waits(model, Some(n + 1), wait);
    lines.extend(first(channel.send_waits.iter().enumerate().map(in_line)));
    if !channel.close_waits.is_empty() {
        lines.push(head(format!("Waits for the end: {}", channel.close_waits.len())));
        lines.extend(first(channel.close_waits.iter().enumerate().map(in_line)));
    }
    if let Some(senders) = &channel.senders {
        lines.push(head(format!("Senders: {}", senders.len())));
        lines.extend(first(senders.iter().map(|sender| {
            let by = sender.task.map(|task| format!(" by {}", line(&model.name(Some(task)), NAME)));
            let text = format!(
                "  made at {}{}, {} ago",
                line(&sender.location, 80),
                by.unwrap_or_default(),
                ago(sender.since_ns)
            );
            Line { to: sender.task.map(View::Task), ..plain_line(text) }
        })));
    }
    lines.push(field("id", line(&channel.id, 120)));
    lines
}

fn waits(model: &Model, n: Option<usize>, wait: &WaitSnapshot) -> Line {
    let age = duration(model.now_ns().saturating_sub(wait.since_ns));
    let n = n.map_or(String::new(), |n| n.to_string());
    let name = padded(&model.name(wait.task), 24);
    let mut text = format!("{n:>4} {name} {:<12} {age:>8}", wait.call.as_str());
    for more in words::of_wait(model, wait) {
        let _ = write!(text, ", {more}");
    }
    Line { to: wait.task.map(View::Task), ..plain_line(text) }
}

fn drains(model: &Model, channel: &ChannelSnapshot) -> impl Iterator<Item = Line> {
    let to = channel.last_receiver.map(View::Task);
    let sentences = words::drains(model, channel).into_iter();
    sentences.map(move |text| Line { to, ..plain_line(format!("  {text}")) })
}

/// The first of a long list of lines, and how many are left out.
fn first(lines: impl ExactSizeIterator<Item = Line>) -> impl Iterator<Item = Line> {
    let more = lines.len().checked_sub(LINES).filter(|more| *more > 0);
    let more = more.map(|more| plain_line(format!("  and {} more", exact(more as u64))));
    lines.take(LINES).chain(more)
}

fn task(model: &Model, task: TaskRef) -> Vec<Line> {
    let ago = |ns: i64| duration(model.now_ns().saturating_sub(ns));
    let Some(known) = model.task(task) else {
        return vec![plain_line(
            "This task is gone: it has ended, or nothing refers to it any more.",
        )];
    };
    let mut lines = vec![head(line(&model.name(Some(task)), 100))];
    if let Some(location) = &known.location {
        lines.push(field("made at", line(location, 80)));
    }
    if let Some((verdict, kind)) = model.mark(task) {
        lines.push(field("finding", format!("{}, {}", kind.as_str(), verdict.as_str())));
    }
    let activity = words::activity(known);
    if !activity.is_empty() {
        let since = known.state_since_ns.or(known.waiting_since_ns);
        let since = since.map(|ns| format!(", {}", ago(ns))).unwrap_or_default();
        lines.push(field("state", format!("{activity}{since}")));
    }
    if let Some(polls) = known.polls {
        lines.push(field("polled", counted(polls, "time")));
    }
    if let Some(wakers) = known.wakers {
        lines.push(field("wakers", format!("{} alive, each could wake it", exact(wakers))));
    }
    let (waits, receives) = model.of_task(task);
    lines.push(head(format!("Waits: {}", waits.len())));
    lines.extend(first(waits.into_iter().map(|waits| {
        let (channel, wait) = (waits.row.channel, waits.wait);
        let mut text =
            format!("  {:<12} {:>8}  {}", wait.call.as_str(), ago(wait.since_ns), filled(channel));
        for more in words::of_wait(model, wait) {
            let _ = write!(text, ", {more}");
        }
        let to = Some(View::Channel(channel.stats.channel_id));
        Line { to, ..plain_line(text) }
    })));
    lines.push(head(format!("Was the last to receive from: {}", receives.len())));
    lines.extend(first(receives.into_iter().map(|row| {
        let to = Some(View::Channel(row.channel.stats.channel_id));
        Line { to, ..plain_line(format!("  {}", filled(row.channel))) }
    })));
    let process = model.snapshot.as_ref().map_or("", |snapshot| &snapshot.process);
    lines.push(field("id", line(&known.task.node_id_in(process), 120)));
    lines
}
