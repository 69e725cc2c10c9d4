//! Where everything is: layers from left to right, by the method of Sugiyama.
//!
//! 1. Arrows that close a circle are turned around for the time being.
//! 2. A node is one layer behind the last of those that lead to it. Between any two layers of nodes
//!    is one for the texts of arrows.
//! 3. An arrow that crosses a layer gets a place of its own there, one of them as large as its
//!    text.
//! 4. Each layer is put into the order in which its neighbours are, again and again.
//! 5. Each place is moved to the middle of its neighbours, as far as the others in its layer let
//!    it.

/// Sweeps over all layers: after that many not much changes.
const SWEEPS: usize = 12;

/// The least distance between two places of one layer, and between two layers.
const APART: f64 = 18.0;
const GAP: f64 = 26.0;

/// Around all.
const MARGIN: f64 = 10.0;

pub(super) type Size = (f64, f64);

#[derive(Clone, Copy, Debug)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Nothing if it has no text.
    pub(super) label: Option<Size>,
}

#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) size: Size,
    /// The middle of each node.
    pub(super) nodes: Vec<(f64, f64)>,
    pub(super) routes: Vec<Route>,
}

/// The way of an arrow.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// From the edge of the one node to that of the other. Between each two of them it may bend
    /// as it likes, but goes through all.
    pub(super) points: Vec<(f64, f64)>,
    /// The middle of its text.
    pub(super) label: Option<(f64, f64)>,
}

/// A node, or where an arrow crosses a layer.
#[derive(Debug, Default)]
struct Place {
    layer: usize,
    size: Size,
    before: Vec<usize>,
    behind: Vec<usize>,
    y: f64,
}

impl Layout {
    /// Takes a time that is about proportional to what there is.
    pub(super) fn of(sizes: &[Size], arrows: &[Arrow]) -> Self {
        let turned = turned(sizes.len(), arrows);
        let layers = layers(sizes.len(), arrows, &turned);
        let mut places: Vec<Place> = sizes
            .iter()
            .zip(&layers)
            .map(|(&size, &layer)| Place { layer: 2 * layer, size, ..Place::default() })
            .collect();
        // Of each arrow the places from left to right, and which of them has its text.
        let ways: Vec<(Vec<usize>, usize)> = arrows
            .iter()
            .zip(&turned)
            .map(|(arrow, turned)| way(&mut places, arrow, *turned))
            .collect();
        let mut order = order(&places);
        align(&mut places, &order);
        let x = columns(&places, &mut order);
        let point = |place: usize| (x[places[place].layer], places[place].y);
        let width = x.last().copied().unwrap_or(0.0)
            + places
                .iter()
                .filter(|place| place.layer + 1 == x.len())
                .map(|p| p.size.0)
                .fold(0.0, f64::max)
                / 2.0;
        let height = places.iter().map(|place| place.y + place.size.1 / 2.0).fold(0.0, f64::max);
        let ports = ports(&places, arrows, &ways);
        let routes = arrows.iter().zip(&ways).zip(&turned).zip(ports).map(
            |(((arrow, (way, text)), turned), (out, into))| {
                let edge = |place: usize, side: f64, y: f64| {
                    (x[places[place].layer] + side * places[place].size.0 / 2.0, y)
                };
                if arrow.from == arrow.to {
                    let (cx, y) = point(arrow.from);
                    let top = y - places[arrow.from].size.1 / 2.0;
                    let points = vec![(cx - 14.0, top), (cx, top - 14.0), (cx + 14.0, top)];
                    return Route { points, label: None };
                }
                let inner = &way[1..way.len() - 1];
                let mut points = vec![edge(way[0], 1.0, out)];
                points.extend(inner.iter().map(|&place| point(place)));
                points.push(edge(way[way.len() - 1], -1.0, into));
                if *turned {
                    points.reverse();
                }
                let label = arrow.label.map(|_| point(inner[*text]));
                Route { points, label }
            },
        );
        let routes = routes.collect();
        let nodes = (0..sizes.len()).map(point).collect();
        Self { size: (width + MARGIN, height + MARGIN), nodes, routes }
    }
}

