//! A long-lived process in the background.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::orchestrate::OrchestrateArgs;
use super::workflow::seconds;

/// Start `orchestrate` in the background
///
/// Takes every option of `orchestrate`. Returns once the process takes work, with 0; where it ends before that, with
/// its exit code and what it said last; where it does neither in time, it is stopped again, and the exit code is 1.
/// For a laptop: a service manager such as systemd starts `orchestrate` itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml start
  oneiric start --http-port 8080 --profile serverless
  oneiric start --log-file /tmp/oneiric.log --wait 120")]
pub(crate) struct StartArgs {
    /// Where the log goes [default: orchestrator.log in the state folder]
    #[arg(long, value_name = "PATH")]
    pub(crate) log_file: Option<PathBuf>,
    /// How long it may take until it takes work
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) orchestrate: OrchestrateArgs,
}

/// Stop the process that `start` started
///
/// Sends SIGTERM and waits for its orderly end; what is still there then is killed. Exits with 0 where no process is
/// left, also where there was none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric stop
  oneiric stop --wait 60")]
pub(crate) struct StopArgs {
    /// The file that the process holds [default: orchestrator.pid in the state folder]
    #[arg(long, value_name = "PATH")]
    pub(crate) pid_file: Option<PathBuf>,
    /// How long it may take to end before it is killed; longer than its `--grace`
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub(crate) wait: Duration,
}

/// Show whether the process that `start` started is there
///
/// A file that a dead process left says nothing, also where its number belongs to another process by now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric process-status
  oneiric process-status --json")]
pub(crate) struct ProcessStatusArgs {
    /// The file that the process holds [default: orchestrator.pid in the state folder]
    #[arg(long, value_name = "PATH")]
    pub(crate) pid_file: Option<PathBuf>,
}
