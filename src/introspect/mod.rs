//! A program's channels from above: who is there, who needs whom, and what is wrong.
//!
//! | file | |
//! |---|---|
//! | `registry` | the live channels, weakly held |
//! | `snapshot` | all of them at (nearly) one moment, as plain data |
//! | [`Graph`] | a snapshot as nodes and edges |
//! | `json` | both as JSON, written and read |
//! | [`Diagnosis`] | what two snapshots, one after the other, say is wrong |
//!
//! Only `registry` and `snapshot` know live channels; all else works on snapshots.

#![forbid(unsafe_code)]

pub(crate) mod diagnose;
mod graph;
mod json;
pub(crate) mod registry;
pub(crate) mod snapshot;

#[cfg(not(parshall_loom))]
pub use diagnose::Watch;
pub use diagnose::{
    Behind, Blind, ChannelRef, DIAGNOSIS_SCHEMA, Diagnoser, Diagnosis, Evidence, Finding,
    FindingKind, Grant, Hop, LeftOut, LookError, Party, Receiver, Receiving, Settings,
    SettingsError, Side, Verdict,
};
pub use graph::{Edge, Graph, Node, NodeKind, Subject, Why};
pub use json::{ReadError, SCHEMA};

/// How reports and pictures write numbers and names. For `parshall-gauge` and `parshall-cli`, which
/// write them in the same way; may change with every version.
#[doc(hidden)]
pub mod text {
    pub use super::diagnose::draw::{
        Drawing, Edge, Mark, Node, Shape, dot_text, last_receiver, mermaid_text,
    };
    pub use super::diagnose::words::{
        GLUE, count, counted, duration, exact, label, line, percent, rate,
    };

    /// Whether bounded channels are made as small as `PARSHALL_SQUEEZE` says.
    pub const SQUEEZES: bool = cfg!(feature = "testing");

    /// The first line of a report.
    pub fn headline(diagnosis: &super::Diagnosis) -> String {
        diagnosis.headline()
    }

    /// `12.4 s`, or `seen for 12.4 s` if nobody knows when it began.
    pub fn lasted(finding: &super::Finding) -> String {
        finding.lasted()
    }

    /// `STUCK`, `likely STUCK` or `worth knowing`.
    pub fn standing(verdict: super::Verdict) -> &'static str {
        verdict.standing()
    }
}
