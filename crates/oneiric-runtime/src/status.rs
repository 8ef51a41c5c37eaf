//! How components stand, as upstream's `status --json` has it: what the resolver says of each key,
//! and what the process has of it.

use oneiric_core::lifecycle::{Condition, Status};
use oneiric_core::resolver::{Query, Registry};
use oneiric_core::{Candidate, Domain, Key, Provider};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Whether anything answers for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// A candidate does.
    Active,
    /// A selection names the key, and no candidate answers for it.
    Unresolved,
}

/// Whether there is an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// One serves.
    Ready,
    /// One is coming up, and none serves yet.
    Pending,
    /// There is none.
    Absent,
}

/// One key of a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentStatus {
    /// The domain.
    pub domain: Domain,
    /// The key.
    pub key: Key,
    /// The provider that a selection names.
    pub configured_provider: Option<Provider>,
    /// How many candidates something better hides.
    pub shadowed: usize,
    /// Whether anything answers.
    pub state: Answered,
    /// Who offers what answers.
    pub provider: Option<Provider>,
    /// Where that came from: `manual`, `local_manifest`, `remote_manifest`, `local_pkg`.
    pub source: Option<String>,
    /// Its priority.
    pub priority: Option<i32>,
    /// Its stack level.
    pub stack_level: Option<i32>,
    /// How it is built.
    pub factory: Option<String>,
    /// What else its manifest says.
    pub metadata: Map<String, Value>,
    /// Whether the selection decided.
    pub selection_applied: bool,
    /// Whether there is an instance.
    pub instance_state: InstanceState,
    /// The life of the instances so far; `None` where nobody asked for one yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifecycle: Option<Status>,
    /// The candidates that are hidden, best first.
    pub shadowed_details: Vec<Shadowed>,
    /// What is wrong with the key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

/// A candidate that something better hides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shadowed {
    /// Who offers it.
    pub provider: Provider,
    /// Its priority.
    pub priority: i32,
    /// Its stack level.
    pub stack_level: i32,
    /// Where it came from.
    pub source: String,
    /// What else its manifest says.
    pub metadata: Map<String, Value>,
}

/// How the keys of a domain, or of all, stand; by domain and key.
///
/// `statuses` are those of the process that the registry is of; none, where nothing is running.
pub fn component_statuses(
    registry: &Registry,
    statuses: &[Status],
    domain: Option<&Domain>,
    key: Option<&Key>,
) -> Vec<ComponentStatus> {
    let mut rows = Vec::new();
    for known in registry.domains().filter(|known| domain.is_none_or(|domain| domain == *known)) {
        let wanted = |found: &Key| key.is_none_or(|key| key == found);
        for winner in registry.active(known).filter(|winner| wanted(&winner.descriptor().key)) {
            rows.push(active(registry, statuses, winner));
        }
        let unmet = registry.unmet_selections().filter(|unmet| unmet.domain == known && wanted(unmet.key));
        // Where something else answers, the row above says what is wrong with the selection.
        for unmet in unmet.filter(|unmet| unmet.known.is_empty()) {
            rows.push(unresolved(known, unmet.key, unmet.provider));
        }
    }
    rows.sort_by(|a, b| (&a.domain, &a.key).cmp(&(&b.domain, &b.key)));
    rows
}

fn active(registry: &Registry, statuses: &[Status], winner: &Candidate) -> ComponentStatus {
    let descriptor = winner.descriptor();
    let (domain, key) = (&descriptor.domain, &descriptor.key);
    let configured = registry.selection(domain, key).cloned();
    let applied = configured.as_ref() == Some(&descriptor.provider);
    let lifecycle = statuses
        .iter()
        .find(|status| status.pinned.is_none() && status.domain == *domain && status.key == *key)
        .cloned();
    let message = match registry.resolve(domain, key, &Query::default()) {
        Err(error) => Some(error.to_string()),
        Ok(_) => configured.as_ref().filter(|_| !applied).map(|wanted| {
            format!("the selection names provider `{wanted}`, which is not there; the ranking decides")
        }),
    };
    let shadowed = registry.candidates(domain, key).get(1..).unwrap_or_default();
    ComponentStatus {
        domain: domain.clone(),
        key: key.clone(),
        configured_provider: configured,
        shadowed: shadowed.len(),
        state: Answered::Active,
        provider: Some(descriptor.provider.clone()),
        source: Some(descriptor.source.name().to_owned()),
        priority: Some(descriptor.priority),
        stack_level: Some(descriptor.stack_level),
        factory: Some(descriptor.factory.to_string()),
        metadata: descriptor.metadata.clone(),
        selection_applied: applied,
        instance_state: lifecycle.as_ref().map_or(InstanceState::Absent, instance_state),
        lifecycle,
        shadowed_details: shadowed.iter().map(hidden).collect(),
        message,
    }
}

