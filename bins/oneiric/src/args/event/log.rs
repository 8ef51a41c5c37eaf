//! The log of events: looking at it, and playing it once more.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use oneiric_core::Timestamp;
use oneiric_runtime::{MAX_RATE, Pattern};
use oneiric_store::DeliveryStatus;

/// What an event may be called.
const EVENT_HELP: &str = "The event: its id, the beginning or the end of it, `#` and its place in the log, or \
                          `latest`";

/// A point in time: `2026-03-01T18:00:00Z`, or a time back from now, such as `90s`, `10m` or `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Then.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl When {
    /// The point in time, as seen from `now`.
    pub(crate) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(at) => at,
            When::Ago(ago) => {
                let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(now.as_micros().saturating_sub(ago))
            }
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    let wrong =
        || "write a time such as 2026-03-01T18:00:00Z, or how long ago: 90s, 10m, 1h30m, 7d".to_owned();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(When::At(Timestamp::from_micros(at.as_microsecond())));
    }
    // A day has as many hours as any other, where it is only said how long ago.
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(When::Ago(Duration::from_secs(u64::from(days) * 24 * 3600)));
    }
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map(When::Ago).map_err(|_| wrong())
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let allowed = || format!("allowed are 1 to {MAX_RATE} events per second");
    let rate: NonZeroU32 = text.parse().map_err(|_| allowed())?;
    if rate.get() <= MAX_RATE { Ok(rate) } else { Err(allowed()) }
}

/// List accepted events, the newest first, with what became of them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric event list
  oneiric event list --topic 'order.*' --since 1h
  oneiric event list --status dead --handler shop.mail --json")]
pub(crate) struct ListArgs {
    /// Only of this topic; may be repeated and have wildcards: order.*, order.>, #.paid, /regex/
    #[arg(long = "topic", value_name = "PATTERN")]
    pub(crate) topics: Vec<Pattern>,
    /// Only accepted at this time (RFC 3339) or later; or how long ago at most: 10m, 7d
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub(crate) since: Option<When>,
    /// Only accepted before this time, or longer ago
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub(crate) until: Option<When>,
    /// Only with a delivery in this status; may be repeated: held, pending, running, done, dead, skipped,
    /// expired
    #[arg(long = "status", value_name = "STATUS")]
    pub(crate) statuses: Vec<DeliveryStatus>,
    /// Only with a delivery to this handler: its key, or key:provider
    #[arg(long, value_name = "NAME")]
    pub(crate) handler: Option<String>,
    /// The most events to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Only before this place in the log: the last of the page before
    #[arg(long, value_name = "PLACE")]
    pub(crate) before: Option<u64>,
}

/// Show an event, and where its deliveries stand
///
/// Of each that has not arrived it says what it waits for, and what would change that.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric event show latest
  oneiric event show order-7
  oneiric event show '#42' --json | jq .deliveries")]
pub(crate) struct ShowArgs {
    #[arg(value_name = "EVENT", help = EVENT_HELP)]
    pub(crate) event: String,
}

/// Print the newest events, the oldest of them first, and follow what comes
///
/// With `--json` every event is a line. Ctrl-C ends the following; the log may also begin while it is
/// followed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric event tail
  oneiric event tail --follow --topic 'order.>'
  oneiric event tail --since 1h --json | jq -c .payload")]
pub(crate) struct TailArgs {
    /// Go on with what is accepted from now on
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only of this topic; may be repeated and have wildcards: order.*, order.>, #.paid, /regex/
    #[arg(long = "topic", value_name = "PATTERN")]
    pub(crate) topics: Vec<Pattern>,
    /// Everything that was accepted at this time (RFC 3339) or later; or how long ago at most: 10m, 7d
    #[arg(long, value_name = "WHEN", value_parser = when, conflicts_with = "lines")]
    pub(crate) since: Option<When>,
    /// How many events to begin with
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) lines: u32,
}

/// How a replay goes on.
#[derive(Debug, Args)]
pub(crate) struct Pace {
    /// The most events per second; as fast as possible where it is not said
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<NonZeroU32>,
    /// Only say what would happen
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave the deliveries to a process that serves instead of carrying them out here
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) detach: bool,
}

