//! What a scrape is made of.

use parshall::Snapshot;
use parshall::introspect::Diagnosis;

/// A program, as it was at one look.
///
/// # Examples
/// On [`Exporter`](super::Exporter).
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The program.
    pub snapshot: &'a Snapshot,
    /// What is wrong there, of the same look; none if that is not known.
    pub diagnosis: Option<&'a Diagnosis>,
}
