//! What a channel does, in the plainest words: a queue, a count of permits, a line of waiters.

mod calls;
mod receive;
mod texts;

use std::collections::VecDeque;
use std::rc::Rc;

use super::op::Op;
use super::step::{ByReceiver, BySender, Out, Room, Seen, Step, Told};

/// A sender; futures and permits that borrow from it share it.
type Shared = Rc<()>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Send(u32),
    Reserve,
    Many(usize),
    Owned,
    Closed,
}

impl Kind {
    fn need(self) -> usize {
        if let Self::Many(n) = self { n } else { 1 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Fresh,
    Waiting,
    Granted,
    /// Failed by closing, with what was assigned until then.
    Failed,
}

struct Future {
    kind: Kind,
    state: State,
    assigned: usize,
    waker: u8,
    /// When it came into line: orders those who wait.
    ticket: u64,
    sender: Shared,
}

/// The model of a channel with all its handles.
pub(crate) struct Oracle {
    /// None: unbounded.
    capacity: Option<usize>,
    queue: VecDeque<u32>,
    /// Permits that are out, those of waiters included.
    reserved: usize,
    closed: bool,
    receiver: bool,
    /// The waker of the receiver's last poll, if it waits.
    parked: Option<u8>,
    /// Whether telemetry shows that wait: not after its future was dropped.
    wait_shown: bool,
    /// Some: a receive future, at most so many messages, and whether its last poll was pending.
    receive: Option<(Option<usize>, bool)>,
    strong: usize,
    senders: Vec<Shared>,
    weak: usize,
    futures: Vec<Future>,
    permits: Vec<Shared>,
    iterators: Vec<(usize, Shared)>,
    owned: usize,
    tickets: u64,
    next: u32,
    woken: Vec<u8>,
    dropped: Vec<u32>,
    told: Told,
}

impl Oracle {
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity,
            queue: VecDeque::new(),
            reserved: 0,
            closed: false,
            receiver: true,
            parked: None,
            wait_shown: false,
            receive: None,
            strong: 1,
            senders: vec![Rc::new(())],
            weak: 0,
            futures: vec![],
            permits: vec![],
            iterators: vec![],
            owned: 0,
            tickets: 0,
            next: 0,
            woken: vec![],
            dropped: vec![],
            told: Told {
                bounded: capacity.is_some(),
                capacity: capacity.map(|capacity| capacity as u64),
                ..Told::default()
            },
        }
    }

    /// Predicts one call.
    pub(crate) fn apply(&mut self, op: Op) -> Step {
        let bounded = self.capacity.is_some();
        let known = bounded || !op.is_of_bounded();
        let texts = if let Op::Print(a) = op { self.prints(a) } else { vec![] };
        let out = known.then(|| self.call(op)).flatten().unwrap_or(Out::Skipped);
        let texts = [texts, texts::of_errors(bounded, op, &out)].concat();
        let (woken, dropped) = (std::mem::take(&mut self.woken), std::mem::take(&mut self.dropped));
        let told = self.tell();
        let asked = !self.senders.is_empty() || self.receiver && self.receive.is_none();
        Step { out, texts, woken, dropped, seen: self.look(), told: asked.then_some(told) }
    }

    /// The messages that are in the channel or in a future, sorted: dropped when everything is.
    pub(crate) fn left(&self) -> Vec<u32> {
        let unsent = self.futures.iter().filter_map(|future| match future.kind {
            Kind::Send(message) => Some(message),
            _ => None,
        });
        let mut left: Vec<_> = self.queue.iter().copied().chain(unsent).collect();
        left.sort_unstable();
        left
    }

    fn in_state(&self, state: State) -> usize {
        let sends = self.futures.iter().filter(|f| f.kind != Kind::Closed);
        sends.filter(|f| f.state == state).count()
    }

    /// What is neither a message nor a permit; of an unbounded channel, all that can be counted.
    fn unused(&self) -> usize {
        self.capacity.unwrap_or(usize::MAX) - self.queue.len() - self.reserved
    }

