//! The second stage: from paths to pieces of text.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parshall::mpsc::Receiver;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::cli::Stage;
use crate::run::Run;
use crate::spread::Spread;

/// A file is read, and sent on, in pieces of about this size: a large one costs no more memory than
/// a small one.
const PIECE: usize = 64 << 10;

/// A NUL byte in so many first bytes makes a file binary.
const SNIFF: usize = 8 << 10;

/// Part of a text, cut where no word is cut.
pub(crate) struct Piece {
    pub(crate) text: Vec<u8>,
    /// With the last piece of a file: what is known of the whole.
    pub(crate) file: Option<FileFacts>,
}

pub(crate) struct FileFacts {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) hash: blake3::Hash,
    pub(crate) kind: FileKind,
    /// Text whose last line has no line end.
    pub(crate) open_end: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Text,
    /// Text with bytes that are not UTF-8.
    BrokenText,
    Binary,
}

enum Failure {
    Read(io::Error),
    /// The next stage is gone, or the user wants an end.
    Stopped,
}

pub(crate) async fn reader(run: Arc<Run>, mut paths: Receiver<PathBuf>, mut texts: Spread<Piece>) {
    while let Some(path) = paths.recv().await {
        run.dawdle(Stage::Read).await;
        match read(&run, &path, &mut texts).await {
            Ok(()) => {}
            Err(Failure::Read(error)) => run.warn(&path, error),
            Err(Failure::Stopped) => run.warn(&path, "not read to its end"),
        }
    }
}

async fn read(run: &Run, path: &Path, texts: &mut Spread<Piece>) -> Result<(), Failure> {
    let mut file = File::open(path).await.map_err(Failure::Read)?;
    let mut hash = blake3::Hasher::new();
    let mut kind = FileKind::Text;
    let mut bytes = 0;
    let mut last = b'\n';
    let mut text = Vec::with_capacity(PIECE);
    loop {
        let old = text.len();
        let n = file.read_buf(&mut text).await.map_err(Failure::Read)?;
        let new = &text[old..];
        run.bytes_read.fetch_add(n as u64, Relaxed);
        hash.update(new);
        if bytes < SNIFF as u64 && new[..n.min(SNIFF - bytes as usize)].contains(&0) {
            kind = FileKind::Binary;
        }
        bytes += n as u64;
        last = *new.last().unwrap_or(&last);
        if n == 0 {
            break;
        }
        if kind == FileKind::Binary {
            text.clear();
        }
        if text.len() == text.capacity() {
            let mut rest = Vec::with_capacity(PIECE);
            rest.extend(text.drain(cut(&text)..));
            note_broken(&mut kind, &text);
            send(texts, Piece { text, file: None }).await?;
            text = rest;
            // After a whole piece, so that on Ctrl-C small files are still counted.
            if run.interrupted() {
                return Err(Failure::Stopped);
            }
        }
    }
    note_broken(&mut kind, &text);
    let open_end = last != b'\n' && kind != FileKind::Binary;
    let facts = FileFacts { path: path.to_owned(), bytes, hash: hash.finalize(), kind, open_end };
    send(texts, Piece { text, file: Some(facts) }).await
}

async fn send(texts: &mut Spread<Piece>, piece: Piece) -> Result<(), Failure> {
    texts.send(piece).await.map_err(|_| Failure::Stopped)
}

fn note_broken(kind: &mut FileKind, text: &[u8]) {
    if *kind == FileKind::Text && std::str::from_utf8(text).is_err() {
        *kind = FileKind::BrokenText;
    }
}

/// Where to cut a full piece: after its last space or line end. A "word" longer than a piece is cut
/// between two characters.
fn cut(text: &[u8]) -> usize {
    let space = text.iter().rposition(u8::is_ascii_whitespace).map(|at| at + 1);
    let character = || text.iter().rposition(|byte| !matches!(byte, 0x80..=0xbf));
    space.or_else(character).filter(|&at| at > 0).unwrap_or(text.len())
}
