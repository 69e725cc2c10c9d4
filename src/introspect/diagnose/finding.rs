//! What can be found: kinds, verdicts, and the facts that each rests on. Plain data; what it reads
//! like is the business of `report`, what it looks like that of `draw`.

use crate::Call;
use crate::task::TaskRef;

/// How sure a finding is. The first is the surest.
///
/// # Examples
/// ```
/// use parshall::introspect::Verdict;
///
/// // The surest is the least.
/// let worst = parshall::diagnose().findings.iter().map(|finding| finding.verdict).min();
/// let is_stuck = worst.is_some_and(|verdict| verdict != Verdict::Signal);
/// assert!(!is_stuck);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// No assumption is left: it cannot get on by itself. (Taken for granted is that nobody aborts
    /// its tasks, and that a future which one task has polled is not handed to another.)
    Proven,
    /// True unless the one thing that [`Finding::assumption`] says.
    Conditional,
    /// A fact: unchanged for so long.
    Stuck,
    /// A rate or a trend worth knowing.
    Signal,
}

impl Verdict {
    /// `proven`, `conditional`, `stuck` or `signal`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Conditional => "conditional",
            Self::Stuck => "stuck",
            Self::Signal => "signal",
        }
    }

    /// What a program is said to be whose worst finding this is.
    pub(crate) fn standing(self) -> &'static str {
        match self {
            Self::Proven | Self::Stuck => "STUCK",
            Self::Conditional => "likely STUCK",
            Self::Signal => "worth knowing",
        }
    }
}

/// What was found.
///
/// # Examples
/// Whom to call:
/// ```
/// use parshall::introspect::FindingKind;
///
/// for finding in parshall::diagnose().findings {
///     match finding.kind {
///         FindingKind::Saturated | FindingKind::Lockstep => println!("slow: {}", finding.text()),
///         FindingKind::Refused | FindingKind::GivenUp => println!("lost: {}", finding.text()),
///         _ => eprintln!("hangs, or will: {}", finding.text()),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// Tasks and threads wait for each other through channels.
    Deadlock,
    /// Room was granted to a wait that its task does not poll, though it has run since.
    Futurelock,
    /// Messages are queued or senders wait, and nobody receives.
    Stalled,
    /// A named task was woken and not polled.
    Starved,
    /// The room is taken by permits, or granted to waits that do not take it, and senders wait.
    HeldPermits,
    /// A receiver waits, and the senders that are left belong to its own task.
    SenderKept,
    /// An unbounded channel becomes longer and longer.
    Growing,
    /// Full most of the time, and its receiver does not wait to send elsewhere: the bottleneck.
    Saturated,
    /// `try_send` is refused.
    Refused,
    /// Sends are cancelled, or time out.
    GivenUp,
    /// About one wait a message on both sides: the capacity is too small.
    Lockstep,
    /// Room and a waiting sender, or messages and a parked receiver: a fault of this library.
    LostWakeup,
}

impl FindingKind {
    /// `deadlock`, `futurelock`, `stalled`, `starved`, `held_permits`, `sender_kept`, `growing`,
    /// `saturated`, `refused`, `given_up`, `lockstep` or `lost_wakeup`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::Futurelock => "futurelock",
            Self::Stalled => "stalled",
            Self::Starved => "starved",
            Self::HeldPermits => "held_permits",
            Self::SenderKept => "sender_kept",
            Self::Growing => "growing",
            Self::Saturated => "saturated",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::Lockstep => "lockstep",
            Self::LostWakeup => "lost_wakeup",
        }
    }
}

/// A channel as findings refer to it, as it was at the second look. Of texts that are longer than
/// 256 bytes the middle is cut out.
///
/// # Examples
/// On [`Evidence`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelRef {
    /// As [`ChannelSnapshot::id`](crate::ChannelSnapshot::id).
    pub id: String,
    /// As [`ChannelStats::channel_id`](crate::ChannelStats::channel_id).
    pub channel_id: u64,
    /// As [`ChannelStats::label`](crate::ChannelStats::label).
    pub name: String,
    /// Where it was created: `file:line:column`.
    pub location: String,
    /// Messages in it.
    pub len: u64,
    /// How many it can hold; none if unbounded.
    pub capacity: Option<u64>,
}

