//! What is there for tests alone: a queue as the words of this layer have it.

use super::queue::WaitQueue;
use super::row::Hint;
use super::segment::LEN;

impl WaitQueue {
    /// `arrivals`, `front`, and what the first places are.
    pub(crate) fn in_words<const N: usize>(&self) -> (u64, u64, [String; N]) {
        let place = |index: usize| {
            let Some(segment) = self.row.find(index as u64 / LEN, &Hint::new()) else {
                return "Empty".to_owned();
            };
            let place = segment.place(index as u64);
            if place.is_over() { "over".to_owned() } else { format!("{:?}", place.state().kind()) }
        };
        (self.line.arrivals(), self.line.front(), core::array::from_fn(place))
    }
}
