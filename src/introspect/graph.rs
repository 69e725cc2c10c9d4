//! A snapshot as nodes and edges.

use std::collections::HashMap;

use crate::sync::plain::Arc;
use crate::task::{TaskKind, TaskRef};
use crate::{ChannelSnapshot, Snapshot, TaskSnapshot, WaitSnapshot};

/// What a node stands for.
///
/// # Examples
/// On [`Node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeKind {
    /// A channel's sending end.
    MpscTx,
    /// A channel's receiving end.
    MpscRx,
    /// A task: named by [`crate::task::named`], or known to its runtime.
    Task,
    /// A thread: in a blocking call, or driving async `main`.
    Thread,
    /// A task of which only the waker is known.
    Waker,
}

impl NodeKind {
    /// `mpsc_tx`, `mpsc_rx`, `task`, `thread` or `waker`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MpscTx => "mpsc_tx",
            Self::MpscRx => "mpsc_rx",
            Self::Task => "task",
            Self::Thread => "thread",
            Self::Waker => "waker",
        }
    }
}

/// A node. Ids are unique in a graph, and in a process for ever, but for wakers.
///
/// # Examples
/// ```
/// use parshall::introspect::{NodeKind, Subject};
///
/// let (_tx, _rx) = parshall::mpsc::Builder::new().name("node").build::<u8>();
/// let snapshot = parshall::snapshot();
/// let graph = snapshot.graph();
/// let node = graph.nodes.iter().find(|node| node.id.ends_with(":node:rx")).expect("it lives");
/// assert_eq!(node.kind, NodeKind::MpscRx);
/// assert!(matches!(node.subject, Subject::Channel(channel) if channel.stats.queue_len == 0));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node<'a> {
    /// `mpsc:{process}:{name}:tx` and `:rx`, `task:{process}:{n}`, `thread:{process}:{n}` or
    /// `waker:{process}:{address}`.
    pub id: Arc<str>,
    /// What it stands for.
    pub kind: NodeKind,
    /// What is known of it. Both ends of a channel have the same.
    pub subject: Subject<'a>,
    pub(super) snapshot: &'a Snapshot,
}

/// What is known of a node, at the snapshot's moment. [`Node::attrs`] has it as JSON.
///
/// # Examples
/// On [`Node`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// Of an end of a channel.
    Channel(&'a ChannelSnapshot),
    /// Of a task, a thread or a waker.
    Task(&'a TaskSnapshot),
}

/// `src` cannot go on before `dst` does something. Every edge is of kind [`Edge::KIND`], and every
/// end is a node of the same graph.
///
/// # Examples
/// ```
/// use parshall::introspect::Why;
///
/// let (_tx, _rx) = parshall::mpsc::Builder::new().name("edge").build::<u8>();
/// let snapshot = parshall::snapshot();
/// let graph = snapshot.graph();
/// let edge = graph.edges.iter().find(|edge| edge.src.ends_with(":edge:tx")).expect("it lives");
/// assert_eq!(edge.why, Why::Channel);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Edge<'a> {
    /// The id of the node that waits.
    pub src: Arc<str>,
    /// The id of the node that is waited for.
    pub dst: Arc<str>,
    /// What was measured. [`Edge::attrs`] has it as JSON.
    pub why: Why,
    pub(super) snapshot: &'a Snapshot,
}

/// Why there is an edge. Points in time are in nanoseconds since the Unix epoch.
///
/// # Examples
/// On [`Edge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// task -> tx: the task's sends or reserves wait for room.
    Send {
        /// How many of them.
        waits: u64,
        /// Since when the oldest waits.
        since_ns: i64,
        /// For how much room that waits, in messages.
        need: u64,
    },
    /// task -> rx: the task's receive waits for a message.
    Receive {
        /// Since when.
        since_ns: i64,
    },
    /// tx -> rx: the channel lives.
    Channel,
    /// tx -> task: sends or reserves of the task were granted room, and it has not polled them
    /// since.
    Granted {
        /// How many of them.
        waits: u64,
        /// When the oldest was granted its room.
        granted_at_ns: i64,
        /// How much room that was, in messages.
        need: u64,
    },
    /// rx -> task: the task was the last to poll the receiver, as far as is known.
    LastReceiver {
        /// The number of the receive at which that was noted.
        last_receive: u64,
    },
}

impl Edge<'_> {
    /// The kind of every edge.
    pub const KIND: &'static str = "needs";
}

/// Nodes and edges of one snapshot. They never change; the program may be elsewhere by now, as
/// [`Snapshot`] says.
///
/// | edge | while |
/// |---|---|
/// | task -> `...:tx` | the task's send or reserve waits: a poll has registered it, and it was not granted room |
/// | task -> `...:rx` | the task's receive waits |
/// | `...:tx` -> `...:rx` | always, for a live channel |
/// | `...:tx` -> task | the task's send or reserve was granted room and has not been polled since: nobody else has that room |
/// | `...:rx` -> task | the task was the last to poll the receiver, as far as is known, and does not wait for a message there now |
///
/// Following the edges leads from a sender that waits to the task that should be draining.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Graph<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// All nodes: channels as in the snapshot, `tx` before `rx`, then tasks.
    pub nodes: Vec<Node<'a>>,
    /// All edges, in the order of their channels.
    pub edges: Vec<Edge<'a>>,
}

