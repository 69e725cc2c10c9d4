//! A test that hangs fails, with the reason.

use core::panic::Location;
use std::io::{self, Write};
use std::process::abort;
use std::time::{Duration, Instant};

use crate::Snapshot;
use crate::introspect::diagnose::ticker::{Stop, Ticker};
use crate::introspect::diagnose::waiters::{waiters, waits};
use crate::introspect::diagnose::watch::{Looks, settings};
use crate::introspect::{Diagnosis, Verdict};
use crate::sync::plain::thread_name;

/// Makes a test that hangs fail after `patience`, with a report of who waits for whom on stderr.
///
/// It watches from a thread of its own, until the guard is dropped. The process is aborted when
///
/// * for `patience` somebody waited in a channel all the time, and *nothing moved* in any: no
///   message was sent, received or thrown away, and no channel was made, closed or dropped; or
/// * a diagnosis has found for `patience` what is [proven](Verdict::Proven) never to get on,
///   whatever else moves.
///
/// The whole process ends, because nobody can make another thread panic: the other tests in it have
/// no result. The report names the test, which is the name of the thread that made the guard, and
/// the line that made it.
///
/// A test that only computes is left alone, if nobody waits in a channel meanwhile. But a receiver
/// that is idle is one who waits: so let `patience` be longer than the longest time in which the
/// test does something else, a sleep or a long computation. Polls are not counted as progress, and
/// neither are sends that time out or are refused: a loop that gets nowhere would hide the hang.
///
/// All tracked channels of the process count, and those of tests that run beside this one too:
/// while one of them gets on, nothing is reported but what is proven. Untracked channels are not
/// seen. In the child of a `fork` it does nothing.
///
/// # Panics
/// If the system gives no thread.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use parshall::{mpsc, testing::watchdog};
///
/// #[tokio::test]
/// # async fn not_run() {}
/// async fn every_order_is_answered() {
///     let _watchdog = watchdog(Duration::from_secs(10));
///     let (tx, mut rx) = mpsc::channel(1);
///     tx.send("order").await.unwrap();
///     assert_eq!(rx.recv().await, Some("order"));
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(every_order_is_answered());
/// ```
#[track_caller]
pub fn watchdog(patience: Duration) -> Watchdog {
    let mut dog = Dog::new(patience, Location::caller());
    // Often enough that it bites in time, and seldom enough to cost a test nothing.
    let interval = (patience / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
    let ticker = Ticker::start("parshall-watchdog", interval, move |stop| dog.tick(stop));
    Watchdog { _ticker: ticker.expect("a watchdog needs a thread") }
}

/// Watches while it lives; from [`watchdog`].
///
/// # Examples
/// On [`watchdog`].
#[derive(Debug)]
#[must_use = "it watches only as long as it lives"]
pub struct Watchdog {
    _ticker: Ticker,
}

struct Dog {
    patience: Duration,
    /// Whose test it is.
    test: String,
    looks: Looks,
    moves: Vec<[u64; 5]>,
    /// Since when somebody waits and nothing moves.
    since: Instant,
}

impl Dog {
    fn new(patience: Duration, place: &Location<'_>) -> Self {
        let name = thread_name();
        let mut settings = settings();
        // What is stuck is to be in the report.
        settings.stuck_after = settings.stuck_after.min(patience / 2);
        Self {
            patience,
            test: format!("{} ({place})", name.as_deref().unwrap_or("a thread without a name")),
            looks: Looks::new(settings),
            moves: Vec::new(),
            since: Instant::now(),
        }
    }

    fn tick(&mut self, stop: &Stop) {
        let snapshot = crate::snapshot();
        let diagnosis = self.looks.look_at(&snapshot);
        if let Some(reason) = self.judge(&snapshot, &diagnosis, Instant::now()) {
            // Who drops the guard now waits, and does not see the test pass.
            stop.unless_stopped(|| {
                let report = format!(
                    "\nwatchdog: {} {reason}\n{diagnosis}\n{}watchdog: the process is aborted; \
                     the other tests in it have no result\n",
                    self.test,
                    waiters(&snapshot)
                );
                // Not `eprint`, which the test harness keeps to itself, and loses.
                let _ = io::stderr().write_all(report.as_bytes());
                abort()
            });
        }
    }

    /// Why the test has failed, if it has.
    fn judge(
        &mut self,
        snapshot: &Snapshot,
        diagnosis: &Diagnosis,
        now: Instant,
    ) -> Option<String> {
        let moves = moves(snapshot);
        let waits = waits(snapshot).count();
        if moves != self.moves || waits == 0 {
            self.moves = moves;
            self.since = now;
        }
        let patience = i64::try_from(self.patience.as_nanos()).unwrap_or(i64::MAX);
        let proven = diagnosis.findings.iter().any(|finding| {
            let lasted = finding.seen_ns.saturating_sub(finding.since_ns);
            finding.verdict == Verdict::Proven && lasted >= patience
        });
        if proven {
            Some(format!("cannot get on, for {:?} now", self.patience))
        } else if now.duration_since(self.since) >= self.patience {
            Some(format!("makes no progress for {:?}: no message moves", self.patience))
        } else {
            None
        }
    }
}

/// What changes if there is progress: of each channel how many messages were sent, received and
/// thrown away, and which ends are closed; and of those that died, the sums.
fn moves(snapshot: &Snapshot) -> Vec<[u64; 5]> {
    let channels = snapshot.channels.iter().map(|channel| {
        let stats = &channel.stats;
        let closed = u64::from(stats.sender_closed) + 2 * u64::from(stats.receiver_closed);
        [stats.channel_id, stats.sent_total, stats.recv_total, stats.discarded, closed]
    });
    let retired = snapshot.retired.iter().map(|retired| {
        let sums = &retired.sums;
        [sums.channels, sums.sent_total, sums.recv_total, sums.discarded, 0]
    });
    channels.chain(retired).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::diagnose::samples::{diagnosis, each_kind};

    /// The samples have lasted for 12.4 s. While messages move, only what is proven is a reason.
    ///
    /// Seen to fail with: any verdict; and, any age.
    #[test]
    fn what_is_proven_is_a_reason_whatever_else_moves() {
        let judge = |patience, verdict, moves: bool| {
            let mut dog = Dog::new(Duration::from_secs(patience), Location::caller());
            let (tx, mut rx) = crate::mpsc::Builder::new().name("moves").build::<u8>();
            let mut waiting = Box::pin(async move { rx.recv().await });
            let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
            let findings = each_kind().into_iter().filter(|finding| finding.verdict == verdict);
            let diagnosis = diagnosis(findings.collect());
            let begin = Instant::now();
            assert!(!diagnosis.findings.is_empty());
            let mut snapshot = crate::snapshot();
            // Other tests have channels too.
            snapshot.channels.retain(|channel| channel.stats.name == "moves");
            snapshot.retired.clear();
            dog.judge(&snapshot, &Diagnosis { findings: vec![], ..diagnosis.clone() }, begin);
            if moves {
                snapshot.channels[0].stats.sent_total += 1;
            }
            drop(tx);
            dog.judge(&snapshot, &diagnosis, begin + Duration::from_secs(14))
        };
        let proven = judge(10, Verdict::Proven, true).unwrap();
        assert_eq!(proven, "cannot get on, for 10s now");
        assert_eq!(judge(13, Verdict::Proven, true), None, "not long enough");
        for verdict in [Verdict::Conditional, Verdict::Stuck, Verdict::Signal] {
            assert_eq!(judge(10, verdict, true), None, "{verdict:?}");
        }
        let silent = judge(13, Verdict::Signal, false).unwrap();
        assert_eq!(silent, "makes no progress for 13s: no message moves");
        assert_eq!(judge(15, Verdict::Signal, false), None, "not long enough");
    }
}
