//! What manifests say: candidates and checked graphs, without a store or a process.

mod services;
mod triggers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::breaker;
use oneiric_core::manifest::{self, Dag, Manifest, ParseError, Place, Position, Problem};
use oneiric_core::resolver::{Query, Registry, ResolveError};
use oneiric_core::settings::Settings;
use oneiric_core::{Descriptor, Domain, Key, Provider, Source};
use oneiric_dag::graph::{Draft, DraftNode, Policy};
use oneiric_dag::{Graph, GraphError, Hook, Limits, Plan};
use oneiric_events::{Defaults, Subscription};

use crate::bundle::{Bundle, ManifestFile};
use crate::error::Error;
use crate::request::RunOptions;
use services::Entry;
use triggers::Starter;

/// Candidates and graphs of a bundle of manifests.
///
/// ```
/// use oneiric_runtime::{Bundle, Catalog, ManifestFile};
///
/// let text = b"entries:
/// - {domain: workflow, key: day, provider: me, factory: 'builtin:noop', dag: {nodes: [{id: a, task: greet}]}}";
/// let catalog = Catalog::load(Bundle { files: vec![ManifestFile::new("day.yaml", *text)] })?;
/// let (_, day) = catalog.workflow(&"day".parse()?, None)?;
/// assert_eq!(day.graph.tasks()[0].as_str(), "greet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Catalog {
    bundle: Bundle,
    registry: Registry,
    // By what identifies a candidate of domain workflow.
    workflows: HashMap<(Key, Provider, Source), Workflow>,
    // Of handlers that start workflows.
    starters: Vec<Starter>,
    // Of domain service.
    services: Vec<Entry>,
    // Of the settings.
    max_deliveries: Option<u32>,
}

/// The graph of a workflow, checked, and what its manifest entry says around it.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The manifest it stands in, and the file that was read from.
    manifest: Arc<Manifest>,
    file: ManifestFile,
    entry: usize,
    /// The checked graph.
    pub graph: Arc<Graph>,
}

impl Workflow {
    /// The graph as it was written.
    pub fn dag(&self) -> &Dag {
        self.manifest.entries[self.entry].dag.as_ref().expect("only entries with a graph become workflows")
    }

    /// What is wrong with the nodes that name `task`, each at its place.
    pub(crate) fn wrong_task(
        &self,
        key: &Key,
        task: &Key,
        why: &ResolveError,
    ) -> impl Iterator<Item = Problem> {
        let text = String::from_utf8_lossy(&self.file.bytes);
        self.dag().nodes.iter().filter(move |node| node.task == *task).map(move |node| Problem {
            place: Place::of_name(&self.file.name, &text, node.task_position),
            message: format!("node `{}` of workflow `{key}`: {why}", node.id),
            help: Some(
                "add an entry of domain `task` with that key to a manifest, or correct the node".to_owned(),
            ),
        })
    }

    /// What is wrong with the nodes, or their entries among `tasks`, that name `hook` as `reconcile`.
    pub(crate) fn wrong_hook(
        &self,
        key: &Key,
        hook: &Key,
        tasks: &[Arc<Descriptor>],
        why: &ResolveError,
    ) -> impl Iterator<Item = Problem> {
        let text = String::from_utf8_lossy(&self.file.bytes);
        let of_task = |node: &manifest::Node| {
            let task = tasks.iter().find(|task| task.key == node.task);
            node.reconcile.is_none() && task.is_some_and(|task| task.reconcile.as_ref() == Some(hook))
        };
        let names = move |node: &&manifest::Node| node.reconcile.as_ref() == Some(hook) || of_task(node);
        self.dag().nodes.iter().filter(names).map(move |node| Problem {
            place: Place::of_name(&self.file.name, &text, node.task_position),
            message: format!("`reconcile` of node `{}` of workflow `{key}`: {why}", node.id),
            help: Some("add an entry of domain `task` with that key to a manifest, or correct it".to_owned()),
        })
    }

    /// The text of the manifest it stands in.
    pub(crate) fn text(&self) -> Arc<[u8]> {
        Arc::clone(&self.file.bytes)
    }