    fn free(&self) -> usize {
        if self.in_state(State::Waiting) > 0 { 0 } else { self.unused() }
    }

    fn room(&self) -> Room {
        self.capacity.map(|capacity| (self.free(), capacity))
    }

    /// Whether so much can never be had.
    fn is_too_many(&self, n: usize) -> bool {
        self.capacity.is_some_and(|capacity| n > capacity)
    }

    fn tell(&self) -> Told {
        let len = self.queue.len();
        Told {
            utilization: self.capacity.map(|capacity| len as f64 / capacity as f64),
            queue_len: len as u64,
            reserved: self.reserved as u64,
            send_waiters: self.in_state(State::Waiting) as u64,
            granted_waiters: self.in_state(State::Granted) as u64,
            recv_waiters: (self.parked.is_some() && self.wait_shown).into(),
            counts: (self.strong as u64, self.weak as u64),
            sender_closed: self.strong == 0,
            ..self.told.clone()
        }
    }

    fn look(&self) -> Seen {
        let (room, closed, counts) = (self.room(), self.closed, (self.strong, self.weak));
        let len = self.queue.len();
        Seen {
            sender: (!self.senders.is_empty()).then_some(BySender { room, closed, counts }),
            weak: (self.weak > 0).then_some(counts),
            receiver: (self.receiver && self.receive.is_none()).then_some(ByReceiver {
                len,
                empty: len == 0,
                room,
                closed,
                counts,
            }),
        }
    }

    // ------------------------------------------------------------ the channel

    fn refuse(&mut self, n: usize) -> Option<Out> {
        if self.closed {
            self.told.closed_total += 1;
            return Some(Out::Closed(None));
        }
        (n > 0 && self.free() < n).then(|| {
            self.told.full_total += 1;
            Out::Full(None)
        })
    }

    fn push(&mut self, message: u32) {
        self.told.sent_total += 1;
        self.queue.push_back(message);
        self.told.high_watermark = self.told.high_watermark.max(self.queue.len() as u64);
        self.woken.extend(self.parked.take());
    }

    fn send_reserved(&mut self, message: u32) {
        self.reserved -= 1;
        if self.receiver {
            self.push(message);
        } else {
            self.told.sent_total += 1;
            self.told.discarded += 1;
            self.dropped.push(message);
        }
    }

    fn release(&mut self, n: usize) {
        self.reserved -= n;
        if n > 0 && self.closed && self.reserved == 0 {
            self.woken.extend(self.parked.take());
        }
        self.serve();
    }

    /// Gives room to those who wait, strictly in line.
    fn serve(&mut self) {
        while !self.closed {
            let free = self.unused();
            let waiting = self.futures.iter_mut().filter(|f| f.state == State::Waiting);
            let waiting = waiting.filter(|f| f.kind != Kind::Closed);
            let Some(first) = waiting.min_by_key(|f| f.ticket) else { return };
            let grant = free.min(first.kind.need() - first.assigned);
            first.assigned += grant;
            self.reserved += grant;
            if first.assigned < first.kind.need() {
                return;
            }
            first.state = State::Granted;
            self.woken.push(first.waker);
        }
    }

    fn close(&mut self, cause: &'static str) {
        self.told.receiver_closed = true;
        self.told.cause.get_or_insert(cause);
        self.closed = true;
        for closed in [false, true] {
            let mut waiting: Vec<_> = self
                .futures
                .iter_mut()
                .filter(|f| f.state == State::Waiting && (f.kind == Kind::Closed) == closed)
                .collect();
            waiting.sort_by_key(|f| f.ticket);
            for future in waiting {
                future.state = State::Failed;
                self.woken.push(future.waker);
            }
        }
    }

    fn drop_strong(&mut self) {
        self.strong -= 1;
        if self.strong == 0 {
            self.told.cause.get_or_insert("senders_dropped");
            self.closed = true;
            self.woken.extend(self.parked.take());
        }
    }

    fn drop_sender(&mut self, sender: Shared) {
        if Rc::into_inner(sender).is_some() {
            self.drop_strong();
        }
    }
}
