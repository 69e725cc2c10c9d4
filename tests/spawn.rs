//! Tasks of Tokio that telemetry knows to the root: `task::spawn` and `task::spawn_named`.
#![cfg(all(feature = "introspect", feature = "tokio"))]

mod support;

use parshall::task::{self, TaskKind, TaskState};
use parshall::{TaskSnapshot, mpsc, snapshot};
use support::panic_of;

fn the_task(name: &str) -> Option<TaskSnapshot> {
    snapshot().tasks.into_iter().find(|task| task.name.as_deref() == Some(name))
}

/// Runs `body` on both flavours of the runtime.
fn on_both<F: Future<Output = ()>>(body: impl Fn() -> F) {
    use tokio::runtime::Builder;
    Builder::new_current_thread().enable_time().build().unwrap().block_on(body());
    let many = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    many.block_on(body());
}

/// Until a task has come to wait.
async fn idle(name: &str) -> TaskSnapshot {
    loop {
        if let Some(task) = the_task(name)
            && task.state == Some(TaskState::Idle)
        {
            return task;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_spawned_task_is_a_root_and_goes_by_its_place() {
    on_both(|| async {
        let (tx, mut rx) = mpsc::channel::<u8>(1);
        let handle = task::spawn(async move { rx.recv().await });
        let place = format!("{}:{}", file!(), line!() - 1);
        let spawned = idle(&place).await;
        assert!(spawned.root);
        assert_eq!(spawned.task.kind(), TaskKind::Named);
        assert_eq!(spawned.location, Some(format!("{place}:22").into()));
        tx.try_send(7).unwrap();
        assert_eq!(handle.await.unwrap(), Some(7));
        assert!(the_task(&place).is_none(), "it has ended");

        let (_tx, mut rx) = mpsc::channel::<u8>(1);
        let handle = task::spawn_named("by name", async move { rx.recv().await });
        let location = format!("{}:{}:22", file!(), line!() - 1);
        let spawned = idle("by name").await;
        assert_eq!((spawned.root, spawned.location), (true, Some(location.into())));
        handle.abort();
        assert!(handle.await.unwrap_err().is_cancelled());
        assert!(the_task("by name").is_none(), "aborted tasks are not listed");
    });
}

#[test]
fn a_spawned_task_can_be_given_a_name_from_inside() {
    on_both(|| async {
        let handle = task::spawn(async {
            task::set_name("from inside");
            let task = the_task("from inside").unwrap();
            (task.root, task.state)
        });
        assert_eq!(handle.await.unwrap(), (true, Some(TaskState::Running)));
    });
}

/// Around a future that is only wrapped there may be anything.
#[test]
fn a_named_future_is_no_root() {
    on_both(|| async {
        let handle = tokio::spawn(task::named("only named", std::future::pending::<()>()));
        let named = idle("only named").await;
        assert_eq!((named.root, named.location), (false, None));
        handle.abort();
        // Inside of a root neither.
        let handle =
            task::spawn_named("outside", task::named("inside", std::future::pending::<()>()));
        let inside = idle("inside").await;
        assert_eq!((inside.root, inside.location), (false, None));
        assert!(idle("outside").await.root);
        handle.abort();
        assert!(handle.await.is_err());
    });
}

#[track_caller]
fn for_others() {
    task::spawn(std::future::pending::<()>());
}

async fn worker() {
    std::future::pending::<()>().await;
}

#[test]
fn places_are_passed_on_and_those_that_tell_nothing_are_not_shown() {
    on_both(|| async {
        for_others();
        let place = format!("{}:{}", file!(), line!() - 1);
        assert!(idle(&place).await.root);
        let spawn: fn(_) -> _ = task::spawn;
        spawn(worker());
        assert!(idle("spawn::worker").await.root, "by the type of its future");
    });
}

/// As `tokio::spawn` panics, and there.
#[test]
fn outside_of_a_runtime_the_caller_is_told() {
    let theirs = panic_of(|| tokio::spawn(async {}));
    let ours = panic_of(|| task::spawn(async {}));
    let named = panic_of(|| task::spawn_named("nowhere", async {}));
    assert_eq!((&ours.0, &ours.1, ours.2), (&theirs.0, &theirs.1, theirs.2 + 1));
    assert_eq!((&named.0, &named.1, named.2), (&theirs.0, &theirs.1, theirs.2 + 2));
    assert!(the_task("nowhere").is_none());
}
