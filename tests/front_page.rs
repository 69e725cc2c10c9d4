//! What the front page of the documentation shows is what its program prints.
#![cfg(all(feature = "tokio", feature = "introspect", not(miri)))]

use std::process::Command;

#[path = "../examples/who_waits.rs"]
mod who_waits;

#[test]
#[ignore = "hangs; run by another"]
fn program() {
    println!(); // the harness has begun a line, if it runs one test at a time
    who_waits::main();
}

/// The lines of a report, without the name of the process and without numbers.
fn lines(report: &str) -> Vec<String> {
    let lines = report.lines().skip_while(|line| !line.starts_with("parshall: "));
    let lines = lines.take_while(|line| !line.is_empty() && !line.starts_with("```"));
    let bare = |line: &str| line.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    lines.map(|line| bare(line.split_once(" is STUCK").map_or(line, |(_, rest)| rest))).collect()
}

/// Seen to fail with: another name for the worker.
#[test]
fn somebody_waits_and_it_says_for_how_long_and_for_whom() {
    let page = include_str!("../src/lib.rs").lines().map(|line| {
        let line = line.strip_prefix("//!").unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n"
    });
    let shown = lines(&page.collect::<String>());
    let shows = |words: &str| shown.iter().any(|line| line.contains(words));
    assert!(shows("worker received last") && shows(" sender: client"), "{shown:#?}");
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "program", "--ignored", "--nocapture"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed = lines(&printed);
    assert_eq!(printed.get(..shown.len()), Some(&shown[..]), "{printed:#?}");
}

/// Seen to fail with: a link to a file of another name.
#[test]
fn every_file_that_readme_links_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("crates").is_dir() {
        return; // the library alone, as it is published
    }
    let readme = include_str!("../README.md");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<_> =
        links.filter(|link| !link.starts_with("https://") && !link.starts_with('#')).collect();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        assert!(root.join(file).is_file(), "{file}");
    }
}
