//! How many handles there are.

use crate::sync::order::Turns;
use crate::sync::{AtomicUsize, Ordering};

/// Strong senders (an owned permit is one) and weak ones.
#[derive(Debug)]
pub(crate) struct Counts {
    strong: AtomicUsize,
    weak: AtomicUsize,
    /// Of handles, in a user's model. Else nothing.
    turns: Turns,
}

/// As `Arc`'s limit: a count beyond it can only come from forgotten clones.
const MAX_HANDLES: usize = isize::MAX as usize;

impl Counts {
    /// One sender, as a channel begins.
    pub(crate) fn new() -> Self {
        Self { strong: AtomicUsize::new(1), weak: AtomicUsize::new(0), turns: Turns::new() }
    }

    pub(crate) fn strong(&self) -> usize {
        self.turns.begin();
        let (strong, _) = self.now();
        self.saw_end(|| strong == 0);
        strong
    }

    pub(crate) fn weak(&self) -> usize {
        self.turns.begin();
        self.now().1
    }

    /// Strong and weak, for telemetry.
    pub(crate) fn now(&self) -> (usize, usize) {
        // ORDERING(N1): Acquire. Pairs with N1 in `drop_strong`: who sees 0 sees what senders did.
        let strong = self.strong.load(Ordering::Acquire);
        // ORDERING(N2): Relaxed. A gauge; pairs with N2 in `add_weak` and `drop_weak`.
        (strong, self.weak.load(Ordering::Relaxed))
    }

    /// A clone of a sender, which the caller has.
    pub(crate) fn add_strong(&self) {
        self.turns.begin();
        // ORDERING(N1): Relaxed. The caller's own sender keeps the count above 0.
        if self.strong.fetch_add(1, Ordering::Relaxed) > MAX_HANDLES {
            std::process::abort();
        }
    }

    /// A sender from a weak one; false if none is left. 0 is final.
    pub(crate) fn upgrade(&self) -> bool {
        self.turns.begin();
        let (mut strong, _) = self.now();
        while strong != 0 {
            // ORDERING(N1): AcqRel. Pairs with N1 in `drop_strong`: of the last drop and an
            // upgrade, one comes first in this word, and a drop to 0 lets no upgrade through.
            match self.strong.compare_exchange(
                strong,
                strong + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => strong = now,
            }
        }
        self.saw_end(|| true);
        false
    }

    /// The caller is about to say that no sender is left, if so.
    #[inline(always)]
    pub(crate) fn saw_end(&self, none_left: impl FnOnce() -> bool) {
        self.turns.saw_end(none_left);
    }

    /// True: that was the last sender, and the caller closes.
    pub(crate) fn drop_strong(&self) -> bool {
        self.turns.leave();
        // ORDERING(N1): AcqRel. Release: what this sender did is visible to the last one, who
        // publishes it with CLOSED (D1 in `ring`). Acquire: the last one sees it all.
        self.strong.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(crate) fn add_weak(&self) {
        self.turns.begin();
        // ORDERING(N2): Relaxed. A gauge; the channel's memory is the business of `Owner`.
        if self.weak.fetch_add(1, Ordering::Relaxed) > MAX_HANDLES {
            std::process::abort();
        }
    }

    pub(crate) fn drop_weak(&self) {
        self.turns.begin();
        // ORDERING(N2): Relaxed. As `add_weak`.
        self.weak.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use super::*;

    /// As `Arc`'s: what such a count leads to is worse. In a process of its own, which ends.
    ///
    /// Seen to fail with: counts that are not looked at.
    #[test]
    #[cfg_attr(miri, ignore = "Miri starts no processes")]
    fn a_count_of_clones_that_overflows_ends_the_process() {
        const CHILD: &str = "PARSHALL_COUNTS_OVERFLOW";
        if let Some(kind) = std::env::var_os(CHILD) {
            let too_many = || AtomicUsize::new(MAX_HANDLES + 1);
            let counts = Counts { strong: too_many(), weak: too_many(), turns: Turns::new() };
            match kind.to_str() {
                Some("strong") => counts.add_strong(),
                _ => counts.add_weak(),
            }
            return;
        }
        let test = "chan::counts::tests::a_count_of_clones_that_overflows_ends_the_process";
        for kind in ["strong", "weak"] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args([test, "--exact"]).env(CHILD, kind);
            let status = child.output().unwrap().status;
            assert_eq!(
                status.code(),
                None,
                "{kind}: ended by a signal, not by returning: {status}"
            );
        }
    }
}
