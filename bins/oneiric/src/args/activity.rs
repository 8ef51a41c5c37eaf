//! Whether components take work.

use std::time::Duration;

use clap::Args;
use oneiric_core::Domain;

use super::components::DOMAIN_HELP;
use super::names::{DomainParser, KeyArg};
use super::workflow::seconds;

/// Show which components are paused or draining, and what is in flight
///
/// What operators said comes from the state folder, what is in flight from the live processes on it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric activity
  oneiric activity --json | jq .totals")]
pub(crate) struct ActivityArgs {}

/// Take no new work for a component
///
/// No run of it begins, no node tries it, no call reaches it, in any process on the state folder, until
/// `oneiric resume`. What is in flight goes on; nodes that need it are held and lose no try. Stays when
/// processes end. `oneiric drain` also waits for what is in flight.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric pause shop.charge --domain task --note 'the bank is closed'
  oneiric pause --domain adapter --key cache
  oneiric pause shop.charge --domain task --resume")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = DomainParser, help = DOMAIN_HELP, hide_possible_values = true)]
    pub(crate) domain: Domain,
    /// Why, for people; what was noted before stays where it is not said, '' removes it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// End the pause; what drains goes on draining
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Take no new work for a component, and wait until nothing of it is in flight
///
/// Every live process on the state folder has seen it and has nothing in flight when this ends with 0;
/// a process that is alive and does not answer holds it up. Where the deadline passes, the component goes
/// on draining, and the exit code is 1. `oneiric resume` takes work again. Ctrl-C ends the waiting, not
/// the drain.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric drain shop.checkout --domain workflow --note 'release 7'
  oneiric drain --domain task --key shop.charge --deadline 300
  oneiric drain shop.charge --domain task --no-wait
  oneiric drain shop.charge --domain task --clear")]
pub(crate) struct DrainArgs {
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = DomainParser, help = DOMAIN_HELP, hide_possible_values = true)]
    pub(crate) domain: Domain,
    /// Why, for people; what was noted before stays where it is not said, '' removes it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// End the drain; what is paused stays paused
    #[arg(long, conflicts_with_all = ["deadline", "no_wait"])]
    pub(crate) clear: bool,
    /// How long to wait for what is in flight
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub(crate) deadline: Duration,
    /// Only say it, and wait for nothing
    #[arg(long, conflicts_with = "deadline")]
    pub(crate) no_wait: bool,
}

/// Take work for a component again, whether it is paused or draining
///
/// Held nodes go on at once. What was noted stays, and `oneiric activity` shows it; `--note ''` removes it.
/// For runs there is `oneiric run resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric resume shop.charge --domain task
  oneiric resume --domain workflow --key shop.checkout --note ''")]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[arg(long, value_name = "DOMAIN", default_value = "adapter", value_parser = DomainParser, help = DOMAIN_HELP, hide_possible_values = true)]
    pub(crate) domain: Domain,
    /// Another note; what was noted before stays where it is not said, '' removes it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}
