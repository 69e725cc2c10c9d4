//! What is answered, and to whom. All of it is read-only.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use parshall_gauge::http::Hosts;

use super::html::{self, Place};
use super::live;
use super::metrics;
use super::world::World;

/// Sent with every answer. Nothing is loaded from elsewhere, no other page may show this one in a
/// frame or read an answer, and what a name says is never run.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) fn router(world: Arc<World>, hosts: Hosts) -> Router {
    let file = |content: &'static str, text: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, content)], text))
    };
    let hosts = Arc::new(hosts);
    Router::new()
        .route("/style.css", file("text/css; charset=utf-8", include_str!("html/style.css")))
        .route("/live.js", file("text/javascript; charset=utf-8", include_str!("html/live.js")))
        .route("/icon.svg", file(html::SVG, include_str!("html/icon.svg")))
        .route("/live", get(live::live))
        .route("/metrics", get(metrics::metrics))
        .fallback(page)
        .with_state(world)
        .layer(from_fn(move |request, next| check(hosts.clone(), request, next)))
}

/// Lets through what may be answered.
async fn check(hosts: Arc<Hosts>, request: Request, next: Next) -> Response {
    let mut response = if !hosts.allow_request(request.uri(), request.headers()) {
        let text = "this page answers to numbers, to localhost, and to names given by --host\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    } else if ![Method::GET, Method::HEAD].contains(request.method()) {
        let text = "only GET is answered here: nothing can be changed\n";
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], text).into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page(State(world): State<Arc<World>>, uri: Uri) -> Response {
    match Place::of(&uri) {
        Some(Place::Picture(program, key)) => match html::picture(&world, &program, &key) {
            Some(svg) => ([(header::CONTENT_TYPE, html::SVG)], svg).into_response(),
            None => (StatusCode::NOT_FOUND, "this finding is over\n").into_response(),
        },
        Some(Place::Chart(program, channel, what)) => {
            match html::chart(&world, &program, channel, what) {
                Some(svg) => ([(header::CONTENT_TYPE, html::SVG)], svg).into_response(),
                None => (StatusCode::NOT_FOUND, "this channel is gone\n").into_response(),
            }
        }
        place => {
            let (is_there, markup) = html::page(&world, place.as_ref(), &uri);
            let status = if is_there { StatusCode::OK } else { StatusCode::NOT_FOUND };
            (status, Html(markup.0)).into_response()
        }
    }
}
