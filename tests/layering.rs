//! The architecture as rules: who may import whom, who may be unsafe, and what each atomic must
//! say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and what it may import. Of `telemetry`, which knows no channel, and of
/// `introspect`, which looks at channels from above, each file is a layer.
const LAYERS: &[(&str, &[&str])] = &[
    ("sync", &[]),
    ("unwind", &["sync"]),
    ("telemetry/chunks", &["sync"]),
    ("telemetry/clock", &["sync"]),
    ("telemetry/process", &["sync"]),
    ("telemetry/name", &["sync"]),
    ("telemetry/table", &["sync"]),
    ("telemetry/thread", &["sync", "telemetry/name"]),
    ("telemetry/ledger", &["sync", "telemetry/clock", "telemetry/table", "telemetry/task"]),
    ("telemetry/text", &["sync", "telemetry/name", "telemetry/task"]),
    ("telemetry/waits", &["sync"]),
    (
        "telemetry/task",
        &[
            "sync",
            "unwind",
            "runtime",
            "telemetry/clock",
            "telemetry/name",
            "telemetry/process",
            "telemetry/table",
            "telemetry/thread",
        ],
    ),
    ("runtime", &["sync"]),
    ("sizes", &[]),
    ("ring", &["sync", "unwind", "sizes"]),
    (
        "wait",
        &[
            "sync",
            "unwind",
            "sizes",
            "runtime",
            "telemetry/clock",
            "telemetry/task",
            "telemetry/waits",
        ],
    ),
    (
        "chan",
        &[
            "sync",
            "unwind",
            "runtime",
            "ring",
            "wait",
            "telemetry/chunks",
            "telemetry/clock",
            "telemetry/ledger",
            "telemetry/name",
            "telemetry/task",
            "telemetry/text",
            "telemetry/waits",
        ],
    ),
    ("telemetry", &[]),
    ("introspect/absent", &["sync", "chan"]),
    ("introspect/registry", &["sync", "chan", "telemetry/chunks", "telemetry/waits"]),
    (
        "introspect/snapshot",
        &[
            "chan",
            "introspect/registry",
            "telemetry/clock",
            "telemetry/ledger",
            "telemetry/process",
            "telemetry/task",
            "telemetry/text",
        ],
    ),
    (
        "mpsc",
        &[
            "sync",
            "unwind",
            "runtime",
            "ring",
            "wait",
            "chan",
            "telemetry/task",
            "introspect/registry",
            "testing/squeeze",
        ],
    ),
    ("testing/squeeze", &["sync", "telemetry/table"]),
    ("wrappers", &["mpsc"]),
    // Snapshots only, by their public names; never a live channel.
    (
        "introspect",
        &["root", "sync", "telemetry/task", "telemetry/waits", "introspect/diagnose/watch"],
    ),
    // The threads that look.
    ("introspect/diagnose/ticker", &["sync", "telemetry/process"]),
    (
        "introspect/diagnose/watch",
        &["sync", "unwind", "telemetry/clock", "introspect/diagnose/ticker", "introspect", "root"],
    ),
    (
        "testing",
        &["sync", "root", "introspect", "introspect/diagnose/ticker", "introspect/diagnose/watch"],
    ),
    ("model", &["sync", "ring", "wait", "chan", "mpsc", "telemetry/task"]),
    ("lib", &[]),
];

