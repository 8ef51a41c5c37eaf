//! Components in service: how they stand, whether they are healthy, and changing them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use oneiric_core::{Domain, Key, Provider};

use super::components::DOMAIN_HELP;
use super::names::{DomainParser, KeyArg};
use super::workflow::seconds;

/// Show how components stand
///
/// Asks every live process that keeps its state in the state folder which component serves each key.
/// Where there is none, shows what manifests and settings say: which component would serve, and no
/// instance.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric status
  oneiric --manifest shop.yaml status --domain task --shadowed
  oneiric status --key queue.scheduler --json")]
pub(crate) struct StatusArgs {
    /// Only this domain: adapter, service, task, event, workflow, action
    #[arg(long, value_name = "DOMAIN", value_parser = DomainParser, hide_possible_values = true)]
    pub(crate) domain: Option<Domain>,
    /// Only this key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<Key>,
    /// Also the candidates that something better hides
    #[arg(long)]
    pub(crate) shadowed: bool,
}

/// Show whether components are healthy
///
/// Asks every live process that keeps its state in the state folder. With `--probe`, each component in
/// service is asked itself. Where no process is live, `--probe` starts the components that manifests
/// and selections name here, asks them and stops them again. Exits with 1 where one is unhealthy.
///
/// Where no process is live, the snapshot that the last one left is shown, with its age. With `--path` nobody is asked:
/// the snapshot in that file decides, as a container's health check wants it. Exits with 1 where that process is
/// down or takes no work, or where the file is older than it says that it may be.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric health
  oneiric health --path /run/oneiric/health.json
  oneiric health --probe --json
  oneiric --manifest shop.yaml health --probe --domain adapter --key queue.scheduler")]
pub(crate) struct HealthArgs {
    /// Only this domain: adapter, service, task, event, workflow, action
    #[arg(long, value_name = "DOMAIN", value_parser = DomainParser, hide_possible_values = true)]
    pub(crate) domain: Option<Domain>,
    /// Only this key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<Key>,
    /// Ask the components themselves
    #[arg(long)]
    pub(crate) probe: bool,
    /// Check the snapshot in this file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["domain", "key", "probe"])]
    pub(crate) path: Option<PathBuf>,
}

/// Read manifests and settings again in the live processes
///
/// Every orchestrator on the state folder reads the files that it was started with. They count all together, or not
/// at all: where one of them is wrong, nothing changes and the exit code is 2. Orchestrators that watch their files
/// do this by themselves. What only a restart can change is listed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric reload
  oneiric reload --json")]
pub(crate) struct ReloadArgs {}

/// Show which switches the supervisor, the watchers and remote manifests stand at, and who set them
///
/// `profile_default` is what the profile says, `runtime_config` what files and options say, and `env_override` what a
/// variable says, if one does. The supervisor runs where the profile and the last word of the others agree.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric supervisor-info --json
  oneiric --profile serverless supervisor-info")]
pub(crate) struct SupervisorInfoArgs {}

/// Show how fetching manifests goes
///
/// Of the live process on the state folder, or of the last one. Everything is null until something was fetched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric remote-status --json")]
pub(crate) struct RemoteStatusArgs {}

/// Replace the component that serves a key, under its users
///
/// Every live process that keeps its state in the state folder builds, starts and checks the newcomer,
/// and only then lets go of what served before; where the newcomer fails, the old one goes on serving.
/// Lasts until the process ends: a selection in the settings is what lasts longer. Where no process is
/// live, the newcomer is tried out here and stopped again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric swap queue.scheduler --provider nats
  oneiric swap --key shop.charge --domain task --pid 4711
  oneiric --manifest shop.yaml swap shop.charge --domain task --provider new --json")]
pub(crate) struct SwapArgs {
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = DomainParser, help = DOMAIN_HELP, hide_possible_values = true)]
    pub(crate) domain: Domain,
    /// The provider to swap to, selected from then on; what the ranking says where it is not said
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<Provider>,
    /// Take the newcomer although it is not healthy
    #[arg(long)]
    pub(crate) force: bool,
    /// Only in this process
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
}

/// Run an action and print its result
///
/// The action is started here, called once and stopped again. Its result is printed as JSON. Ctrl-C
/// cancels it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml action-invoke shop.price --payload '{\"order\": 7}'
  oneiric --manifest shop.yaml action-invoke shop.price --payload @order.json --timeout 5
  oneiric --manifest shop.yaml action-invoke shop.price --schema")]
pub(crate) struct InvokeArgs {
    #[command(flatten)]
    pub(crate) key: KeyArg,
    /// What the action gets: a JSON object, `@FILE` or `-` for standard input; `{}` where it is not said
    #[arg(long, value_name = "JSON", conflicts_with = "schema")]
    pub(crate) payload: Option<String>,
    /// Only this provider will do
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<Provider>,
    /// The longest time of the call, such as 90 or 1.5
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Print the JSON Schemas of what it takes and gives instead of running it
    #[arg(long)]
    pub(crate) schema: bool,
}
