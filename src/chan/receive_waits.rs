//! The receive that waits, the waker that lies in the channel, and the sums of receives that
//! waited.
//!
//! The receiver writes these words, but for three: who ends its park, and so has its cell
//! (`wait::rx_waker`), counts the wait if it was `long`, stores `ended_at`, and clears `waker` as
//! it takes that out. The receiver writes these three only while it has the cell itself. So each
//! word has one writer at a time, and its stores are plain ones. What a wait adds to the other sums
//! the receiver adds, the next time that it comes to wait; until then a look does.
//!
//! | a wait | `since` | `given_up_at` | `ended_at` | park | `waker` |
//! |---|---|---|---|---|---|
//! | is about to begin, or is polled again and parks anew | *t* | 0 | 0 | no | 0, or whose it is |
//! | lasts | *t* | 0 | 0 | stands | whose it is |
//! | was given up: its future was dropped | *t* | *g* | 0 | stands | whose it is: it is left behind |
//! | was ended | *t* | 0, or *g* | *e* | no | 0, or about to be |
//! | has ended, and is in the sums | 0 | | | no | 0 |
//!
//! A park is ended by who brings a message, gives the last permit back or closes; or by the
//! receiver, that takes it back. That is exactly one.
//!
//! A wait that is polled again, by the same task with the same waker, for the same call, goes on:
//! it has the same number and the same beginning. One that was given up does not: it has ended, and
//! where the same waker comes for the same call, another begins in the park that stands. That is a
//! loop around `select!`, of which another branch was ready.
//!
//! # What a look may rely on
//!
//! `id` is the number of the last attempt to wait. An attempt stores `given_up_at`, `ended_at`,
//! `since`, `id`, `want` and `waker`, in this order, and parks. Before that, `since` was 0: the
//! wait before has ended. If the park fails, it was no wait: it clears `waker`, gives its number
//! back, and then clears `since`. A wait that begins in a park that stands stores `id`, `since` and
//! `given_up_at`, in this order. A look loads `id`, `since` and `ended_at`, all the rest, and then
//! `waker`, `since` and `id` again, by Acquire loads. If these three are the same and `since` is
//! not 0, what it read is of that attempt and of no wait but that; only that it may take one that
//! begins in a park that stands for one that was given up. (Where `since` is 0, an attempt that
//! fails may have begun and ended meanwhile.)
//!
//! * Where it finds the park standing, and then reads `want` and `waker`, they are those of the
//!   wait.
//! * `waker` is stored after the waker was put into the cell, and cleared before it is taken out.
//!   So where it is not 0, one clone of that waker was in the cell at the moment of the load: a
//!   look claims no clone that is not there. In between it claims one too few.
//! * If `given_up_at` says that the wait was given up, and all of it is the same before and after,
//!   its waker was left behind. So one clone is told as that of the wait or as one left behind, and
//!   never as both.
//! * `since` is changed, or `id`, before the wait is added to `waited_ns`. So a wait that is the
//!   same after `waited_ns` was read is not in there. A look may miss a wait that is added just
//!   then, and never counts one twice. What it misses is made up for by the largest sums that were
//!   reported before: none falls.
//! * Where `since` is 0, `id` counts waits alone.
//! * A wait that was long is added to `long` before `ended_at` is stored, or `since` cleared. A
//!   look loads these first: so a wait that it takes to have ended is in `long` after that, if it
//!   was long. (Its bucket goes by the `given_up_at` that who ended it saw, its time by the last
//!   one.)
//! * Who ends a park reads `given_up_at`, and then `since`. A wait that begins in that park stores
//!   them the other way round. So the time between two waits is never taken for a long one.
//!
//! Of the time that follows, a look says nothing: the waker may be taken, and dropped, before the
//! caller has counted its clones. But of two looks with the clones counted in between, which see
//! the same wait, or the same waker left and a task that was not polled meanwhile, the cell held
//! that clone all the time.

use crate::ring::Occupancy;
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::step;
use crate::telemetry::clock;
use crate::telemetry::waits::{LONG, LongWaits, Reported, SHORT_NS, WaitHistogram, at_least};
use crate::wait::{Call, WaitSums, Want};

