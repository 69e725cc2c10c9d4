//! What is written is read back, whatever it is; what is spoilt is refused.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

use super::SCHEMA;
use super::fields::Fields;
use crate::task::{TaskRef, TaskState};
use crate::telemetry::waits::LONG;
use crate::{
    Call, ChannelSnapshot, ChannelStats, CloseCause, LeftWaker, Retired, RetiredSnapshot,
    SenderSnapshot, Snapshot, TaskSnapshot, Text, WaitHistogram, WaitSnapshot,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z]{0,8}",
        Just("\u{202e}\"\\\0\n\u{2028}:#%".to_owned()),
        Just("x".repeat(200)),
    ]
}

/// Tasks of every kind, by their ids: there is no other way from outside of their module.
fn task() -> impl Strategy<Value = TaskRef> {
    let number = prop_oneof![0_u64..5, 0..1_u64 << 61, Just((1_u64 << 61) - 1)];
    (0..4, number).prop_map(|(kind, number)| {
        let id = match kind {
            0 => format!("task::{number}"),
            1 => format!("task::tokio-{number}"),
            2 => format!("thread::{number}"),
            _ => format!("waker::{number:x}"),
        };
        TaskRef::from_node_id(&id).unwrap().1
    })
}

fn call() -> impl Strategy<Value = Call> {
    use Call::{
        Closed, PollRecv, PollReserve, Recv, RecvMany, Reserve, ReserveMany, Send, SendMany,
    };
    prop::sample::select(vec![
        Send,
        SendMany,
        Reserve,
        ReserveMany,
        Closed,
        Recv,
        RecvMany,
        PollRecv,
        PollReserve,
    ])
}

prop_compose! {
    fn wait()(
        id: u64, call in call(), task in option::of(task()), own_waker: bool, since_ns: i64,
        need: u64, granted_at_ns: Option<i64>, deadline_ns: Option<i64>,
    ) -> WaitSnapshot {
        WaitSnapshot { id, call, task, own_waker, since_ns, need, granted_at_ns, deadline_ns }
    }
}

prop_compose! {
    fn histogram()(mut counts: [u64; LONG + 1], used in 0..LONG + 2, total_ns: u64) -> WaitHistogram {
        counts[used..].fill(0);
        WaitHistogram::from_counts(counts, total_ns)
    }
}

fn histograms() -> impl Strategy<Value = [Option<WaitHistogram>; 2]> {
    [option::of(histogram()), option::of(histogram())]
}

fn stats() -> impl Strategy<Value = ChannelStats> {
    use CloseCause::{ReceiverClosed, ReceiverDropped, SendersDropped};
    let causes = prop::sample::select(vec![SendersDropped, ReceiverClosed, ReceiverDropped]);
    let texts = (text(), text(), text(), text(), option::of(text()));
    let numbers = (any::<[u64; 22]>(), any::<[Option<u64>; 3]>(), any::<i64>());
    (texts, numbers, any::<[bool; 3]>(), option::of(causes), histograms()).prop_map(
        |(texts, (n, some, at), is, close_cause, histograms)| {
            let (name, label, location, payload, creator_task_id) = texts;
            let [send_wait_histogram, recv_wait_histogram] = histograms;
            ChannelStats {
                channel_id: n[0],
                name: name.into(),
                label: label.into(),
                location: location.into(),
                payload: payload.into(),
                bounded: is[0],
                capacity: some[0],
                queue_len: n[1],
                reserved: n[2],
                high_watermark: n[3],
                utilization: ChannelStats::utilization_of(n[1], some[0]),
                sender_count: n[4],
                weak_sender_count: n[5],
                send_waiters: n[6],
                granted_waiters: n[7],
                recv_waiters: n[8],
                oldest_send_wait_ns: some[1],
                oldest_recv_wait_ns: some[2],
                send_wait_total_ns: n[9],
                send_waits_total: n[10],
                send_given_up_total: n[11],
                recv_waits_total: n[12],
                recv_wait_total_ns: n[13],
                recv_given_up_total: n[14],
                send_wait_histogram,
                recv_wait_histogram,
                full_total: n[15],
                closed_total: n[16],
                discarded: n[17],
                sender_closed: is[1],
                receiver_closed: is[2],
                close_cause,
                sent_total: n[18],
                recv_total: n[19],
                created_at_ns: at,
                creator_task_id: creator_task_id.map(Text::from),
            }
        },
    )
}

prop_compose! {
    fn sender()(location in text(), task in option::of(task()), since_ns: i64) -> SenderSnapshot {
        SenderSnapshot { location: location.into(), task, since_ns }
    }
}

prop_compose! {
    fn left_waker()(task in task(), own_waker: bool) -> LeftWaker {
        LeftWaker { task, own_waker }
    }
}

