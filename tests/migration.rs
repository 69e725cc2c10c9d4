//! The example in its two versions: one `use` line apart. That they print the same is checked by `.ci/run`.

use std::path::Path;

fn lines(version: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/orders_{version}.rs"));
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
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
