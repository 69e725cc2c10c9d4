//! Loom models of the row alone, with one place per segment, and of a queue on it. Nothing of a
//! channel is here. `sync::models` says how they are run.
//!
//! What a thread finds may be over a moment later, and its memory serve elsewhere, unless a place
//! in it is not left: only of such segments the models say what must be found.
//!
//! In `lives` are the models of what memory owes to whom, in `sweeps` those of several who take
//! out.

use core::task::Waker;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use loom::sync::Arc;
use loom::thread::yield_now;

use super::super::place::{Kind, Place, State, Waiter};
use super::super::queue::{Key, WaitQueue, WaitStatus};
use super::super::segment::{FRESH, Link, OUT, Segment};
use super::super::source::Source;
use super::super::want::{Call, Want};
use super::{Found, Hint, Row};
use crate::sync::models::{check, spawn};
use crate::sync::row::{AtomicPtr, AtomicU64};
use crate::unwind::FirstPanic;

mod lives;
mod sweeps;

/// Beyond all segments.
const LAST: u64 = u64::MAX >> 2;

/// A row of so many segments, with all places Empty.
fn row(segments: u64) -> Arc<Row> {
    let row = Arc::new(Row::new());
    (0..segments).for_each(|number| _ = get(&row, number, &Hint::new()));
    row
}

/// The address of a segment that must be there, since its place is not left.
fn get(row: &Row, number: u64, hint: &Hint) -> usize {
    let Ok(segment) = row.get(number, hint) else { panic!("{number} is not over") };
    assert_eq!(segment.number() & !FRESH, number);
    assert!(segment.place(number).state().is_of(number), "the segment as it was before");
    core::ptr::from_ref(segment).addr()
}

fn place(row: &Row, number: u64) -> &Place {
    let Ok(segment) = row.get(number, &Hint::new()) else { panic!("{number} is not over") };
    segment.place(number)
}

/// The place was given out, and nobody waits there.
fn leave(row: &Row, number: u64) {
    let (place, empty) = (place(row, number), State::empty(number));
    place.swap(empty, empty.to(Kind::Gone)).unwrap();
    if place.ended() == 0 {
        place.leave_unused();
    } else {
        place.leave();
    }
}

/// A wait begins.
fn wait(row: &Row, number: u64) {
    let (place, empty) = (place(row, number), State::empty(number));
    // SAFETY: ours, and Empty.
    unsafe { assert!(place.put_waker(Waker::noop().clone()).is_none(), "somebody else's waker") };
    place.swap(empty, empty.to(Kind::Waiting)).unwrap();
}

/// Ends a wait, if it has begun and not ended.
fn end_wait(place: &Place, number: u64, kind: Kind) -> bool {
    let waiting = State::empty(number).to(Kind::Waiting);
    if place.swap(waiting, waiting.to(kind)).is_err() {
        return false;
    }
    // SAFETY: we took it out of Waiting.
    unsafe { assert!(place.take_waker().is_some(), "no waker") };
    place.set_ended(1);
    true
}

/// What a look at a segment that may be over says.
fn look(row: &Row, number: u64, hint: &Hint) -> Option<u64> {
    match row.seek(number, hint, false) {
        Found::Segment(segment) => {
            // It was this one when it was found.
            assert!(segment.number() >= number);
            None
        }
        Found::Over(next) => {
            assert!(next > number, "{next} in the place of {number}");
            Some(next)
        }
        Found::Missing => panic!("{number} was made"),
    }
}

/// Takes out all that is over.
fn sweep(row: &Row) {
    row.sweeper.sweep(&row.first, &row.pool, LAST);
}

/// After all threads: the numbers in the row, and how many segments are spare. Each is in one of
/// the two, but for those that somebody has in hand.
fn audit(row: &Row) -> (Vec<u64>, usize) {
    let (mut numbers, mut seen) = (Vec::new(), Vec::new());
    let mut see = |id| {
        assert!(!seen.contains(&id), "a segment is twice in the row, or in it and spare");
        seen.push(id);
        row.pool.at(id)
    };
    let mut link = row.first.load();
    while !link.is_end() {
        let segment = see(link.id());
        numbers.push(segment.number());
        link = segment.next.load();
    }
    assert!(numbers.is_sorted() && numbers.iter().all(|n| *n < FRESH), "{numbers:?}");
    let spare = row.pool.spare_ids();
    for id in &spare {
        assert_eq!(see(*id).number(), OUT);
    }
    (numbers, spare.len())
}

