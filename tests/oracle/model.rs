//! What the steps of a strand do, to the model. `real` does the same with real handles; each
//! function here has its double there.

use crate::channel::{KEPT, Place, State, Turn, Wait, Who};
use crate::program::{C, Call, Program, Step};

impl State {
    /// The runtime polls a task.
    pub(crate) fn poll(&mut self, program: &Program, task: usize) {
        self.tasks[task].scheduled = false;
        for strand in 0..self.tasks[task].strands.len() {
            let who = Who { task, strand };
            let this = self.strand(who);
            let woken = std::mem::take(&mut this.woken);
            if !this.done && (woken || !program.tasks[task].foreign_wakers) {
                self.run(program, who);
            }
        }
        if self.tasks[task].strands.iter().all(|strand| strand.done) {
            self.end(task);
        }
    }

    /// A foreign event fires.
    pub(crate) fn fire(&mut self, event: u8) {
        self.fired[event as usize] = true;
        let mut woken = Vec::new();
        for (task, one) in self.tasks.iter().enumerate() {
            for (strand, this) in one.strands.iter().enumerate() {
                let waits = |wait: &Wait| wait.begun && wait.call == Call::Event(event);
                if this.waits.iter().flatten().any(waits) {
                    woken.push(Who { task, strand });
                }
            }
        }
        for who in woken {
            self.wake(who);
        }
    }

    /// What is around a task drops it.
    pub(crate) fn drop_task(&mut self, task: usize) {
        for strand in 0..self.tasks[task].strands.len() {
            let who = Who { task, strand };
            for slot in 0..KEPT {
                self.drop_wait(Place { who, slot }, true);
            }
            self.finish(who);
        }
        self.end(task);
    }

    fn end(&mut self, task: usize) {
        self.tasks[task].ended = true;
        self.tasks[task].scheduled = false;
    }

    /// Runs a strand until it waits or is done.
    fn run(&mut self, program: &Program, who: Who) {
        let steps = &program.tasks[who.task].strands[who.strand].steps;
        while let Some(&step) = steps.get(self.strand(who).pc) {
            if !self.step(step, who) {
                return;
            }
            self.strand(who).pc += 1;
        }
        self.finish(who);
    }

    /// False: it waits.
    fn step(&mut self, step: Step, who: Who) -> bool {
        match step {
            Step::Wait(a) => return self.race(who, &[a], false),
            Step::Select(a, b) => return self.race(who, &[a, b], false),
            Step::SelectKeep(a, b) => return self.race(who, &[a, b], true),
            Step::Yield => {
                let begins = !self.strand(who).in_step;
                self.strand(who).in_step = begins;
                if begins {
                    self.wake(who);
                    return false;
                }
            }
            Step::DropKept => self.drop_wait(Place { who, slot: KEPT }, true),
            Step::TrySend(c, load) if self.has_sender(who, c) => {
                let load = self.load(who, load);
                let chan = self.chan(c);
                if !chan.is_closed() && chan.open_room() > 0 {
                    self.push(c, load);
                } else {
                    self.drop_message(load);
                }
            }
            Step::UsePermit(c) if self.take_permit(who, c) => {
                self.send_reserved(c, None);
                self.drop_sender(c);
            }
            Step::DropPermit(c) if self.take_permit(who, c) => {
                self.release(c, 1);
                self.drop_sender(c);
            }
            Step::TryRecv(c) if self.has_receiver(who, c) => {
                if let Some(message) = self.pop(c, who) {
                    self.unload(who, message);
                }
            }
            Step::Close(c) if self.has_receiver(who, c) => self.close(c),
            Step::DropReceiver(c) if self.has_receiver(who, c) => {
                self.strand(who).receivers[c as usize] = false;
                self.drop_receiver(c);
            }
            Step::DropSender(c) if self.has_sender(who, c) => {
                self.strand(who).senders[c as usize] -= 1;
                self.drop_sender(c);
            }
            Step::GiveSender(c) if self.has_sender(who, c) => {
                self.chan(c).senders += 1;
                self.chan(c).free_senders += 1;
            }
            Step::TakeSender(c) if self.chan(c).free_senders > 0 => {
                self.chan(c).free_senders -= 1;
                self.strand(who).senders[c as usize] += 1;
            }
            Step::GiveReceiver(c) if self.has_receiver(who, c) => {
                self.strand(who).receivers[c as usize] = false;
                self.chan(c).free_receiver = true;
            }
            Step::TakeReceiver(c) if self.chan(c).free_receiver => {
                self.chan(c).free_receiver = false;
                self.strand(who).receivers[c as usize] = true;
            }
            _ => {}
        }
        true
    }

