//! Scrapes of this process, as text. Other tests run beside these, so each looks at names of its
//! own.
#![cfg(feature = "metrics")]

use std::collections::BTreeMap;
use std::future::Future;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use std::{iter, pin, thread};

use parshall::Snapshot;
use parshall::introspect::{Diagnoser, Settings};
use parshall::mpsc::{Builder, Receiver, Sender};
use parshall_gauge::metrics::{Collector, Exporter, Format, Program};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

fn channel(name: &str, capacity: usize) -> (Sender<u64>, Receiver<u64>) {
    Builder::new().name(name.to_owned()).capacity(capacity).build()
}

/// A snapshot without the channels of other tests.
fn only(prefix: &str) -> Snapshot {
    let mut snapshot = parshall::snapshot();
    snapshot.channels.retain(|channel| channel.stats.name.starts_with(prefix));
    snapshot.retired.retain(|retired| retired.name.starts_with(prefix));
    snapshot
}

/// Until the last channel of this name is among the dead: another test's snapshot may hold it.
fn dead(name: &str) {
    let begin = Instant::now();
    while !only(name).retired.iter().any(|retired| retired.name == name) {
        assert!(begin.elapsed() < Duration::from_secs(60), "{name} does not die");
        thread::yield_now();
    }
}

fn write(exporter: &mut Exporter, snapshots: &[&Snapshot]) -> String {
    let programs: Vec<_> =
        snapshots.iter().map(|snapshot| Program { snapshot, diagnosis: None }).collect();
    let mut text = String::new();
    exporter.write(&programs, Format::OpenMetrics, &mut text).unwrap();
    text
}

/// Each series and its number; fails if one is there twice.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(all.insert(name, value.parse().unwrap()).is_none(), "twice: {name}");
    }
    all
}

/// The counters of an earlier scrape have not fallen, and those of series are still there, but for
/// a histogram without a wait.
fn assert_none_fell(before: &str, after: &str) {
    let after = series(after);
    for (name, value) in series(before) {
        let family = name.split('{').next().unwrap();
        let of_histogram = family.starts_with("parshall_channel_wait_seconds_");
        if family.ends_with("_total") || of_histogram && value > 0.0 {
            assert!(
                after.get(name).is_some_and(|now| *now >= value),
                "{name}: {value}, then {:?}",
                after.get(name)
            );
        }
    }
}

fn channels_of(text: &str) -> Vec<&str> {
    let lines =
        text.lines().filter_map(|line| line.strip_prefix("parshall_channel_created_total{"));
    lines.map(|line| line.split("channel=\"").nth(1).unwrap().split('"').next().unwrap()).collect()
}

/// All of a scrape.
///
/// Seen to fail with: a capacity for what is unbounded, and the waits of a receiver under `send`.
#[test]
fn a_scrape_word_by_word() {
    let name = "golden.\"jobs\"\\\n";
    let (jobs, _jobs_rx) = channel(name, 4);
    let (more, _more_rx) = channel(name, 2);
    let (log, mut log_rx) = Builder::new().name("golden.log").build_unbounded();
    for n in 0..3_u8 {
        jobs.try_send(n.into()).unwrap();
        log.send(n).unwrap();
    }
    more.try_send(1).unwrap();
    let _permit = more.try_reserve().unwrap();
    more.try_send(2).unwrap_err();
    let mut send = pin::pin!(more.send(3));
    assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    log_rx.try_recv().unwrap();
    drop(channel("golden.gone", 1));
    dead("golden.gone");

    let mut settings = Settings::default();
    settings.stuck_after = Duration::from_millis(1);
    let mut diagnoser = Diagnoser::new(settings);
    diagnoser.look(&only("golden.")).unwrap();
    thread::sleep(Duration::from_millis(20));
    let mut snapshot = only("golden.");
    let diagnosis = diagnoser.look(&snapshot).unwrap();
    // What differs from run to run.
    snapshot.untracked = 0;
    for stats in snapshot.channels.iter_mut().map(|channel| &mut channel.stats) {
        stats.location = format!("src/main.rs:7:{}", stats.name.len()).into();
        stats.oldest_send_wait_ns = stats.oldest_send_wait_ns.map(|_| 20_000_000);
        stats.send_wait_total_ns = stats.send_wait_total_ns.min(1) * 21_000_000;
    }
    let program = Program { snapshot: &snapshot, diagnosis: Some(&diagnosis) };
    let mut text = String::new();
    Exporter::new().write(&[program], Format::OpenMetrics, &mut text).unwrap();
    let text = text.replace(parshall::process(), "golden-1");
    let golden = include_str!("golden/scrape.txt");
    for (line, expected) in text.lines().zip(golden.lines()) {
        assert_eq!(line, expected, "of {text}");
    }
    assert_eq!(text.len(), golden.len(), "{text}");
}

