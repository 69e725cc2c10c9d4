//! A program on tokio, as it was before the move: see `Cargo.toml`. `tests/on_tokio.rs` compiles
//! the same source against tokio itself.

// The oldest form: the macros of a crate by their names alone.
#[macro_use]
extern crate tokio;

mod forms;

#[tokio::main]
async fn main() {
    for line in forms::all().await {
        println!("{line}");
    }
}
