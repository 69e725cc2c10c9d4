//! All live channels at (nearly) one moment, as plain data.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use super::registry::{self, Retired};
pub use crate::chan::Call;
use crate::chan::{ChannelStats, Info, QueuedWait, ReceiveWait, Registration, Shared, Waiter};
use crate::telemetry::clock::{self, Anchor};
use crate::telemetry::ledger::Made;
use crate::telemetry::process::{encode, pid, proc_key, process};
use crate::telemetry::task::{self, Living, TaskCell, TaskKind, TaskRef, TaskState};
use crate::telemetry::text::{Text, Texts};

/// What [`snapshot`] saw.
///
/// It never changes. Each thing in it was true at some moment between `taken_at_ns` and
/// `completed_at_ns`, and may have changed since. Totals and `high_watermark` never fall, and
/// closing is final.
///
/// All times in it are on one time line, so they differ by what a monotonic clock says. If the
/// system's time of day was set between two snapshots, so that it is off by more than 10 ms, the
/// second follows it: the same moment, say `created_at_ns` of one channel, then has another value
/// there. Compare ages, `taken_at_ns - since_ns`, rather than points in time of different
/// snapshots.
///
/// On a target without a clock (`wasm32-unknown-unknown`) every point in time in it is 0.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The name of this process in ids.
    pub process: String,
    /// What tells this process from every other, see [`proc_key`].
    pub proc_key: String,
    /// The process id; 0 on WebAssembly, where processes have none.
    pub pid: u32,
    /// When it was begun, in nanoseconds since the Unix epoch.
    pub taken_at_ns: i64,
    /// When it was complete, in nanoseconds since the Unix epoch.
    pub completed_at_ns: i64,
    /// Every tracked channel that lives, by channel id.
    pub channels: Vec<ChannelSnapshot>,
    /// Every named task that lives, and everybody else who waits, last received, or made a sender
    /// that is traced, unless that has ended.
    pub tasks: Vec<TaskSnapshot>,
    /// Sums of the tracked channels that died, by the name that they were created with; `__other__`
    /// for names too many to remember.
    pub retired: Vec<RetiredSnapshot>,
    /// Live channels that are in no snapshot: those made by
    /// [`Builder::untracked`](crate::mpsc::Builder::untracked).
    pub untracked: u64,
}

/// One channel, as it was at one moment of the snapshot: [`ChannelStats`] says how long its numbers
/// may stay true, and who waits may change at any time.
///
/// # Examples
/// ```
/// # use parshall::mpsc::Builder;
/// let (tx, _rx) = Builder::new().name("wal").capacity(1).build();
/// tx.try_send("one")?;
/// let snapshot = parshall::snapshot();
/// let channel = snapshot.channels.iter().find(|c| c.stats.name == "wal").expect("it lives");
/// assert!(channel.stats.queue_len == 1 && channel.send_waits.is_empty());
/// assert!(channel.id.ends_with(":wal"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelSnapshot {
    /// `mpsc:{process}:{name}`, with `#n` behind the n-th channel of a name: never used again in
    /// this process. The name is the one that the channel was created with. `:tx` and `:rx` behind
    /// it make the ids of the two nodes.
    pub id: String,
    /// Its attributes.
    pub stats: ChannelStats,
    /// Who waits to send, in line, then who was granted room and has not been polled since. A place
    /// in line that a task has left behind is listed without the task, if that is known to have
    /// ended.
    pub send_waits: Vec<WaitSnapshot>,
    /// Since when nobody in line was granted room, in nanoseconds since the Unix epoch: when the
    /// first in line came, or the last one before it was let in. None: nobody waits, or it is not
    /// known any more.
    pub line_since_ns: Option<i64>,
    /// Who waits to receive. Not a task or thread that is known to have ended (see
    /// [`task`](crate::task)), although `stats` of a handle goes on to count the wait that it left
    /// behind.
    pub recv_wait: Option<WaitSnapshot>,
    /// Who waits in [`Sender::closed`](crate::mpsc::Sender::closed), in line.
    pub close_waits: Vec<WaitSnapshot>,
    /// Who last received, or waited for that, as far as it was noted: at the first receive, by each
    /// that waits or lets a waiting sender in, in a list once a block (about 32 messages), and in
    /// an array once in about a million. So a receiver that was moved, and always finds messages
    /// since, may be shown where it was before. None for a task known only by a waker that it no
    /// longer waits with, and for one that is known to have ended.
    pub last_receiver: Option<TaskRef>,
    /// The number of the receive at which `last_receiver` was noted: how many messages had been
    /// received by then. 0: before the first one, or no `last_receiver`.
    pub last_receive: u64,
    /// The waker that a receive has left in the channel: it was given up, by the loser of a
    /// `select!` say, and nobody has polled the receiver since. It is one clone, which is not that
    /// of `recv_wait`; the next message, the end, or the next receive that finds nothing takes it
    /// away, or waits with it.
    pub left_waker: Option<LeftWaker>,
    /// Every strong sender that lives and where it was made, if the channel traces that
    /// ([`Builder::trace_senders`](crate::mpsc::Builder::trace_senders)), in the order in which
    /// they were made. They are all of them if there are as many as `stats` says; one that is being
    /// made or dropped at the moment may be missing.
    pub senders: Option<Vec<SenderSnapshot>>,
}

