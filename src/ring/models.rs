//! Loom models of the words alone, for what takes many preemptions with a whole channel.
//!
//! `sync::models` says how they are run.

use loom::sync::Arc;

use super::{Ring, Room, Shape};
use crate::sync::models::{check, spawn};

/// A message is taken and its room is free; somebody comes to wait; the room of the next message is
/// held. A claim that finds the first room by that head sees that its slot was read. Tag C1.
///
/// Seen to fail with: a Relaxed store of the head that holds.
#[test]
fn what_was_free_before_is_free_with_a_head_that_holds() {
    check("held room", 3, || {
        let shape = Shape::new(Some(2), 0, false);
        let (ring, mut reader) = Ring::new::<u32>(shape);
        let ring = Arc::new(ring);
        // SAFETY: the ring was made for `u32`.
        let send = |ring: &Ring, id: u32| ring.claim_next().map(|c| unsafe { ring.put(c, id) });
        (0..2).for_each(|id| send(&ring, id).unwrap());
        let producer = spawn({
            let ring = ring.clone();
            move || send(&ring, 2).is_ok()
        });
        // By another thread: it is a fence there, which would release what this one has read.
        let waiter = spawn({
            let ring = ring.clone();
            move || ring.set_waiting()
        });
        // SAFETY: as above, with this reader.
        let mut pop = || unsafe { ring.pop::<u32>(&mut reader) }.map(|(id, _)| id);
        (0..2).for_each(|id| assert_eq!(pop(), Some(id)));
        let sent = producer.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(pop().is_some(), sent);
    });
}

/// Who was granted the room of a message by a pop that holds it learns of it beside T, and claims
/// before an older permit is used. That one then has the slot that the pop has freed, and knows so
/// from T alone: each claim hands on what its holder has learnt, also one that lost a race. Tag C1.
///
/// Seen to fail with: a claim by a permit that is not Release, at once or after a lost race.
#[test]
fn an_older_permit_has_the_slot_that_was_freed_for_another() {
    check("older permit", 2, || {
        let (ring, mut reader) = Ring::new::<u32>(Shape::new(Some(4), 0, false));
        let ring = Arc::new(ring);
        // SAFETY: the ring was made for `u32`, the claims of it.
        let put = |ring: &Ring, claim, id| unsafe { ring.put::<u32>(claim, id) };
        let send = move |ring: &Ring, id| put(ring, ring.claim_reserved().unwrap().0, id);
        (0..2).for_each(|id| put(&ring, ring.claim_next().unwrap(), id));
        ring.reserve(2, || true).unwrap();
        // By another thread: it is a fence there.
        let waiter = spawn({
            let ring = ring.clone();
            move || ring.set_waiting()
        });
        waiter.join().unwrap();
        let older = [2, 3].map(|id| {
            let ring = ring.clone();
            spawn(move || send(&ring, id))
        });
        // SAFETY: as above, with this reader.
        let mut pop = || unsafe { ring.pop::<u32>(&mut reader) };
        assert_eq!(pop(), Some((0, Room::Held)));
        send(&ring, 4);
        older.into_iter().for_each(|thread| thread.join().unwrap());
        let mut rest: Vec<_> = core::iter::from_fn(pop).map(|(id, _)| id).collect();
        rest.sort_unstable(); // which of three is first is open
        assert_eq!(rest, [1, 2, 3, 4]);
    });
}
