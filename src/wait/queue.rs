//! Senders that wait for room, in the order in which they came.
//!
//! A short mutex around a slab of waiters, linked into a FIFO list. The lock also orders the two
//! "somebody waits" bits with the list. While it is free:
//!
//! * TX_QUEUED is set if and only if the list is non-empty.
//! * TX_WAITING is set while the list is non-empty, and beyond, until a serve finds the list
//!   empty: a sender that waits again and again does not toggle it each time.
//!
//! No user code runs under the lock: wakers are cloned before it, and woken and dropped after it.
//!
//! ```text
//!             register                serve, enough units             poll, cancel
//! (no entry) ----------> Waiting(n) ------------------> Granted ------------------> (no entry)
//!                         |  ^  | serve, too few: keeps them
//!                         |  +--+
//!                         | close
//!                         +---------------------------> Closed  ------------------> (no entry)
//! ```
//!
//! `assigned` units stay with an entry until its owner polls or cancels it and gives them back, so
//! every unit is at any time in the ring, in a permit, or in exactly one entry.

use core::task::Waker;

use super::batch::{FirstPanic, WakeBatch};
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::clock;

/// Where the queue gets capacity from, and whom it tells that somebody waits. All of it is called
/// under the queue's lock.
pub(crate) trait Source {
    /// Takes up to `want` units; 0 also when the channel is closed. With `last`, a take of all of
    /// them also says what [`Source::unqueue`] says, in the same step.
    fn take(&self, want: u64, last: bool) -> u64;
    /// The list is no longer empty: nobody may take units but through the queue, and whoever gives
    /// some back by a permit serves it.
    fn queue(&self);
    /// The list is empty.
    fn unqueue(&self);
    /// From now on the receiver serves after each message that it takes.
    fn call_receiver(&self);
    /// It need not any more.
    fn release_receiver(&self);
}

/// Who waits, since when, for how much: what telemetry sees of a waiter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// A [`crate::telemetry::task::TaskRef`] in one word.
    pub(crate) task: u64,
    /// Nanoseconds on the telemetry clock.
    pub(crate) since: u64,
    pub(crate) need: u64,
}

/// A waiter as [`WaitQueue::visit`] shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    /// When the whole of its need was assigned, if it was: it has not been polled since.
    pub(crate) granted_at: Option<u64>,
}

/// Sums over all waiters there ever were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WaitTotals {
    /// Waiting now, not yet granted.
    pub(crate) waiting: u64,
    /// Granted and not polled since.
    pub(crate) granted: u64,
    /// Since when the first in line waits.
    pub(crate) oldest: Option<u64>,
    /// Waits that ever began.
    pub(crate) waits: u64,
    /// Time waited in all of them, those that still wait included.
    pub(crate) waited_ns: u64,
}

/// Names an entry of a queue; its owner is the only one who has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key(u32);

/// What a waiter learns of its wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// All units are its own; the entry is gone.
    Granted,
    /// Closed; the entry is gone, and these units are to be released.
    Closed(u64),
    Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Granted(u64),
    Closed,
}

#[derive(Debug)]
struct Entry {
    prev: u32,
    next: u32,
    state: State,
    assigned: u64,
    ticket: Ticket,
    waker: Option<Waker>,
}

/// What an entry leaves behind.
struct Ended {
    state: State,
    assigned: u64,
    waker: Option<Waker>,
}

/// No entry.
const NIL: u32 = u32::MAX;

