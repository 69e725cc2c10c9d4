//! Runs a program in a process of its own, waits until it has come to rest, and looks at it.

use std::any::type_name;
use std::env;
use std::future::{Future, pending};
use std::process::{Command, abort, exit};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use parshall::introspect::{Diagnoser, Diagnosis, Settings};
use parshall::mpsc::{Builder, Receiver, Sender};
use parshall::task;
use tokio::runtime;
use tokio::task::{AbortHandle, JoinHandle};

use crate::seen::{Now, Seen};

/// The runtime of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum On {
    CurrentThread,
    MultiThread,
}

/// How the tasks of a program are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tasks {
    /// By `task::spawn_named`: all that could wake them can be counted.
    Roots,
    /// By `tokio::spawn(task::named(..))`: something around them may wake them or stop polling
    /// them.
    Named,
    /// By `tokio::spawn`: a number, and nothing else.
    Plain,
}

const TASKS: [Tasks; 3] = [Tasks::Roots, Tasks::Named, Tasks::Plain];

/// Says to the child what to play: tasks, runtime, attempt.
const VARIANT: &str = "PARSHALL_SCENARIO";

/// What a child says at its end, since one that found no test ends well too: between these two what
/// was said of its program.
const SAID: &str = "said of it:\n";
const PLAYED: &str = "the scenario was played";

/// How a child ends whose program got on before the last look: the machine was busy.
const TOO_LATE: i32 = 75;

/// So often a program is played that got on too early.
const ATTEMPTS: u32 = 5;

/// So many children of one test run at once.
const AT_ONCE: usize = 3;

/// How long a program may take to come to rest, or to its end: far longer than what one of them
/// sleeps in all, in the last attempt.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a child may take, whatever hangs in it.
const LIFE: Duration = Duration::from_secs(600);

/// So often a program is looked at until it says what is awaited.
const MOST_LOOKS: usize = 150;

/// From when on a channel is called stuck here, in the first attempt.
pub(crate) const STUCK_AFTER: Duration = Duration::from_millis(200);

/// What a program starts its tasks with.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) tasks: Tasks,
    pub(crate) on: On,
    attempt: u32,
    handle: runtime::Handle,
    started: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Stage {
    /// Starts a task.
    pub(crate) fn spawn<F>(&self, name: impl Into<String>, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let _inside = self.handle.enter();
        let handle = match self.tasks {
            Tasks::Roots => task::spawn_named(name, future),
            Tasks::Named => tokio::spawn(task::named(name, future)),
            Tasks::Plain => tokio::spawn(future),
        };
        self.started.lock().unwrap().push(handle.abort_handle());
        handle
    }

    /// The same, for tasks of another runtime.
    pub(crate) fn with(&self, handle: &runtime::Handle) -> Self {
        Self { handle: handle.clone(), ..self.clone() }
    }

    /// A time that is over some time after the last look.
    pub(crate) fn later(&self) -> Duration {
        Duration::from_secs(1) * self.pace()
    }

    /// From when on a channel is called stuck.
    pub(crate) fn stuck_after(&self) -> Duration {
        STUCK_AFTER * self.pace()
    }

    /// All times of an attempt are twice as long as those of the one before.
    fn pace(&self) -> u32 {
        2_u32.pow(self.attempt)
    }
}

/// Starts a thread.
pub(crate) fn thread(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.into()).spawn(run).unwrap();
}

