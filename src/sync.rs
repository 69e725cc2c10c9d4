//! Where the crate's atomics, cells, locks and threads come from.
//!
//! This file, with `order.rs` below it, is the only one that names `std`'s or `loom`'s. There are
//! three builds:
//!
//! * The ordinary one: all is `std`'s.
//! * `--cfg parshall_loom`: the models of a user. The inside of a channel is `std`'s here too, and
//!   an operation is one step of the model; [`order`] tells loom of it. What waits, waits by loom.
//! * `--cfg parshall_loom --cfg parshall_loom_inside`: our own models. Loom stands in the place of
//!   `std`, so that the very code that ships is the code that is checked.
//!
//! `plain` is `std`'s in all builds: for telemetry and process-wide tables, which no hand-over
//! relies on.

pub(crate) use imp::*;
#[cfg(parshall_loom)]
pub(crate) use waiting::{Backoff, block_on, block_on_until};

#[cfg(all(parshall_loom, not(parshall_loom_inside)))]
pub(crate) mod order;
#[cfg(not(all(parshall_loom, not(parshall_loom_inside))))]
#[path = "sync/order/absent.rs"]
pub(crate) mod order;

#[cfg(all(parshall_loom_inside, test))]
pub(crate) mod models;

#[cfg(all(parshall_loom_inside, not(parshall_loom)))]
compile_error!("`--cfg parshall_loom_inside` needs `--cfg parshall_loom` beside it");

// A channel's state is two words of 64 bits, whatever the size of a pointer.
#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "parshall needs 64-bit atomics, and this target has none. Use `tokio::sync::mpsc` on it: \
     choose by `cfg(target_has_atomic = \"64\")`"
);

/// A step of an algorithm at which a stall test may stop a thread (`--cfg parshall_stall`), and a
/// unit test may act; else nothing.
#[inline(always)]
pub(crate) fn step(name: &'static str) {
    #[cfg(all(test, not(parshall_loom)))]
    acting::act(name);
    #[cfg(parshall_stall)]
    if let Some(hook) = STEP_HOOK.get() {
        hook(name);
    }
    #[cfg(not(parshall_stall))]
    let _ = name;
}

/// What a stall test does at each step.
#[cfg(parshall_stall)]
pub static STEP_HOOK: plain::OnceLock<fn(&'static str)> = plain::OnceLock::new();

/// What other threads do between two steps, for unit tests: the thread itself plays them.
#[cfg(all(test, not(parshall_loom)))]
pub(crate) mod acting {
    pub(crate) use std::cell::RefCell;
    use std::marker::PhantomData;
    use std::rc::Rc;

    type Act = Box<dyn FnOnce()>;

    std::thread_local! {
        static NEXT: RefCell<Option<(&'static str, Act)>> = const { RefCell::new(None) };
    }

    pub(super) fn act(name: &'static str) {
        let take = |next: &RefCell<Option<(&'static str, Act)>>| {
            next.borrow_mut().take_if(|(at, _)| *at == name).map(|(_, act)| act)
        };
        if let Ok(Some(act)) = NEXT.try_with(take) {
            act();
        }
    }

    /// A step of this thread that is awaited.
    pub(crate) struct Armed(&'static str, PhantomData<Rc<()>>);

    /// Calls `act` once, at the next step of this thread that has this name.
    pub(crate) fn at(step: &'static str, act: impl FnOnce() + 'static) -> Armed {
        NEXT.set(Some((step, Box::new(act))));
        Armed(step, PhantomData)
    }

    impl Armed {
        /// The step must have come.
        pub(crate) fn acted(self) {
            assert!(NEXT.take().is_none(), "{} did not come", self.0);
        }
    }
}

/// A load that takes its place in the one order of all SeqCst operations.
///
/// Loom gives such an order to fences only. Of two threads that each step and then look, one sees
/// the other if a fence lies between step and look in both. There are two ways to put it there, and
/// each shows what the other hides:
///
/// * before each of these loads. A look that is not SeqCst is seen; a step that is not is made up
///   for by the look.
/// * `--cfg parshall_fence_behind`: behind each operation that is SeqCst, load or step. A step that
///   is not SeqCst is seen, and a look that stands for another's step (Q2); a last look that is not
///   is made up for by the step.
pub(crate) trait LoadSeqCst {
    type Word;

    fn load_sc(&self) -> Self::Word;
}

macro_rules! load_seq_cst {
    ($atomic:ident $(<$T:ident>)?, $word:ty) => {
        impl $(<$T>)? LoadSeqCst for $atomic $(<$T>)? {
            type Word = $word;

            #[inline(always)]
            fn load_sc(&self) -> $word {
                // ORDERING: the callers say what it pairs with.
                #[cfg(any(not(parshall_loom_inside), parshall_fence_behind))]
                return self.load(Ordering::SeqCst);
                #[cfg(all(parshall_loom_inside, not(parshall_fence_behind)))]
                {
                    loom::sync::atomic::fence(Ordering::SeqCst);
                    self.load(Ordering::Acquire)
                }
            }
        }
    };
}

load_seq_cst!(AtomicU64, u64);
load_seq_cst!(AtomicPtr<T>, *mut T);

/// `std`'s primitives whatever the build; never part of a hand-over between threads.
pub(crate) mod plain {
    pub(crate) use core::cell::{Cell, UnsafeCell};
    #[cfg(all(feature = "introspect", not(parshall_loom)))]
    pub(crate) use std::sync::Condvar;
    #[allow(unused_imports)] // not every build has a use for it
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Arc, MutexGuard, Weak};
    pub(crate) use std::thread_local;

    /// `std`'s mutex without poisoning: no user code runs while one of ours is held.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// The lock if nobody has it: never waits.
        pub(crate) fn try_lock(&self) -> Option<std::sync::MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            }
        }
    }

    /// The name of the calling thread, if it has one.
    pub(crate) fn thread_name() -> Option<Arc<str>> {
        std::thread::current().name().map(Arc::from)
    }

    /// Whether the calling thread is unwinding.
    pub(crate) fn panicking() -> bool {
        std::thread::panicking()
    }
}

