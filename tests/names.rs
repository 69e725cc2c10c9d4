//! What channels and tasks are called: given names, made-up ones, and ids that stay.
#![cfg(feature = "introspect")]

mod support;

use std::collections::HashMap;
use std::thread;

use parshall::mpsc::{self, Builder};
use parshall::task::{self, TaskKind, TaskRef, named};
use parshall::{ChannelSnapshot, ChannelStats, snapshot};
use support::{eventually, pending, task};

fn the(stats: &ChannelStats) -> ChannelSnapshot {
    let mut channels = snapshot().channels.into_iter();
    channels.find(|channel| channel.stats.channel_id == stats.channel_id).unwrap()
}

/// The name of a task or thread that waits.
fn name_of(task: TaskRef) -> Option<String> {
    snapshot()
        .tasks
        .into_iter()
        .find(|node| node.task == task)
        .and_then(|node| node.name.map(String::from))
}

/// Texts that a careless writer or reader might trip over.
fn odd_names() -> [String; 6] {
    [
        String::new(),
        "\0\u{1b}[31m\n\r\t".to_owned(),
        "x".repeat(10 << 10),
        "mpsc:a:b:tx#7%3A".to_owned(),
        "\u{1f980}".repeat(2_560),
        "\u{202e}right to left".to_owned(),
    ]
}

/// Seen to fail with: a name that only the builder gives.
#[test]
fn every_handle_names_its_channel_at_any_time() {
    let (tx, rx) = Builder::new().name("first").capacity(1).build::<u8>();
    let id = the(&tx.stats()).id;
    let weak = tx.downgrade();
    tx.set_name("by the sender");
    assert_eq!(rx.stats().name, "by the sender");
    rx.set_name(String::from("by the receiver"));
    assert_eq!(
        (tx.stats().name.as_str(), tx.stats().label.as_str()),
        ("by the receiver", "by the receiver")
    );
    weak.set_name("by a weak sender");
    assert_eq!(
        (the(&tx.stats()).stats.name.as_str(), the(&tx.stats()).id),
        ("by a weak sender", id.clone())
    );
    drop(tx);
    weak.set_name("closed");
    assert_eq!(rx.stats().name, "closed");
    let stats = the(&rx.stats()).stats;
    assert_eq!((&*stats.name, &*stats.label), ("closed", "closed"));

    let (tx, rx) = mpsc::unbounded_channel::<u8>();
    let id = the(&tx.stats()).id;
    tx.set_name("a");
    assert_eq!(rx.stats().name, "a");
    rx.set_name("b");
    assert_eq!(tx.stats().name, "b");
    tx.downgrade().set_name("c");
    assert_eq!((tx.stats().name.as_str(), the(&rx.stats()).id), ("c", id));
}

#[test]
fn the_sums_of_the_dead_stay_under_the_name_in_the_id() {
    let (tx, rx) = Builder::new().name("sums, first name").build();
    tx.set_name("sums, second name");
    tx.try_send(1).unwrap();
    drop((tx, rx));
    let sums = |name: &str| snapshot().retired.into_iter().find(|retired| retired.name == name);
    eventually("it has died", || sums("sums, first name").is_some());
    assert_eq!(sums("sums, first name").unwrap().sums.sent_total, 1);
    assert!(sums("sums, second name").is_none());
    // Nor does a name that was given later number the channels of that name.
    let (tx, _rx) = Builder::new().name("sums, second name").build::<u8>();
    assert!(!the(&tx.stats()).id.contains('#'));
}

