//! What a picture is made of, and how large that is.

use parshall::introspect::text::{Mark, Shape};
use unicode_width::UnicodeWidthStr;

use super::layout::Size;

/// Of the letters, all of which are equally wide.
const LETTER: f64 = 7.85;
pub(super) const LABEL_LETTER: f64 = 6.65;
pub(super) const LINE: f64 = 17.0;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) lines: Vec<String>,
    pub(crate) shape: Shape,
    pub(crate) mark: Option<Mark>,
}

#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) text: String,
    /// Drawn dashed if not.
    pub(crate) is_sure: bool,
}

/// An entry of a legend.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    /// A channel.
    Box(&'static str),
    /// A channel that is marked.
    Full(&'static str),
    /// A task.
    Round(&'static str),
    Arrow(&'static str),
    Dashed(&'static str),
}

impl Sign {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Box(text)
            | Self::Full(text)
            | Self::Round(text)
            | Self::Arrow(text)
            | Self::Dashed(text) => text,
        }
    }
}

pub(super) fn node_size(node: &Node) -> Size {
    let widest = node.lines.iter().map(|line| line.width()).max().unwrap_or(0);
    let aside = if node.shape == Shape::Party { 30.0 } else { 22.0 };
    (widest as f64 * LETTER + aside, node.lines.len() as f64 * LINE + 12.0)
}

pub(super) fn label_size(text: &str) -> Option<Size> {
    (!text.is_empty()).then(|| (text.width() as f64 * LABEL_LETTER + 10.0, 16.0))
}