/// A task or a thread as findings refer to it. Of texts that are longer than 256 bytes the middle
/// is cut out.
///
/// # Examples
/// On [`Evidence`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Party {
    /// Which.
    pub task: TaskRef,
    /// The id of its node in a graph.
    pub id: String,
    /// Its name, else a short form of the id: `task 12`, `thread 3`.
    pub name: String,
}

/// On which side of a channel a wait is.
///
/// # Examples
/// On [`Evidence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Side {
    /// It waits for room.
    Send,
    /// It waits for a message.
    Receive,
    /// It waits for the channel to be closed.
    Close,
}

impl Side {
    /// `send`, `recv` or `close`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "recv",
            Self::Close => "close",
        }
    }
}

/// A step of a chain: `who` waits on `channel`, and the next hop's `who` could end that.
///
/// # Examples
/// On [`Evidence`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hop {
    /// Who waits.
    pub who: Party,
    /// By which call.
    pub call: Call,
    /// For what.
    pub side: Side,
    /// Since when, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
    /// On which channel.
    pub channel: ChannelRef,
    /// On what the step to the next hop rests: the number of the receive at which the next `who`
    /// was noted as the receiver. None: it is certain, since the next `who` waits in that receive
    /// now, or holds the room.
    pub last_receive: Option<u64>,
}

/// Who hangs on a finding without being part of it.
///
/// # Examples
/// On [`Evidence`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Behind {
    /// Waits in sends and reserves.
    pub senders: u64,
    /// Waits in receives.
    pub receivers: u64,
    /// Those that have a name, at most 32 of them, the longest wait first.
    pub some: Vec<Party>,
}

/// Room that was granted to a wait, which has not taken it.
///
/// # Examples
/// A send that was let in, and that nobody polls:
/// ```
/// use std::{pin::pin, task::{Context, Waker}, thread::sleep, time::Duration};
///
/// use parshall::introspect::{Diagnoser, Evidence, Settings};
///
/// let (tx, mut rx) = parshall::mpsc::Builder::new().name("jobs").capacity(1).build();
/// tx.try_send(1)?;
/// let mut cx = Context::from_waker(Waker::noop());
/// let (mut first, mut second) = (pin!(tx.send(2)), pin!(tx.send(3)));
/// assert!(first.as_mut().poll(&mut cx).is_pending());
/// assert!(second.as_mut().poll(&mut cx).is_pending());
/// rx.try_recv()?; // its room goes to the first in line
///
/// let mut settings = Settings::default();
/// settings.stuck_after = Duration::from_millis(1);
/// let mut diagnoser = Diagnoser::new(settings);
/// diagnoser.look(&parshall::snapshot())?;
/// sleep(Duration::from_millis(20));
/// let diagnosis = diagnoser.look(&parshall::snapshot())?;
/// let Evidence::HeldPermits { channel, grants, behind, .. } = &diagnosis.findings[0].evidence
/// else {
///     panic!("{diagnosis}");
/// };
/// for grant in grants {
///     println!("{} has {} units of {}", grant.who.name, grant.units, channel.name);
/// }
/// assert_eq!((grants.len(), behind.senders), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Grant {
    /// Whose wait it is.
    pub who: Party,
    /// How many units of room.
    pub units: u64,
    /// When it was granted, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
    /// What it waits for now, if it waits in this library.
    pub waits: Option<Box<Hop>>,
}

