//! What a channel reports of itself.

use std::borrow::Cow;

use super::receive_waits::{ReceiveTotals, ReceiveView, ReceiveWait};
use super::{CloseCause, Shared};
use crate::ring::Occupancy;
use crate::telemetry::clock::{self, Anchor};
use crate::telemetry::task::TaskRef;
use crate::telemetry::text::{Text, Texts};
use crate::wait::{WaitTotals, Waiting};

/// The state of a channel at one moment, and its sums since creation.
///
/// From [`Sender::stats`](crate::mpsc::Sender::stats) and
/// [`Receiver::stats`](crate::mpsc::Receiver::stats). `queue_len`, `reserved`, the totals and
/// `utilization` belong to one reading of the channel's words and agree with each other:
/// `sent_total == recv_total + queue_len + discarded`. The other fields are read beside it, each
/// true at some moment of the call. Everything may have changed when the call returns, but totals
/// and `high_watermark` never fall, and closure is final.
///
/// On a target without a clock (`wasm32-unknown-unknown`) points in time and sums of time are 0,
/// and ages are none.
///
/// # Examples
/// ```
/// let (tx, mut rx) = parshall::mpsc::channel(4);
/// tx.try_send("a")?;
/// tx.try_send("b")?;
/// rx.try_recv()?;
/// let stats = tx.stats();
/// assert_eq!((stats.queue_len, stats.sent_total, stats.recv_total), (1, 2, 1));
/// assert_eq!((stats.high_watermark, stats.utilization), (2, Some(0.25)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// The channel's number in this process, never used again.
    pub channel_id: u64,
    /// The name: the last one given by `set_name` of a handle, else the one given to the
    /// [`Builder`](crate::mpsc::Builder::name), else made up. It is any text, as it was given.
    ///
    /// A made-up name is the `file:line` of the creation, the file cut as for `location`. If a
    /// constructor was passed as a function (`.map(channel)`,
    /// `.or_insert_with(unbounded_channel)`), that place is in the standard library or in this
    /// crate and tells nothing: then the name is the type of the messages, without paths.
    /// [`channel`](crate::mpsc::channel) says how to get a better one.
    pub name: Text,
    /// What to show to people: the name, and beside a made-up `file:line` the type of the messages
    /// without paths: `kameo-0.22.2/src/mailbox.rs:52 (Signal<Billing>)`.
    pub label: Text,
    /// `file:line:column` of the creation, with `/` between the folders, the file cut to what one
    /// recognises:
    ///
    /// * of a package from a registry, from its folder on: `kameo-0.22.2/src/mailbox.rs`;
    /// * of a git checkout, its name and revision and the rest: `kameo-3f2c1ab/src/mailbox.rs`;
    /// * what a build script has made, from its package on: `proto-5a69780f/out/gen.rs`;
    /// * a relative path whole: it begins at the workspace;
    /// * of any other path, from the folder of its last `src` on (else `tests`, `examples` or
    ///   `benches`), and if it has none, the last three parts.
    pub location: Text,
    /// The type of the messages, as the compiler names it: for people, not for comparing.
    pub payload: Cow<'static, str>,
    /// Whether there is a capacity.
    pub bounded: bool,
    /// Largest possible `queue_len`, in messages; none if unbounded.
    pub capacity: Option<u64>,
    /// Messages in the channel, those a sender is just putting in included.
    pub queue_len: u64,
    /// Permits that are out: capacity that is taken and carries no message yet.
    pub reserved: u64,
    /// Largest `queue_len` since creation, in messages. Never below any `queue_len` reported
    /// before. Exact if no message was on its way in at the peak, else at most too low by those.
    pub high_watermark: u64,
    /// `queue_len / capacity`, 0.0 to 1.0; none if unbounded.
    pub utilization: Option<f64>,
    /// Strong senders; an owned permit counts as one.
    pub sender_count: u64,
    /// Weak senders.
    pub weak_sender_count: u64,
    /// Sends and reserves that wait for room and have not been granted it. All that are counted
    /// here or in `granted_waiters` were in line at one instant, that at which the call began to
    /// look at the line: a sender with one wait counts once. Those that have left since are not
    /// counted. It may change at any time.
    pub send_waiters: u64,
    /// Sends and reserves that were granted room and have not been polled since. One that stays
    /// holds capacity that nobody uses: its future is not polled, or was forgotten. They were in
    /// line at the same instant as `send_waiters`, and may have been granted room after it.
    pub granted_waiters: u64,
    /// 1 while the receiver's last poll waits for a message, else 0. Handles count it also if the
    /// task that polled has ended since; a snapshot does not, where that is known.
    pub recv_waiters: u64,
    /// How long the first send in line has waited, in nanoseconds; none if nobody waits. Waits are
    /// timed by the system's coarse clock: too high by a tick (1 to 10 ms) at most, never too low.
    pub oldest_send_wait_ns: Option<u64>,
    /// How long the receiver has waited, in nanoseconds, as exact as the former; none if it does
    /// not.
    pub oldest_recv_wait_ns: Option<u64>,
    /// Time that sends and reserves have waited, ended and unended waits together, in nanoseconds.
    /// On the coarse clock: over many short waits right on average.
    pub send_wait_total_ns: u64,
    /// Sends and reserves that had to wait.
    pub send_waits_total: u64,
    /// Sends and reserves that were given up while they waited: the future was dropped, or its time
    /// was over. One that had been granted room, or refused by closure, is not counted. Never
    /// falls.
    pub send_given_up_total: u64,
    /// Receives that had to wait, the one that waits now included. A receive that is polled again
    /// without a wake-up, by the same task for the same call, goes on with its wait. Never falls.
    pub recv_waits_total: u64,
    /// Time that receives have waited, in nanoseconds, as `send_wait_total_ns`: each until it was
    /// woken, which is before its task runs, or given up; the one that waits now until now.
    pub recv_wait_total_ns: u64,
    /// Receives that were given up while they waited: by the loser of a `select!`, say, or because
    /// their time was over. That nobody is interested any more in a `poll_recv` or a stream is
    /// known only when the receiver is dropped. Never falls.
    pub recv_given_up_total: u64,
    /// `try_` calls that were refused because the channel was full.
    pub full_total: u64,
    /// Sends and reserves that were refused because the channel was closed.
    pub closed_total: u64,
    /// Messages that were sent and will never be received: the receiver was dropped.
    pub discarded: u64,
    /// All senders are gone.
    pub sender_closed: bool,
    /// The receiver was closed or dropped.
    pub receiver_closed: bool,
    /// What closed the channel first.
    pub close_cause: Option<CloseCause>,
    /// Messages sent since creation.
    pub sent_total: u64,
    /// Messages received since creation.
    pub recv_total: u64,
    /// When the channel was created, in nanoseconds since the Unix epoch.
    pub created_at_ns: i64,
    /// The node id of the task that created the channel, or if no task is known, as in async
    /// `main`, of the thread that did. None: by a thread that was ending.
    pub creator_task_id: Option<Text>,
}

