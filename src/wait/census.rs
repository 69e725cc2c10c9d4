//! Who waits: the queue as telemetry sees it. It reads, and nobody waits for it.
//!
//! A walk along the row is no instant: a sender that it has seen in one place may leave, come
//! again, and stand in a later place when the walk arrives there. So the walk ends at the last
//! arrival of when it began. **All that it shows were in line at that one instant**, and had not
//! seen the end of their wait when they were looked at. Nobody who was in line all the time is
//! missing.

use super::place::{Kind, State, Waiter};
use super::queue::WaitQueue;
use super::row::{Found, Hint};
use super::segment::LEN;
use crate::sync::plain::Ordering;
use crate::sync::step;
use crate::telemetry::clock;
use crate::telemetry::waits::{LongWaits, WaitHistogram, at_least};

/// A wait as [`WaitQueue::visit`] shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueuedWait {
    /// The number of the place, from 1.
    pub(crate) id: u64,
    pub(crate) waiter: Waiter,
    /// When the whole of its need was assigned, if it was: it has not been polled since.
    pub(crate) granted_at: Option<u64>,
}

/// Sums over all waiters there ever were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WaitTotals {
    /// Waiting now, not yet granted.
    pub(crate) waiting: u64,
    /// Granted and not polled since.
    pub(crate) granted: u64,
    /// Since when the first in line waits.
    pub(crate) oldest: Option<u64>,
    /// Since when nobody was granted room while it waits: since it came, or the one before it was
    /// let in. None also if that is not known: who came before is in no segment any more.
    pub(crate) line_since: Option<u64>,
    pub(crate) sums: WaitSums,
}

/// Sums over all waits there ever were, on one side of a channel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WaitSums {
    /// Waits that ever began.
    pub(crate) waits: u64,
    /// Time waited in all of them, those that still wait included.
    pub(crate) waited_ns: u64,
    /// Those whose owner left while it waited.
    pub(crate) given_up: u64,
}

/// The waits that had ended when a look came by. It may have missed some, if a segment was taken
/// out just then: of the others all long ones are in `past` or `row`.
struct Ended {
    waits: u64,
    waited_ns: u64,
    /// The long ones that were taken out.
    past: LongWaits,
    /// The long ones that are in the row.
    row: LongWaits,
}

impl WaitQueue {
    /// The sums when nobody can wait any more. It allocates nothing: the registry relies on that.
    #[inline]
    pub(crate) fn final_sums(&mut self) -> WaitSums {
        if self.is_unused() { WaitSums::default() } else { self.final_sums_of_waits() }
    }

    #[inline(never)]
    fn final_sums_of_waits(&mut self) -> WaitSums {
        let (totals, ended) = self.totals(self.line.arrivals(), |_, _, _, _| ());
        self.row.sweeper.past.add_to_long(ended.row);
        totals.sums
    }

    /// The long waits, after `final_sums`.
    pub(crate) fn final_long(&self) -> LongWaits {
        self.row.sweeper.past.at_least(LongWaits::default())
    }

    /// Nobody has ever waited: the end of most channels.
    #[inline]
    fn is_unused(&self) -> bool {
        self.line.arrivals() == 0
    }

    /// Counts, sums and waiters: those who wait, in order, then those who were granted and have not
    /// been polled since. All were in line when the call began. And how long those waits lasted
    /// that have ended.
    pub(crate) fn visit(&self) -> (WaitTotals, Vec<QueuedWait>, WaitHistogram) {
        if self.is_unused() {
            return Default::default();
        }
        let (mut waiting, mut granted) = (Vec::new(), Vec::new());
        // The segment of the last one who was let in, before anybody who waits, and when that was.
        // Grants go along the line, so those before it were let in earlier.
        let (mut let_in, mut line_since) = ((0, 0), None);
        let (mut totals, ended) = self.totals(self.line.arrivals(), |index, state, waiter, end| {
            let id = index + 1;
            let left = waiter.has_left();
            let waits = state.is_waiting() && !left;
            if waiting.is_empty() {
                let segment = index / LEN;
                // Who has left since it was seen waiting was let in, or has given up.
                if state.kind() == Kind::Granted || state.is_waiting() && left {
                    let_in = (segment, end);
                } else if waits && let_in.0 == segment {
                    line_since = Some(waiter.since.max(let_in.1));
                }
            }
            if waits {
                waiting.push(QueuedWait { id, waiter, granted_at: None });
            } else if state.kind() == Kind::Granted && !left {
                granted.push(QueuedWait { id, waiter, granted_at: Some(end) });
            }
        });
        totals.waiting = waiting.len() as u64;
        totals.granted = granted.len() as u64;
        totals.oldest = waiting.first().map(|first| first.waiter.since);
        totals.line_since = line_since;
        waiting.append(&mut granted);
        (totals, waiting, self.histogram(&ended))
    }

