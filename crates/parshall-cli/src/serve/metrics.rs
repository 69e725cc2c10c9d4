//! All programs for Prometheus, as they were at their last look.

use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parshall_gauge::metrics::{Format, Program};
use tokio::task::spawn_blocking;

use super::world::{Status, World};

pub(super) async fn metrics(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept);
    let Ok(text) = spawn_blocking(move || scrape(&world, format)).await else {
        let text = "the scrape has failed; the stderr of `parshall serve` says why\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    };
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// A program that does not answer is left out: numbers from before would pass for new ones.
fn scrape(world: &World, format: Format) -> String {
    let programs = world.programs();
    let states: Vec<_> = programs.iter().map(|program| program.state()).collect();
    let answer = states.iter().filter(|state| matches!(state.status, Status::Answers));
    let programs: Vec<_> = answer
        .filter_map(|state| {
            let snapshot = state.model.snapshot.as_ref()?;
            Some(Program { snapshot, diagnosis: state.model.diagnosis.as_ref() })
        })
        .collect();
    let mut exporter = world.exporter.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    exporter.write(&programs, format, &mut text).expect("a string takes all");
    text
}
