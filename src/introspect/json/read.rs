//! A snapshot back from its JSON.

use std::collections::HashMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::SCHEMA;
use super::fields::{Fields, Object, Wrong};
use crate::introspect::Side;
use crate::task::{TaskKind, TaskRef, TaskState};
use crate::{
    Call, ChannelSnapshot, ChannelStats, CloseCause, LeftWaker, Retired, RetiredSnapshot,
    SenderSnapshot, Snapshot, TaskSnapshot, WaitSnapshot,
};

/// A text is not the JSON of a snapshot. Says what is wrong, and where.
///
/// # Examples
/// ```
/// let error = parshall::Snapshot::from_json("{}").unwrap_err();
/// println!("{error}"); // what is missing, and where
/// ```
#[derive(Debug)]
pub struct ReadError(Cause);

#[derive(Debug)]
enum Cause {
    /// The name of its schema, which is another one.
    Schema(String),
    Json(serde_json::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Schema(found) => write!(
                f,
                "the snapshot has schema {found:?}, and this version of parshall reads {SCHEMA:?}: \
                 read it with the version that wrote it"
            ),
            Cause::Json(error) => write!(f, "not a snapshot: {error}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Json(error) => Some(error),
            Cause::Schema(_) => None,
        }
    }
}

impl Snapshot {
    /// Reads what [`Graph::write_json`](crate::introspect::Graph::write_json) wrote: a text, or
    /// its bytes. All of the snapshot is in it. The edges are not read: they follow from the rest.
    ///
    /// What is not known here is passed over, as a later version of the same schema may write it:
    /// members, kinds of nodes and of tasks, and words. A call that is not known is read as that of
    /// its side that is most like it, and any other word as none. Whether a text is what the schema
    /// says is not checked, but that everything is there that a snapshot is made of.
    ///
    /// # Errors
    /// It is no JSON, is of another version, or lacks something.
    ///
    /// # Examples
    /// ```
    /// use parshall::Snapshot;
    ///
    /// let error = Snapshot::from_json(r#"{"schema":"parshall.snapshot/1"}"#).unwrap_err();
    /// assert!(error.to_string().contains("parshall.snapshot/2"), "{error}");
    ///
    /// let (tx, _rx) = parshall::mpsc::Builder::new().name("read back").capacity(2).build();
    /// tx.try_send(1)?;
    /// let json = parshall::snapshot().graph().to_json().to_string();
    /// let snapshot = Snapshot::from_json(&json)?;
    /// assert!(snapshot.channels.iter().any(|channel| channel.stats.name == "read back"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, ReadError> {
        let json = json.as_ref();
        let parse = |parts: Parts| {
            let mut deserializer = serde_json::Deserializer::from_slice(json);
            let parts = parts.deserialize(&mut deserializer)?;
            deserializer.end()?;
            Ok(parts)
        };
        let snapshot = parse(Parts::default())
            .and_then(|parts| parts.put_together().map_err(serde_json::Error::custom));
        snapshot.map_err(|error| {
            // That it is of another version is the better reason.
            let head = parse(Parts { schema_only: true, ..Parts::default() });
            match head.map(|head| head.schema) {
                Ok(schema) if !schema.is_empty() && schema != SCHEMA => {
                    ReadError(Cause::Schema(schema))
                }
                _ => ReadError(Cause::Json(error)),
            }
        })
    }
}

/// What was read so far. The members of an object may come in any order.
#[derive(Default)]
struct Parts {
    schema_only: bool,
    /// The names of the members that were there.
    seen: Vec<String>,
    schema: String,
    process: String,
    proc_key: String,
    pid: u32,
    taken_at_ns: i64,
    completed_at_ns: i64,
    untracked: u64,
    channels: Vec<ChannelSnapshot>,
    tasks: Vec<TaskSnapshot>,
    /// Each with the id of its channel.
    waits: Vec<(String, Side, WaitSnapshot)>,
    retired: Vec<RetiredSnapshot>,
    /// The process in the ids of tasks, once there was one.
    process_of_tasks: Option<String>,
}

/// The members that are read; of these, none may lack.
const MEMBERS: [&str; 10] = [
    "schema",
    "process",
    "proc_key",
    "pid",
    "taken_at_ns",
    "completed_at_ns",
    "untracked",
    "nodes",
    "waits",
    "retired",
];

impl<'de> DeserializeSeed<'de> for Parts {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Parts {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the members of a snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match &*name {
                "schema" => self.schema = map.next_value()?,
                _ if self.schema_only => _ = map.next_value::<IgnoredAny>()?,
                "process" => self.process = map.next_value()?,
                "proc_key" => self.proc_key = map.next_value()?,
                "pid" => self.pid = map.next_value()?,
                "taken_at_ns" => self.taken_at_ns = map.next_value()?,
                "completed_at_ns" => self.completed_at_ns = map.next_value()?,
                "untracked" => self.untracked = map.next_value()?,
                "nodes" => map.next_value_seed(Items("nodes", |item| self.node(item)))?,
                "waits" => map.next_value_seed(Items("waits", |item| self.wait(item)))?,
                "retired" => map.next_value_seed(Items("retired", |item| self.retired(item)))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            self.seen.push(name);
        }
        Ok(self)
    }
}

