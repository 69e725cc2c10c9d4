//! The script on Tokio's channels, which have no telemetry.

#[allow(clippy::duplicate_mod)] // the same source on two channels is the point
#[path = "driver/mod.rs"]
pub(crate) mod driver;

use tokio::sync::mpsc;

use super::step::{Message, Tell};

impl Tell for mpsc::Sender<Message> {}
impl Tell for mpsc::Receiver<Message> {}
impl Tell for mpsc::UnboundedSender<Message> {}
impl Tell for mpsc::UnboundedReceiver<Message> {}
