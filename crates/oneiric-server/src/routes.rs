//! Everything that is answered: the table, a file per family.

mod health;
mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::app::App;
use crate::route::{Route, RouteInfo};
use crate::traffic;

/// The table.
fn table() -> Vec<Route> {
    [health::routes(), metrics::routes()].into_iter().flatten().collect()
}

/// What is known of every route, in the order of the table.
pub fn routes() -> Vec<RouteInfo> {
    table().into_iter().map(|route| route.info).collect()
}

/// All of it, behind its rules.
pub(crate) fn router(app: App) -> Router {
    let router =
        table().into_iter().fold(Router::new(), |router, route| router.route(route.info.path, route.answer));
    let traffic = Arc::clone(app.traffic());
    router.with_state(app).layer(from_fn_with_state(traffic, traffic::count))
}
