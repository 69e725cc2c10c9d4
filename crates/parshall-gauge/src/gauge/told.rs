//! Which findings were told of, so that each is told when it appears and when it ends, and not at
//! each look.

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
}
