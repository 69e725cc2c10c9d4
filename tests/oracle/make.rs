//! How programs are made up.

use proptest::prelude::*;

use crate::program::{C, Call, EVENTS, Kind, Moments, Program, Step, StrandPlan, TaskPlan};

/// What the programs have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Any channel, any strand.
    Any,
    /// A strand receives from the channel of its number, and sends to the next mostly.
    Ring,
    /// Likewise; and first each sends, receives, and sends more than there is room for.
    Circle,
    /// The first strand keeps a wait that will be granted room, and waits; the second receives.
    /// The number says for how much room, and for what.
    Lock(u8),
}

impl Shape {
    /// What a strand does, before other steps are put between.
    fn seed(self, strand: usize, caps: &[Option<u8>]) -> Option<Vec<Step>> {
        let n = caps.len();
        let (own, next) = ((strand % n) as C, ((strand + 1) % n) as C);
        let all = caps[0].unwrap_or(1);
        let calls = match (self, strand) {
            (Self::Circle, _) if strand < n => {
                vec![
                    Call::Send(next, None),
                    Call::Recv(own),
                    Call::SendMany(next, 1 + caps[next as usize].unwrap_or(3)),
                ]
            }
            (Self::Lock(how), 0) => {
                let waits = if how & 4 == 0 { Call::Send(0, None) } else { Call::Closed(0) };
                return Some(vec![
                    Step::Wait(Call::SendMany(0, all)),
                    Step::SelectKeep(Call::ReserveMany(0, 1 + how % all), Call::Event(0)),
                    Step::Wait(waits),
                ]);
            }
            (Self::Lock(_), 1) => {
                let receives = (0..=all).map(|_| Call::Recv(0));
                [Call::Event(1)].into_iter().chain(receives).collect()
            }
            _ => return None,
        };
        Some(calls.into_iter().map(Step::Wait).collect())
    }
}

/// A channel as a step names it, before it is known how many there are.
#[derive(Clone, Copy, Debug)]
struct Place(u8);

impl Place {
    fn of(self, shape: Shape, strand: usize, receives: bool, n: usize) -> C {
        let any = self.0 as usize % n;
        let channel = match shape {
            Shape::Ring | Shape::Circle if self.0 < 200 => {
                if receives {
                    strand
                } else {
                    strand + 1
                }
            }
            _ => any,
        };
        (channel % n) as C
    }
}

fn calls() -> impl Strategy<Value = (u8, u8, u8)> + Clone {
    (0u8..24, any::<u8>(), any::<u8>())
}

fn call(
    (what, place, more): (u8, u8, u8),
    shape: Shape,
    strand: usize,
    caps: &[Option<u8>],
) -> Call {
    let n = caps.len();
    let to = Place(place).of(shape, strand, false, n);
    let from = Place(place).of(shape, strand, true, n);
    let load = (more >= 240).then_some(more % n as u8);
    let most = caps[to as usize].unwrap_or(1);
    match what {
        0..8 => Call::Send(to, load),
        8..10 => Call::SendMany(to, 1 + more % 4),
        10 => Call::Reserve(to),
        11 => Call::ReserveMany(to, 1 + more % most),
        12..18 => Call::Recv(from),
        18..20 => Call::Next(from),
        20 => Call::Closed(to),
        21..23 => Call::Event(more % EVENTS),
        _ => Call::Kept,
    }
}

/// What a step is made of: numbers, so that they shrink towards plain sends.
type RawStep = (u8, (u8, u8, u8), (u8, u8, u8));

fn step((what, a, b): RawStep, shape: Shape, strand: usize, caps: &[Option<u8>]) -> Step {
    let n = caps.len();
    let (one, other) = (call(a, shape, strand, caps), call(b, shape, strand, caps));
    let to = Place(a.1).of(shape, strand, false, n);
    let from = Place(a.1).of(shape, strand, true, n);
    match what {
        0..26 => Step::Wait(one),
        26..29 => Step::TrySend(to, (a.2 >= 240).then_some(a.2 % n as u8)),
        29..32 => Step::Select(one, other),
        32..35 => Step::SelectKeep(one, other),
        35 => Step::DropKept,
        36 => Step::UsePermit(to),
        37 => Step::DropPermit(to),
        38..40 => Step::TryRecv(from),
        40 => Step::Close(from),
        41 => Step::DropReceiver(from),
        42 => Step::DropSender(to),
        43 => Step::GiveSender(to),
        44 => Step::TakeSender(to),
        45 => Step::GiveReceiver(from),
        46 => Step::TakeReceiver(from),
        _ => Step::Yield,
    }
}

