//! What the memory of a segment owes to whom when it is used again, or for the first time.

use super::*;
use crate::telemetry::clock;

/// A segment that is in the row.
fn segment(row: &Row, number: u64) -> &Segment {
    let Ok(segment) = row.get(number, &Hint::new()) else { panic!("{number} is not over") };
    segment
}

fn waiter(n: u64) -> Waiter {
    Waiter { task: n, since: n, want: Want::new(Call::Send, n) }
}

fn set_up(place: &Place, n: u64) {
    place.set_waiter(waiter(n));
    place.set_ended(n);
}

/// One makes a segment of new memory, and it becomes the first: another one, who begins there,
/// knows of it from nowhere else. Tag Q3.
///
/// Seen to fail with: the link stored with Relaxed in `sweep`.
#[test]
fn the_first_is_new_memory() {
    check("new first", 1, || {
        let row = row(1);
        leave(&row, 0);
        let other = spawn({
            let row = row.clone();
            move || {
                get(&row, 1, &Hint::new());
                sweep(&row);
            }
        });
        assert!(row.first_number().is_some_and(|first| first <= 1));
        other.join().unwrap();
        assert_eq!(row.first_number(), Some(1));
    });
}

/// One makes two segments and puts them back: another one, who looks for memory, knows of them from
/// nowhere else. Tag Q7.
///
/// Seen to fail with: Relaxed for the top of the spare ones, on either side.
#[test]
fn who_takes_memory_knows_it_from_the_top() {
    check("top", 2, || {
        let row = row(0);
        let other = spawn({
            let row = row.clone();
            move || {
                let made = [8, 9].map(|number| row.pool.make(number));
                made.into_iter().for_each(|segment| row.pool.put(segment));
                row.pool.take().is_some()
            }
        });
        let mine = [(); 2].map(|()| row.pool.take().map(|segment| segment.id));
        assert!(mine[0].is_none() || mine[0] != mine[1]);
        other.join().unwrap();
    });
}

/// The first segment is made the last one, and is found by who was there in its first life. Tag Q3.
///
/// Seen to fail with: Relaxed for the number in `fresh`.
#[test]
fn an_old_hint_finds_the_next_life() {
    check("next life", 1, || {
        let row = row(2);
        let hint = Hint::new();
        get(&row, 0, &hint);
        leave(&row, 0);
        let reuser = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                get(&row, 2, &Hint::new())
            }
        });
        let mine = get(&row, 2, &hint);
        assert_eq!(reuser.join().unwrap(), mine);
    });
}

/// One ends a wait, takes the waker and sweeps; another one takes the memory and cannot use it; a
/// third waits there. Tag Q3.
///
/// Seen to fail with: Relaxed in `Pool::put`, or for the swap in `Pool::take`.
#[test]
fn a_waker_was_taken_two_lives_ago() {
    check("two lives", 1, || {
        let row = row(2);
        wait(&row, 0);
        let late = spawn({
            let row = row.clone();
            move || row.append(&row.first, Link::end(0), 0)
        });
        let newcomer = spawn({
            let row = row.clone();
            move || wait(&row, 2)
        });
        let place = place(&row, 0);
        assert!(end_wait(place, 0, Kind::Granted));
        place.leave();
        sweep(&row);
        late.join().unwrap();
        newcomer.join().unwrap();
        assert!(end_wait(super::place(&row, 2), 2, Kind::Closed), "the newcomer waits");
    });
}

