//! Settings: where they come from, and whether they are right.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Explain(ExplainArgs),
    Show(ShowArgs),
    Validate(ValidateArgs),
    Schema(SchemaArgs),
}

/// Explain a setting: its value, the layer that it came from, and what that hides
///
/// Layers, the lowest first: defaults, built-in profile, files, profiles in files, environment, command
/// line. Secrets are shown as ***.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric config explain remote.max_retries
  oneiric --profile serverless config explain profile.watchers_enabled --json
  oneiric config explain tasks.selections.shop.charge")]
pub(crate) struct ExplainArgs {
    /// The key: names with dots in between; a name that holds a dot may stand in double quotes
    pub(crate) key: String,
}

/// Show the settings that count, and where each came from
///
/// Those that differ from their default; JSON and YAML have the shape of a settings file. Secrets are
/// shown as ***.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric config show
  oneiric --profile serverless config show --format yaml
  oneiric config show --all --json")]
pub(crate) struct ShowArgs {
    /// Also those that are at their default
    #[arg(long)]
    pub(crate) all: bool,
}

/// Check settings: keys, types, ranges, in every layer
///
/// Everything that is wrong is told at once. Nothing is run and nothing is created.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric config validate
  oneiric --config prod.toml config validate
  oneiric config validate settings/local.yaml")]
pub(crate) struct ValidateArgs {
    /// Only this file, as if no other layer were there
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Print the JSON Schema of settings files, for editors
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric config schema > oneiric.schema.json
  oneiric config schema --markdown")]
pub(crate) struct SchemaArgs {
    /// Every key as Markdown tables instead
    #[arg(long)]
    pub(crate) markdown: bool,
}
