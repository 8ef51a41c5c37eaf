//! `workflow.orchestrate`: a plan of steps in batches. Nothing here runs them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock, Fault, Payload, Rng, nearest::nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::schedule::{Waiting, batches};
use crate::actions::kit::Kit;
use crate::actions::python::{lax, time::isoformat_utc};
use crate::actions::settings::{self, must};
use crate::actions::{chance, payload, schema};

pub(in crate::actions) const KIT: Kit = Kit {
    key: "workflow.orchestrate",
    provider: "builtin-workflow-orchestrator",
    python: "oneiric.actions.workflow:WorkflowOrchestratorAction",
    description: "plans steps in batches from their dependencies",
    domains: &["workflow", "task", "event"],
    capabilities: &["plan", "graph", "versioned"],
    stack_level: 30,
    priority: 430,
    side_effect_free: true,
    check: settings::check::<OrchestrateSettings>,
    make: |settings, parts| {
        let settings = settings::read(KIT.key, settings)?;
        Ok(Arc::new(Orchestrate::new(settings, parts.clock.clone(), parts.rng.clone())))
    },
};

const INVALID: &str = "workflow-orchestrate-invalid-payload";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct OrchestrateSettings {
    max_parallel_steps: usize,
    default_version: String,
    default_retry_attempts: i64,
    default_timeout_seconds: f64,
}

impl Default for OrchestrateSettings {
    fn default() -> Self {
        Self {
            max_parallel_steps: 4,
            default_version: "1.0.0".to_owned(),
            default_retry_attempts: 3,
            default_timeout_seconds: 300.0,
        }
    }
}

impl settings::Settings for OrchestrateSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        must("max_parallel_steps", self.max_parallel_steps >= 1, "1 or more")?;
        must("default_retry_attempts", self.default_retry_attempts >= 0, "0 or more")?;
        must("default_timeout_seconds", self.default_timeout_seconds > 0.0, "more than 0")
    }
}

/// What is to be planned.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Definition {
    /// Which workflow.
    workflow_id: String,
    /// For people; the id where it is unsaid.
    #[serde(default)]
    name: Option<String>,
    /// The version; of the settings where it is unsaid.
    #[serde(default)]
    version: Option<String>,
    /// For people.
    #[serde(default)]
    #[expect(dead_code, reason = "upstream accepts it and says it nowhere")]
    description: Option<String>,
    /// Whether the plan begins paused.
    #[serde(default, deserialize_with = "lax::bool")]
    start_paused: bool,
    /// The steps.
    steps: Vec<Step>,
    /// Goes into the plan as it is.
    #[serde(default)]
    metadata: Map<String, Value>,
    /// Goes into the plan as it is.
    #[serde(default)]
    context: Map<String, Value>,
    /// Goes into the plan, sorted.
    #[serde(default)]
    tags: Vec<String>,
    /// Plans these and what they depend on; all where it is unsaid or empty.
    #[serde(default)]
    target_steps: Option<Vec<String>>,
}

/// One step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Unique within the plan.
    step_id: String,
    /// For people.
    name: String,
    /// The key of the action.
    action: String,
    /// The steps that come before it.
    #[serde(default)]
    depends_on: Vec<String>,
    /// 0 or more; of the settings where it is unsaid.
    #[serde(default, deserialize_with = "lax::some_int")]
    retry_attempts: Option<i64>,
    /// More than 0; of the settings where it is unsaid.
    #[serde(default, deserialize_with = "lax::some_float")]
    timeout_seconds: Option<f64>,
    /// Goes into the plan as it is.
    #[serde(default)]
    metadata: Map<String, Value>,
    /// Goes into the plan as it is.
    #[serde(default)]
    tags: Vec<String>,
}

