//! What `stats` and snapshots say of a channel: exact numbers when nothing moves, and numbers that
//! hold at every instant when everything does.
#![cfg(feature = "introspect")]

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parshall::mpsc::{self, Builder};
use parshall::{ChannelSnapshot, ChannelStats, CloseCause, snapshot};
use support::{eventually, now, pending, rounds, task};

/// The live channels of a name. Tests run beside each other, so each has names of its own.
fn named(name: &str) -> Vec<ChannelSnapshot> {
    snapshot().channels.into_iter().filter(|channel| channel.stats.name == name).collect()
}

fn the(name: &str) -> ChannelSnapshot {
    let mut all = named(name);
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0)
}

fn balance(stats: &ChannelStats) {
    assert_eq!(stats.sent_total, stats.recv_total + stats.queue_len + stats.discarded, "{stats:?}");
}

#[test]
#[cfg_attr(miri, ignore = "isolation has no time of day")]
fn a_new_channel_tells_its_birth() {
    let before = std::time::SystemTime::now();
    let line = line!() + 1;
    let (tx, rx) = mpsc::channel::<Vec<u8>>(5);
    let stats = tx.stats();
    assert_eq!((stats.capacity, stats.bounded, stats.queue_len), (Some(5), true, 0));
    assert_eq!(stats.name, format!("{}:{line}", file!()));
    assert!(stats.location.starts_with(&format!("{}:{line}:", file!())), "{}", stats.location);
    assert_eq!(stats.payload, "alloc::vec::Vec<u8>");
    assert_eq!(stats.label, format!("{}:{line} (Vec<u8>)", file!()));
    assert_eq!((stats.sender_count, stats.weak_sender_count), (1, 0));
    assert_eq!((stats.utilization, stats.high_watermark), (Some(0.0), 0));
    assert!(!stats.sender_closed && !stats.receiver_closed && stats.close_cause.is_none());
    let creator = stats.creator_task_id.as_ref().unwrap();
    assert!(creator.starts_with(&format!("thread:{}:", parshall::process())), "{creator}");
    let since = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(stats.created_at_ns as u64);
    let second = std::time::Duration::from_secs(1);
    assert!(since + second > before && since < std::time::SystemTime::now() + second);
    assert_eq!(rx.stats(), stats, "both ends say the same");
}

#[test]
fn channel_ids_differ() {
    let ids: HashSet<_> = (0..100).map(|_| mpsc::channel::<u8>(1).0.stats().channel_id).collect();
    assert_eq!(ids.len(), 100);
}

#[tokio::test]
async fn the_creator_is_the_task_that_created_it() {
    let create = async { mpsc::channel::<u8>(1) };
    let named = parshall::task::named("creator", create);
    let id = named.task().node_id();
    let (tx, _rx) = named.await;
    assert_eq!(tx.stats().creator_task_id.as_deref(), Some(&*id));
}

#[test]
fn counts_follow_every_road_a_message_can_take() {
    let (tx, mut rx) = mpsc::channel(4);
    let permits = tx.try_reserve_many(2).unwrap();
    now(tx.send(0)).unwrap();
    let stats = tx.stats();
    assert_eq!((stats.queue_len, stats.reserved, stats.sent_total), (1, 2, 1));
    assert_eq!(stats.utilization, Some(0.25), "permits are no messages");
    permits.for_each(|permit| permit.send(1));
    tx.try_send(2).unwrap();
    assert!(tx.try_send(3).is_err() && tx.try_reserve().is_err());
    let stats = tx.stats();
    assert_eq!((stats.queue_len, stats.reserved, stats.high_watermark), (4, 0, 4));
    assert_eq!((stats.full_total, stats.utilization), (2, Some(1.0)));
    let mut got = Vec::new();
    now(rx.recv_many(&mut got, 3));
    let stats = rx.stats();
    assert_eq!((stats.recv_total, stats.queue_len, stats.high_watermark), (3, 1, 4));
    drop(rx);
    assert!(tx.try_send(9).is_err() && now(tx.send(9)).is_err() && now(tx.reserve()).is_err());
    let stats = tx.stats();
    assert_eq!((stats.discarded, stats.recv_total, stats.closed_total), (1, 3, 3));
    assert_eq!(stats.close_cause, Some(CloseCause::ReceiverDropped));
    balance(&stats);
}

