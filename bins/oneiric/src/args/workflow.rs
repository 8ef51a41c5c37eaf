//! Workflows: what they would do, and doing it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use oneiric_core::{Key, Provider, RunId};

use super::run;

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// List the workflows of the manifests
    #[command(after_help = "Examples:
  oneiric --manifest shop.yaml workflow list
  oneiric --manifest shop.yaml workflow list --json")]
    List,
    Plan(PlanArgs),
    Run(RunArgs),
    Graph(GraphArgs),
    /// The same as `run list`
    Runs(run::ListArgs),
    /// The same as `run show`
    Show(run::ShowArgs),
    /// The same as `run resume`
    Resume(run::ResumeArgs),
    /// The same as `run cancel`
    Cancel(run::CancelArgs),
}

/// Show the nodes of workflows and how they depend on each other
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml workflow plan
  oneiric --manifest shop.yaml workflow plan --workflow shop.checkout --json")]
pub(crate) struct PlanArgs {
    /// Only this one, `all` for every; may be repeated
    #[arg(long = "workflow", value_name = "KEY")]
    pub(crate) workflows: Vec<String>,
}

/// Run a workflow, durably
///
/// What has completed is on the disk before anything that depends on it starts, so that an interrupted
/// run goes on with `oneiric run resume`. Ctrl-C suspends the run in an orderly way, a second one
/// exits at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml workflow run shop.checkout
  oneiric --manifest shop.yaml workflow run shop.checkout --context '{\"order\": 7}' --json
  oneiric --manifest shop.yaml workflow run shop.checkout --context @order.json --max-parallel 8
  oneiric --manifest shop.yaml workflow run shop.checkout --detach")]
pub(crate) struct RunArgs {
    /// The workflow
    pub(crate) key: Key,
    /// What its nodes see as `inputs`: a JSON object, `@FILE` or `-` for standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) context: Option<String>,
    /// The most nodes at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_parallel: Option<u32>,
    /// The longest time of the whole run, such as 90 or 1.5
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// The id of the run; a second run of one id is refused
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<RunId>,
    /// The workflow's provider; the best one where it is not said
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<Provider>,
    /// Leave it to a process that serves, and print the id of the run
    #[arg(long)]
    pub(crate) detach: bool,
}

/// Draw a workflow, or a run with the states of its nodes
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml workflow graph shop.checkout
  oneiric --manifest shop.yaml workflow graph shop.checkout --format svg -o checkout.svg
  oneiric workflow graph --run latest --format mermaid")]
pub(crate) struct GraphArgs {
    /// The workflow
    #[arg(required_unless_present = "run")]
    pub(crate) key: Option<Key>,
    /// A run instead: its id, the beginning or the end of it, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with = "key")]
    pub(crate) run: Option<String>,
    /// What is drawn
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "ascii",
        conflicts_with = "json",
        value_parser = ["ascii", "mermaid", "dot", "svg", "json", "yaml", "human"]
    )]
    pub(crate) format: String,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Seconds, more than none and at most a year.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    const LONGEST: f64 = 366.0 * 24.0 * 3600.0;
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 90 or 1.5".to_owned())?;
    if !(seconds > 0.0 && seconds <= LONGEST) {
        return Err("allowed is more than 0 and at most a year of seconds".to_owned());
    }
    // The store keeps milliseconds; less than one would be none.
    Ok(Duration::from_secs_f64(seconds).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_positive_number_of_seconds() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("1e-9"), Ok(Duration::from_millis(1)));
        for bad in ["0", "-1", "NaN", "inf", "1e300", "5s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
