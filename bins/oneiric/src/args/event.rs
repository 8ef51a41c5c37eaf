//! Events: emitting them, and seeing what became of them.

mod log;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use oneiric_core::roles::{EventId, Priority, Topic};

use super::workflow::seconds;
pub(crate) use log::{
    DeadDropArgs, DeadLettersArgs, DeadLettersCommand, DeadListArgs, DeadReplayArgs, DeadSelection, ListArgs,
    Pace, ReplayArgs, ShowArgs, TailArgs,
};

/// What is done with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    Emit(EmitArgs),
    List(ListArgs),
    Show(ShowArgs),
    Tail(TailArgs),
    Replay(ReplayArgs),
    DeadLetters(DeadLettersArgs),
}

/// Emit an event and print what its handlers did
///
/// Everybody in the manifests who wants the event gets it, and is waited for. The event is kept: a handler that
/// did not get it here gets it from `oneiric orchestrate`, and a workflow that it starts is carried out there.
/// An event that was emitted before, by its id, is not emitted again: what became of it then is printed.
///
/// Exits with 1 where a handler failed. One that is paused has not failed: the event waits for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml event emit order.paid --payload '{\"order\": 7}'
  oneiric --manifest shop.yaml event emit --topic order.paid --payload @order.json --json
  oneiric --manifest shop.yaml event emit order.paid --event-id order-7 --tag vip
  oneiric --manifest shop.yaml event emit order.paid --wait")]
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
    ///
    /// One that is at work then has ten more seconds to end, so that it is not begun again elsewhere.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// Its id; made up where it is not said
    #[arg(long, value_name = "ID")]
    pub(crate) event_id: Option<EventId>,
    /// Who says so; else the setting `app.name`
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// How urgent it is
    #[arg(long, value_name = "PRIORITY", value_enum, default_value_t = Urgency::Normal)]
    pub(crate) priority: Urgency,
    /// Who it is for, in words that handlers may ask for
    #[arg(long, value_name = "KEY")]
    pub(crate) routing_key: Option<String>,
    /// A word that handlers may require; may be repeated
    #[arg(long = "tag", value_name = "WORD")]
    pub(crate) tags: Vec<String>,
    /// What it belongs to; runs that it starts have it, too
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<String>,
    /// After this it is of no use: who has not got it by then does not get it any more
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) expires_in: Option<Duration>,
    /// What is promised: whether it is kept until every handler has had it
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Promise::AtLeastOnce)]
    pub(crate) delivery: Promise,
    /// Accept it only, and leave the handlers to a process that serves
    #[arg(long, conflicts_with = "wait")]
    pub(crate) detach: bool,
    /// Carry out the workflows that it starts, too, or wait for whoever does
    #[arg(long)]
    pub(crate) wait: bool,
}

/// How urgent an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Urgency {
    Low,
    Normal,
    High,
    Critical,
}

impl From<Urgency> for Priority {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Low => Priority::Low,
            Urgency::Normal => Priority::Normal,
            Urgency::High => Priority::High,
            Urgency::Critical => Priority::Critical,
        }
    }
}

/// What is promised about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Promise {
    /// It is stored first
    #[value(alias = "at_least_once")]
    AtLeastOnce,
    /// Nothing, but where a handler asks for more
    #[value(alias = "fire_and_forget")]
    FireAndForget,
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
