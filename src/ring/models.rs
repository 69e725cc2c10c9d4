//! Loom models of the words alone, for what takes many preemptions with a whole channel.
//!
//! `sync::models` says how they are run.

use loom::sync::Arc;

use super::{Ring, Shape};
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
