//! Runs a script on a channel of `super::mpsc`: the same source for Tokio's and for ours, and for
//! both flavours.

#[allow(clippy::duplicate_mod)] // the same source on two channels is the point
mod bounded;
#[allow(clippy::duplicate_mod)]
mod flavour;
#[allow(clippy::duplicate_mod)]
mod receive;

use std::cell::RefCell;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::mpsc;
use crate::script::op::Op;
use crate::script::step::{
    ByReceiver, BySender, Log, Message, Out, Run, Seen, Step, Tell, drain, pick, wakers,
};
use flavour::{Flavour, Receive};
use mpsc::error::{self, SendError};
use mpsc::{OwnedPermit, Permit, PermitIterator};

/// What one of the sending side's futures ends with.
enum End {
    Sent(Result<(), SendError<Message>>),
    Permit(Result<Permit<'static, Message>, SendError<()>>),
    Many(Result<PermitIterator<'static, Message>, SendError<()>>),
    Owned(Result<OwnedPermit<Message>, SendError<()>>),
    Closed,
}

/// A value that borrows from the sender beside it. Fields drop in order: the borrower first.
struct Borrowing<B, S> {
    borrower: B,
    sender: Rc<S>,
}

/// A future of the sending side.
type Sending<S> = Borrowing<Pin<Box<dyn Future<Output = End>>>, S>;

/// The handles of one channel, and everything made from them.
pub(crate) struct World<S: Flavour> {
    woken: Log<u8>,
    dropped: Log<u32>,
    texts: Vec<String>,
    wakers: Vec<Waker>,
    senders: Vec<Rc<S>>,
    weak: Vec<S::Weak>,
    futures: Vec<Sending<S>>,
    permits: Vec<Borrowing<Permit<'static, Message>, S>>,
    iterators: Vec<Borrowing<PermitIterator<'static, Message>, S>>,
    owned: Vec<OwnedPermit<Message>>,
    /// Before the receiver: it borrows from it.
    receive: Option<Pin<Box<dyn Future<Output = Vec<Message>>>>>,
    receiver: Option<Rc<RefCell<S::Receiver>>>,
    next: u32,
}

/// A new channel of the given capacity, or unbounded.
#[cfg(not(fuzzing))]
pub(crate) fn open(capacity: Option<usize>) -> Box<dyn Run> {
    match capacity {
        Some(capacity) => run(mpsc::channel(capacity)),
        None => run(mpsc::unbounded_channel()),
    }
}

/// The given new channel.
pub(crate) fn run<S: Flavour>((sender, receiver): (S, S::Receiver)) -> Box<dyn Run> {
    let woken = Log::default();
    Box::new(World {
        wakers: wakers(&woken),
        woken,
        dropped: Log::default(),
        texts: vec![],
        senders: vec![Rc::new(sender)],
        weak: vec![],
        futures: vec![],
        permits: vec![],
        iterators: vec![],
        owned: vec![],
        receive: None,
        receiver: Some(Rc::new(RefCell::new(receiver))),
        next: 0,
    })
}

/// A sender as long-lived as what is made from it wants.
fn extend<S>(sender: &Rc<S>) -> &'static S {
    // SAFETY: whatever borrows through this lives in a `Borrowing`, which owns a count of the same
    // `Rc` and drops it last.
    unsafe { &*Rc::as_ptr(sender) }
}

/// Notes what an error prints.
fn say(texts: &mut Vec<String>, error: &(impl Debug + Display)) {
    texts.push(format!("{error:?} {error}"));
}

impl<S: Flavour> Run for World<S> {
    fn apply(&mut self, op: Op) -> Step {
        let out = self.call(op).unwrap_or(Out::Skipped);
        let texts = std::mem::take(&mut self.texts);
        let (woken, dropped) = (drain(&self.woken), drain(&self.dropped));
        let receiver = self.idle_receiver();
        let told = match (self.senders.first(), receiver) {
            (Some(sender), _) => sender.tell(),
            (None, Some(receiver)) => receiver.borrow().tell(),
            (None, None) => None,
        };
        Step { out, texts, woken, dropped, seen: self.look(), told }
    }

    fn end(self: Box<Self>) -> (Vec<u8>, Vec<u32>) {
        let (woken, dropped) = (self.woken.clone(), self.dropped.clone());
        drop(self);
        (drain(&woken), drain(&dropped))
    }
}

impl<S: Flavour> World<S> {
    /// The receiver, unless a receive has borrowed it.
    fn idle_receiver(&self) -> Option<&RefCell<S::Receiver>> {
        self.receiver.as_deref().filter(|_| self.receive.is_none())
    }

    fn look(&self) -> Seen {
        Seen {
            sender: self.senders.first().map(|tx| BySender {
                room: tx.room(),
                closed: tx.is_closed(),
                counts: tx.counts(),
            }),
            weak: self.weak.first().map(S::weak_counts),
            receiver: self.idle_receiver().map(|rx| {
                let rx = rx.borrow();
                ByReceiver {
                    len: rx.len(),
                    empty: rx.is_empty(),
                    room: rx.room(),
                    closed: rx.is_closed(),
                    counts: rx.counts(),
                }
            }),
        }
    }

