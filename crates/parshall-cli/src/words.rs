//! What a model knows, in words: the same on the screen and on the page.

use parshall::introspect::text::counted;
use parshall::task::{TaskRef, TaskState};
use parshall::{Call, ChannelSnapshot, TaskSnapshot, WaitSnapshot};

use crate::mark::marked;
use crate::model::Model;
use crate::terminal::{duration, label, line, plain};

/// How much of a name is shown in a sentence.
pub(crate) const NAME: usize = 40;

/// `wal 8/8`, or `mixer 12` if unbounded.
pub(crate) fn filled(channel: &ChannelSnapshot) -> String {
    filled_in(channel, usize::MAX)
}

/// As [`filled`], where so many columns are left.
pub(crate) fn filled_in(channel: &ChannelSnapshot, columns: usize) -> String {
    let stats = &channel.stats;
    let fill = match stats.capacity {
        Some(capacity) => format!("{}/{capacity}", stats.queue_len),
        None => stats.queue_len.to_string(),
    };
    let left = columns.saturating_sub(fill.len() + 1).min(NAME);
    format!("{} {fill}", label(&stats.label, left))
}

/// Who should drain a channel, and what that one does instead: a sentence or two.
pub(crate) fn drains(model: &Model, channel: &ChannelSnapshot) -> Vec<String> {
    let nobody = match channel.last_receiver {
        Some(task) => {
            let name = line(&model.name(Some(task)), NAME);
            let after = match channel.last_receive {
                0 => "before the first message".into(),
                n => format!("after {}", plain(counted(n, "message"))),
            };
            let who = format!("who last received: {name}, noted {after}");
            return vec![who, format!("it {}", does(model, task))];
        }
        None if channel.stats.receiver_closed => "nobody: it is closed",
        None if channel.stats.recv_total == 0 => "nobody has ever received",
        None => "nobody is known who has received",
    };
    vec![nobody.into()]
}

/// What a task does, in a word: the worst finding that it is part of, else whether it waits.
pub(crate) fn state(model: &Model, task: &TaskSnapshot) -> String {
    model.mark(task.task).map_or_else(|| activity(task).to_owned(), marked)
}

/// What a task does, in a word. One that sleeps and waits in a channel is waiting.
pub(crate) fn activity(task: &TaskSnapshot) -> &'static str {
    match task.state {
        None | Some(TaskState::Idle) if task.waiting_since_ns.is_some() => "waiting",
        state => state.map_or("", TaskState::as_str),
    }
}

/// What follows the name of a task.
pub(crate) fn does(model: &Model, task: TaskRef) -> String {
    let (waits, _) = model.of_task(task);
    if let Some(first) = waits.iter().find(|waits| waits.wait.granted_at_ns.is_none()) {
        let (channel, wait) = (filled(first.row.channel), first.wait);
        let age = duration(model.now_ns().saturating_sub(wait.since_ns));
        let more = if waits.len() > 1 { " and elsewhere" } else { "" };
        let what = match wait.call {
            Call::Recv | Call::RecvMany | Call::PollRecv => "a message in",
            Call::Closed => "the end of",
            _ => "room in",
        };
        return format!("waits for {what} {channel}{more}, {age}");
    }
    match model.task(task).and_then(|task| task.state) {
        Some(state) => format!("is {}, and waits in no channel", state.as_str()),
        None => "waits in no channel".into(),
    }
}

/// What there is to say of a wait beside who, by which call and since when.
pub(crate) fn of_wait(model: &Model, wait: &WaitSnapshot) -> Vec<String> {
    let now = model.now_ns();
    let need = (wait.need > 1).then(|| format!("for {}", counted(wait.need, "message")));
    let granted = wait
        .granted_at_ns
        .map(|at| format!("granted {} ago and not polled since", duration(now.saturating_sub(at))));
    let gives_up =
        wait.deadline_ns.map(|at| format!("gives up in {}", duration(at.saturating_sub(now))));
    [need, granted, gives_up].into_iter().flatten().collect()
}