/// A waker that a receive has left in its channel. It may be gone at any time.
///
/// # Examples
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Waker};
///
/// let (_tx, mut rx) = parshall::mpsc::Builder::new().name("news").build::<u8>();
/// {
///     let mut loser = pin!(rx.recv()); // of a `select!`, say
///     assert!(loser.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// }
/// let snapshot = parshall::snapshot();
/// let news = snapshot.channels.iter().find(|c| c.stats.name == "news").expect("it lives");
/// assert_eq!(news.recv_wait, None);
/// assert!(news.left_waker.is_some()); // a message would wake it, and nobody receives
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftWaker {
    /// Whose waker it is.
    pub task: TaskRef,
    /// As [`WaitSnapshot::own_waker`].
    pub own_waker: bool,
}

/// A strong sender of a channel that traces them. It may be dropped at any time; where and when it
/// was made never changes.
///
/// # Examples
/// ```
/// let (tx, _rx) = parshall::mpsc::Builder::new().name("kept").trace_senders().build::<u8>();
/// let snapshot = parshall::snapshot();
/// let channel = snapshot.channels.iter().find(|c| c.stats.name == "kept").expect("it lives");
/// for sender in channel.senders.as_deref().unwrap_or_default() {
///     println!("made at {}", sender.location);
/// }
/// # drop(tx);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderSnapshot {
    /// `file:line:column` of the call that made it, as [`ChannelStats::location`].
    pub location: Text,
    /// The task that made it, or the thread. It may be with another by now.
    pub task: Option<TaskRef>,
    /// When it was made, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
}

/// One wait. It may end at any time: be granted room, woken or given up.
///
/// # Examples
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Waker};
///
/// use parshall::{Call, mpsc::Builder, task};
///
/// let (tx, _rx) = Builder::new().name("acks").capacity(1).build();
/// tx.try_send(1)?;
/// let mut send = pin!(task::named("flusher", tx.send(2)));
/// assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
///
/// let snapshot = parshall::snapshot();
/// let channel = snapshot.channels.iter().find(|c| c.stats.name == "acks").expect("it lives");
/// let wait = &channel.send_waits[0];
/// assert_eq!((wait.call, wait.need, wait.granted_at_ns), (Call::Send, 1, None));
/// println!("waits for {} ns", snapshot.taken_at_ns - wait.since_ns);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitSnapshot {
    /// The number of the wait, never used again on its side of its channel: senders, callers of
    /// `closed`, and the receiver have numbers of their own. Two snapshots with the same number saw
    /// the same wait. A receive that another task polls, or that is polled with another waker, is
    /// another wait; a send is not.
    pub id: u64,
    /// What call it is.
    pub call: Call,
    /// Who waits; none if that could not be told, or has ended.
    pub task: Option<TaskRef>,
    /// The wait will wake `task` through the one waker that is the task's own: of a task that
    /// [`task::spawn`](crate::task::spawn) has made, the waker that it was polled with; of a
    /// thread, that of its blocking call. Not so for a wait inside of a `FuturesUnordered`, say. Of
    /// a wait that was granted room: it did; that waker has been woken and is not held any more.
    pub own_waker: bool,
    /// Since when, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
    /// For how much room, in messages. For a receive 1, for `closed` 0.
    pub need: u64,
    /// When all of it was granted, in nanoseconds since the Unix epoch; the wait has not been
    /// polled since. None: still waiting.
    pub granted_at_ns: Option<i64>,
    /// When the call gives up by itself, in nanoseconds since the Unix epoch, if it was told: by
    /// `send_timeout`, `blocking_recv_deadline` and their like. Up to 5 ms too late, never too
    /// early; one that is years away may be told too early. None also for a
    /// [`Timer`](crate::mpsc::Timer), which does not say when it ends.
    pub deadline_ns: Option<i64>,
}

