//! Looks at this process: once on demand, or again and again on a thread of its own.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use futures_core::Stream;

use super::ticker::Ticker;
use super::{Diagnoser, Diagnosis, FindingKind, Settings, Verdict};
use crate::Snapshot;
use crate::sync::plain::{Arc, Mutex, OnceLock};
use crate::sync::thread;
use crate::telemetry::clock;
use crate::unwind::{Owes, OwesValue};

/// Says what is wrong with this process: who is stuck, on whom, since when, and how sure that is.
///
/// It takes two [`snapshot`](crate::snapshot)s, `Settings::apart` (100 ms) between them, on the
/// calling thread, which it blocks so long. Settings are those of [`Settings::from_env`]; what
/// cannot be read in the environment is told once on stderr, and the default is taken.
///
/// Do not call it on a worker of an async runtime, whose tasks would stand still meanwhile: call it
/// on a thread of your own, or by `tokio::task::spawn_blocking(parshall::diagnose)`. That one
/// needs a runtime that still runs; a [`Watch`](crate::introspect::Watch) does not.
///
/// What it says was true at the second look. A finding that is `proven` stays true until somebody
/// from outside helps, by dropping a task, say; any other may be over when this returns. Rates and
/// trends need more than two looks: a [`Watch`](crate::introspect::Watch) shows them. Where there
/// is no clock (`wasm32-unknown-unknown`) it looks once, and finds nothing.
///
/// # Examples
/// ```
/// let diagnosis = parshall::diagnose();
/// println!("{diagnosis}");
/// assert!(diagnosis.findings.is_empty());
/// ```
pub fn diagnose() -> Diagnosis {
    let mut looks = Looks::new(settings());
    let first = looks.look();
    if !clock::EXISTS {
        return first;
    }
    thread::sleep(looks.settings.apart);
    looks.look()
}

/// The settings of the environment. The first time that they cannot be read, says so.
pub(crate) fn settings() -> Settings {
    Settings::from_env().unwrap_or_else(|error| {
        static TOLD: OnceLock<()> = OnceLock::new();
        TOLD.get_or_init(|| {
            // `eprintln` would panic without a stderr.
            let _ = writeln!(io::stderr(), "parshall: {error}; the default is taken");
        });
        Settings::default()
    })
}

/// Looks at this process.
pub(crate) struct Looks {
    settings: Settings,
    diagnoser: Diagnoser,
}

impl Looks {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { diagnoser: Diagnoser::new(settings.clone()), settings }
    }

    pub(crate) fn look(&mut self) -> Diagnosis {
        self.look_at(&crate::snapshot())
    }

    pub(crate) fn look_at(&mut self, snapshot: &Snapshot) -> Diagnosis {
        loop {
            match self.diagnoser.look(snapshot) {
                Ok(diagnosis) => return diagnosis,
                // The time of day was set back. All begins anew: any snapshot is right as the
                // first.
                Err(_) => self.diagnoser = Diagnoser::new(self.settings.clone()),
            }
        }
    }
}

/// Looks at this process again and again, on a thread of its own, and tells when what is wrong
/// changes.
///
/// It keeps the [`latest`](Self::latest) diagnosis, and is a [`Stream`] of those that differ: one
/// item each time the *set* of findings is another than in the item before, by kind, verdict,
/// channels and tasks. Before the first item that set is empty, so a program in which all is well
/// gives none; when all is well again, there is one without findings. Nothing is queued: whoever
/// comes late gets the latest, and what came and went in between is not told.
///
/// It uses no channel of this library, and is seen in no snapshot. The stream has no end, but in
/// two cases: the thread has panicked, which is a fault of this library, or this is the child of a
/// `fork`, where the thread is not. `latest` then keeps what was seen last, or in the child says
/// nothing.
///
/// Dropped, it ends the thread before the next look, and does not wait for it.
///
/// # Cancel safety
/// A poll that is pending takes nothing: an item that is not fetched is told by the next poll, if
/// the findings are still others than before.
///
/// # Examples
/// ```no_run
/// # async fn serve() -> std::io::Result<()> {
/// use std::time::Duration;
/// use parshall::introspect::Watch;
/// use tokio_stream::StreamExt;
///
/// let mut watch = Watch::every(Duration::from_secs(5))?;
/// tokio::spawn(async move {
///     while let Some(diagnosis) = watch.next().await {
///         eprintln!("{diagnosis}"); // or page somebody
///     }
/// });
/// # Ok(()) }
/// ```
pub struct Watch {
    shared: Arc<Shared>,
    ticker: Ticker,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Who polled last. Woken when `state` has what was not told, and when it has ended.
    waker: AtomicWaker,
}

