//! What is wrong: in words, as a picture, and as the table of what is in the picture.

use maud::{Markup, PreEscaped, html};
use parshall::introspect::text::{Drawing, Shape};
use parshall::introspect::{Diagnosis, Finding, Verdict};

use super::super::world::{self, Program, State};
use super::parts::{Part, View, badge, channel_href, clock, href};
use super::tasks;
use crate::mark::marked;
use crate::picture::Picture;
use crate::terminal::{duration, line};

/// Its sentences.
fn sentences(finding: &Finding) -> Vec<String> {
    // A line that was broken goes on further in.
    finding.text().replace("\n  ", " ").lines().map(str::to_owned).collect()
}

/// The sentence that names the cause.
pub(super) fn first(finding: &Finding) -> String {
    sentences(finding).into_iter().next().unwrap_or_default()
}

/// What could not be seen.
pub(super) fn blind(diagnosis: &Diagnosis) -> String {
    let report = diagnosis.to_string();
    let lines = report.lines().skip_while(|line| !line.starts_with("blind: "));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

pub(super) fn class(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Signal { "warn" } else { "bad" }
}

fn words(finding: &Finding) -> Markup {
    html! {
        @for (n, sentence) in sentences(finding).iter().enumerate() {
            @if n == 0 { p.cause { (sentence) } } @else { p { (sentence) } }
        }
    }
}

fn head(finding: &Finding) -> Markup {
    let kind = marked((finding.verdict, finding.kind)).replace('_', " ");
    html! {
        (badge(class(finding.verdict), &kind))
        span.verdict { (finding.verdict.as_str()) }
        span.since {
            @if finding.since_known { "for " } @else { "seen for " }
            (duration(finding.seen_ns.saturating_sub(finding.since_ns)))
            ", since " (clock(finding.since_ns))
        }
    }
}

/// In a list.
pub(super) fn card(program: &Program, finding: &Finding) -> Markup {
    let to = href(program, &format!("/finding/{}", world::key(finding)));
    html! {
        article class={ "finding " (class(finding.verdict)) } {
            h3 { (head(finding)) }
            (words(finding))
            p { a href=(to) { "Picture, and who takes part" } }
        }
    }
}

fn drawing(finding: &Finding) -> Drawing {
    Drawing::of(std::slice::from_ref(finding))
}

fn drawn(finding: &Finding, drawing: &Drawing) -> Picture {
    Picture::of(first(finding), drawing)
}

pub(super) fn picture(state: &State, key: &str) -> Option<Picture> {
    let finding = state.finding(key)?;
    Some(drawn(finding, &drawing(finding)))
}

/// Where more is known of a node.
fn node_href(program: &Program, state: &State, key: &str) -> Option<String> {
    let model = &state.model;
    if let Some(id) = key.strip_prefix("channel ") {
        let row = model.channel(id.parse().ok()?)?;
        return Some(channel_href(program, row.channel.stats.channel_id));
    }
    let snapshot = model.snapshot.as_ref()?;
    let id = key.strip_prefix("party ")?;
    let known = snapshot.tasks.iter().find(|task| task.task.node_id_in(&snapshot.process) == id)?;
    Some(tasks::task_href(program, known.task))
}

pub(super) fn view(program: &Program, state: &State, key: &str) -> View {
    let to = href(program, &format!("/finding/{key}"));
    let Some(finding) = state.finding(key) else {
        let over = state.over.iter().find(|over| over.key == key);
        let html = html! {
            h1 { "This finding is over" }
            @match over {
                Some(over) => {
                    p {
                        @if over.finding.since_known { "It lasted from " }
                        @else { "It was seen from " }
                        (clock(over.finding.since_ns)) " to "
                        (clock(over.finding.seen_ns)) ", for "
                        (duration(over.finding.seen_ns.saturating_sub(over.finding.since_ns)))
                        ". What was said of it last:"
                    }
                    article.finding { (words(&over.finding)) }
                }
                None => p { "Nothing is known of it: it was over before this page was served, or \
                             so long ago that it was forgotten." },
            }
            p { a href=(href(program, "")) { "What is wrong now" } }
        };
        return View {
            title: "This finding is over \u{b7} parshall".into(),
            path: vec![("finding".into(), to)],
            parts: vec![Part::Block { id: "finding", html }],
        };
    };
    let kind = marked((finding.verdict, finding.kind)).replace('_', " ");
    let drawing = drawing(finding);
    let text = html! {
        div class={ "hero " (class(finding.verdict)) } {
            h1 { (head(finding)) }
            (words(finding))
        }
    };
    let picture = html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label="Picture; it may be wider than the screen" {
                (PreEscaped(drawn(finding, &drawing).svg(false)))
            }
            figcaption {
                "Boxes are channels. An arrow leads from whoever waits to what is waited for; \
                 dashed: to the last that received from it, as far as is known. "
                a href={ (to) "/picture.svg" } { "The picture alone" }
            }
        }
        h2 { "The same as a table" }
        (table(program, state, &drawing))
    };
    View {
        title: format!("{kind}: {} \u{b7} parshall", first(finding)),
        path: vec![(kind, to)],
        parts: vec![
            Part::Block { id: "finding", html: text },
            Part::Block { id: "picture", html: picture },
        ],
    }
}

/// What is in the picture: each arrow, and what has none.
fn table(program: &Program, state: &State, drawing: &Drawing) -> Markup {
    let node = |n: usize| {
        let node = &drawing.nodes[n];
        let what = match node.shape {
            Shape::Channel => "channel",
            Shape::Party => "task",
            Shape::Crowd => "several",
        };
        let text = line(&node.lines.join(", "), 120);
        html! {
            @match node_href(program, state, &node.key) {
                Some(to) => a href=(to) { (text) },
                None => (text),
            }
            " " small { (what) }
        }
    };
    let is_alone = |n: &usize| drawing.edges.iter().all(|edge| edge.from != *n && edge.to != *n);
    html! {
        table.cards {
            thead { tr { th scope="col" { "From" } th scope="col" { "Why" } th scope="col" { "To" } } }
            tbody {
                @for edge in &drawing.edges {
                    tr {
                        td data-label="From" { (node(edge.from)) }
                        td data-label="Why" {
                            @if edge.text.is_empty() { "who should act" } @else { (edge.text) }
                            @if !edge.is_sure { " " small { "(as far as is known)" } }
                        }
                        td data-label="To" { (node(edge.to)) }
                    }
                }
                @for n in (0..drawing.nodes.len()).filter(is_alone) {
                    tr { td data-label="From" { (node(n)) } td {} td {} }
                }
            }
        }
    }
}
