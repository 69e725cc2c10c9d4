//! A snapshot as a graph: who needs whom.
//!
//! Works on snapshots only, never on a live channel. [`Snapshot::graph`] gives nodes and edges, and
//! [`Graph::to_json`] their JSON.
//!
//! [`Snapshot::graph`]: crate::Snapshot::graph

#![forbid(unsafe_code)]

mod graph;

pub use graph::{Edge, Graph, Node, NodeKind, SCHEMA};
