//! Threads that are stopped at a named step, and threads that must finish all the same.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long anything may take that must finish.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Gate {
    /// A thread has come; it may go on.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    fn stop(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }

    fn is_reached(&self) -> bool {
        let state = self.state.lock().unwrap();
        self.changed.wait_timeout_while(state, PATIENCE, |state| !state.0).unwrap().0.0
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

type Gates = VecDeque<(&'static str, Arc<Gate>)>;

type Act = Rc<dyn Fn(&'static str)>;

thread_local! {
    /// Where this thread is to stop, in this order.
    static ARMED: RefCell<Gates> = RefCell::default();
    /// What happens at each step of this thread.
    static ACT: RefCell<Option<Act>> = RefCell::default();
}

/// What the library calls at each step. Nothing is borrowed while the thread stands.
fn hook(name: &'static str) {
    let gate = ARMED.try_with(|armed| {
        let mut armed = armed.borrow_mut();
        if armed.front().is_some_and(|(next, _)| *next == name) { armed.pop_front() } else { None }
    });
    if let Ok(Some((_, gate))) = gate {
        gate.stop();
    }
    if let Ok(Some(act)) = ACT.try_with(|act| act.borrow().clone()) {
        act(name);
    }
}

/// Until this is dropped, something happens at each step of the thread.
pub(crate) struct Acting(PhantomData<Rc<()>>);

/// Calls `act` at each step of this thread, at those within `act` too. What is done there others do
/// while the thread is stopped: it is the thread itself that plays them.
pub(crate) fn at_each_step(act: impl Fn(&'static str) + 'static) -> Acting {
    parshall::STEP_HOOK.get_or_init(|| hook);
    ACT.set(Some(Rc::new(act)));
    Acting(PhantomData)
}

impl Drop for Acting {
    fn drop(&mut self) {
        drop(ACT.take());
    }
}

/// A victim's own decision from when on it is stopped.
pub(crate) struct Arm(Gates);

impl Arm {
    pub(crate) fn now(self) {
        ARMED.set(self.0);
    }
}

/// A thread with a result, for which nobody waits longer than [`PATIENCE`].
pub(crate) struct Running<R> {
    what: String,
    result: mpsc::Receiver<thread::Result<R>>,
}

pub(crate) fn start<R: Send + 'static>(
    what: impl Into<String>,
    f: impl FnOnce() -> R + Send + 'static,
) -> Running<R> {
    let (tx, result) = mpsc::sync_channel(1);
    thread::spawn(move || tx.send(catch_unwind(AssertUnwindSafe(f))));
    Running { what: what.into(), result }
}

impl<R> Running<R> {
    pub(crate) fn finish(self) -> R {
        self.finish_within(PATIENCE)
    }

    fn finish_within(self, patience: Duration) -> R {
        match self.result.recv_timeout(patience) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                panic!("{}: not finished after {patience:?}", self.what)
            }
        }
    }

    /// Whether it is not finished after a while.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(
            self.result.recv_timeout(Duration::from_millis(100)),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

/// Runs a scene, in which the thread that plays it may hang as well as the others.
pub(crate) fn scene(step: &str, play: impl FnOnce() + Send + 'static) {
    start(format!("{step}: the scene"), play).finish_within(PATIENCE * 2);
}

/// A thread that stands at a step, or will. When this is dropped it goes on, so that a failure here
/// is not followed by a hang.
pub(crate) struct Victim<R> {
    gates: Gates,
    run: Option<Running<R>>,
}

impl<R> Victim<R> {
    /// Runs `f`, which arms itself, and returns when it stands at the first of `steps`.
    pub(crate) fn stop_at(steps: &[&'static str], f: impl FnOnce(Arm) -> R + Send + 'static) -> Self
    where
        R: Send + 'static,
    {
        parshall::STEP_HOOK.get_or_init(|| hook);
        let gates: Gates = steps.iter().map(|name| (*name, Arc::default())).collect();
        let arm = Arm(gates.clone());
        let run = start(format!("{}: the victim itself", steps[0]), move || f(arm));
        let victim = Self { gates, run: Some(run) };
        victim.arrives();
        victim
    }

    fn arrives(&self) {
        let (name, gate) = &self.gates[0];
        assert!(gate.is_reached(), "{name}: the victim does not come there");
    }

    /// Lets it go on to the next of its steps.
    pub(crate) fn go_on(&mut self) {
        self.gates.pop_front().unwrap().1.open();
        self.arrives();
    }

    /// Lets it go on, and does not wait for it.
    pub(crate) fn open(&self) {
        self.gates.iter().for_each(|(_, gate)| gate.open());
    }

    /// Lets it go on to its end.
    pub(crate) fn release(mut self) -> R {
        let run = self.run.take().unwrap();
        drop(self);
        run.finish()
    }
}

impl<R> Drop for Victim<R> {
    fn drop(&mut self) {
        self.open();
    }
}
