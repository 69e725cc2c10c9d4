//! Who is waiting: a task, a thread, or at least a waker.
//!
//! Resolved when a wait is registered or a channel is created, never per message. In this order:
//!
//! 1. The future wrapped by [`named`], or the task made by `spawn`, which wraps its future so, or
//!    the thread in a blocking call, whichever was entered last. But with feature `tokio`, where an
//!    executor inside of the named future (a `LocalSet`, say) runs a task of its own, that task.
//!    Tasks of other executors inside of it wait under its name, unless they are named themselves.
//! 2. With feature `tokio`, the Tokio task; outside of every task, but in a runtime, the thread:
//!    that is the one that drives async `main`.
//! 3. The waker, whose address means something only while the wait lasts.
//!
//! # What is over
//!
//! What is said of named tasks holds for those that [`named`] has wrapped and `spawn` has made.
//!
//! A snapshot shows no wait of a named task or a thread that has ended, and names neither as the
//! last receiver. A plain Tokio task tells nobody that it has ended: if it leaves a wait behind, by
//! a `poll_recv` or a stream that is not polled to its end, the wait is shown until the receiver is
//! polled again or dropped. So is one that a future driven by `block_on` leaves behind, until its
//! thread ends. [`Receiver::recv`](crate::mpsc::Receiver::recv) leaves none.

mod named;
#[cfg(feature = "tokio")]
mod spawn;
mod state;
mod wakers;

use core::fmt;
use core::task::Waker;

use super::process::process;
use super::table::Table;
use super::thread;
use crate::runtime;
use crate::sync::plain::{Arc, AtomicBool, Cell, Ordering, thread_local};

use named::TASKS;
pub(crate) use named::TaskCell;
pub use named::{Named, named};
#[cfg(feature = "tokio")]
pub use spawn::{spawn, spawn_named};
pub use state::TaskState;

/// A task, thread or waker in one word, so that a wait stores it at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRef(u64);

/// What a [`TaskRef`] refers to. Never changes.
///
/// # Examples
/// Waits of which no snapshot can say whose they are:
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Waker};
///
/// use parshall::task::TaskKind;
///
/// let (_tx, mut rx) = parshall::mpsc::channel::<u8>(1);
/// let mut recv = pin!(rx.recv());
/// assert!(recv.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
///
/// let snapshot = parshall::snapshot();
/// let whose = snapshot.channels.iter().filter_map(|channel| channel.recv_wait?.task);
/// let unknown = whose.filter(|task| task.kind() == TaskKind::Waker).count();
/// assert_eq!(unknown, 1); // give its task a name: parshall::task::named
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// A future wrapped by [`named`], or a task made by `spawn`.
    Named,
    /// A Tokio task (feature `tokio`).
    Tokio,
    /// A thread: in a blocking call, or driving a future outside of every task, as async `main` is.
    Thread,
    /// A waker: its number is an address, which another task may have later.
    Waker,
}

const KIND_SHIFT: u32 = 61;

/// In the word of a [`waiter`]: the waker is its own. No part of the [`TaskRef`].
const OWN: u64 = 1 << 60;

/// Numbers have so many bits; and so do addresses.
const NUMBER: u64 = OWN - 1;

impl TaskRef {
    fn new(kind: TaskKind, number: u64) -> Self {
        let tag = match kind {
            TaskKind::Named => 1,
            TaskKind::Tokio => 2,
            TaskKind::Thread => 3,
            TaskKind::Waker => 4,
        };
        Self(tag << KIND_SHIFT | number & NUMBER)
    }

    /// Tokio counts its tasks from 1: no mask is needed.
    #[inline]
    fn tokio(number: u64) -> Self {
        debug_assert!(number <= NUMBER);
        Self(2 << KIND_SHIFT | number)
    }

    fn thread(number: u64) -> Self {
        Self::new(TaskKind::Thread, number)
    }

