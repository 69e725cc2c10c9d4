//! What each call does to the model.

use std::rc::Rc;

use super::super::op::{Op, Out, WAKERS};
use super::{Future, Kind, Oracle, State};

fn pick(len: usize, choice: u8) -> Option<usize> {
    usize::from(choice).checked_rem(len)
}

impl Oracle {
    fn message(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn start(&mut self, choice: u8, kind: impl FnOnce(u32) -> Kind) -> Option<Out> {
        let sender = self.senders[pick(self.senders.len(), choice)?].clone();
        let kind = kind(self.message());
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
                let too_many = kind.need() > self.capacity;
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
        // A request that can never be met is refused for its size, not for closure.
        if refused && kind != Kind::Closed && kind.need() <= self.capacity {
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
        if n > self.capacity {
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

    pub(super) fn call(&mut self, op: Op) -> Option<Out> {
        Some(match op {
            Op::TrySend(a) => {
                pick(self.senders.len(), a)?;
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
            Op::Send(a) => self.start(a, Kind::Send)?,
            Op::Reserve(a) => self.start(a, |_| Kind::Reserve)?,
            Op::ReserveMany(a, n) => self.start(a, |_| Kind::Many(n.into()))?,
            Op::ReserveOwned(a) => self.start(a, |_| Kind::Owned)?,
            Op::Closed(a) => self.start(a, |_| Kind::Closed)?,
            Op::Poll(a, w) => self.poll(pick(self.futures.len(), a)?, w % WAKERS as u8),
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
                    return Some(Out::Yes(true));
                }
                let (_, sender) = self.iterators.swap_remove(index);
                self.drop_sender(sender);
                Out::Yes(false)
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

    // ------------------------------------------------------------ the receiver's calls

    fn pop(&mut self, limit: usize) -> Vec<u32> {
        let n = limit.min(self.queue.len());
        let messages: Vec<_> = self.queue.drain(..n).collect();
        self.told.recv_total += n as u64;
        self.serve();
        messages
    }

    fn drained(&self) -> bool {
        self.closed && self.queue.is_empty() && self.reserved == 0
    }

    fn poll_recv(&mut self, limit: usize, waker: u8) -> Out {
        if limit == 0 {
            return Out::Got(vec![]);
        }
        if !self.queue.is_empty() {
            return Out::Got(self.pop(limit));
        }
        (self.parked, self.wait_shown) = (None, false);
        if self.drained() {
            return Out::Got(vec![]);
        }
        (self.parked, self.wait_shown) = (Some(waker % WAKERS as u8), true);
        Out::Pending
    }

    fn receive(&mut self, op: Op) -> Option<Out> {
        if let Op::PollReceive(w) = op {
            let (limit, _) = self.receive?;
            let out = self.poll_recv(limit.unwrap_or(1), w);
            self.receive = (out == Out::Pending).then_some((limit, true));
            return Some(out);
        }
        if !self.receiver {
            return None;
        }
        if let Some((_, true)) = self.receive.take() {
            self.wait_shown = false;
        }
        Some(match op {
            Op::Recv => {
                self.receive = Some((None, false));
                Out::Done
            }
            Op::RecvMany(limit) => {
                self.receive = Some((Some(limit.into()), false));
                Out::Done
            }
            Op::DropReceive => Out::Done,
            Op::TryRecv => {
                if self.queue.is_empty() {
                    let drained = self.drained();
                    return Some(if drained { Out::Disconnected } else { Out::Empty });
                }
                Out::Got(self.pop(1))
            }
            Op::PollRecv(w) => self.poll_recv(1, w),
            Op::PollRecvMany(w, limit) => self.poll_recv(limit.into(), w),
            Op::Close => {
                self.close("receiver_closed");
                Out::Done
            }
            Op::DropReceiver => {
                self.close("receiver_dropped");
                self.parked = None;
                self.told.discarded += self.queue.len() as u64;
                self.dropped.extend(self.queue.drain(..));
                self.receiver = false;
                Out::Done
            }
            other => unreachable!("not a call of the receiver: {other:?}"),
        })
    }
}
