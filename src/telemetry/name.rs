//! What things are called: a name that may be replaced, and the names of what was given none.

use core::panic::Location;

use crate::sync::plain::{Arc, AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};

/// A name that may be replaced at any time. Under its lock nothing is allocated, freed or dropped;
/// where no name was given, the lock is not touched.
#[derive(Debug)]
pub(crate) struct NameCell {
    given: AtomicBool,
    text: Mutex<Option<Arc<str>>>,
}

impl NameCell {
    pub(crate) const fn new(text: Option<Arc<str>>) -> Self {
        Self { given: AtomicBool::new(text.is_some()), text: Mutex::new(text) }
    }

    pub(crate) fn get(&self) -> Option<Arc<str>> {
        // A name that was given before this call is seen: by whoever knows that, the flag is too.
        if self.given.load(Ordering::Relaxed) { self.text.lock().clone() } else { None }
    }

    pub(crate) fn set(&self, text: Option<Arc<str>>) {
        self.replace(self.text.lock(), text);
    }

    /// As `set`, but false instead of waiting for whoever reads.
    pub(crate) fn try_set(&self, text: Option<Arc<str>>) -> bool {
        let Some(held) = self.text.try_lock() else { return false };
        self.replace(held, text);
        true
    }

    fn replace(&self, mut held: MutexGuard<'_, Option<Arc<str>>>, text: Option<Arc<str>>) {
        self.given.store(text.is_some(), Ordering::Relaxed);
        let former = core::mem::replace(&mut *held, text);
        drop(held);
        drop(former);
    }
}

/// Whether a location says where a channel or a task comes from. Not if it is in the standard
/// library, or in this crate: a constructor that is passed as a function (`.map(channel)`) is
/// called from there.
#[inline]
pub(crate) fn tells(location: &Location<'_>) -> bool {
    /// The file that was last found to tell, by address: most channels come from few files.
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let file = location.file();
    if LAST.load(Ordering::Relaxed) == file.as_ptr().addr() {
        return true;
    }
    let tells = !is_standard(file) && !is_ours(file);
    if tells {
        LAST.store(file.as_ptr().addr(), Ordering::Relaxed);
    }
    tells
}

