//! Waiting, on both sides, and why no wake-up is lost.
//!
//! Nothing here knows the ring, and nothing here locks: this layer keeps wakers and waiters, hands
//! out what a [`Source`] gives, and wakes. `chan` ties it to the ring.
//!
//! # The receiver sleeps only when nothing is coming
//!
//! Three steps on the tail word T decide it:
//!
//! * **park**: the receiver puts its waker into its cell ([`rx_waker`]) and swaps RX_PARKED into T,
//!   from a word in which `pos` equals its head. The swap compares with the newest word, so nothing
//!   was claimed before it.
//! * **end of park**: every step that may bring news (claim, permit sent, last permit back after
//!   closing, last sender gone) clears RX_PARKED in the same swap. Exactly one step finds the bit
//!   set; whoever made it publishes, takes the waker out of the cell and wakes it.
//! * **again**: a poll with the waker that is in the cell already checks RX_PARKED in T, and waits
//!   on if it stands. The check is a step that changes nothing: whoever clears the bit does so
//!   after it, and wakes this task, whose poll has begun by then.
//!
//! Claim before park: then `pos` differs from the head and the park fails. Claim after park: then
//! it clears the bit and wakes. There is no third case, for both are swaps on one word. What a
//! claim has not yet published when the receiver looks is *in flight*: the receiver never parks on
//! it, it yields.
//!
//! Where a poll waits on (*again*), a load of T would not do. An executor may have a flag that says
//! that a task is woken: a poll clears it when it begins, and a wake-up that finds it set does
//! nothing. So the wake-up must see that this poll has begun. A send that waits and is polled again
//! makes the same step, on the word of its place.
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | unit | room for one message |
//! | hold | to have units as permits: they are not free, and nobody else sees them |
//! | need, part | how many units a wait asks for, 1 but for `reserve_many`; and some of them, when there are no more |
//! | row | the endless sequence of places, in segments of 16; only what is in use has memory |
//! | place | where one wait stands, with a waker and a word of its own; its number, from 0, is its *index* |
//! | word | one atomic. That of a [`place`] says which segment it is of, what it is, and how many units were assigned to it |
//! | look, step | a load of a word; a change of it by compare-and-swap, or by an addition |
//! | line | two words that say who waits: those in the places from `front` to `arrivals`, if anybody does |
//! | `arrivals` | how many places were given out |
//! | `front` | every place before it is final |
//! | final | Granted, Closed or Gone: it stays so. A place that is not is *open* |
//! | over | final, *left* by its owner, and its end noted, with its waker taken: its memory may be used again |
//! | owner | the task whose wait stands in the place |
//! | server | whoever has units for the line: a pop, a release, a wait that is given up |
//! | hand | the units that a server, or who comes to wait, holds and has not assigned |
//! | owed | the units that a server has given back, and not taken again for somebody |
//! | pass | to make an Empty place Gone: its owner has to come again, and loses its part to who passes |
//! | hint | a segment where somebody was last; a start to look from, and no more |
//!
//! # Files
//!
//! Each imports only from those above it. Where a sender waits is in `place`, `line`, `row`,
//! `walk`, `queue`, `register`, `serve` and `early`, to be read in this order.
//!
//! | file | subject |
//! |---|---|
//! | `want`, `waker_id` | what a wait is for; which waker it was |
//! | `place` | a place: its word, and whose its waker is |
//! | `batch` | wakers of waits that have ended, to be woken together |
//! | `segment` | 16 places, and the link to the segment behind |
//! | `pool` | the memory of all segments |
//! | `past` | sums of the waits whose places were taken out |
//! | `sweep` | taking segments out |
//! | `row` | finding segments, and appending them |
//! | `line` | `arrivals` and `front` |
//! | `walk` | along the open places of a row, from the front of a line |
//! | `source` | where units come from |
//! | `queue` | a line and a row; what a waiter does while it waits |
//! | `register`, `serve`, `early` | how a wait begins, how it is granted, how it ends before that |
//! | `census` | what telemetry sees of all that |
//! | `rx_waker`, `block_on` | the receiver's waker; whoever blocks its thread. They stand alone |
//!
//! # The plain case, step by step
//!
//! Capacity 1, and the channel is full. S1 waits, the receiver takes a message, S1 sends. Then S2
//! waits and gives up. Permits that are out are `res + held`, modulo 2^24.
//!
//! | step | T: pos, res | H: pos, held, TX_WAITING | `arrivals` | `front` | place 0 | place 1 |
//! |---|---|---|---|---|---|---|
//! | the channel is full | 1, 0 | 0, 0, 0 | 0 | 0 | Empty | Empty |
//! | S1 takes place 0, sets TX_WAITING, finds no room, fills its place | 1, 0 | 0, 0, 1 | 1 | 0 | Waiting | Empty |
//! | the receiver takes the message, finds the bit, and holds the room: it is in its hand | 1, 0 | 1, 1, 1 | 1 | 0 | Waiting | Empty |
//! | it gives the unit to the first that waits, and wakes S1 | 1, 0 | 1, 1, 1 | 1 | 1 | Granted | Empty |
//! | S1 is polled: it sends with the permit | 2, -1 | 1, 1, 1 | 1 | 1 | over | Empty |
//! | S2 takes place 1, finds no room, fills its place | 2, -1 | 1, 1, 1 | 2 | 1 | over | Waiting |
//! | S2 gives up | 2, -1 | 1, 1, 1 | 2 | 2 | over | over |
//! | the receiver takes the message, holds the room, finds nobody: gives it back, clears the bit | 2, -2 | 2, 2, 0 | 2 | 2 | over | over |
//!
//! In code these are [`WaitQueue::register`], `serve_first`, `take_granted` and `cancel`. The first
//! three look for exactly this. If one finds anything else (a place that is not filled yet, a need
//! of several units, a hint that leads elsewhere, a closed channel), the general path goes on:
//! `register_generally`, with the place that was taken, `serve`, and `poll`. The rest of this text
//! is about that path. (`chan::example` plays the table.)
//!
//! The receiver looks for the bit before its first pop, and after a pop that has found it. Any
//! other pop frees its room, and finds the bit by that step: then `serve` takes the room from the
//! ring.
//!
//! # Senders wait in a row of places
//!
//! Who comes to wait takes the next index of an endless row, after the cell queues of Koval,
//! Khalanskiy and Alistarh ("CQS: A Formally-Verified Framework for Fair and Abortable
//! Synchronization", PLDI 2023). Each place is one word that moves by compare-and-swap only
//! ([`place`]): *Empty*, *Waiting* (or *Updating*, while its owner changes the waker), and at last
//! *Granted*, *Closed* or *Gone*. Grants go by index, so first come is first served.
//!
//! | who | steps, in this order |
//! |---|---|
//! | a waiter | 1 `arrivals + 1`, TX_WAITING set in H; 2 looks at T and H, and takes what it needs if nobody waits ahead; 3 else its place: Empty to Waiting |
//! | a server that has given back *k* units by a step on T (release) or H (pop) | 1 that step; 2 looks at `arrivals`; 3 walks the open places (below) |
//! | a server that holds *k* units: a pop that finds TX_WAITING again | likewise, with what it has in its hand; what is left it gives back by a step on T, and looks at `arrivals` again |
//! | who cancels | its place: Waiting to Gone; then releases the units that were assigned, as any release |
//! | who closes | CLOSED in T; then each place: Empty to Gone, Waiting to Closed |
//!
//! On its walk, a server makes an *Empty* place Gone, if the ring has room. For a *Waiting* one it
//! takes units from the ring (`res + g`) and assigns them in the place's word, *k* at most in all.
//!
//! A claim that asks for room compares `arrivals` with `front`, before which all places are final,
//! and walks the rest if they differ: while anybody waits, nobody overtakes.
//!
//! # Why no sender sleeps beside free room
//!
//! A server *owes* the line what it has given back and not yet taken for somebody. What it has in
//! its hand is not free.
//!
//! > **While any place is Waiting, the free units of the ring are no more than the servers under
//! > way owe.**
//!
//! So room that a waiter could use is always somebody's duty. This stays true when units come back
//! (what is owed comes with them) and when units are taken, by whomever. It could break only where
//! a server gives up what it owes, or where a place becomes Waiting:
//!
//! * A server gives up when it has found no room (`take`, `has_room`): then at that moment the ring
//!   had no free unit, and it is true for whatever is owed. Or when all places before `arrivals`
//!   are final: then at the moment of its last look at `arrivals` nobody was Waiting.
//! * A place becomes Waiting when its owner has found no room, *after* taking its index. Units that
//!   came back before that look are seen by it. Units that come back after it come with a server
//!   that sees the index: of the waiter's two steps (`arrivals`, then the look at H and T) and the
//!   server's (H or T, then the look at `arrivals`), all SeqCst, one look comes last and sees the
//!   other's step (W1, W2). Such a server, finding the place still Empty, makes it Gone; then the
//!   owner's swap fails, and it begins anew. So it cannot have given up since.
//! * Or its owner did not take room because somebody waits ahead, which it saw Waiting *after*
//!   taking its index. At that moment it was true, for that one was Waiting; servers that give up
//!   later have seen this place. That the sight was not an old one is the second use of SeqCst
//!   (Q2).
//!
//! A pop looks for waiters only if it finds TX_WAITING in H. The first one that does has freed its
//! room by the step that found the bit (W1); the next ones hold theirs, and free nothing: it is not
//! before they give units back, by a step on T (W2), that anybody could miss them. Who comes to
//! wait sets the bit unless it stands. The receiver alone clears it, when it has served all it had
//! and some is left, and looks once more after that: for whoever found it standing it sets it
//! again, and whoever comes later does so too. What is left they have seen: it was free before.
//!
//! Before passing an Empty place, a server returns its units to the ring, because the owner looks
//! only there. Otherwise the two could chase each other forever. If the place has a part, the
//! server takes all it may from the ring first and gives that back with the part in one step: the
//! owner finds all of it or nothing, never one half and then the other.
//!
//! **Only the first in line has a part of its need**, or two would wait for each other's: servers
//! give to the first that is not final, and final is for ever. A newcomer that found only a part
//! puts it into the word of its place while that is Empty, and passes those before it that are
//! Empty too: they become Gone and come again, and their parts are its own, so of two who meet like
//! this one has more than before. If somebody before it waits, it hands the part on.
//!
//! # What a thread that is stopped can withhold
//!
//! What it has itself: a permit, a message between claim and publication, units it has given back
//! or holds and has not handed out, units it is giving up, and parts it has just taken over from
//! places it passed. For a server takes no more from the ring than it brought, and while it is
//! stopped others bring and take their own. And a wake-up that it owes: whoever ends a wait, or a
//! park, must still make it. Nobody waits for its place (an Empty one is passed by, and the part in
//! it taken over), for its walk (others walk too), or for memory: if it was taking out what is
//! over, others do that. It costs at most four segments of the row ([`sweep`]). While its own place
//! is Empty, each walk begins there. `tests/stall` stops a thread at each `step`. If the sleeper is
//! the receiver, everything hangs on that wake-up, until it is polled for another reason; and a
//! receiver that is stopped while it closes has not woken all who wait.
//!
//! # A wait that ends early takes nothing with it
//!
//! Units lie in the word of the place, so who ends the wait knows them: they are Granted with it,
//! or are released by its owner through the one release function, which serves the next. A granted
//! waiter that is dropped before it is polled does the same. A *forgotten* one (`mem::forget`)
//! keeps what it was granted, as in Tokio; telemetry counts it under `granted_waiters`.
//!
//! What may delay what, operation by operation, stands in the documentation of [`crate::mpsc`].
//!
//! Checked by `loom-tests/tests/{receiver,senders,order,polls,close}.rs`, the models of the row
//! beside it, and `tests/stall`. Loom knows SeqCst of fences only; `sync::LoadSeqCst` says what it
//! sees instead, in two ways.

mod batch;
#[cfg(not(parshall_loom))]
mod block_on;
mod census;
mod early;
#[cfg(all(test, not(parshall_loom)))]
mod for_tests;
mod line;
mod past;
mod place;
mod pool;
mod queue;
mod register;
mod row;
mod rx_waker;
mod segment;
mod serve;
mod source;
mod sweep;
mod waker_id;
mod walk;
mod want;

#[cfg(not(parshall_loom))]
pub(crate) use block_on::{block_on, block_on_until};
pub(crate) use census::{QueuedWait, WaitSums};
pub(crate) use line::Line;
pub(crate) use place::Waiter;
pub(crate) use queue::{Key, WaitQueue, WaitStatus};
pub(crate) use rx_waker::RxWaker;
pub(crate) use source::Source;
pub(crate) use waker_id::WakerId;
#[cfg_attr(any(parshall_loom_inside, not(feature = "introspect")), allow(unreachable_pub))]
pub use want::Call;
pub(crate) use want::Want;

#[cfg(parshall_loom)]
pub(crate) use crate::sync::{block_on, block_on_until};
