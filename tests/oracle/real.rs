//! What the steps of a strand do, with real handles. `model` is its double: each function here has
//! one of the same meaning there, and drops things in the same order.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::program::{C, Call, EVENTS, Program, Step, StrandPlan};
use parshall::mpsc::{Builder, OwnedPermit, Receiver, Sender, UnboundedReceiver, UnboundedSender};

/// A sender of another channel, or nothing.
pub(crate) type Message = Option<Load>;

pub(crate) struct Load(C, Tx);

#[derive(Clone)]
pub(crate) enum Tx {
    Bounded(Sender<Message>),
    Unbounded(UnboundedSender<Message>),
}

pub(crate) enum Rx {
    Bounded(Receiver<Message>),
    Unbounded(UnboundedReceiver<Message>),
}

impl Tx {
    fn bounded(&self) -> Option<&Sender<Message>> {
        match self {
            Self::Bounded(tx) => Some(tx),
            Self::Unbounded(_) => None,
        }
    }

    async fn send(&self, message: Message) {
        match self {
            Self::Bounded(tx) => drop(tx.send(message).await),
            Self::Unbounded(tx) => drop(tx.send(message)),
        }
    }

    fn try_send(&self, message: Message) {
        match self {
            Self::Bounded(tx) => drop(tx.try_send(message)),
            Self::Unbounded(tx) => drop(tx.send(message)),
        }
    }

    async fn send_many(&self, n: u8) {
        let mut messages: VecDeque<_> = (0..n).map(|_| None).collect();
        match self {
            Self::Bounded(tx) => drop(tx.send_many(&mut messages).await),
            Self::Unbounded(tx) => drop(tx.send_many(&mut messages)),
        }
    }

    async fn closed(&self) {
        match self {
            Self::Bounded(tx) => tx.closed().await,
            Self::Unbounded(tx) => tx.closed().await,
        }
    }
}

impl Rx {
    async fn recv(&mut self) -> Option<Message> {
        match self {
            Self::Bounded(rx) => rx.recv().await,
            Self::Unbounded(rx) => rx.recv().await,
        }
    }

    async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| match self {
            Self::Bounded(rx) => rx.poll_recv(cx),
            Self::Unbounded(rx) => rx.poll_recv(cx),
        })
        .await
    }

    fn try_recv(&mut self) -> Option<Message> {
        match self {
            Self::Bounded(rx) => rx.try_recv().ok(),
            Self::Unbounded(rx) => rx.try_recv().ok(),
        }
    }

    fn close(&mut self) {
        match self {
            Self::Bounded(rx) => rx.close(),
            Self::Unbounded(rx) => rx.close(),
        }
    }
}

/// A foreign event: it fires once, and wakes who waits with a waker of its task.
#[derive(Default)]
pub(crate) struct Event(Mutex<Wakers>);

#[derive(Default)]
struct Wakers {
    fired: bool,
    last: u64,
    all: BTreeMap<u64, Waker>,
}

impl Event {
    pub(crate) fn fire(&self) {
        let woken = {
            let mut this = self.0.lock().unwrap();
            this.fired = true;
            std::mem::take(&mut this.all)
        };
        woken.into_values().for_each(Waker::wake);
    }

    async fn wait(&self) {
        struct Registered<'a>(&'a Event, u64);

