//! The services of this process.

use axum::extract::State;
use oneiric_core::Key;
use oneiric_core::settings::HttpScope;
use oneiric_runtime::json::{ServiceLine, Services};

use crate::access::Access;
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Path, invalid};
use crate::route::Route;
use crate::shown::Shown;

pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Access::Scope(HttpScope::Read), Access::Scope(HttpScope::Operate));
    vec![
        Route::get("/v1/services", read, "How the services stand that this process keeps up.", all),
        Route::post("/v1/services/{key}/start", operate, "Starts a service and what it needs.", start),
        Route::post("/v1/services/{key}/stop", operate, "Stops a service and what needs it.", stop),
        Route::post("/v1/services/{key}/restart", operate, "Stops a service and starts it again.", restart),
    ]
}

async fn all(State(app): State<App>) -> Result<Shown<Services>, Problem> {
    let oneiric = app.oneiric();
    let reason = oneiric.keeper().reason();
    let services = oneiric.services().iter().map(ServiceLine::new).collect();
    Shown::of(&Services { kept: reason.is_none(), reason, services })
}

async fn start(State(app): State<App>, Path(key): Path<String>) -> Result<Shown<ServiceLine>, Problem> {
    Shown::of(&ServiceLine::new(&app.oneiric().start_service(named(&key)?).await?))
}

async fn stop(State(app): State<App>, Path(key): Path<String>) -> Result<Shown<ServiceLine>, Problem> {
    Shown::of(&ServiceLine::new(&app.oneiric().stop_service(named(&key)?).await?))
}

async fn restart(State(app): State<App>, Path(key): Path<String>) -> Result<Shown<ServiceLine>, Problem> {
    Shown::of(&ServiceLine::new(&app.oneiric().restart_service(named(&key)?).await?))
}

fn named(key: &str) -> Result<Key, Problem> {
    key.parse().map_err(|error| invalid(format!("the key `{key}`: {error}")))
}
