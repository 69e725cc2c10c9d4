//! What is kept of a look for the next one: a row a channel, a row a wait, a row a task. No text.

use std::collections::HashMap;

use super::Side;
use super::trend::{Trends, shifted};
use crate::task::{TaskRef, TaskState};
use crate::{ChannelSnapshot, Snapshot, WaitSnapshot};

/// Of a wait: its channel, its side, its number.
pub(super) type WaitKey = (u64, Side, u64);

/// All that is kept.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) process: String,
    pub(super) proc_key: String,
    pub(super) taken_at_ns: i64,
    /// By channel id.
    pub(super) channels: Vec<ChannelRow>,
    pub(super) waits: HashMap<WaitKey, WaitRow>,
    pub(super) tasks: HashMap<TaskRef, TaskRow>,
}

/// A channel as it was.
#[derive(Clone, Debug)]
pub(super) struct ChannelRow {
    pub(super) id: u64,
    pub(super) created_at_ns: i64,
    pub(super) facts: Facts,
    /// The look at which `recv_total` was first what it is now.
    pub(super) unreceived_since_ns: i64,
    /// The look from which on messages or senders wait, and nothing was received; `i64::MAX`: none.
    pub(super) pending_since_ns: i64,
    /// More senders were seen than there are now.
    pub(super) senders_went: bool,
    pub(super) trends: Trends,
}

/// What must be the same in two looks for a channel to stand still, and what rates are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) len: u64,
    pub(super) reserved: u64,
    pub(super) receiver: Option<TaskRef>,
    pub(super) last_receive: u64,
    pub(super) senders: u64,
}

impl Facts {
    fn of(channel: &ChannelSnapshot) -> Self {
        let stats = &channel.stats;
        Self {
            sent: stats.sent_total,
            received: stats.recv_total,
            len: stats.queue_len,
            reserved: stats.reserved,
            receiver: channel.last_receiver,
            last_receive: channel.last_receive,
            senders: stats.sender_count,
        }
    }

    /// Nothing has come in or out, and the receiver's last user is the same. (Clones of senders may
    /// come and go.)
    pub(super) fn stands_still(&self, now: &ChannelSnapshot) -> bool {
        *self == Self { senders: self.senders, ..Self::of(now) }
    }
}

/// A wait as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitRow {
    pub(super) granted: bool,
    /// How often its task had been polled when the grant was first seen.
    pub(super) polls_at_grant: Option<u64>,
}

/// A task as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskRow {
    pub(super) state: Option<TaskState>,
    pub(super) polls: Option<u64>,
    pub(super) wakers: Option<u64>,
}

/// All waits of a channel with their sides.
pub(super) fn waits_of(
    channel: &ChannelSnapshot,
) -> impl Iterator<Item = (Side, &WaitSnapshot)> + '_ {
    let sends = channel.send_waits.iter().map(|wait| (Side::Send, wait));
    let receives = channel.recv_wait.iter().map(|wait| (Side::Receive, wait));
    let closes = channel.close_waits.iter().map(|wait| (Side::Close, wait));
    sends.chain(receives).chain(closes)
}

/// Whether somebody should receive: messages lie there, or senders wait.
pub(super) fn is_pending(channel: &ChannelSnapshot) -> bool {
    channel.recv_wait.is_none()
        && (channel.stats.queue_len > 0
            || channel.send_waits.iter().any(|wait| wait.granted_at_ns.is_none()))
}

impl Memory {
    /// What is kept of the first look, or of a later one, given what was kept before.
    pub(super) fn of(snapshot: &Snapshot, order: &[u32], before: Option<&Self>) -> Self {
        let now = snapshot.taken_at_ns;
        let tasks: HashMap<TaskRef, TaskRow> = (snapshot.tasks.iter())
            .map(|task| {
                let row = TaskRow { state: task.state, polls: task.polls, wakers: task.wakers };
                (task.task, row)
            })
            .collect();
        let mut waits = HashMap::new();
        let mut channels = Vec::with_capacity(order.len());
        for &place in order {
            let channel = &snapshot.channels[place as usize];
            let id = channel.stats.channel_id;
            for (side, wait) in waits_of(channel) {
                let key = (id, side, wait.id);
                let granted = wait.granted_at_ns.is_some();
                let known = before.and_then(|before| before.waits.get(&key)).filter(|w| w.granted);
                let polls = || wait.task.and_then(|task| tasks.get(&task)?.polls);
                let polls_at_grant = match known {
                    Some(row) => row.polls_at_grant,
                    None if granted => polls(),
                    None => None,
                };
                waits.insert(key, WaitRow { granted, polls_at_grant });
            }
            channels.push(ChannelRow::of(channel, before.and_then(|b| b.channel(id)), now));
        }
        Self {
            process: snapshot.process.clone(),
            proc_key: snapshot.proc_key.clone(),
            taken_at_ns: now,
            channels,
            waits,
            tasks,
        }
    }

    /// The same, with its times on a line that is ahead by `shift`.
    pub(super) fn on_the_line_of(mut self, shift: i64) -> Self {
        if shift != 0 {
            self.taken_at_ns = shifted(self.taken_at_ns, shift);
            for row in &mut self.channels {
                row.created_at_ns = shifted(row.created_at_ns, shift);
                row.unreceived_since_ns = shifted(row.unreceived_since_ns, shift);
                row.pending_since_ns = shifted(row.pending_since_ns, shift);
                row.trends = row.trends.shifted(shift);
            }
        }
        self
    }

    pub(super) fn channel(&self, id: u64) -> Option<&ChannelRow> {
        let place = self.channels.binary_search_by_key(&id, |row| row.id).ok()?;
        Some(&self.channels[place])
    }
}

impl ChannelRow {
    fn of(channel: &ChannelSnapshot, before: Option<&Self>, now: i64) -> Self {
        let facts = Facts::of(channel);
        let same = before.filter(|before| before.facts.received == facts.received);
        let pending = is_pending(channel);
        let pending_before = same.map_or(i64::MAX, |row| row.pending_since_ns);
        Self {
            id: channel.stats.channel_id,
            created_at_ns: channel.stats.created_at_ns,
            unreceived_since_ns: same.map_or(now, |row| row.unreceived_since_ns),
            pending_since_ns: if pending { pending_before.min(now) } else { i64::MAX },
            senders_went: before
                .is_some_and(|row| row.senders_went || row.facts.senders > facts.senders),
            trends: before.map_or_else(Trends::default, |row| row.trends),
            facts,
        }
    }
}
