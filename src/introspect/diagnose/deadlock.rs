//! The doomed: cycles among them, what their proofs rest on, and who hangs on them.

use std::collections::{HashMap, HashSet, VecDeque};

use super::behind::{short, tally};
use super::bound::Found;
use super::liveness::{Holder, Liveness};
use super::scene::{Groups, Scene, Wait};
use super::words::label;
use super::{Behind, Evidence, Finding, FindingKind, Hop, Side, Verdict, bound};

const SIDES: [Side; 3] = [Side::Send, Side::Receive, Side::Close];

/// Actors, and the sides of channels, as nodes: an actor needs each side that it waits on, a side
/// needs those who may end its waits. So there are no more edges than waits and helpers.
struct Needs {
    actors: u32,
    edges: Groups,
}

impl Needs {
    fn of(scene: &Scene<'_>, life: &Liveness) -> Self {
        let actors = scene.actors.len() as u32;
        let mut edges = Vec::new();
        let mut needed = vec![false; 3 * scene.order.len()];
        for a in (0..actors).filter(|&a| life.doomed[a as usize]) {
            for w in scene.standing(a) {
                let wait = &scene.waits[w as usize];
                let side = 3 * wait.channel + wait.side as u32;
                edges.push((a, actors + side));
                if core::mem::replace(&mut needed[side as usize], true) {
                    continue;
                }
                let helpers = life.helpers(scene, wait.channel, wait.side).unwrap_or_default();
                edges.extend(helpers.iter().map(|&(who, _)| (actors + side, who)));
            }
        }
        let nodes = actors as usize + needed.len();
        Self { actors, edges: Groups::new(nodes, &edges) }
    }

    fn side(&self, node: u32) -> Option<(u32, Side)> {
        let side = node.checked_sub(self.actors)?;
        Some((side / 3, SIDES[side as usize % 3]))
    }

    /// Strongly connected components that can be reached from `roots`: each after those that it
    /// needs.
    fn components(&self, roots: impl Iterator<Item = u32>) -> Vec<Vec<u32>> {
        const NEW: u32 = u32::MAX;
        let nodes = self.edges.groups();
        let (mut number, mut low) = (vec![NEW; nodes], vec![0; nodes]);
        let mut is_open = vec![false; nodes];
        let (mut count, mut open, mut components) = (0, Vec::new(), Vec::new());
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in roots {
            if number[root as usize] == NEW {
                path.push((root, 0));
            }
            while let Some((node, edge)) = path.pop() {
                let n = node as usize;
                if edge == 0 {
                    (number[n], low[n]) = (count, count);
                    count += 1;
                    open.push(node);
                    is_open[n] = true;
                }
                if let Some(&to) = self.edges.of(node).get(edge) {
                    path.push((node, edge + 1));
                    if number[to as usize] == NEW {
                        path.push((to, 0));
                    } else if is_open[to as usize] {
                        low[n] = low[n].min(number[to as usize]);
                    }
                    continue;
                }
                if let Some(&(parent, _)) = path.last() {
                    low[parent as usize] = low[parent as usize].min(low[n]);
                }
                if low[n] == number[n] {
                    let start = open.iter().rposition(|&other| other == node).unwrap_or(0);
                    let component = open.split_off(start);
                    for &node in &component {
                        is_open[node as usize] = false;
                    }
                    components.push(component);
                }
            }
        }
        components
    }

