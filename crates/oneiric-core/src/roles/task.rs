//! A unit of work that a node names.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Pulse, Reconciled};
use crate::{Digest, Domain, Fault, Key, NodeId, Payload, Role, RunId};

/// Which of its two streams a task wrote a line to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What a process wrote to its standard output beside its result.
    Stdout,
    /// What a process wrote to its standard error.
    Stderr,
}

/// Where the lines go that a task writes while it runs.
pub trait LogSink: Send + Sync + std::fmt::Debug {
    /// Takes one line without its line feed. Must not block.
    fn line(&self, cx: &TaskContext<'_>, stream: Stream, line: &str);
}

/// What a task is told about the call that it serves.
#[derive(Debug, Clone)]
pub struct TaskContext<'a> {
    /// The run.
    pub run: RunId,
    /// The key of the workflow.
    pub workflow: &'a Key,
    /// The node.
    pub node: &'a NodeId,
    /// This try, counted from 1; tries that a crash cut short count too.
    pub attempt: u32,
    /// The input: the node's payload, or the run's context where it has none.
    pub input: Payload,
    /// The fingerprint of `input`; part of the idempotency key.
    pub input_hash: Digest,
    /// Cancelled when the run is; a task that can stop in an orderly way watches it.
    pub cancel: &'a CancellationToken,
    /// How long a cancelled task may take to stop before it is dropped.
    pub grace: Duration,
    /// Where lines go.
    pub log: &'a Arc<dyn LogSink>,
    /// By which it says that it is alive, and how far it is. A task with a `heartbeat_timeout` that is silent
    /// for longer is dropped; one without may say so all the same, for those who look.
    pub pulse: &'a Pulse,
}

impl TaskContext<'_> {
    /// The same for every try of this node on this input in this run, also after a crash: what the
    /// outside world can tell repeats by. Example: `0190…7f.charge.9c1e2b44a0d31e57`.
    pub fn idempotency_key(&self) -> String {
        let hash = self.input_hash.to_string();
        format!("{}.{}.{}", self.run, self.node, &hash[..16])
    }
}

/// A unit of work.
#[async_trait]
pub trait Task: Send + Sync {
    /// Does the work and returns its output.
    ///
    /// May be called again with the same [`TaskContext::idempotency_key`] after a crash. Dropping the
    /// future must stop the work as far as that is possible: it is what a timeout does.
    ///
    /// # Errors
    /// A [`Fault`] whose class says whether the node may be tried again.
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault>;

    /// Whether it can find out what became of a try. [`Task::reconcile`] is asked of such a task only, before
    /// a run pauses because nobody knows whether an effect has happened.
    fn reconciles(&self) -> bool {
        false
    }

    /// Finds out whether the effect of an earlier try of this very call has happened: `cx` is what that try
    /// was given, its [`TaskContext::idempotency_key`] included. Looks, and changes nothing. May be asked
    /// again; dropping the future gives up the question.
    ///
    /// # Errors
    /// A [`Fault`] where it cannot be found out now; a transient one is asked again, a few times.
    async fn reconcile(&self, cx: TaskContext<'_>) -> Result<Reconciled, Fault> {
        let _ = cx;
        Ok(Reconciled::Unknown)
    }
}

#[async_trait]
impl<T: ?Sized + Task> Task for Arc<T> {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.as_ref().run(cx).await
    }

    fn reconciles(&self) -> bool {
        self.as_ref().reconciles()
    }

    async fn reconcile(&self, cx: TaskContext<'_>) -> Result<Reconciled, Fault> {
        self.as_ref().reconcile(cx).await
    }
}

impl Role for dyn Task {
    const NAME: &'static str = "task";
    const DOMAIN: Domain = Domain::TASK;
}