    /// That of a word, of [`TaskRef::word`] or [`waiter`]; none for 0.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self(word & !OWN))
    }

    /// Whether the word is of a [`waiter`] that waits with its own waker.
    pub(crate) fn is_own(word: u64) -> bool {
        word & OWN != 0
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
        self.0 & NUMBER
    }

    /// The id of this task's node in a graph of this process.
    pub fn node_id(self) -> String {
        self.node_id_in(process())
    }

    /// The id of this task's node in a graph of the process of this name: in one that was read,
    /// say.
    ///
    /// # Examples
    /// ```
    /// use parshall::task::named;
    ///
    /// let task = named("writer", async {}).task();
    /// assert_eq!(task.node_id_in("ingest-7"), format!("task:ingest-7:{}", task.number()));
    /// ```
    pub fn node_id_in(self, process: &str) -> String {
        NodeId { task: self, process }.to_string()
    }

    /// The process and the task that have this node id.
    pub(crate) fn from_node_id(id: &str) -> Option<(&str, Self)> {
        let (kind, rest) = id.split_once(':')?;
        let (process, number) = rest.split_once(':')?;
        let (kind, number, radix) = match (kind, number.strip_prefix("tokio-")) {
            ("task", Some(number)) => (TaskKind::Tokio, number, 10),
            ("task", None) => (TaskKind::Named, number, 10),
            ("thread", _) => (TaskKind::Thread, number, 10),
            ("waker", _) => (TaskKind::Waker, number, 16),
            _ => return None,
        };
        // One id for one number, as they are written.
        let canonical = number.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            && (number == "0" || !number.starts_with('0'));
        let number = u64::from_str_radix(number, radix).ok().filter(|_| canonical)?;
        (number >> KIND_SHIFT == 0).then(|| (process, Self::new(kind, number)))
    }
}

/// The id of a task's node, not yet written.
#[derive(Clone, Copy)]
pub(crate) struct NodeId<'a> {
    pub(crate) task: TaskRef,
    pub(crate) process: &'a str,
}

impl fmt::Display for NodeId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, process) = (self.task.number(), self.process);
        match self.task.kind() {
            TaskKind::Named => write!(f, "task:{process}:{number}"),
            TaskKind::Tokio => write!(f, "task:{process}:tokio-{number}"),
            TaskKind::Thread => write!(f, "thread:{process}:{number}"),
            TaskKind::Waker => write!(f, "waker:{process}:{number:x}"),
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind(), self.number())
    }
}

/// The names that Tokio tasks were given, by [`set_name`].
static TOKIO_NAMES: Table<TokioName> = Table::new();

/// So many names of Tokio tasks are kept.
const MOST_TOKIO_NAMES: usize = 65_536;

#[derive(Debug)]
struct TokioName {
    name: Arc<str>,
    /// A snapshot has shown it since names were last forgotten.
    shown: AtomicBool,
}

/// Gives the running task a name, wherever it was spawned. Returns who has it now.
///
/// * Inside of [`named`], the named task has a new name.
/// * In a task of Tokio, with feature `tokio`, that task has. Tokio tells nobody when a task ends,
///   so names of Tokio tasks are kept up to a number: when there are more than 65,536, half of them
///   are forgotten, those first that no snapshot has shown, and of them the oldest tasks'. Who must
///   never lose its name uses [`named`].
/// * Elsewhere the thread has: in async `main`, in a plain thread, and in a task of any other
///   executor, which should use [`named`].
///
/// None: this thread is ending, and nobody has the name.
///
/// Ids stay what they were: a name is an attribute. It may be any text, of any length, and is kept
/// and shown as it is; whoever prints it looks after control characters. Giving it again replaces
/// it.
///
/// # Examples
/// ```
/// use parshall::{mpsc, task};
///
/// // What a framework has spawned, and what can only be named from inside.
/// let (tx, _rx) = mpsc::channel(1);
/// let worker = task::named("actor", async move {
///     task::set_name("billing");
///     tx.send("first").await.unwrap();
///     tx.send("waits").await.unwrap();
/// });
/// let mut worker = std::pin::pin!(worker);
/// # use std::future::Future;
/// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// assert!(worker.as_mut().poll(&mut cx).is_pending());
/// let snapshot = parshall::snapshot();
/// let billing = snapshot.tasks.iter().find(|task| task.name.as_deref() == Some("billing")).unwrap();
/// assert!(billing.waiting_since_ns.is_some());
/// ```
pub fn set_name(name: impl Into<String>) -> Option<TaskRef> {
    let name = Arc::<str>::from(name.into());
    let Some(task) = running() else { return thread::set_name(name).map(TaskRef::thread) };
    match task.kind() {
        TaskKind::Named => {
            if let Some(cell) = TASKS.get(task.number()) {
                cell.set_name(name);
            }
        }
        TaskKind::Tokio => name_of_tokio(&TOKIO_NAMES, task.number(), name, MOST_TOKIO_NAMES),
        TaskKind::Thread | TaskKind::Waker => _ = thread::set_name(name),
    }
    Some(task)
}

