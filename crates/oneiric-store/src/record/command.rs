//! What a person asks of a run that another process may own.
//!
//! A command is a row beside the run. Its owner reads it when the doorbell rings, puts it to the state
//! machine, and removes the row in the batch of the event: it is obeyed exactly once, whoever owns the
//! run by then.

use oneiric_core::{RunId, Timestamp};
use serde::{Deserialize, Serialize};

use super::journal::UnknownNodes;

/// What is asked of a run. Each may be asked twice and is then done once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Command {
    /// Nothing further starts; what runs finishes.
    Pause {
        /// Why, for the record.
        reason: String,
    },
    /// Takes a pause back, and says what becomes of nodes that wait for a person.
    Resume {
        /// What becomes of them.
        unknown: UnknownNodes,
    },
    /// Nothing further starts; what runs is asked to stop.
    Cancel {
        /// Who or why, for the record.
        reason: String,
        /// What runs is dropped at once instead of being asked.
        #[serde(default)]
        hard: bool,
    },
    /// Nodes that wait (for a further try, for a person, for a breaker) are tried at once.
    RetryNow {
        /// Which, by their place in the plan. Empty is all but those whose outcome is unknown: to do
        /// again what may have happened, a node has to be named.
        #[serde(default)]
        nodes: Vec<u32>,
    },
    /// The run may take until then, whatever was asked for.
    Extend {
        /// The new deadline.
        deadline: Timestamp,
    },
}

impl Command {
    /// The deadline of a run that has all the time there is: the last second of the year 9999, which every
    /// format can write.
    pub const NO_DEADLINE: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

    /// The word in JSON and on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Command::Pause { .. } => "pause",
            Command::Resume { .. } => "resume",
            Command::Cancel { .. } => "cancel",
            Command::RetryNow { .. } => "retry_now",
            Command::Extend { .. } => "extend",
        }
    }
}

impl Command {
    /// The word in a sentence: "did not retry it".
    pub const fn verb(&self) -> &'static str {
        match self {
            Command::Pause { .. } => "pause",
            Command::Resume { .. } => "resume",
            Command::Cancel { .. } => "cancel",
            Command::RetryNow { .. } => "retry",
            Command::Extend { .. } => "extend",
        }
    }
}

/// One command on its way to the owner of its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The run.
    pub run: RunId,
    /// Random; commands of one run are obeyed in the order in which they were put.
    pub id: u128,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked, for the record.
    pub actor: Option<String>,
    /// What.
    pub command: Command,
}