/// A thread that is late for segment 1 would make it of the memory in which another one stands
/// since its first life. Tag Q3.
///
/// Seen to fail with: no second look at the link in `fresh`.
#[test]
fn a_number_is_not_given_twice() {
    check("late", 1, || {
        let row = row(4);
        let [zero, one] = [0, 1].map(|number| core::ptr::from_ref(segment(&row, number)));
        // SAFETY: of this row, which lives longer.
        let (zero, one): (&'static Segment, &'static Segment) = unsafe { (&*zero, &*one) };
        let three = get(&row, 3, &Hint::new());
        (0..2).for_each(|number| leave(&row, number));
        sweep(&row);
        let late = spawn({
            let row = row.clone();
            move || row.append(&zero.next, Link::end(0), 1)
        });
        match row.seek_from(one, 1, 3, &Hint::new(), true) {
            None => {}
            Some(Found::Segment(found)) => assert_eq!(core::ptr::from_ref(found).addr(), three),
            Some(_) => panic!("3 is in the row"),
        }
        late.join().unwrap();
        assert_eq!(audit(&row), (vec![2, 3], 2));
    });
}

/// Looks at a place that was set up and left, while another thread takes its memory and uses it
/// `again`.
fn beside_its_next_life(name: &str, again: fn(&Row), look: fn(&Place)) {
    check(name, 1, move || {
        let row = row(2);
        set_up(place(&row, 0), 1);
        leave(&row, 0);
        let place = core::ptr::from_ref(place(&row, 0));
        let newcomer = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                again(&row);
            }
        });
        // SAFETY: of this row.
        look(unsafe { &*place });
        newcomer.join().unwrap();
    });
}

/// A place is shown while it is used again: nothing of the second wait with the word of the first
/// one. Tags M4, M5.
///
/// Seen to fail with: Relaxed for any store or load of the waiter or the end.
#[test]
fn a_place_is_shown_with_its_own_waiter() {
    let again = |row: &Row| {
        if let Ok(segment) = row.get(2, &Hint::new()) {
            set_up(segment.place(2), 2);
        }
    };
    beside_its_next_life("census", again, |place| {
        let (waiter, ended) = (place.waiter(), place.ended());
        let Waiter { since, want, .. } = waiter;
        if place.state().is_of(0) {
            assert_eq!([since, want.need(), ended], [1; 3]);
            assert!(waiter.has_left(), "it was left before");
        }
    });
}

/// Likewise for a server, which looks at the need alone. Tag M4.
///
/// Seen to fail with: Relaxed for the load in `need`.
#[test]
fn a_need_is_that_of_the_place() {
    let again = |row: &Row| {
        _ = row.pool.take().map(|segment| segment.place(2).renew(2));
    };
    beside_its_next_life("need", again, |place| {
        let need = place.need();
        assert!(need == 1 || !place.state().is_of(0), "a need of {need}");
    });
}

/// An owner notes its task, finds that its wait has ended, and leaves; another one uses the place
/// again: the task is not noted there. Tag Q4.
///
/// Seen to fail with: `is_over` that does not ask whether the owner has left.
#[test]
fn a_task_is_noted_before_the_place_is_left() {
    check("last task", 1, || {
        let row = row(2);
        wait(&row, 0);
        assert!(end_wait(place(&row, 0), 0, Kind::Granted));
        let newcomer = spawn({
            let row = row.clone();
            move || {
                sweep(&row);
                let Some(segment) = row.pool.take() else { return };
                let place = segment.place(2);
                place.renew(2);
                assert_eq!(place.waiter().task, 0);
            }
        });
        let place = place(&row, 0);
        place.set_task(1);
        place.leave();
        newcomer.join().unwrap();
    });
}

/// One comes, has to come again, since its place was passed, and finds room: that is no wait, for
/// who counts meanwhile. Tags M4, M5.
///
/// Seen to fail with: `for_each` that reads the waiter before the end.
#[test]
fn a_place_that_was_passed_is_counted_as_no_wait() {
    check("passed", 2, || {
        let queue = Queue::new();
        let [comer, server] = [(), ()].map(|()| queue.clone());
        let comer = spawn(move || comer.come());
        let server = spawn(move || server.release(1));
        let (totals, ..) = queue.0.visit();
        server.join().unwrap();
        let (key, status) = comer.join().unwrap();
        if status == WaitStatus::Pending {
            return queue.leave(key);
        }
        assert_eq!(totals.sums.waits, 0, "it has not waited");
    });
}

