//! The names that channels have had: how many channels of each, and the sums of the dead ones.
//!
//! A hash table that never grows, so that no lookup waits for one: chains of [`MAX_NAMES`] names at
//! most hang in a fixed number of buckets. The name of a nameless channel is the text of its
//! *site*, where it was created, which takes long to write down; a cache finds the name by the
//! site.

use core::hash::BuildHasher;
use core::mem;
use core::panic::Location;
use std::hash::RandomState;

use super::name::Name;
use super::retired::Retired;
use super::stock::{Lack, Stock};
use crate::chan::{Info, Shared, Sums};
use crate::collections::chunks::Chunks;
use crate::sync::plain::{Arc, OnceLock};

/// Distinct names that are remembered; channels of further names are numbered by their own id.
const MAX_NAMES: u32 = 65_536;

const BUCKETS: usize = MAX_NAMES as usize / 4;

/// Sites in the cache, a power of two: more than most programs have.
const SITES: usize = 1024;

/// How many entries of the cache are looked at for a site.
const PROBES: usize = 8;

/// The hash of a name. Its keys are random: names may come from elsewhere, and must not be chosen
/// to share a bucket.
pub(super) fn hash(text: &str) -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    let keys = KEYS.get().unwrap_or_else(|| {
        // The first set of keys stays.
        let _ = KEYS.set(RandomState::new());
        KEYS.get().expect("set just now")
    });
    keys.hash_one(text)
}

/// Where a channel was created: all that the text of a nameless one is made of, by address.
#[derive(Clone, Copy)]
struct Site {
    location: &'static Location<'static>,
    payload: &'static str,
}

impl Site {
    fn of(info: &Info) -> Self {
        Self { location: info.location, payload: info.payload }
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self.location, other.location) && core::ptr::eq(self.payload, other.payload)
    }

    /// Where to look first. Addresses of this program: nobody chooses them to collide.
    #[inline]
    fn home(&self) -> usize {
        let location = core::ptr::from_ref(self.location).addr() as u64;
        let mixed = location ^ (self.payload.as_ptr().addr() as u64).rotate_left(32);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SITES.ilog2())) as usize
    }
}

/// An entry of the cache. No entry is all zeros, so that the cache takes no room in the program's
/// file.
#[derive(Clone, Copy)]
struct Known {
    site: Site,
    /// [`NAMELESS`] where names had run out.
    name: u32,
}

const NAMELESS: u32 = u32::MAX;

pub(super) struct Names {
    /// The last name of each bucket, plus 1; 0: none.
    buckets: [u32; BUCKETS],
    all: Chunks<Name>,
    len: u32,
    /// The last name of which a first channel died, plus 1; 0: none.
    last_dead: u32,
    sites: [Option<Known>; SITES],
}

impl Names {
    #[allow(clippy::large_stack_arrays)] // made at compile time
    pub(super) const fn new() -> Self {
        Self {
            buckets: [0; BUCKETS],
            all: Chunks::new(),
            len: 0,
            last_dead: 0,
            sites: [const { None }; SITES],
        }
    }

    #[inline]
    pub(super) fn at(&mut self, index: u32) -> &mut Name {
        self.all.at(index)
    }

    /// A channel of this name has died.
    #[inline]
    pub(super) fn retire(&mut self, index: u32, shared: &Shared, sums: &Sums) {
        let name = self.all.at(index);
        if name.retired.channels == 0 {
            name.next_dead = mem::replace(&mut self.last_dead, index + 1);
        }
        name.retired.add(shared, sums);
    }

    /// Names that have dead channels, so many: the first of them if `next` is none, else those
    /// from there on. Each with its index and its sums. Returns the next one, if there are more.
    pub(super) fn retired(
        &mut self,
        next: Option<u32>,
        most: u32,
        found: &mut Vec<(u32, Arc<str>, Retired)>,
    ) -> Option<u32> {
        let mut next = next.or(self.last_dead.checked_sub(1));
        for _ in 0..most {
            let Some(index) = next else { break };
            let name = self.all.at(index);
            found.extend(name.text.clone().map(|text| (index, text, name.retired.clone())));
            next = name.next_dead.checked_sub(1);
        }
        next
    }

