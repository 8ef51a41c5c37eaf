//! The long-lived process.

use std::time::Duration;

use clap::Args;
use oneiric_core::roles::Topic;

use super::workflow::seconds;

/// Work on runs until told to stop
///
/// Takes over what dead and stopped processes left and every run that waits for somebody, goes on with it,
/// and then waits for more without looking all the time. Needs no manifest: a run keeps the ones it was
/// planned from. Any number of these processes may share a state folder on one host; a run belongs to one of
/// them at a time, and who was overtaken can write nothing of it any more.
///
/// SIGHUP makes it read its manifests again: from one moment on, events meet the handlers of the new ones and new
/// runs go by their workflows; a file that is wrong changes nothing and is told in the log.
///
/// SIGTERM and Ctrl-C stop it in an orderly way: nothing further starts, what runs has the time of `--grace`
/// to end, and whatever had not ended goes on in the next process. A second signal leaves at once. Logs one
/// JSON object per line on standard output, from `info` on where nobody says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric orchestrate
  oneiric --state-dir /var/lib/oneiric orchestrate --grace 30
  oneiric orchestrate | jq -c 'select(.level == \"ERROR\")'
  oneiric --manifest shop.yaml orchestrate --events
  oneiric --manifest shop.yaml orchestrate --events --topic order.paid --payload '{\"total\": 7}'")]
pub(crate) struct OrchestrateArgs {
    /// How long what runs may take to end once the process is asked to stop
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) events: EventsArgs,
}

/// Looking at events instead of serving.
#[derive(Debug, Args)]
#[command(next_help_heading = "Looking at events instead")]
pub(crate) struct EventsArgs {
    /// Print who wants which events, and what live processes have counted; changes nothing
    #[arg(long, visible_alias = "print-subscribers")]
    pub(crate) events: bool,
    /// Only who wants this topic
    #[arg(long, value_name = "TOPIC", requires = "events")]
    pub(crate) topic: Option<Topic>,
    /// Say for an event with this payload who would get it, in which order, and why the others would not
    #[arg(long, value_name = "JSON", requires = "topic")]
    pub(crate) payload: Option<String>,
    /// The headers of that event
    #[arg(long, value_name = "JSON", requires = "topic")]
    pub(crate) headers: Option<String>,
    /// The same as `--json`
    #[arg(long, requires = "events")]
    pub(crate) inspect_json: bool,
}
