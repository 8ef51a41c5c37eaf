//! Answers in the shapes that the command line's `--json` has.

use std::marker::PhantomData;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

use crate::describe::{Answer, Answers, Operation};
use crate::problem::Problem;

/// JSON of the shape `T`, written already: shapes borrow what they show.
#[derive(Debug)]
pub(crate) struct Shown<T> {
    bytes: Vec<u8>,
    shape: PhantomData<fn() -> T>,
}

impl<T: JsonSchema> Shown<T> {
    /// Writes it.
    ///
    /// # Errors
    /// A [`Problem`] for what JSON cannot hold, which no shape has.
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(value).map_err(|error| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed",
                format!("cannot write the answer: {error}"),
            )
        })?;
        Ok(Self { bytes, shape: PhantomData })
    }
}

impl<T> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], self.bytes).into_response()
    }
}

impl<T: JsonSchema> Answers for Shown<T> {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.json::<T>("200", "What was asked for.", schemas);
    }
}

/// Something that a request made, or that the same request had made before.
#[derive(Debug)]
pub(crate) struct Made<T> {
    pub(crate) is_new: bool,
    /// Where it is from now on.
    pub(crate) location: String,
    pub(crate) shown: Shown<T>,
}

impl<T> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let status = if self.is_new { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = (status, self.shown).into_response();
        // Ids are words that a header can hold.
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl<T: JsonSchema> Answers for Made<T> {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.json::<T>("201", "It was made; `Location` says where it is.", schemas);
        operation.json::<T>("200", "The same request had made it before.", schemas);
    }
}

/// Something that is done after the answer.
#[derive(Debug)]
pub(crate) struct Later<T>(pub(crate) Shown<T>);

impl<T> IntoResponse for Later<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, self.0).into_response()
    }
}

impl<T: JsonSchema> Answers for Later<T> {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.json::<T>("202", "It is being done.", schemas);
    }
}

/// One of two answers.
#[derive(Debug)]
pub(crate) enum Either<A, B> {
    One(A),
    Other(B),
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Either<A, B> {
    fn into_response(self) -> Response {
        match self {
            Either::One(one) => one.into_response(),
            Either::Other(other) => other.into_response(),
        }
    }
}

impl<A: Answers, B: Answers> Answers for Either<A, B> {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        A::answer(operation, schemas);
        B::answer(operation, schemas);
    }
}

/// Nothing, on purpose.
#[derive(Debug)]
pub(crate) struct Nothing;

impl IntoResponse for Nothing {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for Nothing {
    fn answer(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.answers.push(Answer {
            status: "204",
            about: "There is nothing more to come.",
            content: None,
        });
    }
}

/// A file that stands in the program.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) kind: &'static str,
    pub(crate) text: std::borrow::Cow<'static, str>,
    /// What a browser may load for it.
    pub(crate) policy: &'static str,
}

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.kind)),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy)),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        (headers, self.text.into_owned()).into_response()
    }
}

impl Answers for Text {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        let content = Some(("text/plain", schemas.subschema_for::<String>()));
        operation.answers.push(Answer { status: "200", about: "The file.", content });
    }
}
