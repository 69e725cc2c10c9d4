//! The calls of the receiver.

use std::task::{Context, Poll};

use super::error::TryRecvError;
use super::{Flavour, Receive, World, say};
use crate::script::op::Op;
use crate::script::step::{Message, Out, at_once};

fn numbers(messages: impl IntoIterator<Item = Message>) -> Vec<u32> {
    messages.into_iter().map(Message::number).collect()
}

/// What a call that appends found in its buffer: `n` messages behind the one that was there.
fn appended(n: usize, mut buffer: Vec<Message>) -> Vec<Message> {
    assert_eq!(n, buffer.len() - 1);
    assert_eq!(buffer.remove(0).number(), 0);
    buffer
}

/// Whether a receive is sure to return at once: a message is there, or nothing will ever come.
fn is_ready(receiver: &impl Receive) -> bool {
    let idle = receiver.room().is_none_or(|(free, max)| free == max);
    !receiver.is_empty() || receiver.is_closed() && idle
}

impl<S: Flavour> World<S> {
    fn try_recv(&mut self, receiver: &mut S::Receiver) -> Out {
        match receiver.try_recv() {
            Ok(message) => Out::Got(numbers([message])),
            Err(error) => {
                say(&mut self.texts, &error);
                match error {
                    TryRecvError::Empty => Out::Empty,
                    TryRecvError::Disconnected => Out::Disconnected,
                }
            }
        }
    }

    /// All but a poll of the receive in progress cancel that first.
    #[allow(clippy::await_holding_refcell_ref)] // the receive has the receiver to itself
    pub(super) fn receive(&mut self, op: Op) -> Option<Out> {
        let waker = |w: u8| self.wakers[usize::from(w) % self.wakers.len()].clone();
        if let Op::PollReceive(w) = op {
            let poll = self.receive.as_mut()?.as_mut().poll(&mut Context::from_waker(&waker(w)));
            return Some(match poll {
                Poll::Pending => Out::Pending,
                Poll::Ready(messages) => {
                    self.receive = None;
                    Out::Got(numbers(messages))
                }
            });
        }
        let shared = self.receiver.clone()?;
        self.receive = None;
        let mut receiver = shared.borrow_mut();
        Some(match op {
            Op::Recv | Op::RecvMany(_) => {
                drop(receiver);
                self.receive = Some(Box::pin(async move {
                    let mut receiver = shared.borrow_mut();
                    let Op::RecvMany(limit) = op else {
                        return receiver.recv().await.into_iter().collect();
                    };
                    let mut buffer = vec![Message::before()];
                    let n = receiver.recv_many(&mut buffer, limit.into()).await;
                    appended(n, buffer)
                }));
                Out::Done
            }
            Op::DropReceive => Out::Done,
            Op::TryRecv => self.try_recv(&mut receiver),
            Op::Drain(n) => {
                let mut all = vec![];
                let last = loop {
                    match self.try_recv(&mut receiver) {
                        Out::Got(mut one) => all.append(&mut one),
                        nothing => break nothing,
                    }
                    if all.len() == usize::from(n) {
                        break Out::Ready;
                    }
                };
                Out::Drained(all, Box::new(last))
            }
            Op::PollRecv(w) => match receiver.poll_recv(&mut Context::from_waker(&waker(w))) {
                Poll::Pending => Out::Pending,
                Poll::Ready(message) => Out::Got(numbers(message)),
            },
            Op::PollRecvMany(w, limit) => {
                let mut buffer = vec![Message::before()];
                let waker = waker(w);
                let mut cx = Context::from_waker(&waker);
                match receiver.poll_recv_many(&mut cx, &mut buffer, limit.into()) {
                    Poll::Pending => Out::Pending,
                    Poll::Ready(n) => Out::Got(numbers(appended(n, buffer))),
                }
            }
            Op::BlockingRecv => {
                if !is_ready(&*receiver) {
                    return None;
                }
                Out::Got(numbers(at_once(op, || receiver.blocking_recv())))
            }
            Op::BlockingRecvMany(limit) => {
                if limit > 0 && !is_ready(&*receiver) {
                    return None;
                }
                let mut buffer = vec![Message::before()];
                let n = at_once(op, || receiver.blocking_recv_many(&mut buffer, limit.into()));
                Out::Got(numbers(appended(n, buffer)))
            }
            Op::Close => {
                receiver.close();
                Out::Done
            }
            Op::DropReceiver => {
                drop(receiver);
                self.receiver = None;
                drop(shared);
                Out::Done
            }
            other => unreachable!("not a call of the receiver: {other:?}"),
        })
    }
}
