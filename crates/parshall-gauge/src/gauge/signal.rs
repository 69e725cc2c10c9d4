//! The report on a signal, from a thread that does nothing else.

use std::sync::Arc;

use signal_hook::consts::{FORBIDDEN, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use super::looks::Looks;
use super::plan::SignalPlan;
use super::{say, spawn};

/// Dropped, it prints no more. The signal is ignored from then on.
pub(super) struct OnSignal(Handle);

impl OnSignal {
    /// None: no signal was asked for, or it is not to be had, which is told.
    pub(super) fn start(plan: SignalPlan, looks: Arc<Looks>) -> Option<Self> {
        let signal = match plan {
            SignalPlan::Usual => SIGUSR1,
            SignalPlan::Number(signal) => signal,
            SignalPlan::None => return None,
        };
        if FORBIDDEN.contains(&signal) {
            say::warn(format_args!("no report on signal {signal}: it cannot be caught"));
            return None;
        }
        let signals = Signals::new([signal])
            .map_err(|error| say::warn(format_args!("no report on signal {signal}: {error}")));
        let mut signals = signals.ok()?;
        let handle = signals.handle();
        // Signals that come while a report is printed are one more report.
        //
        // A child of `fork` that is sent the signal wakes this thread, for they share the pipe;
        // which signal has come is in the child's memory, so this thread finds none and goes on.
        let age = looks.apart();
        let print = move || signals.forever().for_each(|_| say::report(&looks.fresh(age)));
        spawn("parshall-signal", print).map(|_| Self(handle))
    }
}

impl Drop for OnSignal {
    fn drop(&mut self) {
        self.0.close();
    }
}
