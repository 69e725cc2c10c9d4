//! The name of a process whose binary is gone.
#![cfg(all(target_os = "linux", not(miri)))]

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Set in the second process, which says its name when told to.
const SAY: &str = "PARSHALL_TEST_SAY_NAME";

#[test]
fn say_the_name() {
    if env::var_os(SAY).is_some() {
        std::io::stdin().read_exact(&mut [0]).unwrap();
        println!("[{}]", parshall::process());
    }
}

/// Seen to fail with: ` (deleted)`, which Linux appends, taken for a part of the name.
#[test]
fn a_binary_that_was_replaced_names_its_process_all_the_same() {
    let folder = env::temp_dir().join(format!("parshall-process-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("Ingest");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut child = Command::new(&program)
        .args(["--exact", "say_the_name", "--nocapture"])
        .env(SAY, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // As an update does it: the new binary takes the place of the old one.
    fs::remove_file(&program).unwrap();
    fs::write(&program, "the next version").unwrap();
    child.stdin.take().unwrap().write_all(b"x").unwrap();
    let pid = child.id();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(said.contains(&format!("[ingest-{pid}]")), "{said}");
}
