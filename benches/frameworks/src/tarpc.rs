//! A client and a server of remote calls, in one process.

use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel};
use tarpc::{client, context, transport};

#[tarpc::service]
trait Increment {
    async fn increment(number: u64) -> u64;
}

#[derive(Clone)]
struct Server;

impl Increment for Server {
    async fn increment(self, _: context::Context, number: u64) -> u64 {
        number + 1
    }
}

/// `clients` tasks that call, each one call after the other.
pub(crate) async fn calls(clients: u64) {
    const N: u64 = 20_000;
    let (near, far) = transport::channel::unbounded();
    let requests = BaseChannel::with_defaults(far).execute(Server.serve());
    tokio::spawn(requests.for_each(|request| async {
        tokio::spawn(request);
    }));
    let client = IncrementClient::new(client::Config::default(), near).spawn();
    crate::together(clients, || {
        let client = client.clone();
        async move {
            for i in 0..N / clients {
                let answer = client.increment(context::current(), i).await;
                assert_eq!(answer.expect("an answer"), i + 1);
            }
        }
    })
    .await;
}