    fn has_sender(&mut self, who: Who, c: C) -> bool {
        self.strand(who).senders[c as usize] > 0
    }

    fn has_receiver(&mut self, who: Who, c: C) -> bool {
        self.strand(who).receivers[c as usize]
    }

    fn take_permit(&mut self, who: Who, c: C) -> bool {
        let permits = &mut self.strand(who).permits[c as usize];
        let had = *permits > 0;
        *permits -= u8::from(had);
        had
    }

    /// What a message is to carry, if there is such a sender.
    fn load(&mut self, who: Who, load: Option<C>) -> Option<C> {
        let load = load.filter(|&d| self.has_sender(who, d));
        if let Some(d) = load {
            self.chan(d).senders += 1;
        }
        load
    }

    fn unload(&mut self, who: Who, message: Option<C>) {
        if let Some(d) = message {
            self.strand(who).senders[d as usize] += 1;
        }
    }

    /// Waits for the first of the calls. False: it waits.
    fn race(&mut self, who: Who, calls: &[Call], keep: bool) -> bool {
        if !self.strand(who).in_step {
            for (slot, &call) in calls.iter().enumerate() {
                self.begin(Place { who, slot }, call);
            }
        }
        let place = |slot| Place { who, slot };
        let arms = 0..calls.len();
        if arms.clone().all(|slot| self.strand(who).waits[slot].is_none()) {
            return true;
        }
        let winner = arms.clone().find(|&slot| self.poll_wait(place(slot)));
        self.strand(who).in_step = winner.is_none();
        let Some(winner) = winner else { return false };
        self.put_back(place(winner));
        for slot in arms {
            if keep && self.strand(who).waits[slot].is_some() {
                self.drop_wait(place(KEPT), true);
                self.move_wait(place(slot), place(KEPT));
            } else {
                self.drop_wait(place(slot), false);
            }
        }
        true
    }

    /// Takes the handles that a call needs, if they are there.
    fn begin(&mut self, place: Place, call: Call) {
        let who = place.who;
        let mut wait = Wait { call, left: 0, begun: false, owned: false };
        if let Some(c) = call.channel() {
            let may = match call {
                Call::Recv(_) | Call::Next(_) => {
                    std::mem::take(&mut self.strand(who).receivers[c as usize])
                }
                Call::Reserve(_) | Call::ReserveMany(..) => {
                    self.has_sender(who, c) && self.chan(c).capacity.is_some()
                }
                _ => self.has_sender(who, c),
            };
            if !may {
                return;
            }
            if !matches!(call, Call::Recv(_) | Call::Next(_)) {
                self.chan(c).senders += 1;
            }
        }
        match &mut wait.call {
            Call::Send(_, load) => *load = self.load(who, *load),
            Call::SendMany(_, n) => wait.left = *n,
            Call::Kept => return self.move_wait(Place { who, slot: KEPT }, place),
            _ => {}
        }
        self.strand(who).waits[place.slot] = Some(wait);
    }

    fn move_wait(&mut self, from: Place, to: Place) {
        let Some(mut wait) = self.strand(from.who).waits[from.slot].take() else { return };
        wait.owned = true;
        self.strand(to.who).waits[to.slot] = Some(wait);
        for chan in &mut self.chans {
            let waiters = chan.line.iter_mut().map(|waiter| &mut waiter.place);
            for place in waiters.chain(&mut chan.closers).filter(|place| **place == from) {
                *place = to;
            }
        }
    }