        impl Drop for Registered<'_> {
            fn drop(&mut self) {
                let waker = self.0.0.lock().unwrap().all.remove(&self.1);
                drop(waker);
            }
        }

        let mine = {
            let mut this = self.0.lock().unwrap();
            this.last += 1;
            Registered(self, this.last)
        };
        poll_fn(|cx| {
            let mut this = self.0.lock().unwrap();
            if this.fired {
                return Poll::Ready(());
            }
            this.all.insert(mine.1, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// What all tasks share.
pub(crate) struct World {
    pub(crate) events: [Event; EVENTS as usize],
    slots: Mutex<Vec<Slot>>,
}

#[derive(Default)]
struct Slot {
    senders: Vec<Tx>,
    receiver: Option<Rx>,
}

/// A call in progress: with the handles that it needs.
enum Work {
    Send(Tx, Option<Message>),
    SendMany(Tx, u8),
    Reserve(C, Option<Tx>),
    ReserveMany(Tx, u8),
    Recv(C, Rx),
    Next(C, Rx),
    Closed(Tx),
    Event(Arc<World>, u8),
    Kept(Owned),
}

/// What came of a call.
enum Out {
    Nothing,
    Received(Option<Message>),
    Permit(C, OwnedPermit<Message>),
    Kept(Box<(Work, Out)>),
}

type Owned = Pin<Box<dyn Future<Output = (Work, Out)> + Send>>;

async fn wait(work: &mut Work) -> Out {
    match work {
        Work::Send(tx, message) => tx.send(message.take().expect("polled once")).await,
        Work::SendMany(tx, n) => tx.send_many(*n).await,
        Work::Reserve(c, tx) => {
            if let Some(Tx::Bounded(tx)) = tx.take()
                && let Ok(permit) = tx.reserve_owned().await
            {
                return Out::Permit(*c, permit);
            }
        }
        Work::ReserveMany(tx, n) => {
            let tx = tx.bounded().expect("a bounded one");
            if let Ok(permits) = tx.reserve_many((*n).into()).await {
                permits.for_each(|permit| permit.send(None));
            }
        }
        Work::Recv(_, rx) => return Out::Received(rx.recv().await),
        Work::Next(_, rx) => return Out::Received(rx.next().await),
        Work::Closed(tx) => tx.closed().await,
        Work::Event(world, event) => world.events[*event as usize].wait().await,
        Work::Kept(future) => return Out::Kept(Box::new(future.await)),
    }
    Out::Nothing
}

/// The first of the two that is ready, polled in order.
async fn race<A, B>(
    mut a: Option<impl Future<Output = A> + Unpin>,
    mut b: Option<impl Future<Output = B> + Unpin>,
) -> Result<A, B> {
    poll_fn(|cx| {
        fn poll<F: Future + Unpin>(one: &mut Option<F>, cx: &mut Context<'_>) -> Poll<F::Output> {
            one.as_mut().map_or(Poll::Pending, |one| Pin::new(one).poll(cx))
        }
        if let Poll::Ready(out) = poll(&mut a, cx) {
            return Poll::Ready(Ok(out));
        }
        poll(&mut b, cx).map(Err)
    })
    .await
}

pub(crate) struct Strand {
    world: Arc<World>,
    steps: Vec<Step>,
    senders: Vec<Vec<Tx>>,
    receivers: Vec<Option<Rx>>,
    permits: Vec<Vec<OwnedPermit<Message>>>,
    kept: Option<Owned>,
}

/// The channels and the strands of each task.
pub(crate) fn set_up(program: &Program) -> (Arc<World>, Vec<Vec<Strand>>) {
    let world = Arc::new(World {
        events: Default::default(),
        slots: Mutex::new(program.channels.iter().map(|_| Slot::default()).collect()),
    });
    let (senders, mut receivers): (Vec<_>, Vec<_>) = program
        .channels
        .iter()
        .enumerate()
        .map(|(c, capacity)| {
            let builder = Builder::new().name(format!("c{c}"));
            if let Some(n) = *capacity {
                let (tx, rx) = builder.capacity(n.into()).build();
                (Tx::Bounded(tx), Some(Rx::Bounded(rx)))
            } else {
                let (tx, rx) = builder.build_unbounded();
                (Tx::Unbounded(tx), Some(Rx::Unbounded(rx)))
            }
        })
        .unzip();
    let mut strand = |plan: &StrandPlan| {
        let all = || 0..program.channels.len();
        let has = |c: usize| plan.senders.contains(&(c as C));
        Strand {
            world: world.clone(),
            steps: plan.steps.clone(),
            senders: all()
                .map(|c| senders[c..=c].iter().filter(|_| has(c)).cloned().collect())
                .collect(),
            receivers: all()
                .map(|c| receivers[c].take_if(|_| plan.receivers.contains(&(c as C))))
                .collect(),
            permits: all().map(|_| Vec::new()).collect(),
            kept: None,
        }
    };
    let strands = program.tasks.iter().map(|task| task.strands.iter().map(&mut strand).collect());
    let strands = strands.collect();
    (world, strands)
}

impl Strand {
    pub(crate) async fn run(mut self) {
        for step in std::mem::take(&mut self.steps) {
            self.step(step).await;
        }
        self.finish();
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Wait(a) => self.race(a, None).await,
            Step::Select(a, b) => self.race(a, Some(b)).await,
            Step::SelectKeep(a, b) => self.race_and_keep(a, b).await,
            Step::Yield => yields().await,
            Step::DropKept => self.kept = None,
            Step::TrySend(c, load) => {
                if let Some(tx) = self.sender(c) {
                    tx.try_send(self.load(load));
                }
            }
            Step::UsePermit(c) => {
                if let Some(permit) = self.permits[c as usize].pop() {
                    drop(permit.send(None));
                }
            }
            Step::DropPermit(c) => drop(self.permits[c as usize].pop()),
            Step::TryRecv(c) => {
                let message = self.receiver(c).as_mut().and_then(Rx::try_recv);
                self.unload(message);
            }
            Step::Close(c) => {
                if let Some(rx) = self.receiver(c) {
                    rx.close();
                }
            }
            Step::DropReceiver(c) => *self.receiver(c) = None,
            Step::DropSender(c) => drop(self.senders[c as usize].pop()),
            Step::GiveSender(c) => {
                let tx = self.sender(c).cloned();
                self.with_slot(c, |slot| slot.senders.extend(tx));
            }
            Step::TakeSender(c) => {
                let tx = self.with_slot(c, |slot| slot.senders.pop());
                self.senders[c as usize].extend(tx);
            }
            Step::GiveReceiver(c) => {
                if let Some(rx) = self.receiver(c).take() {
                    self.with_slot(c, |slot| slot.receiver = Some(rx));
                }
            }
            Step::TakeReceiver(c) => {
                if let Some(rx) = self.with_slot(c, |slot| slot.receiver.take()) {
                    *self.receiver(c) = Some(rx);
                }
            }
        }
    }

    fn with_slot<R>(&self, c: C, f: impl FnOnce(&mut Slot) -> R) -> R {
        f(&mut self.world.slots.lock().unwrap()[c as usize])
    }

    fn sender(&self, c: C) -> Option<&Tx> {
        self.senders[c as usize].last()
    }

    fn receiver(&mut self, c: C) -> &mut Option<Rx> {
        &mut self.receivers[c as usize]
    }

    fn load(&self, load: Option<C>) -> Message {
        load.and_then(|d| Some(Load(d, self.sender(d)?.clone())))
    }

    fn unload(&mut self, message: Option<Message>) {
        if let Some(Some(Load(d, tx))) = message {
            self.senders[d as usize].push(tx);
        }
    }

    /// Takes the handles that a call needs, if they are there.
    fn begin(&mut self, call: Call) -> Option<Work> {
        let sender = |c: C| self.sender(c).cloned();
        let bounded = |c: C| sender(c).filter(|tx| tx.bounded().is_some());
        Some(match call {
            Call::Send(c, load) => {
                let tx = sender(c)?;
                Work::Send(tx, Some(self.load(load)))
            }
            Call::SendMany(c, n) => Work::SendMany(sender(c)?, n),
            Call::Reserve(c) => Work::Reserve(c, Some(bounded(c)?)),
            Call::ReserveMany(c, n) => Work::ReserveMany(bounded(c)?, n),
            Call::Recv(c) => Work::Recv(c, self.receiver(c).take()?),
            Call::Next(c) => Work::Next(c, self.receiver(c).take()?),
            Call::Closed(c) => Work::Closed(sender(c)?),
            Call::Event(event) => Work::Event(self.world.clone(), event),
            Call::Kept => Work::Kept(self.kept.take()?),
        })
    }

    /// Waits for the first of the calls. Who loses gives its handles back.
    async fn race(&mut self, a: Call, b: Option<Call>) {
        let mut a = self.begin(a);
        let mut b = b.and_then(|b| self.begin(b));
        if a.is_none() && b.is_none() {
            return;
        }
        let out = {
            let one = pin!(wait_for(&mut a));
            let other = pin!(wait_for(&mut b));
            race(Some(one), Some(other)).await
        };
        // The winner first.
        let (won, lost, out) = match out {
            Ok(out) => (a, b, out),
            Err(out) => (b, a, out),
        };
        self.take(out);
        self.put_back(won);
        self.put_back(lost);
    }

    async fn race_and_keep(&mut self, a: Call, b: Call) {
        let [mut a, mut b] = [a, b].map(|call| self.begin(call).map(owned));
        if a.is_none() && b.is_none() {
            return;
        }
        let (won, lost) = match race(a.as_mut(), b.as_mut()).await {
            Ok(won) => (won, b),
            Err(won) => (won, a),
        };
        self.take(won.1);
        self.put_back(Some(won.0));
        if lost.is_some() {
            self.kept = lost;
        }
    }

    fn take(&mut self, out: Out) {
        match out {
            Out::Nothing => {}
            Out::Received(message) => self.unload(message),
            Out::Permit(c, permit) => self.permits[c as usize].push(permit),
            Out::Kept(out) => {
                let (work, out) = *out;
                self.take(out);
                self.put_back(Some(work));
            }
        }
    }

    fn put_back(&mut self, work: Option<Work>) {
        if let Some(Work::Recv(c, rx) | Work::Next(c, rx)) = work {
            *self.receiver(c) = Some(rx);
        }
    }

    fn finish(self) {
        let Self { senders, receivers, permits, kept, .. } = self;
        drop(kept);
        drop(permits);
        drop(senders);
        drop(receivers);
    }
}

async fn wait_for(work: &mut Option<Work>) -> Out {
    match work {
        Some(work) => wait(work).await,
        None => std::future::pending().await,
    }
}

fn owned(mut work: Work) -> Owned {
    if let Work::Kept(future) = work {
        return future;
    }
    Box::pin(async move {
        let out = wait(&mut work).await;
        (work, out)
    })
}

/// Lets the other tasks run.
pub(crate) async fn yields() {
    let mut begun = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut begun, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