#[derive(Debug)]
struct Inner {
    entries: Vec<Entry>,
    /// Vacant entries, linked by `next`.
    vacant: u32,
    /// Entries in use, in whatever state.
    used: u32,
    first: u32,
    last: u32,
    closed: bool,
    /// TX_WAITING is set.
    receiver_called: bool,
    waiting: u64,
    granted: u64,
    waits: u64,
    /// Time waited in waits that have ended.
    ended_ns: u64,
    /// Sum of `since` over those who wait, so that their time needs no walk.
    since_sum: u128,
    /// The largest `waited_ns` ever reported, so that it never falls.
    reported_ns: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    inner: Mutex<Inner>,
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                entries: Vec::new(),
                vacant: NIL,
                used: 0,
                first: NIL,
                last: NIL,
                closed: false,
                receiver_called: false,
                waiting: 0,
                granted: 0,
                waits: 0,
                ended_ns: 0,
                since_sum: 0,
                reported_ns: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Queues a waiter behind all others, and serves the queue: room that came back before the
    /// waiter was seen is found here. Sets `key` if the wait is pending.
    pub(crate) fn register(
        &self,
        key: &mut Option<Key>,
        ticket: Ticket,
        waker: Waker,
        source: &impl Source,
        panic: &mut FirstPanic,
    ) -> Wait {
        let mut wakes = WakeBatch::new();
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            panic.discard(Some(waker));
            return Wait::Closed(0);
        }
        if inner.first == NIL {
            source.queue();
        }
        if !inner.receiver_called {
            inner.receiver_called = true;
            source.call_receiver();
        }
        let new = inner.push(ticket);
        let more = inner.serve(source, &mut wakes);
        let (result, unused) = if inner.entry(&new).state == State::Waiting {
            inner.entry(&new).waker = Some(waker);
            *key = Some(new);
            (Wait::Pending, None)
        } else {
            inner.remove(new);
            (Wait::Granted, Some(waker))
        };
        drop(inner);
        wakes.wake_all(panic);
        panic.discard(unused);
        if more {
            self.serve(source, panic);
        }
        result
    }

    /// Looks after a registered wait; while it is pending, it is `task`'s, and `waker` is woken. Takes the
    /// key when the wait is over. A panic of the waker's `clone` leaves all as it was.
    pub(crate) fn poll(
        &self,
        key: &mut Option<Key>,
        task: u64,
        waker: &Waker,
        panic: &mut FirstPanic,
    ) -> Wait {
        let mut spare: Option<Waker> = None;
        loop {
            let Some(owned) = key.as_ref() else { unreachable!("polled after the wait was over") };
            let mut inner = self.lock();
            let entry = inner.entry(owned);
            if entry.state == State::Waiting {
                let known = entry.waker.as_ref().is_some_and(|w| w.will_wake(waker));
                if !known && spare.is_none() {
                    drop(inner);
                    spare = Some(waker.clone());
                    continue;
                }
                // The future may have moved to another task, under the same waker even.
                entry.ticket.task = task;
                if !known {
                    core::mem::swap(&mut entry.waker, &mut spare);
                }
                drop(inner);
                panic.discard(spare);
                return Wait::Pending;
            }
            let ended = inner.remove(key.take().expect("owned above"));
            drop(inner);
            // The entry's own waker went with its wake-up.
            panic.discard(spare);
            return match ended.state {
                State::Closed => Wait::Closed(ended.assigned),
                _ => Wait::Granted,
            };
        }
    }

    /// Takes a waiter out, wherever it stands. Returns the units that it leaves to be released.
    pub(crate) fn cancel(&self, key: Key, source: &impl Source, panic: &mut FirstPanic) -> u64 {
        let mut inner = self.lock();
        if inner.entry(&key).state == State::Waiting {
            inner.unlink(key.0, clock::now());
            if inner.first == NIL {
                source.unqueue();
            }
        }
        let Ended { assigned, waker, .. } = inner.remove(key);
        drop(inner);
        panic.discard(waker);
        assigned
    }

    /// Hands out whatever room there is, first come, first served. Called by whoever freed room
    /// and saw that somebody waits.
    pub(crate) fn serve(&self, source: &impl Source, panic: &mut FirstPanic) {
        let mut wakes = WakeBatch::new();
        loop {
            let more = self.lock().serve(source, &mut wakes);
            wakes.wake_all(panic);
            if !more {
                return;
            }
        }
    }

    /// Fails all who wait, now and later.
    pub(crate) fn close(&self, source: &impl Source, panic: &mut FirstPanic) {
        let mut wakes = WakeBatch::new();
        loop {
            let mut inner = self.lock();
            inner.closed = true;
            while inner.first != NIL && !wakes.is_full() {
                let index = inner.first;
                inner.unlink(index, clock::now());
                let entry = &mut inner.entries[index as usize];
                entry.state = State::Closed;
                wakes.push(entry.waker.take());
                if inner.first == NIL {
                    source.unqueue();
                }
            }
            let more = inner.first != NIL;
            drop(inner);
            wakes.wake_all(panic);
            if !more {
                return;
            }
        }
    }

    /// Counts and sums when nobody can wait any more.
    pub(crate) fn final_totals(&mut self) -> WaitTotals {
        self.inner.get_mut().totals()
    }

    /// Counts, sums and waiters at one instant: those who wait, in order, then those who were granted
    /// and have not been polled since.
    pub(crate) fn visit(&self) -> (WaitTotals, Vec<Waiting>) {
        let mut inner = self.lock();
        let mut seen = Vec::with_capacity(inner.used as usize);
        let mut next = inner.first;
        while let Some(entry) = inner.entries.get(next as usize) {
            seen.push(Waiting { ticket: entry.ticket, granted_at: None });
            next = entry.next;
        }
        if inner.granted > 0 {
            seen.extend(inner.entries.iter().filter_map(|entry| match entry.state {
                State::Granted(at) => Some(Waiting { ticket: entry.ticket, granted_at: Some(at) }),
                _ => None,
            }));
        }
        (inner.totals(), seen)
    }
}

