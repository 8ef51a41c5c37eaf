//! One row of the table of routes.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::SchemaGenerator;

use crate::access::Access;
use crate::app::App;
use crate::describe::{Described, Operation};

/// A route: what is asked, who may ask, who answers. Router, access rules and documents are made from these rows, so
/// that nothing is answered that does not stand in the table.
pub(crate) struct Route {
    pub(crate) info: RouteInfo,
    pub(crate) answer: MethodRouter<App>,
    /// Says what its handler asks for and answers.
    pub(crate) describe: fn(&mut Operation, &mut SchemaGenerator),
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
    pub(crate) fn get<H, T, D>(path: &'static str, access: Access, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<D>,
        T: 'static,
    {
        Self::new(Method::GET, MethodFilter::GET, path, access, summary, handler)
    }

    pub(crate) fn post<H, T, D>(path: &'static str, access: Access, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App> + Described<D>,
        T: 'static,
    {
        Self::new(Method::POST, MethodFilter::POST, path, access, summary, handler)
    }

    pub(crate) fn delete<H, T, D>(
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App> + Described<D>,
        T: 'static,
    {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, access, summary, handler)
    }

    /// The same, with an answer that goes on until the client leaves.
    pub(crate) fn streaming(mut self) -> Self {
        self.info.streams = true;
        self
    }

    fn new<H, T, D>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App> + Described<D>,
        T: 'static,
    {
        let info = RouteInfo { method, path, access, summary, streams: false };
        Self { info, answer: on(filter, handler), describe: <H as Described<D>>::describe }
    }
}
