//! A look at each place in line, from the front on. It moves the front.

use super::line::Line;
use super::place::{Place, State};
use super::row::{Hint, Row};
use super::segment::LEN;

/// A walk along the places that were given out, from the first that may not be final.
pub(super) struct Walk<'a> {
    line: &'a Line,
    row: &'a Row,
    /// Where to begin to look.
    hint: &'a Hint,
    next: u64,
    end: u64,
    /// All before this one are final, as far as the walk has seen.
    front: u64,
}

impl<'a> Walk<'a> {
    /// A walk to the place `end`.
    #[inline]
    pub(super) fn to(line: &'a Line, row: &'a Row, hint: &'a Hint, end: u64) -> Self {
        let front = line.front();
        Self { line, row, hint, next: front, end, front }
    }

    /// Returns the next open place before the end, its index and its word.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(u64, &'a Place, State)> {
        while self.next < self.end {
            let (index, number) = (self.next, self.next / LEN);
            let segment = match self.row.get(number, self.hint) {
                Ok(segment) => segment,
                Err(next) => {
                    self.skip_to(next * LEN);
                    continue;
                }
            };
            let place = segment.place(index);
            let state = place.state();
            if state.is_open(number) {
                self.next += 1;
                return Some((index, place, state));
            }
            // Final; or of another segment by now, and so final before.
            self.skip_to(index + 1);
        }
        None
    }

    /// Returns the next open place, re-reading `arrivals` before giving up. `None`: at that SeqCst
    /// read, every place handed out so far was final.
    pub(super) fn next_of_all(&mut self) -> Option<(u64, &'a Place, State)> {
        loop {
            if let Some(next) = self.next() {
                return Some(next);
            }
            let arrivals = self.line.arrivals();
            if arrivals <= self.next {
                return None;
            }
            self.end = arrivals;
        }
    }

    /// Goes on at `index`: the places from `next` to there are final.
    fn skip_to(&mut self, index: u64) {
        if self.front == self.next {
            self.front = index;
        }
        self.next = index;
    }

    /// The place that was returned last is final now.
    pub(super) fn note_final(&mut self, index: u64) {
        if self.front == index {
            self.front = index + 1;
        }
    }

    /// Moves the front of the line to where the walk has seen it.
    pub(super) fn finish(self) {
        self.line.advance(self.front);
    }
}
