//! Everything that is answered: the table, a file per family.

mod activity;
mod callback;
mod docs;
mod events;
mod health;
mod metrics;
mod process;
mod runs;
mod services;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;

use crate::app::App;
use crate::around::{around, no_method, no_route};
use crate::guard::guarded;
use crate::route::{Route, RouteInfo};
use crate::traffic;

/// The table.
pub(crate) fn table() -> Vec<Route> {
    let families = [
        health::routes(),
        metrics::routes(),
        runs::routes(),
        events::routes(),
        activity::routes(),
        services::routes(),
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
    behind_rules(table().into_iter().map(|route| (route.info, route.answer)), app)
}

/// These routes, each behind its guard, and what is around every answer.
pub(crate) fn behind_rules(
    table: impl IntoIterator<Item = (RouteInfo, MethodRouter<App>)>,
    app: App,
) -> Router {
    let router = table.into_iter().fold(Router::new(), |router, (info, answer)| {
        let path = info.path;
        router.route(path, guarded(&app, info, answer))
    });
    let router = router.fallback(no_route).method_not_allowed_fallback(no_method);
    let traffic = Arc::clone(app.traffic());
    router
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
        .layer(from_fn_with_state(traffic, traffic::count))
}
