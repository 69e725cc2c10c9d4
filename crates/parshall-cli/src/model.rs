//! What is shown: the last snapshot, what has changed since the one before, and what is wrong.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use parshall::introspect::{Diagnoser, Diagnosis, Settings, Verdict};
use parshall::task::TaskRef;
use parshall::{ChannelSnapshot, Snapshot, TaskSnapshot, WaitSnapshot};

use crate::graph::task_name;
use crate::mark::{Mark, marked};

/// In what order channels are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Hurts,
    Wait,
    Fill,
    In,
    Out,
    Name,
}

impl Sort {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hurts => "what hurts",
            Self::Wait => "oldest wait",
            Self::Fill => "fill",
            Self::In => "in/s",
            Self::Out => "out/s",
            Self::Name => "name",
        }
    }

    pub(crate) fn next(self) -> Self {
        match self {
            Self::Hurts => Self::Wait,
            Self::Wait => Self::Fill,
            Self::Fill => Self::In,
            Self::In => Self::Out,
            Self::Out => Self::Name,
            Self::Name => Self::Hurts,
        }
    }
}

/// Who waits for what in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// `send`, `granted`, `recv` or `closed`.
    pub(crate) what: &'static str,
    /// Those that have a name or a number, each once, in line.
    pub(crate) names: Vec<String>,
    /// Waits.
    pub(crate) waits: usize,
    /// The oldest of them, in nanoseconds.
    pub(crate) oldest_ns: i64,
}

/// A channel, and what is known of it beside its snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) channel: &'a ChannelSnapshot,
    /// Messages in and out a second; none before the second look.
    pub(crate) rates: Option<(f64, f64)>,
    /// The worst finding that it is part of.
    pub(crate) mark: Option<Mark>,
}

impl Row<'_> {
    /// The share that is taken; none if unbounded.
    pub(crate) fn fill(&self) -> Option<f64> {
        self.channel.stats.utilization
    }

    /// In a word.
    pub(crate) fn state(&self) -> String {
        let stats = &self.channel.stats;
        let taken = stats.queue_len.saturating_add(stats.reserved);
        let is_full = stats.capacity.is_some_and(|all| taken >= all);
        let state = match self.mark {
            Some(mark) => return marked(mark),
            None if stats.receiver_closed => "closed",
            None if stats.sender_closed => "no senders",
            None if is_full => "full",
            None if stats.queue_len == 0 && self.rates.is_none_or(|(sent, _)| sent == 0.0) => {
                "idle"
            }
            None => "flows",
        };
        state.to_owned()
    }

    /// The age of the oldest wait that is somebody's trouble: a receiver that waits is none.
    fn trouble_ns(&self, now: i64) -> i64 {
        let waits = self.channel.send_waits.iter().chain(&self.channel.close_waits);
        waits.map(|wait| now.saturating_sub(wait.since_ns)).max().unwrap_or(0)
    }

    /// The first has the most trouble, of one program or of several.
    pub(crate) fn hurts(
        &self,
        now: i64,
    ) -> (u8, Reverse<i64>, Reverse<usize>, Reverse<u64>, Reverse<u64>) {
        let rank = match self.mark.map(|(verdict, _)| verdict) {
            Some(Verdict::Proven) => 0,
            Some(Verdict::Conditional) => 1,
            Some(Verdict::Stuck) => 2,
            Some(_) => 3,
            None => 4,
        };
        let fill = (self.fill().unwrap_or(0.0) * 1000.0) as u64;
        let sent = self.rates.map_or(0.0, |(sent, _)| sent) as u64;
        let waits = self.channel.send_waits.len();
        (rank, Reverse(self.trouble_ns(now)), Reverse(waits), Reverse(fill), Reverse(sent))
    }
}

/// What was counted at the last look.
#[derive(Clone, Copy, Debug)]
struct Seen {
    age_ns: i64,
    sent: u64,
    received: u64,
}

/// What is wrong, look after look.
#[derive(Debug)]
pub(crate) struct Looks {
    settings: Settings,
    diagnoser: Diagnoser,
    /// The process of the last look, and when that was.
    last: Option<(String, i64)>,
}

impl Looks {
    fn new(settings: Settings) -> Self {
        Self { diagnoser: Diagnoser::new(settings.clone()), settings, last: None }
    }

    /// None: the snapshot is no later than the last one, and says nothing new.
    fn look(&mut self, snapshot: &Snapshot) -> Option<Diagnosis> {
        if self.last.as_ref().is_some_and(|(process, _)| *process != snapshot.proc_key) {
            *self = Self::new(self.settings.clone());
        }
        let looked = self.diagnoser.look(snapshot).or_else(|error| {
            let Some(&(_, last)) = self.last.as_ref() else { return Err(error) };
            // The clock was set back, and no channel is left that tells by how much: all begins
            // anew.
            if snapshot.taken_at_ns < last {
                self.diagnoser = Diagnoser::new(self.settings.clone());
            }
            self.diagnoser.look(snapshot)
        });
        let diagnosis = looked.ok()?;
        self.last = Some((snapshot.proc_key.clone(), snapshot.taken_at_ns));
        Some(diagnosis)
    }
}

