//! The families of metrics, and how they are written.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::process::label;
use super::sums::{About, Process, SIDES, Sums};

/// What a scrape has to say.
#[derive(Debug)]
pub(super) struct Scrape(pub(super) Vec<Process>);

/// A number, whose kind says what it is.
enum Value {
    Gauge(u64),
    Real(f64),
    Counter(u64),
    /// A counter of nanoseconds, told in seconds.
    Time(u64),
}

use Value::{Counter, Gauge, Real, Time};

/// A series: one label more and its value, if there is one, and the number.
type Series = (Option<(&'static str, &'static str)>, Value);

/// One family of series by channel.
struct Family {
    /// Without the unit, and without `_total`.
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    series: fn(&Sums) -> Vec<Series>,
}

const fn family(
    name: &'static str,
    help: &'static str,
    series: fn(&Sums) -> Vec<Series>,
) -> Family {
    Family { name, help, unit: None, series }
}

const fn seconds(
    name: &'static str,
    help: &'static str,
    series: fn(&Sums) -> Vec<Series>,
) -> Family {
    Family { name, help, unit: Some(Unit::Seconds), series }
}

fn one(value: Value) -> Vec<Series> {
    vec![(None, value)]
}

fn by<const N: usize>(key: &'static str, series: [(&'static str, Value); N]) -> Vec<Series> {
    series.into_iter().map(|(word, value)| (Some((key, word)), value)).collect()
}

fn by_side(value: impl Fn(usize) -> Value) -> Vec<Series> {
    by("side", std::array::from_fn::<_, 3, _>(|side| (SIDES[side], value(side))))
}

/// Those of channels that live. A name of which none lives has only the first.
const GAUGES: [Family; 11] = [
    family("parshall_channels", "Channels that live", |it| one(Gauge(it.channels))),
    family("parshall_channel_queue_length", "Messages in the channels", |it| {
        one(Gauge(it.queue_length))
    }),
    family("parshall_channel_queue_capacity", "Messages that bounded channels can hold", |it| {
        it.capacity.map_or(Vec::new(), |capacity| one(Gauge(capacity)))
    }),
    family(
        "parshall_channel_queue_high_watermark",
        "The most messages that one of the channels has held",
        |it| one(Gauge(it.high_watermark)),
    ),
    family(
        "parshall_channel_queue_utilization_ratio",
        "How full the fullest bounded channel is, 0 to 1",
        |it| it.utilization.map_or(Vec::new(), |utilization| one(Real(utilization))),
    ),
    family("parshall_channel_reserved_slots", "Permits that are out", |it| one(Gauge(it.reserved))),
    family("parshall_channel_senders", "Senders that live", |it| one(Gauge(it.senders))),
    family("parshall_channel_waiters", "Who waits now", |it| {
        by_side(|side| Gauge(it.waiters[side]))
    }),
    seconds("parshall_channel_oldest_wait", "How long the longest wait of now has lasted", |it| {
        by_side(|side| Real(it.oldest_ns[side] as f64 / 1e9))
    }),
    family(
        "parshall_channel_granted_waiters",
        "Sends that were granted room and have not been polled since",
        |it| one(Gauge(it.granted)),
    ),
    family(
        "parshall_channel_stalled",
        "Channels in which something is stuck or likely stuck, by what it is",
        |it| it.stalled.iter().map(|(&reason, &n)| (Some(("reason", reason)), Gauge(n))).collect(),
    ),
];

/// Those of all channels.
const COUNTERS: [Family; 12] = [
    family("parshall_channel_sent_messages", "Messages sent", |it| one(Counter(it.sent))),
    family("parshall_channel_received_messages", "Messages received", |it| {
        one(Counter(it.received))
    }),
    family(
        "parshall_channel_discarded_messages",
        "Messages that were in a channel whose receiver was dropped",
        |it| one(Counter(it.discarded)),
    ),
    family("parshall_channel_send_failures", "Sends that were refused", |it| {
        by("reason", [("full", Counter(it.refused_full)), ("closed", Counter(it.refused_closed))])
    }),
    family(
        "parshall_channel_cancelled_sends",
        "Sends that were given up while they waited",
        |it| one(Counter(it.cancelled_sends)),
    ),
    family(
        "parshall_channel_cancelled_receives",
        "Receives that were given up while they waited",
        |it| one(Counter(it.cancelled_receives)),
    ),
    family("parshall_channel_send_waits", "Sends that had to wait", |it| {
        one(Counter(it.send_waits))
    }),
    seconds("parshall_channel_send_wait", "Time that sends have waited", |it| {
        one(Time(it.send_wait_ns))
    }),
    family("parshall_channel_recv_waits", "Receives that had to wait", |it| {
        one(Counter(it.recv_waits))
    }),
    seconds("parshall_channel_recv_wait", "Time that receives have waited", |it| {
        one(Time(it.recv_wait_ns))
    }),
    family("parshall_channel_created", "Channels created", |it| one(Counter(it.created))),
    family("parshall_channel_closed", "Channels closed, by the side that did not stay", |it| {
        by("side", std::array::from_fn::<_, 2, _>(|side| (SIDES[side], Counter(it.closed[side]))))
    }),
];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (i, family) in GAUGES.iter().enumerate() {
            let has = |it: &Sums| i == 0 || it.channels > 0;
            self.encode_family(family, MetricType::Gauge, has, &mut encoder)?;
        }
        for family in &COUNTERS {
            self.encode_family(family, MetricType::Counter, |_| true, &mut encoder)?;
        }
        self.encode_waits(&mut encoder)?;
        self.encode_info(&mut encoder)?;
        self.encode_programs(&mut encoder)
    }
}