/// Waits until it is so.
pub(crate) async fn until(so: impl Fn(&Now) -> bool) {
    while !so(&Now::look()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A bounded channel, made where this is called.
#[track_caller]
pub(crate) fn bounded<T>(name: impl Into<Arc<str>>, capacity: usize) -> (Sender<T>, Receiver<T>) {
    Builder::new().name(name).capacity(capacity).build()
}

/// A program, and how it is looked at.
pub(crate) struct Play<P> {
    program: P,
    on: &'static [On],
    at_rest: fn(&Now) -> bool,
    looks: usize,
    apart: Duration,
    until: fn(&[Diagnosis]) -> bool,
    stands: bool,
    ends: bool,
}

/// A test's program: a closure written in the test itself, whose name tells the child what to run.
pub(crate) fn play<P, F>(program: P) -> Play<P>
where
    P: FnOnce(Stage) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let apart = STUCK_AFTER + Duration::from_millis(50);
    let on = &[On::CurrentThread, On::MultiThread];
    let (at_rest, until): (fn(&_) -> _, fn(&_) -> _) = (|_| true, |_| false);
    Play { program, on, at_rest, looks: 2, apart, until, stands: true, ends: false }
}

impl<P, F> Play<P>
where
    P: FnOnce(Stage) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    /// On these runtimes only.
    pub(crate) fn on(self, on: &'static [On]) -> Self {
        Self { on, ..self }
    }

    /// It is looked at from then on that this is so. It must be so behind the last look as well;
    /// else the program got on too early, and is played again.
    pub(crate) fn at_rest(self, at_rest: fn(&Now) -> bool) -> Self {
        Self { at_rest, ..self }
    }

    /// It is looked at so often, every 100 ms. Without this: twice, and stuck between, so that no
    /// message may move from the first look on.
    pub(crate) fn looks(self, looks: usize) -> Self {
        Self { looks, apart: Duration::from_millis(100), stands: false, ..self }
    }

    /// It is looked at, every 100 ms, until what was said at all looks is enough.
    pub(crate) fn looks_until(self, until: fn(&[Diagnosis]) -> bool) -> Self {
        Self { until, ..self.looks(MOST_LOOKS) }
    }

    /// All its tasks end by themselves when it has been looked at.
    pub(crate) fn ends(self) -> Self {
        Self { ends: true, ..self }
    }

    /// Plays it, and asks `judge` whether what was said is right.
    pub(crate) fn judge(self, judge: impl Fn(&Seen)) {
        match env::var(VARIANT) {
            Ok(variant) => self.here(&variant, judge),
            Err(_) => self.in_children(),
        }
    }

    /// In a process of its own, in every variant.
    fn in_children(self) {
        // `scenarios::file::test::{{closure}}`
        let name = type_name::<P>().split("::").skip(1);
        let name: Vec<_> = name.take_while(|part| !part.starts_with('{')).collect();
        let name = name.join("::");
        let all = TASKS.iter().flat_map(|tasks| self.on.iter().map(move |on| (tasks, on)));
        let variants: Vec<_> = all.map(|(tasks, on)| format!("{tasks:?} {on:?}")).collect();
        for some in variants.chunks(AT_ONCE) {
            thread::scope(|scope| {
                for variant in some {
                    scope.spawn(|| in_child(&name, variant));
                }
            });
        }
    }

    /// In this process.
    fn here(self, variant: &str, judge: impl Fn(&Seen)) {
        thread::spawn(|| {
            thread::sleep(LIFE);
            eprintln!("no end after {LIFE:?}");
            abort();
        });
        let mut words = variant.split(' ');
        let mut word = || words.next().unwrap();
        let tasks = word();
        let tasks = TASKS.into_iter().find(|t| format!("{t:?}") == tasks).unwrap();
        let (on, mut builder) = match word() {
            "CurrentThread" => (On::CurrentThread, runtime::Builder::new_current_thread()),
            _ => (On::MultiThread, runtime::Builder::new_multi_thread()),
        };
        let attempt = word().parse().unwrap();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let (handle, started) = (runtime.handle().clone(), Arc::default());
        let stage = Stage { tasks, on, attempt, handle, started };
        let Self { program, at_rest, looks, apart, until, stands, ends, .. } = self;
        let (apart, stuck_after) = (apart * stage.pace(), stage.stuck_after());
        let inside = stage.clone();
        thread("program", move || {
            runtime.block_on(async {
                program(inside).await;
                pending::<()>().await;
            });
        });
        wait("come to rest", || at_rest(&Now::look()));

        let mut settings = Settings::default();
        settings.stuck_after = stuck_after;
        settings.trend_after = 3 * apart;
        let mut diagnoser = Diagnoser::new(settings);
        let (mut saw, mut said) = (Vec::new(), Vec::new());
        for look in 0..looks {
            if look > 0 {
                thread::sleep(apart);
            }
            let now = Now::look();
            said.push(diagnoser.look(&now.0).unwrap());
            saw.push(now);
            if until(&said) {
                break;
            }
        }
        let last = Now::look();
        if !at_rest(&last) || stands && !(at_rest(&saw[0]) && last.stands_as(&saw[0])) {
            exit(TOO_LATE);
        }
        let seen = Seen { tasks, on, saw, said };
        seen.check(judge);
        if ends {
            let started = stage.started.lock().unwrap();
            wait("end", || started.iter().all(AbortHandle::is_finished));
        }
        println!("{SAID}{}\n{PLAYED}", seen.last());
    }
}

/// Plays a test in a child, and fails if that fails. What is said of the program is shown to who
/// runs the tests with `--nocapture`.
fn in_child(name: &str, variant: &str) {
    for attempt in 0..ATTEMPTS {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(VARIANT, format!("{variant} {attempt}"))
            .output()
            .unwrap();
        if child.status.code() == Some(TOO_LATE) {
            continue;
        }
        let out = String::from_utf8_lossy(&child.stdout);
        let said = out.split_once(SAID).and_then(|(_, said)| said.split_once(PLAYED));
        let Some((said, _)) = said.filter(|_| child.status.success()) else {
            let err = String::from_utf8_lossy(&child.stderr);
            panic!("{name}, {variant}: {}\n{out}\n{err}", child.status);
        };
        println!("== {name}, {variant}\n{said}");
        return;
    }
    panic!("{name}, {variant}: it is never at rest for as long as it takes to look");
}

fn wait(what: &str, so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "it did not {what}: {:#?}", parshall::snapshot());
        thread::sleep(Duration::from_millis(2));
    }
}
