//! The memory that the registry lacks, and is brought.

use super::name::Name;
use crate::chan::Entry;
use crate::sync::plain::Arc;

/// What the registry has no memory for.
pub(super) enum Lack {
    /// An entry for a channel.
    Entry(u32),
    /// An entry for a name.
    Name(u32),
    /// The text of a nameless channel.
    Text,
}

/// What was made for the registry outside its lock, and what of that it did not need.
#[derive(Default)]
pub(super) struct Stock {
    pub(super) entries: Option<Box<[Entry]>>,
    pub(super) names: Option<Box<[Name]>>,
    pub(super) text: Option<Arc<str>>,
}
