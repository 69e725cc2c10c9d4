//! The table of channels.

use std::sync::Arc;

use maud::{Markup, html};
use parshall::introspect::Verdict;
use parshall::introspect::text::{counted, rate};

use super::super::world::{Program, State, Status};
use super::chart::{bar, sparks};
use super::parts::{Options, Part, SORTS, badge, channel_href, href, name};
use crate::model::{Crowd, Row, Sort};
use crate::terminal::{duration, label, line, plain};
use crate::words::NAME;

/// How many names of those who wait are shown.
const NAMES: usize = 3;

fn columns(with_program: bool) -> Markup {
    html! {
        tr {
            th scope="col" { "Channel" }
            @if with_program { th scope="col" { "Program" } }
            th.w-state scope="col" { "State" }
            th scope="col" { "Waits" }
            th.number.w-oldest scope="col" { "Oldest" }
            th.w-fill scope="col" { "Fill" }
            th.number.w-len scope="col" { "Len/cap" }
            th.number.w-high scope="col" { "High" }
            th.w-line scope="col" { "Fill, 10 min" }
            th.number.w-rate scope="col" { "In/s" }
            th.number.w-rate scope="col" { "Out/s" }
            th.w-line scope="col" { "Rates, 10 min" }
        }
    }
}

pub(super) fn state_badge(row: &Row<'_>) -> Markup {
    let class = match row.mark.map(|(verdict, _)| verdict) {
        Some(Verdict::Signal) => "warn",
        Some(_) => "bad",
        None => "well",
    };
    badge(class, &row.state().replace('_', " "))
}

/// `send writer, loader +36; recv sink`.
fn who(crowds: &[Crowd]) -> String {
    let crowd = |crowd: &Crowd| {
        let names: Vec<_> = crowd.names.iter().take(NAMES).map(|name| line(name, 28)).collect();
        let more = crowd.waits.saturating_sub(names.len());
        match (names.len(), more) {
            (0, n) => format!("{} {n}", crowd.what),
            (_, 0) => format!("{} {}", crowd.what, names.join(", ")),
            (_, n) => format!("{} {} +{n}", crowd.what, names.join(", ")),
        }
    };
    crowds.iter().map(crowd).collect::<Vec<_>>().join("; ")
}

fn per_second(rates: Option<f64>) -> String {
    rates.map_or("\u{2013}".into(), |value| plain(rate(value)).trim_end_matches("/s").to_owned())
}

fn cells(program: &Program, state: &State, row: &Row<'_>, with_program: bool) -> Markup {
    let stats = &row.channel.stats;
    let crowds = state.model.crowds(row.channel);
    let (fill, rates) = sparks(state, row);
    let filled = match stats.capacity {
        Some(capacity) => format!("{}/{capacity}", stats.queue_len),
        None => stats.queue_len.to_string(),
    };
    html! {
        th scope="row" {
            a href=(channel_href(program, stats.channel_id)) { (label(&stats.label, NAME)) }
        }
        @if with_program {
            td data-label="Program" { a href=(href(program, "")) { (name(program, state)) } }
        }
        td data-label="State" { (state_badge(row)) }
        td.who data-label="Waits" { (who(&crowds)) }
        td.number data-label="Oldest" {
            @if let Some(crowd) = crowds.first() { (duration(crowd.oldest_ns)) }
        }
        td data-label="Fill" {
            @if row.fill().is_some() { (bar(row)) } @else { small { "no cap" } }
        }
        td.number data-label="Len/cap" { (filled) }
        td.number data-label="High" { (stats.high_watermark) }
        td.line data-label="Fill, 10 min" { (fill) }
        td.number data-label="In/s" { (per_second(row.rates.map(|rates| rates.0))) }
        td.number data-label="Out/s" { (per_second(row.rates.map(|rates| rates.1))) }
        td.line data-label="Rates, 10 min" { (rates) }
    }
}

/// The worst of all programs; how many of them, and of how many.
pub(super) fn of_all(programs: &[Arc<Program>], most: usize) -> (Part, usize, usize) {
    let (mut all, mut of) = (Vec::new(), 0);
    let running =
        programs.iter().filter(|program| !matches!(program.state().status, Status::Ended { .. }));
    let running: Vec<_> = running.collect();
    let with_program = running.len() > 1;
    for program in &running {
        let state = program.state();
        let now = state.model.now_ns();
        of += state.model.all().count();
        for row in state.model.rows("", Sort::Hurts).into_iter().take(most) {
            let id = format!("c-{}-{}", program.slug, row.channel.stats.channel_id);
            all.push((row.hurts(now), id, *program, row.channel.stats.channel_id));
        }
        all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all.truncate(most);
    }
    let rows = all.into_iter().filter_map(|(_, id, program, channel)| {
        let state = program.state();
        let row = state.model.channel(channel)?;
        Some((id, cells(program, &state, &row, with_program)))
    });
    let rows: Vec<_> = rows.collect();
    let shown = rows.len();
    let head = if of == 0 {
        html! {}
    } else {
        columns(with_program)
    };
    (Part::Rows { id: "channels", head, rows, caption: "Channels" }, shown, of)
}

/// Those of one program that are asked for; how many of them, and of how many.
pub(super) fn of_one(program: &Program, state: &State, options: &Options) -> (Part, usize, usize) {
    let all = state.model.rows(&options.q, options.sort());
    let of = all.len();
    let rows: Vec<_> = all
        .iter()
        .take(options.most())
        .map(|row| {
            let id = format!("c-{}-{}", program.slug, row.channel.stats.channel_id);
            (id, cells(program, state, row, false))
        })
        .collect();
    let shown = rows.len();
    (Part::Rows { id: "channels", head: columns(false), rows, caption: "Channels" }, shown, of)
}

/// What is above the table of one program.
pub(super) fn head(program: &Program, options: &Options, shown: usize, of: usize) -> Markup {
    html! {
        h2 { "Channels " small {
            @if shown < of { "the first " (shown) " of " (of) } @else { (of) }
            @if !options.q.is_empty() { " with \u{201c}" (line(&options.q, 60)) "\u{201d}" }
        } }
        form.filter action=(href(program, "")) {
            label for="filter" { "Filter" }
            input id="filter" type="search" name="q" value=(line(&options.q, 400)) maxlength="200"
                placeholder="a channel, or who waits";
            label for="sort" { "Sort by" }
            select id="sort" name="sort" {
                @for (name, sort) in SORTS {
                    option value=(name) selected[sort == options.sort()] { (sort.as_str()) }
                }
            }
            @if options.rows == "all" { input type="hidden" name="rows" value="all"; }
            button type="submit" { "Show" }
            @if shown < of && options.rows != "all" {
                " "
                button type="submit" name="rows" value="all" {
                    "Show all " (plain(counted(of as u64, "channel")))
                }
            }
        }
    }
}
