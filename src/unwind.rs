//! Panics of the user code that a channel calls: whose they are, and where they end.
//!
//! A channel calls wakers and the drops of messages. A panic there must not leave the rest undone:
//! it is deferred in a [`FirstPanic`] until the call has done its part. What becomes of it then
//! depends on whose it is.
//!
//! | user code | whose panic it is | where it ends |
//! |---|---|---|
//! | `wake` and `drop` of a waker that waits in the channel | another task's: it is *foreign* | goes on if the call owes its caller nothing; else here |
//! | `clone` and `wake_by_ref` of the waker of the poll | the caller's own | goes on at once: nothing has changed yet, or the future has what is owed |
//! | `drop` of a message, by a receiver or a drain that is dropped | the caller's own | goes on, after all messages were dropped |
//! | `drop` of a message that a permit sent to nobody | the caller's own | goes on, after the room was given back |
//!
//! **A foreign panic goes on only in a call that owes its caller nothing.** The panic hook has
//! reported it, and whoever called is not to blame: it must not lose a message or a permit to it.
//! [`Owes`] is this rule: nothing else can let a panic go on.
//!
//! * Nothing is owed by a call that returns `()`, by a drop, and by a send that is not polled and
//!   was done: all it has to say is `Ok(())`, and the message is in the channel.
//! * A value is owed by all others: an error with the message in it, a sender, a permit, a message,
//!   how many there were, and what a poll that is ready says. What else the task holds would be
//!   lost with it.

use core::any::Any;
use core::panic::AssertUnwindSafe;
use core::task::Waker;
use std::panic::{catch_unwind, resume_unwind};

use crate::sync::plain::panicking;

/// What a call owes its caller when it has called the wakers of others. See the module.
pub(crate) trait Owes {
    /// Whether that is anything: for a choice between functions that are no generics.
    const A_VALUE: bool;

    /// Runs `f`, which defers foreign panics, and ends them.
    fn settle(f: impl FnOnce(&mut FirstPanic));

    /// Runs `f`, which may let foreign panics through, and ends them.
    fn run(f: impl FnOnce()) {
        Self::settle(|panic| panic.run(f));
    }
}

/// The first foreign panic goes on from here.
#[derive(Debug)]
pub(crate) enum OwesNothing {}

/// A foreign panic ends here.
#[derive(Debug)]
pub(crate) enum OwesValue {}

impl Owes for OwesNothing {
    const A_VALUE: bool = false;

    #[inline]
    fn settle(f: impl FnOnce(&mut FirstPanic)) {
        let mut panic = FirstPanic::default();
        f(&mut panic);
        panic.resume();
    }
}

impl Owes for OwesValue {
    const A_VALUE: bool = true;

    #[inline]
    fn settle(f: impl FnOnce(&mut FirstPanic)) {
        f(&mut FirstPanic::default());
    }
}

/// The first panic of a series of calls to user code, deferred until all have been made. Dropped,
/// it ends there.
#[derive(Debug, Default)]
pub(crate) struct FirstPanic(Option<Payload>);

type Payload = Box<dyn Any + Send>;

impl FirstPanic {
    /// Runs `f`; a panic is kept if it is the first.
    #[inline]
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.keep(payload);
        }
    }

    #[cold]
    fn keep(&mut self, payload: Payload) {
        match self.0 {
            None => self.0 = Some(payload),
            Some(_) => discard(payload),
        }
    }

    /// Drops a waker, if there is one: its drop is user code.
    #[inline]
    pub(crate) fn discard(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            self.run(|| drop(waker));
        }
    }

    /// Goes on with the first panic, if there was one. A second panic while unwinding would abort
    /// the process.
    #[inline]
    fn resume(mut self) {
        if self.0.is_some()
            && !panicking()
            && let Some(payload) = self.0.take()
        {
            resume_unwind(payload);
        }
    }
}

impl Drop for FirstPanic {
    #[inline]
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            discard(payload);
        }
    }
}

/// Drops what a panic carried. That is user code as well: it may panic with a payload of its own,
/// and so on. After a few of those the last one is leaked.
#[cold]
pub(crate) fn discard(payload: Payload) {
    const NESTED: usize = 8;
    let mut payload = payload;
    for _ in 0..NESTED {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    core::mem::forget(payload);
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::cell::Cell;
    use std::panic::panic_any;

    use super::*;

    std::thread_local! {
        static DROPPED: Cell<u32> = const { Cell::new(0) };
    }

    /// Panics when it is dropped, with one of these that has one life less.
    struct Nested(u32);

    impl Drop for Nested {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
            if let Some(left) = self.0.checked_sub(1) {
                panic_any(Nested(left));
            }
        }
    }

    fn dropped(f: impl FnOnce()) -> u32 {
        let before = DROPPED.get();
        f();
        DROPPED.get() - before
    }

    /// Seen to fail with: payloads that are forgotten; and, a `drop` that is not caught.
    #[cfg_attr(miri, ignore = "the last payload is leaked on purpose")]
    #[test]
    fn a_payload_is_dropped_and_so_are_those_of_its_drop() {
        assert_eq!(dropped(|| discard(Box::new(Nested(0)))), 1);
        assert_eq!(dropped(|| discard(Box::new(Nested(3)))), 4);
        assert_eq!(dropped(|| discard(Box::new(Nested(u32::MAX)))), 8, "it ends");
        // The second panic, and the first one where a value is owed.
        let two = || {
            OwesValue::settle(|panic| {
                panic.run(|| panic_any(Nested(1)));
                assert_eq!(dropped(|| panic.run(|| panic_any(Nested(1)))), 2);
            });
        };
        assert_eq!(dropped(two), 4);
    }

    /// Seen to fail with: `OwesValue` that resumes; and, `OwesNothing` that does not; and, that
    /// does while unwinding.
    #[test]
    fn a_panic_goes_on_where_nothing_is_owed_and_nothing_unwinds() {
        let caught = |f: fn()| catch_unwind(f).err().map(|text| *text.downcast::<&str>().unwrap());
        let two = |panic: &mut FirstPanic| {
            panic.run(|| panic!("first"));
            panic.run(|| panic!("second"));
        };
        fn settle<O: Owes>(f: impl FnOnce(&mut FirstPanic)) -> impl FnOnce() {
            || O::settle(f)
        }
        let text = catch_unwind(AssertUnwindSafe(settle::<OwesNothing>(two))).unwrap_err();
        assert_eq!(*text.downcast::<&str>().unwrap(), "first");
        settle::<OwesValue>(two)();
        struct Settles;
        impl Drop for Settles {
            fn drop(&mut self) {
                OwesNothing::settle(|panic| panic.run(|| panic!("foreign")));
            }
        }
        let unwinding = || {
            let _settles = Settles;
            panic!("own")
        };
        assert_eq!(caught(unwinding), Some("own"));
        assert_eq!(caught(|| drop(Settles)), Some("foreign"));
        assert_eq!(caught(|| OwesValue::run(|| drop(Settles))), None);
    }
}
