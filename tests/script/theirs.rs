//! The script on Tokio's channel, which has no telemetry.

#[allow(clippy::duplicate_mod)] // the same source on two channels is the point
#[path = "driver.rs"]
pub(crate) mod driver;

use tokio::sync::mpsc;

use super::op::{Message, Told};

#[allow(clippy::unnecessary_wraps)] // ours has some
fn told_by_sender(_: &mpsc::Sender<Message>) -> Option<Told> {
    None
}

#[allow(clippy::unnecessary_wraps)] // as above
fn told_by_receiver(_: &mpsc::Receiver<Message>) -> Option<Told> {
    None
}
