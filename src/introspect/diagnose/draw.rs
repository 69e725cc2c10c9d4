//! The findings as a drawing, for Graphviz and for Mermaid: who waits for which channel, and who
//! should end that. Not the whole program.

use core::fmt::Write;
use std::collections::HashMap;

use super::report::crowd;
use super::words::{GLUE, counted, exact, percent};
use super::{
    Behind, ChannelRef, Diagnosis, Evidence, Finding, Hop, Party, Receiver, Receiving, Verdict,
};

/// How many findings are drawn, and how many hops of a chain: more cannot be read.
const FINDINGS: usize = 24;
const HOPS: usize = 48;

impl Diagnosis {
    /// The findings and who takes part in them, in the language of Graphviz: boxes are channels,
    /// and an arrow leads from whoever waits to what it waits for. Dashed: it was the last to
    /// receive, as far as is known. Of many findings the first 24. Valid whatever the names.
    ///
    /// # Examples
    /// ```
    /// let diagnosis = parshall::diagnose();
    /// assert!(diagnosis.dot().starts_with("digraph"));
    /// ```
    pub fn dot(&self) -> String {
        let drawing = Drawing::of_all(self);
        let mut out = String::from("digraph parshall {\n  rankdir=LR;\n  labelloc=t;\n");
        let _ = writeln!(out, "  label=\"{}\";", dot_text(&[plain(&self.headline())]));
        for (n, node) in drawing.nodes.iter().enumerate() {
            let shape = match node.shape {
                Shape::Channel => "box",
                Shape::Party => "ellipse",
                Shape::Crowd => "plaintext",
            };
            let fill = match node.mark {
                Some(Mark::Stuck) => ", style=filled, fillcolor=\"#f4cccc\"",
                Some(Mark::Signal) => ", style=filled, fillcolor=\"#fff2cc\"",
                None => "",
            };
            let text = dot_text(&node.lines);
            let _ = writeln!(out, "  n{n} [label=\"{text}\", shape={shape}{fill}];");
        }
        for edge in &drawing.edges {
            let style = if edge.is_sure { "" } else { ", style=dashed" };
            let text = dot_text(std::slice::from_ref(&edge.text));
            let _ = writeln!(out, "  n{} -> n{} [label=\"{text}\"{style}];", edge.from, edge.to);
        }
        out + "}\n"
    }

    /// As [`dot`](Self::dot), in the language of Mermaid, which GitHub and others draw in Markdown.
    ///
    /// # Examples
    /// ```
    /// let diagnosis = parshall::diagnose();
    /// assert!(diagnosis.mermaid().starts_with("flowchart"));
    /// ```
    pub fn mermaid(&self) -> String {
        let drawing = Drawing::of_all(self);
        let mut out = String::from("flowchart LR\n");
        let mut marked = [Vec::new(), Vec::new()];
        for (n, node) in drawing.nodes.iter().enumerate() {
            let (open, close) = match node.shape {
                Shape::Channel => ("[", "]"),
                Shape::Party => ("([", "])"),
                Shape::Crowd => ("[/", "/]"),
            };
            let text = mermaid_text(&node.lines);
            let _ = writeln!(out, "  n{n}{open}\"{text}\"{close}");
            if let Some(mark) = node.mark {
                marked[mark as usize].push(format!("n{n}"));
            }
        }
        for edge in &drawing.edges {
            let arrow = if edge.is_sure { "-->" } else { "-.->" };
            let text = mermaid_text(std::slice::from_ref(&edge.text));
            let text = if text.is_empty() { text } else { format!("|\"{text}\"|") };
            let _ = writeln!(out, "  n{} {arrow}{text} n{}", edge.from, edge.to);
        }
        for (nodes, name, fill) in
            [(&marked[0], "stuck", "f4cccc"), (&marked[1], "signal", "fff2cc")]
        {
            if !nodes.is_empty() {
                let _ = writeln!(out, "  classDef {name} fill:#{fill},color:#000");
                let _ = writeln!(out, "  class {} {name}", nodes.join(","));
            }
        }
        out
    }
}

