//! The script on our channel, with what its telemetry tells.

#[allow(clippy::duplicate_mod)] // the same source on two channels is the point
#[path = "driver.rs"]
pub(crate) mod driver;

use parshall::mpsc;

use super::op::{Message, Told};

fn told(stats: &parshall::ChannelStats) -> Told {
    Told {
        queue_len: stats.queue_len,
        reserved: stats.reserved,
        high_watermark: stats.high_watermark,
        send_waiters: stats.send_waiters,
        granted_waiters: stats.granted_waiters,
        recv_waiters: stats.recv_waiters,
        send_waits_total: stats.send_waits_total,
        sent_total: stats.sent_total,
        recv_total: stats.recv_total,
        discarded: stats.discarded,
        full_total: stats.full_total,
        closed_total: stats.closed_total,
        counts: (stats.sender_count, stats.weak_sender_count),
        sender_closed: stats.sender_closed,
        receiver_closed: stats.receiver_closed,
        cause: stats.close_cause.map(parshall::CloseCause::as_str),
    }
}

#[allow(clippy::unnecessary_wraps)] // the other channel's is none
fn told_by_sender(tx: &mpsc::Sender<Message>) -> Option<Told> {
    Some(told(&tx.stats()))
}

#[allow(clippy::unnecessary_wraps)] // as above
fn told_by_receiver(rx: &mpsc::Receiver<Message>) -> Option<Told> {
    Some(told(&rx.stats()))
}