/// A task, a thread, or a waker, and what it did at one moment of the snapshot: that may change at
/// any time. A root stays one, and `location` and `task` never change.
///
/// # Examples
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Waker};
///
/// use parshall::{Call, mpsc::Builder, task};
///
/// let (tx, _rx) = Builder::new().name("acks").capacity(1).build();
/// tx.try_send(1)?;
/// let mut send = pin!(task::named("flusher", tx.send(2)));
/// assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
///
/// let snapshot = parshall::snapshot();
/// let channel = snapshot.channels.iter().find(|c| c.stats.name == "acks").expect("it lives");
/// let who = snapshot.tasks.iter().find(|task| Some(task.task) == channel.send_waits[0].task);
/// assert_eq!(who.and_then(|task| task.name.as_deref()), Some("flusher"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskSnapshot {
    /// Which.
    pub task: TaskRef,
    /// Its name, if it has one: by [`task::named`](crate::task::named),
    /// [`task::spawn_named`](crate::task::spawn_named) or
    /// [`task::set_name`](crate::task::set_name); the `file:line` of its
    /// [`task::spawn`](crate::task::spawn); or the thread's own.
    pub name: Option<Text>,
    /// It was made by [`task::spawn`](crate::task::spawn) or
    /// [`task::spawn_named`](crate::task::spawn_named): nothing is around it that could wake it
    /// unseen or stop polling it.
    pub root: bool,
    /// `file:line:column` of the call that made it, for tasks made by those two.
    pub location: Option<Text>,
    /// What it is doing, for named tasks; for a thread that waits `Idle`.
    pub state: Option<TaskState>,
    /// Since when, for named tasks, in nanoseconds since the Unix epoch, up to one tick of the
    /// coarse clock early. `Scheduled`: since the first wake-up after its last poll began, or since
    /// the end of that poll, if it was woken in it. `Running`: when it was woken for this poll, or
    /// when that began, if nobody woke it. `Idle`: since its last poll ended.
    pub state_since_ns: Option<i64>,
    /// Clones of its own wakers that live, for named tasks: each could wake it. Those that it waits
    /// with are among them, and while it runs one more. While it is idle, it is their number at one
    /// moment, unless somebody else clones a waker of the task just then.
    pub wakers: Option<u64>,
    /// How often it was polled, for named tasks.
    pub polls: Option<u64>,
    /// Since when its oldest wait lasts, in nanoseconds since the Unix epoch.
    pub waiting_since_ns: Option<i64>,
}

/// The sums of the dead channels of one name. They never fall.
///
/// # Examples
/// ```
/// let (tx, rx) = parshall::mpsc::Builder::new().name("short").build();
/// tx.try_send(1)?;
/// drop((tx, rx));
/// let snapshot = parshall::snapshot();
/// let short = snapshot.retired.iter().find(|retired| retired.name == "short").unwrap();
/// assert_eq!((short.sums.channels, short.sums.sent_total, short.sums.discarded), (1, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetiredSnapshot {
    /// The name that they were created with.
    pub name: Text,
    /// The sums.
    pub sums: Retired,
}

