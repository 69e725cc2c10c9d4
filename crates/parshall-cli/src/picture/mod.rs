//! Nodes and arrows as an SVG picture, for the page and for `parshall graph`: laid out in layers
//! from left to right, as Graphviz does.
//!
//! | file | |
//! |---|---|
//! | `layout` | where everything is |
//! | `svg` | how it is written |

mod layout;
mod svg;

use parshall::introspect::text::{Drawing, Mark, Shape};

use crate::terminal::wrapped;
use layout::Layout;

/// How wide the text of several is, in letters.
const CROWD: usize = 22;

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

#[derive(Debug)]
pub(crate) struct Picture {
    title: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    layout: Layout,
    legend: &'static [Sign],
}

impl Picture {
    pub(crate) fn new(title: String, nodes: Vec<Node>, edges: Vec<Edge>) -> Self {
        let sizes: Vec<_> = nodes.iter().map(svg::node_size).collect();
        let arrows: Vec<_> = edges
            .iter()
            .map(|edge| layout::Arrow {
                from: edge.from,
                to: edge.to,
                label: svg::label_size(&edge.text),
            })
            .collect();
        let layout = Layout::of(&sizes, &arrows);
        Self { title, nodes, edges, layout, legend: &[] }
    }

    /// With these below it.
    pub(crate) fn with_legend(self, legend: &'static [Sign]) -> Self {
        Self { legend, ..self }
    }

    pub(crate) fn of(title: String, drawing: &Drawing) -> Self {
        let node = |node: &parshall::introspect::text::Node| Node {
            lines: match node.shape {
                // A list of names, which may be long.
                Shape::Crowd => node.lines.iter().flat_map(|l| wrapped(l, CROWD, "")).collect(),
                Shape::Channel | Shape::Party => node.lines.clone(),
            },
            shape: node.shape,
            mark: node.mark,
        };
        let edge = |edge: &parshall::introspect::text::Edge| Edge {
            from: edge.from,
            to: edge.to,
            text: edge.text.clone(),
            is_sure: edge.is_sure,
        };
        let (nodes, edges) = (&drawing.nodes, &drawing.edges);
        Self::new(title, nodes.iter().map(node).collect(), edges.iter().map(edge).collect())
    }
}
