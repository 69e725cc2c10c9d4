//! Loom models of a short first block, which lies in memory that the list does not own.
//!
//! In the models of a channel all blocks are alike: `sync::models` says how these are run.

use std::sync::Arc as Shared;
use std::sync::atomic::AtomicU64 as Count;

use loom::sync::Arc;
use loom::thread::yield_now;

use super::*;
use crate::ring::{Forced, Ring, Shape};
use crate::sync::models::{check, spawn};

/// Slots of the first block.
const SLOTS: usize = 2;

/// Memory for such a block of `u32`, and before it words that are nobody's. They lead loom nowhere,
/// so that who takes them for a slot panics.
struct Memory(*mut [u64]);

impl Memory {
    const GUARD: usize = LEN * size_of::<Stamped<u32>>() / 8;
    const SPACE: usize = (size_of::<Header<u32>>() + SLOTS * size_of::<Stamped<u32>>()) / 8;
    const NOBODYS: u64 = 0xA5A5_A5A5_A5A5_A5A5;

    fn new() -> Self {
        Self(Box::into_raw(vec![Self::NOBODYS; Self::GUARD + Self::SPACE].into()))
    }

    fn space(&self) -> Space {
        // SAFETY: within the memory.
        let space = unsafe { self.0.cast::<u64>().add(Self::GUARD) };
        NonNull::slice_from_raw_parts(NonNull::new(space).unwrap().cast(), Self::SPACE)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: from `into_raw`, and the ring is gone.
        let words = unsafe { Box::from_raw(self.0) };
        let (guard, space) = words.split_at(Self::GUARD);
        assert!(guard.iter().all(|&word| word == Self::NOBODYS), "a slot before the first");
        assert!(space.iter().any(|&word| word != Self::NOBODYS), "nothing lies in the space");
    }
}

/// Two producers and the receiver go from the short block to the next, and then alone as far as it
/// would be used again. Each message comes once and in the order of its producer, and the watermark
/// is between what lay there and what can have. Tags P1, E1, E2, E3, E5, M1.
///
/// Seen to fail with: a short block that is used again, or freed; a list that begins a slot before
/// its first; and, a watermark that waits for a slot before that.
fn goes_on(name: &str, preemptions: usize, second: &'static [u32], looks: usize) {
    check(name, preemptions, move || {
        let memory = Memory::new();
        let shape = Shape { capacity: None, forced: Forced::default() };
        // SAFETY: ours, and dropped after the ring.
        let (ring, mut reader) = unsafe { Ring::new_in::<u32>(shape, Some(memory.space())) };
        let ring = Arc::new(ring);
        // SAFETY: the ring was made for `u32`.
        let send = |ring: &Ring, id| unsafe { ring.put(ring.claim_next().ok().unwrap(), id) };
        // Of messages sent, or about to be, and not received yet; and the most of them.
        let inside = Shared::new([Count::new(0), Count::new(0)]);
        let producers = [&[10, 11], second].map(|ids: &[u32]| {
            let (ring, inside) = (ring.clone(), inside.clone());
            spawn(move || {
                for &id in ids {
                    let now = inside[0].fetch_add(1, Ordering::Relaxed) + 1;
                    inside[1].fetch_max(now, Ordering::Relaxed);
                    send(&ring, id);
                }
            })
        });
        let mut pop = |least: u64| {
            // SAFETY: as above, with this reader.
            let (id, _) = unsafe { ring.pop::<u32>(&mut reader) }?;
            inside[0].fetch_sub(1, Ordering::Relaxed);
            // Of one message it is not told.
            let mark = ring.receiver.watermark.load(Ordering::Relaxed).max(1);
            let most = inside[1].load(Ordering::Relaxed);
            assert!(least <= mark && mark <= most, "{mark} of {least} to {most}");
            Some(id)
        };
        let mut got = Vec::new();
        for _ in 0..looks {
            match pop(1) {
                Some(id) => got.push(id),
                None => yield_now(),
            }
        }
        producers.into_iter().for_each(|p| p.join().unwrap());
        while let Some(id) = pop(inside[0].load(Ordering::Relaxed)) {
            got.push(id);
        }
        let (one, two): (Vec<u32>, Vec<u32>) = got.into_iter().partition(|&id| id < 20);
        assert_eq!((&one[..], &two[..]), (&[10, 11][..], second));
        for id in 0..3 * LEN as u32 {
            inside[0].fetch_add(1, Ordering::Relaxed);
            send(&ring, id);
            assert_eq!(pop(1), Some(id));
        }
        drop(pop);
        drop(ring);
        drop(memory);
    });
}

/// The last slot of the short block and the first of the next are claimed by two. See [`goes_on`].
#[test]
fn a_short_first_block_is_left_behind() {
    goes_on("short first block", 2, &[20], 2);
}

/// Each of two goes over the edge, and so does the receiver. See [`goes_on`].
#[test]
fn a_short_first_block_is_left_behind_by_both() {
    goes_on("short first block, both", 1, &[20, 21], 3);
}
