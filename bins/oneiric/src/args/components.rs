//! Candidates: which there are, and which one a key means.

use clap::Args;
use oneiric_core::{Domain, Provider};

use super::names::{DomainParser, KeyArg};

/// What `--domain` says.
pub(super) const DOMAIN_HELP: &str = "Which domain: adapter, service, task, event, workflow, action";

/// List the components that there are: of manifests, settings and this binary
///
/// For each key the one that it means; `--shadowed` adds those that something better hides. JSON has
/// both.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml list
  oneiric --manifest shop.yaml list --domain task --shadowed
  oneiric --manifest shop.yaml list --domain workflow --json")]
pub(crate) struct ListArgs {
    /// Only this domain: adapter, service, task, event, workflow, action
    #[arg(long, value_name = "DOMAIN", value_parser = DomainParser, hide_possible_values = true)]
    pub(crate) domain: Option<Domain>,
    /// Also those that are hidden
    #[arg(long)]
    pub(crate) shadowed: bool,
}

/// Explain which component a key means, and why
///
/// Every candidate in order, with its score (selection, capabilities, priority, stack level,
/// registration) and the step at which the winner beat it. Prints JSON unless `--format human` or
/// `yaml` is given. Exits with 3 where there is no answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml explain queue.scheduler
  oneiric --manifest shop.yaml explain shop.charge --domain task --format human
  oneiric --manifest shop.yaml explain file_transfer.sftp --capability upload --capability list")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = DomainParser, help = DOMAIN_HELP, hide_possible_values = true)]
    pub(crate) domain: Domain,
    /// Only this provider will do
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<Provider>,
    /// It must be able to do this; may be repeated
    #[arg(long = "capability", value_name = "NAME")]
    pub(crate) capabilities: Vec<String>,
}

/// List what this binary can build
///
/// The component runtimes that were compiled in, the factories that each of them builds, and the
/// candidates that it offers without a manifest.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric plugins
  oneiric plugins --json")]
pub(crate) struct PluginsArgs {}
