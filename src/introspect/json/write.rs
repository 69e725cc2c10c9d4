//! A graph into a stream of JSON.

use std::io::{self, BufWriter, Write};
use std::ptr;

use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::SCHEMA;
use super::fields::Fields;
use crate::introspect::{Edge, Graph, Node, Side, Subject, Why};
use crate::task::{NodeId, TaskRef};
use crate::{
    ChannelSnapshot, LeftWaker, RetiredSnapshot, SenderSnapshot, Snapshot, TaskSnapshot,
    WaitSnapshot,
};

impl Graph<'_> {
    /// Writes the graph in the form that [`SCHEMA`] names, and the snapshot's waits and sums beside
    /// it: [`Snapshot::from_json`] reads it back. It is written as it is made, in large pieces, and
    /// `out` is flushed.
    ///
    /// Integers are exact. Those above 2^53, in practice only points in time in nanoseconds, need a
    /// reader that keeps 64 bits; for others the milliseconds stand beside them: `taken_at_ms` at
    /// the top, how long is left until a deadline (`left_ms`), and how long before `taken_at_ms` it
    /// was (`age_ms`, `waiting_ms`, ..) everywhere else.
    ///
    /// # Errors
    /// Those of `out`.
    ///
    /// # Examples
    /// ```
    /// use parshall::Snapshot;
    ///
    /// let mut json = Vec::new();
    /// let snapshot = parshall::snapshot();
    /// snapshot.graph().write_json(&mut json)?;
    /// assert_eq!(Snapshot::from_json(&json)?, snapshot);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_json(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        serde_json::to_writer(&mut out, self)?;
        out.flush()
    }

    /// What [`Graph::write_json`] writes. Takes many times the room: for few channels.
    #[allow(clippy::missing_panics_doc)] // it does not
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("all keys are text")
    }
}

impl Node<'_> {
    /// Its attributes as JSON. Those of a channel are the fields of [`ChannelStats`] and of
    /// [`ChannelSnapshot`], but the waits.
    ///
    /// [`ChannelStats`]: crate::ChannelStats
    pub fn attrs(&self) -> impl Serialize {
        In(self.snapshot, &self.subject)
    }
}

impl Edge<'_> {
    /// Its attributes as JSON: what [`Edge::why`] says.
    pub fn attrs(&self) -> impl Serialize {
        In(self.snapshot, &self.why)
    }
}

/// Something in a snapshot, which knows the name of the process and the time.
struct In<'a, T: ?Sized>(&'a Snapshot, &'a T);

impl Snapshot {
    /// How long before the snapshot that was, in milliseconds.
    fn ago_ms(&self, then_ns: i64) -> u64 {
        u64::try_from(self.taken_at_ns.saturating_sub(then_ns)).unwrap_or(0) / 1_000_000
    }

    /// In how long after the snapshot that is, in milliseconds.
    fn in_ms(&self, then_ns: i64) -> u64 {
        u64::try_from(then_ns.saturating_sub(self.taken_at_ns)).unwrap_or(0) / 1_000_000
    }

    fn id(&self, task: TaskRef) -> Id<'_> {
        Id(NodeId { task, process: &self.process })
    }
}

struct Id<'a>(NodeId<'a>);

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list, written item by item.
struct List<F>(F);

impl<F: Fn() -> I, I: IntoIterator<Item: Serialize>> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
}

macro_rules! put {
    ($object:ident, $($name:literal: $value:expr),* $(,)?) => {{
        $($object.serialize_entry($name, &$value)?;)*
    }};
}

impl Serialize for Graph<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { snapshot, nodes, edges } = self;
        let waits = || {
            snapshot.channels.iter().flat_map(|channel| {
                let sides = [
                    (Side::Send, &channel.send_waits[..]),
                    (Side::Receive, channel.recv_wait.as_slice()),
                    (Side::Close, &channel.close_waits[..]),
                ];
                sides.into_iter().flat_map(move |(side, waits)| {
                    waits.iter().map(move |wait| OfChannel(snapshot, channel, side, wait))
                })
            })
        };
        let mut object = serializer.serialize_map(None)?;
        put!(object,
            "schema": SCHEMA,
            "process": snapshot.process,
            "proc_key": snapshot.proc_key,
            "pid": snapshot.pid,
            "taken_at_ns": snapshot.taken_at_ns,
            "taken_at_ms": snapshot.taken_at_ns / 1_000_000,
            "completed_at_ns": snapshot.completed_at_ns,
            "untracked": snapshot.untracked,
            "nodes": Nodes(nodes),
            "edges": edges,
            "waits": List(waits),
            "retired": List(|| snapshot.retired.iter().map(|sums| In(snapshot, sums))),
        );
        object.end()
    }
}

/// Nodes, of which those of one channel follow each other.
struct Nodes<'a>(&'a [Node<'a>]);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        // Both ends of a channel have the same attributes, and most of the text is theirs: it is
        // made once.
        let mut last: Option<(&ChannelSnapshot, Box<RawValue>)> = None;
        for node in self.0 {
            match node.subject {
                Subject::Channel(channel) => {
                    let (_, attrs) = match &last {
                        Some(last) if ptr::eq(last.0, channel) => last,
                        _ => {
                            let attrs = to_raw_value(&node.attrs()).map_err(S::Error::custom)?;
                            last.insert((channel, attrs))
                        }
                    };
                    list.serialize_element(&WithAttrs(node, attrs))?;
                }
                Subject::Task(_) => list.serialize_element(&WithAttrs(node, &node.attrs()))?,
            }
        }
        list.end()
    }
}

