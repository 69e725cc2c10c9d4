//! The calls of a script.

/// How many different wakers a script polls with.
pub(crate) const WAKERS: u8 = 4;

/// One call. `u8`s choose among the handles that are there, modulo their number; with none to
/// choose from, or none to call it on, or a channel whose flavour has no such call, it is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// `try_send`; on an unbounded channel `send`.
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
    /// So many times `TrySend`, until one is refused.
    Burst(u8, u8),
    /// So many times `TryRecv`, until nothing is there.
    Drain(u8),
    /// A burst, and at once a drain (or a `blocking_recv_many`) of as much: nobody asks for gauges
    /// in between.
    Rush(u8, u8),
    /// The blocking calls, skipped if they would block.
    BlockingSend(u8),
    BlockingRecv,
    BlockingRecvMany(u8),
    /// Compares two senders, and one with another channel's.
    SameChannel(u8, u8),
    /// The same of owned permits, and one with the channel's own sender.
    SamePermit(u8, u8),
    /// Prints one of everything there is.
    Print(u8),
}

/// What the first byte of a fuzz input means: the capacity (none: unbounded), and whether slots lie
/// in blocks although the capacity is small.
pub(crate) fn shape(byte: u8) -> (Option<usize>, bool) {
    let low = usize::from(byte & 15);
    let border = [31, 32, 33, 63, 64, 65, 95, 96][low % 8];
    let in_blocks = byte & 8 != 0;
    match byte >> 4 {
        0..5 => (Some(low % 8 + 1), in_blocks),
        5..9 => (Some(border), in_blocks),
        // From here on it is blocks anyhow.
        9 => (Some(200 + low), false),
        10 => (Some(5000), false),
        _ => (None, false),
    }
}

/// How many permits, or messages: mostly few, sometimes on either side of a block's 32.
fn number(choice: u8) -> u8 {
    match choice % 16 {
        few @ 0..10 => few,
        many => [31, 32, 33, 64, 65, 70][usize::from(many - 10)],
    }
}

impl Op {
    /// Whether only a bounded channel has it.
    #[rustfmt::skip] // a list
    pub(crate) fn is_of_bounded(self) -> bool {
        use Op::{
            BlockingSend, DropIterator, DropOwned, DropPermit, NextPermit, ReleaseOwned, Reserve, ReserveMany,
            ReserveOwned, SamePermit, Send, SendOwned, SendPermit, TryReserve, TryReserveMany, TryReserveOwned,
        };
        matches!(
            self,
            Send(_) | Reserve(_) | ReserveMany(..) | ReserveOwned(_) | BlockingSend(_)
                | TryReserve(_) | TryReserveMany(..) | TryReserveOwned(_)
                | SendPermit(_) | DropPermit(_) | NextPermit(_) | DropIterator(_)
                | SendOwned(_) | ReleaseOwned(_) | DropOwned(_) | SamePermit(..)
        )
    }

    /// What a [`Op::Rush`] is made of.
    pub(crate) fn parts_of_rush(a: u8, n: u8) -> [Self; 2] {
        let take = if n.is_multiple_of(2) { Self::Drain(n) } else { Self::BlockingRecvMany(n) };
        [Self::Burst(a, n), take]
    }

    /// The calls of a fuzz input.
    pub(crate) fn decode_all(script: &[u8]) -> impl Iterator<Item = Self> {
        script.as_chunks().0.iter().copied().map(Self::decode)
    }

    /// Any three bytes are a call. The common ones have more numbers.
    pub(crate) fn decode([kind, a, b]: [u8; 3]) -> Self {
        match kind % 80 {
            0..4 => Self::TrySend(a),
            4..9 => Self::Send(a),
            9..11 => Self::Reserve(a),
            11..14 => Self::ReserveMany(a, number(b)),
            14..16 => Self::ReserveOwned(a),
            16 => Self::Closed(a),
            17..28 => Self::Poll(a, b),
            28..31 => Self::DropFuture(a),
            31..33 => Self::TryReserve(a),
            33 => Self::TryReserveMany(a, number(b)),
            34 => Self::TryReserveOwned(a),
            35..37 => Self::SendPermit(a),
            37 => Self::DropPermit(a),
            38 => Self::NextPermit(a),
            39 => Self::DropIterator(a),
            40 => Self::SendOwned(a),
            41 => Self::ReleaseOwned(a),
            42 => Self::DropOwned(a),
            43 | 76 => Self::CloneSender(a),
            44..46 => Self::DropSender(a),
            46 | 77 => Self::Downgrade(a),
            47 => Self::Upgrade(a),
            48 => Self::CloneWeak(a),
            49 => Self::DropWeak(a),
            50..53 => Self::TryRecv,
            53 => Self::Recv,
            54 => Self::RecvMany(number(b)),
            55..58 => Self::PollReceive(b),
            58 => Self::DropReceive,
            61 => Self::PollRecvMany(b, number(a)),
            62 if a % 4 == 0 => Self::Close,
            63 if a % 8 == 0 => Self::DropReceiver,
            64..67 => Self::Burst(a, 1 + b % 70),
            67..70 => Self::Drain(1 + b % 70),
            70 => Self::BlockingSend(a),
            71 => Self::BlockingRecv,
            72 => Self::BlockingRecvMany(number(b)),
            73 => Self::SameChannel(a, b),
            74 => Self::SamePermit(a, b),
            75 => Self::Print(a),
            78 => Self::Rush(a, 1 + b % 70),
            _ => Self::PollRecv(b),
        }
    }
}