/// Keeps a name, and then at most `most`.
fn name_of_tokio(names: &Table<TokioName>, number: u64, name: Arc<str>, most: usize) {
    /// Somebody is forgetting. Not a lock: who finds it set goes on.
    static FORGETTING: AtomicBool = AtomicBool::new(false);

    drop(names.insert(number, Arc::new(TokioName { name, shown: AtomicBool::new(false) })));
    if names.len() <= most || FORGETTING.swap(true, Ordering::Acquire) {
        return;
    }
    // Not shown before shown, then the oldest.
    let all = names.all().into_iter();
    let mut all: Vec<_> =
        all.map(|(number, name)| (name.shown.swap(false, Ordering::Relaxed), number)).collect();
    all.sort_unstable();
    for (_, number) in &all[..all.len().saturating_sub(most / 2)] {
        drop(names.remove(*number));
    }
    FORGETTING.store(false, Ordering::Release);
}

/// Who has not ended.
pub(crate) struct Living {
    tasks: Vec<(u64, Arc<TaskCell>)>,
    threads: Vec<(u64, Option<Arc<str>>)>,
}

/// The named tasks and listed threads that live now. Whoever was read before this call as one who
/// waits, and is not here, has ended: both are listed before they can wait.
pub(crate) fn living() -> Living {
    Living { tasks: TASKS.all(), threads: thread::living() }
}

impl Living {
    /// Whether it is known to have ended.
    pub(crate) fn has_ended(&self, task: TaskRef) -> bool {
        match task.kind() {
            TaskKind::Named => self.cell(task).is_none(),
            TaskKind::Thread => {
                self.threads.binary_search_by_key(&task.number(), |thread| thread.0).is_err()
            }
            TaskKind::Tokio | TaskKind::Waker => false,
        }
    }

    /// What is known of a named task.
    pub(crate) fn cell(&self, task: TaskRef) -> Option<&TaskCell> {
        let is_named = task.kind() == TaskKind::Named;
        let at = self.tasks.binary_search_by_key(&task.number(), |task| task.0).ok();
        at.filter(|_| is_named).map(|at| &*self.tasks[at].1)
    }

    /// The name, if there is one.
    pub(crate) fn name(&self, task: TaskRef) -> Option<Arc<str>> {
        let number = task.number();
        match task.kind() {
            TaskKind::Named => self.cell(task)?.name(),
            TaskKind::Thread => {
                let at = self.threads.binary_search_by_key(&number, |thread| thread.0).ok()?;
                self.threads[at].1.clone()
            }
            TaskKind::Tokio => {
                let named = TOKIO_NAMES.get(number)?;
                named.shown.store(true, Ordering::Relaxed);
                Some(named.name.clone())
            }
            TaskKind::Waker => None,
        }
    }

    /// The named tasks.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskRef> {
        self.tasks.iter().map(|(number, _)| TaskRef::new(TaskKind::Named, *number))
    }
}

/// Who was entered last on this thread.
#[derive(Clone, Copy)]
struct Current {
    /// A named task, or the thread in a blocking call, as a word; 0: nobody.
    task: u64,
    /// The runtime's task in which a named one was entered; 0: none.
    within: u64,
    /// The address behind its own waker; 0: not known.
    own: usize,
}

impl Current {
    const NOBODY: Self = Self { task: 0, within: 0, own: 0 };
}

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(Current::NOBODY) };
}

/// Sets the current task until dropped; then the one before is current again.
struct Entered(Current);

