//! What a recording tells of a snapshot, and that it is read back as it was.

use std::task::{Context, Waker};

use parshall::introspect::{Diagnoser, Settings};
use parshall::mpsc::Builder;
use parshall::task::named;
use parshall_gauge::{SqliteRecorder, read_snapshot};
use rusqlite::Connection;

use crate::{channel, folder, only};

/// The queries of the telemetry's design, to the letter.
const CHANNELS: &str = "
SELECT id, json_extract(attrs_json, '$.queue_len') AS q, json_extract(attrs_json, '$.capacity') AS cap
FROM nodes WHERE snapshot_id = ?1 AND kind = 'mpsc' ORDER BY q DESC;
";
const EDGES: &str = "
SELECT src_id, dst_id FROM edges WHERE snapshot_id = ?1 AND kind = 'needs'
  AND src_id LIKE 'mpsc:%:tx' AND dst_id LIKE 'mpsc:%:rx' LIMIT 100;
";

#[test]
fn both_queries_return_the_right_rows_verbatim() {
    let (_folder, path) = folder();
    let long = "x".repeat(100_000);
    // (name, what the id has of it)
    let weird = [
        ("", ""),
        (&*long, &*long),
        ("quotes ' \" \\ `", "quotes ' \" \\ `"),
        ("a:b::tx", "a%3Ab%3A%3Atx"),
        ("50% of #2", "50%25 of %232"),
        ("line\nbreak\tnul\0", "line%0Abreak%09nul%00"),
        ("🦀 канал 管道", "🦀 канал 管道"),
        ("twin", "twin"),
        ("twin", "twin#2"),
        ("twin", "twin#3"),
        ("LIKE _ * [a]", "LIKE _ * [a]"),
    ];
    let live: Vec<_> =
        (0..).zip(weird).map(|(n, (name, _))| channel(name, 16 + usize::from(n), n)).collect();
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let id = recorder.record(&parshall::snapshot()).unwrap();

    let db = Connection::open(&path).unwrap();
    // Other tests of this process have channels too: all of ours are in the order asked for.
    let process = parshall::process();
    let of_ours =
        |id: &str| weird.iter().position(|(_, name)| id == format!("mpsc:{process}:{name}"));
    let mut statement = db.prepare(CHANNELS).unwrap();
    // Those of others may be unbounded.
    let found: Vec<(String, i64, Option<i64>)> = statement
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
    let ours: Vec<_> =
        found.iter().filter_map(|(id, q, cap)| Some((of_ours(id)?, *q, *cap))).collect();
    let expected: Vec<_> =
        (0..weird.len()).rev().map(|n| (n, n as i64, Some(16 + n as i64))).collect();
    assert_eq!(ours, expected);

    let mut statement = db.prepare(EDGES).unwrap();
    let edges: Vec<(String, String)> = statement
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (_, name) in weird {
        let expected = (format!("mpsc:{process}:{name}:tx"), format!("mpsc:{process}:{name}:rx"));
        assert_eq!(edges.iter().filter(|edge| **edge == expected).count(), 1, "{name}");
    }
    assert_eq!(edges.len(), found.len());

    // The attributes keep the user's text.
    let mut statement = db.prepare("SELECT attrs_json FROM nodes WHERE id = ?1").unwrap();
    for (name, encoded) in weird {
        for end in ["", ":tx", ":rx"] {
            let id = format!("mpsc:{process}:{encoded}{end}");
            let attrs: String = statement.query_row([id], |row| row.get(0)).unwrap();
            let attrs: serde_json::Value = serde_json::from_str(&attrs).unwrap();
            assert_eq!(attrs["name"], name);
        }
    }
    drop(live);
}

#[test]
fn an_unbounded_channel_is_recorded_without_a_capacity() {
    let (_folder, path) = folder();
    let (tx, _rx) = Builder::new().name("unbounded in sqlite").build_unbounded();
    tx.send(1u8).unwrap();
    SqliteRecorder::open(&path).unwrap().record(&parshall::snapshot()).unwrap();
    let db = Connection::open(&path).unwrap();
    let id = format!("mpsc:{}:unbounded in sqlite:tx", parshall::process());
    let row = db.query_row(
        "SELECT attrs_json ->> 'capacity', attrs_json ->> 'bounded', attrs_json ->> 'queue_len' FROM nodes WHERE id = ?1",
        [id],
        |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
    );
    assert_eq!(row.unwrap(), (None, 0, 1));
}

