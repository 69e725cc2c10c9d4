//! The answers without a socket: bytes in, bytes out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use parshall::introspect::Settings;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use super::LIMITS;
use super::guests::answer;
use super::host::Hosts;
use super::routes::router;
use crate::gauge::looks::Looks;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// The gauge does not stop.
static NEVER: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// On the socket, and on TCP, where only numbers, `localhost` and `known.example` are answered.
static ROUTERS: LazyLock<[Router; 2]> = LazyLock::new(|| {
    let looks = Arc::new(Looks::new(Settings::default()));
    let hosts = Hosts::new(vec!["known.example".to_owned()]);
    let stopping = NEVER.subscribe();
    [router(looks.clone(), None, stopping.clone()), router(looks, Some(hosts), stopping)]
});

/// What a peer that sends these bytes, at most `piece` at a time, is sent. Then the peer waits, if
/// its request has an end, else it goes. Panics if the gauge takes longer than it may.
pub fn answered(bytes: &[u8], piece: usize, on_tcp: bool) -> Vec<u8> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let has_end = [&b"\n\r\n"[..], b"\n\n"]
        .iter()
        .any(|end| bytes.windows(end.len()).any(|window| window == *end));
    let peer = Peer { stays: has_end, written: written.clone(), ..Peer::new(bytes, piece) };
    let router = ROUTERS[usize::from(on_tcp)].clone();
    let done =
        RUNTIME.block_on(async { timeout(LIMIT, answer(peer, router, LIMITS.connection)).await });
    // What only looks like the end of a request is waited for, and cut by the limit of a request.
    assert!(done.is_ok() || has_end, "it hangs");
    std::mem::take(&mut *written.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One end of a connection: it sends some bytes, a piece at a time, and keeps what it is sent.
#[derive(Debug)]
pub struct Peer {
    left: Vec<u8>,
    piece: usize,
    /// It waits when it has sent all; else it goes.
    stays: bool,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    /// One that sends these bytes, at most `piece` at a time, and goes.
    pub fn new(bytes: &[u8], piece: usize) -> Self {
        let (left, piece) = (bytes.to_vec(), piece.max(1));
        Self { left, piece, stays: false, written: Arc::default() }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.is_empty() && self.stays {
            return Poll::Pending;
        }
        let take = self.piece.min(self.left.len()).min(buf.remaining());
        let rest = self.left.split_off(take);
        buf.put_slice(&std::mem::replace(&mut self.left, rest));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