/// `last receiver, noted after 812 messages`: so many had been received when it was noted.
pub fn last_receiver(messages: u64) -> String {
    match messages {
        0 => "last receiver".into(),
        1 => "last receiver, noted after 1 message".into(),
        n => format!("last receiver, noted after {} messages", exact(n)),
    }
}

/// In a string of DOT a backslash begins an escape, and `&` an entity of HTML.
pub fn dot_text(lines: &[String]) -> String {
    let mut out = String::new();
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            out.push_str("\\n");
        }
        for c in line.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '&' => out.push_str("&amp;"),
                c => out.push(c),
            }
        }
    }
    out
}

/// Mermaid looks for its own words, for directives, Markdown and formulas in a string too. So all
/// that is no letter or digit is an entity, but for what is known to mean nothing.
pub fn mermaid_text(lines: &[String]) -> String {
    let mut out = String::new();
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            out.push_str("<br/>");
        }
        for c in line.chars() {
            if c.is_alphanumeric() || " .,_-".contains(c) {
                out.push(c);
            } else {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}

/// What is drawn, before it is written in a language.
#[derive(Debug, Default)]
pub struct Drawing {
    /// Each once.
    pub nodes: Vec<Node>,
    /// In the order in which they were said.
    pub edges: Vec<Edge>,
    /// The place of each node, by its key.
    places: HashMap<String, usize>,
}

/// A channel, a party, or several.
#[derive(Debug)]
pub struct Node {
    /// What it stands for: `channel ` and its number, `party ` and its id, else `crowd ` and a
    /// number.
    pub key: String,
    /// Its name, and in which findings it is.
    pub lines: Vec<String>,
    /// What it is.
    pub shape: Shape,
    /// The worst finding that it is in; none if in none.
    pub mark: Option<Mark>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A channel.
    Channel,
    /// A task or a thread.
    Party,
    /// Several, who are not drawn one by one.
    Crowd,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// More than a signal.
    Stuck,
    /// A signal.
    Signal,
}

/// Who waits, or is waited for.
#[derive(Debug, PartialEq)]
pub struct Edge {
    /// A place in [`Drawing::nodes`].
    pub from: usize,
    /// Likewise.
    pub to: usize,
    /// Why, since when; may be empty.
    pub text: String,
    /// Dashed if not: it was the last to receive, as far as is known.
    pub is_sure: bool,
}

impl Drawing {
    /// Of many findings the first.
    pub fn of(findings: &[Finding]) -> Self {
        let mut drawing = Self::default();
        for (n, finding) in findings.iter().take(FINDINGS).enumerate() {
            drawing.add(n, finding);
        }
        drawing.left_out(findings.len().saturating_sub(FINDINGS) as u64);
        drawing
    }

    fn of_all(diagnosis: &Diagnosis) -> Self {
        let (shown, left) = diagnosis.findings.split_at(diagnosis.findings.len().min(FINDINGS));
        let mut drawing = Self::of(shown);
        let more: u64 = diagnosis.left_out.iter().map(|left| left.findings).sum();
        drawing.left_out(left.len() as u64 + more);
        drawing
    }

    fn left_out(&mut self, findings: u64) {
        if findings > 0 {
            let text = format!("and {} more findings", exact(findings));
            self.node(String::from("left"), Shape::Crowd, text);
        }
    }

    /// The `n`-th finding.
    fn add(&mut self, n: usize, finding: &Finding) {
        for channel in finding.channels.iter().take(HOPS) {
            let node = self.channel(channel);
            self.mark(node, finding);
        }
        match &finding.evidence {
            Evidence::Deadlock { cycle, behind } => {
                self.chain(finding, cycle, cycle.first().map(|hop| &hop.who));
                self.behind(n, behind, cycle.first().map(|hop| &hop.channel));
            }
            Evidence::Futurelock { channel, holder, granted_at_ns, waits, behind, .. } => {
                let text = format!("granted {} ago, not polled", finding.ago(*granted_at_ns));
                let (from, to) = (self.channel(channel), self.party(holder));
                self.edge(from, to, &text, true);
                self.chain(finding, waits.as_deref().map_or(&[], std::slice::from_ref), None);
                self.behind(n, behind, Some(channel));
            }
            Evidence::Stalled { receiver, behind, .. } => {
                self.receiver(finding, receiver);
                self.behind(n, behind, Some(&receiver.channel));
            }
            Evidence::Starved { who, running, blocked, channels, behind } => {
                let node = self.party(who);
                self.mark(node, finding);
                for running in running.iter().take(HOPS) {
                    let to = self.party(running);
                    self.edge(node, to, "runs now", false);
                }
                blocked.iter().take(HOPS).for_each(|hop| self.hop(finding, hop));
                for channel in channels.iter().take(HOPS) {
                    let from = self.channel(channel);
                    self.edge(from, node, "", false);
                }
                self.behind(n, behind, channels.first());
            }
            Evidence::HeldPermits { channel, grants, behind, .. } => {
                let from = self.channel(channel);
                for grant in grants {
                    let text = format!("granted {} ago, not taken", finding.ago(grant.since_ns));
                    let to = self.party(&grant.who);
                    self.edge(from, to, &text, true);
                    let waits = grant.waits.as_deref().map_or(&[][..], std::slice::from_ref);
                    self.chain(finding, waits, None);
                }
                self.behind(n, behind, Some(channel));
            }
            Evidence::SenderKept { channel, receiver, senders, .. } => {
                let (from, to) = (self.party(receiver), self.channel(channel));
                self.edge(from, to, "recv", true);
                let kept = format!("its own: {}", counted(*senders, "sender"));
                self.edge(to, from, &kept, false);
            }
            Evidence::Growing { channel, elsewhere, receiver, .. } => {
                self.received_by(channel, receiver.as_ref(), None);
                if let Some((share, hop)) = elsewhere {
                    let (from, to) = (self.party(&hop.who), self.channel(&hop.channel));
                    let text = format!("{}, {} of the time", hop.call.as_str(), percent(*share));
                    self.edge(from, to, &text, true);
                }
            }
            Evidence::Saturated { channel, receiver, .. } => {
                self.received_by(channel, receiver.as_ref(), None);
            }
            Evidence::LostWakeup { channel, who, .. } => {
                if let Some(who) = who {
                    let (from, to) = (self.party(who), self.channel(channel));
                    self.edge(from, to, "not woken", true);
                }
            }
            Evidence::Turned { .. } | Evidence::Lockstep { .. } => {}
        }
    }

    fn receiver(&mut self, finding: &Finding, receiver: &Receiver) {
        let number = Some(receiver.last_receive);
        self.received_by(&receiver.channel, receiver.who.as_ref(), number);
        if let Receiving::WaitsFor { chain, end } = &receiver.does {
            let end = end.as_deref();
            self.chain(finding, chain, end.and_then(|end| end.who.as_ref()));
            if let Some(end) = end {
                self.receiver(finding, end);
            }
        }
    }

    fn received_by(&mut self, channel: &ChannelRef, who: Option<&Party>, number: Option<u64>) {
        let from = self.channel(channel);
        let Some(who) = who else { return };
        let to = self.party(who);
        self.edge(from, to, &last_receiver(number.unwrap_or(0)), false);
    }

    /// `end`: for whom the last hop waits.
    fn chain(&mut self, finding: &Finding, hops: &[Hop], end: Option<&Party>) {
        for (n, hop) in hops.iter().take(HOPS).enumerate() {
            self.hop(finding, hop);
            let Some(next) = hops.get(n + 1).map(|hop| &hop.who).or(end) else { continue };
            let (from, to) = (self.channel(&hop.channel), self.party(next));
            match hop.last_receive {
                Some(number) => self.edge(from, to, &last_receiver(number), false),
                None => self.edge(from, to, "", true),
            }
        }
    }

    fn hop(&mut self, finding: &Finding, hop: &Hop) {
        let (from, to) = (self.party(&hop.who), self.channel(&hop.channel));
        let text = format!("{}, {}", hop.call.as_str(), finding.ago(hop.since_ns));
        self.edge(from, to, &text, true);
    }

    fn behind(&mut self, n: usize, behind: &Behind, channel: Option<&ChannelRef>) {
        let (Some(who), Some(channel)) = (crowd(behind), channel) else { return };
        let from = self.node(format!("crowd {n}"), Shape::Crowd, who);
        let to = self.channel(channel);
        self.edge(from, to, "behind it", true);
    }

    fn channel(&mut self, channel: &ChannelRef) -> usize {
        self.node(format!("channel {}", channel.channel_id), Shape::Channel, channel.filled())
    }

    fn party(&mut self, party: &Party) -> usize {
        self.node(format!("party {}", party.id), Shape::Party, party.shown())
    }

    fn node(&mut self, key: String, shape: Shape, text: String) -> usize {
        let nodes = &mut self.nodes;
        *self.places.entry(key.clone()).or_insert_with(|| {
            nodes.push(Node { key, lines: vec![plain(&text)], shape, mark: None });
            nodes.len() - 1
        })
    }

    /// Says of a node in which finding it is; the first, which is the worst, gives the colour.
    fn mark(&mut self, node: usize, finding: &Finding) {
        let node = &mut self.nodes[node];
        let unless = if finding.verdict == Verdict::Conditional { "?" } else { "" };
        let kind = format!("{}{unless}", finding.kind.in_words());
        if !node.lines[1..].contains(&kind) {
            node.lines.push(kind);
        }
        let signal = finding.verdict == Verdict::Signal;
        node.mark.get_or_insert(if signal { Mark::Signal } else { Mark::Stuck });
    }

    fn edge(&mut self, from: usize, to: usize, text: &str, is_sure: bool) {
        let edge = Edge { from, to, text: plain(text), is_sure };
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }
}

fn plain(text: &str) -> String {
    text.replace(GLUE, " ")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::samples::{deadlock, diagnosis, each_kind, rename};
    use super::*;

    #[test]
    fn a_deadlock_is_drawn_as_its_cycle_and_who_is_behind_it() {
        let diagnosis = diagnosis(vec![deadlock()]);
        let dot = r##"digraph parshall {
  rankdir=LR;
  labelloc=t;
  label="parshall: ingest-4711 is likely STUCK, 12.4 s";
  n0 [label="wal 8/8\ndeadlock?", shape=box, style=filled, fillcolor="#f4cccc"];
  n1 [label="acks 4/4\ndeadlock?", shape=box, style=filled, fillcolor="#f4cccc"];
  n2 [label="writer", shape=ellipse];
  n3 [label="flusher", shape=ellipse];
  n4 [label="37 senders", shape=plaintext];
  n2 -> n0 [label="send, 12.4 s"];
  n0 -> n3 [label="last receiver, noted after 812 messages", style=dashed];
  n3 -> n1 [label="send, 12.4 s"];
  n1 -> n2 [label="last receiver, noted after 40 messages", style=dashed];
  n4 -> n0 [label="behind it"];
}
"##;
        assert_eq!(diagnosis.dot(), dot);
        let mermaid = r#"flowchart LR
  n0["wal 8#47;8<br/>deadlock#63;"]
  n1["acks 4#47;4<br/>deadlock#63;"]
  n2(["writer"])
  n3(["flusher"])
  n4[/"37 senders"/]
  n2 -->|"send, 12.4 s"| n0
  n0 -.->|"last receiver, noted after 812 messages"| n3
  n3 -->|"send, 12.4 s"| n1
  n1 -.->|"last receiver, noted after 40 messages"| n2
  n4 -->|"behind it"| n0
  classDef stuck fill:#f4cccc,color:#000
  class n0,n1 stuck
"#;
        assert_eq!(diagnosis.mermaid(), mermaid);
    }

    /// What the strings of a text in DOT say, and the text without them.
    fn read_dot(text: &str) -> (String, Vec<String>) {
        let (mut outside, mut strings) = (String::new(), Vec::new());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '"' {
                outside.push(c);
                continue;
            }
            let mut string = String::new();
            loop {
                match chars.next().expect("a string does not end") {
                    '"' => break,
                    '\\' => string.push(match chars.next().unwrap() {
                        'n' => '\n',
                        c @ ('"' | '\\') => c,
                        c => panic!("the escape \\{c} means something else"),
                    }),
                    c => string.push(c),
                }
            }
            // An entity: no other than this is written.
            let entities = string.matches('&').count();
            assert_eq!(entities, string.matches("&amp;").count(), "{string}");
            strings.push(string.replace("&amp;", "&"));
        }
        (outside, strings)
    }

    /// As `read_dot`.
    fn read_mermaid(text: &str) -> (String, Vec<String>) {
        let (mut outside, mut strings) = (String::new(), Vec::new());
        for (n, part) in text.split('"').enumerate() {
            if n % 2 == 0 {
                outside.push_str(part);
                continue;
            }
            let mut string = String::new();
            let mut rest = part.replace("<br/>", "\n");
            while let Some((before, after)) = rest.split_once('#') {
                let (code, after) = after.split_once(';').expect("an entity does not end");
                string.push_str(before);
                string.push(char::from_u32(code.parse().unwrap()).unwrap());
                assert!(
                    !before.contains(|c: char| c.is_ascii_punctuation() && !".,_-".contains(c))
                );
                rest = after.to_owned();
            }
            strings.push(string + &rest);
        }
        (outside, strings)
    }

    fn is_syntax(outside: &str) -> bool {
        outside.chars().all(|c| c.is_ascii_alphanumeric() || " \n;,=.#:_|/->[](){}".contains(c))
    }

    /// Both say the same, whatever the names; Graphviz reads it, where it is installed.
    ///
    /// Seen to fail with: quotes, backslashes, `&` or `#` that are not escaped.
    #[test]
    fn a_drawing_is_valid_whatever_the_names() {
        let long = "x\"]; ".repeat(2_000);
        let names = [
            "plain",
            "\"q\" 'q' `q` \\",
            "\\",
            "\\\"",
            "a\nb\r\u{2028}\0\u{202e}c",
            "&lt;b&gt; #quot; #35; <b>x</b> &",
            "end subgraph %%{init: {}}%% --> ||| :::x style a:b#c; $$x$$ \\N\\G\\l",
            "größe 変",
            "",
            &long,
        ];
        let mut labels = Vec::new();
        for name in names {
            let mut findings = each_kind();
            for finding in &mut findings {
                rename(finding, name);
            }
            let mut diagnosis = diagnosis(findings);
            diagnosis.process = name.to_owned();
            let (dot, mermaid) = (diagnosis.dot(), diagnosis.mermaid());
            let (outside, strings) = read_dot(&dot);
            assert!(is_syntax(&outside), "{outside}");
            let drawn: Vec<_> = strings.into_iter().filter(|s| !s.starts_with("#f")).collect();
            let (outside, strings) = read_mermaid(&mermaid);
            assert!(is_syntax(&outside), "{outside}");
            // The title is in the one only, and so are arrows without a text.
            let texts = drawn[1..].iter().filter(|text| !text.is_empty());
            assert_eq!(texts.collect::<Vec<_>>(), strings.iter().collect::<Vec<_>>());
            labels.push(drawn[1].clone());
            graphviz_reads(&dot);
        }
        assert!(labels[2].starts_with("\\ 8/8\ndeadlock"), "{labels:?}");
        assert!(labels[5].starts_with("`&lt;b&gt; #quot; #35; "), "{labels:?}");
    }

    fn graphviz_reads(dot: &str) {
        let mut graphviz = Command::new("dot");
        graphviz.arg("-Tcanon").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Not installed: the parser above has read it.
        let Ok(mut child) = graphviz.spawn() else { return };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), dot.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}\n{dot}");
    }

    /// Seen to fail without the limits.
    #[test]
    fn a_drawing_is_small_enough_to_read() {
        let mut ring = deadlock();
        if let Evidence::Deadlock { cycle, .. } = &mut ring.evidence {
            *cycle = (0..200)
                .map(|n| {
                    let mut hop = cycle[0].clone();
                    hop.who.id = n.to_string();
                    hop.channel.channel_id = n;
                    hop
                })
                .collect();
            ring.channels = cycle.iter().map(|hop| hop.channel.clone()).collect();
        }
        let dot = diagnosis(vec![ring; 100]).dot();
        assert!(dot.lines().count() < 300, "{}", dot.lines().count());
        assert!(dot.contains("and 76 more findings"));
    }
}
