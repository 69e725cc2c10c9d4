//! What it costs to record: processor time and disk, of a program in which all channels move
//! between two snapshots, and of one in which one in a hundred does.
//!
//! ```text
//! cargo run --release -p parshall-gauge --example recorder_cost -- [CHANNELS] [SNAPSHOTS]
//! ```
//!
//! The snapshots are taken one after the other, without a pause, so that each row of the table is
//! over in a moment. `of a core` is what 20 of them a second cost.

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use parshall::introspect::{Diagnoser, Settings};
    use parshall_gauge::SqliteRecorder;

    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a number"));
    let (count, snapshots) = (args.next().unwrap_or(1_000), args.next().unwrap_or(400));
    let folder = tempfile::tempdir()?;
    println!("{count} channels, {snapshots} snapshots");
    println!("| who moves | snapshot ms | diagnosis ms | record ms | of a core | bytes a snapshot |");
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
        let mut drop(std::mem::replace(&mut recorder, SqliteRecorder::new(&path)));
        let mut diagnoser = Diagnoser::new(Settings::default());
        let (mut looks, mut diagnosed, mut records) = (0.0, 0.0, 0.0);
        let mut first = 0;
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
            recorder.record(&snapshot)?;
            let recorded = processor_ms();
            if tick == 0 {
                drop(std::mem::replace(&mut recorder, SqliteRecorder::new(&path)));
                first = size(&path);
                println!(
                    "| (the first) | {:.2} | {:.2} | {:.2} | | {first} |",
                    looked - begin,
                    diagnosis - looked,
                    recorded - diagnosis
                );
                continue;
            }
            looks += looked - begin;
            diagnosed += diagnosis - looked;
            records += recorded - diagnosis;
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