fn script(raw: &[RawStep], shape: Shape, strand: usize, caps: &[Option<u8>]) -> Vec<Step> {
    let mut others = raw.iter().map(|&raw| (step(raw, shape, strand, caps), raw.0.into()));
    let Some(mut script) = shape.seed(strand, caps) else {
        return others.map(|(step, _): (_, usize)| step).collect();
    };
    for (step, at) in others.by_ref().take(raw.len() % 3) {
        script.insert(at % (script.len() + 1), step);
    }
    if raw.len().is_multiple_of(2) {
        script.extend(others.map(|(step, _)| step));
    }
    script
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        12 => Just(Kind::Root),
        1 => Just(Kind::Wrapped),
        1 => Just(Kind::Named),
        1 => Just(Kind::Plain),
    ]
}

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    let capacity =
        prop_oneof![5 => Just(Some(1)), 2 => Just(Some(2)), 1 => Just(Some(3)), 1 => Just(None)];
    let raw_step = (0u8..48, calls(), calls());
    let strand = (prop::collection::vec(raw_step, 1..=8), any::<u8>());
    let strands = prop_oneof![
        8 => prop::collection::vec(strand.clone(), 1),
        1 => prop::collection::vec(strand, 2),
    ];
    let task = (kinds(), strands, prop::bool::weighted(0.4));
    let some = |(first, later, early)| Some(Moments { first, later, early });
    let moments = (0u8..24, [0u8..4, 0u8..3, 0u8..4], any::<[u8; 2]>()).prop_map(some);
    let moments = prop_oneof![2 => Just(None), 1 => moments];
    let shape = prop_oneof![
        Just(Shape::Any),
        Just(Shape::Ring),
        Just(Shape::Circle),
        (0u8..8).prop_map(Shape::Lock)
    ];
    (
        prop::collection::vec(capacity, 1..=4),
        prop::collection::vec(task, 1..=5),
        prop::collection::vec(any::<u8>(), 4),
        prop::collection::vec((0u8..16, 0..EVENTS), 0..2),
        moments,
        shape,
    )
        .prop_map(|(channels, tasks, owners, fires, moments, shape)| {
            let n = tasks.iter().map(|task| task.1.len()).sum::<usize>();
            let owner = |c: usize| match shape {
                Shape::Ring | Shape::Circle if owners[c] < 230 => c % n,
                Shape::Lock(_) if c == 0 => 1 % n,
                _ => owners[c] as usize % n,
            };
            let mut number = 0;
            let mut strand = |(steps, senders): (Vec<RawStep>, u8)| {
                let this = number;
                number += 1;
                let all = 0..channels.len() as C;
                StrandPlan {
                    // Mostly of all: the first bits say of which not.
                    senders: all
                        .clone()
                        .filter(|c| senders < 160 || senders & 1 << c != 0)
                        .collect(),
                    receivers: all.filter(|&c| owner(c as usize) == this).collect(),
                    steps: script(&steps, shape, this, &channels),
                }
            };
            let tasks = tasks
                .into_iter()
                .map(|(kind, strands, foreign_wakers)| TaskPlan {
                    kind,
                    foreign_wakers: foreign_wakers && strands.len() > 1,
                    strands: strands.into_iter().map(&mut strand).collect(),
                })
                .collect();
            let late = [(u8::MAX, 0), (u8::MAX, 1)];
            let seeded = late.into_iter().filter(|_| matches!(shape, Shape::Lock(_)));
            let fires = fires.into_iter().chain(seeded).collect();
            Program { channels, tasks, fires, moments }
        })
}
