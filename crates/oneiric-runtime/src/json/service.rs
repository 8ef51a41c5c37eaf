//! How services stand.

use oneiric_supervisor::service::Status;
use schemars::JsonSchema;
use serde::Serialize;

use super::rfc3339;

/// How the services stand that a process keeps up: `{"kept":true,"reason":null,"services":[{"name":"gateway",
/// "provider":"shop","status":"ok","healthy":true,"critical":true,"state":"running","startup_order":10,
/// "dependencies":[],"restarts":0,"since":"...","last_check":null,"latency_ms":null,"detail":null,"error":null,
/// "figures":null}]}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Services {
    /// Whether this process keeps them up.
    pub kept: bool,
    /// Why it does not.
    pub reason: Option<String>,
    /// In the order of their start.
    pub services: Vec<ServiceLine>,
}

/// One service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceLine {
    name: String,
    provider: String,
    /// `ok`, `degraded`, `down` or `unknown`.
    status: String,
    healthy: bool,
    /// Whether the process goes down with it.
    critical: bool,
    /// `registered`, `starting`, `running`, `draining`, `paused`, `stopping`, `stopped`, `backoff` or `failed`.
    state: String,
    startup_order: i32,
    dependencies: Vec<String>,
    restarts: u32,
    /// Since when it is in `state`.
    since: String,
    /// When its probe was answered last.
    last_check: Option<String>,
    latency_ms: Option<f64>,
    detail: Option<String>,
    error: Option<String>,
    /// What it takes of the machine.
    figures: Option<serde_json::Value>,
}

impl ServiceLine {
    /// Of a service.
    pub fn new(status: &Status) -> Self {
        let word = serde_json::to_value(status.status).unwrap_or_default();
        Self {
            name: status.name.to_string(),
            provider: status.provider.to_string(),
            status: word.as_str().unwrap_or_default().to_owned(),
            healthy: status.healthy,
            critical: status.critical,
            state: status.state.name().to_owned(),
            startup_order: status.startup_order,
            dependencies: status.dependencies.iter().map(ToString::to_string).collect(),
            restarts: status.restarts,
            since: rfc3339(status.since),
            last_check: status.last_check.map(rfc3339),
            latency_ms: status.latency_ms,
            detail: status.detail.clone(),
            error: status.error.clone(),
            figures: status.figures.and_then(|figures| serde_json::to_value(figures).ok()),
        }
    }
}
