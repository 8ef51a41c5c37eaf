//! The HTTP surface: everything that a process answers, on one port.
//!
//! | for | there is |
//! |---|---|
//! | opening the port | [`Options`], what settings say of it; [`Server`], the only place that binds a socket |
//! | what is answered | [`routes`], the table that router, access rules and documents are made from |
//!
//! It owns no mechanism: what a request asks for is done by [`oneiric_runtime::Oneiric`], as it is for the command
//! line. Who may ask is decided in [`access`], and how much of it at once in [`Server`].

pub mod access;
mod actor;
mod app;
mod around;
mod authority;
mod connections;
mod describe;
mod google;
mod guard;
mod kept;
mod openapi;
mod options;
mod origin;
mod problem;
mod read;
mod route;
mod routes;
mod server;
mod shown;
mod sse;
mod system;
mod token;
pub mod tokens;
mod traffic;
mod who;

pub use access::Access;
pub use actor::Actor;
pub use authority::NamedError;
pub use google::{KeySource, PublishedKeys};
pub use openapi::document;
pub use options::{Options, OptionsError};
pub use origin::Origin;
pub use problem::Problem;
pub use route::RouteInfo;
pub use routes::routes;
pub use server::{Server, ServerError};
pub use token::Token;
