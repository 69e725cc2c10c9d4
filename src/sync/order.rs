//! A channel as one object of a user's model: its operations are single steps, and what they
//! promise about the order of memory is told to loom.
//!
//! The inside of the channel is the code that ships, on `std`'s atomics. Loom does not see those,
//! and runs one thread at a time: between two of its own points no other thread gets in. So each
//! operation begins with such a point ([`Order::begin`]), and what follows is done in one go, up to
//! the first waker that is called. Loom tries each order of the operations of one channel, as it
//! tries each order of steps on one atomic.
//!
//! That point orders nothing but itself (Relaxed). What the channel promises is told apart, by an
//! [`Edge`] from one thread to another, and nothing beyond it, or a model would not see who relies
//! on more:
//!
//! | from | to |
//! |---|---|
//! | what a sender did before a send | the receive of that message, or its drop by the receiver |
//! | what the receiver did before its k-th receive | the end of the send or reserve that had no room without it |
//! | what was done before a permit was dropped, or a wait that was granted | the end of each later send or reserve |
//! | what was done before `close`, or the drop of the receiver | a call that says that the channel is closed |
//! | what each sender did before it was dropped | a call that says that all senders are gone |
//! | what was done before a poll that said Pending | the wake-up that follows, of the waker it left |
//!
//! Each is one that the real words make too: the map is in `ring/mod.rs`, rows P1, C1, K1, D1, N1
//! and Q1. What a wake-up orders beyond that is the waker's own.

use std::cell::RefCell;
use std::collections::VecDeque;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};

use super::plain;

/// From what one thread did before to what others do after.
///
/// A lock that nobody ever waits for: loom's atomics may not be used by a thread that does not know
/// of their creation, and an edge is made to tell it.
#[derive(Clone, Debug)]
struct Edge(plain::Arc<Mutex<()>>);

impl Edge {
    fn from_here() -> Self {
        let edge = Self(plain::Arc::new(Mutex::new(())));
        edge.to_here();
        edge
    }

    fn to_here(&self) {
        drop(self.0.lock());
    }
}

/// From what several threads did before to what others do after: each who takes it comes after all
/// who gave before, and after nobody who took.
///
/// Made with the channel, so all who use it know of its creation.
#[derive(Debug)]
struct SharedEdge {
    /// All steps are read-modify-writes: each that is Acquire sees all before it that were Release.
    word: AtomicUsize,
    /// Where nobody has, there is nothing to take, and no step to explore.
    anybody_gave: plain::AtomicBool,
}

impl SharedEdge {
    fn new() -> Self {
        Self { word: AtomicUsize::new(0), anybody_gave: plain::AtomicBool::new(false) }
    }

    fn from_here(&self) {
        if !plain::panicking() {
            self.word.fetch_add(1, Ordering::Release);
            self.anybody_gave.store(true, Ordering::Relaxed);
        }
    }

