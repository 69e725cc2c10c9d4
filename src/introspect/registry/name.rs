//! A name that channels have had.

use super::retired::Retired;
use crate::sync::plain::Arc;

#[derive(Default)]
pub(super) struct Name {
    /// None until the name is added.
    pub(super) text: Option<Arc<str>>,
    pub(super) hash: u64,
    /// The name before it in its bucket, plus 1; 0: none.
    pub(super) next: u32,
    pub(super) created: u64,
    /// The name before it in the list of those that have dead channels, plus 1; 0: none.
    pub(super) next_dead: u32,
    pub(super) retired: Retired,
}

impl Name {
    /// One channel more of this name. Returns the how-manieth it is.
    pub(super) fn count(&mut self) -> u64 {
        self.created += 1;
        self.created
    }
}