/// Which arrows close a circle, in the order in which a depth-first walk comes to them.
fn turned(nodes: usize, arrows: &[Arrow]) -> Vec<bool> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut enters = vec![0_usize; nodes];
    for (n, arrow) in arrows.iter().enumerate() {
        out[arrow.from].push(n);
        enters[arrow.to] += 1;
    }
    let mut turned = vec![false; arrows.len()];
    // 0: not seen, 1: on the way here, 2: done.
    let mut seen = vec![0_u8; nodes];
    // Who is waited for by nobody first: from there all leads to the right.
    let starts = (0..nodes).filter(|&n| enters[n] == 0).chain(0..nodes);
    for start in starts.collect::<Vec<_>>() {
        if seen[start] != 0 {
            continue;
        }
        let mut stack = vec![(start, 0)];
        seen[start] = 1;
        while let Some((node, next)) = stack.last_mut() {
            let Some(&arrow) = out[*node].get(*next) else {
                seen[*node] = 2;
                stack.pop();
                continue;
            };
            *next += 1;
            let to = arrows[arrow].to;
            match seen[to] {
                0 => {
                    seen[to] = 1;
                    stack.push((to, 0));
                }
                1 => turned[arrow] = true,
                _ => {}
            }
        }
    }
    turned
}

/// The layer of each node.
fn layers(nodes: usize, arrows: &[Arrow], turned: &[bool]) -> Vec<usize> {
    let ends = |n: usize| {
        let arrow = &arrows[n];
        if turned[n] { (arrow.to, arrow.from) } else { (arrow.from, arrow.to) }
    };
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut enters = vec![0_usize; nodes];
    for (n, arrow) in arrows.iter().enumerate() {
        if arrow.from != arrow.to {
            let (from, to) = ends(n);
            out[from].push(to);
            enters[to] += 1;
        }
    }
    let mut layer = vec![0; nodes];
    let mut ready: Vec<_> = (0..nodes).filter(|&n| enters[n] == 0).collect();
    let mut sorted = Vec::with_capacity(nodes);
    while let Some(node) = ready.pop() {
        sorted.push(node);
        for &to in &out[node] {
            layer[to] = layer[to].max(layer[node] + 1);
            enters[to] -= 1;
            if enters[to] == 0 {
                ready.push(to);
            }
        }
    }
    // Who leads somewhere and is led to by nobody stands close to that.
    let is_led_to: std::collections::HashSet<usize> = out.iter().flatten().copied().collect();
    for &node in sorted.iter().rev() {
        if !is_led_to.contains(&node)
            && let Some(nearest) = out[node].iter().map(|&to| layer[to]).min()
        {
            layer[node] = nearest - 1;
        }
    }
    layer
}

/// The places that an arrow goes through, from left to right, its nodes included; and which of
/// those between has its text.
fn way(places: &mut Vec<Place>, arrow: &Arrow, turned: bool) -> (Vec<usize>, usize) {
    if arrow.from == arrow.to {
        return (vec![arrow.from, arrow.to], 0);
    }
    let (left, right) = if turned { (arrow.to, arrow.from) } else { (arrow.from, arrow.to) };
    let (first, last) = (places[left].layer, places[right].layer);
    // In a layer for texts, in the middle.
    let text = (last - first) / 4 * 2;
    let mut way = vec![left];
    for (n, layer) in (first + 1..last).enumerate() {
        let size = arrow.label.filter(|_| n == text).unwrap_or((0.0, 0.0));
        way.push(places.len());
        places.push(Place { layer, size, ..Place::default() });
    }
    way.push(right);
    for pair in way.windows(2) {
        places[pair[0]].behind.push(pair[1]);
        places[pair[1]].before.push(pair[0]);
    }
    (way, text)
}

