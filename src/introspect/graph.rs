//! Nodes, edges, and their JSON.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Map, Value, json};

use crate::task::{TaskKind, TaskRef, TaskState};
use crate::{
    ChannelSnapshot, ChannelStats, CloseCause, RetiredSnapshot, Snapshot, TaskSnapshot,
    WaitSnapshot,
};

/// The name and version of the JSON form. `schema/parshall.snapshot.1.schema.json` describes it.
pub const SCHEMA: &str = "parshall.snapshot/1";

/// What a node stands for.
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
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// `mpsc:{process}:{name}:tx` and `:rx`, `task:{process}:{n}`, `thread:{process}:{n}` or
    /// `waker:{process}:{address}`.
    pub id: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// Its attributes. Both ends of a channel carry the same: one for each field of [`ChannelStats`].
    pub attrs: Map<String, Value>,
}

/// `src` cannot go on before `dst` does something. Every edge is of kind [`Edge::KIND`], and every end is a
/// node of the same graph.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Edge {
    /// The id of the node that waits.
    pub src: String,
    /// The id of the node that is waited for.
    pub dst: String,
    /// Measured facts: since when, for how much, on what evidence.
    pub attrs: Map<String, Value>,
}

impl Edge {
    /// The kind of every edge.
    pub const KIND: &'static str = "needs";
}

/// Nodes and edges of one snapshot.
///
/// | edge | while |
/// |---|---|
/// | task -> `...:tx` | the task's send or reserve waits: a poll has registered it, and it was not granted room |
/// | task -> `...:rx` | the task's receive waits |
/// | `...:tx` -> `...:rx` | always, for a live channel |
/// | `...:rx` -> task | the task was the last to poll the receiver, as far as is known |
///
/// Following the edges leads from a sender that waits to the task that should be draining.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Graph {
    /// The process in all ids.
    pub process: String,
    /// What tells that process from every other, see [`crate::proc_key`].
    pub proc_key: String,
    /// The process id; 0 on WebAssembly, where processes have none.
    pub pid: u32,
    /// When the snapshot was begun, in nanoseconds since the Unix epoch.
    pub taken_at_ns: i64,
    /// When it was complete.
    pub completed_at_ns: i64,
    /// All nodes: channels by channel id, `tx` before `rx`, then tasks.
    pub nodes: Vec<Node>,
    /// All edges, in the order of their channels.
    pub edges: Vec<Edge>,
    /// Sums of dead channels, by name.
    pub retired: Vec<RetiredSnapshot>,
}

impl Snapshot {
    /// The snapshot as nodes and edges.
    ///
    /// # Examples
    /// ```
    /// let (_tx, _rx) = parshall::mpsc::Builder::new().name("wal").build::<u8>();
    /// let graph = parshall::snapshot().graph();
    /// assert!(graph.nodes.iter().any(|node| node.id.ends_with(":wal:tx")));
    /// assert!(graph.edges.iter().any(|e| e.src.ends_with(":wal:tx") && e.dst.ends_with(":wal:rx")));
    /// println!("{:#}", graph.to_json());
    /// ```
    pub fn graph(&self) -> Graph {
        let mut nodes = Vec::with_capacity(2 * self.channels.len() + self.tasks.len());
        let mut edges = Vec::with_capacity(2 * self.channels.len());
        for channel in &self.channels {
            let attrs = channel_attrs(&channel.stats);
            for (end, kind) in [("tx", NodeKind::MpscTx), ("rx", NodeKind::MpscRx)] {
                nodes.push(Node {
                    id: format!("{}:{end}", channel.id),
                    kind,
                    attrs: attrs.clone(),
                });
            }
            channel_edges(channel, &mut edges);
        }
        nodes.extend(self.tasks.iter().map(task_node));
        Graph {
            process: self.process.clone(),
            proc_key: self.proc_key.clone(),
            pid: self.pid,
            taken_at_ns: self.taken_at_ns,
            completed_at_ns: self.completed_at_ns,
            nodes,
            edges,
            retired: self.retired.clone(),
        }
    }
}

