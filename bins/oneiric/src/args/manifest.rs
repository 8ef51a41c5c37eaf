//! Manifests as files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    Validate(ValidateArgs),
    Show(ShowArgs),
    Pack(PackArgs),
    /// Print the JSON Schema of manifests, for editors
    ///
    /// Draft 2020-12, of both versions of the format. What no schema can say (cycles, unknown tasks,
    /// duplicate ids) is found by `manifest validate`.
    #[command(after_help = "Examples:
  oneiric manifest schema > oneiric-manifest.schema.json
  # and then as the first line of shop.yaml:
  # yaml-language-server: $schema=./oneiric-manifest.schema.json")]
    Schema,
}

/// Check manifests: syntax, fields, graphs, tasks, factories
///
/// The files named, and those of `--manifest`, are read as one set, so that a workflow may use tasks of
/// another file. Nothing is run and nothing is created.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric manifest validate shop.yaml
  oneiric manifest validate tasks.toml workflows/*.yaml --json")]
pub(crate) struct ValidateArgs {
    /// The files; those of `--manifest` where there is none
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Show what a manifest offers
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric manifest show shop.yaml
  oneiric --manifest shop.yaml manifest show --json")]
pub(crate) struct ShowArgs {
    /// The file; that of `--manifest` where there is none
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Convert a manifest of any format to JSON
///
/// The manifest is checked first. The output appears under its name when it is complete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric manifest pack -i shop.yaml -o build/manifest.json
  oneiric manifest pack -i shop.toml --stdout --compact")]
pub(crate) struct PackArgs {
    /// The manifest, `-` for standard input; that of `--manifest` where there is none
    #[arg(short, long, value_name = "PATH")]
    pub(crate) input: Option<PathBuf>,
    /// Where to write, `-` for standard output
    #[arg(short, long, value_name = "PATH", default_value = "build/manifest.json")]
    pub(crate) output: PathBuf,
    /// Write to standard output, whatever `--output` says
    #[arg(long)]
    pub(crate) stdout: bool,
    /// Indented by two spaces; the default
    #[arg(long, overrides_with = "compact")]
    pub(crate) pretty: bool,
    /// On one line
    #[arg(long, overrides_with = "pretty")]
    pub(crate) compact: bool,
}
