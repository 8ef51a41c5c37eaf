//! Whether the process lives, whether it takes work, and how it is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use oneiric_runtime::health::{Depth, Report, Severity};
use serde_json::{Value, json};

use crate::access::Access;
use crate::app::App;
use crate::route::Route;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/healthz", Access::Open, "Whether the process answers at all.", live),
        Route::get("/v1/health/live", Access::Open, "Whether the process answers at all.", live),
        Route::get("/v1/health/ready", Access::Open, "Whether the process takes work.", ready),
        Route::get("/v1/health", Access::Open, "How the process is.", health),
    ]
}

async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Asks the store, and nobody else: a platform that asks every second is no load.
async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let report = app.oneiric().health_report(Depth::Store).await;
    let mut body = json!({ "status": if report.ready { "ok" } else { "down" }, "phase": report.phase });
    if !report.ready && app.tells_details() {
        body["reasons"] = json!(report.degraded.reasons);
    }
    (if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body))
}

async fn health(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let report = app.oneiric().health_report(Depth::Components).await;
    (code(&report), Json(if app.tells_details() { json!(*report) } else { report.outline() }))
}

fn code(report: &Report) -> StatusCode {
    match report.status {
        Severity::Ok | Severity::Degraded => StatusCode::OK,
        Severity::Down => StatusCode::SERVICE_UNAVAILABLE,
    }
}
