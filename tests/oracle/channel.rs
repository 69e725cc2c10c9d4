//! What channels and tasks are, to the model, and what happens in a channel.

use std::collections::VecDeque;

use crate::program::{C, Call, EVENTS, Program};

/// Who is woken: a strand of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) task: usize,
    pub(crate) strand: usize,
}

/// Where a wait stands in its strand: an arm of the step, or what was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) who: Who,
    pub(crate) slot: usize,
}

/// The slot of what was kept; the arms are 0 and 1.
pub(crate) const KEPT: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    Waiting,
    Granted,
    Closed,
}

/// A wait in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiter {
    pub(crate) place: Place,
    pub(crate) need: u8,
    /// What it has of that.
    pub(crate) assigned: u8,
    pub(crate) turn: Turn,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
pub(crate) struct Chan {
    pub(crate) capacity: Option<u8>,
    /// Each message with the channel of the sender that it carries.
    pub(crate) queue: VecDeque<Option<C>>,
    pub(crate) reserved: u8,
    /// In order; those that were granted or closed stay until they are polled.
    pub(crate) line: Vec<Waiter>,
    pub(crate) closers: Vec<Place>,
    pub(crate) senders: u8,
    pub(crate) receiver_closed: bool,
    pub(crate) receiver_gone: bool,
    /// Whom the next message wakes.
    pub(crate) parked: Option<Who>,
    /// Whose waker has stayed behind a receive that said that nothing will come. Nobody wakes it.
    pub(crate) spent: Option<Who>,
    /// And it waits with it.
    pub(crate) waiting: bool,
    /// The task that received last, or tried to.
    pub(crate) last_receiver: Option<usize>,
    /// In the slot that all tasks share.
    pub(crate) free_senders: u8,
    pub(crate) free_receiver: bool,
}

/// A call in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wait {
    pub(crate) call: Call,
    /// Of a `send_many`, what is still to be sent.
    pub(crate) left: u8,
    /// It was polled, and is pending.
    pub(crate) begun: bool,
    /// It has been kept before: its handles go with it.
    pub(crate) owned: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Strand {
    pub(crate) pc: usize,
    pub(crate) in_step: bool,
    /// The arms of the step, and what was kept.
    pub(crate) waits: [Option<Wait>; 3],
    pub(crate) senders: Vec<u8>,
    pub(crate) receivers: Vec<bool>,
    pub(crate) permits: Vec<u8>,
    /// Of strands with wakers of their own: it was woken.
    pub(crate) woken: bool,
    pub(crate) done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    pub(crate) strands: Vec<Strand>,
    pub(crate) scheduled: bool,
    pub(crate) ended: bool,
}

/// All there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) chans: Vec<Chan>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) fired: [bool; EVENTS as usize],
}

impl State {
    /// Before anything has run.
    pub(crate) fn new(program: &Program) -> Self {
        let n = program.channels.len();
        let strands = || program.tasks.iter().flat_map(|task| &task.strands);
        let chan = |(c, &capacity): (usize, &Option<u8>)| Chan {
            capacity,
            queue: VecDeque::new(),
            reserved: 0,
            line: Vec::new(),
            closers: Vec::new(),
            // One beside, until all are handed out.
            senders: 1 + strands().filter(|s| s.senders.contains(&(c as C))).count() as u8,
            receiver_closed: false,
            receiver_gone: false,
            parked: None,
            spent: None,
            waiting: false,
            last_receiver: None,
            free_senders: 0,
            free_receiver: false,
        };
        let mut state = Self {
            chans: program.channels.iter().enumerate().map(chan).collect(),
            tasks: Vec::new(),
            fired: [false; EVENTS as usize],
        };
        for plan in &program.tasks {
            let strands = plan.strands.iter().map(|plan| Strand {
                senders: (0..n).map(|c| plan.senders.contains(&(c as C)).into()).collect(),
                receivers: (0..n).map(|c| plan.receivers.contains(&(c as C))).collect(),
                permits: vec![0; n],
                woken: true,
                ..Strand::default()
            });
            state.tasks.push(Task { strands: strands.collect(), scheduled: true, ended: false });
        }
        for c in 0..n {
            state.drop_sender(c as C);
        }
        state
    }

    pub(crate) fn chan(&mut self, c: C) -> &mut Chan {
        &mut self.chans[c as usize]
    }

    pub(crate) fn strand(&mut self, who: Who) -> &mut Strand {
        &mut self.tasks[who.task].strands[who.strand]
    }

    pub(crate) fn wake(&mut self, who: Who) {
        let task = &mut self.tasks[who.task];
        if !task.ended {
            task.scheduled = true;
            task.strands[who.strand].woken = true;
        }
    }

    fn wake_receiver(&mut self, c: C) {
        if let Some(who) = self.chan(c).parked.take() {
            self.chan(c).waiting = false;
            self.wake(who);
        }
    }

    /// Hands free room to those in line.
    fn serve(&mut self, c: C) {
        while let Some(room) = self.chan(c).room()
            && room > 0
            && !self.chan(c).is_closed()
            && let Some(first) = self.chan(c).line.iter().position(|w| w.turn == Turn::Waiting)
        {
            let chan = self.chan(c);
            let waiter = &mut chan.line[first];
            let part = room.min(waiter.need - waiter.assigned);
            waiter.assigned += part;
            chan.reserved += part;
            if waiter.assigned == waiter.need {
                waiter.turn = Turn::Granted;
                let who = waiter.place.who;
                self.wake(who);
            }
        }
    }

