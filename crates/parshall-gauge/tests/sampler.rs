//! The sampler: a program that creates and drops channels all the time, errors, observers.
#![cfg(feature = "record")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parshall::mpsc::Builder;
use parshall_gauge::{RecordErrorKind, Retention, Sampler, SqliteRecorder};
use rusqlite::Connection;

const MS: Duration = Duration::from_millis(1);

/// Creates, uses and drops channels until told to stop; returns how many.
fn churn(stop: &AtomicBool, seed: usize) -> u64 {
    let mut made = 0;
    let mut kept = Vec::new();
    while !stop.load(Relaxed) {
        let capacity = 1 + (made as usize * 7 + seed) % 5;
        let (tx, mut rx) =
            Builder::new().name(format!("churn-{}", made % 3)).capacity(capacity).build();
        for i in 0..=capacity {
            let _ = tx.try_send(i);
        }
        let _ = rx.try_recv();
        kept.push((made % 2 == 0).then_some(rx));
        let other = tx.clone();
        // A sender that waits, until the receiver takes the rest or is dropped with the others.
        if made % 50 == 0
            && let Some(Some(mut rx)) = kept.pop()
        {
            thread::scope(|scope| {
                scope.spawn(move || (0..2 * capacity).for_each(|i| _ = other.blocking_send(i)));
                drop(tx);
                while rx.blocking_recv().is_some() {}
            });
        }
        if kept.len() > 20 {
            kept.clear();
        }
        made += 1;
    }
    made
}

#[test]
fn snapshots_are_whole_while_channels_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("churn.db");
    let sampler = Sampler::every(MS)
        .record(SqliteRecorder::new(&path).retention(Retention::ALL))
        .start()
        .unwrap();
    let stop = AtomicBool::new(false);
    let made: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn({
                    let stop = &stop;
                    move || churn(stop, seed)
                })
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(120);
        while sampler.status().samples < 40 && Instant::now() < deadline {
            thread::sleep(5 * MS);
        }
        stop.store(true, Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let status = sampler.stop();
    assert_eq!((status.errors, status.recorded), (0, status.samples), "{:?}", status.last_error);
    assert!(status.recorded >= 10 && made > 100, "{} of {made}", status.recorded);

    let db = Connection::open(&path).unwrap();
    let none = |what: &str, sql: &str| {
        let bad: i64 = db.query_row(sql, (), |row| row.get(0)).unwrap();
        assert_eq!(bad, 0, "{what}");
    };
    let channels: i64 =
        db.query_row("SELECT count(*) FROM channels", (), |row| row.get(0)).unwrap();
    assert!(channels > 100, "{channels}");
    none(
        "channels without both ends and the edge between them",
        "SELECT count(*) FROM channels AS c WHERE NOT EXISTS (
             SELECT 1 FROM nodes AS tx, nodes AS rx, edges AS e
             WHERE tx.snapshot_id = c.snapshot_id AND tx.id = c.id || ':tx' AND tx.kind = 'mpsc_tx'
                 AND rx.snapshot_id = c.snapshot_id AND rx.id = c.id || ':rx' AND rx.kind = 'mpsc_rx'
                 AND e.snapshot_id = c.snapshot_id AND e.src_id = tx.id AND e.dst_id = rx.id
                 AND e.kind = 'needs')",
    );
    none(
        "ends without their channel, or with other attributes",
        "SELECT count(*) FROM nodes AS e LEFT JOIN nodes AS c
             ON c.snapshot_id = e.snapshot_id AND c.kind = 'mpsc' AND c.id = substr(e.id, 1, length(e.id) - 3)
         WHERE e.kind IN ('mpsc_tx', 'mpsc_rx') AND c.attrs_json IS NOT e.attrs_json",
    );
    none(
        "edges with an end that is no node",
        "SELECT count(*) FROM edges AS e WHERE 2 <> (
             SELECT count(*) FROM nodes AS n
             WHERE n.snapshot_id = e.snapshot_id AND n.id IN (e.src_id, e.dst_id))",
    );
    none(
        "waits without a channel",
        "SELECT count(*) FROM waits LEFT JOIN channels AS c
             ON c.snapshot_id = waits.snapshot_id AND c.id = channel_id WHERE c.id IS NULL",
    );
    none(
        "attributes at odds",
        "SELECT count(*) FROM (
             SELECT json_extract(attrs_json, '$.queue_len') AS q, json_extract(attrs_json, '$.capacity') AS cap,
                 json_extract(attrs_json, '$.high_watermark') AS high,
                 json_extract(attrs_json, '$.sent_total') AS sent,
                 json_extract(attrs_json, '$.recv_total') AS received,
                 json_extract(attrs_json, '$.discarded') AS discarded,
                 json_extract(attrs_json, '$.reserved') AS reserved,
                 json_extract(attrs_json, '$.utilization') AS utilization
             FROM nodes WHERE kind = 'mpsc')
         WHERE NOT (0 <= q AND q + reserved <= cap AND q <= high AND high <= cap
             AND sent = received + q + discarded AND abs(utilization - 1.0 * q / cap) < 1e-9)",
    );
}

