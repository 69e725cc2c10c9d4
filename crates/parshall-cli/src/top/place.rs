//! What is looked at.

use parshall::task::TaskRef;

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Channels,
    Tasks,
    /// One channel, by number.
    Channel(u64),
    Task(TaskRef),
    /// The report, whole.
    Report,
}

/// A view, and where in it one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) view: View,
    /// The row of the cursor.
    pub(crate) index: usize,
    /// The first row that is shown.
    pub(crate) offset: usize,
    /// What the cursor is on: it stays there when the order changes.
    pub(super) on: Option<View>,
}

impl Place {
    pub(super) fn new(view: View) -> Self {
        Self { view, index: 0, offset: 0, on: None }
    }
}
