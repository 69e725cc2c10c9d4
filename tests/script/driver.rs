//! Runs a script on the channel of `super::mpsc`: the same source for Tokio's and for ours.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::mpsc::error::{SendError, TryRecvError, TrySendError};
use super::mpsc::{OwnedPermit, Permit, PermitIterator, Receiver, Sender, WeakSender};
use super::{told_by_receiver, told_by_sender};
use crate::script::op::{Log, Message, Op, Out, Seen, Step, drain, wakers};

type Shared = Rc<Sender<Message>>;

/// What one of the sending side's futures ends with.
enum End {
    Sent(Result<(), SendError<Message>>),
    Permit(Result<Permit<'static, Message>, SendError<()>>),
    Many(Result<PermitIterator<'static, Message>, SendError<()>>),
    Owned(Result<OwnedPermit<Message>, SendError<()>>),
    Closed,
}

/// A value that borrows from the sender beside it. Fields drop in order: the borrower first.
struct Borrowing<B> {
    borrower: B,
    sender: Shared,
}

/// A future of the sending side.
type Sending = Borrowing<Pin<Box<dyn Future<Output = End>>>>;

/// The handles of one channel, and everything made from them.
pub(crate) struct World {
    woken: Log<u8>,
    dropped: Log<u32>,
    wakers: Vec<Waker>,
    senders: Vec<Shared>,
    weak: Vec<WeakSender<Message>>,
    futures: Vec<Sending>,
    permits: Vec<Borrowing<Permit<'static, Message>>>,
    iterators: Vec<Borrowing<PermitIterator<'static, Message>>>,
    owned: Vec<OwnedPermit<Message>>,
    /// Before the receiver: it borrows from it.
    receive: Option<Pin<Box<dyn Future<Output = Vec<Message>>>>>,
    receiver: Option<Rc<RefCell<Receiver<Message>>>>,
    next: u32,
}

/// A sender as long-lived as what is made from it wants.
fn extend(sender: &Shared) -> &'static Sender<Message> {
    // SAFETY: whatever borrows through this lives in a `Borrowing`, which owns a count of the same
    // `Rc` and drops it last.
    unsafe { &*Rc::as_ptr(sender) }
}

/// The index that `choice` means in a list.
fn pick<T>(list: &[T], choice: u8) -> Option<usize> {
    (usize::from(choice)).checked_rem(list.len())
}

fn refused(error: TrySendError<Message>) -> Out {
    match error {
        TrySendError::Full(message) => Out::Full(Some(message.number())),
        TrySendError::Closed(message) => Out::Closed(Some(message.number())),
    }
}

fn numbers(messages: Vec<Message>) -> Vec<u32> {
    messages.into_iter().map(Message::number).collect()
}

impl World {
    pub(crate) fn new((sender, receiver): (Sender<Message>, Receiver<Message>)) -> Self {
        let woken = Log::default();
        Self {
            wakers: wakers(&woken),
            woken,
            dropped: Log::default(),
            senders: vec![Rc::new(sender)],
            weak: vec![],
            futures: vec![],
            permits: vec![],
            iterators: vec![],
            owned: vec![],
            receive: None,
            receiver: Some(Rc::new(RefCell::new(receiver))),
            next: 0,
        }
    }

    /// Makes one call and looks at everything.
    pub(crate) fn apply(&mut self, op: Op) -> Step {
        let out = self.call(op).unwrap_or(Out::Skipped);
        let (woken, dropped) = (drain(&self.woken), drain(&self.dropped));
        let receiver = self.receiver.as_ref().filter(|_| self.receive.is_none());
        let told = match (self.senders.first(), receiver) {
            (Some(sender), _) => told_by_sender(sender),
            (None, Some(receiver)) => told_by_receiver(&receiver.borrow()),
            (None, None) => None,
        };
        Step { out, woken, dropped, seen: self.look(), told }
    }

    /// Drops every handle. Returns what was woken and dropped by that.
    pub(crate) fn end(self) -> (Vec<u8>, Vec<u32>) {
        let (woken, dropped) = (self.woken.clone(), self.dropped.clone());
        drop(self);
        (drain(&woken), drain(&dropped))
    }

    fn look(&self) -> Seen {
        let sender = self.senders.first();
        let weak = self.weak.first();
        let receiver = self.receiver.as_ref().filter(|_| self.receive.is_none());
        Seen {
            capacity: sender.map(|tx| tx.capacity()),
            sender_closed: sender.map(|tx| tx.is_closed()),
            counts: sender
                .map(|tx| (tx.strong_count(), tx.weak_count()))
                .or_else(|| weak.map(|weak| (weak.strong_count(), weak.weak_count()))),
            receiver: receiver.map(|rx| {
                let rx = rx.borrow();
                let counts = (rx.sender_strong_count(), rx.sender_weak_count());
                (rx.len(), rx.is_empty(), rx.capacity(), rx.is_closed(), counts)
            }),
        }
    }

