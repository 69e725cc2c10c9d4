//! What each call of the sending side does to the model.

use std::rc::Rc;

use super::super::op::{Op, WAKERS};
use super::super::step::{Out, pick};
use super::{Future, Kind, Oracle, State};

impl Oracle {
    fn message(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn start(&mut self, choice: u8, kind: Kind) -> Option<Out> {
        let sender = self.senders[pick(self.senders.len(), choice)?].clone();
        if kind == Kind::Owned {
            self.strong += 1;
        }
        self.futures.push(Future {
            kind,
            state: State::Fresh,
            assigned: 0,
            waker: 0,
            ticket: 0,
            sender,
        });
        Some(Out::Done)
    }

    fn poll(&mut self, index: usize, waker: u8) -> Out {
        let Future { kind, state, assigned, .. } = self.futures[index];
        match state {
            State::Fresh => {
                let too_many = self.is_too_many(kind.need());
                let refused = self.closed || too_many;
                let full = kind.need() > 0 && self.free() < kind.need();
                if !refused && (full || kind == Kind::Closed) {
                    self.tickets += 1;
                    let future = &mut self.futures[index];
                    (future.state, future.waker) = (State::Waiting, waker);
                    future.ticket = self.tickets;
                    if kind != Kind::Closed {
                        self.told.send_waits_total += 1;
                        self.serve();
                    }
                    return Out::Pending;
                }
                if !refused {
                    self.reserved += kind.need();
                }
                self.finish(index, refused)
            }
            State::Waiting => {
                self.futures[index].waker = waker;
                Out::Pending
            }
            State::Granted | State::Failed => {
                self.futures[index].state = State::Failed;
                if self.closed {
                    self.release(assigned);
                }
                self.finish(index, self.closed)
            }
        }
    }

    /// A future's last poll: it holds its permits unless refused.
    fn finish(&mut self, index: usize, refused: bool) -> Out {
        let Future { kind, sender, .. } = self.futures.swap_remove(index);
        // A request that can never be met is refused for its size, not for closing.
        if refused && kind != Kind::Closed && !self.is_too_many(kind.need()) {
            self.told.closed_total += 1;
        }
        let (out, keep) = match kind {
            Kind::Closed => (Out::Ready, Some(sender)),
            Kind::Send(message) if refused => (Out::Closed(Some(message)), Some(sender)),
            Kind::Send(message) => {
                self.send_reserved(message);
                (Out::Ready, Some(sender))
            }
            Kind::Owned if refused => {
                self.drop_strong();
                (Out::Closed(None), Some(sender))
            }
            _ if refused => (Out::Closed(None), Some(sender)),
            Kind::Owned => {
                self.owned += 1;
                (Out::Ready, Some(sender))
            }
            Kind::Reserve => {
                self.permits.push(sender);
                (Out::Ready, None)
            }
            Kind::Many(n) => {
                self.iterators.push((n, sender));
                (Out::Ready, None)
            }
        };
        if let Some(sender) = keep {
            self.drop_sender(sender);
        }
        out
    }

    fn drop_future(&mut self, index: usize) {
        let Future { kind, assigned, sender, .. } = self.futures.swap_remove(index);
        self.release(assigned);
        match kind {
            Kind::Send(message) => self.dropped.push(message),
            Kind::Owned => self.drop_strong(),
            _ => {}
        }
        self.drop_sender(sender);
    }

    fn try_reserve(&mut self, op: Op) -> Option<Out> {
        let (Op::TryReserve(a) | Op::TryReserveMany(a, _) | Op::TryReserveOwned(a)) = op else {
            unreachable!()
        };
        let sender = self.senders[pick(self.senders.len(), a)?].clone();
        let n = if let Op::TryReserveMany(_, n) = op { n.into() } else { 1 };
        if self.is_too_many(n) {
            self.told.full_total += 1;
            return Some(Out::Full(None));
        }
        if let Some(refused) = self.refuse(n) {
            return Some(refused);
        }
        self.reserved += n;
        match op {
            Op::TryReserve(_) => self.permits.push(sender),
            Op::TryReserveMany(..) => self.iterators.push((n, sender)),
            _ => {
                self.strong += 1;
                self.owned += 1;
            }
        }
        Some(Out::Ready)
    }

    /// A send that does not wait.
    fn offer(&mut self) -> Out {
        let message = self.message();
        match self.refuse(1) {
            Some(Out::Full(_)) => Out::Full(Some(message)),
            Some(_) => Out::Closed(Some(message)),
            None => {
                self.push(message);
                Out::Ready
            }
        }
    }

    pub(super) fn call(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::TrySend(a) => {
                pick(self.senders.len(), a)?;
                self.offer()
            }
            Op::Burst(a, n) => {
                pick(self.senders.len(), a)?;
                let mut sent = 0;
                let mut last = Out::Ready;
                while sent < n && last == Out::Ready {
                    last = self.offer();
                    sent += u8::from(last == Out::Ready);
                }
                Out::Burst(sent, Box::new(last))
            }
            Op::Rush(a, n) => {
                let parts = Op::parts_of_rush(a, n);
                Out::Both(Box::new(parts.map(|part| self.call(part).unwrap_or(Out::Skipped))))
            }
            Op::BlockingSend(a) => {
                pick(self.senders.len(), a)?;
                if self.free() == 0 && !self.closed {
                    return None;
                }
                self.offer()
            }
            Op::SameChannel(a, b) => {
                pick(self.senders.len(), a.max(b))?;
                Out::Same(vec![true, false])
            }
            Op::Print(_) => Out::Done,
            Op::Send(a) => {
                pick(self.senders.len(), a)?;
                let message = self.message();
                self.start(a, Kind::Send(message))?
            }
            Op::Reserve(a) => self.start(a, Kind::Reserve)?,
            Op::ReserveMany(a, n) => self.start(a, Kind::Many(n.into()))?,
            Op::ReserveOwned(a) => self.start(a, Kind::Owned)?,
            Op::Closed(a) => self.start(a, Kind::Closed)?,
            Op::Poll(a, w) => self.poll(pick(self.futures.len(), a)?, w % WAKERS),
            Op::DropFuture(a) => {
                self.drop_future(pick(self.futures.len(), a)?);
                Out::Done
            }
            Op::TryReserve(_) | Op::TryReserveMany(..) | Op::TryReserveOwned(_) => {
                self.try_reserve(op)?
            }
            _ => return self.permit(op),
        })
    }

    fn permit(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::SendPermit(a) => {
                let sender = self.permits.swap_remove(pick(self.permits.len(), a)?);
                let message = self.message();
                self.send_reserved(message);
                self.drop_sender(sender);
                Out::Ready
            }
            Op::DropPermit(a) => {
                let sender = self.permits.swap_remove(pick(self.permits.len(), a)?);
                self.release(1);
                self.drop_sender(sender);
                Out::Done
            }
            Op::NextPermit(a) => {
                let index = pick(self.iterators.len(), a)?;
                let (left, sender) = &mut self.iterators[index];
                if *left > 0 {
                    *left -= 1;
                    let sender = sender.clone();
                    self.permits.push(sender);
                    return Some(Out::Next(true, *left));
                }
                let (_, sender) = self.iterators.swap_remove(index);
                self.drop_sender(sender);
                Out::Next(false, 0)
            }
            Op::DropIterator(a) => {
                let (left, sender) = self.iterators.swap_remove(pick(self.iterators.len(), a)?);
                self.release(left);
                self.drop_sender(sender);
                Out::Done
            }
            Op::SendOwned(a) => {
                pick(self.owned, a)?;
                let message = self.message();
                self.send_reserved(message);
                self.owned -= 1;
                self.senders.push(Rc::new(()));
                Out::Ready
            }
            Op::ReleaseOwned(a) => {
                pick(self.owned, a)?;
                self.release(1);
                self.owned -= 1;
                self.senders.push(Rc::new(()));
                Out::Done
            }
            Op::DropOwned(a) => {
                pick(self.owned, a)?;
                self.release(1);
                self.owned -= 1;
                self.drop_strong();
                Out::Done
            }
            Op::SamePermit(a, b) => {
                pick(self.owned, a.max(b))?;
                let own = (!self.senders.is_empty()).then_some(true);
                Out::Same([true, false].into_iter().chain(own).chain([false]).collect())
            }
            _ => return self.handle(op),
        })
    }

    fn handle(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::CloneSender(a) => {
                pick(self.senders.len(), a)?;
                self.strong += 1;
                self.senders.push(Rc::new(()));
                Out::Done
            }
            Op::DropSender(a) => {
                let sender = self.senders.swap_remove(pick(self.senders.len(), a)?);
                self.drop_sender(sender);
                Out::Done
            }
            Op::Downgrade(a) => {
                pick(self.senders.len(), a)?;
                self.weak += 1;
                Out::Done
            }
            Op::Upgrade(a) => {
                pick(self.weak, a)?;
                if self.strong > 0 {
                    self.strong += 1;
                    self.senders.push(Rc::new(()));
                }
                Out::Yes(self.strong > 0)
            }
            Op::CloneWeak(a) => {
                pick(self.weak, a)?;
                self.weak += 1;
                Out::Done
            }
            Op::DropWeak(a) => {
                pick(self.weak, a)?;
                self.weak -= 1;
                Out::Done
            }
            _ => return self.receive(op),
        })
    }
}
