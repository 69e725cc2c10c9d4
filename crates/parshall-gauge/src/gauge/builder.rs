//! What a gauge can be told to do.

#[cfg(feature = "serve")]
use std::net::SocketAddr;
#[cfg(any(feature = "record", all(unix, feature = "serve")))]
use std::path::PathBuf;
use std::time::Duration;

use parshall::introspect::Settings;

use super::plan::Plan;
#[cfg(all(unix, feature = "signal"))]
use super::plan::SignalPlan;
#[cfg(all(unix, feature = "serve"))]
use super::plan::SocketPlan;
use super::{Gauge, env};

/// A gauge to be; from [`Gauge::builder`].
///
/// The environment has the last word: see [`init`](crate::init). Of two settings for the same
/// thing the later one counts.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
/// use parshall_gauge::Gauge;
///
/// let gauge = Gauge::builder()
///     .process("ingest")
///     .stuck_after(Duration::from_secs(5))
///     .bind(([127, 0, 0, 1], 7878).into())
///     .start();
/// println!("asked at {:?}", gauge.address());
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `start`"]
pub struct GaugeBuilder(Plan);

impl Gauge {
    /// A gauge with settings of your own; without any it is that of [`init`](crate::init).
    pub fn builder() -> GaugeBuilder {
        GaugeBuilder(Plan::default())
    }
}

impl GaugeBuilder {
    /// Names this process, see [`parshall::set_process`]. Too late once an id was made: then it is
    /// told, and the process keeps the name that it has. `PARSHALL_PROCESS` is the same.
    pub fn process(mut self, name: impl Into<String>) -> Self {
        self.0.process = Some(name.into());
        self
    }

    /// What has not changed for so long is called stuck. `PARSHALL_STUCK_AFTER` is the same.
    pub fn stuck_after(mut self, time: Duration) -> Self {
        self.0.settings.stuck_after = time;
        self
    }

    /// All that a diagnosis can be set to.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.0.settings = settings;
        self
    }

    /// Does not tell of findings when they appear and when they end.
    pub fn quiet(mut self) -> Self {
        self.0.log = false;
        self
    }

    /// Records a snapshot a second into this database, by a [`Sampler`](crate::Sampler). It keeps
    /// what [`Retention`](crate::Retention) keeps by default, and diagnoses by the settings of this
    /// gauge. `PARSHALL_RECORD` is the same.
    #[cfg(feature = "record")]
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.record = Some(path.into());
        self
    }

    /// Puts the Unix socket into this folder, which must belong to this user, and to nobody else:
    /// mode 0700. It is created if it is not there.
    #[cfg(all(unix, feature = "serve"))]
    pub fn socket_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.socket = SocketPlan::Folder(folder.into());
        self
    }

    /// Has no Unix socket.
    #[cfg(all(unix, feature = "serve"))]
    pub fn no_socket(mut self) -> Self {
        self.0.socket = SocketPlan::None;
        self
    }

    /// Answers on TCP, too. Everybody on this host may ask then. An address that is not of the
    /// loopback is refused, unless it is [exposed](Self::expose) also. `PARSHALL_BIND` is the same.
    #[cfg(feature = "serve")]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.0.bind = Some(address);
        self
    }

    /// Others than this host may ask, too: whoever reaches the address that is [bound](Self::bind)
    /// reads the names, the places in the source and the numbers of all channels, unencrypted.
    /// `PARSHALL_BIND=expose:0.0.0.0:7878` is the same.
    #[cfg(feature = "serve")]
    pub fn expose(mut self) -> Self {
        self.0.expose = true;
        self
    }

    /// Answers requests on TCP that are for this host name. Those for a number, as in
    /// `http://10.0.0.7:7878`, and for `localhost` are always answered, others never: a page of
    /// another site in somebody's browser must not read this one under a name of its own.
    #[cfg(feature = "serve")]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.0.hosts.push(name.into());
        self
    }

    /// Prints the report on this signal, instead of `SIGUSR1`. None: on no signal.
    #[cfg(all(unix, feature = "signal"))]
    pub fn signal(mut self, number: Option<i32>) -> Self {
        self.0.signal = number.map_or(SignalPlan::None, SignalPlan::Number);
        self
    }

    /// Starts it. What cannot be done, and what the environment says that cannot be understood, is
    /// told once, as a warning, and all else is done: a program runs with a gauge as it does
    /// without.
    ///
    /// Of two in one process the second is told that there is one already, and does nothing.
    pub fn start(mut self) -> Gauge {
        let warnings = env::apply(&mut self.0);
        Gauge::start(self.0, warnings)
    }
}
