//! What is answered. All of it is read-only: nothing here changes the program.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parshall::introspect::Diagnosis;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::body::streamed;
use super::host::Hosts;
use crate::gauge::looks::Looks;
use crate::gauge::say::worst;

/// The version of the protocol: of paths, and of what each answers.
const PROTOCOL: u32 = 1;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// `hosts`: those that a request may be for; none, if it need not say one. `stopping` becomes true
/// when the gauge stops.
pub(super) fn router(
    looks: Arc<Looks>,
    hosts: Option<Hosts>,
    stopping: watch::Receiver<bool>,
) -> Router {
    let hosts = Arc::new(hosts);
    Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/diagnosis", get(diagnosis))
        .route("/v1/report", get(report))
        .route("/v1/graph.dot", get(dot))
        .route("/v1/graph.mermaid", get(mermaid))
        .route("/metrics", get(metrics))
        .fallback(async || (StatusCode::NOT_FOUND, "no such path; see /v1/hello\n"))
        .with_state(looks)
        .layer(from_fn(move |request, next| {
            unless(stopping.clone(), check(hosts.clone(), request, next))
        }))
}

/// The answer or, if the gauge stops before there is one, that it does.
async fn unless(
    mut stopping: watch::Receiver<bool>,
    answer: impl Future<Output = Response>,
) -> Response {
    let mut answer = pin!(answer);
    let mut stops = pin!(stopping.wait_for(|&stops| stops));
    poll_fn(|cx| {
        if stops.as_mut().poll(cx).is_pending() {
            return answer.as_mut().poll(cx);
        }
        let text = "this program's gauge stops: it is at its end, or has dropped the gauge\n";
        Poll::Ready((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
    })
    .await
}

/// Lets through what may be answered.
async fn check(hosts: Arc<Option<Hosts>>, request: Request, next: Next) -> Response {
    let hosts = hosts.as_ref().as_ref();
    let for_us = hosts.is_none_or(|hosts| hosts.allow_request(request.uri(), request.headers()));
    let mut response = if !for_us {
        let text = "this host answers to numbers, to localhost, and to names set by \
                    GaugeBuilder::host\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    } else if request.method() != Method::GET {
        let text = "only GET is answered here: nothing can be changed\n";
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")], text).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What `answer` makes of a look that is at most a second old.
async fn latest(
    looks: Arc<Looks>,
    content: &'static str,
    answer: impl FnOnce(&Diagnosis) -> String + Send + 'static,
) -> Response {
    looked(content, move || answer(&looks.asked())).await
}

/// The answer of `look`, which may block.
async fn looked(content: &'static str, look: impl FnOnce() -> String + Send + 'static) -> Response {
    let answered = spawn_blocking(look).await;
    answered.map_or_else(
        |_| {
            let text = "the look has failed; the program's stderr says why\n";
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        },
        |text| ([(header::CONTENT_TYPE, content)], text).into_response(),
    )
}

async fn hello(State(looks): State<Arc<Looks>>) -> Response {
    latest(looks, JSON, |diagnosis| greeting(diagnosis).to_string()).await
}

fn greeting(diagnosis: &Diagnosis) -> Value {
    let key = parshall::proc_key();
    json!({
        "parshall": env!("CARGO_PKG_VERSION"),
        "protocol": PROTOCOL,
        "process": parshall::process(),
        "pid": std::process::id(),
        "proc_key": key,
        "started_at_ns": started_at_ns(key),
        "worst": worst(diagnosis),
        "headline": diagnosis.to_string().lines().next(),
    })
}

/// `{random}.{pid}.{start}@{host}`: the start is in seconds.
fn started_at_ns(proc_key: &str) -> Option<i64> {
    let start: i64 = proc_key.split('.').nth(2)?.split('@').next()?.parse().ok()?;
    start.checked_mul(1_000_000_000)
}

async fn snapshot() -> Response {
    let body = streamed(|out| parshall::snapshot().graph().write_json(out));
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

async fn diagnosis(State(looks): State<Arc<Looks>>) -> Response {
    latest(looks, JSON, |diagnosis| diagnosis.to_json().to_string()).await
}

async fn report(State(looks): State<Arc<Looks>>) -> Response {
    latest(looks, TEXT, |diagnosis| format!("{diagnosis}\n")).await
}

async fn dot(State(looks): State<Arc<Looks>>) -> Response {
    latest(looks, "text/vnd.graphviz; charset=utf-8", Diagnosis::dot).await
}

async fn mermaid(State(looks): State<Arc<Looks>>) -> Response {
    latest(looks, TEXT, Diagnosis::mermaid).await
}

/// One snapshot a scrape.
#[cfg(feature = "metrics")]
async fn metrics(State(looks): State<Arc<Looks>>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = crate::metrics::Format::accepted(accept);
    looked(format.content_type(), move || looks.scrape(format)).await
}

#[cfg(not(feature = "metrics"))]
async fn metrics() -> Response {
    let text = "this program has no metrics: it needs parshall-gauge with feature `metrics`\n";
    (StatusCode::NOT_FOUND, text).into_response()
}
