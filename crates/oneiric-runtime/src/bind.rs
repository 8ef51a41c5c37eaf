//! From a candidate to an instance that plays its role.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::manifest::{MAX_PROBLEMS, ParseError};
use oneiric_core::resolver::Query;
use oneiric_core::roles::Task;
use oneiric_core::trust::Allowlist;
use oneiric_core::{
    Blueprint, Component, ComponentRuntime, Descriptor, Domain, Factory, Fault, Instance, Key, Provider,
    Role, Source,
};
use oneiric_dag::{Bound, Limits, Plan, Program};
use tokio::sync::Mutex;

use crate::catalog::{Catalog, Workflow, policy_of};
use crate::error::Error;
use crate::request::RunOptions;

/// What identifies a candidate.
type CandidateId = (Domain, Key, Provider, Source);

/// Builds instances, once per candidate, and stops them in reverse order.
#[derive(Debug)]
pub(crate) struct Binder {
    runtimes: Vec<Arc<dyn ComponentRuntime>>,
    allowlist: Allowlist,
    // Also the order in which they were started. Held while one is built: a candidate is built once.
    instances: Mutex<Vec<(CandidateId, Arc<Descriptor>, Instance)>>,
}

impl Binder {
    pub(crate) fn new(runtimes: Vec<Arc<dyn ComponentRuntime>>, allowlist: Allowlist) -> Self {
        Self { runtimes, allowlist, instances: Mutex::default() }
    }

    /// Plans a workflow and binds its tasks: whatever is missing or not allowed is found here, before
    /// anything runs.
    pub(crate) async fn program(
        &self,
        catalog: &Catalog,
        key: &Key,
        options: &RunOptions,
    ) -> Result<Program, Error> {
        let (_, workflow) = catalog.workflow(key, options.provider.as_ref())?;
        let mut bound = HashMap::new();
        let mut policies = Vec::new();
        for descriptor in tasks(catalog, key, workflow)? {
            let task = &descriptor.key;
            let instance = self.instance(&descriptor).await?;
            let role = instance.role::<dyn Task>().ok_or_else(|| missing_role(&descriptor, &instance))?;
            policies.push(policy_of(&descriptor));
            bound.insert(task.clone(), Bound { task: role, descriptor: Arc::clone(&descriptor) });
        }
        let plan = Plan::new(
            key.clone(),
            Arc::clone(&workflow.graph),
            policies,
            workflow.dag().retry_policy,
            limits(workflow, options),
        );
        Program::bind(Arc::new(plan), |task| {
            Ok(bound.get(task).cloned().expect("every task of the graph was bound above"))
        })
    }

    /// Checks a workflow's tasks without building them.
    pub(crate) fn check(
        &self,
        catalog: &Catalog,
        key: &Key,
        provider: Option<&Provider>,
    ) -> Result<(), Error> {
        let (_, workflow) = catalog.workflow(key, provider)?;
        for descriptor in tasks(catalog, key, workflow)? {
            let blueprint = Blueprint::new(Arc::clone(&descriptor));
            self.runtime(&descriptor)?.check(&blueprint).map_err(|fault| component(&descriptor, fault))?;
        }
        Ok(())
    }

    fn runtime(&self, descriptor: &Descriptor) -> Result<&Arc<dyn ComponentRuntime>, Error> {
        self.allowlist.judge(descriptor).map_err(|reason| Error::NotAllowed {
            domain: descriptor.domain.to_string(),
            key: descriptor.key.clone(),
            reason,
        })?;
        self.runtimes.iter().find(|runtime| runtime.recognises(descriptor)).ok_or_else(|| {
            let names: Vec<_> =
                self.runtimes.iter().map(|runtime| format!("`{}:`", runtime.name())).collect();
            Error::NoRuntime {
                domain: descriptor.domain.to_string(),
                key: descriptor.key.clone(),
                factory: descriptor.factory.to_string(),
                help: format!("factories that are built here: {}", names.join(", ")),
            }
        })
    }

