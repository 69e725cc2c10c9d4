//! The script on our channels, with what their telemetry tells.

#[allow(clippy::duplicate_mod)] // the same source on two channels is the point
#[path = "driver/mod.rs"]
pub(crate) mod driver;

use parshall::{ChannelStats, CloseCause, mpsc};

use super::step::{Message, Tell, Told};

fn told(stats: &ChannelStats) -> Told {
    Told {
        bounded: stats.bounded,
        capacity: stats.capacity,
        utilization: stats.utilization,
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
        cause: stats.close_cause.map(CloseCause::as_str),
    }
}

impl Tell for mpsc::Sender<Message> {
    fn tell(&self) -> Option<Told> {
        let stats = self.stats();
        assert_eq!((self.len() as u64, self.is_empty()), (stats.queue_len, stats.queue_len == 0));
        assert_eq!(self.is_full(), self.capacity() == 0);
        Some(told(&stats))
    }
}

impl Tell for mpsc::UnboundedSender<Message> {
    fn tell(&self) -> Option<Told> {
        let stats = self.stats();
        assert_eq!((self.len() as u64, self.is_empty()), (stats.queue_len, stats.queue_len == 0));
        Some(told(&stats))
    }
}

impl Tell for mpsc::Receiver<Message> {
    fn tell(&self) -> Option<Told> {
        Some(told(&self.stats()))
    }
}

impl Tell for mpsc::UnboundedReceiver<Message> {
    fn tell(&self) -> Option<Told> {
        Some(told(&self.stats()))
    }
}