fn enter(current: Current) -> Entered {
    Entered(CURRENT.replace(current))
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs `f`, a blocking call, with this thread as the one who waits.
pub(crate) fn as_thread<R>(f: impl FnOnce() -> R) -> R {
    if cfg!(parshall_loom) {
        return f();
    }
    // A thread that is ending has lost its card: it waits without a name.
    let Some(thread) = thread::number() else { return f() };
    let _entered = enter(Current { task: TaskRef::thread(thread).0, ..Current::NOBODY });
    f()
}

/// The thread in the blocking call will sleep until `waker` is woken.
#[cfg(not(parshall_loom))] // who has a `block_on` of its own
pub(crate) fn blocks_with(waker: &Waker) {
    let current = CURRENT.get();
    if TaskRef::from_word(current.task).is_some_and(|task| task.kind() == TaskKind::Thread) {
        CURRENT.set(Current { own: waker.data().addr(), ..current });
    }
}

/// Who runs now: the task, or else `waker`.
#[inline]
pub(crate) fn current(waker: Option<&Waker>) -> Option<TaskRef> {
    if cfg!(parshall_loom) {
        return None;
    }
    // The plain case, of a wait in a task of the runtime: nobody was entered.
    if CURRENT.get().task == 0
        && let Some(number) = runtime::task_number()
    {
        return Some(TaskRef::tokio(number));
    }
    entered(waker)
}

/// [`current`] in all other cases.
#[inline(never)]
fn entered(waker: Option<&Waker>) -> Option<TaskRef> {
    running()
        .or_else(|| driver(waker))
        .or_else(|| waker.map(|w| TaskRef::new(TaskKind::Waker, w.data().addr() as u64)))
}

/// Who waits with `waker` now, in one word, which is not 0: that of [`current`], and whether the
/// waker is its own. That of a named task is the one that it is polled with; that of a thread wakes
/// its blocking call.
#[inline]
pub(crate) fn waiter(waker: &Waker) -> u64 {
    if cfg!(parshall_loom) {
        // Somebody.
        return TaskRef::new(TaskKind::Waker, 0).0;
    }
    // The plain case, as in `current`: a task of the runtime, whose waker anybody may have.
    if CURRENT.get().task == 0
        && let Some(number) = runtime::task_number()
    {
        return TaskRef::tokio(number).0;
    }
    entered_waiter(waker)
}

/// [`waiter`] in all other cases.
#[inline(never)]
fn entered_waiter(waker: &Waker) -> u64 {
    let word = TaskRef::word(entered(Some(waker)));
    let Current { task, own, .. } = CURRENT.get();
    // Not that of a future that a waker called meanwhile polls: it is another's.
    let is_own = word == task && own != 0 && own == waker.data().addr();
    if is_own { word | OWN } else { word }
}

/// Whether it is the thread that asks.
pub(crate) fn is_this_thread(task: TaskRef) -> bool {
    task.kind() == TaskKind::Thread && thread::number() == Some(task.number())
}

/// Who creates a channel now: the task, or else the thread.
#[inline]
pub(crate) fn creator() -> Option<TaskRef> {
    if cfg!(parshall_loom) {
        return None;
    }
    // The plain case, as in `current`.
    if CURRENT.get().task == 0
        && let Some(number) = runtime::task_number()
    {
        return Some(TaskRef::new(TaskKind::Tokio, number));
    }
    entered_creator()
}

/// [`creator`] in all other cases.
#[inline(never)]
fn entered_creator() -> Option<TaskRef> {
    running().or_else(|| thread::number().map(TaskRef::thread))
}

/// The task that runs, or the thread in its blocking call.
#[inline]
fn running() -> Option<TaskRef> {
    let Current { task, within, .. } = CURRENT.get();
    let entered = TaskRef::from_word(task);
    if entered.is_some_and(|entered| entered.kind() == TaskKind::Thread) {
        return entered;
    }
    match runtime::task_number() {
        // Another task of the runtime than at entry: an executor inside of the named task runs it.
        Some(number) if task == 0 || number != within => {
            Some(TaskRef::new(TaskKind::Tokio, number))
        }
        _ => entered,
    }
}

/// Outside of every task, but in a runtime: the thread that drives async `main`.
fn driver(waker: Option<&Waker>) -> Option<TaskRef> {
    thread_local! {
        /// The kind of the last waker, by its table, for which the runtime said so; 1: that of a
        /// call without one. To ask costs a reference count, and a waker of that kind is again that
        /// of who drives.
        static KIND: Cell<usize> = const { Cell::new(0) };
    }
    let known = KIND.get();
    let is_known = match waker {
        Some(waker) => known == core::ptr::from_ref(waker.vtable()).addr(),
        None => known != 0,
    };
    if !is_known {
        if !runtime::is_entered() {
            return None;
        }
        KIND.set(waker.map_or(1, |waker| core::ptr::from_ref(waker.vtable()).addr()));
    }
    thread::number().map(TaskRef::thread)
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    /// Seen to fail with: names that are never forgotten; and names forgotten whether they were
    /// shown or not.
    #[test]
    fn names_of_tokio_tasks_are_bounded_and_those_that_were_shown_stay() {
        let names = Table::new();
        let show = |number| {
            names
                .get(number)
                .map(|named: Arc<TokioName>| named.shown.store(true, Ordering::Relaxed))
        };
        for number in 1..=100_000 {
            name_of_tokio(&names, number, "a task".into(), 100);
            assert!(names.len() <= 100);
            assert!(show(1).is_some() && show(7).is_some() == (number >= 7), "{number}");
        }
        assert!(
            names.get(100_000).is_some() && names.get(99_999).is_some() && names.get(50).is_none()
        );
        // All of them shown: the oldest go.
        for number in 200_000..200_200 {
            name_of_tokio(&names, number, "a task".into(), 100);
            show(number);
        }
        assert!(names.len() <= 100 && names.get(200_199).is_some());
    }
}
