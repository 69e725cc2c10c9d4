//! `parshall record`: several programs into one history.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parshall::Snapshot;
use parshall::introspect::Settings;
use parshall_gauge::{Retention, SqliteRecorder};

use crate::address::Address;
use crate::args::{Ask, Record};
use crate::client::Client;
use crate::discovery::{self, Found};
use crate::failure::{AskError, Exit, Failure};
use crate::terminal::{complain, line, print};

/// How long it may take until an interruption is seen.
const TICK: Duration = Duration::from_millis(50);

pub(crate) fn run(ask: &Ask, record: &Record) -> Result<Exit, Failure> {
    let settings = Settings::from_env().map_err(|error| Failure::Usage(error.to_string()))?;
    let client = Client::new(ask.timeout)?;
    let mut retention = Retention::default();
    retention.bytes = record.at_most << 20;
    let recorder = SqliteRecorder::open(&record.to)?;
    let mut recorder = recorder.settings(settings).retention(retention);
    let shown = line(&record.to.display().to_string(), 200);
    let others = recorder.others()?;
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|process| line(process, 40)).collect();
        complain(&format!(
            "another recorder writes into {shown} just now, of {}: what both record stands in it \
             twice",
            others.join(", ")
        ));
    }
    let ended = signals().map_err(|error| Failure::System("cannot handle signals", error))?;
    let mut scribe =
        Scribe { recorder, known: BTreeMap::new(), warnings: Vec::new(), done: Done::default() };
    let mut due = Instant::now();
    let mut missed = 0;
    while !ended.load(Ordering::Relaxed) {
        let addresses =
            if ask.at.is_empty() { scribe.found(discovery::find()) } else { ask.at.clone() };
        let answers = client.snapshots(addresses.clone());
        for (address, answer) in addresses.into_iter().zip(answers) {
            match answer {
                Ok(snapshot) => scribe.take(address, &snapshot, missed),
                Err(error) => scribe.miss(address, &error, !ask.at.is_empty()),
            }
        }
        scribe.end_those_that_are_gone();
        due += record.every;
        let late = Instant::now().saturating_duration_since(due);
        missed = (late.as_nanos() / record.every.as_nanos()) as u64;
        if missed > 0 {
            if scribe.done.missed == 0 {
                complain("it takes longer than the interval: what is missed is counted");
            }
            scribe.done.missed += missed;
            due = Instant::now();
        }
        while !ended.load(Ordering::Relaxed) && Instant::now() < due {
            thread::sleep(TICK.min(due.saturating_duration_since(Instant::now())));
        }
    }
    let Done { recorded, programs, missed, errors, .. } = scribe.done;
    let mut text = format!("recorded {recorded} snapshots of {programs} programs in {shown}");
    for (n, what) in [(missed, "were missed"), (errors, "could not be recorded")] {
        if n > 0 {
            let _ = write!(text, "; {n} {what}");
        }
    }
    print((text + "\n").as_bytes())?;
    Ok(if errors > 0 { Exit::NotAsked } else { Exit::Well })
}

/// What was done so far.
#[derive(Debug, Default)]
struct Done {
    recorded: u64,
    programs: u64,
    missed: u64,
    errors: u64,
    /// The last record was one of them.
    is_failing: bool,
    /// Whom nobody could ask, by address, and why.
    unasked: HashMap<String, String>,
}

/// A program that answers, or has answered.
#[derive(Debug)]
struct Known {
    process: String,
    pid: u32,
    proc_key: String,
    /// It was heard of in this round.
    heard: bool,
    /// It did not answer last.
    is_failing: bool,
}

impl Known {
    fn name(&self) -> String {
        format!("{} (pid {})", line(&self.process, 40), self.pid)
    }
}

struct Scribe {
    recorder: SqliteRecorder,
    known: BTreeMap<Address, Known>,
    /// What could not be looked at in this round.
    warnings: Vec<String>,
    done: Done,
}

