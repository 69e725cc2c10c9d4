//! What is left of channels that are dead.

use crate::chan::{Shared, Sums};
use crate::telemetry::waits::WaitHistogram;

/// The sums of dead channels. They never fall.
///
/// # Examples
/// On [`RetiredSnapshot`](crate::RetiredSnapshot).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retired {
    /// Channels that died.
    pub channels: u64,
    /// Messages they were sent.
    pub sent_total: u64,
    /// Messages received from them.
    pub recv_total: u64,
    /// Messages thrown away with their receivers.
    pub discarded: u64,
    /// `try_` calls refused because they were full.
    pub full_total: u64,
    /// Sends refused because they were closed.
    pub closed_total: u64,
    /// Sends that had to wait.
    pub send_waits_total: u64,
    /// Time waited in them, in nanoseconds.
    pub send_wait_total_ns: u64,
    /// Those of them that were given up while they waited.
    pub send_given_up_total: u64,
    /// Receives that had to wait.
    pub recv_waits_total: u64,
    /// Time waited in them, in nanoseconds.
    pub recv_wait_total_ns: u64,
    /// Those of them that were given up while they waited.
    pub recv_given_up_total: u64,
    /// How long the sends have waited. None: none has; or this was read from a program that did
    /// not tell.
    pub send_wait_histogram: Option<WaitHistogram>,
    /// How long the receives have waited. None: as above.
    pub recv_wait_histogram: Option<WaitHistogram>,
}

impl Retired {
    pub(super) const NONE: Self = Self {
        channels: 0,
        sent_total: 0,
        recv_total: 0,
        discarded: 0,
        full_total: 0,
        closed_total: 0,
        send_waits_total: 0,
        send_wait_total_ns: 0,
        send_given_up_total: 0,
        recv_waits_total: 0,
        recv_wait_total_ns: 0,
        recv_given_up_total: 0,
        send_wait_histogram: None,
        recv_wait_histogram: None,
    };

    /// Adds a channel that has ended with these sums.
    #[inline]
    pub(super) fn add(&mut self, shared: &Shared, sums: &Sums) {
        self.channels += 1;
        self.sent_total += sums.sent;
        self.recv_total += sums.received;
        self.discarded += sums.discarded;
        self.full_total += sums.full;
        self.closed_total += sums.closed;
        if sums.waits.waits | sums.receives.waits != 0 {
            self.add_waits(shared, sums);
        }
    }

    /// Apart: many channels see no wait.
    #[cold]
    #[inline(never)]
    fn add_waits(&mut self, shared: &Shared, sums: &Sums) {
        self.send_waits_total += sums.waits.waits;
        self.send_wait_total_ns += sums.waits.waited_ns;
        self.send_given_up_total += sums.waits.given_up;
        self.recv_waits_total += sums.receives.waits;
        self.recv_wait_total_ns += sums.receives.waited_ns;
        self.recv_given_up_total += sums.receives.given_up;
        let Sums { waits, receives, .. } = sums;
        if waits.waits > 0 {
            let of_name = self.send_wait_histogram.get_or_insert_default();
            of_name.add(waits.waits, waits.waited_ns, || shared.final_long_sends());
        }
        if receives.waits > 0 {
            let of_name = self.recv_wait_histogram.get_or_insert_default();
            of_name.add(receives.waits, receives.waited_ns, || shared.final_long_receives());
        }
    }
}