/// For the row of waiters (`wait::row`): what is modelled only by the models of the row alone,
/// which are its unit tests in the loom build. For all other models the row is given, or they would
/// explore nothing else.
pub(crate) mod row {
    #[cfg(any(not(parshall_loom_inside), test))]
    pub(crate) use super::{AtomicPtr, AtomicU64, AtomicUsize};
    /// Tells loom of memory that must be freed.
    #[cfg(all(parshall_loom_inside, test))]
    pub(crate) use loom::alloc::Track;
    #[cfg(all(parshall_loom_inside, not(test)))]
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
}

#[cfg(not(parshall_loom_inside))]
mod imp {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering,
    };
    #[cfg(any(not(parshall_loom), feature = "introspect"))]
    pub(crate) use std::thread;

    pub(crate) use super::plain::AtomicU64;
    #[cfg(feature = "introspect")]
    pub(crate) use super::plain::{Mutex, MutexGuard};
    #[cfg(not(parshall_loom))]
    pub(crate) use crossbeam_utils::Backoff;

    /// Memory of which loom is told, and that must be freed. Else nothing.
    #[derive(Debug)]
    pub(crate) struct Tracked;

    impl Tracked {
        #[inline(always)]
        pub(crate) fn new() -> Self {
            Self
        }

        /// The caller has looked at the memory, for the last time perhaps. Whoever frees it must
        /// come after that.
        #[inline(always)]
        #[allow(clippy::unused_self)]
        pub(crate) fn seen(&self) {}
    }

    /// `std`'s cell behind loom's interface: access only inside a closure.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(parshall_loom_inside)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    #[cfg(test)]
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
    #[cfg(test)]
    pub(crate) use loom::thread;

    /// Loom's mutex behind our interface.
    #[cfg(test)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    #[cfg(test)]
    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no model goes on after a panic")
        }
    }

    /// As in the ordinary build.
    #[derive(Debug)]
    pub(crate) struct Tracked {
        leak_check: loom::alloc::Track<super::plain::Arc<()>>,
        seen: UnsafeCell<()>,
    }

    impl Tracked {
        pub(crate) fn new() -> Self {
            Self {
                leak_check: loom::alloc::Track::new(super::plain::Arc::new(())),
                seen: UnsafeCell::new(()),
            }
        }

        #[track_caller]
        pub(crate) fn seen(&self) {
            self.seen.with(|_| ());
        }

        /// Upgrades until it is freed.
        pub(crate) fn watch(&self) -> super::plain::Weak<()> {
            super::plain::Arc::downgrade(self.leak_check.get_ref())
        }
    }

    impl Drop for Tracked {
        #[track_caller]
        fn drop(&mut self) {
            self.seen.with_mut(|_| ());
        }
    }

    /// Loom's atomic with a shadow that every load touches first, by a relaxed swap that orders
    /// nothing. Loom remembers one last access per object: a thread's own load would hide an
    /// earlier load of another thread from its swap, and loom would never try the swap before that
    /// load. The shadows make the two loads collide instead.
    macro_rules! with_shadow {
        ($name:ident $(<$T:ident>)?, $value:ty) => {
            #[derive(Debug)]
            pub(crate) struct $name $(<$T>)? {
                word: loom::sync::atomic::$name $(<$T>)?,
                shadow: AtomicBool,
            }

            impl $(<$T>)? $name $(<$T>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self {
                        word: loom::sync::atomic::$name::new(value),
                        shadow: AtomicBool::new(false),
                    }
                }

                #[track_caller]
                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.shadow.swap(true, Ordering::Relaxed);
                    // By SeqCst loom would show the newest word, whatever else was seen or not.
                    let seq_cst = order == Ordering::SeqCst;
                    let value = self.word.load(if seq_cst { Ordering::Acquire } else { order });
                    self.fence_behind(order);
                    value
                }

                /// What [`super::LoadSeqCst`] says of `parshall_fence_behind`. Before the fence
                /// others may run.
                fn fence_behind(&self, order: Ordering) {
                    if cfg!(parshall_fence_behind) && order == Ordering::SeqCst {
                        self.shadow.swap(true, Ordering::Relaxed);
                        loom::sync::atomic::fence(Ordering::SeqCst);
                    }
                }
            }

            impl $(<$T>)? core::ops::Deref for $name $(<$T>)? {
                type Target = loom::sync::atomic::$name $(<$T>)?;

                fn deref(&self) -> &Self::Target {
                    &self.word
                }
            }
        };
    }

    with_shadow!(AtomicU64, u64);
    with_shadow!(AtomicUsize, usize);
    with_shadow!(AtomicPtr<T>, *mut T);

    impl<T> AtomicPtr<T> {
        #[track_caller]
        pub(crate) fn compare_exchange(
            &self,
            from: *mut T,
            to: *mut T,
            success: Ordering,
            failure: Ordering,
        ) -> Result<*mut T, *mut T> {
            let result = self.word.compare_exchange(from, to, success, failure);
            self.fence_behind(if result.is_ok() { success } else { failure });
            result
        }
    }

    /// The steps that may be SeqCst.
    macro_rules! steps {
        ($($name:ident),*) => {$(
            #[track_caller]
            pub(crate) fn $name(&self, value: u64, order: Ordering) -> u64 {
                let old = self.word.$name(value, order);
                self.fence_behind(order);
                old
            }
        )*};
    }

    impl AtomicU64 {
        steps!(fetch_add, fetch_or, fetch_and);

        #[track_caller]
        pub(crate) fn compare_exchange(
            &self,
            from: u64,
            to: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            let result = self.word.compare_exchange(from, to, success, failure);
            self.fence_behind(if result.is_ok() { success } else { failure });
            result
        }
    }
}

/// How a thread waits in a model.
#[cfg(parshall_loom)]
mod waiting {
    pub(crate) use loom::future::block_on;
    use loom::thread;

    /// Loom knows no time: the deadline never comes.
    pub(crate) fn block_on_until<F: core::future::Future>(
        future: F,
        _: Option<std::time::Instant>,
    ) -> Option<F::Output> {
        Some(block_on(future))
    }

    /// Under loom every wait is a yield: the scheduler decides who goes on.
    #[derive(Debug)]
    pub(crate) struct Backoff(core::cell::Cell<u32>);

    impl Backoff {
        pub(crate) fn new() -> Self {
            Self(core::cell::Cell::new(0))
        }

        pub(crate) fn spin(&self) {
            thread::yield_now();
        }

        pub(crate) fn snooze(&self) {
            self.0.set(self.0.get() + 1);
            thread::yield_now();
        }

        /// True after one yield: a model need not explore the spinning.
        pub(crate) fn is_completed(&self) -> bool {
            self.0.get() > 0
        }
    }
}
