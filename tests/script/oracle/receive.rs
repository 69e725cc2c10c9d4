//! What each call of the receiver does to the model.

use super::super::op::{Op, WAKERS};
use super::super::step::Out;
use super::Oracle;

impl Oracle {
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

    fn is_ready(&self) -> bool {
        !self.queue.is_empty() || self.drained()
    }

    fn try_recv(&mut self) -> Out {
        match self.pop(1) {
            none if none.is_empty() && self.drained() => Out::Disconnected,
            none if none.is_empty() => Out::Empty,
            one => Out::Got(one),
        }
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
        (self.parked, self.wait_shown) = (Some(waker % WAKERS), true);
        Out::Pending
    }

    pub(super) fn receive(&mut self, op: Op) -> Option<Out> {
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
            Op::TryRecv => self.try_recv(),
            Op::Drain(n) => {
                let all = self.pop(n.into());
                let last = if all.len() == usize::from(n) { Out::Ready } else { self.try_recv() };
                Out::Drained(all, Box::new(last))
            }
            Op::BlockingRecv => {
                if !self.is_ready() {
                    return None;
                }
                // Of an end it learns without parking anew: an older park stands.
                Out::Got(self.pop(1))
            }
            Op::BlockingRecvMany(limit) => {
                if limit > 0 && !self.is_ready() {
                    return None;
                }
                self.poll_recv(limit.into(), 0)
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
