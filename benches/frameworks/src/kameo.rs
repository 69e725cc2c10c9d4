//! An actor with a mailbox of some capacity, or of none.

use kameo::Actor;
use kameo::actor::Spawn;
use kameo::mailbox;
use kameo::message::{Context, Message};

#[derive(Actor)]
struct Counter(u64);

struct Add(u64);

impl Message<Add> for Counter {
    type Reply = u64;

    async fn handle(&mut self, Add(amount): Add, _: &mut Context<Self, u64>) -> u64 {
        self.0 += amount;
        self.0
    }
}

/// Messages without an answer, from `producers` tasks. Without a capacity they yield after each 64.
pub(crate) async fn tell(capacity: Option<usize>, producers: u64) {
    const N: u64 = 200_000;
    let mailbox = capacity.map_or_else(mailbox::unbounded, mailbox::bounded);
    let actor = Counter::spawn_with_mailbox(Counter(0), mailbox);
    crate::together(producers, || {
        let actor = actor.clone();
        async move {
            for i in 0..N / producers {
                actor.tell(Add(1)).await.expect("it lives");
                if capacity.is_none() && i % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
        }
    })
    .await;
    assert_eq!(actor.ask(Add(0)).await.expect("an answer"), N);
}

/// Messages with an answer, one after the other.
pub(crate) async fn ask() {
    let actor = Counter::spawn(Counter(0));
    for i in 1..=100_000 {
        assert_eq!(actor.ask(Add(1)).await.expect("an answer"), i);
    }
}

/// Actors that live for one message.
pub(crate) async fn spawn() {
    for _ in 0..20_000 {
        let actor = Counter::spawn(Counter(0));
        actor.tell(Add(1)).await.expect("it lives");
        actor.stop_gracefully().await.expect("it lives");
        actor.wait_for_shutdown().await;
    }
}
