//! The calls of a script, and what is seen after each of them.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

/// How many different wakers a script polls with.
pub(crate) const WAKERS: usize = 4;

/// One call. `u8`s choose among the handles that are there, modulo their number; with none to choose
/// from, or none to call it on, the call is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    TrySend(u8),
    /// Makes a send future, not polled yet. So the others down to `Closed`.
    Send(u8),
    Reserve(u8),
    ReserveMany(u8, u8),
    ReserveOwned(u8),
    Closed(u8),
    /// Polls one of these futures with one of the wakers.
    Poll(u8, u8),
    DropFuture(u8),
    TryReserve(u8),
    TryReserveMany(u8, u8),
    TryReserveOwned(u8),
    SendPermit(u8),
    DropPermit(u8),
    /// Takes the next permit of an iterator; an exhausted one is dropped.
    NextPermit(u8),
    DropIterator(u8),
    SendOwned(u8),
    ReleaseOwned(u8),
    DropOwned(u8),
    CloneSender(u8),
    DropSender(u8),
    Downgrade(u8),
    Upgrade(u8),
    CloneWeak(u8),
    DropWeak(u8),
    TryRecv,
    /// Makes a `recv` future, not polled yet; or `recv_many`.
    Recv,
    RecvMany(u8),
    PollReceive(u8),
    DropReceive,
    /// `poll_recv` and `poll_recv_many`, without a future.
    PollRecv(u8),
    PollRecvMany(u8, u8),
    Close,
    DropReceiver,
}

impl Op {
    /// Any three bytes are a call. The common ones have more numbers.
    pub(crate) fn decode([kind, a, b]: [u8; 3]) -> Self {
        match kind % 64 {
            0..4 => Self::TrySend(a),
            4..9 => Self::Send(a),
            9..11 => Self::Reserve(a),
            11..14 => Self::ReserveMany(a, b % 10),
            14..16 => Self::ReserveOwned(a),
            16 => Self::Closed(a),
            17..28 => Self::Poll(a, b),
            28..31 => Self::DropFuture(a),
            31..33 => Self::TryReserve(a),
            33 => Self::TryReserveMany(a, b % 10),
            34 => Self::TryReserveOwned(a),
            35..37 => Self::SendPermit(a),
            37 => Self::DropPermit(a),
            38 => Self::NextPermit(a),
            39 => Self::DropIterator(a),
            40 => Self::SendOwned(a),
            41 => Self::ReleaseOwned(a),
            42 => Self::DropOwned(a),
            43 => Self::CloneSender(a),
            44..46 => Self::DropSender(a),
            46 => Self::Downgrade(a),
            47 => Self::Upgrade(a),
            48 => Self::CloneWeak(a),
            49 => Self::DropWeak(a),
            50..53 => Self::TryRecv,
            53 => Self::Recv,
            54 => Self::RecvMany(b % 6),
            55..58 => Self::PollReceive(b),
            58 => Self::DropReceive,
            61 => Self::PollRecvMany(b, a % 6),
            62 if a % 4 == 0 => Self::Close,
            63 if a % 8 == 0 => Self::DropReceiver,
            _ => Self::PollRecv(b),
        }
    }
}

/// What a call returned. Messages are named by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    Skipped,
    Done,
    Pending,
    /// A send that went through, permits that were given, a wait for closure that ended.
    Ready,
    Full(Option<u32>),
    Closed(Option<u32>),
    /// Messages received, in order; `[]` says that none will come, or that none was asked for.
    Got(Vec<u32>),
    Empty,
    Disconnected,
    Yes(bool),
}

/// What the handles say after a call; none where no handle can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// By a sender.
    pub(crate) capacity: Option<usize>,
    pub(crate) sender_closed: Option<bool>,
    /// By a sender or a weak one: strong and weak count.
    pub(crate) counts: Option<(usize, usize)>,
    pub(crate) receiver: Option<ByReceiver>,
}

/// Length, emptiness, capacity, closure, counts.
pub(crate) type ByReceiver = (usize, bool, usize, bool, (usize, usize));

/// What telemetry says after a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) queue_len: u64,
    pub(crate) reserved: u64,
    pub(crate) high_watermark: u64,
    pub(crate) send_waiters: u64,
    pub(crate) granted_waiters: u64,
    pub(crate) recv_waiters: u64,
    pub(crate) send_waits_total: u64,
    pub(crate) sent_total: u64,
    pub(crate) recv_total: u64,
    pub(crate) discarded: u64,
    pub(crate) full_total: u64,
    pub(crate) closed_total: u64,
    pub(crate) counts: (u64, u64),
    pub(crate) sender_closed: bool,
    pub(crate) receiver_closed: bool,
    pub(crate) cause: Option<&'static str>,
}

/// All that a call led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) out: Out,
    /// Which wakers were woken, in order.
    pub(crate) woken: Vec<u8>,
    /// Messages that were dropped inside the channel or a future, in order.
    pub(crate) dropped: Vec<u32>,
    pub(crate) seen: Seen,
    /// None for a channel without telemetry, or when no handle can be asked.
    pub(crate) told: Option<Told>,
}

/// A list that wakers and messages write to.
pub(crate) type Log<T> = Arc<Mutex<Vec<T>>>;

/// Takes what a log has collected.
pub(crate) fn drain<T>(log: &Log<T>) -> Vec<T> {
    std::mem::take(&mut *log.lock().unwrap())
}

struct Counted(u8, Log<u8>);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// Wakers that note their number when woken.
pub(crate) fn wakers(log: &Log<u8>) -> Vec<Waker> {
    (0..WAKERS as u8).map(|n| Arc::new(Counted(n, log.clone())).into()).collect()
}

/// A message: a number, and a note when it is dropped by other hands than the script's.
pub(crate) struct Message(u32, Option<Log<u32>>);

impl Message {
    pub(crate) fn new(number: u32, drops: &Log<u32>) -> Self {
        Self(number, Some(drops.clone()))
    }

    /// Takes it out of the script: its drop is not noted.
    pub(crate) fn number(mut self) -> u32 {
        self.1 = None;
        self.0
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if let Some(drops) = &self.1 {
            drops.lock().unwrap().push(self.0);
        }
    }
}
