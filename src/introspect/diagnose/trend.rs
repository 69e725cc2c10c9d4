//! What is seen for several looks in a row, and ends only when it was not seen for as many.

use super::Settings;

/// One condition over many looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trend {
    /// It is reported.
    on: bool,
    /// Looks in a row that spoke for a change.
    run: u8,
    /// When the first of them, or of those that it was reported for, looked back to.
    since_ns: i64,
}

impl Trend {
    /// One more look, which `seen` it or did not; it covers the time from `from_ns` to `to_ns`.
    /// Then [`since`](Self::since).
    pub(super) fn look(
        &mut self,
        seen: bool,
        from_ns: i64,
        to_ns: i64,
        settings: &Settings,
    ) -> Option<i64> {
        if seen == self.on {
            self.run = 0;
        } else {
            if self.run == 0 && seen {
                self.since_ns = from_ns;
            }
            self.run = self.run.saturating_add(1);
            let long = !seen || age(self.since_ns, to_ns) >= settings.trend_after.as_nanos();
            if u32::from(self.run) >= settings.looks.min(u32::from(u8::MAX)) && long {
                *self = Self { on: seen, run: 0, since_ns: self.since_ns };
            }
        }
        self.since()
    }

    /// Since when it is reported, if it is.
    pub(super) fn since(&self) -> Option<i64> {
        self.on.then_some(self.since_ns)
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// It is not reported, and the last look did not speak for it.
    pub(super) fn is_quiet(&self) -> bool {
        !self.on && self.run == 0
    }

    fn shifted(self, shift: i64) -> Self {
        Self { since_ns: shifted(self.since_ns, shift), ..self }
    }
}

/// How long ago `since_ns` was at `now_ns`.
pub(super) fn age(since_ns: i64, now_ns: i64) -> u128 {
    u128::try_from(i128::from(now_ns) - i128::from(since_ns)).unwrap_or(0)
}

/// Those of a channel. Most have none that is not quiet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trends {
    pub(super) growing: Trend,
    pub(super) saturated: Trend,
    pub(super) refused: Trend,
    pub(super) given_up: Trend,
    pub(super) lockstep: Trend,
    /// Looks since the length began to rise, and in how many of them the receiver waited elsewhere.
    pub(super) rising: (u16, u16),
}

impl Trends {
    pub(super) fn are_quiet(&self) -> bool {
        [self.growing, self.saturated, self.refused, self.given_up, self.lockstep]
            .iter()
            .all(Trend::is_quiet)
    }

    pub(super) fn shifted(self, shift: i64) -> Self {
        Self {
            growing: self.growing.shifted(shift),
            saturated: self.saturated.shifted(shift),
            refused: self.refused.shifted(shift),
            given_up: self.given_up.shifted(shift),
            lockstep: self.lockstep.shifted(shift),
            ..self
        }
    }
}

/// A time of an earlier look on the time line of this one.
pub(super) fn shifted(time_ns: i64, shift: i64) -> i64 {
    if time_ns == i64::MAX { time_ns } else { time_ns.saturating_add(shift) }
}
