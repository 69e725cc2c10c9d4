//! Snapshots as JSON, written and read.
//!
//! | file | |
//! |---|---|
//! | `fields` | the attributes of a channel, and all that is a list of plain fields |
//! | `write` | a graph into a stream |
//! | `read` | a snapshot back from it |
//!
//! Nodes and edges are for those who look; `waits` and the attributes of nodes are what a snapshot
//! is read back from.

mod fields;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::ReadError;

/// The name and version of the JSON form. `schema/parshall.snapshot.2.schema.json` describes it.
pub const SCHEMA: &str = "parshall.snapshot/2";