    fn message(&mut self) -> Message {
        self.next += 1;
        Message::new(self.next, &self.dropped)
    }

    fn offer(&mut self, index: usize) -> Out {
        let message = self.message();
        self.senders[index].offer(message, &mut self.texts)
    }

    /// Makes a future that borrows from a sender.
    fn start<F: Future<Output = End> + 'static>(
        &mut self,
        choice: u8,
        make: impl FnOnce(&'static S) -> F,
    ) -> Option<Out> {
        let sender = self.senders[pick(self.senders.len(), choice)?].clone();
        let borrower = Box::pin(make(extend(&sender)));
        self.futures.push(Borrowing { borrower, sender });
        Some(Out::Done)
    }

    fn call(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::TrySend(a) => self.offer(pick(self.senders.len(), a)?),
            Op::Burst(a, n) => {
                let index = pick(self.senders.len(), a)?;
                let mut sent = 0;
                let mut last = Out::Ready;
                while sent < n && last == Out::Ready {
                    last = self.offer(index);
                    sent += u8::from(last == Out::Ready);
                }
                Out::Burst(sent, Box::new(last))
            }
            Op::Rush(a, n) => {
                let parts = Op::parts_of_rush(a, n);
                Out::Both(Box::new(parts.map(|part| self.call(part).unwrap_or(Out::Skipped))))
            }
            Op::Closed(a) => self.start(a, |tx| async move {
                tx.closed().await;
                End::Closed
            })?,
            Op::Poll(a, w) => self.poll(pick(self.futures.len(), a)?, w),
            Op::DropFuture(a) => {
                drop(self.futures.swap_remove(pick(self.futures.len(), a)?));
                Out::Done
            }
            Op::SameChannel(a, b) => {
                let a = &self.senders[pick(self.senders.len(), a)?];
                let b = &self.senders[pick(self.senders.len(), b)?];
                let (stranger, _receiver) = S::stranger();
                Out::Same(vec![a.same_channel(b), a.same_channel(&stranger)])
            }
            Op::Print(a) => self.print(a),
            _ => return self.handle(op),
        })
    }

    /// Making and dropping handles.
    fn handle(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::CloneSender(a) => {
                let clone = S::clone(&self.senders[pick(self.senders.len(), a)?]);
                self.senders.push(Rc::new(clone));
                Out::Done
            }
            Op::DropSender(a) => {
                drop(self.senders.swap_remove(pick(self.senders.len(), a)?));
                Out::Done
            }
            Op::Downgrade(a) => {
                self.weak.push(self.senders[pick(self.senders.len(), a)?].downgrade());
                Out::Done
            }
            Op::Upgrade(a) => {
                let sender = S::upgrade(&self.weak[pick(self.weak.len(), a)?]);
                let there = sender.is_some();
                self.senders.extend(sender.map(Rc::new));
                Out::Yes(there)
            }
            Op::CloneWeak(a) => {
                self.weak.push(self.weak[pick(self.weak.len(), a)?].clone());
                Out::Done
            }
            Op::DropWeak(a) => {
                drop(self.weak.swap_remove(pick(self.weak.len(), a)?));
                Out::Done
            }
            _ if op.is_of_bounded() => return S::call(self, op),
            _ => return self.receive(op),
        })
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
            End::Sent(Err(error)) => {
                say(&mut self.texts, &error);
                return Out::Closed(Some(error.0.number()));
            }
            End::Permit(Ok(borrower)) => self.permits.push(Borrowing { borrower, sender }),
            End::Many(Ok(borrower)) => self.iterators.push(Borrowing { borrower, sender }),
            End::Owned(Ok(permit)) => self.owned.push(permit),
            End::Permit(Err(error)) | End::Many(Err(error)) | End::Owned(Err(error)) => {
                say(&mut self.texts, &error);
                return Out::Closed(None);
            }
        }
        Out::Ready
    }

    /// Prints one of everything there is, in both layouts.
    fn print(&mut self, choice: u8) -> Out {
        fn item<T>(list: &[T], choice: u8) -> Option<&T> {
            list.get(pick(list.len(), choice)?)
        }
        let receiver = self.idle_receiver().map(RefCell::borrow);
        let all: [Option<&dyn Debug>; 6] = [
            item(&self.senders, choice).map(|it| &**it as _),
            item(&self.weak, choice).map(|it| it as _),
            item(&self.permits, choice).map(|it| &it.borrower as _),
            item(&self.iterators, choice).map(|it| &it.borrower as _),
            item(&self.owned, choice).map(|it| it as _),
            receiver.as_deref().map(|it| it as _),
        ];
        let texts = all.iter().flatten().flat_map(|it| [format!("{it:?}"), format!("{it:#?}")]);
        let texts = texts.collect();
        drop(receiver);
        self.texts = texts;
        Out::Done
    }
}
