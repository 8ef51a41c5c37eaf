//! The process itself: how busy its machine is, and its end.

use axum::extract::State;
use oneiric_core::settings::HttpScope;
use oneiric_runtime::Phase;
use oneiric_runtime::json::rfc3339;
use schemars::JsonSchema;
use serde::Serialize;

use crate::access::Access;
use crate::app::App;
use crate::problem::Problem;
use crate::route::Route;
use crate::shown::{Later, Shown};
use crate::system::{Sample, disk_percent, memory_percent};
use crate::who::Who;

/// The time between the two looks at processors where nobody has looked before: ten ticks of the kernel.
const BETWEEN: std::time::Duration = std::time::Duration::from_millis(100);

pub(super) fn routes() -> Vec<Route> {
    let (read, admin) = (Access::Scope(HttpScope::Read), Access::Scope(HttpScope::Admin));
    vec![
        Route::get("/v1/metrics/system", read, "How busy the machine is.", system),
        Route::post("/v1/shutdown", admin, "Asks the process to stop in an orderly way.", shutdown),
    ]
}

/// `{"status":"ok","timestamp":"...","cpu":{"percent":12.5},"memory":{"percent":40.1},"disk":{"percent":71.0},
/// "components":{"gateway":{"status":"serving"}}}`.
#[derive(Debug, Serialize, JsonSchema)]
struct System {
    /// `ok` while the process takes work.
    status: &'static str,
    timestamp: String,
    cpu: Share,
    memory: Share,
    /// Of the file system of the state folder.
    disk: Share,
    components: Components,
}

/// A share of what there is; `null` where the system does not say.
#[derive(Debug, Serialize, JsonSchema)]
struct Share {
    percent: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Components {
    gateway: Component,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Component {
    /// The phase of the process.
    status: &'static str,
}

async fn system(State(app): State<App>) -> Result<Shown<System>, Problem> {
    let phase = app.oneiric().phase();
    let folder = app.oneiric().folder().unwrap_or_else(|| ".".into());
    let system = System {
        status: if phase == Phase::Serving { "ok" } else { "degraded" },
        timestamp: rfc3339(app.oneiric().clock().now()),
        cpu: Share { percent: processors(&app).await },
        memory: Share { percent: memory_percent() },
        disk: Share { percent: disk_percent(&folder) },
        components: Components { gateway: Component { status: phase.name() } },
    };
    Shown::of(&system)
}

/// Since somebody last looked; since a moment ago where nobody has.
async fn processors(app: &App) -> Option<f64> {
    let look = || {
        let now = Sample::take()?;
        let mut last = app.sampled().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let percent = last.and_then(|last| now.percent_since(last));
        // Too short a time ago: the older one goes on to count.
        if percent.is_some() || last.is_none() {
            *last = Some(now);
        }
        percent
    };
    match look() {
        Some(percent) => Some(percent),
        None => {
            app.oneiric().clock().sleep(BETWEEN).await;
            look()
        }
    }
}

/// `{"status":"stopping"}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Stopping {
    status: &'static str,
}

async fn shutdown(State(app): State<App>, who: Who) -> Result<Later<Stopping>, Problem> {
    tracing::info!(actor = who.actor, "somebody asked the process to stop");
    app.stop().cancel();
    Ok(Later(Shown::of(&Stopping { status: "stopping" })?))
}
