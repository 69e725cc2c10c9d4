//! What a wait is for, in one word: what call it is, for how much room, and until when.
//!
//! ```text
//! [ deadline, 36 bits | call, 4 bits | need, 24 bits ]
//! ```
//!
//! The deadline stands on the telemetry clock, in grains of 4 ms, rounded up; 0: there is none, or
//! it is not known. One that does not fit, 9 years after the machine's start, stands as the last
//! one that does: a wait with a deadline is never shown without.

use std::time::Instant;

use crate::telemetry::clock;

/// The call that waits.
///
/// # Examples
/// On [`WaitSnapshot`](crate::WaitSnapshot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(any(parshall_loom_inside, not(feature = "introspect")), allow(unreachable_pub))]
#[non_exhaustive]
pub enum Call {
    /// `send`, also with a timeout, or blocking.
    Send,
    /// `send_many`.
    SendMany,
    /// `reserve`, `reserve_owned`, of one permit.
    Reserve,
    /// `reserve_many`.
    ReserveMany,
    /// `closed`.
    Closed,
    /// `recv`, also blocking.
    Recv,
    /// `recv_many`.
    RecvMany,
    /// `poll_recv`, `poll_recv_many`, or of a stream. No future gives it up: it lasts until the
    /// receiver is polled again, and who polled it may have given the receiver away since.
    PollRecv,
    /// `poll_reserve`, of a sink. Likewise: who polled it may have given the sink away since.
    PollReserve,
}

#[cfg_attr(any(parshall_loom_inside, not(feature = "introspect")), allow(unreachable_pub))]
impl Call {
    /// The name of the method: `send`, `send_many`, `reserve`, `reserve_many`, `closed`, `recv`,
    /// `recv_many`, `poll_recv` or `poll_reserve`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::SendMany => "send_many",
            Self::Reserve => "reserve",
            Self::ReserveMany => "reserve_many",
            Self::Closed => "closed",
            Self::Recv => "recv",
            Self::RecvMany => "recv_many",
            Self::PollRecv => "poll_recv",
            Self::PollReserve => "poll_reserve",
        }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want(u64);

impl Want {
    /// The most that can be needed: what the ring can count as permits.
    const NEED: u64 = (1 << 24) - 1;
    const CALL_SHIFT: u32 = 24;
    const DEADLINE_SHIFT: u32 = 28;
    const LAST: u64 = u64::MAX >> Self::DEADLINE_SHIFT;
    const GRAIN_NS: u64 = 1 << 22;
    /// That of a place where nobody waits.
    pub(super) const NONE: Self = Self(0);

    #[inline]
    pub(crate) const fn new(call: Call, need: u64) -> Self {
        debug_assert!(need <= Self::NEED);
        Self((call as u64) << Self::CALL_SHIFT | need)
    }

    /// The same, to be given up at `deadline`, if there is one.
    pub(crate) fn by(self, deadline: Option<Instant>) -> Self {
        self.until(deadline.map(clock::at))
    }

    /// Likewise, on the telemetry clock.
    fn until(self, deadline: Option<u64>) -> Self {
        let without = self.0 & ((1 << Self::DEADLINE_SHIFT) - 1);
        // At least 1: a reading is never 0.
        let grains = deadline.map_or(0, |at| at.div_ceil(Self::GRAIN_NS).min(Self::LAST));
        Self(grains << Self::DEADLINE_SHIFT | without)
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// For how many units.
    #[inline]
    pub(crate) fn need(self) -> u64 {
        self.0 & Self::NEED
    }

    #[inline]
    pub(crate) fn call(self) -> Call {
        match self.0 >> Self::CALL_SHIFT & 15 {
            0 => Call::Send,
            1 => Call::SendMany,
            2 => Call::Reserve,
            3 => Call::ReserveMany,
            4 => Call::Closed,
            5 => Call::Recv,
            6 => Call::RecvMany,
            7 => Call::PollRecv,
            _ => Call::PollReserve,
        }
    }

    /// When it will be given up, on the telemetry clock.
    pub(crate) fn deadline(self) -> Option<u64> {
        let grains = self.0 >> Self::DEADLINE_SHIFT;
        (grains != 0).then(|| grains * Self::GRAIN_NS)
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    const CALLS: [Call; 9] = [
        Call::Send,
        Call::SendMany,
        Call::Reserve,
        Call::ReserveMany,
        Call::Closed,
        Call::Recv,
        Call::RecvMany,
        Call::PollRecv,
        Call::PollReserve,
    ];

    /// Seen to fail with: a deadline of 37 bits; and one that is cut instead of kept at the last.
    #[test]
    fn a_word_keeps_all_three_and_a_deadline_is_never_lost() {
        for (call, need) in CALLS.into_iter().flat_map(|call| [(call, 1), (call, Want::NEED)]) {
            let want = Want::new(call, need);
            assert_eq!((want.call(), want.need(), want.deadline()), (call, need, None));
            for at in [1, Want::GRAIN_NS, 1_000_000_007, 1 << 58, u64::MAX] {
                let by = want.until(Some(at));
                assert_eq!((by.call(), by.need()), (call, need));
                let told = by.deadline().unwrap();
                let exact = told >= at && told - at < Want::GRAIN_NS;
                assert!(exact || told == Want::LAST * Want::GRAIN_NS && at > told, "{at}: {told}");
                assert_eq!(by.until(None), want);
            }
        }
    }
}
