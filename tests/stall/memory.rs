//! The memory of the line, while threads are stopped where they give out or take back some of it.

use std::cell::Cell;
use std::rc::Rc;

use parshall::mpsc::{self, Receiver, Sender};

use crate::gate::{Arm, Running, Victim, at_each_step, start};
use crate::support::heap::live;
use crate::support::pending;

/// Places in a segment of the row.
const LEN: u64 = 16;

fn full() -> (Sender<u64>, Receiver<u64>) {
    let (tx, rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    (tx, rx)
}

/// Comes to wait, and leaves, so often.
fn pass_by(tx: &Sender<u64>, n: u64) {
    (0..n).for_each(|_| drop(pending(tx.reserve())));
}

/// Bytes that this thread takes for good in `f`.
fn taken(f: impl FnOnce()) -> isize {
    let before = live();
    f();
    live() - before
}

/// Bytes of a segment: what the first who waits takes.
fn segment() -> isize {
    // What a thread takes once.
    let first = full();
    pass_by(&first.0, 1);
    let (tx, _rx) = full();
    let bytes = taken(|| pass_by(&tx, 1));
    assert!((512..2048).contains(&bytes), "{bytes} bytes for a segment");
    bytes
}

const ROW: &[&str] = &[
    "append: memory",
    "append: reused",
    "append: link",
    "append: number",
    "spare: looked",
    "spare: put",
    "sweep: begun",
    "sweep: over",
    "sweep: frozen",
    "sweep: unlinked",
    "sweep: long waits added",
    "sweep: ended",
];

/// The most segments that `threads` need, each of which waits for itself alone: a place of each may
/// lie in a segment of its own, and the last segment is needed beside those. Twice that and one,
/// and four for each thread that is under way.
fn most(threads: u64) -> isize {
    (2 * (threads + 1) + 1 + 4 * threads) as isize
}

/// Threads are stopped in the row one after the other, and stay there, while two more come and
/// leave thousands of times.
///
/// Seen to fail with: a row in which one thread takes out for all others (no second thread comes to
/// "sweep: begun").
#[test]
fn a_row_is_bounded_whoever_is_stopped() {
    const STOPPED: usize = 3;
    const COME: u64 = 100 * LEN;
    for &step in ROW {
        let (tx, _rx) = full();
        let segment = segment();
        let mut victims = Vec::new();
        let mut bytes = 0;
        for _ in 0..STOPPED {
            let own = tx.clone();
            victims.push(Victim::stop_at(&[step], move |arm: Arm| {
                arm.now();
                // Long enough to come to each step.
                taken(|| pass_by(&own, 20 * LEN))
            }));
            let crowd = [(); 2].map(|()| {
                let tx = tx.clone();
                start(format!("{step}: waits"), move || taken(|| pass_by(&tx, COME / 2)))
            });
            bytes += crowd.map(Running::finish).iter().sum::<isize>();
        }
        bytes += victims.into_iter().map(Victim::release).sum::<isize>();
        let segments = bytes / segment;
        assert!(segments <= most(STOPPED as u64 + 2), "{step}: {segments} segments");
    }
}

/// Each is interrupted where it takes memory or gives some back, by others who are interrupted
/// likewise.
///
/// Seen to fail with: a loser's segment that is not put back; the row of before f665147 (247
/// segments).
#[test]
fn a_row_is_not_longer_for_who_is_interrupted() {
    /// Threads under way at once, all but one of them interrupted.
    const THREADS: u64 = 4;
    /// Waits while the first of them is.
    const MEANWHILE: u64 = 10 * LEN;
    const WAITS: u64 = 10_000;
    let segment = segment();
    let (tx, _rx) = full();
    let (under_way, random) = (Cell::new(1), Cell::new(1_u64));
    let left = Rc::new(Cell::new(0));
    let own = (tx.clone(), left.clone());
    let acting = at_each_step(move |step| {
        let (tx, left) = &own;
        // Knuth's; the upper bits are good.
        random.set(random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let n = (random.get() >> 32) % (3 * LEN);
        if ROW.contains(&step) && under_way.get() < THREADS && n <= left.get() {
            left.set(left.get() - n);
            under_way.set(under_way.get() + 1);
            pass_by(tx, n);
            under_way.set(under_way.get() - 1);
        }
    });
    let bytes = taken(|| {
        for _ in 0..WAITS {
            left.set(MEANWHILE);
            pass_by(&tx, 1);
        }
    });
    drop(acting);
    let segments = bytes / segment;
    assert!(segments <= most(THREADS), "{segments} segments");
}