/// See the module.
#[derive(Default)]
pub(super) struct ReceiveWaits {
    id: AtomicU64,
    since: AtomicU64,
    given_up_at: AtomicU64,
    /// When somebody else ended its park; 0: nobody did.
    ended_at: AtomicU64,
    want: AtomicU64,
    /// Whose waker lies in the receiver's cell, of `telemetry::task::waiter`; 0: that of nobody.
    waker: AtomicU64,
    /// Time waited in all waits that are in the sums.
    waited_ns: AtomicU64,
    given_up: AtomicU64,
    /// Those of the waits that have ended that were long.
    long: [AtomicU64; LONG],
    reported: Reported,
}

/// A receive that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveWait {
    /// Its number, from 1.
    pub(crate) id: u64,
    /// Who waits, by which waker.
    pub(crate) task: u64,
    pub(crate) since: u64,
    pub(crate) want: Want,
}

/// What [`ReceiveWaits::look`] saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveView {
    pub(crate) occupancy: Occupancy,
    pub(crate) sums: WaitSums,
    /// Of the waits that have ended.
    pub(crate) histogram: WaitHistogram,
    pub(crate) wait: Option<ReceiveWait>,
    /// Whose waker a receive has left in the channel; 0: none was left.
    pub(crate) left: u64,
}

/// Stores a word that one thread at a time writes.
#[inline(always)]
fn set(word: &AtomicU64, value: u64) {
    // ORDERING(M8): Release. Pairs with M8 in `get`: who reads this sees what was stored before.
    word.store(value, Ordering::Release);
}

/// Loads a word that somebody else may be storing.
fn get(word: &AtomicU64) -> u64 {
    // ORDERING(M8): Acquire. Pairs with M8 in `set`.
    word.load(Ordering::Acquire)
}

/// Loads a word that the caller may write, or that was written before what it has seen.
#[inline(always)]
fn get_own(word: &AtomicU64) -> u64 {
    // ORDERING(M8): Relaxed. By K1 and K2 of `ring` the word of who had it before is visible, or by
    // an Acquire load of another word before this. Where somebody else may be storing, either value
    // will do.
    word.load(Ordering::Relaxed)
}

/// How long a wait has lasted that was ended, or given up before.
fn lasted(since: u64, given_up_at: u64, ended_at: u64) -> u64 {
    let end = if given_up_at == 0 { ended_at } else { given_up_at };
    end.saturating_sub(since)
}

impl ReceiveWaits {
    /// What a receive waits for.
    pub(super) const RECV: Want = Want::new(Call::Recv, 1);

    // ---------------------------------------------------------------- the receiver's

    /// Whether the last wait was `waiter`'s, for the same call, and its waker lies there still.
    fn is_of(&self, waiter: u64, want: Want) -> bool {
        get_own(&self.waker) == waiter && get_own(&self.want) == want.word()
    }

    /// Whether the wait whose park the receiver has just taken back goes on.
    pub(super) fn goes_on(&self, waiter: u64, want: Want) -> bool {
        self.is_of(waiter, want) && get_own(&self.given_up_at) == 0
    }

    /// The same while the park stands: with the waker that lies there, `waiter` waits again. False:
    /// not so, or what was given up was long: the receiver is to take its park back.
    pub(super) fn go_on_parked(&self, waiter: u64, want: Want) -> bool {
        if !self.is_of(waiter, want) {
            return false;
        }
        let given_up_at = get_own(&self.given_up_at);
        if given_up_at == 0 {
            return true;
        }
        let waited = given_up_at.saturating_sub(get_own(&self.since));
        if waited > SHORT_NS {
            return false;
        }
        set(&self.id, get_own(&self.id) + 1);
        set(&self.since, clock::now());
        set(&self.waited_ns, get_own(&self.waited_ns) + waited);
        set(&self.given_up_at, 0);
        true
    }

