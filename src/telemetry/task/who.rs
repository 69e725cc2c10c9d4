//! A task, a thread or a waker: one word, and the id of its node.

use core::fmt;

use crate::telemetry::process::process;

/// A task, thread or waker in one word, so that a wait stores it at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRef(pub(super) u64);

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
    /// A future wrapped by [`named`](super::named), or a task made by `spawn`.
    Named,
    /// A Tokio task (feature `tokio`).
    Tokio,
    /// A thread: in a blocking call, or driving a future outside of every task, as async `main` is.
    Thread,
    /// A waker: its number is an address, which another task may have later.
    Waker,
}

/// The kind is never 7: `wait::place` has a word with all bits set in the place of a task.
const KIND_SHIFT: u32 = 61;

/// In the word of a [`waiter`](super::waiter): the waker is its own. No part of the [`TaskRef`].
pub(super) const OWN: u64 = 1 << 60;

/// Numbers have so many bits; and so do addresses.
const NUMBER: u64 = OWN - 1;

impl TaskRef {
    pub(super) fn new(kind: TaskKind, number: u64) -> Self {
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
    pub(super) fn tokio(number: u64) -> Self {
        debug_assert!(number <= NUMBER);
        Self(2 << KIND_SHIFT | number)
    }

    pub(super) fn thread(number: u64) -> Self {
        Self::new(TaskKind::Thread, number)
    }

    /// That of a word, of [`TaskRef::word`] or [`waiter`](super::waiter); none for 0.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self(word & !OWN))
    }

    /// Whether the word is of a [`waiter`](super::waiter) that waits with its own waker.
    pub(crate) fn is_own(word: u64) -> bool {
        word & OWN != 0
    }

    #[inline]
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
