//! What a gauge is to do.

#[cfg(feature = "serve")]
use std::net::SocketAddr;
#[cfg(any(feature = "record", all(unix, feature = "serve")))]
use std::path::PathBuf;

use parshall::introspect::Settings;

/// What a gauge is to do, before anything of it is done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) off: bool,
    pub(crate) process: Option<String>,
    pub(crate) settings: Settings,
    #[cfg(all(unix, feature = "serve"))]
    pub(crate) socket: SocketPlan,
    #[cfg(feature = "serve")]
    pub(crate) bind: Option<SocketAddr>,
    #[cfg(feature = "serve")]
    pub(crate) expose: bool,
    #[cfg(feature = "serve")]
    pub(crate) hosts: Vec<String>,
    #[cfg(feature = "record")]
    pub(crate) record: Option<PathBuf>,
    pub(crate) log: bool,
    #[cfg(all(unix, feature = "signal"))]
    pub(crate) signal: SignalPlan,
}

/// Where the Unix socket is.
#[cfg(all(unix, feature = "serve"))]
#[derive(Clone, Debug)]
pub(crate) enum SocketPlan {
    /// Where programs of this user have theirs.
    Usual,
    Folder(PathBuf),
    None,
}

/// Which signal asks for the report.
#[cfg(all(unix, feature = "signal"))]
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
            #[cfg(all(unix, feature = "serve"))]
            socket: SocketPlan::Usual,
            #[cfg(feature = "serve")]
            bind: None,
            #[cfg(feature = "serve")]
            expose: false,
            #[cfg(feature = "serve")]
            hosts: Vec::new(),
            #[cfg(feature = "record")]
            record: None,
            log: true,
            #[cfg(all(unix, feature = "signal"))]
            signal: SignalPlan::Usual,
        }
    }
}
