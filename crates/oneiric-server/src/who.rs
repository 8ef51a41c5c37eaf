//! Who asks, as runs, commands and events are told of it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use schemars::SchemaGenerator;

use crate::actor::Actor;
use crate::describe::{Asks, Operation};
use crate::origin::Origin;

/// Who asks, and for what: as far as whatever stands in front of the handler has found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    /// `local`, `token:ci`, ...
    pub(crate) actor: Option<String>,
    /// The trace that the request belongs to.
    pub(crate) traceparent: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(origin) = parts.extensions.get::<Origin>() else { return Ok(Self::default()) };
        let actor = Some(&origin.actor).filter(|actor| **actor != Actor::Anyone);
        Ok(Self { actor: actor.map(ToString::to_string), traceparent: Some(origin.traceparent.clone()) })
    }
}

impl Asks for Who {
    fn ask(_: &mut Operation, _: &mut SchemaGenerator) {}
}
