//! How large a diagnosis may become, whatever the snapshot: names are cut, lists end, and what is
//! left out is counted. A snapshot that was read from elsewhere may have names of any length, and a
//! task that waits in any number of channels.

use core::cmp::Reverse;

use super::{
    ChannelRef, Evidence, Finding, FindingKind, Hop, LeftOut, Party, Receiver, Receiving, Verdict,
};

/// How many bytes of a name, an id or a place are kept.
const NAME: usize = 256;

/// How many channels, tasks or hops a finding lists.
pub(super) const LIST: usize = 1_000;

/// How many findings a diagnosis lists, and how many bytes they have together. The worst one is
/// there in any case.
const FINDINGS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// The name as it is, or without the middle of what is too long.
pub(super) fn name(text: &str) -> String {
    const MARK: char = '…';
    if text.len() <= NAME {
        return text.into();
    }
    let (mut head, mut tail) = (NAME * 2 / 3, text.len() - NAME / 3 + MARK.len_utf8());
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}{MARK}{}", &text[..head], &text[tail..])
}

/// Leaves the first of a list, and the last, and says how many are gone. A chain of waits is told
/// by both of its ends.
pub(super) fn list<T>(items: &mut Vec<T>) -> u64 {
    let Some(more) = items.len().checked_sub(LIST).filter(|more| *more > 0) else { return 0 };
    items.drain(LIST - 1..LIST - 1 + more);
    more as u64
}

/// Findings as they are found. Of too many, the least certain and least costly are counted only.
#[derive(Default)]
pub(super) struct Found {
    kept: Vec<Finding>,
    /// Of those that are kept, or more.
    bytes: usize,
    left_out: Vec<LeftOut>,
}

impl Found {
    pub(super) fn push(&mut self, finding: Finding) {
        self.bytes += size(&finding);
        self.kept.push(finding);
        // Seldom: it takes time.
        if self.kept.len() > 2 * FINDINGS || self.bytes > 2 * BYTES {
            self.cut();
        }
    }

    /// Takes out those that `keep` is not true of.
    pub(super) fn retain_mut(&mut self, keep: impl FnMut(&mut Finding) -> bool) {
        self.kept.retain_mut(keep);
    }

    /// The most certain first, then the most costly; and those that are left out.
    pub(super) fn into_order(mut self) -> (Vec<Finding>, Vec<LeftOut>) {
        self.cut();
        self.left_out.sort_by_key(|left| (left.verdict, left.kind));
        (self.kept, self.left_out)
    }

    fn cut(&mut self) {
        // Stable: of what is alike, the channel that was made first.
        self.kept.sort_by_key(|found| {
            (found.verdict, Reverse(found.victims), found.kind, found.since_ns)
        });
        self.bytes = 0;
        let mut fit = 0;
        for finding in self.kept.iter().take(FINDINGS) {
            let bytes = self.bytes + size(finding);
            if fit > 0 && bytes > BYTES {
                break;
            }
            (self.bytes, fit) = (bytes, fit + 1);
        }
        for finding in self.kept.drain(fit..) {
            count(&mut self.left_out, finding.kind, finding.verdict);
        }
    }
}

fn count(left_out: &mut Vec<LeftOut>, kind: FindingKind, verdict: Verdict) {
    let known = left_out.iter_mut().find(|left| (left.kind, left.verdict) == (kind, verdict));
    match known {
        Some(left) => left.findings += 1,
        None => left_out.push(LeftOut { kind, verdict, findings: 1 }),
    }
}

/// How many bytes it has, with its texts, about.
fn size(finding: &Finding) -> usize {
    let lists = channels(&finding.channels) + parties(&finding.tasks);
    let assumption = finding.assumption.as_ref().map_or(0, String::len);
    size_of_val(finding) + lists + assumption + of_evidence(&finding.evidence)
}

fn of_evidence(evidence: &Evidence) -> usize {
    match evidence {
        Evidence::Deadlock { cycle, behind } => hops(cycle) + parties(&behind.some),
        Evidence::Futurelock { channel, holder, waits, behind, .. } => {
            let who = parties([holder]) + hops(waits.as_deref());
            channels([channel]) + who + parties(&behind.some)
        }
        Evidence::Stalled { receiver, channels: all, behind } => {
            of_receiver(receiver) + channels(all) + parties(&behind.some)
        }
        Evidence::Starved { who, running, blocked, channels: all, behind } => {
            let others = parties(running) + hops(blocked) + channels(all);
            parties([who]) + others + parties(&behind.some)
        }
        Evidence::HeldPermits { channel, grants, behind, .. } => {
            let who = parties(grants.iter().map(|grant| &grant.who));
            let waits = hops(grants.iter().filter_map(|grant| grant.waits.as_deref()));
            channels([channel]) + who + waits + parties(&behind.some)
        }
        Evidence::SenderKept { channel, receiver, made_at, .. } => {
            let places: usize = made_at.iter().map(String::len).sum();
            channels([channel]) + parties([receiver]) + places
        }
        Evidence::Growing { channel, elsewhere, receiver, .. } => {
            let hop = elsewhere.as_ref().map(|(_, hop)| &**hop);
            channels([channel]) + hops(hop) + parties(receiver)
        }
        Evidence::Saturated { channel, receiver, .. } => channels([channel]) + parties(receiver),
        Evidence::Turned { channel, .. } | Evidence::Lockstep { channel, .. } => {
            channels([channel])
        }
        Evidence::LostWakeup { channel, who, .. } => channels([channel]) + parties(who),
    }
}

