//! From an entry to what the resolver looks at.

use serde_json::{Map, Value as Json, json};

use super::entry::{Entry, capabilities_of_metadata};
use crate::{Descriptor, Source};

impl Entry {
    /// The candidate that this entry describes.
    ///
    /// Its metadata is the entry's own and, over it, the other fields under upstream's names
    /// (`remote_uri`, `topics`, `max_concurrency`, `filters`, ...); what was not said is left out. The
    /// graph is not copied, it can be large: take it from [`Entry::dag`].
    pub fn descriptor(&self, source: Source) -> Descriptor {
        let capabilities = if self.capabilities.is_empty() {
            capabilities_of_metadata(&self.metadata)
        } else {
            self.capabilities.iter().map(|capability| capability.name.clone()).collect()
        };
        Descriptor {
            domain: self.domain.clone(),
            key: self.key.clone(),
            provider: self.provider.clone(),
            factory: self.factory.clone(),
            priority: self.priority.unwrap_or(0),
            stack_level: self.stack_level.unwrap_or(0),
            version: self.version.clone(),
            capabilities,
            idempotent: self.idempotent,
            timeout_seconds: self.timeout_seconds,
            heartbeat_timeout: self.heartbeat_timeout,
            retry: self.retry_policy,
            reconcile: self.reconcile.clone(),
            metadata: self.propagated(&source),
            source,
        }
    }

    fn propagated(&self, source: &Source) -> Map<String, Json> {
        // Upstream knows manifests only as remote ones and says so of all of them.
        let origin = match source {
            Source::RemoteManifest(_) | Source::LocalManifest(_) => "remote",
            Source::Manual | Source::Linked(_) => source.name(),
        };
        let names: Vec<&str> = self.capabilities.iter().map(|capability| capability.name.as_str()).collect();
        let some = [
            ("remote_uri", json!(self.uri)),
            ("version", json!(self.version)),
            ("source", json!(origin)),
            ("capabilities", json!(names)),
            ("capability_descriptors", json!(self.capabilities)),
            ("owner", json!(self.owner)),
            ("requires_secrets", json!(self.requires_secrets)),
            ("settings_model", json!(self.settings_model)),
            ("side_effect_free", json!(self.side_effect_free)),
            ("timeout_seconds", json!(self.timeout_seconds)),
            ("retry_policy", json!(self.retry_policy)),
            ("requires", json!(self.requires)),
            ("conflicts_with", json!(self.conflicts_with)),
            ("python_version", json!(self.python_version)),
            ("os_platform", json!(self.os_platform)),
            ("license", json!(self.license)),
            ("documentation_url", json!(self.documentation_url)),
            ("topics", json!(self.event_topics)),
            ("max_concurrency", json!(self.event_max_concurrency)),
            ("filters", json!(self.event_filters)),
            ("event_priority", json!(self.event_priority)),
            ("fanout_policy", json!(self.event_fanout_policy)),
            ("event_when", json!(self.event_when)),
            ("event_tags", json!(self.event_tags)),
            ("event_sources", json!(self.event_sources)),
            ("event_routing_keys", json!(self.event_routing_keys)),
            ("event_min_priority", json!(self.event_min_priority)),
            ("event_delivery", json!(self.event_delivery)),
            ("event_buffer", json!(self.event_buffer)),
            ("event_overflow", json!(self.event_overflow)),
            ("event_shadowed", json!(self.event_shadowed.then_some(true))),
        ];
        let mut metadata = self.metadata.clone();
        let said = |value: &Json| match value {
            Json::Null => false,
            Json::String(text) => !text.is_empty(),
            Json::Array(items) => !items.is_empty(),
            Json::Bool(_) | Json::Number(_) | Json::Object(_) => true,
        };
        metadata.extend(
            some.into_iter().filter(|(_, value)| said(value)).map(|(name, value)| (name.to_owned(), value)),
        );
        metadata
    }
}
