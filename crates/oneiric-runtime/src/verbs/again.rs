//! Runs that repeat another one: what it did is kept where it still counts.

use std::collections::{HashMap, HashSet};

use oneiric_core::nearest::nearest;
use oneiric_core::{Digest, NodeId, Payload, RunId};
use oneiric_dag::{Launch, OutputError, Plan, RunHandle};
use oneiric_store::{
    Batch, Checkpoint, NodeRecord, NodeStatus, Require, RunRecord, RunState, RunStatus, SkipReason,
};

use crate::error::Error;
use crate::oneiric::Oneiric;
use crate::request::PROGRAM;

/// What a new run takes over from the run that it repeats. A node is kept where its input is the same, too:
/// then its output is there at once, and it is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: everything is run again.
    Nothing,
    /// Everything but these nodes and what comes behind them.
    Before(Vec<NodeId>),
    /// Everything but what did not complete and what comes behind it.
    Completed,
    /// Whatever has the same input.
    SameInput,
}

/// A wish to repeat a run, in a new one: terminal states never change.
#[derive(Debug, Clone)]
pub struct Again {
    /// What is not run again.
    pub kept: Kept,
    /// Another context for the new run; the same where there is none.
    pub input: Option<Payload>,
    /// The id of the new run; made where there is none.
    pub id: Option<RunId>,
    /// Who asks, for the record.
    pub actor: Option<String>,
    /// What causes it, for the record.
    pub trigger: String,
}

impl Again {
    /// With the same context.
    pub fn new(kept: Kept) -> Self {
        Self { kept, input: None, id: None, actor: None, trigger: PROGRAM.to_owned() }
    }
}

impl Oneiric {
    /// Repeats a run, from its own manifests: the new run has it as its parent. When this returns, the new run
    /// with all that it keeps is durable and under way.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::UnderWay`] where it has not ended and is not paused, [`Error::Output`]
    /// where it has no such node, and what running meets; then there is no new run.
    pub async fn again(&self, run: RunId, again: Again) -> Result<RunHandle, Error> {
        let (record, carried) = self.repeated(run, again).await?;
        let program = self.program_of(&record).await?;
        let with = Batch::default().require(Require::BlobPresent(record.bundle));
        self.launch(Launch { program, record, with, carried }).await
    }

    /// The same, left to a process that serves; see [`Oneiric::submit`].
    ///
    /// # Errors
    /// As [`Oneiric::again`], as far as it can be known before anything is brought up.
    pub async fn submit_again(&self, run: RunId, again: Again) -> Result<RunId, Error> {
        let (record, carried) = self.repeated(run, again).await?;
        let with = Batch::default().require(Require::BlobPresent(record.bundle));
        self.put_pending(record, with, carried).await
    }

    /// The row of the new run, and what it begins with.
    async fn repeated(&self, run: RunId, again: Again) -> Result<(RunRecord, Vec<Checkpoint>), Error> {
        let old = self.row(run).await?;
        let status = old.state.status;
        if matches!(status, RunStatus::Pending | RunStatus::Running) {
            return Err(Error::UnderWay { run, status });
        }
        let plan = self.plan_of(&old).await?;
        let rows = self.store().nodes(run).await?;
        let kept = kept(&plan, run, &rows, &again.kept)?;
        let mut carried = Vec::new();
        if !kept.is_empty() {
            let checkpoints = self.store().checkpoints(run).await?;
            carried.extend(checkpoints.into_iter().filter(|c| kept.get(&c.node) == Some(&c.input_hash)));
        }
        let record = RunRecord {
            id: again.id.unwrap_or_else(|| self.new_id()),
            input: again.input.unwrap_or_else(|| old.input.clone()),
            actor: again.actor,
            trigger: again.trigger,
            parent: Some(run),
            // What the old one had to be done by says nothing about the new one.
            deadline: None,
            created_at: self.0.executor.parts().clock.now(),
            state: RunState::PENDING,
            ..old
        };
        Ok((record, carried))
    }
}

/// The nodes whose output is taken over, with the input that it belongs to.
fn kept(plan: &Plan, run: RunId, rows: &[NodeRecord], wanted: &Kept) -> Result<HashMap<u32, Digest>, Error> {
    let again: Vec<u32> = match wanted {
        Kept::Nothing => return Ok(HashMap::new()),
        Kept::SameInput => Vec::new(),
        Kept::Before(nodes) => nodes.iter().map(|node| place(plan, run, node)).collect::<Result<_, _>>()?,
        Kept::Completed => rows.iter().filter(|row| !went_well(row)).map(|row| row.node).collect(),
    };
    let again = and_behind(plan, again);
    let rows = rows.iter().filter(|row| row.status == NodeStatus::Completed && !again.contains(&row.node));
    Ok(rows.filter_map(|row| Some((row.node, row.input_hash?))).collect())
}

fn went_well(row: &NodeRecord) -> bool {
    match row.status {
        NodeStatus::Completed => true,
        NodeStatus::Skipped => row.skip == Some(SkipReason::Condition),
        NodeStatus::Pending
        | NodeStatus::Running
        | NodeStatus::Waiting
        | NodeStatus::Failed
        | NodeStatus::Cancelled
        | NodeStatus::Unknown
        | NodeStatus::Held
        | NodeStatus::Parked => false,
    }
}

/// Those places, and every one that comes behind.
fn and_behind(plan: &Plan, mut open: Vec<u32>) -> HashSet<u32> {
    let mut found = HashSet::new();
    while let Some(place) = open.pop() {
        if found.insert(place) {
            open.extend(plan.graph().successors(place));
        }
    }
    found
}

/// The place of a node that a person named.
///
/// # Errors
/// [`Error::Output`] where the run has no such node, with the nearest that it has.
pub fn place(plan: &Plan, run: RunId, node: &NodeId) -> Result<u32, Error> {
    plan.place(node.as_str()).ok_or_else(|| {
        let near = nearest(node.as_str(), plan.graph().nodes().iter().map(|known| known.id.as_str()));
        let near = near.and_then(|near| NodeId::new(near).ok());
        Error::Output(OutputError::Unknown { run, node: node.to_string(), near })
    })
}
