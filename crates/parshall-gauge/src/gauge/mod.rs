//! The gauge: one line in a program, and it can be looked at.
//!
//! | file | |
//! |---|---|
//! | `plan` | what is to be done |
//! | `builder` | what the program says of that |
//! | `env` | what the environment changes of that |
//! | `looks` | the looks at the program, and the thread that looks by itself |
//! | `told` | which findings are new, and which are over; the same of a recording that fails |
//! | `say` | words on stderr or through `tracing` |
//! | `signal` | the report on a signal |
//! | `thread` | threads of its own |
//!
//! Each thread of it does without the program: no runtime, no channel, no lock of the program's is
//! needed for an answer. What is *told* may block, on a full stderr or in the program's `tracing`
//! subscriber: that holds up the thread that tells, and no other.

mod builder;
mod env;
pub(crate) mod looks;
mod plan;
pub(crate) mod say;
#[cfg(all(unix, feature = "signal"))]
mod signal;
mod thread;
mod told;

use std::fmt;
use std::mem;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use parshall::introspect::text::line;

pub use builder::GaugeBuilder;
use looks::Looks;
pub(crate) use plan::Plan;
#[cfg(all(unix, feature = "serve"))]
pub(crate) use plan::SocketPlan;
pub(crate) use thread::spawn;

#[cfg(feature = "record")]
use crate::sampler::Sampler;
#[cfg(feature = "serve")]
use crate::serve::Server;

/// The process that has a gauge, by its number; 0 if none has. A child of `fork` finds its
/// parent's.
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// Makes this program one that can be looked at: `let _gauge = parshall_gauge::init();` at the
/// beginning of `main`, and keep it to the end.
///
/// From then on, on threads of the gauge's own, whatever the program's runtime does:
///
/// * `parshall` lists this program, and shows what is in it; see [the protocol](crate#protocol).
/// * `kill -USR1 PID` prints the report of [`parshall::diagnose`] on stderr.
/// * A finding is told when it appears and when it ends, on stderr, or through `tracing` (feature
///   `tracing`) if the program has a subscriber.
///
/// # The environment
/// It has the last word, over [`Gauge::builder`] too. A value that cannot be understood is told,
/// and changes nothing; an empty one is as none. So is told a name that begins with `PARSHALL_` and
/// that nothing reads.
///
/// | variable | |
/// |---|---|
/// | `PARSHALL=off` | no gauge at all |
/// | `PARSHALL_PROCESS=ingest` | the name of this process, see [`parshall::set_process`] |
/// | `PARSHALL_BIND=127.0.0.1:7878` | answers on TCP, too, for this host; with `expose:` in front of the address for others, see [`GaugeBuilder::expose`] |
/// | `PARSHALL_RECORD=FILE.db` | records a snapshot a second, and keeps a day within 256 MiB, see [`GaugeBuilder::record`] |
/// | `PARSHALL_STUCK_AFTER=5s` | what is called stuck: a whole number and `ms`, `s`, `m` or `h` |
/// | `NO_COLOR=1` | no colour in a report on a terminal |
///
/// # Examples
/// ```no_run
/// let _gauge = parshall_gauge::init();
/// // the program
/// ```
#[must_use = "dropped, it stops: `let _gauge = parshall_gauge::init();`"]
pub fn init() -> Gauge {
    Gauge::builder().start()
}

/// Makes this program one that can be looked at, for as long as it lives. From [`init`] or
/// [`Gauge::builder`].
///
/// Dropped, it answers no more, and its socket is gone when `drop` returns.
///
/// # After a `fork`
/// The gauge is the parent's. In the child it does nothing, and dropping it there leaves the
/// parent's as it is; the child may have one of its own, by [`init`]. As long as a child lives that
/// has executed no other program, the parent's socket accepts connections, if the parent has died
/// without dropping its gauge, and nobody answers.
///
/// # Examples
/// ```
/// use parshall_gauge::Gauge;
/// # let folder = tempfile::tempdir()?;
/// # #[cfg(all(unix, feature = "serve"))] {
/// let gauge = Gauge::builder().socket_in(folder.path().join("own")).start();
/// let socket = gauge.socket().unwrap().to_owned();
/// assert!(socket.exists());
/// drop(gauge);
/// assert!(!socket.exists());
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Gauge {
    /// None: it does nothing.
    running: Option<Running>,
}

