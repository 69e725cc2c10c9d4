//! Several take out at once, one of them may be stopped anywhere, and the memory is used again.

use super::*;

/// Whoever is stopped, what was over before a sweep began is not in the row after it: each of two
/// finds it so. Both add all waits to the sums once. Tags Q3, Q7, M3.
///
/// Seen to fail with: a sweep only by who finds nobody at it.
#[test]
fn each_of_two_sweeps_takes_out_all() {
    check("two sweeps", 2, || {
        let row = row(3);
        (0..2).for_each(|number| {
            place(&row, number).set_waiter(Waiter {
                task: 0,
                since: 1,
                want: Want::new(Call::Send, 1),
            });
            place(&row, number).set_ended(3);
            leave(&row, number);
        });
        let other = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                assert_eq!(row.first_number(), Some(2));
            }
        });
        sweep(&row);
        assert_eq!(row.first_number(), Some(2));
        other.join().unwrap();
        assert_eq!(audit(&row), (vec![2], 2));
        assert_eq!(row.sweeper.past.sums(), (2, 4));
    });
}

/// Two take out neighbours, one each: a segment is over only when the other sweep has passed it and
/// is at the next one. Nobody leads around a segment that is in the row, or to one that is not. Tag
/// Q3.
///
/// Seen to fail with: a segment that is unlinked and was not frozen.
#[test]
fn neighbours_are_taken_out_by_two() {
    check("neighbours", 2, || {
        let row = row(4);
        leave(&row, 2);
        let other = spawn({
            let row = row.clone();
            move || sweep(&row)
        });
        leave(&row, 1);
        sweep(&row);
        other.join().unwrap();
        assert_eq!(audit(&row), (vec![0, 3], 2));
    });
}

/// One freezes a segment, another one unlinks it and waits in its memory: it has it alone. Tags Q3,
/// Q4, Q7.
///
/// Seen to fail with: Relaxed for the swap that freezes.
#[test]
fn who_unlinks_knows_what_was_seen_by_who_froze() {
    check("freeze", 1, || {
        let row = row(2);
        wait(&row, 0);
        let freezer = spawn({
            let row = row.clone();
            move || sweep(&row)
        });
        let newcomer = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                wait(&row, 2);
                assert!(end_wait(place(&row, 2), 2, Kind::Closed));
            }
        });
        let place = place(&row, 0);
        assert!(end_wait(place, 0, Kind::Granted));
        place.leave();
        freezer.join().unwrap();
        newcomer.join().unwrap();
    });
}

/// One makes two segments of new memory, and takes out the one before the last: another sweep
/// begins there, and knows of it from nowhere else. Tag Q3.
///
/// Seen to fail with: Relaxed for the load of the first link in `pass`.
#[test]
fn a_sweep_begins_at_new_memory() {
    check("new first of a sweep", 1, || {
        let row = row(1);
        leave(&row, 0);
        let other = spawn({
            let row = row.clone();
            move || {
                get(&row, 1, &Hint::new());
                sweep(&row);
            }
        });
        sweep(&row);
        other.join().unwrap();
        assert_eq!(audit(&row).0, [1]);
    });
}

/// One is at a segment that a stopped thread has unlinked and not put back. Another one takes out
/// the segment behind it: the link under its feet is frozen and leads to none that is in the row.
/// It finds the way to those who wait. Tag Q3.
///
/// Seen to fail with: no way back to the first segment from a frozen link (it never ends).
#[test]
fn who_stands_on_a_frozen_segment_finds_the_way() {
    check("frozen way", 1, || {
        let row = row(3);
        let hint = Hint::new();
        get(&row, 0, &hint);
        (0..2).for_each(|number| leave(&row, number));
        let first = row.first.load();
        let next = row.pool.at(first.id()).next.load();
        assert!(row.pool.at(first.id()).next.swap(next, next.frozen()));
        assert!(row.first.swap(first, next));
        let other = spawn({
            let row = row.clone();
            move || sweep(&row)
        });
        get(&row, 2, &hint);
        other.join().unwrap();
        assert_eq!(audit(&row), (vec![2], 1));
    });
}