/// Looks at every live channel.
///
/// Each channel is read consistently (see [`ChannelStats`]), one after the other: across channels
/// the moments differ, so a conclusion about several should rest on two snapshots. No sender and no
/// receiver is stopped: waits are read while they change, each as it was at some moment of the
/// call. Creating and dropping channels waits for the registry's lock, under which no channel is
/// looked at, and nothing is allocated or freed: an allocator may take a snapshot, if it guards
/// itself against the allocations that the snapshot makes. Not listed are untracked channels. A
/// channel whose last handle goes while a snapshot is taken lives until that is done.
///
/// # From where it may be called
/// It allocates, and takes locks under which none of the program's code runs. The same holds for
/// `stats` of a handle, but that it takes no lock.
///
/// | from | |
/// |---|---|
/// | any task or thread, inside and outside a runtime | yes |
/// | a waker, when it is cloned, woken or dropped by a channel | yes |
/// | `Drop` of a message or of a future, a panic hook | yes |
/// | the destructor of a thread-local | yes; who waits there may be shown without its name |
/// | a global allocator | yes, if it does not look again at what the snapshot itself allocates |
/// | a signal handler | no (1) |
/// | the child of a `fork` | yes, if no other thread ran in the parent at the fork; else no (2) |
///
/// 1. It hangs if the signal came to a thread that holds one of the locks, or the allocator's. Set
///    a flag or write to a pipe there, and take the snapshot on a thread.
/// 2. Not before the child executes another program: a lock may be taken there for ever, as with
///    the allocator. In either case the child has copies of all channels, with the waits of tasks
///    and threads that exist in the parent alone.
///
/// # Examples
/// ```
/// let (tx, _rx) = parshall::mpsc::Builder::new().name("jobs").capacity(2).build();
/// tx.try_send(1)?;
/// let snapshot = parshall::snapshot();
/// let jobs = snapshot.channels.iter().find(|c| c.stats.name == "jobs").unwrap();
/// assert_eq!((jobs.stats.queue_len, jobs.stats.capacity), (1, Some(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn snapshot() -> Snapshot {
    let (process, anchor) = (process(), Anchor::now());
    let taken_at = clock::exact();
    let mut channels = Vec::new();
    let mut texts = Texts::default();
    let look = |shared: &Shared| channels.extend(channel(shared, process, anchor, &mut texts));
    let live = registry::live(look);
    channels.sort_unstable_by_key(|channel| channel.stats.channel_id);
    // After the channels: who is named there and does not live now has ended.
    let living = task::living();
    for channel in &mut channels {
        channel.forget_ended(&living);
    }
    let tasks = tasks(&channels, &living, anchor, &mut texts);
    let (retired, other) = registry::retired();
    drop(live);
    let retired =
        retired.into_iter().chain((other.channels > 0).then(|| ("__other__".into(), other)));
    Snapshot {
        process: process.to_owned(),
        proc_key: proc_key().to_owned(),
        pid: pid(),
        taken_at_ns: anchor.unix_ns(taken_at),
        channels,
        tasks,
        retired: retired.map(|(name, sums)| RetiredSnapshot { name: name.into(), sums }).collect(),
        untracked: registry::untracked(),
        completed_at_ns: anchor.unix_ns(clock::exact()),
    }
}

impl ChannelSnapshot {
    /// Shows nobody who has ended.
    fn forget_ended(&mut self, living: &Living) {
        let has_ended = |task: &TaskRef| living.has_ended(*task);
        for wait in self.send_waits.iter_mut().chain(&mut self.close_waits) {
            wait.task = wait.task.filter(|task| !has_ended(task));
        }
        // Nobody will poll a receive whose task is gone; and the receiver was not polled since.
        if self.recv_wait.and_then(|wait| wait.task).is_some_and(|task| has_ended(&task)) {
            self.recv_wait = None;
            self.stats.recv_waiters = 0;
            self.stats.oldest_recv_wait_ns = None;
        }
        self.left_waker = self.left_waker.filter(|left| !has_ended(&left.task));
        self.last_receiver = self.last_receiver.filter(|task| !has_ended(task));
        if self.last_receiver.is_none() {
            self.last_receive = 0;
        }
    }
}

/// `None`: it is not listed.
fn channel(
    shared: &Shared,
    process: &str,
    anchor: Anchor,
    texts: &mut Texts,
) -> Option<ChannelSnapshot> {
    let registration = shared.info().registration()?;
    let view = shared.view(anchor, texts);
    let in_line = |waits: &[QueuedWait]| waits.iter().map(|wait| waiting(wait, anchor)).collect();
    let recv_wait = view.recv_wait.map(|wait| receive_wait(&wait, anchor));
    let left_waker = TaskRef::from_word(view.left_waker)
        .map(|task| LeftWaker { task, own_waker: TaskRef::is_own(view.left_waker) });
    // A waker's address means something only while it waits.
    let waits = |task| recv_wait.is_some_and(|wait| wait.task == Some(task));
    let last_receiver =
        view.last_receiver.filter(|&task| task.kind() != TaskKind::Waker || waits(task));
    Some(ChannelSnapshot {
        id: id(shared.info(), &registration, process, texts),
        send_waits: in_line(&view.send_waits),
        line_since_ns: view.line_since.map(|at| anchor.unix_ns(at)),
        recv_wait,
        close_waits: in_line(&view.close_waits),
        last_receiver,
        last_receive: if last_receiver.is_some() { view.last_receive } else { 0 },
        left_waker,
        senders: senders(shared, anchor, texts),
        stats: view.stats,
    })
}