    /// The receiver, which has its cell, is about to park.
    #[inline(always)]
    pub(super) fn begins(&self, want: Want) {
        self.add_up();
        set(&self.given_up_at, 0);
        set(&self.ended_at, 0);
        set(&self.since, clock::now());
        set(&self.id, get_own(&self.id) + 1);
        set(&self.want, want.word());
    }

    /// It did not park after all: that was no wait.
    pub(super) fn never_began(&self) {
        set(&self.id, get_own(&self.id) - 1);
        set(&self.since, 0);
    }

    /// Puts the last wait into the sums, if it is not there yet. It has ended, and the receiver has
    /// its cell.
    #[inline(always)]
    pub(super) fn add_up(&self) {
        let since = get_own(&self.since);
        if since == 0 {
            return;
        }
        let waited = match get_own(&self.ended_at) {
            // The receiver has taken its park back.
            0 => self.ends(clock::now),
            ended_at => lasted(since, get_own(&self.given_up_at), ended_at),
        };
        set(&self.since, 0);
        set(&self.waited_ns, get_own(&self.waited_ns) + waited);
    }

    /// The future that waited was dropped. The park may stand.
    #[inline(never)]
    pub(super) fn note_given_up(&self) {
        // If the park has just been ended, this comes too late, and costs nothing: the next wait
        // clears it.
        let lasts = get_own(&self.since) != 0 && get_own(&self.ended_at) == 0;
        if lasts && get_own(&self.given_up_at) == 0 {
            set(&self.given_up_at, clock::now());
            set(&self.given_up, get_own(&self.given_up) + 1);
        }
    }

    /// The waker in the cell is about to be taken out, by who has the cell.
    #[inline(always)]
    pub(super) fn waker_goes(&self) {
        set(&self.waker, 0);
    }

    /// A waker of `waiter` was put into the cell.
    #[inline(always)]
    pub(super) fn waker_lies(&self, waiter: u64) {
        set(&self.waker, waiter);
    }

    // ---------------------------------------------------------------- who ends a park

    /// The wait ends. The caller has ended its park, and has not given the cell back.
    #[inline(always)]
    pub(super) fn note_end(&self) {
        let now = clock::now();
        self.ends(|| now);
        step("wait: over");
        set(&self.ended_at, now);
    }

    /// The wait ends, now or when it was given up. How long it lasted; if that was long, it is
    /// counted.
    #[inline(always)]
    fn ends(&self, now: impl FnOnce() -> u64) -> u64 {
        let given_up_at = get(&self.given_up_at);
        let end = if given_up_at == 0 { now() } else { given_up_at };
        let waited = end.saturating_sub(get_own(&self.since));
        if waited > SHORT_NS {
            self.was_long(waited);
        }
        waited
    }

    /// Apart: most waits are short.
    #[cold]
    #[inline(never)]
    fn was_long(&self, waited_ns: u64) {
        let bucket = &self.long[LongWaits::bucket(waited_ns)];
        set(bucket, get_own(bucket) + 1);
    }

    // ---------------------------------------------------------------- a look

