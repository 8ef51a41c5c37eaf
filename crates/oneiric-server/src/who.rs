//! Who asks, as far as runs and events are told of it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use schemars::SchemaGenerator;

use crate::actor::Actor;
use crate::describe::{Asks, Operation};
use crate::origin::Origin;

/// Who asks, where something in front of the handler has found out and said so in the request's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    /// For the record of runs and commands.
    pub(crate) actor: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let origin = parts.extensions.get::<Origin>();
        Ok(Self { actor: origin.filter(|origin| origin.actor != Actor::Anyone).map(|o| o.actor.to_string()) })
    }
}

impl Asks for Who {
    fn ask(_: &mut Operation, _: &mut SchemaGenerator) {}
}
