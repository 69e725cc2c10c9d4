//! Who is waiting: a task, a thread, or at least a waker.
//!
//! Resolved when a wait is registered or a channel is created, never per message. In this order:
//! the task wrapped by [`named`] or the thread in a blocking call, whichever was entered last; with
//! feature `tokio`, the Tokio task; otherwise the waker, whose address means something only while the
//! wait lasts.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Wake;

use super::process::process;
use crate::sync::plain::{Arc, AtomicU8, AtomicU64, Cell, Mutex, Ordering, Weak, thread_local};

/// A task, thread or waker in one word, so that a wait stores it at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRef(u64);

/// What a [`TaskRef`] refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// A future wrapped by [`named`].
    Named,
    /// A Tokio task (feature `tokio`).
    Tokio,
    /// A thread in a blocking call.
    Thread,
    /// A waker: its number is an address, which another task may have later.
    Waker,
}

const KIND_SHIFT: u32 = 61;

impl TaskRef {
    fn new(kind: TaskKind, number: u64) -> Self {
        let tag = match kind {
            TaskKind::Named => 1,
            TaskKind::Tokio => 2,
            TaskKind::Thread => 3,
            TaskKind::Waker => 4,
        };
        Self(tag << KIND_SHIFT | number & ((1 << KIND_SHIFT) - 1))
    }

    /// The word of a [`TaskRef`], or none for 0.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self(word))
    }

    pub(crate) fn word(this: Option<Self>) -> u64 {
        this.map_or(0, |task| task.0)
    }

    /// What this refers to.
    pub fn kind(self) -> TaskKind {
        match self.0 >> KIND_SHIFT {
            1 => TaskKind::Named,
            2 => TaskKind::Tokio,
            3 => TaskKind::Thread,
            _ => TaskKind::Waker,
        }
    }

    /// The number of the task, of its kind. Never used again in this process, but for wakers.
    pub fn number(self) -> u64 {
        self.0 & ((1 << KIND_SHIFT) - 1)
    }

    /// The id of this task's node in a graph.
    pub fn node_id(self) -> String {
        let number = self.number();
        match self.kind() {
            TaskKind::Named => format!("task:{}:{number}", process()),
            TaskKind::Tokio => format!("task:{}:tokio-{number}", process()),
            TaskKind::Thread => format!("thread:{}:{number}", process()),
            TaskKind::Waker => format!("waker:{}:{number:x}", process()),
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind(), self.number())
    }
}

/// What a named task is doing. True at the moment of the snapshot only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// Woken, and not polled since.
    Scheduled,
    /// Being polled.
    Running,
    /// Waiting to be woken.
    Idle,
}

impl TaskState {
    /// `scheduled`, `running` or `idle`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Idle => "idle",
        }
    }
}

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;

/// What telemetry reads of a named task.
#[derive(Debug)]
pub(crate) struct TaskCell {
    pub(crate) task: TaskRef,
    pub(crate) name: String,
    state: AtomicU8,
    polls: AtomicU64,
}

impl TaskCell {
    pub(crate) fn state(&self) -> TaskState {
        // A gauge.
        match self.state.load(Ordering::Relaxed) {
            IDLE => TaskState::Idle,
            RUNNING => TaskState::Running,
            _ => TaskState::Scheduled,
        }
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }
}

/// The waker that a named future sees: it notes the wake-up and passes it on. Only wakers own it: were
/// it kept by the task, an executor whose idle tasks live through their wakers alone could never
/// free one.
#[derive(Debug)]
struct Hook {
    cell: Arc<TaskCell>,
    executor: Waker,
}

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.cell.state.store(SCHEDULED, Ordering::Relaxed);
        self.executor.wake_by_ref();
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static TASKS: Mutex<BTreeMap<TaskRef, Arc<TaskCell>>> = Mutex::new(BTreeMap::new());
static THREADS: Mutex<BTreeMap<TaskRef, Option<String>>> = Mutex::new(BTreeMap::new());

/// All named tasks that live now, by number.
pub(crate) fn named_tasks() -> Vec<Arc<TaskCell>> {
    TASKS.lock().values().cloned().collect()
}

/// The name of a thread that has waited, if it lives and has one.
pub(crate) fn thread_name(thread: TaskRef) -> Option<String> {
    THREADS.lock().get(&thread).cloned().flatten()
}

/// Gives `future` a name under which its waits appear in snapshots, on whatever runtime it runs.
///
/// The name need not be unique: the task has a number of its own. The future is polled with a waker
/// that notes the wake-up and passes it on; a poll after which no clone of it is left costs one allocation.
/// Nested names: the innermost wins.
///
/// # Cancel safety
/// As that of `future`: dropping the wrapper drops it.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, mut rx) = parshall::mpsc::channel::<u32>(8);
/// tokio::spawn(parshall::task::named("writer", async move { tx.send(7).await }));
/// assert_eq!(rx.recv().await, Some(7));
/// # }
/// ```
pub fn named<F: Future>(name: impl Into<String>, future: F) -> Named<F> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let cell = Arc::new(TaskCell {
        task: TaskRef::new(TaskKind::Named, number),
        name: name.into(),
        state: AtomicU8::new(SCHEDULED),
        polls: AtomicU64::new(0),
    });
    TASKS.lock().insert(cell.task, cell.clone());
    Named { cell, hook: Weak::new(), future }
}

