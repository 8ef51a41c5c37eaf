//! The state as a whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Examine the whole state: pages, indexes, digests, references
    #[command(after_help = "Examples:
  oneiric store check
  oneiric --state-dir /var/lib/oneiric store check --json")]
    Check,
    Backup(BackupArgs),
}

/// Copy the state to one file while work goes on
///
/// The copy is consistent, and a backup that was not finished leaves nothing behind.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric store backup /backup/oneiric-monday.sqlite")]
pub(crate) struct BackupArgs {
    /// The new file; it must not exist
    pub(crate) file: PathBuf,
}