fn hidden(candidate: &Candidate) -> Shadowed {
    let descriptor = candidate.descriptor();
    Shadowed {
        provider: descriptor.provider.clone(),
        priority: descriptor.priority,
        stack_level: descriptor.stack_level,
        source: descriptor.source.name().to_owned(),
        metadata: descriptor.metadata.clone(),
    }
}

fn unresolved(domain: &Domain, key: &Key, wanted: &Provider) -> ComponentStatus {
    ComponentStatus {
        domain: domain.clone(),
        key: key.clone(),
        configured_provider: Some(wanted.clone()),
        shadowed: 0,
        state: Answered::Unresolved,
        provider: None,
        source: None,
        priority: None,
        stack_level: None,
        factory: None,
        metadata: Map::new(),
        selection_applied: false,
        instance_state: InstanceState::Absent,
        lifecycle: None,
        shadowed_details: Vec::new(),
        message: Some(format!("the selection names provider `{wanted}`, and the key has no candidate")),
    }
}

/// Never claims an instance that is not there: what counts is whose instance serves.
fn instance_state(status: &Status) -> InstanceState {
    match (&status.current_provider, status.state) {
        (Some(_), _) => InstanceState::Ready,
        (None, Condition::Activating) => InstanceState::Pending,
        (None, Condition::Unknown | Condition::Ready | Condition::Failed) => InstanceState::Absent,
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Descriptor, Factory, Source};

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::new();
        for (key, provider, priority) in [("cache", "redis", 1), ("cache", "memory", 2), ("queue", "nats", 0)]
        {
            let mut descriptor = Descriptor::new(
                Domain::ADAPTER,
                key.parse().unwrap(),
                provider.parse().unwrap(),
                Factory::new("builtin:noop"),
                Source::Manual,
            );
            descriptor.priority = priority;
            registry.register(descriptor);
        }
        registry
    }

    fn provider(name: &str) -> Provider {
        Provider::new(name).unwrap()
    }

    #[test]
    fn a_row_says_what_answers_and_what_it_hides() {
        let rows = component_statuses(&registry(), &[], None, None);
        let keys: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.shadowed)).collect();
        assert_eq!(keys, [("cache", 1), ("queue", 0)]);
        assert_eq!(rows[0].provider, Some(provider("memory")));
        assert_eq!(rows[0].shadowed_details[0].provider, provider("redis"));
        assert_eq!(rows[0].instance_state, InstanceState::Absent);
        assert!(component_statuses(&registry(), &[], Some(&Domain::TASK), None).is_empty());
        let one = component_statuses(&registry(), &[], None, Some(&"queue".parse().unwrap()));
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn a_selection_that_is_not_met_is_told() {
        let mut registry = registry();
        registry.select(&Domain::ADAPTER, &"cache".parse().unwrap(), provider("redis"));
        registry.select(&Domain::ADAPTER, &"queue".parse().unwrap(), provider("kafka"));
        registry.select(&Domain::ADAPTER, &"secrets".parse().unwrap(), provider("env"));
        let rows = component_statuses(&registry, &[], None, None);
        let told: Vec<_> =
            rows.iter().map(|row| (row.selection_applied, row.state, row.message.is_some())).collect();
        let (active, unresolved) = (Answered::Active, Answered::Unresolved);
        assert_eq!(told, [(true, active, false), (false, active, true), (false, unresolved, true)]);
    }
}