    /// No number in it ever falls. Short are those that have ended and were not long. That may be
    /// too few, for long ones may have been missed among those that have ended; it is never too
    /// many.
    fn histogram(&self, ended: &Ended) -> WaitHistogram {
        let found = LongWaits(core::array::from_fn(|n| ended.past.0[n] + ended.row.0[n]));
        let short = ended.waits.saturating_sub(found.total());
        WaitHistogram::new(
            at_least(&self.reported.short, short),
            self.row.sweeper.past.at_least(found),
            at_least(&self.reported.ended_ns, ended.waited_ns),
        )
    }

    /// The sums of all waits before the place `end`, and of those that have ended. Shows those that
    /// are still in the row: index, word, waiter and end.
    fn totals(
        &self,
        end: u64,
        mut show: impl FnMut(u64, State, Waiter, u64),
    ) -> (WaitTotals, Ended) {
        // The past first: a segment that is taken out meanwhile is missed, and never counted twice.
        // ORDERING(M3): Acquire. Pairs with M3 in `cancel`: those waits have ended, and are found
        // below.
        let given_up = self.given_up.load(Ordering::Acquire);
        let past = &self.row.sweeper.past;
        let (waits, waited_ns) = past.sums();
        let mut sums = WaitSums { waits, waited_ns, given_up };
        let mut have_ended =
            Ended { waits, waited_ns, past: past.long(), row: LongWaits::default() };
        let now = clock::exact();
        self.for_each(end, |index, state, waiter, ended| {
            // One who did not come to wait has no beginning; or no end yet, as one who has just
            // ceased to wait.
            let none = state.kind() == Kind::Empty || state.kind() == Kind::Gone && ended == 0;
            if waiter.since == 0 || none {
                return;
            }
            // 0: it ended a moment ago.
            let end = if ended == 0 { now } else { ended };
            let waited = end.saturating_sub(waiter.since);
            sums.waits += 1;
            sums.waited_ns += waited;
            if ended != 0 {
                have_ended.waits += 1;
                have_ended.waited_ns += waited;
                have_ended.row.count(waited);
            }
            show(index, state, waiter, end);
        });
        // Waits end on the coarse clock, and segments may have been missed: neither sum ever falls.
        sums.waits = at_least(&self.reported.waits, sums.waits);
        sums.waited_ns = at_least(&self.reported.waited_ns, sums.waited_ns);
        (WaitTotals { sums, ..WaitTotals::default() }, have_ended)
    }

    /// Shows each place before `end` that is in the row: index, word, waiter and end.
    fn for_each(&self, end: u64, mut f: impl FnMut(u64, State, Waiter, u64)) {
        let Some(mut number) = self.row.first_number() else { return };
        let hint = Hint::new();
        while number * LEN < end {
            match self.row.seek(number, &hint, false) {
                Found::Missing => return,
                Found::Over(next) => number = next,
                Found::Segment(segment) => {
                    for (index, place) in (number * LEN..end).zip(segment.places()) {
                        let state = place.state();
                        // The end first: with that of a place where nobody has waited comes a
                        // waiter that is none.
                        let ended = place.ended();
                        let waiter = place.waiter();
                        // If it is of another segment by now, what was read may be of another wait.
                        if state.is_of(number) && place.state().is_of(number) {
                            f(index, state, waiter, ended);
                        }
                        step("visit: place");
                    }
                    number += 1;
                }
            }
        }
    }
}
