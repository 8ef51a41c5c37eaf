//! From a workflow to a program: every task of the graph as a handle that follows hot swaps.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use oneiric_core::lifecycle::{Handle, Lifecycle, LifecycleError};
use oneiric_core::manifest::{MAX_PROBLEMS, ParseError};
use oneiric_core::resolver::{Query, Registry, ResolveError};
use oneiric_core::roles::Task;
use oneiric_core::{Candidate, Descriptor, Domain, Key, Provider};
use oneiric_dag::{Bound, Hook, Plan, Program};

use crate::catalog::{Catalog, Workflow, policy_of};
use crate::error::Error;
use crate::request::RunOptions;

/// Components that come up at a time: enough to hide the start of interpreters behind each other, few
/// enough for a small machine.
const COMING_UP: usize = 16;

/// Plans a workflow and binds its tasks: whatever is missing or not allowed is found here, before
/// anything runs.
pub(crate) async fn program(
    lifecycle: &Lifecycle,
    catalog: &Catalog,
    key: &Key,
    options: &RunOptions,
) -> Result<Program, Error> {
    let (_, workflow) = catalog.workflow(key, options.provider.as_ref())?;
    let Tasks { tasks, hooks } = tasks(lifecycle, catalog, key, workflow)?;
    let all: Vec<_> = tasks.iter().chain(&hooks).cloned().collect();
    let coming = all.into_iter().map(|descriptor| handle(lifecycle, descriptor));
    let handles: Vec<_> = stream::iter(coming).buffered(COMING_UP).try_collect().await?;
    let policy = |(descriptor, task): (&Arc<Descriptor>, &Handle<dyn Task>)| {
        let mut policy = policy_of(descriptor);
        if policy.reconcile.is_none() && task.reconciles() {
            policy.reconcile = Some(Hook::Own);
        }
        policy
    };
    let policies = tasks.iter().zip(&handles).map(policy).collect();
    let bound: HashMap<_, _> = tasks
        .into_iter()
        .chain(hooks)
        .zip(handles)
        .map(|(descriptor, task)| (descriptor.key.clone(), Bound { task: Arc::new(task), descriptor }))
        .collect();
    let plan = Plan::new(
        key.clone(),
        Arc::clone(&workflow.graph),
        policies,
        workflow.dag().retry_policy,
        catalog.bounds(workflow, options),
    );
    Program::bind(Arc::new(plan), |task| {
        Ok(bound.get(task).cloned().expect("every task of the graph, and every hook, was bound above"))
    })
}

/// Checks a workflow's tasks without building them.
pub(crate) fn check(
    lifecycle: &Lifecycle,
    catalog: &Catalog,
    key: &Key,
    provider: Option<&Provider>,
) -> Result<(), Error> {
    let (_, workflow) = catalog.workflow(key, provider)?;
    let Tasks { tasks, hooks } = tasks(lifecycle, catalog, key, workflow)?;
    for descriptor in tasks.iter().chain(&hooks) {
        lifecycle.check(descriptor)?;
    }
    Ok(())
}

/// What everybody means by the key where that is this candidate, so that the run follows swaps;
/// otherwise exactly this candidate: a resumed run keeps to the manifests that it was planned from.
async fn handle(
    lifecycle: &Lifecycle,
    descriptor: Arc<Descriptor>,
) -> Result<Handle<dyn Task>, LifecycleError> {
    let (domain, key) = (&descriptor.domain, &descriptor.key);
    let registry = lifecycle.registry();
    match registry.resolve(domain, key, &Query::default()) {
        Ok(found) if *found.descriptor() == descriptor => {
            lifecycle.handle(domain, key, &Query::default()).await
        }
        _ => lifecycle.handle_of(&descriptor).await,
    }
}

/// The candidates of a workflow.
struct Tasks {
    /// Of every task, in the order of [`oneiric_dag::Graph::tasks`].
    tasks: Vec<Arc<Descriptor>>,
    /// Of those that find out what became of others, each once, by key.
    hooks: Vec<Arc<Descriptor>>,
}

/// Finds every candidate of a workflow.
fn tasks(lifecycle: &Lifecycle, catalog: &Catalog, key: &Key, workflow: &Workflow) -> Result<Tasks, Error> {
    let live = lifecycle.registry();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for task in workflow.graph.tasks() {
        match candidate(&live, catalog.registry(), task) {
            Ok(descriptor) => found.push(Arc::clone(descriptor)),
            Err(why) => problems.extend(workflow.wrong_task(key, task, &why)),
        }
    }
    let of_nodes = workflow.dag().nodes.iter().filter_map(|node| node.reconcile.clone());
    let of_tasks = found.iter().filter_map(|task| task.reconcile.clone());
    let wanted: BTreeSet<Key> = of_nodes.chain(of_tasks).collect();
    let mut hooks = Vec::new();
    for hook in &wanted {
        match candidate(&live, catalog.registry(), hook) {
            Ok(descriptor) => hooks.push(Arc::clone(descriptor)),
            Err(why) => problems.extend(workflow.wrong_hook(key, hook, &found, &why)),
        }
    }
    if problems.is_empty() {
        return Ok(Tasks { tasks: found, hooks });
    }
    problems.sort_by_key(|problem| problem.place.offset);
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    Err(Error::UnknownTask { problems: ParseError { problems, more }, text: workflow.text() })
}

/// What the key means to everybody now, selections and swaps included, where the manifests of the run
/// know that candidate; otherwise the best that they know.
fn candidate<'a>(
    live: &'a Registry,
    own: &'a Registry,
    task: &Key,
) -> Result<&'a Arc<Descriptor>, ResolveError> {
    let known = own.candidates(&Domain::TASK, task);
    match live.resolve(&Domain::TASK, task, &Query::default()) {
        Ok(now) if known.iter().any(|one| one.descriptor() == now.descriptor()) => Ok(now.descriptor()),
        _ => own.resolve(&Domain::TASK, task, &Query::default()).map(Candidate::descriptor),
    }
}
