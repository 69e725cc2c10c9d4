//! What the documents say of a move. The example in its two versions is one `use` line apart; that
//! both print the same is checked by `.ci/run`.

use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn lines(version: &str) -> Vec<String> {
    read(&format!("examples/orders_{version}.rs")).lines().map(str::to_owned).collect()
}

#[test]
fn the_two_versions_differ_in_one_use_line() {
    let (theirs, ours) = (lines("tokio"), lines("parshall"));
    assert_eq!(theirs.len(), ours.len());
    let differing: Vec<_> = theirs.iter().zip(&ours).filter(|(a, b)| a != b).collect();
    let [(theirs, ours)] = differing[..] else { panic!("{differing:#?}") };
    assert_eq!(theirs.replace("tokio::sync::", "parshall::"), *ours);
    assert!(theirs.starts_with("use tokio::sync::mpsc"));
}

/// The version in the manifest's own line, not one that it takes from the workspace.
fn minimum_rust(manifest: &str) -> String {
    let manifest = read(manifest);
    let (_, rest) = manifest.split_once("\nrust-version = \"").expect("it says so");
    rest.split('"').next().unwrap().to_owned()
}

/// Seen to fail with: 1.90 in README.
#[test]
fn every_text_says_the_same_minimum_of_rust() {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").is_dir() {
        return; // the library alone, as it is published
    }
    let library = minimum_rust("Cargo.toml");
    let gauge = minimum_rust("crates/parshall-gauge/Cargo.toml");
    let readme = read("README.md").replace('\n', " ");
    assert!(readme.contains(&format!("Rust {gauge}, for SQLite")), "README.md");
    assert!(readme.contains(&format!("The library alone needs Rust {library}.")), "README.md");
    let migration = read("MIGRATION.md").replace('\n', " ");
    let said = format!("parshall-tokio need Rust {library}, parshall-gauge {gauge}");
    assert!(migration.contains(&said), "MIGRATION.md");
    let compare = read("COMPARE.md");
    let row = compare.lines().find(|line| line.starts_with("| A5 ")).expect("a row");
    assert_eq!(row.split('|').nth(2).unwrap().trim(), library, "COMPARE.md");
    assert!(
        compare.contains(&format!("parshall-gauge, the recorder, needs {gauge}")),
        "COMPARE.md"
    );
}
