//! What is wrong: two looks at a program turned into findings.
//!
//! | file | |
//! |---|---|
//! | `finding` | what can be found: kinds, verdicts, and the facts that each rests on |
//! | `settings` | from when on it is said |
//! | `diagnoser` | look after look |
//! | `memory` | what is kept of a look for the next one |
//! | `scene` | who is there, who waits for what, and what of that was so before |
//! | `liveness` | who may get on, and whom they may help |
//! | `behind` | who hangs on a finding |
//! | `bound` | how large a diagnosis may become |
//! | `deadlock` | cycles among those who are left, and who hangs on them |
//! | `futurelock`, `stalled`, `rooms` | what is stuck, as facts |
//! | `trend`, `rates` | what is worth knowing |
//! | `report`, `standstill`, `words` | what it reads like |
//! | `waiters` | who waits, whether that is a finding or not |
//! | `json` | the same for machines |
//! | `draw` | the same as a picture |
//! | `watch`, `ticker` | looks at this process, once or on a thread |
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | party | a task, a thread, or what only a waker is known of |
//! | standing | of a wait: registered, and not granted |
//! | accounted for | of a party: nothing but the ends of its waits can wake it, and all of them are seen |
//! | blocked | accounted for at both looks, and unchanged between them |
//! | helper | of a wait: a party that could end it |
//! | live | not blocked, or with a wait that has a live or an unknown helper |
//! | doomed | not live |
//!
//! # Why a doomed party cannot get on
//!
//! A party waits for *any* of its waits, so a cycle alone proves nothing: one live helper of one
//! wait is a way out. The doomed are what the least fixpoint leaves over: all of their waits have
//! doomed helpers only.
//!
//! 1. Call T a moment after the first look and before the second. A snapshot is no moment: each
//!    channel is read at its own. But what was read at both looks, and cannot have changed and
//!    changed back, held at T. So all that follows held at one moment.
//! 2. At T each blocked party waited in all the waits that are listed for it. A wait's number is
//!    never used again, so the same number at both looks is one wait that stood at T. A root task
//!    with the same count of polls did not run between.
//! 3. At T each channel that is called *exact* was full: totals only rise, so if they are the same
//!    nothing came in or out. Its room was taken by messages and by grants to waits that are
//!    listed.
//! 4. The first of the doomed that gets on after T is woken by somebody: by a helper of one of its
//!    waits, for it has no other waker. All of those helpers are doomed. So it is not the first.
//!
//! Killing a task from outside (`abort`, the end of its runtime) is no getting on.
//!
//! # Who is accounted for
//!
//! * *A thread in a blocking call without a deadline.* It does nothing else before the call ends.
//!   Waits that it has left elsewhere do not matter.
//! * *A root task* that is idle, has waits, each of them under its own waker, and as many wakers
//!   alive as waits stand. A timer, a socket, a `FuturesUnordered` or a join handle beside would
//!   hold one more. A wait with a deadline has a timer. A grant has spent its waker.
//! * The waker of a receive that was given up (the loser of a `select!`) is counted, and is no way
//!   out. A message there makes the task poll what it waits for, all of which still waits: a future
//!   that becomes ready without having arranged to be woken breaks the contract of `Future`.
//! * Nobody else. A task that is only named may have a timeout around it. A plain task, and what
//!   runs on a thread that drives futures, may wait for anything.
//!
//! # Who helps
//!
//! | a wait | is ended by |
//! |---|---|
//! | to send, to reserve | who has the receiver, by a receive, `close` or its drop; who was granted room there, by giving it back; anybody, if room is free, or taken by a permit of no wait |
//! | to receive | anybody, for nobody sees where senders are. But no sender can send where all room is granted: then only those who hold it. This is what makes a futurelock provable |
//! | for the end | who has the receiver |
//!
//! Those who wait in line ahead do not help: in an exact channel they hold nothing that they could
//! give back.
//!
//! *Who has the receiver* is certain while its receive stands: the future borrows it. That of a
//! stream, or of `poll_recv`, borrows nothing: who polled may have given the receiver away, as any
//! other who received last; and a sink that was granted room may be anybody's. Else the last who
//! received is taken to have it, alone, and that is the assumption that a `conditional` finding
//! prints. It does not hold where tasks share the receiver under a lock, as the workers of a pool
//! do. Its party is blocked too, so it has not moved the receiver between the looks. But it may
//! have done so before, to a task that has never run: while a named task that has never been polled
//! stands at both looks, nobody is assumed to have any receiver.
//!
//! A sender or a receiver that lies in a message of a queue is with nobody. Of a sender that
//! changes nothing: who has senders is not known anyway. A receiver there was moved: the printed
//! assumption.
//!
//! # What cannot be seen
//!
//! * A boxed future that is handed to another task between two polls: what it was granted is taken
//!   to be with the task that polled it last, and so is the receiver that it borrows.
//! * A future that is forgotten (`mem::forget`) after it was granted room, and whose sender is
//!   given away: the last sender to go ends the receive that is taken to wait for that room.
//! * What a task does on a wake-up that parshall has not caused, to futures that keep no waker: see
//!   above. Nor who polls a new receive in each of its polls and drops it at once, as in
//!   `poll_fn(|cx| pin!(rx.recv()).poll(cx))`: to it the waker that it has left behind is a way
//!   out, though a receive promises none to who has dropped it. (`poll_recv` is made for that, and
//!   seen.)
//! * Plain tasks that have never run: see the printed assumption.
//! * Where a sender is. `sender_kept` rests on where it was made, and is silent while another named
//!   task lives that may have it.
//!
//! # What is said of the rest
//!
//! `stuck` says that something has not changed for so long, never why. What is measured is receives
//! of this channel: a task that is busy elsewhere is not receiving here. Nothing becomes more
//! certain by standing longer.
//!
//! How long that is must be known. That a sender waits for long says nothing: the line before it
//! may have moved all the time. A line stands since the last one was let in, a task is idle since
//! its last poll ended; and where looks have seen receives, they say since when there are none. A
//! thread may be stopped between any two steps: room that is free beside a waiter, or a grant whose
//! task sleeps, is a lost wake-up only after a second, or if the waker is gone.

mod behind;
mod bound;
mod deadlock;
mod diagnoser;
pub(super) mod draw;
mod finding;
mod futurelock;
mod json;
mod liveness;
mod memory;
mod rates;
mod report;
mod rooms;
#[cfg(test)]
pub(crate) mod samples;
mod scene;
mod settings;
mod stalled;
mod standstill;
#[cfg(test)]
mod tests;
#[cfg(not(parshall_loom))]
pub(crate) mod ticker;
mod trend;
#[cfg(all(feature = "testing", not(parshall_loom)))]
pub(crate) mod waiters;
#[cfg(not(parshall_loom))]
pub(crate) mod watch;
pub(super) mod words;

pub use diagnoser::{Diagnoser, LookError};
pub use finding::{
    Behind, Blind, ChannelRef, Diagnosis, Evidence, Finding, FindingKind, Grant, Hop, LeftOut,
    Party, Receiver, Receiving, Side, Verdict,
};
pub use json::DIAGNOSIS_SCHEMA;
pub use settings::{Settings, SettingsError};
#[cfg(not(parshall_loom))]
pub use watch::{Watch, diagnose};
