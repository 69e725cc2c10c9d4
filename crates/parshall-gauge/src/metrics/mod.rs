//! The channels of a program, or of several, for Prometheus.
//!
//! With the features `metrics` and `serve` the gauge answers `/metrics` beside the rest of
//! [the protocol](crate#protocol). So this is all that Prometheus needs of a program that is
//! started with `PARSHALL_BIND=127.0.0.1:7878` and `PARSHALL_PROCESS=ingest`:
//!
//! ```yaml
//! scrape_configs:
//!   - job_name: parshall
//!     static_configs: [{ targets: ["127.0.0.1:7878"] }]
//! ```
//!
//! Without `PARSHALL_PROCESS` the pid is in the program's name, and each start begins new series.
//!
//! `parshall serve` answers it for all programs of a user at once. A program that has a
//! [`Registry`] of its own registers a [`Collector`] with it:
//!
//! ```
//! use parshall_gauge::metrics::Collector;
//! use prometheus_client::registry::Registry;
//!
//! let mut registry = Registry::default();
//! registry.register_collector(Box::new(Collector::default()));
//!
//! let (tx, _rx) = parshall::mpsc::Builder::new().name("jobs").capacity(4).build();
//! tx.try_send("one")?;
//! let mut text = String::new();
//! prometheus_client::encoding::text::encode(&mut text, &registry)?;
//! let process = parshall::process();
//! let line = format!(r#"parshall_channel_queue_length{{process="{process}",channel="jobs"}} 1"#);
//! assert!(text.contains(&line), "{text}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The folder `metrics` of this crate has alerts (`alerts.yml`: something is stuck, a channel is
//! saturated, one grows, one refuses) and a dashboard for Grafana (`dashboard.json`).
//!
//! # Series
//!
//! A scrape is one [snapshot](parshall::snapshot()). Each series has the labels `process` and,
//! unless it is about the program as a whole, `channel`: the name that channels were *created*
//! with, the sum of all channels of that name. Names that were set later are not used, since the
//! sums of a channel that is gone are kept by the first one. Ids and tasks are in no label.
//!
//! | gauge | |
//! |---|---|
//! | `parshall_channels` | channels that live |
//! | `parshall_channel_queue_length` | messages in them |
//! | `parshall_channel_queue_capacity` | how many they can hold; not of unbounded ones |
//! | `parshall_channel_queue_high_watermark` | the largest number that one of those that live has held |
//! | `parshall_channel_queue_utilization_ratio` | how full the fullest is, 0 to 1; not of unbounded ones |
//! | `parshall_channel_reserved_slots` | permits that are out |
//! | `parshall_channel_senders` | senders |
//! | `parshall_channel_waiters` | who waits, by `side`: `send`, `recv`, `close` |
//! | `parshall_channel_oldest_wait_seconds` | how long the longest of these has lasted; 0: nobody waits |
//! | `parshall_channel_granted_waiters` | sends that were granted room and have not been polled since |
//! | `parshall_channel_stalled` | channels in which something is stuck or likely stuck, by `reason`; only where that is so |
//! | `parshall_findings` | findings by `verdict`: `proven`, `stuck`; `conditional`, which is likely stuck; `signal` |
//! | `parshall_deadlocked_tasks` | tasks in a deadlock, by `verdict` |
//! | `parshall_untracked_channels` | channels of which nothing else is known |
//!
//! | counter | |
//! |---|---|
//! | `parshall_channel_sent_messages_total`, `parshall_channel_received_messages_total` | messages |
//! | `parshall_channel_discarded_messages_total` | messages that were in a channel whose receiver was dropped |
//! | `parshall_channel_send_failures_total` | sends that were refused, by `reason`: `full`, `closed` |
//! | `parshall_channel_cancelled_sends_total`, `parshall_channel_cancelled_receives_total` | waits that were given up |
//! | `parshall_channel_send_waits_total`, `parshall_channel_recv_waits_total` | sends and receives that had to wait |
//! | `parshall_channel_send_wait_seconds_total`, `parshall_channel_recv_wait_seconds_total` | how long, the waits of now included |
//! | `parshall_channel_created_total` | channels |
//! | `parshall_channel_closed_total` | those without a sender, and those that receive no more, by `side`: `send`, `recv` |
//!
//! `parshall_channel_wait_seconds` is a histogram, by `side`: `send`, `recv`: the durations of
//! waits that have ended, up to 10, 30, 100 and 300 ms, 1, 3, 10, 30 and 60 s. There is one for
//! each side of the channels that live, but not for sends into channels without a capacity; and it
//! stays where a wait has ended. Waits are timed by a clock whose ticks are 1 to 10 ms apart: of
//! shorter ones it tells no more than that they were. One that lasts is in no bucket yet;
//! `parshall_channel_oldest_wait_seconds` has it, and so have the counters above. See
//! [`WaitHistogram`](parshall::WaitHistogram).
//!
//! `parshall_channel_info` has the labels `location`, `kind` (`bounded`, `unbounded`) and `payload`
//! of the channels of a name that live. One on which they do not agree is empty, so that there is
//! one such series a name, to join with.
//!
//! `_stalled`, `_findings` and `_deadlocked_tasks` say what a
//! [`Diagnosis`](parshall::introspect::Diagnosis) of the same look has found, with `reason` a
//! [`FindingKind`](parshall::introspect::FindingKind). They are left out where there is none yet:
//! one look says nothing.
//!
//! # A thousand names
//!
//! At most 1,000 names of a program have series of their own, the first that were seen. All others
//! are summed in the name `__other__`. A name stays where it is once it was seen, so no counter
//! ever falls: see [`Exporter`]. A label has at most 200 characters; of names that are the same up
//! to there the channels are summed. A control character is shown as U+FFFD.
//!
//! # What it costs
//!
//! Nothing between two scrapes. One takes, from the look to the text, medians on an Intel
//! Xeon with two cores that were busy with much else:
//!
//! | channels | names | time | text |
//! |---|---|---|---|
//! | 1,000 | 20 | 14 to 20 ms, of which the text 0.5 ms | 52 KiB |
//! | 1,000 | 1,000 | 40 to 51 ms, of which the text 24 to 35 ms | 2.4 MiB |
//! | 100,000 | 1,000 | 3.5 to 4.4 s, of which the text 1.0 to 1.3 s | 2.5 MiB |
//! | 100,000 | 100,000 | 2.4 to 3.1 s, of which the text 0.5 to 0.7 s | 2.5 MiB |
//!
//! Times and texts are those of before the histogram, which doubles the texts: 105 KiB for 20
//! names, 5.1 MiB for 1,000.
//!
//! `cargo run --release -p parshall-gauge --features metrics --example scrape` measures it anew.