/// Files that may contain the word.
const UNSAFE: &[&str] = &[
    "ring/slot.rs",            // the memory of a message
    "ring/array.rs",           // the memory of slots
    "ring/blocks.rs",          // likewise
    "ring/store.rs",           // what both promise
    "ring/storage.rs",         // knows which of the two it is
    "ring/watermark.rs",       // looks at slots
    "ring/protocol.rs",        // passes the type of the messages on to them
    "ring/producer.rs",        // likewise
    "ring/consumer.rs",        // likewise
    "ring/for_tests.rs",       // likewise
    "wait/rx_waker.rs",        // the receiver's cell
    "wait/cell.rs",            // a waiter's waker
    "wait/pool.rs",            // the memory of waiters
    "wait/row.rs",             // a look at it by a hint
    "wait/queue.rs",           // what a waiter does with its waker
    "wait/register.rs",        // likewise
    "wait/serve.rs",           // takes the wakers
    "wait/batch.rs",           // an array of wakers that is not filled
    "chan/on_close.rs",        // a line that is made late
    "chan/owner.rs",           // the memory of a channel
    "chan/places.rs",          // looks at channels that it does not own
    "chan/mod.rs",             // ends a park, so owns the cell
    "chan/send.rs",            // knows the type of the messages
    "chan/send_future.rs",     // owns the message until it is sent
    "chan/receive.rs",         // knows the type of the messages, owns the cell
    "telemetry/task/named.rs", // a pin projection
    "telemetry/thread.rs",     // records that are never freed
    "telemetry/clock.rs",      // one call into the C library
    "model.rs",                // what the loom models see of all that
    "telemetry/process.rs",    // facts that are never freed
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path below `src`, and its text without unit tests.
fn files() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
                // The unit tests of the loom build.
                if name.ends_with("/models.rs") || name.contains("/models/") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("\nmod tests {").next().unwrap().to_owned();
                out.push((name, code));
            }
        }
    }
    let mut out = Vec::new();
    walk(&source(), &mut out);
    assert!(out.len() > 20, "the sources are not where this test looks");
    out
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !is_comment(line) && !line.trim().is_empty())
}

/// The layer a path below `src` (or below `crate::`, with slashes) belongs to.
fn layer(path: &str) -> &'static str {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let known = LAYERS.iter().filter(|(name, _)| {
        path == *name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
    });
    known.map(|(name, _)| *name).max_by_key(|name| name.len()).unwrap_or("root")
}

/// The layers that a file names as `crate::...` or, in a `mod.rs`'s child, `super::...`.
fn imports(file: &str, text: &str) -> BTreeSet<&'static str> {
    // At the top, `super` is the file itself, seen from a module in it.
    let dir = file.rsplit_once('/').map_or(file.trim_end_matches(".rs"), |(dir, _)| dir);
    let mut found = BTreeSet::new();
    for (_, line) in code_lines(text) {
        for (marker, base) in [("crate::", ""), ("super::", dir)] {
            for (at, _) in line.match_indices(marker) {
                let rest = &line[at + marker.len()..];
                let path: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
                let path = format!("{base}/{}", path.replace("::", "/"));
                found.insert(layer(path.trim_start_matches('/')));
            }
        }
    }
    found
}

#[test]
fn imports_point_down() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in files() {
        let own = layer(&file);
        for imported in imports(&file, &text) {
            let fine = imported == own || allowed[own].contains(&imported) || own == "lib";
            if !fine {
                wrong.push(format!("{file} ({own}) imports {imported}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the layers of DESIGN.md:\n{}", wrong.join("\n"));
}

/// What a file imports from other files, by their paths below `src`: those of its own folder as
/// `super::name`, any as `crate::folder::name`. A `mod.rs` only gathers, and counts for nothing.
fn files_imported(file: &str, text: &str, all: &BTreeSet<&str>) -> BTreeSet<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = BTreeSet::new();
    for (_, line) in code_lines(text) {
        for (marker, base) in [("crate::", ""), ("super::", folder)] {
            for (at, _) in line.match_indices(marker) {
                let rest = &line[at + marker.len()..];
                // `super::{a, b}` stands for both.
                let (open, close) = (rest.strip_prefix('{'), rest.find('}'));
                let names = match (open, close) {
                    (Some(inside), Some(end)) => inside[..end - 1].split(", ").collect(),
                    _ => vec![rest],
                };
                for name in names {
                    let end = |c: char| !(c.is_alphanumeric() || "_:".contains(c));
                    let path = name.split(end).next().unwrap_or_default().replace("::", "/");
                    let path = format!("{base}/{path}");
                    let mut path = path.trim_matches('/');
                    loop {
                        let target = format!("{path}.rs");
                        if all.contains(target.as_str()) {
                            found.insert(target);
                            break;
                        }
                        let Some((shorter, _)) = path.rsplit_once('/') else { break };
                        path = shorter;
                    }
                }
            }
        }
    }
    found.remove(file);
    found
}

/// Seen to fail with: the reader of a ring in the file of the receiver's steps, as it was.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let files = files();
    let all: BTreeSet<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
    let mut above: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in files.iter().filter(|(file, _)| !file.ends_with("mod.rs")) {
        above.insert(file, files_imported(file, text, &all));
    }
    assert!(above.values().map(BTreeSet::len).sum::<usize>() > 100, "imports are not seen");
    // Whoever imports nothing that is left goes.
    loop {
        let left: BTreeSet<String> = above.keys().map(|&file| file.to_owned()).collect();
        above.retain(|_, imports| !imports.is_disjoint(&left));
        if above.len() == left.len() {
            break;
        }
    }
    assert!(above.is_empty(), "in a circle, or above one: {above:#?}");
}

#[test]
fn unsafe_code_stays_where_it_is_argued() {
    for (file, text) in files() {
        let has = code_lines(&text).any(|(_, line)| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
        });
        let may = UNSAFE.contains(&file.as_str());
        assert!(may || !has, "{file} has unsafe code; list it with a reason, or do without");
    }
}