/// The places of each layer, from above.
fn order(places: &[Place]) -> Vec<Vec<usize>> {
    let layers = places.iter().map(|place| place.layer + 1).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); layers];
    // What hangs together stands together from the start.
    let mut seen = vec![false; places.len()];
    let mut leftmost: Vec<_> = (0..places.len()).collect();
    leftmost.sort_by_key(|&place| places[place].layer);
    for start in leftmost {
        let mut stack = vec![start];
        while let Some(place) = stack.pop() {
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            order[places[place].layer].push(place);
            stack.extend(places[place].before.iter().rev());
            stack.extend(places[place].behind.iter().rev());
        }
    }
    let mut at = vec![0.0; places.len()];
    let number = |layer: &[usize], at: &mut [f64]| {
        layer.iter().enumerate().for_each(|(n, &place)| at[place] = n as f64);
    };
    for layer in &order {
        number(layer, &mut at);
    }
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let turn: Vec<usize> =
            if forward { (0..layers).collect() } else { (0..layers).rev().collect() };
        for layer in turn {
            let mean = |place: usize| {
                let place = &places[place];
                mean(if forward { &place.before } else { &place.behind }, |other| at[other])
            };
            let mut keyed: Vec<_> = order[layer]
                .iter()
                .map(|&place| (mean(place).unwrap_or(at[place]), place))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            order[layer] = keyed.into_iter().map(|(_, place)| place).collect();
            number(&order[layer], &mut at);
        }
    }
    order
}

fn mean(of: &[usize], value: impl Fn(usize) -> f64) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().map(|&n| value(n)).sum::<f64>() / of.len() as f64)
}

/// How far the middles of two places above each other are apart at least.
fn apart(above: &Place, below: &Place) -> f64 {
    // Arrows alone are as close as one likes to see them.
    let gap = if above.size.1 == 0.0 && below.size.1 == 0.0 { APART * 0.7 } else { APART };
    f64::midpoint(above.size.1, below.size.1) + gap
}

/// The height of each place.
fn align(places: &mut [Place], order: &[Vec<usize>]) {
    for layer in order {
        let mut y = 0.0;
        for (n, &place) in layer.iter().enumerate() {
            if n > 0 {
                y += apart(&places[layer[n - 1]], &places[place]);
            }
            places[place].y = y;
        }
    }
    for sweep in 0..2 * SWEEPS {
        let forward = sweep % 2 == 0;
        let turn: Vec<_> =
            if forward { order.iter().collect() } else { order.iter().rev().collect() };
        for layer in turn {
            let wanted: Vec<f64> = layer
                .iter()
                .map(|&place| {
                    let it = &places[place];
                    // The last sweeps look to both sides.
                    let sides: Vec<usize> = match (sweep + 4 < 2 * SWEEPS, forward) {
                        (true, true) => it.before.clone(),
                        (true, false) => it.behind.clone(),
                        _ => it.before.iter().chain(&it.behind).copied().collect(),
                    };
                    mean(&sides, |other| places[other].y).unwrap_or(it.y)
                })
                .collect();
            settle(places, layer, &wanted);
        }
    }
    let top = places.iter().map(|place| place.y - place.size.1 / 2.0).fold(f64::MAX, f64::min);
    for place in places {
        place.y += MARGIN - top;
    }
}