/// What the one who should receive did instead, at the second look.
///
/// # Examples
/// On [`Receiver`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Receiving {
    /// Nobody has ever received.
    Never,
    /// It waits on other channels: the chain, and at its end what the last `who` is waited for by.
    WaitsFor {
        /// From the receiver's own wait on; of more than 1,000 hops those before the last are left
        /// out. If the last hop waits on the channel that the receiver
        /// should receive from, it is all of a circle: each waits for the next, as far as is seen.
        chain: Vec<Hop>,
        /// The one at the end of it, whom the last hop waits for; none if that is not known.
        end: Option<Box<Receiver>>,
    },
    /// It is idle, and waits for something that is no channel of this library.
    Outside,
    /// It is idle, waits in no channel, and nobody has its waker: nothing but an abort can make
    /// it run again. Said of tasks made by [`task::spawn`](crate::task::spawn) only.
    NoWaker,
    /// It runs, or runs now and then, and does not receive here.
    Runs {
        /// How often it was polled between the looks.
        polls: u64,
    },
    /// It was woken and has not run since.
    Woken {
        /// Since when, in nanoseconds since the Unix epoch.
        since_ns: i64,
    },
    /// It receives on this very channel: an end of a chain, where all seems to be well, or where
    /// messages are awaited.
    Receives,
    /// Nothing is known of it but that it was the last to receive: a plain task.
    Unknown,
    /// It has ended, or nobody is known.
    Gone,
}

/// Who should be receiving.
///
/// # Examples
/// ```
/// use std::{thread::sleep, time::Duration};
///
/// use parshall::introspect::{Diagnoser, Evidence, Receiving, Settings};
///
/// let (tx, _rx) = parshall::mpsc::Builder::new().name("jobs").build();
/// tx.try_send("nobody receives it")?;
///
/// let mut settings = Settings::default();
/// settings.stuck_after = Duration::from_millis(1);
/// let mut diagnoser = Diagnoser::new(settings);
/// diagnoser.look(&parshall::snapshot())?;
/// sleep(Duration::from_millis(20));
/// let diagnosis = diagnoser.look(&parshall::snapshot())?;
/// let Evidence::Stalled { receiver, .. } = &diagnosis.findings[0].evidence else {
///     panic!("{diagnosis}");
/// };
/// match &receiver.does {
///     Receiving::Never => println!("{}: was its receiver ever spawned?", receiver.channel.name),
///     does => println!("{:?} {does:?}", receiver.who),
/// }
/// assert_eq!(receiver.does, Receiving::Never);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Receiver {
    /// The channel.
    pub channel: ChannelRef,
    /// The one who received last; none if nobody is known.
    pub who: Option<Party>,
    /// The number of that receive.
    pub last_receive: u64,
    /// What it does.
    pub does: Receiving,
}