    /// Looks at it all, and at the ring in the middle.
    pub(super) fn look(&self, occupancy: impl Fn() -> Occupancy) -> ReceiveView {
        let mut tries = 4;
        loop {
            let (id, since, ended_at) = (get(&self.id), get(&self.since), get(&self.ended_at));
            step("stats: wait read");
            let waited_ns = get(&self.waited_ns);
            let long = self.long();
            let occupancy = occupancy();
            let (waiter, want) = (get(&self.waker), Want::from_word(get(&self.want)));
            step("stats: waker read");
            let given_up_at = get(&self.given_up_at);
            let given_up = get(&self.given_up);
            let same_waker = get(&self.waker) == waiter;
            step("stats: waker read again");
            let is_one = same_waker && get(&self.since) == since && get(&self.id) == id;
            tries -= 1;
            if !is_one && tries > 0 {
                continue;
            }
            let is_wait = is_one && since != 0;
            // It has ended, and is in no sum yet but `long`.
            let ended = is_wait && ended_at != 0;
            let stands = is_wait && !ended && occupancy.tail.is_parked();
            let lasts = stands && given_up_at == 0 && waiter != 0;
            let waited_ns =
                waited_ns + if ended { lasted(since, given_up_at, ended_at) } else { 0 };
            // The last attempt may have been the one that failed: too few have ended, or as many.
            let has_ended = ended || is_one && since == 0;
            let over = id.saturating_sub(u64::from(!has_ended));
            let short = over.saturating_sub(long.total());
            let short = at_least(&self.reported.short, short);
            let ended_ns = at_least(&self.reported.ended_ns, waited_ns);
            let histogram = WaitHistogram::new(short, long, ended_ns);
            // An attempt without a park may fail, or is being ended.
            let may_fail = !is_one || is_wait && !stands && !ended;
            let mut sums =
                WaitSums { waits: id.saturating_sub(u64::from(may_fail)), waited_ns, given_up };
            if stands {
                sums.waited_ns += lasted(since, given_up_at, clock::exact());
            }
            return ReceiveView {
                occupancy,
                sums: self.at_least_reported(sums),
                histogram,
                wait: lasts.then_some(ReceiveWait { id, task: waiter, since, want }),
                left: if is_wait && given_up_at != 0 { waiter } else { 0 },
            };
        }
    }

    /// The long ones of the waits that have ended. All are among them that had ended before.
    pub(super) fn long(&self) -> LongWaits {
        LongWaits(core::array::from_fn(|bucket| get(&self.long[bucket])))
    }

    fn at_least_reported(&self, now: WaitSums) -> WaitSums {
        WaitSums {
            waits: at_least(&self.reported.waits, now.waits),
            waited_ns: at_least(&self.reported.waited_ns, now.waited_ns),
            ..now
        }
    }