#[test]
fn what_is_missed_is_counted_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.db");
    let begun = Instant::now();
    let sampler = Sampler::every(5 * MS)
        .record(SqliteRecorder::new(&path).retention(Retention::ALL))
        .observe(|_| thread::sleep(22 * MS))
        .start()
        .unwrap();
    while sampler.status().samples < 5 {
        thread::sleep(MS);
    }
    let status = sampler.stop();
    let promised = begun.elapsed().as_millis() as u64 / 5 + 1;
    assert!(status.missed >= 3 * (status.samples - 1), "{status:?}");
    assert!(status.samples + status.missed <= promised, "{status:?} of {promised}");
    let db = Connection::open(&path).unwrap();
    let (first, recorded): (i64, i64) = db
        .query_row(
            "SELECT p.missed, all_of.missed FROM snapshot_processes AS p, processes AS all_of
             WHERE snapshot_id = 1",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(first, 0);
    // What was missed after the last record is in none.
    assert!(recorded >= 9 && recorded as u64 <= status.missed, "{recorded} of {status:?}");

    let quick = Sampler::every(Duration::MAX).start().unwrap();
    quick.submit(parshall::snapshot());
    assert_eq!(quick.stop().missed, 0);
}

#[test]
fn an_error_is_counted_and_over_when_its_cause_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/app.db");
    let sampler = Sampler::every(MS).record(SqliteRecorder::new(&path)).start().unwrap();
    let wait = |done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !done() {
            assert!(Instant::now() < deadline, "{:?}", sampler.status());
            thread::sleep(MS);
        }
    };
    wait(&|| sampler.status().errors >= 3);
    let error = sampler.status().last_error.unwrap();
    assert_eq!(error.kind(), RecordErrorKind::Unwritable);
    std::fs::create_dir(folder.path().join("later")).unwrap();
    wait(&|| sampler.status().recorded >= 2);
    let status = sampler.stop();
    assert_eq!(status.samples, status.recorded + status.errors);
    assert_eq!(status.last_id.unwrap() - status.first_id.unwrap() + 1, status.recorded as i64);
}

#[test]
fn observers_see_what_is_recorded_and_may_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let (show, shown) = mpsc::channel();
    let sampler = Sampler::every(Duration::MAX)
        .record(SqliteRecorder::new(&path))
        .observe(|_| panic!("an observer of the test panics on purpose"))
        .observe(move |sample| {
            let id = *sample.recorded.unwrap().as_ref().unwrap();
            show.send((id, sample.snapshot.taken_at_ns)).unwrap();
        })
        .start()
        .unwrap();
    let _first = shown.recv().unwrap();
    let mine = parshall::snapshot();
    let at = mine.taken_at_ns;
    assert!(sampler.submit(mine));
    let (id, seen) = shown.recv().unwrap();
    assert_eq!(seen, at);
    let status = sampler.stop();
    assert_eq!((status.samples, status.lost_observers, status.last_id), (2, 1, Some(id)));
}

#[test]
fn stop_deals_with_what_was_submitted_and_drop_ends_the_thread() {
    let seen = Arc::new(AtomicU64::new(0));
    let start = |interval| {
        let seen = seen.clone();
        Sampler::every(interval).observe(move |_| _ = seen.fetch_add(1, Relaxed)).start().unwrap()
    };
    let sampler = start(Duration::MAX);
    (0..10).for_each(|_| assert!(sampler.submit(parshall::snapshot())));
    assert!(sampler.stop().samples >= 10);
    assert!(seen.load(Relaxed) >= 10);

    let busy = start(Duration::ZERO);
    while busy.status().samples < 5 {
        thread::yield_now();
    }
    drop(busy);
    let after = seen.load(Relaxed);
    thread::sleep(20 * MS);
    assert_eq!(seen.load(Relaxed), after);
}
