//! No public name of tokio is missing. The lists below compile, so the facade has them; and each
//! name that tokio's sources export stands in them. What lies in a module of tokio is not listed:
//! the facade passes the module itself on. The exceptions are the root, `sync` and `sync::mpsc`.

#![allow(unused_imports, deprecated)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Uses each name below the path, and makes a list of them.
macro_rules! names {
    ($list:ident, $uses:ident, $($path:ident)::+ : $($name:ident)*) => {
        mod $uses {
            pub(crate) use $($path)::+::{$($name),*};
        }
        const $list: &[&str] = &[$(stringify!($name)),*];
    };
}

names! { ROOT, root, tokio:
    fs io macros net process runtime signal stream sync task time
    spawn main test
    join pin select task_local try_join
    count count_field select_priv_clean_pattern select_priv_declare_output_enum select_variant
    __task_local_inner
}

names! { SYNC, sync, tokio::sync:
    broadcast futures mpsc oneshot watch
    AcquireError Barrier BarrierWaitResult MappedMutexGuard Mutex MutexGuard Notify OnceCell
    OwnedMappedMutexGuard OwnedMutexGuard OwnedRwLockMappedWriteGuard OwnedRwLockReadGuard
    OwnedRwLockWriteGuard OwnedSemaphorePermit RwLock RwLockMappedWriteGuard RwLockReadGuard
    RwLockWriteGuard Semaphore SemaphorePermit SetError SetOnce SetOnceError TryAcquireError
    TryLockError
}

names! { MPSC, mpsc, tokio::sync::mpsc:
    channel error unbounded_channel
    OwnedPermit Permit PermitIterator Receiver Sender UnboundedReceiver UnboundedSender WeakSender
    WeakUnboundedSender
}

names! { ERROR, error, tokio::sync::mpsc::error:
    RecvError SendError SendTimeoutError TryRecvError TrySendError
}

/// Where the sources of the tokio in the lockfile are.
fn sources() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let tokio = packages.iter().find(|package| package["name"] == "tokio").expect("tokio");
    Path::new(tokio["manifest_path"].as_str().expect("a path")).with_file_name("src")
}

/// A file without its comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a file of tokio");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The names that a file exports: of its public items, and what it passes on.
fn exported(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // At the margin: methods are not meant.
    for item in ["pub mod ", "pub struct ", "pub enum ", "pub trait ", "pub type ", "\npub fn "] {
        for rest in code.split(item).skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').expect("an end");
            names.insert(rest[..end].to_owned());
        }
    }
    for rest in code.split("pub use ").skip(1) {
        let used = rest.split(';').next().expect("an end");
        let list =
            used.split_once('{').map_or(used, |(_, list)| list.trim_end_matches([' ', '}', '\n']));
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.rsplit(" as ").next().expect("a name");
            names.insert(name.rsplit("::").next().expect("a name").to_owned());
        }
    }
    names
}

fn assert_complete(what: &str, list: &[&str], exported: &BTreeSet<String>) {
    assert!(exported.len() > 4, "{what} is not where this test looks");
    let missing: Vec<_> = exported.iter().filter(|name| !list.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "{what} has more than this test knows: {missing:?}");
}

#[test]
fn the_root_is_complete() {
    let mut names = exported(&code(&sources().join("lib.rs")));
    // For docs.rs, and for tokio's own fuzzing.
    assert!(names.remove("doc") && names.remove("fuzz"));
    assert_complete("tokio", ROOT, &names);
}

/// Exported macros belong to the root, wherever they are written.
#[test]
fn the_macros_are_complete() {
    let mut names = BTreeSet::new();
    for dir in ["macros", "task"] {
        for entry in fs::read_dir(sources().join(dir)).expect("a folder of tokio") {
            let path = entry.expect("an entry").path();
            let code = if path.is_file() { code(&path) } else { String::new() };
            if code.contains("#[macro_export]") {
                for rest in code.split("macro_rules! ").skip(1) {
                    names.insert(rest.split(' ').next().expect("a name").to_owned());
                }
            }
        }
    }
    assert!(names.remove("doc"), "a helper that writes documentation");
    assert_complete("the macros", ROOT, &names);
}

#[test]
fn sync_is_complete() {
    let code = code(&sources().join("sync/mod.rs"));
    // Without the feature it is private; what lies in `futures` is passed on with it.
    let public = code.split("cfg_not_sync!").next().expect("a beginning");
    let mut names = exported(public);
    assert!(names.remove("Notified") && names.remove("OwnedNotified"));
    assert_complete("tokio::sync", SYNC, &names);
}

#[test]
fn the_channel_is_complete() {
    assert_complete("mpsc", MPSC, &exported(&code(&sources().join("sync/mpsc/mod.rs"))));
    assert_complete("mpsc::error", ERROR, &exported(&code(&sources().join("sync/mpsc/error.rs"))));
}
