//! Runs: what happened, and going on.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use oneiric_core::{Key, NodeId, Timestamp};
use oneiric_store::{RunStatus, UnknownNodes};

/// What a run may be called.
const RUN_HELP: &str = "The run: its id, the beginning or the end of it, or `latest`";

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    List(ListArgs),
    Show(ShowArgs),
    Explain(ExplainArgs),
    Watch(WatchArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Cancel(CancelArgs),
    RetryNow(RetryNowArgs),
    Extend(ExtendArgs),
    Rerun(RerunArgs),
    Fork(ForkArgs),
}

/// How long a live process is given to do what is asked of its run.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// How long the process that has the run may take, in seconds
    ///
    /// What it has not done by then is not forgotten: it is done as soon as somebody can.
    #[arg(long = "timeout", value_name = "SECONDS", default_value = "5", value_parser = super::workflow::seconds)]
    pub(crate) timeout: Duration,
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

/// Go on with a run that was interrupted or is paused, or take a pause back
///
/// Needs no manifest: a run keeps the ones it was planned from. What had completed is not run again. A run
/// that nobody has goes on here; one that a live process has goes on there.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true).args(["run", "all"])),
    after_help = "Examples:
  oneiric run resume latest
  oneiric run resume 1c0ffee5 --unknown retry
  oneiric run resume 1c0ffee5 --detach
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
    /// Leave it to a process that serves instead of going on here
    #[arg(long, conflicts_with = "all")]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
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

/// Cancel a run, whichever process has it
///
/// Nothing further of it starts, and what runs is asked to stop. Cancelling it once more drops what still runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run cancel latest
  oneiric run cancel 1c0ffee5 --reason 'ordered twice'
  oneiric run cancel 1c0ffee5 --now")]
pub(crate) struct CancelArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// Drop what runs instead of asking it to stop
    #[arg(long)]
    pub(crate) now: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "cancelled on the command line")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Pause a run: what runs finishes, nothing further starts
///
/// It goes on with `oneiric run resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run pause latest
  oneiric run pause 1c0ffee5 --reason 'the warehouse is closed'")]
pub(crate) struct PauseArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "paused on the command line")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Try nodes at once that wait: for their next try, for a breaker, for a person
///
/// Without `--node` that is all of them but those whose outcome is unknown: what may have happened is
/// done again only where it is named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run retry-now latest
  oneiric run retry-now 1c0ffee5 --node charge --node ship")]
pub(crate) struct RetryNowArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// Only this node; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<NodeId>,
    /// Leave a run that nobody has to a process that serves instead of going on here
    #[arg(long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Give a run another deadline
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("deadline").required(true).args(["by", "until", "none"])),
    after_help = "Examples:
  oneiric run extend latest --by 10m
  oneiric run extend 1c0ffee5 --until 2026-03-01T18:00:00Z
  oneiric run extend 1c0ffee5 --none"
)]
pub(crate) struct ExtendArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// So much longer than it may take now, such as 90s, 10m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) by: Option<Duration>,
    /// Until this time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = instant)]
    pub(crate) until: Option<Timestamp>,
    /// As long as it takes
    #[arg(long)]
    pub(crate) none: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Repeat a run as a new one, or the part of it that did not go well
///
/// The old run stays as it is. What the new one keeps of it is not run again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run rerun latest --failed
  oneiric run rerun 1c0ffee5 --from charge
  oneiric run rerun 1c0ffee5 --detach")]
pub(crate) struct RerunArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// Only this node and what comes behind it; may be repeated
    #[arg(long, value_name = "NODE", conflicts_with = "failed")]
    pub(crate) from: Vec<NodeId>,
    /// Only what did not complete and what comes behind it
    #[arg(long)]
    pub(crate) failed: bool,
    /// Leave it to a process that serves, and print the id of the new run
    #[arg(long)]
    pub(crate) detach: bool,
}

/// Repeat a run as a new one with another context
///
/// A node whose input is the same as before is not run again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run fork latest --context '{\"order\": 8}'
  oneiric run fork 1c0ffee5 --context @order.json --detach")]
pub(crate) struct ForkArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
    /// What its nodes see as `inputs`: a JSON object, `@FILE` or `-` for standard input; the same where it
    /// is not said
    #[arg(long, visible_alias = "input", value_name = "JSON")]
    pub(crate) context: Option<String>,
    /// Leave it to a process that serves, and print the id of the new run
    #[arg(long)]
    pub(crate) detach: bool,
}

/// Say why a run stands where it stands, and what would change that
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run explain latest
  oneiric run explain 1c0ffee5 --json | jq .reasons")]
pub(crate) struct ExplainArgs {
    #[arg(value_name = "RUN", help = RUN_HELP)]
    pub(crate) run: String,
}

/// Follow a run of any process until it ends
///
/// Ends as the run does; Ctrl-C ends only the watching. With `--json` every event is a line.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric run watch
  oneiric run watch 1c0ffee5 --json")]
pub(crate) struct WatchArgs {
    #[arg(value_name = "RUN", default_value = "latest", help = RUN_HELP)]
    pub(crate) run: String,
}

/// A time such as `90s`, `10m` or `1h30m`: more than none and at most a year.
fn span(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| "write a time such as 90s, 10m or 1h30m".to_owned())?;
    match Duration::try_from(span) {
        Ok(span) if !span.is_zero() && span <= LONGEST => Ok(span),
        _ => Err("allowed is more than nothing and at most a year".to_owned()),
    }
}

/// A point in time in RFC 3339.
fn instant(text: &str) -> Result<Timestamp, String> {
    let at: jiff::Timestamp =
        text.parse().map_err(|_| "write a time such as 2026-03-01T18:00:00Z".to_owned())?;
    Ok(Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["0s", "-5m", "10", "soon", "400d", "9000h", ""] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert_eq!(instant("1970-01-01T00:00:01Z"), Ok(Timestamp::from_micros(1_000_000)));
        assert_eq!(instant("1970-01-01T01:00:01+01:00"), Ok(Timestamp::from_micros(1_000_000)));
        assert!(instant("tomorrow").is_err());
    }
}
