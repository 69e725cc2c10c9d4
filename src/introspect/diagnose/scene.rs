//! Who is there, who waits for what, and what of that was so at the look before. By numbers, each
//! an index: texts are made for findings only.

use std::collections::HashMap;

use super::memory::{ChannelRow, Memory, TaskRow, waits_of};
use super::{ChannelRef, Hop, Party, Side, bound};
use crate::task::{TaskKind, TaskRef, TaskState};
use crate::{ChannelSnapshot, Snapshot, TaskSnapshot, WaitSnapshot};

/// A wait in the snapshot.
pub(super) struct Wait<'a> {
    pub(super) is: &'a WaitSnapshot,
    /// Whose; none if that is not known.
    pub(super) party: Option<u32>,
    pub(super) channel: u32,
    pub(super) side: Side,
    /// It stood at the look before, and then as now it was granted, or was not.
    pub(super) same: bool,
    /// If so, the look from which on its channel had stood still.
    pub(super) still_since_ns: Option<i64>,
}

impl Wait<'_> {
    pub(super) fn is_granted(&self) -> bool {
        self.is.granted_at_ns.is_some()
    }
}

/// A task, thread or waker that the snapshot names.
pub(super) struct Actor<'a> {
    pub(super) task: TaskRef,
    pub(super) is: Option<&'a TaskSnapshot>,
    pub(super) before: Option<TaskRow>,
    /// Its waits that were not granted.
    pub(super) standing: u64,
    /// Of those the one that says most of what it does: the oldest, sends first, since a receive
    /// may be awaited for long without anything being wrong.
    pub(super) foremost: Option<u32>,
    /// Of those the oldest.
    pub(super) oldest: Option<u32>,
    /// Wakers that it has left behind in channels.
    pub(super) left_wakers: u64,
}

impl Actor<'_> {
    /// A named task that is idle, and was at the look before, and has not run between.
    pub(super) fn is_still(&self) -> bool {
        let (Some(now), Some(before)) = (self.is, self.before) else { return false };
        now.state == Some(TaskState::Idle)
            && before.state == Some(TaskState::Idle)
            && now.polls.is_some()
            && now.polls == before.polls
    }

    /// A named task that was woken before the last look, and has not run since. One that was never
    /// polled was not woken: but for a root, whose runtime has had it since it was made.
    pub(super) fn is_left_woken(&self) -> bool {
        let (Some(now), Some(before)) = (self.is, self.before) else { return false };
        now.state == Some(TaskState::Scheduled)
            && before.state == now.state
            && before.polls == now.polls
            && (now.root || now.polls.is_some_and(|polls| polls > 0))
    }
}

/// A snapshot beside what is kept of the last one.
pub(super) struct Scene<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) before: Option<&'a Memory>,
    /// Places of channels in the snapshot, by channel id.
    pub(super) order: &'a [u32],
    pub(super) actors: Vec<Actor<'a>>,
    pub(super) waits: Vec<Wait<'a>>,
    /// The waits of channel `c` are `waits[of_channel[c]..of_channel[c + 1]]`.
    of_channel: Vec<u32>,
    /// Those of actor `a` are the waits with the numbers in its part of this.
    of_actor: Groups,
    /// The channels that actor `a` was the last to receive from.
    received_by: Groups,
    /// By task.
    places: HashMap<TaskRef, u32>,
}

