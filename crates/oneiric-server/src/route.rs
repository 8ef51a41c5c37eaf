//! One row of the table of routes.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::access::Access;
use crate::app::App;

/// A route: what is asked, who may ask, who answers. Router, access rules and documents are made from these rows, so
/// that nothing is answered that does not stand in the table.
pub(crate) struct Route {
    pub(crate) info: RouteInfo,
    pub(crate) answer: MethodRouter<App>,
}

/// What is known of a route without calling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for what varies.
    pub path: &'static str,
    /// What it asks of whoever calls it.
    pub access: Access,
    /// What it is for, in a sentence.
    pub summary: &'static str,
    /// Whether its answer goes on until the client leaves, so that no limit of time ends it.
    pub streams: bool,
}

impl Route {
    pub(crate) fn get<H, T>(path: &'static str, access: Access, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self::new(Method::GET, MethodFilter::GET, path, access, summary, handler)
    }

    fn new<H, T>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let info = RouteInfo { method, path, access, summary, streams: false };
        Self { info, answer: on(filter, handler) }
    }
}
