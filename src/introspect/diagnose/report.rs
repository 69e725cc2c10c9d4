//! What a diagnosis reads like.
//!
//! A finding is a few sentences, a line each where they fit; the first names the cause. The first
//! line of the report says whether something is stuck, and the last one what could not be seen.

use core::fmt;

use super::words::{
    self, GLUE, count, counted, duration, label, line, name, percent, quoted, rate,
};
use super::{
    Behind, ChannelRef, Diagnosis, Evidence, Finding, FindingKind, Hop, Party, Side, Verdict,
};

/// How many findings are written out; the others are counted.
const FINDINGS: usize = 12;

/// How many hops of a chain are written out, and how many names of a list.
const HOPS: usize = 12;
const NAMES: usize = 3;

/// How much of an assumption is shown, in characters.
const ASSUMPTION: usize = 300;

impl fmt::Display for Diagnosis {
    /// The report: what is stuck and since when; the findings, the most certain and most costly
    /// first; and what could not be seen. Lines of at most 100 characters, whatever the names; each
    /// ends with a newline but the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        words::wrap(&mut out, &self.headline(), "", "  ");
        let mut findings = self.findings.iter();
        if self.is_stuck()
            && let Some(worst) = findings.next()
        {
            worst.write(&mut out, "  ", "  ");
            if !findings.as_slice().is_empty() {
                out.push_str("also\n");
            }
        }
        let others = findings.as_slice();
        let (shown, left) = others.split_at(others.len().min(FINDINGS));
        for finding in shown {
            finding.write(&mut out, "  ", "    ");
        }
        let left = left.iter().map(|finding| (finding.kind, 1));
        let left = left.chain(self.left_out.iter().map(|left| (left.kind, left.findings)));
        if let Some(more) = tally(left) {
            words::wrap(&mut out, &more, "  ", "    ");
        }
        words::wrap(&mut out, &self.blind(), "", "  ");
        f.write_str(out.trim_end_matches('\n'))
    }
}

impl Diagnosis {
    /// Whether the worst finding is more than a signal.
    fn is_stuck(&self) -> bool {
        self.findings.first().is_some_and(|worst| worst.verdict != Verdict::Signal)
    }

    pub(crate) fn headline(&self) -> String {
        let process = name(&self.process);
        match self.findings.first() {
            Some(worst) if self.is_stuck() => {
                format!("parshall: {process} is {}, {}", worst.verdict.standing(), worst.lasted())
            }
            Some(_) => format!("parshall: nothing is seen to be stuck in {process}; worth knowing"),
            None if self.first_look_ns == self.second_look_ns => {
                format!("parshall: {process} was looked at once; only a second look tells more")
            }
            None => format!("parshall: nothing is seen to be stuck in {process}"),
        }
    }

    fn blind(&self) -> String {
        let blind = &self.blind;
        let mut parts = Vec::new();
        parts.push(if blind.waits == 0 {
            "blind: nobody waits".to_owned()
        } else {
            format!(
                "blind: {} of {} {} of tasks that parshall cannot see into",
                count(blind.uncertain_waits),
                counted(blind.waits, "wait"),
                if blind.waits == 1 { "is" } else { "are" },
            )
        });
        if blind.unknown_waits > 0 {
            parts.push(format!(", {} known by a waker only", count(blind.unknown_waits)));
        }
        if blind.nameless_tasks > 0 {
            let tasks = counted(blind.nameless_tasks, "waiting task");
            parts.push(format!("; {tasks} without a name"));
        }
        if blind.untracked > 0 {
            parts.push(format!("; {}", counted(blind.untracked, "untracked channel")));
        }
        parts.concat()
    }
}

/// `and 37 more: 30 saturated, 7 refused`; none if there are none.
fn tally(findings: impl Iterator<Item = (FindingKind, u64)>) -> Option<String> {
    let mut kinds: Vec<(FindingKind, u64)> = Vec::new();
    for (kind, more) in findings {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, n)) => *n += more,
            None => kinds.push((kind, more)),
        }
    }
    let all = kinds.iter().map(|(_, n)| n).sum();
    let kinds: Vec<_> =
        kinds.iter().map(|(kind, n)| format!("{} {}", count(*n), kind.in_words())).collect();
    (all > 0).then(|| format!("and {} more: {}", count(all), kinds.join(", ")))
}

