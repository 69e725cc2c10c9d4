//! `parshall serve`: a page for a browser, which shows all programs and changes as they do.
//!
//! | file | |
//! |---|---|
//! | `watch` | asks the programs, again and again |
//! | `world` | what is known of them |
//! | `history` | what the channels did in the last minutes |
//! | `routes` | what is answered, and to whom |
//! | `metrics` | all of it for Prometheus |
//! | `live` | what has changed, sent to a page that is open |
//! | `html` | the pages |

mod history;
mod html;
mod live;
mod metrics;
mod routes;
mod watch;
mod world;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parshall::introspect::Settings;
use parshall_gauge::http::{Guests, Hosts, Limits};
use tokio::net::TcpListener;
use tokio::runtime;

use crate::args::{Ask, Serve};
use crate::failure::{Exit, Failure};
use crate::terminal::print;
use world::World;

/// A page that is open keeps one connection; when that is cut, it comes again.
const LIMITS: Limits = Limits { at_once: 128, connection: Duration::from_secs(3600) };

/// Threads that read snapshots and look for programs.
const BLOCKING: usize = 4;

pub(crate) fn run(ask: &Ask, args: &Serve) -> Result<Exit, Failure> {
    let settings = Settings::from_env().map_err(|error| Failure::Usage(error.to_string()))?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING)
        .build()
        .map_err(|error| Failure::System("cannot start", error))?;
    let done = runtime.block_on(serve(ask, args, settings));
    // Nobody waits for a program that does not answer.
    runtime.shutdown_background();
    done
}

async fn serve(ask: &Ask, args: &Serve, settings: Settings) -> Result<Exit, Failure> {
    let cannot = |error: io::Error| {
        let why = format!("cannot listen at {}: {error}; --bind chooses another", args.bind.0);
        Failure::Nobody(Exit::NotAsked, why)
    };
    let listener = TcpListener::bind(args.bind.0).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let world = Arc::new(World::default());
    tokio::spawn(watch::programs(world.clone(), ask.clone(), settings));
    let router = routes::router(world, Hosts::new(args.host.clone()));
    let guests = Guests::new(LIMITS);
    let ended = ended().map_err(|error| Failure::System("cannot handle signals", error))?;
    print(format!("the page is at http://{address}/\n").as_bytes())?;
    tokio::select! {
        () = ended => Ok(Exit::Well),
        () = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => guests.admit(stream, &router),
                    // There may be too many files open; who asks waits in line meanwhile.
                    Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        } => Ok(Exit::Well),
    }
}

/// Ends when the process should.
#[cfg(unix)]
fn ended() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut signals = Vec::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        signals.push(signal(kind)?);
    }
    Ok(std::future::poll_fn(move |cx| {
        let came = signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
        if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }))
}

#[cfg(not(unix))]
fn ended() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
