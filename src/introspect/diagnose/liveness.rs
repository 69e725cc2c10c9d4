//! Who may get on, and whom they may help: the least fixpoint, in linear time.
//!
//! The rules and why they hold stand in the essay of [`super`].

use super::Side;
use super::scene::{Groups, Scene, Wait};
use crate::Call;
use crate::task::{TaskKind, TaskState};

/// Who may end the waits on a channel by receiving from it, closing or dropping its receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Holder {
    /// Nobody knows.
    Unknown,
    /// It waits in the receive now: the future has the receiver.
    Waits(u32),
    /// It was the last to receive: true unless the receiver is shared, or was moved since.
    Assumed(u32),
}

/// What the analysis says of each actor and each channel.
pub(super) struct Liveness {
    /// By channel.
    pub(super) holders: Vec<Holder>,
    /// By channel: no room is free, and all that is taken without a message was granted to waits
    /// whose owners are known. So only they may give it back.
    pub(super) exact: Vec<bool>,
    /// By actor: it is blocked, and nobody who may get on can help it.
    pub(super) doomed: Vec<bool>,
}

/// Whether an actor can be woken by nothing but the ends of its waits, as far as this look tells.
pub(super) fn is_accounted_for(scene: &Scene<'_>, a: u32) -> bool {
    let actor = &scene.actors[a as usize];
    let waits = scene.waits_by(a).iter().map(|&w| &scene.waits[w as usize]);
    match actor.task.kind() {
        // Inside a blocking call a thread does nothing else, whatever waits it has left elsewhere.
        TaskKind::Thread => {
            waits.clone().any(|wait| wait.is.own_waker)
                && waits
                    .filter(|wait| wait.is.own_waker)
                    .all(|wait| !wait.is_granted() && wait.is.deadline_ns.is_none())
        }
        TaskKind::Named => {
            let Some(is) = actor.is.filter(|is| is.root) else { return false };
            let armed = actor.standing;
            armed > 0
                && is.state == Some(TaskState::Idle)
                && is.wakers == Some(armed + actor.left_wakers)
                && waits.clone().all(|wait| wait.is.own_waker && wait.is.deadline_ns.is_none())
        }
        TaskKind::Tokio | TaskKind::Waker => false,
    }
}

/// Whether it was so at both looks, and at each moment between.
fn is_blocked(scene: &Scene<'_>, a: u32) -> bool {
    let actor = &scene.actors[a as usize];
    let is_thread = actor.task.kind() == TaskKind::Thread;
    let mut waits = scene.waits_by(a).iter().map(|&w| &scene.waits[w as usize]);
    let same = waits.all(|wait| wait.same || is_thread && !wait.is.own_waker);
    let still = || {
        let wakers = actor.is.and_then(|is| is.wakers);
        actor.is_still() && actor.before.is_some_and(|before| before.wakers == wakers)
    };
    same && is_accounted_for(scene, a) && (is_thread || still())
}

/// Whether a task that has never run was there at both looks: any receiver may be in it, and its
/// last user's number would be none the newer.
fn somebody_has_not_begun(scene: &Scene<'_>) -> bool {
    scene.actors.iter().any(|actor| {
        let before = actor.before.and_then(|before| before.polls);
        actor.is.is_some_and(|is| is.polls == Some(0)) && before == Some(0)
    })
}

fn holder(scene: &Scene<'_>, c: u32, doubtful: bool) -> Holder {
    let channel = scene.channel(c);
    // The future of a receive borrows the receiver. Who polls it by hand has it only meanwhile.
    if channel.recv_wait.is_some_and(|wait| wait.call != Call::PollRecv) {
        let receive = scene.on(c).iter().find(|wait| wait.side == Side::Receive);
        let who = receive.filter(|wait| wait.same).and_then(|wait| wait.party);
        return who.map_or(Holder::Unknown, Holder::Waits);
    }
    let who = channel.last_receiver.filter(|_| !doubtful && scene.stands_still(c));
    who.and_then(|task| scene.find(task)).map_or(Holder::Unknown, Holder::Assumed)
}