fn is_standard(file: &str) -> bool {
    // As shipped, what it is built from, or its sources as the toolchain has installed them.
    file.starts_with("/rustc/")
        || file.starts_with("/rust/deps/")
        || file.contains("rustlib/src/rust/library/")
        || file.contains(r"rustlib\src\rust\library\")
}

/// Where the constructors stand, of channels and of tasks.
fn is_ours(file: &str) -> bool {
    let root = file!().len() - "telemetry/name.rs".len();
    file.get(..root) == file!().get(..root)
        && ["mpsc", "telemetry"].iter().any(|folder| file[root..].starts_with(folder))
}

/// `file:line`, the file as [`file`] cuts it.
pub(crate) fn file_line(location: &Location<'_>) -> String {
    format!("{}:{}", file(location.file()), location.line())
}

/// A file's path, cut to what one recognises. In this order:
///
/// * of a package from a registry, from its folder on: `kameo-0.22.2/src/mailbox.rs`;
/// * of a git checkout, its name, revision, and the rest: `kameo-3f2c1ab/src/mailbox.rs`;
/// * what a build script made, from the folder of its package on;
/// * a relative path as it is: Cargo has it begin at the workspace;
/// * of another path, from the folder of the last `src` (else `tests`, `examples`, `benches`) on;
/// * else its last three parts.
///
/// Always with `/` between the parts.
fn file(path: &str) -> String {
    let path = path.replace('\\', "/");
    if let Some((_, rest)) = path.rsplit_once("registry/src/")
        && let Some((_registry, rest)) = rest.split_once('/')
    {
        return rest.to_owned();
    }
    if let Some((_, rest)) = path.rsplit_once("git/checkouts/")
        && let Some((name, rest)) = rest.split_once('/')
    {
        let name = name.rsplit_once('-').map_or(name, |(name, _hash)| name);
        return format!("{name}-{rest}");
    }
    if let Some((_, rest)) = path.rsplit_once("/build/")
        && rest.contains("/out/")
    {
        return rest.to_owned();
    }
    let is_absolute = path.starts_with('/') || path.as_bytes().get(1) == Some(&b':');
    if !is_absolute {
        return path;
    }
    let parts: Vec<_> =
        path.split('/').filter(|part| !part.is_empty() && !part.ends_with(':')).collect();
    let folders = &parts[..parts.len().saturating_sub(1)];
    let last = |names: &[&str]| folders.iter().rposition(|part| names.contains(part));
    let from = match last(&["src"]).or_else(|| last(&["tests", "examples", "benches"])) {
        Some(at) => at.saturating_sub(1),
        None => parts.len().saturating_sub(3),
    };
    parts[from..].join("/")
}

/// A type's name without the paths in it: `Signal<Billing>` for
/// `kameo::mailbox::Signal<app::Billing>`.
pub(crate) fn short_type(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    // Where the path that is being read begins in `out`.
    let mut path = 0;
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("::") {
            if out.len() > path {
                out.truncate(path);
            } else {
                // Behind `<T as Trait>`.
                out.push_str("::");
                path = out.len();
            }
            rest = behind;
            continue;
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
        if !(c.is_alphanumeric() || matches!(c, '_' | '{' | '}' | '#')) {
            path = out.len();
        }
    }
    out
}

#[cfg(all(test, not(parshall_loom)))]
mod tests {
    use core::any::type_name;

    use super::*;

    /// Seen to fail with: paths as the compiler gives them.
    #[test]
    fn paths_are_cut_to_what_one_recognises() {
        for (path, cut) in [
            // Workspace members, whatever their layout.
            ("src/main.rs", "src/main.rs"),
            ("crates/app/src/bin/serve.rs", "crates/app/src/bin/serve.rs"),
            ("tests/it/main.rs", "tests/it/main.rs"),
            ("src\\main.rs", "src/main.rs"),
            ("vendor/kameo/src/mailbox.rs", "vendor/kameo/src/mailbox.rs"),
            ("../shared/src/lib.rs", "../shared/src/lib.rs"),
            // Registries.
            (
                "/home/ann/.cargo/registry/src/registry.example-1949cf8c6b5b557f/kameo-0.22.2/src/mailbox.rs",
                "kameo-0.22.2/src/mailbox.rs",
            ),
            (
                "C:\\Users\\ann\\.cargo\\registry\\src\\registry.example-1949cf8c6b5b557f\\kameo-0.22.2\\src\\mailbox.rs",
                "kameo-0.22.2/src/mailbox.rs",
            ),
            ("/root/.cargo/registry/src/registry.example-19/old-1.0.0/lib.rs", "old-1.0.0/lib.rs"),
            (
                "/usr/local/cargo/registry/src/x-1/a-1.0.0+b.2/src/src/b.rs",
                "a-1.0.0+b.2/src/src/b.rs",
            ),
            (
                ".cargo-home/registry/src/x-1/kameo-0.22.2/src/mailbox.rs",
                "kameo-0.22.2/src/mailbox.rs",
            ),
            (
                "/usr/share/cargo/registry/kameo-0.22.2/src/mailbox.rs",
                "kameo-0.22.2/src/mailbox.rs",
            ),
            // Git checkouts, alone and in a workspace.
            (
                "/home/ann/.cargo/git/checkouts/kameo-0f1e2d3c4b5a6978/3f2c1ab/src/mailbox.rs",
                "kameo-3f2c1ab/src/mailbox.rs",
            ),
            (
                "C:\\Users\\ann\\.cargo\\git\\checkouts\\my-actors-0f1e2d3c4b5a6978\\3f2c1ab\\crates\\core\\src\\lib.rs",
                "my-actors-3f2c1ab/crates/core/src/lib.rs",
            ),
            // Folders of vendored packages, and others outside the workspace.
            ("/home/ann/app/vendor/kameo/src/mailbox.rs", "kameo/src/mailbox.rs"),
            ("/build/cargo-vendor-dir/kameo-0.22.2/src/mailbox.rs", "kameo-0.22.2/src/mailbox.rs"),
            ("/home/ann/src/app/src/net/tests/mod.rs", "app/src/net/tests/mod.rs"),
            ("/home/ann/app/tests/it.rs", "app/tests/it.rs"),
            ("D:\\work\\app\\src\\main.rs", "app/src/main.rs"),
            ("\\\\server\\share\\app\\src\\main.rs", "app/src/main.rs"),
            ("/app/src/main.rs", "app/src/main.rs"),
            ("/src/main.rs", "src/main.rs"),
            ("C:\\src\\main.rs", "src/main.rs"),
            ("/home/ann/odd/layout/here/main.rs", "layout/here/main.rs"),
            ("/main.rs", "main.rs"),
            (
                "/home/ann/src/app/target/debug/build/proto-5a69780f1e2d3c4b/out/gen.rs",
                "proto-5a69780f1e2d3c4b/out/gen.rs",
            ),
            // The standard library.
            (
                "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/option.rs",
                "core/src/option.rs",
            ),
            (
                "/rustc/59807616/library\\std\\src\\collections\\hash\\map.rs",
                "std/src/collections/hash/map.rs",
            ),
            // Not a path at all.
            ("", ""),
            ("/", ""),
            ("<anon>", "<anon>"),
            ("größe/src/ä.rs", "größe/src/ä.rs"),
        ] {
            assert_eq!(file(path), cut, "{path}");
        }
    }

    #[test]
    fn places_of_the_standard_library_and_of_this_crate_tell_nothing() {
        for path in [
            "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/option.rs",
            "/rustc/59807616/library\\core\\src\\option.rs",
            "/rust/deps/hashbrown-0.15.2/src/map.rs",
            "/home/ann/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/ops/function.rs",
            "C:\\Users\\ann\\.rustup\\toolchains\\stable\\lib\\rustlib\\src\\rust\\library\\core\\src\\option.rs",
        ] {
            assert!(is_standard(path), "{path}");
        }
        for path in [
            "src/main.rs",
            "library/core/src/option.rs",
            "/home/ann/library/src/main.rs",
            "/home/ann/.cargo/registry/src/x-1/rustc-hash-2.0.0/src/lib.rs",
            "/home/ann/rustlib/src/main.rs",
        ] {
            assert!(!is_standard(path), "{path}");
            assert!(!is_ours(path), "{path}");
        }
        let ours = file!().replace("telemetry", "mpsc").replace("name.rs", "builder.rs");
        assert!(is_ours(&ours) && is_ours(file!()), "{ours}");
        assert!(!is_ours("") && !is_ours("tests/names.rs"));
        assert!(!is_ours(&format!("/elsewhere/{ours}")));
    }

    /// Seen to fail with: the compiler's names.
    #[test]
    fn types_are_named_without_their_paths() {
        mod deep {
            pub(super) struct Signal<T>(core::marker::PhantomData<T>);
            pub(super) struct Billing;
        }
        trait Kind {
            type Item;
        }
        type Callback = Box<dyn Fn(&str, Vec<u8>) -> Option<String> + Send + 'static>;
        for (name, short) in [
            (type_name::<u8>(), "u8"),
            (type_name::<()>(), "()"),
            (type_name::<Vec<u8>>(), "Vec<u8>"),
            (type_name::<deep::Signal<deep::Billing>>(), "Signal<Billing>"),
            (type_name::<(String, [Option<deep::Billing>; 4])>(), "(String, [Option<Billing>; 4])"),
            (type_name::<&'static [std::net::IpAddr]>(), "&[IpAddr]"),
            (type_name::<*const std::io::Error>(), "*const Error"),
            (type_name::<Result<(), std::io::Error>>(), "Result<(), Error>"),
            (type_name::<fn(String) -> deep::Billing>(), "fn(String) -> Billing"),
            ("<a::B as a::c::D>::Item", "<B as D>::Item"),
            ("app::main::{{closure}}", "{{closure}}"),
            ("app::größe::Ä<app::ß>", "Ä<ß>"),
            ("", ""),
        ] {
            assert_eq!(short_type(name), short, "{name}");
        }
        let callback = short_type(type_name::<Callback>());
        assert!(callback.starts_with("Box<dyn ") && !callback.contains("::"), "{callback}");
        let _ = |_: &dyn Kind<Item = ()>| {};
    }
}
