//! What the loom models of parshall share: the runner, messages that are accounted for, wakers that
//! count.
//!
//! ```sh
//! RUSTFLAGS="--cfg parshall_loom --cfg parshall_loom_inside" \
//!     cargo test -p loom-tests --profile loom
//! ```
//!
//! With `--cfg parshall_loom` alone they run in the build of a user's models, where an operation is
//! one step (`src/sync/order.rs`): in seconds, and for `tests/users.rs`, which says what such a
//! model sees.
//!
//! With `--cfg parshall_fence_behind` beside both, a step that is not SeqCst shows: see
//! `LoadSeqCst` in `src/sync.rs`.
//!
//! Every model prints `model <name>: <n> executions` on standard error, even when it passes, and
//! fails if loom found only one execution to explore from each end: such a model checks nothing.
//! `LOOM_MAX_PREEMPTIONS` replaces the bounds of all models. To follow one failing execution, name
//! a checkpoint file: `LOOM_CHECKPOINT_FILE=/tmp/l9.json LOOM_CHECKPOINT_INTERVAL=1`, run the one
//! test until it fails, then run it again with `LOOM_LOG=trace LOOM_LOCATION=1` added.
//!
//! `mutants.sh` beside this package weakens the orderings and breaks the protocol, one place at a
//! time, and `ORDERINGS.md` keeps which model noticed.

#![cfg(parshall_loom)]

use core::cell::Cell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::task::Wake;
use std::time::Instant;

use loom::alloc::Track;
use loom::thread::JoinHandle;
use parshall::mpsc::error::TryRecvError;
use parshall::mpsc::{Builder, Receiver, Sender, UnboundedReceiver, UnboundedSender};

mod memory;

pub use memory::{Wide, live_blocks, made_blocks};

/// How far a model is explored unless `LOOM_MAX_PREEMPTIONS` says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// All executions with at most so many switches away from a thread that could have gone on.
    Preemptions(usize),
    /// All executions.
    Exhaustive,
}

/// Explores `model` and prints how many executions there were.
///
/// It is explored twice, from two first executions: with the main thread ahead, then with the
/// spawned ones ahead. Loom (0.7) remembers one last access per atomic. A thread that loads a word
/// and then swaps it hides an earlier load of another thread behind its own, and loom never tries
/// the swap before that load. It does try the reverse: a load that comes after a swap is also
/// explored before it. So each pair of threads must be seen from both ends.
///
/// # Panics
/// If an execution fails, or if there was only one from each end.
#[track_caller]
pub fn check(name: &str, bound: Bound, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = builder.max_branches.max(10_000);
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = match bound {
            Bound::Preemptions(n) => Some(n),
            Bound::Exhaustive => None,
        };
    }
    let explored = match builder.preemption_bound {
        Some(n) => format!("at most {n} preemptions"),
        None => "exhaustive".to_owned(),
    };
    let executions = Arc::new(AtomicUsize::new(0));
    let model = Arc::new(model);
    let begun = Instant::now();
    for spawned_first in [false, true] {
        SPAWNED_FIRST.set(spawned_first);
        let (model, executions) = (model.clone(), executions.clone());
        builder.check(move || {
            executions.fetch_add(1, Relaxed);
            memory::forget();
            model();
        });
    }
    let executions = executions.load(Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    // Not `eprintln`, which the test harness keeps to itself.
    let line = format!("model {name}: {executions} executions, {explored}, {seconds:.1} s\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    assert!(executions > 2, "model {name} explored a single execution");
}

std::thread_local! {
    /// Loom runs all threads of a model on the thread of the test.
    static SPAWNED_FIRST: Cell<bool> = const { Cell::new(false) };
}

/// `loom::thread::spawn`; in the second exploration of a model the new thread runs first.
pub fn spawn<R: 'static>(f: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    let handle = loom::thread::spawn(f);
    if SPAWNED_FIRST.get() {
        loom::thread::yield_now();
    }
    handle
}

/// A channel whose first message has number `start`.
pub fn channel<T>(capacity: usize, start: u64) -> (Sender<T>, Receiver<T>) {
    Builder::new().capacity(capacity).start_at(start).build()
}

/// As [`channel`], in blocks of two slots.
pub fn in_blocks<T>(capacity: usize, start: u64) -> (Sender<T>, Receiver<T>) {
    Builder::new().capacity(capacity).start_at(start).in_blocks().build()
}

/// As [`channel`], without a capacity, in blocks of two slots.
pub fn unbounded<T>(start: u64) -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    Builder::new().start_at(start).build_unbounded()
}