struct WithAttrs<'a, A>(&'a Node<'a>, &'a A);

impl<A: Serialize> Serialize for WithAttrs<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(node, attrs) = self;
        let mut object = serializer.serialize_map(None)?;
        put!(object,
            "id": *node.id,
            "kind": node.kind.as_str(),
            "process": node.snapshot.process,
            "attrs": attrs,
        );
        object.end()
    }
}

impl Serialize for Edge<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        put!(object,
            "src": *self.src,
            "dst": *self.dst,
            "kind": Edge::KIND,
            "attrs": self.attrs(),
        );
        object.end()
    }
}

impl Serialize for In<'_, Subject<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self.1 {
            Subject::Channel(channel) => In(self.0, channel).serialize(serializer),
            Subject::Task(task) => In(self.0, task).serialize(serializer),
        }
    }
}

impl Serialize for In<'_, ChannelSnapshot> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, channel) = *self;
        let ChannelSnapshot {
            stats,
            last_receiver,
            last_receive,
            line_since_ns,
            left_waker,
            senders,
            // They stand elsewhere.
            id: _,
            send_waits: _,
            recv_wait: _,
            close_waits: _,
        } = channel;
        let senders = senders
            .as_ref()
            .map(|senders| List(move || senders.iter().map(move |sender| In(snapshot, sender))));
        let mut object = serializer.serialize_map(None)?;
        stats.write(&mut object)?;
        put!(object,
            "age_ms": snapshot.ago_ms(stats.created_at_ns),
            "last_receiver": last_receiver.map(|task| snapshot.id(task)),
            "last_receive": last_receive,
            "line_since_ns": line_since_ns,
            "line_ms": line_since_ns.map(|since| snapshot.ago_ms(since)),
            "left_waker": left_waker.as_ref().map(|waker| In(snapshot, waker)),
            "senders": senders,
        );
        object.end()
    }
}

impl Serialize for In<'_, LeftWaker> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let &LeftWaker { task, own_waker } = self.1;
        let mut object = serializer.serialize_map(None)?;
        put!(object, "task": self.0.id(task), "own_waker": own_waker);
        object.end()
    }
}

impl Serialize for In<'_, SenderSnapshot> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SenderSnapshot { location, task, since_ns } = self.1;
        let mut object = serializer.serialize_map(None)?;
        put!(object,
            "location": location,
            "task": task.map(|task| self.0.id(task)),
            "since_ns": since_ns,
            "age_ms": self.0.ago_ms(*since_ns),
        );
        object.end()
    }
}

impl Serialize for In<'_, TaskSnapshot> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, task) = self;
        let TaskSnapshot {
            task: _, // the node's id
            name,
            root,
            location,
            state,
            state_since_ns,
            wakers,
            polls,
            waiting_since_ns,
        } = task;
        let mut object = serializer.serialize_map(None)?;
        put!(object,
            "name": name,
            "root": root,
            "location": location,
            "state": state,
            "state_since_ns": state_since_ns,
            "state_ms": state_since_ns.map(|since| snapshot.ago_ms(since)),
            "since": waiting_since_ns,
            "waiting_ms": waiting_since_ns.map(|since| snapshot.ago_ms(since)),
            "polls": polls,
            "wakers": wakers,
        );
        object.end()
    }
}

impl Serialize for In<'_, Why> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, why) = self;
        let mut object = serializer.serialize_map(None)?;
        match **why {
            Why::Send { waits, since_ns, need } => put!(object,
                "since_ns": since_ns,
                "age_ms": snapshot.ago_ms(since_ns),
                "need": need,
                "waits": waits,
            ),
            Why::Receive { since_ns } => put!(object,
                "since_ns": since_ns,
                "age_ms": snapshot.ago_ms(since_ns),
            ),
            Why::Channel => {}
            Why::Granted { waits, granted_at_ns, need } => put!(object,
                "evidence": "granted",
                "granted_at_ns": granted_at_ns,
                "granted_ms": snapshot.ago_ms(granted_at_ns),
                "need": need,
                "waits": waits,
            ),
            Why::LastReceiver { last_receive } => put!(object,
                "evidence": "last_polled_receiver",
                "last_receive": last_receive,
            ),
        }
        object.end()
    }
}

/// A wait, with the channel and the side that it is on.
struct OfChannel<'a>(&'a Snapshot, &'a ChannelSnapshot, Side, &'a WaitSnapshot);

impl Serialize for OfChannel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, channel, side, wait) = self;
        let WaitSnapshot { id, call, task, own_waker, since_ns, need, granted_at_ns, deadline_ns } =
            wait;
        let mut object = serializer.serialize_map(None)?;
        put!(object,
            "channel": channel.id,
            "side": side,
            "id": id,
            "call": call,
            "task": task.map(|task| snapshot.id(task)),
            "own_waker": own_waker,
            "since_ns": since_ns,
            "age_ms": snapshot.ago_ms(*since_ns),
            "need": need,
            "granted_at_ns": granted_at_ns,
            "granted_ms": granted_at_ns.map(|at| snapshot.ago_ms(at)),
            "deadline_ns": deadline_ns,
            "left_ms": deadline_ns.map(|at| snapshot.in_ms(at)),
        );
        object.end()
    }
}

impl Serialize for In<'_, RetiredSnapshot> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RetiredSnapshot { name, sums } = self.1;
        let mut object = serializer.serialize_map(None)?;
        put!(object, "name": name);
        sums.write(&mut object)?;
        object.end()
    }
}
