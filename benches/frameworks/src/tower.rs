//! A service behind a buffer.

use std::convert::Infallible;

use tower::buffer::Buffer;
use tower::{Service, ServiceExt, service_fn};

/// `clients` tasks that call, each one call after the other.
pub(crate) async fn buffer(clients: u64) {
    const N: u64 = 100_000;
    let service = service_fn(|number: u64| async move { Ok::<_, Infallible>(number + 1) });
    let buffer = Buffer::new(service, 64);
    crate::together(clients, || {
        let mut buffer = buffer.clone();
        async move {
            for i in 0..N / clients {
                let answer = buffer.ready().await.expect("it lives").call(i).await;
                assert_eq!(answer.expect("an answer"), i + 1);
            }
        }
    })
    .await;
}