impl Inner {
    fn totals(&mut self) -> WaitTotals {
        let now = if self.waiting > 0 { clock::exact() } else { 0 };
        let waiting_ns =
            (u128::from(now) * u128::from(self.waiting)).saturating_sub(self.since_sum);
        // Waits end on the coarse clock: an end may lie a tick before the last report.
        self.reported_ns = self.reported_ns.max(self.ended_ns + waiting_ns as u64);
        WaitTotals {
            waiting: self.waiting,
            granted: self.granted,
            oldest: self.entries.get(self.first as usize).map(|first| first.ticket.since),
            waits: self.waits,
            waited_ns: self.reported_ns,
        }
    }

    fn entry(&mut self, key: &Key) -> &mut Entry {
        &mut self.entries[key.0 as usize]
    }

    /// Appends a waiter without a waker.
    fn push(&mut self, ticket: Ticket) -> Key {
        let entry = Entry {
            prev: self.last,
            next: NIL,
            state: State::Waiting,
            assigned: 0,
            ticket,
            waker: None,
        };
        let index = if self.vacant == NIL {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let index = self.vacant;
            self.vacant = self.entries[index as usize].next;
            self.entries[index as usize] = entry;
            index
        };
        match self.last {
            NIL => self.first = index,
            last => self.entries[last as usize].next = index,
        }
        self.last = index;
        self.used += 1;
        self.waiting += 1;
        self.waits += 1;
        self.since_sum += u128::from(ticket.since);
        Key(index)
    }

    /// Takes an entry out of the list: its wait is over, however it ended.
    fn unlink(&mut self, index: u32, now: u64) {
        let Entry { prev, next, ticket, .. } = self.entries[index as usize];
        match prev {
            NIL => self.first = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NIL => self.last = prev,
            next => self.entries[next as usize].prev = prev,
        }
        self.waiting -= 1;
        self.since_sum -= u128::from(ticket.since);
        self.ended_ns += now.saturating_sub(ticket.since);
    }

    /// Gives the slab's entry back. It is not in the list any more.
    fn remove(&mut self, key: Key) -> Ended {
        let entry = &mut self.entries[key.0 as usize];
        let ended =
            Ended { state: entry.state, assigned: entry.assigned, waker: entry.waker.take() };
        entry.state = State::Closed;
        entry.next = self.vacant;
        self.vacant = key.0;
        self.used -= 1;
        if let State::Granted(_) = ended.state {
            self.granted -= 1;
        }
        if self.used == 0 && self.entries.len() > 64 {
            // A crowd has gone: give its memory back.
            self.entries = Vec::new();
            self.vacant = NIL;
        }
        ended
    }

    /// Grants from the front while there is room. True: the batch is full, look again.
    fn serve(&mut self, source: &impl Source, wakes: &mut WakeBatch) -> bool {
        if self.first == NIL && self.receiver_called {
            self.receiver_called = false;
            source.release_receiver();
        }
        while self.first != NIL {
            if wakes.is_full() {
                return true;
            }
            let (index, last) = (self.first, self.first == self.last);
            let entry = &mut self.entries[index as usize];
            entry.assigned += source.take(entry.ticket.need - entry.assigned, last);
            if entry.assigned < entry.ticket.need {
                return false;
            }
            let now = clock::now();
            entry.state = State::Granted(now);
            wakes.push(entry.waker.take());
            self.granted += 1;
            self.unlink(index, now);
        }
        false
    }
}
