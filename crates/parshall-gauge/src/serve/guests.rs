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
use tokio::time::{sleep, timeout};

/// How long a request may take to be there, its headers included.
const REQUEST: Duration = Duration::from_secs(5);

/// How long those who are being answered may take to leave, when the gauge stops.
const LEAVE: Duration = Duration::from_millis(250);

/// How many bytes the head of a request may have, and how many headers.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;

/// What guests may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many connections at once. For one more, the oldest is cut.
    pub at_once: usize,
    /// How long a connection may last, from the first byte of the request to the last of the
    /// answer.
    pub connection: Duration,
}

/// Those who are answered now.
#[derive(Clone, Debug)]
pub struct Guests {
    limits: Limits,
    guests: Arc<Mutex<VecDeque<AbortHandle>>>,
}

impl Guests {
    /// Nobody yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, guests: Arc::default() }
    }

    /// Answers one request on this connection. What a request has for a body is not read.
    pub fn admit<S>(&self, stream: S, router: &Router)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Limits { at_once, connection } = self.limits;
        let task = tokio::spawn(answer(stream, router.clone(), connection));
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|guest| !guest.is_finished());
        if guests.len() >= at_once
            && let Some(oldest) = guests.pop_front()
        {
            oldest.abort();
        }
        guests.push_back(task.abort_handle());
    }

    /// Nobody comes any more: waits until those who are there have left, and no longer than a
    /// moment.
    pub async fn leave(&self) {
        let all_have = || {
            let guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
            guests.iter().all(AbortHandle::is_finished)
        };
        let leave = async {
            while !all_have() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(LEAVE, leave).await;
    }
}

/// One request, and its answer, for so long at most.
pub(super) async fn answer<S>(stream: S, router: Router, most: Duration)
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
    drop(timeout(most, connection).await);
}
