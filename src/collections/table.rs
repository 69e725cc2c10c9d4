//! A map from numbers to shared values.
//!
//! It is a sorted vector under a lock. A larger one is allocated before the lock is taken, values
//! are shared, and who takes one out drops it after the lock.

use crate::sync::plain::{Arc, Mutex};

/// Rows that a reader copies in one critical section.
const PIECE: usize = 1024;

/// Vectors up to this many rows are not made smaller again.
const SMALL: usize = 64;

#[derive(Debug)]
pub(crate) struct Table<V>(Mutex<Rows<V>>);

#[derive(Debug)]
struct Rows<V> {
    /// By number. A row without a value was removed.
    list: Vec<(u64, Option<Arc<V>>)>,
    removed: usize,
}

impl<V> Rows<V> {
    fn find(&self, number: u64) -> Result<usize, usize> {
        self.list.binary_search_by_key(&number, |row| row.0)
    }
}

impl<V> Table<V> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Rows { list: Vec::new(), removed: 0 }))
    }

    /// Values in the table. May change at any time.
    pub(crate) fn len(&self) -> usize {
        let rows = self.0.lock();
        rows.list.len() - rows.removed
    }

    /// Puts a value in; the one before of this number comes back.
    pub(crate) fn insert(&self, number: u64, value: Arc<V>) -> Option<Arc<V>> {
        loop {
            let mut rows = self.0.lock();
            match rows.find(number) {
                Ok(at) => {
                    let former = rows.list[at].1.replace(value);
                    rows.removed -= usize::from(former.is_none());
                    return former;
                }
                Err(at) if rows.list.len() < rows.list.capacity() => {
                    rows.list.insert(at, (number, Some(value)));
                    return None;
                }
                Err(_) => {}
            }
            let wanted = (2 * rows.list.len()).max(8);
            drop(rows);
            self.resize(wanted);
        }
    }

    /// Takes a value out.
    pub(crate) fn remove(&self, number: u64) -> Option<Arc<V>> {
        let mut rows = self.0.lock();
        let at = rows.find(number).ok()?;
        let value = rows.list[at].1.take()?;
        rows.removed += 1;
        let mut wanted = None;
        if rows.removed > rows.list.len() / 2 {
            rows.list.retain(|(_, value)| value.is_some());
            rows.removed = 0;
            let (len, capacity) = (rows.list.len(), rows.list.capacity());
            wanted = (capacity > SMALL && capacity > 4 * len).then_some((2 * len).max(SMALL));
        }
        drop(rows);
        if let Some(wanted) = wanted {
            self.resize(wanted);
        }
        Some(value)
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<V>> {
        let rows = self.0.lock();
        rows.list[rows.find(number).ok()?].1.clone()
    }

    /// All values, by number. Others may come and go meanwhile: each that was there throughout is
    /// listed.
    pub(crate) fn all(&self) -> Vec<(u64, Arc<V>)> {
        let mut all = Vec::new();
        let mut next = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let rows = self.0.lock();
            let here = &rows.list[rows.list.partition_point(|row| row.0 < next)..];
            let now = &here[..here.len().min(PIECE)];
            piece.extend(now.iter().filter_map(|(n, value)| Some((*n, value.clone()?))));
            let more = here.get(PIECE).map(|row| row.0);
            drop(rows);
            all.append(&mut piece);
            match more {
                Some(number) => next = number,
                None => return all,
            }
        }
    }

    /// Moves the rows to a vector for `wanted` of them, unless they have become more.
    fn resize(&self, wanted: usize) {
        let mut other = Vec::with_capacity(wanted);
        let mut rows = self.0.lock();
        if rows.list.len() <= wanted {
            other.append(&mut rows.list);
            core::mem::swap(&mut rows.list, &mut other);
        }
        drop(rows);
        drop(other);
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u64..300, any::<bool>()), 0..2000)) {
            let (table, mut map) = (Table::new(), BTreeMap::new());
            for (n, (number, insert)) in steps.into_iter().enumerate() {
                let (ours, theirs) = if insert {
                    (table.insert(number, Arc::new(n)), map.insert(number, n))
                } else {
                    (table.remove(number), map.remove(&number))
                };
                prop_assert_eq!(ours.as_deref().copied(), theirs);
                prop_assert_eq!(table.get(number).as_deref().copied(), map.get(&number).copied());
                prop_assert_eq!(table.len(), map.len());
            }
            let all: Vec<_> = table.all().into_iter().map(|(n, value)| (n, *value)).collect();
            prop_assert_eq!(all, map.into_iter().collect::<Vec<_>>());
        }
    }

    /// Also in several pieces. Seen to fail with: a vector that never becomes smaller.
    #[test]
    fn a_crowd_is_listed_whole_and_its_memory_given_back() {
        const CROWD: u64 = 3 * PIECE as u64 + 1;
        let table = Table::new();
        (0..CROWD).for_each(|n| assert!(table.insert(n, Arc::new(n)).is_none()));
        let all = table.all();
        assert_eq!(all.len() as u64, CROWD);
        assert!(
            all.iter()
                .enumerate()
                .all(|(n, (number, value))| { n as u64 == *number && **value == *number })
        );
        (1..CROWD).for_each(|n| drop(table.remove(n).unwrap()));
        assert_eq!((table.len(), table.all().len()), (1, 1));
        assert!(table.0.lock().list.capacity() <= 2 * SMALL);
    }
}