/// As [`Looks::look`].
pub(crate) fn look(looks: &Mutex<Looks>, snapshot: &Snapshot) -> Option<Diagnosis> {
    looks.lock().unwrap_or_else(PoisonError::into_inner).look(snapshot)
}

#[derive(Debug)]
pub(crate) struct Model {
    /// Behind a lock of its own: a look takes long, and what is shown can be read meanwhile.
    pub(crate) looks: Arc<Mutex<Looks>>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) diagnosis: Option<Diagnosis>,
    /// Of channels, by number.
    seen: HashMap<u64, Seen>,
    rates: HashMap<u64, (f64, f64)>,
    /// The worst finding that each is part of, by the number of the channel, and by task.
    marks: HashMap<u64, Mark>,
    task_marks: HashMap<TaskRef, Mark>,
    names: HashMap<TaskRef, String>,
    /// Another process has taken the place of the one that was shown.
    pub(crate) has_restarted: bool,
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::of(Arc::new(Mutex::new(Looks::new(settings))))
    }

    fn of(looks: Arc<Mutex<Looks>>) -> Self {
        Self {
            looks,
            snapshot: None,
            diagnosis: None,
            seen: HashMap::new(),
            rates: HashMap::new(),
            marks: HashMap::new(),
            task_marks: HashMap::new(),
            names: HashMap::new(),
            has_restarted: false,
        }
    }

    /// The next snapshot.
    pub(crate) fn take(&mut self, snapshot: Snapshot) {
        if let Some(diagnosis) = look(&self.looks, &snapshot) {
            self.show(snapshot, diagnosis);
        }
    }

    /// The next snapshot, and what [`look`] says of it.
    pub(crate) fn show(&mut self, snapshot: Snapshot, diagnosis: Diagnosis) {
        if self.snapshot.as_ref().is_some_and(|last| last.proc_key != snapshot.proc_key) {
            *self = Self { has_restarted: true, ..Self::of(self.looks.clone()) };
        }
        self.measure(&snapshot);
        self.marks.clear();
        self.task_marks.clear();
        // The worst is first.
        for finding in &diagnosis.findings {
            let mark = (finding.verdict, finding.kind);
            for channel in &finding.channels {
                self.marks.entry(channel.channel_id).or_insert(mark);
            }
            // Who receives from a channel that grows is no trouble by itself.
            for task in finding.tasks.iter().filter(|_| finding.verdict != Verdict::Signal) {
                self.task_marks.entry(task.task).or_insert(mark);
            }
        }
        self.names = snapshot.tasks.iter().map(|task| (task.task, task_name(task))).collect();
        self.diagnosis = Some(diagnosis);
        self.snapshot = Some(snapshot);
    }

    /// Rates. The time between two looks is by how much a channel became older: that stays true if
    /// somebody sets the clock.
    fn measure(&mut self, snapshot: &Snapshot) {
        let before = std::mem::take(&mut self.seen);
        self.rates.clear();
        for channel in &snapshot.channels {
            let stats = &channel.stats;
            let now = Seen {
                age_ns: snapshot.taken_at_ns.saturating_sub(stats.created_at_ns),
                sent: stats.sent_total,
                received: stats.recv_total,
            };
            let id = stats.channel_id;
            if let Some(then) = before.get(&id)
                && now.age_ns > then.age_ns
            {
                let secs = now.age_ns.abs_diff(then.age_ns) as f64 / 1e9;
                let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / secs;
                let rates = (rate(now.sent, then.sent), rate(now.received, then.received));
                self.rates.insert(id, rates);
            }
            self.seen.insert(id, now);
        }
    }

    /// When the last snapshot was taken.
    pub(crate) fn now_ns(&self) -> i64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.taken_at_ns)
    }

    fn row<'a>(&'a self, channel: &'a ChannelSnapshot) -> Row<'a> {
        Row {
            channel,
            rates: self.rates.get(&channel.stats.channel_id).copied(),
            mark: self.marks.get(&channel.stats.channel_id).copied(),
        }
    }

    /// Every channel, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Row<'_>> {
        self.channels().iter().map(|channel| self.row(channel))
    }

    fn channels(&self) -> &[ChannelSnapshot] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.channels)
    }

    fn all_tasks(&self) -> &[TaskSnapshot] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.tasks)
    }

    pub(crate) fn channel(&self, id: u64) -> Option<Row<'_>> {
        let channel = self.channels().iter().find(|channel| channel.stats.channel_id == id)?;
        Some(self.row(channel))
    }

    pub(crate) fn task(&self, task: TaskRef) -> Option<&TaskSnapshot> {
        self.all_tasks().iter().find(|known| known.task == task)
    }

    /// The name of a task; what is not known has none.
    pub(crate) fn name(&self, task: Option<TaskRef>) -> String {
        task.and_then(|task| self.names.get(&task)).cloned().unwrap_or_else(|| "unknown".into())
    }

    /// The worst finding that a task is part of, if that is more than a signal.
    pub(crate) fn mark(&self, task: TaskRef) -> Option<Mark> {
        self.task_marks.get(&task).copied()
    }

    /// The channels whose name, or the name of who waits there, has `filter` in it.
    pub(crate) fn rows(&self, filter: &str, sort: Sort) -> Vec<Row<'_>> {
        let filter = filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&filter);
        let is_meant = |channel: &&ChannelSnapshot| {
            filter.is_empty()
                || has(&channel.stats.label)
                || waits(channel).any(|(_, wait)| wait.task.is_some() && has(&self.name(wait.task)))
        };
        let meant = self.channels().iter().filter(is_meant);
        let mut rows: Vec<_> = meant.map(|channel| self.row(channel)).collect();
        let now = self.now_ns();
        let milli = |rate: f64| (rate * 1000.0) as u64;
        let sent = |row: &Row<'_>| row.rates.map_or(0, |(sent, _)| milli(sent));
        let received = |row: &Row<'_>| row.rates.map_or(0, |(_, received)| milli(received));
        // Stable: of what is alike, the channel that was made first.
        rows.sort_by_key(|row| row.channel.stats.channel_id);
        match sort {
            Sort::Hurts => rows.sort_by_cached_key(|row| row.hurts(now)),
            Sort::Wait => rows.sort_by_cached_key(|row| Reverse(row.trouble_ns(now))),
            Sort::Fill => rows.sort_by_cached_key(|row| {
                let share = row.fill().map_or(0, milli);
                Reverse((share, row.channel.stats.queue_len))
            }),
            Sort::In => rows.sort_by_cached_key(|row| Reverse(sent(row))),
            Sort::Out => rows.sort_by_cached_key(|row| Reverse(received(row))),
            Sort::Name => rows.sort_by(|a, b| a.channel.stats.label.cmp(&b.channel.stats.label)),
        }
        rows
    }

    /// The tasks whose name has `filter` in it, those that have waited longest first.
    pub(crate) fn tasks(&self, filter: &str) -> Vec<&TaskSnapshot> {
        let filter = filter.to_lowercase();
        let is_meant = |task: &&TaskSnapshot| {
            filter.is_empty() || self.name(Some(task.task)).to_lowercase().contains(&filter)
        };
        let mut tasks: Vec<_> = self.all_tasks().iter().filter(is_meant).collect();
        tasks.sort_by_key(|task| (task.waiting_since_ns.unwrap_or(i64::MAX), task.task));
        tasks
    }

    /// What a task waits for, and what it received from last.
    pub(crate) fn of_task(&self, task: TaskRef) -> (Vec<Waits<'_>>, Vec<Row<'_>>) {
        let (mut waiting, mut receives) = (Vec::new(), Vec::new());
        for channel in self.channels() {
            let its = waits(channel).filter(|(_, wait)| wait.task == Some(task));
            waiting.extend(its.map(|(_, wait)| Waits { row: self.row(channel), wait }));
            if channel.last_receiver == Some(task) {
                receives.push(self.row(channel));
            }
        }
        (waiting, receives)
    }

    /// Who waits in a channel, by what they wait for: those that hurt first.
    pub(crate) fn crowds(&self, channel: &ChannelSnapshot) -> Vec<Crowd> {
        let mut crowds: Vec<Crowd> = Vec::new();
        let now = self.now_ns();
        for (what, wait) in waits(channel) {
            let since = wait.granted_at_ns.unwrap_or(wait.since_ns);
            let age = now.saturating_sub(since);
            let known = crowds.iter().position(|crowd| crowd.what == what);
            let at = known.unwrap_or_else(|| {
                crowds.push(Crowd { what, names: Vec::new(), waits: 0, oldest_ns: age });
                crowds.len() - 1
            });
            let crowd = &mut crowds[at];
            crowd.waits += 1;
            crowd.oldest_ns = crowd.oldest_ns.max(age);
            // More than these are never shown.
            let name = self.name(wait.task);
            if wait.task.is_some() && crowd.names.len() < 16 && !crowd.names.contains(&name) {
                crowd.names.push(name);
            }
        }
        crowds.sort_by_key(|crowd| {
            ["send", "granted", "closed"].iter().position(|&w| w == crowd.what).unwrap_or(9)
        });
        crowds
    }
}

/// A wait, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits<'a> {
    pub(crate) row: Row<'a>,
    pub(crate) wait: &'a WaitSnapshot,
}

/// Every wait of a channel, and what it is for.
fn waits(channel: &ChannelSnapshot) -> impl Iterator<Item = (&'static str, &WaitSnapshot)> {
    let send = channel.send_waits.iter().map(|wait| match wait.granted_at_ns {
        None => ("send", wait),
        Some(_) => ("granted", wait),
    });
    let receive = channel.recv_wait.iter().map(|wait| ("recv", wait));
    send.chain(receive).chain(channel.close_waits.iter().map(|wait| ("closed", wait)))
}
