//! What is said of a channel or a task in one snapshot: `"KEY":[..]`, which the views
//! `channel_state` and `task_state` take apart by place.
//!
//! What stands for nothing at the end of a list is left out. Of time that goes on by itself, the
//! time a wait has lasted, a list says what it was at this snapshot, so that a later one can be
//! reckoned: that part stands in front, and is not compared.

use parshall::introspect::Side;
use parshall::task::{TaskKind, TaskRef};
use parshall::{ChannelSnapshot, Snapshot, TaskSnapshot, WaitSnapshot};

/// A list in the making.
pub(super) struct List<'a> {
    text: &'a mut Vec<u8>,
    /// Where it ends if the rest stands for nothing.
    end: usize,
    /// Where its first item begins.
    first: usize,
}

impl<'a> List<'a> {
    fn begin(text: &'a mut Vec<u8>) -> Self {
        text.push(b'[');
        let first = text.len();
        Self { text, end: first, first }
    }

    fn item(&mut self, write: impl FnOnce(&mut Vec<u8>), says_something: bool) {
        if self.text.len() > self.first {
            self.text.push(b',');
        }
        write(self.text);
        if says_something {
            self.end = self.text.len();
        }
    }

    fn int(&mut self, n: i64) {
        self.item(|text| int(text, n), true);
    }

    /// A count. SQLite has integers of 64 bits with a sign.
    fn count(&mut self, n: u64) {
        self.item(|text| int(text, n as i64), n != 0);
    }

    fn maybe(&mut self, n: Option<i64>) {
        match n {
            Some(n) => self.int(n),
            None => self.null(),
        }
    }

    fn null(&mut self) {
        self.item(|text| text.extend_from_slice(b"null"), false);
    }

    fn flag(&mut self, is: bool) {
        self.count(is.into());
    }

    fn text(&mut self, value: &str) {
        self.item(
            |text| serde_json::to_writer(text, value).expect("it is text, and there is memory"),
            true,
        );
    }

    /// One of a few words, in which nothing needs an escape.
    fn word(&mut self, word: Option<&'static str>) {
        let Some(word) = word else { return self.null() };
        let quoted = |text: &mut Vec<u8>| {
            text.push(b'"');
            text.extend_from_slice(word.as_bytes());
            text.push(b'"');
        };
        self.item(quoted, true);
    }

    /// The id of its node, without the name of the process.
    fn task(&mut self, task: Option<TaskRef>) {
        let Some(task) = task else { return self.null() };
        let quoted = |text: &mut Vec<u8>| {
            text.push(b'"');
            match task.kind() {
                // The kinds that most are of, and quickly.
                TaskKind::Named => {
                    text.extend_from_slice(b"task::");
                    int(text, task.number() as i64);
                }
                TaskKind::Waker => {
                    text.extend_from_slice(b"waker::");
                    hex(text, task.number());
                }
                _ => text.extend_from_slice(task.node_id_in("").as_bytes()),
            }
            text.push(b'"');
        };
        self.item(quoted, true);
    }

