//! What requests carry, read with words that help.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath, Query as AxumQuery, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::describe::{Asks, Operation, Parameter};
use crate::problem::Problem;

/// A body of JSON of the shape `T`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// The same, or nothing, which is all defaults.
#[derive(Debug)]
pub(crate) struct Maybe<T>(pub(crate) T);

/// What stands in the query, of the shape `T`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// What varies in the path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "too-large" } else { "bad-body" };
        Problem::new(rejection.status(), code, rejection.body_text())
    })
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // First as JSON at all: what is none is the client's library, what has another shape is the client.
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid-json", format!("the body is no JSON: {error}"))
    })?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = match error.path().to_string() {
            root if root == "." => String::new(),
            place => format!(" at `{place}`"),
        };
        invalid(format!("the body is not as it must be{place}: {}", error.inner()))
    })
}

/// A request that is understood, and cannot be.
pub(crate) fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message).help("`/docs` shows what goes in")
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(parsed(&bytes(request, state).await?)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Maybe<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = bytes(request, state).await?;
        Ok(Self(if bytes.is_empty() { T::default() } else { parsed(&bytes)? }))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = AxumQuery::<T>::try_from_uri(&parts.uri);
        query.map(|AxumQuery(query)| Self(query)).map_err(|rejection| invalid(rejection.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = AxumPath::<T>::from_request_parts(parts, state).await;
        path.map(|AxumPath(path)| Self(path)).map_err(|rejection| invalid(rejection.body_text()))
    }
}

impl<T: JsonSchema> Asks for Body<T> {
    fn ask(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.body = Some((schemas.subschema_for::<T>(), true));
    }
}

impl<T: JsonSchema> Asks for Maybe<T> {
    fn ask(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.body = Some((schemas.subschema_for::<T>(), false));
    }
}

/// A parameter for each field.
impl<T: JsonSchema> Asks for Query<T> {
    fn ask(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        let shape = T::json_schema(schemas);
        let required: Vec<&str> = shape
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let fields = shape.get("properties").and_then(Value::as_object);
        for (name, schema) in fields.into_iter().flatten() {
            let mut schema = schema.clone();
            let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            operation.parameters.push(Parameter {
                place: "query",
                name: name.clone(),
                about: about.and_then(|about| Some(about.as_str()?.to_owned())).unwrap_or_default(),
                required: required.contains(&name.as_str()),
                schema,
            });
        }
    }
}

/// The path itself says what varies.
impl<T> Asks for Path<T> {
    fn ask(_: &mut Operation, _: &mut SchemaGenerator) {}
}

/// A header that a handler reads.
pub(crate) fn header(operation: &mut Operation, name: &str, about: &str) {
    operation.parameters.push(Parameter {
        place: "header",
        name: name.to_owned(),
        about: about.to_owned(),
        required: false,
        schema: serde_json::json!({ "type": "string" }),
    });
}
