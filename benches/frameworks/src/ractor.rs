//! An actor with an unbounded mailbox.

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};

struct Counter;

enum Job {
    Add(u64),
    Total(RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = Job;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Job>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Job>,
        job: Job,
        total: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match job {
            Job::Add(amount) => *total += amount,
            Job::Total(reply) => reply.send(*total)?,
        }
        Ok(())
    }
}

/// Messages without an answer, from `producers` tasks that yield after each 64.
pub(crate) async fn cast(producers: u64) {
    const N: u64 = 400_000;
    let (actor, handle) = Actor::spawn(None, Counter, ()).await.expect("it starts");
    crate::together(producers, || {
        let actor = actor.clone();
        async move {
            for i in 0..N / producers {
                actor.cast(Job::Add(1)).expect("it lives");
                if i % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
        }
    })
    .await;
    assert_eq!(call!(actor, Job::Total).expect("an answer"), N);
    actor.stop(None);
    handle.await.expect("no panic");
}

/// Messages with an answer, one after the other.
pub(crate) async fn call() {
    let (actor, handle) = Actor::spawn(None, Counter, ()).await.expect("it starts");
    for _ in 0..100_000 {
        assert_eq!(call!(actor, Job::Total).expect("an answer"), 0);
    }
    actor.stop(None);
    handle.await.expect("no panic");
}

/// Actors that live for one message.
pub(crate) async fn spawn() {
    for _ in 0..20_000 {
        let (actor, handle) = Actor::spawn(None, Counter, ()).await.expect("it starts");
        assert_eq!(call!(actor, Job::Total).expect("an answer"), 0);
        actor.stop(None);
        handle.await.expect("no panic");
    }
}