    /// The sums when nobody is there any more: all waits have ended.
    #[inline]
    pub(super) fn final_sums(&mut self) -> WaitSums {
        // Nobody has ever waited: the end of many channels.
        if get_own(&self.id) == 0 {
            return WaitSums::default();
        }
        self.add_up();
        WaitSums {
            waits: get_own(&self.id).max(get_own(&self.reported.waits)),
            waited_ns: get_own(&self.waited_ns).max(get_own(&self.reported.waited_ns)),
            given_up: get_own(&self.given_up),
        }
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::cell::Cell;
    use core::panic::Location;
    use core::task::{Context, Poll, Waker};
    use core::time::Duration;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::task::Wake;

    use super::super::stats::View;
    use super::super::{Chan, ChannelOptions, Consumer, Forced, Shape};
    use super::ReceiveWaits;
    use crate::ring::Any;
    use crate::sync::acting::{Armed, at};
    use crate::telemetry::clock::Anchor;
    use crate::telemetry::clock::stopped::advance;
    use crate::telemetry::task::TaskRef;
    use crate::telemetry::text::Texts;
    use crate::unwind::OwesNothing;

    struct CountedWaker;

    impl Wake for CountedWaker {
        fn wake(self: Arc<Self>) {}
    }

    /// A waker, and how many clones of it live beside the one that is returned.
    fn waker() -> (Waker, impl Fn() -> usize) {
        let counts = Arc::new(CountedWaker);
        (counts.clone().into(), move || Arc::strong_count(&counts) - 2)
    }

    fn channel() -> (Chan<u8>, Consumer<u8>) {
        Chan::create(ChannelOptions {
            name: None,
            shape: Shape { capacity: Some(2), forced: Forced::default() },
            location: Location::caller(),
            trace_senders: false,
            on_drop: None,
        })
    }

    fn send(chan: &Chan<u8>) {
        assert!(chan.try_send::<OwesNothing>(7).is_ok());
    }

    fn view(chan: &Chan<u8>) -> View {
        chan.shared().view(Anchor::now(), &mut Texts::default())
    }

    fn is_of(word: u64, waker: &Waker) -> bool {
        TaskRef::from_word(word).is_some_and(|task| task.number() == waker.data().addr() as u64)
    }

    /// A message comes while the receiver parks: the park fails, nobody has waited, and no waker is
    /// left, by which it would look as if somebody could wake the task.
    ///
    /// Seen to fail with: an attempt that is counted; a waker that stays in the cell.
    #[test]
    fn a_park_that_failed_is_no_wait_and_leaves_no_waker() {
        let (chan, mut consumer) = channel();
        let (waker, clones) = waker();
        let sender = chan.clone();
        let armed = at("park: lent", move || {
            assert_eq!(view(&sender).stats.recv_waits_total, 0, "it may fail");
            send(&sender);
        });
        let got = consumer.poll_recv::<Any>(&mut Context::from_waker(&waker));
        armed.acted();
        assert_eq!(got, Poll::Ready(Some(7)));
        let now = view(&chan);
        assert_eq!((now.stats.recv_waits_total, now.recv_wait.is_some()), (0, false));
        assert_eq!((now.left_waker, clones()), (0, 0));
    }

    /// An attempt that begins and fails while a look goes on leaves nothing behind.
    ///
    /// Seen to fail with: a look that takes a waker for left where there is no wait.
    #[test]
    fn the_waker_of_an_attempt_that_fails_during_a_look_is_not_left() {
        let (chan, _consumer) = channel();
        let begun = chan.clone();
        let begins = at("stats: wait read", move || {
            begun.shared().receive_waits.begins(ReceiveWaits::RECV);
            begun.shared().receive_waits.waker_lies(7);
            let failed = begun.clone();
            at("stats: waker read again", move || {
                failed.shared().receive_waits.waker_goes();
                failed.shared().receive_waits.never_began();
            });
        });
        let now = view(&chan);
        begins.acted();
        assert_eq!((now.left_waker, now.recv_wait.is_some()), (0, false));
    }

    /// Whoever finds the end does not wait: it clones no waker, and leaves none behind.
    ///
    /// Seen to fail with: a receive that parks to find the end.
    #[test]
    fn a_receive_that_finds_the_end_leaves_no_waker() {
        let (chan, mut consumer) = channel();
        let (waker, clones) = waker();
        send(&chan);
        chan.drop_sender();
        let cx = &mut Context::from_waker(&waker);
        assert_eq!(consumer.poll_recv::<Any>(cx), Poll::Ready(Some(7)));
        assert_eq!(consumer.poll_recv::<Any>(cx), Poll::Ready(None));
        let now = view(&chan);
        assert_eq!((now.left_waker, now.stats.recv_waits_total, clones()), (0, 0, 0));
    }

    /// A wait that is polled again with another waker ends when its park fails: it is counted once,
    /// and was not given up.
    ///
    /// Seen to fail with: a park that fails and never is a wait.
    #[test]
    fn a_wait_that_is_polled_as_a_message_comes_is_counted_once() {
        let (chan, mut consumer) = channel();
        let sender = chan.clone();
        let mut armed = None;
        let (waker, _) = waker();
        let receive = std::future::poll_fn(|cx| {
            let ready = consumer.poll_recv::<Any>(cx);
            let sender = sender.clone();
            match armed.take() {
                None => armed = Some(at("park: lent", move || send(&sender))),
                Some(armed) => Armed::acted(armed),
            }
            ready
        });
        // A named task has a waker of its own for each that it is polled with.
        let mut task = Box::pin(crate::task::named("polled", receive));
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let cx = &mut Context::from_waker(&waker);
        assert!(task.as_mut().poll(cx).is_ready());
        drop(task);
        let now = view(&chan).stats;
        assert_eq!((now.recv_waits_total, now.recv_given_up_total, now.recv_waiters), (1, 0, 0));
        assert!(consumer.poll_recv::<Any>(cx).is_pending());
        assert_eq!(view(&chan).stats.recv_waits_total, 2);
    }

    /// A wait that is polled again with its waker goes on in its park: nothing is cloned, and the
    /// next message wakes it. Another waker takes its place.
    ///
    /// Seen to fail with: a second poll that parks anew; one that goes on with another's waker.
    #[test]
    #[cfg_attr(miri, ignore = "Miri gives one vtable several addresses: the poll parks anew")]
    fn a_wait_that_is_polled_again_with_its_waker_goes_on_in_its_park() {
        let (chan, mut consumer) = channel();
        let [(first, clones), (second, others)] = [waker(), waker()];
        let cx = &mut Context::from_waker(&first);
        assert!(consumer.poll_recv::<Any>(cx).is_pending());
        let begun = view(&chan).recv_wait.expect("it waits");
        let parks = Rc::new(Cell::new(0));
        let parked = parks.clone();
        let armed = at("park: lent", move || parked.set(1));
        assert!(consumer.poll_recv::<Any>(cx).is_pending());
        assert_eq!(parks.get(), 0);
        let wait = view(&chan).recv_wait.expect("it waits");
        assert_eq!((wait.id, wait.since, clones()), (begun.id, begun.since, 1));
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&second)).is_pending());
        armed.acted();
        assert_eq!((clones(), others()), (0, 1));
        assert!(is_of(view(&chan).recv_wait.expect("it waits").task, &second));
        send(&chan);
        assert_eq!((clones(), others()), (0, 0));
    }

    /// A loop around `select!`: each receive is a wait of its own, in one park.
    ///
    /// Seen to fail with: a second wait that has the first one's number or time; a first one that
    /// is in no sum.
    #[test]
    fn waits_that_follow_each_other_in_one_park_are_told_apart() {
        let (chan, mut consumer) = channel();
        let (waker, clones) = waker();
        let cx = &mut Context::from_waker(&waker);
        advance(Duration::ZERO);
        let mut ids = Vec::new();
        for n in 1..=3 {
            assert!(consumer.poll_recv::<Any>(cx).is_pending());
            let now = view(&chan);
            let wait = now.recv_wait.expect("it waits");
            ids.push(wait.id);
            assert_eq!((now.stats.recv_waits_total, now.stats.recv_given_up_total), (n, n - 1));
            assert_eq!((is_of(wait.task, &waker), now.left_waker), (true, 0));
            advance(Duration::from_millis(2));
            consumer.abandon_wait();
            assert!(is_of(view(&chan).left_waker, &waker) && clones() == 1);
            // Nobody waits meanwhile.
            advance(Duration::from_millis(500));
        }
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        let waited = || view(&chan).stats.recv_wait_total_ns.div_ceil(1_000_000);
        assert_eq!(waited(), 6);
        send(&chan);
        assert_eq!(waited(), 6);
        let histogram = view(&chan).stats.recv_wait_histogram.expect("there is one");
        assert_eq!((histogram.count(), histogram.counts()[0]), (3, 3));
    }

    /// A long wait that ends during a look is no short one: it is counted at the next.
    ///
    /// Seen to fail with: a look that loads `ended_at` after `long`.
    #[test]
    fn a_long_wait_that_ends_during_a_look_is_counted_at_the_next() {
        let (chan, mut consumer) = channel();
        let (waker, _) = waker();
        advance(Duration::ZERO);
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&waker)).is_pending());
        advance(Duration::from_millis(50));
        let sent = Cell::new(false);
        let look = || {
            let shared = chan.shared();
            let view = shared.receive_waits.look(|| {
                if !sent.replace(true) {
                    send(&chan);
                }
                shared.ring.occupancy()
            });
            view.histogram.counts()[..3].to_vec()
        };
        assert_eq!((look(), look()), (vec![0, 0, 0], vec![0, 0, 1]));
    }

    /// The sum of the waits that have ended does not fall while the last one is added to it.
    ///
    /// Seen to fail with: a sum that is not held by the largest one that was reported.
    #[test]
    fn the_sum_does_not_fall_while_a_wait_is_added() {
        let (chan, mut consumer) = channel();
        let (waker, _) = waker();
        advance(Duration::ZERO);
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&waker)).is_pending());
        advance(Duration::from_millis(5));
        send(&chan);
        let sum = || view(&chan).stats.recv_wait_histogram.expect("there is one").total();
        let before = sum();
        assert!(before >= Duration::from_millis(5));
        // As between two steps of `add_up`.
        super::set(&chan.shared().receive_waits.since, 0);
        assert_eq!(sum(), before);
    }

    /// A long wait that was given up is counted as one before the next begins.
    ///
    /// Seen to fail with: a next one that goes on in its park.
    #[test]
    fn a_long_wait_that_was_given_up_is_counted_before_the_next() {
        let (chan, mut consumer) = channel();
        let (waker, _) = waker();
        let cx = &mut Context::from_waker(&waker);
        advance(Duration::ZERO);
        assert!(consumer.poll_recv::<Any>(cx).is_pending());
        advance(Duration::from_millis(50));
        consumer.abandon_wait();
        assert!(consumer.poll_recv::<Any>(cx).is_pending());
        let histogram = view(&chan).stats.recv_wait_histogram.expect("there is one");
        assert_eq!(histogram.counts()[..3], [0, 0, 1]);
    }

    /// The park of a wait that is polled again fails. Neither waker is left.
    ///
    /// Seen to fail with: a receiver that takes its former park for one that stands; a waker that
    /// stays in the cell.
    #[test]
    fn a_park_that_failed_after_a_wait_leaves_no_waker() {
        let (chan, mut consumer) = channel();
        let [(first, firsts), (second, seconds)] = [waker(), waker()];
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&first)).is_pending());
        let sender = chan.clone();
        let armed = at("park: lent", move || send(&sender));
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&second)).is_ready());
        armed.acted();
        assert_eq!((firsts(), seconds()), (0, 0));
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&first)).is_pending());
        drop(consumer);
        assert_eq!(firsts(), 0);
    }

    /// A wait that another task's follows, without a wake-up between them, has ended: its time
    /// stays in the sum.
    ///
    /// Seen to fail with: `park` that takes the park back and does not say that the wait has ended.
    #[test]
    fn a_wait_that_is_followed_by_another_stays_in_the_sum() {
        let (chan, mut consumer) = channel();
        let [(one, _), (two, _)] = [waker(), waker()];
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&one)).is_pending());
        crate::sync::thread::sleep(Duration::from_millis(50));
        assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&two)).is_pending());
        let now = view(&chan).stats;
        assert_eq!(now.recv_waits_total, 2);
        // Less by some ticks of the coarse clock.
        assert!(now.recv_wait_total_ns >= 30_000_000, "{now:?}");
    }

    /// While a look goes on, a wait is given up, or ends, or is followed by another: the clone in
    /// the cell is told once or not at all.
    ///
    /// Seen to fail with: a look that reads none of `id`, `since` and `waker` again.
    #[test]
    fn a_waker_is_not_told_twice_while_its_wait_ends() {
        let steps = ["stats: wait read", "stats: waker read"];
        for (how, step) in (0..4).flat_map(|how| steps.map(|step| (how, step))) {
            let (chan, mut consumer) = channel();
            let (waker, clones) = waker();
            let (again, clones_again) = self::waker();
            assert!(consumer.poll_recv::<Any>(&mut Context::from_waker(&waker)).is_pending());
            let sender = chan.clone();
            let (back, returned) = std::sync::mpsc::channel();
            let with = again.clone();
            let armed = at(step, move || {
                let cx = &mut Context::from_waker(&with);
                match how {
                    0 => consumer.abandon_wait(),
                    1 => send(&sender),
                    2 => assert!(consumer.poll_recv::<Any>(cx).is_pending()),
                    _ => {
                        send(&sender);
                        assert!(consumer.poll_recv::<Any>(cx).is_ready());
                    }
                }
                back.send(consumer).unwrap();
            });
            let now = view(&chan);
            armed.acted();
            drop(returned);
            let waits = now.recv_wait.map_or(0, |wait| wait.task);
            let told = |waker: &Waker| {
                usize::from(is_of(waits, waker)) + usize::from(is_of(now.left_waker, waker))
            };
            let (waker_lies, again_lies) = [(1, 0), (0, 0), (0, 1), (0, 0)][how];
            assert_eq!((told(&waker), told(&again)), (waker_lies, again_lies), "{how}, {step}");
            assert!(clones() + clones_again() == 0, "the receiver is gone");
        }
    }
}