impl FindingKind {
    /// The kind in a sentence.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::HeldPermits => "held permits",
            Self::SenderKept => "sender kept",
            Self::GivenUp => "given up",
            Self::LostWakeup => "lost wake-up",
            other => other.as_str(),
        }
    }
}

impl Finding {
    /// The finding in words: one or a few lines of at most 100 characters, without a newline at the
    /// end. The cause is in the first two. Names are cut, and what cannot be seen in them is shown
    /// by its code.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, "", "");
        out.truncate(out.trim_end_matches('\n').len());
        out
    }

    fn write(&self, out: &mut String, first: &str, next: &str) {
        // A line that had to be broken goes on further in, but where the block is indented.
        let within = format!("{next}  ");
        for (n, sentence) in self.sentences().iter().enumerate() {
            words::wrap(out, sentence, if n == 0 { first } else { next }, &within);
        }
    }

    /// For how long it has lasted.
    pub(super) fn age(&self) -> i64 {
        self.seen_ns.saturating_sub(self.since_ns)
    }

    /// `12.4 s`, or `seen for 12.4 s` if nobody knows when it began.
    pub(crate) fn lasted(&self) -> String {
        let age = duration(self.age());
        if self.since_known { age } else { format!("seen for{GLUE}{age}") }
    }

    pub(super) fn ago(&self, ns: i64) -> String {
        duration(self.seen_ns.saturating_sub(ns))
    }

    /// `deadlock, unless it was moved`, or `deadlock: what`.
    pub(super) fn verdict(&self, what: &str) -> String {
        match &self.assumption {
            Some(unless) => {
                format!("{}, unless {}", self.kind.in_words(), line(unless, ASSUMPTION))
            }
            None => format!("{}: {what}", self.kind.in_words()),
        }
    }

    fn sentences(&self) -> Vec<String> {
        match &self.evidence {
            Evidence::Deadlock { cycle, behind } => self.deadlock(cycle, behind),
            Evidence::Futurelock { channel, holder, granted_at_ns, polls, waits, behind } => {
                self.futurelock(channel, holder, *granted_at_ns, *polls, waits.as_deref(), behind)
            }
            Evidence::Stalled { receiver, channels, behind } => {
                self.stalled(receiver, channels, behind)
            }
            Evidence::Starved { who, running, blocked, channels, behind } => {
                self.starved(who, running, blocked, channels, behind)
            }
            Evidence::HeldPermits { channel, reserved, granted, grants, behind } => {
                self.held_permits(channel, *reserved, *granted, grants, behind)
            }
            Evidence::SenderKept { channel, receiver, senders, made_at } => {
                self.sender_kept(channel, receiver, *senders, made_at)
            }
            Evidence::Growing { channel, per_second, elsewhere, receiver } => {
                vec![self.growing(channel, *per_second, elsewhere.as_ref(), receiver.as_ref())]
            }
            Evidence::Saturated { channel, per_second, busy, waiting, receiver } => {
                let busy = match receiver {
                    Some(who) => format!("{} is busy {}", who.shown(), percent(*busy)),
                    None => format!("the receiver is busy {}", percent(*busy)),
                };
                let pass = match per_second {
                    0.0 => "none passed just now".into(),
                    _ => format!("{} pass", rate(*per_second)),
                };
                vec![format!(
                    "{} is saturated, the bottleneck: {pass}, senders wait ({waiting:.1} on \
                     average); {busy} of the time",
                    channel.filled(),
                )]
            }
            Evidence::Turned { channel, count, per_second, share } => {
                self.turned(channel, *count, *per_second, *share)
            }
            Evidence::Lockstep { channel, send_waits, recv_waits, per_second } => vec![format!(
                "{} runs in lockstep: {} pass, and for each both sides wait ({send_waits:.1} waits \
                 to send, {recv_waits:.1} to receive); a larger capacity may cure it",
                channel.filled(),
                rate(*per_second),
            )],
            Evidence::LostWakeup { channel, who, side } => {
                let who = who.as_ref().map(|who| format!(" ({})", who.shown())).unwrap_or_default();
                let what = match side {
                    Side::Send => format!("has room and a sender waits{who}"),
                    Side::Receive => format!("has messages and its receiver waits{who}"),
                    Side::Close => format!("is closed and `closed` waits{who}"),
                };
                vec![
                    format!("{} {what}, {}", channel.filled(), self.lasted()),
                    self.verdict("this is a fault of parshall; please report it with this text"),
                ]
            }
        }
    }

    fn deadlock(&self, cycle: &[Hop], behind: &Behind) -> Vec<String> {
        let first = cycle.first().map(|hop| hop.who.shown()).unwrap_or_default();
        let alone = "it waits for itself, and cannot get on";
        let many = "each waits for the next, and none can get on";
        let verdict = self.verdict(if cycle.len() == 1 { alone } else { many });
        let chain = format!("{} -> {first}", chain(cycle, self.more_tasks));
        [chain, verdict].into_iter().chain(hanging(behind)).collect()
    }

    fn futurelock(
        &self,
        channel: &ChannelRef,
        holder: &Party,
        granted_at_ns: i64,
        polls: Option<u64>,
        waits: Option<&Hop>,
        behind: &Behind,
    ) -> Vec<String> {
        let who = holder.shown();
        // None that were seen: there may have been some before the first look.
        let ran = match polls {
            None | Some(0) => String::new(),
            Some(1) => ", has run once since,".into(),
            Some(n) => format!(", has run {} times since,", count(n)),
        };
        let head = format!(
            "{}: {who} was granted room {} ago{ran} and does not take it",
            channel.filled(),
            self.ago(granted_at_ns),
        );
        let why = self.verdict(
            "it keeps the future that was granted room and does not poll it (`select!` by `&mut`?)",
        );
        let now = waits.map(|hop| format!("{} itself waits {}", hop.who.shown(), hop.waits()));
        [head, why].into_iter().chain(now).chain(hanging(behind)).collect()
    }

    fn sender_kept(
        &self,
        channel: &ChannelRef,
        receiver: &Party,
        senders: u64,
        made_at: &[String],
    ) -> Vec<String> {
        let left = match senders {
            // Its own task made it, or one that does nothing: where it is nobody sees.
            1 => "nobody uses the one sender that is left".into(),
            n => format!("nobody uses the {} senders that are left", count(n)),
        };
        let head = format!(
            "{} has waited {} for a message in {}, and {left}",
            receiver.shown(),
            duration(self.age()),
            channel.filled(),
        );
        let why = self.verdict("nobody else can send, or close it by dropping the last sender");
        let places: Vec<_> = made_at.iter().map(|place| line(place, words::WIDTH / 2)).collect();
        let places = (!places.is_empty()).then(|| {
            let more = senders.saturating_sub(places.len() as u64);
            format!("made at {}", list(&places, more))
        });
        [head, why].into_iter().chain(places).collect()
    }

    fn growing(
        &self,
        channel: &ChannelRef,
        per_second: f64,
        elsewhere: Option<&(f64, Box<Hop>)>,
        receiver: Option<&Party>,
    ) -> String {
        let why = match (elsewhere, receiver) {
            (Some((share, hop)), _) => format!(
                "; {} waits for {} {} of the time",
                hop.who.shown(),
                hop.channel.shown(),
                percent(*share)
            ),
            (None, Some(who)) => format!("; {} receives, but less than is sent", who.shown()),
            (None, None) => "; less is received than is sent".into(),
        };
        let lasts = if self.since_known { " for " } else { ", " };
        format!(
            "{} grows: {}, +{}{lasts}{}{why}",
            channel.shown(),
            counted(channel.len, "message"),
            rate(per_second),
            self.lasted(),
        )
    }

    fn turned(&self, channel: &ChannelRef, times: u64, per_second: f64, share: f64) -> Vec<String> {
        let (what, so) = if self.kind == FindingKind::Refused {
            ("refuses `try_send`", "refused: a message is lost if its sender does not look")
        } else {
            ("has sends that are cancelled or time out", "given up: a message goes with its send")
        };
        vec![
            format!(
                "{} {what}: {}, {}, {} of all",
                channel.filled(),
                counted(times, "time"),
                rate(per_second),
                percent(share)
            ),
            so.into(),
        ]
    }
}