#[test]
fn only_sync_names_the_primitives() {
    const NAMES: &[&str] =
        &["std::sync", "core::sync", "std::thread", "core::cell", "std::cell", "loom::"];
    let sync = |file: &str| file == "sync.rs" || file.starts_with("sync/");
    for (file, text) in files().iter().filter(|(file, _)| !sync(file)) {
        for (n, line) in code_lines(text) {
            let named = NAMES.iter().find(|name| line.contains(**name));
            assert!(
                named.is_none(),
                "{file}:{} names {}: take it from crate::sync",
                n + 1,
                named.unwrap()
            );
        }
    }
}

/// A panic of another's waker goes on by the rule of `unwind.rs`, or not at all.
#[test]
fn only_unwind_catches_and_resumes_panics() {
    // The waker of the executor, which a named task drops.
    let may = |file: &str, what| {
        file == "unwind.rs" || (file, what) == ("telemetry/task/named.rs", "catch")
    };
    for (file, text) in files() {
        for (n, line) in code_lines(&text) {
            for (what, name) in [("catch", "catch_unwind("), ("resume", "resume_unwind")] {
                let fine = may(&file, what) || !line.contains(name);
                assert!(fine, "{file}:{} has {name}: take `Owes` from crate::unwind", n + 1);
            }
        }
    }
}

/// The tags in `ORDERING(A, B)`.
fn tags(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once("ORDERING(") else { return Vec::new() };
    let inside = rest.split_once(')').map_or("", |(inside, _)| inside);
    inside.split(',').map(|tag| tag.trim().to_owned()).collect()
}

#[test]
fn every_atomic_operation_names_its_pair() {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for (file, text) in files() {
        // Gauges, as its header says: no hand-over relies on them.
        let algorithm = ["ring", "wait", "chan"].contains(&layer(&file)) && file != "chan/info.rs";
        if !algorithm {
            continue;
        }
        let lines: Vec<_> = text.lines().collect();
        for line in &lines {
            for tag in tags(line) {
                *uses.entry(tag).or_default() += 1;
            }
        }
        for (n, line) in code_lines(&text).filter(|(_, line)| line.contains("Ordering::")) {
            if line.contains("use ") {
                continue;
            }
            let above = &lines[n.saturating_sub(9)..n];
            let tagged = above.iter().any(|line| line.contains("ORDERING("));
            assert!(tagged, "{file}:{} has no ORDERING(tag) above it: {}", n + 1, line.trim());
        }
    }
    let map = fs::read_to_string(source().join("ring/mod.rs")).unwrap();
    assert!(uses.len() > 8, "the tags are not where this test looks");
    for (tag, count) in uses {
        assert!(map.contains(&tag), "tag {tag} is not in the ordering map of ring/mod.rs");
        // Both ends of K1 are the one swap on T. M2 is the receiver looking on beside P1, M6 a
        // maximum.
        let one_place = ["K1", "M2", "M6"].contains(&tag.as_str());
        assert!(count > 1 || one_place, "tag {tag} has one end only");
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    for (file, text) in files() {
        let lines = code_lines(&text).count();
        assert!(lines <= 500, "{file} has {lines} lines of code; 500 are the limit");
    }
}