    fn list(&mut self, write: Option<impl FnOnce(&mut List<'_>)>) {
        let Some(write) = write else { return self.null() };
        let fill = |text: &mut Vec<u8>| {
            let mut list = List::begin(text);
            write(&mut list);
            list.end();
        };
        self.item(fill, true);
    }

    fn end(self) {
        self.text.truncate(self.end);
        self.text.push(b']');
    }
}

/// Most numbers are 0, or short.
fn int(text: &mut Vec<u8>, n: i64) {
    if let digit @ 0..10 = n {
        return text.push(b'0' + digit as u8);
    }
    serde_json::to_writer(text, &n).expect("it is a number, and there is memory");
}

fn hex(text: &mut Vec<u8>, n: u64) {
    let digits = (64 - n.leading_zeros()).div_ceil(4).max(1);
    let digit = |place: u32| b"0123456789abcdef"[(n >> (4 * place)) as usize & 0xf];
    text.extend((0..digits).rev().map(digit));
}

/// Appends `"KEY":`, with a comma in front if it is not the first.
pub(super) fn key(text: &mut Vec<u8>, key: i64) {
    if !text.is_empty() {
        text.push(b',');
    }
    text.push(b'"');
    int(text, key);
    text.extend_from_slice(b"\":");
}

/// Replaces `text` by what is said of the channel. Returns where the part begins that is compared.
pub(super) fn channel(text: &mut Vec<u8>, channel: &ChannelSnapshot, snapshot: &Snapshot) -> usize {
    let ChannelSnapshot {
        stats,
        send_waits,
        line_since_ns,
        recv_wait,
        close_waits,
        last_receiver,
        last_receive,
        left_waker,
        senders,
        ..
    } = channel;
    let created = stats.created_at_ns;
    let age = snapshot.taken_at_ns.saturating_sub(created);
    // A total of which `waits` go on: what it would be if they had begun with the channel.
    let settled = |total: u64, waits: u64| {
        (total as i64).saturating_sub(age.saturating_mul(waits.min(1 << 31) as i64))
    };
    let since = |lasted: Option<u64>| lasted.map(|ns| age.saturating_sub(ns as i64));
    let rel = |at: i64| at.saturating_sub(created);
    text.clear();
    let mut list = List::begin(text);
    list.int(settled(stats.send_wait_total_ns, stats.send_waiters));
    list.int(settled(stats.recv_wait_total_ns, stats.recv_waiters));
    list.maybe(since(stats.oldest_send_wait_ns));
    list.maybe(since(stats.oldest_recv_wait_ns));
    let compared = list.text.len();
    list.count(stats.queue_len);
    list.count(stats.sent_total);
    list.count(stats.recv_total);
    list.count(stats.high_watermark);
    list.count(stats.recv_waits_total);
    list.count(*last_receive);
    list.task(*last_receiver);
    let one = |it: WaitSnapshot| move |list: &mut List<'_>| wait(list, &it, created);
    list.list(recv_wait.map(one));
    list.count(stats.recv_waiters);
    list.count(stats.sender_count);
    list.count(stats.send_waiters);
    list.count(stats.send_waits_total);
    let line = |waits: &[WaitSnapshot], list: &mut List<'_>| {
        for wait in waits {
            list.list(Some(one(*wait)));
        }
    };
    list.list((!send_waits.is_empty()).then_some(|list: &mut List<'_>| line(send_waits, list)));
    list.count(stats.full_total);
    list.maybe(line_since_ns.map(rel));
    list.count(stats.granted_waiters);
    list.count(stats.reserved);
    list.flag(stats.sender_closed);
    list.flag(stats.receiver_closed);
    list.word(stats.close_cause.map(parshall::CloseCause::as_str));
    list.count(stats.discarded);
    list.count(stats.closed_total);
    list.count(stats.send_given_up_total);
    list.count(stats.recv_given_up_total);
    list.count(stats.weak_sender_count);
    list.list(left_waker.map(|left| {
        move |list: &mut List<'_>| {
            list.task(Some(left.task));
            list.flag(left.own_waker);
        }
    }));
    list.list((!close_waits.is_empty()).then_some(|list: &mut List<'_>| line(close_waits, list)));
    list.list(senders.as_ref().map(|senders| {
        move |list: &mut List<'_>| {
            for sender in senders {
                list.list(Some(|list: &mut List<'_>| {
                    list.text(&sender.location);
                    list.task(sender.task);
                    list.int(rel(sender.since_ns));
                }));
            }
        }
    }));
    list.end();
    compared
}

fn wait(list: &mut List<'_>, wait: &WaitSnapshot, created: i64) {
    let rel = |at: i64| at.saturating_sub(created);
    list.int(wait.id as i64);
    list.word(Some(wait.call.as_str()));
    list.task(wait.task);
    list.int(wait.own_waker.into());
    list.int(rel(wait.since_ns));
    list.int(wait.need as i64);
    list.maybe(wait.granted_at_ns.map(rel));
    list.maybe(wait.deadline_ns.map(rel));
}

/// Replaces `text` by what is said of the task.
pub(super) fn task(text: &mut Vec<u8>, task: &TaskSnapshot) {
    text.clear();
    let mut list = List::begin(text);
    list.word(task.state.map(parshall::task::TaskState::as_str));
    list.maybe(task.state_since_ns);
    list.maybe(task.wakers.map(|n| n as i64));
    list.maybe(task.polls.map(|n| n as i64));
    list.maybe(task.waiting_since_ns);
    list.end();
}

/// Every wait of a channel, with its side.
pub(super) fn waits(channel: &ChannelSnapshot) -> impl Iterator<Item = (Side, &WaitSnapshot)> {
    let on = |side| move |wait| (side, wait);
    (channel.send_waits.iter().map(on(Side::Send)))
        .chain(channel.recv_wait.iter().map(on(Side::Receive)))
        .chain(channel.close_waits.iter().map(on(Side::Close)))
}
