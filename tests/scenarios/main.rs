//! One small program for each shape in which programs with channels hang, starve or lose, taken
//! from public reports, and one for each that only looks like it. Each is run for real, looked at,
//! and what is said of it compared with what is true.
//!
//! Every program runs in a process of its own, on each kind of runtime that makes sense, and three
//! times on each: its tasks are made by [`parshall::task::spawn_named`], then by `tokio::spawn` of
//! a [`parshall::task::named`] future, then by plain `tokio::spawn`. What is known of a task
//! becomes less from one to the next, and so does what may be said.
//!
//! Seen to fail: with a diagnosis that finds nothing, all that must be reported; and what `silent`
//! and `unknown` say of themselves.
//!
//! | file | |
//! |---|---|
//! | `stage` | runs a program and looks at it |
//! | `seen` | what was said, and what a test asks of it |
//! | `deadlocks` | tasks and threads that wait for each other |
//! | `stalls` | nobody receives, or nobody runs |
//! | `room` | room that is granted or reserved and not used; senders that are kept |
//! | `rates` | growth, refusals, sends given up, lockstep |
//! | `silent` | what gets on by itself: timers, deadlines, sockets |
//! | `unknown` | what gets on by what cannot be seen: handles that were moved or sent |
//! | `lost` | a wake-up left out of the library on purpose |
//! | `scale` | a hundred thousand channels |

#![cfg(all(feature = "tokio", feature = "introspect", not(miri)))]

#[path = "../support/heap.rs"]
#[allow(dead_code)] // nobody here counts allocations
mod heap;
#[path = "../support/used.rs"]
mod used;

mod deadlocks;
mod lost;
mod rates;
mod room;
mod scale;
mod seen;
mod silent;
mod stage;
mod stalls;
mod unknown;

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;