prop_compose! {
    /// Its id is only a name so far.
    fn channel()(
        id in text(), stats in stats(), send_waits in vec(wait(), 0..4),
        recv_wait in option::of(wait()), close_waits in vec(wait(), 0..3),
        last_receiver in option::of(task()), last_receive: u64,
        line_since_ns: Option<i64>, left_waker in option::of(left_waker()),
        senders in option::of(vec(sender(), 0..3)),
    ) -> ChannelSnapshot {
        ChannelSnapshot {
            id, stats, send_waits, line_since_ns, recv_wait, close_waits, last_receiver, last_receive, left_waker,
            senders,
        }
    }
}

prop_compose! {
    fn described()(
        task in task(), name in option::of(text()), root: bool, location in option::of(text()),
        state in option::of(prop::sample::select(
            vec![TaskState::Idle, TaskState::Running, TaskState::Scheduled]
        )),
        state_since_ns: Option<i64>, wakers: Option<u64>, polls: Option<u64>,
        waiting_since_ns: Option<i64>,
    ) -> TaskSnapshot {
        TaskSnapshot {
            task, name: name.map(Text::from), root, location: location.map(Text::from), state, state_since_ns,
            wakers, polls, waiting_since_ns,
        }
    }
}

prop_compose! {
    fn retired()(name in text(), n: [u64; 12], histograms in histograms()) -> RetiredSnapshot {
        let [channels, sent_total, recv_total, discarded, full_total, closed_total, ..] = n;
        let [.., send_waits_total, send_wait_total_ns, send_given_up_total, recv_waits_total,
            recv_wait_total_ns, recv_given_up_total] = n;
        let [send_wait_histogram, recv_wait_histogram] = histograms;
        let sums = Retired {
            channels, sent_total, recv_total, discarded, full_total, closed_total, send_waits_total,
            send_wait_total_ns, send_given_up_total, recv_waits_total, recv_wait_total_ns,
            recv_given_up_total, send_wait_histogram, recv_wait_histogram,
        };
        RetiredSnapshot { name: name.into(), sums }
    }
}

prop_compose! {
    fn snapshot()(
        process in text(), proc_key in text(), pid: u32, times: [i64; 2],
        mut channels in vec(channel(), 0..4), tasks in vec(described(), 0..4),
        retired in vec(retired(), 0..3), untracked: u64,
    ) -> Snapshot {
        let process = process.replace(':', "%3A");
        for (n, channel) in channels.iter_mut().enumerate() {
            channel.id = format!("mpsc:{process}:{}#{n}", channel.id.replace(':', "%3A"));
        }
        let [taken_at_ns, completed_at_ns] = times;
        Snapshot {
            process, proc_key, pid, taken_at_ns, completed_at_ns, channels, tasks, retired,
            untracked,
        }
    }
}

fn written(snapshot: &Snapshot) -> Vec<u8> {
    let mut json = Vec::new();
    snapshot.graph().write_json(&mut json).unwrap();
    json
}

/// Changes the value at a path, which is the numbers of members; by `how`, removes a member,
/// doubles an item, or puts something else in its place.
fn spoil(value: &mut Value, path: &[u8], how: u8) {
    let (number, rest) = path.split_first().map_or((0, None), |(n, rest)| (*n, Some(rest)));
    let last = rest.is_some_and(<[u8]>::is_empty) && how == 0;
    match (value, rest) {
        (Value::Object(map), Some(rest)) if !map.is_empty() => {
            let name = map.keys().nth(usize::from(number) % map.len()).unwrap().clone();
            if last {
                map.remove(&name);
            } else {
                spoil(&mut map[&name], rest, how);
            }
        }
        (Value::Array(list), Some(rest)) if !list.is_empty() => {
            let place = usize::from(number) % list.len();
            if last {
                list.push(list[place].clone());
            } else {
                spoil(&mut list[place], rest, how);
            }
        }
        (value, _) => {
            *value = match how {
                1 => Value::Null,
                2 => Value::from(-1),
                3 => Value::from("task:x:18446744073709551615"),
                4 => Value::Array(vec![Value::Null]),
                5 => Value::from(u64::MAX),
                6 => Value::from("waker::"),
                7 => Value::Object(Map::new()),
                _ => Value::from(0.5),
            }
        }
    }
}

