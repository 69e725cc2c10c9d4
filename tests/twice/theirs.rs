//! Tokio's.

#[allow(clippy::duplicate_mod)] // the same source on two channels is the point
#[path = "budget.rs"]
#[allow(dead_code)]
pub(crate) mod budget;
#[allow(clippy::duplicate_mod)]
#[path = "pins.rs"]
#[allow(dead_code)]
pub(crate) mod pins;
#[allow(clippy::duplicate_mod)]
#[path = "traits.rs"]
#[allow(dead_code)]
pub(crate) mod traits;

use tokio::sync::mpsc;