#[test]
fn any_text_is_a_name_and_is_kept_as_it_is() {
    let (tx, mut rx) = Builder::new().name("odd").capacity(1).build::<u8>();
    let id = the(&tx.stats()).id;
    let mut waits = Box::pin(named("odd task", rx.recv()));
    let waiting = waits.task();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    for name in odd_names() {
        tx.set_name(name.as_str());
        let built = Builder::new().name(name.as_str()).build::<u8>().0;
        assert_eq!(
            [tx.stats().name, tx.stats().label, built.stats().name],
            [&*name, &*name, &*name]
        );
        let odd_task = pending(named(name.clone(), std::future::pending::<()>()));
        let json = snapshot().graph().to_json().to_string();
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        let nodes: HashMap<_, _> = back["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| (n["id"].as_str().unwrap(), n))
            .collect();
        assert_eq!(nodes[&*format!("{id}:tx")]["attrs"]["name"], *name);
        assert!(nodes.values().any(|n| n["kind"] == "task" && n["attrs"]["name"] == *name));
        assert!(nodes.contains_key(&*waiting.node_id()));
        drop(odd_task);
    }
    assert_eq!(the(&tx.stats()).id, id);
}

/// Seen to fail with: names of tasks that are given once, by `named`.
#[test]
fn the_running_task_names_itself() {
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let mut outer = task(named("outer, first", async {
        let outer = task::set_name("outer, second").unwrap();
        let inner = named("inner, first", async {
            for name in odd_names().into_iter().chain(["inner, second".to_owned()]) {
                let inner = task::set_name(name.clone()).unwrap();
                assert!(
                    snapshot()
                        .tasks
                        .iter()
                        .any(|node| node.task == inner && node.name.as_deref() == Some(&*name))
                );
            }
            tx.send(1).await
        });
        let id = inner.task();
        assert_ne!(outer, id);
        let mut inner = std::pin::pin!(inner);
        std::future::poll_fn(|cx| {
            assert!(inner.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        assert_eq!(name_of(id).as_deref(), Some("inner, second"));
        assert_eq!(name_of(outer).as_deref(), Some("outer, second"));
        outer.kind()
    }));
    assert_eq!(outer.ready(), TaskKind::Named);
}

#[test]
fn a_thread_names_itself() {
    let body = || {
        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(0).unwrap();
        let me = task::set_name("worker for billing").unwrap();
        assert_eq!(
            (me.kind(), Some(me.node_id())),
            (TaskKind::Thread, tx.stats().creator_task_id.map(String::from))
        );
        let _waiting = pending(tx.send(1));
        assert_eq!(rx.blocking_recv(), Some(0));
        assert_eq!(
            (the(&tx.stats()).last_receiver, name_of(me).unwrap().as_str()),
            (Some(me), "worker for billing")
        );
        // In a named task that is driven here, the task has it.
        task(named("driven", async { task::set_name("driven, renamed") })).ready();
        assert_eq!(name_of(me).unwrap(), "worker for billing");
    };
    thread::Builder::new().name("its own name".into()).spawn(body).unwrap().join().unwrap();
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_task_that_a_framework_has_spawned_names_itself() {
    let (tx, _rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let spawned: Vec<_> = (0..3)
        .map(|n| {
            let tx = tx.clone();
            tokio::spawn(async move {
                // As from `on_start`.
                task::set_name("starting");
                assert_eq!(task::set_name(format!("billing {n}")).unwrap().kind(), TaskKind::Tokio);
                tx.send(n).await
            })
        })
        .collect();
    while tx.stats().send_waiters < 3 {
        tokio::task::yield_now().await;
    }
    for (wait, n) in the(&tx.stats()).send_waits.iter().zip(0..) {
        let task = wait.task.unwrap();
        assert_eq!(
            (task.kind(), task.number().to_string()),
            (TaskKind::Tokio, spawned[n].id().to_string())
        );
        assert_eq!(name_of(task), Some(format!("billing {n}")));
    }
    let id = the(&tx.stats()).send_waits[0].task.unwrap().node_id();
    let graph = snapshot().graph().to_json();
    let node = graph["nodes"].as_array().unwrap().iter().find(|node| node["id"] == *id).unwrap();
    assert_eq!(node["attrs"]["name"], "billing 0", "the id stays, the name is an attribute");
}

/// In async `main`, the thread has the name.
#[cfg(feature = "tokio")]
#[test]
fn async_main_names_itself() {
    let body = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let me = task::set_name("the server").unwrap();
            let (_tx, mut rx) = mpsc::channel::<u8>(1);
            let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(rx.poll_recv(cx)));
            assert!(poll.await.is_pending());
            assert_eq!((me.kind(), name_of(me).as_deref()), (TaskKind::Thread, Some("the server")));
        });
    };
    thread::spawn(body).join().unwrap();
}

/// Every constructor of ours in a helper that passes its caller on.
#[test]
fn a_helper_passes_its_callers_place_on() {
    #[track_caller]
    fn bounded() -> ChannelStats {
        mpsc::channel::<u8>(1).0.stats()
    }
    #[track_caller]
    fn unbounded() -> ChannelStats {
        mpsc::unbounded_channel::<u8>().0.stats()
    }
    #[track_caller]
    fn built() -> ChannelStats {
        Builder::default().capacity(1).untracked().build::<u8>().0.stats()
    }
    #[track_caller]
    fn built_unbounded() -> ChannelStats {
        Builder::new().clone().build_unbounded::<u8>().0.stats()
    }
    for (stats, line) in [
        (bounded(), line!()),
        (unbounded(), line!()),
        (built(), line!()),
        (built_unbounded(), line!()),
    ] {
        let place = format!("{}:{line}", file!());
        assert_eq!((stats.name.as_str(), stats.label), (&*place, format!("{place} (u8)").into()));
        assert!(stats.location.starts_with(&format!("{place}:")), "{}", stats.location);
    }
}

/// Seen to fail with: the place of the call, wherever it is.
#[test]
fn a_constructor_passed_as_a_function_makes_a_channel_named_by_its_type() {
    struct Order;
    type Orders = (mpsc::UnboundedSender<Order>, mpsc::UnboundedReceiver<Order>);

    let mut by_key: HashMap<u8, Orders> = HashMap::new();
    let by_entry = by_key.entry(1).or_insert_with(mpsc::unbounded_channel).0.stats();
    let by_map = std::hint::black_box(Some(8)).map(mpsc::channel::<Vec<Order>>).unwrap().0.stats();
    let pointer: fn(usize) -> (mpsc::Sender<Order>, mpsc::Receiver<Order>) = mpsc::channel;
    let by_pointer = std::hint::black_box(pointer)(8).0.stats();
    let by_builder =
        std::hint::black_box(Some(Builder::new())).map(Builder::build::<Order>).unwrap().0.stats();
    for (stats, name) in [
        (&by_entry, "Order"),
        (&by_map, "Vec<Order>"),
        (&by_pointer, "Order"),
        (&by_builder, "Order"),
    ] {
        assert_eq!((&*stats.name, &*stats.label), (name, name), "{}", stats.location);
        assert!(!stats.location.starts_with('/'), "{}", stats.location);
    }
    // Each has an id of its own, whatever else is called so, and goes on to be numbered by its
    // name.
    let kept = [by_key.remove(&1).unwrap(), Some(()).map(|()| mpsc::unbounded_channel()).unwrap()];
    let also: Vec<_> = [8, 8].into_iter().map(mpsc::channel::<Order>).collect();
    let third = Builder::new().name("Order").build::<u8>();
    let ids: std::collections::HashSet<_> = kept
        .iter()
        .map(|(tx, _)| the(&tx.stats()).id)
        .chain(also.iter().map(|(tx, _)| the(&tx.stats()).id))
        .chain([the(&third.0.stats()).id])
        .collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
}
