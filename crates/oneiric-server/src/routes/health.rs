//! Whether the process lives, and whether it takes work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use oneiric_runtime::Phase;
use serde_json::{Value, json};

use crate::access::Access;
use crate::app::App;
use crate::route::Route;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/healthz", Access::Open, "Whether the process answers at all.", live),
        Route::get("/v1/health/live", Access::Open, "Whether the process answers at all.", live),
        Route::get("/v1/health/ready", Access::Open, "Whether the process takes work.", ready),
    ]
}

async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let phase = app.oneiric().phase();
    let (code, status) = match phase {
        Phase::Serving => (StatusCode::OK, "ok"),
        Phase::Starting | Phase::Draining | Phase::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "down"),
    };
    (code, Json(json!({ "status": status, "phase": phase.name() })))
}
