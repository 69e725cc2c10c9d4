//! `parshall`: the running programs, and the worst finding of each.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::args::Ask;
use crate::client::{Client, Worst};
use crate::failure::{Exit, Failure};
use crate::programs::{Program, Programs};
use crate::terminal::{line, padded, print};

/// How many lines there are, unless all programs are asked for.
const LINES: usize = 10;

/// How wide a line is at most where there is no terminal.
const WIDTH: usize = 200;

pub(crate) fn run(ask: &Ask, all: bool) -> Result<Exit, Failure> {
    let client = Client::new(ask.timeout)?;
    let programs = Programs::ask(ask, &client)?;
    if all {
        programs.complain_of_all();
    } else {
        programs.complain();
    }
    let running = &programs.running;
    let shown = if all || running.len() < LINES { running.len() } else { LINES - 2 };
    let (shown, left) = running.split_at(shown);
    let findings = findings(&client, shown);
    let width = match ratatui::crossterm::terminal::size() {
        Ok((columns, _)) if std::io::stdout().is_terminal() => usize::from(columns),
        _ => WIDTH,
    };
    let mut lines = table(shown, &findings, width);
    if !left.is_empty() {
        lines.push(rest(left));
    }
    if !lines.is_empty() {
        print((lines.join("\n") + "\n").as_bytes())?;
    }
    Ok(programs.exit())
}

/// What is said of each.
fn findings(client: &Client, programs: &[Program]) -> Vec<String> {
    let worse = |program: &&Program| program.hello.worst != Worst::Ok;
    let bad = programs.iter().filter(worse).map(|program| program.address.clone());
    let mut answers = client.worst(bad.collect()).into_iter();
    let text = |program: &Program| {
        if !worse(&program) {
            return String::new();
        }
        match answers.next() {
            Some(Ok(Some(text))) => text.lines().next().unwrap_or_default().to_owned(),
            Some(Err(error)) => format!("(not read: {error})"),
            // It is over meanwhile.
            Some(Ok(None)) | None => "(it is over)".to_owned(),
        }
    };
    programs.iter().map(text).collect()
}

fn colour(worst: Worst) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match worst {
        Worst::Ok => Style::new(),
        Worst::Signal => colour(AnsiColor::Yellow),
        _ => colour(AnsiColor::Red).bold(),
    }
}

pub(crate) fn table(programs: &[Program], findings: &[String], width: usize) -> Vec<String> {
    if programs.is_empty() {
        return Vec::new();
    }
    let names = programs.iter().map(|program| line(&program.hello.process, 30));
    let names: Vec<_> = names.collect();
    let name = names.iter().map(|name| name.width()).chain([7]).max().unwrap_or_default();
    let pid = programs.iter().map(|program| program.hello.pid.to_string().len()).max();
    let pid = pid.unwrap_or_default().max(3);
    let left = width.saturating_sub(name + 2 + pid + 2 + 13 + 2);
    let head = format!("{}  {:>pid$}  {:<13}  FINDING", padded("PROGRAM", name), "PID", "STATE");
    let rows = programs.iter().zip(names).zip(findings).map(|((program, name_shown), finding)| {
        let worst = program.hello.worst;
        let style = colour(worst);
        format!(
            "{}  {:>pid$}  {style}{:<13}{style:#}  {}",
            padded(&name_shown, name),
            program.hello.pid,
            worst.standing(),
            line(finding, left)
        )
        .trim_end()
        .to_owned()
    });
    [head].into_iter().chain(rows).collect()
}

/// `and 290 more: 2 STUCK, 288 ok (--all lists them)`.
fn rest(programs: &[Program]) -> String {
    let kinds = [Worst::Proven, Worst::Conditional, Worst::Stuck, Worst::Signal, Worst::Ok];
    let count = |kind| programs.iter().filter(|program| program.hello.worst == kind).count();
    let kinds = kinds.map(|kind| (kind, count(kind))).into_iter().filter(|(_, n)| *n > 0);
    let kinds: Vec<_> = kinds.map(|(kind, n)| format!("{n} {}", kind.standing())).collect();
    format!("and {} more: {} (--all lists them)", programs.len(), kinds.join(", "))
}
