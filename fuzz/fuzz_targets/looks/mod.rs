//! Texts that claim to be snapshots of one program, one after the other.
//!
//! Input: lines of JSON, a look each, if the first byte is `{`. Else bytes that snapshots are made
//! of: few names, so that they meet, and numbers at the borders of what fits.

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use parshall::Snapshot;
use serde_json::{Value, json};

/// One second.
pub(crate) const SEC: i64 = 1_000_000_000;

/// Those that are read.
pub(crate) fn looks(input: &[u8]) -> Vec<Snapshot> {
    if input.first() == Some(&b'{') {
        let texts = input.split(|&byte| byte == b'\n');
        return texts.filter_map(|text| Snapshot::from_json(text).ok()).collect();
    }
    let texts = made(&mut Unstructured::new(input)).unwrap_or_default();
    texts.iter().filter_map(|text| Snapshot::from_json(text.to_string()).ok()).collect()
}

/// A control, or a mark that turns a line around.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

type Bytes<'a, 'b> = &'a mut Unstructured<'b>;

const NAMES: [&str; 6] = ["a", "b", "x y", "\u{1b}[2J\u{202e}", "", "`->`\"&\\"];

fn number(from: Bytes) -> Result<u64> {
    const BORDERS: [u64; 12] =
        [0, 1, 2, 3, 4, 5, 8, 1 << 32, i64::MAX as u64, (1 << 63) + 1, u64::MAX - 1, u64::MAX];
    from.choose(&BORDERS).copied()
}

/// A moment, most often before that of the look.
fn moment(from: Bytes) -> Result<i64> {
    const BORDERS: [i64; 10] = [
        100 * SEC,
        99 * SEC,
        80 * SEC,
        50 * SEC,
        110 * SEC,
        0,
        -1,
        i64::MIN,
        i64::MIN + 1,
        i64::MAX,
    ];
    from.choose(&BORDERS).copied()
}

fn perhaps<T: Into<Value>>(from: Bytes, make: fn(Bytes) -> Result<T>) -> Result<Value> {
    Ok(if from.arbitrary()? { make(from)?.into() } else { Value::Null })
}

fn name(from: Bytes) -> Result<&'static str> {
    from.choose(&NAMES).copied()
}

fn task(from: Bytes) -> Result<String> {
    let number = from.int_in_range(0..=5_u8)?;
    let kind = *from.choose(&["task:p:", "task:p:", "task:p:tokio-", "thread:p:", "waker:p:"])?;
    Ok(format!("{kind}{number}"))
}

fn channel(from: Bytes, number_of: usize) -> Result<Value> {
    let senders = if from.ratio(1, 4)? {
        let mut all = Vec::new();
        for _ in 0..from.int_in_range(0..=3_u8)? {
            all.push(json!({
                "location": name(from)?, "task": perhaps(from, task)?, "since_ns": moment(from)?,
            }));
        }
        all.into()
    } else {
        Value::Null
    };
    let left_waker = if from.ratio(1, 4)? {
        json!({ "task": task(from)?, "own_waker": from.arbitrary::<bool>()? })
    } else {
        Value::Null
    };
    // Two may have one number.
    let id = if from.ratio(1, 8)? { number(from)? } else { number_of as u64 };
    let cause = *from.choose(&["senders_dropped", "receiver_closed", "receiver_dropped"])?;
    let mut attrs = json!({
        "name": name(from)?, "label": name(from)?, "location": name(from)?, "payload": name(from)?,
        "bounded": from.arbitrary::<bool>()?, "capacity": perhaps(from, number)?,
        "utilization": null, "channel_id": id,
        "sender_closed": from.arbitrary::<bool>()?, "receiver_closed": from.arbitrary::<bool>()?,
        "close_cause": if from.ratio(1, 8)? { json!(cause) } else { Value::Null },
        "creator_task_id": perhaps(from, task)?, "created_at_ns": moment(from)?,
        "oldest_send_wait_ns": perhaps(from, number)?, "oldest_recv_wait_ns": perhaps(from, number)?,
        "last_receiver": perhaps(from, task)?, "line_since_ns": perhaps(from, moment)?,
        "left_waker": left_waker, "senders": senders,
    });
    for field in [
        "queue_len",
        "high_watermark",
        "sender_count",
        "weak_sender_count",
        "send_waiters",
        "granted_waiters",
        "recv_waiters",
        "reserved",
        "sent_total",
        "recv_total",
        "discarded",
        "full_total",
        "closed_total",
        "send_waits_total",
        "send_wait_total_ns",
        "send_given_up_total",
        "recv_waits_total",
        "recv_wait_total_ns",
        "recv_given_up_total",
        "last_receive",
    ] {
        attrs[field] = number(from)?.into();
    }
    Ok(json!({ "id": format!("mpsc:p:c{number_of}:tx"), "kind": "mpsc_tx", "attrs": attrs }))
}

