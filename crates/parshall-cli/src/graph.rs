//! `parshall graph`: who waits for which channel, and who received there last.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;

use parshall::introspect::text::{self, counted, dot_text, exact, last_receiver, mermaid_text};
use parshall::introspect::{Graph, Node, NodeKind, Subject, Why};
use parshall::{Snapshot, TaskSnapshot};

use crate::args::{self, Ask, Format};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::picture::{self, Picture, Sign};
use crate::programs::Programs;
use crate::terminal::{duration, label, line, plain, print_data};

/// How much of a name is shown.
const NAME: usize = 40;

/// How many names or ids an error offers.
const LIKE: usize = 8;

pub(crate) fn run(ask: &Ask, args: &args::Graph) -> Result<Exit, Failure> {
    let client = Client::new(ask.timeout)?;
    let programs = Programs::ask(ask, &client)?;
    programs.complain();
    let program = programs.one(args.process.as_deref())?;
    let answer = client.snapshot(&program.address);
    let (mut snapshot, json) =
        answer.map_err(|error| Failure::Ask(program.address.clone(), error))?;
    if let Some(name) = &args.around {
        keep_near(&mut snapshot, name, args.steps)?;
    }
    let text = match args.format {
        Format::Dot => Drawing::of(&snapshot).dot().into_bytes(),
        Format::Mermaid => Drawing::of(&snapshot).mermaid().into_bytes(),
        Format::Svg => Drawing::of(&snapshot).picture().svg(true).into_bytes(),
        // As it came: what a newer version adds is not lost.
        Format::Json if args.around.is_none() => [&json, &b"\n"[..]].concat(),
        Format::Json => {
            let mut json = Vec::new();
            snapshot.graph().write_json(&mut json)?;
            json.push(b'\n');
            json
        }
    };
    print_data(&text)?;
    Ok(Exit::Well)
}

/// A channel or a task: what is one node in the drawing.
fn key<'a>(node: &'a Node<'_>) -> &'a str {
    match node.kind {
        NodeKind::MpscTx => node.id.strip_suffix(":tx").unwrap_or(&node.id),
        NodeKind::MpscRx => node.id.strip_suffix(":rx").unwrap_or(&node.id),
        _ => &node.id,
    }
}

/// The name of a task, or what it is called without one.
pub(crate) fn task_name(task: &TaskSnapshot) -> String {
    use parshall::task::TaskKind;
    match (&task.name, task.task.kind()) {
        (Some(name), _) => String::from(&**name),
        (None, TaskKind::Thread) => format!("thread {}", task.task.number()),
        (None, TaskKind::Waker) => format!("waker {:x}", task.task.number()),
        (None, _) => format!("task {}", task.task.number()),
    }
}

/// What a node goes by: its label or name first, which is what people see.
fn names(subject: Subject<'_>) -> Vec<Cow<'_, str>> {
    match subject {
        Subject::Channel(channel) => {
            let stats = &channel.stats;
            vec![(&*stats.label).into(), (&*stats.name).into()]
        }
        Subject::Task(task) => vec![task_name(task).into()],
        _ => Vec::new(),
    }
}

/// Where it was made, and for a channel what its messages are.
fn origin(subject: Subject<'_>) -> String {
    match subject {
        Subject::Channel(channel) => {
            let stats = &channel.stats;
            format!("made at {}, {}", line(&stats.location, NAME), line(&stats.payload, NAME))
        }
        Subject::Task(task) => match &task.location {
            Some(place) => format!("made at {}", line(place, NAME)),
            None => "a task or thread".into(),
        },
        _ => String::new(),
    }
}

/// The one node that goes by a name: its key. An id is of one node; several may have one name.
fn named<'a>(graph: &'a Graph<'_>, name: &str) -> Result<&'a str, Failure> {
    let by_id = graph.nodes.iter().find(|node| *node.id == *name || key(node) == name);
    if let Some(node) = by_id {
        return Ok(key(node));
    }
    // A channel has two nodes.
    let nodes = graph.nodes.iter().filter(|node| node.kind != NodeKind::MpscRx);
    let meant: Vec<_> =
        nodes.clone().filter(|node| names(node.subject).iter().any(|it| it == name)).collect();
    let shown = format!("`{}`", line(name, NAME));
    match meant[..] {
        [node] => Ok(key(node)),
        [] => {
            let like = nearest(nodes.flat_map(|node| names(node.subject)), name);
            let like = if like.is_empty() {
                "`parshall top` shows the names".to_owned()
            } else {
                format!("names that are like it: {}", like.join(", "))
            };
            Err(Failure::Usage(format!("no channel, task or thread is called {shown}; {like}")))
        }
        _ => {
            let mut text = format!("{} go by the name {shown}; say which by its id:", meant.len());
            for node in meant.iter().take(LIKE) {
                let _ = write!(text, "\n{}  {}", line(key(node), 80), origin(node.subject));
            }
            if let Some(more) = meant.len().checked_sub(LIKE).filter(|more| *more > 0) {
                let _ = write!(text, "\nand {} more", exact(more as u64));
            }
            Err(Failure::Usage(text))
        }
    }
}

/// The few names that are most like it, as they are shown: those that it is a part of, and those
/// with a letter or a few that are others.
fn nearest<'a>(names: impl Iterator<Item = Cow<'a, str>>, name: &str) -> Vec<String> {
    // Of what is longer only the beginning is compared.
    let begin = |text: &str| text.chars().take(64).collect::<String>().to_lowercase();
    let wanted = begin(name);
    let mut near: Vec<(usize, String)> = Vec::new();
    for known in names {
        let begins = begin(&known);
        let apart = strsim::osa_distance(&wanted, &begins);
        let is_part = !wanted.is_empty() && known.to_lowercase().contains(&wanted);
        let rank = if is_part { 0 } else { apart };
        let most = wanted.chars().count() / 3 + 1;
        if (is_part || apart <= most) && near.iter().all(|(_, known_as)| **known_as != *known) {
            near.push((rank, known.into_owned()));
            near.sort_by_key(|(rank, _)| *rank);
            near.truncate(LIKE);
        }
    }
    near.into_iter().map(|(_, name)| format!("`{}`", line(&name, NAME))).collect()
}

