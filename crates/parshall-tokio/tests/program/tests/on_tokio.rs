//! The same source on tokio itself: its tests pass, and it says what the moved program says.

#[macro_use]
extern crate upstream as tokio;

#[path = "../src/forms/mod.rs"]
mod forms;

use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_moved_program_says_the_same() {
    // The name `tokio` is tokio's here: the check is not one of the facade with itself.
    let _: fn(tokio::sync::mpsc::Sender<u8>) -> upstream::sync::mpsc::Sender<u8> = |tx| tx;

    let moved = Command::new(env!("CARGO_BIN_EXE_moved-program")).output().expect("it runs");
    assert!(moved.status.success(), "{moved:?}");
    let moved = String::from_utf8(moved.stdout).expect("text");
    assert_eq!(moved.lines().collect::<Vec<_>>(), forms::all().await);
}
