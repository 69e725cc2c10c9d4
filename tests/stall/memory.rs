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

/// Two threads come and leave while a third is stopped that takes out what is over, again and again: the row grows by
/// what comes in one such stop, and a third more, since memory is looked for while a quarter of all is out.
///
/// Seen to fail with: the row of before f665147, which takes all of it anew each time; `reuse` only by who finds nobody
/// `busy`; no count of what a sweep took out.
#[test]
fn who_is_stopped_in_a_sweep_costs_memory_once() {
    const COME: u64 = 100 * LEN;
    for step in ["sweep: begun", "sweep: unlinked"] {
        let (tx, _rx) = full();
        let segment = segment();
        let mut bytes = 0;
        for _ in 0..5 {
            let own = tx.clone();
            let victim = Victim::stop_at(&[step], move |arm: Arm| {
                arm.now();
                // A few segments, so that one is taken out, and all that is over after that.
                taken(|| pass_by(&own, 20 * LEN))
            });
            let crowd = [(); 2].map(|()| {
                let tx = tx.clone();
                start(format!("{step}: waits"), move || taken(|| pass_by(&tx, COME / 2)))
            });
            bytes += crowd.map(Running::finish).iter().sum::<isize>();
            bytes += victim.release();
        }
        let segments = bytes / segment;
        let needed = (COME / LEN) as isize + 20;
        assert!(segments <= needed * 4 / 3, "{step}: {segments} segments for {needed}");
    }
}

const ROW: &[&str] = &[
    "append: memory",
    "append: reused",
    "append: link",
    "append: number",
    "sweep: begun",
    "sweep: unlinked",
];

/// Each is interrupted where it takes memory or gives some back, by others who are interrupted likewise. Who stands
/// there keeps a segment in the row, by its place, and one in its hand; a sweep leaves the last one beside those,
/// and the row grows to twice what was left and one, and by who comes while a sweep is interrupted. A third may be out.
///
/// Seen to fail with: the row of before f665147 (247 segments); no count of what a sweep took out, or of what a loser gives
/// up; a loser's segment that keeps its number.
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
    let needed = 2 * (THREADS + 1) + 1 + MEANWHILE / LEN + THREADS;
    assert!(segments <= needed as isize * 4 / 3, "{segments} segments for {needed}");
}