proptest! {
    /// Seen to fail with: one attribute of a wait written as another.
    #[test]
    fn what_is_written_is_read_back(snapshot in snapshot()) {
        let json = written(&snapshot);
        prop_assert_eq!(&Snapshot::from_json(&json).unwrap(), &snapshot);
        // So it is with the members in another order, and by way of a value.
        let value = snapshot.graph().to_json();
        prop_assert_eq!(&serde_json::from_slice::<Value>(&json).unwrap(), &value);
        prop_assert_eq!(&Snapshot::from_json(value.to_string()).unwrap(), &snapshot);
    }

    /// It is read or refused, and what was read can be written.
    #[test]
    fn what_is_spoilt_does_no_harm(
        snapshot in snapshot(),
        path in vec(any::<u8>(), 1..6), how in 0_u8..9,
        byte in any::<prop::sample::Index>(), with: u8,
    ) {
        let mut value = snapshot.graph().to_json();
        spoil(&mut value, &path, how);
        if let Ok(read) = Snapshot::from_json(value.to_string()) {
            written(&read);
        }
        let mut json = written(&snapshot);
        let byte = byte.index(json.len());
        json[byte] = with;
        if let Ok(read) = Snapshot::from_json(&json) {
            written(&read);
        }
        json.truncate(byte);
        prop_assert!(Snapshot::from_json(&json).is_err());
    }
}

