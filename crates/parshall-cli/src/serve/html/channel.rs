//! One channel: who waits there, in line, who should drain it, and what it did in the last minutes.

use maud::{Markup, html};
use parshall::WaitSnapshot;
use parshall::introspect::ChannelRef;
use parshall::introspect::text::{counted, exact, rate};
use parshall::task::TaskRef;

use super::super::world::{self, Program, State};
use super::chart::{Of, chart, table};
use super::parts::{LINE, Part, View, age, channel_href, clock, first_upper, href, more};
use super::{channels, finding, tasks};
use crate::model::Row;
use crate::terminal::{duration, label, line, plain};
use crate::words::{self, NAME, filled};

pub(super) fn view(program: &Program, state: &State, id: u64) -> View {
    let to = channel_href(program, id);
    let Some(row) = state.model.channel(id) else {
        let html = html! {
            h1 { "This channel is gone" }
            p { "Its last handle was dropped, or its program was started anew." }
            p { a href=(href(program, "")) { "The channels that are there" } }
        };
        return View {
            title: "This channel is gone \u{b7} parshall".into(),
            path: vec![("channel".into(), to)],
            parts: vec![Part::Block { id: "channel", html }],
        };
    };
    let name = label(&row.channel.stats.label, NAME);
    let head = html! {
        h1 { (filled(row.channel)) " " (channels::state_badge(&row)) }
        (findings(program, state, &row))
    };
    let charts = html! {
        h2 id="history" { "The last ten minutes" }
        div.charts {
            figure {
                (chart(state, &row, Of::Fill, false))
                figcaption { "Messages in it. " a href={ (to) "/fill.svg" } { "The picture alone" } }
            }
            figure {
                (chart(state, &row, Of::Rates, false))
                figcaption {
                    "Messages a second: " span.key-in { "in, a whole line" } ", "
                    span.key-out { "out, a broken line" } ". "
                    a href={ (to) "/rates.svg" } { "The picture alone" }
                }
            }
        }
        details {
            summary { "The same as a table" }
            (table(state, &row))
        }
    };
    View {
        title: format!("{name}, {} \u{b7} parshall", row.state().replace('_', " ")),
        path: vec![(name, to.clone())],
        parts: vec![
            Part::Block { id: "channel", html: head },
            Part::Block { id: "waits", html: waiting(program, state, &row) },
            Part::Block { id: "charts", html: charts },
            Part::Block { id: "facts", html: facts(program, state, &row) },
        ],
    }
}

/// What it is part of.
fn findings(program: &Program, state: &State, row: &Row<'_>) -> Markup {
    let is_of = |channel: &ChannelRef| channel.channel_id == row.channel.stats.channel_id;
    let its = state.findings().iter().filter(|finding| finding.channels.iter().any(is_of));
    html! {
        @for (n, finding) in its.take(4).enumerate() {
            @if n == 0 { (finding::card(program, finding)) }
            @else {
                p {
                    "Also: "
                    a href=(href(program, &format!("/finding/{}", world::key(finding)))) {
                        (finding::first(finding))
                    }
                }
            }
        }
    }
}

pub(super) fn party(program: &Program, state: &State, task: Option<TaskRef>) -> Markup {
    let name = line(&state.model.name(task), NAME);
    html! {
        @match task.filter(|task| state.model.task(*task).is_some()) {
            Some(task) => a href=(tasks::task_href(program, task)) { (name) },
            None => (name),
        }
    }
}

fn line_up(program: &Program, state: &State, title: &str, waits: &[WaitSnapshot]) -> Markup {
    let now = state.model.now_ns();
    html! {
        @if !waits.is_empty() {
            h3 { (title) " " small { (plain(counted(waits.len() as u64, "wait"))) } }
            table.cards {
                thead { tr {
                    th.number scope="col" { "Place" } th scope="col" { "Who" }
                    th scope="col" { "Call" } th.number scope="col" { "Waits for" }
                    th scope="col" { "Since" } th scope="col" { "More" }
                } }
                tbody {
                    @for (n, wait) in waits.iter().take(LINE).enumerate() {
                        tr {
                            td.number data-label="Place" { (n + 1) }
                            td data-label="Who" { (party(program, state, wait.task)) }
                            td data-label="Call" { (wait.call.as_str()) }
                            td.number data-label="Waits for" { (age(now, wait.since_ns)) }
                            td data-label="Since" { (clock(wait.since_ns)) }
                            td data-label="More" { (words::of_wait(&state.model, wait).join(", ")) }
                        }
                    }
                }
            }
            (more(waits.len(), " in line"))
        }
    }
}

fn waiting(program: &Program, state: &State, row: &Row<'_>) -> Markup {
    let channel = row.channel;
    let receive: Vec<_> = channel.recv_wait.iter().copied().collect();
    let nobody =
        channel.send_waits.is_empty() && receive.is_empty() && channel.close_waits.is_empty();
    html! {
        h2 { "Who should drain it" }
        p {
            (first_upper(&words::drains(&state.model, channel).join("; "))) "."
            @if let Some(task) = channel.last_receiver {
                " " a href=(tasks::task_href(program, task)) { "This task" }
            }
        }
        h2 { "Who waits" }
        @if nobody { p { "Nobody." } }
        (line_up(program, state, "To send, in line", &channel.send_waits))
        (line_up(program, state, "To receive", &receive))
        (line_up(program, state, "For the end", &channel.close_waits))
    }
}

fn facts(program: &Program, state: &State, row: &Row<'_>) -> Markup {
    let (channel, stats) = (row.channel, &row.channel.stats);
    let now = state.model.now_ns();
    let capacity = match stats.capacity {
        Some(capacity) => format!("of {}", exact(capacity)),
        None => "no capacity".into(),
    };
    let rates = row.rates.map(|(sent, received)| (plain(rate(sent)), plain(rate(received))));
    html! {
        h2 { "What it is" }
        dl {
            dt { "Made at" }
            dd { code { (line(&stats.location, 120)) } ", " (age(now, stats.created_at_ns)) " ago" }
            dt { "Messages" } dd { code { (line(&stats.payload, 120)) } }
            dt { "Holds" }
            dd {
                (exact(stats.queue_len)) " (" (capacity) "), at most " (exact(stats.high_watermark))
                " so far; " (plain(counted(stats.reserved, "permit"))) " out"
            }
            dt { "Passed" }
            dd {
                (exact(stats.sent_total)) " sent, " (exact(stats.recv_total)) " received"
                @if let Some((sent, received)) = rates { "; " (sent) " in, " (received) " out" }
            }
            dt { "Refused" }
            dd {
                (exact(stats.full_total)) " full, " (exact(stats.closed_total)) " closed; "
                (exact(stats.send_given_up_total)) " given up; " (exact(stats.discarded))
                " discarded"
            }
            dt { "Held by" }
            dd {
                (plain(counted(stats.sender_count, "sender"))) ", " (exact(stats.weak_sender_count))
                " weak"
                @if let Some(cause) = stats.close_cause { "; closed: " (format!("{cause:?}")) }
            }
            dt { "Id" } dd { code { (line(&channel.id, 120)) } }
        }
        @if let Some(senders) = &channel.senders {
            h2 { "Senders " small { (senders.len()) } }
            ul {
                @for sender in senders.iter().take(LINE) {
                    li {
                        "made at " code { (line(&sender.location, 120)) }
                        @if sender.task.is_some() { " by " (party(program, state, sender.task)) }
                        ", " (duration(now.saturating_sub(sender.since_ns))) " ago"
                    }
                }
            }
            (more(senders.len(), ""))
        }
    }
}