    async fn instance(&self, descriptor: &Arc<Descriptor>) -> Result<Instance, Error> {
        let id = (
            descriptor.domain.clone(),
            descriptor.key.clone(),
            descriptor.provider.clone(),
            descriptor.source.clone(),
        );
        let mut instances = self.instances.lock().await;
        if let Some((.., instance)) =
            instances.iter().find(|(known, built, _)| *known == id && built == descriptor)
        {
            return Ok(instance.clone());
        }
        let runtime = self.runtime(descriptor)?;
        let blueprint = Blueprint::new(Arc::clone(descriptor));
        let instance = runtime.build(&blueprint).await.map_err(|fault| component(descriptor, fault))?;
        instance.component().start().await.map_err(|fault| component(descriptor, fault))?;
        instances.push((id, Arc::clone(descriptor), instance.clone()));
        Ok(instance)
    }

    /// Stops every instance, the last one first.
    pub(crate) async fn stop(&self) {
        let mut instances = self.instances.lock().await;
        while let Some((_, descriptor, instance)) = instances.pop() {
            if let Err(fault) = instance.component().stop().await {
                tracing::warn!(domain = %descriptor.domain, key = %descriptor.key, %fault, "component did not stop cleanly");
            }
        }
    }
}

/// The best candidate of every task of a workflow, in the order of [`oneiric_dag::Graph::tasks`].
fn tasks(catalog: &Catalog, key: &Key, workflow: &Workflow) -> Result<Vec<Arc<Descriptor>>, Error> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for task in workflow.graph.tasks() {
        match catalog.registry().resolve(&Domain::TASK, task, &Query::default()) {
            Ok(candidate) => found.push(Arc::clone(candidate.descriptor())),
            Err(why) => problems.extend(workflow.wrong_task(key, task, &why)),
        }
    }
    if problems.is_empty() {
        return Ok(found);
    }
    problems.sort_by_key(|problem| problem.place.offset);
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    Err(Error::UnknownTask { problems: ParseError { problems, more }, text: workflow.text() })
}

fn limits(workflow: &Workflow, options: &RunOptions) -> Limits {
    let limits = workflow.limits();
    Limits {
        max_parallel: options.max_parallel.unwrap_or(limits.max_parallel),
        timeout: options.timeout().or(limits.timeout),
        ..limits
    }
}

/// What a component's own check or build found: a refusal is a matter of security, the rest of
/// configuration.
fn component(descriptor: &Descriptor, fault: Fault) -> Error {
    let (domain, key) = (descriptor.domain.to_string(), descriptor.key.clone());
    match fault.class {
        oneiric_core::Class::Denied => Error::NotAllowed { domain, key, reason: fault.message },
        _ => Error::Component { domain, key, fault },
    }
}

fn missing_role(descriptor: &Descriptor, instance: &Instance) -> Error {
    let plays: Vec<_> = instance.roles().map(|role| format!("`{role}`")).collect();
    Error::MissingRole {
        domain: descriptor.domain.to_string(),
        key: descriptor.key.clone(),
        role: <dyn Task as Role>::NAME,
        plays: if plays.is_empty() { "none".to_owned() } else { plays.join(", ") },
    }
}

/// The runtime of tasks that the embedding program linked in.
#[derive(Default)]
pub(crate) struct Linked(pub(crate) HashMap<Key, Arc<dyn Task>>);

/// The provider of such tasks.
const LINKED: &str = "linked";

/// Adds the program's own tasks to a catalog, as candidates like any other.
pub(crate) fn register_linked(catalog: &mut Catalog, keys: &[Key]) {
    let provider = Provider::new(LINKED).expect("a literal name is well formed");
    for key in keys {
        // A bare name is what a linked factory is called by (decision 9).
        let factory = Factory::new(key.as_str());
        catalog.register(Descriptor::new(
            Domain::TASK,
            key.clone(),
            provider.clone(),
            factory,
            Source::Manual,
        ));
    }
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Linked").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

struct LinkedTask;

impl Component for LinkedTask {}

#[async_trait]
impl ComponentRuntime for Linked {
    fn name(&self) -> &'static str {
        LINKED
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        matches!(descriptor.source, Source::Manual) && self.0.contains_key(&descriptor.key)
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        let key = &blueprint.descriptor.key;
        if self.0.contains_key(key) {
            Ok(())
        } else {
            Err(Fault::permanent("not-linked", format!("task `{key}` is not linked in")))
        }
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        self.check(blueprint)?;
        let task = Arc::clone(&self.0[&blueprint.descriptor.key]);
        Ok(Instance::new(Arc::new(LinkedTask)).plays::<dyn Task>(task))
    }
}
