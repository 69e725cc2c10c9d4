//! Small channels, so that a cycle that needs full ones shows today.

use std::env::{VarError, var};

use crate::collections::table::Table;
use crate::sync::plain::{Arc, AtomicU64, OnceLock, Ordering};

/// The guards that live, by number: how much each lets a channel hold.
static GUARDS: Table<usize> = Table::new();

/// Bounded channels hold at most `n` messages, whatever was asked for, if they are made while the
/// guard lives, anywhere in this process.
///
/// A cycle of tasks that send to each other hangs once its channels are full. In production they
/// have room for thousands of messages and are full once a month; squeezed to 1, they are full in
/// the first test. A program that is right is slower then, and otherwise the same.
///
/// Of several guards, and of the environment variable `PARSHALL_SQUEEZE=n`, which is as a guard
/// that lives from the beginning on, the smallest `n` counts. The variable is read when the first
/// channel is made; one that is empty counts for nothing, and so does one that is no number of
/// messages, of which a line on stderr tells. Channels that were made before stay as they are.
///
/// [`Sender::max_capacity`](crate::mpsc::Sender::max_capacity) and the stats tell what the channel
/// really holds. So does `reserve_many`: for more than that it fails at once, as it does in a
/// channel that was made so small. A program that reserves `k` at once is squeezed to `k` and not
/// further. Unbounded channels stay unbounded.
///
/// # Panics
/// If `n` is 0.
///
/// # Examples
/// ```
/// use parshall::{mpsc, testing};
///
/// let squeezed = testing::squeeze(1);
/// let (tx, _rx) = mpsc::channel(1024);
/// assert_eq!(tx.max_capacity(), 1);
/// tx.try_send("the first").unwrap();
/// assert!(tx.try_send("finds it full").is_err());
/// drop(squeezed);
/// assert_eq!(mpsc::channel::<u8>(1024).0.max_capacity(), 1024);
/// ```
pub fn squeeze(n: usize) -> Squeeze {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    assert!(n > 0, "squeeze(0): a bounded channel holds at least one message");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    GUARDS.insert(number, Arc::new(n));
    Squeeze { number }
}

/// Squeezes channels until it is dropped; see [`squeeze`].
///
/// # Examples
/// On [`squeeze`].
#[derive(Debug)]
#[must_use = "channels are squeezed until this is dropped"]
pub struct Squeeze {
    number: u64,
}

impl Drop for Squeeze {
    fn drop(&mut self) {
        GUARDS.remove(self.number);
    }
}

/// The capacity of a channel that is made now, for which `asked` was.
pub(crate) fn squeezed(asked: usize) -> usize {
    let guards = GUARDS.all().into_iter().map(|(_, n)| *n);
    guards.chain(by_environment()).fold(asked, usize::min)
}

/// What the environment says; read once.
fn by_environment() -> Option<usize> {
    static READ: OnceLock<Option<usize>> = OnceLock::new();
    if let Some(read) = READ.get() {
        return *read;
    }
    // Before it is set, not meanwhile: this allocates, and the allocator may make a channel.
    let read = read(var("PARSHALL_SQUEEZE"));
    if READ.set(read.as_ref().ok().copied().flatten()).is_ok()
        && let Err(bad) = read
    {
        eprintln!(
            "parshall: PARSHALL_SQUEEZE={bad} is no number of messages, from 1 on: no channel is \
             squeezed. Write PARSHALL_SQUEEZE=1, say."
        );
    }
    READ.get().copied().flatten()
}

/// `Err`: the text that is no number of messages.
fn read(value: Result<String, VarError>) -> Result<Option<usize>, String> {
    match value {
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(text)) => Err(format!("{}", text.display())),
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => match text.trim().parse() {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(text),
        },
    }
}
