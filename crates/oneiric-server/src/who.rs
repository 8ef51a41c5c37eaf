//! Who asks, as runs, commands and events are told of it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use schemars::SchemaGenerator;

use crate::actor::Actor;
use crate::describe::{Asks, Operation};
use crate::origin::Origin;

/// Who asks, and where that comes from: what the guard in front of the handler has found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    /// For the record of runs and commands; `None` where nobody was asked.
    pub(crate) actor: Option<String>,
    /// The id of the request.
    pub(crate) request_id: Option<String>,
    /// The trace that the request belongs to.
    pub(crate) traceparent: Option<String>,
}

impl From<&Origin> for Who {
    fn from(origin: &Origin) -> Self {
        let actor = (origin.actor != Actor::Anyone).then(|| origin.actor.to_string());
        let (request_id, traceparent) = (origin.request_id.clone(), origin.traceparent.clone());
        Self { actor, request_id: Some(request_id), traceparent: Some(traceparent) }
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Origin>().map(Who::from).unwrap_or_default())
    }
}

impl Asks for Who {
    fn ask(_: &mut Operation, _: &mut SchemaGenerator) {}
}
