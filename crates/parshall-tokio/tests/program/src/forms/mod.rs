//! Every form in which source names tokio. It compiles only if `tokio` is in the `Cargo.toml`,
//! whatever that stands for; so nothing in here names parshall.

mod attributes;
mod errors;
mod macros;
mod paths;

/// A line from each form: what it received.
pub(crate) async fn all() -> Vec<String> {
    let mut lines = paths::all().await;
    lines.extend(errors::all().await);
    lines.extend(macros::all().await);
    // They start runtimes of their own, which must not happen on a runtime's thread.
    lines.extend(tokio::task::spawn_blocking(attributes::all).await.expect("no panic"));
    lines
}
