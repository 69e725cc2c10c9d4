//! The language of the programs.

/// A channel, by its number.
pub(crate) type C = u8;

/// A foreign event, by its number: a timer, a socket, a reply. It may fire at any time, or never.
pub(crate) type E = u8;

#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// The capacities; none: unbounded.
    pub(crate) channels: Vec<Option<u8>>,
    pub(crate) tasks: Vec<TaskPlan>,
    /// After so many polls this event fires, before the program is looked at.
    pub(crate) fires: Vec<(u8, E)>,
    /// When it is looked at; none: at rest, twice.
    pub(crate) moments: Option<Moments>,
}

/// Two looks, each of which takes its time: a channel is read at its beginning or at its end, the
/// tasks at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    /// The first look begins after so many polls.
    pub(crate) first: u8,
    /// So many polls later it ends, the second begins, and ends.
    pub(crate) later: [u8; 3],
    /// By look, which channels are read at its beginning: a bit each.
    pub(crate) early: [u8; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct TaskPlan {
    pub(crate) kind: Kind,
    /// All in one task, beside each other.
    pub(crate) strands: Vec<StrandPlan>,
    /// Each strand is polled with a waker of its own, as in a `FuturesUnordered`.
    pub(crate) foreign_wakers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By `task::spawn_named`: a root.
    Root,
    /// A named future in something that may drop it at any time, as `timeout` does.
    Wrapped,
    /// `tokio::spawn(task::named(..))`.
    Named,
    /// `tokio::spawn`.
    Plain,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct StrandPlan {
    /// Of which channels it has a sender at first.
    pub(crate) senders: Vec<C>,
    /// Of which channels it has the receiver at first.
    pub(crate) receivers: Vec<C>,
    pub(crate) steps: Vec<Step>,
}

/// One step of a strand. What needs a handle that the strand does not have is passed over. `Give`
/// and `Take` go through slots that all tasks share, one a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// With a sender of the second channel in the message.
    TrySend(C, Option<C>),
    Wait(Call),
    /// Both are armed; who loses is dropped.
    Select(Call, Call),
    /// Both are armed; who loses is kept, and not polled until [`Call::Kept`] is.
    SelectKeep(Call, Call),
    DropKept,
    UsePermit(C),
    DropPermit(C),
    TryRecv(C),
    Close(C),
    DropReceiver(C),
    DropSender(C),
    GiveSender(C),
    TakeSender(C),
    GiveReceiver(C),
    TakeReceiver(C),
    Yield,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    /// With a sender of the second channel in the message.
    Send(C, Option<C>),
    SendMany(C, u8),
    /// Of a permit, which is kept.
    Reserve(C),
    /// Of so many permits, which are used at once.
    ReserveMany(C, u8),
    Recv(C),
    /// By `poll_recv`, as streams do: given up, it still waits, to a snapshot.
    Next(C),
    Closed(C),
    Event(E),
    /// What was kept of a select.
    Kept,
}

impl Call {
    pub(crate) fn channel(self) -> Option<C> {
        match self {
            Self::Send(c, _)
            | Self::SendMany(c, _)
            | Self::Reserve(c)
            | Self::ReserveMany(c, _)
            | Self::Recv(c)
            | Self::Next(c)
            | Self::Closed(c) => Some(c),
            Self::Event(_) | Self::Kept => None,
        }
    }
}

impl Step {
    /// The calls that it waits in.
    pub(crate) fn calls(self) -> impl Iterator<Item = Call> {
        let [a, b] = match self {
            Self::Wait(a) => [Some(a), None],
            Self::Select(a, b) | Self::SelectKeep(a, b) => [Some(a), Some(b)],
            _ => [None, None],
        };
        a.into_iter().chain(b)
    }
}

pub(crate) const EVENTS: u8 = 4;
