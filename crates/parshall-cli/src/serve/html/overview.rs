//! All programs, and one of them: first whether something is stuck, since when, and who is to
//! blame.

use std::sync::Arc;
use std::time::Instant;

use maud::{Markup, html};
use parshall::introspect::Verdict;
use parshall::introspect::text::{counted, headline};

use super::super::world::{Program, State, Status, World};
use super::parts::{Options, Part, View, badge, first_upper, href, name};
use super::{channels, finding};
use crate::discovery;
use crate::terminal::{duration, line, plain};

/// How many findings of a program are written out: on its page, and where all programs are.
const FINDINGS: usize = 12;
const WORST: usize = 3;

/// How many programs are written out; the others are counted.
const PROGRAMS: usize = 40;

/// How many channels are shown where all programs are.
const CHANNELS: usize = 40;

/// How a program is, in the order of how bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Stuck,
    /// Stuck, unless what its report says.
    Likely,
    /// It does not answer.
    Lost,
    Signal,
    Well,
    Ended,
}

fn how(state: &State) -> How {
    let worst = state.findings().first().map(|finding| finding.verdict);
    match (&state.status, worst) {
        (Status::Ended { .. }, _) => How::Ended,
        (Status::Lost { .. }, _) => How::Lost,
        (_, None) => How::Well,
        (_, Some(Verdict::Signal)) => How::Signal,
        (_, Some(Verdict::Conditional)) => How::Likely,
        (_, Some(_)) => How::Stuck,
    }
}

fn ago(since: Instant) -> String {
    duration(i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX))
}

/// One sentence about a program: what its report begins with, or why there is none.
fn sentence(program: &Program, state: &State) -> String {
    let name = name(program, state);
    match &state.status {
        Status::Ended { since } => {
            let what = if state.model.snapshot.is_some() { "has ended" } else { "is not there" };
            format!("{name} {what}: nobody listens at its socket any more, {}", ago(*since))
        }
        Status::Lost { since, why } => {
            format!("{name} has not answered for {}: {why}", ago(*since))
        }
        Status::Answers => match &state.model.diagnosis {
            Some(diagnosis) => {
                let text = plain(headline(diagnosis));
                text.strip_prefix("parshall: ").map(str::to_owned).unwrap_or(text)
            }
            None => format!("{name} is asked for the first time"),
        },
    }
}

fn notes(state: &State) -> Markup {
    let restarted = state.restarted.filter(|since| since.elapsed().as_secs() < 600);
    html! {
        @if let Some(since) = restarted {
            p.note { "It was restarted " (ago(since)) " ago: what is shown is of the new process." }
        }
        @if matches!(state.status, Status::Lost { .. } | Status::Ended { .. })
            && state.model.snapshot.is_some() {
            p.note { "What is shown below is how it was when it answered last." }
        }
    }
}

fn class(how: How) -> &'static str {
    match how {
        How::Stuck | How::Likely => "bad",
        How::Lost | How::Signal => "warn",
        How::Well | How::Ended => "well",
    }
}

fn word(how: How) -> &'static str {
    match how {
        How::Stuck => "stuck",
        How::Likely => "likely stuck",
        How::Lost => "does not answer",
        How::Signal => "worth knowing",
        How::Well => "nothing stuck",
        How::Ended => "has ended",
    }
}

/// What screen readers are told when it changes: without times, which always do.
fn announcement(stuck: &[String], likely: &[String], lost: &[String]) -> Part {
    let all = |what: &str, names: &[String]| {
        let first = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("{what}: {first}."))
    };
    let mut said: Vec<String> =
        [all("Stuck", stuck), all("Likely stuck", likely)].into_iter().flatten().collect();
    if said.is_empty() {
        said.push("Nothing is seen to be stuck.".into());
    }
    said.extend(all("No answer", lost));
    let html = html! {
        p.unseen role="status" {
            (said.join(" "))
        }
    };
    Part::Block { id: "announcement", html }
}