impl ChannelStats {
    pub(crate) fn utilization_of(queue_len: u64, capacity: Option<u64>) -> Option<f64> {
        // No channel has room for nothing, but what is read from elsewhere may say so.
        let capacity = capacity.filter(|&capacity| capacity > 0)?;
        Some(queue_len as f64 / capacity as f64)
    }
}

/// A channel's attributes and its waits, read together.
pub(crate) struct View {
    pub(crate) stats: ChannelStats,
    pub(crate) send_waits: Vec<Waiting>,
    /// Of [`WaitTotals`].
    pub(crate) line_since: Option<u64>,
    pub(crate) close_waits: Vec<Waiting>,
    pub(crate) recv_wait: Option<ReceiveWait>,
    /// Of `task::waiter`; 0: none.
    pub(crate) left_waker: u64,
    pub(crate) last_receiver: Option<TaskRef>,
    pub(crate) last_receive: u64,
}

/// The sums of a channel: what is left to tell when it is gone.
pub(crate) struct Sums {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) discarded: u64,
    pub(crate) full: u64,
    pub(crate) closed: u64,
    pub(crate) waits: WaitTotals,
    pub(crate) receives: ReceiveTotals,
}

impl Shared {
    pub(super) fn sums_at(
        &self,
        now: Occupancy,
        waits: WaitTotals,
        receives: ReceiveTotals,
    ) -> Sums {
        let late = self.info().late();
        let received = self.info().received(now.popped);
        Sums {
            sent: now.popped + now.len + late,
            received,
            discarded: now.popped - received + late,
            full: self.info().full(),
            closed: self.info().closed(),
            waits,
            receives,
        }
    }

