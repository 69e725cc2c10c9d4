//! The ring: where messages lie, and the two words that say everything about them.
//!
//! A multi-producer single-consumer queue after Vyukov's array queue (stamped slots), with three
//! differences: capacity is *counted* in the words and not derived from the stamps, so that any
//! number is exact and permits need no slot; the receiver never writes a slot; and closing, parking
//! and queueing are bits of the producers' word, so that one compare-and-swap decides them
//! together.
//!
//! It has two sides: **producers** claim slots and publish messages, and the **receiver** takes
//! them. The [`Reader`] is what the receiver alone has of the ring. In `chan` a producer is a
//! sender, and a receiver is a `Consumer`, which the public handle has inside.
//!
//! The words know nothing of memory. Slots lie in an array while the capacity is small ([`array`]),
//! else in a list of blocks that grows and shrinks with the messages ([`blocks`], with an argument
//! of its own). An unbounded channel is one whose capacity is what the words can count.
//!
//! # Files
//!
//! [`pos`] is the arithmetic of the words, and [`protocol`] the ring and what both sides share,
//! with a table of all steps. The sides are [`producer`] and [`receiver`]; the receiver's own part
//! is [`reader`], with the [`watermark`]. Of the memory, [`slot`] is one message's, [`array`] and
//! [`blocks`] are the two kinds, [`store`] is what they have in common, and [`storage`] knows which
//! of them a ring has. [`forced`] is for tests.
//!
//! # Words
//!
//! ```text
//! producers' line   T = [ pos | res | RX_GONE | TX_GONE | RX_PARKED | CLOSED ]   head_cache
//! receiver's line   H = [ pos | -held |                         TX_WAITING ]     popped, front,
//!                                                                                watermark
//! seldom written    recent
//! read only         array or kind of block, capacity
//! a slot            { stamp, value }            stamp once published: pos + 1 (mod 2^32) in an
//!                                               array, 1 in a block
//! ```
//!
//! T's `pos` counts claims, H's counts messages taken, and `res + held` is how many permits are
//! out; `held` stands as its negative, so that T - H shows whether a permit is out and, if none is,
//! what is in the channel. The bit layout is in [`pos`].
//!
//! | bit | meaning | set by | cleared by |
//! |---|---|---|---|
//! | CLOSED | no claim and no permit any more; permits that are out still deliver | receiver, last sender | never |
//! | RX_PARKED | the receiver sleeps on an empty ring | receiver | the step that brings news |
//! | TX_GONE | nobody is left who could use a permit that is still out | last sender | never |
//! | RX_GONE | the receiver was dropped and has drained the ring | receiver | never |
//! | TX_WAITING | somebody waits for room, or did a moment ago: a pop looks who | who comes to wait | receiver, at leisure |
//!
//! # Protocol
//!
//! **Send** claims (swap on T: `pos + 1`), writes the value, and publishes (store of the stamp). A
//! claim needs an open T and room for it, `pos - head + permits < capacity`, and that nobody waits
//! in line (which the caller tells). Between claim and publish there is no user code and nothing
//! that can panic.
//!
//! **Reserve** swaps `res + n` under the same condition. A permit is capacity, not a place: sending
//! through it swaps `pos + 1, res - 1`, and giving it back swaps `res - 1`.
//!
//! **Receive** looks at the stamp of the slot at the head; if it is published, reads the value and
//! adds 1 to H's `pos`. If not, it parks, from a T in which nothing is claimed beyond the head. In
//! a list it may add first and read last: a slot there is another position's when its block is used
//! again, which is the receiver's to do, and never while it has a message of that block to read.
//!
//! Where it finds TX_WAITING, as at the pop before, it adds 1 to `held` in the same step: the room
//! never becomes free, but is a permit in the receiver's hand, for the first in line. That one
//! sends through it as through any other; what nobody takes is given back. (The first pop after the
//! bit was set finds it by its step, and frees.)
//!
//! **High watermark**: before it moves the head, the receiver looks whether a message lies
//! published `watermark` slots ahead, and raises it until none does. Occupancy peaks just before a
//! pop, so no peak of published messages is missed; a report adds the occupancy of its own moment.
//! The mark is never above what was claimed; at the capacity the receiver looks no more.
//!
//! **Close** sets CLOSED. The channel is drained when CLOSED is set, `pos` is the head and no
//! permit is out: one load of T tells the receiver.
//!
//! A message costs two locked instructions: the claim and the head's step. Each is needed, since
//! neither side can do with plain loads and stores alone (Attiya et al., "Laws of Order", POPL
//! 2011). A pop that tells nobody of room can: that of an unbounded channel, and one that holds the
//! room, store H.
//!
//! # Invariants
//!
//! * I1: RX_PARKED implies `pos` = head, and nothing is published beyond it.
//! * I2: RX_PARKED goes from 1 to 0 in exactly one step per park, whose owner wakes the receiver.
//! * I3: `pos - head + permits <= capacity` at every instant.
//! * I4: T changes only by read-modify-write steps. Of any two one comes first, and the later sees
//!   it: the hand-overs need no fence and no sequential consistency.
//! * I5: `head_cache` lies less than 2^36 behind the tail, so that their distance is never mistaken
//!   by a lap.
//! * I6: while TX_WAITING stands, only the receiver changes H: it alone clears the bit, and who
//!   sets it finds it set and writes what is there. So the receiver may store, from the word that
//!   it loaded.
//! * I7: no step on H makes a channel fuller. So an older head is safe against any tail: the
//!   channel is no fuller than it looks. And since `res + held` counts no fewer than none, its
//!   `pos` alone says that the slots behind it were read, in an array.
//!
//! # Ordering map
//!
//! | tag | from | to | makes visible |
//! |---|---|---|---|
//! | P1 | stamp, Release, in `publish` | stamp, Acquire, in `is_published` | the value |
//! | C1 | H, Release, in `hold_room` and `free_room`; `head_cache`, Release, in `publish_head` | H or `head_cache`, Acquire, before a claim | that the slot was read, in an array |
//! | K1 | T, Release, in `park` and `stays_parked` | T, Acquire, by who ends the park | the waker in its cell; that it polls |
//! | K2 | the cell's flag, Release, in `take` | the same, Acquire, in `is_returned` | that the cell is free |
//! | D1 | T, Release, in the closing step | T, Acquire, by who finds it closed | what was done before closing |
//! | W1 | `arrivals`, then H, SeqCst, by who comes to wait | H, then `arrivals`, SeqCst, by a pop that frees, and by the clearing of TX_WAITING | of the two looks, the last sees the other's step |
//! | W2 | `arrivals`, then T, SeqCst, by who comes to wait | T, then `arrivals`, SeqCst, by a release and by closing | likewise |
//! | Q1 | a place's word, Release, in `swap` and `confirm` | the same, Acquire | waker, waiter and units of the waiter; that it polls |
//! | Q2 | a place's word, SeqCst, in `swap` | the same, SeqCst, in `state` | that the wait ahead has ended (see `wait`) |
//! | Q3 | number, link or hint of a segment, Release, in `segment` and `row` | the same, Acquire | the segment, set up; that its places were over, when it is frozen; the way around one that is out |
//! | Q9 | the line of those who wait for the end, SeqCst, in `queue_or_new` | the same, SeqCst, in `queue` | the line, set up |
//! | Q4 | that a place is left, and when its wait ended, Release | the same, Acquire, in `is_over` | that nobody looks at its waker any more, nor its owner at the place |
//! | Q8 | `front`, Release | the same, Acquire, before a look at `arrivals` | that the places before it were seen to be final |
//! | M3 | sums of what was taken out, the long ones among them, and of waits that were given up, Release | the same, Acquire, in `census` | that a segment is out, or a wait has ended |
//! | M4, M5 | waiter and end of a place, Release | the same, Acquire, in `census` and `place` | that the place is one of a later wait |
//! | M8 | what is told of the receive that waits, Release | the same, Acquire, in `look` and `ends` | which attempt it belongs to (see `chan::receive_waits`) |
//! | M7 | `popped`, Release, in `tell_head` | the same, Acquire, in `occupancy` | a head that is no older |
//! | Q7 | the tree of all segments, and the top of the spare ones, Release, in `make` and `put` | the same, Acquire, in `make` and `take` | the segment, set up; that nobody uses it |
//! | E1 | a block's `next`, Release, in `link` | the same, Acquire, in `next` | the block behind it, set up |
//! | E2 | `recent`, Release, in `step` | the same, Acquire | the block it names, set up |
//! | E3 | a block's `passed`, Release, in `find` | the same, Acquire, in `leave_behind` | that the mover is done with it |
//! | E5 | T, AcqRel, in `claimed_so_far` | T, Acquire, by each later claim | `recent` beyond the passed block |
//! | N1 | sender count, Release, per drop | the same, Acquire, by the last | what other senders did before |
//! | N3 | count of owners, Release, per drop | the same, Acquire, by the last | what other owners did before |
//! | N4 | `listed`, Release, by who gives the listing up | the same, Acquire, by the last owner, and the other way round | that the registry looks at the channel no more, or its state is dropped |
//! | N5 | an entry of the registry, Release, when a channel is listed | the same, Acquire, by who looks without the lock | the channel's state |
//! | N6 | where a channel is listed, Release, in `list` | the same, Acquire, in `registration` | its number among those of its name |
//! | M9 | who receives, and the number of its message, Release, in `note_another` | the same, Acquire, in `last_receiver` | which number belongs to whom |
//!
//! M1, M2, M6, N2, E4, Q0, Q5 and K4 are local: the watermark and its probe, counts and sums that
//! are told, the count of weak senders, the receiver's end of the list of blocks, memory that one
//! has alone, a count of segments, the blocking caller's flag.
//!
//! # Progress
//!
//! Claim, reserve and release retry only when another step on T succeeded: lock-free. Publishing
//! into a list links and passes the blocks between `recent` and its own: few, unless a large batch
//! before it is still being published, whose blocks it then makes; and a producer that was stopped
//! goes back over what was claimed meanwhile. That is bounded when it begins, but for the
//! allocator. Pop is wait-free, likewise, but for grants, and for room held for one who has left (a
//! step on T): it gives back a few blocks, and raising the watermark follows the producers at most
//! once over the whole life of the channel. A receiver that finds nothing gives back all that is
//! drained. But a producer stopped between claim and publish delays the receiver behind its slot:
//! `recv` yields to its executor meanwhile; `try_recv` and the drops of a receiver or a drain yield
//! the thread. Waiting for room is lock-free (see `wait`).
//!
//! # Not guaranteed
//!
//! `pos` wraps after 2^36 messages. A producer that is stopped between its load of T and its swap,
//! while a multiple of 2^36 messages passes *and* T is then bit for bit what it was, would claim on
//! stale grounds. At 100 million messages a second one lap takes eleven minutes, and it must resume
//! within one message of it. Likewise between its load of `head_cache` and the swap that brings it
//! up to date. A snapshot that is stopped for a lap counts it not.
//!
//! The row of waiting senders wraps too. A place's word has 32 bits of its segment's number, so it
//! says the same again after 2^36 waits of one channel: a server that is stopped between its look
//! at a place and its swap while a multiple of that passes, *and* the place is in use again in the
//! same way, would assign by an old need. A link has 35 bits of the number, and the top of the
//! spare segments counts in 35 bits. Both are compared with what was loaded a few instructions
//! before; a thread would have to be stopped there for 2^39 waits.
//!
//! Checked by `loom-tests/tests/{ring,receiver,senders,close,blocks,unbounded}.rs`, the models
//! beside this, `fuzz/fuzz_targets/ops.rs` and the property tests of [`pos`].

mod array;
mod blocks;
#[cfg(test)]
mod for_tests;
mod forced;
#[cfg(all(parshall_loom_inside, test))]
mod models;
mod pos;
mod producer;
mod protocol;
mod reader;
mod receiver;
mod slot;
mod storage;
mod store;
mod watermark;

pub(crate) use blocks::Space;
pub(crate) use forced::Forced;
pub(crate) use pos::Tail;
pub(crate) use producer::{Claim, Claims, NotPlain, Refused, Sending, SendingMany};
pub(crate) use protocol::{Occupancy, Ring, Shape};
pub(crate) use reader::Reader;
pub(crate) use receiver::{Leaving, Park, Popped, Receiving, Room};
pub(crate) use store::{Any, Arrayed, Flavor, Listed, Unbounded};