/// The last message before the stamps wrap: the second of its block.
pub const STAMP_WRAP: u64 = (1 << 32) - 1;
/// The last message before positions wrap, and stamps with them: the second of its block.
pub const POS_WRAP: u64 = (1 << 36) - 1;

#[derive(Debug, Default)]
struct Sums {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

/// Counts the messages of one execution.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Sums>);

impl Ledger {
    /// A new message. Loom fails the execution if it is never dropped.
    pub fn msg(&self, id: u32) -> Msg {
        self.0.made.fetch_add(1, Relaxed);
        Msg { id, ledger: self.clone(), _leak_check: Track::new(()) }
    }

    /// As [`Ledger::msg`], for a channel whose blocks are counted.
    pub fn wide(&self, id: u32) -> Wide {
        Wide(self.msg(id))
    }

    /// Messages that have been made and not been dropped.
    pub fn alive(&self) -> usize {
        self.0.made.load(Relaxed) - self.0.dropped.load(Relaxed)
    }
}

/// A message that is accounted for.
pub struct Msg {
    /// What the model calls it.
    pub id: u32,
    ledger: Ledger,
    _leak_check: Track<()>,
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Msg({})", self.id)
    }
}

impl Drop for Msg {
    fn drop(&mut self) {
        self.ledger.0.dropped.fetch_add(1, Relaxed);
    }
}

/// What the model calls `message`, which is dropped.
pub fn id(message: Wide) -> u32 {
    message.0.id
}

/// Looks `n` times by `try_recv`, and lets others run when there is nothing.
pub fn look(n: usize, mut try_recv: impl FnMut() -> Result<Wide, TryRecvError>) -> Vec<u32> {
    let mut got = Vec::new();
    for _ in 0..n {
        match try_recv() {
            Ok(message) => got.push(id(message)),
            Err(TryRecvError::Empty) => loom::thread::yield_now(),
            Err(TryRecvError::Disconnected) => break,
        }
    }
    got
}

/// A waker that counts, and passes on what it is told.
#[derive(Debug)]
pub struct Counting {
    inner: Waker,
    wakes: AtomicUsize,
}

impl Counting {
    /// A counter in front of `inner`.
    pub fn new(inner: &Waker) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), wakes: AtomicUsize::new(0) })
    }

    /// Wake-ups so far.
    pub fn wakes(&self) -> usize {
        self.wakes.load(Relaxed)
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Relaxed);
        self.inner.wake_by_ref();
    }
}

/// The flag of a task, as executors may keep it: a wake-up that finds the task woken already stores
/// nothing.
#[derive(Debug, Default)]
pub struct Coalescing(loom::sync::atomic::AtomicBool);

impl Coalescing {
    /// The executor is about to poll the task. Whether it was woken.
    pub fn begin_poll(&self) -> bool {
        self.0.swap(false, AcqRel)
    }

    /// Whether the executor will poll the task again.
    pub fn is_woken(&self) -> bool {
        self.0.load(Acquire)
    }
}

impl Wake for Coalescing {
    fn wake(self: Arc<Self>) {
        if !self.0.load(Relaxed) {
            self.0.store(true, Release);
        }
    }
}

/// A future on the heap, to be polled here and finished elsewhere.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Polls once with a waker that does nothing, and expects to have to wait.
///
/// # Panics
/// If the future is ready.
#[track_caller]
pub fn begin<T>(future: impl Future<Output = T> + Send + 'static) -> Boxed<T> {
    let mut future: Boxed<T> = Box::pin(future);
    assert!(poll(&mut future, Waker::noop()).is_pending(), "expected to wait");
    future
}

/// Polls once.
pub fn poll<T>(future: &mut Boxed<T>, waker: &Waker) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Loom's `block_on`, which also explores one spurious wake-up; and a poll that woke itself yields,
/// or loom would follow the circle for ever.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut own: Option<(Arc<Counting>, Waker)> = None;
    loom::future::block_on(poll_fn(|cx| {
        let (counter, waker) = own.get_or_insert_with(|| {
            let counter = Counting::new(cx.waker());
            (counter.clone(), counter.into())
        });
        let before = counter.wakes();
        let poll = future.as_mut().poll(&mut Context::from_waker(waker));
        if poll.is_pending() && counter.wakes() != before {
            loom::thread::yield_now();
        }
        poll
    }))
}

/// Receives with `block_on`.
pub fn recv<T>(rx: &mut Receiver<T>) -> Option<T> {
    block_on(rx.recv())
}

/// Receives the id of a message with `block_on`.
pub fn recv_id(rx: &mut Receiver<Msg>) -> Option<u32> {
    recv(rx).map(|msg| msg.id)
}
