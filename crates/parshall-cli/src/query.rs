//! `parshall query`: what a recording says.

use std::io::IsTerminal;

use parshall_gauge::{Answer, Cell, Question};
use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use crate::args::{Query, Rows};
use crate::failure::{Exit, Failure};
use crate::terminal::{self, line, padded, print, print_data};

/// How wide a table is where there is no terminal.
const WIDTH: usize = 200;

/// A column is cut to no less than this.
const LEAST: usize = 6;

pub(crate) fn run(query: &Query) -> Result<Exit, Failure> {
    let Some(name) = &query.name else {
        print(list().as_bytes())?;
        return Ok(Exit::Well);
    };
    let question = Question::named(name).ok_or_else(|| {
        Failure::Usage(format!("there is no question {}; there are\n{}", line(name, 60), list()))
    })?;
    if query.sql {
        print(question.sql.as_bytes())?;
        return Ok(Exit::Well);
    }
    let from = query.from.as_ref().ok_or_else(|| {
        Failure::Usage("which recording? say --from FILE.db; --sql prints the question".into())
    })?;
    let answer = question.ask(from)?;
    match query.format {
        Rows::Table => print(table(question, &answer, width()).as_bytes())?,
        Rows::Json => print_data(json(&answer).as_bytes())?,
        Rows::Csv => print_data(csv(&answer).as_bytes())?,
    }
    Ok(Exit::Well)
}

fn list() -> String {
    let width = Question::ALL.iter().map(|question| question.name.len()).max().unwrap_or(0);
    let row = |question: &Question| format!("{:<width$}  {}\n", question.name, question.about());
    Question::ALL.iter().map(row).collect()
}

fn width() -> usize {
    match ratatui::crossterm::terminal::size() {
        Ok((columns, _)) if std::io::stdout().is_terminal() => usize::from(columns),
        _ => WIDTH,
    }
}

/// Columns of numbers stand to the right. If all is too wide, the widest columns are cut.
fn table(question: &Question, answer: &Answer, width: usize) -> String {
    if answer.rows.is_empty() {
        return format!("{}: nothing\n", question.about());
    }
    let heads = answer
        .columns
        .iter()
        .map(|name| name.strip_suffix("_ns").unwrap_or(name).replace('_', " ").to_uppercase());
    let heads: Vec<_> = heads.collect();
    let rows: Vec<Vec<String>> = (answer.rows.iter())
        .map(|row| row.iter().zip(&answer.columns).map(|(cell, name)| shown(cell, name)).collect())
        .collect();
    let mut widths: Vec<_> = heads.iter().map(|head| head.width()).collect();
    for row in &rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = cell.width().max(*most);
        }
    }
    while widths.iter().sum::<usize>() + 2 * (widths.len() - 1) > width {
        match widths.iter_mut().max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => break,
        }
    }
    let is_number = |at: usize| answer.rows.iter().all(|row| !matches!(row[at], Cell::Text(_)));
    let write = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| {
            let cell = line(cell, width);
            let left = " ".repeat(width - cell.width().min(width));
            if is_number(at) { left + &cell } else { padded(&cell, width) }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let lines = std::iter::once(&heads).chain(&rows).map(|cells| write(cells));
    lines.collect()
}

fn shown(cell: &Cell, column: &str) -> String {
    match cell {
        Cell::Null => "-".into(),
        Cell::Integer(ns) if column.ends_with("_ns") => terminal::duration(*ns),
        Cell::Integer(n) => n.to_string(),
        Cell::Real(x) => format!("{x:.2}"),
        Cell::Text(text) => line(text, usize::MAX / 2),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(n) => (*n).into(),
        Cell::Real(x) => (*x).into(),
        Cell::Text(text) => text.as_str().into(),
    }
}

/// A list of objects.
fn json(answer: &Answer) -> String {
    let object = |row: &Vec<Cell>| -> Value {
        let members = answer.columns.iter().cloned().zip(row.iter().map(value));
        Value::Object(members.collect::<Map<_, _>>())
    };
    let list: Value = answer.rows.iter().map(object).collect();
    format!("{list:#}\n")
}

/// As RFC 4180 has it. A cell that a spreadsheet would take for a formula is text to it by the `'`
/// in front.
fn csv(answer: &Answer) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => {
            let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
                format!("'{text}")
            } else {
                text.clone()
            };
            let plain = !text.contains(['"', ',', '\n', '\r']);
            if plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
        }
        other => value(other).to_string(),
    };
    let row = |row: &Vec<Cell>| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n";
    let head = answer.columns.join(",") + "\r\n";
    head + &answer.rows.iter().map(row).collect::<String>()
}
