//! Who is answered: how many at once, and for how long. One who hangs costs nothing that others
//! need.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// So many connections at once. For one more, the oldest is cut.
pub(super) const AT_ONCE: usize = 16;

/// How long a request may take to be there, its headers included.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a connection may last, from the first byte of the request to the last of the answer.
const CONNECTION: Duration = Duration::from_secs(60);

/// How many bytes the head of a request may have, and how many headers.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;

/// One request, and its answer.
pub(super) async fn answer<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // An error is the guest's: it has gone, or has sent what is no request.
    drop(timeout(CONNECTION, connection).await);
}

#[derive(Clone, Default)]
pub(super) struct Guests(Arc<Mutex<VecDeque<AbortHandle>>>);

impl Guests {
    /// Answers one request on this connection. What a request has for a body is not read.
    pub(super) fn admit<S>(&self, stream: S, router: &Router)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let task = tokio::spawn(answer(stream, router.clone()));
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|guest| !guest.is_finished());
        if guests.len() >= AT_ONCE
            && let Some(oldest) = guests.pop_front()
        {
            oldest.abort();
        }
        guests.push_back(task.abort_handle());
    }
}
