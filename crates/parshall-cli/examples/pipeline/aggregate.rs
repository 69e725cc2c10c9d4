//! The last stage: adding up.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parshall::mpsc::Receiver;

use crate::cli::Stage;
use crate::read::{FileFacts, FileKind};
use crate::run::Run;
use crate::tokenise::Counted;

#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) empty: u64,
    pub(crate) binary: u64,
    pub(crate) broken_text: u64,
    pub(crate) words: HashMap<String, u64>,
    /// By content: how large, and which files. Empty files are only counted.
    pub(crate) contents: HashMap<blake3::Hash, (u64, Vec<PathBuf>)>,
}

pub(crate) async fn aggregator(run: Arc<Run>, mut counts: Receiver<Counted>) -> Totals {
    let mut totals = Totals::default();
    while let Some(counted) = counts.recv().await {
        run.dawdle(Stage::Aggregate).await;
        totals.lines += counted.lines;
        for (word, n) in counted.words {
            *totals.words.entry(word).or_default() += n;
        }
        if let Some(file) = counted.file {
            totals.add_file(file);
            run.done.fetch_add(1, Relaxed);
        }
    }
    totals
}

impl Totals {
    fn add_file(&mut self, file: FileFacts) {
        self.files += 1;
        self.bytes += file.bytes;
        self.lines += u64::from(file.open_end);
        match file.kind {
            FileKind::Text => {}
            FileKind::BrokenText => self.broken_text += 1,
            FileKind::Binary => self.binary += 1,
        }
        if file.bytes == 0 {
            self.empty += 1;
        } else {
            self.contents.entry(file.hash).or_insert((file.bytes, Vec::new())).1.push(file.path);
        }
    }

    /// The `top` commonest words, of equals the first in the alphabet.
    pub(crate) fn commonest(&self, top: usize) -> Vec<(&str, u64)> {
        let mut words: Vec<_> = self.words.iter().map(|(word, n)| (word.as_str(), *n)).collect();
        words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        words.truncate(top);
        words
    }

    /// Groups of files with one content, those that waste most first.
    pub(crate) fn identical(&self) -> Vec<(u64, Vec<&PathBuf>)> {
        let copies = self.contents.values().filter(|(_, paths)| paths.len() > 1);
        let mut groups: Vec<(u64, Vec<_>)> =
            copies.map(|(bytes, paths)| (*bytes, paths.iter().collect())).collect();
        for (_, paths) in &mut groups {
            paths.sort_unstable();
        }
        groups.sort_unstable_by_key(|(bytes, paths)| {
            (std::cmp::Reverse(bytes * (paths.len() as u64 - 1)), paths[0])
        });
        groups
    }
}