fn a_task(from: Bytes) -> Result<Value> {
    let id = task(from)?;
    let kind = id.split(':').next().unwrap_or_default().to_owned();
    let attrs = json!({
        "name": perhaps(from, name)?, "root": from.arbitrary::<bool>()?,
        "location": perhaps(from, name)?,
        "state": from.choose(&["idle", "running", "scheduled"])?,
        "state_since_ns": perhaps(from, moment)?, "wakers": perhaps(from, number)?,
        "polls": perhaps(from, number)?, "since": perhaps(from, moment)?,
    });
    Ok(json!({ "id": id, "kind": kind, "attrs": attrs }))
}

fn wait(from: Bytes, channels: usize) -> Result<Value> {
    let side = *from.choose(&["send", "send", "recv", "close"])?;
    let call = *match side {
        "send" => from.choose(&["send", "send_many", "reserve", "poll_reserve"])?,
        "recv" => from.choose(&["recv", "recv_many", "poll_recv"])?,
        _ => &"closed",
    };
    Ok(json!({
        "channel": format!("mpsc:p:c{}", from.choose_index(channels)?),
        "side": side, "id": from.int_in_range(0..=20_u64)?, "call": call,
        "task": perhaps(from, task)?, "own_waker": from.arbitrary::<bool>()?,
        "since_ns": moment(from)?, "need": number(from)?,
        "granted_at_ns": perhaps(from, moment)?, "deadline_ns": perhaps(from, moment)?,
    }))
}

/// A few looks: the first, and others in which numbers have changed.
fn made(from: Bytes) -> Result<Vec<Value>> {
    let channels = from.int_in_range(1..=5_usize)?;
    let mut nodes = Vec::new();
    for n in 0..channels {
        nodes.push(channel(from, n)?);
    }
    for _ in 0..from.int_in_range(0..=6_u8)? {
        nodes.push(a_task(from)?);
    }
    let mut waits = Vec::new();
    for _ in 0..from.int_in_range(0..=12_u8)? {
        waits.push(wait(from, channels)?);
    }
    let taken = moment(from)?;
    let first = json!({
        "schema": parshall::introspect::SCHEMA, "process": "p", "proc_key": "p", "pid": 1,
        "taken_at_ns": taken, "completed_at_ns": moment(from)?, "untracked": number(from)?,
        "nodes": nodes, "waits": waits, "retired": [],
    });
    let mut looks = vec![first];
    for n in 1..=from.int_in_range(0..=3_i64)? {
        let mut next = looks[looks.len() - 1].clone();
        let later =
            if from.ratio(1, 8)? { moment(from)? } else { taken.saturating_add(5 * n * SEC) };
        next["taken_at_ns"] = later.into();
        for _ in 0..from.int_in_range(0..=4_u8)? {
            let node = from.choose_index(nodes.len())?;
            let attrs = next["nodes"][node]["attrs"].as_object_mut().expect("it is one");
            let field = attrs.keys().nth(from.choose_index(attrs.len())?).cloned();
            let field = &mut attrs[&field.expect("one of them")];
            // What is no number stays.
            if field.is_u64() {
                *field = number(from)?.into();
            } else if field.is_i64() {
                *field = moment(from)?.into();
            }
        }
        looks.push(next);
    }
    Ok(looks)
}