    /// The entry of a new channel's name; none if names have run out.
    #[inline(always)]
    pub(super) fn entry(
        &mut self,
        info: &Info,
        hash: u64,
        stock: Option<&mut Stock>,
    ) -> Result<Option<u32>, Lack> {
        if info.name.is_none() {
            let site = Site::of(info);
            let home = site.home();
            for i in home..home + PROBES {
                match &self.sites[i % SITES] {
                    Some(known) if known.site.is(&site) => {
                        return Ok(Some(known.name).filter(|&name| name != NAMELESS));
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
        self.entry_by_text(info, hash, stock)
    }

    /// Nameless channels are numbered with those that have their text for a name: ids never meet.
    #[cold]
    #[inline(never)]
    fn entry_by_text(
        &mut self,
        info: &Info,
        hash: u64,
        stock: Option<&mut Stock>,
    ) -> Result<Option<u32>, Lack> {
        let (text, spare) = stock.map(|stock| (&stock.text, &mut stock.names)).unzip();
        let Some(text) = info.name.as_ref().or(text.and_then(Option::as_ref)) else {
            return Err(Lack::Text);
        };
        let name = match self.find(text, hash) {
            Some(index) => Some(index),
            None if self.len == MAX_NAMES => None,
            None if self.all.grow(self.len, spare) => Some(self.add(text, hash)),
            None => return Err(Lack::Name(self.len)),
        };
        if info.name.is_none() {
            let site = Site::of(info);
            let mut probes = (0..PROBES).map(|i| (site.home() + i) % SITES);
            // Where all are taken, the newest site has the first.
            let at = probes.find(|&i| self.sites[i].is_none()).unwrap_or(site.home());
            self.sites[at] = Some(Known { site, name: name.unwrap_or(NAMELESS) });
        }
        Ok(name)
    }

    fn find(&mut self, text: &str, hash: u64) -> Option<u32> {
        let mut next = self.buckets[hash as usize % BUCKETS];
        while next != 0 {
            let index = next - 1;
            let name = self.all.at(index);
            if name.hash == hash && name.text.as_deref() == Some(text) {
                return Some(index);
            }
            next = name.next;
        }
        None
    }

    /// Adds a name for which there is memory. The text is counted once more, and not copied.
    fn add(&mut self, text: &Arc<str>, hash: u64) -> u32 {
        let index = self.len;
        let next = mem::replace(&mut self.buckets[hash as usize % BUCKETS], index + 1);
        let retired = Retired::default();
        *self.all.at(index) =
            Name { text: Some(text.clone()), hash, next, created: 0, next_dead: 0, retired };
        self.len += 1;
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entry, with whatever lacks brought.
    fn entry(names: &mut Names, info: &Info) -> Option<u32> {
        let text = info.first_name();
        let hash = hash(&text);
        let mut stock = Stock { text: Some(text.into()), ..Stock::default() };
        loop {
            match names.entry(info, hash, Some(&mut stock)) {
                Ok(name) => return name,
                Err(Lack::Name(index)) => stock.names = Some(Chunks::chunk_of(index)),
                Err(_) => unreachable!("there is a text"),
            }
        }
    }

    #[track_caller]
    fn info(name: Option<String>, payload: &'static str) -> Info {
        Info::new(name.map(Into::into), Location::caller(), payload, None)
    }

    /// Seen to fail with: buckets whose names are not compared.
    #[test]
    fn each_name_has_one_entry_until_they_run_out() {
        let mut names = Box::new(Names::new());
        let named = |i: u32| info(Some(format!("name {i}")), "u8");
        for round in 0..2 {
            for i in 0..MAX_NAMES {
                assert_eq!(entry(&mut names, &named(i)), Some(i), "round {round}");
            }
        }
        assert_eq!(entry(&mut names, &named(MAX_NAMES)), None);
        let nameless = info(None, "u8");
        assert_eq!(entry(&mut names, &nameless), None);
        assert!(matches!(names.entry(&nameless, 0, None), Ok(None)), "its site is known");
    }

    /// Seen to fail with: a cache that looks at the payload alone.
    #[test]
    fn a_place_keeps_its_name_in_the_cache_or_out_of_it() {
        let mut names = Box::new(Names::new());
        // All are made on one line, and so have one text.
        let payloads = (0..3 * SITES).map(|i| -> &'static str { format!("{i}").leak() });
        let sites: Vec<_> = payloads.map(|payload| info(None, payload)).collect();
        let name = entry(&mut names, &sites[0]);
        for site in &sites {
            assert_eq!(entry(&mut names, site), name);
            assert!(matches!(names.entry(site, 0, None), Ok(known) if known == name));
        }
        let known = sites.iter().filter(|site| names.entry(site, 0, None).is_ok()).count();
        assert!((SITES / 2..=SITES).contains(&known), "{known} of {SITES}");
        // Another line, though of a payload that is known.
        let other = info(None, sites[sites.len() - 1].payload);
        assert_ne!(entry(&mut names, &other), name);
    }
}