/// Two make the first segment: one is linked, both find it, and the other one is spare. Tags Q3,
/// Q7.
#[test]
fn two_make_the_first_segment() {
    check("first", 3, || {
        let row = row(0);
        let other = spawn({
            let row = row.clone();
            move || get(&row, 0, &Hint::new())
        });
        let mine = get(&row, 0, &Hint::new());
        assert_eq!(other.join().unwrap(), mine);
        let (numbers, spare) = audit(&row);
        assert!(numbers == [0] && spare <= 1);
    });
}

/// Likewise further on, with one hint for both, beyond what is there. Tags Q3, Q7.
#[test]
fn two_make_the_next_segments() {
    check("next", 1, || {
        let row = row(1);
        let hint = Arc::new(Hint::new());
        let other = spawn({
            let (row, hint) = (row.clone(), hint.clone());
            move || [1, 2].map(|number| get(&row, number, &hint))
        });
        let mine = [1, 2].map(|number| get(&row, number, &hint));
        assert_eq!(other.join().unwrap(), mine);
        let (numbers, spare) = audit(&row);
        assert!(numbers == [0, 1, 2] && spare <= 2);
    });
}

/// One takes out the first two, another one looks from there, with a hint and without, and appends.
/// Tag Q3.
#[test]
fn looks_while_segments_are_taken_out() {
    check("take out", 2, || {
        let row = row(3);
        let hint = Hint::new();
        get(&row, 0, &hint);
        (0..2).for_each(|number| leave(&row, number));
        let sweeper = spawn({
            let row = row.clone();
            move || sweep(&row)
        });
        assert!(look(&row, 1, &hint).is_none_or(|next| next == 2));
        get(&row, 2, &Hint::new());
        get(&row, 3, &hint);
        sweeper.join().unwrap();
        assert_eq!(audit(&row).0, [2, 3]);
    });
}

/// The second of three is taken out and made the fourth, while a thread has it as a hint. Tags
/// Q3, Q7.
#[test]
fn a_hint_serves_elsewhere_by_now() {
    check("old hint", 1, || {
        let row = row(3);
        let hint = Hint::new();
        get(&row, 1, &hint);
        leave(&row, 1);
        let reuser = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                get(&row, 3, &Hint::new())
            }
        });
        let hinted = || Hint(AtomicPtr::new(hint.0.load(Relaxed)));
        assert!(look(&row, 1, &hinted()).is_none_or(|next| next == 2));
        get(&row, 0, &hinted());
        get(&row, 2, &hinted());
        let mine = get(&row, 3, &hinted());
        assert_eq!(reuser.join().unwrap(), mine);
        assert_eq!(audit(&row).0, [0, 2, 3]);
    });
}

/// The same seen from before it: a link is good only if it still stands when the number behind it
/// was read. Tag Q3.
#[test]
fn a_link_leads_elsewhere_by_now() {
    check("old link", 2, || {
        let row = row(3);
        leave(&row, 1);
        let reuser = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                get(&row, 3, &Hint::new());
            }
        });
        get(&row, 2, &Hint::new());
        reuser.join().unwrap();
        assert_eq!(audit(&row).0, [0, 2, 3]);
    });
}

/// Two make a segment, one of them from memory that a third has as a hint: nobody goes on with
/// the one that is not linked. Tag Q3.
#[test]
fn a_hint_is_fresh_again() {
    check("fresh hint", 1, || {
        let row = row(3);
        let hint = Hint::new();
        get(&row, 0, &hint);
        (0..2).for_each(|number| leave(&row, number));
        sweep(&row);
        let others = [(); 2].map(|()| {
            let row = row.clone();
            spawn(move || get(&row, 3, &Hint::new()))
        });
        let mine = get(&row, 3, &hint);
        for other in others {
            assert_eq!(other.join().unwrap(), mine);
        }
        assert_eq!(audit(&row).0, [2, 3]);
    });
}