fn is_exact(scene: &Scene<'_>, c: u32) -> bool {
    let stats = &scene.channel(c).stats;
    let Some(capacity) = stats.capacity else { return false };
    let granted = scene.on(c).iter().filter(|wait| wait.is_granted());
    // A sink may be with another task by now than the one that polled it.
    let is_known =
        |wait: &Wait<'_>| wait.same && wait.party.is_some() && wait.is.call != Call::PollReserve;
    let known = granted.clone().all(is_known);
    let units = granted.fold(0_u64, |sum, wait| sum.saturating_add(wait.is.need));
    known
        && stats.reserved == units
        && stats.queue_len.saturating_add(units) == capacity
        && scene.stands_still(c)
}

impl Liveness {
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let doubtful = somebody_has_not_begun(scene);
        let holders: Vec<_> = scene.channels().map(|c| holder(scene, c, doubtful)).collect();
        let exact: Vec<_> = scene.channels().map(|c| is_exact(scene, c)).collect();
        let blocked: Vec<_> =
            (0..scene.actors.len() as u32).map(|a| is_blocked(scene, a)).collect();
        let mut this = Self { holders, exact, doomed: blocked };
        this.spare_who_may_get_on(scene);
        this
    }

    /// Who may end the waits on one side of a channel; none: that is not known, so somebody may.
    pub(super) fn helpers(
        &self,
        scene: &Scene<'_>,
        c: u32,
        side: Side,
    ) -> Option<Vec<(u32, Option<u64>)>> {
        let mut helpers = Vec::new();
        if side != Side::Receive {
            helpers.push(match self.holders[c as usize] {
                Holder::Unknown => return None,
                Holder::Waits(who) => (who, None),
                Holder::Assumed(who) => (who, Some(scene.channel(c).last_receive)),
            });
        }
        if side == Side::Close {
            return Some(helpers);
        }
        // Any sender may send if there is room, or a permit that nobody knows of.
        if !self.exact[c as usize] || side == Side::Receive && scene.channel(c).stats.queue_len > 0
        {
            return None;
        }
        let granted = scene.on(c).iter().filter(|wait| wait.is_granted());
        helpers.extend(granted.filter_map(|wait| Some((wait.party?, None))));
        Some(helpers)
    }

    /// From all who are not blocked, to those whom they may help, and so on.
    fn spare_who_may_get_on(&mut self, scene: &Scene<'_>) {
        let sides = [Side::Send, Side::Receive, Side::Close];
        let number = |c: u32, side: Side| 3 * c as usize + side as usize;
        // Which waits an actor may end: one number for each side of each channel.
        let (mut helps, mut open) = (Vec::new(), vec![false; 3 * self.holders.len()]);
        let mut next = Vec::new();
        for c in scene.channels().filter(|&c| !scene.on(c).is_empty()) {
            for side in sides {
                if let Some(helpers) = self.helpers(scene, c, side) {
                    helps.extend(helpers.iter().map(|&(who, _)| (who, number(c, side) as u32)));
                } else {
                    open[number(c, side)] = true;
                    next.push((c, side));
                }
            }
        }
        let helps = Groups::new(scene.actors.len(), &helps);
        let mut live: Vec<u32> =
            (0..self.doomed.len() as u32).filter(|&a| !self.doomed[a as usize]).collect();
        loop {
            if let Some(a) = live.pop() {
                for &side in helps.of(a) {
                    if !core::mem::replace(&mut open[side as usize], true) {
                        next.push((side / 3, sides[side as usize % 3]));
                    }
                }
            } else if let Some((c, side)) = next.pop() {
                let ended = scene.on(c).iter().filter(|w| w.side == side && !w.is_granted());
                for a in ended.filter_map(|wait| wait.party) {
                    if core::mem::replace(&mut self.doomed[a as usize], false) {
                        live.push(a);
                    }
                }
            } else {
                return;
            }
        }
    }
}
