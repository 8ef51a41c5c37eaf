//! Everything that is answered: the table, a file per family.

mod activity;
mod callback;
mod docs;
mod events;
mod health;
mod process;
mod runs;

use axum::Router;

use crate::app::App;
use crate::route::{Route, RouteInfo};

/// The table.
pub(crate) fn table() -> Vec<Route> {
    let families = [
        health::routes(),
        runs::routes(),
        events::routes(),
        activity::routes(),
        callback::routes(),
        process::routes(),
        docs::routes(),
    ];
    families.into_iter().flatten().collect()
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
