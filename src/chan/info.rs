//! What a channel says of itself beyond its words: birth, refusals, closing, who receives.
//!
//! All of it is written on slow paths, and no hand-over of messages or room relies on it. Counts
//! and flags are relaxed (M6): each is a fact by itself. Where two words belong together, the
//! second is released (N6, M9).

use core::mem::ManuallyDrop;
use core::panic::Location;

use crate::sync::plain::{Arc, AtomicU8, AtomicU64, Ordering};
use crate::telemetry::clock;
use crate::telemetry::ledger::Ledger;
use crate::telemetry::name::{self, NameCell};
use crate::telemetry::task::{self, TaskRef};
use crate::telemetry::text::{Creation, Text, Texts};
use crate::telemetry::waits::at_least;

/// What ended a channel first.
///
/// # Examples
/// ```
/// use parshall::CloseCause;
///
/// let (tx, rx) = parshall::mpsc::channel::<u8>(1);
/// assert_eq!(tx.stats().close_cause, None);
/// drop(rx);
/// assert_eq!(tx.stats().close_cause, Some(CloseCause::ReceiverDropped));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// The last sender was dropped.
    SendersDropped,
    /// `Receiver::close` was called.
    ReceiverClosed,
    /// The receiver was dropped.
    ReceiverDropped,
}

impl CloseCause {
    /// `senders_dropped`, `receiver_closed` or `receiver_dropped`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendersDropped => "senders_dropped",
            Self::ReceiverClosed => "receiver_closed",
            Self::ReceiverDropped => "receiver_dropped",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::SendersDropped, Self::ReceiverClosed, Self::ReceiverDropped]
            .into_iter()
            .find(|cause| *cause as u8 + 1 == code)
    }
}

/// Where the registry of live channels lists a channel.
#[derive(Clone, Copy)]
pub(crate) struct Registration {
    /// Its entry among the channels.
    pub(crate) entry: u32,
    /// The entry of the channel's name, none when names ran out.
    pub(crate) name: Option<u32>,
    /// The n-th channel of this name, from 1.
    pub(crate) ordinal: u64,
}

/// The cold part of a channel: it lies in the [ring](crate::ring::Ring), between what senders and
/// what the receiver write with each message. So first comes what never changes, then what refused
/// senders write, and last what the receiver writes before it waits.
#[repr(C)]
pub(crate) struct Info {
    pub(crate) channel_id: u64,
    /// The name that is part of the id: the user's; or if the place tells nothing, the type of the
    /// messages. None: the place itself.
    pub(crate) name: Option<Arc<str>>,
    /// The name that a handle gave it later, if any.
    given: NameCell,
    pub(crate) location: &'static Location<'static>,
    pub(crate) payload: &'static str,
    /// On the telemetry clock.
    pub(crate) created_at: u64,
    /// A [`TaskRef`] in one word.
    creator: u64,
    full: AtomicU64,
    closed: AtomicU64,
    /// Messages sent through a permit after the receiver had gone.
    late: AtomicU64,
    /// Both entries of the [`Registration`], a half each; `UNLISTED` if there is none.
    entries: AtomicU64,
    ordinal: AtomicU64,
    /// The strong senders that live, if they are traced.
    traced_senders: Option<Box<Ledger>>,
    /// `CloseCause` + 1 of the first cause; 0 while open.
    cause: AtomicU8,
    receiver_closed: AtomicU8,
    /// Largest occupancy that was ever reported; the ring's own mark counts no claim that is not
    /// published.
    reported: AtomicU64,
    /// Messages received before the receiver began to throw away what is left; `u64::MAX` until
    /// then.
    received: AtomicU64,
    /// The task that last received, or waited for that, on a slow path; 0: nobody yet, nobody who
    /// is known, or another one is just being noted.
    receiver_task: AtomicU64,
    /// The number of the next message then.
    receiver_at: AtomicU64,
}

/// No entry in the registry.
const UNLISTED: u64 = u64::MAX;

