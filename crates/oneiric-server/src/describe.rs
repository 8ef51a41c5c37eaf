//! What a handler asks for and answers, as documents have it: read off its arguments and its result, so that a handler
//! which does not say it cannot be a route.

use std::future::Future;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::app::App;
use crate::problem::Problem;

/// What is said of a route in a document.
#[derive(Debug, Default)]
pub(crate) struct Operation {
    pub(crate) parameters: Vec<Parameter>,
    /// The body, and whether there must be one.
    pub(crate) body: Option<(Schema, bool)>,
    /// By status.
    pub(crate) answers: Vec<Answer>,
}

/// A parameter in the query or in a header.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) place: &'static str,
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) required: bool,
    pub(crate) schema: serde_json::Value,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `200`, or `default` for every other.
    pub(crate) status: &'static str,
    pub(crate) about: &'static str,
    /// The type of the content and its schema; `None` is nothing.
    pub(crate) content: Option<(&'static str, Schema)>,
}

impl Operation {
    /// Adds an answer in JSON.
    pub(crate) fn json<T: JsonSchema>(
        &mut self,
        status: &'static str,
        about: &'static str,
        schemas: &mut SchemaGenerator,
    ) {
        let content = Some(("application/json", schemas.subschema_for::<T>()));
        self.answers.push(Answer { status, about, content });
    }
}

/// An argument of a handler.
pub(crate) trait Asks {
    /// Says what it takes from the request.
    fn ask(operation: &mut Operation, schemas: &mut SchemaGenerator);
}

/// A result of a handler.
pub(crate) trait Answers {
    /// Says what it can be.
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator);
}

/// A handler that says what it asks for and answers; `D` are its arguments.
pub(crate) trait Described<D> {
    /// Says it.
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator);
}

macro_rules! described {
    ($($argument:ident)*) => {
        impl<H, Answering, Result, $($argument,)*> Described<($($argument,)*)> for H
        where
            H: Fn($($argument,)*) -> Answering,
            Answering: Future<Output = Result>,
            Result: Answers,
            $($argument: Asks,)*
        {
            fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
                $($argument::ask(operation, schemas);)*
                Result::answer(operation, schemas);
            }
        }
    };
}

described!();
described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);
described!(A B C D E F);

impl Asks for State<App> {
    fn ask(_: &mut Operation, _: &mut SchemaGenerator) {}
}

/// Headers that a handler reads beside those that it names.
impl Asks for HeaderMap {
    fn ask(_: &mut Operation, _: &mut SchemaGenerator) {}
}

impl<T: JsonSchema> Answers for Json<T> {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.json::<T>("200", "What was asked for.", schemas);
    }
}

/// Of probes: the same shape, with a status that says more.
impl<T: JsonSchema> Answers for (StatusCode, Json<T>) {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.json::<T>("200", "It is as it should be.", schemas);
        operation.json::<T>("503", "It is not.", schemas);
    }
}

impl Answers for Problem {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.json::<ProblemShape>("default", "What went wrong, and the way out.", schemas);
    }
}

impl<T: Answers, E: Answers> Answers for Result<T, E> {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        T::answer(operation, schemas);
        E::answer(operation, schemas);
    }
}

/// The shape of a [`Problem`].
#[derive(JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "it is there for its schema")]
struct ProblemShape {
    /// A word for programs.
    error: String,
    /// What went wrong, for a person.
    message: String,
    /// The way out.
    #[schemars(default)]
    help: Option<String>,
}