/// Leaves in the snapshot what is at most so many arrows away from what has this name.
pub(crate) fn keep_near(snapshot: &mut Snapshot, name: &str, steps: u32) -> Result<(), Failure> {
    let graph = snapshot.graph();
    let start = named(&graph, name)?;
    let keys: HashMap<&str, &str> = graph.nodes.iter().map(|node| (&*node.id, key(node))).collect();
    let mut neighbours: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in &graph.edges {
        let (src, dst) = (keys[&*edge.src], keys[&*edge.dst]);
        if src != dst {
            neighbours.entry(src).or_default().push(dst);
            neighbours.entry(dst).or_default().push(src);
        }
    }
    let mut near = HashSet::from([start.to_owned()]);
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((key, away)) = queue.pop_front() {
        if away == steps {
            continue;
        }
        for &next in neighbours.get(key).into_iter().flatten() {
            if near.insert(next.to_owned()) {
                queue.push_back((next, away + 1));
            }
        }
    }
    let process = snapshot.process.clone();
    snapshot.channels.retain(|channel| near.contains(&channel.id));
    snapshot.tasks.retain(|task| near.contains(&task.task.node_id_in(&process)));
    snapshot.retired.clear();
    Ok(())
}

/// What is drawn, before it is written in a language.
pub(crate) struct Drawing {
    title: String,
    nodes: Vec<(Shape, Vec<String>)>,
    edges: Vec<(usize, usize, String, Line)>,
}

enum Shape {
    Channel { is_full: bool },
    Task,
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    Waits,
    Granted,
    ReceivedLast,
}