    fn to_here(&self) {
        if self.anybody_gave.load(Ordering::Relaxed) && !plain::panicking() {
            self.word.fetch_add(0, Ordering::Acquire);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Order {
    turns: Turns,
    /// From who gave room back without a message.
    gave_back: SharedEdge,
    /// From who closed the receiving side.
    closed: SharedEdge,
    edges: plain::Mutex<Edges>,
}

/// Where loom may let another thread go first: a word that all operations step on. It orders
/// nothing else, but all who [`leave`](Self::leave) before who sees the end.
#[derive(Debug)]
pub(crate) struct Turns(AtomicUsize);

/// Kept beside a waker: from the newest poll that left or confirmed it, to its wake-up.
#[derive(Debug, Default)]
pub(crate) struct PollEdge(plain::Mutex<Option<Edge>>);

/// From where a thread began its newest operation. Each is made before the operation steps, and two
/// are made: who takes an edge is ordered behind who took it before, which a wake-up and a receive
/// are not.
#[derive(Default)]
struct Begun {
    /// To who receives, takes room, or finds the channel closed.
    operation: Option<Edge>,
    /// To the wake-up, if it is a poll that says Pending.
    poll: Option<Edge>,
}

loom::thread_local! {
    static BEGUN: RefCell<Begun> = RefCell::default();
}

impl Begun {
    /// Of this thread. `None`: it is unwinding, and loom must not be asked; or it has ended, and
    /// drops what it had.
    fn here<R>(f: impl FnOnce(&mut Self) -> R) -> Option<R> {
        if plain::panicking() {
            return None;
        }
        BEGUN.try_with(|begun| f(&mut begun.borrow_mut())).ok()
    }

    fn operation() -> Option<Edge> {
        Self::here(|begun| begun.operation.clone()).flatten()
    }
}

/// `None` in the place of an edge: [`Begun::here`].
#[derive(Debug, Default)]
struct Edges {
    /// From the sends of the messages in the channel, in their order.
    sent: VecDeque<Option<Edge>>,
    /// From all receives, in their order.
    received: Vec<Option<Edge>>,
}

/// To this thread. No lock of ours is held: here loom may let others run.
fn to_here<'a>(edges: impl IntoIterator<Item = &'a Edge>) {
    if !plain::panicking() {
        edges.into_iter().for_each(Edge::to_here);
    }
}

impl Order {
    pub(crate) fn new() -> Self {
        let [gave_back, closed] = [(); 2].map(|()| SharedEdge::new());
        Self { turns: Turns::new(), gave_back, closed, edges: plain::Mutex::default() }
    }

    /// An operation begins: others come before or after all of it.
    pub(crate) fn begin(&self) {
        if plain::panicking() {
            return;
        }
        // Before the step: whoever comes after it then also comes after this, and loom need not try
        // the two the other way round.
        let [operation, poll] = [(); 2].map(|()| Some(Edge::from_here()));
        Begun::here(|begun| *begun = Begun { operation, poll });
        self.turns.begin();
    }

    /// As [`Order::begin`], of an operation that closes the receiving side. Before its own step, so
    /// that it stays one: who comes between the two has not seen it closed.
    pub(crate) fn begin_close(&self) {
        self.closed.from_here();
        self.begin();
    }

    /// The next `n` messages are claimed, and not published yet.
    pub(crate) fn sent(&self, n: u64) {
        let mine = Begun::operation();
        self.edges.lock().sent.extend((0..n).map(|_| mine.clone()));
    }

    /// The next `n` messages are taken, and their room is not handed out yet.
    pub(crate) fn received(&self, n: u64) {
        let sent: Vec<Edge> = {
            let mine = Begun::operation();
            let mut edges = self.edges.lock();
            edges.received.extend((0..n).map(|_| mine.clone()));
            (0..n).filter_map(|_| edges.sent.pop_front()).flatten().collect()
        };
        to_here(&sent);
    }

    /// Room goes back without a message.
    pub(crate) fn gave_back(&self) {
        self.gave_back.from_here();
    }

    /// Room was taken that was not there before the first `received` receives.
    pub(crate) fn took(&self, received: impl FnOnce() -> u64) {
        let before = {
            let edges = self.edges.lock();
            received().checked_sub(1).and_then(|last| edges.received.get(last as usize).cloned())
        };
        to_here(before.iter().flatten());
        self.gave_back.to_here();
    }

    /// The caller is about to say that the channel is closed.
    pub(crate) fn saw_closed(&self) {
        self.closed.to_here();
    }
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn begin(&self) {
        if !plain::panicking() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Likewise for a sender that is dropped: what its thread did before is for who sees the end.
    pub(crate) fn leave(&self) {
        if !plain::panicking() {
            self.0.fetch_add(1, Ordering::Release);
        }
    }

    /// The caller is about to say that all senders are gone, if they are. As
    /// [`SharedEdge::to_here`].
    pub(crate) fn saw_end(&self, gone: impl FnOnce() -> bool) {
        if gone() && !plain::panicking() {
            self.0.fetch_add(0, Ordering::Acquire);
        }
    }
}

impl PollEdge {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A poll is about to say Pending. Nobody runs meanwhile: the poll is one step.
    pub(crate) fn begin(&self) {
        if let Some(edge) = Begun::here(|begun| begun.poll.clone()) {
            *self.0.lock() = edge;
        }
    }

    /// The waker is about to be woken.
    pub(crate) fn end(&self) {
        let edge = self.0.lock().take();
        to_here(&edge);
    }
}
