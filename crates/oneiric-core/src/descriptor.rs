//! Plain data about one candidate component: all that the resolver may look at.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::retry::RetryPolicy;
use crate::{Domain, Key, Provider};

/// Where a candidate came from. Re-registration replaces within one source only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Registered in code by the embedding program.
    Manual,
    /// A manifest that the operator named: on the command line or in local settings.
    LocalManifest(String),
    /// A manifest that was fetched.
    RemoteManifest(String),
    /// A linked crate.
    Linked(String),
}

impl Source {
    /// Upstream's word for it: `manual`, `remote_manifest`, `local_pkg`.
    pub const fn name(&self) -> &'static str {
        match self {
            Source::Manual => "manual",
            Source::LocalManifest(_) => "local_manifest",
            Source::RemoteManifest(_) => "remote_manifest",
            Source::Linked(_) => "local_pkg",
        }
    }

    /// Which file, address or crate, where there is one.
    pub fn place(&self) -> Option<&str> {
        match self {
            Source::Manual => None,
            Source::LocalManifest(place) | Source::RemoteManifest(place) | Source::Linked(place) => {
                Some(place)
            }
        }
    }
}

/// How a component is built: `scheme:rest`, or Python's `pkg.mod:Attr`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Factory(String);

impl Factory {
    /// Wraps the text; whether anything recognises it is decided when it is loaded.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows `scheme:`, where the factory has that scheme: `exec:sh` → `sh`.
    pub fn of_scheme(&self, scheme: &str) -> Option<&str> {
        self.0.strip_prefix(scheme)?.strip_prefix(':').map(str::trim)
    }
}

impl fmt::Display for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One candidate component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What kind of thing it is.
    pub domain: Domain,
    /// What it is asked for by.
    pub key: Key,
    /// Who offers it.
    pub provider: Provider,
    /// How it is built.
    pub factory: Factory,
    /// Ranks within a key after selection and capabilities; higher wins. Upstream's range is ±1000.
    #[serde(default)]
    pub priority: i32,
    /// Breaks ties of priority; higher wins. Upstream's range is ±100.
    #[serde(default)]
    pub stack_level: i32,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Names of what it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Whether calling it twice with one idempotency key is as good as once; `None` is unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// The longest time one call may take, in seconds; a node may say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// How long a call may be silent, in seconds; a node may say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<f64>,
    /// When to try again; a node or a graph may say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// The task that finds out what became of a try; a node may say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<Key>,
    /// Everything else that the manifest said, upstream's shape.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Where it came from.
    pub source: Source,
}

impl Descriptor {
    /// A candidate with no more than its identity; fill in the public fields as needed.
    pub fn new(domain: Domain, key: Key, provider: Provider, factory: Factory, source: Source) -> Self {
        Self {
            domain,
            key,
            provider,
            factory,
            priority: 0,
            stack_level: 0,
            version: None,
            capabilities: Vec::new(),
            idempotent: None,
            timeout_seconds: None,
            heartbeat_timeout: None,
            retry: None,
            reconcile: None,
            metadata: Map::new(),
            source,
        }
    }

    /// Whether an instance of the one is as good as an instance of the other: they differ in nothing but which
    /// events are wanted, and how they are handed over. That is for whoever hands them over, and no instance
    /// needs to be built anew for it.
    pub fn is_built_as(&self, other: &Self) -> bool {
        self == other || (self.domain == Domain::EVENT && self.unsubscribed() == other.unsubscribed())
    }

    fn unsubscribed(&self) -> Self {
        let mut plain = self.clone();
        plain.metadata.retain(|name, _| !SUBSCRIPTION.contains(&name.as_str()));
        plain
    }
}

/// What a component of domain `event` says in its metadata of the events that it wants.
const SUBSCRIPTION: &[&str] = &[
    "topics",
    "filters",
    "max_concurrency",
    "fanout_policy",
    "event_priority",
    "event_when",
    "event_tags",
    "event_sources",
    "event_routing_keys",
    "event_min_priority",
    "event_delivery",
    "event_buffer",
    "event_overflow",
    "event_shadowed",
    "workflows",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn which_events_are_wanted_is_no_reason_for_a_new_instance() {
        let with = |domain: Domain, name: &str| {
            let (key, provider) = ("k".parse().unwrap(), "p".parse().unwrap());
            let mut plain =
                Descriptor::new(domain, key, provider, Factory::new("builtin:noop"), Source::Manual);
            plain.metadata.insert(name.to_owned(), json!(["x"]));
            plain
        };
        let event = |name| with(Domain::EVENT, name);
        assert!(event("topics").is_built_as(&event("filters")));
        assert!(!event("topics").is_built_as(&event("region")));
        assert!(!with(Domain::TASK, "topics").is_built_as(&with(Domain::TASK, "filters")));
        let patient = Descriptor { timeout_seconds: Some(1.0), ..event("topics") };
        assert!(!event("topics").is_built_as(&patient));
    }
}
