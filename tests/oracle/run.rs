//! Runs a program for real, on a current-thread runtime, and notes what was polled when.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use parshall::task::{TaskKind, TaskRef};
use parshall::{Snapshot, snapshot, task};

use crate::channel::State;
use crate::program::{Kind, Program, TaskPlan};
use crate::real::{Strand, set_up, yields};

/// Two looks at a program that has come to rest, or was stopped, and what the model says of it.
pub(crate) struct Looks {
    pub(crate) first: Snapshot,
    pub(crate) second: Snapshot,
    /// At the end of the second.
    pub(crate) now: Snapshot,
    pub(crate) state: State,
    tokio_ids: Vec<u64>,
}

impl Looks {
    /// Which task of the program this is.
    pub(crate) fn task(&self, task: TaskRef) -> Option<usize> {
        match task.kind() {
            TaskKind::Tokio => self.tokio_ids.iter().position(|&id| id == task.number()),
            TaskKind::Named => {
                let known = self.now.tasks.iter().find(|known| known.task == task)?;
                known.name.as_deref()?.strip_prefix('t')?.parse().ok()
            }
            _ => None,
        }
    }
}

/// What happens, in order.
#[derive(Clone, Copy, Debug)]
enum Happened {
    Polled(usize),
    Fired(u8),
}

type Log = Arc<Mutex<Vec<Happened>>>;

/// One program at a time: a snapshot shows all that is in the process.
pub(crate) fn run(program: &Program) -> Looks {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // So that the driver runs after each poll.
    let runtime = builder.event_interval(1).build().unwrap();
    let (world, tasks) = set_up(program);
    let log = Log::default();
    let looks = runtime.block_on(async {
        let spawn = |(number, (strands, plan)): (usize, (Vec<Strand>, &TaskPlan))| {
            let body = body(strands, plan.foreign_wakers, number, log.clone());
            let name = format!("t{number}");
            let handle = match plan.kind {
                Kind::Root => task::spawn_named(name, body),
                Kind::Named => tokio::spawn(task::named(name, body)),
                Kind::Wrapped => tokio::spawn(wrapped(task::named(name, body))),
                Kind::Plain => tokio::spawn(body),
            };
            handle.id().to_string().parse().unwrap()
        };
        let tokio_ids = tasks.into_iter().zip(&program.tasks).enumerate().map(spawn).collect();
        let polls = || {
            let log = log.lock().unwrap();
            log.iter().filter(|one| matches!(one, Happened::Polled(_))).count()
        };
        let mut idle = 0;
        // Until so many polls, or until rest.
        let drive = async |idle: &mut u8, most: Option<usize>| {
            while *idle < 3 && most.is_none_or(|most| polls() < most) {
                let before = polls();
                let at_rest = *idle == 2;
                let due = |&&(after, _): &&(u8, u8)| at_rest || before >= after.into();
                for &(_, event) in program.fires.iter().filter(due) {
                    let fired = |one: &Happened| matches!(one, Happened::Fired(e) if *e == event);
                    if !log.lock().unwrap().iter().any(fired) {
                        log.lock().unwrap().push(Happened::Fired(event));
                        world.events[event as usize].fire();
                        *idle = 0;
                    }
                }
                yields().await;
                *idle = if polls() == before { *idle + 1 } else { 0 };
            }
        };
        let mut seen = Vec::new();
        for moment in 0..4 {
            let polls = program.moments.map(|moments| {
                let later = moments.later[..moment].iter().sum::<u8>();
                usize::from(moments.first + later)
            });
            drive(&mut idle, polls).await;
            // At rest the two of a look are alike.
            if program.moments.is_some() || moment % 2 == 0 {
                seen.push(snapshot());
            }
        }
        let now = seen[seen.len() - 1].clone();
        let [first, second] = match program.moments {
            None => seen.try_into().unwrap(),
            Some(moments) => [0, 1].map(|n| look(&seen[2 * n], &seen[2 * n + 1], moments.early[n])),
        };
        let mut state = State::new(program);
        for &one in &*log.lock().unwrap() {
            match one {
                Happened::Fired(event) => state.fire(event),
                Happened::Polled(task) => {
                    assert!(state.tasks[task].scheduled, "t{task} was not woken, by the model");
                    state.poll(program, task);
                }
            }
        }
        Looks { first, second, now, state, tokio_ids }
    });
    drop(runtime);
    looks
}

/// A look that began with one snapshot and ended with the other.
fn look(begin: &Snapshot, end: &Snapshot, early: u8) -> Snapshot {
    let mut look = end.clone();
    look.taken_at_ns = begin.taken_at_ns;
    for channel in &mut look.channels {
        let before = begin.channels.iter().find(|before| before.id == channel.id);
        let number: u32 = channel.stats.name[1..].parse().unwrap();
        if let Some(before) = before.filter(|_| early & 1 << number != 0) {
            *channel = before.clone();
        }
    }
    look
}

/// The strands of a task, beside each other.
async fn body(strands: Vec<Strand>, foreign_wakers: bool, number: usize, log: Log) {
    let mut strands: Vec<_> = strands
        .into_iter()
        .map(|strand| {
            let child = foreign_wakers.then(Arc::<Child>::default);
            (Some(Box::pin(strand.run())), child)
        })
        .collect();
    poll_fn(|cx| {
        log.lock().unwrap().push(Happened::Polled(number));
        for (strand, child) in &mut strands {
            let Some(running) = strand else { continue };
            let poll = match child {
                Some(child) => child.poll(running.as_mut(), cx),
                None => running.as_mut().poll(cx),
            };
            if poll.is_ready() {
                *strand = None;
            }
        }
        if strands.iter().all(|strand| strand.0.is_none()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A waker of a strand's own, as `FuturesUnordered` has.
#[derive(Default)]
struct Child {
    asleep: AtomicBool,
    parent: Mutex<Option<Waker>>,
}

impl Child {
    fn poll<F: Future>(
        self: &Arc<Self>,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        *self.parent.lock().unwrap() = Some(cx.waker().clone());
        if self.asleep.swap(true, Ordering::Relaxed) {
            return Poll::Pending;
        }
        future.poll(&mut Context::from_waker(&self.clone().into()))
    }
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.asleep.store(false, Ordering::Relaxed);
        let parent = self.parent.lock().unwrap().clone();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

/// What may drop its future at any time, as `timeout` does: its waker is with a timer.
async fn wrapped<F: Future<Output = ()>>(future: F) {
    let mut future = std::pin::pin!(future);
    let mut timer = None;
    poll_fn(|cx| {
        timer = Some(cx.waker().clone());
        future.as_mut().poll(cx)
    })
    .await;
}
