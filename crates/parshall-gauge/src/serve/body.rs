//! An answer that is sent while it is written.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

/// Pieces that are written and not sent.
const AHEAD: usize = 4;

enum Piece {
    Bytes(Bytes),
    /// That was all.
    End,
}

/// Has `write` write, on a thread that may block. If it fails or panics, the answer breaks off, and
/// whoever reads it sees that: nobody takes a half for the whole.
pub(super) fn streamed(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Body {
    let (sender, receiver) = channel(AHEAD);
    spawn_blocking(move || {
        let mut out = Pieces(sender);
        if write(&mut out).is_ok() {
            let _ = out.0.blocking_send(Piece::End);
        }
    });
    Body::new(Streamed(receiver))
}

struct Pieces(Sender<Piece>);

impl Write for Pieces {
    /// Waits until the piece is taken. If the reader has gone, that is an error.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Piece::Bytes(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Streamed(Receiver<Piece>);

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(self.0.poll_recv(cx)) {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    /// Seen to fail with: an answer that ends when nobody writes any more.
    #[test]
    fn what_is_not_written_to_its_end_breaks_off() {
        type Writes = fn(&mut dyn Write) -> io::Result<()>;
        let whole: Writes = |out| out.write_all(b"all").and_then(|()| out.write_all(b" of it"));
        let fails: Writes = |out| out.write_all(b"half").and(Err(io::ErrorKind::Other.into()));
        let panics: Writes = |out| {
            out.write_all(b"half")?;
            panic!("on purpose");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (write, expected, breaks_off) in
            [(whole, "all of it", false), (fails, "half", true), (panics, "half", true)]
        {
            let (read, error) = runtime.block_on(async {
                let mut body = pin!(streamed(write));
                let mut read = Vec::new();
                loop {
                    match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                        Some(Ok(frame)) => read.extend(frame.into_data().unwrap()),
                        Some(Err(error)) => break (read, Some(error)),
                        None => break (read, None),
                    }
                }
            });
            assert_eq!(String::from_utf8(read).unwrap(), expected);
            assert_eq!(error.is_some(), breaks_off);
        }
    }
}
