//! Tasks of Tokio that telemetry knows to the root.

use core::future::Future;
use core::panic::Location;

use tokio::task::JoinHandle;

use super::Named;

/// `tokio::spawn`, and the task is known in snapshots: one word to change.
///
/// The task goes by the place of this call, `src/main.rs:17`, and is a *root*: the runtime polls
/// `future` and nothing else in the task, so no timeout around it can wake it unseen. A diagnosis
/// may therefore say more of it than of a future wrapped by [`named`](super::named), and much more
/// than of a task that is spawned otherwise: see [`TaskSnapshot`](crate::TaskSnapshot). It costs as
/// much as `named` does. [`spawn_named`] gives it a name, and so does
/// [`set_name`](super::set_name) from inside.
///
/// A function of yours that spawns for others passes their place on with `#[track_caller]`. `spawn`
/// itself passed as a function (`.map(spawn)`) has no place to tell: such a task goes by the type
/// of its future.
///
/// On another runtime than the one that this thread is in, enter that first: `let _guard =
/// handle.enter();`. A task of a `LocalSet`, or of a `JoinSet`, is spawned by that set, with the
/// future wrapped by `named`. Such a task is no root.
///
/// # Panics
/// As `tokio::spawn`, outside of a Tokio runtime.
///
/// # Cancel safety
/// As `tokio::spawn`: the task goes on when the handle is dropped, and
/// [`abort`](JoinHandle::abort) ends it. A diagnosis does not foresee an abort: a deadlock is one
/// even if somebody will end one of its tasks.
///
/// # Examples
/// ```
/// use parshall::{mpsc, task};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, mut rx) = mpsc::channel(8);
/// let sent = task::spawn(async move { tx.send(7).await }); // was: tokio::spawn
/// # let line = line!() - 1;
/// let spawned = parshall::snapshot().tasks.into_iter().find(|task| task.root).unwrap();
/// assert!(spawned.location.is_some());
/// # assert!(spawned.name.unwrap().ends_with(&format!(":{line}")));
/// assert_eq!(rx.recv().await, Some(7));
/// assert!(sent.await.is_ok());
/// # }
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Named::root(None, Location::caller(), future))
}

/// [`spawn`] with a name, under which the task's waits appear in snapshots. The name need not be
/// unique.
///
/// # Panics
/// As [`spawn`].
///
/// # Cancel safety
/// As [`spawn`].
///
/// # Examples
/// ```
/// use parshall::{mpsc, task};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, mut rx) = mpsc::channel(8);
/// task::spawn_named("writer", async move { tx.send(7).await });
/// assert_eq!(rx.recv().await, Some(7));
/// # }
/// ```
#[track_caller]
pub fn spawn_named<F>(name: impl Into<String>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Named::root(Some(name.into().into()), Location::caller(), future))
}
