//! A test that hangs fails, in time and with the reason. Each case is a test of this file that is
//! run in a process of its own.
#![cfg(all(feature = "testing", not(miri)))]

mod support;

use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use parshall::mpsc::{self, Builder};
use parshall::task;
use parshall::testing::watchdog;
use support::pending;

const PATIENCE: Duration = Duration::from_millis(800);

/// Runs an ignored test of this file.
fn run(test: &str) -> (Output, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--ignored"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, stderr)
}

/// Ends the process with another code than the watchdog does, if that does not bite.
fn hang() {
    thread::sleep(PATIENCE * 25);
    std::process::exit(7);
}

#[test]
#[ignore = "hangs; run by another"]
fn hangs() {
    let _watchdog = watchdog(PATIENCE);
    let (tx, _rx) = Builder::new().name("orders").capacity(1).build();
    tx.try_send(1).unwrap();
    let _send = pending(task::named("client", tx.send(2)));
    hang();
}

#[test]
#[ignore = "hangs; run by another"]
fn blocks() {
    let _watchdog = watchdog(PATIENCE);
    let (_tx, mut rx) = Builder::new().name("replies").build::<u8>();
    thread::spawn(hang);
    rx.blocking_recv();
}

/// Sends that are refused or given up are no progress, and neither are polls.
#[test]
#[ignore = "hangs; run by another"]
fn spins() {
    let _watchdog = watchdog(PATIENCE);
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(1).unwrap();
    let mut waiting = pending(task::named("spinner", tx.send(2)));
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE * 25 {
        waiting.still_pending();
        tx.try_send(3).unwrap_err();
        drop(tx.clone());
        drop(pending(tx.send(4)));
        thread::sleep(Duration::from_millis(5));
    }
    std::process::exit(7);
}

/// Seen to fail with: refusals that count as moves; and, a report by `eprint`, which was lost.
#[test]
fn a_test_that_hangs_fails_with_the_report() {
    let begin = Instant::now();
    for (test, who) in [
        ("hangs", "client waits for room in orders 1/1"),
        ("blocks", "blocks waits for a message in replies 0/"),
        ("spins", "spinner waits for room in "),
    ] {
        let (output, stderr) = run(test);
        assert!(!output.status.success() && output.status.code() != Some(7), "{test}: {stderr}");
        let place = format!("watchdog: {test} (tests/watchdog.rs:");
        assert!(stderr.replace('\\', "/").contains(&place), "{stderr}");
        assert!(stderr.contains("no progress for 800ms"), "{stderr}");
        assert!(stderr.contains("\nparshall: ") && stderr.contains("\nblind: "), "{stderr}");
        assert!(stderr.contains(who), "{stderr}");
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(output.status.signal(), Some(6), "{stderr}");
        }
    }
    assert!(begin.elapsed() < PATIENCE * 25 * 3, "it bites in time");
}

#[test]
#[ignore = "slow; run by another"]
fn computes() {
    let _watchdog = watchdog(PATIENCE);
    let (tx, mut rx) = mpsc::channel(4);
    tx.try_send(1).unwrap();
    thread::sleep(PATIENCE * 3);
    assert_eq!(rx.try_recv(), Ok(1));
}

/// Twice it gets on for longer than the watchdog's patience, in steps of which one may take far
/// longer than it should.
#[test]
#[ignore = "slow; run by another"]
fn gets_on() {
    let _watchdog = watchdog(PATIENCE * 4);
    let (_idle, mut idle) = mpsc::channel::<u8>(1);
    let _waiting = pending(async move { idle.recv().await });
    let (tx, mut rx) = mpsc::channel(1);
    for n in 0..18 {
        tx.try_send(n).unwrap();
        assert_eq!(rx.try_recv(), Ok(n));
        thread::sleep(PATIENCE / 4);
    }
    // Channels that come and go.
    for _ in 0..18 {
        drop(mpsc::channel::<u8>(1));
        thread::sleep(PATIENCE / 4);
    }
}

#[test]
#[ignore = "slow; run by another"]
fn is_let_go() {
    let guard = watchdog(PATIENCE);
    let (_idle, mut idle) = mpsc::channel::<u8>(1);
    let _waiting = pending(async move { idle.recv().await });
    drop(guard);
    thread::sleep(PATIENCE * 3);
}

/// Seen to fail with: a bite while nobody waits; channels that are made left out; and, a guard that
/// does not stop its thread.
#[test]
fn a_test_that_gets_on_or_computes_passes() {
    for test in ["computes", "gets_on", "is_let_go"] {
        let (output, stderr) = run(test);
        assert!(output.status.success() && stderr.is_empty(), "{test}: {stderr}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{test} did not run");
    }
}
