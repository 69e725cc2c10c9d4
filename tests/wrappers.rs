//! The wrappers beside tokio-stream's: one source, compiled against both.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use futures_core::stream::FusedStream;

fn poll<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

macro_rules! shapes {
    ($side:ident, $($mpsc:ident)::+, $($wrappers:ident)::+) => {
        mod $side {
            use $($mpsc)::+ as mpsc;
            use $($wrappers)::+::{ReceiverStream, UnboundedReceiverStream};

            use super::*;

            /// In a field, in an argument, in a result.
            struct Held {
                bounded: ReceiverStream<u8>,
                unbounded: UnboundedReceiverStream<u8>,
            }

            fn wrap(rx: mpsc::Receiver<u8>, urx: mpsc::UnboundedReceiver<u8>) -> Held {
                Held { bounded: rx.into(), unbounded: UnboundedReceiverStream::from(urx) }
            }

            fn assert_bounds<S: Stream<Item = u8> + Unpin + Send + Sync + std::fmt::Debug>(_: &S) {}

            #[test]
            fn a_bounded_receiver_is_wrapped_and_comes_back() {
                let (tx, rx) = mpsc::channel(4);
                let mut held = wrap(rx, mpsc::unbounded_channel().1);
                assert_bounds(&held.bounded);
                assert_eq!(held.bounded.size_hint(), (0, None));
                assert_eq!(poll(&mut held.bounded), Poll::Pending);
                tx.try_send(1).unwrap();
                tx.try_send(2).unwrap();
                assert_eq!(held.bounded.size_hint(), (2, None));
                assert_eq!(held.bounded.as_ref().len(), 2);
                assert_eq!(held.bounded.as_mut().try_recv(), Ok(1));
                held.bounded.close();
                assert!(tx.is_closed());
                assert_eq!(poll(&mut held.bounded), Poll::Ready(Some(2)));
                assert_eq!(poll(&mut held.bounded), Poll::Ready(None));
                let mut rx: mpsc::Receiver<u8> = held.bounded.into_inner();
                assert_eq!(rx.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
            }

            #[test]
            fn an_unbounded_receiver_is_wrapped_and_comes_back() {
                let (tx, rx) = mpsc::unbounded_channel();
                let mut held = wrap(mpsc::channel(1).1, rx);
                assert_bounds(&held.unbounded);
                assert_eq!(held.unbounded.size_hint(), (0, None));
                assert_eq!(poll(&mut held.unbounded), Poll::Pending);
                tx.send(1).unwrap();
                tx.send(2).unwrap();
                assert_eq!(held.unbounded.size_hint(), (2, None));
                assert_eq!(held.unbounded.as_ref().len(), 2);
                assert_eq!(held.unbounded.as_mut().try_recv(), Ok(1));
                held.unbounded.close();
                assert!(tx.is_closed());
                assert_eq!(poll(&mut held.unbounded), Poll::Ready(Some(2)));
                assert_eq!(poll(&mut held.unbounded), Poll::Ready(None));
                let mut rx: mpsc::UnboundedReceiver<u8> = held.unbounded.into_inner();
                assert_eq!(rx.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
            }

            #[tokio::test]
            async fn a_stream_wakes_who_waits_for_it() {
                let (tx, rx) = mpsc::channel(1);
                let task = tokio::spawn(async move {
                    let mut stream = ReceiverStream::new(rx);
                    std::future::poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await
                });
                tokio::task::yield_now().await;
                tx.send(7).await.unwrap();
                assert_eq!(task.await.unwrap(), Some(7));
            }

            #[test]
            fn debug_names_the_wrapper_and_the_receiver() {
                let text = format!("{:?}", ReceiverStream::new(mpsc::channel::<u8>(1).1));
                assert!(text.starts_with("ReceiverStream { inner: Receiver { chan: "), "{text}");
                let text =
                    format!("{:?}", UnboundedReceiverStream::new(mpsc::unbounded_channel::<u8>().1));
                let start = "UnboundedReceiverStream { inner: UnboundedReceiver { chan: ";
                assert!(text.starts_with(start), "{text}");
            }
        }
    };
}

shapes!(theirs, tokio::sync::mpsc, tokio_stream::wrappers);
shapes!(ours, parshall::mpsc, parshall::wrappers);

/// What a wrapper says of itself is what the receiver in it says. Seen to fail with the trait's own
/// answers.
fn bounds<S: FusedStream + AsRef<R>, R: FusedStream>(stream: &S) -> bool {
    let receiver = stream.as_ref();
    assert_eq!(stream.size_hint(), receiver.size_hint());
    assert_eq!(stream.is_terminated(), receiver.is_terminated());
    stream.is_terminated()
}

#[test]
fn bounds_and_the_end_are_the_receivers_in_every_state() {
    use parshall::mpsc;
    use parshall::wrappers::{ReceiverStream, UnboundedReceiverStream};

    let (tx, rx) = mpsc::channel(2);
    let mut stream = ReceiverStream::new(rx);
    assert!(!bounds(&stream));
    tx.try_send(1).unwrap();
    let permit = tx.try_reserve().unwrap();
    bounds(&stream);
    stream.close();
    bounds(&stream);
    assert_eq!(poll(&mut stream), Poll::Ready(Some(1)));
    assert!(!bounds(&stream), "a permit is out");
    drop(permit);
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    assert!(bounds(&stream));

    let (tx, rx) = mpsc::unbounded_channel();
    let mut stream = UnboundedReceiverStream::new(rx);
    assert!(!bounds(&stream));
    tx.send(1).unwrap();
    drop(tx);
    assert!(!bounds(&stream));
    assert_eq!(poll(&mut stream), Poll::Ready(Some(1)));
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    assert!(bounds(&stream));
}