    /// What bounds its runs.
    pub fn limits(&self) -> Limits {
        let dag = self.dag();
        Limits {
            max_parallel: dag.max_parallel.unwrap_or(u32::MAX),
            timeout: dag.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            ..Limits::default()
        }
    }
}

/// The candidates of a process that stand in no manifest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// What its component runtimes bring along: ranked behind everything else.
    pub(crate) offered: Vec<Descriptor>,
    /// What was linked in: ranked before everything of equal score.
    pub(crate) linked: Vec<Descriptor>,
    /// Manifests that were made in code: they are part of every bundle.
    pub(crate) code: Vec<ManifestFile>,
}

impl Catalog {
    /// As [`Catalog::load`], with what the process has of its own.
    pub(crate) fn load_beside(own: &Own, bundle: Bundle) -> Result<Self, Error> {
        let mut catalog = Self::default();
        for descriptor in &own.offered {
            catalog.registry.register(descriptor.clone());
        }
        catalog.read(bundle)?;
        for descriptor in &own.linked {
            catalog.registry.register(descriptor.clone());
        }
        Ok(catalog)
    }

    /// Parses manifests, registers their entries and checks every graph.
    ///
    /// # Errors
    /// [`Error::Manifest`] for the first manifest that is wrong, with everything that is wrong in it.
    pub fn load(bundle: Bundle) -> Result<Self, Error> {
        let mut catalog = Self::default();
        catalog.read(bundle)?;
        Ok(catalog)
    }

    fn read(&mut self, bundle: Bundle) -> Result<(), Error> {
        for file in &bundle.files {
            self.add(file)?;
        }
        self.bundle = bundle;
        Ok(())
    }

    fn add(&mut self, file: &ManifestFile) -> Result<(), Error> {
        let wrong = |problems| Error::Manifest { problems, text: Arc::clone(&file.bytes) };
        let manifest = Arc::new(manifest::parse(&file.name, &file.bytes).map_err(wrong)?);
        let source = Source::LocalManifest(file.name.clone());
        let mut problems = Vec::new();
        for (entry, written) in manifest.entries.iter().enumerate() {
            if let Err(message) = breaker::stated(&written.metadata, breaker::Policy::default(), false) {
                let text = String::from_utf8_lossy(&file.bytes);
                let place = Place::of_name(&file.name, &text, written.position);
                problems.push(Problem { place, message, help: None });
            }
            if written.domain == Domain::SERVICE {
                self.services.push(Entry { manifest: Arc::clone(&manifest), file: file.clone(), entry });
            }
            if written.domain == Domain::EVENT {
                match Subscription::of(&Arc::new(written.descriptor(source.clone())), &Defaults::default()) {
                    Ok(Subscription { triggers, .. }) if triggers.is_empty() => {}
                    Ok(Subscription { triggers, .. }) => {
                        let (manifest, file) = (Arc::clone(&manifest), file.clone());
                        self.starters.push(Starter { manifest, file, entry, triggers });
                    }
                    Err(error) => {
                        let text = String::from_utf8_lossy(&file.bytes);
                        let place = Place::of_name(&file.name, &text, written.position);
                        let message = format!("event handler `{}`: {error}", written.key);
                        problems.push(Problem { place, message, help: None });
                    }
                }
            }
            let Some(dag) = written.dag.as_ref().filter(|_| written.domain == Domain::WORKFLOW) else {
                continue;
            };
            match draft(dag).build() {
                Ok(graph) => {
                    let id = (written.key.clone(), written.provider.clone(), source.clone());
                    let workflow = Workflow {
                        manifest: Arc::clone(&manifest),
                        file: file.clone(),
                        entry,
                        graph: Arc::new(graph),
                    };
                    self.workflows.insert(id, workflow);
                }
                Err(error) => problems.push(located(file, dag, written.position, &error)),
            }
        }
        if !problems.is_empty() {
            return Err(wrong(ParseError { problems, more: 0 }));
        }
        let descriptors = manifest.entries.iter().map(|entry| entry.descriptor(source.clone())).collect();
        self.registry.replace_source(&source, descriptors);
        Ok(())
    }

    /// Honours the selections and limits of settings. A selection that names a provider that is not there changes nothing;
    /// [`Registry::unmet_selections`] lists it.
    pub fn select(&mut self, settings: &Settings) {
        for (domain, key, provider) in settings.selections() {
            self.registry.select(domain, key, provider.clone());
        }
        self.max_deliveries = Some(settings.execution.max_deliveries);
    }

