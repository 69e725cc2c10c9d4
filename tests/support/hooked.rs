//! A waker that runs a test's code, or panics, in one of its operations.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// An operation of a waker. `wake` and `wake_by_ref` are one; a `wake` does not count as a drop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Clone,
    Wake,
    Drop,
}

impl Op {
    pub(crate) const ALL: [Op; 3] = [Op::Clone, Op::Wake, Op::Drop];
}

type Action = Box<dyn Fn(Op) + Send + Sync>;

/// What a hooked waker does, and did. It acts only while it is armed.
pub(crate) struct Hooked {
    ops: Vec<Op>,
    action: Action,
    armed: AtomicBool,
    runs: AtomicUsize,
    wakes: AtomicUsize,
}

impl Hooked {
    pub(crate) fn new(op: Op, action: impl Fn() + Send + Sync + 'static) -> (Arc<Self>, Waker) {
        Self::of(&[op], move |_| action())
    }

    /// One that acts in several operations.
    pub(crate) fn of(
        ops: &[Op],
        action: impl Fn(Op) + Send + Sync + 'static,
    ) -> (Arc<Self>, Waker) {
        let hooked = Arc::new(Self {
            ops: ops.to_vec(),
            action: Box::new(action),
            armed: AtomicBool::new(false),
            runs: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
        });
        let raw = RawWaker::new(Arc::into_raw(hooked.clone()).cast(), &TABLE);
        // SAFETY: the table treats the pointer as the `Arc` it came from.
        (hooked, unsafe { Waker::from_raw(raw) })
    }

    /// One that panics.
    pub(crate) fn trap(op: Op) -> (Arc<Self>, Waker) {
        Self::new(op, || panic!("trap"))
    }

    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }

    /// Runs `f` armed. True: the trap was sprung in it and its panic came through. No other panic
    /// may.
    pub(crate) fn springs(&self, f: impl FnOnce()) -> bool {
        self.arm();
        let result = catch_unwind(AssertUnwindSafe(f));
        self.disarm();
        let Err(payload) = result else { return false };
        match payload.downcast::<&str>() {
            Ok(text) if *text == "trap" => true,
            Ok(text) => panic!("{text}"),
            Err(other) => std::panic::resume_unwind(other),
        }
    }

    /// How often it acted.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    fn act(&self, op: Op) {
        let armed = self.ops.contains(&op) && self.armed.load(Ordering::SeqCst);
        // A second panic would abort the process, and say nothing.
        if armed && !std::thread::panicking() {
            self.runs.fetch_add(1, Ordering::SeqCst);
            (self.action)(op);
        }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: all four get the pointer of `Hooked::new`, and own or borrow one count of it as
        // the contract of `RawWakerVTable` says.
        let hooked = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Hooked>()) });
        hooked.act(Op::Clone);
        RawWaker::new(Arc::into_raw(Arc::clone(&hooked)).cast(), &TABLE)
    },
    |data| {
        // SAFETY: as above.
        let hooked = unsafe { Arc::from_raw(data.cast::<Hooked>()) };
        hooked.wakes.fetch_add(1, Ordering::SeqCst);
        hooked.act(Op::Wake);
    },
    |data| {
        // SAFETY: as above.
        let hooked = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Hooked>()) });
        hooked.wakes.fetch_add(1, Ordering::SeqCst);
        hooked.act(Op::Wake);
    },
    |data| {
        // SAFETY: as above.
        let hooked = unsafe { Arc::from_raw(data.cast::<Hooked>()) };
        hooked.act(Op::Drop);
    },
);
