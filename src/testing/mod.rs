//! For tests: what makes a program that hangs, or could, fail at once and say why.
//!
//! With feature `testing`, which belongs into `[dev-dependencies]` alone:
//!
//! ```toml
//! [dev-dependencies]
//! parshall = { version = "0.1", features = ["testing"] }
//! ```

#![forbid(unsafe_code)]

pub(crate) mod squeeze;
mod watchdog;

pub use squeeze::{Squeeze, squeeze};
pub use watchdog::{Watchdog, watchdog};