    fn message(&mut self) -> Message {
        self.next += 1;
        Message::new(self.next, &self.dropped)
    }

    /// Makes a future that borrows from a sender.
    fn start<F: Future<Output = End> + 'static>(
        &mut self,
        choice: u8,
        make: impl FnOnce(&'static Sender<Message>, Message) -> F,
    ) -> Option<Out> {
        let sender = self.senders[pick(&self.senders, choice)?].clone();
        let message = self.message();
        let borrower = Box::pin(make(extend(&sender), message));
        self.futures.push(Borrowing { borrower, sender });
        Some(Out::Done)
    }

    fn call(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::TrySend(a) => {
                let index = pick(&self.senders, a)?;
                let message = self.message();
                self.senders[index].try_send(message).map_or_else(refused, |()| Out::Ready)
            }
            Op::Send(a) => self.start(a, |tx, m| async move { End::Sent(tx.send(m).await) })?,
            Op::Reserve(a) => self.start(a, |tx, m| {
                m.number();
                async move { End::Permit(tx.reserve().await) }
            })?,
            Op::ReserveMany(a, n) => self.start(a, |tx, m| {
                m.number();
                async move { End::Many(tx.reserve_many(n.into()).await) }
            })?,
            Op::ReserveOwned(a) => self.start(a, |tx, m| {
                m.number();
                let own = tx.clone();
                async move { End::Owned(own.reserve_owned().await) }
            })?,
            Op::Closed(a) => self.start(a, |tx, m| {
                m.number();
                async move {
                    tx.closed().await;
                    End::Closed
                }
            })?,
            Op::Poll(a, w) => self.poll(pick(&self.futures, a)?, w),
            Op::DropFuture(a) => {
                drop(self.futures.swap_remove(pick(&self.futures, a)?));
                Out::Done
            }
            Op::TryReserve(_) | Op::TryReserveMany(..) | Op::TryReserveOwned(_) => {
                self.try_reserve(op)?
            }
            _ => return self.permit(op),
        })
    }

    /// The calls of permits.
    fn permit(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::SendPermit(a) => {
                let Borrowing { borrower, sender } =
                    self.permits.swap_remove(pick(&self.permits, a)?);
                borrower.send(self.message());
                drop(sender);
                Out::Ready
            }
            Op::DropPermit(a) => {
                drop(self.permits.swap_remove(pick(&self.permits, a)?));
                Out::Done
            }
            Op::NextPermit(a) => {
                let index = pick(&self.iterators, a)?;
                let Borrowing { borrower, sender } = &mut self.iterators[index];
                let sender = sender.clone();
                let next = borrower.next();
                let left = borrower.len();
                assert_eq!(borrower.size_hint(), (left, Some(left)));
                if let Some(borrower) = next {
                    self.permits.push(Borrowing { borrower, sender });
                    Out::Yes(true)
                } else {
                    drop(self.iterators.swap_remove(index));
                    Out::Yes(false)
                }
            }
            Op::DropIterator(a) => {
                drop(self.iterators.swap_remove(pick(&self.iterators, a)?));
                Out::Done
            }
            Op::SendOwned(a) => {
                let permit = self.owned.swap_remove(pick(&self.owned, a)?);
                let sender = permit.send(self.message());
                self.senders.push(Rc::new(sender));
                Out::Ready
            }
            Op::ReleaseOwned(a) => {
                let sender = self.owned.swap_remove(pick(&self.owned, a)?).release();
                self.senders.push(Rc::new(sender));
                Out::Done
            }
            Op::DropOwned(a) => {
                drop(self.owned.swap_remove(pick(&self.owned, a)?));
                Out::Done
            }
            _ => return self.handle(op),
        })
    }

    /// Making and dropping handles.
    fn handle(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::CloneSender(a) => {
                let clone = Sender::clone(&self.senders[pick(&self.senders, a)?]);
                self.senders.push(Rc::new(clone));
                Out::Done
            }
            Op::DropSender(a) => {
                drop(self.senders.swap_remove(pick(&self.senders, a)?));
                Out::Done
            }
            Op::Downgrade(a) => {
                self.weak.push(self.senders[pick(&self.senders, a)?].downgrade());
                Out::Done
            }
            Op::Upgrade(a) => {
                let sender = self.weak[pick(&self.weak, a)?].upgrade();
                let there = sender.is_some();
                self.senders.extend(sender.map(Rc::new));
                Out::Yes(there)
            }
            Op::CloneWeak(a) => {
                self.weak.push(self.weak[pick(&self.weak, a)?].clone());
                Out::Done
            }
            Op::DropWeak(a) => {
                drop(self.weak.swap_remove(pick(&self.weak, a)?));
                Out::Done
            }
            _ => return self.receive(op),
        })
    }

    fn try_reserve(&mut self, op: Op) -> Option<Out> {
        let (Op::TryReserve(a) | Op::TryReserveMany(a, _) | Op::TryReserveOwned(a)) = op else {
            unreachable!()
        };
        let sender = self.senders[pick(&self.senders, a)?].clone();
        let tx = extend(&sender);
        fn name<V>(error: &TrySendError<V>) -> Out {
            match error {
                TrySendError::Full(_) => Out::Full(None),
                TrySendError::Closed(_) => Out::Closed(None),
            }
        }
        match op {
            Op::TryReserveMany(_, n) => match tx.try_reserve_many(n.into()) {
                Ok(borrower) => self.iterators.push(Borrowing { borrower, sender }),
                Err(error) => return Some(name(&error)),
            },
            Op::TryReserveOwned(_) => match tx.clone().try_reserve_owned() {
                Ok(permit) => self.owned.push(permit),
                Err(error) => return Some(name(&error)),
            },
            _ => match tx.try_reserve() {
                Ok(borrower) => self.permits.push(Borrowing { borrower, sender }),
                Err(error) => return Some(name(&error)),
            },
        }
        Some(Out::Ready)
    }

    /// Polls a future of the sending side; what it ends with is kept.
    fn poll(&mut self, index: usize, waker: u8) -> Out {
        let mut cx = Context::from_waker(&self.wakers[usize::from(waker) % self.wakers.len()]);
        let Poll::Ready(end) = self.futures[index].borrower.as_mut().poll(&mut cx) else {
            return Out::Pending;
        };
        let Borrowing { borrower: future, sender } = self.futures.swap_remove(index);
        drop(future);
        match end {
            End::Sent(Ok(())) | End::Closed => {}
            End::Sent(Err(SendError(message))) => return Out::Closed(Some(message.number())),
            End::Permit(Ok(borrower)) => self.permits.push(Borrowing { borrower, sender }),
            End::Many(Ok(borrower)) => self.iterators.push(Borrowing { borrower, sender }),
            End::Owned(Ok(permit)) => self.owned.push(permit),
            End::Permit(Err(_)) | End::Many(Err(_)) | End::Owned(Err(_)) => {
                return Out::Closed(None);
            }
        }
        Out::Ready
    }

    /// The calls of the receiver. All but a poll of the receive in progress cancel that first.
    #[allow(clippy::await_holding_refcell_ref)] // the receive has the receiver to itself
    fn receive(&mut self, op: Op) -> Option<Out> {
        if let Op::PollReceive(w) = op {
            let mut cx = Context::from_waker(&self.wakers[usize::from(w) % self.wakers.len()]);
            let poll = self.receive.as_mut()?.as_mut().poll(&mut cx);
            return Some(match poll {
                Poll::Pending => Out::Pending,
                Poll::Ready(messages) => {
                    self.receive = None;
                    Out::Got(numbers(messages))
                }
            });
        }
        let receiver = self.receiver.clone()?;
        self.receive = None;
        Some(match op {
            Op::Recv => {
                let receive = async move { receiver.borrow_mut().recv().await };
                self.receive = Some(Box::pin(async move { receive.await.into_iter().collect() }));
                Out::Done
            }
            Op::RecvMany(limit) => {
                self.receive = Some(Box::pin(async move {
                    let mut buffer = Vec::new();
                    let n = receiver.borrow_mut().recv_many(&mut buffer, limit.into()).await;
                    assert_eq!(n, buffer.len());
                    buffer
                }));
                Out::Done
            }
            Op::DropReceive => Out::Done,
            Op::TryRecv => match receiver.borrow_mut().try_recv() {
                Ok(message) => Out::Got(vec![message.number()]),
                Err(TryRecvError::Empty) => Out::Empty,
                Err(TryRecvError::Disconnected) => Out::Disconnected,
            },
            Op::PollRecv(w) => {
                let mut cx = Context::from_waker(&self.wakers[usize::from(w) % self.wakers.len()]);
                match receiver.borrow_mut().poll_recv(&mut cx) {
                    Poll::Pending => Out::Pending,
                    Poll::Ready(message) => Out::Got(numbers(message.into_iter().collect())),
                }
            }
            Op::PollRecvMany(w, limit) => {
                let mut cx = Context::from_waker(&self.wakers[usize::from(w) % self.wakers.len()]);
                let mut buffer = Vec::new();
                match receiver.borrow_mut().poll_recv_many(&mut cx, &mut buffer, limit.into()) {
                    Poll::Pending => Out::Pending,
                    Poll::Ready(n) => {
                        assert_eq!(n, buffer.len());
                        Out::Got(numbers(buffer))
                    }
                }
            }
            Op::Close => {
                receiver.borrow_mut().close();
                Out::Done
            }
            Op::DropReceiver => {
                self.receiver = None;
                drop(receiver);
                Out::Done
            }
            other => unreachable!("not a call of the receiver: {other:?}"),
        })
    }
}