/// As [`ChannelSnapshot::id`].
fn id(info: &Info, at: &Registration, process: &str, texts: &mut Texts) -> String {
    let name = match &info.name {
        Some(name) => name,
        None => texts.creation(info.location, info.payload).file_line.as_str(),
    };
    let mut id = String::with_capacity("mpsc:".len() + process.len() + 1 + name.len() + 8);
    id.push_str("mpsc:");
    id.push_str(process);
    id.push(':');
    encode(&mut id, name);
    match (at.name, at.ordinal) {
        (Some(_), 1) => Ok(()),
        (Some(_), n) => write!(id, "#{n}"),
        (None, _) => write!(id, "#c{}", info.channel_id),
    }
    .expect("a String takes all");
    id
}

/// Who waits in line.
fn waiting(wait: &QueuedWait, anchor: Anchor) -> WaitSnapshot {
    let Waiter { task, since, want } = wait.waiter;
    WaitSnapshot {
        id: wait.id,
        call: want.call(),
        task: TaskRef::from_word(task),
        own_waker: TaskRef::is_own(task),
        since_ns: anchor.unix_ns(since),
        need: if want.call() == Call::Closed { 0 } else { want.need() },
        granted_at_ns: wait.granted_at.map(|at| anchor.unix_ns(at)),
        deadline_ns: want.deadline().map(|at| anchor.unix_ns(at)),
    }
}

fn receive_wait(wait: &ReceiveWait, anchor: Anchor) -> WaitSnapshot {
    let ReceiveWait { id, task, since, want } = *wait;
    waiting(&QueuedWait { id, waiter: Waiter { task, since, want }, granted_at: None }, anchor)
}

/// The senders of a channel that traces them.
fn senders(shared: &Shared, anchor: Anchor, texts: &mut Texts) -> Option<Vec<SenderSnapshot>> {
    let all = shared.info().traced_senders()?.all();
    let sender = |made: Made| SenderSnapshot {
        location: texts.location(made.location),
        task: made.by,
        since_ns: anchor.unix_ns(made.since),
    };
    Some(all.map(sender).collect())
}

/// Everybody the channels name, and every named task.
fn tasks(
    channels: &[ChannelSnapshot],
    living: &Living,
    anchor: Anchor,
    texts: &mut Texts,
) -> Vec<TaskSnapshot> {
    let mut since: BTreeMap<TaskRef, Option<i64>> = BTreeMap::new();
    for channel in channels {
        let waits = channel.send_waits.iter().filter(|wait| wait.granted_at_ns.is_none());
        for wait in waits.chain(&channel.recv_wait).chain(&channel.close_waits) {
            let Some(task) = wait.task else { continue };
            let oldest = since.entry(task).or_default();
            *oldest = Some(oldest.map_or(wait.since_ns, |known| known.min(wait.since_ns)));
        }
        let granted = channel.send_waits.iter().filter_map(|wait| wait.task);
        let left = channel.left_waker.map(|left| left.task);
        let makers = channel.senders.iter().flatten().filter_map(|sender| sender.task);
        let makers = makers.filter(|&task| !living.has_ended(task));
        for task in granted.chain(channel.last_receiver).chain(left).chain(makers) {
            since.entry(task).or_default();
        }
    }
    for task in living.tasks() {
        since.entry(task).or_default();
    }
    let describe = |(task, waiting_since_ns): (TaskRef, Option<i64>)| {
        let cell = living.cell(task);
        let known = cell.map(TaskCell::state);
        let state = match task.kind() {
            TaskKind::Thread => waiting_since_ns.map(|_| TaskState::Idle),
            _ => known.map(|(state, _)| state),
        };
        TaskSnapshot {
            task,
            name: living.name(task).map(Text::from),
            root: cell.is_some_and(TaskCell::is_root),
            location: cell.and_then(TaskCell::location).map(|location| texts.location(location)),
            state,
            state_since_ns: known.map(|(_, since)| anchor.unix_ns(since)),
            wakers: cell.map(TaskCell::wakers),
            polls: cell.map(TaskCell::polls),
            waiting_since_ns,
        }
    };
    since.into_iter().map(describe).collect()
}