/// 1,500 names, of which some end, some come, and some had ended before the first scrape.
///
/// Seen to fail with: names that are chosen anew at each scrape, and retired sums that are left
/// out.
#[test]
fn a_thousand_names_have_series_and_no_counter_falls() {
    let new = |range: std::ops::Range<u64>| -> Vec<_> {
        let new = |n| channel(&format!("many.{n}"), 8);
        range.map(new).collect()
    };
    let mut exporter = Exporter::new();
    let mut channels = new(0..700);
    drop(new(700..900));
    let mut before = String::new();
    for round in 0..8_u64 {
        for (n, (tx, _)) in channels.iter().enumerate() {
            // Ever others have the most.
            for _ in 0..(n as u64 * 7 + round * 3) % 5 {
                let _ = tx.try_send(round);
            }
        }
        for (_, rx) in channels.iter_mut().step_by(2) {
            while rx.try_recv().is_ok() {}
        }
        let text = write(&mut exporter, &[&only("many.")]);
        assert_none_fell(&before, &text);
        let created = series(&text)
            .into_iter()
            .filter(|(name, _)| name.starts_with("parshall_channel_created_total{"));
        let created = created.map(|(_, value)| value as u64).sum::<u64>();
        assert_eq!(created, 900 + 100 * round, "none is counted twice");
        before = text;
        // Some end: of those that have series of their own, and of the others.
        drop(channels.drain((round as usize * 50)..(round as usize * 50 + 40)));
        channels.extend(new(900 + 100 * round..1_000 + 100 * round));
    }
    let names = channels_of(&before);
    assert_eq!(names.len(), 1_001);
    assert!(
        names.contains(&"__other__") && names.contains(&"many.0") && names.contains(&"many.899")
    );
    assert!(!names.contains(&"many.1001"));
}