fn of_receiver(receiver: &Receiver) -> usize {
    let waits = match &receiver.does {
        Receiving::WaitsFor { chain, end } => hops(chain) + end.as_deref().map_or(0, of_receiver),
        _ => 0,
    };
    channels([&receiver.channel]) + parties(&receiver.who) + waits
}

fn channels<'a>(all: impl IntoIterator<Item = &'a ChannelRef>) -> usize {
    let size = |of: &ChannelRef| size_of_val(of) + of.id.len() + of.name.len() + of.location.len();
    all.into_iter().map(size).sum()
}

fn parties<'a>(all: impl IntoIterator<Item = &'a Party>) -> usize {
    all.into_iter().map(|of| size_of_val(of) + of.id.len() + of.name.len()).sum()
}

fn hops<'a>(all: impl IntoIterator<Item = &'a Hop>) -> usize {
    all.into_iter().map(|hop| channels([&hop.channel]) + parties([&hop.who])).sum()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{deadlock, each_kind};
    use super::*;

    /// Seen to fail with: a cut in the middle of a character.
    #[test]
    fn a_long_name_keeps_its_ends() {
        assert_eq!(name("wal"), "wal");
        let fits = "x".repeat(NAME);
        assert_eq!(name(&fits), fits);
        for unit in ["x", "é", "漢", "🦀", "x漢é"] {
            let long = format!("a{}/main.rs:12", unit.repeat(NAME));
            let cut = name(&long);
            assert!(cut.len() <= NAME && cut.len() > NAME - 12, "{}", cut.len());
            assert!(cut.starts_with('a') && cut.contains('…') && cut.ends_with("/main.rs:12"));
        }
    }

    #[test]
    fn a_list_keeps_its_ends() {
        let mut few: Vec<_> = (0..LIST).collect();
        assert_eq!((list(&mut few), few.len()), (0, LIST));
        let mut many: Vec<_> = (0..5 * LIST).collect();
        assert_eq!((list(&mut many), many.len()), (4 * LIST as u64, LIST));
        assert_eq!((many[0], many[LIST - 2], many[LIST - 1]), (0, LIST - 2, 5 * LIST - 1));
    }

    /// Seen to fail with: all kept; and, those that came first.
    #[test]
    fn of_many_findings_the_worst_are_kept_and_the_others_counted() {
        let mut found = Found::default();
        let signal = || each_kind().into_iter().find(|it| it.verdict == Verdict::Signal).unwrap();
        for _ in 0..5 * FINDINGS {
            found.push(signal());
        }
        found.push(deadlock());
        let (kept, left_out) = found.into_order();
        assert_eq!((kept.len(), kept[0].kind), (FINDINGS, FindingKind::Deadlock));
        let findings = 4 * FINDINGS as u64 + 1;
        let (kind, verdict) = (signal().kind, Verdict::Signal);
        assert_eq!(left_out, [LeftOut { kind, verdict, findings }]);
    }

    /// Each sort of evidence counts, and what is too long is left out by its length.
    ///
    /// Seen to fail with: a number of findings only.
    #[test]
    fn long_findings_are_fewer() {
        let mut found = Found::default();
        for mut finding in each_kind() {
            let before = size(&finding);
            super::super::samples::rename(&mut finding, &"x".repeat(10_000));
            assert!(size(&finding) > before + 10_000, "{finding:?}");
            (0..50).for_each(|_| found.push(finding.clone()));
        }
        let (kept, left_out) = found.into_order();
        assert!(kept.iter().map(size).sum::<usize>() <= BYTES);
        let left: u64 = left_out.iter().map(|left| left.findings).sum();
        assert_eq!(kept.len() as u64 + left, 50 * each_kind().len() as u64);
        let mut found = Found::default();
        let mut alone = deadlock();
        super::super::samples::rename(&mut alone, &"x".repeat(BYTES));
        found.push(alone);
        assert_eq!(found.into_order().0.len(), 1);
    }
}