/// The first segment is taken out and made the last one: whoever asks for the first number is not
/// told that one. Tag Q3.
#[test]
fn the_first_number_is_never_a_later_one() {
    check("first number", 2, || {
        let row = row(2);
        leave(&row, 0);
        let reuser = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                get(&row, 2, &Hint::new());
            }
        });
        let first = row.first_number().expect("there is one");
        assert!(first <= 1, "{first} is not the first while nobody has left 1");
        reuser.join().unwrap();
        assert_eq!(audit(&row).0, [1, 2]);
    });
}

/// A server ends a wait and takes its waker; the owner sees that, and leaves; a third sweeps, and
/// waits in the same memory. Tags Q1, Q3, Q4, Q7.
#[test]
fn a_waker_changes_hands_with_the_place() {
    check("server, owner, newcomer", 2, || {
        let row = row(2);
        wait(&row, 0);
        let server = spawn({
            let row = row.clone();
            move || assert!(end_wait(place(&row, 0), 0, Kind::Granted))
        });
        let newcomer = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                wait(&row, 2);
            }
        });
        {
            let place = row.get(0, &Hint::new()).map(|segment| segment.place(0)).ok().unwrap();
            while !place.state().is_final() {
                yield_now();
            }
            place.leave();
        }
        server.join().unwrap();
        newcomer.join().unwrap();
        get(&row, 3, &Hint::new());
        sweep(&row);
        assert!(end_wait(place(&row, 2), 2, Kind::Closed), "the newcomer waits");
    });
}

/// A wait is cancelled; another thread sweeps; a third waits in the same memory, and the first one
/// finds it there and ends that wait. Tags Q1, Q3, Q4, Q7.
#[test]
fn a_place_has_a_second_wait() {
    check("owner, sweeper, newcomer", 1, || {
        let row = row(2);
        wait(&row, 0);
        let sweeper = spawn({
            let row = row.clone();
            move || sweep(&row)
        });
        let newcomer = spawn({
            let row = row.clone();
            move || wait(&row, 2)
        });
        let first = place(&row, 0);
        assert!(end_wait(first, 0, Kind::Gone));
        first.leave();
        // A swap that comes late fails, whatever the place is by now.
        assert!(!end_wait(first, 0, Kind::Granted));
        end_wait(place(&row, 2), 2, Kind::Granted);
        sweeper.join().unwrap();
        newcomer.join().unwrap();
        end_wait(place(&row, 2), 2, Kind::Granted);
        assert!(place(&row, 2).state().kind() == Kind::Granted);
    });
}

/// Capacity to wait for.
struct Units(AtomicU64);

impl Source for Units {
    fn take(&self, want: u64) -> Option<u64> {
        let mut now = self.0.fetch_or(0, AcqRel);
        while now > 0 {
            let n = now.min(want);
            match self.0.compare_exchange(now, now - n, AcqRel, Acquire) {
                Ok(_) => return Some(n),
                Err(newer) => now = newer,
            }
        }
        Some(0)
    }

    fn is_full(&self) -> bool {
        !self.has_room()
    }

    fn has_room(&self) -> bool {
        self.0.fetch_or(0, AcqRel) > 0
    }

    fn give_back(&self, n: u64, _: &mut FirstPanic) {
        self.0.fetch_add(n, AcqRel);
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn set_waiting(&self) {}
}

struct Queue(WaitQueue, Units);

impl Queue {
    fn new() -> Arc<Self> {
        Arc::new(Self(WaitQueue::new(), Units(AtomicU64::new(0))))
    }

    /// Begins to wait for one unit, while there is none.
    fn begin(&self) -> Option<Key> {
        let (key, status) = self.come();
        assert_eq!(status, WaitStatus::Pending);
        key
    }

