//! What the gauge tells by itself: through `tracing` if the program listens there, else on stderr.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

#[cfg(any(feature = "serve", all(unix, feature = "signal")))]
use parshall::introspect::Diagnosis;
#[cfg(any(feature = "serve", feature = "tracing", all(unix, feature = "signal")))]
use parshall::introspect::Verdict;

use super::told::News;

/// One thing that was asked for and cannot be done.
pub(crate) fn warn(text: impl Display) {
    #[cfg(feature = "tracing")]
    if tracing::dispatcher::has_been_set() {
        tracing::warn!(target: "parshall", "{text}");
        return;
    }
    to_stderr(&format!("parshall: {text}"));
}

/// A finding that has appeared or ended.
pub(super) fn news(news: &News) {
    #[cfg(feature = "tracing")]
    if tracing::dispatcher::has_been_set() {
        trace(news);
        return;
    }
    to_stderr(&in_words(news));
}

fn in_words(news: &News) -> String {
    match news {
        News::Found(finding) => {
            format!("parshall: found: {}", finding.text().trim_end().replace('\n', "\n  "))
        }
        News::Over { line, lasted } => {
            format!("parshall: over, after {:?}: {line}", rounded(*lasted))
        }
        News::More { found, over } => {
            format!("parshall: {found} more are found and {over} more are over; see the report")
        }
    }
}

#[cfg(feature = "tracing")]
fn trace(news: &News) {
    match news {
        News::Found(finding) => {
            let (kind, verdict) = (finding.kind.as_str(), finding.verdict.as_str());
            let text = finding.text();
            let text = text.trim_end();
            if finding.verdict == Verdict::Signal {
                tracing::info!(target: "parshall", kind, verdict, "{text}");
            } else {
                tracing::warn!(target: "parshall", kind, verdict, "{text}");
            }
        }
        News::Over { line, lasted } => {
            let lasted = rounded(*lasted);
            tracing::info!(target: "parshall", ?lasted, "over: {line}");
        }
        News::More { found, over } => {
            tracing::warn!(target: "parshall", found, over, "more are found, and more are over");
        }
    }
}

/// To a tenth of a second.
fn rounded(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64 / 100 * 100)
}

/// In one piece, so that what other threads print stands before or after it. `eprintln` would panic
/// without a stderr.
fn to_stderr(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The report on stderr; on a terminal its first line is coloured, unless `NO_COLOR` is set.
#[cfg(all(unix, feature = "signal"))]
pub(super) fn report(diagnosis: &Diagnosis) {
    use std::io::IsTerminal;
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = !plain && io::stderr().is_terminal();
    to_stderr(&if coloured { painted(diagnosis) } else { diagnosis.to_string() });
}

#[cfg(all(unix, feature = "signal"))]
fn painted(diagnosis: &Diagnosis) -> String {
    let report = diagnosis.to_string();
    let (headline, rest) = report.split_at(report.find('\n').unwrap_or(report.len()));
    let colour = match worst(diagnosis) {
        "ok" => 32,
        "signal" => 33,
        _ => 31,
    };
    format!("\x1b[1;{colour}m{headline}\x1b[0m{rest}")
}

/// `ok`, or the verdict of the worst finding.
#[cfg(any(feature = "serve", all(unix, feature = "signal")))]
pub(crate) fn worst(diagnosis: &Diagnosis) -> &'static str {
    diagnosis.findings.iter().map(|finding| finding.verdict).min().map_or("ok", Verdict::as_str)
}