/// All programs.
pub(super) fn all(world: &World) -> View {
    let programs = world.programs();
    let mut seen: Vec<(How, String, Arc<Program>)> = programs
        .into_iter()
        .map(|program| {
            let state = program.state();
            let seen = (how(&state), name(&program, &state));
            drop(state);
            (seen.0, seen.1, program)
        })
        .collect();
    seen.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let named = |wanted: How| -> Vec<String> {
        seen.iter().filter(|(how, ..)| *how == wanted).map(|(_, name, _)| name.clone()).collect()
    };
    let (stuck, likely, lost) = (named(How::Stuck), named(How::Likely), named(How::Lost));
    let running = seen.iter().filter(|(how, ..)| *how != How::Ended).count();
    let worst = seen.first().map_or(How::Well, |(how, ..)| *how);
    let ages = seen.iter().filter(|(how, ..)| *how == worst).filter_map(|(.., program)| {
        let state = program.state();
        let worst = state.findings().first()?;
        let known = if worst.since_known { "for" } else { "seen for" };
        Some((worst.seen_ns.saturating_sub(worst.since_ns), known))
    });
    let longest =
        ages.max().map_or(String::new(), |(age, known)| format!(", {known} {}", duration(age)));
    // Of those that are likely stuck it is said only if none is known to be.
    let (said, which) =
        if stuck.is_empty() { ("likely stuck", &likely) } else { ("stuck", &stuck) };
    let title = match (running, which.len()) {
        (0, _) => "No running program is seen".to_owned(),
        (1, _) => seen.first().map_or(String::new(), |(_, _, program)| {
            first_upper(&sentence(program, &program.state()))
        }),
        (n, 0) => format!("Nothing is seen to be stuck in {n} programs"),
        (n, 1) => format!("1 of {n} programs is {said}: {}{longest}", which[0]),
        (n, many) => format!("{many} of {n} programs are {said}{longest}"),
    };
    let hero = html! {
        div class={ "hero " (class(worst)) } {
            h1 { (title) }
            @if running == 0 {
                p {
                    "A program is found by itself if its " code { "main" } " has "
                    code { "let _gauge = parshall_gauge::init();" } " Looked at: "
                    (line(&discovery::places(), 300)) "."
                }
            }
            @for warning in world.warnings() { p.note { (line(&warning, 300)) } }
        }
    };
    let is_one = seen.len() == 1;
    let list = html! {
        @for (how, _, program) in seen.iter().take(PROGRAMS) {
            (card(*how, program, is_one))
        }
        @if let Some(left) = seen.len().checked_sub(PROGRAMS + 1) {
            p { "and " (plain(counted(left as u64 + 1, "program"))) " more, none of them worse" }
        }
    };
    let programs: Vec<_> = seen.into_iter().map(|(_, _, program)| program).collect();
    let (table, shown, of) = channels::of_all(&programs, CHANNELS);
    let head = html! {
        @if of > 0 {
            h2 { "Channels" @if shown < of { small { " the worst " (shown) " of " (of) } } }
        }
    };
    let mark = if stuck.is_empty() && likely.is_empty() { "" } else { "\u{25a0} " };
    View {
        title: format!("{mark}{title} \u{b7} parshall"),
        path: Vec::new(),
        parts: vec![
            announcement(&stuck, &likely, &lost),
            Part::Block { id: "hero", html: hero },
            Part::Block { id: "programs", html: list },
            Part::Block { id: "channels-head", html: head },
            table,
        ],
    }
}

fn card(how: How, program: &Program, is_one: bool) -> Markup {
    let state = program.state();
    let channels = state.model.snapshot.as_ref().map_or(0, |snapshot| snapshot.channels.len());
    html! {
        section.program {
            h2 {
                a href=(href(program, "")) { (name(program, &state)) }
                " " (badge(class(how), word(how)))
            }
            // Else the heading of the page, or the findings below, say more.
            @if how == How::Ended || how == How::Lost && !is_one {
                p.sentence { (sentence(program, &state)) }
            }
            (notes(&state))
            (findings(program, &state, if is_one { FINDINGS } else { WORST }))
            (links(program, &state, channels))
        }
    }
}

fn links(program: &Program, state: &State, channels: usize) -> Markup {
    let tasks = state.model.snapshot.as_ref().map_or(0, |snapshot| snapshot.tasks.len());
    html! {
        p.links {
            a href=(href(program, "#channels-head")) { (plain(counted(channels as u64, "channel"))) }
            " \u{b7} "
            a href=(href(program, "/tasks")) { (plain(counted(tasks as u64, "task"))) }
            @if let Some(hello) = &state.hello { " \u{b7} pid " (hello.pid) }
        }
    }
}

/// What is wrong, the worst first.
fn findings(program: &Program, state: &State, most: usize) -> Markup {
    let all = state.findings();
    let left = &all[all.len().min(most)..];
    html! {
        @for one in &all[..all.len().min(most)] { (finding::card(program, one)) }
        @if !left.is_empty() {
            p {
                a href=(href(program, "")) {
                    "and " (plain(counted(left.len() as u64, "finding"))) " more"
                }
            }
        }
    }
}

/// One program.
pub(super) fn one(program: &Program, state: &State, options: &Options) -> View {
    let how = how(state);
    let name = name(program, state);
    let title = first_upper(&sentence(program, state));
    let hero = html! {
        div class={ "hero " (class(how)) } {
            h1 { (title) }
            (notes(state))
            @if let Some(diagnosis) = &state.model.diagnosis {
                p.blind { (finding::blind(diagnosis)) }
            }
        }
    };
    let channels = state.model.snapshot.as_ref().map_or(0, |snapshot| snapshot.channels.len());
    let found = html! {
        (findings(program, state, FINDINGS.max(if options.rows == "all" { 200 } else { 0 })))
        (over(program, state))
        (links(program, state, channels))
    };
    let (table, shown, of) = channels::of_one(program, state, options);
    let head = html! { (channels::head(program, options, shown, of)) };
    let if_it =
        |is: How| -> Vec<String> { (how == is).then(|| name.clone()).into_iter().collect() };
    let (stuck, likely, lost) = (if_it(How::Stuck), if_it(How::Likely), if_it(How::Lost));
    let mark = if stuck.is_empty() && likely.is_empty() { "" } else { "\u{25a0} " };
    View {
        title: format!("{mark}{title} \u{b7} parshall"),
        path: Vec::new(),
        parts: vec![
            announcement(&stuck, &likely, &lost),
            Part::Block { id: "hero", html: hero },
            Part::Block { id: "findings", html: found },
            Part::Block { id: "channels-head", html: head },
            table,
        ],
    }
}

fn over(program: &Program, state: &State) -> Markup {
    html! {
        @if !state.over.is_empty() {
            details.over {
                summary { "Over: " (plain(counted(state.over.len() as u64, "finding"))) }
                ul {
                    @for over in &state.over {
                        li {
                            a href=(href(program, &format!("/finding/{}", over.key))) {
                                (finding::first(&over.finding))
                            }
                            ", over for " (ago(over.since))
                        }
                    }
                }
            }
        }
    }
}
