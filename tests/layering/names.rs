//! Which file of a crate needs which other: each name that one writes, followed to the file that
//! defines it.
//!
//! A name is followed as the compiler does it: from `crate`, `self`, `super`, a module that is
//! declared or a name that is imported, through every `use` that hands it on. Where the way ends
//! in a module, nothing is needed: a module only gathers. What `#[cfg(test)]` stands on is left
//! out, and so are methods.

use std::collections::{BTreeMap, BTreeSet};

mod read;

/// A path as it is written, `super::a::B` for one.
pub(crate) type Path = Vec<String>;

/// The modules of a crate.
pub(crate) struct Crate(Vec<Module>);

#[derive(Default)]
struct Module {
    /// Where it is written: `chan/info.rs`.
    file: String,
    /// What it is called: `chan/info`; nothing for the root.
    path: String,
    /// Where files of its modules are.
    folder: String,
    parent: Option<usize>,
    names: BTreeMap<String, Vec<Name>>,
    written: Vec<Path>,
    /// What a `pub use` hands on. That alone needs nothing.
    handed_on: Vec<Path>,
}

enum Name {
    Item,
    Module(usize),
    Use(Path),
}

impl Crate {
    /// A crate whose files are read by `text`, from `lib.rs` on.
    pub(crate) fn read(text: &dyn Fn(&str) -> Option<String>) -> Self {
        Self(read::modules(text))
    }

    /// Which file needs which, and by what names.
    pub(crate) fn imports(&self) -> BTreeMap<(&str, &str), BTreeSet<String>> {
        let mut found: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (at, module) in self.0.iter().enumerate() {
            for path in &module.written {
                let mut files = BTreeSet::new();
                self.follow(at, path, 0, &mut files);
                for file in files.into_iter().filter(|file| *file != module.file) {
                    found.entry((module.file.as_str(), file)).or_default().insert(path.join("::"));
                }
            }
        }
        found
    }

    /// Each path that leads into the crate, from its root, with slashes, beside the file that has
    /// it. No `use` is followed.
    pub(crate) fn paths(&self) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        for (at, module) in self.0.iter().enumerate() {
            for path in module.written.iter().chain(&module.handed_on) {
                let start = self.start(at, path);
                // `crate` alone is that of `pub(crate)`.
                if let Some((start, rest)) = start.filter(|(_, rest)| !rest.is_empty()) {
                    let full = format!("{}/{}", self.0[start].path, rest.join("/"));
                    found.push((module.file.as_str(), full.trim_matches('/').to_owned()));
                }
            }
        }
        found
    }

    /// The module that `crate`, `self` or `super` at the beginning of a path stands for.
    fn start<'p>(&self, at: usize, path: &'p [String]) -> Option<(usize, &'p [String])> {
        let mut start = match path.first()?.as_str() {
            "crate" => 0,
            "self" => at,
            "super" => self.0[at].parent?,
            _ => return None,
        };
        let mut rest = &path[1..];
        while let Some((_, more)) = rest.split_first().filter(|(name, _)| *name == "super") {
            start = self.0[start].parent?;
            rest = more;
        }
        Some((start, rest))
    }

    /// Adds the files that define what a path in a module means.
    fn follow<'a>(
        &'a self,
        at: usize,
        path: &[String],
        depth: usize,
        files: &mut BTreeSet<&'a str>,
    ) {
        let (at, path) = self.start(at, path).unwrap_or((at, path));
        if path.is_empty() || depth > 8 {
            return;
        }
        let module = &self.0[at];
        let (name, rest) = (&path[0], &path[1..]);
        let from = |used: &[String], rest: &[String]| [used, rest].concat();
        let Some(known) = module.names.get(name) else {
            for all in module.names.get("*").into_iter().flatten() {
                let Name::Use(used) = all else { continue };
                self.follow(at, &from(used, path), depth + 1, files);
            }
            return;
        };
        // In front of `::` a module's name is the module, not the function that is called so, too.
        let is_module = |name: &Name| matches!(name, Name::Module(_));
        let only_modules = !rest.is_empty() && known.iter().any(is_module);
        for meant in known.iter().filter(|name| !only_modules || is_module(name)) {
            match meant {
                Name::Item => _ = files.insert(&module.file),
                Name::Module(child) => self.follow(*child, rest, depth + 1, files),
                Name::Use(used) => self.follow(at, &from(used, rest), depth + 1, files),
            }
        }
    }
}