mod families;
mod process;
mod program;
mod sums;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use parshall::introspect::{Diagnoser, Settings};
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use families::Scrape;
use process::Known;
pub use program::Program;
use sums::Process;

/// How a scrape is written.
///
/// # Examples
/// ```
/// use parshall_gauge::metrics::Format;
///
/// let prometheus = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5";
/// assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
/// let browser = Format::accepted(Some("text/html"));
/// assert_eq!(browser.content_type(), "text/plain; version=0.0.4; charset=utf-8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// OpenMetrics 1.0, for which Prometheus asks.
    OpenMetrics,
    /// The older format, which everything reads: a browser and `promtool check metrics`, too.
    Text,
}

impl Format {
    /// What a client may be answered that sends this header `Accept`, if any.
    pub fn accepted(accept: Option<&str>) -> Self {
        let accepts = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if accepts { Self::OpenMetrics } else { Self::Text }
    }

    /// The header `Content-Type` of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes scrapes, one after the other.
///
/// It keeps what must not change from one to the next:
///
/// * Which names have series of their own. A name that was seen in a scrape is, in each that
///   follows, where it was then: in its own series, or in `__other__`. Both are sums of counters
///   that never fall, of a set of names from which none is ever taken, so they never fall either.
/// * What a program is called in the label `process`. Of two that have the same name at the same
///   time, the second is called `name#2`, as long as it runs. One that was restarted under the same
///   name has the label of the one before.
///
/// So keep one for each place that is scraped. It remembers 256 programs that run no more.
///
/// # Examples
/// ```
/// use parshall_gauge::metrics::{Exporter, Format, Program};
///
/// let mut exporter = Exporter::default();
/// let snapshot = parshall::snapshot();
/// let mut text = String::new();
/// let program = Program { snapshot: &snapshot, diagnosis: None };
/// exporter.write(&[program], Format::OpenMetrics, &mut text)?;
/// assert!(text.ends_with("# EOF\n"));
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Exporter(Known);

impl Exporter {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a scrape of these programs. One that is there twice is written once.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(
        &mut self,
        programs: &[Program<'_>],
        format: Format,
        out: &mut impl fmt::Write,
    ) -> fmt::Result {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.scrape(programs)));
        match format {
            Format::OpenMetrics => text::encode(out, &registry),
            Format::Text => prometheus_text::encode(out, &registry),
        }
    }

    fn scrape(&mut self, programs: &[Program<'_>]) -> Scrape {
        self.0.meet(programs);
        let mut there = HashSet::new();
        let programs = programs.iter().filter(|program| there.insert(&program.snapshot.proc_key));
        Scrape(programs.map(|program| Process::sum(program, self.0.get(program))).collect())
    }
}

/// The channels of this process, for a [`Registry`] of the program's own. It looks at each scrape,
/// and at nothing in between.
///
/// What is wrong is known from the second scrape on. What a scrape says was true at its own look:
/// its counters never fall, and its gauges may change at any time.
///
/// # Examples
/// On the [module](self).
#[derive(Debug)]
pub struct Collector {
    settings: Settings,
    state: Mutex<(Diagnoser, Exporter)>,
}

impl Collector {
    /// With these settings for what is called stuck.
    pub fn new(settings: Settings) -> Self {
        let diagnoser = Diagnoser::new(settings.clone());
        Self { settings, state: Mutex::new((diagnoser, Exporter::new())) }
    }

    fn look(&self) -> Scrape {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (diagnoser, exporter) = &mut *state;
        let snapshot = parshall::snapshot();
        let diagnosis = diagnoser.look(&snapshot).ok().or_else(|| {
            // The time of day was set back, or a `fork` made another process of this: all begins
            // anew.
            *diagnoser = Diagnoser::new(self.settings.clone());
            diagnoser.look(&snapshot).ok()
        });
        exporter.scrape(&[Program { snapshot: &snapshot, diagnosis: diagnosis.as_ref() }])
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.look().encode(encoder)
    }
}
