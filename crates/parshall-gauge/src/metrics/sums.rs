//! The channels of a program, summed by the name that they were created with.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use parshall::introspect::{Diagnosis, FindingKind, Verdict};
use parshall::{ChannelSnapshot, RetiredSnapshot, Snapshot, WaitHistogram};

use super::process::{Identity, OTHER};
use super::program::Program;

/// A program.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) label: String,
    pub(super) untracked: u64,
    /// None: two looks are needed.
    pub(super) found: Option<Found>,
    pub(super) names: BTreeMap<String, Sums>,
}

/// What was found, in numbers.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) by_verdict: BTreeMap<Verdict, u64>,
    /// Tasks in a deadlock.
    pub(super) deadlocked: BTreeMap<Verdict, u64>,
}

/// A word for each side of a channel, on which somebody may wait.
pub(super) const SIDES: [&str; 3] = ["send", "recv", "close"];

/// The channels of a name.
#[derive(Debug, Default)]
pub(super) struct Sums {
    // Of those that live.
    pub(super) channels: u64,
    pub(super) queue_length: u64,
    pub(super) capacity: Option<u64>,
    pub(super) high_watermark: u64,
    pub(super) utilization: Option<f64>,
    pub(super) reserved: u64,
    pub(super) senders: u64,
    /// As [`SIDES`].
    pub(super) waiters: [u64; 3],
    pub(super) oldest_ns: [u64; 3],
    pub(super) granted: u64,
    pub(super) stalled: BTreeMap<&'static str, u64>,
    pub(super) about: Option<About>,
    // Of all.
    pub(super) created: u64,
    /// As the first two of [`SIDES`].
    pub(super) closed: [u64; 2],
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) discarded: u64,
    pub(super) refused_full: u64,
    pub(super) refused_closed: u64,
    pub(super) send_waits: u64,
    pub(super) send_wait_ns: u64,
    pub(super) cancelled_sends: u64,
    pub(super) recv_waits: u64,
    pub(super) recv_wait_ns: u64,
    pub(super) cancelled_receives: u64,
    /// As the first two of [`SIDES`]. None where nobody ever waits, or the program does not tell.
    pub(super) waits: [Option<Waits>; 2],
}

/// Waits that have ended, by how long they lasted.
#[derive(Debug)]
pub(super) struct Waits {
    /// As [`WaitHistogram::buckets`].
    buckets: Vec<(Duration, u64)>,
    pub(super) total_ns: u64,
}

/// What the channels of a name are, as far as they agree; empty where they do not.
#[derive(Debug)]
pub(super) struct About {
    pub(super) location: String,
    pub(super) kind: &'static str,
    pub(super) payload: String,
}

impl Process {
    pub(super) fn sum(program: &Program<'_>, known: &mut Identity) -> Self {
        let Program { snapshot, diagnosis } = *program;
        let mut names = BTreeMap::<String, Sums>::new();
        // By channel id: the names that came first have series of their own.
        for channel in &snapshot.channels {
            let place = place(snapshot, channel, known);
            names.entry(place).or_default().add_live(channel, snapshot.taken_at_ns);
        }
        for retired in &snapshot.retired {
            names.entry(known.place(&retired.name).into_owned()).or_default().add_dead(retired);
        }
        // Of one look nothing can be said.
        let found = diagnosis.filter(|it| it.first_look_ns != it.second_look_ns).map(|diagnosis| {
            stall(snapshot, diagnosis, known, &mut names);
            Found::of(diagnosis)
        });
        Self { label: known.label.clone(), untracked: snapshot.untracked, found, names }
    }
}

/// Where a channel that lives is counted.
fn place(snapshot: &Snapshot, channel: &ChannelSnapshot, known: &mut Identity) -> String {
    match first_name(snapshot, &channel.id) {
        Some(name) => known.place(&name).into_owned(),
        // When it ends, its sums are of no name.
        None => OTHER.to_owned(),
    }
}