/// Puts each place of a layer as near to where it should be as the others let it: those that would
/// lie on each other become one block, in the middle of where they should be.
fn settle(places: &mut [Place], layer: &[usize], wanted: &[f64]) {
    // Of each block: where its first should be, in sum; how many; and their distances from it.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    let mut offsets = vec![0.0; layer.len()];
    for n in 1..layer.len() {
        offsets[n] = offsets[n - 1] + apart(&places[layer[n - 1]], &places[layer[n]]);
    }
    for (n, wanted) in wanted.iter().enumerate() {
        let mut block = (wanted - offsets[n], 1);
        while let Some(&(sum, many)) = blocks.last()
            && sum / many as f64 > block.0 / block.1 as f64
        {
            block = (block.0 + sum, block.1 + many);
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut n = 0;
    for (sum, many) in blocks {
        for _ in 0..many {
            places[layer[n]].y = sum / many as f64 + offsets[n];
            n += 1;
        }
    }
}

/// The middle of each layer.
fn columns(places: &[Place], order: &mut [Vec<usize>]) -> Vec<f64> {
    let width = |layer: &Vec<usize>| layer.iter().map(|&p| places[p].size.0).fold(0.0, f64::max);
    let mut x = MARGIN;
    let mut columns = Vec::with_capacity(order.len());
    for layer in order {
        let width = width(layer);
        columns.push(x + width / 2.0);
        x += width + GAP;
    }
    columns
}

/// At what height each arrow leaves its left node, and enters its right one: several do not lie on
/// each other.
fn ports(places: &[Place], arrows: &[Arrow], ways: &[(Vec<usize>, usize)]) -> Vec<(f64, f64)> {
    let mut sides: Vec<[Vec<(f64, usize)>; 2]> =
        (0..places.len()).map(|_| Default::default()).collect();
    for (n, (way, _)) in ways.iter().enumerate().filter(|(n, _)| arrows[*n].from != arrows[*n].to) {
        let (left, right) = (way[0], way[way.len() - 1]);
        sides[left][1].push((places[way[1]].y, n));
        sides[right][0].push((places[way[way.len() - 2]].y, n));
    }
    let mut ports = vec![(0.0, 0.0); arrows.len()];
    for (place, sides) in places.iter().zip(&mut sides) {
        for (side, arrows) in sides.iter_mut().enumerate() {
            arrows.sort_by(|a, b| a.0.total_cmp(&b.0));
            let step = (place.size.1 * 0.7 / arrows.len() as f64).min(14.0);
            let first = place.y - step * (arrows.len() as f64 - 1.0) / 2.0;
            for (n, (_, arrow)) in arrows.iter().enumerate() {
                let y = first + step * n as f64;
                if side == 1 { ports[*arrow].0 = y } else { ports[*arrow].1 = y }
            }
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(from: usize, to: usize) -> Arrow {
        Arrow { from, to, label: Some((60.0, 14.0)) }
    }

    fn overlap(a: ((f64, f64), Size), b: ((f64, f64), Size)) -> bool {
        let ((ax, ay), (aw, ah)) = a;
        let ((bx, by), (bw, bh)) = b;
        (ax - bx).abs() < f64::midpoint(aw, bw) && (ay - by).abs() < f64::midpoint(ah, bh)
    }

    /// And all of it is in the picture. Seen to fail without `settle`.
    #[test]
    fn nothing_lies_on_anything_else() {
        let ring = |n: usize| (0..n).map(move |i| arrow(i, (i + 1) % n)).collect::<Vec<_>>();
        let star: Vec<_> = (1..30).map(|n| arrow(n, 0)).collect();
        let all: Vec<_> = (0..7).flat_map(|a| (0..7).map(move |b| arrow(a, b))).collect();
        let two = vec![arrow(0, 1), arrow(1, 0), arrow(0, 1)];
        for arrows in [ring(1), ring(2), ring(3), ring(9), star, all, two, Vec::new()] {
            let nodes = arrows.iter().map(|a| a.from.max(a.to) + 1).max().unwrap_or(3);
            let sizes: Vec<Size> = (0..nodes).map(|n| (40.0 + n as f64 * 9.0, 30.0)).collect();
            let layout = Layout::of(&sizes, &arrows);
            let mut boxes: Vec<_> = layout.nodes.iter().copied().zip(sizes).collect();
            let labels = layout.routes.iter().filter_map(|route| route.label);
            boxes.extend(labels.map(|at| (at, (60.0, 14.0))));
            for (n, a) in boxes.iter().enumerate() {
                let ((x, y), (w, h)) = *a;
                assert!(x - w / 2.0 >= 0.0 && x + w / 2.0 <= layout.size.0, "{arrows:?}");
                assert!(y - h / 2.0 >= 0.0 && y + h / 2.0 <= layout.size.1, "{arrows:?}");
                assert!(boxes[..n].iter().all(|b| !overlap(*a, *b)), "{arrows:?}");
            }
            assert_eq!(layout.routes.len(), arrows.len());
        }
    }

    #[test]
    fn a_long_chain_is_laid_out_too() {
        let arrows: Vec<_> = (0..20_000).map(|n| arrow(n, n + 1)).collect();
        let layout = Layout::of(&vec![(50.0, 30.0); 20_001], &arrows);
        assert!(layout.nodes.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