    /// The shortest way from `start` back to it.
    fn cycle(&self, start: u32) -> Vec<u32> {
        let mut from = HashMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(node) = next.pop_front() {
            for &to in self.edges.of(node) {
                if to == start {
                    let mut cycle = vec![node];
                    while let Some(&before) = from.get(cycle.last().unwrap_or(&start)) {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return cycle;
                }
                from.entry(to).or_insert_with(|| {
                    next.push_back(to);
                    node
                });
            }
        }
        Vec::new()
    }
}

/// For each channel whether it hangs on what was found.
pub(super) fn find(scene: &Scene<'_>, life: &Liveness, findings: &mut Found) -> Vec<bool> {
    let mut covered = vec![false; scene.order.len()];
    if !life.doomed.contains(&true) {
        return covered;
    }
    let needs = Needs::of(scene, life);
    let doomed = (0..needs.actors).filter(|&a| life.doomed[a as usize]);
    let components = needs.components(doomed);
    // The component of each node. Those that need no other one are where it hangs.
    let mut component_of = vec![u32::MAX; needs.edges.groups()];
    for (i, component) in components.iter().enumerate() {
        for &node in component {
            component_of[node as usize] = i as u32;
        }
    }
    let mut hang = vec![false; scene.waits.len()];
    for (i, component) in components.iter().enumerate() {
        let inside = |&to: &u32| component_of[to as usize] == i as u32;
        let is_last = component.iter().all(|&node| needs.edges.of(node).iter().all(inside));
        let first = component.iter().filter(|&&node| node < needs.actors);
        let first = first.min_by_key(|&&node| scene.actors[node as usize].task);
        if let Some(&first) = first.filter(|_| is_last && component.len() > 1) {
            let found = tell(scene, life, &needs, component, first, &mut covered, &mut hang);
            if let Some(found) = found {
                findings.push(found);
            }
        }
    }
    covered
}

/// The finding about one component.
fn tell(
    scene: &Scene<'_>,
    life: &Liveness,
    needs: &Needs,
    component: &[u32],
    first: u32,
    covered: &mut [bool],
    hang: &mut [bool],
) -> Option<Finding> {
    let sides: Vec<_> = component.iter().filter_map(|&node| needs.side(node)).collect();
    // What the proof rests on: of all that is in it, for each way out of it had to be shut.
    let mut rests: Vec<u32> = (sides.iter().filter(|(_, side)| *side != Side::Receive))
        .filter(|(c, _)| matches!(life.holders[*c as usize], Holder::Assumed(_)))
        .map(|&(c, _)| c)
        .collect();
    rests.sort_unstable();
    rests.dedup();
    let actors: HashSet<u32> =
        component.iter().copied().filter(|&node| node < needs.actors).collect();
    let theirs = |wait: &&Wait<'_>| wait.party.is_some_and(|who| actors.contains(&who));
    let mut places: Vec<u32> = sides.iter().map(|&(c, _)| c).collect();
    places.sort_unstable();
    let mut grants = places.iter().flat_map(|&c| scene.on(c)).filter(|wait| wait.is_granted());
    if let Some(grant) = grants.find(theirs).filter(|_| rests.is_empty()) {
        let holder = grant.party?;
        let behind = behind(scene, &actors, &HashSet::from([holder]), covered, hang);
        let channel = scene.channel_ref(grant.channel);
        let holder_waits = scene.standing(holder);
        let polls = super::futurelock::polls_since(scene, grant);
        // A message where a receive was given up makes its task poll again. That is no way out only
        // if all futures keep wakers: see the essay. So it is no proof.
        let left = actors.iter().any(|&a| scene.actors[a as usize].left_wakers > 0);
        return Some(Finding {
            kind: FindingKind::Futurelock,
            verdict: if left { Verdict::Stuck } else { Verdict::Proven },
            since_ns: grant.is.granted_at_ns?,
            since_known: true,
            more_channels: 0,
            more_tasks: 0,
            seen_ns: scene.now(),
            channels: vec![channel.clone()],
            tasks: vec![scene.party(holder)],
            victims: behind.senders + behind.receivers,
            assumption: None,
            evidence: Evidence::Futurelock {
                channel,
                holder: scene.party(holder),
                granted_at_ns: grant.is.granted_at_ns?,
                polls,
                waits: holder_waits.first().and_then(|&w| scene.hop(w, None)).map(Box::new),
                behind,
            },
        });
    }
    let cycle = needs.cycle(first);
    let mut members: Vec<u32> = cycle.iter().copied().filter(|&node| node < needs.actors).collect();
    let aside = members.iter().copied().collect();
    let mut hops = hops(scene, life, needs, &cycle);
    let since_ns = hops.iter().map(|hop| hop.since_ns).max()?;
    let behind = behind(scene, &actors, &aside, covered, hang);
    let all: HashSet<u64> = hops.iter().map(|hop| hop.channel.channel_id).collect();
    bound::list(&mut hops);
    let mut channels: Vec<_> = hops.iter().map(|hop| hop.channel.clone()).collect();
    let mut seen = HashSet::new();
    channels.retain(|channel| seen.insert(channel.channel_id));
    let more_tasks = bound::list(&mut members);
    Some(Finding {
        kind: FindingKind::Deadlock,
        verdict: if rests.is_empty() { Verdict::Proven } else { Verdict::Conditional },
        since_ns,
        since_known: true,
        seen_ns: scene.now(),
        more_channels: (all.len() - channels.len()) as u64,
        channels,
        tasks: members.iter().map(|&a| scene.party(a)).collect(),
        more_tasks,
        victims: behind.senders + behind.receivers,
        assumption: (!rests.is_empty()).then(|| assumption(scene, &rests)),
        evidence: Evidence::Deadlock { cycle: hops, behind },
    })
}

/// The actors of a cycle with the waits that lead on.
fn hops(scene: &Scene<'_>, life: &Liveness, needs: &Needs, cycle: &[u32]) -> Vec<Hop> {
    let steps = cycle.iter().enumerate().filter(|&(_, &node)| node < needs.actors);
    let hop = |(i, &actor): (usize, &u32)| {
        let (c, side) = needs.side(*cycle.get(i + 1)?)?;
        let next = cycle.get(i + 2).unwrap_or(&cycle[0]);
        let helpers = life.helpers(scene, c, side)?;
        // Who holds the room and receives as well is a certain helper.
        let rest = helpers.iter().filter(|(who, _)| who == next).map(|&(_, rest)| rest).min()?;
        let waits = scene.standing(actor);
        let wait = waits.into_iter().find(|&w| {
            let wait = &scene.waits[w as usize];
            wait.channel == c && wait.side == side
        })?;
        scene.hop(wait, rest)
    };
    steps.filter_map(hop).collect()
}

/// `the receiver of "acks" or "wal" is shared or was moved since its last receive`.
fn assumption(scene: &Scene<'_>, rests: &[u32]) -> String {
    // What a person reads to the end.
    const MOST: usize = 8;
    let shown = &rests[..rests.len().min(MOST)];
    let name = |&c: &u32| {
        let shown = label(&scene.channel(c).stats.label, 40);
        format!("`{}`", short(&shown))
    };
    let names: Vec<_> = shown.iter().map(name).collect();
    let more = match rests.len() - shown.len() {
        0 => String::new(),
        n => format!(" or of {n} more"),
    };
    format!(
        "the receiver of {}{more} is shared or was moved since its last receive",
        names.join(" or ")
    )
}

/// Who hangs on `actors`, the `members` aside: the waits on what they should receive, and on what
/// those who wait there should receive, and so on. Marks those channels and waits.
fn behind(
    scene: &Scene<'_>,
    actors: &HashSet<u32>,
    members: &HashSet<u32>,
    covered: &mut [bool],
    hang: &mut [bool],
) -> Behind {
    let mut next: Vec<u32> = actors.iter().copied().collect();
    let mut theirs = actors.clone();
    let mut waits = Vec::new();
    let mut hangs = |w: u32, next: &mut Vec<u32>| {
        if core::mem::replace(&mut hang[w as usize], true) {
            return;
        }
        let party = scene.waits[w as usize].party;
        if party.is_none_or(|party| !members.contains(&party)) {
            waits.push(w);
        }
        // Who waits elsewhere too may get on there.
        if let Some(party) = party.filter(|&party| scene.actors[party as usize].standing == 1)
            && theirs.insert(party)
        {
            next.push(party);
        }
    };
    for &a in actors {
        scene.standing(a).into_iter().for_each(|w| hangs(w, &mut next));
    }
    while let Some(a) = next.pop() {
        let granted = scene.waits_by(a).iter().map(|&w| &scene.waits[w as usize]);
        let granted = granted.filter(|wait| wait.is_granted()).map(|wait| wait.channel);
        for c in scene.received_by(a).iter().copied().chain(granted) {
            if core::mem::replace(&mut covered[c as usize], true) {
                continue;
            }
            let waiting = scene.waits_on(c).filter(|&w| !scene.waits[w as usize].is_granted());
            waiting.for_each(|w| hangs(w, &mut next));
        }
    }
    tally(scene, waits)
}
