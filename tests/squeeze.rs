//! Channels that are smaller than was asked for, for tests: `testing::squeeze`.
//!
//! What one test squeezes is squeezed for all: they take turns.
#![cfg(feature = "testing")]

mod support;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parshall::mpsc::{self, Builder};
use parshall::testing::squeeze;
use support::{now, pending, task};

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn made(asked: usize) -> usize {
    mpsc::channel::<u8>(asked).0.max_capacity()
}

#[test]
fn channels_hold_no_more_than_the_smallest_guard_says() {
    let _turn = turn();
    assert_eq!(made(100), 100);
    let four = squeeze(4);
    assert_eq!((made(100), made(4), made(3)), (4, 4, 3));
    let nine = squeeze(9);
    assert_eq!(made(100), 4);
    let one = squeeze(1);
    assert_eq!(made(100), 1);
    // In any order.
    drop(four);
    assert_eq!(made(100), 1);
    drop(one);
    assert_eq!(made(100), 9);
    assert_eq!(Builder::new().build::<u8>().0.max_capacity(), 9);
    drop(nine);
    assert_eq!(made(100), 100);
}

#[test]
fn a_squeezed_channel_tells_the_truth() {
    let _turn = turn();
    let guard = squeeze(2);
    let (tx, mut rx) = mpsc::channel(1024);
    drop(guard);
    assert_eq!((tx.max_capacity(), tx.capacity(), rx.max_capacity()), (2, 2, 2));
    assert_eq!(tx.stats().capacity, Some(2));
    assert!(now(tx.reserve_many(3)).is_err() && tx.try_reserve_many(3).is_err());
    drop(now(tx.reserve_many(2)).unwrap());
    let mut many = (1..=4).collect();
    let mut sends = pending(tx.send_many(&mut many));
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)), "no more than two at a time");
    while sends.poll().is_pending() {
        rx.try_recv().unwrap();
    }
}

#[test]
fn what_was_wrong_before_is_wrong_all_the_same() {
    let _turn = turn();
    let _guard = squeeze(2);
    assert!(std::panic::catch_unwind(|| mpsc::channel::<u8>(0)).is_err());
    assert!(std::panic::catch_unwind(|| mpsc::channel::<u8>(usize::MAX)).is_err());
    assert!(std::panic::catch_unwind(|| squeeze(0)).is_err());
    let (tx, rx) = mpsc::unbounded_channel();
    (0..10).for_each(|n| tx.send(n).unwrap());
    assert_eq!(rx.len(), 10);
}

/// Two that answer each other: it goes well while the channels have room.
#[test]
fn a_cycle_that_needs_full_channels_shows() {
    let _turn = turn();
    let hangs = || {
        let (there, mut from_there) = mpsc::channel(16);
        let (back, mut from_back) = mpsc::channel(16);
        let mut asks = task(async move {
            for n in 0..3 {
                there.send(n).await.unwrap();
            }
            drop(there);
            while from_back.recv().await.is_some() {}
        });
        let mut answers = task(async move {
            while let Some(n) = from_there.recv().await {
                back.send(n).await.unwrap();
                back.send(n).await.unwrap();
            }
        });
        let mut answered = false;
        !(0..20).any(|_| {
            let asked = asks.poll().is_ready();
            answered |= !answered && answers.poll().is_ready();
            asked
        })
    };
    assert!(!hangs());
    let squeezed = squeeze(1);
    assert!(hangs());
    drop(squeezed);
}

const CHILD: &str = "PARSHALL_SQUEEZE_CHILD";

/// What the process says that is told so.
fn child(squeeze: &str) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["the_environment_squeezes_as_well", "--exact", "--nocapture"]);
    child.env(CHILD, "1").env("PARSHALL_SQUEEZE", squeeze);
    child.output().unwrap()
}

/// In processes of its own.
#[test]
#[cfg_attr(miri, ignore = "Miri starts no processes")]
fn the_environment_squeezes_as_well() {
    if std::env::var_os(CHILD).is_some() {
        let first = made(100);
        let _guard = squeeze(5);
        println!("made {first} {} {}", made(100), made(100));
        return;
    }
    for (set, says, warns) in [
        ("3", "made 3 3 3", None),
        ("7", "made 7 5 5", None),
        (" 2 ", "made 2 2 2", None),
        ("", "made 100 5 5", None),
        ("0", "made 100 5 5", Some("PARSHALL_SQUEEZE=0 is no number")),
        ("-1", "made 100 5 5", Some("PARSHALL_SQUEEZE=-1 is no number")),
        ("two", "made 100 5 5", Some("PARSHALL_SQUEEZE=two is no number")),
        ("99999999999999999999999", "made 100 5 5", Some("is no number")),
    ] {
        let Output { status, stdout, stderr } = child(set);
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert!(status.success() && out.contains(says), "{set:?}: {out}{err}");
        match warns {
            Some(text) => assert_eq!(err.matches(text).count(), 1, "{set:?}: {err}"),
            None => assert!(!err.contains("PARSHALL_SQUEEZE"), "{set:?}: {err}"),
        }
    }
}