struct Running {
    /// Of the process that the threads are in.
    pid: u32,
    #[cfg(feature = "serve")]
    server: Option<Server>,
    #[cfg(all(unix, feature = "signal"))]
    _signal: Option<signal::OnSignal>,
    #[cfg(feature = "record")]
    _sampler: Option<Sampler>,
    /// Dropped, it ends the thread that looks. It is not joined: what it tells may block.
    _looker: Option<mpsc::SyncSender<()>>,
}

impl Gauge {
    /// Whether it does anything: not if it was switched off by `PARSHALL=off`, nor if the process
    /// had a gauge already, nor in a child of `fork`. In one process it never changes.
    pub fn is_active(&self) -> bool {
        self.running().is_some()
    }

    /// The Unix socket that it answers on; none if it has none, which was told when it was started.
    /// Never changes.
    pub fn socket(&self) -> Option<&Path> {
        #[cfg(feature = "serve")]
        return self.running()?.server.as_ref()?.socket();
        #[cfg(not(feature = "serve"))]
        None
    }

    /// The address that it answers on by TCP, with the port that the system chose if 0 was asked
    /// for; none if TCP was not asked for, or not to be had, which was told. Never changes.
    pub fn address(&self) -> Option<SocketAddr> {
        #[cfg(feature = "serve")]
        return self.running()?.server.as_ref()?.address();
        #[cfg(not(feature = "serve"))]
        None
    }

    fn running(&self) -> Option<&Running> {
        self.running.as_ref().filter(|running| running.pid == std::process::id())
    }

    fn start(plan: Plan, warnings: Vec<String>) -> Self {
        for warning in warnings {
            say::warn(warning);
        }
        if plan.off {
            return Self { running: None };
        }
        let pid = std::process::id();
        // Relaxed: nothing else is handed over by it.
        let before = ACTIVE.load(Ordering::Relaxed);
        let claim = || ACTIVE.compare_exchange(before, pid, Ordering::Relaxed, Ordering::Relaxed);
        if before == pid || claim().is_err() {
            say::warn("this process has a gauge already; a second one does nothing");
            return Self { running: None };
        }
        Self { running: Some(Running::start(plan, pid)) }
    }
}

impl Running {
    fn start(plan: Plan, pid: u32) -> Self {
        if let Some(name) = &plan.process
            && let Err(name) = parshall::set_process(name)
            && name != parshall::process()
        {
            let (name, keeps) = (line(&name, 60), line(parshall::process(), 60));
            say::warn(format_args!(
                "this process is not called `{name}`: it has the name `{keeps}` already; start the \
                 gauge before anything else"
            ));
        }
        let looks = Arc::new(Looks::new(plan.settings.clone()));
        Self {
            pid,
            #[cfg(feature = "serve")]
            server: Server::start(&plan, looks.clone()),
            #[cfg(all(unix, feature = "signal"))]
            _signal: signal::OnSignal::start(plan.signal, looks.clone()),
            #[cfg(feature = "record")]
            _sampler: plan.record.as_deref().and_then(|path| record(path, &plan.settings)),
            _looker: look(&plan, looks),
        }
    }
}

fn look(plan: &Plan, looks: Arc<Looks>) -> Option<mpsc::SyncSender<()>> {
    let (looker, stop) = mpsc::sync_channel(0);
    let log = plan.log;
    spawn("parshall-looks", move || looks.watch(&stop, log)).map(|_| looker)
}

/// Records a snapshot a second, and tells when that begins to fail, when it works again, and when
/// the first is missed.
#[cfg(feature = "record")]
fn record(path: &Path, settings: &parshall::introspect::Settings) -> Option<Sampler> {
    use crate::recorder::SqliteRecorder;
    let mut recorded = told::Recorded::default();
    let sampler = Sampler::every(looks::EVERY)
        .record(SqliteRecorder::new(path).settings(settings.clone()))
        .observe(move |sample| recorded.news(sample.recorded, sample.missed).for_each(say::warn))
        .start();
    sampler.map_err(|error| say::warn(format_args!("nothing is recorded: {error}"))).ok()
}

impl Drop for Gauge {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if running.pid != std::process::id() {
            // All of it is the parent's: its threads are not here, and its locks may be taken for
            // ever.
            mem::forget(running);
            return;
        }
        drop(running);
        ACTIVE.store(0, Ordering::Relaxed);
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge")
            .field("active", &self.is_active())
            .field("socket", &self.socket())
            .field("address", &self.address())
            .finish()
    }
}