impl Scribe {
    fn take(&mut self, address: Address, snapshot: &Snapshot, missed: u64) {
        if let Some(known) = self.known.get(&address)
            && known.proc_key != snapshot.proc_key
        {
            self.end(&address);
        }
        let mut is_new = false;
        let known = self.known.entry(address).or_insert_with(|| {
            is_new = true;
            Known {
                process: snapshot.process.clone(),
                pid: snapshot.pid,
                proc_key: snapshot.proc_key.clone(),
                heard: true,
                is_failing: false,
            }
        });
        known.heard = true;
        if is_new {
            self.done.programs += 1;
            complain(&format!("{} is recorded", known.name()));
        }
        if std::mem::take(&mut known.is_failing) {
            complain(&format!("{} answers again", known.name()));
        }
        let missed = if is_new { 0 } else { missed };
        let recorded = self.recorder.record_missed(snapshot, missed);
        self.count(recorded.map(|_| true));
    }

    /// Where programs may answer. Each thing that could not be looked at is told once.
    fn found(&mut self, found: Found) -> Vec<Address> {
        for warning in &found.warnings {
            if !self.warnings.contains(warning) {
                complain(warning);
            }
        }
        self.warnings = found.warnings;
        found.addresses
    }

    /// It has not answered.
    fn miss(&mut self, address: Address, error: &AskError, given: bool) {
        let Some(known) = self.known.get_mut(&address) else {
            // Of a socket that was left behind nothing is said, nor the same thing each second.
            if !matches!(error, AskError::NobodyListens) || given {
                let first = self.done.unasked.insert(address.to_string(), error.to_string());
                if first.is_none_or(|before| before != error.to_string()) {
                    complain(&format!("{address}: {error}"));
                }
            }
            return;
        };
        if matches!(error, AskError::NobodyListens) {
            return;
        }
        known.heard = true;
        if !std::mem::replace(&mut known.is_failing, true) {
            let why = error.to_string();
            complain(&format!("{}: {why}", known.name()));
            let whose = (&*known.process, known.pid, &*known.proc_key);
            let recorded = self.recorder.record_absence(whose, "error", &why);
            self.count(recorded.map(|_| false));
        }
    }

    /// Those whose socket is gone, or that nobody listens at.
    fn end_those_that_are_gone(&mut self) {
        let gone = self.known.iter().filter(|(_, known)| !known.heard).map(|(at, _)| at.clone());
        for address in gone.collect::<Vec<_>>() {
            self.end(&address);
        }
        self.known.values_mut().for_each(|known| known.heard = false);
    }

    fn end(&mut self, address: &Address) {
        let Some(known) = self.known.remove(address) else { return };
        complain(&format!("{} has ended", known.name()));
        let whose = (&*known.process, known.pid, &*known.proc_key);
        let recorded = self.recorder.record_absence(whose, "ended", "it answers no more");
        self.count(recorded.map(|_| false));
    }

    /// Tells when recording begins to fail, and when it works again.
    fn count(&mut self, recorded: Result<bool, parshall_gauge::RecordError>) {
        match recorded {
            Ok(is_snapshot) => {
                self.done.recorded += u64::from(is_snapshot);
                if std::mem::take(&mut self.done.is_failing) {
                    complain("snapshots are recorded again");
                }
            }
            Err(error) => {
                self.done.errors += 1;
                if !std::mem::replace(&mut self.done.is_failing, true) {
                    complain(&format!("{error}; it is tried again each time"));
                }
            }
        }
    }
}

/// Becomes true when the process should end, so that the last record is whole and the summary is
/// printed.
fn signals() -> std::io::Result<Arc<AtomicBool>> {
    let ended = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The second one ends it at once.
            signal_hook::flag::register_conditional_shutdown(signal, 1, ended.clone())?;
            signal_hook::flag::register(signal, ended.clone())?;
        }
    }
    Ok(ended)
}