    /// How often the process may die while a node runs.
    fn max_deliveries(&self) -> u32 {
        self.max_deliveries.unwrap_or(Limits::default().max_deliveries)
    }

    /// The manifests.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The candidates.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The graph of exactly this candidate.
    pub(crate) fn graph_of(&self, descriptor: &Descriptor) -> Option<&Workflow> {
        let id = (descriptor.key.clone(), descriptor.provider.clone(), descriptor.source.clone());
        self.workflows.get(&id)
    }

    /// The best candidate of a workflow key, with its graph.
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::NoGraph`] where the entry has no `dag`.
    pub fn workflow(
        &self,
        key: &Key,
        provider: Option<&Provider>,
    ) -> Result<(&Arc<Descriptor>, &Workflow), Error> {
        let query = Query { provider, ..Query::default() };
        let descriptor = self.registry.resolve(&Domain::WORKFLOW, key, &query)?.descriptor();
        let workflow = self.graph_of(descriptor).ok_or_else(|| Error::NoGraph(key.clone()))?;
        Ok((descriptor, workflow))
    }
}

impl Catalog {
    /// The plan of a workflow, with nothing brought up for it. Of a task that is not known, nothing is said.
    ///
    /// # Errors
    /// As [`Catalog::workflow`].
    pub fn plan(&self, key: &Key, options: &RunOptions) -> Result<Plan, Error> {
        let (_, workflow) = self.workflow(key, options.provider.as_ref())?;
        let said = |task| {
            let found = self.registry.resolve(&Domain::TASK, task, &Query::default());
            found.map(|candidate| policy_of(candidate.descriptor())).unwrap_or_default()
        };
        let policies = workflow.graph.tasks().iter().map(said).collect();
        let retry = workflow.dag().retry_policy;
        Ok(Plan::new(
            key.clone(),
            Arc::clone(&workflow.graph),
            policies,
            retry,
            self.bounds(workflow, options),
        ))
    }

    /// What bounds a run of a workflow.
    pub(crate) fn bounds(&self, workflow: &Workflow, options: &RunOptions) -> Limits {
        let limits = workflow.limits();
        Limits {
            max_parallel: options.max_parallel.unwrap_or(limits.max_parallel),
            timeout: options.timeout().or(limits.timeout),
            max_deliveries: self.max_deliveries(),
            ..limits
        }
    }
}

/// What a component says of patience.
pub(crate) fn policy_of(descriptor: &Descriptor) -> Policy {
    Policy {
        retry: descriptor.retry,
        timeout: descriptor.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        idempotent: descriptor.idempotent,
        heartbeat: descriptor.heartbeat_timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        reconcile: descriptor.reconcile.clone().map(Hook::Task),
    }
}

fn draft(dag: &Dag) -> Draft {
    let nodes = dag.nodes.iter().map(|node| DraftNode {
        id: node.id.clone(),
        task: node.task.clone(),
        depends_on: node.depends_on.iter().map(|dependency| dependency.id.clone()).collect(),
        payload: node.payload.clone(),
        when: node.when.clone(),
        policy: Policy {
            retry: node.retry_policy,
            timeout: node.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            idempotent: node.idempotent,
            heartbeat: node.heartbeat_timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            reconcile: node.reconcile.clone().map(Hook::Task),
        },
    });
    Draft { nodes: nodes.collect(), on_failure: dag.on_failure }
}

/// Points at the node or the dependency that is meant; else at the entry.
fn located(file: &ManifestFile, dag: &Dag, entry: Position, error: &GraphError) -> Problem {
    let position = match error.place() {
        Some((node, Some(dependency))) => {
            dag.nodes.get(node).and_then(|node| node.depends_on.get(dependency)).map(|found| found.position)
        }
        Some((node, None)) => dag.nodes.get(node).map(|node| node.position),
        None => None,
    };
    let text = String::from_utf8_lossy(&file.bytes);
    let place = Place::of_name(&file.name, &text, position.unwrap_or(entry));
    Problem { place, message: error.to_string(), help: error.help() }
}
