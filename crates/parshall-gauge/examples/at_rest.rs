//! What a gauge costs a program that is at rest: 1,000 channels, each with a task that waits for a
//! message, and nobody who asks. Prints the processor time of the whole process; `PARSHALL=off`
//! tells what of that is not the gauge's.
//!
//! ```text
//! cargo run --release -p parshall-gauge --example at_rest -- [SECONDS] [MESSAGES]
//! ```
//!
//! With MESSAGES, so many lie in each channel, and nobody waits.

#[cfg(unix)]
fn main() {
    use std::time::Duration;

    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let (seconds, messages) = (args.next().unwrap_or(60), args.next().unwrap_or(0));
    let gauge = parshall_gauge::Gauge::builder().quiet().start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let channels: Vec<_> = (0..1_000)
        .map(|n| {
            let name = format!("channel-{n}");
            let (tx, mut rx) = parshall::mpsc::Builder::new().name(name).capacity(8).build();
            for message in 0..messages {
                tx.try_send(message).unwrap();
            }
            let task = runtime.spawn(async move {
                if messages > 0 {
                    std::future::pending::<()>().await;
                }
                rx.recv().await
            });
            (tx, task)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let before = processor_time();
    std::thread::sleep(Duration::from_secs(seconds));
    let used = processor_time().saturating_sub(before);
    let share = 100.0 * used.as_secs_f64() / seconds as f64;
    println!("{used:.1?} in {seconds} s: {share:.3} % of a core; {gauge:?}");
    drop(channels);
}

/// User and system.
#[cfg(unix)]
fn processor_time() -> std::time::Duration {
    // SAFETY: all zero is a value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it is large enough.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) }, 0);
    let time = |time: libc::timeval| {
        std::time::Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

#[cfg(not(unix))]
fn main() {}
