//! Who runs now on this thread.

use core::task::Waker;

use super::who::{OWN, TaskKind, TaskRef};
use crate::runtime;
use crate::sync::plain::{Cell, thread_local};
use crate::telemetry::thread;

/// Who was entered last on this thread.
#[derive(Clone, Copy)]
pub(super) struct Current {
    /// A named task, or the thread in a blocking call, as a word; 0: nobody.
    pub(super) task: u64,
    /// The runtime's task in which a named one was entered; 0: none.
    pub(super) within: u64,
    /// The address behind its own waker; 0: not known.
    pub(super) own: usize,
}

impl Current {
    const NOBODY: Self = Self { task: 0, within: 0, own: 0 };
}

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(Current::NOBODY) };
}

/// Sets the current task until dropped; then the one before is current again.
pub(super) struct Entered(Current);

pub(super) fn enter(current: Current) -> Entered {
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
    of_runtime().or_else(|| entered(waker))
}

/// The task of the runtime, if nobody was entered: the plain case of [`current`] and its like.
#[inline]
pub(crate) fn of_runtime() -> Option<TaskRef> {
    if cfg!(parshall_loom) || CURRENT.get().task != 0 {
        return None;
    }
    runtime::task_number().map(TaskRef::tokio)
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
    match of_runtime() {
        // Anybody may have its waker.
        Some(task) => task.0,
        None => entered_waiter(waker),
    }
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
    of_runtime().or_else(entered_creator)
}

/// [`creator`] in all other cases.
#[inline(never)]
fn entered_creator() -> Option<TaskRef> {
    running().or_else(|| thread::number().map(TaskRef::thread))
}

/// The task that runs, or the thread in its blocking call.
#[inline]
pub(super) fn running() -> Option<TaskRef> {
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
