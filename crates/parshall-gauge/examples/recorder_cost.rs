//! What it costs to record: processor time and disk, of a program in which all channels move
//! between two snapshots, and of one in which one in a hundred does.
//!
//! ```text
//! cargo run --release -p parshall-gauge --example recorder_cost -- [CHANNELS] [SNAPSHOTS]
//! ```
//!
//! The snapshots are taken one after the other, without a pause, so that each row of the table is
//! over in a moment. `of a core` is what 20 of them a second cost, the snapshot itself included,
//! from its beginning until it is dropped.
//! On Linux it also says how much memory a record took at most beyond the snapshot: the first one,
//! with what the recorder remembers from then on, and the later ones.
//!
//! With up to 10,000 channels, then a day is recorded, a snapshot a second, in which one channel in
//! a hundred moves: how large the file became at most, and how long a look at one snapshot and a
//! question then take.

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use parshall::introspect::{Diagnoser, Settings};
    use parshall_gauge::SqliteRecorder;

    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a number"));
    let (count, snapshots) = (args.next().unwrap_or(1_000), args.next().unwrap_or(400));
    let folder = tempfile::tempdir()?;
    println!("{count} channels, {snapshots} snapshots");
    println!(
        "| who moves | snapshot ms | diagnosis ms | record ms | of a core | bytes a snapshot |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, one_in) in [("all", 1), ("1 in 100", 100)] {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut channels: Vec<_> = (0..count)
            .map(|n| {
                let name = format!("stage.{n}");
                parshall::mpsc::Builder::new().name(name).capacity(64).build::<usize>()
            })
            .collect();
        for (_, rx) in &mut channels {
            assert!(rx.poll_recv(&mut cx).is_pending());
        }
        let path = folder.path().join(format!("{one_in}.db"));
        let mut recorder = SqliteRecorder::open(&path)?;
        let mut diagnoser = Diagnoser::new(Settings::default());
        let (mut looks, mut diagnosed, mut records) = (0.0, 0.0, 0.0);
        let (mut first, mut first_room, mut room) = (0, 0, 0);
        for tick in 0..=snapshots {
            for (n, (tx, rx)) in channels.iter_mut().enumerate() {
                if (n + tick) % one_in != 0 {
                    continue;
                }
                for message in 0..=(n + tick) % 7 {
                    let _ = tx.try_send(message);
                }
                while rx.poll_recv(&mut cx).is_ready() {}
            }
            let begin = processor_ms();
            let snapshot = parshall::snapshot();
            let looked = processor_ms();
            // Part of each record; here once more, to see its share.
            let _ = diagnoser.look(&snapshot);
            let diagnosis = processor_ms();
            let before = most_kib(true);
            recorder.record(&snapshot)?;
            let recorded = processor_ms();
            let taken = most_kib(false) - before;
            if tick == 0 {
                first_room = taken;
            } else {
                room = room.max(taken);
            }
            drop(snapshot);
            let look = looked - begin + (processor_ms() - recorded);
            if tick == 0 {
                drop(std::mem::replace(&mut recorder, SqliteRecorder::new(&path)));
                first = size(&path);
                println!(
                    "| (the first) | {:.2} | {:.2} | {:.2} | | {first} |",
                    look,
                    diagnosis - looked,
                    recorded - diagnosis
                );
                continue;
            }
            looks += look;
            diagnosed += diagnosis - looked;
            records += recorded - diagnosis;
        }
        if cfg!(target_os = "linux") {
            println!(
                "memory, beyond the snapshot: first record {:.1} MiB, each later one {:.1} MiB more",
                first_room as f64 / 1024.0,
                room as f64 / 1024.0
            );
        }
        // Puts the log into the file.
        drop(recorder);
        let n = snapshots as f64;
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.1} % | {:.0} |",
            looks / n,
            diagnosed / n,
            records / n,
            100.0 * 20.0 * (looks + records) / n / 1e3,
            (size(&path) - first) as f64 / n,
        );
    }
    if count > 10_000 { Ok(()) } else { night(count, folder.path()) }
}

/// The most memory that this process has had since it was last asked to begin anew, in KiB.
#[cfg(unix)]
#[allow(clippy::disallowed_methods)] // none of a recording
fn most_kib(anew: bool) -> i64 {
    if anew {
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A day, as fast as it goes.
#[cfg(unix)]
fn night(count: usize, folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Instant;

    use parshall_gauge::{Question, SqliteRecorder, read_snapshot};

    let one = |n| parshall::mpsc::Builder::new().name(format!("stage.{n}")).build::<u8>();
    let _channels: Vec<_> = (0..count).map(one).collect();
    let path = folder.join("night.db");
    let mut recorder = SqliteRecorder::open(&path)?;
    let mut snapshot = parshall::snapshot();
    let (mut most, mut last) = (0, 0);
    let begin = processor_ms();
    for second in 0..86_400 {
        for channel in snapshot.channels.iter_mut().skip(second % 100).step_by(100) {
            channel.stats.sent_total += 1;
            channel.stats.recv_total += 1;
        }
        snapshot.taken_at_ns += 1_000_000_000;
        snapshot.completed_at_ns += 1_000_000_000;
        last = recorder.record(&snapshot)?;
        if second % 60 == 0 {
            most = most.max(size(&path) + size(&path.with_extension("db-wal")));
        }
    }
    let each = (processor_ms() - begin) / 86_400.0;
    println!(
        "a day: {each:.2} ms a snapshot, the file and its log {:.1} MiB at most",
        most as f64 / f64::from(1 << 20)
    );
    let begun = Instant::now();
    let read = read_snapshot(&path, last)?;
    println!(
        "the last snapshot, {} channels, is read in {:.0?}",
        read.channels.len(),
        begun.elapsed()
    );
    for question in Question::ALL {
        let begun = Instant::now();
        question.ask(&path)?;
        println!("{} is answered in {:.0?}", question.name, begun.elapsed());
    }
    Ok(())
}

#[cfg(unix)]
fn size(path: &std::path::Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

/// Of this thread, user and system.
#[cfg(unix)]
fn processor_ms() -> f64 {
    // SAFETY: all zero is a value of this plain structure.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: it is large enough.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

#[cfg(not(unix))]
fn main() {}