#[derive(Default)]
struct State {
    latest: Option<Arc<Diagnosis>>,
    /// What `latest` has found, and what the last item of the stream had.
    found: FindingSet,
    told: FindingSet,
    ended: bool,
}

/// A set of findings, without what changes from look to look.
type FindingSet = BTreeSet<(FindingKind, Verdict, Vec<String>, Vec<String>)>;

fn set_of(diagnosis: &Diagnosis) -> FindingSet {
    let sorted = |ids: &mut dyn Iterator<Item = &String>| {
        let mut ids: Vec<_> = ids.cloned().collect();
        ids.sort_unstable();
        ids
    };
    let findings = diagnosis.findings.iter().map(|finding| {
        let channels = sorted(&mut finding.channels.iter().map(|channel| &channel.id));
        let tasks = sorted(&mut finding.tasks.iter().map(|task| &task.id));
        (finding.kind, finding.verdict, channels, tasks)
    });
    findings.collect()
}

impl Watch {
    /// Looks at once, and then `interval` after each look has ended, with the settings that
    /// [`diagnose`](crate::diagnose) has too. An interval of less than a millisecond is one.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn every(interval: Duration) -> io::Result<Self> {
        Self::every_with(interval, settings())
    }

    /// As [`every`](Self::every), with settings of your own. `Settings::apart` means nothing here.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn every_with(interval: Duration, settings: Settings) -> io::Result<Self> {
        let mut looks = Looks::new(settings);
        Self::start(interval, move || looks.look())
    }

    fn start(
        interval: Duration,
        mut look: impl FnMut() -> Diagnosis + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ends = EndsOnDrop(shared.clone());
        let interval = interval.max(Duration::from_millis(1));
        let ticker = Ticker::start("parshall-watch", interval, move |_| ends.0.publish(look()))?;
        Ok(Self { shared, ticker })
    }

    /// What the latest look has found; none before the first one. The next look replaces it;
    /// [`Finding`](super::Finding) says how long what it says may stay true.
    pub fn latest(&self) -> Option<Arc<Diagnosis>> {
        if self.ticker.is_inherited() {
            return None;
        }
        self.shared.state.lock().latest.clone()
    }
}

impl Shared {
    fn publish(&self, diagnosis: Diagnosis) {
        // One look says nothing, so it does not say that all is well again.
        let says = diagnosis.first_look_ns != diagnosis.second_look_ns;
        let found = says.then(|| set_of(&diagnosis));
        let mut state = self.state.lock();
        let former = state.latest.replace(Arc::new(diagnosis));
        if let Some(found) = found {
            state.found = found;
        }
        let news = state.found != state.told;
        drop(state);
        drop(former);
        if news {
            self.wake();
        }
    }

    /// A panic of the waker is another's: its hook has told of it, and the looks go on.
    fn wake(&self) {
        OwesValue::run(|| self.waker.wake());
    }
}

/// Ends the stream when the thread ends.
struct EndsOnDrop(Arc<Shared>);

impl Drop for EndsOnDrop {
    fn drop(&mut self) {
        self.0.state.lock().ended = true;
        self.0.wake();
    }
}

