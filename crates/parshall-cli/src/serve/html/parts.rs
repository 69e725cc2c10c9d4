//! What pages are made of.

use axum::extract::Query;
use axum::http::Uri;
use maud::{Markup, html};
use parshall::introspect::text::exact;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::super::world::{Program, State};
use crate::model::Sort;
use crate::terminal::{duration, line};
use crate::words::NAME;

/// So many of those in line are listed; the others are counted.
pub(super) const LINE: usize = 200;

/// How a table is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// Only what has this in its name.
    pub(super) q: String,
    pub(super) sort: String,
    /// `all`: more rows than one wants to look through.
    pub(super) rows: String,
}

/// The orders, by the name in an address.
pub(super) const SORTS: [(&str, Sort); 6] = [
    ("hurts", Sort::Hurts),
    ("wait", Sort::Wait),
    ("fill", Sort::Fill),
    ("in", Sort::In),
    ("out", Sort::Out),
    ("name", Sort::Name),
];

impl Options {
    pub(super) fn of(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map(|Query(options)| options).unwrap_or_default()
    }

    pub(super) fn sort(&self) -> Sort {
        let known = SORTS.iter().find(|(name, _)| *name == self.sort);
        known.map_or(Sort::Hurts, |(_, sort)| *sort)
    }

    /// How many rows are shown.
    pub(super) fn most(&self) -> usize {
        if self.rows == "all" { 2_000 } else { 100 }
    }
}

/// What a page shows: parts that are replaced, each for itself, when they have changed.
#[derive(Debug, Default)]
pub(in crate::serve) struct View {
    pub(in crate::serve) title: String,
    /// What leads here from the start: text and address.
    pub(super) path: Vec<(String, String)>,
    pub(in crate::serve) parts: Vec<Part>,
}

#[derive(Debug)]
pub(in crate::serve) enum Part {
    Block {
        id: &'static str,
        html: Markup,
    },
    /// A table whose rows come and go.
    Rows {
        id: &'static str,
        head: Markup,
        /// By id.
        rows: Vec<(String, Markup)>,
        /// What it is, for those who do not see it.
        caption: &'static str,
    },
}

impl Part {
    /// Of itself, or of its rows.
    pub(in crate::serve) fn ids(&self) -> Vec<&str> {
        match self {
            Self::Block { id, .. } => vec![id],
            Self::Rows { rows, .. } => rows.iter().map(|(id, _)| id.as_str()).collect(),
        }
    }

    pub(super) fn render(&self) -> Markup {
        match self {
            Self::Block { id, html } => html! { div id=(id) class="part" { (html) } },
            Self::Rows { id, head, rows, caption } => html! {
                table class={ "cards " (id) } {
                    caption.unseen { (caption) }
                    thead { (head) }
                    tbody id=(id) {
                        @for (id, cells) in rows { tr id=(id) { (cells) } }
                    }
                }
            },
        }
    }
}

/// The address of a page of a program.
pub(super) fn href(program: &Program, rest: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    format!("/p/{}{rest}", utf8_percent_encode(&program.slug, KEPT))
}

pub(super) fn channel_href(program: &Program, id: u64) -> String {
    href(program, &format!("/channel/{id}"))
}

/// What the program calls itself, else what its socket is called.
pub(super) fn name(program: &Program, state: &State) -> String {
    let known = state.model.snapshot.as_ref().map(|snapshot| &snapshot.process);
    let known = known.or(state.hello.as_ref().map(|hello| &hello.process));
    line(known.unwrap_or(&program.slug), NAME)
}

/// The time of day, UTC.
pub(super) fn clock(ns: i64) -> String {
    let secs = ns.div_euclid(1_000_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// For how long, and on a mouse's stay since when.
pub(super) fn age(now: i64, since: i64) -> Markup {
    html! {
        span.age title={ "since " (clock(since)) " UTC" } { (duration(now.saturating_sub(since))) }
    }
}

/// A sign and a word: nothing is said by colour alone.
pub(super) fn badge(class: &str, word: &str) -> Markup {
    let sign = match class {
        "bad" => "\u{25a0}",
        "warn" => "\u{25b2}",
        _ => "\u{25cb}",
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
}

pub(super) fn first_upper(text: &str) -> String {
    // Only our own words: a name stays as it is.
    [("nothing ", "Nothing "), ("nobody ", "Nobody "), ("nobody:", "Nobody:"), ("who ", "Who ")]
        .into_iter()
        .find_map(|(low, high)| Some(format!("{high}{}", text.strip_prefix(low)?)))
        .unwrap_or_else(|| text.to_owned())
}

/// How many of a list are not in its first [`LINE`].
pub(super) fn more(of: usize, place: &str) -> Markup {
    html! {
        @if of > LINE { p { "and " (exact((of - LINE) as u64)) " more" (place) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_utc() {
        assert_eq!(clock(1_700_000_000_000_000_000), "22:13:20");
        assert_eq!(clock(-1), "23:59:59");
    }
}