/// A send and a receive that waited, while the channel lives and after; and a channel without a
/// capacity, into which no send waits.
///
/// Seen to fail with: sums of dead channels left out; the sides in each other's place; counts that
/// are not those of each bucket alone.
#[test]
fn waits_that_are_over_are_a_histogram_by_side() {
    let cx = &mut Context::from_waker(Waker::noop());
    let (tx, mut rx) = channel("waits.a", 1);
    let (log, log_rx) = Builder::new().name("waits.log").build_unbounded::<u8>();
    let mut exporter = Exporter::new();
    let before = write(&mut exporter, &[&only("waits.")]);
    tx.try_send(1).unwrap();
    for time in [0, 60] {
        let mut send = pin::pin!(tx.send(2));
        assert!(send.as_mut().poll(cx).is_pending());
        thread::sleep(Duration::from_millis(time));
        rx.try_recv().unwrap();
        assert!(send.as_mut().poll(cx).is_ready());
    }
    rx.try_recv().unwrap();
    {
        let mut receive = pin::pin!(rx.recv());
        assert!(receive.as_mut().poll(cx).is_pending());
        thread::sleep(Duration::from_millis(60));
        tx.try_send(3).unwrap();
    }
    // One that lasts.
    let mut send = Box::pin(tx.send(4));
    assert!(send.as_mut().poll(cx).is_pending());
    let alive = write(&mut exporter, &[&only("waits.")]);
    assert_none_fell(&before, &alive);
    let number = |text: &str, what: &str, le: &str, side: &str| {
        let process = parshall::process();
        let name = format!(
            r#"parshall_channel_wait_seconds_{what}{{{le}process="{process}",channel="waits.a",side="{side}"}}"#
        );
        *series(text).get(&*name).unwrap_or_else(|| panic!("{name} is not in {text}"))
    };
    let count = |text: &str, what: &str, le: &str, side: &str| number(text, what, le, side) as u64;
    let check = |text: &str, sends: u64| {
        for (side, all) in [("send", sends), ("recv", 1)] {
            assert_eq!(count(text, "bucket", r#"le="+Inf","#, side), all);
            assert_eq!(count(text, "count", "", side), all);
            // One took longer than 30 ms, and whatever else the machine did, none a minute.
            assert!(count(text, "bucket", r#"le="0.03","#, side) < all);
            assert_eq!(count(text, "bucket", r#"le="60.0","#, side), all);
            assert!((0.04..60.0).contains(&number(text, "sum", "", side)));
        }
    };
    check(&alive, 2);
    let sides = |side: &str| {
        let of = format!(r#"channel="waits.log",side="{side}""#);
        alive.lines().filter(|l| l.contains("wait_seconds_count") && l.contains(&of)).count()
    };
    assert_eq!((sides("send"), sides("recv")), (0, 1), "{alive}");
    drop(rx);
    assert!(send.as_mut().poll(cx).is_ready());
    let refused = write(&mut exporter, &[&only("waits.")]);
    assert_none_fell(&alive, &refused);
    assert_eq!(count(&refused, "count", "", "send"), 3);
    drop(send);
    drop(tx);
    let dead = write(&mut exporter, &[&only("waits.a")]);
    assert_none_fell(&refused, &write(&mut exporter, &[&only("waits.")]));
    assert_eq!(count(&dead, "count", "", "send"), 3);
    drop((log, log_rx));
}

/// A channel that is renamed goes by its first name: when it is gone, its sums are there.
///
/// Seen to fail with: `stats.name` for a name.
#[test]
fn a_name_that_was_set_later_moves_no_counter() {
    let mut exporter = Exporter::new();
    let (tx, rx) = channel("renamed.a", 4);
    let mut before = String::new();
    for step in 0..3 {
        match step {
            0 => tx.try_send(1).unwrap(),
            1 => tx.set_name("renamed.b"),
            _ => break,
        }
        let text = write(&mut exporter, &[&only("renamed.")]);
        assert_none_fell(&before, &text);
        before = text;
    }
    drop((tx, rx));
    let text = write(&mut exporter, &[&only("renamed.")]);
    assert_none_fell(&before, &text);
    assert_eq!(channels_of(&text), ["renamed.a"]);
}

/// Names that would break a line, a terminal or a server.
///
/// Seen to fail with: control characters passed on, and names of any length.
#[test]
fn hostile_names_stay_labels() {
    let long = "hostile.".to_owned() + &"\u{e9}".repeat(10_000);
    let names = [
        "hostile.\"} 1\nparshall_channels{channel=\"x",
        "hostile.\\",
        "hostile.\u{1b}[31m\0\r",
        "hostile.a:b%41#2",
        "hostile.<script>",
        &long,
        "__other__",
    ];
    let _channels: Vec<_> = names.iter().map(|name| channel(name, 1)).collect();
    // Those of other tests may be so many that not all have series of their own.
    let mut snapshot = only("");
    snapshot.channels.retain(|channel| names.contains(&&*channel.stats.name));
    snapshot.retired.clear();
    let text = write(&mut Exporter::new(), &[&snapshot]);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    assert!(text.lines().all(|line| line.len() < 1_000));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once('{').unwrap();
        let labels = labels.strip_prefix("le=").map_or(labels, |le| le.split_once(',').unwrap().1);
        assert!(name.starts_with("parshall_") && labels.starts_with("process=\""), "{line}");
    }
    for name in [
        r#"channel="hostile.\"} 1\nparshall_channels{channel=\"x"} 1"#.replace("\\n", "\u{fffd}"),
        r#"channel="hostile.\\"} 1"#.into(),
        "channel=\"hostile.\u{fffd}[31m\u{fffd}\u{fffd}\"} 1".into(),
        "channel=\"hostile.a:b%41#2\"} 1".into(),
        "channel=\"hostile.<script>\"} 1".into(),
        format!("channel=\"{}\"}} 1", long.chars().take(200).collect::<String>()),
        "channel=\"__other__\"} 1".into(),
    ] {
        assert!(
            text.contains(&format!(
                "parshall_channels{{process=\"{}\",{name}\n",
                parshall::process()
            )),
            "{name}"
        );
    }
}

/// Programs that have one name, one of which ends.
///
/// Seen to fail with: a number that goes by who else is there.
#[test]
fn programs_of_one_name_have_series_of_their_own() {
    let none = only("none.");
    let program = |key: &str| {
        let mut snapshot = none.clone();
        (snapshot.process, snapshot.proc_key) = ("ingest".into(), key.into());
        snapshot
    };
    let mut exporter = Exporter::new();
    let mut labels = |keys: &[&str]| -> Vec<String> {
        let snapshots: Vec<_> = keys.iter().map(|key| program(key)).collect();
        let text = write(&mut exporter, &snapshots.iter().collect::<Vec<_>>());
        let lines =
            text.lines().filter_map(|line| line.strip_prefix("parshall_untracked_channels{"));
        lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(labels(&["a"]), ["ingest"]);
    assert_eq!(labels(&["b", "a"]), ["ingest#2", "ingest"]);
    assert_eq!(labels(&["b", "b"]), ["ingest#2"], "it keeps its name");
    assert_eq!(labels(&["c", "b"]), ["ingest", "ingest#2"], "a is no more, c is the new one");
    // It was away.
    assert_eq!(labels(&["a", "b", "c"]), ["ingest#3", "ingest#2", "ingest"]);
    for n in 0..300 {
        labels(&[&n.to_string()]);
    }
    assert_eq!(format!("{exporter:?}").matches("seen:").count(), 257, "it forgets");
}

/// Seen to fail with: findings of the first look, which says nothing.
#[test]
fn a_collector_in_a_registry_of_ones_own() {
    let mut settings = Settings::default();
    settings.stuck_after = Duration::from_millis(1);
    let mut registry =
        Registry::with_prefix_and_labels("ours", iter::once(("region".into(), "north".into())));
    registry.register_collector(Box::new(Collector::new(settings)));
    let (tx, _rx) = channel("collected", 1);
    tx.try_send(1).unwrap();
    let scrape = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    assert!(!scrape().contains("ours_parshall_findings{"));
    thread::sleep(Duration::from_millis(20));
    let text = scrape();
    let process = parshall::process();
    for line in [
        format!(
            r#"ours_parshall_channel_queue_length{{region="north",process="{process}",channel="collected"}} 1"#
        ),
        format!(
            r#"ours_parshall_channel_stalled{{region="north",process="{process}",channel="collected",reason="stalled"}} 1"#
        ),
    ] {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

/// A program may say anything of itself.
///
/// Seen to fail with: sums that overflow.
#[test]
fn sums_stop_at_the_largest_number() {
    let _live = [channel("largest.a", 1), channel("largest.b", 1)];
    drop(channel("largest.c", 1));
    dead("largest.c");
    let mut snapshot = only("largest");
    for channel in &mut snapshot.channels {
        channel.id = format!("mpsc:{}:largest", snapshot.process);
        let stats = &mut channel.stats;
        (stats.queue_len, stats.capacity, stats.reserved) = (u64::MAX, Some(u64::MAX), u64::MAX);
        (stats.sender_count, stats.send_waiters, stats.recv_waiters) =
            (u64::MAX, u64::MAX, u64::MAX);
        (stats.granted_waiters, stats.high_watermark) = (u64::MAX, u64::MAX);
        (stats.sent_total, stats.recv_total, stats.discarded) = (u64::MAX, u64::MAX, u64::MAX);
        (stats.full_total, stats.closed_total) = (u64::MAX, u64::MAX);
        (stats.send_waits_total, stats.send_wait_total_ns) = (u64::MAX, u64::MAX);
        (stats.recv_waits_total, stats.recv_wait_total_ns) = (u64::MAX, u64::MAX);
        (stats.send_given_up_total, stats.recv_given_up_total) = (u64::MAX, u64::MAX);
    }
    for retired in &mut snapshot.retired {
        retired.name = "largest".into();
        (retired.sums.channels, retired.sums.sent_total) = (u64::MAX, u64::MAX);
    }
    assert_eq!((snapshot.channels.len(), snapshot.retired.len()), (2, 1));
    let text = write(&mut Exporter::default(), &[&snapshot]);
    let largest: Vec<_> =
        text.lines().filter(|line| line.ends_with(&u64::MAX.to_string())).collect();
    assert!(largest.len() >= 10, "{text}");
}
