//! What is wrong: two looks at a program turned into findings.
//!
//! | file | |
//! |---|---|
//! | `finding` | what can be found: kinds, verdicts, and the facts that each rests on |

mod finding;

pub use finding::{
    Behind, Blind, ChannelRef, Diagnosis, Evidence, Finding, FindingKind, Hop, Party, Receiver,
    Receiving, Side, Verdict,
};