#[test]
fn the_high_watermark_sees_a_peak_that_nobody_looked_at() {
    let (tx, mut rx) = mpsc::channel(64);
    for peak in [3, 40, 7] {
        (0..peak).for_each(|i| tx.try_send(i).unwrap());
        while rx.try_recv().is_ok() {}
    }
    assert_eq!(tx.stats().high_watermark, 40);
    (0..50).for_each(|i| tx.try_send(i).unwrap());
    assert_eq!(tx.stats().high_watermark, 50, "also before the receiver comes back");
    let mut got = Vec::new();
    now(rx.recv_many(&mut got, 64));
    (0..64).for_each(|i| tx.try_send(i).unwrap());
    now(rx.recv_many(&mut got, 10));
    assert_eq!(tx.stats().high_watermark, 64);
}

#[test]
fn every_wait_is_listed_in_line_while_it_lasts() {
    let (tx, mut rx) = Builder::new().name("in line").capacity(2).build();
    (0..2).for_each(|i| tx.try_send(i).unwrap());
    let mut waits = vec![pending(tx.reserve_many(1)), pending(tx.reserve_many(2))];
    waits.push(pending(tx.reserve_many(1)));
    let unpolled = task(tx.reserve());
    let channel = the("in line");
    let needs: Vec<_> = channel.send_waits.iter().map(|wait| wait.need).collect();
    assert_eq!((needs, channel.stats.send_waiters), (vec![1, 2, 1], 3), "in line, and no others");
    assert!(channel.send_waits.is_sorted_by_key(|wait| wait.since_ns));
    assert!(channel.stats.oldest_send_wait_ns.is_some());
    rx.try_recv().unwrap();
    let channel = the("in line");
    let granted: Vec<_> =
        channel.send_waits.iter().map(|wait| (wait.need, wait.granted_at_ns.is_some())).collect();
    assert_eq!(granted, [(2, false), (1, false), (1, true)], "who was granted comes last");
    assert_eq!((channel.stats.send_waiters, channel.stats.granted_waiters), (2, 1));
    drop((waits, unpolled));
    let channel = the("in line");
    assert_eq!((channel.send_waits.len(), channel.stats.send_waiters), (0, 0));
    assert_eq!((channel.stats.granted_waiters, channel.stats.oldest_send_wait_ns), (0, None));
    assert_eq!(channel.stats.send_waits_total, 3);
}

#[test]
fn a_receive_wait_is_shown_from_its_poll_to_its_end() {
    let (tx, mut rx) = Builder::new().name("receive wait").capacity(2).build();
    let shown = |tx: &mpsc::Sender<u8>| {
        let (stats, wait) = (tx.stats(), the("receive wait").recv_wait);
        assert_eq!(stats.recv_waiters, u64::from(wait.is_some()));
        assert_eq!(stats.oldest_recv_wait_ns.is_some(), wait.is_some());
        wait.is_some()
    };
    let mut receive = task(rx.recv());
    assert!(!shown(&tx), "not polled");
    receive.still_pending();
    assert!(shown(&tx));
    drop(receive);
    assert!(!shown(&tx), "cancelled");
    let mut receive = pending(rx.recv());
    assert!(shown(&tx));
    tx.try_send(1).unwrap();
    assert!(!shown(&tx), "woken: there is something to receive");
    receive.ready().unwrap();
    drop(receive);
    let receive = pending(rx.recv());
    let permit = tx.try_reserve().unwrap();
    assert!(shown(&tx), "a permit brings nothing yet");
    permit.send(1);
    drop(receive);
    rx.try_recv().unwrap();
    let waker = std::task::Waker::noop();
    assert!(rx.poll_recv(&mut std::task::Context::from_waker(waker)).is_pending());
    assert!(shown(&tx));
    drop(rx);
    assert!(!shown(&tx), "the receiver is gone");
}

#[test]
fn waits_end_however_sends_end() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut sent = pending(tx.send(1));
    let cancelled = pending(tx.send(2));
    let mut closed = pending(tx.send(3));
    assert_eq!(tx.stats().send_waiters, 3);
    rx.try_recv().unwrap();
    sent.ready().unwrap();
    assert_eq!((tx.stats().send_waiters, tx.stats().granted_waiters), (2, 0));
    drop(cancelled);
    assert_eq!(tx.stats().send_waiters, 1);
    rx.close();
    assert_eq!(tx.stats().send_waiters, 0);
    closed.ready().unwrap_err();
    let stats = tx.stats();
    assert_eq!((stats.send_waiters, stats.granted_waiters, stats.reserved), (0, 0, 0));
    assert_eq!((stats.send_waits_total, stats.closed_total), (3, 1));
}

