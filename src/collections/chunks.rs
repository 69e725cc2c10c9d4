//! A vector that grows without asking the allocator: its caller brings the memory, allocated before
//! it takes a lock.

use crate::sizes;
use crate::sync::plain::OnceLock;

/// Items of the first chunk. Each further one is twice as long as the one before.
const FIRST: u32 = sizes::CHUNK;

/// So many chunks hold all indices but the last few, which stand for none.
const LEVELS: usize = (u32::BITS - FIRST.ilog2()) as usize;

/// Items by index. They never move, and none is ever taken out.
pub(crate) struct Chunks<T> {
    levels: [OnceLock<Box<[T]>>; LEVELS],
}

/// The chunk of an item, and its place there.
fn locate(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST);
    let level = shifted.ilog2() - FIRST.ilog2();
    (level as usize, (shifted - (u64::from(FIRST) << level)) as usize)
}

impl<T> Chunks<T> {
    pub(crate) const fn new() -> Self {
        Self { levels: [const { OnceLock::new() }; LEVELS] }
    }

    /// Whether there is memory for this item.
    #[inline]
    pub(crate) fn has(&self, index: u32) -> bool {
        self.get(index).is_some()
    }

    /// The chunk of an item, for [`Chunks::grow`]. Not under a lock.
    pub(crate) fn chunk_of(index: u32) -> Box<[T]>
    where
        T: Default,
    {
        let level = locate(index).0;
        assert!(level < LEVELS, "parshall can list {} channels at a time", u32::MAX - FIRST);
        (0..(FIRST as usize) << level).map(|_| T::default()).collect()
    }

    /// Whether there is memory for this item, now that `spare` is put in if it is the chunk that
    /// lacks.
    #[inline]
    pub(crate) fn grow(&self, index: u32, spare: Option<&mut Option<Box<[T]>>>) -> bool {
        if let Some(spare) = spare {
            self.put(locate(index).0, spare);
        }
        self.has(index)
    }

    #[cold]
    fn put(&self, level: usize, spare: &mut Option<Box<[T]>>) {
        if let Some(lacking) = self.levels.get(level)
            && lacking.get().is_none()
            && let Some(chunk) = spare.take_if(|spare| spare.len() == (FIRST as usize) << level)
            && let Err(chunk) = lacking.set(chunk)
        {
            // Another one was quicker.
            *spare = Some(chunk);
        }
    }

    /// The item, if there is memory for it.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let (level, at) = locate(index);
        self.levels.get(level)?.get()?.get(at)
    }

    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut T {
        let (level, at) = locate(index);
        &mut self.levels[level].get_mut().expect("the caller has seen that it is there")[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_a_place_of_its_own() {
        let mut chunks: Chunks<u32> = Chunks::new();
        // Into the sixth chunk.
        let items = FIRST * 31 + 8;
        for i in 0..items {
            let mut spare = Some(Chunks::chunk_of(i));
            let missing = !chunks.has(i);
            assert!(chunks.grow(i, Some(&mut spare)));
            assert_eq!(spare.is_none(), missing, "one that is there already is left");
            assert!(
                !chunks.grow(i + FIRST * 32, Some(&mut Some(Chunks::chunk_of(i)))),
                "another one"
            );
            *chunks.at(i) = i;
        }
        assert!((0..items).all(|i| *chunks.at(i) == i));
        assert!(chunks.has(FIRST * 63 - 1) && !chunks.has(FIRST * 63));
        assert_eq!(locate(u32::MAX - FIRST).0, LEVELS - 1);
        assert!(!chunks.has(u32::MAX));
    }
}
