//! Named tasks: a future with a name, a state, and wakers that are counted.
//!
//! A waker may be woken by any thread at any time, and the executor may poll the task on another
//! one. A snapshot must not take a task for idle that was woken and has yet to be polled for it;
//! [`State`] says how that is told.

use core::fmt;
use core::future::Future;
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Wake;

use super::current::{Current, enter};
use super::state::{State, TaskState};
use super::wakers::Hooks;
use super::who::{TaskKind, TaskRef};
use crate::collections::table::Table;
use crate::runtime;
use crate::sync::plain::{Arc, AtomicU64, Ordering, Weak};
use crate::telemetry::name::{self, NameCell};

/// What telemetry reads of a named task.
#[derive(Debug)]
pub(crate) struct TaskCell {
    /// None: a root that goes by where it was spawned.
    name: NameCell,
    /// Of a root.
    origin: Option<Origin>,
    state: State,
    /// Written by its polls, which come one after the other.
    polls: AtomicU64,
    pub(super) hooks: Hooks<Hook>,
}

/// Where a root comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    location: &'static Location<'static>,
    /// The type of its future: its name if the place tells nothing.
    future: &'static str,
}

impl Origin {
    fn name(self) -> String {
        if name::tells(self.location) {
            name::file_line(self.location)
        } else {
            // An `async fn` by its own name.
            self.future.trim_end_matches("::{{closure}}").to_owned()
        }
    }
}

impl TaskCell {
    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.name.get().or_else(|| self.origin.map(|origin| origin.name().into()))
    }

    pub(super) fn set_name(&self, name: Arc<str>) {
        self.name.set(Some(name));
    }

    /// Whether it is a root: the runtime's own task, with nothing around it.
    pub(crate) fn is_root(&self) -> bool {
        self.origin.is_some()
    }

    /// Where it was spawned, of a root.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        self.origin.map(|origin| origin.location)
    }

    /// What it is doing, and since when on the telemetry clock.
    pub(crate) fn state(&self) -> (TaskState, u64) {
        self.state.get()
    }

    /// Clones of its wakers that live.
    pub(crate) fn wakers(&self) -> u64 {
        self.hooks.clones()
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }
}

/// The waker that a named future sees: it notes the wake-up and passes it on. Only wakers own it:
/// were it kept by the task, an executor whose idle tasks live through their wakers alone could
/// never free one.
#[derive(Debug)]
pub(super) struct Hook {
    cell: Arc<TaskCell>,
    executor: Waker,
}

impl Hook {
    /// A hook of this task, and listed there.
    fn new(cell: &Arc<TaskCell>, executor: Waker) -> Arc<Self> {
        let hook = Arc::new(Self { cell: cell.clone(), executor });
        cell.hooks.list(Arc::downgrade(&hook));
        hook
    }

    /// Whether it passes wake-ups on to this waker's task.
    fn wakes(&self, executor: &Waker) -> bool {
        self.executor.will_wake(executor)
    }
}

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.cell.state.wake_up();
        self.executor.wake_by_ref();
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The named tasks that have not ended.
pub(super) static TASKS: Table<TaskCell> = Table::new();

/// Gives `future` a name under which its waits appear in snapshots, on whatever runtime it runs.
///
/// The name need not be unique: the task has a number of its own. The future is polled with a waker
/// that notes the wake-up and passes it on; a poll after which no clone of it is left costs one
/// allocation. Nested names: the innermost wins. [`set_name`](super::set_name) changes the name
/// from inside.
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
    Named::new(Some(name.into().into()), None, future)
}

/// A future with a name; see [`named`].
///
/// # Examples
/// ```
/// let future = parshall::task::named("writer", async { 7 });
/// println!("{}", future.task().node_id()); // its id in a graph
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Named<F> {
    listed: ListedTask,
    /// The last hook, for as long as some waker keeps it.
    hook: Weak<Hook>,
    future: F,
}

/// A task's place among those that have not ended.
struct ListedTask {
    task: TaskRef,
    cell: Arc<TaskCell>,
}

impl ListedTask {
    fn strike_off(&self) {
        TASKS.remove(self.task.number());
    }
}

impl Drop for ListedTask {
    fn drop(&mut self) {
        self.strike_off();
    }
}

impl<F> Named<F> {
    fn new(name: Option<Arc<str>>, origin: Option<Origin>, future: F) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let cell = Arc::new(TaskCell {
            name: NameCell::new(name),
            origin,
            state: State::new(),
            polls: AtomicU64::new(0),
            hooks: Hooks::new(),
        });
        TASKS.insert(number, cell.clone());
        Self {
            listed: ListedTask { task: TaskRef::new(TaskKind::Named, number), cell },
            hook: Weak::new(),
            future,
        }
    }

    /// The future of a task that the caller spawns just so, with nothing around it.
    #[cfg(feature = "tokio")]
    pub(super) fn root(
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
        future: F,
    ) -> Self {
        let origin = Origin { location, future: core::any::type_name::<F>() };
        Self::new(name, Some(origin), future)
    }

    /// The task as waits and edges refer to it.
    pub fn task(&self) -> TaskRef {
        self.listed.task
    }
}

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.listed.cell.name().unwrap_or_default();
        f.debug_struct("Named").field("name", &name).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned with `self`: it is never moved out, `Named` has no way to
        // move it, and its drop is the compiler's. `listed` and `hook` are not pinned.
        let (listed, last, future) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.listed, &mut this.hook, Pin::new_unchecked(&mut this.future))
        };
        let cell = &listed.cell;
        let polling = cell.state.poll();
        cell.polls.store(cell.polls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let known = last.upgrade().filter(|hook| hook.wakes(cx.waker()));
        let hook = known.unwrap_or_else(|| {
            let hook = Hook::new(cell, cx.waker().clone());
            *last = Arc::downgrade(&hook);
            hook
        });
        let within = runtime::task_number().unwrap_or(0);
        let waker = Waker::from(hook);
        let entered = enter(Current { task: listed.task.0, within, own: waker.data().addr() });
        let poll = future.poll(&mut Context::from_waker(&waker));
        drop(entered);
        // With it may go the executor's, and its drop is user code. A panic there must not cost the
        // task what the poll returned; the panic hook has reported it.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(waker))) {
            crate::unwind::discard(payload);
        }
        drop(polling);
        if poll.is_ready() {
            listed.strike_off();
        }
        poll
    }
}