/// Appending and taking out meet at the last segment: it is over, and it stays until another one
/// follows. Tag Q3.
///
/// Seen to fail with: an end that may be frozen.
#[test]
fn the_last_one_stays_until_another_follows() {
    check("last", 3, || {
        let row = row(1);
        leave(&row, 0);
        let other = spawn({
            let row = row.clone();
            move || sweep(&row)
        });
        get(&row, 1, &Hint::new());
        other.join().unwrap();
        sweep(&row);
        assert_eq!(audit(&row), (vec![1], 1));
    });
}

/// One looks at the top of the spare segments; another one takes two and puts the first back: what
/// was below it is not spare any more. Tag Q7.
///
/// Seen to fail with: a top that does not count.
#[test]
fn a_spare_segment_is_taken_once() {
    check("spare", 2, || {
        let row = row(0);
        let made = [7, 8, 9].map(|number| row.pool.make(number));
        made.into_iter().for_each(|segment| row.pool.put(segment));
        let other = spawn({
            let row = row.clone();
            move || {
                let first = row.pool.take();
                let second = row.pool.take().map(|segment| segment.id);
                first.map(|first| row.pool.put(first));
                second
            }
        });
        let mine = [(); 2].map(|()| row.pool.take().map(|segment| segment.id));
        let theirs = other.join().unwrap();
        let taken: Vec<_> = mine.into_iter().flatten().chain(theirs).collect();
        let spare = row.pool.spare_ids();
        assert!(spare.iter().all(|id| !taken.contains(id)), "{spare:?} and {taken:?}");
        assert_eq!(taken.len() + spare.len(), 3);
        assert_ne!(Some(taken[0]), taken.get(1).copied());
    });
}

/// Two make three segments each: each finds all of its own by their ids. Tag Q7.
///
/// Seen to fail with: Relaxed for the swap of an entry, for its failure, or for the load of `made`.
#[test]
fn two_make_segments() {
    check("make", 2, || {
        let row = row(0);
        let make = |row: &Row| {
            [7, 8].map(|number| {
                let made = row.pool.make(number);
                assert!(core::ptr::eq(row.pool.at(made.id), made));
                made.id
            })
        };
        let other = spawn({
            let row = row.clone();
            move || make(&row)
        });
        let mut ids = make(&row).to_vec();
        ids.extend(other.join().unwrap());
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3]);
    });
}

/// One sender waits, leaves and waits again: it is never seen twice. Tags W1, Q1, M4.
///
/// Seen to fail with: a walk that goes on to those who came since, as it did.
#[test]
fn one_sender_is_shown_once() {
    check("shown once", 1, || {
        let queue = Queue::new();
        let first = queue.begin();
        let sender = spawn({
            let queue = queue.clone();
            move || {
                queue.leave(first);
                queue.begin()
            }
        });
        let (totals, waiting, _) = queue.0.visit();
        assert!(waiting.len() <= 1, "{} of one", waiting.len());
        assert_eq!(totals.waiting + totals.granted, waiting.len() as u64);
        queue.leave(sender.join().unwrap());
    });
}

/// Likewise one that is granted what it waits for, sees that, and waits again. Tags W1, Q1, M4.
///
/// Seen to fail with: a walk that goes on to those who came since, as it did; no look whether
/// who was granted has left.
#[test]
fn one_sender_is_shown_once_when_granted() {
    check("granted once", 1, || {
        let queue = Queue::new();
        let mut first = queue.begin();
        queue.release(1);
        let sender = spawn({
            let queue = queue.clone();
            move || {
                assert!(queue.is_granted(&mut first));
                queue.begin()
            }
        });
        let waiting = queue.0.visit().1;
        assert!(waiting.len() <= 1, "{} of one", waiting.len());
        queue.leave(sender.join().unwrap());
    });
}