/// A list of objects, each of which is passed on as soon as it is read.
struct Items<F>(&'static str, F);

impl<'de, F: FnMut(Object) -> Result<(), Wrong>> DeserializeSeed<'de> for Items<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Object) -> Result<(), Wrong>> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut number = 0_usize;
        while let Some(item) = seq.next_element::<Map<String, Value>>()? {
            let within = |wrong: Wrong| wrong.within(format_args!("{}[{number}]", self.0));
            self.1(Object(item)).map_err(within).map_err(A::Error::custom)?;
            number += 1;
        }
        Ok(())
    }
}

impl Parts {
    fn node(&mut self, mut node: Object) -> Result<(), Wrong> {
        let (id, kind): (String, String) = (node.take("id")?, node.take("kind")?);
        let wrong_id = || Wrong::new(format_args!("{id:?} is no id of a {kind}")).within("id");
        let within = |wrong: Wrong| wrong.within("attrs");
        match &*kind {
            "mpsc_tx" => {
                let id = id.strip_suffix(":tx").ok_or_else(wrong_id)?.to_owned();
                let channel = self.channel(id, Object(node.take("attrs")?)).map_err(within)?;
                self.channels.push(channel);
            }
            "task" | "thread" | "waker" => {
                let task = self.task(&id).map_err(|wrong| wrong.within("id"))?;
                let fits = match task.kind() {
                    TaskKind::Named | TaskKind::Tokio => "task",
                    TaskKind::Thread => "thread",
                    TaskKind::Waker => "waker",
                };
                if fits != kind {
                    return Err(wrong_id());
                }
                self.tasks.push(described(task, Object(node.take("attrs")?)).map_err(within)?);
            }
            // `mpsc_rx`, which has the same attributes as the other end; or a kind of a later
            // version.
            _ => {}
        }
        Ok(())
    }

    fn channel(&mut self, id: String, mut attrs: Object) -> Result<ChannelSnapshot, Wrong> {
        attrs.forget_unknown::<CloseCause>("close_cause");
        let mut stats = ChannelStats::read(&mut attrs)?;
        // A fraction is read only nearly as it was.
        stats.utilization = ChannelStats::utilization_of(stats.queue_len, stats.capacity);
        let left_waker = match attrs.take("left_waker")? {
            Some(waker) => {
                self.left_waker(Object(waker)).map_err(|wrong| wrong.within("left_waker"))?
            }
            None => None,
        };
        let senders = match attrs.take::<Option<Vec<_>>>("senders")? {
            Some(senders) => {
                let senders = senders.into_iter().enumerate().map(|(n, sender)| {
                    let within = |wrong: Wrong| wrong.within(format_args!("senders[{n}]"));
                    self.sender(Object(sender)).map_err(within)
                });
                Some(senders.collect::<Result<_, _>>()?)
            }
            None => None,
        };
        Ok(ChannelSnapshot {
            id,
            stats,
            send_waits: Vec::new(),
            line_since_ns: attrs.take("line_since_ns")?,
            recv_wait: None,
            close_waits: Vec::new(),
            last_receiver: self.task_in(&mut attrs, "last_receiver")?,
            last_receive: attrs.take("last_receive")?,
            left_waker,
            senders,
        })
    }

    /// None: it is of somebody of a kind that is not known.
    fn left_waker(&mut self, mut waker: Object) -> Result<Option<LeftWaker>, Wrong> {
        let task = self.task_in(&mut waker, "task")?;
        let own_waker = waker.take("own_waker")?;
        Ok(task.map(|task| LeftWaker { task, own_waker }))
    }

    fn sender(&mut self, mut sender: Object) -> Result<SenderSnapshot, Wrong> {
        Ok(SenderSnapshot {
            location: sender.take("location")?,
            task: self.task_in(&mut sender, "task")?,
            since_ns: sender.take("since_ns")?,
        })
    }

    fn wait(&mut self, mut wait: Object) -> Result<(), Wrong> {
        wait.forget_unknown::<Side>("side");
        wait.forget_unknown::<Call>("call");
        // Of a side that is not known there is no place for it.
        let Some(side) = wait.take("side")? else { return Ok(()) };
        let like = match side {
            Side::Send => Call::Send,
            Side::Receive => Call::Recv,
            Side::Close => Call::Closed,
        };
        let read = WaitSnapshot {
            id: wait.take("id")?,
            call: wait.take::<Option<_>>("call")?.unwrap_or(like),
            task: self.task_in(&mut wait, "task")?,
            own_waker: wait.take("own_waker")?,
            since_ns: wait.take("since_ns")?,
            need: wait.take("need")?,
            granted_at_ns: wait.take("granted_at_ns")?,
            deadline_ns: wait.take("deadline_ns")?,
        };
        self.waits.push((wait.take("channel")?, side, read));
        Ok(())
    }