impl Party {
    pub(super) fn shown(&self) -> String {
        name(&self.name)
    }
}

impl ChannelRef {
    pub(super) fn shown(&self) -> String {
        name(&label(&self.name, words::NAME))
    }

    /// `wal 8/8`, or `mixer 1,200` without a capacity. It is not broken between two lines.
    pub(super) fn filled(&self) -> String {
        let fill = match self.capacity {
            Some(capacity) => format!("{}/{}", count(self.len), count(capacity)),
            None => count(self.len),
        };
        format!("{}\u{a0}{fill}", self.shown())
    }
}

impl Hop {
    /// What follows `waits`.
    pub(super) fn waits(&self) -> String {
        waits_for(self.side, &self.channel)
    }
}

pub(super) fn waits_for(side: Side, channel: &ChannelRef) -> String {
    let filled = channel.filled();
    match side {
        Side::Send => format!("for room in {filled}"),
        Side::Receive => format!("for a message in {filled}"),
        Side::Close => format!("for {} to be closed", quoted(&label(&channel.name, words::NAME))),
    }
}

/// `writer -> wal 8/8 -> flusher -> acks 4/4`.
///
/// `more`: hops that are not in it.
pub(super) fn chain(hops: &[Hop], more: u64) -> String {
    let hop = |hop: &Hop| {
        let call = match hop.side {
            Side::Send => "",
            Side::Receive => "recv\u{a0}",
            Side::Close => "closed\u{a0}",
        };
        format!("{} -> {call}{}", hop.who.shown(), hop.channel.filled())
    };
    let shown = if hops.len() > HOPS { HOPS - 1 } else { hops.len() };
    let mut parts: Vec<_> = hops[..shown].iter().map(hop).collect();
    if shown < hops.len() {
        parts.push(format!("({} more)", count((hops.len() - shown) as u64 + more)));
    }
    parts.join(" -> ")
}

