//! Roles played by an async function with typed input and output.
//!
//! The input is read from JSON and the output written to it; `serde_json::Value` on either side takes
//! whatever there is. An error type of one's own needs an `Into<Fault>`, which says whether to try again.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::roles::{Action, Envelope, EventHandler, Task, TaskContext};
use crate::{Fault, Payload};

/// A task from an async function of its input; see [`task_fn`].
pub struct TaskFn<F, I>(F, PhantomData<fn(I)>);

/// An action from an async function of its input; see [`action_fn`].
pub struct ActionFn<F, I>(F, PhantomData<fn(I)>);

/// An event handler from an async function of the envelope; see [`handler_fn`].
pub struct HandlerFn<F>(F);

/// Makes a task of a function. One that wants to know its run, its attempt or its cancellation
/// implements [`Task`] itself.
pub fn task_fn<F, I, O, E, Fut>(function: F) -> TaskFn<F, I>
where
    F: Fn(I) -> Fut + Send + Sync,
    I: DeserializeOwned + 'static,
    O: Serialize,
    E: Into<Fault>,
    Fut: Future<Output = Result<O, E>> + Send,
{
    TaskFn(function, PhantomData)
}

/// Makes an action of a function.
pub fn action_fn<F, I, O, E, Fut>(function: F) -> ActionFn<F, I>
where
    F: Fn(I) -> Fut + Send + Sync,
    I: DeserializeOwned + 'static,
    O: Serialize,
    E: Into<Fault>,
    Fut: Future<Output = Result<O, E>> + Send,
{
    ActionFn(function, PhantomData)
}

/// Makes an event handler of a function.
pub fn handler_fn<F, O, E, Fut>(function: F) -> HandlerFn<F>
where
    F: Fn(Envelope) -> Fut + Send + Sync,
    O: Serialize,
    E: Into<Fault>,
    Fut: Future<Output = Result<O, E>> + Send,
{
    HandlerFn(function)
}

/// An event handler from an async function of the payload; see [`typed`].
pub struct Typed<F, I>(F, PhantomData<fn(I)>);

/// Makes an event handler of a function of the payload: `typed(|order: Order| async move { ... })`. A payload
/// that is not as the type says is a permanent fault that names the field.
pub fn typed<F, I, O, E, Fut>(function: F) -> Typed<F, I>
where
    F: Fn(I) -> Fut + Send + Sync,
    I: DeserializeOwned + 'static,
    O: Serialize,
    E: Into<Fault>,
    Fut: Future<Output = Result<O, E>> + Send,
{
    Typed(function, PhantomData)
}

#[async_trait]
impl<F, I, O, E, Fut> Task for TaskFn<F, I>
where
    F: Fn(I) -> Fut + Send + Sync,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send,
    E: Into<Fault> + Send,
    Fut: Future<Output = Result<O, E>> + Send,
{
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        answer((self.0)(read(&cx.input)?).await)
    }
}

#[async_trait]
impl<F, I, O, E, Fut> Action for ActionFn<F, I>
where
    F: Fn(I) -> Fut + Send + Sync,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send,
    E: Into<Fault> + Send,
    Fut: Future<Output = Result<O, E>> + Send,
{
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        answer((self.0)(read(&input)?).await)
    }
}

#[async_trait]
impl<F, O, E, Fut> EventHandler for HandlerFn<F>
where
    F: Fn(Envelope) -> Fut + Send + Sync,
    O: Serialize + Send,
    E: Into<Fault> + Send,
    Fut: Future<Output = Result<O, E>> + Send,
{
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        answer((self.0)(envelope.clone()).await)
    }
}

#[async_trait]
impl<F, I, O, E, Fut> EventHandler for Typed<F, I>
where
    F: Fn(I) -> Fut + Send + Sync,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send,
    E: Into<Fault> + Send,
    Fut: Future<Output = Result<O, E>> + Send,
{
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let payload = envelope.payload.read().map_err(|wrong| {
            let topic = &envelope.topic;
            Fault::permanent("bad-payload", format!("the payload of `{topic}` cannot be read: {wrong}"))
        })?;
        answer((self.0)(payload).await)
    }
}

fn read<I: DeserializeOwned>(input: &Payload) -> Result<I, Fault> {
    input
        .read()
        .map_err(|wrong| Fault::permanent("bad-payload", format!("the input cannot be read: {wrong}")))
}

fn answer<O: Serialize, E: Into<Fault>>(answer: Result<O, E>) -> Result<Payload, Fault> {
    let output = answer.map_err(Into::into)?;
    Payload::of(&output)
        .map_err(|wrong| Fault::permanent("bad-output", format!("the output is not JSON: {wrong}")))
}

impl<F, I> fmt::Debug for TaskFn<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskFn")
    }
}

impl<F, I> fmt::Debug for ActionFn<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActionFn")
    }
}

impl<F> fmt::Debug for HandlerFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandlerFn")
    }
}

impl<F, I> fmt::Debug for Typed<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    async fn apply(action: impl Action, input: Value) -> Result<Value, Fault> {
        action.apply(input.into()).await.map(Value::from)
    }

    #[tokio::test]
    async fn a_typed_function_is_an_action() {
        let double = || action_fn(|n: u32| async move { Ok::<_, Fault>(n * 2) });
        assert_eq!(apply(double(), json!(21)).await, Ok(json!(42)));
        let fault = apply(double(), json!("x")).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.class), ("bad-payload", crate::Class::Permanent));
    }

    #[tokio::test]
    async fn an_output_that_is_no_json_is_a_fault() {
        let odd =
            action_fn(|(): ()| async { Ok::<_, Fault>(std::collections::HashMap::from([((1, 2), 3)])) });
        assert_eq!(apply(odd, Value::Null).await.unwrap_err().code, "bad-output");
    }

    #[tokio::test]
    async fn a_function_of_an_envelope_is_a_handler() {
        let handler = handler_fn(|event: Envelope| async move { Ok::<_, Fault>(event.topic) });
        let envelope = Envelope::new("order.paid".parse().unwrap(), Value::Null);
        assert_eq!(handler.handle(&envelope).await.unwrap().value(), "order.paid");
    }
}