/// The name of a nameless channel whose place tells nothing.
#[cold]
#[inline(never)]
fn by_type(payload: &'static str) -> Arc<str> {
    name::short_type(payload).into()
}

/// The next channel's number.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Info {
    /// (Should the clock or the runtime unwind, name and ledger are leaked. So no clean-up asks the
    /// compiler to keep them in memory.)
    #[inline(always)]
    pub(crate) fn new(
        name: Option<Arc<str>>,
        location: &'static Location<'static>,
        payload: &'static str,
        senders: Option<Box<Ledger>>,
    ) -> Self {
        let (name, senders) = (ManuallyDrop::new(name), ManuallyDrop::new(senders));
        let has_name = name.is_some() || name::tells(location);
        let name = if has_name { name } else { ManuallyDrop::new(Some(by_type(payload))) };
        Self {
            // ORDERING(M6): Relaxed. Only that it is another one each time counts.
            channel_id: NEXT.fetch_add(1, Ordering::Relaxed),
            given: const { NameCell::new(None) },
            location,
            payload,
            created_at: clock::now(),
            creator: TaskRef::word(task::creator()),
            name: ManuallyDrop::into_inner(name),
            entries: AtomicU64::new(UNLISTED),
            ordinal: AtomicU64::new(0),
            traced_senders: ManuallyDrop::into_inner(senders),
            full: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            received: AtomicU64::new(u64::MAX),
            late: AtomicU64::new(0),
            cause: AtomicU8::new(0),
            receiver_closed: AtomicU8::new(0),
            receiver_task: AtomicU64::new(0),
            receiver_at: AtomicU64::new(0),
        }
    }

    /// The task that created the channel.
    pub(crate) fn creator(&self) -> Option<TaskRef> {
        TaskRef::from_word(self.creator)
    }

    /// The strong senders that live, if they are traced.
    #[inline]
    pub(crate) fn traced_senders(&self) -> Option<&Ledger> {
        self.traced_senders.as_deref()
    }

    /// Notes the channel's entries, before any other thread can see the channel but by its entry.
    pub(crate) fn list(&self, at: Registration) {
        // ORDERING(N6): Relaxed. Released with the entries.
        self.ordinal.store(at.ordinal, Ordering::Relaxed);
        let entries = u64::from(at.entry) << 32 | u64::from(at.name.unwrap_or(u32::MAX));
        // ORDERING(N6): Release. Pairs with N6 in `registration`: a snapshot may see the entry at
        // once, and then the ordinal with it.
        self.entries.store(entries, Ordering::Release);
    }

    /// The channel's entries, if it has them.
    pub(crate) fn registration(&self) -> Option<Registration> {
        // ORDERING(N6): Acquire. Pairs with N6 in `list`: the ordinal, which is read Relaxed.
        let entries = self.entries.load(Ordering::Acquire);
        (entries != UNLISTED).then(|| Registration {
            entry: (entries >> 32) as u32,
            name: Some(entries as u32).filter(|&name| name != u32::MAX),
            ordinal: self.ordinal.load(Ordering::Relaxed),
        })
    }

    /// The name in the id, which never changes: for a nameless channel where it was created.
    pub(crate) fn first_name(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => name::file_line(self.location),
        }
    }

    /// The name, what people are shown for it, and `file:line:column` of the creation.
    pub(crate) fn name_label_location(&self, texts: &mut Texts) -> [Text; 3] {
        let Creation { file_line, label, location } = texts.creation(self.location, self.payload);
        let (name, label) = match self.given.get().or_else(|| self.name.clone()).map(Text::from) {
            Some(name) => (name.clone(), name),
            None => (file_line.clone(), label.clone()),
        };
        [name, label, location.clone()]
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        self.given.set(Some(name));
    }

    #[cold]
    pub(crate) fn count_full(&self) {
        // ORDERING(M6): Relaxed. A count.
        self.full.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    pub(crate) fn count_closed(&self) {
        // ORDERING(M6): Relaxed. A count.
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn full(&self) -> u64 {
        // ORDERING(M6): Relaxed. As `count_full`.
        self.full.load(Ordering::Relaxed)
    }

    pub(crate) fn closed(&self) -> u64 {
        // ORDERING(M6): Relaxed. As `count_closed`.
        self.closed.load(Ordering::Relaxed)
    }

    /// Notes that `len` is about to be reported. Returns the largest report so far, this included.
    pub(crate) fn report(&self, len: u64) -> u64 {
        at_least(&self.reported, len)
    }

    /// A message that a permit delivered to nobody.
    pub(crate) fn count_late(&self) {
        // ORDERING(M6): Relaxed. A count.
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn late(&self) -> u64 {
        // ORDERING(M6): Relaxed. As `count_late`.
        self.late.load(Ordering::Relaxed)
    }

    /// From `popped` on, messages leave the ring to be thrown away.
    #[inline]
    pub(crate) fn begin_discard(&self, popped: u64) {
        // ORDERING(M6): Relaxed. The head's release (C1) shows it to whoever sees a later head.
        self.received.store(popped, Ordering::Relaxed);
    }

    /// How many of `popped` messages were received.
    pub(crate) fn received(&self, popped: u64) -> u64 {
        // ORDERING(M6): Relaxed. As `begin_discard`.
        self.received.load(Ordering::Relaxed).min(popped)
    }

    /// Notes a cause; the first one stays.
    #[inline]
    pub(crate) fn note_close(&self, cause: CloseCause) {
        // ORDERING(M6): Relaxed, all. The exchange alone decides which cause is the first.
        if cause != CloseCause::SendersDropped {
            self.receiver_closed.store(1, Ordering::Relaxed);
        }
        // Most channels are closed twice, by each side.
        if self.cause.load(Ordering::Relaxed) == 0 {
            let code = cause as u8 + 1;
            let _ = self.cause.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(crate) fn close_cause(&self) -> Option<CloseCause> {
        // ORDERING(M6): Relaxed. It is told, and nothing is done for it.
        CloseCause::from_code(self.cause.load(Ordering::Relaxed))
    }

    pub(crate) fn is_receiver_closed(&self) -> bool {
        // ORDERING(M6): Relaxed. As `close_cause`.
        self.receiver_closed.load(Ordering::Relaxed) != 0
    }

    /// Notes who receives, when message `head` is the next.
    #[inline]
    pub(crate) fn note_receiver(&self, task: Option<TaskRef>, head: u64) {
        let word = TaskRef::word(task);
        // ORDERING(M9): Relaxed. The receiver alone writes it. Release: as in `note_another`.
        if self.receiver_task.load(Ordering::Relaxed) == word {
            self.receiver_at.store(head, Ordering::Release);
        } else {
            self.note_another(word, head);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_another(&self, word: u64, head: u64) {
        // In between nobody, so that none is told with the number of another. ORDERING(M9):
        // Release. Pairs with M9 in `last_receiver`: who sees the number sees that the one before
        // is gone, who sees the task sees its number.
        self.receiver_task.store(0, Ordering::Release);
        self.receiver_at.store(head, Ordering::Release);
        self.receiver_task.store(word, Ordering::Release);
    }

    /// Who was noted last, and the number that was noted with it. (Of one that was noted twice,
    /// with another between, it may be the other's, which lies between its own.)
    pub(crate) fn last_receiver(&self) -> (Option<TaskRef>, u64) {
        for _ in 0..4 {
            // ORDERING(M9): Acquire. Pairs with M9 in `note_another`.
            let task = self.receiver_task.load(Ordering::Acquire);
            let at = self.receiver_at.load(Ordering::Acquire);
            if self.receiver_task.load(Ordering::Acquire) == task {
                return (TaskRef::from_word(task), at);
            }
        }
        (None, 0)
    }
}
