//! The calls that only a bounded channel has: waiting for room, and permits.

use std::rc::Rc;

use super::error::TrySendError;
use super::{Borrowing, End, World, extend, mpsc, say};
use crate::script::op::Op;
use crate::script::step::{Message, Out, at_once, pick};
use mpsc::Sender;

impl World<Sender<Message>> {
    pub(super) fn bounded(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::Send(a) => {
                pick(self.senders.len(), a)?;
                let message = self.message();
                self.start(a, |tx| async move { End::Sent(tx.send(message).await) })?
            }
            Op::Reserve(a) => self.start(a, |tx| async move { End::Permit(tx.reserve().await) })?,
            Op::ReserveMany(a, n) => {
                self.start(a, move |tx| async move { End::Many(tx.reserve_many(n.into()).await) })?
            }
            Op::ReserveOwned(a) => self.start(a, |tx| {
                let own = tx.clone();
                async move { End::Owned(own.reserve_owned().await) }
            })?,
            Op::BlockingSend(a) => {
                let sender = self.senders[pick(self.senders.len(), a)?].clone();
                if sender.capacity() == 0 && !sender.is_closed() {
                    return None;
                }
                let message = self.message();
                let Err(error) = at_once(op, || sender.blocking_send(message)) else {
                    return Some(Out::Ready);
                };
                say(&mut self.texts, &error);
                Out::Closed(Some(TrySendError::from(error).into_inner().number()))
            }
            Op::TryReserve(a) => {
                let sender = self.senders[pick(self.senders.len(), a)?].clone();
                match extend(&sender).try_reserve() {
                    Ok(borrower) => self.permits.push(Borrowing { borrower, sender }),
                    Err(error) => return Some(self.refused(&error)),
                }
                Out::Ready
            }
            Op::TryReserveMany(a, n) => {
                let sender = self.senders[pick(self.senders.len(), a)?].clone();
                match extend(&sender).try_reserve_many(n.into()) {
                    Ok(borrower) => self.iterators.push(Borrowing { borrower, sender }),
                    Err(error) => return Some(self.refused(&error)),
                }
                Out::Ready
            }
            Op::TryReserveOwned(a) => {
                let sender = &self.senders[pick(self.senders.len(), a)?];
                match Sender::clone(sender).try_reserve_owned() {
                    Ok(permit) => self.owned.push(permit),
                    Err(error) => {
                        let out = self.refused(&error);
                        let given_back = error.into_inner();
                        assert!(given_back.same_channel(&self.senders[0]));
                        return Some(out);
                    }
                }
                Out::Ready
            }
            _ => return self.permit(op),
        })
    }

    fn refused<V>(&mut self, error: &TrySendError<V>) -> Out {
        say(&mut self.texts, error);
        match error {
            TrySendError::Full(_) => Out::Full(None),
            TrySendError::Closed(_) => Out::Closed(None),
        }
    }

    fn permit(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::SendPermit(a) => {
                let index = pick(self.permits.len(), a)?;
                let Borrowing { borrower, sender } = self.permits.swap_remove(index);
                borrower.send(self.message());
                drop(sender);
                Out::Ready
            }
            Op::DropPermit(a) => {
                drop(self.permits.swap_remove(pick(self.permits.len(), a)?));
                Out::Done
            }
            Op::NextPermit(a) => {
                let index = pick(self.iterators.len(), a)?;
                let Borrowing { borrower, sender } = &mut self.iterators[index];
                let sender = sender.clone();
                let next = borrower.next();
                let left = borrower.len();
                assert_eq!(borrower.size_hint(), (left, Some(left)));
                let there = next.is_some();
                if let Some(borrower) = next {
                    self.permits.push(Borrowing { borrower, sender });
                } else {
                    assert!(borrower.next().is_none(), "the end is the end");
                    drop(self.iterators.swap_remove(index));
                }
                Out::Next(there, left)
            }
            Op::DropIterator(a) => {
                drop(self.iterators.swap_remove(pick(self.iterators.len(), a)?));
                Out::Done
            }
            Op::SendOwned(a) => {
                let permit = self.owned.swap_remove(pick(self.owned.len(), a)?);
                let sender = permit.send(self.message());
                self.senders.push(Rc::new(sender));
                Out::Ready
            }
            Op::ReleaseOwned(a) => {
                let sender = self.owned.swap_remove(pick(self.owned.len(), a)?).release();
                self.senders.push(Rc::new(sender));
                Out::Done
            }
            Op::DropOwned(a) => {
                drop(self.owned.swap_remove(pick(self.owned.len(), a)?));
                Out::Done
            }
            Op::SamePermit(a, b) => {
                let a = &self.owned[pick(self.owned.len(), a)?];
                let b = &self.owned[pick(self.owned.len(), b)?];
                let (stranger, _receiver) = mpsc::channel(1);
                let mut same = vec![a.same_channel(b), a.same_channel_as_sender(&stranger)];
                same.extend(self.senders.first().map(|own| a.same_channel_as_sender(own)));
                same.extend(stranger.try_reserve_owned().map(|permit| a.same_channel(&permit)));
                Out::Same(same)
            }
            other => unreachable!("not a call of a bounded channel: {other:?}"),
        })
    }
}
