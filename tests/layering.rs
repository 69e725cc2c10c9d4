//! The architecture as rules: who may import whom, who may be unsafe, and what each atomic must
//! say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use names::Crate;

#[path = "layering/names.rs"]
mod names;

/// Each layer, and what it may import. Of `telemetry`, which knows no channel, and of
/// `introspect`, which looks at channels from above, each file is a layer.
const LAYERS: &[(&str, &[&str])] = &[
    ("sync", &[]),
    ("unwind", &["sync"]),
    ("collections", &["sync", "sizes"]),
    ("telemetry/clock", &["sync"]),
    ("telemetry/process", &["sync"]),
    ("telemetry/name", &["sync"]),
    ("telemetry/thread", &["sync", "telemetry/name"]),
    ("telemetry/ledger", &["sync", "telemetry/clock", "collections", "telemetry/task"]),
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
            "collections",
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
            "collections",
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
    ("introspect/registry", &["sync", "chan", "collections", "telemetry/waits"]),
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
    ("testing/squeeze", &["sync", "collections"]),
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
    "ring/receiver.rs",        // likewise
    "ring/for_tests.rs",       // likewise
    "wait/rx_waker.rs",        // the receiver's cell
    "wait/place.rs",           // a waiter's waker
    "wait/pool.rs",            // the memory of waiters
    "wait/row.rs",             // a look at it by a hint
    "wait/queue.rs",           // what a waiter does with its waker
    "wait/register.rs",        // likewise
    "wait/serve.rs",           // takes the wakers
    "wait/early.rs",           // likewise
    "wait/batch.rs",           // an array of wakers that is not filled
    "chan/on_close.rs",        // a line that is made late
    "chan/senders.rs",         // waiters, or messages in their place
    "chan/owner.rs",           // the memory of a channel
    "chan/create.rs",          // fills it
    "chan/entries.rs",         // looks at channels that it does not own
    "chan/receiver_state.rs",  // what the receiver has alone
    "chan/mod.rs",             // ends a park, so owns the cell
    "chan/typed.rs",           // knows the type of the messages
    "chan/send.rs",            // likewise
    "chan/send_future.rs",     // owns the message until it is sent
    "chan/park.rs",            // owns the cell before it parks
    "chan/receive.rs",         // knows the type of the messages, owns the cell
    "telemetry/task/named.rs", // a pin projection
    "telemetry/thread.rs",     // records that are never freed
    "telemetry/clock.rs",      // one call into the C library
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

/// The modules below a folder, from its `lib.rs` on.
fn read(folder: &Path) -> Crate {
    Crate::read(&|file| fs::read_to_string(folder.join(file)).ok())
}

#[test]
fn imports_point_down() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let read = read(&source());
    let paths = read.paths();
    assert!(paths.len() > 500, "imports are not seen");
    let mut wrong = BTreeSet::new();
    for (file, path) in paths {
        let (own, imported) = (layer(file), layer(&path));
        let fine = imported == own || own == "lib" || allowed[own].contains(&imported);
        if !fine {
            wrong.insert(format!("{file} ({own}) imports {path} ({imported})"));
        }
    }
    assert!(wrong.is_empty(), "against the layers of DESIGN.md: {wrong:#?}");
}

/// The imports that lead back, each with the names that it is there for.
fn circles(read: &Crate) -> BTreeMap<(&str, &str), BTreeSet<String>> {
    let mut imports = read.imports();
    let pairs: Vec<(&str, &str)> = imports.keys().copied().collect();
    imports.retain(|&(file, other), _| {
        let mut reached = BTreeSet::from([other]);
        loop {
            let before = reached.len();
            let next = pairs.iter().filter(|(file, _)| reached.contains(file));
            reached.extend(next.map(|&(_, other)| other).collect::<Vec<_>>());
            if reached.len() == before {
                return reached.contains(file);
            }
        }
    });
    imports
}

/// Seen to fail with: the reader of a ring in the file of the receiver's steps, as it was;
/// `reserve` in the file of the sender; a look at a task in the file of who runs.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The package has no other crates.
    let crates = ["src", "crates/parshall-cli/src", "crates/parshall-gauge/src"];
    let mut wrong = BTreeMap::new();
    for folder in crates.iter().filter(|folder| root.join(folder).exists()) {
        let read = read(&root.join(folder));
        assert!(read.imports().len() > 50, "imports are not seen");
        for ((file, other), names) in circles(&read) {
            wrong.insert(format!("{folder}/{file} -> {other}"), names);
        }
    }
    assert!(wrong.is_empty(), "in a circle: {wrong:#?}");
}