    /// True: it is ready, and what came of it is with the strand.
    fn poll_wait(&mut self, place: Place) -> bool {
        let who = place.who;
        let Some(mut wait) = self.strand(who).waits[place.slot] else { return false };
        let ready = match wait.call {
            Call::Send(c, load) => match self.acquire(c, place, 1) {
                Some(Ok(())) => {
                    self.send_reserved(c, load);
                    true
                }
                Some(Err(())) => {
                    self.drop_message(load);
                    true
                }
                None => false,
            },
            Call::SendMany(c, _) => loop {
                let waits = self.waiter(c, place).is_some();
                if wait.left == 0 {
                    break true;
                }
                let open = self.chan(c).open_room().min(wait.left);
                if !waits && open > 0 && !self.chan(c).is_closed() {
                    wait.left -= open;
                    (0..open).for_each(|_| self.push(c, None));
                    continue;
                }
                match self.acquire(c, place, 1) {
                    Some(Ok(())) => self.send_reserved(c, None),
                    Some(Err(())) => break true,
                    None => break false,
                }
                wait.left -= 1;
            },
            Call::Reserve(c) => match self.acquire(c, place, 1) {
                Some(Ok(())) => {
                    self.strand(who).permits[c as usize] += 1;
                    // It has a sender of its own.
                    self.chan(c).senders += 1;
                    true
                }
                failed => failed.is_some(),
            },
            Call::ReserveMany(c, n) => match self.acquire(c, place, n) {
                Some(Ok(())) => {
                    (0..n).for_each(|_| self.send_reserved(c, None));
                    true
                }
                failed => failed.is_some(),
            },
            Call::Recv(c) | Call::Next(c) => match self.pop(c, who) {
                Some(message) => {
                    self.unload(who, message);
                    true
                }
                None if self.chan(c).is_drained() => {
                    let chan = self.chan(c);
                    // It leaves a waker only in the place of one that stands.
                    if chan.parked.take().is_some() {
                        chan.spent = Some(who);
                    }
                    chan.waiting = false;
                    true
                }
                None => {
                    let chan = self.chan(c);
                    (chan.parked, chan.spent, chan.waiting) = (Some(who), None, true);
                    false
                }
            },
            Call::Closed(c) if self.chan(c).is_closed() => true,
            Call::Closed(c) => {
                let closers = &mut self.chan(c).closers;
                if !closers.contains(&place) {
                    closers.push(place);
                }
                false
            }
            Call::Event(event) => self.fired[event as usize],
            Call::Kept => unreachable!("it is what was kept"),
        };
        wait.begun = true;
        self.strand(who).waits[place.slot] = Some(wait);
        ready
    }

    /// Takes permits, or waits for them. `Err`: closed.
    fn acquire(&mut self, c: C, place: Place, n: u8) -> Option<Result<(), ()>> {
        let Some(at) = self.waiter(c, place) else {
            let chan = self.chan(c);
            if chan.is_closed() {
                return Some(Err(()));
            }
            if chan.open_room() >= n {
                chan.reserved += n;
                return Some(Ok(()));
            }
            self.register(c, place, n);
            return None;
        };
        let chan = self.chan(c);
        let waiter = chan.line[at];
        if waiter.turn == Turn::Waiting {
            return None;
        }
        chan.line.remove(at);
        if waiter.turn == Turn::Closed || chan.is_closed() {
            self.release(c, waiter.assigned);
            return Some(Err(()));
        }
        Some(Ok(()))
    }

    /// A call that is over: its handles go back to the strand.
    fn put_back(&mut self, place: Place) {
        let this = self.strand(place.who);
        let Some(wait) = this.waits[place.slot].take() else { return };
        match wait.call {
            Call::Recv(c) | Call::Next(c) => this.receivers[c as usize] = true,
            call => call.channel().into_iter().for_each(|c| self.drop_sender(c)),
        }
    }

    /// A call is given up. Its handles go back to the strand, unless they are its own, or all
    /// goes.
    fn drop_wait(&mut self, place: Place, all: bool) {
        let Some(wait) = self.strand(place.who).waits[place.slot].take() else { return };
        let Some(c) = wait.call.channel() else { return };
        self.leave(c, place);
        match wait.call {
            Call::Recv(_) | Call::Next(_) => {
                if wait.begun && wait.call == Call::Recv(c) {
                    self.chan(c).waiting = false;
                }
                if wait.owned || all {
                    self.drop_receiver(c);
                } else {
                    self.strand(place.who).receivers[c as usize] = true;
                }
            }
            Call::Send(_, load) => {
                self.drop_message(load);
                self.drop_sender(c);
            }
            _ => self.drop_sender(c),
        }
    }

    /// A strand is done, or was dropped: all that it has goes.
    fn finish(&mut self, who: Who) {
        self.drop_wait(Place { who, slot: KEPT }, true);
        let n = self.chans.len() as C;
        for c in 0..n {
            while self.take_permit(who, c) {
                self.release(c, 1);
                self.drop_sender(c);
            }
        }
        for c in 0..n {
            for _ in 0..std::mem::take(&mut self.strand(who).senders[c as usize]) {
                self.drop_sender(c);
            }
        }
        for c in 0..n {
            if std::mem::take(&mut self.strand(who).receivers[c as usize]) {
                self.drop_receiver(c);
            }
        }
        self.strand(who).done = true;
    }
}
