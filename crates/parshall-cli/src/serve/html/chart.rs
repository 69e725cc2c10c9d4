//! Lines over the last ten minutes.

use std::fmt::Write;

use maud::{Markup, PreEscaped, Render, html};
use parshall::introspect::text::{exact, rate};

use super::super::history::{POINT_NS, POINTS, Point};
use super::super::world::State;
use crate::model::Row;
use crate::terminal::{line, plain};
use crate::words::NAME;

/// The colours of a chart that is a file. Those of the page are the same.
const SVG_STYLE: &str = "\
svg{background:#fff;color:#1c1e21;--line:#d5d8dc;--in:#2458a6;--out:#8a5a00;font:11px ui-sans-serif,system-ui,sans-serif}\
@media(prefers-color-scheme:dark){svg{background:#15171a;color:#e4e6e9;--line:#33373d;--in:#7fb0ff;--out:#f0c060}}\
text{fill:currentColor}.end{text-anchor:end}.grid{stroke:var(--line)}.axis{stroke:currentColor}\
.in{fill:none;stroke:var(--in);stroke-width:1.5}.out{fill:none;stroke:var(--out);stroke-width:1.5;stroke-dasharray:4 2}\
.area{fill:var(--in);opacity:.16}";

/// What a chart is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Of {
    Fill,
    Rates,
}

/// A line of steps: it only turns where a value is another. None: nobody looked.
fn steps(points: &[Option<f32>], width: f64, height: f64, top: f32, is_area: bool) -> String {
    let step = width / points.len() as f64;
    let mut out = String::new();
    let mut number = |letter: char, value: f64| {
        let _ = write!(out, "{letter}{}", (value * 10.0).round() / 10.0);
    };
    let mut before: Option<f64> = None;
    for n in 0..=points.len() {
        let here = points.get(n).copied().flatten();
        let x = n as f64 * step;
        // Half a line's width is above and below.
        let y = here.map(|value| height - 1.0 - f64::from(value / top).min(1.0) * (height - 2.0));
        match (before, y) {
            (None, Some(y)) => {
                number('M', x);
                number(' ', if is_area { height } else { y });
                if is_area {
                    number('V', y);
                }
            }
            #[allow(clippy::float_cmp)]
            (Some(before), Some(y)) if before != y => {
                number('H', x);
                number('V', y);
            }
            (Some(_), None) => {
                number('H', x);
                if is_area {
                    number('V', height);
                }
            }
            _ => {}
        }
        before = y;
    }
    out
}

fn most(values: impl Iterator<Item = Option<f32>>) -> f32 {
    values.flatten().fold(0.0, f32::max)
}

struct Lines {
    len: Vec<Option<f32>>,
    sent: Vec<Option<f32>>,
    received: Vec<Option<f32>>,
    /// What the full height is.
    len_top: f32,
    rate_top: f32,
}

impl Lines {
    fn of(state: &State, row: &Row<'_>) -> Self {
        let points = state.history.of(row.channel.stats.channel_id);
        let all = |value: fn(Point) -> f32| points.iter().map(|p| p.map(value)).collect::<Vec<_>>();
        let (len, sent) = (all(|p| p.len), all(|p| p.sent));
        let received = all(|p| p.received);
        let capacity = row.channel.stats.capacity.map(|capacity| capacity as f32);
        let len_top = capacity.unwrap_or_else(|| most(len.iter().copied())).max(1.0);
        let rate_top = most(sent.iter().chain(&received).copied()).max(1.0);
        Self { len, sent, received, len_top, rate_top }
    }
}

/// Nothing at all is one line, which stays as it is: so that of many idle rows none changes.
fn or_still(points: &[Option<f32>]) -> Vec<Option<f32>> {
    let is_still = points.iter().flatten().all(|value| *value == 0.0);
    if is_still { vec![Some(0.0); points.len()] } else { points.to_vec() }
}

/// Both, for the row of a table; its other cells say the same in numbers.
pub(super) fn sparks(state: &State, row: &Row<'_>) -> (Markup, Markup) {
    const WIDTH: f64 = 96.0;
    const HEIGHT: f64 = 22.0;
    let lines = Lines::of(state, row);
    let name = line(&row.channel.stats.label, NAME);
    let svg = |title: String, inner: Markup| {
        html! {
            svg.spark role="img" viewBox="0 0 96 22" width="96" height="22" preserveAspectRatio="none" {
                title { (title) }
                (inner)
            }
        }
    };
    let path = |points: &[Option<f32>], top, class: &str, is_area| {
        let steps = steps(&or_still(points), WIDTH, HEIGHT, top, is_area);
        html! { path class=(class) d=(steps) {} }
    };
    let fill = html! {
        (path(&lines.len, lines.len_top, "area", true))
        (path(&lines.len, lines.len_top, "in", false))
    };
    let rates = html! {
        (path(&lines.sent, lines.rate_top, "in", false))
        (path(&lines.received, lines.rate_top, "out", false))
    };
    (
        svg(format!("{name}: fill over ten minutes"), fill),
        svg(format!("{name}: messages in and out a second over ten minutes"), rates),
    )
}

