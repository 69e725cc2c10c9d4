//! Snapshots made by hand: a program as it stands, and looks at it.

use super::super::{Diagnoser, Diagnosis, Finding, FindingKind, Settings, Verdict};
use crate::task::{TaskKind, TaskRef, TaskState};
use crate::{
    Call, ChannelSnapshot, ChannelStats, LeftWaker, SenderSnapshot, Snapshot, TaskSnapshot,
    WaitSnapshot,
};

pub(super) const SECOND: i64 = 1_000_000_000;

/// When programs were started, and when they are looked at first.
pub(super) const START: i64 = 1_000 * SECOND;
pub(super) const FIRST: i64 = START + 100 * SECOND;

/// A program. Its fields are changed freely between looks.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) now: i64,
    pub(super) channels: Vec<ChannelSnapshot>,
    pub(super) tasks: Vec<TaskSnapshot>,
    next: u64,
}

pub(super) fn reference(kind: TaskKind, number: u64) -> TaskRef {
    let tag = match kind {
        TaskKind::Named => 1,
        TaskKind::Tokio => 2,
        TaskKind::Thread => 3,
        TaskKind::Waker => 4,
    };
    TaskRef::from_word(tag << 61 | number).unwrap()
}

impl Program {
    pub(super) fn new() -> Self {
        Self { now: FIRST, channels: Vec::new(), tasks: Vec::new(), next: 1 }
    }

    /// An empty channel; capacity 0 is none.
    pub(super) fn channel(&mut self, name: &str, capacity: u64) -> usize {
        let id = self.channels.len() as u64 + 1;
        let stats = ChannelStats {
            channel_id: id,
            name: name.into(),
            label: name.into(),
            location: format!("src/{name}.rs:1:1").into(),
            payload: "u32".into(),
            bounded: capacity > 0,
            capacity: (capacity > 0).then_some(capacity),
            queue_len: 0,
            reserved: 0,
            high_watermark: 0,
            utilization: None,
            sender_count: 1,
            weak_sender_count: 0,
            send_waiters: 0,
            granted_waiters: 0,
            recv_waiters: 0,
            oldest_send_wait_ns: None,
            oldest_recv_wait_ns: None,
            send_wait_total_ns: 0,
            send_waits_total: 0,
            send_given_up_total: 0,
            recv_waits_total: 0,
            recv_wait_total_ns: 0,
            recv_given_up_total: 0,
            send_wait_histogram: None,
            recv_wait_histogram: None,
            full_total: 0,
            closed_total: 0,
            discarded: 0,
            sender_closed: false,
            receiver_closed: false,
            close_cause: None,
            sent_total: 0,
            recv_total: 0,
            created_at_ns: START,
            creator_task_id: None,
        };
        self.channels.push(ChannelSnapshot {
            id: format!("mpsc:p:{name}"),
            stats,
            send_waits: Vec::new(),
            line_since_ns: None,
            recv_wait: None,
            close_waits: Vec::new(),
            last_receiver: None,
            last_receive: 0,
            left_waker: None,
            senders: None,
        });
        id as usize - 1
    }

    /// A full channel that `receiver` has received 7 messages from.
    pub(super) fn full(&mut self, name: &str, capacity: u64, receiver: TaskRef) -> usize {
        let c = self.channel(name, capacity);
        self.queue(c, capacity);
        self.received(c, 7);
        self.channels[c].last_receiver = Some(receiver);
        self.channels[c].last_receive = 7;
        c
    }

    /// `n` more messages are sent.
    pub(super) fn queue(&mut self, c: usize, n: u64) {
        let stats = &mut self.channels[c].stats;
        stats.queue_len += n;
        stats.sent_total += n;
        stats.high_watermark = stats.high_watermark.max(stats.queue_len);
    }

    /// `n` messages more have come and gone.
    pub(super) fn received(&mut self, c: usize, n: u64) {
        let stats = &mut self.channels[c].stats;
        stats.sent_total += n;
        stats.recv_total += n;
    }

    fn task_of(&mut self, kind: TaskKind, name: &str, root: bool) -> TaskRef {
        let task = reference(kind, self.next);
        self.next += 1;
        let named = kind == TaskKind::Named;
        self.tasks.push(TaskSnapshot {
            task,
            name: (kind != TaskKind::Tokio).then(|| name.into()),
            root,
            location: None,
            state: (kind != TaskKind::Tokio).then_some(TaskState::Idle),
            state_since_ns: named.then_some(self.now - 5 * SECOND),
            wakers: named.then_some(0),
            polls: named.then_some(3),
            waiting_since_ns: None,
        });
        task
    }

    pub(super) fn root(&mut self, name: &str) -> TaskRef {
        self.task_of(TaskKind::Named, name, true)
    }

    pub(super) fn named(&mut self, name: &str) -> TaskRef {
        self.task_of(TaskKind::Named, name, false)
    }

    pub(super) fn plain(&mut self) -> TaskRef {
        self.task_of(TaskKind::Tokio, "", false)
    }

    pub(super) fn thread(&mut self, name: &str) -> TaskRef {
        self.task_of(TaskKind::Thread, name, false)
    }

    pub(super) fn task(&mut self, task: TaskRef) -> &mut TaskSnapshot {
        self.tasks.iter_mut().find(|known| known.task == task).unwrap()
    }

    /// A wait that began 5 s ago, with the task's own waker if it is a root or a thread.
    fn wait(&mut self, task: TaskRef, call: Call) -> WaitSnapshot {
        let id = self.next;
        self.next += 1;
        let since_ns = self.now - 5 * SECOND;
        let own_waker = self.task(task).root || task.kind() == TaskKind::Thread;
        if let Some(wakers) = &mut self.task(task).wakers {
            *wakers += 1;
        }
        WaitSnapshot {
            id,
            call,
            task: Some(task),
            own_waker,
            since_ns,
            need: 1,
            granted_at_ns: None,
            deadline_ns: None,
        }
    }

