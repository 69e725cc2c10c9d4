//! What both flavours have in common: their handles' calls by one name.

use std::fmt::Debug;
use std::task::{Context, Poll};

use super::error::{SendError, TryRecvError, TrySendError};
use super::{World, mpsc, say};
use crate::script::op::Op;
use crate::script::step::{Message, Out, Room, Tell};

/// A sender, and through it the flavour.
pub(crate) trait Flavour: Clone + Debug + Tell + 'static {
    type Weak: Clone + Debug;
    type Receiver: Receive;

    /// Handles of another channel.
    fn stranger() -> (Self, Self::Receiver);
    /// Sends without waiting. The text of an error is noted.
    fn offer(&self, message: Message, texts: &mut Vec<String>) -> Out;
    /// The calls that only this flavour has.
    fn call(world: &mut World<Self>, op: Op) -> Option<Out>;
    fn room(&self) -> Room;
    async fn closed(&self);
    fn is_closed(&self) -> bool;
    fn same_channel(&self, other: &Self) -> bool;
    fn counts(&self) -> (usize, usize);
    fn downgrade(&self) -> Self::Weak;
    fn upgrade(weak: &Self::Weak) -> Option<Self>;
    fn weak_counts(weak: &Self::Weak) -> (usize, usize);
}

pub(crate) trait Receive: Debug + Tell + 'static {
    fn room(&self) -> Room;
    async fn recv(&mut self) -> Option<Message>;
    async fn recv_many(&mut self, buffer: &mut Vec<Message>, limit: usize) -> usize;
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>>;
    fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<Message>,
        limit: usize,
    ) -> Poll<usize>;
    fn try_recv(&mut self) -> Result<Message, TryRecvError>;
    fn blocking_recv(&mut self) -> Option<Message>;
    fn blocking_recv_many(&mut self, buffer: &mut Vec<Message>, limit: usize) -> usize;
    fn close(&mut self);
    fn is_closed(&self) -> bool;
    fn is_empty(&self) -> bool;
    fn len(&self) -> usize;
    fn counts(&self) -> (usize, usize);
}

/// The flavour of the given handles. The braces hold what the two do differently, of sender and
/// receiver.
macro_rules! flavour {
    ($sender:ident { $($of_sender:tt)* } $weak:ident $receiver:ident { $($of_receiver:tt)* }) => {
        impl Flavour for mpsc::$sender<Message> {
            type Weak = mpsc::$weak<Message>;
            type Receiver = mpsc::$receiver<Message>;

            $($of_sender)*

            async fn closed(&self) {
                Self::closed(self).await;
            }

            fn is_closed(&self) -> bool {
                Self::is_closed(self)
            }

            fn same_channel(&self, other: &Self) -> bool {
                Self::same_channel(self, other)
            }

            fn counts(&self) -> (usize, usize) {
                (self.strong_count(), self.weak_count())
            }

            fn downgrade(&self) -> Self::Weak {
                Self::downgrade(self)
            }

            fn upgrade(weak: &Self::Weak) -> Option<Self> {
                weak.upgrade()
            }

            fn weak_counts(weak: &Self::Weak) -> (usize, usize) {
                (weak.strong_count(), weak.weak_count())
            }
        }

        impl Receive for mpsc::$receiver<Message> {
            $($of_receiver)*

            async fn recv(&mut self) -> Option<Message> {
                Self::recv(self).await
            }

            async fn recv_many(&mut self, buffer: &mut Vec<Message>, limit: usize) -> usize {
                Self::recv_many(self, buffer, limit).await
            }

            fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
                Self::poll_recv(self, cx)
            }

            fn poll_recv_many(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut Vec<Message>,
                limit: usize,
            ) -> Poll<usize> {
                Self::poll_recv_many(self, cx, buffer, limit)
            }

            fn try_recv(&mut self) -> Result<Message, TryRecvError> {
                Self::try_recv(self)
            }

            fn blocking_recv(&mut self) -> Option<Message> {
                Self::blocking_recv(self)
            }

            fn blocking_recv_many(&mut self, buffer: &mut Vec<Message>, limit: usize) -> usize {
                Self::blocking_recv_many(self, buffer, limit)
            }

            fn close(&mut self) {
                Self::close(self);
            }

            fn is_closed(&self) -> bool {
                Self::is_closed(self)
            }

            fn is_empty(&self) -> bool {
                Self::is_empty(self)
            }

            fn len(&self) -> usize {
                Self::len(self)
            }

            fn counts(&self) -> (usize, usize) {
                (self.sender_strong_count(), self.sender_weak_count())
            }
        }
    };
}

flavour! {
    Sender {
        fn stranger() -> (Self, Self::Receiver) {
            mpsc::channel(1)
        }

        fn offer(&self, message: Message, texts: &mut Vec<String>) -> Out {
            let Err(error) = self.try_send(message) else { return Out::Ready };
            say(texts, &error);
            let out = if matches!(error, TrySendError::Full(_)) { Out::Full } else { Out::Closed };
            out(Some(error.into_inner().number()))
        }

        fn call(world: &mut World<Self>, op: Op) -> Option<Out> {
            world.bounded(op)
        }

        fn room(&self) -> Room {
            Some((self.capacity(), self.max_capacity()))
        }
    }
    WeakSender
    Receiver {
        fn room(&self) -> Room {
            Some((self.capacity(), self.max_capacity()))
        }
    }
}

flavour! {
    UnboundedSender {
        fn stranger() -> (Self, Self::Receiver) {
            mpsc::unbounded_channel()
        }

        fn offer(&self, message: Message, texts: &mut Vec<String>) -> Out {
            let Err(error) = self.send(message) else { return Out::Ready };
            say(texts, &error);
            let SendError(message) = error;
            Out::Closed(Some(message.number()))
        }

        fn call(_: &mut World<Self>, _: Op) -> Option<Out> {
            None
        }

        fn room(&self) -> Room {
            None
        }
    }
    WeakUnboundedSender
    UnboundedReceiver {
        fn room(&self) -> Room {
            None
        }
    }
}