impl Drawing {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let graph: Graph<'_> = snapshot.graph();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut nodes: Vec<(Shape, Vec<String>)> = Vec::new();
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for node in &graph.nodes {
            let place = *places.entry(key(node)).or_insert_with(|| {
                nodes.push(describe(node.subject));
                nodes.len() - 1
            });
            by_id.insert(&node.id, place);
        }
        let ago = |ns: i64| duration(snapshot.taken_at_ns.saturating_sub(ns));
        let edges = graph.edges.iter().filter_map(|edge| {
            let (text, kind) = match edge.why {
                Why::Send { waits: 1, since_ns, .. } => {
                    (format!("send, {}", ago(since_ns)), Line::Waits)
                }
                Why::Send { waits, since_ns, .. } => {
                    let waits = plain(counted(waits, "send"));
                    (format!("{waits}, the first {}", ago(since_ns)), Line::Waits)
                }
                Why::Receive { since_ns } => (format!("recv, {}", ago(since_ns)), Line::Waits),
                Why::Granted { granted_at_ns, .. } => {
                    (format!("granted {} ago, not polled", ago(granted_at_ns)), Line::Granted)
                }
                Why::LastReceiver { last_receive } => {
                    (last_receiver(last_receive), Line::ReceivedLast)
                }
                _ => return None,
            };
            Some((by_id[&*edge.src], by_id[&*edge.dst], text, kind))
        });
        let edges = edges.collect();
        Self { title: line(&snapshot.process, NAME), nodes, edges }
    }

    pub(crate) fn dot(&self) -> String {
        let mut out = String::from("digraph parshall {\n  rankdir=LR;\n  labelloc=t;\n");
        let _ = writeln!(out, "  label=\"{}\";", dot_text(std::slice::from_ref(&self.title)));
        for (n, (shape, lines)) in self.nodes.iter().enumerate() {
            let shape = match shape {
                Shape::Channel { is_full: false } => "box",
                Shape::Channel { is_full: true } => "box, style=filled, fillcolor=\"#fff2cc\"",
                Shape::Task => "ellipse",
            };
            let _ = writeln!(out, "  n{n} [label=\"{}\", shape={shape}];", dot_text(lines));
        }
        for (from, to, text, kind) in &self.edges {
            let style = if *kind == Line::ReceivedLast { ", style=dashed" } else { "" };
            let text = dot_text(std::slice::from_ref(text));
            let _ = writeln!(out, "  n{from} -> n{to} [label=\"{text}\"{style}];");
        }
        out + if self.nodes.is_empty() { NOTHING_DOT } else { LEGEND_DOT } + "}\n"
    }

    fn picture(self) -> Picture {
        let node = |(shape, lines)| {
            let (shape, mark) = match shape {
                Shape::Channel { is_full: true } => {
                    (text::Shape::Channel, Some(text::Mark::Signal))
                }
                Shape::Channel { is_full: false } => (text::Shape::Channel, None),
                Shape::Task => (text::Shape::Party, None),
            };
            picture::Node { lines, shape, mark }
        };
        let edge = |(from, to, text, line)| {
            let is_sure = line != Line::ReceivedLast;
            picture::Edge { from, to, text, is_sure }
        };
        let mut nodes: Vec<_> = self.nodes.into_iter().map(node).collect();
        if nodes.is_empty() {
            let (lines, shape) = (vec![NOTHING.to_owned()], text::Shape::Crowd);
            nodes.push(picture::Node { lines, shape, mark: None });
            return Picture::new(self.title, nodes, Vec::new());
        }
        let edges = self.edges.into_iter().map(edge).collect();
        Picture::new(self.title, nodes, edges).with_legend(&LEGEND)
    }

    pub(crate) fn mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        let mut full = Vec::new();
        for (n, (shape, lines)) in self.nodes.iter().enumerate() {
            let (open, close) = match shape {
                Shape::Channel { .. } => ("[", "]"),
                Shape::Task => ("([", "])"),
            };
            let _ = writeln!(out, "  n{n}{open}\"{}\"{close}", mermaid_text(lines));
            if let Shape::Channel { is_full: true } = shape {
                full.push(format!("n{n}"));
            }
        }
        for (from, to, text, kind) in &self.edges {
            let arrow = if *kind == Line::ReceivedLast { "-.->" } else { "-->" };
            let text = mermaid_text(std::slice::from_ref(text));
            let _ = writeln!(out, "  n{from} {arrow}|\"{text}\"| n{to}");
        }
        if !full.is_empty() {
            out.push_str("  classDef full fill:#fff2cc,color:#000\n");
            let _ = writeln!(out, "  class {} full", full.join(","));
        }
        out + if self.nodes.is_empty() { NOTHING_MERMAID } else { LEGEND_MERMAID }
    }
}

/// What a graph without nodes says.
const NOTHING: &str = "no channel and no task";
const NOTHING_DOT: &str = "  nothing [label=\"no channel and no task\", shape=plaintext];\n";
const NOTHING_MERMAID: &str = "  nothing[\"no channel and no task\"]\n";

/// What shapes, colours and lines mean. The ends of a channel, `tx` and `rx`, are one box.
const LEGEND: [Sign; 6] = [
    Sign::Box("channel (tx to rx)"),
    Sign::Full("full channel"),
    Sign::Round("task or thread"),
    Sign::Arrow("task to channel: send waits for room (at tx), recv for a message (at rx)"),
    Sign::Arrow("channel to task: was granted room, and has not taken it"),
    Sign::Dashed("channel to task: the last receiver"),
];

const LEGEND_DOT: &str = r##"  subgraph cluster_legend {
    label="legend"; fontsize=10; color=gray; node [fontsize=10]; edge [fontsize=10];
    l0 [label="task or thread", shape=ellipse];
    l1 [label="channel (tx to rx)", shape=box];
    l2 [label="full channel", shape=box, style=filled, fillcolor="#fff2cc"];
    l0 -> l1 [label="send waits for room (at tx)\nrecv waits for a message (at rx)"];
    l1 -> l0 [label="last receiver", style=dashed];
    l2 -> l0 [label="granted room, not taken"];
  }
"##;

const LEGEND_MERMAID: &str = r#"  subgraph legend
    l0(["task or thread"])
    l1["channel, tx to rx"]
    l2["full channel"]
    l0 -->|"send waits for room at tx, recv for a message at rx"| l1
    l1 -.->|"last receiver"| l0
    l2 -->|"granted room, not taken"| l0
  end
  style l2 fill:#fff2cc,color:#000
