//! What a gauge is to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use parshall::introspect::Settings;

/// What a gauge is to do, before anything of it is done. Parts of it are for features that may be
/// off.
#[cfg_attr(
    not(all(unix, feature = "serve", feature = "signal", feature = "record")),
    allow(dead_code)
)]
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) off: bool,
    pub(crate) process: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) socket: SocketPlan,
    pub(crate) bind: Option<SocketAddr>,
    pub(crate) expose: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) log: bool,
    pub(crate) signal: SignalPlan,
}

/// Where the Unix socket is.
#[cfg_attr(not(all(unix, feature = "serve")), allow(dead_code))]
#[derive(Clone, Debug)]
pub(crate) enum SocketPlan {
    /// Where programs of this user have theirs.
    Usual,
    Folder(PathBuf),
    None,
}

/// Which signal asks for the report.
#[cfg_attr(not(all(unix, feature = "signal")), allow(dead_code))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignalPlan {
    Usual,
    Number(i32),
    None,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            off: false,
            process: None,
            settings: Settings::default(),
            socket: SocketPlan::Usual,
            bind: None,
            expose: false,
            hosts: Vec::new(),
            record: None,
            log: true,
            signal: SignalPlan::Usual,
        }
    }
}