    pub(crate) fn release(&mut self, c: C, n: u8) {
        if n == 0 {
            return;
        }
        let chan = self.chan(c);
        chan.reserved -= n;
        if chan.is_drained() {
            self.wake_receiver(c);
        }
        self.serve(c);
    }

    /// Puts a message in, for which there is room.
    pub(crate) fn push(&mut self, c: C, load: Option<C>) {
        if self.chan(c).receiver_gone {
            self.drop_message(load);
        } else {
            self.chan(c).queue.push_back(load);
            self.wake_receiver(c);
        }
    }

    pub(crate) fn send_reserved(&mut self, c: C, load: Option<C>) {
        if self.chan(c).receiver_gone {
            self.release(c, 1);
        } else {
            self.chan(c).reserved -= 1;
        }
        self.push(c, load);
    }

    /// A message with the channel of the sender that it carries.
    #[allow(clippy::option_option)]
    pub(crate) fn pop(&mut self, c: C, who: Who) -> Option<Option<C>> {
        self.chan(c).last_receiver = Some(who.task);
        let message = self.chan(c).queue.pop_front()?;
        self.serve(c);
        Some(message)
    }

    /// Begins to wait for room, behind all others.
    pub(crate) fn register(&mut self, c: C, place: Place, need: u8) {
        let chan = self.chan(c);
        chan.line.push(Waiter { place, need, assigned: 0, turn: Turn::Waiting });
        self.serve(c);
    }

    pub(crate) fn waiter(&mut self, c: C, place: Place) -> Option<usize> {
        self.chan(c).line.iter().position(|waiter| waiter.place == place)
    }

    /// Ends a wait and gives back what it held.
    pub(crate) fn leave(&mut self, c: C, place: Place) {
        self.chan(c).closers.retain(|&closer| closer != place);
        if let Some(at) = self.waiter(c, place) {
            let waiter = self.chan(c).line.remove(at);
            self.release(c, waiter.assigned);
        }
    }

    pub(crate) fn drop_message(&mut self, load: Option<C>) {
        if let Some(d) = load {
            self.drop_sender(d);
        }
    }

    pub(crate) fn drop_sender(&mut self, c: C) {
        let chan = self.chan(c);
        chan.senders -= 1;
        if chan.senders == 0 {
            self.wake_receiver(c);
        }
    }

    pub(crate) fn close(&mut self, c: C) {
        let chan = self.chan(c);
        chan.receiver_closed = true;
        let waiting = chan.line.iter_mut().filter(|waiter| waiter.turn == Turn::Waiting);
        let mut woken: Vec<_> = waiting
            .map(|waiter| {
                waiter.turn = Turn::Closed;
                waiter.place.who
            })
            .collect();
        woken.extend(chan.closers.drain(..).map(|place| place.who));
        for who in woken {
            self.wake(who);
        }
    }

    pub(crate) fn drop_receiver(&mut self, c: C) {
        self.close(c);
        let chan = self.chan(c);
        (chan.receiver_gone, chan.waiting) = (true, false);
        (chan.parked, chan.spent) = (None, None);
        for load in std::mem::take(&mut chan.queue) {
            self.drop_message(load);
        }
    }
}

impl Chan {
    pub(crate) fn is_closed(&self) -> bool {
        self.receiver_closed || self.senders == 0
    }

    /// Nothing will come any more.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_closed() && self.queue.is_empty() && self.reserved == 0
    }

    /// None: unbounded.
    fn room(&self) -> Option<u8> {
        Some(self.capacity? - self.queue.len() as u8 - self.reserved)
    }

    /// How much a call that does not wait may take.
    pub(crate) fn open_room(&self) -> u8 {
        let first = self.line.iter().any(|waiter| waiter.turn == Turn::Waiting);
        if first { 0 } else { self.room().unwrap_or(u8::MAX) }
    }
}

impl State {
    /// The task that has the receiver.
    pub(crate) fn holder(&self, c: C) -> Option<usize> {
        let has = |strand: &Strand| {
            let waits = strand.waits.iter().flatten();
            strand.receivers[c as usize] || { waits }
                .any(|wait| [Call::Recv(c), Call::Next(c)].contains(&wait.call))
        };
        self.tasks.iter().position(|task| task.strands.iter().any(has))
    }

    /// Clones of the task's own waker: each could wake it.
    pub(crate) fn wakers(&self, task: usize) -> u64 {
        let mut places = 0;
        for chan in &self.chans {
            let line = chan.line.iter().filter(|waiter| waiter.turn == Turn::Waiting);
            let waits = line.map(|waiter| waiter.place.who).chain(chan.parked.or(chan.spent));
            let waits = waits.chain(chan.closers.iter().map(|place| place.who));
            places += waits.filter(|who| who.task == task).count();
        }
        let waits =
            self.tasks[task].strands.iter().flat_map(|strand| strand.waits.iter().flatten());
        let events = waits.filter(|wait| match wait.call {
            Call::Event(event) => wait.begun && !self.fired[event as usize],
            _ => false,
        });
        (places + events.count()) as u64
    }
}