/// The facts that a finding rests on, by its kind: as they were at the second look.
///
/// # Examples
/// A worker that sends to itself:
/// ```
/// use std::thread;
///
/// use parshall::introspect::{Evidence, Side};
///
/// let (tx, mut rx) = parshall::mpsc::Builder::new().name("jobs").capacity(1).build();
/// thread::Builder::new().name("worker".into()).spawn(move || {
///     tx.blocking_send("a job")?;
///     rx.blocking_recv();
///     tx.blocking_send("its first part")?;
///     tx.blocking_send("its second part") // there is no room, and only it could make some
/// })?;
///
/// let diagnosis = loop {
///     let diagnosis = parshall::diagnose();
///     if !diagnosis.findings.is_empty() {
///         break diagnosis;
///     }
/// };
/// let Evidence::Deadlock { cycle, behind } = &diagnosis.findings[0].evidence else {
///     panic!("{diagnosis}");
/// };
/// for hop in cycle {
///     println!("{} waits in `{}` on {}", hop.who.name, hop.call.as_str(), hop.channel.name);
/// }
/// assert_eq!((cycle.len(), cycle[0].side), (1, Side::Send));
/// assert_eq!((cycle[0].channel.len, cycle[0].channel.capacity), (1, Some(1)));
/// assert_eq!(behind.senders + behind.receivers, 0); // nobody else hangs on it
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Evidence {
    /// Of [`FindingKind::Deadlock`]: the last hop is waited for by the first.
    Deadlock {
        /// The cycle, from a place that does not change from look to look. Of more than 1,000 hops
        /// those before the last are left out.
        cycle: Vec<Hop>,
        /// Who else hangs on it.
        behind: Behind,
    },
    /// Of [`FindingKind::Futurelock`].
    Futurelock {
        /// The channel that has no room.
        channel: ChannelRef,
        /// Who was granted room and does not poll the wait.
        holder: Party,
        /// When it was granted, in nanoseconds since the Unix epoch.
        granted_at_ns: i64,
        /// How often the holder was polled since, if that was seen.
        polls: Option<u64>,
        /// What the holder waits for now, if it waits in this library.
        waits: Option<Box<Hop>>,
        /// Who waits for the room.
        behind: Behind,
    },
    /// Of [`FindingKind::Stalled`].
    Stalled {
        /// The channel at the *end* of the chain, and who should receive there.
        receiver: Receiver,
        /// The channels that are stalled for this reason, this first, at most 1,000.
        channels: Vec<ChannelRef>,
        /// Who hangs on it.
        behind: Behind,
    },
    /// Of [`FindingKind::Starved`].
    Starved {
        /// Who was woken.
        who: Party,
        /// Named tasks that run now; one of them may be what it waits for.
        running: Vec<Party>,
        /// Threads that are in blocking calls of this library now.
        blocked: Vec<Hop>,
        /// Channels that are stalled for this reason: it should receive there, or was granted room.
        /// At most 1,000.
        channels: Vec<ChannelRef>,
        /// Who hangs on these.
        behind: Behind,
    },
    /// Of [`FindingKind::HeldPermits`].
    HeldPermits {
        /// The channel.
        channel: ChannelRef,
        /// Units of room that no message takes: those of permits that are out, and `granted`.
        reserved: u64,
        /// Of these, the units that were granted to waits which have not taken them.
        granted: u64,
        /// Such waits as far as it is known whose they are, at most 32 of them, the oldest grant
        /// first.
        grants: Vec<Grant>,
        /// Who waits.
        behind: Behind,
    },
    /// Of [`FindingKind::SenderKept`].
    SenderKept {
        /// The channel.
        channel: ChannelRef,
        /// Who waits for a message, or for the end.
        receiver: Party,
        /// Senders that are left.
        senders: u64,
        /// Where they were made, if that is traced: at most 1,000 places.
        made_at: Vec<String>,
    },
    /// Of [`FindingKind::Growing`].
    Growing {
        /// The channel.
        channel: ChannelRef,
        /// By how many messages a second.
        per_second: f64,
        /// Of the last looks, the share in which the receiver waited elsewhere, and where; none if
        /// it never did.
        elsewhere: Option<(f64, Box<Hop>)>,
        /// Who receives.
        receiver: Option<Party>,
    },
    /// Of [`FindingKind::Saturated`].
    Saturated {
        /// The channel.
        channel: ChannelRef,
        /// Messages received a second.
        per_second: f64,
        /// The share of time in which the receiver's task was not waiting for a message, 0.0 to
        /// 1.0.
        busy: f64,
        /// The share of time in which a sender waited on average, in senders.
        waiting: f64,
        /// Who receives.
        receiver: Option<Party>,
    },
    /// Of [`FindingKind::Refused`] and [`FindingKind::GivenUp`].
    Turned {
        /// The channel.
        channel: ChannelRef,
        /// How many between the looks that the rate is of.
        count: u64,
        /// How many a second.
        per_second: f64,
        /// Of all sends and refusals in that time, the share, 0.0 to 1.0.
        share: f64,
    },
    /// Of [`FindingKind::Lockstep`].
    Lockstep {
        /// The channel.
        channel: ChannelRef,
        /// Waits of senders for each message.
        send_waits: f64,
        /// Waits of the receiver for each message.
        recv_waits: f64,
        /// Messages a second.
        per_second: f64,
    },
    /// Of [`FindingKind::LostWakeup`].
    LostWakeup {
        /// The channel.
        channel: ChannelRef,
        /// Who was not woken.
        who: Option<Party>,
        /// On which side.
        side: Side,
    },
}

