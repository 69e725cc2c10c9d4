//! All tasks of a program, and one of them.

use maud::{Markup, html};
use parshall::TaskSnapshot;
use parshall::introspect::text::{counted, exact};
use parshall::task::{TaskKind, TaskRef};

use super::super::world::{Program, State};
use super::parts::{LINE, Options, Part, View, age, badge, channel_href, clock, href, more};
use crate::terminal::{line, plain};
use crate::words::{self, NAME, filled};

/// What a task is called in addresses of pages.
fn key(task: TaskRef) -> String {
    let kind = match task.kind() {
        TaskKind::Named => "named",
        TaskKind::Tokio => "tokio",
        TaskKind::Thread => "thread",
        _ => "waker",
    };
    format!("{kind}-{}", task.number())
}

pub(super) fn task_href(program: &Program, task: TaskRef) -> String {
    href(program, &format!("/task/{}", key(task)))
}

pub(super) fn all(program: &Program, state: &State, options: &Options) -> View {
    let tasks = state.model.tasks(&options.q);
    let (of, most) = (tasks.len(), options.most());
    let head = html! {
        h1 { "Tasks " small {
            @if most < of { "the first " (most) " of " (of) } @else { (of) }
        } }
        p { "Those that have waited longest are first. Listed is who has a name, waits, or received \
             last." }
        form.filter action=(href(program, "/tasks")) {
            label for="filter" { "Filter" }
            input id="filter" type="search" name="q" value=(options.q) maxlength="200" placeholder="a name";
            button type="submit" { "Show" }
            @if most < of { " " button type="submit" name="rows" value="all" { "Show all" } }
        }
    };
    let columns = html! { tr {
        th scope="col" { "Task" } th scope="col" { "State" } th.number scope="col" { "For" }
        th.number scope="col" { "Polls" } th scope="col" { "Waits" } th.number scope="col" { "Oldest" }
    } };
    let rows = tasks.into_iter().take(most);
    let rows = rows.map(|task| (format!("t-{}", key(task.task)), cells(program, state, task)));
    View {
        title: "Tasks \u{b7} parshall".into(),
        path: vec![("tasks".into(), href(program, "/tasks"))],
        parts: vec![
            Part::Block { id: "tasks-head", html: head },
            Part::Rows { id: "tasks", head: columns, rows: rows.collect(), caption: "Tasks" },
        ],
    }
}

fn cells(program: &Program, state: &State, task: &TaskSnapshot) -> Markup {
    let model = &state.model;
    let now = model.now_ns();
    let (waits, _) = model.of_task(task.task);
    html! {
        th scope="row" {
            a href=(task_href(program, task.task)) { (line(&model.name(Some(task.task)), NAME)) }
        }
        td data-label="State" {
            @if model.mark(task.task).is_some() {
                (badge("bad", &words::state(model, task).replace('_', " ")))
            } @else {
                (words::state(model, task))
            }
        }
        td.number data-label="For" {
            @if let Some(since) = task.state_since_ns { (age(now, since)) }
        }
        td.number data-label="Polls" { @if let Some(polls) = task.polls { (exact(polls)) } }
        td.who data-label="Waits" {
            @if let Some(first) = waits.first() {
                (first.wait.call.as_str()) " "
                a href=(channel_href(program, first.row.channel.stats.channel_id)) {
                    (filled(first.row.channel))
                }
                @if waits.len() > 1 { " +" (waits.len() - 1) }
            }
        }
        td.number data-label="Oldest" {
            @if let Some(since) = task.waiting_since_ns { (age(now, since)) }
        }
    }
}

pub(super) fn one(program: &Program, state: &State, wanted: &str) -> View {
    let model = &state.model;
    let tasks = model.tasks("");
    let path = vec![
        ("tasks".into(), href(program, "/tasks")),
        ("task".into(), href(program, &format!("/task/{wanted}"))),
    ];
    let Some(task) = tasks.into_iter().find(|task| key(task.task) == wanted) else {
        let html = html! {
            h1 { "This task is gone" }
            p { "It has ended, or nothing refers to it any more." }
        };
        let parts = vec![Part::Block { id: "task", html }];
        return View { title: "This task is gone \u{b7} parshall".into(), path, parts };
    };
    let name = line(&model.name(Some(task.task)), NAME);
    let now = model.now_ns();
    let (waits, receives) = model.of_task(task.task);
    let process = model.snapshot.as_ref().map_or("", |snapshot| &snapshot.process);
    let html = html! {
        h1 { (name) }
        p { "It " (words::does(model, task.task)) "." }
        h2 { "Waits " small { (waits.len()) } }
        @if !waits.is_empty() {
            table.cards {
                thead { tr {
                    th scope="col" { "Channel" } th scope="col" { "Call" }
                    th.number scope="col" { "Waits for" } th scope="col" { "Since" }
                    th scope="col" { "More" }
                } }
                tbody {
                    @for waits in waits.iter().take(LINE) {
                        tr {
                            th scope="row" {
                                a href=(channel_href(program, waits.row.channel.stats.channel_id)) {
                                    (filled(waits.row.channel))
                                }
                            }
                            td data-label="Call" { (waits.wait.call.as_str()) }
                            td.number data-label="Waits for" { (age(now, waits.wait.since_ns)) }
                            td data-label="Since" { (clock(waits.wait.since_ns)) }
                            td data-label="More" { (words::of_wait(model, waits.wait).join(", ")) }
                        }
                    }
                }
            }
            (more(waits.len(), ""))
        }
        h2 { "Was the last to receive from " small { (receives.len()) } }
        ul {
            @for row in receives.iter().take(LINE) {
                li {
                    a href=(channel_href(program, row.channel.stats.channel_id)) { (filled(row.channel)) }
                }
            }
        }
        (more(receives.len(), ""))
        h2 { "What it is" }
        dl {
            @if let Some(location) = &task.location {
                dt { "Made at" } dd { code { (line(location, 120)) } }
            }
            @if let Some((verdict, kind)) = model.mark(task.task) {
                dt { "Finding" }
                dd { (kind.as_str().replace('_', " ")) ", " (verdict.as_str()) }
            }
            @if !words::activity(task).is_empty() {
                dt { "State" }
                dd {
                    (words::activity(task))
                    @if let Some(since) = task.state_since_ns.or(task.waiting_since_ns) {
                        ", " (age(now, since))
                    }
                }
            }
            @if let Some(polls) = task.polls {
                dt { "Polled" } dd { (plain(counted(polls, "time"))) }
            }
            @if let Some(wakers) = task.wakers {
                dt { "Wakers" } dd { (exact(wakers)) " alive, each could wake it" }
            }
            dt { "Id" } dd { code { (line(&task.task.node_id_in(process), 120)) } }
        }
    };
    let parts = vec![Part::Block { id: "task", html }];
    View { title: format!("{name} \u{b7} parshall"), path, parts }
}
