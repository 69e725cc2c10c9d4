//! Nodes and arrows as an SVG picture, for the page and for `parshall graph`: laid out in layers
//! from left to right, as Graphviz does.
//!
//! | file | |
//! |---|---|
//! | `parts` | nodes, arrows, and how large they are |
//! | `layout` | where everything is |
//! | `svg` | how it is written |

mod layout;
mod parts;
mod svg;

use parshall::introspect::text::{Drawing, Shape};

use crate::terminal::wrapped;
use layout::Layout;
pub(crate) use parts::{Edge, Node, Sign};

/// How wide the text of several is, in letters.
const CROWD: usize = 22;

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
        let sizes: Vec<_> = nodes.iter().map(parts::node_size).collect();
        let arrows: Vec<_> = edges
            .iter()
            .map(|edge| layout::Arrow {
                from: edge.from,
                to: edge.to,
                label: parts::label_size(&edge.text),
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
