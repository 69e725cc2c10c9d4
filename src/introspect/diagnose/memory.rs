//! What is kept of a look for the next one: a row a channel, a row a wait, a row a task. No text.

use std::collections::HashMap;
use std::num::NonZeroU64;

use super::Side;
use super::trend::shifted;
use crate::task::{TaskRef, TaskState};
use crate::{ChannelSnapshot, ChannelStats, Snapshot, WaitSnapshot};

/// Of a wait: its channel, its side, its number.
pub(super) type WaitKey = (u64, Side, u64);

/// All that is kept.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) process: String,
    pub(super) proc_key: String,
    /// When the first look was, on the time line of the last.
    pub(super) begun_at_ns: i64,
    pub(super) taken_at_ns: i64,
    /// By channel id.
    pub(super) channels: Vec<ChannelRow>,
    pub(super) waits: HashMap<WaitKey, WaitRow>,
    pub(super) tasks: HashMap<TaskRef, TaskRow>,
}

/// A channel as it was. There may be very many: it is small.
#[derive(Clone, Debug)]
pub(super) struct ChannelRow {
    pub(super) id: u64,
    pub(super) created_at_ns: i64,
    pub(super) sent: u64,
    pub(super) received: u64,
    last_receiver: Option<NonZeroU64>,
    /// The look from which on messages or senders wait, and nothing was received; `i64::MAX`: none.
    pub(super) pending_since_ns: i64,
    /// Fewer than 2^24.
    reserved: u32,
    /// At most `u32::MAX`.
    pub(super) senders: u32,
    pub(super) sums: WrappingSums,
    /// More senders were seen than there are now.
    pub(super) senders_went: bool,
    /// Fewer messages had been received at an earlier look.
    pub(super) receives_seen: bool,
}

/// Sums that only rise, of which only differences count: the last 32 bits. They are good for two
/// looks between which 4 billion things happen, or senders wait for 49 days altogether.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WrappingSums {
    pub(super) full: u32,
    pub(super) given_up: u32,
    pub(super) send_waits: u32,
    pub(super) send_wait_ms: u32,
    pub(super) recv_waits: u32,
    pub(super) recv_wait_ms: u32,
}

impl WrappingSums {
    pub(super) fn of(stats: &ChannelStats) -> Self {
        Self {
            full: stats.full_total as u32,
            given_up: stats.send_given_up_total as u32,
            send_waits: stats.send_waits_total as u32,
            send_wait_ms: (stats.send_wait_total_ns / 1_000_000) as u32,
            recv_waits: stats.recv_waits_total as u32,
            recv_wait_ms: (stats.recv_wait_total_ns / 1_000_000) as u32,
        }
    }

    /// What has been added since.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            full: self.full.wrapping_sub(before.full),
            given_up: self.given_up.wrapping_sub(before.given_up),
            send_waits: self.send_waits.wrapping_sub(before.send_waits),
            send_wait_ms: self.send_wait_ms.wrapping_sub(before.send_wait_ms),
            recv_waits: self.recv_waits.wrapping_sub(before.recv_waits),
            recv_wait_ms: self.recv_wait_ms.wrapping_sub(before.recv_wait_ms),
        }
    }
}

