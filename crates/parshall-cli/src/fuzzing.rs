//! What programs answer, without a socket and without a terminal.

use std::sync::LazyLock;

use parshall::Snapshot;
use parshall::introspect::Settings;
use parshall_gauge::fuzzing::Peer;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::runtime::{Builder, Runtime};

use crate::address::Address;
use crate::client;
use crate::graph::{Drawing, keep_near};
use crate::list;
use crate::model::Model;
use crate::programs::Program;
use crate::terminal::lines;
pub use crate::top::screens;

/// How long a body may be.
const MOST: usize = 1 << 16;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// A peer answers with these bytes, at most `piece` at a time, and goes. All texts that are shown
/// of it; `path` says as what the body is taken.
pub fn answer(bytes: &[u8], piece: usize, path: u8) -> (Vec<String>, Option<Snapshot>) {
    let talk = client::talk(Peer::new(bytes, piece), "localhost", "/", MOST);
    let body = match RUNTIME.block_on(talk) {
        Ok(body) => body,
        Err(error) => return (vec![error.to_string()], None),
    };
    assert!(body.len() <= MOST);
    let shown = match path % 4 {
        0 => client::hello(&body).map(|hello| {
            let programs = [Program { address: Address::Tcp("x:1".into()), hello }];
            list::table(&programs, &[String::new()], 80)
        }),
        1 => client::worst(&body).map(|text| lines(&text.unwrap_or_default()).collect()),
        2 => Ok(lines(&String::from_utf8_lossy(&body)).collect()),
        _ => match client::snapshot(&body) {
            Ok(snapshot) => return (Vec::new(), Some(snapshot)),
            Err(error) => Err(error),
        },
    };
    (shown.unwrap_or_else(|error| vec![error.to_string()]), None)
}

/// The graph of a snapshot, whole and around a name.
pub fn graphs(snapshot: &Snapshot, name: &str) -> [String; 2] {
    let whole = Drawing::of(snapshot).dot();
    let mut near = snapshot.clone();
    let near = match keep_near(&mut near, name, 1) {
        Ok(()) => Drawing::of(&near).mermaid(),
        Err(failure) => failure.to_string(),
    };
    [whole, near]
}

/// A model that has seen these, on a screen of this size.
pub(crate) fn model(looks: &[Snapshot]) -> Model {
    let mut model = Model::new(Settings::default());
    for look in looks {
        model.take(look.clone());
    }
    model
}

pub(crate) fn terminal(width: u16, height: u16) -> Terminal<TestBackend> {
    Terminal::new(TestBackend::new(width, height)).expect("it is memory")
}