/// A crate of these files.
fn made_up(files: &[(&str, &str)]) -> Crate {
    let text = |name: &str| files.iter().find(|(file, _)| *file == name);
    Crate::read(&|name| text(name).map(|(_, text)| (*text).to_owned()))
}

#[test]
fn a_name_is_followed_to_the_file_that_defines_it() {
    let read = made_up(&[
        ("lib.rs", "mod a; mod b; #[cfg(not(on))] #[path = \"b/off.rs\"] mod b; pub use b::Deep;"),
        ("a.rs", "use crate::b::{\n    Deep,\n    deep::{self, other as another},\n};\nmod c;"),
        ("a/c.rs", "fn f() { super::super::b::make::<u8>(); m!(crate::Deep::x) }"),
        ("b/mod.rs", "mod deep; pub(crate) use deep::{Deep, deep}; pub(crate) use self::deep::*;"),
        (
            "b/deep.rs",
            "pub struct Deep; pub fn deep() {} pub fn other() {} pub const fn make<T>() {}",
        ),
        ("b/off.rs", "pub struct Deep; mod inner { use super::super::a; fn f() { a::g() } }"),
    ]);
    let imports: Vec<_> = read.imports().into_keys().collect();
    let deep_and_off = |file| [(file, "b/deep.rs"), (file, "b/off.rs")];
    assert_eq!(imports, [deep_and_off("a.rs"), deep_and_off("a/c.rs")].concat());
    let paths = read.paths();
    let paths: Vec<_> = paths.iter().map(|(file, path)| (*file, path.as_str())).collect();
    for path in [("a.rs", "b/deep/other"), ("a/c.rs", "b/make"), ("b/off.rs", "a")] {
        assert!(paths.contains(&path), "{path:?} is not among {paths:?}");
    }
}

/// Each is a circle of two files that was there and was not seen.
#[test]
fn a_circle_is_seen_however_it_is_written() {
    for (parent, child) in [
        // A module that defines something is a file like others.
        ("mod b; pub use b::B; pub struct A(B);", "use super::A; pub struct B;"),
        ("mod b; pub struct A; fn f() { b::g() }", "pub fn g(_: super::A) {}"),
        (
            "mod b; pub struct A; fn f() { self::b::g() }",
            "use crate::a::{\n  A,\n};\npub fn g() {}",
        ),
        ("mod b; use b::*; pub struct A(B);", "use super::*; pub struct B(A);"),
        ("mod b; pub struct A(crate::B);", "pub struct B; impl From<super::A> for B {}"),
    ] {
        for file in ["a.rs", "a/mod.rs"] {
            let lib = ("lib.rs", "mod a; pub use a::b::B;");
            let read = made_up(&[lib, (file, parent), ("a/b.rs", child)]);
            assert_eq!(circles(&read).len(), 2, "{parent} and {child}");
        }
    }
}

#[test]
fn what_gathers_and_what_tests_is_in_no_circle() {
    for (parent, child) in [
        ("mod b; pub use b::B; pub use b::f;", "use super::f; pub struct B; pub fn f() {}"),
        ("mod b; pub use b::B; pub struct A;", "use super::A; pub struct B;"),
        ("mod b; pub struct A;", "use super::A; pub struct B; fn f(x: A) { x.b.c() }"),
        (
            "mod b; fn f() { b::g() }",
            "pub fn g() {} #[cfg(test)] mod tests { use super::super::f; }",
        ),
        (
            "mod b; fn f() { b::g() }",
            "pub fn g() {} #[cfg(all(test, not(on)))] use super::f; #[doc = \"\"] fn h<'f>() {}",
        ),
        ("mod b; /// Calls [`b::g`].\nfn f() {}", "pub fn g() { super::f() }"),
    ] {
        let read = made_up(&[("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", child)]);
        assert!(circles(&read).is_empty(), "{parent} and {child}: {:?}", read.imports());
    }
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
        if !["ring", "wait", "chan"].contains(&layer(&file)) {
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