impl Scrape {
    fn encode_family(
        &self,
        family: &Family,
        kind: MetricType,
        has: impl Fn(&Sums) -> bool,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let unit = family.unit.as_ref();
        let mut metric = encoder.encode_descriptor(family.name, family.help, unit, kind)?;
        for process in &self.0 {
            for (name, sums) in process.names.iter().filter(|(_, sums)| has(sums)) {
                for (more, value) in (family.series)(sums) {
                    let labels = [("process", &*process.label), ("channel", name)];
                    write(&mut metric, &labels, more, &value)?;
                }
            }
        }
        Ok(())
    }

    fn encode_waits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Durations of waits that have ended";
        let (name, unit) = ("parshall_channel_wait", Some(&Unit::Seconds));
        let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for process in &self.0 {
            for (name, sums) in &process.names {
                for (side, waits) in SIDES.into_iter().zip(&sums.waits) {
                    let Some(waits) = waits else { continue };
                    let labels = [("process", &*process.label), ("channel", name), ("side", side)];
                    let mut metric = metric.encode_family(&labels)?;
                    let seconds = waits.total_ns as f64 / 1e9;
                    metric.encode_histogram::<NoLabelSet>(
                        seconds,
                        waits.count(),
                        &waits.each(),
                        None,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// One series a name: whoever joins with it needs that.
    fn encode_info(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What the channels of a name are; empty where they differ";
        let mut metric =
            encoder.encode_descriptor("parshall_channel", help, None, MetricType::Info)?;
        for process in &self.0 {
            let abouts =
                process.names.iter().filter_map(|(name, sums)| Some((name, sums.about.as_ref()?)));
            for (name, About { location, kind, payload }) in abouts {
                let (location, payload) = (label(location), label(payload));
                metric.encode_info(&[
                    ("process", &*process.label),
                    ("channel", name),
                    ("location", &location),
                    ("kind", kind),
                    ("payload", &payload),
                ])?;
            }
        }
        Ok(())
    }

    fn encode_programs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let help = "Channels of which nothing else is known";
        let mut metric =
            encoder.encode_descriptor("parshall_untracked_channels", help, None, gauge)?;
        for process in &self.0 {
            write(&mut metric, &[("process", &process.label)], None, &Gauge(process.untracked))?;
        }
        let found = || self.0.iter().filter_map(|it| Some((&*it.label, it.found.as_ref()?)));
        let help = "What is wrong, by how sure that is";
        let mut metric = encoder.encode_descriptor("parshall_findings", help, None, gauge)?;
        for (process, found) in found() {
            for (verdict, &n) in &found.by_verdict {
                let verdict = Some(("verdict", verdict.as_str()));
                write(&mut metric, &[("process", process)], verdict, &Gauge(n))?;
            }
        }
        let help = "Tasks and threads in a deadlock";
        let mut metric =
            encoder.encode_descriptor("parshall_deadlocked_tasks", help, None, gauge)?;
        for (process, found) in found() {
            for (verdict, &n) in &found.deadlocked {
                let verdict = Some(("verdict", verdict.as_str()));
                write(&mut metric, &[("process", process)], verdict, &Gauge(n))?;
            }
        }
        Ok(())
    }
}

fn write(
    metric: &mut MetricEncoder<'_>,
    labels: &[(&str, &str)],
    more: Option<(&str, &str)>,
    value: &Value,
) -> fmt::Result {
    let labels = (labels, more.as_slice());
    let mut metric = metric.encode_family(&labels)?;
    match value {
        Gauge(n) => metric.encode_gauge(n),
        Real(x) => metric.encode_gauge(x),
        Counter(n) => metric.encode_counter::<NoLabelSet, _, u64>(n, None),
        Time(ns) => metric.encode_counter::<NoLabelSet, _, u64>(&(*ns as f64 / 1e9), None),
    }
}
