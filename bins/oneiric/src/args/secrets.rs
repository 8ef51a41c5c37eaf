//! Secrets: which there are. Never what they are.

use clap::{ArgGroup, Args, Subcommand};
use oneiric_core::secret::SecretId;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// List the secrets that settings ask for, and which store has each
    #[command(after_help = "Examples:
  oneiric secrets list
  ONEIRIC_SECRET_STRIPE_KEY=x oneiric secrets list --json")]
    List,
    Rotate(RotateArgs),
}

/// Forget cached values, so that they are asked for anew
///
/// Concerns the cache of this process, which ends with it: where no orchestrator runs there is nothing
/// else to forget.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true).args(["keys", "all"])),
    after_help = "Examples:
  oneiric secrets rotate --all
  oneiric secrets rotate --keys stripe-key,db.password"
)]
pub(crate) struct RotateArgs {
    /// These, comma separated
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub(crate) keys: Vec<SecretId>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
}