/// `a, b, c and 4 more`; `more`: items that are not in it.
pub(super) fn list(items: &[String], more: u64) -> String {
    let (shown, left) = items.split_at(items.len().min(NAMES));
    let more = match left.len() as u64 + more {
        0 => String::new(),
        n => format!(" and {} more", count(n)),
    };
    format!("{}{more}", shown.join(", "))
}

/// `behind it: 37 senders, 2 receivers`.
pub(super) fn hanging(behind: &Behind) -> Option<String> {
    let who = crowd(behind)?;
    Some(format!("behind it: {who}"))
}

/// `waiting: 3 senders`.
pub(super) fn waiting(behind: &Behind) -> Option<String> {
    let who = crowd(behind)?;
    Some(format!("waiting: {who}"))
}

pub(super) fn crowd(behind: &Behind) -> Option<String> {
    let sides = [(behind.senders, "sender"), (behind.receivers, "receiver")];
    let sides: Vec<_> =
        sides.iter().filter(|(n, _)| *n > 0).map(|(n, what)| counted(*n, what)).collect();
    let names: Vec<_> = behind.some.iter().take(NAMES).map(Party::shown).collect();
    let names = if names.is_empty() {
        String::new()
    } else if names.len() as u64 == behind.senders + behind.receivers {
        format!(": {}", names.join(", "))
    } else {
        format!(", among them {}", names.join(", "))
    };
    (!sides.is_empty()).then(|| format!("{}{names}", sides.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{
        self, ago, behind, channel, deadlock, diagnosis, each_kind, finding, hop, party, receiver,
    };
    use super::super::{Blind, Evidence, Receiving};
    use super::*;

    /// Each with its kind and verdict above it.
    #[test]
    fn each_kind_has_its_sentences() {
        let texts = each_kind().into_iter().map(|finding| {
            let (kind, verdict) = (finding.kind.as_str(), finding.verdict.as_str());
            format!("[{kind}, {verdict}]\n{}\n", finding.text())
        });
        let texts = texts.collect::<Vec<_>>().join("\n");
        assert_eq!(texts, include_str!("samples.txt"), "{texts}");
    }

    /// Seen to fail with: a `Stalled` whose text said that it is no deadlock.
    #[test]
    fn only_a_deadlock_is_called_one() {
        for finding in each_kind() {
            let says = finding.text().contains("deadlock");
            assert_eq!(says, finding.kind == FindingKind::Deadlock, "{}", finding.text());
        }
    }

    /// The picture of the documentation.
    #[test]
    fn a_report_begins_with_the_verdict_and_ends_with_what_was_not_seen() {
        let growing = each_kind().into_iter().find(|f| f.kind == FindingKind::Growing).unwrap();
        let report = diagnosis(vec![deadlock(), growing.clone()]).to_string();
        let expected = "\
parshall: ingest-4711 is likely STUCK, 12.4 s
  writer -> wal 8/8 -> flusher -> acks 4/4 -> writer
  deadlock, unless the receiver of `acks` or `wal` is shared or was moved since its last receive
  behind it: 37 senders
also
  mixer grows: 2,270,000 messages, +0.5 k/s for 3 min; drain waits for peer-1 91 % of the time
blind: 5 of 31 waits are of tasks that parshall cannot see into";
        assert_eq!(report, expected);

        let signals = diagnosis(vec![growing]).to_string();
        let expected = "\
parshall: nothing is seen to be stuck in ingest-4711; worth knowing
  mixer grows: 2,270,000 messages, +0.5 k/s for 3 min; drain waits for peer-1 91 % of the time
blind: 5 of 31 waits are of tasks that parshall cannot see into";
        assert_eq!(signals, expected);

        let mut well = diagnosis(vec![]);
        well.blind = Blind::default();
        let expected = "parshall: nothing is seen to be stuck in ingest-4711\nblind: nobody waits";
        assert_eq!(well.to_string(), expected);
        well.first_look_ns = well.second_look_ns;
        well.blind = Blind {
            waits: 1,
            unknown_waits: 1,
            uncertain_waits: 1,
            nameless_tasks: 2,
            untracked: 3,
        };
        let expected = "\
parshall: ingest-4711 was looked at once; only a second look tells more
blind: 1 of 1 wait is of tasks that parshall cannot see into, 1 known by a waker only; 2 waiting
  tasks without a name; 3 untracked channels";
        assert_eq!(well.to_string(), expected);
    }

    /// Seen to fail without the limit.
    #[test]
    fn many_findings_and_long_chains_are_counted() {
        let mut findings = vec![deadlock()];
        findings.extend((0..40).map(|_| each_kind().pop().unwrap()));
        findings.extend((0..2_000).map(|_| deadlock()));
        let report = diagnosis(findings).to_string();
        let expected = "  and 2,028 more: 28 lost wake-up, 2,000 deadlock";
        assert!(report.lines().any(|line| line == expected), "{report}");
        assert!(report.lines().count() < 40);

        let ring: Vec<_> = (0..1_000)
            .map(|n| hop(&format!("task-{n}"), Side::Send, channel(&format!("c{n}"), 1, 1), None))
            .collect();
        let evidence = Evidence::Deadlock { cycle: ring, behind: behind(0, 9, &["x", "y"]) };
        let text = finding(FindingKind::Deadlock, Verdict::Proven, evidence).text();
        assert!(text.contains("-> c10 1/1 -> (989 more) -> task-0\n"), "{text}");
        assert!(text.ends_with("behind it: 9 receivers, among them x, y"), "{text}");
    }

    /// Names of every bad sort, everywhere: no line is too long, none is broken by a name, and
    /// nothing that cannot be seen is in it.
    ///
    /// Seen to fail with: a location, and an assumption, that were not escaped.
    #[test]
    fn bad_names_stay_on_their_line() {
        let long = "x".repeat(10_000);
        let spaced = "a b ".repeat(2_500);
        let turned = format!("\u{202e}{}\u{2067}", "ab\u{200f}".repeat(3_000));
        let names = [
            "\"q\" 'q' `q`",
            "two\nlines\r\n\u{85}\u{2028}",
            &long,
            &spaced,
            &turned,
            "",
            "\u{1b}[31m",
        ];
        for bad in names {
            for mut sample in each_kind() {
                samples::rename(&mut sample, bad);
                let mut all = diagnosis(vec![sample.clone(), sample.clone()]);
                all.process = bad.to_owned();
                for text in [sample.text(), all.to_string()] {
                    for line in text.lines() {
                        assert!(line.chars().count() <= 100, "{line}");
                        assert!(line.chars().all(shows), "{line:?}");
                    }
                    assert!(text.lines().count() <= 24, "{text}");
                }
            }
        }
        fn shows(c: char) -> bool {
            !c.is_control()
                && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        }
        let hop = hop("a", Side::Send, channel("two\nlines", 1, 1), None);
        let stalled = Evidence::Stalled {
            receiver: receiver(
                channel("q", 1, 1),
                Some("two words"),
                Receiving::WaitsFor { chain: vec![hop], end: None },
            ),
            channels: vec![],
            behind: Behind::default(),
        };
        let mut stalled = finding(FindingKind::Stalled, Verdict::Stuck, stalled);
        stalled.since_ns = ago(-5.0);
        assert_eq!(
            stalled.text(),
            "q 1/1 is stalled, 0 s: `two words` received last; it waits for room in `two\\nlines` \
             1/1"
        );
        assert_eq!(party("x").shown(), "x");
    }
}