impl Stream for Watch {
    type Item = Diagnosis;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Diagnosis>> {
        if self.ticker.is_inherited() {
            return Poll::Ready(None);
        }
        // Before the look at the state: what is published after that finds the waker.
        self.shared.waker.register(cx.waker());
        let mut held = self.shared.state.lock();
        let state = &mut *held;
        if state.found != state.told {
            state.told.clone_from(&state.found);
            let latest = state.latest.clone();
            drop(held);
            return Poll::Ready(latest.map(|latest| (*latest).clone()));
        }
        if state.ended { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread may take a while to end; a task that it would wake need not live so long.
        drop(self.shared.waker.take());
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::{Wake, Waker};
    use std::time::Instant;

    use super::super::samples::{deadlock, diagnosis, each_kind};
    use super::*;
    use crate::introspect::Finding;

    /// A watch that looks at what it is sent, and ends when nothing more will be.
    fn watch() -> (mpsc::SyncSender<Vec<Finding>>, Watch) {
        let (show, shown) = mpsc::sync_channel(0);
        let look = move || diagnosis(shown.recv().expect("the test has ended the thread"));
        (show, Watch::start(Duration::ZERO, look).unwrap())
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Nothing here takes that long unless it is wrong.
    const LONG: Duration = Duration::from_secs(60);

    fn until(what: &str, so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !so() {
            assert!(begin.elapsed() < LONG, "never {what}");
            thread::yield_now();
        }
    }

    /// Waits until the latest look has so many findings. Its wake-up may still come: it has when
    /// the next look is taken.
    fn published(watch: &Watch, findings: usize) {
        until("published", || {
            watch.latest().is_some_and(|latest| latest.findings.len() == findings)
        });
    }

    fn poll(watch: &mut Watch, waker: &Waker) -> Poll<Option<usize>> {
        let item = Pin::new(watch).poll_next(&mut Context::from_waker(waker));
        item.map(|item| item.map(|diagnosis| diagnosis.findings.len()))
    }

    /// Seen to fail with: an item for each look; and, a wake for each look.
    #[test]
    fn an_item_is_a_change_and_the_latest_one() {
        let (show, mut watch) = watch();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        assert!(watch.latest().is_none());
        show.send(vec![]).unwrap();
        published(&watch, 0);
        assert_eq!(poll(&mut watch, &waker), Poll::Pending, "all is well, as before");
        show.send(vec![deadlock()]).unwrap();
        published(&watch, 1);
        until("woken", || wakes.0.load(Ordering::SeqCst) == 1);
        assert_eq!(poll(&mut watch, &waker), Poll::Ready(Some(1)));
        assert_eq!(poll(&mut watch, &waker), Poll::Pending);
        // The same, older and in other words.
        let mut older = deadlock();
        older.since_ns -= 1_000_000_000;
        older.victims = 1_000;
        older.channels.reverse();
        show.send(vec![older]).unwrap();
        show.send(vec![deadlock(), deadlock()]).unwrap();
        published(&watch, 2);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut watch, &waker), Poll::Pending);
        // What comes and goes unseen is not told; of many changes the last is.
        let all = each_kind().len();
        show.send(each_kind()).unwrap();
        show.send(vec![]).unwrap();
        show.send(vec![deadlock()]).unwrap();
        published(&watch, 1);
        assert_eq!(poll(&mut watch, &waker), Poll::Pending);
        show.send(vec![]).unwrap();
        show.send(each_kind()).unwrap();
        published(&watch, all);
        assert_eq!(poll(&mut watch, &waker), Poll::Ready(Some(all)));
        show.send(vec![]).unwrap();
        published(&watch, 0);
        assert_eq!(poll(&mut watch, &waker), Poll::Ready(Some(0)), "well again");
        assert_eq!(poll(&mut watch, &waker), Poll::Pending);
        // Each of these alone is a change.
        let changes: [fn(&mut Finding); 4] = [
            |finding| finding.verdict = Verdict::Proven,
            |finding| finding.kind = FindingKind::Stalled,
            |finding| finding.channels.truncate(1),
            |finding| finding.tasks.truncate(1),
        ];
        for change in changes {
            let mut changed = deadlock();
            change(&mut changed);
            for finding in [deadlock(), changed] {
                // The first is published when the second is taken.
                show.send(vec![finding.clone()]).unwrap();
                show.send(vec![finding]).unwrap();
                assert_eq!(poll(&mut watch, &waker), Poll::Ready(Some(1)));
            }
        }
    }

    /// Seen to fail with: one look taken for a clean bill.
    #[test]
    fn one_look_says_nothing() {
        let (show, shown) = mpsc::sync_channel(0);
        let mut watch = Watch::start(Duration::ZERO, move || shown.recv().unwrap()).unwrap();
        show.send(diagnosis(vec![deadlock()])).unwrap();
        published(&watch, 1);
        assert_eq!(poll(&mut watch, Waker::noop()), Poll::Ready(Some(1)));
        let mut once = diagnosis(vec![]);
        once.first_look_ns = once.second_look_ns;
        show.send(once).unwrap();
        published(&watch, 0);
        assert_eq!(poll(&mut watch, Waker::noop()), Poll::Pending);
    }

    /// Many changes and a consumer that is slower: each item differs from the one before, the last
    /// change is not missed, and the consumer is woken for it.
    ///
    /// Seen to fail without the wake.
    #[test]
    fn a_slow_consumer_gets_the_last_change() {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let (show, mut watch) = watch();
        let looks = if cfg!(miri) { 50 } else { 500 };
        let shows = thread::spawn(move || {
            for n in 0..looks {
                // Ends with a set that is in no other look.
                let findings = if n + 1 == looks { 3 } else { n % 3 };
                show.send(each_kind()[..findings].to_vec()).unwrap();
            }
            show
        });
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let (mut last, mut items) = (0, 0);
        let begin = Instant::now();
        while last != 3 {
            match poll(&mut watch, &waker) {
                Poll::Ready(Some(findings)) => {
                    assert_ne!(findings, last, "no change");
                    (last, items) = (findings, items + 1);
                    if items % 8 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                Poll::Ready(None) => panic!("ended"),
                Poll::Pending => thread::park_timeout(LONG),
            }
            assert!(begin.elapsed() < LONG, "not woken");
        }
        drop(shows.join().unwrap());
    }

    /// Seen to fail with: an end that is not told; and, a panic of the waker that ends the thread.
    #[test]
    fn the_stream_ends_with_the_thread_and_not_with_a_waker_that_panics() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker of the test");
            }
        }
        let (show, mut watch) = watch();
        assert_eq!(poll(&mut watch, &Arc::new(Panics).into()), Poll::Pending);
        show.send(vec![deadlock()]).unwrap();
        published(&watch, 1);
        assert_eq!(poll(&mut watch, Waker::noop()), Poll::Ready(Some(1)));
        show.send(vec![]).unwrap();
        published(&watch, 0);
        assert_eq!(poll(&mut watch, Waker::noop()), Poll::Ready(Some(0)), "it looks on");
        // Taken when the wake-up for the one before is over; no news.
        show.send(vec![]).unwrap();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        assert_eq!(poll(&mut watch, &waker), Poll::Pending);
        drop(show);
        until("woken", || wakes.0.load(Ordering::SeqCst) > 0);
        assert_eq!(poll(&mut watch, &waker), Poll::Ready(None));
        assert_eq!(poll(&mut watch, &waker), Poll::Ready(None), "for good");
        assert!(watch.latest().unwrap().findings.is_empty(), "what was seen last stays");
    }

    /// Its waker is dropped with it, and the thread ends at once, though its interval is long. A
    /// wake may drop it: on its own thread.
    ///
    /// Seen to fail without the notification, and with a waker that stays.
    #[test]
    fn dropped_it_ends_soon_whoever_drops_it() {
        struct Gone(mpsc::Sender<()>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (told, gone) = mpsc::channel();
        let guard = Gone(told);
        let look = move || {
            let _ = &guard;
            diagnosis(vec![])
        };
        let mut watch = Watch::start(Duration::MAX, look).unwrap();
        let wakes = Arc::new(Wakes::default());
        assert_eq!(poll(&mut watch, &wakes.clone().into()), Poll::Pending);
        published(&watch, 0);
        // So that it sleeps.
        thread::sleep(Duration::from_millis(50));
        drop(watch);
        assert_eq!(Arc::strong_count(&wakes), 1);
        gone.recv_timeout(LONG).expect("the thread has not ended");

        struct Drops(Mutex<Option<Watch>>);
        impl Wake for Drops {
            fn wake(self: Arc<Self>) {
                drop(self.0.lock().take());
            }
        }
        let (told, gone) = mpsc::channel();
        let guard = Gone(told);
        let (show, shown) = mpsc::sync_channel(0);
        let look = move || {
            let _ = &guard;
            diagnosis(shown.recv().unwrap())
        };
        let watch = Watch::start(Duration::MAX, look).unwrap();
        let drops = Arc::new(Drops(Mutex::new(Some(watch))));
        let waker = Waker::from(drops.clone());
        assert_eq!(poll(drops.0.lock().as_mut().unwrap(), &waker), Poll::Pending);
        show.send(vec![deadlock()]).unwrap();
        gone.recv_timeout(LONG).expect("the thread has not ended");
    }

    #[test]
    fn this_process_is_looked_at() {
        let watch = Watch::every(Duration::from_millis(5)).unwrap();
        let two = |latest: &Diagnosis| latest.first_look_ns < latest.second_look_ns;
        while !watch.latest().is_some_and(|latest| two(&latest)) {
            thread::yield_now();
        }
        assert_eq!(watch.latest().unwrap().process, crate::process());
        let (before, diagnosis) = (Instant::now(), diagnose());
        assert!(two(&diagnosis) && before.elapsed() >= Settings::default().apart);
        assert_eq!(diagnosis.pid, std::process::id());
    }
}
