//! The wakers of a named task, and how many clones of them live.
//!
//! Each clone could wake the task, so who knows where all of them are knows that nothing else will.
//! The clones of one waker are the strong count of its `Hook`. A task has one hook after the other:
//! a new one when no clone of the last is left, or when the executor polls with another waker.
//! [`Hooks`] lists all that may have clones.

use crate::sync::plain::{Mutex, Weak};

/// The hooks of a task that have clones, and some that have none any more.
///
/// The lock is taken by a poll that makes a hook, and by snapshots. Under it nothing is allocated,
/// freed or dropped: the allocator is user code, and may take a snapshot.
#[derive(Debug)]
pub(super) struct Hooks<H>(Mutex<Vec<Weak<H>>>);

impl<H> Hooks<H> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// As a rule the last hook is dead, and the new one takes its place.
    pub(super) fn list(&self, hook: Weak<H>) {
        let mut hooks = self.0.lock();
        if let Some(dead) = hooks.iter_mut().find(|hook| hook.strong_count() == 0) {
            let dead = core::mem::replace(dead, hook);
            drop(hooks);
            drop(dead);
            return;
        }
        // Only this poll adds one: nobody fills what is reserved.
        if hooks.len() == hooks.capacity() {
            let wanted = 2 * hooks.len() + 1;
            drop(hooks);
            let mut larger = Vec::with_capacity(wanted);
            hooks = self.0.lock();
            larger.append(&mut hooks);
            core::mem::swap(&mut *hooks, &mut larger);
            hooks.push(hook);
            drop(hooks);
            drop(larger);
        } else {
            hooks.push(hook);
        }
    }

    /// Clones that live, the one that a poll shows its future included. Exact at one moment while
    /// the task is idle and nobody clones a waker.
    pub(super) fn clones(&self) -> u64 {
        // Counted, not upgraded: that would count here, and in another snapshot.
        self.0.lock().iter().map(|hook| hook.strong_count() as u64).sum()
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::future::{Future, poll_fn};
    use core::pin::pin;
    use core::task::{Context, Poll};
    use std::task::Wake;

    use crate::sync::plain::Arc;
    use crate::telemetry::task::{TaskKind, TaskRef, living, named};

    /// Seen to fail with: hooks that stay for ever.
    #[test]
    fn dead_hooks_make_room_for_new_ones() {
        let mut kept = Vec::new();
        let mut future = pin!(named(
            "many hooks",
            poll_fn(|cx| {
                kept.push(cx.waker().clone());
                // One that stays, and others that the next poll finds dead.
                kept.truncate(1);
                Poll::<()>::Pending
            })
        ));
        let number = future.task().number();
        for _ in 0..100 {
            struct Executor;
            impl Wake for Executor {
                fn wake(self: Arc<Self>) {}
            }
            let waker = Arc::new(Executor).into();
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let living = living();
        let cell = living.cell(TaskRef::new(TaskKind::Named, number)).unwrap();
        assert_eq!(cell.hooks.0.lock().len(), 2);
        assert_eq!(cell.wakers(), 1);
    }
}
