//! The long-lived process.

use std::time::Duration;

use clap::Args;

use super::workflow::seconds;

/// Work on runs until told to stop
///
/// Takes over what dead and stopped processes left and every run that waits for somebody, goes on with it,
/// and then waits for more without looking all the time. Needs no manifest: a run keeps the ones it was
/// planned from. Any number of these processes may share a state folder on one host; a run belongs to one of
/// them at a time, and who was overtaken can write nothing of it any more.
///
/// SIGHUP makes it read its manifests again: from one moment on, events meet the handlers of the new ones and new
/// runs go by their workflows; a file that is wrong changes nothing and is told in the log.
///
/// SIGTERM and Ctrl-C stop it in an orderly way: nothing further starts, what runs has the time of `--grace`
/// to end, and whatever had not ended goes on in the next process. A second signal leaves at once. Logs one
/// JSON object per line on standard output, from `info` on where nobody says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  oneiric orchestrate
  oneiric --state-dir /var/lib/oneiric orchestrate --grace 30
  oneiric orchestrate | jq -c 'select(.level == \"ERROR\")'")]
pub(crate) struct OrchestrateArgs {
    /// How long what runs may take to end once the process is asked to stop
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) grace: Duration,
}