#[test]
fn waits_nodes_and_the_view_tell_who_waits() {
    let (_folder, path) = folder();
    let mut cx = Context::from_waker(Waker::noop());
    let (tx, mut rx) = channel("who waits", 1, 1);
    let mut first = Box::pin(named("first", async { tx.send(1).await }));
    let mut second = Box::pin(named("second", async { tx.reserve().await.is_ok() }));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let waiting = recorder.record(&parshall::snapshot()).unwrap();
    // Lets the first in; it is not polled.
    rx.try_recv().unwrap();
    let granted = recorder.record(&parshall::snapshot()).unwrap();
    assert_eq!(granted, waiting + 1);

    let db = Connection::open(&path).unwrap();
    let waits = |snapshot: i64| -> Vec<(i64, String, bool)> {
        let sql = "SELECT place, json_extract(attrs_json, '$.name'), granted_at_ns NOT NULL
            FROM waits JOIN nodes ON nodes.snapshot_id = waits.snapshot_id AND nodes.id = task_id
            WHERE waits.snapshot_id = ?1 AND channel_id LIKE 'mpsc:%:who waits' AND side = 'send'
            ORDER BY place";
        let mut statement = db.prepare(sql).unwrap();
        let rows =
            statement.query_map([snapshot], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let row = |place, name: &str, granted| (place, name.to_owned(), granted);
    assert_eq!(waits(waiting), [row(0, "first", false), row(1, "second", false)]);
    let mut after = waits(granted);
    after.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(
        after.iter().map(|(_, name, granted)| (&**name, *granted)).collect::<Vec<_>>(),
        [("first", true), ("second", false)]
    );

    let sql =
        "SELECT q, cap, send_waiters FROM channels WHERE snapshot_id = ?1 AND name = 'who waits'";
    let seen: (i64, i64, i64) =
        db.query_row(sql, [waiting], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(seen, (1, 1, 2));
    let process: (String, String, i64, String) = db
        .query_row(
            "SELECT process, proc_key, pid, status FROM snapshot_processes WHERE snapshot_id = ?1",
            [waiting],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    let (name, key) = (parshall::process().to_owned(), parshall::proc_key().to_owned());
    assert_eq!(process, (name, key, std::process::id().into(), "ok".to_owned()));
}

/// The edges of a snapshot in the recording.
fn edges(path: &std::path::Path, id: i64) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let sql = "SELECT json_object('src', src_id, 'dst', dst_id, 'kind', kind, 'attrs',
        json(attrs_json)) FROM edges WHERE snapshot_id = ?1";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([id], |row| row.get::<_, String>(0)).unwrap();
    let parsed = |row: rusqlite::Result<String>| -> serde_json::Value {
        serde_json::from_str(&row.unwrap()).unwrap()
    };
    in_order(&rows.map(parsed).collect())
}

fn in_order(edges: &serde_json::Value) -> Vec<String> {
    let mut edges: Vec<_> = edges.as_array().unwrap().iter().map(ToString::to_string).collect();
    edges.sort();
    edges
}

/// Seen to fail with: a wait's `own_waker` that is not recorded; edges without those of granted
/// waits.
#[test]
fn a_snapshot_is_read_back_as_it_was() {
    let (_folder, path) = folder();
    let mut cx = Context::from_waker(Waker::noop());
    let name = "read back: \u{202e}\"\n'";
    let (tx, mut rx) = channel(name, 1, 1);
    let mut send = Box::pin(named("sends\0", async { tx.send(1).await }));
    let mut reserve = Box::pin(named("reserves", async { tx.reserve_many(1).await.is_ok() }));
    let mut closed = Box::pin(async { tx.closed().await });
    assert!(send.as_mut().poll(&mut cx).is_pending());
    assert!(reserve.as_mut().poll(&mut cx).is_pending());
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    rx.try_recv().unwrap();
    let (_unbounded, mut idle) = Builder::new().name("idle").build_unbounded::<u8>();
    let mut reader = Box::pin(named("reader", idle.recv()));
    assert!(reader.as_mut().poll(&mut cx).is_pending());

    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let mut taken: Vec<_> = (0..2).map(|_| only(&[name, "idle"])).collect();
    // What this process does not do just now.
    let mut odd = taken[0].clone();
    for (n, wait) in odd.channels.iter_mut().flat_map(|c| &mut c.send_waits).enumerate() {
        wait.id = u64::MAX - n as u64;
        wait.own_waker = true;
        wait.deadline_ns = Some(i64::MAX);
    }
    odd.untracked = u64::MAX;
    taken.push(odd);
    let mut took = 0;
    for snapshot in &mut taken {
        // What goes on by itself is reckoned to `taken_at_ns`, from this snapshot or from one
        // before it, to which nothing has changed.
        took = took.max((snapshot.completed_at_ns - snapshot.taken_at_ns) as u64 + 1_000_000);
        let id = recorder.record(snapshot).unwrap();
        let mut again = read_snapshot(&path, id).unwrap();
        snapshot.retired.clear();
        for (channel, again) in snapshot.channels.iter().zip(&mut again.channels) {
            let (stats, again) = (&channel.stats, &mut again.stats);
            // These are not kept.
            assert!(again.send_wait_histogram.is_none() && again.recv_wait_histogram.is_none());
            again.send_wait_histogram = stats.send_wait_histogram;
            again.recv_wait_histogram = stats.recv_wait_histogram;
            for (was, is) in [
                (stats.send_wait_total_ns, &mut again.send_wait_total_ns),
                (stats.recv_wait_total_ns, &mut again.recv_wait_total_ns),
            ] {
                assert!(was.abs_diff(*is) <= took * (1 + stats.send_waiters), "{was} {is}");
                *is = was;
            }
            for (was, is) in [
                (stats.oldest_send_wait_ns, &mut again.oldest_send_wait_ns),
                (stats.oldest_recv_wait_ns, &mut again.oldest_recv_wait_ns),
            ] {
                assert_eq!(was.is_some(), is.is_some());
                assert!(was.unwrap_or(0).abs_diff(is.unwrap_or(0)) <= took, "{was:?} {is:?}");
                *is = was;
            }
        }
        assert_eq!(again, *snapshot);
        let graph = serde_json::to_value(snapshot.graph().to_json()).unwrap();
        assert_eq!(edges(&path, id), in_order(&graph["edges"]));
    }
}

/// What is wrong stands in the recording, and is what snapshots that were read back say.
#[test]
fn findings_are_recorded_and_found_again() {
    let (_folder, path) = folder();
    let mut cx = Context::from_waker(Waker::noop());
    let (tx, _rx) = channel("never drained", 1, 1);
    let mut send = Box::pin(named("stuck sender", async { tx.send(1).await }));
    assert!(send.as_mut().poll(&mut cx).is_pending());
    let first = only(&["never drained"]);
    let mut second = first.clone();
    second.taken_at_ns += 5_000_000_000;
    second.completed_at_ns += 5_000_000_000;
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let ids = [&first, &second].map(|snapshot| recorder.record(snapshot).unwrap());

    let diagnose = |snapshots: [&parshall::Snapshot; 2]| {
        let mut diagnoser = Diagnoser::new(Settings::default());
        diagnoser.look(snapshots[0]).unwrap();
        diagnoser.look(snapshots[1]).unwrap()
    };
    let live = diagnose([&first, &second]);
    let read = ids.map(|id| read_snapshot(&path, id).unwrap());
    assert_eq!(diagnose([&read[0], &read[1]]), live);

    let db = Connection::open(&path).unwrap();
    let sql = "SELECT snapshot_id, kind, verdict, text, channels, tasks FROM findings
        WHERE channels LIKE '%never drained%' ORDER BY place";
    let found: Vec<(i64, String, String, String, String, String)> = db
        .prepare(sql)
        .unwrap()
        .query_map((), |row| {
            let (text, channels, tasks) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, text, channels, tasks))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let json = live.to_json();
    let said = json["findings"].as_array().unwrap().iter();
    let expected: Vec<_> = said
        .filter(|finding| finding["channels"].to_string().contains("never drained"))
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            let list = |name: &str| finding[name].to_string();
            let (channels, tasks) = (list("channels"), list("tasks"));
            (ids[1], text("kind"), text("verdict"), text("text"), channels, tasks)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].1, &*found[0].2), ("stalled", "stuck"));
}