#[test]
fn forgotten_waits_are_counted_apart() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    pending(tx.send(1)).forget();
    assert_eq!((tx.stats().send_waiters, tx.stats().granted_waiters), (1, 0));
    rx.try_recv().unwrap();
    let stats = tx.stats();
    assert_eq!((stats.send_waiters, stats.granted_waiters, stats.reserved), (0, 1, 1));
}

/// The line's memory is used again, and a wait there begins anew.
///
/// Seen to fail with: a place that keeps the end of its former wait: the new one counted 0.
#[test]
fn time_is_waited_also_where_somebody_has_waited_before() {
    const WAITS: u64 = 40;
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    (0..1000).for_each(|_| drop(pending(tx.send(1))));
    let before = tx.stats().send_wait_total_ns;
    let waits: Vec<_> = (0..WAITS).map(|_| pending(tx.send(2))).collect();
    thread::sleep(std::time::Duration::from_millis(30));
    let waited = tx.stats().send_wait_total_ns - before;
    assert!(waited >= WAITS * 15_000_000, "{waited} ns in {WAITS} waits of 30 ms");
    drop(waits);
}

#[test]
fn time_waited_grows_while_a_send_waits_and_never_falls() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut send = pending(tx.send(1));
    // The clock of waits moves in ticks: wait for one.
    let begin = std::time::Instant::now();
    let mut last = tx.stats();
    while last.send_wait_total_ns == 0 {
        assert!(begin.elapsed().as_secs() < 10, "{last:?}");
        let stats = tx.stats();
        assert!(stats.send_wait_total_ns >= last.send_wait_total_ns);
        assert!(stats.oldest_send_wait_ns >= last.oldest_send_wait_ns);
        last = stats;
    }
    let last = last.send_wait_total_ns;
    rx.try_recv().unwrap();
    send.ready().unwrap();
    let end = tx.stats().send_wait_total_ns;
    assert!(end >= last && end == tx.stats().send_wait_total_ns, "and it stands still afterwards");
}

#[test]
fn untracked_channels_are_not_listed_and_work_all_the_same() {
    let (tx, _rx) = Builder::new().name("untracked").untracked().build();
    tx.try_send(1).unwrap();
    assert_eq!((named("untracked").len(), tx.stats().queue_len), (0, 1));
}

#[test]
fn the_sums_of_dead_channels_are_kept_by_name() {
    let sums = || snapshot().retired.into_iter().find(|retired| retired.name == "retired");
    assert!(sums().is_none());
    for round in 1..=3u64 {
        let (tx, mut rx) = Builder::new().name("retired").capacity(2).build();
        (0..2).for_each(|i| tx.try_send(i).unwrap());
        assert!(tx.try_send(2).is_err());
        drop(pending(tx.send(3)));
        rx.try_recv().unwrap();
        drop(rx);
        assert!(tx.try_send(4).is_err());
        assert_eq!(sums().map_or(0, |retired| retired.sums.channels), round - 1, "it still lives");
        drop(tx);
        let died = || sums().is_some_and(|retired| retired.sums.channels == round);
        eventually("the channel has died", died);
        let sums = sums().unwrap().sums;
        assert_eq!((sums.channels, sums.sent_total, sums.recv_total), (round, 2 * round, round));
        assert_eq!((sums.discarded, sums.full_total, sums.closed_total), (round, round, round));
        assert_eq!(sums.send_waits_total, round);
    }
    assert!(named("retired").is_empty());
}

/// What one look at a channel must not contradict of an earlier one.
#[derive(Default)]
struct Watch {
    largest_len: u64,
    last: Option<ChannelStats>,
}