/// A segment is taken out while all waits are counted: none is counted in the row and in the past,
/// and no long one as a short one. Tag M3.
///
/// Seen to fail with: Relaxed for the sums, on either side.
#[test]
fn no_wait_is_counted_twice() {
    check("past", 1, || {
        let queue = Queue::new();
        let [first, second] = [(); 2].map(|()| queue.begin());
        queue.leave(first);
        // It took longer than all others.
        const LONG: u64 = 1 << 60;
        segment(&queue.0.row, 0).place(0).set_ended(LONG);
        let sweeper = spawn({
            let queue = queue.clone();
            move || sweep(&queue.0.row)
        });
        let (totals, _, ended) = queue.0.visit();
        assert!(totals.sums.waits <= 2, "{} of 2 waits", totals.sums.waits);
        let short = ended.buckets().next().map(|(_, n)| n);
        assert!(short == Some(0) && ended.count() <= 1, "one has ended, a long one: {ended:?}");
        assert!(
            totals.sums.waited_ns < LONG + clock::exact(),
            "{} ns waited",
            totals.sums.waited_ns
        );
        sweeper.join().unwrap();
        queue.leave(second);
    });
}

/// A segment is taken out, meant for 2 and put aside, and in the row again, where it stood: as the
/// first one, and behind the first one. Its number while it was aside is nowhere in the row.
fn stands_again(row: &Row, from: u64) {
    let (last, next) = (from + 1, from + 2);
    leave(row, from);
    sweep(row);
    let late = row.fresh(&segment(row, last).next, Link::end(last), next).unwrap();
    get(row, next, &Hint::new());
    row.pool.put(late);
    get(row, next + 1, &Hint::new());
    [last, next].into_iter().for_each(|number| leave(row, number));
    sweep(row);
    assert_eq!(get(row, next + 1, &Hint::new()), core::ptr::from_ref(late).addr());
}

/// Tag Q3.
///
/// Seen to fail with: no look at the number behind the second look at the first one; Relaxed for
/// that.
#[test]
fn the_first_is_the_first_again() {
    check("first again", 1, || {
        let row = row(2);
        let other = spawn({
            let row = row.clone();
            move || {
                let first = row.first().map(|(first, number)| (core::ptr::from_ref(first), number));
                first.map(|(first, number)| (first.addr(), number))
            }
        });
        let zero = core::ptr::from_ref(segment(&row, 0)).addr();
        stands_again(&row, 0);
        let (first, number) = other.join().unwrap().expect("there is one");
        assert_eq!(first == zero, [0, 3].contains(&number), "{number}");
    });
}

/// Tag Q3.
///
/// Seen to fail with: no look at the number behind the second look at the link.
#[test]
fn a_link_leads_there_again() {
    check("link again", 1, || {
        let row = row(3);
        let zero = core::ptr::from_ref(segment(&row, 0));
        let other = spawn({
            let row = row.clone();
            move || {
                // SAFETY: of this row.
                match row.seek_from(unsafe { &*zero }, 0, 3, &Hint::new(), false) {
                    Some(Found::Segment(found)) => Some(core::ptr::from_ref(found).addr()),
                    _ => None,
                }
            }
        });
        let one = core::ptr::from_ref(segment(&row, 1)).addr();
        stands_again(&row, 1);
        assert_ne!(other.join().unwrap(), Some(one), "3 was elsewhere");
    });
}

/// Who leaves moves the front: what lies before it is final for whoever reads it. Tag Q8.
///
/// Seen to fail with: Relaxed in `advance`, and in `front`.
#[test]
fn what_is_before_the_front_is_final() {
    check("front", 1, || {
        let queue = Queue::new();
        let first = queue.begin();
        let place = core::ptr::from_ref(place(&queue.0.row, 0));
        let other = spawn({
            let queue = queue.clone();
            move || queue.leave(first)
        });
        // SAFETY: of this row.
        if queue.0.line.front() == 1 {
            assert!(unsafe { &*place }.state().is_final());
        }
        other.join().unwrap();
    });
}