struct Orchestrate {
    settings: OrchestrateSettings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Orchestrate {
    fn new(settings: OrchestrateSettings, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { settings, clock, rng }
    }

    fn plan(&self, mut definition: Definition) -> Result<Value, Fault> {
        check(&mut definition)?;
        if let Some(targets) = definition.target_steps.take().filter(|targets| !targets.is_empty()) {
            select(&mut definition.steps, &targets)?;
        }
        let settings = &self.settings;
        let steps = &definition.steps;
        let waiting: Vec<Waiting<'_>> =
            steps.iter().map(|step| Waiting { id: &step.step_id, depends_on: &step.depends_on }).collect();
        let schedule = batches(&waiting, settings.max_parallel_steps).ok_or_else(|| {
            let why = format!("the steps of `{}` wait for each other in a circle", definition.workflow_id);
            Fault::permanent("workflow-orchestrate-cycle-detected", why)
        })?;
        let ordered: Vec<&String> = schedule.iter().flatten().collect();
        let by_id: HashMap<&str, &Step> = steps.iter().map(|step| (step.step_id.as_str(), step)).collect();
        let planned: Vec<Value> = ordered.iter().map(|id| self.planned(by_id[id.as_str()])).collect();
        let depended: HashSet<&str> =
            steps.iter().flat_map(|step| &step.depends_on).map(String::as_str).collect();
        let ids = |holds: &dyn Fn(&Step) -> bool| -> Vec<&str> {
            steps.iter().filter(|step| holds(step)).map(|step| step.step_id.as_str()).collect()
        };
        let dependencies: HashMap<&str, &[String]> =
            steps.iter().map(|step| (step.step_id.as_str(), step.depends_on.as_slice())).collect();
        let name = definition.name.filter(|name| !name.is_empty());
        let version = definition.version.filter(|version| !version.is_empty());
        Ok(json!({
            "status": if definition.start_paused { "paused" } else { "planned" },
            "workflow_id": definition.workflow_id,
            "name": name.as_ref().unwrap_or(&definition.workflow_id),
            "version": version.as_ref().unwrap_or(&settings.default_version),
            "run_token": chance::uuid(&*self.rng),
            "generated_at": isoformat_utc(self.clock.now()),
            "step_count": steps.len(),
            "ordered_steps": ordered,
            "steps": planned,
            "graph": {
                "dependencies": dependencies,
                "entry_steps": ids(&|step| step.depends_on.is_empty()),
                "terminal_steps": ids(&|step| !depended.contains(step.step_id.as_str())),
            },
            "context": definition.context,
            "metadata": definition.metadata,
            "tags": definition.tags.iter().collect::<BTreeSet<_>>(),
            "stats": {
                "parallel_groups": schedule.len(),
                "max_group_size": schedule.iter().map(Vec::len).max().unwrap_or(0),
                "default_retry_attempts": settings.default_retry_attempts,
                "default_timeout_seconds": settings.default_timeout_seconds,
            },
            "schedule": schedule,
        }))
    }

    fn planned(&self, step: &Step) -> Value {
        let attempts = step.retry_attempts.unwrap_or(self.settings.default_retry_attempts);
        json!({
            "step_id": step.step_id,
            "name": step.name,
            "action": step.action,
            "depends_on": step.depends_on,
            "retry_attempts": attempts,
            "retry_policy": { "attempts": attempts },
            "timeout_seconds": step.timeout_seconds.unwrap_or(self.settings.default_timeout_seconds),
            "metadata": step.metadata,
            "tags": step.tags,
        })
    }
}

/// Checks the steps in upstream's order, and takes empty and repeated dependencies out.
fn check(definition: &mut Definition) -> Result<(), Fault> {
    let fault = |code: &str, why: String| Err(Fault::permanent(format!("workflow-orchestrate-{code}"), why));
    if definition.steps.iter().any(|step| step.retry_attempts.is_some_and(|attempts| attempts < 0)) {
        return Err(Fault::permanent(INVALID, "`retry_attempts` of a step is less than 0"));
    }
    if definition.steps.iter().any(|step| step.timeout_seconds.is_some_and(|seconds| seconds <= 0.0)) {
        return Err(Fault::permanent(INVALID, "`timeout_seconds` of a step is not more than 0"));
    }
    if definition.steps.is_empty() {
        return fault("steps-required", format!("`steps` of `{}` is empty", definition.workflow_id));
    }
    let mut ids = HashSet::new();
    for step in &mut definition.steps {
        let id = &step.step_id;
        if !ids.insert(id.clone()) {
            return fault("duplicate-step", format!("there is more than one step `{id}`"));
        }
        let mut seen = HashSet::new();
        step.depends_on.retain(|dependency| !dependency.is_empty() && seen.insert(dependency.clone()));
        if step.depends_on.contains(id) {
            return fault("self-dependency", format!("step `{id}` depends on itself"));
        }
    }
    for step in &definition.steps {
        if let Some(missing) = step.depends_on.iter().find(|dependency| !ids.contains(*dependency)) {
            let why = format!("step `{}` depends on `{missing}`, which is not there", step.step_id);
            return fault("missing-dependency", why + &meant(missing, &ids));
        }
    }
    Ok(())
}

/// Keeps the targets and what they depend on, in the order of the definition.
fn select(steps: &mut Vec<Step>, targets: &[String]) -> Result<(), Fault> {
    let by_id: HashMap<&str, &Step> = steps.iter().map(|step| (step.step_id.as_str(), step)).collect();
    if let Some(missing) = targets.iter().find(|target| !by_id.contains_key(target.as_str())) {
        let ids = steps.iter().map(|step| step.step_id.clone()).collect();
        let why = format!("there is no step `{missing}` to aim at{}", meant(missing, &ids));
        return Err(Fault::permanent("workflow-orchestrate-target-missing", why));
    }
    let mut keep = HashSet::new();
    let mut next: Vec<&str> = targets.iter().map(String::as_str).collect();
    while let Some(id) = next.pop() {
        if keep.insert(id.to_owned()) {
            next.extend(by_id[id].depends_on.iter().map(String::as_str));
        }
    }
    steps.retain(|step| keep.contains(&step.step_id));
    Ok(())
}

fn meant(given: &str, known: &HashSet<String>) -> String {
    nearest(given, known.iter().map(String::as_str))
        .map_or(String::new(), |near| format!("; is `{near}` meant?"))
}

#[async_trait]
impl Action for Orchestrate {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.plan(payload::typed(KIT.key, &input, INVALID)?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let ids = |what| schema::texts(what);
        let graph = schema::object(
            &["dependencies", "entry_steps", "terminal_steps"],
            [
                ("dependencies", schema::of_type("object", "for each step, what it waits for")),
                ("entry_steps", ids("steps that wait for nothing")),
                ("terminal_steps", ids("steps that nothing waits for")),
            ],
        );
        let output = schema::object(
            &["status", "workflow_id", "name", "version", "run_token", "schedule", "steps", "graph", "stats"],
            [
                ("status", schema::one_of(&["planned", "paused"], "whether it begins at once")),
                ("workflow_id", schema::text("which workflow")),
                ("name", schema::text("for people")),
                ("version", schema::text("of the definition")),
                ("run_token", schema::text("32 hexadecimal digits, new for every plan")),
                ("generated_at", schema::text("ISO 8601 in UTC")),
                ("step_count", schema::of_type("integer", "how many steps")),
                ("schedule", schema::of_type("array", "batches of step ids")),
                ("ordered_steps", ids("the same without batches")),
                ("steps", schema::of_type("array", "the steps in that order, defaults filled in")),
                ("graph", graph),
                ("context", schema::of_type("object", "as given")),
                ("metadata", schema::of_type("object", "as given")),
                ("tags", ids("as given, sorted")),
                ("stats", schema::of_type("object", "how many batches, how large, which defaults")),
            ],
        );
        schema::of(schema::derived::<Definition>(), output)
    }
}
