//! Hands the versions of what is measured to the program that prints them.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let compiler = std::env::var("RUSTC").expect("Cargo sets it");
    let version = Command::new(compiler).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("ASCII");
    println!("cargo::rustc-env=BENCHES_RUSTC={}", version.trim());

    let lock = std::fs::read_to_string("../Cargo.lock").expect("a lock file");
    let (_, tokio) = lock.split_once("name = \"tokio\"\nversion = \"").expect("tokio is locked");
    let (version, _) = tokio.split_once('"').expect("a version ends");
    println!("cargo::rustc-env=BENCHES_TOKIO={version}");
}
