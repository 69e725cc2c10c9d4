//! A vector that grows under a lock without asking the allocator: its caller brings the memory.

/// Items of the first chunk. Each further one is twice as long as the one before.
const FIRST: u32 = 32;

/// So many chunks hold all indices but the last few, which stand for none.
const LEVELS: usize = (u32::BITS - FIRST.ilog2()) as usize;

/// Items by index. They never move, and none is ever taken out.
pub(super) struct Chunks<T> {
    levels: [Option<Box<[T]>>; LEVELS],
}

/// The chunk of an item, and its place there.
fn place(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST);
    let level = shifted.ilog2() - FIRST.ilog2();
    (level as usize, (shifted - (u64::from(FIRST) << level)) as usize)
}

impl<T> Chunks<T> {
    pub(super) const fn new() -> Self {
        Self { levels: [const { None }; LEVELS] }
    }

    /// Whether there is memory for this item.
    pub(super) fn has(&self, index: u32) -> bool {
        self.levels.get(place(index).0).is_some_and(Option::is_some)
    }

    /// The chunk of an item, for [`Chunks::grow`]. Not under the lock.
    pub(super) fn chunk_of(index: u32) -> Box<[T]>
    where
        T: Default,
    {
        let level = place(index).0;
        assert!(level < LEVELS, "parshall can list {} channels at a time", u32::MAX - FIRST);
        (0..(FIRST as usize) << level).map(|_| T::default()).collect()
    }

    /// Whether there is memory for this item, now that `spare` is put in if it is the chunk that
    /// lacks.
    pub(super) fn grow(&mut self, index: u32, spare: Option<&mut Option<Box<[T]>>>) -> bool {
        let level = place(index).0;
        if let (Some(lacking @ None), Some(spare)) = (self.levels.get_mut(level), spare) {
            *lacking = spare.take_if(|spare| spare.len() == (FIRST as usize) << level);
        }
        self.has(index)
    }

    #[inline]
    pub(super) fn at(&mut self, index: u32) -> &mut T {
        let (level, at) = place(index);
        &mut self.levels[level].as_mut().expect("the caller has seen that it is there")[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_a_place_of_its_own() {
        let mut chunks = Chunks::new();
        for i in 0..1000 {
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
        assert!((0..1000).all(|i| *chunks.at(i) == i));
        assert!(chunks.has(FIRST * 63 - 1) && !chunks.has(FIRST * 63));
        assert_eq!(place(u32::MAX - FIRST).0, LEVELS - 1);
        assert!(!chunks.has(u32::MAX));
    }
}