impl Snapshot {
    /// The snapshot as nodes and edges.
    ///
    /// # Examples
    /// ```
    /// let (_tx, _rx) = parshall::mpsc::Builder::new().name("wal").build::<u8>();
    /// let snapshot = parshall::snapshot();
    /// let graph = snapshot.graph();
    /// assert!(graph.nodes.iter().any(|node| node.id.ends_with(":wal:tx")));
    /// let (tx, rx) = (":wal:tx", ":wal:rx");
    /// assert!(graph.edges.iter().any(|e| e.src.ends_with(tx) && e.dst.ends_with(rx)));
    /// graph.write_json(std::io::stdout())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn graph(&self) -> Graph<'_> {
        let mut tasks = HashMap::with_capacity(self.tasks.len());
        let task_nodes: Vec<_> = self.tasks.iter().map(|task| task_node(self, task)).collect();
        tasks.extend(self.tasks.iter().zip(&task_nodes).map(|(t, node)| (t.task, node.id.clone())));
        let mut nodes = Vec::with_capacity(2 * self.channels.len() + task_nodes.len());
        let mut edges =
            Edges { snapshot: self, tasks, all: Vec::with_capacity(2 * self.channels.len()) };
        for channel in &self.channels {
            let [tx, rx] =
                [("tx", NodeKind::MpscTx), ("rx", NodeKind::MpscRx)].map(|(end, kind)| {
                    let id = Arc::from(format!("{}:{end}", channel.id));
                    Node { id, kind, subject: Subject::Channel(channel), snapshot: self }
                });
            edges.of_channel(channel, &tx.id, &rx.id);
            nodes.extend([tx, rx]);
        }
        nodes.extend(task_nodes);
        Graph { snapshot: self, nodes, edges: edges.all }
    }
}

fn task_node<'a>(snapshot: &'a Snapshot, task: &'a TaskSnapshot) -> Node<'a> {
    Node {
        id: task.task.node_id_in(&snapshot.process).into(),
        kind: match task.task.kind() {
            TaskKind::Named | TaskKind::Tokio => NodeKind::Task,
            TaskKind::Thread => NodeKind::Thread,
            TaskKind::Waker => NodeKind::Waker,
        },
        subject: Subject::Task(task),
        snapshot,
    }
}

/// The edges so far.
#[allow(clippy::struct_field_names)]
struct Edges<'a> {
    snapshot: &'a Snapshot,
    /// The ids of the nodes of tasks.
    tasks: HashMap<TaskRef, Arc<str>>,
    all: Vec<Edge<'a>>,
}

/// Where the edge stands that a task has for its waits in a channel, those that were granted room
/// apart.
type Places = HashMap<(TaskRef, bool), usize>;

impl Edges<'_> {
    fn of_channel(&mut self, channel: &ChannelSnapshot, tx: &Arc<str>, rx: &Arc<str>) {
        // A task that waits twice in one channel has one edge: its oldest wait, and how many there
        // are.
        let mut places = Places::new();
        for wait in &channel.send_waits {
            self.of_send(wait, tx, &mut places);
        }
        let receives = channel.recv_wait.and_then(|wait| Some((wait.task?, wait.since_ns)));
        if let Some((task, since_ns)) = receives
            && let Some(task) = self.task(task)
        {
            self.add(&task, rx, Why::Receive { since_ns });
        }
        self.add(tx, rx, Why::Channel);
        // An idle receiver is no cycle.
        let last = channel.last_receiver.filter(|task| receives.is_none_or(|(it, _)| it != *task));
        if let Some(task) = last.and_then(|task| self.task(task)) {
            self.add(rx, &task, Why::LastReceiver { last_receive: channel.last_receive });
        }
    }

    fn of_send(&mut self, wait: &WaitSnapshot, tx: &Arc<str>, places: &mut Places) {
        let Some((key, task)) = wait.task.and_then(|task| Some((task, self.task(task)?))) else {
            return;
        };
        let &WaitSnapshot { since_ns, need, granted_at_ns, .. } = wait;
        let key = (key, granted_at_ns.is_some());
        if let Some(at) = places.get(&key) {
            let (Why::Send { waits, .. } | Why::Granted { waits, .. }) = &mut self.all[*at].why
            else {
                return;
            };
            *waits += 1;
            return;
        }
        places.insert(key, self.all.len());
        match granted_at_ns {
            None => self.add(&task, tx, Why::Send { waits: 1, since_ns, need }),
            Some(granted_at_ns) => {
                self.add(tx, &task, Why::Granted { waits: 1, granted_at_ns, need });
            }
        }
    }

    /// None: the snapshot does not describe it, so it has no node.
    fn task(&self, task: TaskRef) -> Option<Arc<str>> {
        self.tasks.get(&task).cloned()
    }

    fn add(&mut self, src: &Arc<str>, dst: &Arc<str>, why: Why) {
        let (src, dst) = (src.clone(), dst.clone());
        self.all.push(Edge { src, dst, why, snapshot: self.snapshot });
    }
}