    /// The attributes alone.
    pub(crate) fn stats(&self) -> ChannelStats {
        self.order.begin();
        self.view(Anchor::now(), &mut Texts::default()).stats
    }

    /// Reads everything; takes no lock, and never stores into a word.
    pub(crate) fn view(&self, anchor: Anchor, texts: &mut Texts) -> View {
        let Self { ring, senders, counts, .. } = self;
        let info = self.info();
        let (waits, send_waits) = senders.visit();
        let close_waits = self.on_close.line().map_or_else(Vec::new, |line| line.visit().1);
        let (last_receiver, last_receive) = info.last_receiver();
        let ReceiveView { occupancy, totals: receives, wait: recv_wait, left: left_waker } =
            self.receive_waits.look(|| ring.occupancy());
        let now = clock::exact();
        let last_receiver = last_receiver.filter(|_| !occupancy.tail.is_receiver_gone());
        let sums = self.sums_at(occupancy, waits, receives);
        let reported = info.report(occupancy.len);
        let capacity = ring.capacity();
        let (strong, weak) = counts.now();
        let [name, label, location] = info.name_label_location(texts);
        let stats = ChannelStats {
            channel_id: info.channel_id,
            name,
            label,
            location,
            payload: info.payload.into(),
            bounded: capacity.is_some(),
            capacity,
            queue_len: occupancy.len,
            reserved: occupancy.reserved,
            high_watermark: ring.watermark().max(reported),
            utilization: ChannelStats::utilization_of(occupancy.len, capacity),
            sender_count: strong as u64,
            weak_sender_count: weak as u64,
            send_waiters: waits.waiting,
            granted_waiters: waits.granted,
            recv_waiters: recv_wait.is_some().into(),
            oldest_send_wait_ns: waits.oldest.and_then(|since| clock::age(since, now)),
            oldest_recv_wait_ns: recv_wait.and_then(|wait| clock::age(wait.since, now)),
            send_wait_total_ns: waits.waited_ns,
            send_waits_total: waits.waits,
            send_given_up_total: waits.given_up,
            recv_waits_total: receives.waits,
            recv_wait_total_ns: receives.waited_ns,
            recv_given_up_total: receives.given_up,
            full_total: sums.full,
            closed_total: sums.closed,
            discarded: sums.discarded,
            sender_closed: strong == 0,
            receiver_closed: info.is_receiver_closed(),
            close_cause: info.close_cause(),
            sent_total: sums.sent,
            recv_total: sums.received,
            created_at_ns: anchor.unix_ns(info.created_at),
            creator_task_id: info.creator().map(|task| texts.node_id(task)),
        };
        View {
            stats,
            send_waits,
            line_since: waits.line_since,
            close_waits,
            recv_wait,
            left_waker,
            last_receiver,
            // 0 of a ring that begins elsewhere: nobody was noted.
            last_receive: last_receiver
                .map_or(0, |_| ring.taken_at(last_receive).min(sums.received)),
        }
    }
}