"#;

fn describe(subject: Subject<'_>) -> (Shape, Vec<String>) {
    match subject {
        Subject::Channel(channel) => {
            let stats = &channel.stats;
            let name = label(&stats.label, NAME);
            let filled = match stats.capacity {
                Some(capacity) => format!("{name} {}/{capacity}", stats.queue_len),
                None => format!("{name} {}", stats.queue_len),
            };
            let taken = stats.queue_len.saturating_add(stats.reserved);
            let is_full = stats.capacity.is_some_and(|capacity| taken >= capacity);
            (Shape::Channel { is_full }, vec![filled])
        }
        Subject::Task(task) => (Shape::Task, vec![line(&task_name(task), NAME)]),
        _ => (Shape::Task, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use parshall::mpsc::Builder;

    use super::*;

    fn graph_of(names: &[&str]) -> Snapshot {
        let channels: Vec<_> =
            names.iter().map(|name| Builder::new().name(*name).capacity(4).build::<u8>()).collect();
        let mut snapshot = parshall::snapshot();
        drop(channels);
        snapshot.channels.retain(|channel| names.contains(&&*channel.stats.name));
        snapshot.tasks.clear();
        snapshot
    }

    fn said(snapshot: &Snapshot, name: &str) -> String {
        keep_near(&mut snapshot.clone(), name, 1).unwrap_err().to_string()
    }

    /// Seen to fail with: names as they are, and all that have it in them.
    #[test]
    fn the_nearest_names_are_few_and_short() {
        let long = format!("gr_{}", "x".repeat(10_000));
        let mut names = vec!["gr_wal".to_owned(), "gr_acks".into(), long];
        names.extend((0..1_000).map(|n| format!("gr_conn-{n}")));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let snapshot = graph_of(&names);
        let near = said(&snapshot, "gr_wla");
        assert_eq!(
            near,
            "no channel, task or thread is called `gr_wla`; names that are like it: `gr_wal`"
        );
        let near = said(&snapshot, "CONN");
        assert_eq!(near.matches("`gr_conn-").count(), LIKE, "{near}");
        let near = said(&snapshot, &"x".repeat(60));
        assert!(near.len() < 300 && near.contains("`gr_xxx"), "{near}");
        let far = said(&snapshot, "zzzzzzzzz");
        assert!(far.ends_with("`zzzzzzzzz`; `parshall top` shows the names"), "{far}");
    }

    /// Seen to fail with: all of them together.
    #[test]
    fn a_name_of_several_is_answered_with_their_ids_and_places() {
        let snapshot = graph_of(&["gr_twin", "gr_twin", "gr_other"]);
        let both = said(&snapshot, "gr_twin");
        let mut lines = both.lines();
        assert_eq!(
            lines.next(),
            Some("2 go by the name `gr_twin`; say which by its id:"),
            "{both}"
        );
        for line in lines.by_ref().take(2) {
            assert!(line.contains(":gr_twin") && line.contains("graph.rs:"), "{both}");
        }
        let id = snapshot.channels[1].id.clone();
        for id in [id.clone(), format!("{id}:tx"), format!("{id}:rx")] {
            let mut near = snapshot.clone();
            keep_near(&mut near, &id, 1).unwrap();
            assert_eq!(near.channels.len(), 1, "{id}");
        }
    }

    /// Seen to fail without it.
    #[test]
    fn each_language_has_a_legend() {
        let snapshot = graph_of(&["gr_legend"]);
        let dot = Drawing::of(&snapshot).dot();
        assert!(dot.contains("subgraph cluster_legend {") && dot.ends_with("  }\n}\n"), "{dot}");
        let mermaid = Drawing::of(&snapshot).mermaid();
        assert!(mermaid.contains("  subgraph legend\n"), "{mermaid}");
        let svg = Drawing::of(&snapshot).picture().svg(true);
        for sign in ["channel (tx to rx)", "full channel", "task or thread", "the last receiver"] {
            assert!(svg.contains(&format!("{sign}</text>")), "{svg}");
        }
        // Below all else, and within the picture.
        let height: f64 =
            svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        let last: f64 =
            svg.rsplit(" y=\"").next().unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(last < height && last > height - 20.0, "{last} {height}");
    }

    /// Seen to fail with: a picture of nothing.
    #[test]
    fn an_empty_graph_says_so() {
        let nothing = graph_of(&[]);
        let drawing = Drawing::of(&nothing);
        for text in [drawing.dot(), drawing.mermaid(), Drawing::of(&nothing).picture().svg(true)] {
            assert!(text.contains(NOTHING) && !text.contains("last receiver"), "{text}");
        }
    }
}