    /// It waits to send.
    pub(super) fn sends(&mut self, task: TaskRef, c: usize) -> &mut WaitSnapshot {
        let wait = self.wait(task, Call::Send);
        let first = self.channels[c].send_waits.iter().take_while(|w| w.granted_at_ns.is_none());
        let place = first.count();
        self.channels[c].stats.send_waiters += 1;
        self.channels[c].line_since_ns.get_or_insert(wait.since_ns);
        self.channels[c].send_waits.insert(place, wait);
        &mut self.channels[c].send_waits[place]
    }

    /// A send of its was granted room 4 s ago, and it does not poll it.
    pub(super) fn is_granted(&mut self, task: TaskRef, c: usize) {
        let mut wait = self.wait(task, Call::Send);
        wait.granted_at_ns = Some(self.now - 4 * SECOND);
        // It was woken, has run, and sleeps again.
        let idle_since_ns = self.now - 3 * SECOND;
        if let Some(wakers) = &mut self.task(task).wakers {
            *wakers -= 1;
            self.task(task).state_since_ns = Some(idle_since_ns);
        }
        self.channels[c].send_waits.push(wait);
        self.channels[c].stats.reserved += 1;
        self.channels[c].stats.granted_waiters += 1;
    }

    /// It waits to receive.
    pub(super) fn receives(&mut self, task: TaskRef, c: usize) {
        let wait = self.wait(task, Call::Recv);
        let channel = &mut self.channels[c];
        channel.stats.recv_waiters = 1;
        channel.recv_wait = Some(wait);
        channel.last_receiver = Some(task);
        channel.last_receive = channel.stats.recv_total;
    }

    /// It waits until the channel is closed.
    pub(super) fn awaits_close(&mut self, task: TaskRef, c: usize) {
        let wait = self.wait(task, Call::Closed);
        self.channels[c].close_waits.push(wait);
    }

    /// It has given a receive up, whose waker is still there.
    pub(super) fn leaves_waker(&mut self, task: TaskRef, c: usize) {
        *self.task(task).wakers.as_mut().unwrap() += 1;
        self.channels[c].left_waker = Some(LeftWaker { task, own_waker: true });
    }

    pub(super) fn sender_made(&mut self, c: usize, task: TaskRef, location: &str) {
        let sender =
            SenderSnapshot { location: location.into(), task: Some(task), since_ns: START };
        let senders = self.channels[c].senders.get_or_insert_default();
        senders.push(sender);
        self.channels[c].stats.sender_count = senders.len() as u64;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            process: "p".into(),
            proc_key: "key".into(),
            pid: 7,
            taken_at_ns: self.now,
            completed_at_ns: self.now,
            channels: self.channels.clone(),
            tasks: self.tasks.clone(),
            retired: Vec::new(),
            untracked: 0,
        }
    }

    /// Two looks, 100 ms apart, between which `change` happens.
    pub(super) fn diagnose_after(&self, change: impl FnOnce(&mut Self)) -> Diagnosis {
        let (mut program, mut diagnoser) = (self.clone(), Diagnoser::new(Settings::default()));
        assert!(diagnoser.look(&program.snapshot()).unwrap().findings.is_empty());
        program.now += SECOND / 10;
        change(&mut program);
        diagnoser.look(&program.snapshot()).unwrap()
    }

    /// Looks each 100 ms, between which nothing happens: of so many, the first that finds
    /// something.
    pub(super) fn first_found(&self, looks: i64) -> Option<(i64, Diagnosis)> {
        let (mut program, mut diagnoser) = (self.clone(), Diagnoser::new(Settings::default()));
        (0..looks).find_map(|look| {
            program.now = self.now + look * SECOND / 10;
            let diagnosis = diagnoser.look(&program.snapshot()).unwrap();
            (!diagnosis.findings.is_empty()).then_some((look, diagnosis))
        })
    }

    /// Two looks, between which nothing happens.
    pub(super) fn diagnose(&self) -> Diagnosis {
        self.diagnose_after(|_| {})
    }
}

/// What was found, in short: kind, verdict, names of channels, names of tasks, victims.
pub(super) type Short = (FindingKind, Verdict, Vec<String>, Vec<String>, u64);

pub(super) fn short(found: &Finding) -> Short {
    let channels = found.channels.iter().map(|channel| channel.name.clone()).collect();
    let tasks = found.tasks.iter().map(|task| task.name.clone()).collect();
    (found.kind, found.verdict, channels, tasks, found.victims)
}

/// The same, as tests write it.
pub(super) type Known<'a> = (FindingKind, Verdict, &'a [&'a str], &'a [&'a str], u64);

/// Exactly these were found, in this order.
#[track_caller]
pub(super) fn is(diagnosis: &Diagnosis, all: &[Known<'_>]) {
    let found: Vec<_> = diagnosis.findings.iter().map(short).collect();
    let strings = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    let all: Vec<Short> = all
        .iter()
        .map(|&(kind, verdict, channels, tasks, n)| {
            (kind, verdict, strings(channels), strings(tasks), n)
        })
        .collect();
    assert_eq!(found, all);
}

/// Nothing that would be an alarm.
#[track_caller]
pub(super) fn is_silent(diagnosis: &Diagnosis) {
    let alarms = diagnosis.findings.iter();
    let alarms = alarms.filter(|f| f.verdict < Verdict::Stuck || f.kind == FindingKind::Deadlock);
    assert_eq!(alarms.map(short).collect::<Vec<_>>(), []);
}
