//! What is wrong: two looks at a program turned into findings.
//!
//! | file | |
//! |---|---|
//! | `finding` | what can be found: kinds, verdicts, and the facts that each rests on |
//! | `settings` | from when on it is said |
//! | `diagnoser` | look after look |
//! | `report`, `words` | what it reads like |
//! | `waiters` | who waits, whether that is a finding or not |
//! | `json` | the same for machines |
//! | `draw` | the same as a picture |
//! | `watch`, `ticker` | looks at this process, once or on a thread |

mod diagnoser;
mod draw;
mod finding;
mod json;
mod report;
#[cfg(test)]
pub(crate) mod samples;
mod settings;
pub(crate) mod ticker;
#[cfg(feature = "testing")]
pub(crate) mod waiters;
pub(crate) mod watch;
mod words;

pub use diagnoser::{Diagnoser, LookError};
pub use finding::{
    Behind, Blind, ChannelRef, Diagnosis, Evidence, Finding, FindingKind, Hop, Party, Receiver,
    Receiving, Side, Verdict,
};
pub use json::DIAGNOSIS_SCHEMA;
pub use settings::{Settings, SettingsError};
pub use watch::{Watch, diagnose};
