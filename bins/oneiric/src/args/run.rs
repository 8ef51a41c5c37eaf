//! Runs: what happened, and going on.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use oneiric_core::Key;
use oneiric_store::{RunStatus, UnknownNodes};

/// What a run may be called.
const RUN_HELP: &str = "The run: its id, the beginning or the end of it, or `latest`";

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    List(ListArgs),
    Show(ShowArgs),
    Resume(ResumeArgs),
    Cancel(CancelArgs),
}

/// List runs, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run list
  oneiric run list --status failed --status paused --limit 5
  oneiric run list --workflow shop.checkout --json")]
pub(crate) struct ListArgs {
    /// Only in this status; may be repeated: pending, running, paused, completed, failed, cancelled
    #[arg(long = "status", value_name = "STATUS")]
    pub(crate) statuses: Vec<RunStatus>,
    /// Only of this workflow
    #[arg(long, value_name = "KEY")]
    pub(crate) workflow: Option<Key>,
    /// The most runs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// Show what a run did, node by node
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run show latest
  oneiric run show 1c0ffee5 --log
  oneiric run show 1c0ffee5 --journal
  oneiric run show latest --json | jq .results")]
pub(crate) struct ShowArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// Everything that happened in it, in order
    #[arg(long)]
    pub(crate) journal: bool,
    /// Everything that its tasks wrote
    #[arg(long, conflicts_with = "journal")]
    pub(crate) log: bool,
}

/// Go on with a run that was interrupted or waits for a person
///
/// Needs no manifest: a run keeps the ones it was planned from. What had completed is not run again.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true).args(["run", "all"])),
    after_help = "Examples:
  oneiric run resume latest
  oneiric run resume 1c0ffee5 --unknown retry
  oneiric run resume --all"
)]
pub(crate) struct ResumeArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: Option<String>,
    /// Every run that a dead process left
    #[arg(long, conflicts_with = "unknown")]
    pub(crate) all: bool,
    /// What becomes of nodes whose outcome nobody knows, and of parked ones
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub(crate) unknown: Unknown,
}

/// What becomes of nodes whose outcome nobody knows, and of parked ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unknown {
    /// They stay so, and the run pauses again
    Keep,
    /// It did not happen, or twice is fine
    Retry,
    /// Count it as failed
    Fail,
}

impl From<Unknown> for UnknownNodes {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Keep => UnknownNodes::Keep,
            Unknown::Retry => UnknownNodes::Retry,
            Unknown::Fail => UnknownNodes::Fail,
        }
    }
}

/// Cancel a run that nobody is working on
///
/// A run that a process is working on is stopped where it runs: Ctrl-C there suspends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run cancel latest
  oneiric run cancel 1c0ffee5 --reason 'ordered twice'")]
pub(crate) struct CancelArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "cancelled on the command line")]
    pub(crate) reason: String,
}
