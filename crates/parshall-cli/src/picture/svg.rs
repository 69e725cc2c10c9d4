//! A picture as SVG: within a page, which has the colours, or as a file of its own.

use maud::{Markup, Render, html};
use parshall::introspect::text::{Mark, Shape};
use unicode_width::UnicodeWidthStr;

use super::Picture;
use super::layout::Route;
use super::parts::{LABEL_LETTER, LINE, Node, Sign, label_size, node_size};

/// The colours of a picture that is a file. Those of the page are the same.
const STYLE: &str = "\
svg{background:#fff;--paper:#fff;color:#1c1e21;--line:#6a7078;--bad:#b3261e;--bad-back:#fbe9e7;--warn:#8a5a00;--warn-back:#fdf3dc}\
@media(prefers-color-scheme:dark){svg{background:#15171a;--paper:#15171a;color:#e4e6e9;--line:#8d949e;--bad:#ff8f85;--bad-back:#3a1c1a;--warn:#f0c060;--warn-back:#33280f}}\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:currentColor;text-anchor:middle;white-space:pre}\
.label{font-size:11px}.legend{text-anchor:start}.more{font-size:11px}\
.box{fill:none;stroke:var(--line);stroke-width:1.2}.bad .box{fill:var(--bad-back);stroke:var(--bad);stroke-width:2}\
.warn .box{fill:var(--warn-back);stroke:var(--warn);stroke-width:2}\
.back{fill:var(--paper)}.arrow{fill:none;stroke:var(--line);stroke-width:1.3}.tip{fill:var(--line)}.unsure{stroke-dasharray:5 4}";

/// A tenth of a point is enough.
struct At(f64);

impl Render for At {
    fn render_to(&self, out: &mut String) {
        use std::fmt::Write;
        let _ = write!(out, "{}", (self.0 * 10.0).round() / 10.0);
    }
}

impl Picture {
    pub(crate) fn svg(&self, is_file: bool) -> String {
        let (mut width, mut height) = self.layout.size;
        let below = height;
        if !self.legend.is_empty() {
            let widest = self.legend.iter().map(|sign| sign.text().width()).max().unwrap_or(0);
            width = width.max(LEGEND_TEXT + widest as f64 * LABEL_LETTER + 10.0);
            height += self.legend.len() as f64 * LEGEND_LINE + 10.0;
        }
        let arrows = self.edges.iter().zip(&self.layout.routes);
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" role="img" class="picture"
                width=(At(width)) height=(At(height))
                viewBox={ "0 0 " (At(width)) " " (At(height)) } {
                title { (self.title) }
                @if is_file { style { (maud::PreEscaped(STYLE)) } }
                @for (edge, route) in arrows.clone() { (arrow(route, edge.is_sure)) }
                @for (node, at) in self.nodes.iter().zip(&self.layout.nodes) { (drawn(node, *at)) }
                @for (edge, route) in arrows {
                    @if let Some(((x, y), (width, height))) = route.label.zip(label_size(&edge.text)) {
                        // The line does not go through the letters.
                        rect.back x=(At(x - width / 2.0)) y=(At(y - height / 2.0))
                            width=(At(width)) height=(At(height)) {}
                        text.label x=(At(x)) y=(At(y + 4.0)) { (edge.text) }
                    }
                }
                @for (n, sign) in self.legend.iter().enumerate() {
                    (legend(*sign, below + n as f64 * LEGEND_LINE + LEGEND_LINE / 2.0))
                }
            }
        };
        markup.0
    }
}

/// Of a legend: the height of a line, and where its text begins.
const LEGEND_LINE: f64 = 20.0;
const LEGEND_TEXT: f64 = 66.0;

fn legend(sign: Sign, y: f64) -> Markup {
    let class = if matches!(sign, Sign::Full(_)) { "warn" } else { "plain" };
    let round = if matches!(sign, Sign::Round(_)) { 7.0 } else { 3.0 };
    html! {
        g class=(class) {
            @match sign {
                Sign::Arrow(_) | Sign::Dashed(_) => {
                    path.arrow.unsure[matches!(sign, Sign::Dashed(_))]
                        d={ "M12 " (At(y)) "H50" } {}
                    polygon.tip points=(format!("58,{y} 49,{} 49,{}", y - 4.0, y + 4.0)) {}
                }
                _ => rect.box x="22" y=(At(y - 7.0)) width="30" height="14" rx=(At(round)) {}
            }
            text.label.legend x=(At(LEGEND_TEXT)) y=(At(y + 4.0)) { (sign.text()) }
        }
    }
}

fn drawn(node: &Node, (x, y): (f64, f64)) -> Markup {
    let (width, height) = node_size(node);
    let class = match node.mark {
        Some(Mark::Stuck) => "bad",
        Some(Mark::Signal) => "warn",
        None => "plain",
    };
    let round = if node.shape == Shape::Party { height / 2.0 } else { 3.0 };
    let first = y - (node.lines.len() as f64 - 1.0) * LINE / 2.0 + 4.5;
    html! {
        g class=(class) {
            @if node.shape != Shape::Crowd {
                rect.box x=(At(x - width / 2.0)) y=(At(y - height / 2.0)) width=(At(width))
                    height=(At(height)) rx=(At(round)) {}
            }
            @for (n, line) in node.lines.iter().enumerate() {
                text.name.more[n > 0 && node.shape != Shape::Crowd] x=(At(x)) y=(At(first + n as f64 * LINE)) { (line) }
            }
        }
    }
}

/// A curve through all points, level at each of them, and its tip.
fn arrow(route: &Route, is_sure: bool) -> Markup {
    use std::fmt::Write;

    let mut path = String::new();
    let Some((&(x, y), &(tip_x, tip_y))) = route.points.first().zip(route.points.last()) else {
        return html! {};
    };
    let before = route.points[route.points.len() - 2];
    let side = (tip_x - before.0).signum();
    // The line ends where the tip begins.
    let last = route.points.len() - 1;
    let _ = write!(path, "M{} {}", At(x).render().0, At(y).render().0);
    let mut from = (x, y);
    for (n, &(x, y)) in route.points.iter().enumerate().skip(1) {
        let to = if n == last { (x - side * 7.0, y) } else { (x, y) };
        let bend = f64::midpoint(from.0, to.0);
        let numbers = [bend, from.1, bend, to.1, to.0, to.1].map(|n| At(n).render().0);
        let _ = write!(path, "C{}", numbers.join(" "));
        from = to;
    }
    let tip =
        [(tip_x, tip_y), (tip_x - side * 9.0, tip_y - 4.0), (tip_x - side * 9.0, tip_y + 4.0)];
    let tip = tip.map(|(x, y)| format!("{},{}", At(x).render().0, At(y).render().0)).join(" ");
    html! {
        path.arrow.unsure[!is_sure] d=(path) {}
        polygon.tip points=(tip) {}
    }
}
