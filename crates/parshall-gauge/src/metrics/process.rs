//! What must not change from scrape to scrape: which names of a program have series of their own,
//! and what the program is called.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::program::Program;

/// So many names of a program have series of their own.
pub(super) const NAMES: usize = 1_000;

/// All others.
pub(super) const OTHER: &str = "__other__";

/// So many programs that run no more are remembered.
const GONE: usize = 256;

/// So many characters a label has at most.
const LABEL: usize = 200;

/// Programs, by `proc_key`.
#[derive(Debug, Default)]
pub(super) struct Known {
    all: HashMap<String, Identity>,
    scrapes: u64,
}

/// A program.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// What it is called; empty before it is met.
    pub(super) label: String,
    names: HashSet<Box<str>>,
    /// The last scrape that it was in.
    seen: u64,
}

impl Known {
    /// Gives each of these programs a label that no other of them has.
    pub(super) fn meet(&mut self, programs: &[Program<'_>]) {
        self.scrapes += 1;
        let mut here: Vec<_> = programs.iter().map(|program| program.snapshot).collect();
        // Who was here last keeps its label, if two were away in turn and have the same.
        here.sort_by_key(|snapshot| {
            Reverse(self.all.get(&snapshot.proc_key).map_or(0, |identity| identity.seen))
        });
        let mut taken = HashSet::new();
        for snapshot in here {
            let identity = self.all.entry(snapshot.proc_key.clone()).or_default();
            if identity.seen == self.scrapes {
                continue;
            }
            identity.seen = self.scrapes;
            if identity.label.is_empty() || taken.contains(&identity.label) {
                identity.label = free(&snapshot.process, &taken);
            }
            taken.insert(identity.label.clone());
        }
        self.forget();
    }

    /// One that was met.
    pub(super) fn get(&mut self, program: &Program<'_>) -> &mut Identity {
        self.all.entry(program.snapshot.proc_key.clone()).or_default()
    }

    /// Forgets those that have not been here for longest.
    fn forget(&mut self) {
        let mut gone: Vec<_> = self.all.values().map(|identity| identity.seen).collect();
        gone.retain(|&seen| seen < self.scrapes);
        if let Some(too_many) = gone.len().checked_sub(GONE + 1) {
            gone.sort_unstable();
            self.all.retain(|_, identity| identity.seen > gone[too_many]);
        }
    }
}

impl Identity {
    /// Where the channels of this name are counted.
    pub(super) fn place<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        let name = label(name);
        if self.names.contains(&*name) {
            return name;
        }
        if self.names.len() == NAMES {
            return OTHER.into();
        }
        self.names.insert(name.as_ref().into());
        name
    }
}

/// A name that nobody else has.
fn free(process: &str, taken: &HashSet<String>) -> String {
    let process = label(process);
    let numbered = (2..).map(|n| format!("{process}#{n}"));
    let mut names = [process.to_string()].into_iter().chain(numbered);
    names.find(|name| !name.is_empty() && !taken.contains(name)).expect("numbers do not end")
}

/// Text from elsewhere as a label: not too long, and harmless on a terminal. Quotes and backslashes
/// are the encoder's business.
pub(super) fn label(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(LABEL).map(|(end, _)| end);
    if end.is_none() && !text.contains(char::is_control) {
        return text.into();
    }
    let kept = text[..end.unwrap_or(text.len())].chars();
    kept.map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