/// The waits of the last hour: of each the longest that was seen, and who should have drained.
#[test]
fn the_longest_wait_and_who_should_have_drained_it() {
    let (_folder, path) = folder();
    let mut cx = Context::from_waker(Waker::noop());
    let (tx, mut rx) = channel("drained late", 1, 0);
    let mut lazy = Box::pin(named("lazy", async {
        rx.recv().await;
        std::future::pending::<()>().await;
    }));
    assert!(lazy.as_mut().poll(&mut cx).is_pending());
    tx.try_send(1).unwrap();
    assert!(lazy.as_mut().poll(&mut cx).is_pending());
    tx.try_send(2).unwrap();
    let mut first = Box::pin(named("waits long", async { tx.send(3).await }));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let mut second = Box::pin(named("waits", async { tx.send(3).await }));
    assert!(second.as_mut().poll(&mut cx).is_pending());
    let hour = 3_600_000_000_000;
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    // An hour before the last look, a second before it, and at it.
    let mut snapshot = parshall::snapshot();
    let now = snapshot.taken_at_ns;
    let mut ids = Vec::new();
    for (ago, since) in [(hour + 1, [1, 1]), (1_000_000_000, [3, 2]), (0, [3, 2])] {
        snapshot.taken_at_ns = now - ago;
        let late = snapshot.channels.iter_mut().find(|c| c.stats.name == "drained late").unwrap();
        for (n, wait) in late.send_waits.iter_mut().enumerate() {
            // In seconds before the last look; before it by hours at the first.
            let before = if ago > hour { 2 * hour } else { since[n] * 1_000_000_000 };
            (wait.id, wait.since_ns) = (n as u64 + 1, now - before);
        }
        ids.push(recorder.record(&snapshot).unwrap());
    }
    let db = Connection::open(&path).unwrap();
    let sql = "SELECT snapshot_id, channel, who, call, waited_ns, should_drain FROM longest_waits
        WHERE channel_id LIKE 'mpsc:%:drained late'";
    let found: Vec<(i64, String, String, String, i64, String)> = db
        .prepare(sql)
        .unwrap()
        .query_map((), |row| {
            let (call, waited, drain) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, call, waited, drain))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let row = |who: &str, waited| {
        let text = str::to_owned;
        (ids[2], text("drained late"), text(who), text("send"), waited, text("lazy"))
    };
    assert_eq!(found, [row("waits long", 3_000_000_000), row("waits", 2_000_000_000)]);
    let tasks: i64 = db
        .query_row("SELECT count(*) FROM tasks WHERE name = 'lazy' AND polls = 2", (), |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(tasks, 3);
}

#[test]
fn two_containers_with_one_pid_are_two_processes() {
    let (_folder, path) = folder();
    let mut recorder = SqliteRecorder::open(&path).unwrap();
    let mine = parshall::snapshot();
    let mut other = mine.clone();
    other.proc_key = "0123456789abcdef.1.1764150000@other".to_owned();
    for snapshot in [&mine, &other, &mine] {
        recorder.record(snapshot).unwrap();
    }
    let db = Connection::open(&path).unwrap();
    let mut statement =
        db.prepare("SELECT short_key, snapshots, first_id FROM processes ORDER BY 3").unwrap();
    let found: Vec<(String, i64, i64)> = statement
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found, [(mine.proc_key[..8].to_owned(), 2, 1), ("01234567".to_owned(), 1, 2)]);
}
