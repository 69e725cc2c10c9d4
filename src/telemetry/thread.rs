//! The threads that telemetry has met: those that made a blocking call, created a channel, drove
//! async `main`, or were given a name.
//!
//! A thread is listed before anything refers to it, and stays until it ends. So a thread that is
//! not listed has ended. A blocking call must wait for no lock: the list is a stack of records that
//! are never freed. A record of a thread that has ended is taken by the next one, so there are as
//! many as threads that were listed at one time.

use super::name::NameCell;
use crate::sync::plain::{
    self, Arc, AtomicPtr, AtomicU64, Cell, Ordering, fence, thread_local, thread_name,
};

#[derive(Debug)]
struct Record {
    /// Of the thread that has it; 0: nobody has.
    owner: AtomicU64,
    name: NameCell,
    /// Never changes once the record can be reached.
    next: AtomicPtr<Record>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static RECORDS: AtomicPtr<Record> = AtomicPtr::new(core::ptr::null_mut());

fn follow(link: &AtomicPtr<Record>) -> Option<&'static Record> {
    // Acquire: pairs with the swap in `push`, which publishes the record.
    // SAFETY: what a link points to was leaked by `push`, and nothing frees it.
    unsafe { link.load(Ordering::Acquire).as_ref() }
}

fn records() -> impl Iterator<Item = &'static Record> {
    core::iter::successors(follow(&RECORDS), |record| follow(&record.next))
}

/// Adds a record that `owner` has. Lock-free.
fn push(fresh: Box<Record>) -> &'static Record {
    let record: &'static Record = Box::leak(fresh);
    let mut first = RECORDS.load(Ordering::Relaxed);
    loop {
        record.next.store(first, Ordering::Relaxed);
        let this = core::ptr::from_ref(record).cast_mut();
        // Release: pairs with the load in `follow`. A record behind it was published by a swap that
        // this one continues.
        match RECORDS.compare_exchange(first, this, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return record,
            Err(now) => first = now,
        }
    }
}

thread_local! {
    /// This thread's number once nothing is left to do for it; 0 before, and while the thread ends.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    static CARD: Card = const {
        Card { number: Cell::new(0), record: Cell::new(None), named: Cell::new(false) }
    };
}

/// A thread's own view of its record.
struct Card {
    number: Cell<u64>,
    record: Cell<Option<&'static Record>>,
    /// Its name is in the record, if it has one.
    named: Cell<bool>,
}

impl Card {
    fn list(&self) -> u64 {
        if self.record.get().is_none() {
            self.enter();
        }
        // Whatever allocates may come back here: once is enough.
        if let Some(record) = self.record.get()
            && !self.named.replace(true)
        {
            // If a snapshot is just reading it, the next call gives the name.
            self.named.set(record.name.try_set(thread_name()));
        }
        if self.named.get() {
            NUMBER.set(self.number.get());
        }
        self.number.get()
    }

    fn enter(&self) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let free = records().find(|record| {
            // Acquire: pairs with the release at the former owner's end, which took its name out
            // before.
            record.owner.load(Ordering::Relaxed) == 0
                && record
                    .owner
                    .compare_exchange(0, number, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
        });
        let record = free.or_else(|| {
            let fresh = Box::new(Record {
                owner: AtomicU64::new(number),
                name: NameCell::new(None),
                next: AtomicPtr::default(),
            });
            // The allocator may have listed this thread meanwhile.
            self.record.get().is_none().then(|| push(fresh))
        });
        if let Some(record) = record {
            self.record.set(Some(record));
            self.number.set(number);
        }
        // Pairs with the fence in `living`: who sees this thread's number anywhere finds its
        // record.
        fence(Ordering::SeqCst);
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        NUMBER.set(0);
        if let Some(record) = self.record.get() {
            record.name.set(None);
            // Release: pairs with the next owner's swap.
            record.owner.store(0, Ordering::Release);
        }
    }
}

/// The number of this thread, never used again in the process; none while the thread ends.
#[inline]
pub(crate) fn number() -> Option<u64> {
    match NUMBER.get() {
        0 => list(),
        number => Some(number),
    }
}

#[cold]
fn list() -> Option<u64> {
    CARD.try_with(Card::list).ok()
}

/// Names this thread, and tells its number.
pub(crate) fn set_name(name: Arc<str>) -> Option<u64> {
    let give = |card: &Card| {
        let number = card.list();
        if let Some(record) = card.record.get() {
            record.name.set(Some(name));
            card.named.set(true);
        }
        number
    };
    CARD.try_with(give).ok()
}

/// The listed threads that have not ended, and their names, by number. A number that was read
/// anywhere before this call and is not here belongs to a thread that has ended.
pub(crate) fn living() -> Vec<(u64, Option<plain::Arc<str>>)> {
    // Pairs with the fence in `enter`.
    fence(Ordering::SeqCst);
    let mut living: Vec<_> = records()
        .filter_map(|record| {
            let owner = record.owner.load(Ordering::Acquire);
            let name = record.name.get();
            // The name is this owner's if the record still is.
            (owner != 0 && record.owner.load(Ordering::Acquire) == owner).then_some((owner, name))
        })
        .collect();
    living.sort_unstable_by_key(|thread| thread.0);
    living
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    /// Seen to fail with: a record for each thread that ever was.
    #[test]
    fn records_are_used_again() {
        let name = |n: u32| format!("record {n}");
        for n in 0..100 {
            let body = move || {
                let number = number().unwrap();
                let mine = living().into_iter().find(|thread| thread.0 == number);
                assert_eq!(mine.unwrap().1.as_deref(), Some(&*name(n)));
                number
            };
            let thread = std::thread::Builder::new().name(name(n)).spawn(body).unwrap();
            let number = thread.join().unwrap();
            // Joined: what it kept for itself is gone.
            assert!(living().iter().all(|thread| thread.0 != number));
        }
        assert!(records().count() < 90, "others run beside this test, but not that many");
    }

    #[test]
    fn a_nameless_thread_does_not_take_over_a_name() {
        let named = std::thread::Builder::new().name("former".into());
        named.spawn(|| number().unwrap()).unwrap().join().unwrap();
        let nameless = std::thread::spawn(|| {
            let number = number().unwrap();
            living().into_iter().find(|thread| thread.0 == number).unwrap().1
        });
        assert_eq!(nameless.join().unwrap(), None);
        let renamed = std::thread::spawn(|| {
            let number = set_name("given".into()).unwrap();
            assert_eq!(super::number(), Some(number));
            living().into_iter().find(|thread| thread.0 == number).unwrap().1
        });
        assert_eq!(renamed.join().unwrap().as_deref(), Some("given"));
    }
}
