//! Everything that is answered: the table, a file per family.

mod health;

use axum::Router;

use crate::app::App;
use crate::route::{Route, RouteInfo};

/// The table.
fn table() -> Vec<Route> {
    [health::routes()].into_iter().flatten().collect()
}

/// What is known of every route, in the order of the table.
pub fn routes() -> Vec<RouteInfo> {
    table().into_iter().map(|route| route.info).collect()
}

/// All of it, behind its rules.
pub(crate) fn router(app: App) -> Router {
    let router =
        table().into_iter().fold(Router::new(), |router, route| router.route(route.info.path, route.answer));
    router.with_state(app)
}