    fn retired(&mut self, mut retired: Object) -> Result<(), Wrong> {
        let name = retired.take("name")?;
        self.retired.push(RetiredSnapshot { name, sums: Retired::read(&mut retired)? });
        Ok(())
    }

    /// The task with the id that the member has; none if it is null, or of a kind that is not
    /// known.
    fn task_in(&mut self, object: &mut Object, name: &str) -> Result<Option<TaskRef>, Wrong> {
        let id: Option<String> = object.take(name)?;
        let id = id.filter(|id| is_known(id, &["task", "thread", "waker"]));
        id.map(|id| self.task(&id)).transpose().map_err(|wrong| wrong.within(name))
    }

    fn task(&mut self, id: &str) -> Result<TaskRef, Wrong> {
        let (process, task) = TaskRef::from_node_id(id).ok_or_else(|| {
            Wrong::new(format_args!("{id:?} is no id of a task, a thread or a waker"))
        })?;
        let known = self.process_of_tasks.get_or_insert_with(|| process.to_owned());
        if known != process {
            return Err(Wrong::new(format_args!("{id:?} is of another process than {known:?}")));
        }
        Ok(task)
    }

    fn put_together(mut self) -> Result<Snapshot, Wrong> {
        if let Some(lacking) =
            MEMBERS.into_iter().find(|name| self.seen.iter().all(|it| it != name))
        {
            return Err(Wrong::new("is missing").within(lacking));
        }
        if self.schema != SCHEMA {
            return Err(Wrong::new(format_args!("is not {SCHEMA:?}")).within("schema"));
        }
        let process = &self.process;
        if let Some(other) = self.process_of_tasks.filter(|other| other != process) {
            return Err(Wrong::new(format_args!(
                "is {process:?}, and {other:?} in the ids of tasks"
            ))
            .within("process"));
        }
        let prefix = format!("mpsc:{process}:");
        let mut places = HashMap::with_capacity(self.channels.len());
        for (place, channel) in self.channels.iter().enumerate() {
            let wrong =
                |what| Err(Wrong::new(format_args!("{what} {:?}", channel.id)).within("nodes"));
            if !channel.id.starts_with(&prefix) {
                return wrong("of another process is");
            }
            if places.insert(channel.id.clone(), place).is_some() {
                return wrong("two nodes are");
            }
        }
        let waits = self.waits.into_iter().enumerate();
        for (number, (id, side, wait)) in waits.filter(|(_, (id, ..))| is_known(id, &["mpsc"])) {
            let wrong = |what| {
                let within = Wrong::new(format_args!("{what} {id:?}"));
                within.within("channel").within(format_args!("waits[{number}]"))
            };
            let place = places.get(&id).ok_or_else(|| wrong("there is no node of"))?;
            let channel = &mut self.channels[*place];
            match side {
                Side::Send => channel.send_waits.push(wait),
                Side::Close => channel.close_waits.push(wait),
                Side::Receive => {
                    if channel.recv_wait.replace(wait).is_some() {
                        return Err(wrong("there is a second receive of"));
                    }
                }
            }
        }
        Ok(Snapshot {
            process: self.process,
            proc_key: self.proc_key,
            pid: self.pid,
            taken_at_ns: self.taken_at_ns,
            completed_at_ns: self.completed_at_ns,
            channels: self.channels,
            tasks: self.tasks,
            retired: self.retired,
            untracked: self.untracked,
        })
    }
}

/// Whether an id, `{kind}:{process}:{rest}`, is of one of these kinds; or is no id at all.
fn is_known(id: &str, kinds: &[&str]) -> bool {
    let mut parts = id.split(':');
    let kind = parts.next().unwrap_or_default();
    let is_kind = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    kinds.contains(&kind) || parts.count() < 2 || kind.is_empty() || !kind.bytes().all(is_kind)
}

/// A task with its attributes.
fn described(task: TaskRef, mut attrs: Object) -> Result<TaskSnapshot, Wrong> {
    attrs.forget_unknown::<TaskState>("state");
    Ok(TaskSnapshot {
        task,
        name: attrs.take("name")?,
        root: attrs.take("root")?,
        location: attrs.take("location")?,
        state: attrs.take("state")?,
        state_since_ns: attrs.take("state_since_ns")?,
        wakers: attrs.take("wakers")?,
        polls: attrs.take("polls")?,
        waiting_since_ns: attrs.take("since")?,
    })
}