/// A future with a name; see [`named`].
#[must_use = "futures do nothing unless polled"]
pub struct Named<F> {
    cell: Arc<TaskCell>,
    /// The last hook, for as long as some waker keeps it.
    hook: Weak<Hook>,
    future: F,
}

impl<F> Named<F> {
    /// The task as waits and edges refer to it.
    pub fn task(&self) -> TaskRef {
        self.cell.task
    }
}

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.cell.name).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned with `self`: it is never moved out, `Named` has no way to
        // move it, and its drop is the compiler's. `cell` and `hook` are not pinned.
        let (cell, last, future) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.cell, &mut this.hook, Pin::new_unchecked(&mut this.future))
        };
        cell.state.store(RUNNING, Ordering::Relaxed);
        cell.polls.fetch_add(1, Ordering::Relaxed);
        let known = last.upgrade().filter(|hook| hook.executor.will_wake(cx.waker()));
        let hook = known.unwrap_or_else(|| {
            let hook = Arc::new(Hook { cell: cell.clone(), executor: cx.waker().clone() });
            *last = Arc::downgrade(&hook);
            hook
        });
        let entered = enter(cell.task);
        let waker = Waker::from(hook);
        let poll = future.poll(&mut Context::from_waker(&waker));
        drop(entered);
        // With it may go the executor's, and its drop is user code. A panic there must not cost the task
        // what the poll returned; the panic hook has reported it.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(waker))) {
            crate::unwind::discard(payload);
        }
        // A wake-up during the poll has set SCHEDULED, which stays.
        let _ = cell.state.compare_exchange(RUNNING, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        poll
    }
}

impl<F> Drop for Named<F> {
    fn drop(&mut self) {
        TASKS.lock().remove(&self.cell.task);
    }
}

thread_local! {
    /// The task or blocking call that runs on this thread, as a word.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
    static THREAD: ThreadCard = ThreadCard::new();
}

/// Sets the current task until dropped; then the one before is current again.
struct Entered(u64);

fn enter(task: TaskRef) -> Entered {
    Entered(CURRENT.replace(task.0))
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Lists a thread, from one of its first blocking calls until it ends.
struct ThreadCard {
    task: TaskRef,
    listed: Cell<bool>,
}

impl ThreadCard {
    fn new() -> Self {
        let task = TaskRef::new(TaskKind::Thread, NEXT.fetch_add(1, Ordering::Relaxed));
        Self { task, listed: Cell::new(false) }
    }

    /// A send must never wait for a lock: if the list is busy, the thread has no name until its next call.
    fn list(&self) {
        if !self.listed.get()
            && let Some(mut threads) = THREADS.try_lock()
        {
            threads.insert(self.task, crate::sync::plain::thread_name());
            self.listed.set(true);
        }
    }
}

impl Drop for ThreadCard {
    fn drop(&mut self) {
        if self.listed.get() {
            THREADS.lock().remove(&self.task);
        }
    }
}

/// Runs `f`, a blocking call, with this thread as the one who waits.
pub(crate) fn as_thread<R>(f: impl FnOnce() -> R) -> R {
    if cfg!(parshall_loom) {
        return f();
    }
    // A thread that is ending has lost its card: it waits without a name.
    let card = |card: &ThreadCard| {
        card.list();
        card.task
    };
    let Ok(thread) = THREAD.try_with(card) else { return f() };
    let _entered = enter(thread);
    f()
}

/// Who runs now: the task, or else `waker`.
#[inline]
pub(crate) fn current(waker: Option<&Waker>) -> Option<TaskRef> {
    if cfg!(parshall_loom) {
        return None;
    }
    TaskRef::from_word(CURRENT.get())
        .or_else(tokio_task)
        .or_else(|| waker.map(|w| TaskRef::new(TaskKind::Waker, w.data().addr() as u64)))
}

#[cfg(not(feature = "tokio"))]
fn tokio_task() -> Option<TaskRef> {
    None
}

/// Tokio shows the number of a task only as text, which takes longer than a send. It also hashes it: the first task
/// that asks compares the two, and if they differ, text it is.
#[cfg(feature = "tokio")]
fn tokio_task() -> Option<TaskRef> {
    use core::hash::{Hash, Hasher};

    /// Keeps the last number that was hashed.
    struct Hashed(u64);

    impl Hasher for Hashed {
        fn write(&mut self, _: &[u8]) {}

        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }

    /// Whether a task hashes its number: 0 unknown, 1 yes, 2 no. Any thread may find out.
    static HASHED: AtomicU8 = AtomicU8::new(0);

    let id = tokio::task::try_id()?;
    let mut hashed = Hashed(0);
    id.hash(&mut hashed);
    if HASHED.load(Ordering::Relaxed) != 1 {
        let number = id.to_string().parse().ok()?;
        HASHED.store(if number == hashed.0 { 1 } else { 2 }, Ordering::Relaxed);
        hashed.0 = number;
    }
    Some(TaskRef::new(TaskKind::Tokio, hashed.0))
}