/// Bring events of the log to handlers that did not get them
///
/// Each selected event gets the deliveries that it should have by the manifests of now, and does not have: to
/// a handler that was added since, say. What is there already is left alone, so that repeating a replay changes
/// nothing. With `--again` handlers that are done with an event, well or not, get it once more.
///
/// The oldest events go first. Ctrl-C ends it between two events; going on later loses and doubles nothing.
/// Exits with 1 where a handler failed.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true).multiple(true).args(["ids", "topics", "since", "until", "handlers", "all"])),
    after_help = "Examples:
  oneiric --manifest shop.yaml event replay --since 1d
  oneiric --manifest shop.yaml event replay --topic 'order.*' --handler shop.mail --rate 50
  oneiric --manifest shop.yaml event replay order-7 --again
  oneiric --manifest shop.yaml event replay --all --triggers --dry-run"
)]
pub(crate) struct ReplayArgs {
    #[arg(value_name = "EVENT", help = EVENT_HELP)]
    pub(crate) ids: Vec<String>,
    /// Only of this topic; may be repeated and have wildcards: order.*, order.>, #.paid, /regex/
    #[arg(long = "topic", value_name = "PATTERN")]
    pub(crate) topics: Vec<Pattern>,
    /// Only accepted at this time (RFC 3339) or later; or how long ago at most: 10m, 7d
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub(crate) since: Option<When>,
    /// Only accepted before this time, or longer ago
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub(crate) until: Option<When>,
    /// Only to this handler, its key or key:provider; may be repeated
    ///
    /// A handler that is named gets events that were not promised to it, too.
    #[arg(long = "handler", value_name = "NAME")]
    pub(crate) handlers: Vec<String>,
    /// The whole log
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Also to handlers that are done with the event
    #[arg(long)]
    pub(crate) again: bool,
    /// Also start the workflows that an event should have started and did not
    #[arg(long)]
    pub(crate) triggers: bool,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

/// List deliveries that have failed for good, and play or give them up
///
/// A dead letter stays until it is played again with success, given up, or as old as events are kept.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  oneiric event dead-letters
  oneiric event dead-letters --handler shop.mail --json
  oneiric --manifest shop.yaml event dead-letters replay --all
  oneiric event dead-letters drop order-7"
)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DeadLettersCommand>,
    #[command(flatten)]
    pub(crate) list: DeadListArgs,
}

/// Which dead letters are listed.
#[derive(Debug, Args)]
pub(crate) struct DeadListArgs {
    /// Only of this handler: its key, or key:provider
    #[arg(long, value_name = "NAME")]
    pub(crate) handler: Option<String>,
    /// Only of events of this topic; may be repeated and have wildcards: order.*, order.>, #.paid, /regex/
    #[arg(long = "topic", value_name = "PATTERN")]
    pub(crate) topics: Vec<Pattern>,
    /// The most events to look at
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Only of events before this place in the log: the last of the page before
    #[arg(long, value_name = "PLACE")]
    pub(crate) before: Option<u64>,
}

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    Replay(DeadReplayArgs),
    Drop(DeadDropArgs),
}

/// Which dead letters are meant.
#[derive(Debug, Args)]
#[group(id = "letters", required = true, multiple = true)]
pub(crate) struct DeadSelection {
    #[arg(value_name = "EVENT", help = EVENT_HELP)]
    pub(crate) ids: Vec<String>,
    /// Every dead letter
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Only of this handler: its key, or key:provider
    #[arg(long, value_name = "NAME")]
    pub(crate) handler: Option<String>,
    /// Only of events of this topic; may be repeated and have wildcards: order.*, order.>, #.paid, /regex/
    #[arg(long = "topic", value_name = "PATTERN")]
    pub(crate) topics: Vec<Pattern>,
}

/// Try dead letters again
///
/// They are tried as new ones are, with all the tries that their handler has. Without `--manifest` that is left
/// to a process that serves.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric --manifest shop.yaml event dead-letters replay --all
  oneiric --manifest shop.yaml event dead-letters replay --handler shop.mail --rate 5
  oneiric event dead-letters replay order-7 --detach")]
pub(crate) struct DeadReplayArgs {
    #[command(flatten)]
    pub(crate) of: DeadSelection,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

/// Give dead letters up
///
/// They are not tried again and are not listed any more; their events stay. Those that are not named one by one
/// are given up with `--yes`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric event dead-letters drop order-7
  oneiric event dead-letters drop order-7 --handler shop.mail
  oneiric event dead-letters drop --handler shop.mail --yes")]
pub(crate) struct DeadDropArgs {
    #[command(flatten)]
    pub(crate) of: DeadSelection,
    /// Also where they are not named one by one
    #[arg(long)]
    pub(crate) yes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_point_or_so_long_ago() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let check = |text: &str, expected: i64| {
            assert_eq!(when(text).map(|when| when.seen_from(at(1_000_000))), Ok(at(expected)), "{text}");
        };
        check("1970-01-01T00:00:07Z", 7);
        check("90s", 999_910);
        check("1h30m", 994_600);
        check("2d", 827_200);
        check("0s", 1_000_000);
        for bad in ["yesterday", "-5m", "10", "", "5 fortnights", "2026-13-01T00:00:00Z"] {
            assert!(when(bad).unwrap_err().starts_with("write a time such as "), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_bounded() {
        assert_eq!(rate("50").map(NonZeroU32::get), Ok(50));
        for bad in ["0", "-1", "1.5", "100001", "fast"] {
            assert_eq!(rate(bad), Err("allowed are 1 to 100000 events per second".to_owned()), "{bad}");
        }
    }
}
