//! The gauge's answers: HTTP on a Unix socket and, if asked, on TCP, from a thread and a runtime of
//! its own.
//!
//! | file | |
//! |---|---|
//! | `routes` | what is answered |
//! | `guests` | who is answered: how many at once, and for how long |
//! | `host` | for which host a request on TCP may be |
//! | `body` | an answer that is sent while it is written |
//! | `socket` | where the socket lies, and those that the dead have left |
//! | `fuzzing` | the answers without a socket, for `fuzz/fuzz_targets/gauge.rs` |

mod body;
#[cfg(fuzzing)]
pub mod fuzzing;
pub(crate) mod guests;
pub(crate) mod host;
mod routes;
#[cfg(unix)]
mod socket;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::{oneshot, watch};

use crate::gauge::looks::Looks;
use crate::gauge::{Plan, say, spawn};
use guests::{Guests, Limits};
use host::Hosts;
#[cfg(unix)]
use socket::Socket;

const LIMITS: Limits = Limits { at_once: 16, connection: Duration::from_secs(60) };

/// How long the listeners may take to be there.
const START: Duration = Duration::from_secs(5);

/// A thread that answers. Dropped, it answers no more, and the socket and the port are free again.
pub(crate) struct Server {
    #[cfg(unix)]
    socket: Option<Socket>,
    address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread has found to listen on.
#[derive(Default)]
struct Bound {
    #[cfg(unix)]
    socket: Option<Socket>,
    address: Option<SocketAddr>,
}

impl Server {
    /// None: there is nothing to listen on, which was told unless it was what was asked for.
    pub(crate) fn start(plan: &Plan, looks: Arc<Looks>) -> Option<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::sync_channel(1);
        let plan = plan.clone();
        // The runtime is made there: to drop one where another runs, as here if the thread is not
        // to be had, is a panic.
        let run = move || match runtime() {
            Ok(runtime) => serve(runtime, plan, looks, stopped, tell),
            Err(error) => say::warn(format_args!("nobody can ask this program: {error}")),
        };
        let thread = spawn("parshall-gauge", run)?;
        let bound = match told.recv_timeout(START) {
            Ok(bound) => bound,
            Err(RecvTimeoutError::Timeout) => {
                say::warn("nobody can ask this program: its sockets take too long to make");
                return None;
            }
            // That was told.
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        Some(Self {
            #[cfg(unix)]
            socket: bound.socket,
            address: bound.address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    #[cfg(unix)]
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(Socket::path)
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)]
    pub(crate) fn socket(&self) -> Option<&Path> {
        None
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First, so that nobody is led to a socket that does not answer.
        #[cfg(unix)]
        drop(self.socket.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Nothing blocks it. A panic was told by the hook.
            let _ = thread.join();
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("parshall-answer")
        // One for each guest, so that one who does not read holds up nobody else. They are made
        // when they are needed, and go when they have had nothing to do for a while.
        .max_blocking_threads(LIMITS.at_once)
        .build()
}

fn serve(
    runtime: Runtime,
    plan: Plan,
    looks: Arc<Looks>,
    stopped: oneshot::Receiver<()>,
    tell: mpsc::SyncSender<Bound>,
) {
    runtime.block_on(async {
        let guests = Guests::new(LIMITS);
        let (stop, stopping) = watch::channel(false);
        let mut bound = Bound::default();
        #[cfg(unix)]
        if let Some((listener, socket)) = socket::bind(&plan.socket).await {
            let router = routes::router(looks.clone(), None, stopping.clone());
            tokio::spawn(on_socket(listener, router, guests.clone()));
            bound.socket = Some(socket);
        }
        if let Some((listener, address)) = tcp(&plan).await {
            let hosts = Hosts::new(plan.hosts);
            let router = routes::router(looks, Some(hosts), stopping);
            tokio::spawn(on_tcp(listener, router, guests.clone()));
            bound.address = Some(address);
        }
        if tell.send(bound).is_ok() {
            let _ = stopped.await;
            stop.send_replace(true);
            guests.leave().await;
        }
    });
    // Whoever still writes an answer finds that nobody takes it.
    runtime.shutdown_background();
}

#[cfg(unix)]
async fn on_socket(listener: UnixListener, router: Router, guests: Guests) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => guests.admit(stream, &router),
            Err(_) => out_of_descriptors().await,
        }
    }
}

async fn on_tcp(listener: TcpListener, router: Router, guests: Guests) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => guests.admit(stream, &router),
            Err(_) => out_of_descriptors().await,
        }
    }
}

/// The program may have too many files open; who asks waits in line meanwhile.
async fn out_of_descriptors() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

async fn tcp(plan: &Plan) -> Option<(TcpListener, SocketAddr)> {
    let address = plan.bind?;
    if !address.ip().is_loopback() && !plan.expose {
        say::warn(format_args!(
            "nobody can ask at {address}: others than this host would reach it; if they may, set \
             PARSHALL_BIND=expose:{address}, or call GaugeBuilder::expose"
        ));
        return None;
    }
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let refused = |error: io::Error| {
        say::warn(format_args!("nobody can ask at {address}: {error}"));
    };
    bound.await.map_err(refused).ok()
}
