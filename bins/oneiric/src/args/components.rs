//! Candidates: which there are, and which one a key means.

use clap::Args;
use oneiric_core::{Domain, Key, Provider};

/// List the components that the manifests offer
///
/// For each key the one that it means; `--shadowed` adds those that something better hides. JSON has
/// both.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml list
  oneiric --manifest shop.yaml list --domain task --shadowed
  oneiric --manifest shop.yaml list --domain workflow --json")]
pub(crate) struct ListArgs {
    /// Which domain: adapter, service, task, event, workflow, action
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = domain)]
    pub(crate) domain: Domain,
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
    /// The key asked for
    pub(crate) key: Key,
    /// Which domain: adapter, service, task, event, workflow, action
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = domain)]
    pub(crate) domain: Domain,
    /// Only this provider will do
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<Provider>,
    /// It must be able to do this; may be repeated
    #[arg(long = "capability", value_name = "NAME")]
    pub(crate) capabilities: Vec<String>,
}

/// A domain by its name or its plural, in any case.
fn domain(text: &str) -> Result<Domain, String> {
    let lower = text.to_lowercase();
    let known = Domain::WELL_KNOWN.into_iter().find(|domain| lower.strip_suffix('s') == Some(domain.name()));
    known.map_or_else(|| Domain::new(&lower).map_err(|error| error.to_string()), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_may_be_named_in_the_plural() {
        let check = |text, expected| assert_eq!(domain(text), Ok(expected));
        check("task", Domain::TASK);
        check("Tasks", Domain::TASK);
        check("news", Domain::new("news").unwrap());
        assert!(domain("a b").is_err());
    }
}
