//! What is around every answer, also around refusals: who asked, what it took, and headers that make browsers careful.

use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::actor::Actor;
use crate::app::App;
use crate::origin::{Origin, REQUEST_ID};
use crate::problem::Problem;

/// The longest path with its query, in bytes: what every proxy in front takes, too.
const LONGEST_URI: usize = 8 << 10;

/// What a browser is told, unless a handler says otherwise. Nothing here is a page that loads others, may be framed,
/// or may be kept; there is no header of CORS, so that pages of others read nothing.
const CAREFUL: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// Answers, and tells of it: an event at `debug`, and at `info` where the answer is an error of this process.
pub(crate) async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let since = app.clock().monotonic();
    let origin = Origin::of(request.headers(), app.rng());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "http.request",
        method = %request.method(),
        route,
        request_id = origin.request_id,
        trace_id = &origin.traceparent[3..35],
        actor = Empty,
        status = Empty,
        duration_ms = Empty,
    );
    let request_id = origin.request_id.clone();
    let too_long = request.uri().path_and_query().is_some_and(|it| it.as_str().len() > LONGEST_URI);
    request.extensions_mut().insert(origin);
    let mut response = if too_long {
        let message = format!("the address is longer than {LONGEST_URI} bytes");
        Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", message).into_response()
    } else {
        // What a handler had locked when it panicked is given back by its own drop.
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
        answer.unwrap_or_else(|_| panicked(&request_id))
    };
    let _entered = span.enter();
    let (status, took) = (response.status(), app.clock().monotonic().saturating_sub(since));
    span.record("status", status.as_u16());
    span.record("duration_ms", took.as_secs_f64() * 1000.0);
    if let Some(actor) = response.extensions().get::<Actor>() {
        span.record("actor", tracing::field::display(actor));
    }
    if status.is_server_error() {
        tracing::info!(status = status.as_u16(), "a request was answered with an error");
    } else {
        tracing::debug!(status = status.as_u16(), "a request was answered");
    }
    finish(response.headers_mut(), &request_id);
    response
}

fn panicked(request_id: &str) -> Response {
    tracing::error!(request_id, "the handler of a request panicked");
    let message =
        format!("this should not have happened; the log has more under the request id {request_id}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "panicked", message).into_response()
}

fn finish(headers: &mut HeaderMap, request_id: &str) {
    for (name, value) in CAREFUL {
        headers.entry(name).or_insert(value);
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
}

/// For paths that nobody answers.
pub(crate) async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-route", "there is nothing at this path")
}

/// For methods that a path does not have.
pub(crate) async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-method", "this path does not answer this method")
}
