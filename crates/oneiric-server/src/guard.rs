//! What stands in front of a handler: who asks, whether there is room, how much is sent, how long it may take.
//!
//! In this order, so that a stranger costs no more than its headers: the token is judged before a byte of the body is
//! read, and there is no queue: whoever finds no room is told to come back.

mod body;
mod depth;
mod room;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::access::Access;
use crate::app::App;
use crate::authority::Admitted;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::route::RouteInfo;

pub(crate) use room::Room;

/// Seconds until a request that found no room, or took too long, is worth another try.
pub(crate) const SOON: u32 = 1;

/// What a guard knows of its route.
#[derive(Debug, Clone)]
struct Post {
    app: App,
    info: Arc<RouteInfo>,
}

/// The route's answer, behind its guard.
pub(crate) fn guarded(app: &App, info: RouteInfo, answer: MethodRouter<App>) -> MethodRouter<App> {
    let post = Post { app: app.clone(), info: Arc::new(info) };
    answer.route_layer(from_fn_with_state(post, stand))
}

async fn stand(State(post): State<Post>, mut request: Request, next: Next) -> Response {
    let settings = post.app.oneiric().settings();
    let tokens = &settings.http.tokens;
    let admitted = match post.app.authority().admit(post.info.access, request.headers(), tokens).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    if let Some(origin) = request.extensions_mut().get_mut::<Origin>() {
        origin.actor = admitted.actor.clone();
    }
    let mut response = match pass(&post, &admitted, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(admitted.actor);
    response
}

async fn pass(post: &Post, admitted: &Admitted, request: Request, next: Next) -> Result<Response, Problem> {
    let (app, limits) = (&post.app, &post.app.options().http.limits);
    let _seat = match post.info.access {
        // Probes are answered whatever else goes on; they take no body, and cost what they cost.
        Access::Open => None,
        Access::Scope(_) | Access::Callback => Some(app.room().seat()?),
    };
    let mut time_is_up = app.clock().sleep(limits.request_seconds.duration());
    let (parts, body) = request.into_parts();
    let most = if post.info.access == Access::Open { 0 } else { limits.body_bytes };
    let reading = body::read(body, &parts.headers, most, app.room());
    let (bytes, _space) = tokio::select! {
        read = reading => read?,
        () = &mut time_is_up => return Err(late(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    };
    if !bytes.is_empty() {
        expect_json(&parts.headers)?;
        if depth::is_deeper(&bytes, limits.json_depth as usize) {
            let message = format!("the body is nested deeper than {}", limits.json_depth);
            return Err(Problem::new(StatusCode::BAD_REQUEST, "too-deep", message));
        }
    }
    let at = parts.uri.path_and_query().map_or("", |it| it.as_str());
    let once = app.authority().once(admitted, at, &bytes)?;
    let answering = next.run(Request::from_parts(parts, Body::from(bytes)));
    if post.info.streams {
        let stream = app.room().stream()?;
        return Ok(room::while_read(answering.await, stream));
    }
    let response = tokio::select! {
        response = answering => response,
        () = time_is_up => {
            return Err(late(StatusCode::SERVICE_UNAVAILABLE, "the answer was not ready in time"));
        }
    };
    match once {
        Some(once) if response.status().is_success() => once.done(),
        // What was not carried out may be brought again with the same token.
        Some(_) | None => {}
    }
    Ok(response)
}

fn late(status: StatusCode, message: &str) -> Problem {
    Problem::new(status, "timeout", message).retry_after(SOON)
}

/// `application/json`, and what is JSON by its name, such as `application/cloudevents+json`.
fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    let message = "a body must be JSON, and say so with `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", message))
}

#[cfg(test)]
mod tests;
