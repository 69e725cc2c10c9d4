//! `parshall graph`: who waits for which channel, and who received there last.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;

use parshall::introspect::text::{self, counted, dot_text, exact, mermaid_text};
use parshall::introspect::{Graph, Node, NodeKind, Subject, Why};
use parshall::{Snapshot, TaskSnapshot};

use crate::args::{self, Ask, Format};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::picture::{self, Picture};
use crate::programs::Programs;
use crate::terminal::{duration, line, plain, print_data};

/// How much of a name is shown.
const NAME: usize = 40;

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
        (Some(name), _) => name.to_string(),
        (None, TaskKind::Thread) => format!("thread {}", task.task.number()),
        (None, TaskKind::Waker) => format!("waker {:x}", task.task.number()),
        (None, _) => format!("task {}", task.task.number()),
    }
}

/// Leaves in the snapshot what is at most so many arrows away from what has this name.
pub(crate) fn keep_near(snapshot: &mut Snapshot, name: &str, steps: u32) -> Result<(), Failure> {
    let graph = snapshot.graph();
    let is = |node: &Node<'_>| match node.subject {
        Subject::Channel(channel) => {
            let names = [&*channel.stats.name, &*channel.stats.label, &*channel.id];
            names.contains(&name)
        }
        Subject::Task(task) => task_name(task) == name || &*node.id == name,
        _ => false,
    };
    let keys: HashMap<&str, &str> = graph.nodes.iter().map(|node| (&*node.id, key(node))).collect();
    let start: Vec<&str> = graph.nodes.iter().filter(|node| is(node)).map(key).collect();
    if start.is_empty() {
        let like = |node: &Node<'_>| match node.subject {
            Subject::Channel(channel) => channel.stats.label.contains(name),
            Subject::Task(task) => task_name(task).contains(name),
            _ => false,
        };
        let mut like: Vec<_> = graph.nodes.iter().filter(|node| like(node)).map(key).collect();
        like.dedup();
        let like: Vec<_> = like.into_iter().take(5).map(|id| line(id, 60)).collect();
        let like = if like.is_empty() {
            "; `parshall top` shows the names".to_owned()
        } else {
            format!("; these are like it: {}", like.join(", "))
        };
        let name = line(name, 60);
        return Err(Failure::Usage(format!("no channel, task or thread is called {name}{like}")));
    }
    let mut neighbours: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in &graph.edges {
        let (src, dst) = (keys[&*edge.src], keys[&*edge.dst]);
        if src != dst {
            neighbours.entry(src).or_default().push(dst);
            neighbours.entry(dst).or_default().push(src);
        }
    }
    let mut near: HashSet<String> = start.iter().map(|&key| key.to_owned()).collect();
    let mut queue: VecDeque<_> = start.into_iter().map(|key| (key, 0)).collect();
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
                    (format!("received last, {}", exact(last_receive)), Line::ReceivedLast)
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
        out + "}\n"
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
        let nodes = self.nodes.into_iter().map(node).collect();
        Picture::new(self.title, nodes, self.edges.into_iter().map(edge).collect())
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
        out
    }
}

fn describe(subject: Subject<'_>) -> (Shape, Vec<String>) {
    match subject {
        Subject::Channel(channel) => {
            let stats = &channel.stats;
            let name = line(&stats.label, NAME);
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