impl Watch {
    fn look(&mut self, stats: ChannelStats) {
        let capacity = stats.capacity.unwrap();
        balance(&stats);
        assert!(stats.queue_len <= capacity, "{stats:?}");
        assert!(stats.queue_len + stats.reserved <= capacity, "{stats:?}");
        assert!(stats.high_watermark <= capacity, "{stats:?}");
        self.largest_len = self.largest_len.max(stats.queue_len);
        assert!(stats.high_watermark >= self.largest_len, "{} in {stats:?}", self.largest_len);
        assert_eq!(stats.utilization, Some(stats.queue_len as f64 / capacity as f64));
        if let Some(last) = &self.last {
            let totals = |s: &ChannelStats| {
                [
                    s.sent_total,
                    s.recv_total,
                    s.discarded,
                    s.high_watermark,
                    s.full_total,
                    s.closed_total,
                    s.send_waits_total,
                    s.send_wait_total_ns,
                ]
            };
            let pairs = totals(last).into_iter().zip(totals(&stats));
            assert!(
                pairs.into_iter().all(|(last, now)| last <= now),
                "fell: {last:?} to {stats:?}"
            );
            assert!(!last.sender_closed || stats.sender_closed);
            assert!(!last.receiver_closed || stats.receiver_closed);
            assert!(last.close_cause.is_none() || last.close_cause == stats.close_cause);
        }
        self.last = Some(stats);
    }
}

#[test]
fn every_look_at_a_busy_channel_is_consistent() {
    for (capacity, name) in [(1, "busy 1"), (3, "busy 3"), (128, "busy 128")] {
        let (tx, mut rx) = Builder::new().name(name).capacity(capacity).build();
        let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut watch = Watch::default();
                while !over.load(Ordering::Acquire) {
                    for channel in named(name) {
                        watch.look(channel.stats);
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            for t in 0..2 {
                let (tx, looks) = (tx.clone(), &looks);
                scope.spawn(move || {
                    for i in 0.. {
                        if i > rounds(4000) && looks.load(Ordering::Relaxed) > rounds(500) {
                            break;
                        }
                        match (t + i) % 4 {
                            0 => tx.blocking_send(i).unwrap(),
                            1 => drop(tx.try_send(i)),
                            2 => drop(task(tx.send(i)).poll()),
                            _ => {
                                if let Ok(mut many) = tx.try_reserve_many(capacity.min(2)) {
                                    many.next().unwrap().send(i);
                                }
                            }
                        }
                    }
                });
            }
            drop(tx);
            let mut buffer = Vec::new();
            for i in 0.. {
                let n = if i % 5 == 0 {
                    rx.blocking_recv_many(&mut buffer, 7)
                } else {
                    rx.blocking_recv().iter().count()
                };
                if n == 0 {
                    break;
                }
            }
            over.store(true, Ordering::Release);
        });
        let stats = rx.stats();
        assert_eq!(
            (stats.send_waiters, stats.granted_waiters, stats.reserved),
            (0, 0, 0),
            "{name}"
        );
        assert_eq!((stats.queue_len, stats.sent_total), (0, stats.recv_total), "{name}");
    }
}

#[test]
fn snapshots_of_channels_that_come_and_go_are_whole() {
    const EACH: u64 = rounds(3000) as u64;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for t in 0..2 {
            let over = &over;
            scope.spawn(move || {
                for i in 0..EACH {
                    let (tx, mut rx) =
                        Builder::new().name(format!("churn {}", i % 7)).capacity(2).build();
                    tx.try_send(i).unwrap();
                    let waits = if i % 3 == 0 { Some(pending(tx.reserve_many(2))) } else { None };
                    if i % 2 == t {
                        rx.try_recv().unwrap();
                    }
                    drop(waits);
                }
                over.store(true, Ordering::Release);
            });
        }
        let mut seen = HashSet::new();
        while !over.load(Ordering::Acquire) {
            let snapshot = snapshot();
            let mut here = HashSet::new();
            for channel in snapshot.channels.iter().filter(|c| c.stats.name.starts_with("churn ")) {
                assert!(here.insert(channel.id.clone()), "twice in a snapshot: {}", channel.id);
                balance(&channel.stats);
                assert_eq!(channel.stats.capacity, Some(2));
                assert!(channel.stats.payload == "u64" && channel.stats.created_at_ns > 0);
                assert!(channel.stats.sent_total <= 1 && channel.send_waits.len() <= 1);
                seen.insert((channel.id.clone(), channel.stats.channel_id));
            }
            assert!(snapshot.taken_at_ns <= snapshot.completed_at_ns);
        }
        let ids: HashSet<_> = seen.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), seen.len(), "no id is ever used for a second channel");
    });
    let dead = || {
        let retired = snapshot().retired.into_iter();
        let sums = retired.filter(|retired| retired.name.starts_with("churn "));
        sums.map(|retired| retired.sums.channels).sum::<u64>()
    };
    eventually("all have died", || dead() == 2 * EACH);
}