/// One thing that is wrong, or worth knowing.
///
/// It was so at [`seen_ns`](Self::seen_ns). If it is [proven](Verdict::Proven) it stays so until
/// somebody from outside helps; any other may be over by now.
///
/// # Examples
/// ```
/// let diagnosis = parshall::diagnose();
/// for finding in &diagnosis.findings {
///     let (kind, verdict) = (finding.kind.as_str(), finding.verdict.as_str());
///     println!("{kind}, {verdict}, {} wait behind it:\n{}", finding.victims, finding.text());
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How sure.
    pub verdict: Verdict,
    /// Since when at least, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
    /// Whether it began then. False: it was there at the first look already, and nothing in the
    /// program says since when. It may have begun long before `since_ns`.
    pub since_known: bool,
    /// When it was last seen: [`Diagnosis::second_look_ns`] of the diagnosis that it is in. So it
    /// has lasted for `seen_ns - since_ns`.
    pub seen_ns: i64,
    /// The channels that it is about, the worst first: at most 1,000 of them.
    pub channels: Vec<ChannelRef>,
    /// How many channels more it is about.
    pub more_channels: u64,
    /// The tasks and threads that it is about: at most 1,000 of them.
    pub tasks: Vec<Party>,
    /// How many tasks and threads more it is about.
    pub more_tasks: u64,
    /// How many waits hang on it without being part of it.
    pub victims: u64,
    /// For [`Verdict::Conditional`], the one thing that would make it untrue: a clause that follows
    /// "unless".
    pub assumption: Option<String>,
    /// The facts.
    pub evidence: Evidence,
}

/// Findings that a diagnosis does not list, since it has worse ones enough.
///
/// # Examples
/// ```
/// let diagnosis = parshall::diagnose();
/// let more: u64 = diagnosis.left_out.iter().map(|left| left.findings).sum();
/// println!("{} findings", diagnosis.findings.len() as u64 + more);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// What they are.
    pub kind: FindingKind,
    /// How sure.
    pub verdict: Verdict,
    /// How many.
    pub findings: u64,
}

/// What could not be seen, at the second look.
///
/// # Examples
/// ```
/// let blind = parshall::diagnose().blind;
/// if blind.uncertain_waits > 0 {
///     let (of, all) = (blind.uncertain_waits, blind.waits);
///     println!("{of} of {all} waits prove nothing: make their tasks by parshall::task::spawn");
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blind {
    /// All waits.
    pub waits: u64,
    /// Waits of callers of whom a waker is known and nothing else, or not even that.
    pub unknown_waits: u64,
    /// Waits of tasks that can be woken by what is not seen: all but those of threads in blocking
    /// calls and of tasks made by [`task::spawn`](crate::task::spawn), every waker of which is
    /// accounted for.
    pub uncertain_waits: u64,
    /// Tasks that wait and have no name.
    pub nameless_tasks: u64,
    /// Live channels that are in no snapshot.
    pub untracked: u64,
}

/// What two looks at a process, one after the other, say is wrong with it.
///
/// It never changes, and is of the second look: [`Finding`] says how long that may stay true.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The name of the process.
    pub process: String,
    /// Its number.
    pub pid: u32,
    /// When the first look began, in nanoseconds since the Unix epoch. Equal to the second: there
    /// was one look only, and nothing can be said yet.
    pub first_look_ns: i64,
    /// When the second look began.
    pub second_look_ns: i64,
    /// What was found: the most certain first, then the most costly. At most 1,000 findings, and
    /// fewer if they are very long.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub left_out: Vec<LeftOut>,
    /// What could not be seen.
    pub blind: Blind,
}
