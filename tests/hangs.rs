//! `docs/my-program-hangs.md` shows what its programs print.
#![cfg(all(feature = "tokio", feature = "introspect", not(miri)))]

use std::process::Command;

#[path = "../examples/hang_cycle.rs"]
mod hang_cycle;
#[path = "../examples/hang_outside.rs"]
mod hang_outside;
#[path = "../examples/hang_select.rs"]
mod hang_select;

#[test]
#[ignore = "hangs; run by another"]
fn cycle() {
    println!(); // the harness has begun a line, if it runs one test at a time
    hang_cycle::main();
}

#[test]
#[ignore = "hangs; run by another"]
fn outside() {
    println!();
    hang_outside::main();
}

#[test]
#[ignore = "hangs; run by another"]
fn select() {
    println!();
    hang_select::main();
}

/// The lines of a report without what differs from run to run: the name of the process, numbers,
/// and who of those that hang behind it is named.
fn lines(report: &str) -> Vec<String> {
    let lines = report.lines().skip_while(|line| !line.starts_with("parshall: ")).skip(1);
    let mut out = Vec::new();
    for line in lines.take_while(|line| !line.starts_with("blind: ")) {
        let line = line.split(", among them").next().unwrap();
        // `1.2 s` on a fast machine may be `12 s` on a slow one.
        let next = line.chars().skip(1).chain([' ']);
        let is_number =
            |c: char, next: char| c.is_ascii_digit() || c == '.' && next.is_ascii_digit();
        let rest = line.chars().zip(next).filter(|&(c, next)| !is_number(c, next));
        out.push(rest.map(|(c, _)| c).collect());
    }
    out
}

/// Seen to fail with: a sentence of the report in other words.
#[test]
fn the_page_shows_what_the_programs_print() {
    let page = include_str!("../docs/my-program-hangs.md");
    for name in ["cycle", "outside", "select"] {
        let shown = page.split("```text\n").find(|s| s.contains(&format!(" hang_{name}-")));
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let (shown, printed) = (lines(shown.expect(name)), lines(&printed));
        assert!(shown.len() >= 2);
        assert_eq!(shown, printed, "{name}");
    }
}
