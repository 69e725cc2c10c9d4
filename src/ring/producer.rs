//! The producers' steps: claim, reserve, publish, give back.

use core::marker::PhantomData;

use super::pos::{Head, MAX_RESERVED, Pos, Tail};
use super::protocol::Ring;
use super::storage::Storage;
use super::store::Flavor;
use crate::sizes::MAX_LAG;
use crate::sync::{Backoff, Ordering, step};

/// A slot that its holder must publish.
#[derive(Debug)]
#[must_use = "a claimed slot that is never published stops the receiver for ever"]
pub(crate) struct Claim {
    /// The word that the claim moved on.
    old: Tail,
}

impl Claim {
    #[inline]
    fn pos(&self) -> Pos {
        self.old.pos()
    }

    /// The claim ended the receiver's park: wake it after publishing.
    #[inline]
    pub(crate) fn was_parked(&self) -> bool {
        self.old.is_parked()
    }
}

/// Slots, one after the other, that their holder must publish. They were claimed in one step.
#[derive(Debug)]
#[must_use = "a claimed slot that is never published stops the receiver for ever"]
pub(crate) struct Claims {
    first: Claim,
    n: u64,
}

impl Claims {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.n
    }

    /// As [`Claim::was_parked`].
    pub(crate) fn was_parked(&self) -> bool {
        self.first.was_parked()
    }
}

/// Where a claim goes on that was not plain.
pub(crate) struct NotPlain {
    /// The newest word it has seen.
    tail: Tail,
    /// Somebody else was faster, and goes first.
    lost: bool,
}

impl NotPlain {
    /// What was missing is no matter of the ring.
    #[inline]
    pub(crate) fn at(tail: Tail) -> Self {
        Self { tail, lost: false }
    }
}

/// Why a producer got no capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// No room, or somebody waits for it already.
    Full,
}

/// After a lost race for T. Two steps of back-off, not one: the winner keeps the cache line for
/// several messages instead of one. Measured with 16 producers, 25 ns a message instead of 82, and
/// 115 without any.
fn let_the_winner_go_on(backoff: &Backoff) {
    backoff.spin();
    backoff.spin();
}

/// A claimed slot of a ring that is of flavor `F` and carries messages of type `T`: from
/// [`Ring::sending`].
#[must_use = "a claimed slot that is never published stops the receiver for ever"]
pub(crate) struct Sending<'a, T, F, Cold> {
    ring: &'a Ring<Cold>,
    claim: Claim,
    types: PhantomData<fn(T, F)>,
}

impl<T, F: Flavor, Cold> Sending<'_, T, F, Cold> {
    /// Puts a message into the slot and makes it visible to the receiver.
    #[inline]
    pub(crate) fn publish(self, value: T) {
        let pos = self.claim.pos();
        // SAFETY: the word of who made this; the claim is exclusive, and is consumed here.
        unsafe {
            match &self.ring.storage {
                _ if F::UNBOUNDED => self.publish_in_list_inline(value),
                Storage::Array(array) => array.of::<T>().at(pos).publish(pos, value),
                Storage::Blocks { .. } => self.publish_in_list(value),
            }
        }
    }

    /// [`Sending::publish`], if the slot is in the block where producers begin to look: so nearly
    /// always. For a channel without a capacity.
    #[inline(always)]
    pub(crate) fn publish_nearby(self, value: T) -> Result<(), (Self, T)> {
        assert!(F::UNBOUNDED);
        let pos = self.claim.pos();
        // SAFETY: the word of who made this: there is a list, and the claim is exclusive.
        match unsafe { self.ring.list::<T>().claimed_nearby(pos) } {
            Some(slot) => {
                // SAFETY: as above. The claim is consumed.
                unsafe { slot.publish(pos, value) };
                Ok(())
            }
            None => Err((self, value)),
        }
    }

    /// # Safety
    /// There is a list.
    #[inline(always)]
    unsafe fn publish_in_list_inline(self, value: T) {
        let Self { ring, claim, .. } = self;
        // SAFETY: the caller's word, and as `publish`.
        unsafe {
            let slot = ring.list::<T>().claimed(claim.pos(), || ring.claimed_so_far());
            slot.publish(claim.pos(), value);
        }
    }

    /// Out of line, so that a send into an array is short, and inlined. So is what is not plain, as
    /// a call that does not come back: no register is saved here.
    ///
    /// # Safety
    /// There is a list.
    #[inline(never)]
    unsafe fn publish_in_list(self, value: T) {
        let pos = self.claim.pos();
        // SAFETY: the caller's word; the claim is exclusive, and is consumed.
        unsafe {
            match self.ring.list::<T>().claimed_nearby(pos) {
                Some(slot) => slot.publish(pos, value),
                None => self.publish_far(value),
            }
        }
    }

    /// # Safety
    /// There is a list.
    #[cold]
    #[inline(never)]
    unsafe fn publish_far(self, value: T) {
        // SAFETY: the caller's word.
        unsafe { self.publish_in_list_inline(value) };
    }
}

