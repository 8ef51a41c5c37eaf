//! Events: emitting them, and seeing what became of them.

use std::time::Duration;

use clap::{Args, Subcommand};
use oneiric_core::roles::Topic;

use super::workflow::seconds;

/// What is done with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    Emit(EmitArgs),
}

/// Emit an event and print what its handlers did
///
/// Everybody in the manifests who wants the event gets it, and is waited for. The event is kept: a handler that
/// did not get it here gets it from `oneiric orchestrate`, and a workflow that it starts is carried out there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml event emit order.paid --payload '{\"order\": 7}'
  oneiric --manifest shop.yaml event emit --topic order.paid --payload @order.json --json")]
pub(crate) struct EmitArgs {
    #[command(flatten)]
    pub(crate) topic: TopicArg,
    /// What happened: a JSON object, `@FILE` or `-` for standard input; `{}` where it is not said
    #[arg(long, value_name = "JSON")]
    pub(crate) payload: Option<String>,
    /// What is known about it beside that: a JSON object; `event_id` is its id
    #[arg(long, value_name = "JSON")]
    pub(crate) headers: Option<String>,
    /// How long handlers are waited for; what is kept reaches them later
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

/// A topic, by its place or by `--topic`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct TopicArg {
    /// What the event is about
    #[arg(value_name = "TOPIC")]
    topic: Option<Topic>,
    /// The same as TOPIC
    #[arg(long = "topic", value_name = "TOPIC", id = "named_topic")]
    named: Option<Topic>,
}

impl TopicArg {
    /// The topic.
    pub(crate) fn topic(&self) -> &Topic {
        self.topic.as_ref().or(self.named.as_ref()).expect("clap requires one of them")
    }
}