    /// Comes for one unit.
    fn come(&self) -> (Option<Key>, WaitStatus) {
        let mut key = None;
        let waiter = Waiter { task: 0, since: 1, want: Want::new(Call::Send, 1) };
        let status = self.0.register(&mut key, waiter, Waker::noop().clone(), &self.1);
        (key, status)
    }

    fn is_granted(&self, key: &mut Option<Key>) -> bool {
        self.is_granted_to(key, Waker::noop())
    }

    fn is_granted_to(&self, key: &mut Option<Key>, waker: &Waker) -> bool {
        // SAFETY: a key of this queue.
        unsafe { self.0.poll(key, || 0, waker, &mut FirstPanic::default()) == WaitStatus::Granted }
    }

    /// Leaves the line, and hands on what was assigned to it.
    fn leave(&self, mut key: Option<Key>) {
        // SAFETY: a key of this queue.
        let n = unsafe { self.0.cancel(key.take().unwrap(), &mut FirstPanic::default()) };
        if n > 0 {
            self.release(n);
        }
    }

    fn release(&self, n: u64) {
        self.1.give_back(n, &mut FirstPanic::default());
        self.0.serve(0, n, &self.1, &mut FirstPanic::default());
    }
}

/// A server ends a wait; its owner sees that at once, and waits twice more, in the same memory in
/// the end. Tags Q1, Q4.
#[test]
fn a_queue_waits_in_a_place_again() {
    check("queue, second wait", 2, || {
        let queue = Queue::new();
        let mut first = queue.begin();
        let server = spawn({
            let queue = queue.clone();
            move || queue.release(1)
        });
        while !queue.is_granted(&mut first) {
            yield_now();
        }
        let waits = [(); 2].map(|()| queue.begin());
        server.join().unwrap();
        waits.into_iter().for_each(|key| queue.leave(key));
    });
}

/// The first in line leaves, and its place is used again, while a server walks along the line: the
/// second is served, the newcomer is not. Tags Q1, Q3, Q4, Q7.
#[test]
fn a_queue_is_served_while_places_are_used_again() {
    check("queue, served", 1, || {
        let queue = Queue::new();
        let [first, mut second] = [(); 2].map(|()| queue.begin());
        let server = spawn({
            let queue = queue.clone();
            move || queue.release(1)
        });
        queue.leave(first);
        sweep(&queue.0.row);
        let mut third = queue.begin();
        server.join().unwrap();
        assert!(queue.is_granted(&mut second), "nobody is before it, and a unit came");
        assert!(!queue.is_granted(&mut third), "there was one unit");
        queue.leave(third);
    });
}

/// Two come at once, and there is a unit for each: nobody waits behind one who is about to find
/// room, for that one may keep it. Tag Q1.
///
/// Seen to fail with: a place that is Empty is taken in `must_wait` for one where somebody waits.
#[test]
fn nobody_waits_behind_one_who_finds_room() {
    check("queue, room for two", 1, || {
        let queue = Queue::new();
        (0..2).for_each(|number| _ = get(&queue.0.row, number, &Hint::new()));
        queue.1.give_back(2, &mut FirstPanic::default());
        let other = spawn({
            let queue = queue.clone();
            move || queue.come().1
        });
        assert_eq!(queue.come().1, WaitStatus::Granted);
        assert_eq!(other.join().unwrap(), WaitStatus::Granted);
    });
}

/// The first in line is served by who looks for it alone, while it is polled with another waker:
/// the waker is taken by one of the two. Tag Q1.
///
/// Seen to fail with: `serve_first` ends a wait that is Updating.
#[test]
fn the_first_is_served_while_its_waker_changes() {
    struct Another;

    impl std::task::Wake for Another {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    check("queue, first", 2, || {
        let queue = Queue::new();
        let mut first = queue.begin();
        let server = spawn({
            let queue = queue.clone();
            move || {
                if !queue.0.serve_first() {
                    queue.release(1);
                }
            }
        });
        let another = Waker::from(std::sync::Arc::new(Another));
        let granted = queue.is_granted_to(&mut first, &another);
        server.join().unwrap();
        assert!(granted || queue.is_granted_to(&mut first, &another));
    });
}
