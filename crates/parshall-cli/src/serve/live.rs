//! What has changed, sent to a page that is open, as server-sent events. A page gets the parts that
//! are not as they were when it got them last.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use parshall::mpsc::{Builder, Sender};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use super::html::{self, Part, Place, View};
use super::world::World;

/// So many pages are kept up to date; one more is told to reload.
const PAGES: usize = 64;

/// The shortest time between two events.
const PAUSE: Duration = Duration::from_millis(250);

/// Something is sent at least so often, so that it is noticed when one side has gone.
const BEAT: Duration = Duration::from_secs(10);

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// One of [`PAGES`].
struct Seat;

impl Seat {
    fn take() -> Option<Self> {
        let more = |open: usize| (open < PAGES).then_some(open + 1);
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct At {
    /// The path and query of the page.
    at: String,
}

pub(super) async fn live(State(world): State<Arc<World>>, Query(at): Query<At>) -> Response {
    let uri = at.at.parse::<Uri>().ok();
    let Some((uri, place)) = uri.and_then(|uri| Place::of(&uri).map(|place| (uri, place))) else {
        return (StatusCode::NOT_FOUND, "there is no such page\n").into_response();
    };
    let Some(open) = Seat::take() else {
        let text = "too many pages are open; reload this one\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    // Who does not read holds up only what is sent to that one.
    let (tx, rx) = Builder::new().name("events").capacity(1).build();
    tokio::spawn(async move {
        let _open = open;
        follow(&world, &place, &uri, &tx).await;
    });
    Sse::new(rx).into_response()
}

type Sent = Result<Event, std::convert::Infallible>;

/// Until nobody reads any more.
async fn follow(world: &World, place: &Place, uri: &Uri, tx: &Sender<Sent>) {
    let mut changes = world.changes();
    let mut page = Known::default();
    loop {
        changes.borrow_and_update();
        let change = html::view(world, place, uri).map_or_else(|| json!({}), |v| page.change(&v));
        // A comment keeps the connection.
        let event = Event::default();
        let event = if change.as_object().is_none_or(Map::is_empty) {
            event.comment("nothing new")
        } else {
            event.event("change").data(change.to_string())
        };
        if tx.send(Ok(event)).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
        tokio::select! {
            // An error: the world has gone.
            _ = timeout(BEAT, changes.changed()) => {}
            () = tx.closed() => return,
        }
    }
}

/// What a page has got.
#[derive(Default)]
struct Known {
    parts: HashMap<String, u64>,
    orders: HashMap<String, u64>,
}

impl Known {
    /// What it has not.
    fn change(&mut self, view: &View) -> Value {
        let (mut parts, mut rows, mut orders) = (Map::new(), Map::new(), Map::new());
        if is_new(&mut self.parts, "title", &view.title) {
            parts.insert("title".into(), view.title.clone().into());
        }
        for part in &view.parts {
            match part {
                Part::Block { id, html, .. } => {
                    if is_new(&mut self.parts, id, &html.0) {
                        parts.insert((*id).into(), html.0.clone().into());
                    }
                }
                Part::Rows { id, rows: all, .. } => {
                    let ids: Vec<_> = all.iter().map(|row| row.0.as_str()).collect();
                    for (row, html) in all {
                        if is_new(&mut self.parts, row, &html.0) {
                            rows.insert(row.clone(), html.0.clone().into());
                        }
                    }
                    if is_new(&mut self.orders, id, &ids) {
                        orders.insert((*id).into(), ids.into());
                    }
                }
            }
        }
        let mut change = Map::new();
        for (name, part) in [("parts", parts), ("rows", rows), ("orders", orders)] {
            if !part.is_empty() {
                change.insert(name.into(), part.into());
            }
        }
        // A row that has gone and comes again is sent again.
        if change.contains_key("orders") {
            let here: HashSet<&str> = view.parts.iter().flat_map(Part::ids).collect();
            self.parts.retain(|id, _| here.contains(id.as_str()) || id == "title");
        }
        change.into()
    }
}

fn is_new(known: &mut HashMap<String, u64>, id: &str, what: &(impl Hash + ?Sized)) -> bool {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    let hash = hasher.finish();
    known.insert(id.to_owned(), hash) != Some(hash)
}
