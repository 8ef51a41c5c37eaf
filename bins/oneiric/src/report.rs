//! What a run did: for people as a table, for programs in upstream's shape.

mod human;
mod json;

use std::time::Duration;

use oneiric_core::{Key, RunId, Timestamp};
use oneiric_dag::{NodeProgress, NodeReport, RunReport};
use oneiric_store::{NodeStatus, RunRecord, RunStatus};

use crate::live::Tails;
use crate::output::palette::{Tone, run_tone};

/// What a run did.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// The workflow.
    pub(crate) workflow: &'a Key,
    /// What its nodes did.
    pub(crate) run: RunReport,
    /// Where it stands, in a word that may say more than the status.
    pub(crate) standing: Standing,
    /// The run's row, where it was read.
    pub(crate) record: Option<&'a RunRecord>,
    /// The run that it repeats.
    pub(crate) parent: Option<RunId>,
    /// The last lines of nodes that failed.
    pub(crate) tails: &'a Tails,
    /// How far the nodes are that are under way.
    pub(crate) progress: Vec<NodeProgress>,
    /// The command that shows it again.
    pub(crate) again: String,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As its status says.
    At(RunStatus),
    /// It was let go of in an orderly way, and can be resumed.
    Suspended,
    /// The process that worked on it is dead, and it can be resumed.
    Interrupted,
    /// This process lost it.
    Lost,
}

impl Standing {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Standing::At(status) => status.name(),
            Standing::Suspended => "suspended",
            Standing::Interrupted => "interrupted",
            Standing::Lost => "lost",
        }
    }

    /// Its tone.
    pub(crate) fn tone(self) -> Tone {
        match self {
            Standing::At(status) => run_tone(status),
            Standing::Suspended | Standing::Interrupted => Tone::Odd,
            Standing::Lost => Tone::Bad,
        }
    }
}

/// How many nodes stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts([usize; NodeStatus::ALL.len()]);

impl Counts {
    fn of(report: &RunReport) -> Self {
        let mut counts = Self::default();
        report.nodes.iter().for_each(|node| counts.0[node.status as usize] += 1);
        counts
    }

    /// `12 ok, 1 skipped`; the word of each state as it is said of a count.
    fn words(self) -> String {
        const WORDS: [(NodeStatus, &str); NodeStatus::ALL.len()] = [
            (NodeStatus::Completed, "ok"),
            (NodeStatus::Failed, "failed"),
            (NodeStatus::Unknown, "unknown"),
            (NodeStatus::Parked, "parked"),
            (NodeStatus::Cancelled, "stopped"),
            (NodeStatus::Skipped, "skipped"),
            (NodeStatus::Running, "running"),
            (NodeStatus::Waiting, "waiting"),
            (NodeStatus::Held, "held"),
            (NodeStatus::Pending, "not reached"),
        ];
        let some = WORDS.iter().filter(|(status, _)| self.0[*status as usize] > 0);
        let words: Vec<_> =
            some.map(|(status, word)| format!("{} {word}", self.0[*status as usize])).collect();
        if words.is_empty() { "no nodes".to_owned() } else { words.join(", ") }
    }
}

impl Report<'_> {
    /// How far a node is; only of the try that its row speaks of.
    fn progress_of(&self, node: &NodeReport) -> Option<&NodeProgress> {
        let running = node.status == NodeStatus::Running;
        let same = |said: &&NodeProgress| said.node == node.id && said.attempt == node.attempts;
        self.progress.iter().find(same).filter(|_| running)
    }

    /// The run.
    pub(crate) fn id(&self) -> RunId {
        self.run.run
    }

    /// From its beginning to its end.
    fn took(&self) -> Option<Duration> {
        Some(self.run.ended_at?.since(self.run.started_at?))
    }

    /// Why it stands where it stands, in a sentence: the node that failed first, else the run's own
    /// fault.
    pub(crate) fn why(&self) -> Option<String> {
        let bad = |node: &&NodeReport| {
            matches!(node.status, NodeStatus::Failed | NodeStatus::Unknown | NodeStatus::Parked)
        };
        let first = self.run.nodes.iter().filter(bad).min_by_key(|node| node.ended_at);
        let others = self.run.nodes.iter().filter(bad).count().saturating_sub(1);
        let more = if others > 0 { format!(" (and {others} more)") } else { String::new() };
        match (first, &self.run.fault) {
            (Some(node), _) => {
                let fault =
                    node.fault.as_ref().map_or("its outcome is not known", |fault| fault.message.as_str());
                Some(format!("node `{}`{more}: {fault}", node.id))
            }
            (None, Some(fault)) => Some(fault.message.clone()),
            (None, None) => None,
        }
    }
}

/// The statuses that nodes had before `since`, when this process began with the run.
pub(crate) fn before(report: &RunReport, since: Timestamp) -> Vec<NodeStatus> {
    let over = |node: &&NodeReport| node.status.is_terminal() && node.ended_at.is_none_or(|at| at < since);
    report.nodes.iter().filter(over).map(|node| node.status).collect()
}
