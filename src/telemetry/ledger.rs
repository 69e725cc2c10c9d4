//! What was made and still lives: where, by whom, and since when.

use core::panic::Location;

use crate::collections::table::Table;
use crate::sync::plain::{Arc, AtomicU64, Ordering};
use crate::telemetry::clock;
use crate::telemetry::task::{self, TaskRef};

/// Entries by number, from 1 on. A number is never used again.
#[derive(Debug)]
pub(crate) struct Ledger {
    next: AtomicU64,
    entries: Table<Made>,
}

/// One that lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) location: &'static Location<'static>,
    /// The task, or else the thread.
    pub(crate) by: Option<TaskRef>,
    /// On the telemetry clock.
    pub(crate) since: u64,
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self { next: AtomicU64::new(1), entries: Table::new() }
    }

    /// Enters what is made now. Returns its number.
    pub(crate) fn enter(&self, location: &'static Location<'static>) -> u64 {
        let made = Made { location, by: task::creator(), since: clock::now() };
        // A number and nothing else.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.entries.insert(number, Arc::new(made));
        number
    }

    /// Strikes off what ends.
    pub(crate) fn strike_off(&self, number: u64) {
        self.entries.remove(number);
    }

    /// What lives, in the order in which it was made. What lived throughout the call is there.
    pub(crate) fn all(&self) -> impl Iterator<Item = Made> {
        self.entries.all().into_iter().map(|(_, made)| *made)
    }
}
