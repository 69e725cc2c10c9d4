//! What channels are called that were given no name.
#![cfg(feature = "introspect")]

use std::collections::HashMap;

use parshall::mpsc::{self, Builder};
use parshall::{ChannelSnapshot, ChannelStats, snapshot};

fn the(stats: &ChannelStats) -> ChannelSnapshot {
    let mut channels = snapshot().channels.into_iter();
    channels.find(|channel| channel.stats.channel_id == stats.channel_id).unwrap()
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
        assert_eq!((&stats.name, stats.label), (&place, format!("{place} (u8)")));
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
    // Each has an id of its own, whatever else is called so, and goes on to be numbered by its name.
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
