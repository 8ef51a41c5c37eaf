//! The long-lived process.

use std::path::PathBuf;
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
/// to end, and whatever had not ended goes on in the next process; the exit code is 0. A second signal leaves at
/// once, with 143 or 130. Logs one JSON object per line on standard output, from `info` on where nobody says
/// otherwise.
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
    /// Keep a snapshot of the health in this file, too, beside runtime_health.json in the state folder
    #[arg(long, value_name = "FILE")]
    pub(crate) health_path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) events: EventsArgs,
}

/// The port.
#[derive(Debug, Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct HttpArgs {
    /// Answer health, metrics and requests on this port, 0 for a free one; else the setting `http.port` or PORT
    #[arg(long, value_name = "PORT", visible_alias = "port")]
    pub(crate) http_port: Option<u16>,
    /// The address to listen on; else the setting `http.host` [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", visible_alias = "host")]
    pub(crate) http_host: Option<String>,
    /// Answer nothing by HTTP
    #[arg(long, conflicts_with_all = ["http_port", "http_host"])]
    pub(crate) no_http: bool,
}

impl HttpArgs {
    /// What they say, as settings of the command line.
    pub(crate) fn settings(&self) -> Vec<String> {
        let port = self.http_port.map(|port| format!("http.port={port}"));
        let host = self.http_host.as_ref().map(|host| format!("http.host={host}"));
        let off = self.no_http.then(|| "http.enabled=false".to_owned());
        port.into_iter().chain(host).chain(off).collect()
    }
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
