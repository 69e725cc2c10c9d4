//! The third stage: from text to words, on threads of its own, since it computes and never awaits.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parshall::mpsc::{Receiver, Sender};

use crate::cli::Stage;
use crate::read::{FileFacts, Piece};
use crate::run::Run;

/// What is in one piece.
pub(crate) struct Counted {
    pub(crate) lines: u64,
    pub(crate) words: HashMap<String, u64>,
    pub(crate) file: Option<FileFacts>,
}

/// Starts the thread `tokenise-{n}`.
pub(crate) fn start(
    n: u32,
    run: Arc<Run>,
    mut pieces: Receiver<Piece>,
    counts: Sender<Counted>,
) -> JoinHandle<()> {
    let body = move || {
        while let Some(Piece { text, file }) = pieces.blocking_recv() {
            run.dawdle_blocking(Stage::Tokenise);
            let counted = Counted {
                lines: text.split(|byte| *byte == b'\n').count() as u64 - 1,
                words: words(&String::from_utf8_lossy(&text), run.min_letters),
                file,
            };
            if counts.blocking_send(counted).is_err() {
                break;
            }
            run.counts_changed.notify_one();
        }
        drop(counts);
        run.counts_changed.notify_one();
    };
    thread::Builder::new().name(format!("tokenise-{n}")).spawn(body).expect("a thread for a stage")
}

/// Runs of letters, in lower case.
fn words(text: &str, min_letters: usize) -> HashMap<String, u64> {
    let mut words = HashMap::new();
    for word in text.split(|c: char| !c.is_alphabetic()) {
        if !word.is_empty() && word.chars().nth(min_letters.saturating_sub(1)).is_some() {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    words
}