/// Seen to fail with: an attribute that the schema does not have, and the other way round.
#[test]
fn the_schema_has_the_attributes_of_the_structs() {
    let schema = include_str!("../../../schema/parshall.snapshot.2.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
    let check = |what: &str, of_struct: &[&str], beside: &[&str]| {
        let mut ours = [of_struct, beside].concat();
        ours.sort_unstable();
        let def = &schema["$defs"][what];
        let mut known: Vec<_> = def["properties"].as_object().unwrap().keys().collect();
        known.sort_unstable();
        assert_eq!(known, ours, "{what}");
        let mut required: Vec<_> =
            def["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        required.sort_unstable();
        assert_eq!(required, ours, "{what}, required");
    };
    let beside = [
        "age_ms",
        "last_receiver",
        "last_receive",
        "line_since_ns",
        "line_ms",
        "left_waker",
        "senders",
    ];
    check("channel", ChannelStats::NAMES, &beside);
    check("retired", Retired::NAMES, &["name"]);
}

/// What a program of an older version of the same schema writes.
///
/// Seen to fail with: attributes that may not be missing.
#[test]
fn a_program_that_tells_no_histogram_is_read() {
    let channel = channel().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let retired = retired().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let mut snapshot = Snapshot::from_json(least().to_string()).unwrap();
    snapshot.channels.push(ChannelSnapshot { id: "mpsc:p:older".into(), ..channel });
    snapshot.retired.push(retired);
    let (stats, sums) = (&mut snapshot.channels[0].stats, &mut snapshot.retired[0].sums);
    (stats.send_wait_histogram, stats.recv_wait_histogram) = (None, None);
    (sums.send_wait_histogram, sums.recv_wait_histogram) = (None, None);
    let mut all = snapshot.graph().to_json();
    let mut forget = |pointer: &str| {
        let object = all.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        for name in ["send_wait_histogram", "recv_wait_histogram"] {
            assert_eq!(object.remove(name), Some(Value::Null), "{name} of {pointer}");
        }
    };
    ["/nodes/0/attrs", "/nodes/1/attrs", "/retired/0"].into_iter().for_each(&mut forget);
    assert_eq!(Snapshot::from_json(all.to_string()).unwrap(), snapshot);
    // More buckets than we know are no part of the schema.
    all["retired"][0]["send_wait_histogram"] =
        serde_json::json!({"counts": vec![1; LONG + 2], "total_ns": 1});
    let text = Snapshot::from_json(all.to_string()).unwrap_err().to_string();
    assert!(text.contains("retired[0].send_wait_histogram: counts: are more than 10"), "{text}");
}

/// The least that is a snapshot.
fn least() -> Value {
    serde_json::json!({
        "schema": SCHEMA, "process": "p", "proc_key": "k", "pid": 1, "taken_at_ns": 2,
        "completed_at_ns": 3, "untracked": 0, "nodes": [], "waits": [], "retired": [],
    })
}

#[test]
fn an_error_says_what_and_where() {
    let error = |value: &Value| Snapshot::from_json(value.to_string()).unwrap_err().to_string();
    assert!(Snapshot::from_json(least().to_string()).is_ok());
    let mut other = least();
    other["schema"] = "parshall.snapshot/1".into();
    let text = error(&other);
    assert!(text.contains("parshall.snapshot/1") && text.contains(SCHEMA), "{text}");
    // Also if it is not even like ours.
    let text = error(&serde_json::json!({"nodes": 7, "schema": "parshall.snapshot/3"}));
    assert!(text.contains("parshall.snapshot/3") && text.contains(SCHEMA), "{text}");

    let wait = serde_json::json!({
        "channel": "mpsc:p:a", "side": "send", "id": 1, "call": "send", "task": "task:q:1",
        "own_waker": true, "since_ns": 1, "need": 1, "granted_at_ns": null, "deadline_ns": null,
    });
    let task = |id: &str, kind: &str| {
        serde_json::json!([{"id": id, "kind": kind, "attrs": {
            "name": null, "root": false, "location": null, "state": 7,
        }}])
    };
    let with = |name: &str, value: Value| {
        let mut all = least();
        all[name] = value;
        error(&all)
    };
    let mut lacking = least();
    lacking.as_object_mut().unwrap().remove("waits");
    for (text, what) in [
        (error(&lacking), "waits: is missing"),
        (with("pid", (-1).into()), "invalid value: integer `-1`, expected u32 at line 1"),
        (with("nodes", task("task:p:1", "task")), "nodes[0].attrs.state: invalid type: integer"),
        (with("nodes", task("task:p:01", "task")), "nodes[0].id: \"task:p:01\" is no id"),
        (
            with("nodes", task("task:p:1", "thread")),
            "nodes[0].id: \"task:p:1\" is no id of a thread",
        ),
        (with("waits", serde_json::json!([wait])), "process: is \"p\", and \"q\" in the ids"),
        (error(&7.into()), "expected an object"),
    ] {
        assert!(text.contains(what), "{text:?} does not say {what:?}");
    }
    let text = Snapshot::from_json("{").unwrap_err().to_string();
    assert!(text.contains("line 1 column 1"), "{text}");
}

/// What a later version may add to the same schema: members, kinds, words. Each is passed over, and
/// all else is read as it is.
///
/// Seen to fail with: each taken for an error.
#[test]
fn what_a_later_version_adds_is_passed_over() {
    let task = |id: &str, kind: &str, state: &str| {
        serde_json::json!({"id": id, "kind": kind, "new": [1], "attrs": {
            "name": "a", "root": false, "location": null, "state": state, "state_since_ns": 1,
            "wakers": 1, "polls": 1, "since": 1, "new": {"deep": [[[]]]},
        }})
    };
    let mut channel = channel().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    channel.id = "mpsc:p:later".into();
    (channel.send_waits, channel.recv_wait) = (Vec::new(), None);
    (channel.close_waits, channel.senders) = (Vec::new(), None);
    let mut snapshot = Snapshot::from_json(least().to_string()).unwrap();
    snapshot.channels.push(channel);
    let mut all = snapshot.graph().to_json();
    all["new"] = serde_json::json!({"any": "thing"});
    for node in all["nodes"].as_array_mut().unwrap() {
        let attrs = &mut node["attrs"];
        (attrs["new"], attrs["close_cause"]) = (1.into(), "evicted".into());
        attrs["last_receiver"] = "fiber:p:7".into();
        attrs["left_waker"] = serde_json::json!({"task": "fiber:p:7", "own_waker": true});
    }
    let nodes = all["nodes"].as_array_mut().unwrap();
    nodes.push(task("task:p:1", "task", "asleep"));
    nodes.push(task("fiber:p:7", "fiber", "idle"));
    nodes.push(serde_json::json!({"id": "oneshot:p:x", "kind": "oneshot"}));
    all["waits"] = [
        ("mpsc:p:later", "send", "send_all", "task:p:1"),
        ("mpsc:p:later", "recv", "peek", "fiber:p:7"),
        ("mpsc:p:later", "flush", "flush", "task:p:1"),
        ("oneshot:p:x", "recv", "recv", "task:p:1"),
    ]
    .map(|(channel, side, call, task)| {
        serde_json::json!({
            "channel": channel, "side": side, "id": 1, "call": call, "task": task, "new": true,
            "own_waker": false, "since_ns": 1, "need": 1, "granted_at_ns": null,
            "deadline_ns": null,
        })
    })
    .into();
    let read = Snapshot::from_json(all.to_string()).unwrap();
    assert_eq!((read.channels.len(), read.tasks.len()), (1, 1));
    assert_eq!(read.tasks[0].state, None);
    let channel = &read.channels[0];
    assert_eq!(channel.stats.close_cause, None);
    assert_eq!((channel.last_receiver, channel.left_waker), (None, None));
    let [send] = channel.send_waits[..] else { panic!("{channel:?}") };
    assert_eq!((send.call, send.task), (Call::Send, Some(read.tasks[0].task)));
    let receive = channel.recv_wait.unwrap();
    assert_eq!((receive.call, receive.task), (Call::Recv, None));
    written(&read);
    // What only looks like a word of a later version is wrong, as before.
    for (id, task) in [("mpsc", "task:p:1"), ("mpsc:q:later", "task:p:1"), ("mpsc:p:later", "x")] {
        let mut bad = all.clone();
        bad["waits"][0]["channel"] = id.into();
        bad["waits"][0]["task"] = task.into();
        assert!(Snapshot::from_json(bad.to_string()).is_err(), "{id} {task}");
    }
}