/// With axes.
pub(super) fn chart(state: &State, row: &Row<'_>, what: Of, is_file: bool) -> Markup {
    const WIDTH: f64 = 600.0;
    const HEIGHT: f64 = 120.0;
    let lines = Lines::of(state, row);
    let name = line(&row.channel.stats.label, NAME);
    let (title, top) = match what {
        Of::Fill => (
            format!("{name}: messages in it over the last ten minutes"),
            exact(lines.len_top as u64),
        ),
        Of::Rates => (
            format!("{name}: messages in and out a second over the last ten minutes"),
            plain(rate(f64::from(lines.rate_top))),
        ),
    };
    let path = |points: &[Option<f32>], top, class: &str, is_area| {
        let steps = steps(points, WIDTH, HEIGHT, top, is_area);
        html! { path class=(class) d=(steps) {} }
    };
    html! {
        svg.chart xmlns="http://www.w3.org/2000/svg" role="img" viewBox="-2 -18 604 158" {
            title { (title) }
            @if is_file { style { (PreEscaped(SVG_STYLE)) } }
            @for n in 0..=10_u32 {
                line.grid x1=(n * 60) x2=(n * 60) y1="0" y2="120" {}
            }
            line.axis x1="0" x2="600" y1="120" y2="120" {}
            line.grid x1="0" x2="600" y1="1" y2="1" {}
            @match what {
                Of::Fill => {
                    (path(&lines.len, lines.len_top, "area", true))
                    (path(&lines.len, lines.len_top, "in", false))
                }
                Of::Rates => {
                    (path(&lines.sent, lines.rate_top, "in", false))
                    (path(&lines.received, lines.rate_top, "out", false))
                }
            }
            text x="0" y="-6" { (top) }
            text x="0" y="136" { "10 min ago" }
            text.end x="600" y="136" { "now" }
        }
    }
}

/// What is in both charts: one row a minute, the last first.
pub(super) fn table(state: &State, row: &Row<'_>) -> Markup {
    let points = state.history.of(row.channel.stats.channel_id);
    let a_minute = usize::try_from(60_000_000_000 / POINT_NS).unwrap_or(1);
    let minutes = points.chunks(a_minute).rev().enumerate();
    let seen = minutes.map(|(n, points)| (n, points.iter().flatten().copied().collect::<Vec<_>>()));
    let mean = |points: &[Point], value: fn(&Point) -> f32| {
        f64::from(points.iter().map(value).sum::<f32>()) / points.len() as f64
    };
    html! {
        table.numbers {
            thead { tr {
                th scope="col" { "Minutes ago" } th scope="col" { "Most in it" }
                th scope="col" { "In" } th scope="col" { "Out" }
            } }
            tbody {
                @for (n, points) in seen.filter(|(_, points)| !points.is_empty()) {
                    tr {
                        th scope="row" { (n) " to " (n + 1) }
                        td { (exact(most(points.iter().map(|p| Some(p.len))) as u64)) }
                        td { (plain(rate(mean(&points, |p| p.sent)))) }
                        td { (plain(rate(mean(&points, |p| p.received)))) }
                    }
                }
            }
        }
    }
}

/// `[###  ]` as a picture; the cell beside says the same in numbers.
pub(super) fn bar(row: &Row<'_>) -> Markup {
    struct Width(f64);
    impl Render for Width {
        fn render_to(&self, out: &mut String) {
            let _ = write!(out, "{:.0}", self.0);
        }
    }
    html! {
        @if let Some(fill) = row.fill() {
            svg.bar aria-hidden="true" viewBox="0 0 60 8" width="60" height="8" {
                rect.track width="60" height="8" rx="2" {}
                rect.taken width=(Width((fill.clamp(0.0, 1.0) * 60.0).max(if fill > 0.0 { 2.0 } else { 0.0 })))
                    height="8" rx="2" {}
            }
        }
    }
}

const _: () = assert!(POINTS == 120, "the axis says ten minutes");
