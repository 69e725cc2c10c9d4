//! The facade's features are those of the tokio in the lockfile: none missing, none more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

type Features = BTreeMap<String, BTreeSet<String>>;

fn features(package: &Value) -> Features {
    let features = package["features"].as_object().expect("a table");
    let members = |list: &Value| {
        let list = list.as_array().expect("a list");
        list.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
    };
    features.iter().map(|(name, list)| (name.clone(), members(list))).collect()
}

/// The features of this crate, and of the tokio that its dependency `upstream` is.
fn ours_and_theirs() -> (Features, Features) {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |key: &Value| key.as_array().expect("a list").clone();

    let packages = list(&metadata["packages"]);
    let find = |key: &str, value: &Value| {
        packages.iter().find(|package| package[key] == *value).expect("it is in the lockfile")
    };
    let ours = find("name", &"parshall-tokio".into());
    let nodes = list(&metadata["resolve"]["nodes"]);
    let node = nodes.iter().find(|node| node["id"] == ours["id"]).expect("resolved");
    let upstream = list(&node["deps"]).into_iter().find(|dep| dep["name"] == "upstream");
    let theirs = find("id", &upstream.expect("a dependency")["pkg"]);
    assert_eq!(theirs["name"], "tokio");
    (features(ours), features(theirs))
}

/// Whether a feature switches another one of the same package on, or is it.
fn implies(features: &Features, name: &str, wanted: &str) -> bool {
    name == wanted
        || features
            .get(name)
            .is_some_and(|list| list.iter().any(|it| implies(features, it, wanted)))
}

#[test]
fn every_feature_of_tokio_has_its_name_here_and_no_other_is() {
    let (ours, theirs) = ours_and_theirs();
    let names = |features: &Features| features.keys().cloned().collect::<BTreeSet<_>>();
    assert!(theirs.len() > 15, "the features are not where this test looks");
    assert_eq!(names(&ours), names(&theirs));
}

#[test]
fn each_switches_on_tokios_own_and_the_channel_where_tokios_would() {
    let (ours, theirs) = ours_and_theirs();
    assert_eq!(ours["default"], theirs["default"]);
    for name in theirs.keys().filter(|name| *name != "default") {
        assert!(ours[name].contains(&format!("upstream/{name}")), "{name} is not passed on");
        let [here, there] = [&ours, &theirs].map(|features| implies(features, name, "sync"));
        assert_eq!(here, there, "whether {name} brings `sync` and so the channel");
    }
    assert!(ours["sync"].contains("dep:parshall"));
}

/// Cargo's features are the whole program's: another crate may have switched tokio's `sync` on.
/// Seen to fail with nothing in the place of `sync`: the source compiled, on tokio's channel.
#[test]
fn without_the_feature_sync_there_is_no_channel_instead_of_tokios() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("without-sync");
    fs::create_dir_all(dir.join("src")).unwrap();
    let manifest = format!(
        r#"
            [workspace]
            [package]
            name = "without-sync"
            edition = "2024"
            [dependencies]
            tokio = {{ package = "parshall-tokio", path = {here:?}, features = ["rt"] }}
            another = {{ package = "tokio", version = "1", features = ["sync"] }}
        "#
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::write(dir.join("src/lib.rs"), "pub use tokio::{spawn, sync};").unwrap();
    // So that nothing has to be looked up.
    fs::copy(here.join("../../Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--color=never", "--target-dir", "target"])
        .current_dir(&dir)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("error[E0603]: module `sync` is private"), "{text}");
    assert!(text.contains("due to 1 previous error"), "{text}");
}
