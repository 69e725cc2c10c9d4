//! Which findings were told of, so that each is told when it appears and when it ends, and not at
//! each look. The same of a recording that fails.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use parshall::introspect::{Diagnosis, Finding, FindingKind, Verdict};

/// A finding is over when so many looks in a row have not had it: one that flickers is one.
const GONE_AFTER: u32 = 3;

/// So many findings that appear at one look are told one by one.
const AT_ONCE: usize = 10;

/// What changed.
#[derive(Debug)]
pub(crate) enum News {
    /// It was not there before, or was less sure.
    Found(Box<Finding>),
    /// It is no longer there.
    Over { line: String, lasted: Duration },
    /// So many have appeared and ended beside those that are told.
    More { found: usize, over: usize },
}

#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<Key, Entry>);

/// What a finding is about, without what changes from look to look: its kind, and its worst channel
/// or, without one, its first task.
type Key = (FindingKind, Option<String>);

#[derive(Debug)]
struct Entry {
    verdict: Verdict,
    since_ns: i64,
    seen_ns: i64,
    line: String,
    /// For so many looks it was not there.
    gone: u32,
}

impl Entry {
    fn new(finding: &Finding) -> Self {
        Self {
            verdict: finding.verdict,
            since_ns: finding.since_ns,
            seen_ns: finding.seen_ns,
            line: finding.text().lines().next().unwrap_or_default().to_owned(),
            gone: 0,
        }
    }

    fn lasted(&self) -> Duration {
        Duration::from_nanos(self.seen_ns.saturating_sub(self.since_ns).max(0) as u64)
    }
}

fn key(finding: &Finding) -> Key {
    let channel = finding.channels.first().map(|channel| &channel.id);
    (finding.kind, channel.or(finding.tasks.first().map(|task| &task.id)).cloned())
}

impl Told {
    /// Nothing was told that is not over.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is new at this look.
    pub(crate) fn look(&mut self, diagnosis: &Diagnosis) -> Vec<News> {
        // One look says nothing, so it does not say that all is well again.
        if diagnosis.first_look_ns == diagnosis.second_look_ns {
            return Vec::new();
        }
        for entry in self.0.values_mut() {
            entry.gone += 1;
        }
        let mut found = Vec::new();
        for finding in &diagnosis.findings {
            let entry = self.0.entry(key(finding));
            let entry = entry.or_insert_with(|| {
                found.push(finding);
                Entry::new(finding)
            });
            // The surest verdict is the least.
            if finding.verdict < entry.verdict {
                found.push(finding);
                *entry = Entry::new(finding);
            }
            (entry.since_ns, entry.seen_ns, entry.gone) = (finding.since_ns, finding.seen_ns, 0);
        }
        let mut over = Vec::new();
        self.0.retain(|_, entry| {
            let stays = entry.gone < GONE_AFTER;
            if !stays {
                let (line, lasted) = (mem::take(&mut entry.line), entry.lasted());
                over.push(News::Over { line, lasted });
            }
            stays
        });
        let more = |all: usize| all.saturating_sub(AT_ONCE);
        let left = (more(found.len()), more(over.len()));
        let over = over.into_iter().take(AT_ONCE);
        let found = found.into_iter().take(AT_ONCE);
        let mut news: Vec<_> = over.collect();
        news.extend(found.map(|finding| News::Found(Box::new(finding.clone()))));
        if left != (0, 0) {
            news.push(News::More { found: left.0, over: left.1 });
        }
        news
    }
}

/// What was told of the recording.
#[cfg(feature = "record")]
#[derive(Debug, Default)]
pub(super) struct Recorded {
    is_failing: bool,
    has_missed: bool,
}

#[cfg(feature = "record")]
impl Recorded {
    /// What is new: that recording fails, or works again, and that a snapshot was missed, the first
    /// of all.
    pub(super) fn news<E: std::fmt::Display>(
        &mut self,
        recorded: Option<Result<i64, E>>,
        missed: u64,
    ) -> impl Iterator<Item = String> + use<E> {
        let is_first = missed > 0 && !mem::replace(&mut self.has_missed, true);
        let missed = is_first.then(|| {
            "a snapshot takes longer than the second between two: those that are missed are \
             counted in the recording, in `processes.missed`"
                .to_owned()
        });
        let recorded = match recorded {
            Some(Err(error)) if !mem::replace(&mut self.is_failing, true) => {
                Some(format!("{error}; it is tried again each second"))
            }
            Some(Ok(_)) if mem::take(&mut self.is_failing) => {
                Some("snapshots are recorded again".to_owned())
            }
            _ => None,
        };
        missed.into_iter().chain(recorded)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use parshall::introspect::{Diagnoser, Settings};
    use parshall::mpsc;

    use super::*;

    /// Seen to fail with: news at each look, one look that ends a finding, and none that does.
    #[test]
    fn a_finding_is_told_once_and_its_end_once() {
        let mut settings = Settings::default();
        settings.stuck_after = Duration::from_millis(1);
        let mut diagnoser = Diagnoser::new(settings);
        let mut told = Told::default();
        let mut look = || {
            thread::sleep(Duration::from_millis(3));
            let mut diagnosis = diagnoser.look(&parshall::snapshot()).unwrap();
            // Other tests have channels, too.
            let ours = |finding: &Finding| finding.channels[0].name == "told";
            diagnosis.findings.retain(|finding| finding.channels.len() == 1 && ours(finding));
            told.look(&diagnosis)
        };
        let (tx, mut rx) = mpsc::Builder::new().name("told").capacity(2).build();
        assert!(look().is_empty(), "one look says nothing");
        tx.try_send(1).unwrap();
        look();
        // It was found at the look before, or is now.
        look();
        for _ in 0..5 {
            assert!(look().is_empty(), "it was told");
        }
        rx.try_recv().unwrap();
        assert!(look().is_empty() && look().is_empty());
        let over = look();
        assert!(
            matches!(&over[..], [News::Over { line, .. }] if line.contains("told")),
            "{over:?}"
        );
        assert!(look().is_empty());
        tx.try_send(2).unwrap();
        let found: Vec<_> = (0..4).flat_map(|_| look()).collect();
        assert!(
            matches!(&found[..], [News::Found(f)] if f.kind == FindingKind::Stalled),
            "{found:?}"
        );
    }

    /// Seen to fail with: each missed snapshot told; failures that are told once and for all.
    #[cfg(feature = "record")]
    #[test]
    fn a_recording_tells_what_begins_and_ends() {
        let mut told = Recorded::default();
        let mut hear = |recorded, missed| told.news(recorded, missed).collect::<Vec<_>>();
        let nothing = Vec::<String>::new();
        assert_eq!(hear(Some(Ok(1)), 0), nothing);
        let both = hear(Some(Err("the disk is full")), 3);
        assert!(both[0].starts_with("a snapshot takes longer than the second"), "{both:?}");
        assert_eq!(both[1..], ["the disk is full; it is tried again each second"]);
        assert_eq!(hear(Some(Err("the disk is full")), 1), nothing);
        assert_eq!(hear(None, 0), nothing);
        assert_eq!(hear(Some(Ok(2)), 1), ["snapshots are recorded again"]);
        assert_eq!(hear(Some(Ok(3)), 1), nothing);
        assert_eq!(hear(Some(Err("it is gone")), 0), ["it is gone; it is tried again each second"]);
    }
}