/// The name that a channel was created with. None: of names too many for the program to remember.
///
/// An id is `mpsc:{process}:{name}` and `#n` or, for the latter, `#c` and a number; in the name
/// `:`, `%`, `#` and control characters are percent-encoded.
fn first_name(snapshot: &Snapshot, id: &str) -> Option<String> {
    let rest = id.strip_prefix("mpsc:")?.strip_prefix(&snapshot.process)?.strip_prefix(':')?;
    let (name, number) = rest.split_once('#').unwrap_or((rest, ""));
    (!number.starts_with('c')).then(|| decode(name))
}

fn decode(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        if let Some(byte) = byte.filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Counts the channels in which something is stuck, each once a reason.
fn stall(
    snapshot: &Snapshot,
    diagnosis: &Diagnosis,
    known: &mut Identity,
    names: &mut BTreeMap<String, Sums>,
) {
    let stuck = || diagnosis.findings.iter().filter(|found| found.verdict != Verdict::Signal);
    if stuck().next().is_none() {
        return;
    }
    // As they are there: a finding cuts what is long.
    let ids: HashMap<u64, &str> =
        snapshot.channels.iter().map(|it| (it.stats.channel_id, &*it.id)).collect();
    let mut counted = HashSet::new();
    for finding in stuck() {
        let reason = finding.kind.as_str();
        for channel in &finding.channels {
            if counted.insert((reason, channel.channel_id)) {
                let id = ids.get(&channel.channel_id);
                let place = id
                    .and_then(|id| first_name(snapshot, id))
                    .map_or(OTHER.to_owned(), |name| known.place(&name).into_owned());
                *names.entry(place).or_default().stalled.entry(reason).or_default() += 1;
            }
        }
    }
}

impl Found {
    fn of(diagnosis: &Diagnosis) -> Self {
        let mut by_verdict = BTreeMap::from(
            [Verdict::Proven, Verdict::Conditional, Verdict::Stuck, Verdict::Signal]
                .map(|it| (it, 0)),
        );
        let mut deadlocked =
            BTreeMap::from([Verdict::Proven, Verdict::Conditional].map(|it| (it, 0)));
        let mut counted = HashSet::new();
        // The surest is first: a task counts once.
        for finding in &diagnosis.findings {
            *by_verdict.entry(finding.verdict).or_default() += 1;
            if finding.kind == FindingKind::Deadlock {
                let new = finding.tasks.iter().filter(|task| counted.insert(&task.id)).count();
                *deadlocked.entry(finding.verdict).or_default() += new as u64 + finding.more_tasks;
            }
        }
        for left in &diagnosis.left_out {
            *by_verdict.entry(left.verdict).or_default() += left.findings;
        }
        Self { by_verdict, deadlocked }
    }
}

/// What a program says of itself may be any number.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

impl Waits {
    fn add(sum: &mut Option<Self>, more: Option<WaitHistogram>) {
        let Some(more) = more else { return };
        let sum = sum.get_or_insert_with(|| Self {
            buckets: more.buckets().map(|(bound, _)| (bound, 0)).collect(),
            total_ns: 0,
        });
        add(&mut sum.total_ns, u64::try_from(more.total().as_nanos()).unwrap_or(u64::MAX));
        for ((_, sum), (_, n)) in sum.buckets.iter_mut().zip(more.buckets()) {
            add(sum, n);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |&(_, all)| all)
    }

    /// The bound of each bucket in seconds, and its waits without those of the one before.
    pub(super) fn each(&self) -> Vec<(f64, u64)> {
        let mut before = 0;
        let each = self.buckets.iter().map(|&(bound, n)| {
            let seconds = if bound == Duration::MAX { f64::INFINITY } else { bound.as_secs_f64() };
            (seconds, n - std::mem::replace(&mut before, n))
        });
        each.collect()
    }
}

impl Sums {
    fn add_live(&mut self, channel: &ChannelSnapshot, now_ns: i64) {
        let stats = &channel.stats;
        add(&mut self.channels, 1);
        add(&mut self.queue_length, stats.queue_len);
        if let Some(capacity) = stats.capacity {
            add(self.capacity.get_or_insert_default(), capacity);
        }
        self.high_watermark = self.high_watermark.max(stats.high_watermark);
        if let Some(utilization) = stats.utilization {
            self.utilization = Some(self.utilization.map_or(utilization, |it| it.max(utilization)));
        }
        add(&mut self.reserved, stats.reserved);
        add(&mut self.senders, stats.sender_count);
        let close = &channel.close_waits;
        let close_ns = close.iter().map(|wait| now_ns.saturating_sub(wait.since_ns)).max();
        let close_ns = close_ns.map_or(0, |age| age.max(0) as u64);
        let waiters = [stats.send_waiters, stats.recv_waiters, close.len() as u64];
        let oldest_ns = [
            stats.oldest_send_wait_ns.unwrap_or(0),
            stats.oldest_recv_wait_ns.unwrap_or(0),
            close_ns,
        ];
        for side in 0..SIDES.len() {
            add(&mut self.waiters[side], waiters[side]);
            self.oldest_ns[side] = self.oldest_ns[side].max(oldest_ns[side]);
        }
        add(&mut self.granted, stats.granted_waiters);
        let kind = if stats.bounded { "bounded" } else { "unbounded" };
        match &mut self.about {
            Some(about) => about.agree(&stats.location, kind, &stats.payload),
            about => {
                let (location, payload) = (stats.location.to_string(), stats.payload.to_string());
                *about = Some(About { location, kind, payload });
            }
        }
        add(&mut self.created, 1);
        add(&mut self.closed[0], u64::from(stats.sender_closed));
        add(&mut self.closed[1], u64::from(stats.receiver_closed));
        add(&mut self.sent, stats.sent_total);
        add(&mut self.received, stats.recv_total);
        add(&mut self.discarded, stats.discarded);
        add(&mut self.refused_full, stats.full_total);
        add(&mut self.refused_closed, stats.closed_total);
        add(&mut self.send_waits, stats.send_waits_total);
        add(&mut self.send_wait_ns, stats.send_wait_total_ns);
        add(&mut self.cancelled_sends, stats.send_given_up_total);
        add(&mut self.recv_waits, stats.recv_waits_total);
        add(&mut self.recv_wait_ns, stats.recv_wait_total_ns);
        add(&mut self.cancelled_receives, stats.recv_given_up_total);
        let [sends, receives] = &mut self.waits;
        Waits::add(sends, stats.send_wait_histogram);
        Waits::add(receives, stats.recv_wait_histogram);
    }

    fn add_dead(&mut self, retired: &RetiredSnapshot) {
        let sums = &retired.sums;
        add(&mut self.created, sums.channels);
        // Both sides are gone.
        self.closed.iter_mut().for_each(|closed| add(closed, sums.channels));
        add(&mut self.sent, sums.sent_total);
        add(&mut self.received, sums.recv_total);
        add(&mut self.discarded, sums.discarded);
        add(&mut self.refused_full, sums.full_total);
        add(&mut self.refused_closed, sums.closed_total);
        add(&mut self.send_waits, sums.send_waits_total);
        add(&mut self.send_wait_ns, sums.send_wait_total_ns);
        add(&mut self.cancelled_sends, sums.send_given_up_total);
        add(&mut self.recv_waits, sums.recv_waits_total);
        add(&mut self.recv_wait_ns, sums.recv_wait_total_ns);
        add(&mut self.cancelled_receives, sums.recv_given_up_total);
        let [sends, receives] = &mut self.waits;
        Waits::add(sends, sums.send_wait_histogram);
        Waits::add(receives, sums.recv_wait_histogram);
    }
}

impl About {
    fn agree(&mut self, location: &str, kind: &str, payload: &str) {
        if self.location != location {
            self.location.clear();
        }
        if self.kind != kind {
            self.kind = "";
        }
        if self.payload != payload {
            self.payload.clear();
        }
    }
}