impl<'a> Scene<'a> {
    /// `order`: places of channels in the snapshot, by channel id.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        order: &'a [u32],
        before: Option<&'a Memory>,
    ) -> Self {
        let mut scene = Self {
            snapshot,
            before,
            order,
            actors: Vec::with_capacity(snapshot.tasks.len()),
            waits: Vec::new(),
            of_channel: Vec::with_capacity(order.len() + 1),
            of_actor: Groups::default(),
            received_by: Groups::default(),
            places: HashMap::with_capacity(snapshot.tasks.len()),
        };
        for task in &snapshot.tasks {
            let place = scene.actor(task.task);
            scene.actors[place as usize].is = Some(task);
        }
        let mut received = Vec::new();
        for c in 0..order.len() as u32 {
            let channel = scene.channel(c);
            scene.of_channel.push(scene.waits.len() as u32);
            for (side, is) in waits_of(channel) {
                let party = is.task.map(|task| scene.actor(task));
                let row = before
                    .and_then(|before| before.waits.get(&(channel.stats.channel_id, side, is.id)));
                let row = row.filter(|row| row.granted == is.granted_at_ns.is_some());
                let still_since_ns = row.map(|row| row.still_since_ns);
                let same = row.is_some();
                if let Some(party) = party.filter(|_| is.granted_at_ns.is_none()) {
                    scene.actors[party as usize].standing += 1;
                    scene.put_foremost(party, (side, is.since_ns));
                    scene.put_oldest(party, is.since_ns);
                }
                scene.waits.push(Wait { is, party, channel: c, side, same, still_since_ns });
            }
            if let Some(task) = channel.last_receiver {
                received.push((scene.actor(task), c));
            }
            if let Some(left) = channel.left_waker.filter(|left| left.own_waker) {
                let place = scene.actor(left.task);
                scene.actors[place as usize].left_wakers += 1;
            }
        }
        scene.of_channel.push(scene.waits.len() as u32);
        let waits = scene.waits.iter().enumerate();
        let of_actor: Vec<_> =
            waits.filter_map(|(w, wait)| Some((wait.party?, w as u32))).collect();
        scene.of_actor = Groups::new(scene.actors.len(), &of_actor);
        scene.received_by = Groups::new(scene.actors.len(), &received);
        scene
    }

    /// The next wait is one of `party`.
    fn put_foremost(&mut self, party: u32, (side, since_ns): (Side, i64)) {
        let next = self.waits.len() as u32;
        let rank = |side, since_ns| (side == Side::Receive, since_ns);
        let foremost = &mut self.actors[party as usize].foremost;
        let is_before = |&known: &u32| {
            let known = &self.waits[known as usize];
            rank(known.side, known.is.since_ns) <= rank(side, since_ns)
        };
        if !foremost.as_ref().is_some_and(is_before) {
            *foremost = Some(next);
        }
    }

    /// As [`put_foremost`](Self::put_foremost).
    fn put_oldest(&mut self, party: u32, since_ns: i64) {
        let next = self.waits.len() as u32;
        let oldest = &mut self.actors[party as usize].oldest;
        if oldest.is_none_or(|known| self.waits[known as usize].is.since_ns > since_ns) {
            *oldest = Some(next);
        }
    }

    fn actor(&mut self, task: TaskRef) -> u32 {
        let next = self.actors.len() as u32;
        let place = *self.places.entry(task).or_insert(next);
        if place == next {
            let before = self.before.and_then(|before| before.tasks.get(&task).copied());
            self.actors.push(Actor {
                task,
                is: None,
                before,
                standing: 0,
                foremost: None,
                oldest: None,
                left_wakers: 0,
            });
        }
        place
    }

    pub(super) fn find(&self, task: TaskRef) -> Option<u32> {
        self.places.get(&task).copied()
    }

    pub(super) fn channel(&self, c: u32) -> &'a ChannelSnapshot {
        &self.snapshot.channels[self.order[c as usize] as usize]
    }

    /// What was kept of a channel, if it was there at the look before.
    pub(super) fn channel_before(&self, c: u32) -> Option<&'a ChannelRow> {
        self.before?.channel(self.channel(c).stats.channel_id)
    }

    /// All channels, by channel id.
    pub(super) fn channels(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.order.len() as u32
    }

    /// The numbers of a channel's waits: sends in line, those granted, the receive, close waits.
    pub(super) fn waits_on(&self, c: u32) -> core::ops::Range<u32> {
        self.of_channel[c as usize]..self.of_channel[c as usize + 1]
    }

    /// A channel's waits.
    pub(super) fn on(&self, c: u32) -> &[Wait<'a>] {
        let range = self.waits_on(c);
        &self.waits[range.start as usize..range.end as usize]
    }

    /// The numbers of an actor's waits.
    pub(super) fn waits_by(&self, actor: u32) -> &[u32] {
        self.of_actor.of(actor)
    }

    /// The waits of an actor that were not granted, the longest first.
    pub(super) fn standing(&self, actor: u32) -> Vec<u32> {
        let waits = self.waits_by(actor).iter().copied();
        let mut waits: Vec<u32> = waits.filter(|&w| !self.waits[w as usize].is_granted()).collect();
        waits.sort_by_key(|&w| self.waits[w as usize].is.since_ns);
        waits
    }

    /// The channels that an actor was the last to receive from.
    pub(super) fn received_by(&self, actor: u32) -> &[u32] {
        self.received_by.of(actor)
    }

    /// Nothing was sent or received, no permit came or went, and the receiver's last user is the
    /// same as at the look before; nor has a wait been granted.
    pub(super) fn stands_still(&self, c: u32) -> bool {
        let channel = self.channel(c);
        self.channel_before(c).is_some_and(|before| before.stands_still(channel))
            && self.on(c).iter().all(|wait| wait.same || !wait.is_granted())
    }

    pub(super) fn now(&self) -> i64 {
        self.snapshot.taken_at_ns
    }

    pub(super) fn channel_ref(&self, c: u32) -> ChannelRef {
        ChannelRef::of(self.channel(c))
    }

    pub(super) fn party(&self, actor: u32) -> Party {
        let Actor { task, is, .. } = &self.actors[actor as usize];
        let number = task.number();
        let known = is.and_then(|is| is.name.as_deref());
        let unnamed = || match task.kind() {
            TaskKind::Named | TaskKind::Tokio => format!("task {number}"),
            TaskKind::Thread => format!("thread {number}"),
            TaskKind::Waker => format!("waker {number:x}"),
        };
        let name = known.map_or_else(unnamed, bound::name);
        Party { task: *task, id: task.node_id_in(&bound::name(&self.snapshot.process)), name }
    }

    /// A wait as a step of a chain. Its owner is known.
    pub(super) fn hop(&self, w: u32, last_receive: Option<u64>) -> Option<Hop> {
        let wait = &self.waits[w as usize];
        Some(Hop {
            who: self.party(wait.party?),
            call: wait.is.call,
            side: wait.side,
            since_ns: wait.is.since_ns,
            channel: self.channel_ref(wait.channel),
            last_receive,
        })
    }
}

impl ChannelRef {
    pub(super) fn of(channel: &ChannelSnapshot) -> Self {
        let stats = &channel.stats;
        Self {
            id: bound::name(&channel.id),
            channel_id: stats.channel_id,
            name: bound::name(&stats.label),
            location: bound::name(&stats.location),
            len: stats.queue_len,
            capacity: stats.capacity,
        }
    }
}

/// Numbers in groups: `of(g)` are those of group `g`.
#[derive(Default)]
pub(super) struct Groups {
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl Groups {
    /// `pairs` of group and member; within a group they keep their order.
    pub(super) fn new(groups: usize, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0; groups + 1];
        for &(group, _) in pairs {
            starts[group as usize + 1] += 1;
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut members) = (starts.clone(), vec![0; pairs.len()]);
        for &(group, member) in pairs {
            let place = &mut next[group as usize];
            members[*place as usize] = member;
            *place += 1;
        }
        Self { starts, members }
    }

    pub(super) fn groups(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn of(&self, group: u32) -> &[u32] {
        &self.members
            [self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }
}