impl Graph {
    /// The graph in the form that [`SCHEMA`] names. Integers are exact; those above 2^53, in
    /// practice only times, need a reader that keeps 64 bits.
    pub fn to_json(&self) -> Value {
        let nodes = self.nodes.iter().map(|node| {
            json!({ "id": node.id, "kind": node.kind.as_str(), "process": self.process, "attrs": node.attrs })
        });
        let edges = self.edges.iter().map(|edge| {
            json!({ "src": edge.src, "dst": edge.dst, "kind": Edge::KIND, "attrs": edge.attrs })
        });
        let retired = self.retired.iter().map(|RetiredSnapshot { name, sums }| {
            json!({
                "name": name,
                "channels": sums.channels,
                "sent_total": sums.sent_total,
                "recv_total": sums.recv_total,
                "discarded": sums.discarded,
                "full_total": sums.full_total,
                "closed_total": sums.closed_total,
                "send_waits_total": sums.send_waits_total,
                "send_wait_total_ns": sums.send_wait_total_ns,
            })
        });
        json!({
            "schema": SCHEMA,
            "process": self.process,
            "proc_key": self.proc_key,
            "pid": self.pid,
            "taken_at_ns": self.taken_at_ns,
            "completed_at_ns": self.completed_at_ns,
            "nodes": nodes.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(),
            "retired": retired.collect::<Vec<_>>(),
        })
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made by json!({{..}})"),
    }
}

fn channel_attrs(stats: &ChannelStats) -> Map<String, Value> {
    object(json!({
        "name": stats.name,
        "label": stats.label,
        "bounded": stats.bounded,
        "capacity": stats.capacity,
        "queue_len": stats.queue_len,
        "high_watermark": stats.high_watermark,
        "utilization": stats.utilization,
        "sender_count": stats.sender_count,
        "weak_sender_count": stats.weak_sender_count,
        "send_waiters": stats.send_waiters,
        "granted_waiters": stats.granted_waiters,
        "recv_waiters": stats.recv_waiters,
        "reserved": stats.reserved,
        "sender_closed": stats.sender_closed,
        "receiver_closed": stats.receiver_closed,
        "close_cause": stats.close_cause.map(CloseCause::as_str),
        "sent_total": stats.sent_total,
        "recv_total": stats.recv_total,
        "discarded": stats.discarded,
        "full_total": stats.full_total,
        "closed_total": stats.closed_total,
        "send_waits_total": stats.send_waits_total,
        "send_wait_total_ns": stats.send_wait_total_ns,
        "oldest_send_wait_ns": stats.oldest_send_wait_ns,
        "oldest_recv_wait_ns": stats.oldest_recv_wait_ns,
        "created_at_ns": stats.created_at_ns,
        "creator_task_id": stats.creator_task_id,
        "channel_id": stats.channel_id,
        "location": stats.location,
        "payload": stats.payload,
    }))
}

fn channel_edges(channel: &ChannelSnapshot, edges: &mut Vec<Edge>) {
    let tx = format!("{}:tx", channel.id);
    let rx = format!("{}:rx", channel.id);
    // A task that waits twice on one channel has one edge: its oldest wait, and how many there are.
    let mut waits: Vec<(TaskRef, &WaitSnapshot, u64)> = Vec::new();
    let mut places: HashMap<TaskRef, usize> = HashMap::new();
    for wait in channel.send_waits.iter().filter(|wait| wait.granted_at_ns.is_none()) {
        let Some(task) = wait.task else { continue };
        match places.entry(task) {
            Entry::Occupied(place) => waits[*place.get()].2 += 1,
            Entry::Vacant(place) => {
                place.insert(waits.len());
                waits.push((task, wait, 1));
            }
        }
    }
    edges.extend(waits.into_iter().map(|(task, wait, count)| Edge {
        src: task.node_id(),
        dst: tx.clone(),
        attrs: object(json!({ "since_ns": wait.since_ns, "need": wait.need, "waits": count })),
    }));
    if let Some((wait, task)) = channel.recv_wait.and_then(|wait| Some((wait, wait.task?))) {
        edges.push(Edge {
            src: task.node_id(),
            dst: rx.clone(),
            attrs: object(json!({ "since_ns": wait.since_ns })),
        });
    }
    edges.push(Edge { src: tx, dst: rx.clone(), attrs: Map::new() });
    if let Some(task) = channel.last_receiver {
        edges.push(Edge {
            src: rx,
            dst: task.node_id(),
            attrs: object(json!({ "evidence": "last_polled_receiver" })),
        });
    }
}

fn task_node(task: &TaskSnapshot) -> Node {
    Node {
        id: task.task.node_id(),
        kind: match task.task.kind() {
            TaskKind::Named | TaskKind::Tokio => NodeKind::Task,
            TaskKind::Thread => NodeKind::Thread,
            TaskKind::Waker => NodeKind::Waker,
        },
        attrs: object(json!({
            "name": task.name,
            "state": task.state.map(TaskState::as_str),
            "since": task.waiting_since_ns,
            "polls": task.polls,
        })),
    }
}
