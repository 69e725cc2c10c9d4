//! What a model knows, in words: the same on the screen and on the page.

use parshall::introspect::text::{counted, exact};
use parshall::task::TaskRef;
use parshall::{Call, ChannelSnapshot, WaitSnapshot};

use crate::model::Model;
use crate::terminal::{duration, line};

/// How much of a name is shown in a sentence.
pub(crate) const NAME: usize = 40;

/// `wal 8/8`, or `mixer 12` if unbounded.
pub(crate) fn filled(channel: &ChannelSnapshot) -> String {
    let (name, stats) = (line(&channel.stats.label, NAME), &channel.stats);
    match stats.capacity {
        Some(capacity) => format!("{name} {}/{capacity}", stats.queue_len),
        None => format!("{name} {}", stats.queue_len),
    }
}

/// Who should drain a channel, and what that one does instead.
pub(crate) fn drains(model: &Model, channel: &ChannelSnapshot) -> String {
    match channel.last_receiver {
        Some(task) => {
            let (name, number) = (line(&model.name(Some(task)), NAME), exact(channel.last_receive));
            format!("{name} received last, number {number}; it {}", does(model, task))
        }
        None if channel.stats.receiver_closed => "nobody: it is closed".into(),
        None if channel.stats.recv_total == 0 => "nobody has ever received".into(),
        None => "nobody is known who has received".into(),
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
