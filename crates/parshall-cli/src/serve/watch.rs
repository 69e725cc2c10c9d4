//! Asks the programs, again and again: each for itself, so that one that does not answer holds up
//! no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parshall::introspect::Settings;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::world::World;
use crate::address::Address;
use crate::args::Ask;
use crate::client::{ask_hello, ask_snapshot, at_a_time, snapshot};
use crate::discovery::{self, Found};
use crate::failure::AskError;
use crate::terminal::line;

/// The time between two looks. A hang is known after two of them.
const EVERY: Duration = Duration::from_millis(750);

/// A look at a program with very many channels takes its time; then there are fewer, so that it is
/// at most one part of so many.
const SHARE: u32 = 8;

/// What this thread has used of the processor: on a busy machine that is less than what has passed.
#[cfg(unix)]
fn used() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.try_into().unwrap_or_default()
}

#[cfg(not(unix))]
fn used() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// Follows every program that is given or found.
pub(super) async fn programs(world: Arc<World>, ask: Ask, settings: Settings) {
    let places = Arc::new(Semaphore::new(at_a_time()));
    let is_given = !ask.at.is_empty();
    let mut followed = BTreeMap::new();
    loop {
        let found = if is_given {
            Found { addresses: ask.at.clone(), warnings: Vec::new() }
        } else {
            spawn_blocking(discovery::find).await.unwrap_or_default()
        };
        followed.retain(|_, task: &mut tokio::task::JoinHandle<()>| !task.is_finished());
        for address in found.addresses {
            followed.entry(address).or_insert_with_key(|address| {
                let follower = Follower {
                    world: world.clone(),
                    address: address.clone(),
                    is_given,
                    timeout: ask.timeout,
                    settings: settings.clone(),
                    places: places.clone(),
                };
                tokio::spawn(follower.follow())
            });
        }
        if world.warnings() != found.warnings {
            world.warn(found.warnings);
            world.tell();
        }
        sleep(EVERY).await;
    }
}

struct Follower {
    world: Arc<World>,
    address: Address,
    is_given: bool,
    timeout: Duration,
    settings: Settings,
    places: Arc<Semaphore>,
}

impl Follower {
    /// Until nobody listens there.
    async fn follow(self) {
        let (mut is_known, mut looks) = (false, 0_u32);
        loop {
            let mut took = Duration::ZERO;
            match self.look(&mut is_known).await {
                Ok(reading) => {
                    looks = looks.saturating_add(1);
                    took = reading;
                }
                Err(AskError::NobodyListens) => {
                    // A socket that was left behind before this began is nobody's.
                    if self.is_given || self.world.knows(&self.address) {
                        self.world.at(&self.address, &self.settings).state().end();
                        self.world.forget();
                        self.world.tell();
                    }
                    return;
                }
                Err(error) => {
                    (is_known, looks) = (false, 0);
                    let why = line(&error.to_string(), 300);
                    self.world.at(&self.address, &self.settings).state().lost(why);
                }
            }
            self.world.tell();
            // Only a second look tells more.
            let pause = if looks == 1 { self.settings.apart.min(EVERY) } else { EVERY };
            sleep(pause.max(took * SHARE)).await;
        }
    }

    /// How much of the processor it took to read the answer.
    async fn look(&self, is_known: &mut bool) -> Result<Duration, AskError> {
        let _place = self.places.acquire().await;
        if !*is_known {
            // It says if it is of another version.
            let hello = ask_hello(&self.address, self.timeout).await?;
            self.world.at(&self.address, &self.settings).state().hello = Some(hello);
            *is_known = true;
        }
        let json = ask_snapshot(&self.address, self.timeout).await?;
        let program = self.world.at(&self.address, &self.settings);
        let read = spawn_blocking(move || {
            let begun = used();
            let snapshot = snapshot(&json)?;
            program.take(snapshot);
            Ok(used().saturating_sub(begun))
        });
        let panicked = |_| Err(AskError::Stranger("its snapshot cannot be read".into()));
        read.await.unwrap_or_else(panicked)
    }
}
