//! Where each strong sender of a channel was made, if the channel traces that.
//!
//! A traced sender has a number in the channel's [`Ledger`], and carries it: a handle has no other
//! identity, for it moves. So a sender that is not traced costs its channel nothing when it is
//! cloned or dropped but a look at its own number.
//!
//! A sender is counted before it is entered, and struck off before it is counted down. So a
//! snapshot that finds as many as the count says knows them all.

use core::panic::Location;

use super::Shared;
use crate::telemetry::ledger::Ledger;

/// The number of a sender in its channel's ledger; 0: it is not traced.
pub(crate) struct Trace(u64);

impl Trace {
    pub(crate) const NONE: Self = Self(0);
}

impl Shared {
    /// That of a sender that is made without another one.
    #[inline]
    pub(crate) fn trace(&self, location: &'static Location<'static>) -> Trace {
        self.info().traced_senders().map_or(Trace::NONE, |ledger| enter(ledger, location))
    }

    /// That of a sender's clone.
    #[inline]
    pub(crate) fn trace_clone(&self, of: &Trace, location: &'static Location<'static>) -> Trace {
        if of.0 == 0 { Trace::NONE } else { self.trace(location) }
    }

    /// A sender ends.
    #[inline]
    pub(crate) fn untrace(&self, trace: &Trace) {
        if trace.0 != 0 {
            self.strike_off(trace);
        }
    }

    #[cold]
    fn strike_off(&self, trace: &Trace) {
        if let Some(ledger) = self.info().traced_senders() {
            ledger.strike_off(trace.0);
        }
    }
}

#[cold]
fn enter(ledger: &Ledger, location: &'static Location<'static>) -> Trace {
    Trace(ledger.enter(location))
}
