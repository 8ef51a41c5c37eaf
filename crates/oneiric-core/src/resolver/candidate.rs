//! A registered descriptor.

use std::sync::Arc;

use serde_json::Value;

use crate::{Descriptor, Provider};

/// A descriptor with its place in the order of registration. A clone shares the descriptor.
#[derive(Debug, Clone)]
pub struct Candidate {
    descriptor: Arc<Descriptor>,
    sequence: u64,
    // A handful of names: a scan beats a set.
    capabilities: Arc<[String]>,
}

impl Candidate {
    pub(super) fn new(descriptor: Descriptor, sequence: u64) -> Self {
        let capabilities = capabilities_of(&descriptor).into();
        Self { descriptor: Arc::new(descriptor), sequence, capabilities }
    }

    /// What was registered.
    pub fn descriptor(&self) -> &Arc<Descriptor> {
        &self.descriptor
    }

    /// Who offers it.
    pub fn provider(&self) -> &Provider {
        &self.descriptor.provider
    }

    /// Its place in the order of registration, counted from 1 over the whole registry.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The names of what it can do, sorted: those of the descriptor, and those in its metadata where
    /// upstream keeps them (`capabilities` and `capability_descriptors[].name`).
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// Whether it offers a capability.
    pub fn offers(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|offered| offered == capability)
    }
}

fn capabilities_of(descriptor: &Descriptor) -> Vec<String> {
    let of_metadata = |name| descriptor.metadata.get(name).unwrap_or(&Value::Null);
    let listed = match of_metadata("capabilities") {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    let described = of_metadata("capability_descriptors").as_array().into_iter().flatten();
    let described = described.filter_map(|one| one.get("name")?.as_str()).map(str::to_owned);
    let mut names: Vec<String> =
        descriptor.capabilities.iter().cloned().chain(listed).chain(described).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}
