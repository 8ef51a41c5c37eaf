//! The long-lived process.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use oneiric_core::roles::Topic;

use super::workflow::seconds;

/// Work on runs until told to stop
///
/// Takes over what dead and stopped processes left and every run that waits for somebody, goes on with it,
/// and then waits for more without looking all the time. Needs no manifest: a run keeps the ones it was
/// planned from. Any number of these processes may share a state folder on one host; a run belongs to one of
/// them at a time, and who was overtaken can write nothing of it any more.
///
/// Its manifests and settings are watched, and read again when one changes, on SIGHUP and by `oneiric reload`: from
/// one moment on, events meet the handlers of the new ones and new runs go by their workflows. A file that is wrong
/// changes nothing and is told in the log and by `health`; so is a setting that needs a restart. With
/// `profile.watchers_enabled` off nobody watches, and a profile that has `inline_manifest_only` as well, as
/// `serverless` does, reads nothing again.
///
/// SIGTERM and Ctrl-C stop it in an orderly way: nothing further starts, what runs has the time of `--grace`
/// to end, and whatever had not ended goes on in the next process; the exit code is 0. The process is gone a second
/// behind that time at the latest, whatever hangs in it. A second signal leaves at once, with 143 or 130.
///
/// Logs on standard output from `info` on, where nobody says otherwise: one JSON object per line, or for people where
/// standard output is a terminal; in the profile `serverless` with the fields of Google Cloud Logging. Under systemd
/// it says when it is ready, reloads and stops, and answers the watchdog.
///
/// In a profile that counts the packaged manifests only (`serverless`, `lite`), and without `--manifest`, the manifests
/// are those in the folder `manifests` beside the binary, or else in the working folder.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("looking").multiple(true).args(["print_dag", "plan", "events"]),
    after_help = "Examples:
  oneiric orchestrate
  oneiric orchestrate --profile serverless --no-remote
  oneiric --state-dir /var/lib/oneiric orchestrate --grace 30
  oneiric --manifest shop.yaml orchestrate --dry-run
  oneiric --manifest shop.yaml orchestrate --smoke
  oneiric orchestrate | jq -c 'select(.level == \"ERROR\")'
  oneiric --manifest shop.yaml orchestrate --print-dag --events --inspect-json
  oneiric --manifest shop.yaml orchestrate --events --topic order.paid --payload '{\"total\": 7}'"
)]
pub(crate) struct OrchestrateArgs {
    /// How long what runs may take to end once the process is asked to stop
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds,
        visible_alias = "shutdown-timeout"
    )]
    pub(crate) grace: Duration,
    /// How the log is written [default: json, and human on a terminal] [possible values: json, human]
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "human"], hide_possible_values = true)]
    pub(crate) log_format: Option<String>,
    /// Hold this file locked while the process lives, with its number in it; a second process is refused
    #[arg(long, value_name = "PATH")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Keep a snapshot of the health in this file, too, beside runtime_health.json in the state folder
    #[arg(long, value_name = "FILE")]
    pub(crate) health_path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trial: TrialArgs,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) checkpoints: CheckpointArgs,
    #[command(flatten)]
    pub(crate) dag: DagArgs,
    #[command(flatten)]
    pub(crate) events: EventsArgs,
}

impl OrchestrateArgs {
    /// What they say, as settings of the command line.
    pub(crate) fn settings(&self) -> Vec<String> {
        let mut said = self.http.settings();
        said.extend(self.remote.settings());
        said.extend(self.checkpoints.settings());
        if self.trial.smoke && self.http.http_port.is_none() {
            // A free one, so that nothing that serves already is in the way.
            said.push("http.port=0".to_owned());
            said.push("http.host=127.0.0.1".to_owned());
        }
        said
    }

    /// Whether a process is to stay, and its log is its result.
    pub(crate) fn serves(&self) -> bool {
        !self.looks() && !self.trial.dry_run && !self.trial.smoke
    }

    /// Whether something is only looked at.
    pub(crate) fn looks(&self) -> bool {
        self.events.events || self.dag.print_dag || self.dag.plan
    }
}

/// Trying instead of serving.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trying instead")]
pub(crate) struct TrialArgs {
    /// Check everything that can be checked without a side effect, and print what would start
    #[arg(long, conflicts_with_all = ["looking", "smoke"])]
    pub(crate) dry_run: bool,
    /// Start, wait until healthy, ask for the health over HTTP, stop, and exit with 1 where anything was not well
    #[arg(long, conflicts_with_all = ["looking", "no_http"])]
    pub(crate) smoke: bool,
    /// How long it may take to be healthy
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, requires = "smoke")]
    pub(crate) smoke_timeout: Duration,
}

/// Manifests from elsewhere.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manifests from elsewhere")]
pub(crate) struct RemoteArgs {
    /// Fetch no manifest: the settings `remote.enabled` and `profile.remote_enabled` are false
    #[arg(long)]
    pub(crate) no_remote: bool,
    /// The setting `remote.refresh_interval`
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "no_remote")]
    pub(crate) refresh_interval: Option<Duration>,
}

impl RemoteArgs {
    fn settings(&self) -> Vec<String> {
        let off = ["remote.enabled=false", "profile.remote_enabled=false"];
        let off = off.into_iter().filter(|_| self.no_remote).map(str::to_owned);
        let every =
            self.refresh_interval.map(|every| format!("remote.refresh_interval={}", every.as_secs_f64()));
        off.chain(every).collect()
    }
}

/// What upstream keeps in a file of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointArgs {
    /// Keep the state in the folder of this file, unless `--state-dir` names one; `disabled` is the next option
    ///
    /// Checkpoints are part of the state here, and are never apart from the runs that they belong to.
    #[arg(long, value_name = "PATH")]
    pub(crate) workflow_checkpoints: Option<PathBuf>,
    /// Keep the state in memory: nothing of it outlives the process, and other processes cannot ask it
    #[arg(long, conflicts_with = "workflow_checkpoints")]
    pub(crate) no_workflow_checkpoints: bool,
}

impl CheckpointArgs {
    fn settings(&self) -> Vec<String> {
        let path = self.workflow_checkpoints.as_ref().map(|path| path.to_string_lossy().into_owned());
        match path {
            Some(path) if path == "disabled" => {
                vec!["runtime_paths.workflow_checkpoints_enabled=false".to_owned()]
            }
            Some(path) => vec![
                "runtime_paths.workflow_checkpoints_enabled=true".to_owned(),
                format!("runtime_paths.workflow_checkpoints_path={path}"),
            ],
            None if self.no_workflow_checkpoints => {
                vec!["runtime_paths.workflow_checkpoints_enabled=false".to_owned()]
            }
            None => Vec::new(),
        }
    }
}

/// Looking at workflows instead of serving.
#[derive(Debug, Args)]
#[command(next_help_heading = "Looking at workflows instead")]
pub(crate) struct DagArgs {
    /// Print the nodes of workflows, and how each ran last; may stand with `--events`
    #[arg(long)]
    pub(crate) print_dag: bool,
    /// The same as `workflow plan`
    #[arg(long, conflicts_with_all = ["print_dag", "events"])]
    pub(crate) plan: bool,
    /// Only this workflow, `all` for every; may be repeated
    #[arg(long = "workflow", value_name = "KEY", requires = "looking")]
    pub(crate) workflows: Vec<String>,
    /// The same as `--json`
    #[arg(long, requires = "looking")]
    pub(crate) inspect_json: bool,
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
}
