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

mod current;
mod named;
#[cfg(feature = "tokio")]
mod spawn;
mod state;
mod wakers;
mod who;

use super::thread;
use crate::collections::table::Table;
use crate::sync::plain::{Arc, AtomicBool, Ordering};

#[cfg(not(parshall_loom))]
pub(crate) use current::blocks_with;
use current::running;
pub(crate) use current::{as_thread, creator, current, is_this_thread, of_runtime, waiter};
use named::TASKS;
pub(crate) use named::TaskCell;
pub use named::{Named, named};
#[cfg(feature = "tokio")]
pub use spawn::{spawn, spawn_named};
pub use state::TaskState;
#[cfg(all(feature = "introspect", not(parshall_loom_inside)))]
pub(crate) use who::NodeId;
pub use who::{TaskKind, TaskRef};

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
/// let mut tasks = snapshot.tasks.iter();
/// let billing = tasks.find(|task| task.name.as_deref() == Some("billing")).unwrap();
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