/// Claimed slots of a ring that carries messages of type `T`: from [`Ring::sending_many`].
#[must_use = "a claimed slot that is never published stops the receiver for ever"]
pub(crate) struct SendingMany<'a, T, Cold> {
    ring: &'a Ring<Cold>,
    claims: Claims,
    messages: PhantomData<fn(T)>,
}

impl<T, Cold> SendingMany<'_, T, Cold> {
    /// [`Sending::publish`] for each slot. `values` are no fewer, or the receiver stops at the
    /// first that is missing; yielding them runs no user code.
    pub(crate) fn publish(self, values: impl Iterator<Item = T>) {
        let Self { ring, claims, .. } = self;
        let first = claims.first.pos();
        let values = values.take(claims.n as usize);
        // SAFETY: the word of who made this; the claims are exclusive, and consumed here: each
        // position once.
        unsafe {
            match &ring.storage {
                Storage::Array(array) => {
                    let slots = array.of::<T>();
                    for (i, value) in values.enumerate() {
                        let pos = first.plus(i as u64);
                        slots.at(pos).publish(pos, value);
                    }
                }
                Storage::Blocks { .. } => {
                    ring.list::<T>().publish_all(first, values, || ring.claimed_so_far());
                }
            }
        }
    }
}

impl<Cold> Ring<Cold> {
    /// Claims the next slot where nothing stands in the way: what nearly every send needs, apart,
    /// so that it is short.
    #[inline]
    pub(crate) fn claim_plainly<F: Flavor>(
        &self,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<Claim, NotPlain> {
        self.look_plainly::<F>(nobody_waits).and_then(|tail| self.claim_from(tail))
    }

    /// The first half: the word from which a claim is plain.
    #[inline]
    pub(crate) fn look_plainly<F: Flavor>(
        &self,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<Tail, NotPlain> {
        let (tail, head) = (self.tail(), self.head_cache());
        let room = if F::UNBOUNDED {
            tail.is_plain(head)
        } else {
            tail.is_plainly_below(self.limit, head)
        };
        if room && nobody_waits() { Ok(tail) } else { Err(NotPlain::at(tail)) }
    }

    /// Likewise, and where permits are out, as while senders that were granted room have not used
    /// it: the claim is the same.
    #[inline(always)]
    pub(crate) fn look_beside_permits(
        &self,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<Tail, NotPlain> {
        let (tail, head, limit) = (self.tail(), self.head_cache(), self.limit);
        let room = tail.is_plainly_below(limit, head)
            // First what costs least where most are full.
            || !tail.may_fill(limit, head) && !tail.is_closed() && tail.used(head) < limit;
        if room && nobody_waits() { Ok(tail) } else { Err(NotPlain::at(tail)) }
    }

    /// The second half.
    #[inline]
    pub(crate) fn claim_from(&self, old: Tail) -> Result<Claim, NotPlain> {
        step("claim: plain");
        match self.swap_tail(old, old.claim(1)) {
            Ok(()) => Ok(Claim { old }),
            Err(tail) => Err(NotPlain { tail, lost: true }),
        }
    }

    /// Whether it is open and full, by the tail that the claim saw and the head of now. Yes may be
    /// old: it was full when that tail was read; or the tail lies behind the head, and says
    /// nothing. Enough for who will look again before it waits.
    #[inline]
    pub(crate) fn was_full(&self, from: &NotPlain) -> bool {
        !from.tail.is_closed() && from.tail.used(self.head()) >= self.limit
    }

    /// Claims the next slot, if `nobody_waits` for room, where [`Ring::claim_plainly`] could not.
    #[cold]
    #[inline(never)]
    pub(crate) fn claim(
        &self,
        from: NotPlain,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<Claim, Refused> {
        let backoff = Backoff::new();
        if from.lost {
            let_the_winner_go_on(&backoff);
        }
        let claim = |tail: Tail| Some(tail.claim(1));
        let (old, _) = self.take_capacity(from.tail, 1, 0, &backoff, nobody_waits, claim)?;
        Ok(Claim { old })
    }

    /// Claims as many slots as there is room for, in one step: at least 1, at most `want`, which is
    /// not 0.
    pub(crate) fn claim_up_to(
        &self,
        want: u64,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<Claims, Refused> {
        debug_assert!(want > 0, "nothing to claim");
        let (tail, backoff) = (self.tail(), Backoff::new());
        let (old, new) = self.take_capacity(tail, 1, 0, &backoff, nobody_waits, |tail| {
            let head = self.head();
            // None if the tail is older than this head.
            let n = want.min(self.limit.saturating_sub(tail.used(head)));
            (n > 0).then(|| {
                self.refresh_head_cache(head);
                tail.claim(n)
            })
        })?;
        Ok(Claims { first: Claim { old }, n: new.pos().since(old.pos()) })
    }

    /// Takes `n` permits at once, or none.
    #[inline]
    pub(crate) fn reserve(&self, n: u64, nobody_waits: impl Fn() -> bool) -> Result<(), Refused> {
        let (tail, backoff) = (self.tail(), Backoff::new());
        let reserve = |tail: Tail| Some(tail.reserve(n));
        self.take_capacity(tail, n, n, &backoff, nobody_waits, reserve).map(drop)
    }

    /// Takes at least `n` units, `permits` of them as permits, by a step to what `to` makes of a
    /// word that allows it, this `tail` or a newer one; `None` if that word must be old. Returns
    /// the word before and after.
    #[inline]
    fn take_capacity(
        &self,
        mut tail: Tail,
        n: u64,
        permits: u64,
        backoff: &Backoff,
        nobody_waits: impl Fn() -> bool,
        to: impl Fn(Tail) -> Option<Tail>,
    ) -> Result<(Tail, Tail), Refused> {
        loop {
            // Where the capacity is no limit for permits, the words are; pops hold nothing there.
            if self.limit > MAX_RESERVED && tail.reserved(Head::at(0)) + permits > MAX_RESERVED {
                return Err(if tail.is_closed() { Refused::Closed } else { Refused::Full });
            }
            let next = if self.has_room(tail, n, &nobody_waits)? { to(tail) } else { None };
            step("claim: looked");
            tail = match next {
                Some(next) => match self.swap_tail(tail, next) {
                    Ok(()) => return Ok((tail, next)),
                    Err(now) => now,
                },
                None => self.tail(),
            };
            let_the_winner_go_on(backoff);
        }
    }

    /// Whether `n` units may be taken from `tail`. No: it is old, and must be read anew.
    #[inline]
    fn has_room(
        &self,
        tail: Tail,
        n: u64,
        nobody_waits: impl Fn() -> bool,
    ) -> Result<bool, Refused> {
        if tail.is_closed() {
            return Err(Refused::Closed);
        }
        // Nothing is always to be had.
        if n == 0 {
            return Ok(true);
        }
        if !nobody_waits() {
            return Err(Refused::Full);
        }
        let known = self.head_cache();
        if tail.used(known) + n <= self.limit {
            return Ok(true);
        }
        self.refresh_room(tail, known, n)
    }

    #[cold]
    #[inline(never)]
    fn refresh_room(&self, tail: Tail, known: Head, n: u64) -> Result<bool, Refused> {
        let head = self.head();
        let used = tail.used(head);
        if used + n <= self.limit {
            self.publish_head(known, head);
            return Ok(true);
        }
        // A tail read before that head may be old: Full only if it still stands. One that lies
        // behind the head is old for sure.
        if self.tail() == tail && used <= self.limit { Err(Refused::Full) } else { Ok(false) }
    }

    /// The newest head that a producer has told the others of.
    #[inline]
    fn head_cache(&self) -> Head {
        // ORDERING(C1): Acquire. Pairs with C1 in `publish_head`, and through it with C1 in
        // `hold_room` and `free_room`: whoever relies on a head sees that the receiver is done with
        // the slots behind it.
        Head(self.producers.head_cache.load(Ordering::Acquire))
    }

    /// Tells the other producers of `head`, which was read after `known`: so it never goes back, or
    /// a producer stopped here for a lap of `pos` could show others a head that looks ahead of the
    /// tail by less than the capacity.
    fn publish_head(&self, known: Head, head: Head) {
        // ORDERING(C1): Release. Pairs with C1 in `head_cache`. If that fails, somebody else has
        // told of a newer one.
        let cache = &self.producers.head_cache;
        let head = head.without_flag();
        let _ = cache.compare_exchange(known.0, head.0, Ordering::Release, Ordering::Relaxed);
    }

    /// Turns one permit into a slot. `None`: the receiver is gone, and the permit is still out.
    /// True: somebody may wait not for room but for the permit itself.
    #[inline]
    pub(crate) fn claim_reserved(&self) -> Option<(Claim, bool)> {
        let old = self.tail();
        let plain = !old.is_receiver_gone() && self.swap_tail(old, old.claim_reserved()).is_ok();
        let claim = if plain { Claim { old } } else { self.claim_reserved_slow()? };
        Some((claim, self.limit > MAX_RESERVED))
    }

    /// The receiver is gone, or somebody else was faster.
    #[cold]
    #[inline(never)]
    fn claim_reserved_slow(&self) -> Option<Claim> {
        let backoff = Backoff::new();
        let mut tail = self.tail();
        while !tail.is_receiver_gone() {
            let_the_winner_go_on(&backoff);
            match self.swap_tail(tail, tail.claim_reserved()) {
                Ok(()) => return Some(Claim { old: tail }),
                Err(now) => tail = now,
            }
        }
        None
    }

    /// A claim with the type of its messages.
    ///
    /// # Safety
    /// `T` is the type of this ring's messages, `F` its flavor, and the claim is of this ring.
    #[inline(always)]
    pub(crate) unsafe fn sending<T, F: Flavor>(&self, claim: Claim) -> Sending<'_, T, F, Cold> {
        Sending { ring: self, claim, types: PhantomData }
    }

    /// Likewise, for several.
    ///
    /// # Safety
    /// `T` is the type of this ring's messages, and the claims are of this ring.
    #[inline(always)]
    pub(crate) unsafe fn sending_many<T>(&self, claims: Claims) -> SendingMany<'_, T, Cold> {
        SendingMany { ring: self, claims, messages: PhantomData }
    }

    /// How far the claims are, as a step on T: claims made before it are counted, claims made after
    /// it see what the caller did before. (On x86 the compiler makes a fence and a load of it,
    /// which says the same.)
    fn claimed_so_far(&self) -> Pos {
        // ORDERING(E5): AcqRel. Release: pairs with the Acquire of each later claim (`swap_tail`),
        // which sees what was done before this. A load could miss claims that were made before it.
        Tail(self.producers.tail.fetch_or(0, Ordering::AcqRel)).pos()
    }

    /// Gives `n` permits back: the one place where permits fall without a message.
    /// Returns the word before and after; a park that ended here is the caller's to wake.
    pub(crate) fn release(&self, n: u64) -> (Tail, Tail) {
        self.update_tail(|tail| {
            let next = tail.unreserve(n);
            step("release: looked at T");
            // After the tail. While the receiver is parked its head stands still.
            let head = self.head();
            debug_assert!(
                tail.is_senders_gone()
                    || tail.reserved(head) >= n
                    // It is old.
                    || tail.used(head) > self.limit,
                "{n} of {tail:?}, {head:?}"
            );
            if next.has_no_more(head) { next.unpark() } else { next }
        })
    }

    /// Takes up to `want` permits for one who waits: fewer only if there were no more at some
    /// moment of the call. `None`: closed.
    pub(crate) fn reserve_up_to(&self, want: u64) -> Option<u64> {
        loop {
            // The tail first: so the difference is no more than was used when the tail was read.
            // Who has just come to wait has looked at the head in `set_waiting`, by SeqCst. Whoever
            // serves after a pop has moved the head; after a step on the tail, it has acquired
            // there every head that a claim before it relied on: a pop that it does not see beyond
            // those still has its own room to hand out.
            let tail = self.tail_sc();
            let head = self.head();
            let used = tail.used(head);
            let grant =
                want.min(self.limit.saturating_sub(used)).min(MAX_RESERVED - tail.reserved(head));
            if tail.is_closed() {
                return None;
            }
            if grant == 0 && used <= self.limit {
                return Some(0);
            }
            self.refresh_head_cache(head);
            step("take: looked");
            // A word so old that it lies behind the head fails here and is read anew.
            if self.swap_tail(tail, tail.reserve(grant)).is_ok() {
                return Some(grant);
            }
        }
    }

    /// Whether it is open and full, as [`Ring::reserve_up_to`] finds it at its first look. Yes: it
    /// was when the tail was read. No: there was room when the head was read; or the tail lies
    /// behind the head, and says nothing.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        let tail = self.tail_sc();
        // After the tail, as there.
        !tail.is_closed() && tail.used(self.head()) == self.limit
    }

    /// Whether [`Ring::reserve_up_to`] would get anything.
    pub(crate) fn has_room_for_one(&self) -> bool {
        loop {
            let tail = self.tail_sc();
            step("room: looked at T");
            let head = self.head();
            let used = tail.used(head);
            // A tail that lies behind the head is old, and says nothing of permits.
            if used <= self.limit {
                let room = used < self.limit && tail.reserved(head) < MAX_RESERVED;
                return room && !tail.is_closed();
            }
        }
    }

    /// INVARIANT(I5): `head_cache` lies less than 2^36 behind the tail. Claims keep it by
    /// themselves: they rest on it, or on a head that they have put there. Grants rest on a head
    /// they read afresh, so a channel that is always full, and lives by grants alone, would leave
    /// the cache behind until a claim mistakes the distance of a whole lap for none. Whoever claims
    /// from the tail that the next swap installs, or a later one, sees this.
    fn refresh_head_cache(&self, head: Head) {
        if head.pos().since(self.head_cache().pos()) >= MAX_LAG {
            // The cache is read first, as `publish_head` asks.
            self.publish_head(self.head_cache(), self.head());
        }
    }

    /// Likewise, for pops that hold the room of what they take: by the receiver, once in
    /// [`MAX_LAG`] messages.
    pub(super) fn refresh_head_cache_by(&self, now: Head) {
        self.publish_head(self.head_cache(), now);
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;
    use crate::ring::{Room, Shape};

    /// A channel that lives by grants alone never refreshes the cache by claiming. A lap later a
    /// claim on the full ring must not find the cache a lap behind.
    ///
    /// Seen to fail with: `reserve_up_to` without `refresh_head_cache`.
    #[test]
    fn b10_head_cache_is_kept_within_a_lap_by_grants() {
        let (ring, mut reader) = Ring::new::<u8>(Shape::new(Some(1), (1 << 36) - 5, false));
        for _ in 0..10 {
            assert_eq!(ring.reserve_up_to(1), Some(1));
            let (claim, _) = ring.claim_reserved().expect("the receiver is there");
            // SAFETY: the ring was made for `u8`.
            unsafe { ring.put(claim, 7_u8) };
            assert!(ring.head().pos().since(ring.head_cache().pos()) <= MAX_LAG);
            assert_eq!(ring.claim_next().map(drop), Err(Refused::Full));
            // SAFETY: the ring was made for `u8`, with this reader.
            unsafe { ring.pop::<u8>(&mut reader) }.unwrap();
        }
    }

    /// Likewise by what pops hold.
    ///
    /// Seen to fail with: pops that hold, without `refresh_head_cache_by`.
    #[test]
    fn b10_head_cache_is_kept_within_a_lap_by_pops_that_hold() {
        let (ring, mut reader) = Ring::new::<u8>(Shape::new(Some(1), (1 << 36) - 5, false));
        ring.set_waiting();
        assert_eq!(ring.reserve_up_to(1), Some(1));
        for _ in 0..10 {
            let (claim, _) = ring.claim_reserved().expect("the receiver is there");
            // SAFETY: the ring was made for `u8`.
            unsafe { ring.put(claim, 7_u8) };
            assert_eq!(ring.claim_next().map(drop), Err(Refused::Full));
            // SAFETY: the ring was made for `u8`, with this reader.
            let (_, room) = unsafe { ring.pop::<u8>(&mut reader) }.unwrap();
            assert_eq!(room, Room::Held);
            assert!(ring.head().pos().since(ring.head_cache().pos()) <= MAX_LAG);
        }
    }

    /// Seen to fail with: `popped` taken for the number itself.
    #[test]
    fn b10_what_was_taken_is_counted_in_full() {
        for start in [0, (1 << 36) - 5, (7 << 36) + (1 << 20) - 3] {
            let (ring, mut reader) = Ring::new::<u8>(Shape::new(Some(2), start, false));
            for n in 0..20 {
                assert_eq!((ring.occupancy().popped, ring.occupancy().len), (n, 0));
                let claim = ring.claim_next().unwrap();
                // SAFETY: the ring was made for `u8`.
                unsafe { ring.put(claim, 7_u8) };
                // SAFETY: the ring was made for `u8`, with this reader.
                unsafe { ring.pop::<u8>(&mut reader) }.unwrap();
            }
        }
    }
}
