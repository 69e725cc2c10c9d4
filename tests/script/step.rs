//! What a call of a script led to, and what it is seen by.

use std::sync::{Arc, Mutex, Once};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::op::{Op, WAKERS};

/// What a call returned. Messages are named by their numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    Skipped,
    Done,
    Pending,
    /// A send that went through, permits that were given, a wait for closing that ended.
    Ready,
    Full(Option<u32>),
    Closed(Option<u32>),
    /// Messages received, in order; `[]` says that none will come, or that none was asked for.
    Got(Vec<u32>),
    Empty,
    Disconnected,
    Yes(bool),
    /// Whether an iterator gave a permit, and how many are left.
    Next(bool, usize),
    /// Answers of `same_channel`.
    Same(Vec<bool>),
    /// How many were sent, and how the last went.
    Burst(u8, Box<Out>),
    /// What was received, and how the last `try_recv` went.
    Drained(Vec<u32>, Box<Out>),
    /// Of the two halves of a rush.
    Both(Box<[Out; 2]>),
}

/// What the handles say after a call; none where no handle can be asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) sender: Option<BySender>,
    /// Strong and weak count.
    pub(crate) weak: Option<(usize, usize)>,
    pub(crate) receiver: Option<ByReceiver>,
}

/// Capacity and largest capacity; none of an unbounded channel.
pub(crate) type Room = Option<(usize, usize)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BySender {
    pub(crate) room: Room,
    pub(crate) closed: bool,
    pub(crate) counts: (usize, usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ByReceiver {
    pub(crate) len: usize,
    pub(crate) empty: bool,
    pub(crate) room: Room,
    pub(crate) closed: bool,
    pub(crate) counts: (usize, usize),
}

/// What telemetry says after a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) bounded: bool,
    pub(crate) capacity: Option<u64>,
    pub(crate) utilization: Option<f64>,
    pub(crate) queue_len: u64,
    pub(crate) reserved: u64,
    pub(crate) high_watermark: u64,
    pub(crate) send_waiters: u64,
    pub(crate) granted_waiters: u64,
    pub(crate) recv_waiters: u64,
    pub(crate) send_waits_total: u64,
    pub(crate) sent_total: u64,
    pub(crate) recv_total: u64,
    pub(crate) discarded: u64,
    pub(crate) full_total: u64,
    pub(crate) closed_total: u64,
    pub(crate) counts: (u64, u64),
    pub(crate) sender_closed: bool,
    pub(crate) receiver_closed: bool,
    pub(crate) cause: Option<&'static str>,
}

/// A handle that may have telemetry.
pub(crate) trait Tell {
    fn tell(&self) -> Option<Told> {
        None
    }
}

/// All that a call led to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) out: Out,
    /// What was printed: handles, and every error.
    pub(crate) texts: Vec<String>,
    /// Which wakers were woken, in order.
    pub(crate) woken: Vec<u8>,
    /// Messages that were dropped inside the channel or a future, in order.
    pub(crate) dropped: Vec<u32>,
    pub(crate) seen: Seen,
    /// None for a channel without telemetry, or when no handle can be asked.
    pub(crate) told: Option<Told>,
}

/// A channel of either flavour with all its handles.
pub(crate) trait Run {
    /// Makes one call and looks at everything.
    fn apply(&mut self, op: Op) -> Step;
    /// Drops every handle. Returns what was woken and dropped by that.
    fn end(self: Box<Self>) -> (Vec<u8>, Vec<u32>);
}

/// The index that `choice` means in a list of so many.
pub(crate) fn pick(len: usize, choice: u8) -> Option<usize> {
    usize::from(choice).checked_rem(len)
}

/// The blocking calls in progress.
static RUNNING: Mutex<Vec<(Op, Instant)>> = Mutex::new(vec![]);

/// One of them; it ends with this, also by a panic.
struct Running(Op, Instant);

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap().retain(|&running| running != (self.0, self.1));
    }
}

/// Ends the process, with a word, if `call` blocks: it must not, and a test that hangs tells
/// nothing.
pub(crate) fn at_once<R>(op: Op, call: impl FnOnce() -> R) -> R {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| drop(thread::spawn(watch)));
    let running = Running(op, Instant::now());
    RUNNING.lock().unwrap().push((running.0, running.1));
    call()
}

fn watch() {
    loop {
        thread::sleep(Duration::from_secs(5));
        let running = RUNNING.lock().unwrap();
        if let Some((op, _)) = running.iter().find(|(_, since)| since.elapsed().as_secs() > 30) {
            eprintln!("{op:?} blocks, though it need not wait");
            std::process::abort();
        }
    }
}

/// A list that wakers and messages write to.
pub(crate) type Log<T> = Arc<Mutex<Vec<T>>>;

/// Takes what a log has collected.
pub(crate) fn drain<T>(log: &Log<T>) -> Vec<T> {
    std::mem::take(&mut *log.lock().unwrap())
}

struct Counted(u8, Log<u8>);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// Wakers that note their number when woken.
pub(crate) fn wakers(log: &Log<u8>) -> Vec<Waker> {
    (0..WAKERS).map(|n| Arc::new(Counted(n, log.clone())).into()).collect()
}

/// A message: a number, and a note when it is dropped by other hands than the script's.
pub(crate) struct Message(u32, Option<Log<u32>>);

impl Message {
    pub(crate) fn new(number: u32, drops: &Log<u32>) -> Self {
        Self(number, Some(drops.clone()))
    }

    /// One that was in a buffer before anything was received into it.
    pub(crate) fn before() -> Self {
        Self(0, None)
    }

    /// Takes it out of the script: its drop is not noted.
    pub(crate) fn number(mut self) -> u32 {
        self.1 = None;
        self.0
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if let Some(drops) = &self.1 {
            drops.lock().unwrap().push(self.0);
        }
    }
}
