//! Services: how they stand, starting and stopping them, and what they wrote.

use clap::{Args, Subcommand};
use oneiric_core::Key;

/// What is done with services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// List services in the order of their start, and how each stands
    ///
    /// Asks the live process that keeps them up. Where there is none, shows those of the manifests, which nobody has
    /// started.
    #[command(after_help = "Examples:
  oneiric service list
  oneiric --manifest shop.yaml service list --json")]
    List,
    /// Start a service, and what it needs
    ///
    /// Waits until it is ready, or has failed for the first time. Exits with 1 where it is not ready.
    #[command(after_help = "Examples:
  oneiric service start gateway")]
    Start(ServiceArgs),
    /// Stop a service, and before it those that need it
    ///
    /// It stays stopped until it is started again, or the process ends; what needs it comes back with it.
    /// `oneiric drain KEY --domain service` outlives the process.
    #[command(after_help = "Examples:
  oneiric service stop gateway")]
    Stop(ServiceArgs),
    /// Stop a service with those that need it, and start them again
    #[command(after_help = "Examples:
  oneiric service restart gateway --json")]
    Restart(ServiceArgs),
    Logs(LogsArgs),
}

/// One service.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// The key of the service
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
}

/// Show what a service wrote
///
/// The newest lines of the log that the process which keeps services up writes in the state folder, each with its
/// time and stream; no process has to be live. Older parts of a log are put aside, and are read where they are needed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric service logs gateway
  oneiric service logs gateway --follow
  oneiric service logs gateway -n 1000 --json | jq -r .line")]
pub(crate) struct LogsArgs {
    /// The key of the service
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
    /// Go on with what is written from now on
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many lines to begin with
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) lines: u32,
}

/// What is known of the supervisor.
#[derive(Debug, Subcommand)]
pub(crate) enum SupervisorCommand {
    /// Show in which order the services of the manifests start, and which chain of them may take the longest
    ///
    /// Services of one wave start together, and the next wave waits for them. Needs no live process.
    #[command(after_help = "Examples:
  oneiric --manifest shop.yaml supervisor critical-chain
  oneiric --manifest shop.yaml supervisor critical-chain --json")]
    CriticalChain,
}