/// A wait as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitRow {
    pub(super) granted: bool,
    /// The look from which on its channel has stood still, and it was granted or was not.
    pub(super) still_since_ns: i64,
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
    /// That of one that begins to look now.
    pub(super) fn begun_at(now: i64) -> Self {
        Self { begun_at_ns: now, ..Self::default() }
    }

    /// Keeps what the next look needs of this one, and forgets the rest.
    pub(super) fn advance(&mut self, snapshot: &Snapshot, order: &[u32]) {
        let channels = || order.iter().map(|&place| &snapshot.channels[place as usize]);
        let tasks: HashMap<TaskRef, TaskRow> = (snapshot.tasks.iter())
            .map(|task| {
                let row = TaskRow { state: task.state, polls: task.polls, wakers: task.wakers };
                (task.task, row)
            })
            .collect();
        let mut waits = HashMap::new();
        for channel in channels() {
            for (side, wait) in waits_of(channel) {
                let key = (channel.stats.channel_id, side, wait.id);
                let granted = wait.granted_at_ns.is_some();
                let same = self.waits.get(&key).filter(|row| row.granted == granted);
                let polls_at_grant = match same {
                    Some(row) => row.polls_at_grant,
                    None if granted => wait.task.and_then(|task| tasks.get(&task)?.polls),
                    None => None,
                };
                let before = self.channel(channel.stats.channel_id);
                let same = same.filter(|_| before.is_some_and(|row| row.stands_still(channel)));
                let still_since_ns = same.map_or(snapshot.taken_at_ns, |row| row.still_since_ns);
                waits.insert(key, WaitRow { granted, still_since_ns, polls_at_grant });
            }
        }
        // In place: two copies of all rows would be the most that a look needs.
        let mut known = channels().map(|channel| channel.stats.channel_id).peekable();
        self.channels.retain(|row| {
            while known.next_if(|&id| id < row.id).is_some() {}
            // One row for one channel, even if a text that was read has two of one number.
            known.next_if_eq(&row.id).is_some()
        });
        let kept = self.channels.len();
        self.channels.reserve_exact(order.len() - kept);
        let mut i = 0;
        for channel in channels() {
            if i < kept && self.channels[i].id == channel.stats.channel_id {
                let row = ChannelRow::of(channel, Some(&self.channels[i]), snapshot.taken_at_ns);
                self.channels[i] = row;
                i += 1;
            } else {
                self.channels.push(ChannelRow::of(channel, None, snapshot.taken_at_ns));
            }
        }
        self.channels.sort_unstable_by_key(|row| row.id);
        self.process.clone_from(&snapshot.process);
        self.proc_key.clone_from(&snapshot.proc_key);
        self.taken_at_ns = snapshot.taken_at_ns;
        (self.waits, self.tasks) = (waits, tasks);
    }

    /// Moves its times to a line that is ahead by `shift`.
    pub(super) fn shift(&mut self, shift: i64) {
        self.begun_at_ns = shifted(self.begun_at_ns, shift);
        self.taken_at_ns = shifted(self.taken_at_ns, shift);
        for row in &mut self.channels {
            row.created_at_ns = shifted(row.created_at_ns, shift);
            row.pending_since_ns = shifted(row.pending_since_ns, shift);
        }
        for row in self.waits.values_mut() {
            row.still_since_ns = shifted(row.still_since_ns, shift);
        }
    }

    pub(super) fn channel(&self, id: u64) -> Option<&ChannelRow> {
        let place = self.channels.binary_search_by_key(&id, |row| row.id).ok()?;
        Some(&self.channels[place])
    }
}

impl ChannelRow {
    fn of(channel: &ChannelSnapshot, before: Option<&Self>, now: i64) -> Self {
        let stats = &channel.stats;
        let senders = u32::try_from(stats.sender_count).unwrap_or(u32::MAX);
        let same = before.filter(|before| before.received == stats.recv_total);
        let pending_before = same.map_or(i64::MAX, |row| row.pending_since_ns);
        Self {
            id: stats.channel_id,
            created_at_ns: stats.created_at_ns,
            sent: stats.sent_total,
            received: stats.recv_total,
            last_receiver: NonZeroU64::new(TaskRef::word(channel.last_receiver)),
            pending_since_ns: if is_pending(channel) { pending_before.min(now) } else { i64::MAX },
            reserved: stats.reserved as u32,
            senders,
            sums: WrappingSums::of(stats),
            receives_seen: before
                .is_some_and(|row| row.receives_seen || row.received != stats.recv_total),
            senders_went: before.is_some_and(|row| row.senders_went || row.senders > senders),
        }
    }

    /// Nothing has come in or out, and the receiver's last user is the same. (Clones of senders may
    /// come and go.) The number of its last receive need not be kept: who has not run has not
    /// polled the receiver.
    pub(super) fn stands_still(&self, now: &ChannelSnapshot) -> bool {
        let stats = &now.stats;
        self.sent == stats.sent_total
            && self.received == stats.recv_total
            && u64::from(self.reserved) == stats.reserved
            && self.last_receiver == NonZeroU64::new(TaskRef::word(now.last_receiver))
    }
}
